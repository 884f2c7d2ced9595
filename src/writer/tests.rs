//! Random histories in batches: the tables, the log and the graph in memory say the same, whatever a batch is made of.

#![allow(clippy::disallowed_methods, reason = "the tables are damaged, and looked at")]

mod turns;

use super::{Committed, batch::Batch};
use crate::{
    access::{Identity, role_rules::Questions},
    finding::{Finding, Kind},
    graph::{Graph, differences},
    model::{Model, ReferenceId},
    private_postgresql::PrivatePostgres,
    replica::follow,
    rules::{
        self, AllocateAddresses, Create, Decision, Delete, Document, FreeAddresses, Operation, Options, Purpose,
        ReferenceUpdate, RelaxReference, Request, Rulebook, Transaction, Update,
        collection::{CollectionUpdate, ElementUpdate},
        rulebook,
    },
    store::{
        Database, Session, Turn, append, check,
        idempotency::{self, KeptAnswers, Key, Keyed},
        load, load_snapshot, make_until, operation, sequence,
    },
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, raw_sql};
use std::{fs, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};
use uuid::Uuid;

/// What is done next, with one of a few uuids, which are those of objects of all types in turn, and one of a few names.
#[derive(Clone, Debug)]
enum Step {
    /// With one of several lists of subnets.
    Network(u8, u8, usize),
    /// An address of a network, by its uuid: this one, or any.
    Address(u8, u8, u8, Option<u8>),
    Policy(u8, u8),
    /// On a network, by its uuid.
    Interface(u8, u8, u8),
    Subnets(u8, usize),
    Rename(u8, u8),
    /// Annotations: those of these bits, with this value.
    Annotate(u8, u8, u8),
    /// An element of a list, at this position: put there, or taken away.
    Element(u8, u8, Option<u8>),
    Delete(u8),
    Allocate(u8, usize),
    GiveBack(u8, u8),
    /// Adds a reference, with some data, that may or may not stop the delete of its target.
    Refer(u8, u8, u8, bool),
    Leave(u8, u8),
    Relax(u8, u8),
}

const UUIDS: u8 = 5;
const NAMES: u8 = 3;
const SUBNETS: [&[(&str, u8)]; 4] =
    [&[("10.1.1.0", 29)], &[("10.1.1.0", 28)], &[("10.1.1.0", 29), ("10.1.1.32", 29)], &[]];

fn step() -> impl Strategy<Value = Step> {
    let (uuid, name) = (|| 0..UUIDS, || 0..NAMES);
    prop_oneof![
        5 => (uuid(), name(), 0..SUBNETS.len()).prop_map(|(uuid, name, which)| Step::Network(uuid, name, which)),
        5 => (uuid(), name(), uuid(), prop::option::of(0..8_u8))
            .prop_map(|(uuid, name, network, last)| Step::Address(uuid, name, network, last)),
        2 => (uuid(), name()).prop_map(|(uuid, name)| Step::Policy(uuid, name)),
        2 => (uuid(), name(), uuid()).prop_map(|(uuid, name, network)| Step::Interface(uuid, name, network)),
        2 => (uuid(), 0..SUBNETS.len()).prop_map(|(uuid, which)| Step::Subnets(uuid, which)),
        1 => (uuid(), any::<u8>()).prop_map(|(uuid, name)| Step::Rename(uuid, name)),
        2 => (uuid(), 0..8_u8, 0..2_u8).prop_map(|(uuid, keys, value)| Step::Annotate(uuid, keys, value)),
        2 => (uuid(), 0..3_u8, prop::option::of(0..2_u8))
            .prop_map(|(uuid, position, port)| Step::Element(uuid, position, port)),
        8 => uuid().prop_map(Step::Delete),
        4 => (uuid(), 1..4_usize).prop_map(|(uuid, count)| Step::Allocate(uuid, count)),
        2 => (uuid(), 0..8_u8).prop_map(|(uuid, last)| Step::GiveBack(uuid, last)),
        4 => (uuid(), uuid(), 0..2_u8, any::<bool>()).prop_map(|(from, to, data, relax)| Step::Refer(from, to, data, relax)),
        2 => (uuid(), uuid()).prop_map(|(from, to)| Step::Leave(from, to)),
        3 => (uuid(), uuid()).prop_map(|(from, to)| Step::Relax(from, to)),
    ]
}

