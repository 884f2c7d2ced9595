//! Tables of wide rows do what a map in memory does, whatever is written into them, and by how many at the same time.

use super::Place as Test;
use crate::{
    store::{
        cql_servers::{Peer, announce, client_address, withdraw},
        operation::{CHECK, CQL_SERVERS},
        wide_rows::{Change, TableWrites, Times, WideRowError, WideRows},
    },
    wide_row::{Cell, Columns, Keys, Place, Read, Write},
};
use bytes::Bytes;
use proptest::{
    prelude::*,
    sample::{select, subsequence},
    test_runner::{Config, TestCaseError, TestRunner},
};
use sha2::{Digest, Sha256};
use sqlx::raw_sql;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Bound,
    sync::Arc,
};
use tokio::runtime::Runtime;
use uuid::Uuid;

const KEYSPACE: &str = "tried";
const TABLES: [&str; 2] = ["first", "second"];

/// A few keys and columns; some are long and differ late, or not before the end of the shorter one.
fn places() -> Vec<Bytes> {
    let long = vec![b'l'; 1000];
    let longer = [&long[..], b"", b"a", b"a\0", b"b", &[b'c'; 3000]].map(<[u8]>::to_vec);
    let after = longer[1..].iter().map(|end| [&long[..], end].concat());
    let short: [&[u8]; 7] = [b"", b"\0", b"a", b"a\0", b"ab", b"l", b"\xff\xff"];
    short.iter().map(|place| place.to_vec()).chain([long.clone()]).chain(after).map(Bytes::from).collect()
}

fn place() -> impl Strategy<Value = Bytes> {
    select(places())
}

fn key() -> impl Strategy<Value = Bytes> {
    select(places().into_iter().skip(6).step_by(2).collect::<Vec<_>>())
}

fn value() -> impl Strategy<Value = String> {
    select(vec!["", "a", "a\0b", "b", "\u{fc}"]).prop_map(str::to_owned)
}

fn bound() -> impl Strategy<Value = Bound<Bytes>> {
    prop_oneof![Just(Bound::Unbounded), place().prop_map(Bound::Included), place().prop_map(Bound::Excluded)]
}

fn columns() -> impl Strategy<Value = Columns> {
    prop_oneof![
        2 => Just(Columns::ALL),
        2 => (bound(), bound()).prop_map(|(from, to)| Columns::Slice(from, to)),
        2 => subsequence(places(), 0..4).prop_map(|columns| Columns::These(columns.into_iter().collect())),
    ]
}

/// Times of which many are the same.
fn time() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..4_i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        6 => (key(), place(), prop::option::weighted(0.9, value()), time())
            .prop_map(|(key, column, value, time)| Write::Put(Cell { place: Place { key, column }, value, time })),
        1 => (key(), columns(), time()).prop_map(|(key, columns, time)| Write::Delete { key, columns, time }),
    ]
}

/// What is done next.
#[derive(Clone, Debug)]
enum Step {
    /// A batch, each write into one of the tables.
    Write(Vec<(usize, Write)>),
    Truncate(usize),
    DropTable(usize),
    /// A read with the size of its pages.
    Read(usize, Read, usize),
    /// The server starts again.
    Reopen,
}

fn read() -> impl Strategy<Value = Read> {
    let keys = prop_oneof![Just(Keys::All), prop::collection::vec(key(), 0..5).prop_map(Keys::These)];
    let after = prop::option::weighted(0.2, (key(), place()).prop_map(|(key, column)| Place { key, column }));
    let limit = prop::option::weighted(0.3, 0..6_u64);
    (keys, columns(), prop::option::weighted(0.2, value()), after, limit)
        .prop_map(|(keys, columns, value, after, limit)| Read { keys, columns, value, after, limit })
}

