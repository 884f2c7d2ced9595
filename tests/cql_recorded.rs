//! What drivers and daemons have sent, byte by byte as it was recorded (`tests/golden/cql/`), on connections that are opened and
//! closed as theirs were. Every request has to be answered in the recorded way: with an error of this code, with so many
//! rows where that does not depend on the configuration, with a keyspace, with nothing.

use crate::support::cql::{
    ANSWER, Answer, BATCH, Client, Frame, OPTIONS, QUERY, READY, REGISTER, STARTUP, SUPPORTED, V4, long_text, query,
    short_text, text_map,
};
use crate::support::rabbitmq::free_port;
use crate::support::{Checks, Server, cql};
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use tokio::task::block_in_place;

const RECORDED: [(&str, &str); 7] = [
    ("python-driver-start", include_str!("golden/cql/python-driver-start.jsonl")),
    ("cpp-driver-start", include_str!("golden/cql/cpp-driver-start.jsonl")),
    ("cpp-reconnect", include_str!("golden/cql/cpp-reconnect.jsonl")),
    ("use-on-other-connections", include_str!("golden/cql/use-on-other-connections.jsonl")),
    ("daemons", include_str!("golden/cql/daemons.jsonl")),
    ("cluster-id", include_str!("golden/cql/cluster-id.jsonl")),
    ("two-processes", include_str!("golden/cql/two-processes.jsonl")),
];

pub async fn what_was_recorded_is_answered() {
    let mut checks = Checks::default();
    let (_server, address) = block_in_place(|| cql::start(&[]));
    checks.run("bytes", bytes(address)).await;
    let (_with_id, with_id) = block_in_place(|| cql::start(&["--cql-cluster-id", "c1"]));
    let port = free_port();
    let pair = block_in_place(|| {
        let first = Server::start_with(&["--cql-listen", &format!("127.0.0.1:{port}")]);
        let second = first.start_another_with(&["--cql-listen", &format!("127.0.0.2:{port}")]);
        (cql::address(&first), cql::address(&second), first, second)
    });
    for (name, lines) in RECORDED {
        let address = match name {
            "cluster-id" => with_id,
            "two-processes" => pair.0,
            _ => address,
        };
        checks.run(name, replay(address, lines)).await;
    }
    checks.finish();
}

/// What a request has to be answered with.
#[derive(Debug)]
enum Wanted {
    Error(u32),
    Ready,
    Supported,
    Keyspace,
    Void,
    /// Nothing, or what was changed.
    Done,
    Rows(Option<usize>),
}

/// A connection as far as it was played.
struct Session {
    client: Client,
    /// By the stream: what was sent, and what has to come.
    open: HashMap<i16, (String, Wanted)>,
}

impl Session {
    /// Takes answers until that on this stream is there; until all are there if none is named.
    async fn answers(&mut self, stream: Option<i16>) {
        while stream.map_or(!self.open.is_empty(), |stream| self.open.contains_key(&stream)) {
            let frame = self.client.receive().await;
            let frame = frame.unwrap_or_else(|| panic!("the server ends the connection before {:?}", self.open));
            if frame.stream == -1 {
                // An event.
                continue;
            }
            let (sent, wanted) = self.open.remove(&frame.stream).expect("a stream that was used");
            compare(&sent, &wanted, &frame);
        }
    }
}

fn compare(sent: &str, wanted: &Wanted, frame: &Frame) {
    let answer = frame.answer();
    let is_right = match (wanted, &answer) {
        (Wanted::Error(code), Answer::Error(got, _)) => code == got,
        (Wanted::Ready, Answer::Other(READY))
        | (Wanted::Supported, Answer::Other(SUPPORTED))
        | (Wanted::Keyspace, Answer::Keyspace(_))
        | (Wanted::Void, Answer::Void)
        | (Wanted::Done, Answer::Void | Answer::Change(_)) => true,
        (Wanted::Rows(number), Answer::Rows(rows)) => {
            rows.more.is_none() && number.is_none_or(|number| number == rows.rows.len())
        }
        _ => false,
    };
    assert!(is_right, "{sent}\n  wanted {wanted:?}\n  got {}", crate::support::shortened(&format!("{answer:?}")));
}

