//! Against an independent book of what each row has, made of the answers of REST.

#![allow(clippy::cast_possible_truncation, clippy::needless_pass_by_value)]

use super::*;
use crate::{
    access::Identity,
    graph::{Column, FqName, Grantee, JsonText, Link, Object, Permissions, elements},
    json_text,
    model::{Collection, Model, ReferenceId},
    render::{Renderer, Selection},
    wide_row::Columns,
};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, LazyLock},
};

static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| Arc::new(Model::embedded().unwrap()));
static PLANS: LazyLock<Arc<Plans>> = LazyLock::new(|| Arc::new(Plans::new(&MODEL)));

/// A row of an answer: key, column, value, time.
type Cell = (Vec<u8>, Vec<u8>, String, i64);
/// A table: value and time by key and column.
type Book = BTreeMap<(Vec<u8>, Vec<u8>), (String, i64)>;

const FIELDS: [Field; 5] = [Field::Column, Field::Time, Field::Key, Field::Nothing, Field::Value];

fn all() -> Read {
    Read { keys: Keys::All, columns: Columns::ALL, value: None, after: None, limit: None }
}

/// What an answer says of the rows of [`FIELDS`].
fn parse(mut bytes: &[u8]) -> Vec<Cell> {
    let mut cells = Vec::new();
    let field = |bytes: &mut &[u8]| {
        let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
        let length = i32::from_be_bytes(*length);
        *bytes = rest;
        let length = usize::try_from(length).ok()?;
        let (field, rest) = bytes.split_at(length);
        *bytes = rest;
        Some(field.to_vec())
    };
    while !bytes.is_empty() {
        let column = field(&mut bytes).unwrap();
        let time = i64::from_be_bytes(field(&mut bytes).unwrap().try_into().unwrap());
        let key = field(&mut bytes).unwrap();
        assert_eq!(field(&mut bytes), None);
        cells.push((key, column, String::from_utf8(field(&mut bytes).unwrap()).unwrap(), time));
    }
    cells
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A page of an answer, written in pieces of about so many bytes; what was measured is what is written.
fn page(
    snapshot: &Arc<Snapshot>,
    table: ConfigTable,
    read: &Read,
    page: Option<u64>,
    about: usize,
) -> (Vec<Cell>, Option<Place>) {
    let mut reading = Reading::new(Arc::clone(snapshot), table, read.clone(), FIELDS.to_vec(), page);
    let measured = run(reading.measure());
    let mut written = Vec::new();
    let mut piece = Vec::new();
    loop {
        let goes_on = reading.write_piece(&mut piece, about);
        assert!(piece.len() < about.saturating_add(100_000));
        written.append(&mut piece);
        if !goes_on {
            break;
        }
    }
    let cells = parse(&written);
    assert_eq!((measured.rows, measured.bytes), (cells.len() as u64, written.len() as u64));
    let mut counting = Reading::new(Arc::clone(snapshot), table, read.clone(), Vec::new(), page);
    let counted = run(counting.measure());
    assert_eq!(counted, Measured { bytes: 0, ..measured.clone() });
    (cells, measured.more)
}

fn whole(snapshot: &Arc<Snapshot>, table: ConfigTable, read: &Read) -> Vec<Cell> {
    let (cells, more) = page(snapshot, table, read, None, usize::MAX);
    assert_eq!(more, None);
    cells
}

/// All pages, one after the other.
fn paged(snapshot: &Arc<Snapshot>, table: ConfigTable, read: &Read, size: u64, about: usize) -> Vec<Cell> {
    let mut read = read.clone();
    let mut cells = Vec::new();
    loop {
        let (mut next, more) = page(snapshot, table, &read, Some(size), about);
        assert!(next.len() as u64 <= size);
        assert!(more.is_none() || next.len() as u64 == size);
        let last =
            next.last().map(|(key, column, ..)| Place { key: key.clone().into(), column: column.clone().into() });
        assert!(more.is_none() || more == last);
        read.limit = read.limit.map(|limit| limit - next.len() as u64);
        cells.append(&mut next);
        if more.is_none() {
            return cells;
        }
        read.after = more;
    }
}

/// What a table that is kept in a book answers, keys in the order of their bytes or as they were given.
fn expected(book: &Book, read: &Read) -> Vec<Cell> {
    let keys: Vec<Vec<u8>> = match &read.keys {
        Keys::All => book.keys().map(|(key, _)| key.clone()).collect::<BTreeSet<_>>().into_iter().collect(),
        Keys::These(keys) => keys.iter().map(|key| key.to_vec()).collect(),
    };
    let mut cells = Vec::new();
    for key in keys {
        for ((_, column), (value, time)) in
            book.range((key.clone(), Vec::new())..).take_while(|((other, _), _)| *other == key)
        {
            if read.columns.has(column) && read.value.as_ref().is_none_or(|wanted| wanted == value) {
                cells.push((key.clone(), column.clone(), value.clone(), *time));
            }
        }
    }
    if let Some(after) = &read.after {
        let known = cells.iter().position(|(key, column, ..)| *key == after.key && *column == after.column);
        cells.drain(..=known.unwrap());
    }
    cells.truncate(read.limit.unwrap_or(u64::MAX) as usize);
    cells
}

/// The columns of an object by what REST shows of it.
fn object_book(graph: &Graph, object: &Object, book: &mut Book) {
    let identity = Identity::server("test");
    let renderer = Renderer { graph, identity: &identity, base: None, link_hrefs: false, name: true, parent: true };
    let selection = Selection::All { back_references: true, children: true, also: BTreeSet::new() };
    let mut json = Vec::new();
    renderer.object(&mut json, object, &selection);
    let Json::Object(shown) = serde_json::from_slice::<Json>(&json).unwrap() else { panic!() };
    let kind = MODEL.object_type(object.type_id);
    let key = object.uuid.to_string().into_bytes();
    let mut columns: BTreeMap<String, (String, u64)> = BTreeMap::new();
    let made = object.created;
    let mut put = |column: String, value: String, revision: u64| columns.insert(column, (value, revision));
    put("type".into(), format!("\"{}\"", kind.field), made);
    put("fq_name".into(), json_text::text(&shown["fq_name"]).into(), object.written_at(&Column::Name));
    if let Some(parent) = shown.get("parent_type") {
        put("parent_type".into(), json_text::text(parent).into(), made);
        let name = parent.as_str().unwrap().replace('-', "_");
        put(format!("parent:{name}:{}", shown["parent_uuid"].as_str().unwrap()), "null".into(), made);
    }
    for property in kind.properties.iter().filter(|property| !shown.get(&property.name).is_none_or(Json::is_null)) {
        let value = &shown[&property.name];
        let (letter, key, wrapper) = match &property.collection {
            Collection::None => {
                put(
                    format!("prop:{}", property.name),
                    json_text::text(value).into(),
                    object.written_at(&Column::Property(property.id)),
                );
                continue;
            }
            Collection::List { wrapper } => ('l', None, wrapper),
            Collection::Map { wrapper, key } => ('m', Some(key), wrapper),
        };
        for (index, element) in value[wrapper].as_array().into_iter().flatten().enumerate() {
            let chosen = object.positions().get(&property.id).map(|positions| positions[index].clone());
            let place = match key {
                Some(key) => element[key].as_str().unwrap().to_owned(),
                None => chosen.unwrap_or(index.to_string()),
            };
            let revision = object.written_at(&Column::Element(property.id, place.as_str().into()));
            put(format!("prop{letter}:{}:{place}", property.name), json_text::text(element).into(), revision);
        }
    }
    let links = |field: &str| shown.get(field).and_then(Json::as_array).cloned().unwrap_or_default();
    let link = |link: &Json| {
        let uuid: Uuid = link["uuid"].as_str().unwrap().parse().unwrap();
        (uuid, format!("{{\"attr\":{},\"is_weakref\":false}}", link["attr"]))
    };
    for reference in &kind.references {
        let target = &MODEL.object_type(reference.target).field;
        for (uuid, value) in links(&reference.field).iter().map(link) {
            put(format!("ref:{target}:{uuid}"), value, object.written_at(&Column::Link(uuid)));
        }
    }
    for back in &kind.back_references {
        let source = &MODEL.object_type(back.source).field;
        for (uuid, value) in links(&back.field).iter().map(link) {
            let revision = graph.get(uuid).unwrap().written_at(&Column::Link(object.uuid));
            put(format!("backref:{source}:{uuid}"), value, revision);
        }
    }
    for child in &kind.children {
        let name = &MODEL.object_type(child.child).field;
        for uuid in links(&child.field).iter().map(|child| child["uuid"].as_str().unwrap().to_owned()) {
            let created = graph.get(uuid.parse().unwrap()).unwrap().created;
            put(format!("children:{name}:{uuid}"), "null".into(), created);
        }
    }
    for source in graph.all().filter(|source| source.relaxed().contains(&object.uuid)) {
        let revision = source.written_at(&Column::Link(object.uuid));
        put(format!("relaxbackref:{}", source.uuid), "null".into(), revision);
    }
    let latest = columns.values().map(|(_, revision)| *revision).max().unwrap();
    columns.insert("META:latest_col_ts".into(), ("null".into(), latest));
    for (column, (value, revision)) in columns {
        book.insert((key.clone(), column.into_bytes()), (value, graph.write_time(revision)));
    }
}

fn book_of(graph: &Graph, table: ConfigTable) -> Book {
    let mut book = Book::new();
    for object in graph.all() {
        let key = MODEL.object_type(object.type_id).field.clone().into_bytes();
        match table {
            ConfigTable::Objects => object_book(graph, object, &mut book),
            ConfigTable::Names => {
                let column = format!("{}:{}", object.fq_name.elements().join(":"), object.uuid);
                let time = graph.write_time(object.written_at(&Column::Name));
                book.insert((key, column.into_bytes()), ("null".into(), time));
            }
            ConfigTable::Shares => {
                let perms2 = MODEL.object_type(object.type_id).property("perms2").unwrap().0;
                let time = graph.write_time(object.written_at(&Column::Property(perms2)));
                let mut put = |column: String, rights: u8| {
                    book.insert((key.clone(), column.into_bytes()), (rights.to_string(), time));
                };
                if object.permissions.global_access > 0 {
                    put(format!("global::{}", object.uuid), object.permissions.global_access);
                }
                for (grantee, rights) in &object.permissions.shares {
                    match grantee {
                        Grantee::Everybody => unreachable!(),
                        Grantee::Project(project) => put(format!("tenant:{project}:{}", object.uuid), *rights),
                        Grantee::Domain(domain) => put(format!("domain:{domain}:{}", object.uuid), *rights),
                    }
                }
            }
        }
    }
    book
}

/// An object in the making: type, name, bits that choose what it has, and others that it is linked with.
type Sketch = (prop::sample::Index, String, u64, Vec<(prop::sample::Index, u8)>, u64);

fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
    let links = prop::collection::vec((any::<prop::sample::Index>(), 0..4u8), 0..6);
    prop::collection::vec((any::<prop::sample::Index>(), "[!09:;aü]{1,3}", any::<u64>(), links, any::<u64>()), 1..25)
}