fn step() -> impl Strategy<Value = Step> {
    let table = || 0..TABLES.len();
    let writes = |most| prop::collection::vec((table(), write()), 1..most);
    prop_oneof![
        6 => writes(2).prop_map(Step::Write),
        10 => writes(12).prop_map(Step::Write),
        1 => table().prop_map(Step::Truncate),
        1 => table().prop_map(Step::DropTable),
        16 => (table(), read(), 1..6_usize).prop_map(|(table, read, page)| Step::Read(table, read, page)),
        1 => Just(Step::Reopen),
    ]
}

/// What is in a table: by place the value and its time.
type Known = BTreeMap<(Bytes, Bytes), (i64, String)>;

/// Writes into the model: puts, then deletes.
fn apply(known: &mut Known, writes: &[&Write]) {
    let puts = writes.iter().filter_map(|write| match write {
        Write::Put(Cell { place, value: Some(value), time }) => Some((place, (*time, value.clone()))),
        _ => None,
    });
    for (place, written) in puts {
        let stored = known.entry((place.key.clone(), place.column.clone())).or_insert_with(|| written.clone());
        *stored = stored.clone().max(written);
    }
    for write in writes {
        let (of, columns, by) = match write {
            Write::Put(Cell { value: Some(_), .. }) => continue,
            Write::Put(Cell { place, time, .. }) => {
                (&place.key, Columns::These(BTreeSet::from([place.column.clone()])), *time)
            }
            Write::Delete { key, columns, time } => (key, columns.clone(), *time),
        };
        known.retain(|(key, column), (time, _)| key != of || !columns.has(column) || *time > by);
    }
}

/// What a model answers.
fn answer(known: &Known, read: &Read) -> Vec<Cell> {
    let mut keys: Vec<&Bytes> = known.keys().map(|(key, _)| key).collect();
    match &read.keys {
        Keys::All => keys.sort_by_key(|key| Sha256::digest(key)),
        Keys::These(asked) => keys = asked.iter().collect(),
    }
    let mut seen = HashSet::new();
    keys.retain(|key| seen.insert(*key));
    let after = |key: &Bytes, column: &Bytes| match &read.after {
        None => true,
        Some(place) if place.key == *key => *column > place.column,
        Some(place) => match &read.keys {
            Keys::All => Sha256::digest(key) > Sha256::digest(&place.key),
            Keys::These(_) => {
                let at = |wanted| keys.iter().position(|key| *key == wanted);
                at(&place.key).is_some_and(|begun| at(key) > Some(begun))
            }
        },
    };
    let mut cells = Vec::new();
    for key in &keys {
        for ((of, column), (time, value)) in known {
            let is_wanted = read.columns.has(column) && read.value.as_ref().is_none_or(|wanted| wanted == value);
            if of == *key && is_wanted && after(of, column) {
                let place = Place { key: of.clone(), column: column.clone() };
                cells.push(Cell { place, value: Some(value.clone()), time: *time });
            }
        }
    }
    cells
}

/// All pages of an answer.
async fn pages(rows: &WideRows, table: &str, read: &Read, page: usize) -> Result<Vec<Cell>, WideRowError> {
    let mut read = read.clone();
    let mut cells = Vec::new();
    loop {
        let found = rows.read(KEYSPACE, table, &read, page).await?;
        assert!(found.cells.len() <= page);
        if let Some(last) = found.cells.last() {
            read.after = Some(last.place.clone());
        }
        read.limit = read.limit.map(|limit| limit - found.cells.len() as u64);
        let is_empty = found.cells.is_empty();
        cells.extend(found.cells);
        if !found.more {
            return Ok(cells);
        }
        assert!(!is_empty, "an empty page says that there is more");
    }
}

async fn check_read(
    rows: &WideRows,
    known: &Known,
    table: &str,
    read: &Read,
    page: usize,
) -> Result<(), TestCaseError> {
    let all = answer(known, read);
    let count = rows.count(KEYSPACE, table, read).await.unwrap();
    prop_assert_eq!(count, all.len() as u64, "count of {:?}", read);
    let limit = read.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap());
    let expected: Vec<Cell> = all.into_iter().take(limit).collect();
    prop_assert_eq!(pages(rows, table, read, page).await.unwrap(), expected, "pages of {} of {:?}", page, read);
    Ok(())
}

