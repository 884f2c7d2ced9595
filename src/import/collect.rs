//! What a source tells, object by object: each is made one of ours, as far as that can be decided without the others.

use super::{
    ImportError,
    build::{Told, is_compared},
    findings::{self, Kind, Report},
    source::{Cell, Document, Fact, Taker},
    subnet_tags::SubnetTags,
    texts::check_names,
    zookeeper_commands::{can_be_told, id_of_daemon},
};
use crate::{
    graph::{Column, FqName, Link, Object, elements},
    json_text,
    model::{Collection, Model, ObjectType, Property, PropertyId, Shape, field_name},
    neutron::follows_from_networks,
    rules::normal_collection,
    store::complete,
    timestamp::Timestamp,
};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    fmt::{self, Display},
    sync::Arc,
};
use uuid::Uuid;

/// No time before this is one of Cassandra: microseconds, twelve days after 1970.
const FIRST_TIME: i64 = 1_000_000_000_000;
/// What sources say of an object that is no part of what is stored.
const BESIDE: [&str; 7] = ["uuid", "name", "fq_name", "href", "parent_type", "parent_uuid", "parent_href"];

/// An object whose parent and references are not looked at yet.
pub struct Staged {
    /// It, without its place in the order of creation, and without what it holds.
    pub object: Object,
    /// The type of its parent, as the source says it.
    pub parent_type: Option<String>,
    /// When it was made, in microseconds since 1970.
    pub made: i64,
    /// When its columns were written, where that is another time.
    pub times: Vec<(Column, i64)>,
}

/// An object as findings name it.
#[derive(Clone, Copy)]
pub struct Named<'o> {
    /// Of which it is.
    pub model: &'o Model,
    /// It.
    pub object: &'o Object,
}

impl Display for Named<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Object { type_id, uuid, fq_name, .. } = self.object;
        write!(formatter, "{} {uuid} ({})", self.model.object_type(*type_id).name, fq_name.joined())
    }
}

/// All that a source tells, but for what is only stored.
pub struct Collected {
    model: Arc<Model>,
    cluster_id: Option<String>,
    /// Now, in microseconds since 1970: no time is later.
    now: i64,
    /// By uuid.
    pub objects: HashMap<Uuid, Staged>,
    /// What is said twice.
    pub told: Told,
    /// How many key-values there are, but for those that follow from networks.
    pub key_values: u64,
    /// Which tags subnets have, beside their networks.
    subnet_tags: SubnetTags,
    /// Rows and columns of tables of daemons, by keyspace and table.
    pub tables: Vec<TableCount>,
    /// How many ids of daemons `ZooKeeper` has that its client can be told ...
    pub ids: u64,
    /// ... and the paths of those that it can't.
    pub unspeakable: Vec<String>,
    key: String,
}

/// How much a table of a daemon has.
pub struct TableCount {
    /// Its keyspace and name.
    pub name: (String, String),
    /// How many rows.
    pub rows: u64,
    /// How many cells.
    pub cells: u64,
}

impl Collected {
    /// Nothing yet.
    pub fn new(model: Arc<Model>, now: Timestamp, cluster_id: Option<String>) -> Self {
        Self {
            model,
            cluster_id,
            now: now.0,
            objects: HashMap::new(),
            told: Told::default(),
            key_values: 0,
            subnet_tags: SubnetTags::default(),
            tables: Vec::new(),
            ids: 0,
            unspeakable: Vec::new(),
            key: String::new(),
        }
    }

    /// Gives networks what is said of their subnets elsewhere. To be called when all is told.
    pub fn tag_subnets(&mut self) {
        let tags = std::mem::take(&mut self.subnet_tags);
        self.objects.values_mut().for_each(|staged| tags.give(&self.model, &mut staged.object));
    }

