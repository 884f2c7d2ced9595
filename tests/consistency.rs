//! `cirrus check`: each kind of finding is planted with SQL in a database of its own, found by its name and nothing else, and repaired
//! where there is an evident answer.
//!
//! The configuration is made once, over REST; each fault is planted in a copy of that database. Triggers of foreign keys are off
//! meanwhile: constraints are the second net, and what is looked for is what came through it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;
use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};
use tokio::task::{JoinSet, block_in_place};

use crate::support::postgresql::Cluster;
use crate::support::{Api, Checks, Server, cirrus_program};

const PROJECT: [&str; 2] = ["default-domain", "default-project"];
/// How many faults are looked at at the same time.
const LANES: usize = 3;
/// The database that others are copies of.
const TEMPLATE: &str = "cirrus";

/// A fault.
struct Fault {
    /// What it is found as.
    kind: &'static str,
    /// What is found beside it: a unique index stands in the way of what it is there for, so it has to go first.
    also: &'static [&'static str],
    /// Whether the log has anything to say of it.
    log: Log,
    /// How it is planted.
    sql: &'static str,
    /// A part of what is said of it.
    text: &'static str,
    /// Whether it has an evident answer.
    repair: bool,
}

/// What the log has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    /// Everything, from the begin.
    Whole,
    /// Nothing: it was trimmed up to the last change, so it says nothing of what is in the tables.
    Trimmed,
}
use Log::{Trimmed, Whole};

const fn fault(kind: &'static str, log: Log, sql: &'static str, text: &'static str) -> Fault {
    Fault { kind, also: &[], log, sql, text, repair: false }
}

impl Fault {
    /// One with an evident answer.
    const fn repaired(self) -> Self {
        Self { repair: true, ..self }
    }

    /// One that is found together with others.
    const fn with(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }
}

const MISSING_CONSTRAINT: &[&str] = &["missing-constraint"];