fn uuid_of(number: u8) -> Uuid {
    Uuid::from_u128(0x8f14_e45f_ceea_467f_a8d5_2f3b_5a1c_9d10 + u128::from(number))
}

fn subnets(which: usize) -> Value {
    let entries = SUBNETS[which].iter();
    let entries: Vec<Value> =
        entries.map(|(prefix, length)| json!({"subnet": {"ip_prefix": prefix, "ip_prefix_len": length}})).collect();
    json!([{"to": ["default-domain", "default-project", "default-network-ipam"], "attr": {"ipam_subnets": entries}}])
}

fn create(model: &Model, kind: &str, uuid: u8, fq_name: Vec<String>, mut body: Value) -> Option<Operation> {
    let type_id = model.find(kind).unwrap();
    body["uuid"] = uuid_of(uuid).to_string().into();
    let Value::Object(body) = body else { panic!("an object") };
    let document = Document::read(model, model.object_type(type_id), body, Purpose::Create).ok()?;
    Some(Operation::Create(Create { type_id, fq_name, document, chosen: None }))
}

fn update(graph: &Graph, uuid: u8, body: Value) -> Option<Operation> {
    let object = graph.get(uuid_of(uuid))?;
    let Value::Object(body) = body else { panic!("an object") };
    let document = Document::read_update(graph.model(), graph.model().object_type(object.type_id), body);
    Some(Operation::Update(Update { type_id: object.type_id, uuid: object.uuid.to_string(), document }))
}

fn refer(graph: &Graph, from: u8, to: u8, add: bool, data: u8, relax: bool) -> Option<Operation> {
    let (from, to) = (graph.get(uuid_of(from))?, graph.get(uuid_of(to))?);
    let references = &graph.model().object_type(from.type_id).references;
    let index = references.iter().position(|reference| reference.target == to.type_id)?;
    let attribute = if references[index].field == "network_policy_refs" {
        json!({"sequence": {"major": data, "minor": 0}})
    } else {
        Value::Null
    };
    Some(Operation::ReferenceUpdate(ReferenceUpdate {
        type_id: from.type_id,
        uuid: from.uuid.to_string(),
        reference: ReferenceId(u16::try_from(index).unwrap()),
        target_uuid: Some(to.uuid.to_string()),
        target_name: None,
        add,
        attribute,
        relax,
    }))
}

/// What a client would send, knowing what is there; none where there is nothing to send.
fn request(graph: &Graph, step: &Step) -> Option<Request> {
    let model = graph.model();
    let below_project = |name: &u8| vec!["default-domain".into(), "default-project".into(), format!("n{name}")];
    let network_of = |uuid: &u8| graph.get(uuid_of(*uuid)).map(|network| json!([{"uuid": network.uuid.to_string()}]));
    let operation = match step {
        Step::Network(uuid, name, which) => {
            let body = json!({"parent_type": "project", "network_ipam_refs": subnets(*which)});
            create(model, "virtual-network", *uuid, below_project(name), body)
        }
        Step::Address(uuid, name, network, last) => {
            let mut body = json!({"virtual_network_refs": network_of(network)?});
            if let Some(last) = last {
                body["instance_ip_address"] = format!("10.1.1.{last}").into();
            }
            create(model, "instance-ip", *uuid, vec![format!("a{name}")], body)
        }
        Step::Policy(uuid, name) => {
            create(model, "network-policy", *uuid, below_project(name), json!({"parent_type": "project"}))
        }
        Step::Interface(uuid, name, network) => {
            let body = json!({"parent_type": "project", "virtual_network_refs": network_of(network)?});
            create(model, "virtual-machine-interface", *uuid, below_project(name), body)
        }
        Step::Subnets(uuid, which) => update(graph, *uuid, json!({"network_ipam_refs": subnets(*which)})),
        Step::Rename(uuid, name) => update(graph, *uuid, json!({"display_name": name.to_string()})),
        Step::Annotate(uuid, keys, value) => {
            let pairs = (0..3).filter(|key| keys & (1 << key) != 0);
            let pairs: Vec<Value> =
                pairs.map(|key| json!({"value": value.to_string(), "key": format!("k:{key}")})).collect();
            update(graph, *uuid, json!({"annotations": {"key_value_pair": pairs}}))
        }
        Step::Element(uuid, position, port) => graph.get(uuid_of(*uuid)).map(|object| {
            let update = ElementUpdate {
                field: "virtual_machine_interface_fat_flow_protocols".to_owned(),
                operation: if port.is_some() { "modify" } else { "delete" }.to_owned(),
                value: port.map(|port| json!({"protocol": "tcp", "port": port})),
                position: Some(format!("p:{position}")),
                given: Value::Null,
            };
            Operation::CollectionUpdate(CollectionUpdate { uuid: object.uuid.to_string(), updates: vec![update] })
        }),
        Step::Delete(uuid) => {
            let object = graph.get(uuid_of(*uuid))?;
            Some(Operation::Delete(Delete { type_id: object.type_id, uuid: object.uuid.to_string() }))
        }
        Step::Allocate(uuid, count) => Some(Operation::AllocateAddresses(AllocateAddresses {
            network: uuid_of(*uuid).to_string(),
            count: *count,
            subnet: None,
            version: None,
        })),
        Step::GiveBack(uuid, last) => Some(Operation::FreeAddresses(FreeAddresses {
            network: uuid_of(*uuid).to_string(),
            addresses: vec![format!("10.1.1.{last}").parse().unwrap()],
        })),
        Step::Refer(from, to, data, relax) => refer(graph, *from, *to, true, *data, *relax),
        Step::Leave(from, to) => refer(graph, *from, *to, false, 0, false),
        Step::Relax(from, to) => Some(Operation::RelaxReference(RelaxReference {
            uuid: uuid_of(*from).to_string(),
            target: uuid_of(*to).to_string(),
        })),
    };
    Some(Request {
        operation: operation?,
        precondition: None,
        dry_run: false,
        identity: Identity::server("test"),
        asked: Questions::default(),
    })
}

