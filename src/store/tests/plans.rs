//! How the statements that are asked all the time are carried out, on tables with enough rows for it to matter: by index, each of
//! them, whether the database knows how large its tables are or not. A statement that reads a whole table is fast in every test,
//! and slow where it counts.

use super::Place;
use crate::store::{
    Database, Session,
    append::{Needed, PARTS, statement},
    idempotency, key_value, load,
    operation::FRESHNESS,
    sequence,
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, raw_sql};

/// The tables that grow.
const LARGE: [&str; 6] = ["object", "reference", "address_hold", "change", "key_value", "idempotency_key"];

/// Rows for them. Statistics are made when it is said so, not by the way.
const FILL: &str = "
    set session_replication_role = replica;
    alter table object set (autovacuum_enabled = off);
    alter table reference set (autovacuum_enabled = off);
    alter table address_hold set (autovacuum_enabled = off);
    alter table key_value set (autovacuum_enabled = off);
    alter table idempotency_key set (autovacuum_enabled = off);
    alter table change_1 set (autovacuum_enabled = off);
    create function pg_temp.numbered(number int) returns uuid language sql as
        $$ select lpad(to_hex(number), 32, '0')::uuid $$;
    insert into object (uuid, type, fq_name, created, revision, properties, name_digest)
        select pg_temp.numbered(number), 'network-policy', array['a', 'b', number::text], number, number, '{}',
               pg_temp.numbered(number)
        from generate_series(1, 30000) as number;
    insert into reference (source, target, name)
        select pg_temp.numbered(number), pg_temp.numbered(number % 10), 'network_policy_refs'
        from generate_series(1, 30000) as number;
    insert into address_hold (scope, address, owner)
        select pg_temp.numbered(number % 10), '10.0.0.0'::inet + number, pg_temp.numbered(number)
        from generate_series(1, 30000) as number;
    insert into key_value (key, value) select number::text, 'x' from generate_series(1, 30000) as number;
    insert into idempotency_key (who, key, fingerprint, batch, revision, outcome)
        select '[null,null]', number::text, '', pg_temp.numbered(number / 10), number, '{\"done\": null}'
        from generate_series(1, 30000) as number;
    insert into change (rev, request, batch, at, op, type, uuid, fq_name, body)
        select number, number, pg_temp.numbered(number / 10), now(), 'u', 'network-policy', pg_temp.numbered(number),
               array['a', 'b', number::text], '{}'
        from generate_series(1, 30000) as number;
    update feed_sequence set last_rev = 30000;
    set session_replication_role = default;";

/// What readers, the heartbeat and whoever settles a batch ask, with names for people, and with what it is asked.
const QUESTIONS: [(&str, &str, &str); 13] = [
    ("what was committed last", sequence::PEEK, ""),
    ("the turn to write", sequence::LOCK, ""),
    ("whether it is this database", sequence::RECOGNISE, ""),
    ("how many servers there are", sequence::SERVERS, ""),
    ("whether a batch is committed", sequence::COMMITTED, "(20000, gen_random_uuid())"),
    ("what was answered to keys", idempotency::LOOK_UP, "('{[null,null],x}', '{20000,no}')"),
    ("whether an answer is kept", idempotency::WRITTEN, "('x', '20000', gen_random_uuid())"),
    ("a page of the log", load::LOG_PAGE, "(29000, 100)"),
    ("when a change was decided", load::DECIDED_AT, "(20000)"),
    ("texts by key", key_value::RETRIEVE, "('{1,20000,no}')"),
    ("a text that is written", key_value::STORE, "('1', 'y', null, false)"),
    ("a text that is forgotten", key_value::DELETE, "('1', null, false)"),
    ("whether there is a key", key_value::IS_THERE, "('1')"),
];

/// A change of the tables that makes a statement read one as a whole, and which part of a batch that is.
const DAMAGES: [(&str, &str); 5] = [
    ("alter table address_hold drop constraint address_hold_once", "freed"),
    ("alter table reference drop constraint reference_pkey", "unlinked"),
    ("alter table object drop constraint object_pkey cascade", "deleted"),
    ("alter table idempotency_key drop constraint idempotency_key_pkey", "expired"),
    ("alter table change drop constraint change_pkey", "a page of the log"),
];

/// The types of a statement's arguments: what the statement says itself, and anything for those that it has no use for.
fn types(sql: &str) -> Vec<&'static str> {
    let numbers: Vec<usize> = sql
        .split('$')
        .skip(1)
        .map(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap())
        .collect();
    let last = numbers.iter().max().copied().unwrap_or_default();
    (1..=last).map(|number| if numbers.contains(&number) { "unknown" } else { "text" }).collect()
}

/// Arguments that say nothing, for a plan that is the same for all.
fn nulls(sql: &str) -> String {
    list(&vec!["null"; types(sql).len()])
}