async fn play(test: &Test, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut rows = WideRows::new(test.database.sessions());
    rows.drop_keyspace(KEYSPACE).await.unwrap();
    assert_eq!(rows.create_keyspace(KEYSPACE, "{}").await.unwrap(), Change::Done);
    let mut known: [Known; 2] = Default::default();
    for table in TABLES {
        assert_eq!(rows.create_table(KEYSPACE, table).await.unwrap(), Change::Done);
    }
    for step in steps {
        match step {
            Step::Write(writes) => {
                let of = |table| writes.iter().filter(move |(into, _)| *into == table).map(|(_, write)| write);
                let parts: Vec<Vec<Write>> = (0..TABLES.len()).map(|table| of(table).cloned().collect()).collect();
                let batch: Vec<TableWrites> = (parts.iter().zip(TABLES))
                    .filter(|(writes, _)| !writes.is_empty())
                    .map(|(writes, table)| TableWrites { keyspace: KEYSPACE, table, times: Times::Given, writes })
                    .collect();
                rows.write(&batch).await.unwrap();
                for (table, known) in known.iter_mut().enumerate() {
                    apply(known, &of(table).collect::<Vec<_>>());
                }
            }
            Step::Truncate(table) => {
                rows.truncate_table(KEYSPACE, TABLES[*table]).await.unwrap();
                known[*table].clear();
            }
            Step::DropTable(table) => {
                assert_eq!(rows.drop_table(KEYSPACE, TABLES[*table]).await.unwrap(), Change::Done);
                let put = Write::Put(Cell {
                    place: Place { key: Bytes::new(), column: Bytes::new() },
                    value: Some(String::new()),
                    time: 9,
                });
                let part =
                    TableWrites { keyspace: KEYSPACE, table: TABLES[*table], times: Times::Given, writes: &[put] };
                for batch in [&[part][..], &[TableWrites { table: TABLES[1 - table], ..part }, part]] {
                    let refused = rows.write(batch).await;
                    let told = matches!(refused, Err(WideRowError::NoTable { table: no, .. }) if no == part.table);
                    prop_assert!(told);
                }
                assert_eq!(rows.create_table(KEYSPACE, TABLES[*table]).await.unwrap(), Change::Done);
                known[*table].clear();
            }
            Step::Read(table, read, page) => {
                check_read(&rows, &known[*table], TABLES[*table], read, *page).await?;
            }
            Step::Reopen => rows = WideRows::new(test.database.sessions()),
        }
    }
    let everything = Read { keys: Keys::All, columns: Columns::ALL, value: None, after: None, limit: None };
    for (known, table) in known.iter().zip(TABLES) {
        check_read(&rows, known, table, &everything, 100).await?;
    }
    Ok(())
}