fn without_settings(model: &Model) -> Arc<Rulebook> {
    Arc::new(rulebook(model, Options::default()))
}

/// A database with nothing in it.
async fn emptied(connection: &mut Session, model: &Arc<Model>) -> Graph {
    let empty = "truncate object, reference, address_hold, change, idempotency_key;
        update feed_sequence set last_rev = 0, floor = 0";
    connection.execute(raw_sql(empty)).await.unwrap();
    let graph = load_snapshot(connection, model).await.unwrap();
    let provision = Request {
        operation: Operation::Provision { role_rules: false },
        precondition: None,
        dry_run: false,
        identity: Identity::server("test"),
        asked: Questions::default(),
    };
    let mut batch = Batch::on(graph);
    batch.decide(&provision, &without_settings(model));
    write(connection, &batch).await;
    batch.fork
}

/// Whatever happened to names, numbers and uuids within it, a batch can be written.
async fn write(connection: &mut Session, batch: &Batch) {
    let fence = sequence::peek(connection).await.unwrap().fence;
    let turn = Turn { batch: batch.id, now: batch.now, after: batch.base, sole: None, fence };
    assert!(append(connection, &batch.fork, &batch.rows, turn).await.unwrap(), "it is the turn of this batch");
}

/// A key, and the fingerprint of a request.
fn keyed(key: &str, fingerprint: u8) -> Keyed {
    Keyed { key: Key { who: "[null,null]".to_owned(), text: key.to_owned() }, fingerprint: [fingerprint; 32] }
}

/// What was answered to these keys before.
async fn known(connection: &mut Session, keys: &[&Keyed]) -> KeptAnswers {
    let keys: Vec<&Key> = keys.iter().map(|keyed| &keyed.key).collect();
    idempotency::look_up(connection, &keys).await.unwrap().answers
}

/// What a client would send that does all these steps as one request: those that can be done, one after the other. Alone, a
/// step is a request of its own.
fn together(graph: &Graph, steps: &[Step], rulebook: &Arc<Rulebook>) -> Option<Request> {
    if let [step] = steps {
        return request(graph, step);
    }
    let mut tried = Batch::on(graph.clone());
    let mut operations = Vec::new();
    for step in steps {
        let Some(request) = request(&tried.fork, step) else { continue };
        tried.decide(&request, rulebook);
        if tried.answers.last().is_some_and(Result::is_ok) {
            operations.push(unconditional(request.operation));
        }
    }
    let operation = Operation::Many(Transaction { steps: operations });
    let identity = Identity::server("test");
    Some(Request { operation, precondition: None, dry_run: false, identity, asked: Questions::default() })
}

fn unconditional(operation: Operation) -> rules::Step {
    rules::Step { operation, precondition: None, asked: Questions::default() }
}

