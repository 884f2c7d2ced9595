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
            ("fq_name", None, _) => {
                let Some(Value::Array(elements)) = self.json(&name, &value, report) else { return };
                self.has_name = true;
                let text = |element: Value| match element {
                    Value::String(text) => text,
                    // No name has it: it is refused with the others.
                    other => format!("\0{other}"),
                };
                self.document.fq_name = elements.into_iter().map(text).collect();
                self.written("fq_name".to_owned(), time);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u128 = 1;
    const OTHER: &str = "00000000-0000-0000-0000-000000000002";

    /// What a row of these columns becomes, and what is found, by the kinds.
    fn row(columns: &[(&str, &str, i64)]) -> (Option<Document>, Vec<Fact>, Vec<String>) {
        let model = Model::embedded().unwrap();
        let mut output = Vec::new();
        let mut report = Report::new(&mut output);
        let mut row = ObjectRow::new(Uuid::from_u128(OWN));
        for (name, value, time) in columns {
            row.add(Column { name: (*name).to_owned(), value: (*value).to_owned(), time: Some(*time) }, &mut report);
        }
        let (document, facts) = row.finish(&model, &mut report);
        drop(report);
        let kinds = String::from_utf8(output).unwrap();
        (document, facts, kinds.lines().map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect())
    }

    /// The document of an interface with these columns, beside those that each has.
    fn interface(columns: &[(&str, &str)]) -> (Document, Vec<Fact>, Vec<String>) {
        let mut all = vec![("type", "\"virtual_machine_interface\"", 5), ("fq_name", "[\"d\", \"p\", \"i\"]", 6)];
        all.extend(columns.iter().map(|(name, value)| (*name, *value, 7)));
        let (document, facts, found) = row(&all);
        (document.unwrap(), facts, found)
    }

    #[test]
    fn properties_and_parents_are_what_the_columns_say() {
        let parent = format!("parent:project:{OTHER}");
        let (document, facts, found) = interface(&[
            ("parent_type", "\"project\""),
            (&parent, "null"),
            ("prop:display_name", "\"\\u00fc\""),
            ("prop:unset", "null"),
            ("META:latest_col_ts", "null"),
        ]);
        assert_eq!(
            (document.kind.as_str(), document.fq_name.join("/").as_str()),
            ("virtual_machine_interface", "d/p/i")
        );
        assert_eq!((document.parent_type.as_deref(), document.parent), (Some("project"), Some(Uuid::from_u128(2))));
        assert_eq!(Value::Object(document.body), json!({"display_name": "\u{fc}", "unset": null}));
        let times = [("type", 5), ("fq_name", 6), ("parent", 7), ("prop:display_name", 7), ("prop:unset", 7)];
        assert_eq!(document.written, times.map(|(column, time)| (column.to_owned(), time)));
        assert!(facts.is_empty() && found.is_empty());
    }

    #[test]
    fn elements_of_lists_are_in_the_order_of_their_positions_as_texts() {
        let ports = "virtual_machine_interface_fat_flow_protocols";
        let columns: Vec<(String, String)> =
            (0..11).map(|index| (format!("propl:{ports}:{index}"), format!("{{\"port\": {index}}}"))).collect();
        let columns: Vec<(&str, &str)> = columns.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (document, _, _) = interface(columns.get(..10).unwrap());
        assert!(document.positions.is_empty());
        let (document, _, _) = interface(&columns);
        let order = ["0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9"];
        assert_eq!(document.positions.get(ports).unwrap(), &order);
        let numbers = order.map(|index| json!({"port": index.parse::<u8>().unwrap()}));
        assert_eq!(document.body.get(ports).unwrap(), &json!({"fat_flow_protocol": numbers}));
        let chosen = format!("propl:{ports}:a:b");
        let (document, _, _) = interface(&[(&chosen, "{}")]);
        assert_eq!(document.positions.get(ports).unwrap(), &["a:b"]);
    }

    #[test]
    fn keys_of_maps_may_have_colons() {
        let one = ("propm:annotations:a:b", "{\"key\": \"a:b\", \"value\": \"1\"}");
        let (document, _, found) = interface(&[("propm:annotations:c", "{\"key\": \"c\"}"), one]);
        let pairs = json!({"key_value_pair": [{"key": "a:b", "value": "1"}, {"key": "c"}]});
        assert_eq!(document.body.get("annotations").unwrap(), &pairs);
        assert_eq!(document.written.last().unwrap(), &("propm:annotations:a:b".to_owned(), 7));
        assert!(found.is_empty() && document.positions.is_empty());
    }

    #[test]
    fn references_have_their_data_or_are_it() {
        let name = format!("ref:virtual_network:{OTHER}");
        for (value, attribute) in [
            ("null", Value::Null),
            ("{\"attr\": null, \"is_weakref\": false}", Value::Null),
            ("{\"is_weakref\": false}", Value::Null),
            ("{}", Value::Null),
            ("{\"attr\": {\"a\": 1}}", json!({"a": 1})),
            ("{\"direction\": \"both\"}", json!({"direction": "both"})),
        ] {
            let (document, _, _) = interface(&[(&name, value)]);
            let expected = json!([{"uuid": OTHER, "attr": attribute}]);
            assert_eq!(document.body.get("virtual_network_refs"), Some(&expected), "{value}");
            assert_eq!(document.written.last().unwrap(), &(format!("ref:{OTHER}"), 7));
        }
    }

    #[test]
    fn what_rows_say_of_others_is_told_beside() {
        let names =
            ["backref:instance_ip:", "children:port_tuple:", "relaxbackref:"].map(|begin| format!("{begin}{OTHER}"));
        let columns: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "null")).collect();
        let (_, facts, found) = interface(&columns);
        let (own, other) = (Uuid::from_u128(OWN), Uuid::from_u128(2));
        let expected = [
            Fact::BackReference { target: own, source: other },
            Fact::Child { parent: own, child: other },
            Fact::Relaxed { target: own, by: other },
        ];
        assert_eq!(facts, expected);
        assert!(found.is_empty());
    }

    #[test]
    fn of_several_parents_the_last_written_counts() {
        let [two, three] = [2, 3].map(|number| format!("parent:project:{}", Uuid::from_u128(number)));
        for (first, second) in [((&two, 9), (&three, 8)), ((&three, 8), (&two, 9))] {
            let columns = [
                ("type", "\"virtual_network\"", 1),
                ("fq_name", "[\"n\"]", 1),
                (first.0.as_str(), "null", first.1),
                (second.0.as_str(), "null", second.1),
            ];
            let (document, _, found) = row(&columns);
            let document = document.unwrap();
            assert_eq!(document.parent, Some(Uuid::from_u128(2)));
            assert_eq!(document.written.last().unwrap(), &("parent".to_owned(), 9));
            assert_eq!(found, ["several-parents"]);
        }
    }

    #[test]
    fn what_can_t_be_read_is_told() {
        for (name, value, kind) in [
            ("prop:display_name", "{", "bad-json"),
            ("prop:a:b", "1", "unknown-column"),
            ("flux", "1", "unknown-column"),
            ("ref:virtual_network:x", "null", "bad-uuid"),
            ("backref:virtual_network:x", "null", "bad-uuid"),
            ("parent:project:x", "null", "bad-uuid"),
            ("propl:display_name:0", "1", "unknown-property"),
            ("propm:display_name:0", "1", "unknown-property"),
        ] {
            assert_eq!(interface(&[(name, value)]).2, [kind], "{name}");
        }
        assert_eq!(row(&[("fq_name", "[\"a\"]", 1)]).2, ["row-without-type"]);
        for name in ["[]", "5", "{"] {
            let found = row(&[("type", "\"domain\"", 1), ("fq_name", name, 1)]).2;
            assert!(found.contains(&"row-without-name".to_owned()), "{name}: {found:?}");
        }
        assert_eq!(uuid("00000000000000000000000000000002"), None);
        assert!(uuid(OTHER).is_some());
    }
}