/// Types that have much to do with each other, some of whose names are the beginning of others.
const KINDS: [&str; 10] = [
    "project",
    "virtual-network",
    "network-policy",
    "virtual-machine-interface",
    "tag",
    "global-system-config",
    "bgpvpn",
    "logical-router",
    "virtual-router",
    "service-group",
];

fn property_value(property: &crate::model::Property, seed: u64) -> String {
    match &property.collection {
        Collection::None => ["null", "7", "\"a \\u00fc\"", "{\"a\": [1]}", "false"][(seed % 5) as usize].to_owned(),
        Collection::List { wrapper } => {
            let elements: Vec<String> = (0..seed % 14).map(|number| format!("{{\"x\": {number}}}")).collect();
            format!("{{\"{wrapper}\":[{}]}}", elements.join(","))
        }
        Collection::Map { wrapper, key } => {
            let names = ["b", "a:b", "a", "10", "2", "ü"].iter().take((seed % 7) as usize);
            let elements: Vec<String> = names.map(|name| format!("{{\"{key}\":\"{name}\",\"value\":null}}")).collect();
            format!("{{\"{wrapper}\":[{}]}}", elements.join(","))
        }
    }
}

/// The same value as the graph has it: without blanks, ASCII only.
fn normal(text: &str) -> JsonText {
    json_text::normal(text).into()
}