/// The same with one more step, that is refused when all else is done.
fn spoilt(request: &Request) -> Request {
    let mut steps = match &request.operation {
        Operation::Many(transaction) => transaction.steps.clone(),
        operation => vec![unconditional(operation.clone())],
    };
    let network = uuid_of(UUIDS).to_string();
    let allocation = AllocateAddresses { network, count: 1, subnet: None, version: None };
    steps.push(unconditional(Operation::AllocateAddresses(allocation)));
    Request { operation: Operation::Many(Transaction { steps }), ..request.clone() }
}

/// Each request has a key, and comes a second time, in the same batch and in the next.
async fn play(connection: &mut Session, model: &Arc<Model>, batches: &[Vec<Vec<Step>>]) -> Result<(), TestCaseError> {
    let rulebook = without_settings(model);
    let mut graph = emptied(connection, model).await;
    let mut loaded = graph.clone();
    for (round, steps) in batches.iter().enumerate() {
        let before = graph.clone();
        let mut batch = Batch::on(graph.clone());
        let mut done_once = Vec::new();
        for (number, steps) in steps.iter().enumerate() {
            let Some(request) = together(&batch.fork, steps, &rulebook) else { continue };
            let (known, logged) = (batch.fork.revision(), batch.entries.len());
            let tried = Request { dry_run: true, ..request.clone() };
            batch.decide(&tried, &rulebook);
            prop_assert_eq!(
                (batch.fork.revision(), batch.entries.len()),
                (known, logged),
                "what is tried leaves nothing"
            );
            // A batch has none of these, or one, or more.
            if (round + number) % 3 == 0 {
                let unspoilt = batch.fork.clone();
                batch.decide(&spoilt(&request), &rulebook);
                prop_assert!(batch.answers.pop().unwrap().is_err());
                let different = differences(("before", &unspoilt), ("after what was refused", &batch.fork));
                prop_assert!(different.is_empty(), "{:?}", different);
                prop_assert_eq!((batch.fork.position(), batch.entries.len()), (unspoilt.position(), logged));
            }
            let keyed = keyed(&format!("{round}-{number}"), 1);
            batch.decide_once(&request, Some(&keyed), &rulebook);
            let is_done = |answer: &Decision<Committed>| answer.as_ref().map(|_| ()).map_err(Clone::clone);
            let [.., tried, done] = batch.answers.as_slice() else { panic!("two answers") };
            prop_assert_eq!(is_done(tried), is_done(done), "what is tried is answered alike");
            if steps.len() > 1 {
                prop_assert!(done.is_ok(), "what can be done one by one can be done together: {:?}", done);
            }
            let requests: Vec<u64> = batch.entries[logged..].iter().map(|entry| entry.request).collect();
            prop_assert!(requests.iter().all(|request| *request == batch.fork.revision()), "{:?}", requests);
            if let Some(Ok(first)) = batch.answers.last() {
                let (outcome, position) = (first.outcome.clone(), first.position);
                batch.decide_once(&request, Some(&keyed), &rulebook);
                done_once.push((request, keyed, outcome, position));
            }
        }
        if batch.rows.is_empty() {
            continue;
        }
        write(connection, &batch).await;
        let keys: Vec<&Keyed> = done_once.iter().map(|(_, keyed, ..)| keyed).collect();
        let answers = known(connection, &keys).await;
        prop_assert_eq!(answers.len(), keys.len());
        let mut again = Batch::after(&batch);
        for learn in [KeptAnswers::default(), answers] {
            again.learn(learn);
            for (request, keyed, outcome, position) in &done_once {
                again.decide_once(request, Some(keyed), &rulebook);
                let told = again.answers.last().unwrap().as_ref().unwrap();
                prop_assert!(told.is_repeated);
                prop_assert_eq!((&told.outcome, told.position), (outcome, *position));
            }
            prop_assert!(again.rows.is_empty(), "nothing is done a second time");
            again = Batch::on(batch.fork.clone());
        }
        graph = batch.fork;
        // The writer, who follows it, and who follows it and has begun with what is in the tables, where values are written in
        // another way.
        let mut latest = None;
        for known in [graph.clone(), before, loaded] {
            let checked = check(connection, known, &|_| {}).await.unwrap();
            prop_assert!(checked.findings.faults() == 0, "{:?}", checked.findings);
            latest = Some(checked.graph);
        }
        loaded = latest.unwrap();
        if round % 2 == 1 {
            // It goes on after a restart.
            graph = loaded.clone();
        }
    }
    Ok(())
}