    /// What findings are about that were told of no object.
    fn stage(&self, document: Document, report: &mut Report) -> Option<Staged> {
        let model = Arc::clone(&self.model);
        let Some(type_id) = model.find(&document.kind) else {
            report.add(findings::UNKNOWN_TYPE, &document, "the data model has no such type");
            return None;
        };
        if let Some(why) = bad_name(&document.fq_name) {
            report.add(findings::BAD_NAME, &document, why);
            return None;
        }
        let kind = model.object_type(type_id);
        let mut object = Object::new(document.uuid, type_id, FqName::new(&document.fq_name), 0);
        object.parent = document.parent;
        let mut staging = Staging { model: &model, kind, document: &document, report, targets: HashSet::new() };
        for (name, value) in &document.body {
            staging.field(&mut object, name, value);
        }
        object.properties.sort_by_key(|(id, _)| *id);
        object.links.sort_by_key(|link| (link.reference, link.target));
        let (made, times) = self.times(&document, kind, &object, report);
        permissions(kind, &mut object, made, &document, report);
        if let Err(error) = complete(kind, &mut object) {
            report.add(findings::BAD_TIME, &document, error);
            object.set_property(kind.property(field_name::ID_PERMS)?.0, None);
        }
        object.properties.shrink_to_fit();
        Some(Staged { object, parent_type: document.parent_type, made, times })
    }

    /// When it was made, and when its columns were written.
    fn times(
        &self,
        document: &Document,
        kind: &ObjectType,
        object: &Object,
        report: &mut Report,
    ) -> (i64, Vec<(Column, i64)>) {
        let is_time = |time: i64| (FIRST_TIME..=self.now).contains(&time);
        let of = |wanted: &str| document.written.iter().find(|(column, _)| column == wanted).map(|(_, time)| *time);
        let id_perms = kind.property(field_name::ID_PERMS).and_then(|(id, _)| object.property(id)).unwrap_or_default();
        let created = || Timestamp::parse(id_perms.get("created")?.as_str()?).map(|time| time.0);
        let others = || document.written.iter().map(|(_, time)| *time).filter(|time| is_time(*time)).min();
        let made = of("type").filter(|time| is_time(*time)).or_else(|| created().filter(|time| is_time(*time)));
        let made = made.or_else(others).unwrap_or(self.now);
        let bad: Vec<&(String, i64)> = document.written.iter().filter(|(_, time)| !is_time(*time)).collect();
        if let Some((column, time)) = bad.first() {
            let more = match bad.len() {
                1 => String::new(),
                count => format!(", and {} more", count - 1),
            };
            report.add(findings::BAD_TIME, document, format_args!("{column} was written at {time}{more}"));
        }
        let good = document.written.iter().filter(|(_, time)| is_time(*time) && *time != made);
        let mut columns = Columns::of(kind, object);
        let mut times: Vec<(Column, i64)> =
            good.filter_map(|(column, time)| Some((columns.named(column)?, *time))).collect();
        times.sort_unstable();
        times.dedup_by(|one, other| one.0 == other.0);
        times.shrink_to_fit();
        (made, times)
    }
}

/// Why no object can be called so.
fn bad_name(elements: &[String]) -> Option<String> {
    let is_bad = |letter: char| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r');
    if elements.is_empty() {
        return Some("it is empty".to_owned());
    }
    if elements.iter().any(|element| element.chars().any(is_bad)) {
        return Some("an element is no text, or has control characters".to_owned());
    }
    let has_colon = elements.len() > 1 && elements.iter().any(|element| element.contains(':'));
    has_colon.then(|| "an element has a colon".to_owned())
}

/// The columns that an object has: what is looked for is looked up.
struct Columns<'c> {
    kind: &'c ObjectType,
    object: &'c Object,
    targets: HashSet<Uuid>,
    /// The keys of the elements of properties, once somebody has asked.
    keys: HashMap<PropertyId, HashSet<String>>,
}

impl<'c> Columns<'c> {
    fn of(kind: &'c ObjectType, object: &'c Object) -> Self {
        let targets = object.links.iter().map(|link| link.target).collect();
        Self { kind, object, targets, keys: HashMap::new() }
    }

