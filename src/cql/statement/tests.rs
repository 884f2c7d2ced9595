//! Statements of clients, and texts that are none.

use super::*;
use crate::cql::frame::{Bound, ValueType};
use bytes::Bytes;
use proptest::prelude::*;

/// What the drivers and the daemons of OpenSDN were seen to send, each kind of statement once: a JSON string on each line.
const RECORDED: &str = include_str!("../../../tests/data/cql/statements.jsonl");

fn recorded() -> Vec<String> {
    RECORDED.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn parse(text: &str) -> Statement {
    Statement::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).statement
}

fn select(text: &str) -> Select {
    match parse(text) {
        Statement::Select(select) => select,
        other => panic!("{text}: {other:?}"),
    }
}

fn refused(text: &str) -> String {
    Statement::parse(text).map_or_else(|error| error.to_string(), |parsed| panic!("{text}: {parsed:?}"))
}

fn table(name: &str) -> TableName {
    TableName { keyspace: None, name: name.to_owned() }
}

fn of_bytes(text: &str) -> Term {
    Term::Function { name: "textasblob".to_owned(), arguments: vec![Term::Text(text.to_owned())] }
}

fn blob(bytes: &'static [u8]) -> Term {
    Term::Blob(Bytes::from_static(bytes))
}

fn compare(column: &str, comparison: Comparison, term: Term) -> Condition {
    Condition { subject: Subject::Column(column.to_owned()), relation: Relation::Compare(comparison, term) }
}

#[test]
fn recorded_statements_are_read() {
    let recorded = recorded();
    assert!(recorded.len() > 70);
    for text in recorded {
        let parsed = Statement::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(!matches!(parsed.statement, Statement::Unsupported(_)), "{text}");
        assert!(parsed.markers.is_empty(), "{text}");
    }
}

#[test]
fn names_of_a_type_are_asked_for_in_pages() {
    let read = select("SELECT key,column1 FROM obj_fq_name_table WHERE key=0x6162 AND (column1) > (0x6a4B) LIMIT 4096");
    assert_eq!(read.from, table("obj_fq_name_table"));
    assert_eq!(read.limit, Some(Term::Integer(4096)));
    assert_eq!(
        read.conditions,
        [compare("key", Comparison::Equal, blob(b"ab")), compare("column1", Comparison::Greater, blob(b"jK"))]
    );
    let names: Vec<_> = read.selected.unwrap().iter().map(Selected::name).collect();
    assert_eq!(names, ["key", "column1"]);
    assert!(!read.allow_filtering);
}

#[test]
fn objects_are_asked_for_by_many_keys() {
    let keys: Vec<_> = (0..9_000).map(|index| format!("0x{index:072x}")).collect();
    let text = format!(
        "SELECT key,column1,value,WRITETIME(value) FROM obj_uuid_table WHERE key IN ({}) AND (column1) >= (0x64)",
        keys.join(",")
    );
    let read = select(&text);
    let Relation::In(terms) = &read.conditions[0].relation else { panic!("no keys") };
    assert_eq!(terms.len(), 9_000);
    assert_eq!(read.conditions[1], compare("column1", Comparison::GreaterOrEqual, blob(b"d")));
    let names: Vec<_> = read.selected.unwrap().iter().map(Selected::name).collect();
    assert_eq!(names, ["key", "column1", "value", "writetime(value)"]);
}

#[test]
fn slices_and_columns_are_asked_for() {
    let read = select(
        "\n SELECT blobAsText(column1), value\n FROM \"obj_fq_name_table\"\n WHERE key = textAsBlob('virtual_network')
         AND column1 >= textAsBlob('a:') AND column1 <= textAsBlob('it''s;') ",
    );
    assert_eq!(
        read.conditions,
        [
            compare("key", Comparison::Equal, of_bytes("virtual_network")),
            compare("column1", Comparison::GreaterOrEqual, of_bytes("a:")),
            compare("column1", Comparison::LessOrEqual, of_bytes("it's;")),
        ]
    );
    assert_eq!(read.selected.unwrap()[0].name(), "system.blobastext(column1)");
    let read = select("select Key from t where column1 in (textasblob('type')) allow filtering");
    assert!(read.allow_filtering);
    assert_eq!(read.conditions[0].relation, Relation::In(vec![of_bytes("type")]));
    let read = select("SELECT COUNT(*) FROM \"t\" WHERE key = 0x");
    let selected = read.selected.unwrap();
    assert_eq!((&selected[0].selector, selected[0].name().as_str()), (&Selector::Count, "count"));
}