#[test]
fn times_of_a_new_history_are_later_than_all_that_were_told_of() {
    let place = Place::start();
    let rulebook = without_settings(&place.model);
    place.runtime.block_on(async {
        let connection = &mut *place.connection.lock().await;
        let graph = emptied(connection, &place.model).await;
        let mut batch = Batch::on(graph);
        batch.decide(&request(&batch.fork, &Step::Policy(0, 0)).unwrap(), &rulebook);
        write(connection, &batch).await;
        let clock = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint";
        let (mut graph, mut was_put_back) = (batch.fork, false);
        // Twice without a change in between, then with one, and then with a clock that lags a hundred days behind.
        for (steps, lead) in [(0, 0_i64), (0, 0), (1, 0), (1, 8_640_000_000_000), (0, 0), (1, 0)] {
            for _ in 0..steps {
                let mut batch = Batch::on(graph);
                let number = u8::try_from(batch.fork.revision() % 256).unwrap();
                batch.decide(&request(&batch.fork, &Step::Rename(0, number)).unwrap(), &rulebook);
                write(connection, &batch).await;
                graph = batch.fork;
            }
            let query = AssertSqlSafe(format!("update write_time_base set base = base + {lead}"));
            connection.execute(raw_sql(query)).await.unwrap();
            let known = load_snapshot(connection, &place.model).await.unwrap();
            let now: i64 = connection.value(sqlx::query(clock)).await.unwrap();
            was_put_back |= lead > 0;
            assert!(was_put_back || known.write_time(known.revision()) <= now, "times lag behind the clock");
            // What this history might have gone on with, that nobody will know of.
            let lost = known.write_time(known.revision() + 1000);

            sequence::begin_epoch(connection).await.unwrap();
            let sequence = sequence::peek(connection).await.unwrap();
            assert!(follow(known.clone(), connection, &sequence).await.unwrap().is_none(), "it is loaded anew");
            let next = load_snapshot(connection, &place.model).await.unwrap();
            assert_ne!(next.position(), known.position());
            for revision in 1..=known.revision() {
                assert_eq!(next.write_time(revision), known.write_time(revision), "what was there stays");
                assert!(revision == 1 || next.write_time(revision - 1) < next.write_time(revision));
            }
            assert!(next.write_time(next.revision() + 1) > lost, "{lost}");
            let sound = check(connection, next.clone(), &|_| {}).await.unwrap().findings;
            assert_eq!(sound.faults(), 0, "{sound:?}");
            graph = next;
        }
    });
    place.stop();
}

/// A database of its own, and a connection to write with.
struct Place {
    runtime: tokio::runtime::Runtime,
    model: Arc<Model>,
    postgresql: PrivatePostgres,
    connection: tokio::sync::Mutex<Session>,
    _directory: tempfile::TempDir,
}

impl Place {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let model = Arc::new(Model::embedded().unwrap());
        let (_never, stop) = tokio::sync::watch::channel(false);
        let (postgresql, connection) = runtime.block_on(async {
            let postgresql = PrivatePostgres::start(directory.path(), stop).await.unwrap();
            let database = Database::new(&postgresql.database_url()).unwrap();
            database.migrate(&model).await.unwrap();
            let mut connection = database.connect_to_write().await.unwrap();
            // What is looked at is what the transactions see.
            connection.execute(raw_sql("set synchronous_commit = off")).await.unwrap();
            // The second time there is nothing to make, and the session is as good as before.
            for _ in 0..2 {
                let until = make_until(&mut connection, 100_000, 100_000, Duration::from_secs(5)).await.unwrap();
                assert_eq!(until, 100_000);
            }
            (postgresql, tokio::sync::Mutex::new(connection))
        });
        Self { runtime, model, postgresql, connection, _directory: directory }
    }

    fn stop(self) {
        self.runtime.block_on(self.postgresql.stop()).unwrap();
    }
}

