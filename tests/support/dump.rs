//! Dumps of `db_json_exim`, made by hand or of what a server shows over REST.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value, json};

/// When all columns are written that say nothing else: in May 2018.
pub const TIME: i64 = 1_526_923_797_559_916;

/// Which of the forms that are in the field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Rows are objects of columns.
    A,
    /// Rows are lists of columns.
    B,
    /// Tables without keyspaces.
    C,
}

/// What a dump is made of: tables of rows of columns, each the text and the time.
#[derive(Clone, Default)]
pub struct Dump {
    pub objects: Map<String, Value>,
    pub names: Map<String, Value>,
    pub shares: Map<String, Value>,
    pub key_values: Map<String, Value>,
    pub targets: Map<String, Value>,
    pub nodes: Vec<Value>,
}

/// A uuid by a short number.
pub fn uuid(number: u32) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

fn cell(text: impl Into<String>) -> Value {
    json!([text.into(), TIME])
}

impl Dump {
    /// Puts an object in, with what belongs to it elsewhere. References are columns like others.
    pub fn add(
        &mut self,
        kind: &str,
        number: u32,
        name: &[&str],
        parent: Option<(&str, u32)>,
        columns: &[(&str, Value)],
    ) {
        let own = uuid(number);
        let id_perms = json!({
            "enable": true, "user_visible": true, "created": "2018-05-21T17:29:57.559916", "last_modified": "2018-05-21T17:29:57.559916",
            "uuid": {"uuid_mslong": (u64::from(number) << 32) + 0x4000, "uuid_lslong": 0x8000_0000_0000_0000_u64},
        });
        let perms2 = json!({"owner": "cloud-admin", "owner_access": 7, "global_access": 0, "share": []});
        let mut row = Map::new();
        row.insert("type".to_owned(), cell(json!(kind).to_string()));
        row.insert("fq_name".to_owned(), cell(json!(name).to_string()));
        row.insert("prop:id_perms".to_owned(), cell(id_perms.to_string()));
        row.insert("prop:perms2".to_owned(), cell(perms2.to_string()));
        row.insert("META:latest_col_ts".to_owned(), cell("null"));
        if let Some((parent_type, parent)) = parent {
            row.insert("parent_type".to_owned(), cell(json!(parent_type.replace('_', "-")).to_string()));
            row.insert(format!("parent:{parent_type}:{}", uuid(parent)), cell("null"));
            if let Some(above) = self.objects.get_mut(&uuid(parent)) {
                above[format!("children:{kind}:{own}")] = cell("null");
            }
        }
        for (column, value) in columns {
            row.insert((*column).to_owned(), cell(value.to_string()));
            if let Some((_, target)) = column.strip_prefix("ref:").and_then(|rest| rest.split_once(':'))
                && let Some(target) = self.objects.get_mut(target)
            {
                target[format!("backref:{kind}:{own}")] = cell("null");
            }
        }
        self.objects.insert(own.clone(), Value::Object(row));
        self.name(kind, &name.join(":"), &own);
    }

    /// An entry in the table of names.
    pub fn name(&mut self, kind: &str, joined: &str, uuid: &str) {
        self.names.entry(kind).or_insert_with(|| json!({}))[format!("{joined}:{uuid}")] = cell("null");
    }

    /// A column of an object, as it stands there.
    pub fn column(&mut self, number: u32, column: &str, text: &str) {
        self.objects[&uuid(number)][column] = cell(text);
    }

    /// Takes a column out.
    pub fn without(&mut self, number: u32, column: &str) {
        self.objects[&uuid(number)].as_object_mut().unwrap().remove(column);
    }

    /// A leaf of `ZooKeeper`.
    pub fn node(&mut self, path: &str, value: &str) {
        self.nodes.push(json!([path, [value, [1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1]]]));
    }

