//! A row of `obj_uuid_table` becomes a document (feeds contract 4.1).

use super::reader::Column;
use crate::{
    import::{
        findings::{self, Report},
        source::{Document, Fact},
    },
    model::{Collection, Model, ObjectType},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt::Display};
use uuid::Uuid;

/// A uuid with its dashes, as keys and columns have it.
pub fn uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
}

/// The elements of a list or map property, by position or key. Positions are sorted as texts: `10` stands before `2`.
type Elements = BTreeMap<String, Value>;

/// What the columns of a row have said so far.
pub struct ObjectRow {
    document: Document,
    has_name: bool,
    /// When the column with the parent was written that counts.
    parent_at: i64,
    parent_type_at: Option<i64>,
    lists: BTreeMap<String, Elements>,
    maps: BTreeMap<String, Elements>,
    references: BTreeMap<String, Vec<Value>>,
    facts: Vec<Fact>,
}

impl ObjectRow {
    /// No columns yet.
    pub fn new(uuid: Uuid) -> Self {
        Self {
            document: Document { uuid, ..Document::default() },
            has_name: false,
            parent_at: i64::MIN,
            parent_type_at: None,
            lists: BTreeMap::new(),
            maps: BTreeMap::new(),
            references: BTreeMap::new(),
            facts: Vec::new(),
        }
    }

    /// A column more.
    pub fn add(&mut self, Column { name, value, time }: Column, report: &mut Report) {
        let mut parts = name.splitn(3, ':');
        let parts = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let own = self.document.uuid;
        let other = |text: &str| uuid(text);
        match parts {
            ("META", _, _) => {}
            ("type", None, _) => {
                let Some(Value::String(kind)) = self.json(&name, &value, report) else { return };
                self.document.kind = kind;
                self.written("type".to_owned(), time);
            }
            ("fq_name", None, _) => match self.json(&name, &value, report) {
                Some(Value::Array(elements)) => {
                    self.has_name = true;
                    let text = |element: Value| match element {
                        Value::String(text) => text,
                        // No name has it: it is refused with the others.
                        other => format!("\0{other}"),
                    };
                    self.document.fq_name = elements.into_iter().map(text).collect();
                    self.written("fq_name".to_owned(), time);
                }
                Some(_) | None => {}
            },
            ("parent_type", None, _) => {
                if let Some(Value::String(kind)) = self.json(&name, &value, report) {
                    self.document.parent_type = Some(kind);
                    self.parent_type_at = time;
                }
            }
            ("parent", Some(_), Some(text)) => match other(text) {
                Some(parent) => self.parent(parent, time, report),
                None => self.found(report, findings::BAD_UUID, &name),
            },
            ("prop", Some(property), None) => {
                if let Some(value) = self.json(&name, &value, report) {
                    self.document.body.insert(property.to_owned(), value);
                    self.written(name, time);
                }
            }
            (sort @ ("propl" | "propm"), Some(property), Some(key)) => {
                if let Some(value) = self.json(&name, &value, report) {
                    let elements = if sort == "propl" { &mut self.lists } else { &mut self.maps };
                    elements.entry(property.to_owned()).or_default().insert(key.to_owned(), value);
                    self.written(name, time);
                }
            }
            ("ref", Some(kind), Some(text)) => match other(text) {
                Some(target) => {
                    let Some(value) = self.json(&name, &value, report) else { return };
                    let reference = json!({"uuid": text, "attr": attribute(value)});
                    self.references.entry(format!("{kind}_refs")).or_default().push(reference);
                    self.written(format!("ref:{target}"), time);
                }
                None => self.found(report, findings::BAD_UUID, &name),
            },
            ("backref", Some(_), Some(text)) => match other(text) {
                Some(source) => self.facts.push(Fact::BackReference { target: own, source }),
                None => self.found(report, findings::BAD_UUID, &name),
            },
            ("children", Some(_), Some(text)) => match other(text) {
                Some(child) => self.facts.push(Fact::Child { parent: own, child }),
                None => self.found(report, findings::BAD_UUID, &name),
            },
            ("relaxbackref", Some(text), None) => match other(text) {
                Some(by) => self.facts.push(Fact::Relaxed { target: own, by }),
                None => self.found(report, findings::BAD_UUID, &name),
            },
            _ => self.found(report, findings::UNKNOWN_COLUMN, &name),
        }
    }