#[test]
fn any_batch_leaves_the_tables_the_log_and_the_memory_the_same() {
    let cases = std::env::var("CIRRUS_BATCH_CASES").map_or(24, |text| text.parse().unwrap());
    let place = Place::start();
    let steps = prop_oneof![2 => prop::collection::vec(step(), 1), 1 => prop::collection::vec(step(), 2..8)];
    let histories = prop::collection::vec(prop::collection::vec(steps, 1..8), 1..8);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&histories, |batches| {
        place.runtime.block_on(async { play(&mut *place.connection.lock().await, &place.model, &batches).await })
    });
    place.stop();
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// What is done to a sound database, and what is found then.
const DAMAGES: [(&str, &str); 16] = [
    ("update object set revision = revision + 1 where type = 'domain'", "was changed last by"),
    ("update object set properties = '{}' where type = 'domain'", "is not what change"),
    ("update object set parent = null where fq_name[3] = 'n0'", "is not what change"),
    ("delete from object where fq_name[1] = 'a0'", "has made it"),
    ("delete from change where op = 'r'", "the log has"),
    ("delete from change where rev = (select max(rev) from change)", "the log ends with"),
    ("update change set request = rev - 1 where rev = (select max(rev) from change)", "is said to be of the request"),
    ("update change set op = 'c' where op = 'u' and type = 'virtual-network'", "which can't be"),
    ("delete from address_hold where owner is null", "was reserved by the log"),
    ("update address_hold set address = '10.99.0.1' where owner is null", "lies in no subnet"),
    ("update address_hold set owner = scope where owner is null", "is held by"),
    ("update feed_sequence set last_rev = last_rev + 1", "the log ends with"),
    ("update feed_sequence set partitioned_until = 7", "partitions up to"),
    ("delete from reference where name = 'virtual_network_refs'", "references"),
    ("update object set written = '{\"fq_name\": 999}' where type = 'domain'", "is still to come"),
    ("update object set written = '{\"propm:annotations:a\": 2}' where fq_name[3] = 'n0'", "which it does not have"),
];

/// What is done to a sound database so that it can't be read, and what is said then: where it is, and what.
const UNREADABLE: [(&str, &str, &str); 10] = [
    ("update object set properties = '[]' where uuid = $$", "object $$", "properties: "),
    ("update object set positions = '{\"display_name\": 1}' where uuid = $$", "object $$", "positions: "),
    (
        "update object set written = '{\"what:it is\": 1}' where uuid = $$",
        "object $$",
        "written: what:it is is no column",
    ),
    ("update object set written = '{\"fq_name\": -1}' where uuid = $$", "object $$", "written: "),
    ("update object set created = -1 where uuid = $$", "object $$", "created is -1"),
    ("update object set type = 'nothing' where uuid = $$", "object $$", "type nothing"),
    (
        "update object set properties = jsonb_set(properties, '{id_perms, last_modified}', '\"now\"') where uuid = $$",
        "object $$",
        "id_perms: last_modified is \"now\"",
    ),
    ("update object set properties = '{\"id_perms\": 7}' where uuid = $$", "object $$", "id_perms: "),
    ("update change set body = '[1]' where op = 'c' and uuid = $$", "change ", "body: "),
    (
        "update change set body = jsonb_set(body::jsonb, '{parent_type}', '\"nothing\"')::json where op = 'c' and uuid = $$",
        "change ",
        "parent_type nothing",
    ),
];

#[test]
fn what_cannot_be_read_is_named() {
    let place = Place::start();
    let database = Database::new(&place.postgresql.database_url()).unwrap();
    let network = uuid_of(0).to_string();
    place.runtime.block_on(async {
        let mut connection = place.connection.lock().await;
        for (damage, object, column) in UNREADABLE {
            let mut batch = Batch::on(emptied(&mut connection, &place.model).await);
            batch.decide(&request(&batch.fork, &Step::Network(0, 0, 0)).unwrap(), &without_settings(&place.model));
            write(&mut connection, &batch).await;
            let damage = damage.replace("$$", &format!("'{network}'"));
            assert!(connection.execute(raw_sql(AssertSqlSafe(damage.clone()))).await.unwrap() > 0, "{damage}");
            // A transaction without an end takes its session with it.
            let mut reading = database.connect(operation::CHECK).await.unwrap();
            let findings = check(&mut reading, Graph::new(Arc::clone(&place.model)), &|_| {}).await.unwrap().findings;
            let expected = object.replace("$$", &network);
            let is_named = |found: &&Finding| found.text.contains(&expected) && found.text.contains(column);
            let named: Vec<&Finding> = findings.iter().filter(is_named).collect();
            assert!(matches!(named[..], [_]), "{damage}: {findings:?}");
            if named[0].kind == Kind::UnreadableObject {
                let error = load(reading, &place.model).await.err().unwrap().to_string();
                assert!(error.contains(&expected) && error.contains(column), "{damage}: {error}");
            }
        }
    });
    place.stop();
}