/// All of them. Objects are called by what they are: `net`, `other`, `ip`, `pool`, `floating`, `policy`, `group`, `tag`, `left`, `right`
/// stand for their uuids.
const FAULTS: &[Fault] = &[
    fault("missing-constraint", Whole, "alter table reference drop constraint reference_target", "reference_target"),
    fault(
        "missing-constraint",
        Whole,
        "alter table object drop constraint object_parent;
         alter table object add constraint object_parent foreign key (parent) references object not valid",
        "object_parent of object is there, and not enforced",
    ),
    fault("missing-constraint", Whole, "drop index reference_back", "index reference_back of reference is not there"),
    fault("missing-constraint", Whole, "alter table feed_sequence disable trigger begin_write_times", "is switched off"),
    fault("missing-constraint", Whole, "drop trigger begin_fence on _sqlx_migrations", "trigger begin_fence of _sqlx_migrations"),
    fault(
        "missing-constraint",
        Whole,
        "alter table object disable trigger all",
        "object_parent of object is there, and not enforced",
    ),
    fault(
        "missing-constraint",
        Whole,
        "do $$ begin execute format('alter database %I set session_replication_role = replica', current_database()); end $$",
        "session_replication_role is replica",
    ),
    fault("missing-view", Whole, "drop view virtual_network", "the view virtual_network is not there").repaired(),
    fault("unreadable-object", Whole, "update object set properties = '[]' where uuid = :policy", "properties: "),
    fault("unreadable-object", Whole, "update object set revision = -1 where uuid = :policy", "revision is -1"),
    fault("unreadable-object", Whole, "update object set written = '{\"what:\": 1}' where uuid = :net", "is no column"),
    fault(
        "unreadable-object",
        Trimmed,
        "update reference set name = 'nothing_refs' where source = :net and target = :policy",
        "reference nothing_refs of virtual-network",
    ),
    fault(
        "duplicate-name",
        Trimmed,
        "drop index object_fq_name;
         update object set (fq_name, name_digest) = (select fq_name, name_digest from object where uuid = :net)
             where uuid = :other",
        "2 objects of the type virtual-network are called default-domain:default-project:net",
    )
    .with(MISSING_CONSTRAINT),
    fault(
        "wrong-name-digest",
        Trimmed,
        "update object set name_digest = gen_random_uuid() where uuid = :policy",
        "network-policy default-domain:default-project:policy has the digest",
    )
    .repaired(),
    fault(
        "missing-name",
        Trimmed,
        "update object set fq_name = '{}', name_digest = object_name_digest(type, '{}') where uuid = :policy",
        "has no name",
    ),
    fault(
        "missing-parent",
        Trimmed,
        "update object set parent = '8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10' where uuid = :policy",
        "has the parent 8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10, which does not exist",
    ),
    fault("wrong-parent", Trimmed, "update object set parent = :net where uuid = :policy", "is below virtual-network"),
    fault("wrong-parent", Trimmed, "update object set parent = null where uuid = :policy", "is below nothing"),
    fault(
        "foreign-uuid",
        Trimmed,
        "update object set properties = jsonb_set(properties, '{id_perms, uuid, uuid_lslong}', '7') where uuid = :policy",
        "says of itself that it is",
    ),
    fault("revision-ahead", Trimmed, "update object set revision = 1000000 where uuid = :policy", "by 1000000, and"),
    fault(
        "dangling-reference",
        Trimmed,
        "update reference set target = '8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10' where source = :net and target = :policy",
        "refers to 8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10 in network_policy_refs, which does not exist",
    )
    .repaired(),
    fault(
        "dangling-reference",
        Whole,
        "delete from object where uuid = :policy",
        "in network_policy_refs, which does not exist",
    )
    .with(&["log-object"])
    .repaired(),
    fault(
        "reference-without-source",
        Whole,
        "insert into reference (source, target, name)
         values ('8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10', :policy, 'network_policy_refs')",
        "8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10, which does not exist, refers to",
    )
    .repaired(),
    fault(
        "wrong-target",
        Trimmed,
        "update reference set target = :other where source = :net and target = :policy",
        "refers in network_policy_refs to virtual-network",
    ),
    fault(
        "doubled-reference",
        Trimmed,
        "alter table reference drop constraint reference_pkey;
         insert into reference select * from reference where source = :net and target = :policy",
        "2 times",
    )
    .with(MISSING_CONSTRAINT),
    fault(
        "one-sided-reference",
        Trimmed,
        "delete from reference where source = :left and target = :right",
        "which does not refer to it",
    )
    .with(&["stray-write-time"]),
    fault(
        "stray-write-time",
        Whole,
        "update object set written = '{\"propm:annotations:it''s\": 2, \"fq_name\": 2}' where uuid = :group",
        "which it does not have",
    )
    .repaired(),
    fault("write-time-ahead", Whole, "update object set written = '{\"fq_name\": 9999}' where uuid = :group", "still to come"),
    fault("missing-time-base", Whole, "delete from write_time_base", "no base of times from the first revision on"),
    fault("missing-time-base", Whole, "insert into write_time_base values (99999, 9223372036854770000)", "after 99999"),
    fault(
        "hold-without-object",
        Whole,
        "insert into address_hold values (:net, '10.1.0.77', '8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10')",
        "10.1.0.77 of",
    )
    .repaired(),
    fault(
        "hold-without-scope",
        Whole,
        "insert into address_hold values ('8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10', '10.1.0.77', null)",
        "which does not exist, by nobody",
    )
    .repaired(),
    fault(
        "hold-without-scope",
        Trimmed,
        "update address_hold set scope = '8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10' where owner = :ip",
        "which does not exist, by",
    ),
    fault("several-holds", Trimmed, "insert into address_hold values (:net, '10.1.0.77', :ip)", "holds 2 addresses, and shows")
        .repaired(),
    fault(
        "duplicate-hold",
        Whole,
        "alter table address_hold drop constraint address_hold_once;
         insert into address_hold select scope, address, null from address_hold where owner is null",
        "is held 2 times",
    )
    .with(MISSING_CONSTRAINT),
    fault("missing-hold", Trimmed, "delete from address_hold where owner = :ip", "and does not hold it").repaired(),
    fault("missing-hold", Whole, "delete from address_hold where owner = :floating", "and does not hold it")
        .with(&["log-object"])
        .repaired(),
    fault(
        "missing-hold",
        Trimmed,
        "delete from address_hold where owner in (:ip, :floating);
         update object set properties = properties || jsonb_build_object('floating_ip_address', (
             select properties->'instance_ip_address' from object where uuid = :ip)) where uuid = :floating",
        "floating-ip",
    ),
    fault("wrong-hold", Trimmed, "update address_hold set address = '10.1.0.77' where owner = :ip", "and holds 10.1.0.77"),
    fault(
        "wrong-hold",
        Trimmed,
        "update object set properties = properties - 'instance_ip_address' where uuid = :ip",
        "shows no address and holds",
    ),
    fault("hold-outside-subnets", Whole, "insert into address_hold values (:net, '10.9.0.1', null)", "lies in no subnet"),
    fault("hold-of-reserved", Whole, "insert into address_hold values (:net, '10.1.0.254', null)", "is that of the gateway"),
    fault("hold-of-reserved", Whole, "insert into address_hold values (:net, '10.1.0.255', null)", "is the last one"),
    fault(
        "overlapping-subnets",
        Trimmed,
        "update reference set attr = jsonb_set(attr, '{ipam_subnets, 1, subnet, ip_prefix}', '\"10.1.0.128\"')
         where source = :net and name = 'network_ipam_refs'",
        "10.1.0.0/24 and 10.1.0.128/28 of virtual-network",
    ),
    fault(
        "floating-ip-outside-pool",
        Trimmed,
        "update object set properties = jsonb_set(properties, '{floating_ip_pool_subnets}', '{\"subnet_uuid\": [\"x\"]}')
         where uuid = :pool",
        "which floating-ip-pool",
    ),
    fault(
        "doubled-number",
        Trimmed,
        "update object set properties = jsonb_set(properties, '{security_group_id}', (
             select properties->'security_group_id' from object where uuid = :group)) where uuid = :second",
        "several objects have the security group id",
    ),
    fault(
        "number-out-of-range",
        Trimmed,
        "update object set properties = jsonb_set(properties, '{virtual_network_network_id}', '0') where uuid = :net",
        "has virtual_network_network_id 0",
    ),
    fault(
        "number-out-of-range",
        Trimmed,
        "update object set properties = jsonb_set(properties, '{tag_id}', '\"0xeverything\"') where uuid = :tag",
        "has tag_id \"0xeverything\"",
    ),
    fault(
        "missing-number",
        Trimmed,
        "update object set properties = properties - 'virtual_network_network_id' where uuid = :net",
        "has no virtual_network_network_id",
    ),
    fault("unreadable-change", Whole, "update change set body = '[1]' where uuid = :policy and op = 'c'", "body: "),
    fault("log-gap", Whole, "delete from change where op = 'r'", "the log has"),
    fault(
        "log-request",
        Whole,
        "update change set request = rev - 1 where rev = (select max(rev) from change)",
        "is said to be of the request",
    ),
    fault("log-end", Whole, "update feed_sequence set last_rev = last_rev + 1", "and the last change is"),
    fault(
        "log-order",
        Whole,
        "update change set op = 'c' where rev = (select max(rev) from change where op = 'u' and uuid = :policy)",
        "is a create of",
    ),
    fault(
        "log-object",
        Whole,
        "update object set fq_name[3] = 'called-otherwise' where uuid = :policy;
         update object set name_digest = object_name_digest(type, fq_name) where uuid = :policy",
        "is not what change",
    ),
    fault("log-object", Whole, "delete from object where uuid = :second", "does not exist, and change"),
    fault("log-revision", Whole, "update object set revision = 1 where uuid = :policy", "was changed last by 1, and").repaired(),
    fault("log-reservation", Whole, "delete from address_hold where owner is null", "was reserved by the log, and").repaired(),
    fault(
        "log-reservation",
        Whole,
        "update change set op = 'f' where op = 'r'",
        "was given back by the log, and is held by a reservation",
    )
    .repaired(),
    fault(
        "log-freed",
        Whole,
        "update change set body = replace(body::text, '\"scope\":\"' || :net, '\"scope\":\"' || :gone)::json, uuid = :gone where op = 'r';
         delete from address_hold where owner is null",
        "in which 10.1.0.",
    )
    .with(&["log-reservation"]),
    fault(
        "log-partition",
        Trimmed,
        "drop table change_1; create table change_500 partition of change for values from (500) to (100001)",
        "the log has no partition",
    ),
    fault("partitioned-until", Whole, "update feed_sequence set partitioned_until = 7", "is said to have them up to 7").repaired(),
    fault("floor-ahead", Whole, "update feed_sequence set floor = last_rev + 1", "are said to have been trimmed"),
    fault(
        "position-ahead",
        Whole,
        "insert into feed_position select 'it''s read', last_rev + 1, epoch, null, now() from feed_sequence",
        "it's read is said to have read up to",
    )
    .repaired(),
    fault("answer-ahead", Whole, "update idempotency_key set revision = 1000000", "is answered with 1000000").repaired(),
    fault("unreadable-answer", Whole, "update idempotency_key set fingerprint = '\\x00'", "no fingerprint of a request"),
    fault("unreadable-answer", Whole, "update idempotency_key set outcome = '[]'", "an answer that is none"),
    fault(
        "duplicate-key-value",
        Whole,
        "drop index key_value_key; insert into key_value (key, value) select key, 'another' from key_value",
        "the key kept has 2 values",
    )
    .with(MISSING_CONSTRAINT),
    fault("missing-setting", Whole, "delete from shared_setting where name = 'quota'", "quota is not there"),
    fault("unreadable-setting", Whole, "update shared_setting set value = '16' where name = 'tag_id_digits'", "tag_id_digits is"),
    fault(
        "wrong-cql-server",
        Whole,
        "insert into cql_server values (gen_random_uuid(), '127.0.0.1', 70000, now())",
        "is said to listen at port 70000",
    )
    .repaired(),
    fault("wide-name", Whole, "insert into wide_keyspace values ('two words', '')", "a keyspace is called \"two words\""),
    fault("wide-name", Whole, "update wide_table set name = '' where name = 'pool_table'", "a table is called \"\""),
    fault(
        "wide-table-without-keyspace",
        Whole,
        "delete from wide_keyspace where name = 'dm_keyspace'",
        "is of dm_keyspace, which does not exist",
    ),
    fault(
        "wide-row-without-table",
        Whole,
        "insert into wide_row values (-1, 'a ''key''', '\\x00ff', 'value', 1)",
        "a column of the row a 'key' is of table -1",
    )
    .repaired(),
    fault(
        "duplicate-wide-row",
        Whole,
        "drop index wide_row_place; insert into wide_row select id, 'key', 'column', 'value', n from wide_table,
         generate_series(1, 2) as n where name = 'pool_table'",
        "has 2 values",
    )
    .with(MISSING_CONSTRAINT),
    fault(
        "unreadable-wide-row",
        Whole,
        "insert into wide_row select id, 'key', 'column', '\\xff', 1 from wide_table where name = 'pool_table'",
        "has a value that is no text",
    ),
    fault(
        "unreadable-wide-row",
        Whole,
        "insert into wide_row select id, '', 'column', 'value', 1 from wide_table where name = 'pool_table'",
        "has an empty key",
    ),
    fault(
        "owner-without-project",
        Trimmed,
        "update object set properties = jsonb_set(properties, '{perms2, owner}', '\"8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10\"')
         where uuid = :policy",
        "is owned by 8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10, which is not here",
    ),
];