    /// The column with this name, if the object has it.
    fn named(&mut self, name: &str) -> Option<Column> {
        let (kind, object) = (self.kind, self.object);
        let property = |name: &str| {
            let (id, property) = kind.property(name)?;
            object.property_text(id).map(|_| (id, property))
        };
        Some(match name.split_once(':') {
            None if name == "fq_name" => Column::Name,
            None if name == "parent" => object.parent.map(|_| Column::Parent)?,
            Some(("ref", target)) => {
                let target = Uuid::try_parse(target).ok()?;
                self.targets.contains(&target).then_some(Column::Link(target))?
            }
            Some(("prop", name)) => {
                let (id, property) = property(name)?;
                (property.collection == Collection::None).then_some(Column::Property(id))?
            }
            Some(("propl" | "propm", element)) => {
                let (name, key) = element.split_once(':')?;
                let (id, property) = property(name)?;
                let keys = self
                    .keys
                    .entry(id)
                    .or_insert_with(|| elements(object, property).into_iter().map(|element| element.key).collect());
                keys.contains(key).then(|| Column::Element(id, key.into()))?
            }
            _ => return None,
        })
    }
}

/// What the fields of a document become.
struct Staging<'s, 'r, 'o> {
    model: &'s Model,
    kind: &'s ObjectType,
    document: &'s Document,
    report: &'r mut Report<'o>,
    /// What was referred to so far.
    targets: HashSet<Uuid>,
}

impl Staging<'_, '_, '_> {
    fn found(&mut self, kind: Kind, what: impl Display) {
        self.report.add(kind, self.document, what);
    }

    fn field(&mut self, object: &mut Object, name: &str, value: &Value) {
        if let Some((_, property)) = self.kind.property(name) {
            self.property(object, property, value);
        } else if let Some((id, reference)) = self.kind.reference(name) {
            let links = match value {
                Value::Null => return,
                Value::Array(links) => links,
                _ => return self.found(findings::WRONG_SHAPE, format_args!("{name} is no list of references")),
            };
            for link in links {
                let target = link.get("uuid").and_then(Value::as_str).and_then(|text| Uuid::try_parse(text).ok());
                let Some(target) = target else {
                    self.found(findings::BAD_UUID, format_args!("{name} has a reference without a uuid"));
                    continue;
                };
                if !self.targets.insert(target) {
                    self.found(findings::WRONG_TARGET, format_args!("{name} refers to {target} once more"));
                    continue;
                }
                let given = link.get("attr").cloned().unwrap_or_default();
                let attribute = match self.model.check_attribute(reference, link) {
                    // What is stored stays as it was written.
                    Ok(attribute) if !attribute.is_null() => given,
                    Ok(_) => Value::Null,
                    Err(why) => {
                        if has_nul(&given) || !(given.is_object() || given.is_null()) {
                            self.found(findings::WRONG_SHAPE, format_args!("data of {name} to {target}: {why}"));
                            Value::Null
                        } else {
                            if !given.is_null() {
                                self.found(findings::REFUSED_VALUE, format_args!("data of {name} to {target}: {why}"));
                            }
                            given
                        }
                    }
                };
                let attribute = (!attribute.is_null()).then(|| json_text::shared(&json_text::text(&attribute)));
                object.links.push(Link { reference: id, target, attribute });
            }
        } else if name.ends_with("_refs") && !name.ends_with("_back_refs") {
            self.found(findings::UNKNOWN_REFERENCE, name);
        } else if !self.kind.has_field(name) && !BESIDE.contains(&name) {
            self.found(findings::UNKNOWN_PROPERTY, name);
        }
    }

    fn property(&mut self, object: &mut Object, property: &Property, value: &Value) {
        if value.is_null() {
            return;
        }
        let value = match self.model.check_property(property, value.clone()) {
            // What is stored stays as it was written, but for numbers in texts: these are compared.
            Ok(checked) if matches!(property.shape, Shape::Simple(_)) => checked,
            Ok(_) => value.clone(),
            Err(why) if !fits(property, value) || has_nul(value) => {
                return self.found(findings::WRONG_SHAPE, format_args!("{}: {why}", property.name));
            }
            Err(why) => {
                self.found(findings::REFUSED_VALUE, format_args!("{}: {why}", property.name));
                value.clone()
            }
        };
        let mut positions = self.document.positions.get(&property.name).cloned();
        if let Collection::List { wrapper } | Collection::Map { wrapper, .. } = &property.collection {
            let Some(items) = value.get(wrapper).and_then(Value::as_array).filter(|items| !items.is_empty()) else {
                return;
            };
            if positions.as_ref().is_some_and(|positions| positions.len() != items.len()) {
                positions = None;
            }
        } else {
            positions = None;
        }
        let text = json_text::text(&normal_collection(&property.collection, value));
        object.properties.push((property.id, json_text::shared(&text).into()));
        object.set_positions(property.id, positions);
    }
}