    fn found(&self, report: &mut Report, kind: findings::Kind, what: impl Display) {
        report.add(kind, &self.document, what);
    }

    fn json(&self, name: &str, text: &str, report: &mut Report) -> Option<Value> {
        match serde_json::from_str(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.found(report, findings::BAD_JSON, format_args!("{name}: {error}"));
                None
            }
        }
    }

    fn written(&mut self, column: String, time: Option<i64>) {
        self.document.written.extend(time.map(|time| (column, time)));
    }

    /// The one that was written last counts.
    fn parent(&mut self, parent: Uuid, time: Option<i64>, report: &mut Report) {
        let at = time.unwrap_or_default();
        if let Some(known) = self.document.parent.filter(|known| *known != parent) {
            self.found(report, findings::SEVERAL_PARENTS, format_args!("{known} and {parent}"));
            if at <= self.parent_at {
                return;
            }
        }
        self.document.parent = Some(parent);
        self.parent_at = at;
        self.document.written.retain(|(column, _)| column != "parent");
        self.written("parent".to_owned(), time);
    }

    /// The object, if there is one, and what its row says of others.
    pub fn finish(mut self, model: &Model, report: &mut Report) -> (Option<Document>, Vec<Fact>) {
        let has_other_columns =
            !self.document.written.is_empty() || !self.document.body.is_empty() || !self.facts.is_empty();
        if self.document.kind.is_empty() {
            let what = if has_other_columns { "it has other columns" } else { "it has nothing else either" };
            self.found(report, findings::WITHOUT_TYPE, what);
            return (None, Vec::new());
        }
        if !self.has_name || self.document.fq_name.is_empty() {
            self.found(report, findings::WITHOUT_NAME, "no name is known");
            return (None, Vec::new());
        }
        let kind = model.find(&self.document.kind).map(|id| model.object_type(id));
        let lists = std::mem::take(&mut self.lists);
        for (name, elements) in lists {
            self.list(kind, &name, elements, report);
        }
        let maps = std::mem::take(&mut self.maps);
        for (name, elements) in maps {
            self.map(kind, &name, elements, report);
        }
        for (field, references) in std::mem::take(&mut self.references) {
            self.document.body.insert(field, Value::Array(references));
        }
        (Some(self.document), self.facts)
    }

    fn list(&mut self, kind: Option<&ObjectType>, name: &str, elements: Elements, report: &mut Report) {
        let property = kind.and_then(|kind| kind.property(name)).map(|(_, property)| &property.collection);
        let Some(Collection::List { wrapper }) = property else {
            if kind.is_some() {
                self.found(report, findings::UNKNOWN_PROPERTY, format_args!("propl:{name}: no list of that type"));
            }
            return;
        };
        let (positions, values): (Vec<String>, Vec<Value>) = elements.into_iter().unzip();
        if positions.iter().enumerate().any(|(index, position)| *position != index.to_string()) {
            self.document.positions.insert(name.to_owned(), positions);
        }
        self.document.body.insert(name.to_owned(), wrapped(wrapper, values));
    }

    fn map(&mut self, kind: Option<&ObjectType>, name: &str, elements: Elements, report: &mut Report) {
        let property = kind.and_then(|kind| kind.property(name)).map(|(_, property)| &property.collection);
        let Some(Collection::Map { wrapper, .. }) = property else {
            if kind.is_some() {
                self.found(report, findings::UNKNOWN_PROPERTY, format_args!("propm:{name}: no map of that type"));
            }
            return;
        };
        self.document.body.insert(name.to_owned(), wrapped(wrapper, elements.into_values().collect()));
    }
}

fn wrapped(wrapper: &str, values: Vec<Value>) -> Value {
    Value::Object(Map::from_iter([(wrapper.to_owned(), Value::Array(values))]))
}

/// The data of a link: a member of what the column says, or, in rows of old releases, that itself.
fn attribute(value: Value) -> Value {
    match value {
        Value::Object(mut fields) => match fields.shift_remove("attr") {
            Some(attribute) => attribute,
            None if fields.keys().all(|name| name == "is_weakref") => Value::Null,
            None => Value::Object(fields),
        },
        other => other,
    }
}