/// What does not show in tables: tests of the graph have it.
const IN_MEMORY: [&str; 2] = ["broken-index", "memory-differs"];
/// What does not make a database unsound.
const NOTES: [&str; 2] = ["floating-ip-outside-pool", "owner-without-project"];

fn name(of: &str) -> Value {
    json!([PROJECT[0], PROJECT[1], of])
}

async fn create(api: &Api, kind: &str, body: Value) -> String {
    let answer = api.post(&format!("/{kind}s"), &json!({ kind: body })).await.ok();
    answer[kind]["uuid"].as_str().unwrap().to_owned()
}

fn below_project(of: &str) -> Value {
    json!({"fq_name": name(of), "parent_type": "project"})
}

/// A small configuration with something of everything, and the uuids of its objects.
async fn configure(api: &Api) -> BTreeMap<&'static str, String> {
    let subnet = |prefix: &str, length: u8| json!({"subnet": {"ip_prefix": prefix, "ip_prefix_len": length}});
    let ipam = json!({"to": [PROJECT[0], PROJECT[1], "default-network-ipam"],
        "attr": {"ipam_subnets": [subnet("10.1.0.0", 24), subnet("10.2.0.0", 28)]}});
    let policy = create(api, "network-policy", below_project("policy")).await;
    let mut network = below_project("net");
    network["network_ipam_refs"] = json!([ipam]);
    network["network_policy_refs"] = json!([{"uuid": policy, "attr": {"sequence": {"major": 0, "minor": 0}}}]);
    let net = create(api, "virtual-network", network).await;
    let other = create(api, "virtual-network", below_project("other")).await;
    let ip = json!({"fq_name": ["ip"], "virtual_network_refs": [{"uuid": net}]});
    let ip = create(api, "instance-ip", ip).await;
    let pool = json!({"fq_name": [PROJECT[0], PROJECT[1], "net", "pool"], "parent_type": "virtual-network"});
    let pool = create(api, "floating-ip-pool", pool).await;
    let floating =
        json!({"fq_name": [PROJECT[0], PROJECT[1], "net", "pool", "floating"], "parent_type": "floating-ip-pool"});
    let floating = create(api, "floating-ip", floating).await;
    let group = create(api, "security-group", below_project("group")).await;
    let second = create(api, "security-group", below_project("second")).await;
    let tag = json!({"fq_name": ["label=stage"], "tag_type_name": "label", "tag_value": "stage"});
    let tag = create(api, "tag", tag).await;
    api.post(&format!("/virtual-network/{net}/ip-alloc"), &json!({"count": 1})).await.ok();
    let gone = create(api, "virtual-network", below_project("gone")).await;
    api.delete(&format!("/virtual-network/{gone}")).await.status_is(200);
    let renamed = json!({"network-policy": {"display_name": "another"}});
    api.put(&format!("/network-policy/{policy}"), &renamed).await.ok();
    let instance = |of: &str| json!([PROJECT[0], PROJECT[1], of, of]);
    let left = api.find("routing-instance", &instance("net")).await.expect("the routing instance of a network");
    let right = api.find("routing-instance", &instance("other")).await.expect("the routing instance of a network");
    let link = json!({"type": "routing-instance", "uuid": left, "ref-type": "routing-instance", "ref-uuid": right,
        "operation": "ADD"});
    api.post("/ref-update", &link).await.ok();
    api.post("/useragent-kv", &json!({"operation": "STORE", "key": "kept", "value": "for long"})).await.status_is(200);
    let keyed = serde_json::to_vec(&json!({"network-policy": below_project("keyed")})).unwrap();
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "once")];
    api.send("POST", "/network-policys", &headers, Some(keyed)).await.unwrap().status_is(200);
    BTreeMap::from([
        ("net", net),
        ("other", other),
        ("ip", ip),
        ("pool", pool),
        ("floating", floating),
        ("policy", policy),
        ("group", group),
        ("second", second),
        ("tag", tag),
        ("gone", gone),
        ("left", left),
        ("right", right),
    ])
}