#[test]
fn what_is_not_as_it_should_be_is_found() {
    let place = Place::start();
    let steps = [
        Step::Network(0, 0, 0),
        Step::Rename(0, 1),
        Step::Address(1, 0, 0, None),
        Step::Interface(2, 0, 0),
        Step::Allocate(0, 1),
        Step::Policy(3, 0),
    ];
    place.runtime.block_on(async {
        let mut connection = place.connection.lock().await;
        for (damage, finding) in DAMAGES {
            let mut graph = emptied(&mut connection, &place.model).await;
            for step in &steps {
                let mut batch = Batch::on(graph);
                batch.decide(&request(&batch.fork, step).unwrap(), &without_settings(&place.model));
                assert!(batch.answers.iter().all(Result::is_ok), "{step:?}: {:?}", batch.answers);
                write(&mut connection, &batch).await;
                graph = batch.fork;
            }
            let sound = check(&mut connection, graph.clone(), &|_| {}).await.unwrap().findings;
            assert_eq!(sound.faults(), 0, "{sound:?}");
            let mut forgetful = graph.clone();
            forgetful.remove(uuid_of(3));
            let findings = check(&mut connection, forgetful, &|_| {}).await.unwrap().findings;
            assert!(
                findings.faults() > 0 && findings.iter().all(|found| found.kind == Kind::MemoryDiffers),
                "{findings:?}"
            );
            let without = "set session_replication_role = replica";
            connection.execute(raw_sql(without)).await.unwrap();
            let done = connection.execute(raw_sql(damage)).await.unwrap();
            connection.execute(raw_sql("set session_replication_role = default")).await.unwrap();
            assert!(done > 0, "{damage}");
            let unknown = Graph::new(Arc::clone(&place.model));
            let findings = check(&mut connection, unknown, &|_| {}).await.unwrap().findings;
            assert!(findings.iter().any(|found| found.text.contains(finding)), "{damage}: {findings:?}");
            connection.execute(raw_sql("update feed_sequence set partitioned_until = 100000")).await.unwrap();
        }
    });
    place.stop();
}

/// How many rows a table has.
async fn count(connection: &mut Session, table: &str) -> i64 {
    let query = AssertSqlSafe(format!("select count(*) from {table}"));
    connection.value(sqlx::query(query)).await.unwrap()
}

#[test]
fn a_key_is_kept_with_what_was_done_or_not_at_all() {
    let place = Place::start();
    let rulebook = without_settings(&place.model);
    place.runtime.block_on(async {
        let connection = &mut *place.connection.lock().await;
        let graph = emptied(connection, &place.model).await;
        let create = request(&graph, &Step::Policy(0, 0)).unwrap();
        let mut batch = Batch::on(graph.clone());
        batch.decide_once(&create, Some(&keyed("k", 1)), &rulebook);
        batch.decide_once(&create, Some(&keyed("k", 2)), &rulebook);
        let refused = batch.answers[1].as_ref().unwrap_err();
        assert!(refused.kind == rules::Kind::Unprocessable && refused.text.to_string().starts_with("Idempotency-Key"));
        assert_eq!(batch.rows.answers().len(), 1);

        // Not its turn: neither what was done nor the key.
        let turn = Turn { batch: batch.id, now: batch.now, after: batch.base, sole: None, fence: Uuid::nil() };
        assert!(!append(connection, &batch.fork, &batch.rows, turn).await.unwrap());
        assert!(known(connection, &[&keyed("k", 1)]).await.is_empty());
        assert!(!idempotency::is_written(connection, &keyed("k", 1).key, batch.id).await.unwrap());

        write(connection, &batch).await;
        assert!(idempotency::is_written(connection, &keyed("k", 1).key, batch.id).await.unwrap());
        assert!(!idempotency::is_written(connection, &keyed("k", 1).key, Uuid::nil()).await.unwrap());
        let answers = known(connection, &[&keyed("k", 1), &keyed("other", 1), &keyed("k", 1)]).await;
        assert_eq!(answers.iter().map(|(key, _)| key.text.as_str()).collect::<Vec<_>>(), ["k"]);
        let of_another = Key { who: "[\"somebody\",null]".to_owned(), text: "k".to_owned() };
        assert!(idempotency::look_up(connection, &[&of_another]).await.unwrap().answers.is_empty());

        // Who did not know of the key has decided in vain.
        let (graph, objects) = (batch.fork.clone(), count(connection, "object").await);
        let mut unaware = Batch::on(graph.clone());
        unaware.decide_once(&request(&graph, &Step::Policy(1, 1)).unwrap(), Some(&keyed("k", 1)), &rulebook);
        let fence = sequence::peek(connection).await.unwrap().fence;
        let turn = Turn { batch: unaware.id, now: unaware.now, after: unaware.base, sole: None, fence };
        let refused = append(connection, &unaware.fork, &unaware.rows, turn).await.unwrap_err();
        assert!(refused.to_string().contains("idempotency_key_pkey"), "{refused}");
        assert_eq!(refused.failure(), crate::store::Failure::Data);
        assert_eq!(count(connection, "object").await, objects);
    });
    place.stop();
}