#[test]
fn all_that_can_be_selected() {
    let read = select(
        "SELECT DISTINCT \"Key\"\"s\", TTL(value) AS ttl, count(1), token(key), textAsBlob(value), now(), timestamp
         FROM system.local WHERE token(key) > -5 AND (a, b) = (1, 2) AND x IN ? AND y IN () AND z != 1.5e3
         ORDER BY a DESC, b PER PARTITION LIMIT 2 LIMIT ? ALLOW FILTERING;",
    );
    assert!(read.distinct);
    assert_eq!(read.from, TableName { keyspace: Some("system".to_owned()), name: "local".to_owned() });
    let names: Vec<_> = read.selected.unwrap().iter().map(Selected::name).collect();
    assert_eq!(
        names,
        ["Key\"s", "ttl", "count", "system.token(key)", "system.textasblob(value)", "system.now()", "timestamp"]
    );
    assert_eq!(read.conditions[0].subject, Subject::Token(vec!["key".to_owned()]));
    assert_eq!(read.conditions[1].subject, Subject::Columns(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(read.conditions[2].relation, Relation::InList(Term::Marker { position: 0, name: "in(x)".to_owned() }));
    assert_eq!(read.conditions[3].relation, Relation::In(Vec::new()));
    assert_eq!(read.conditions[4], compare("z", Comparison::NotEqual, Term::Float(1500.0)));
    assert_eq!(read.order, [("a".to_owned(), Direction::Descending), ("b".to_owned(), Direction::Ascending)]);
    assert_eq!(read.per_partition_limit, Some(Term::Integer(2)));
    assert_eq!(select("SELECT distinct, json FROM t").selected.unwrap().len(), 2);
    assert_eq!(select("SELECT * FROM t").selected, None);
}

#[test]
fn writes_are_read() {
    let insert = parse(
        "INSERT INTO \"t\" (key, column1, value) VALUES (textAsBlob('k'), 0x63, $$it's$$) IF NOT EXISTS
         USING TIMESTAMP 12 AND TTL ?",
    );
    let columns = vec![
        ("key".to_owned(), of_bytes("k")),
        ("column1".to_owned(), blob(b"c")),
        ("value".to_owned(), Term::Text("it's".to_owned())),
    ];
    let ttl = Some(Term::Marker { position: 0, name: "[ttl]".to_owned() });
    let using = Using { timestamp: Some(Term::Integer(12)), ttl };
    assert_eq!(insert, Statement::Insert(Insert { table: table("t"), columns, if_not_exists: true, using }));
    let Statement::Delete(delete) = parse("DELETE value FROM t USING TIMESTAMP 3 WHERE key = 0x61 AND column1=0x62")
    else {
        panic!()
    };
    assert_eq!((delete.columns, delete.conditions.len()), (vec!["value".to_owned()], 2));
    assert_eq!(delete.using.timestamp, Some(Term::Integer(3)));
    let Statement::Update(update) = parse("UPDATE k.t USING TTL 5 SET value = null, x = true WHERE key = 0x61") else {
        panic!()
    };
    assert_eq!(update.columns[0], ("value".to_owned(), Term::Null));
    assert_eq!(update.using.ttl, Some(Term::Integer(5)));
    let Statement::Batch(batch) = parse(
        "BEGIN UNLOGGED BATCH USING TIMESTAMP 7 INSERT INTO t (a) VALUES (1); DELETE FROM t WHERE a = 2 APPLY BATCH;",
    ) else {
        panic!()
    };
    assert_eq!((batch.kind, batch.statements.len()), (BatchKind::Unlogged, 2));
    assert_eq!(parse("TRUNCATE TABLE t"), Statement::Truncate(table("t")));
    assert_eq!(parse("truncate T;"), Statement::Truncate(table("t")));
}

#[test]
fn schemas_are_read() {
    let Statement::CreateTable(create) = parse(
        "CREATE TABLE IF NOT EXISTS \"t\" ( key blob, column1 frozen<map<text, list<int>>> static, value text,
         PRIMARY KEY ((key, a), column1) ) WITH COMPACT STORAGE AND CLUSTERING ORDER BY (column1 DESC) AND comment = 'x'
         AND compression = {}",
    ) else {
        panic!()
    };
    assert!(create.if_not_exists && create.options.compact_storage && create.columns[1].is_static);
    assert_eq!(create.columns[1].value_type, "frozen<map<text, list<int>>>");
    assert_eq!(
        (create.partition_key, create.clustering),
        (vec!["key".to_owned(), "a".to_owned()], vec!["column1".to_owned()])
    );
    assert_eq!(create.options.clustering_order, [("column1".to_owned(), Direction::Descending)]);
    assert_eq!(create.options.others[1], ("compression".to_owned(), Term::Map(Vec::new())));
    let Statement::CreateTable(create) = parse("create table t (key int primary key)") else { panic!() };
    assert_eq!(create.partition_key, ["key"]);

    let replication = Term::Map(vec![
        (Term::Text("class".to_owned()), Term::Text("SimpleStrategy".to_owned())),
        (Term::Text("replication_factor".to_owned()), Term::Text("1".to_owned())),
    ]);
    let options = vec![("replication".to_owned(), replication)];
    assert_eq!(
        parse(
            "CREATE KEYSPACE IF NOT EXISTS \"x\" WITH REPLICATION = {'class': 'SimpleStrategy', 'replication_factor': '1'}"
        ),
        Statement::CreateKeyspace { name: "x".to_owned(), if_not_exists: true, options }
    );
    let Statement::AlterTable { options, .. } = parse("ALTER TABLE t WITH gc_grace_seconds=864000") else { panic!() };
    assert_eq!(options.others, [("gc_grace_seconds".to_owned(), Term::Integer(864_000))]);
    assert_eq!(parse("DROP KEYSPACE \"x\""), Statement::DropKeyspace { name: "x".to_owned(), if_exists: false });
    assert_eq!(parse("DROP TABLE IF EXISTS x"), Statement::DropTable { table: table("x"), if_exists: true });
    assert_eq!(parse("USE \"Config\""), Statement::Use("Config".to_owned()));
    assert_eq!(parse("use CONFIG"), Statement::Use("config".to_owned()));
}

#[test]
fn statements_that_are_not_served_are_named() {
    for (text, what) in [
        ("CREATE INDEX ON t (c)", "CREATE INDEX"),
        ("create custom index x", "CREATE CUSTOM"),
        ("CREATE MATERIALIZED VIEW x AS SELECT", "CREATE MATERIALIZED"),
        ("CREATE ROLE 'x' WITH PASSWORD = 'secret'", "CREATE ROLE"),
        ("DROP TYPE t", "DROP TYPE"),
        ("ALTER TABLE t ADD c int", "ALTER TABLE ... ADD"),
        ("GRANT SELECT ON t TO x", "GRANT"),
        ("LIST ROLES", "LIST"),
        ("SELECT JSON * FROM t", "SELECT JSON"),
        ("SELECT a FROM t GROUP BY a", "GROUP BY"),
        ("INSERT INTO t JSON '{}'", "INSERT JSON"),
        ("UPDATE t SET a = 1 WHERE b = 2 IF EXISTS", "UPDATE ... IF"),
        ("BEGIN BATCH DELETE FROM t WHERE b = 2 IF EXISTS APPLY BATCH", "DELETE ... IF"),
    ] {
        assert_eq!(parse(text), Statement::Unsupported(what.to_owned()), "{text}");
    }
}

#[test]
fn what_is_to_be_described() {
    let table =
        |keyspace: Option<&str>, name: &str| TableName { keyspace: keyspace.map(str::to_owned), name: name.to_owned() };
    for (text, described) in [
        ("DESCRIBE KEYSPACES", Described::Keyspaces),
        ("desc tables;", Described::Tables),
        ("DESCRIBE CLUSTER", Described::Cluster),
        ("DESCRIBE FULL SCHEMA", Described::Schema),
        ("DESCRIBE KEYSPACE", Described::Keyspace(None)),
        ("DESCRIBE KEYSPACE ks;", Described::Keyspace(Some("ks".to_owned()))),
        ("DESCRIBE KEYSPACE WITH INTERNALS", Described::Keyspace(None)),
        ("DESCRIBE TABLE ks.\"T\" WITH INTERNALS", Described::Table(table(Some("ks"), "T"))),
        ("DESCRIBE t", Described::Named(table(None, "t"))),
        ("DESCRIBE TYPES", Described::Nothing),
    ] {
        assert_eq!(parse(text), Statement::Describe(described), "{text}");
    }
}

#[test]
fn errors_say_what_is_there_and_what_was_expected() {
    for (text, expected) in [
        ("", "line 1:0 found the end of the text, expected a statement"),
        ("EXPLAIN x", "line 1:0 found 'EXPLAIN', expected a statement (SELECT, "),
        ("SELECT foo\n  frm x", "line 2:2 found 'frm', expected FROM"),
        (
            "SELECT * FROM x WHERE ü = 1",
            "line 1:22 found a character that no word begins with (ü), expected the name of",
        ),
        ("/* ü */ SELECT key FROM", "line 1:23 found the end of the text, expected the name of a table"),
        ("SELECT * FROM t WHERE key ~ 1", "found a character that no word begins with (~), expected '=', '<'"),
        ("SELECT * FROM t WHERE key = 0x123", "found a blob with an odd number of digits (0x123), expected a value"),
        ("SELECT * FROM t WHERE key = 0x1g", "a blob with other than hexadecimal digits"),
        ("SELECT * FROM t WHERE key = 'abc", "found a text without its closing quote ('abc), expected a value"),
        ("SELECT * FROM t WHERE key = 12345678901234567890", "expected a number of 64 bits"),
        ("SELECT * FROM t WHERE key = 12ab", "a number with letters (12ab)"),
        ("SELECT * FROM t WHERE key = abc", "found 'abc', expected a value"),
        ("SELECT * FROM t WHERE (column1) > 0x64", "expected in parentheses"),
        ("SELECT * FROM t WHERE (column1) > (0x64, 0x65)", "expected in parentheses"),
        ("SELECT * FROM t WHERE key IN 5", "found '5', expected '(' or a marker"),
        ("SELECT * FROM select", "found 'select', expected the name of a table"),
        ("SELECT * FROM t; SELECT * FROM t", "line 1:17 found 'SELECT', expected the end of the statement"),
        ("SELECT * FROM t /* x", "found a comment without its end"),
        ("INSERT INTO t (a, b) VALUES (1)", "found ')', expected ','"),
        ("INSERT INTO t (a) VALUES (1, 2)", "found ',', expected ')'"),
        ("DELETE FROM t", "expected WHERE"),
        ("BEGIN BATCH SELECT * FROM t APPLY BATCH", "found 'SELECT', expected INSERT, UPDATE, or DELETE"),
        ("CREATE TABLE t (a int PRIMARY KEY, PRIMARY KEY (a))", "the key is said already"),
        ("CREATE KEYSPACE x WITH a = ?", "expected none in CREATE"),
        ("USE \"\"", "found \"\", expected the name of a keyspace"),
    ] {
        let found = refused(text);
        assert!(found.contains(expected), "{text}: {found}");
    }
    let long = refused(&format!("SELECT * FROM t WHERE x y{}", "ü".repeat(1_000_000)));
    assert!(long.len() < 200, "{long}");
}

#[test]
fn comments_and_white_space_are_passed_over() {
    let text = "-- first\n SELECT // second ' \n * /* third \n -- */ FROM\tt -- last";
    assert_eq!(select(text).from, table("t"));
    assert_eq!(parse("USE a ; -- x"), Statement::Use("a".to_owned()));
}

#[test]
fn markers_have_the_names_of_their_places() {
    let parsed = Statement::parse(
        "INSERT INTO t (key, column1, value) VALUES (textAsBlob(?), :c, {?: [?]}) USING TIMESTAMP ? AND TTL ?",
    )
    .unwrap();
    let markers: Vec<_> = parsed.markers.iter().map(|marker| (marker.name.as_str(), &marker.place)).collect();
    let (column, part) = (MarkerPlace::Column("column1".to_owned()), MarkerPlace::Part("value".to_owned()));
    assert_eq!(
        markers,
        [
            ("arg0(system.textasblob)", &MarkerPlace::Text),
            ("c", &column),
            ("value", &part),
            ("value", &part),
            ("[timestamp]", &MarkerPlace::Timestamp),
            ("[ttl]", &MarkerPlace::Int),
        ]
    );
    let parsed =
        Statement::parse("SELECT * FROM t WHERE token(key) > ? AND key IN ? AND a IN (?) AND (b) > (?) LIMIT ?")
            .unwrap();
    let names: Vec<_> = parsed.markers.iter().map(|marker| marker.name.as_str()).collect();
    assert_eq!(names, ["partition key token", "in(key)", "a", "b", "[limit]"]);
    assert_eq!(parsed.markers[3].place, MarkerPlace::Column("b".to_owned()));
    assert!(parsed.check(&Values::NONE).unwrap_err().to_string().contains("0 values, expected 5"));
    assert!(parsed.check(&Values::Positional(vec![Bound::Null; 5])).is_ok());
    let many = format!("SELECT * FROM t WHERE a IN ({}?)", "?,".repeat(65_535));
    assert!(refused(&many).contains("at most 65535"));
}

fn value(text: &str) -> Term {
    match parse(&format!("INSERT INTO t (c) VALUES ({text})")) {
        Statement::Insert(insert) => insert.columns.into_iter().next().unwrap().1,
        other => panic!("{other:?}"),
    }
}

#[test]
fn values_become_what_is_wanted() {
    let none = Values::NONE;
    let evaluate = |text: &str, wanted: &ValueType| value(text).evaluate(wanted, &none, "c");
    let uuid = "6A5c38df-617d-4730-90f8-dcb16507ca6b";
    for (text, wanted, expected) in [
        ("'it''s'", ValueType::Varchar, &b"it's"[..]),
        ("0x00fF", ValueType::Blob, b"\x00\xff"),
        ("textAsBlob('ü')", ValueType::Blob, "ü".as_bytes()),
        ("blobAsText(textAsBlob('a'))", ValueType::Varchar, b"a"),
        ("-2", ValueType::Int, b"\xff\xff\xff\xfe"),
        ("-2", ValueType::Bigint, b"\xff\xff\xff\xff\xff\xff\xff\xfe"),
        ("1", ValueType::Double, b"\x3f\xf0\0\0\0\0\0\0"),
        ("TRUE", ValueType::Boolean, b"\x01"),
        (uuid, ValueType::Uuid, b"\x6a\x5c\x38\xdf\x61\x7d\x47\x30\x90\xf8\xdc\xb1\x65\x07\xca\x6b"),
        ("'127.0.0.1'", ValueType::Inet, b"\x7f\0\0\x01"),
    ] {
        assert_eq!(evaluate(text, &wanted), Ok(Bound::Set(Bytes::copy_from_slice(expected))), "{text}");
    }
    assert_eq!(evaluate("null", &ValueType::Blob), Ok(Bound::Null));
    for (text, wanted, expected) in [
        ("'x'", ValueType::Blob, "Invalid value for c: found a text, expected type blob"),
        ("0x64", ValueType::Varchar, "Invalid value for c: found a blob, expected type text"),
        ("2147483648", ValueType::Int, "Invalid value for c: found a number of more than 32 bits, expected type int"),
        ("textAsBlob('x')", ValueType::Varchar, "Invalid value for c: found what textasblob makes, expected type text"),
        ("textAsBlob('x', 'y')", ValueType::Blob, "textasblob has 2 arguments, expected one"),
        ("now()", ValueType::Blob, "Unknown function now, expected textAsBlob or blobAsText"),
        ("blobAsText(0xff)", ValueType::Varchar, "Invalid value for c: found what is not UTF-8, expected type text"),
        ("(0x64)", ValueType::Blob, "Invalid value for c: found a tuple, expected type blob"),
        ("?", ValueType::Blob, "There is no value for the marker of c"),
    ] {
        assert_eq!(evaluate(text, &wanted).unwrap_err().to_string(), expected);
    }
}

#[test]
fn values_of_markers_are_looked_at() {
    let bytes = |bytes: &'static [u8]| Bound::Set(Bytes::from_static(bytes));
    let positional = |bound: Bound| Values::Positional(vec![bound]);
    let marker = value("?");
    assert_eq!(marker.blob(&positional(bytes(b"ab")), "c"), Ok(Some(Bytes::from_static(b"ab"))));
    assert_eq!(marker.text(&positional(bytes(b"ab")), "c"), Ok(Some("ab".to_owned())));
    assert_eq!(marker.bigint(&positional(bytes(b"\0\0\0\0\0\0\0\x05")), "c"), Ok(Some(5)));
    assert_eq!(marker.int(&positional(bytes(b"\0\0\0\x05")), "c"), Ok(Some(5)));
    assert_eq!(marker.int(&positional(Bound::Null), "c"), Ok(None));
    assert!(marker.int(&positional(bytes(b"\0")), "c").is_err());
    assert!(marker.text(&positional(bytes(b"\xff")), "c").is_err());
    assert!(marker.text(&positional(Bound::Unset), "c").is_err());
    let named = Values::Named([("c".to_owned(), bytes(b"x"))].into());
    assert_eq!(marker.text(&named, "c"), Ok(Some("x".to_owned())));
    assert!(value(":d").text(&named, "c").is_err());
    assert_eq!(value("textAsBlob(?)").blob(&positional(bytes(b"ab")), "c"), Ok(Some(Bytes::from_static(b"ab"))));

    let list = |bytes: &'static [u8]| marker.list(&ValueType::Blob, &positional(Bound::Set(bytes.into())), "c");
    assert_eq!(list(b"\0\0\0\x02\0\0\0\x01a\0\0\0\0"), Ok(vec![Bytes::from_static(b"a"), Bytes::new()]));
    for bad in [
        &b""[..],
        b"\0\0\0\x01",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x01\0\0\0\x02a",
        b"\0\0\0\x01\xff\xff\xff\xff",
        b"\0\0\0\0x",
        b"\x7f\xff\xff\xff",
    ] {
        assert!(list(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_stands_in_itself_has_a_limit() {
    for (open, close) in [("(", ")"), ("[", "]"), ("{", "}"), ("{1:", "}"), ("f(", ")")] {
        let text = |depth: usize| format!("INSERT INTO t (a) VALUES ({}1{})", open.repeat(depth), close.repeat(depth));
        assert!(Statement::parse(&text(32)).is_ok());
        assert!(refused(&text(33)).contains("nested more than 32 deep"));
        assert!(refused(&text(300_000)).contains("nested more than 32 deep"));
    }
    let text = format!("CREATE TABLE t (a {}int{} PRIMARY KEY)", "list<".repeat(300_000), ">".repeat(300_000));
    assert!(refused(&text).contains("nested more than 32 deep"));
}

#[test]
fn large_texts_are_read_or_refused() {
    let megabyte = 1 << 20;
    let literal =
        format!("INSERT INTO t (key, value) VALUES (0x{}, '{}')", "ab".repeat(megabyte), "''".repeat(megabyte));
    let Statement::Insert(insert) = parse(&literal) else { panic!() };
    assert_eq!(insert.columns[0].1.blob(&Values::NONE, "key").unwrap().unwrap().len(), megabyte);
    assert_eq!(insert.columns[1].1.text(&Values::NONE, "value").unwrap().unwrap().len(), megabyte);
    for text in [
        format!("SELECT * FROM t WHERE a IN ({}1)", "1,".repeat(megabyte)),
        format!("SELECT {}a FROM t", "a,".repeat(megabyte)),
        format!("SELECT * FROM t WHERE {}a=1", "a=1 and ".repeat(megabyte)),
        format!("BEGIN BATCH {} APPLY BATCH", "delete from t where a=1 ".repeat(megabyte)),
        format!("CREATE TABLE t ({} a int)", "a int,".repeat(megabyte)),
    ] {
        assert!(refused(&text).contains("expected at most 262144 words"), "{}", &text[..40]);
    }
    for text in [
        "(".repeat(megabyte),
        "'".repeat(megabyte + 1),
        "\"".repeat(megabyte + 1),
        "/*".repeat(megabyte),
        "-".repeat(megabyte),
        "$".repeat(megabyte),
        "0".repeat(megabyte),
        "a-".repeat(megabyte),
        "\n".repeat(megabyte),
        format!("SELECT * FROM t WHERE a = -{}", "1".repeat(megabyte)),
        format!("SELECT * FROM t WHERE a = 1{}", "e+1".repeat(megabyte)),
    ] {
        assert!(refused(&text).len() < 300);
    }
}

/// What a text is put together from.
const PIECES: &[&str] = &[
    "select",
    "FROM",
    "where",
    "and",
    "in",
    "insert",
    "into",
    "values",
    "delete",
    "update",
    "set",
    "using",
    "timestamp",
    "ttl",
    "begin",
    "batch",
    "apply",
    "create",
    "table",
    "keyspace",
    "if",
    "not",
    "exists",
    "primary",
    "key",
    "with",
    "limit",
    "token",
    "textAsBlob",
    "column1",
    "(",
    ")",
    "(",
    ")",
    ",",
    "*",
    "=",
    ">=",
    "{",
    "}",
    ":",
    "[",
    "]",
    "?",
    ":a",
    ".",
    ";",
    "'x'",
    "'",
    "\"",
    "0x61",
    "0x6",
    "12",
    "-1",
    "1.5",
    "--",
    "/*",
    "*/",
    "\n",
    "ü",
    "$$",
    "\0",
    "<",
    ">",
    "6a5c38df-617d-4730-90f8-dcb16507ca6b",
    "null",
    "true",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn random_texts_are_read_or_refused(text in "\\PC{0,200}") {
        let _ = Statement::parse(&text);
    }

    #[test]
    fn random_words_are_read_or_refused(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        let _ = Statement::parse(&pieces.join(" "));
        let _ = Statement::parse(&pieces.concat());
    }

    #[test]
    fn changed_statements_are_read_or_refused(
        text in prop::sample::select(recorded()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, prop::sample::select(PIECES)), 1..4),
    ) {
        let mut characters: Vec<char> = text.chars().collect();
        for (place, removed, added) in changes {
            let place = place.index(characters.len() + 1);
            characters.splice(place..characters.len().min(place + removed), added.chars());
        }
        let _ = Statement::parse(&characters.into_iter().collect::<String>());
    }

    #[test]
    fn texts_and_blobs_come_through(text in "\\PC{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let hex = bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat();
        let quoted = text.replace('\'', "''");
        let Statement::Insert(insert) =
            parse(&format!("INSERT INTO t (a, b, c) VALUES ('{quoted}', 0x{hex}, textAsBlob('{quoted}'))"))
            else { panic!("no insert") };
        prop_assert_eq!(insert.columns[0].1.text(&Values::NONE, "a").unwrap(), Some(text.clone()));
        prop_assert_eq!(insert.columns[1].1.blob(&Values::NONE, "b").unwrap(), Some(bytes.into()));
        prop_assert_eq!(insert.columns[2].1.blob(&Values::NONE, "c").unwrap(), Some(text.into_bytes().into()));
    }
}