    /// All objects that a server lists, with all that it shows of them.
    pub async fn of(api: &super::Api) -> Self {
        let mut dump = Self::default();
        let home = api.get("/").await.ok();
        let collections = home["links"].as_array().unwrap().iter().map(|link| &link["link"]);
        let collections =
            collections.filter(|link| link["rel"] == "collection").map(|link| link["name"].as_str().unwrap());
        for kind in collections {
            let listed = api.get(&format!("/{kind}s?detail=true")).await.ok();
            for object in listed[format!("{kind}s")].as_array().unwrap() {
                dump.add_shown(&kind.replace('-', "_"), &object[kind]);
            }
        }
        dump
    }

    fn add_shown(&mut self, kind: &str, object: &Value) {
        let mut row = Map::new();
        let own = object["uuid"].as_str().unwrap().to_owned();
        row.insert("type".to_owned(), cell(json!(kind).to_string()));
        for (field, value) in object.as_object().unwrap() {
            match field.as_str() {
                "uuid" | "href" | "name" | "parent_href" => {}
                "fq_name" | "parent_type" => {
                    row.insert(field.clone(), cell(value.to_string()));
                }
                "parent_uuid" => {
                    let parent_type = object["parent_type"].as_str().unwrap().replace('-', "_");
                    row.insert(format!("parent:{parent_type}:{}", value.as_str().unwrap()), cell("null"));
                }
                field if field.ends_with("_back_refs") => {}
                field if field.ends_with("_refs") => {
                    for reference in value.as_array().unwrap() {
                        let target = reference["uuid"].as_str().unwrap();
                        let text = json!({"attr": reference["attr"], "is_weakref": false}).to_string();
                        row.insert(format!("ref:{}:{target}", field.trim_end_matches("_refs")), cell(text));
                    }
                }
                // Children.
                _ if value[0]["href"].is_string() => {}
                "annotations" => {
                    for pair in value["key_value_pair"].as_array().unwrap() {
                        row.insert(
                            format!("propm:annotations:{}", pair["key"].as_str().unwrap()),
                            cell(pair.to_string()),
                        );
                    }
                }
                "virtual_machine_interface_fat_flow_protocols" => {
                    for (index, item) in value["fat_flow_protocol"].as_array().unwrap().iter().enumerate() {
                        row.insert(format!("propl:{field}:{index}"), cell(item.to_string()));
                    }
                }
                _ => {
                    row.insert(format!("prop:{field}"), cell(value.to_string()));
                }
            }
        }
        let name: Vec<&str> = super::samples::strings(&object["fq_name"]);
        self.name(kind, &name.join(":"), &own);
        self.objects.insert(own, Value::Object(row));
    }

    /// Its text.
    pub fn text(&self, form: Form) -> String {
        let table = |rows: &Map<String, Value>| {
            let row = |row: &Value| match form {
                Form::B => {
                    row.as_object().unwrap().iter().map(|(name, cell)| json!([name, cell[0], cell[1]])).collect()
                }
                _ => row.clone(),
            };
            Value::Object(rows.iter().map(|(key, columns)| (key.clone(), row(columns))).collect())
        };
        let configuration = json!({
            "obj_uuid_table": table(&self.objects), "obj_fq_name_table": table(&self.names), "obj_shared_table": table(&self.shares),
        });
        let key_values = json!({"useragent_keyval_table": table(&self.key_values)});
        let targets = json!({"route_target_table": table(&self.targets)});
        let cassandra = if form == Form::C {
            let all =
                [configuration, key_values, targets].into_iter().flat_map(|tables| tables.as_object().unwrap().clone());
            Value::Object(all.collect())
        } else {
            json!({"config_db_uuid": configuration, "useragent": key_values, "to_bgp_keyspace": targets})
        };
        json!({"cassandra": cassandra, "zookeeper": Value::Array(self.nodes.clone()).to_string()}).to_string()
    }

    /// The same, packed.
    pub fn packed(&self, form: Form) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(self.text(form).as_bytes()).unwrap();
        packed.finish().unwrap()
    }
}
