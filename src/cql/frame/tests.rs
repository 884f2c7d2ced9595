//! Frames against the bytes of the contract, against another library of the protocol, and against what nobody should send.

use super::{request::BatchEntry, *};
use bytes::Bytes;
use cassandra_protocol::{
    compression::Compression,
    consistency::Consistency,
    frame::{
        Envelope, Flags, Opcode as TheirOpcode, Serialize as _, Version as TheirVersion,
        message_batch::{BatchQuery, BatchQuerySubj, BatchType, BodyReqBatch},
        message_error::ErrorType,
        message_event::BodyResEvent,
        message_execute::BodyReqExecute,
        message_query::BodyReqQuery,
        message_response::ResponseBody,
        message_result::{ColType, ResResultBody},
    },
    query::{QueryParams, QueryValues},
    types::{CBytes, CBytesShort, value::Value as TheirValue},
};
use proptest::prelude::*;
use std::{collections::HashMap, net::SocketAddr};
use uuid::Uuid;

const LIMIT: u32 = 16 << 20;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn text_hex(text: &str) -> String {
    text.bytes()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

/// The whole frame of an answer.
fn frame(response: &Response, version: Version, stream: i16) -> Bytes {
    let mut frame = Vec::new();
    response.write_frame(&mut frame, version, stream);
    frame.into()
}

/// Reads a whole frame.
fn request(frame: &[u8]) -> Result<(Header, Request), String> {
    let header = Header::parse(frame[..HEADER_LENGTH].try_into().unwrap(), LIMIT).map_err(|error| error.to_string())?;
    let body = Bytes::copy_from_slice(&frame[HEADER_LENGTH..]);
    assert_eq!(body.len(), header.length as usize);
    Request::parse(&header, body).map(|request| (header, request)).map_err(|error| error.to_string())
}

fn header(version: Version, flags: u8, opcode: Opcode) -> Header {
    Header { version, flags, stream: 1, opcode, length: 0 }
}

/// Reads a body that is bad, and says what is said of it.
fn refused(version: Version, flags: u8, opcode: Opcode, body: &[u8]) -> String {
    Request::parse(&header(version, flags, opcode), Bytes::copy_from_slice(body)).unwrap_err().to_string()
}

fn column(name: &str, value_type: ValueType) -> Column {
    Column { name: name.to_owned(), value_type }
}

fn route_targets() -> TableColumns {
    TableColumns {
        keyspace: "to_bgp_keyspace".to_owned(),
        table: "route_target_table".to_owned(),
        columns: vec![
            column("system.blobastext(column1)", ValueType::Varchar),
            column("value", ValueType::Varchar),
            column("writetime(value)", ValueType::Bigint),
        ],
    }
}

#[test]
fn a_version_that_is_not_served_is_answered_in_one_that_is() {
    let bytes: [u8; 9] = hex("42 00 0000 05 00000000").try_into().unwrap();
    let error = Header::parse(&bytes, LIMIT).unwrap_err();
    assert_eq!(error, HeaderError::UnsupportedVersion { version: 66, stream: 0, length: Some(0) });
    let text = "Invalid or unsupported protocol version (66); supported versions are (3/v3, 4/v4)";
    let answer = frame(&Response::Error(error.answer()), Version::NEWEST, error.stream());
    let expected = format!("84 00 0000 00 {:08x} 0000000a {:04x} {}", text.len() + 6, text.len(), text_hex(text));
    assert_eq!(answer, hex(&expected));
}

#[test]
fn headers_are_refused_for_what_is_wrong_with_them() {
    let parse = |bytes: &str| Header::parse(&hex(bytes).try_into().unwrap(), LIMIT).unwrap_err();
    assert_eq!(parse("84 00 0007 05 00000000"), HeaderError::NotARequest { stream: 7 });
    assert_eq!(parse("04 00 0007 05 ffffffff"), HeaderError::BadLength { stream: 7, length: -1, limit: LIMIT });
    assert_eq!(parse("04 00 fffe 05 01000001").to_string(), "Length of the frame is 16777217, expected 0 to 16777216");
    assert_eq!(parse("04 00 fffe 05 01000001").stream(), -2);
    assert_eq!(parse("04 00 0007 08 00000005"), HeaderError::UnknownOpcode { stream: 7, opcode: 8, length: 5 });
    assert_eq!(parse("05 00 0007 05 00000005").body(), Some(5));
    assert_eq!(parse("05 00 0007 05 70000005").body(), None);
    assert_eq!(parse("02 00 0007 05 00000000").answer().kind, ErrorKind::Protocol);
}

#[test]
fn a_session_of_the_contract_is_byte_for_byte_the_same() {
    let options = request(&hex("04 00 0001 05 00000000")).unwrap().1;
    assert_eq!(options, Request::Options);
    let supported = format!(
        "84 00 0001 06 00000027 0002 000b{} 0001 0005{} 000b{} 0000",
        text_hex("CQL_VERSION"),
        text_hex("3.4.4"),
        text_hex("COMPRESSION")
    );
    assert_eq!(frame(&Response::Supported, Version::V4, 1), hex(&supported));

    let startup = format!("04 00 0002 01 00000016 0001 000b{} 0005{}", text_hex("CQL_VERSION"), text_hex("3.4.4"));
    assert_eq!(
        request(&hex(&startup)).unwrap().1,
        Request::Startup([("CQL_VERSION".to_owned(), "3.4.4".to_owned())].into())
    );
    assert_eq!(frame(&Response::Ready, Version::V4, 2), hex("84 00 0002 02 00000000"));

    let use_keyspace = format!("04 00 0003 07 0000001c 00000015 {} 0001 00", text_hex(r#"USE "to_bgp_keyspace""#));
    let (_, parsed) = request(&hex(&use_keyspace)).unwrap();
    let Request::Query { statement, parameters } = parsed else { panic!("{parsed:?}") };
    assert_eq!(statement, r#"USE "to_bgp_keyspace""#);
    assert_eq!((parameters.consistency, parameters.page_size, parameters.timestamp), (1, None, None));
    assert_eq!(
        frame(&Response::SetKeyspace("to_bgp_keyspace".to_owned()), Version::V4, 3),
        hex("84 00 0003 08 00000015 00000003 000f 746f5f6267705f6b65797370616365")
    );

    let select = r#"SELECT blobAsText(column1), value, WRITETIME(value) FROM "route_target_table" WHERE key = textAsBlob('default-domain:default-project:net1:net1')"#;
    let select_frame = format!(
        "04 00 0004 07 {:08x} {:08x} {} 0004 24 00001388 0006612cd8ce54f0",
        select.len() + 4 + 15,
        select.len(),
        text_hex(select)
    );
    let (_, parsed) = request(&hex(&select_frame)).unwrap();
    let Request::Query { statement, parameters } = parsed else { panic!("{parsed:?}") };
    assert_eq!(statement, select);
    assert_eq!(parameters.page_size, Some(5000));
    assert_eq!(parameters.timestamp, Some(0x0006_612c_d8ce_54f0));
    assert_eq!(parameters.consistency, 4);

    let expected = format!(
        "84 00 0004 08 00000093 00000002 00000001 00000003 000f{} 0012{} 001a{} 000d 0005{} 000d 0010{} 0002
         00000001 00000008{} 00000007{} 00000008 0006612ca9e620c5",
        text_hex("to_bgp_keyspace"),
        text_hex("route_target_table"),
        text_hex("system.blobastext(column1)"),
        text_hex("value"),
        text_hex("writetime(value)"),
        text_hex("rtgt_num"),
        text_hex("8000004")
    );
    let metadata = RowsMetadata { columns: Columns::Said(route_targets()), paging_state: None };
    let row = vec![Value::text("rtgt_num"), Value::text("8000004"), Value::Bigint(0x0006_612c_a9e6_20c5)];
    let rows = Rows { metadata: metadata.clone(), rows: vec![row] };
    assert_eq!(frame(&Response::Rows(rows), Version::V4, 4), hex(&expected));

    // The same in pieces, as a large answer is written.
    let write_row = |output: &mut dyn FnMut(&[u8])| {
        let mut row = Vec::new();
        row.value(b"rtgt_num");
        row.optional(Some(b"8000004"));
        row.bigint(0x0006_612c_a9e6_20c5);
        output(&row);
    };
    let mut measured = Length(metadata.begin_length());
    write_row(&mut |bytes| measured.put(bytes));
    let mut output = bytes::BytesMut::new();
    Answer::Result.write_header(&mut output, Version::V4, 4, u32::try_from(measured.0).unwrap());
    metadata.begin(&mut output, 1);
    write_row(&mut |bytes| output.put(bytes));
    assert_eq!(output, hex(&expected));
}

#[test]
fn credentials_and_events_are_read() {
    let (_, answer) = request(&hex("03 00 0001 0f 0000000a 00000006 00 61 00 62 6364")).unwrap();
    assert_eq!(answer, Request::AuthResponse(Some(Bytes::from_static(b"\0a\0bcd"))));
    let (_, answer) = request(&hex("03 00 0001 0f 00000004 ffffffff")).unwrap();
    assert_eq!(answer, Request::AuthResponse(None));
    let register = format!("04 00 0001 0b 00000011 0001 000d{}", text_hex("STATUS_CHANGE"));
    assert_eq!(request(&hex(&register)).unwrap().1, Request::Register(vec!["STATUS_CHANGE".to_owned()]));
}

#[test]
fn flags_of_the_header_are_judged() {
    assert!(refused(Version::V4, 1, Opcode::Options, &[]).contains("compress"));
    assert!(refused(Version::V3, 4, Opcode::Options, &[]).contains("Unknown flags"));
    assert!(refused(Version::V4, 0x10, Opcode::Options, &[]).contains("Unknown flags"));
    let payload = hex("0002 0001 61 00000002 ffff 0001 62 ffffffff");
    let parsed = Request::parse(&header(Version::V4, 0x0E, Opcode::Options), payload.into());
    assert_eq!(parsed, Ok(Request::Options));
}

#[test]
fn bodies_are_refused_for_what_is_wrong_with_them() {
    let query = |rest: &str| refused(Version::V4, 0, Opcode::Query, &hex(&format!("00000001 61 {rest}")));
    assert_eq!(query(""), "Consistency has 2 bytes, but the frame ends after 0");
    assert_eq!(query("0001 80"), "Unknown flags of the parameters: 0x80");
    assert_eq!(query("0001 00 00"), "1 bytes are left at the end of the frame");
    assert_eq!(query("0001 01 0001 fffffffd"), "Length of a value is -3, expected -2 or more");
    assert_eq!(query("0001 01 0001 7fffffff"), "Value has 2147483647 bytes, but the frame ends after 0");
    assert_eq!(query("0001 01 ffff"), "Value has 4 bytes, but the frame ends after 0");
    let prepare = |body: &str| refused(Version::V4, 0, Opcode::Prepare, &hex(body));
    assert_eq!(prepare("ffffffff"), "Length of Statement is -1, expected 0 or more");
    assert_eq!(prepare("00000001 ff"), "Statement is not UTF-8");
    let batch = |body: &str| refused(Version::V4, 0, Opcode::Batch, &hex(body));
    assert_eq!(batch("03 0000 0001 00"), "Kind of the batch is 3, expected 0, 1 or 2");
    assert_eq!(batch("00 0001 02"), "Kind of a statement is 2, expected 0 or 1");
    assert_eq!(batch("00 0000 0001 40"), "Unknown flags of the parameters: 0x40");
    let mut many = hex("00 0005");
    for _ in 0..5 {
        many.extend(hex("00 00000001 61 ffff"));
        many.extend(std::iter::repeat_n(0xFF, 65_535 * 4));
    }
    many.extend(hex("0001 00"));
    assert!(refused(Version::V4, 0, Opcode::Batch, &many).contains("more than 262144 values"));
}

#[test]
fn values_that_are_not_set_are_of_version_4() {
    let body = hex("00000001 61 0001 01 0003 ffffffff fffffffe 00000000");
    let values = |version| match Request::parse(&header(version, 0, Opcode::Query), Bytes::from(body.clone())).unwrap()
    {
        Request::Query { parameters, .. } => parameters.values,
        other => panic!("{other:?}"),
    };
    let empty = Bound::Set(Bytes::new());
    assert_eq!(values(Version::V4), Values::Positional(vec![Bound::Null, Bound::Unset, empty.clone()]));
    assert_eq!(values(Version::V3), Values::Positional(vec![Bound::Null, Bound::Null, empty]));
}

#[test]
fn a_page_size_that_is_not_positive_is_none() {
    for (size, expected) in [("00000000", None), ("ffffffff", None), ("00000001", Some(1))] {
        let body = Bytes::from(hex(&format!("00000001 61 0001 0c {size} 00000002 abcd")));
        match Request::parse(&header(Version::V3, 0, Opcode::Query), body).unwrap() {
            Request::Query { parameters, .. } => {
                assert_eq!(parameters.page_size, expected);
                assert_eq!(parameters.paging_state.as_deref(), Some(&[0xAB, 0xCD][..]));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn texts_that_are_too_long_for_the_protocol_end_at_a_character() {
    let mut output = Vec::new();
    output.string(&"ü".repeat(40_000));
    assert_eq!(output.len(), 2 + 65_534);
    assert_eq!(output[..2], 65_534_u16.to_be_bytes());
    assert!(std::str::from_utf8(&output[2..]).is_ok());
    assert_eq!(PreparedId::new(vec![0; 65_536].into()), None);
    assert!(PreparedId::new(vec![0; 65_535].into()).is_some());
}

#[test]
fn version_3_says_less_of_a_prepared_statement() {
    let prepared = Response::Prepared(Prepared {
        id: PreparedId::new(Bytes::from_static(b"i")).unwrap(),
        markers: TableColumns {
            keyspace: "k".to_owned(),
            table: "t".to_owned(),
            columns: vec![column("c", ValueType::Blob)],
        },
        key_markers: vec![0],
        columns: None,
    });
    assert_eq!(
        frame(&prepared, Version::V3, 0),
        hex("83 00 0000 08 00000022 00000004 0001 69 00000001 00000001 0001 6b 0001 74 0001 63 0003 00000004 00000000")
    );
    assert_eq!(
        frame(&prepared, Version::V4, 0),
        hex("84 00 0000 08 00000028 00000004 0001 69 00000001 00000001 00000001 0000 0001 6b 0001 74 0001 63 0003
             00000004 00000000")
    );
}

// ---- against the other library

fn theirs(version: Version) -> TheirVersion {
    match version {
        Version::V3 => TheirVersion::V3,
        Version::V4 => TheirVersion::V4,
    }
}

/// What they read of our answer.
fn read_by_them(response: &Response, version: Version, stream: i16) -> ResponseBody {
    let frame = frame(response, version, stream);
    let parsed = Envelope::from_buffer(&frame, Compression::None).unwrap();
    assert_eq!(parsed.envelope_len, frame.len());
    assert_eq!(parsed.envelope.stream_id, stream);
    assert_eq!(parsed.envelope.version, theirs(version));
    parsed.envelope.response_body().unwrap()
}

/// What we read of their request.
fn read_by_us(version: Version, opcode: TheirOpcode, body: Vec<u8>) -> Request {
    let envelope = Envelope::new(
        theirs(version),
        cassandra_protocol::frame::Direction::Request,
        Flags::empty(),
        opcode,
        9,
        body,
        None,
        Vec::new(),
    );
    let (header, request) = request(&envelope.encode_with(Compression::None).unwrap()).unwrap();
    assert_eq!((header.version, header.stream), (version, 9));
    request
}

fn versions() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V3), Just(Version::V4)]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![".{0,40}", "[a-z ]{300,400}"]
}

fn blobs() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..60)
}

fn bounds() -> impl Strategy<Value = Bound> {
    prop_oneof![3 => blobs().prop_map(|blob| Bound::Set(blob.into())), 1 => Just(Bound::Null)]
}

fn their_value(bound: &Bound) -> TheirValue {
    match bound {
        Bound::Set(bytes) => TheirValue::Some(bytes.to_vec()),
        Bound::Null => TheirValue::Null,
        Bound::Unset => TheirValue::NotSet,
    }
}

fn values() -> impl Strategy<Value = Values> {
    prop_oneof![
        prop::collection::vec(bounds(), 0..5).prop_map(Values::Positional),
        prop::collection::btree_map("[a-zü]{1,9}", bounds(), 1..5).prop_map(Values::Named),
    ]
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let optional_blob = prop::option::of(blobs());
    (0_u16..=6, values(), prop::option::of(1..i32::MAX), optional_blob, prop::option::of(any::<i64>())).prop_map(
        |(consistency, values, page_size, paging_state, timestamp)| Parameters {
            consistency,
            values,
            skip_metadata: false,
            page_size: page_size.map(i32::cast_unsigned),
            paging_state: paging_state.map(Bytes::from),
            timestamp,
        },
    )
}

fn their_consistency(consistency: u16) -> Consistency {
    i16::try_from(consistency).unwrap().try_into().unwrap()
}

fn their_parameters(parameters: &Parameters, serial: bool) -> QueryParams {
    let values = match &parameters.values {
        Values::Positional(values) if values.is_empty() => None,
        Values::Positional(values) => Some(QueryValues::SimpleValues(values.iter().map(their_value).collect())),
        Values::Named(values) => Some(QueryValues::NamedValues(
            values.iter().map(|(name, value)| (name.clone(), their_value(value))).collect::<HashMap<_, _>>(),
        )),
    };
    QueryParams {
        consistency: their_consistency(parameters.consistency),
        with_names: matches!(parameters.values, Values::Named(_)),
        values,
        page_size: parameters.page_size.map(u32::cast_signed),
        paging_state: parameters.paging_state.as_ref().map(|state| CBytes::new(state.to_vec())),
        serial_consistency: serial.then_some(Consistency::Serial),
        timestamp: parameters.timestamp,
        keyspace: None,
        now_in_seconds: None,
    }
}

fn value_types() -> impl Strategy<Value = (ValueType, ColType)> {
    let text = || Box::new(ValueType::Varchar);
    prop_oneof![
        Just((ValueType::Bigint, ColType::Bigint)),
        Just((ValueType::Blob, ColType::Blob)),
        Just((ValueType::Boolean, ColType::Boolean)),
        Just((ValueType::Double, ColType::Double)),
        Just((ValueType::Int, ColType::Int)),
        Just((ValueType::Timestamp, ColType::Timestamp)),
        Just((ValueType::Uuid, ColType::Uuid)),
        Just((ValueType::Varchar, ColType::Varchar)),
        Just((ValueType::Inet, ColType::Inet)),
        Just((ValueType::List(text()), ColType::List)),
        Just((ValueType::Map(text(), Box::new(ValueType::Blob)), ColType::Map)),
        Just((ValueType::Set(text()), ColType::Set)),
    ]
}

proptest! {
    #[test]
    fn we_read_their_queries(
        version in versions(), statement in texts(), parameters in parameters(), serial in any::<bool>(),
    ) {
        let body = BodyReqQuery { query: statement.clone(), query_params: their_parameters(&parameters, serial) };
        let read = read_by_us(version, TheirOpcode::Query, body.serialize_to_vec(theirs(version)));
        prop_assert_eq!(read, Request::Query { statement, parameters });
    }

    #[test]
    fn we_read_their_executions(version in versions(), id in blobs(), parameters in parameters()) {
        let their_id = CBytesShort::new(id.clone());
        let body = BodyReqExecute {
            id: &their_id, result_metadata_id: None, query_parameters: &their_parameters(&parameters, false),
        }.serialize_to_vec(theirs(version));
        let id = PreparedId::new(id.into()).unwrap();
        prop_assert_eq!(read_by_us(version, TheirOpcode::Execute, body), Request::Execute { id, parameters });
    }

    #[test]
    fn we_read_their_batches(
        version in versions(),
        kind in prop_oneof![
            Just((BatchKind::Logged, BatchType::Logged)),
            Just((BatchKind::Unlogged, BatchType::Unlogged)),
            Just((BatchKind::Counter, BatchType::Counter)),
        ],
        entries in prop::collection::vec((any::<bool>(), texts(), prop::collection::vec(bounds(), 0..4)), 0..6),
        consistency in 0_u16..=6,
        serial in any::<bool>(),
        timestamp in prop::option::of(any::<i64>()),
    ) {
        let queries = entries.iter().map(|(is_prepared, text, values)| BatchQuery {
            subject: if *is_prepared {
                BatchQuerySubj::PreparedId(CBytesShort::new(text.clone().into_bytes()))
            } else {
                BatchQuerySubj::QueryString(text.clone())
            },
            values: QueryValues::SimpleValues(values.iter().map(their_value).collect()),
        }).collect();
        let body = BodyReqBatch {
            batch_type: kind.1,
            queries,
            consistency: their_consistency(consistency),
            serial_consistency: serial.then_some(Consistency::LocalSerial),
            timestamp,
            keyspace: None,
            now_in_seconds: None,
        };
        let entries = entries.into_iter().map(|(is_prepared, text, values)| BatchEntry {
            statement: if is_prepared {
                BatchStatement::Prepared(PreparedId::new(text.into()).unwrap())
            } else {
                BatchStatement::Text(text)
            },
            values: Values::Positional(values),
        }).collect();
        prop_assert_eq!(
            read_by_us(version, TheirOpcode::Batch, body.serialize_to_vec(theirs(version))),
            Request::Batch(Batch { kind: kind.0, entries, consistency, timestamp })
        );
    }

    #[test]
    fn they_read_our_rows(
        version in versions(),
        stream in any::<i16>(),
        keyspace in "[a-z]{1,9}",
        columns in prop::collection::vec(("[a-z()]{1,9}", value_types()), 1..6),
        rows in prop::collection::vec(prop::collection::vec(prop::option::of(blobs()), 5), 0..6),
        paging_state in prop::option::of(blobs()),
    ) {
        let said = TableColumns {
            keyspace: keyspace.clone(),
            table: "t".to_owned(),
            columns: columns.iter().map(|(name, (value_type, _))| column(name, value_type.clone())).collect(),
        };
        let ours = Rows {
            metadata: RowsMetadata { columns: Columns::Said(said), paging_state: paging_state.clone().map(Bytes::from) },
            rows: rows.iter().map(|row| row.iter().take(columns.len()).map(|value| match value {
                Some(value) => Value::Blob(value.clone().into()),
                None => Value::Null,
            }).collect()).collect(),
        };
        let ResponseBody::Result(ResResultBody::Rows(read)) = read_by_them(&Response::Rows(ours), version, stream)
            else { panic!("no rows") };
        prop_assert_eq!(read.metadata.global_table_spec.unwrap().ks_name, keyspace);
        prop_assert_eq!(read.metadata.paging_state.and_then(CBytes::into_bytes), paging_state);
        let specs: Vec<_> = read.metadata.col_specs.iter().map(|spec| (spec.name.clone(), spec.col_type.id)).collect();
        let expected: Vec<_> = columns.iter().map(|(name, (_, col_type))| (name.clone(), *col_type)).collect();
        prop_assert_eq!(specs, expected);
        let read: Vec<Vec<_>> =
            read.rows_content.into_iter().map(|row| row.into_iter().map(CBytes::into_bytes).collect()).collect();
        let expected: Vec<Vec<_>> = rows.into_iter().map(|row| row.into_iter().take(columns.len()).collect()).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn they_read_our_errors(version in versions(), text in texts(), number in any::<i32>(), name in "[a-z]{0,9}") {
        let id = PreparedId::new(Bytes::from(name.clone())).unwrap();
        let (consistency, received, required) = (4, number, 2);
        let kinds = [
            ErrorKind::Server, ErrorKind::Protocol, ErrorKind::BadCredentials, ErrorKind::Overloaded,
            ErrorKind::Syntax, ErrorKind::Unauthorized,
            ErrorKind::Invalid, ErrorKind::Configuration, ErrorKind::Unprepared(id),
            ErrorKind::Unavailable { consistency, required, alive: number },
            ErrorKind::WriteTimeout { consistency, received, required, write_type: "SIMPLE" },
            ErrorKind::AlreadyExists { keyspace: name.clone(), table: "t".to_owned() },
        ];
        for kind in kinds {
            let error = kind.clone().with(text.clone());
            let ResponseBody::Error(read) = read_by_them(&Response::Error(error), version, 3) else {
                panic!("no error")
            };
            prop_assert_eq!(&read.message, &text);
            prop_assert_eq!(read.ty.to_error_code().cast_unsigned(), kind.code());
            match read.ty {
                ErrorType::AlreadyExists(read) => {
                    prop_assert_eq!((read.ks, read.table), (name.clone(), "t".to_owned()));
                }
                ErrorType::Unprepared(read) => prop_assert_eq!(read.id, CBytesShort::new(name.clone().into_bytes())),
                ErrorType::Unavailable(read) => prop_assert_eq!((read.required, read.alive), (2, number)),
                ErrorType::WriteTimeout(read) => prop_assert_eq!((read.received, read.block_for), (number, 2)),
                _ => {}
            }
        }
    }

    #[test]
    fn they_read_our_events(version in versions(), yes in any::<bool>(), address in any::<SocketAddr>(), name in "[a-z]{1,9}") {
        use cassandra_protocol::frame::events as theirs;
        let address = SocketAddr::new(address.ip(), address.port());
        let events = [
            (
                Event::StatusChange { up: yes, address },
                theirs::ServerEvent::StatusChange(theirs::StatusChange {
                    change_type: if yes { theirs::StatusChangeType::Up } else { theirs::StatusChangeType::Down },
                    addr: address,
                }),
            ),
        ];
        for (ours, expected) in events {
            let read = read_by_them(&Response::Event(ours), version, EVENT_STREAM);
            prop_assert_eq!(read, ResponseBody::Event(BodyResEvent { event: expected }));
        }
        let change = if yes { Change::Created } else { Change::Updated };
        let changed = Changed::Table { keyspace: name, table: "t".to_owned() };
        let schema_change = SchemaChange { change, changed };
        let ResponseBody::Result(ResResultBody::SchemaChange(read)) =
            read_by_them(&Response::SchemaChange(schema_change), version, 1) else { panic!("no change") };
        prop_assert_eq!(read.target, theirs::SchemaChangeTarget::Table);
    }

    #[test]
    fn they_read_our_prepared_statements(id in blobs(), count in 0_u16..4, has_rows in any::<bool>()) {
        let columns: Vec<_> = (0..count).map(|index| column(&format!("c{index}"), ValueType::Blob)).collect();
        let markers = TableColumns { keyspace: "k".to_owned(), table: "t".to_owned(), columns };
        let prepared = Prepared {
            id: PreparedId::new(id.clone().into()).unwrap(),
            markers,
            key_markers: (0..count).rev().collect(),
            columns: has_rows.then(route_targets),
        };
        let ResponseBody::Result(ResResultBody::Prepared(read)) =
            read_by_them(&Response::Prepared(prepared), Version::V4, 1) else { panic!("not prepared") };
        prop_assert_eq!(read.id, CBytesShort::new(id));
        prop_assert_eq!(read.metadata.col_specs.len(), usize::from(count));
        prop_assert_eq!(read.metadata.pk_indexes, (0..count).rev().map(u16::cast_signed).collect::<Vec<_>>());
        prop_assert_eq!(read.result_metadata.col_specs.len(), if has_rows { 3 } else { 0 });
    }
}

#[test]
fn they_read_our_other_answers() {
    for version in [Version::V3, Version::V4] {
        assert_eq!(read_by_them(&Response::Ready, version, 1), ResponseBody::Ready);
        assert_eq!(read_by_them(&Response::Void, version, 1), ResponseBody::Result(ResResultBody::Void));
        let ResponseBody::Authenticate(read) = read_by_them(&Response::Authenticate, version, 1) else {
            panic!("no authenticator")
        };
        assert_eq!(read.data, "org.apache.cassandra.auth.PasswordAuthenticator");
        assert!(matches!(read_by_them(&Response::AuthSuccess, version, 1), ResponseBody::AuthSuccess(_)));
        let ResponseBody::Supported(read) = read_by_them(&Response::Supported, version, 1) else {
            panic!("nothing supported")
        };
        assert_eq!(read.data["CQL_VERSION"], ["3.4.4"]);
        assert!(read.data["COMPRESSION"].is_empty());
    }
}

#[test]
fn they_read_our_values() {
    use cassandra_protocol::types::{AsRustType as _, ByIndex as _, list::List, map::Map, rows::Row};
    let uuid = Uuid::from_u128(0x6a5c_38df_617d_4730_90f8_dcb1_6507_ca6b);
    let text = || Box::new(ValueType::Varchar);
    let table = [
        (ValueType::Varchar, Value::text("ü")),
        (ValueType::Int, Value::Int(-7)),
        (ValueType::Boolean, Value::Boolean(true)),
        (ValueType::Double, Value::Double(0.5)),
        (ValueType::Uuid, Value::Uuid(uuid)),
        (ValueType::Inet, Value::Inet("::1".parse().unwrap())),
        (ValueType::Set(text()), Value::List(vec![Value::text("a"), Value::text("")])),
        (ValueType::Map(text(), text()), Value::Map(vec![(Value::text("k"), Value::text("v"))])),
    ];
    let (types, row): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    let columns = types.into_iter().map(|value_type| column("c", value_type)).collect();
    let said = TableColumns { keyspace: "system".to_owned(), table: "local".to_owned(), columns };
    let metadata = RowsMetadata { columns: Columns::Said(said), paging_state: None };
    for version in [Version::V3, Version::V4] {
        let rows = Response::Rows(Rows { metadata: metadata.clone(), rows: vec![row.clone()] });
        let ResponseBody::Result(ResResultBody::Rows(read)) = read_by_them(&rows, version, 1) else {
            panic!("no rows")
        };
        let row = &Row::from_body(read)[0];
        assert_eq!(row.r_by_index::<String>(0).unwrap(), "ü");
        assert_eq!(row.r_by_index::<i32>(1).unwrap(), -7);
        assert!(row.r_by_index::<bool>(2).unwrap());
        assert!((row.r_by_index::<f64>(3).unwrap() - 0.5).abs() < f64::EPSILON);
        assert_eq!(row.r_by_index::<Uuid>(4).unwrap(), uuid);
        assert_eq!(row.r_by_index::<std::net::IpAddr>(5).unwrap().to_string(), "::1");
        let set: List = row.r_by_index(6).unwrap();
        assert_eq!(set.as_rust_type().unwrap(), Some(vec!["a".to_owned(), String::new()]));
        let map: Map = row.r_by_index(7).unwrap();
        assert_eq!(map.as_rust_type().unwrap(), Some(HashMap::from([("k".to_owned(), "v".to_owned())])));
    }
}

// ---- what nobody should send

/// Numbers that follow from a seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % below
    }

    /// Mostly small bytes, so that lengths are often such as can be true.
    fn body(&mut self) -> Vec<u8> {
        let length = self.next(64);
        (0..length)
            .map(|_| match self.next(4) {
                0 => u8::try_from(self.next(256)).unwrap(),
                1 => u8::try_from(self.next(8)).unwrap(),
                2 => 0xFF,
                _ => 0,
            })
            .collect()
    }
}

fn random_bodies(count: usize) {
    let opcodes = [
        (1, "0001 0001 61 0001 62"),
        (5, ""),
        (7, "00000001 61 0001 7f 0002 0001 61 ffffffff 0001 62 00000001 63 00000005 00000001 64 0008 0000000000000001"),
        (9, "00000001 61"),
        (10, "0001 61 0001 2d 0002 00000001 61 fffffffe 00000005 00000001 64 0000000000000001"),
        (11, "0002 0001 61 0001 62"),
        (13, "00 0002 00 00000001 61 0001 00000001 62 01 0001 63 0000 0001 30 0008 0000000000000001"),
        (15, "00000001 61"),
    ];
    for (opcode, real) in opcodes {
        let real = hex(real);
        let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15 ^ opcode);
        let mut accepted = 0;
        for _ in 0..count {
            let mut body = if numbers.next(2) == 0 { numbers.body() } else { real.clone() };
            for _ in 0..numbers.next(3) {
                let random = numbers.body();
                let place = numbers.next(body.len() + 1);
                body.splice(place..body.len().min(place + numbers.next(3)), random.into_iter().take(2));
            }
            let flags = u8::try_from(numbers.next(2) * numbers.next(16)).unwrap();
            let version = u8::try_from(3 + numbers.next(2)).unwrap();
            let length = u8::try_from(body.len()).unwrap();
            let bytes = [version, flags, 0, 1, u8::try_from(opcode).unwrap(), 0, 0, 0, length];
            let header = Header::parse(&bytes, LIMIT).unwrap();
            accepted += usize::from(Request::parse(&header, body.into()).is_ok());
        }
        // Neither all nor none of them, so all of the code was there.
        assert!(accepted > 0 && accepted < count, "opcode {opcode}: {accepted} of {count}");
    }
}

#[test]
fn random_bodies_are_read_or_refused() {
    random_bodies(20_000);
}

#[test]
#[ignore = "a longer run of the same"]
fn many_random_bodies_are_read_or_refused() {
    random_bodies(200_000);
}

#[test]
fn random_headers_are_read_or_refused() {
    let mut numbers = Numbers(0x0123_4567_89AB_CDEF);
    for _ in 0..100_000 {
        let bytes = std::array::from_fn(|_| u8::try_from(numbers.next(256)).unwrap());
        if let Err(error) = Header::parse(&bytes, LIMIT) {
            frame(&Response::Error(error.answer()), Version::NEWEST, error.stream());
        }
    }
}