/// Whether a value is of the kind that readers of the property expect, whatever is in it.
fn fits(property: &Property, value: &Value) -> bool {
    match (&property.shape, property.collection.wrapper()) {
        (Shape::Simple(_), _) => !value.is_object() && !value.is_array(),
        (Shape::Complex(_), None) => value.is_object(),
        (Shape::Complex(_), Some(wrapper)) => value.get(wrapper).is_some_and(Value::is_array),
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, field)| name.contains('\0') || has_nul(field)),
    }
}

/// `id_perms` and `perms2`: readers rely on what these say of the object.
fn permissions(kind: &ObjectType, object: &mut Object, made: i64, document: &Document, report: &mut Report) {
    let has_perms2 = kind.property(field_name::PERMS2).is_some_and(|(id, _)| object.property_text(id).is_some());
    if !has_perms2 {
        report.add(findings::WITHOUT_PERMS2, document, "nothing says whose it is");
    }
    let Some((id, _)) = kind.property(field_name::ID_PERMS) else { return };
    let Some(Value::Object(mut fields)) = object.property(id) else {
        report.add(findings::WITHOUT_ID_PERMS, document, "nothing says when it was made");
        object.set_property(id, None);
        return;
    };
    let mut changed = false;
    let (high, low) = object.uuid.as_u64_pair();
    let own = json!({"uuid_mslong": high, "uuid_lslong": low});
    if fields.get("uuid") != Some(&own) {
        let other = fields.get("uuid").cloned().unwrap_or_default();
        report.add(findings::OTHER_UUID_IN_ID_PERMS, document, other);
        fields.insert("uuid".to_owned(), own);
        changed = true;
    }
    for name in ["created", "last_modified"] {
        let is_time = |value: &Value| value.as_str().is_some_and(|text| Timestamp::parse(text).is_some());
        if let Some(other) = fields.get(name).filter(|value| !is_time(value)) {
            report.add(findings::BAD_TIME, document, format_args!("id_perms: {name} is {other}"));
            fields.insert(name.to_owned(), Timestamp(made).to_string().into());
            changed = true;
        }
    }
    if changed {
        object.set_property(id, Some(json_text::shared(&json_text::text(&Value::Object(fields))).into()));
    }
}

impl Taker for Collected {
    fn object(&mut self, document: Document, report: &mut Report) -> Result<(), ImportError> {
        let uuid = document.uuid;
        if self.objects.contains_key(&uuid) {
            report.add(findings::TWICE, &document, "it was there before");
        } else if let Some(staged) = self.stage(document, report) {
            self.objects.insert(uuid, staged);
        }
        Ok(())
    }

    fn fact(&mut self, fact: Fact) -> Result<(), ImportError> {
        match &fact {
            Fact::Node { path, value } => match id_of_daemon(path) {
                Some(path) if can_be_told(&path, value.as_deref()) => self.ids += 1,
                Some(path) => self.unspeakable.push(path),
                None if is_compared(path) => self.told.add(fact),
                None => {}
            },
            _ => self.told.add(fact),
        }
        Ok(())
    }

    fn key_value(&mut self, key: &str, value: &str) -> Result<(), ImportError> {
        self.subnet_tags.take(key, value);
        self.key_values += u64::from(!follows_from_networks(key, value));
        Ok(())
    }

    fn table(&mut self, keyspace: &str, table: &str) -> Result<(), ImportError> {
        check_names(self.cluster_id.as_deref(), keyspace, table)?;
        self.key.clear();
        self.tables.push(TableCount { name: (keyspace.to_owned(), table.to_owned()), rows: 0, cells: 0 });
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) -> Result<(), ImportError> {
        if let Some(table) = self.tables.last_mut() {
            if table.cells == 0 || self.key != cell.key {
                cell.key.clone_into(&mut self.key);
                table.rows += 1;
            }
            table.cells += 1;
        }
        Ok(())
    }
}