/// The SQL of a fault with the uuids of objects.
fn with_uuids(sql: &str, uuids: &BTreeMap<&'static str, String>) -> String {
    let mut sql = sql.to_owned();
    // The longer names first: none may be the begin of another one.
    let mut names: Vec<_> = uuids.iter().collect();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, uuid) in names {
        sql = sql.replace(&format!(":{name}"), &format!("'{uuid}'"));
    }
    sql
}

/// A copy of a database is another one, and a server, or whoever repairs it, begins another epoch on it; not so on this one.
const AT_HOME: &str = "update feed_sequence set
    cluster = concat_ws('/', (select system_identifier from pg_control_system()),
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
        (select oid from pg_database where datname = current_database())),
    relation = concat_ws('/', 'feed_sequence'::regclass::oid, pg_relation_filenode('feed_sequence'))";

async fn plant(url: &str, sql: &str) {
    let mut database = PgConnection::connect(url).await.unwrap();
    let sql = format!("set session_replication_role = replica; {sql}");
    raw_sql(AssertSqlSafe(sql.clone())).execute(&mut database).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    database.close().await.unwrap();
}

fn check(url: &str, options: &[&str]) -> Output {
    let mut command = cirrus_program();
    command.args(["check", "--database-url", url]).args(options);
    block_in_place(|| command.output()).expect("cirrus check")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is found, as JSON, and how it ends.
fn found(url: &str) -> (Value, Option<i32>) {
    let output = check(url, &["--json"]);
    let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (told, output.status.code())
}

fn kinds(told: &Value) -> BTreeSet<String> {
    told["counts"].as_object().unwrap().keys().cloned().collect()
}

/// The table of kinds: names, and whether `--repair` does something about them.
fn listed() -> BTreeMap<String, bool> {
    let output = cirrus_program().args(["check", "--list"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let page = text(&output.stdout);
    let rows = page.lines().skip(2).map(|line| {
        let cells: Vec<&str> = line.split(" | ").collect();
        (cells[0].trim_start_matches("| ").trim_matches('`').to_owned(), cells[2].starts_with("`--repair`"))
    });
    rows.collect()
}

pub async fn each_kind_is_found() {
    let listed = listed();
    let planted: BTreeSet<&str> = FAULTS.iter().map(|fault| fault.kind).collect();
    for (kind, repairs) in &listed {
        let is_planted = planted.contains(kind.as_str()) || IN_MEMORY.contains(&kind.as_str());
        assert!(is_planted, "{kind} is in the table, and nobody plants it");
        let tried = FAULTS.iter().any(|fault| fault.kind == kind && fault.repair);
        assert_eq!(*repairs, tried, "{kind}: the table says whether it is repaired, and a fault of it is");
    }
    let cluster = block_in_place(|| Cluster::start("faults", &[]));
    block_in_place(|| cluster.create_database());
    let mut server = block_in_place(|| Server::start_on(&cluster.url()));
    let uuids = configure(&server.api()).await;
    assert!(block_in_place(|| server.terminate()).success());
    let (sound, status) = found(&cluster.url());
    assert_eq!((sound["counts"].clone(), status), (json!({}), Some(0)), "{sound:#}");
    let (cluster, mut together) = (Arc::new(cluster), JoinSet::new());
    for lane in 0..LANES {
        let (cluster, uuids) = (Arc::clone(&cluster), uuids.clone());
        together.spawn(async move {
            let mut checks = Checks::default();
            for (number, fault) in FAULTS.iter().enumerate().skip(lane).step_by(LANES) {
                let url = block_in_place(|| cluster.copy_database(&format!("fault_{number}"), TEMPLATE));
                checks.run(&format!("{}: {}", fault.kind, fault.text), is_found(url, fault, uuids.clone())).await;
            }
            checks
        });
    }
    let mut checks = Checks::default();
    together.join_all().await.into_iter().for_each(|others| checks.add(others));
    checks.finish();
}

async fn is_found(url: String, fault: &'static Fault, uuids: BTreeMap<&'static str, String>) {
    plant(&url, AT_HOME).await;
    if fault.log == Trimmed {
        plant(&url, "update feed_sequence set floor = last_rev").await;
    }
    plant(&url, &with_uuids(fault.sql, &uuids)).await;
    let (told, status) = found(&url);
    let expected: BTreeSet<String> = [fault.kind].iter().chain(fault.also).map(|kind| (*kind).to_owned()).collect();
    assert_eq!(kinds(&told), expected, "{told:#}");
    let is_sound = NOTES.contains(&fault.kind);
    assert_eq!((status, &told["sound"]), (Some(i32::from(!is_sound)), &json!(is_sound)), "{told:#}");
    let findings = told["findings"].as_array().unwrap();
    let own: Vec<&Value> = findings.iter().filter(|finding| finding["kind"] == fault.kind).collect();
    assert!(own.iter().any(|own| own["text"].as_str().unwrap().contains(fault.text)), "{}: {told:#}", fault.text);
    assert_eq!(own.iter().all(|own| own["repair"].is_string()), fault.repair, "{told:#}");

    // A plan changes nothing.
    let plan = check(&url, &["--repair"]);
    let printed = text(&plan.stdout);
    assert!(printed.contains(&format!("{}: ", fault.kind)), "{printed}");
    assert_eq!(printed.contains("    would do: "), findings.iter().any(|one| one["repair"].is_string()), "{printed}");
    assert_eq!((plan.status.code(), found(&url).0), (status, told.clone()), "{printed}");

    // It is done, and it is known for what it was when it can't be done for all.
    let applied = check(&url, &["--repair", "--apply", "--json"]);
    let (then, status) = found(&url);
    if !findings.iter().any(|one| one["repair"].is_string()) {
        assert_eq!(then, told, "nothing has an evident answer, so nothing is done");
        return;
    }
    let applied: Value = serde_json::from_slice(&applied.stdout).unwrap_or_else(|error| panic!("{error}: {applied:?}"));
    let left = findings.iter().filter(|one| one["repair"].is_null()).count();
    let repaired = applied["repaired"].as_array().unwrap_or_else(|| panic!("{applied:#}")).len();
    assert!(repaired > 0, "{applied:#}");
    if left == 0 {
        assert_eq!((then["counts"].clone(), status), (json!({}), Some(0)), "{then:#}");
    }
    assert!(then["findings"].as_array().unwrap().iter().all(|one| one["repair"].is_null()), "{then:#}");
    assert_ne!(then["position"], told["position"], "another epoch begins");
}

pub fn the_page_is_current() {
    let output = cirrus_program().args(["check", "--list"]).output().unwrap();
    let page = include_str!("../docs/consistency.md");
    let listed = text(&output.stdout);
    assert!(
        page.contains(&listed),
        "docs/consistency.md does not have the table that `cirrus check --list` prints:\n{listed}"
    );
    let names: BTreeSet<String> = self::listed().into_keys().collect();
    // Every kind that the page says is looked for is one of the table.
    for word in page.split("checked: `").skip(1) {
        let name = word.split('`').next().unwrap();
        assert!(names.contains(name), "docs/consistency.md: {name} is no kind of finding");
    }
}

pub async fn what_is_found_is_repaired() {
    let cluster = Arc::new(block_in_place(|| Cluster::start("repairs", &["wal_level=replica"])));
    let mut checks = Checks::default();
    let url = |name: &str| block_in_place(|| cluster.create_database_called(name));
    checks.run("a running server follows a repair", is_followed(url("followed"))).await;
    checks.run("a repair waits for its turn", waits_for_its_turn(url("turns"))).await;
    checks.run("a repair that does more is taken back", is_taken_back(url("taken_back"))).await;
    checks.run("findings are as many lines as are asked for", has_a_bound(url("bound"))).await;
    checks.run("what can't be looked at is told", is_told(url("untold"))).await;
    checks.run("a standby is looked at, and not repaired", on_a_standby(Arc::clone(&cluster))).await;
    checks.finish();
}

async fn policies(api: &Api, count: usize) {
    for number in 0..count {
        create(api, "network-policy", below_project(&format!("policy-{number}"))).await;
    }
}

/// The server has in memory what is damaged behind its back; after the repair it knows what the tables say, at once.
async fn is_followed(url: String) {
    let mut server = block_in_place(|| Server::start_on(&url));
    let api = server.api();
    let uuids = configure(&api).await;
    let (net, policy) = (&uuids["net"], &uuids["policy"]);
    let before = api.position().await;
    let damage = "update feed_sequence set floor = last_rev; delete from object where uuid = :policy";
    plant(&url, &with_uuids(damage, &uuids)).await;
    api.get(&format!("/network-policy/{policy}")).await.status_is(200);
    let repaired = check(&url, &["--repair", "--apply"]);
    let printed = text(&repaired.stdout);
    assert!(repaired.status.success(), "{repaired:?}");
    assert!(
        printed.starts_with("dangling-reference: ") && printed.contains("\n    done: delete from reference"),
        "{printed}"
    );
    assert!(printed.contains("\n1 repaired\n") && printed.lines().count() == 4, "{printed}");

    api.get(&format!("/network-policy/{policy}")).await.status_is(404);
    let read = api.get(&format!("/virtual-network/{net}")).await.ok();
    assert!(read["virtual-network"].get("network_policy_refs").is_none(), "{read}");
    api.get(&format!("/changes?since={before}")).await.status_is(410);
    // The log says what has become of the network, and by whom.
    let page = api.get("/changes?since=oldest").await.ok();
    let told = page["changes"].as_array().unwrap();
    assert_eq!(told.len(), 1, "{page}");
    assert_eq!((&told[0]["uuid"], &told[0]["who"]), (&json!(net), &json!("cirrus check --repair")), "{page}");
    policies(&api, 3).await;
    assert!(block_in_place(|| server.terminate()).success(), "{}", server.log());
    assert_eq!(found(&url).1, Some(0));
}

/// Clients write all the time: each is answered, and nothing of it is lost.
async fn waits_for_its_turn(url: String) {
    let mut server = block_in_place(|| Server::start_on(&url));
    let api = server.api();
    let uuids = configure(&api).await;
    let writing = {
        let api = api.clone();
        tokio::spawn(async move { policies(&api, 300).await })
    };
    for _ in 0..3 {
        plant(&url, &with_uuids("delete from address_hold where owner = :ip", &uuids)).await;
        let repaired = check(&url, &["--repair", "--apply"]);
        assert!(repaired.status.success(), "{repaired:?}");
    }
    writing.await.unwrap();
    let ip = api.get(&format!("/instance-ip/{}", uuids["ip"])).await.ok();
    let taken = json!({"instance-ip": {"fq_name": ["another"], "instance_ip_address": ip["instance-ip"]["instance_ip_address"],
        "virtual_network_refs": [{"uuid": uuids["net"]}]}});
    api.post("/instance-ips", &taken).await.status_is(409);
    for number in 0..300 {
        assert!(api.find("network-policy", &name(&format!("policy-{number}"))).await.is_some(), "{number}");
    }
    assert!(block_in_place(|| server.terminate()).success(), "{}", server.log());
}

/// Something in the database does more than was meant when a reference goes.
async fn is_taken_back(url: String) {
    let mut server = block_in_place(|| Server::start_on(&url));
    let uuids = configure(&server.api()).await;
    assert!(block_in_place(|| server.terminate()).success());
    let damage = "update feed_sequence set floor = last_rev;
        delete from object where uuid = :policy;
        create function more() returns trigger language plpgsql as $$ begin
            update object set properties = properties || '{\"display_name\": \"hidden\"}' where uuid = :group;
            return null;
        end $$;
        create trigger more after delete on reference for each row execute function more()";
    plant(&url, &with_uuids(damage, &uuids)).await;
    let (before, _) = found(&url);
    let refused = check(&url, &["--repair", "--apply"]);
    let expected =
        format!("cirrus: nothing was repaired: {} is another one than before, and should not be\n", uuids["group"]);
    assert_eq!((refused.status.code(), text(&refused.stderr)), (Some(1), expected));
    assert!(text(&refused.stdout).starts_with("dangling-reference: "), "{refused:?}");
    assert_eq!(found(&url).0["findings"], before["findings"]);
}

async fn has_a_bound(url: String) {
    let server = block_in_place(|| Server::start_on(&url));
    policies(&server.api(), 30).await;
    drop(server);
    let damage = "update feed_sequence set floor = last_rev;
        update object set properties = jsonb_set(properties, '{id_perms, uuid, uuid_lslong}', '7')
        where type = 'network-policy'";
    plant(&url, damage).await;
    for (options, lines) in [(&[][..], 20), (&["--lines", "3"][..], 3), (&["--lines", "100"][..], 100)] {
        let output = check(&url, options);
        let printed = text(&output.stdout);
        assert_eq!(
            (output.status.code(), text(&output.stderr).as_str()),
            (Some(1), "cirrus: 30 findings\n"),
            "{printed}"
        );
        let told = printed.lines().filter(|line| line.starts_with("foreign-uuid: network-policy")).count();
        assert_eq!(told, lines.min(30), "{printed}");
        let more = format!("foreign-uuid: and {} more", 30_usize.saturating_sub(lines));
        assert_eq!(printed.contains(&more), lines < 30, "{printed}");
    }
}

async fn is_told(url: String) {
    let server = block_in_place(|| Server::start_on(&url));
    drop(server);
    let run = |arguments: &[&str]| {
        let mut command = cirrus_program();
        let output = block_in_place(|| command.arg("check").args(arguments).output());
        let output = output.unwrap();
        assert!(output.stdout.is_empty(), "{output:?}");
        (output.status.code(), text(&output.stderr))
    };
    let refused = |arguments: &[&str], part: &str| {
        let (status, errors) = run(arguments);
        assert_eq!(status, Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(part) && !errors.contains("panicked"), "{arguments:?}: {errors}");
    };
    refused(&["--data-dir", "/nowhere"], "--database-url");
    refused(&["--database-url", "mysql://here"], "postgresql://user:password@host/name is expected");
    refused(&["--database-url", "postgresql://cirrus@127.0.0.1:1/nobody"], "database nobody at 127.0.0.1:1: ");
    refused(&["--database-url", &url, "--apply"], "--repair");
    refused(&["--list", "--repair"], "--list");
    refused(&["--database-url", &url, "--lines", "many"], "--lines");
    refused(&["--database-url", &url, "--schema-dir", "/nowhere"], "--schema-dir /nowhere: there is no such directory");
    plant(&url, "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)").await;
    refused(&["--database-url", &url], "its tables are of an earlier release, or there are none: `cirrus migrate`");
    plant(&url, "drop table _sqlx_migrations").await;
    refused(&["--database-url", &url], "its tables are of an earlier release, or there are none: `cirrus migrate`");
}

async fn on_a_standby(cluster: Arc<Cluster>) {
    block_in_place(|| cluster.create_database());
    let mut server = block_in_place(|| Server::start_on(&cluster.url()));
    let uuids = configure(&server.api()).await;
    assert!(block_in_place(|| server.terminate()).success());
    let damage = "update feed_sequence set floor = last_rev; delete from address_hold where owner = :ip";
    plant(&cluster.url(), &with_uuids(damage, &uuids)).await;
    // A copy of what is there now, which follows what comes.
    let standby = block_in_place(|| cluster.start_standby("standby", &[]));
    let output = check(&standby.url(), &["--repair"]);
    let printed = text(&output.stdout);
    assert!(printed.starts_with("missing-hold: ") && printed.contains("\n    would do: insert into"), "{output:?}");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let refused = check(&standby.url(), &["--repair", "--apply"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("the database is read-only, or a standby"), "{refused:?}");
}