async fn replay(address: SocketAddr, lines: &'static str) {
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut sessions: HashMap<u64, Session> = HashMap::new();
    let mut answered = 0;
    for (place, event) in events.iter().enumerate() {
        let connection = event["conn"].as_u64().unwrap();
        match event["ev"].as_str() {
            Some("open") => {
                let session = Session { client: Client::connect(address).await, open: HashMap::new() };
                sessions.insert(connection, session);
            }
            Some("closed") => {
                let mut session = sessions.remove(&connection).expect("it is open");
                session.answers(None).await;
            }
            Some("rows" | "error") => {
                let stream = event["stream"].as_i64().unwrap().try_into().unwrap();
                sessions.get_mut(&connection).expect("it is open").answers(Some(stream)).await;
                answered += 1;
            }
            _ => {
                let frame = frame(event);
                let session = sessions.get_mut(&connection).expect("it is open");
                // A stream is free when its answer is there.
                session.answers(Some(frame.stream)).await;
                session.client.send(&frame.bytes()).await.expect("the server takes it");
                let wanted = wanted(event, &events[place + 1..]);
                let is_recorded = matches!(wanted, Wanted::Rows(_) | Wanted::Error(_));
                session.open.insert(frame.stream, (event.to_string(), wanted));
                // Of what is no table it was not written down when it came: before the next request.
                if !is_recorded {
                    session.answers(Some(frame.stream)).await;
                }
            }
        }
    }
    for session in sessions.values_mut() {
        session.answers(None).await;
    }
    assert!(answered > 10, "{answered} answers");
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The request as it was sent: its length is recorded, too.
fn frame(event: &Value) -> Frame {
    let number = |name: &str| event[name].as_u64().unwrap();
    let consistency = |body: &mut Vec<u8>| {
        let code: u16 = match text_of(&event["cons"]) {
            "ONE" => 1,
            "QUORUM" => 4,
            "LOCAL_ONE" => 10,
            other => panic!("{other}"),
        };
        body.extend(code.to_be_bytes());
        let flags = u8::try_from(number("qflags")).unwrap();
        body.push(flags);
        if flags & 0x04 != 0 {
            body.extend(u32::try_from(number("page_size")).unwrap().to_be_bytes());
        }
        if flags & 0x20 != 0 {
            body.extend(event["ts"].as_i64().unwrap().to_be_bytes());
        }
    };
    let mut body = Vec::new();
    let opcode = match text_of(&event["op"]) {
        "OPTIONS" => OPTIONS,
        "STARTUP" => {
            let options = event["options"].as_object().unwrap();
            body = text_map(options.iter().map(|(name, value)| (name.as_str(), text_of(value))));
            STARTUP
        }
        "REGISTER" => {
            let events = event["events"].as_array().unwrap();
            body.extend(u16::try_from(events.len()).unwrap().to_be_bytes());
            body.extend(events.iter().flat_map(|event| short_text(text_of(event))));
            REGISTER
        }
        "QUERY" => {
            body = long_text(text_of(&event["q"]));
            consistency(&mut body);
            QUERY
        }
        "BATCH" => {
            body.push(u8::try_from(number("batch_type")).unwrap());
            body.extend(u16::try_from(number("n")).unwrap().to_be_bytes());
            for query in event["queries"].as_array().unwrap() {
                body.push(0);
                body.extend(long_text(text_of(&query[1])));
                body.extend(0_u16.to_be_bytes());
            }
            consistency(&mut body);
            BATCH
        }
        other => panic!("{other}"),
    };
    assert_eq!(body.len() as u64, number("len"), "{event}");
    let version = u8::try_from(number("v")).unwrap();
    Frame { version, flags: 0, stream: event["stream"].as_i64().unwrap().try_into().unwrap(), opcode, body }
}

/// By what was recorded after it, and by what it is.
fn wanted(event: &Value, after: &[Value]) -> Wanted {
    if event["ev"] == "unsupported version" {
        return Wanted::Error(0x0a);
    }
    let recorded = after.iter().find(|later| later["conn"] == event["conn"] && later["stream"] == event["stream"]);
    let recorded = recorded.unwrap_or(&Value::Null);
    if let Some(code) = recorded["code"].as_str() {
        return Wanted::Error(u32::from_str_radix(code.trim_start_matches("0x"), 16).unwrap());
    }
    match text_of(&event["op"]) {
        "OPTIONS" => return Wanted::Supported,
        "STARTUP" | "REGISTER" => return Wanted::Ready,
        "BATCH" => return Wanted::Void,
        _ => {}
    }
    let statement = text_of(&event["q"]);
    match statement.split_whitespace().next().unwrap() {
        "USE" => Wanted::Keyspace,
        "INSERT" | "DELETE" => Wanted::Void,
        "CREATE" | "ALTER" => Wanted::Done,
        "SELECT" => {
            let number = recorded["n"].as_u64().map(|number| usize::try_from(number).unwrap());
            Wanted::Rows(number.filter(|_| !depends_on_configuration(statement)))
        }
        other => panic!("{other}"),
    }
}

/// Whether other servers have other rows: of the configuration, of what keyspaces and tables there are beside, and of other processes, which
/// get to know each other within moments.
fn depends_on_configuration(statement: &str) -> bool {
    let lists_all = ["keyspaces", "tables", "columns"].iter().any(|table| {
        let from = format!("FROM system_schema.{table}");
        statement.trim_end().ends_with(&from) || statement.contains(&from) && !statement.contains("table_name =")
    });
    statement.contains("obj_")
        || statement.ends_with("FROM system.peers")
        || (lists_all && !statement.contains("WHERE keyspace_name = "))
}

fn hexadecimal(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let number = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(number).collect()
}

/// The contract's bytes (8), one after the other on one connection.
async fn bytes(address: SocketAddr) {
    let mut client = Client::connect(address).await;
    let mut ask = async |request: Vec<u8>| {
        client.send(&request).await.unwrap();
        client.receive().await.expect("an answer").bytes()
    };
    let unsupported = "Invalid or unsupported protocol version (66); supported versions are (3/v3, 4/v4, 5/v5-beta)";
    let answer = ask(hexadecimal("42 00 0000 05 00000000")).await;
    // The text is free.
    assert_eq!(answer[..5], hexadecimal("84 00 0000 00")[..]);
    assert_eq!(answer[9..13], hexadecimal("0000000a")[..]);
    let text = String::from_utf8_lossy(&answer[15..]);
    assert!(text.starts_with(&unsupported[..48]), "{text}");

    let version = [hexadecimal("000b"), b"CQL_VERSION".to_vec()].concat();
    let supported = [
        hexadecimal("84 00 0001 06 00000027 0002"),
        version.clone(),
        hexadecimal("0001 0005"),
        b"3.4.4".to_vec(),
        hexadecimal("000b"),
        b"COMPRESSION".to_vec(),
        hexadecimal("0000"),
    ];
    assert_eq!(ask(hexadecimal("04 00 0001 05 00000000")).await, supported.concat());
    let start = [hexadecimal("04 00 0002 01 00000016 0001"), version, hexadecimal("0005"), b"3.4.4".to_vec()].concat();
    assert_eq!(ask(start).await, hexadecimal("84 00 0002 02 00000000"));
    let change =
        [hexadecimal("04 00 0003 07 0000001c 00000015"), b"USE \"to_bgp_keyspace\"".to_vec(), hexadecimal("0001 00")];
    let keyspace = [hexadecimal("84 00 0003 08 00000015 00000003 000f"), b"to_bgp_keyspace".to_vec()];
    assert_eq!(ask(change.concat()).await, keyspace.concat());

    // The row that is asked for, as it was written then: the time of a request is not believed when it is long past.
    let name = "default-domain:default-project:net1:net1";
    let insert = format!(
        "INSERT INTO \"route_target_table\" (key, column1, value) VALUES (textAsBlob('{name}'), textAsBlob('rtgt_num'), '8000004') \
         USING TIMESTAMP {}",
        0x0006_612c_a9e6_20c5_i64
    );
    let void = Frame { version: ANSWER | V4, ..Frame::request(9, cql::RESULT, hexadecimal("00000001")) };
    assert_eq!(ask(Frame::request(9, QUERY, query(&insert)).bytes()).await, void.bytes());
    let select = format!(
        "SELECT blobAsText(column1), value, WRITETIME(value) FROM \"route_target_table\" WHERE key = textAsBlob('{name}')"
    );
    let request = [
        hexadecimal("04 00 0004 07 000000a3 00000090"),
        select.into_bytes(),
        hexadecimal("0004 24 00001388 0006612cd8ce54f0"),
    ];
    let rows = [
        hexadecimal("84 00 0004 08 00000093 00000002 00000001 00000003 000f"),
        b"to_bgp_keyspace".to_vec(),
        hexadecimal("0012"),
        b"route_target_table".to_vec(),
        hexadecimal("001a"),
        b"system.blobastext(column1)".to_vec(),
        hexadecimal("000d 0005"),
        b"value".to_vec(),
        hexadecimal("000d 0010"),
        b"writetime(value)".to_vec(),
        hexadecimal("0002 00000001 00000008"),
        b"rtgt_num".to_vec(),
        hexadecimal("00000007"),
        b"8000004".to_vec(),
        hexadecimal("00000008 0006612ca9e620c5"),
    ];
    assert_eq!(ask(request.concat()).await, rows.concat());
    // The daemons of the next test begin without it.
    let delete = format!("DELETE FROM \"route_target_table\" WHERE key = textAsBlob('{name}')");
    assert_eq!(ask(Frame::request(9, QUERY, query(&delete)).bytes()).await, void.bytes());
}