fn graph_of(sketches: &[Sketch]) -> Graph {
    let mut graph = Graph::new(Arc::clone(&MODEL));
    let mut objects: Vec<Object> = Vec::new();
    for (index, (kind, name, seed, _, bits)) in sketches.iter().enumerate() {
        let type_id = MODEL.find(KINDS[kind.index(KINDS.len())]).unwrap();
        let kind = MODEL.object_type(type_id);
        // Colons are in single elements only.
        let elements: Vec<&str> = if seed % 3 == 0 { vec![name] } else { name.split(':').collect() };
        let fq_name = FqName::new(&elements);
        if objects.iter().any(|other| other.type_id == type_id && other.fq_name.joined() == fq_name.joined()) {
            continue;
        }
        // Uuids that differ late, and in no order.
        let uuid = Uuid::from_u128((u128::from(bits % 3) << 120) | u128::from(*bits));
        if objects.iter().any(|other| other.uuid == uuid) {
            continue;
        }
        let mut object = Object::new(uuid, type_id, fq_name, index as u64 / 2 + 1);
        object.hidden = bits % 5 == 0;
        for (number, property) in kind.properties.iter().enumerate() {
            let seed = seed.rotate_right(number as u32 * 3);
            if seed % 4 == 0 {
                object.set_property(property.id, Some(normal(&property_value(property, seed >> 2)).into()));
                if matches!(property.collection, Collection::List { .. }) && seed & 4096 != 0 {
                    let chosen =
                        (0..(seed >> 2) % 14).map(|number| format!("{}{number}", ["z", "", "é"][number as usize % 3]));
                    object.set_positions(property.id, Some(chosen.collect()));
                }
            }
        }
        let parents = kind.parents.iter().filter_map(|parent| match parent {
            crate::model::Parent::Type(id) => objects.iter().find(|other| other.type_id == *id),
            crate::model::Parent::ConfigRoot => None,
        });
        object.parent = parents.map(|parent| parent.uuid).next();
        let share = (Grantee::Project(Uuid::from_u128(u128::from(*bits))), (bits % 8) as u8);
        let domain = (Grantee::Domain(Uuid::from_u128(1)), 5);
        object.permissions = Arc::new(Permissions {
            global_access: (bits / 8 % 8) as u8,
            shares: [share, domain].into_iter().take((bits / 64 % 3) as usize).collect(),
            ..Permissions::default()
        });
        objects.push(object);
    }
    let identities: Vec<(Uuid, TypeId)> = objects.iter().map(|object| (object.uuid, object.type_id)).collect();
    let mut back = Vec::new();
    for (object, (_, _, seed, links, _)) in objects.iter_mut().zip(sketches) {
        let mut relaxed = Vec::new();
        for (target, what) in links {
            let (target, target_type) = identities[target.index(identities.len())];
            if *what == 3 {
                relaxed.push(target);
            }
            let Some((reference, known)) = MODEL.object_type(object.type_id).reference_to(target_type) else {
                continue;
            };
            let attribute =
                [None, Some("{\"sequence\":{\"major\":0}}"), Some("null")][usize::from(what % 3)].map(Arc::from);
            if target == object.uuid {
                continue;
            }
            put_link(object, Link { reference, target, attribute: attribute.clone() });
            if known.symmetric {
                back.push((target, Link { reference, target: object.uuid, attribute }));
            }
        }
        relaxed.sort_unstable();
        relaxed.dedup();
        object.set_relaxed(relaxed);
        // Some columns have changed since.
        let kind = MODEL.object_type(object.type_id);
        let mut columns: Vec<Column> = object.links.iter().map(|link| Column::Link(link.target)).collect();
        for (id, text) in &object.properties {
            let property = &kind.properties[usize::from(id.0)];
            if property.collection != Collection::None {
                let elements = elements(object, property).into_iter();
                columns.extend(elements.map(|element| Column::Element(*id, element.key.into())));
            } else if text.text() != "null" {
                columns.push(Column::Property(*id));
            }
        }
        columns.push(Column::Name);
        let changed = columns.into_iter().enumerate().filter(|(index, _)| seed >> (index % 60) & 1 == 1);
        let mut written: Vec<(Column, u64)> = changed.map(|(index, column)| (column, 100 + index as u64)).collect();
        written.sort_unstable();
        object.set_written(written);
    }
    for (holder, link) in back {
        if let Some(object) = objects.iter_mut().find(|object| object.uuid == holder) {
            put_link(object, link);
        }
    }
    for object in &objects {
        graph.put(&Arc::new(object.clone()));
    }
    graph.set_time_bases(vec![(0, 1_000), (50, 2_000)].into());
    graph
}