fn list(items: &[&str]) -> String {
    if items.is_empty() { String::new() } else { format!("({})", items.join(", ")) }
}

/// The plan that the session makes of a statement.
async fn plan(session: &mut Session, sql: &str, arguments: &str) -> Value {
    let prepare = format!("prepare hot{} as {sql}", list(&types(sql)));
    session.execute(raw_sql(AssertSqlSafe(prepare))).await.unwrap();
    let explain = format!("explain (format json) execute hot{arguments}");
    let plan = session.value(raw_sql(AssertSqlSafe(explain))).await.unwrap();
    session.execute(raw_sql("deallocate hot")).await.unwrap();
    plan
}

/// The steps of a plan that read a large table from one end to the other.
fn whole_tables(plan: &Value, found: &mut Vec<String>) {
    let text = |key: &str| plan.get(key).and_then(Value::as_str).unwrap_or_default();
    let table = text("Relation Name");
    let is_large = LARGE.iter().any(|large| table == *large || table.starts_with("change_"));
    let is_narrowed = plan.get("Index Cond").is_some() || plan.get("TID Cond").is_some();
    let finds_for_itself = !matches!(text("Node Type"), "ModifyTable" | "LockRows" | "Bitmap Heap Scan");
    if (is_large && finds_for_itself || text("Node Type") == "Bitmap Index Scan") && !is_narrowed {
        found.push(format!("{} of {table}{}", text("Node Type"), text("Index Name")));
    }
    let parts = match plan {
        Value::Array(parts) => parts.iter().collect(),
        Value::Object(fields) => fields.values().filter(|value| value.is_array() || value.is_object()).collect(),
        _ => Vec::new(),
    };
    for part in parts {
        whole_tables(part, found);
    }
}

/// What is wrong with the plan of a statement.
async fn faults(session: &mut Session, name: &str, sql: &str, arguments: &str) -> Vec<String> {
    let plan = plan(session, sql, arguments).await;
    let mut found = Vec::new();
    whole_tables(&plan, &mut found);
    found.into_iter().map(|step| format!("{name}: {step}\n{plan:#}")).collect()
}

/// The statement of a batch that needs these parts, in each combination.
fn batches() -> impl Iterator<Item = (String, String)> {
    (0..1_u32 << PARTS.len()).map(|combination| {
        let needed: Needed = std::array::from_fn(|part| combination >> part & 1 == 1);
        let names: Vec<&str> =
            PARTS.iter().zip(needed).filter_map(|(part, needed)| needed.then_some(part.name)).collect();
        (format!("a batch with [{}]", names.join(", ")), statement(needed))
    })
}

/// A batch that needs this part only.
fn batch_with(part: &str) -> Option<String> {
    PARTS
        .iter()
        .any(|known| known.name == part)
        .then(|| statement(std::array::from_fn(|index| PARTS[index].name == part)))
}

async fn explain_all(database: &Database) {
    // As the writer and as readers ask; these get other plans for the first few times.
    let mut writing = database.connect_to_write().await.unwrap();
    let mut reading = database.connect(FRESHNESS).await.unwrap();
    let mut found = Vec::new();
    for (name, sql) in batches() {
        found.extend(faults(&mut writing, &name, &sql, &nulls(&sql)).await);
    }
    for mode in ["set plan_cache_mode = force_generic_plan", "set plan_cache_mode = force_custom_plan"] {
        reading.execute(raw_sql(mode)).await.unwrap();
        for (name, sql, arguments) in QUESTIONS {
            found.extend(faults(&mut reading, name, sql, arguments).await);
        }
    }
    assert!(found.is_empty(), "{} statements read a whole table; the first: {}", found.len(), found[0]);
}

#[tokio::test]
async fn what_is_asked_all_the_time_reads_no_table_as_a_whole() {
    let place = Place::start().await;
    let database = &place.database;
    let mut session = place.session().await;
    session.execute(raw_sql(FILL)).await.unwrap();
    explain_all(database).await;
    session.execute(raw_sql("analyze")).await.unwrap();
    explain_all(database).await;
    // And it would be seen.
    for (damage, name) in DAMAGES {
        let sql = QUESTIONS.iter().find(|(question, ..)| *question == name).map(|(_, sql, _)| (*sql).to_owned());
        let sql = sql.or_else(|| batch_with(name)).unwrap();
        let mut writing = database.connect_to_write().await.unwrap();
        let mut transaction = writing.begin().await.unwrap();
        transaction.execute(raw_sql(damage)).await.unwrap();
        assert!(
            !faults(&mut transaction, name, &sql, &nulls(&sql)).await.is_empty(),
            "{damage} is not noticed in {name}"
        );
        transaction.roll_back().await.unwrap();
    }
    place.postgresql.stop().await.unwrap();
}