#[test]
fn a_success_that_changes_nothing_is_kept_and_moves_no_revision() {
    let place = Place::start();
    let rulebook = without_settings(&place.model);
    place.runtime.block_on(async {
        let connection = &mut *place.connection.lock().await;
        let graph = emptied(connection, &place.model).await;
        let mut batch = Batch::on(graph);
        batch.decide(&request(&batch.fork, &Step::Policy(0, 0)).unwrap(), &rulebook);
        batch.decide(&request(&batch.fork, &Step::Rename(0, 1)).unwrap(), &rulebook);
        write(connection, &batch).await;
        let rename = request(&batch.fork, &Step::Rename(0, 1)).unwrap();
        let mut same = Batch::on(batch.fork.clone());
        same.decide_once(&rename, Some(&keyed("same", 1)), &rulebook);
        assert!(!same.rows.has_changes() && !same.rows.is_empty());
        write(connection, &same).await;
        assert_eq!(sequence::peek(connection).await.unwrap().last_revision, batch.fork.revision());
        assert!(idempotency::is_written(connection, &keyed("same", 1).key, same.id).await.unwrap());

        let mut other = Batch::on(same.fork);
        other.decide(&request(&other.fork, &Step::Rename(0, 2)).unwrap(), &rulebook);
        write(connection, &other).await;
        let mut late = Batch::on(other.fork);
        late.learn(known(connection, &[&keyed("same", 1)]).await);
        late.decide_once(&rename, Some(&keyed("same", 1)), &rulebook);
        let told = late.answers[0].as_ref().unwrap();
        assert!(late.rows.is_empty() && told.is_repeated, "what was done meanwhile is not undone");
        assert_eq!(told.position, batch.fork.position());
    });
    place.stop();
}

#[test]
fn a_key_lasts_for_a_day() {
    let place = Place::start();
    let rulebook = without_settings(&place.model);
    place.runtime.block_on(async {
        let connection = &mut *place.connection.lock().await;
        let graph = emptied(connection, &place.model).await;
        let mut batch = Batch::on(graph);
        for (number, key) in [(0, "old"), (1, "young"), (2, "oldest")] {
            let create = request(&batch.fork, &Step::Policy(number, number)).unwrap();
            batch.decide_once(&create, Some(&keyed(key, 1)), &rulebook);
        }
        write(connection, &batch).await;
        let age =
            "update idempotency_key set at = now() - interval '1 day' + interval '10 minutes' where key = 'young';
            update idempotency_key set at = now() - interval '1 day 1 second' where key like 'old%'";
        connection.execute(raw_sql(age)).await.unwrap();
        let all = [&keyed("old", 1), &keyed("young", 1), &keyed("oldest", 1)];
        let answers = known(connection, &all).await;
        assert_eq!(answers.keys().map(|key| key.text.as_str()).collect::<Vec<_>>(), ["young"]);

        // The row is still there, and gives way; that of another would be in the way.
        let mut next = Batch::on(batch.fork);
        next.decide_once(&request(&next.fork, &Step::Delete(0)).unwrap(), Some(&keyed("old", 2)), &rulebook);
        write(connection, &next).await;
        let answers = known(connection, &all).await;
        assert_eq!(answers[&all[0].key].fingerprint, vec![2; 32]);

        idempotency::forget_old(connection).await.unwrap();
        assert_eq!(count(connection, "idempotency_key").await, 2);
        assert_eq!(known(connection, &all).await, answers);
    });
    place.stop();
}