fn put_link(object: &mut Object, link: Link) {
    let reference: ReferenceId = link.reference;
    let mut links = object.links_of(reference).to_vec();
    links.retain(|other| other.target != link.target);
    links.push(link);
    object.set_links(reference, links);
}

fn snapshot_of(graph: Graph) -> Arc<Snapshot> {
    Arc::new(Snapshot::new(Arc::new(graph), Arc::clone(&PLANS)))
}

/// Somewhere near the columns of a table: one of them, cut off or continued.
fn near(columns: &[Vec<u8>], index: prop::sample::Index, cut: u8, end: &[u8]) -> Bytes {
    let Some(column) = (!columns.is_empty()).then(|| &columns[index.index(columns.len())]) else { return Bytes::new() };
    let length = column.len().saturating_sub(usize::from(cut));
    [&column[..length], end].concat().into()
}

type Place3 = (prop::sample::Index, u8, Vec<u8>, u8);

fn bound() -> impl Strategy<Value = Place3> {
    let end = prop_oneof![
        4 => Just(Vec::new()),
        2 => prop::sample::select(vec![&b":"[..], b";", b"!", b"0", b"\xc3", b"\xff", b"\xed\xa0", b"\xf4\x90", b"a"]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    (any::<prop::sample::Index>(), prop_oneof![Just(0u8), 0..45u8], end, 0..4u8)
}

fn bound_of(columns: &[Vec<u8>], (index, cut, end, kind): &Place3) -> Bound<Bytes> {
    match kind {
        0 => Bound::Unbounded,
        1 | 3 => Bound::Included(near(columns, *index, *cut, end)),
        _ => Bound::Excluded(near(columns, *index, *cut, end)),
    }
}

fn columns_of(book: &Book, bounds: &(Place3, Place3), chosen: Option<&[(prop::sample::Index, bool)]>) -> Columns {
    let columns: Vec<Vec<u8>> =
        book.keys().map(|(_, column)| column.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    match chosen {
        None => Columns::Slice(bound_of(&columns, &bounds.0), bound_of(&columns, &bounds.1)),
        Some(chosen) => {
            Columns::These(chosen.iter().map(|(index, whole)| near(&columns, *index, u8::from(!whole), b"")).collect())
        }
    }
}

/// Cells as people read them.
fn readable(cells: &[Cell]) -> Vec<String> {
    let text = |(key, column, value, time): &Cell| {
        format!("{} {} = {value} at {time}", String::from_utf8_lossy(key), String::from_utf8_lossy(column))
    };
    cells.iter().map(text).collect()
}

/// Compares the answers to a question; where they differ it says where.
fn assert_same(found: &[Cell], expected: &[Cell], asked: impl std::fmt::Debug) {
    if found == expected {
        return;
    }
    let (found, expected) = (readable(found), readable(expected));
    let first = found
        .iter()
        .zip(&expected)
        .position(|(found, expected)| found != expected)
        .unwrap_or(found.len().min(expected.len()));
    panic!(
        "at {first} of {} and {}: {:?}, expected {:?}; asked {asked:?}",
        found.len(),
        expected.len(),
        found.get(first),
        expected.get(first)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_table_is_what_rest_shows(sketches in sketches()) {
        let graph = graph_of(&sketches);
        let books = ConfigTable::ALL.map(|table| (table, book_of(&graph, table)));
        let snapshot = snapshot_of(graph);
        for (table, book) in books {
            assert_same(&whole(&snapshot, table, &all()), &expected(&book, &all()), table);
        }
    }

    #[test]
    fn questions_are_answered_alike_in_pages_and_pieces(
        sketches in sketches(),
        bounds in (bound(), bound()),
        chosen in prop::option::weighted(0.3, prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..6)),
        keys in prop::option::of(prop::collection::vec(any::<prop::sample::Index>(), 0..8)),
        value in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        limit in prop::option::of(0..40u64),
        size in 1..20u64,
        about in 1..700usize,
    ) {
        let graph = graph_of(&sketches);
        let books = ConfigTable::ALL.map(|table| (table, book_of(&graph, table)));
        let snapshot = snapshot_of(graph);
        for (table, book) in books {
            let known: Vec<Vec<u8>> = book.keys().map(|(key, _)| key.clone()).chain([b"nothing".to_vec()]).collect();
            let given = keys.as_ref().map(|keys| keys.iter().map(|key| known[key.index(known.len())].clone()));
            let mut seen = BTreeSet::new();
            let keys = given.map_or(Keys::All, |keys| Keys::These(keys.filter(|key| seen.insert(key.clone())).map(Bytes::from).collect()));
            let values: Vec<&String> = book.values().map(|(value, _)| value).collect();
            let value = value.filter(|_| !values.is_empty()).map(|value| values[value.index(values.len())].clone());
            let read = Read { keys, columns: columns_of(&book, &bounds, chosen.as_deref()), value, after: None, limit };
            let expected = expected(&book, &read);
            assert_same(&whole(&snapshot, table, &read), &expected, (table, &read));
            assert_same(&page(&snapshot, table, &read, None, about).0, &expected, (table, &read));
            assert_same(&paged(&snapshot, table, &read, size, about), &expected, (table, &read, size));
        }
    }

    #[test]
    fn names_are_in_the_order_of_their_columns(
        names in prop::collection::btree_set("[!09:;aü]{1,5}", 0..40),
        uuids in prop::collection::btree_set(any::<u128>(), 40),
        nested in any::<prop::sample::Index>(),
        bounds in (bound(), bound()),
        size in 1..9u64,
    ) {
        let mut graph = Graph::new(Arc::clone(&MODEL));
        let type_id = MODEL.find("route-target").unwrap();
        let mut names: Vec<String> = names.into_iter().collect();
        let uuids: Vec<Uuid> = uuids.into_iter().map(Uuid::from_u128).collect();
        if !names.is_empty() {
            // A name that looks like the column of another one, and one that looks nearly so.
            let index = nested.index(names.len());
            let column = format!("{}:{}", names[index], uuids[index]);
            names.extend([column.clone(), format!("{column}0"), column[..column.len() - 1].to_owned()]);
        }
        let names: Vec<String> = names.into_iter().collect::<BTreeSet<_>>().into_iter().take(40).collect();
        for (index, (name, uuid)) in names.iter().zip(&uuids).enumerate() {
            graph.put(&Arc::new(Object::new(*uuid, type_id, FqName::new(&[name]), index as u64 + 1)));
        }
        let book = book_of(&graph, ConfigTable::Names);
        let snapshot = snapshot_of(graph);
        let read = Read { columns: columns_of(&book, &bounds, None), ..all() };
        prop_assert_eq!(&whole(&snapshot, ConfigTable::Names, &read), &expected(&book, &read), "{:?}", &read);
        prop_assert_eq!(&paged(&snapshot, ConfigTable::Names, &read, size, 100), &expected(&book, &read), "{:?}", &read);
    }
}