#[test]
fn tables_of_wide_rows_are_maps() {
    let runtime = Runtime::new().unwrap();
    let test = runtime.block_on(Test::start());
    let histories = prop::collection::vec(step(), 1..60);
    let config = Config { cases: 60, max_shrink_iters: 400, ..Config::default() };
    let outcome = TestRunner::new(config).run(&histories, |steps| runtime.block_on(play(&test, &steps)));
    runtime.block_on(test.postgresql.stop()).unwrap();
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

fn put(key: &str, column: &str, value: &str, time: i64) -> Write {
    let place =
        Place { key: Bytes::copy_from_slice(key.as_bytes()), column: Bytes::copy_from_slice(column.as_bytes()) };
    Write::Put(Cell { place, value: Some(value.to_owned()), time })
}

fn everything() -> Read {
    Read { keys: Keys::All, columns: Columns::ALL, value: None, after: None, limit: None }
}

const MINE: (&str, &str) = ("dm_keyspace", "dm_pr_asn_table");

async fn write_mine(rows: &WideRows, times: Times, writes: &[Write]) {
    rows.write(&[TableWrites { keyspace: MINE.0, table: MINE.1, times, writes }]).await.unwrap();
}

/// The value and the time of the first column of the first row.
async fn first(rows: &WideRows) -> (String, i64) {
    let page = rows.read(MINE.0, MINE.1, &everything(), 1).await.unwrap();
    (page.cells[0].value.clone().unwrap(), page.cells[0].time)
}

async fn clocks(rows: &WideRows, now: i64) {
    let minutes = |minutes: i64| now + minutes * 60_000_000;
    // Of batches as of puts that are alone.
    for other in [vec![], vec![put("k", "x", "", 0)]] {
        let write = async |times, value: &str, time| {
            let writes = [vec![put("k", "c", value, time)], other.clone()].concat();
            write_mine(rows, times, &writes).await;
            first(rows).await
        };
        rows.truncate_table(MINE.0, MINE.1).await.unwrap();
        assert_eq!(write(Times::Given, "given", 5).await, ("given".to_owned(), 5));
        let (value, at) = write(Times::Client, "long ago", minutes(-60)).await;
        assert!(value == "long ago" && at >= now, "{value} {at} {now}");
        let (value, then) = write(Times::Client, "in times to come", i64::MAX).await;
        assert!(value == "in times to come" && then > at && then < minutes(10), "{value} {then} {at}");
        // The test takes less than a minute.
        let near = then + 20_000_000;
        assert_eq!(write(Times::Client, "near", near).await, ("near".to_owned(), near));
        assert_eq!(write(Times::Now, "hidden", i64::MAX).await, ("near".to_owned(), near));
        let gone = Columns::These(BTreeSet::from([Bytes::from_static(b"c"), Bytes::from_static(b"x")]));
        let delete = |time| Write::Delete { key: Bytes::from_static(b"k"), columns: gone.clone(), time };
        write_mine(rows, Times::Now, &[delete(i64::MAX)]).await;
        assert_eq!(first(rows).await, ("near".to_owned(), near));
        write_mine(rows, Times::Client, &[delete(near)]).await;
        assert_eq!(rows.count(MINE.0, MINE.1, &everything()).await.unwrap(), 0);
    }
}

/// Values that are large come in pages of a few megabytes.
async fn large_values(rows: &WideRows) {
    rows.truncate_table(MINE.0, MINE.1).await.unwrap();
    let value = "v".repeat(3 << 20);
    for column in ["a", "b", "c", "d"] {
        write_mine(rows, Times::Now, &[put("k", column, &value, 0)]).await;
    }
    let page = rows.read(MINE.0, MINE.1, &everything(), 100).await.unwrap();
    assert_eq!((page.cells.len(), page.more), (3, true));
    let after = Read { after: Some(page.cells[2].place.clone()), ..everything() };
    let page = rows.read(MINE.0, MINE.1, &after, 100).await.unwrap();
    assert_eq!((page.cells.len(), page.more), (1, false));
    rows.truncate_table(MINE.0, MINE.1).await.unwrap();
}

async fn schema(rows: &WideRows) {
    let before = rows.schema().await.unwrap();
    let names: Vec<&str> = before.keys().map(String::as_str).collect();
    assert_eq!(names, ["dm_keyspace", "svc_monitor_keyspace", "to_bgp_keyspace"]);
    assert!(before.values().all(|keyspace| keyspace.tables.len() == 4));
    assert_eq!(rows.create_keyspace("mine", "{ 'class': '\0' }").await.unwrap(), Change::Done);
    assert_eq!(rows.create_keyspace("mine", "{}").await.unwrap(), Change::AlreadyThere);
    assert_eq!(rows.alter_keyspace("mine", "{ 'a': 'b' }").await.unwrap(), Change::Done);
    assert_eq!(rows.alter_keyspace("other", "{}").await.unwrap(), Change::Missing);
    assert_eq!(rows.create_table("mine", "t").await.unwrap(), Change::Done);
    assert_eq!(rows.create_table("mine", "t").await.unwrap(), Change::AlreadyThere);
    assert_eq!(rows.create_table("other", "t").await.unwrap(), Change::Missing);
    for name in ["", "a.b", "\0", "\u{fc}", &"a".repeat(49)] {
        assert_eq!(rows.create_keyspace(name, "{}").await.unwrap(), Change::NoName, "{name}");
        assert_eq!(rows.create_table("mine", name).await.unwrap(), Change::NoName, "{name}");
        assert_eq!(rows.create_table(name, "t").await.unwrap(), Change::Missing, "{name}");
        assert_eq!(rows.alter_keyspace(name, "{}").await.unwrap(), Change::Missing, "{name}");
        assert_eq!(rows.drop_keyspace(name).await.unwrap(), Change::Missing, "{name}");
        assert_eq!(rows.drop_table("mine", name).await.unwrap(), Change::Missing, "{name}");
        assert!(matches!(rows.read("mine", name, &everything(), 1).await, Err(WideRowError::NoTable { .. })));
        assert!(matches!(rows.count("mine", name, &everything()).await, Err(WideRowError::NoTable { .. })));
        assert!(matches!(rows.truncate_table("mine", name).await, Err(WideRowError::NoTable { .. })));
        let part = TableWrites { keyspace: "mine", table: name, times: Times::Now, writes: &[put("k", "c", "v", 0)] };
        assert!(matches!(rows.write(&[part]).await, Err(WideRowError::NoTable { .. })));
    }
    assert!(matches!(rows.read("mine", "no", &everything(), 1).await, Err(WideRowError::NoTable { .. })));
    assert!(matches!(rows.count("no", "t", &everything()).await, Err(WideRowError::NoTable { .. })));
    let mine = rows.schema().await.unwrap().remove("mine").unwrap();
    assert_eq!((mine.replication.as_str(), mine.tables), ("{ 'a': 'b' }", BTreeSet::from(["t".to_owned()])));
    assert_eq!(rows.drop_table("mine", "no").await.unwrap(), Change::Missing);
    assert_eq!(rows.drop_keyspace("mine").await.unwrap(), Change::Done);
    assert_eq!(rows.drop_keyspace("mine").await.unwrap(), Change::Missing);
    assert_eq!(rows.schema().await.unwrap(), before);
}

#[tokio::test]
async fn keyspaces_clocks_and_large_values() {
    let test = Test::start().await;
    let rows = WideRows::new(test.database.sessions());
    let mut session = test.session().await;
    let now = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint";
    let now: i64 = session.value(raw_sql(now)).await.unwrap();
    clocks(&rows, now).await;
    large_values(&rows).await;
    schema(&rows).await;
    test.postgresql.stop().await.unwrap();
}

/// Batches that write into the same rows in every order, beside tables that go and come: nobody waits for one that waits for
/// it, each batch is whole, and the last one by its time wins.
#[tokio::test(flavor = "multi_thread")]
async fn batches_take_turns() {
    let test = Test::start().await;
    let rows = Arc::new(WideRows::new(test.database.sessions()));
    assert_eq!(rows.create_keyspace(KEYSPACE, "{}").await.unwrap(), Change::Done);
    for table in TABLES {
        rows.create_table(KEYSPACE, table).await.unwrap();
    }
    let mut tasks = Vec::new();
    for task in 0..6_i64 {
        let rows = Arc::clone(&rows);
        tasks.push(tokio::spawn(async move {
            for round in 0..40_i64 {
                let time = 1 + round * 6 + task;
                let (value, turn) = (time.to_string(), usize::try_from(time).unwrap());
                let mut writes: Vec<Write> = (0..20_usize)
                    .map(|number| (number * (1 + turn % 3 * 2) + turn) % 20)
                    .map(|number| put(&format!("k{}", number % 4), &format!("c{number}"), &value, time))
                    .collect();
                let old = |key: String| Write::Delete { key: key.into(), columns: Columns::ALL, time: time - 1 };
                writes.extend((0..4).map(|number| old(format!("k{}", (number + turn) % 4))));
                let table = TABLES[turn % 2];
                let part = TableWrites { keyspace: KEYSPACE, table, times: Times::Given, writes: &writes };
                rows.write(&[part, TableWrites { table: TABLES[(turn + 1) % 2], ..part }]).await.unwrap();
                rows.write(&[TableWrites { writes: &writes[..1], ..part }]).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for table in TABLES {
        let page = rows.read(KEYSPACE, table, &everything(), 100).await.unwrap();
        assert_eq!(page.cells.len(), 20);
        let times: BTreeSet<i64> = page.cells.iter().map(|cell| cell.time).collect();
        assert_eq!(times, BTreeSet::from([240]));
    }
    // Tables that go and come meanwhile.
    let mut tasks = Vec::new();
    for task in 0..4_i64 {
        let rows = Arc::clone(&rows);
        tasks.push(tokio::spawn(async move {
            for round in 0..40_i64 {
                let writes: Vec<Write> =
                    (0..9).map(|number| put(&format!("k{number}"), "c", "v", round + task)).collect();
                let part = TableWrites { keyspace: KEYSPACE, table: TABLES[0], times: Times::Now, writes: &writes };
                let other = TableWrites { table: TABLES[1], ..part };
                let batch = if round % 2 == 0 { [part, other] } else { [other, part] };
                match rows.write(&batch).await {
                    Ok(()) | Err(WideRowError::NoTable { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }));
    }
    for round in 0..20 {
        let table = TABLES[round % 2];
        match round % 4 {
            0 => assert_eq!(rows.drop_table(KEYSPACE, table).await.unwrap(), Change::Done),
            1 => rows.truncate_table(KEYSPACE, table).await.unwrap(),
            _ => {
                assert_eq!(rows.drop_keyspace(KEYSPACE).await.unwrap(), Change::Done);
                rows.create_keyspace(KEYSPACE, "{}").await.unwrap();
            }
        }
        for table in TABLES {
            rows.create_table(KEYSPACE, table).await.unwrap();
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    test.postgresql.stop().await.unwrap();
}

#[tokio::test]
async fn processes_that_listen_hear_of_each_other() {
    let test = Test::start().await;
    let mut session = test.database.connect(CQL_SERVERS).await.unwrap();
    let peer = |number: u8| Peer {
        server: Uuid::from_u128(number.into()),
        address: if number == 2 { "::1".parse().unwrap() } else { [127, 0, 0, number].into() },
        port: 9042,
    };
    let mut tell = async |number| {
        let Peer { server, address, port } = peer(number);
        announce(&mut session, server, address, port).await.unwrap()
    };
    assert_eq!(tell(1).await, []);
    assert_eq!(tell(2).await, [peer(1)]);
    assert_eq!(tell(3).await, [peer(1), peer(2)]);
    assert_eq!(tell(1).await, [peer(2), peer(3)]);
    let mut other = test.database.connect(CHECK).await.unwrap();
    other.execute(raw_sql("update cql_server set at = at - interval '6 s' where port = 9042")).await.unwrap();
    assert_eq!(tell(2).await, []);
    assert_eq!(other.value::<i64>(raw_sql("select count(*) from cql_server")).await.unwrap(), 1);
    assert_eq!(tell(3).await, [peer(2)]);
    withdraw(&mut other, peer(2).server).await.unwrap();
    assert_eq!(tell(3).await, []);
    // Behind a Unix socket.
    assert_eq!(client_address(&mut other).await.unwrap(), None);
    test.postgresql.stop().await.unwrap();
}
