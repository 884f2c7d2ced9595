//! What was typed into a form that was made from the model (`controls.rs`): read back to values, with what each control is called as
//! the way to its place, `f/<field>/<member>/<index>/...`.

use super::{
    controls::{self, Fault},
    form::Fields,
};
use crate::{
    api::{Answered, ApiError},
    model::{ComplexType, JsonKind, Model, ObjectType, Reference, Shape, SimpleType},
};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

/// No value of the model lies deeper.
const DEEPEST: usize = 24;

/// What forms have beside the controls for fields: the token, what to do, what it was made of, and of a new object name and place.
const BESIDE: [&str; 8] = ["form_token", "do", "base", "kept", "changes", "etag", "name", "parent"];

/// What was typed at a place, and below it.
#[derive(Default)]
struct Node {
    text: String,
    parts: IndexMap<String, Node>,
}

impl Node {
    fn part(&self, name: &str) -> &str {
        self.parts.get(name).map(|node| node.text.as_str()).unwrap_or_default()
    }
}

/// Finds an object by what somebody calls it.
pub type Find<'a> = &'a dyn Fn(&Reference, &str) -> Option<Value>;

/// Reads a form.
pub struct Reader<'a> {
    pub model: &'a Model,
    pub kind: &'a ObjectType,
    pub find: Find<'a>,
    pub faults: Vec<Fault>,
}

impl Reader<'_> {
    /// The fields that have controls in a form, each as it was typed: what can't be read is a text, for whoever checks it.
    ///
    /// # Errors
    /// 400 for a control that no such form has.
    pub fn read(&mut self, fields: &Fields) -> Answered<Map<String, Value>> {
        let mut root = Node::default();
        for (name, text) in fields.all() {
            let mut parts = name.split('/');
            if parts.next() != Some(controls::ROOT) {
                if BESIDE.contains(&name) {
                    continue;
                }
                return Err(unknown(name));
            }
            let mut node = &mut root;
            for (depth, part) in parts.enumerate() {
                if depth >= DEEPEST {
                    return Err(unknown(name));
                }
                node = node.parts.entry(part.to_owned()).or_default();
            }
            text.clone_into(&mut node.text);
        }
        let mut values = Map::new();
        for (name, node) in &root.parts {
            let path = format!("{}/{name}", controls::ROOT);
            let value = if let Some((_, reference)) = self.kind.reference(name) {
                self.links(reference, node, &path)?
            } else {
                let (_, property) = self.kind.property(name).ok_or_else(|| unknown(&path))?;
                self.value(property.shape, node, &path)?
            };
            values.insert(name.clone(), value);
        }
        Ok(values)
    }

    fn value(&self, shape: Shape, node: &Node, path: &str) -> Answered<Value> {
        let complex = match shape {
            Shape::Simple(id) => return Ok(simple(self.model.simple_type(id), &node.text)),
            Shape::Complex(id) => self.model.complex_type(id),
        };
        if complex.is_subnet() {
            return Ok(subnet(&node.text));
        }
        self.members(complex, node, path)
    }

    fn members(&self, complex: &ComplexType, node: &Node, path: &str) -> Answered<Value> {
        let mut members = Map::new();
        for (name, part) in &node.parts {
            let path = format!("{path}/{name}");
            let field = complex.fields.get(name).ok_or_else(|| unknown(&path))?;
            let value = if field.list {
                let items = part.parts.iter();
                let items = items.map(|(index, item)| self.value(field.shape, item, &format!("{path}/{index}")));
                Value::Array(items.collect::<Answered<_>>()?)
            } else {
                self.value(field.shape, part, &path)?
            };
            if !value.is_null() {
                members.insert(name.clone(), value);
            }
        }
        Ok(Value::Object(members))
    }

    fn links(&mut self, reference: &Reference, node: &Node, path: &str) -> Answered<Value> {
        let mut links = Vec::new();
        for (index, node) in &node.parts {
            let path = format!("{path}/{index}");
            if let Some(strange) = node.parts.keys().find(|name| !["to", "was", "attr"].contains(&name.as_str())) {
                return Err(unknown(&format!("{path}/{strange}")));
            }
            let attribute = match (reference.attribute, node.parts.get("attr")) {
                (Some(id), Some(node)) => self.members(self.model.complex_type(id), node, &format!("{path}/attr"))?,
                (_, None) => Value::Null,
                (None, Some(_)) => return Err(unknown(&format!("{path}/attr"))),
            };
            let mut link = self.target(reference, node.part("to").trim(), node.part("was"), &attribute, &path);
            if let Some(members) = link.as_object_mut().filter(|_| !attribute.is_null()) {
                members.insert("attr".to_owned(), attribute);
            }
            links.push(link);
        }
        Ok(Value::Array(links))
    }

    fn wrong(&mut self, path: String, text: String) {
        if self.faults.len() < controls::MOST_FAULTS {
            self.faults.push(Fault { path, text });
        }
    }

    /// What a link leads to: what it was, unless somebody has typed something else.
    fn target(&mut self, reference: &Reference, typed: &str, was: &str, attribute: &Value, path: &str) -> Value {
        let was: Value = serde_json::from_str(was).unwrap_or_default();
        if was.is_object() && controls::name_of_link(&was) == typed {
            return was;
        }
        let path = format!("{path}/to");
        let kind = super::value::words(&self.model.object_type(reference.target).name);
        if typed.is_empty() {
            let fresh = controls::fresh_attribute(self.model, reference);
            if clean(attribute) != clean(&fresh) && !clean(attribute).is_null() {
                let text = format!("Say which {kind} this is about, or remove it.");
                self.wrong(path, text);
            }
            return json!({});
        }
        (self.find)(reference, typed).unwrap_or_else(|| {
            let text =
                format!("There is no {kind} of this name that you may see: its full name or its uuid is expected.");
            self.wrong(path, text);
            json!({ "to": [typed] })
        })
    }
}

fn unknown(name: &str) -> ApiError {
    let name = super::link::shortened(name);
    ApiError::bad_request(format!("This form has a field '{name}' that it was not made with. Nothing was done."))
}

/// A text as a value of this type, or as a text, if it is none.
fn simple(simple: &SimpleType, text: &str) -> Value {
    let number = text.trim();
    match (simple.json, number) {
        _ if text.is_empty() => Value::Null,
        (JsonKind::Integer, _) => {
            let signed = number.parse::<i64>().map(Value::from);
            signed.or_else(|_| number.parse::<u64>().map(Value::from)).unwrap_or_else(|_| text.into())
        }
        (JsonKind::Boolean, "true") => true.into(),
        (JsonKind::Boolean, "false") => false.into(),
        _ => text.into(),
    }
}

/// `10.0.0.0/24` as its parts.
fn subnet(text: &str) -> Value {
    let text = text.trim();
    match text.split_once('/') {
        _ if text.is_empty() => Value::Null,
        Some((prefix, length)) => {
            let length = length.trim();
            let length = length.parse::<u32>().map_or_else(|_| Value::from(length), Value::from);
            json!({"ip_prefix": prefix.trim(), "ip_prefix_len": length})
        }
        None => json!({ "ip_prefix": text }),
    }
}

/// A value without what says nothing: nulls, empty texts and lists, rows that nobody has filled in. Lines end as browsers end them.
pub fn clean(value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) if text.contains('\r') => text.replace("\r\n", "\n").replace('\r', "\n").into(),
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().map(clean).filter(|item| !item.is_null()).collect();
            if items.is_empty() { Value::Null } else { Value::Array(items) }
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), clean(value)));
            let members: Map<String, Value> = members.filter(|(_, value)| !value.is_null()).collect();
            if members.is_empty() { Value::Null } else { Value::Object(members) }
        }
        other => other.clone(),
    }
}

/// Where something is to be added or taken away.
pub enum Place<'a> {
    /// A list of such values.
    List(Shape),
    /// The links of a kind.
    Links(&'a Reference),
}

/// The list that a way leads to.
fn place<'a>(model: &Model, kind: &'a ObjectType, way: &[&str]) -> Option<Place<'a>> {
    let (first, rest) = way.split_first()?;
    let mut rest = rest.iter();
    let mut shape = match kind.reference(first) {
        None => kind.property(first)?.1.shape,
        Some((_, reference)) if rest.len() == 0 => return Some(Place::Links(reference)),
        Some((_, reference)) => {
            rest.next()?.parse::<usize>().ok()?;
            (*rest.next()? == "attr").then_some(())?;
            Shape::Complex(reference.attribute?)
        }
    };
    while let Some(name) = rest.next() {
        let Shape::Complex(id) = shape else { return None };
        let field = model.complex_type(id).fields.get(*name)?;
        shape = field.shape;
        if field.list && rest.next().is_none() {
            return Some(Place::List(shape));
        }
    }
    None
}

/// Adds a row to a list of a form, or takes one away (`add:<path>`, `remove:<path>`). Gives what is looked at next.
///
/// # Errors
/// 400 where there is no such list.
pub fn rearrange(model: &Model, kind: &ObjectType, values: &mut Map<String, Value>, wish: &str) -> Answered<String> {
    let done = match wish.split_once(':') {
        Some(("add", path)) => add(model, kind, values, path),
        Some(("remove", path)) => remove(values, path),
        _ => None,
    };
    done.ok_or_else(|| unknown(wish))
}

fn add(model: &Model, kind: &ObjectType, values: &mut Map<String, Value>, path: &str) -> Option<String> {
    let (_, way) = path.split_once('/')?;
    let parts: Vec<&str> = way.split('/').collect();
    let fresh = match place(model, kind, &parts)? {
        Place::List(shape) => controls::fresh(model, shape),
        Place::Links(reference) => json!({ "attr": controls::fresh_attribute(model, reference) }),
    };
    let items = list_at(values, &parts)?;
    items.push(fresh);
    Some(format!("{path}/{}", items.len() - 1))
}

fn remove(values: &mut Map<String, Value>, path: &str) -> Option<String> {
    let (list, index) = path.rsplit_once('/')?;
    let (_, way) = list.split_once('/')?;
    let parts: Vec<&str> = way.split('/').collect();
    let (items, index) = (list_at(values, &parts)?, index.parse::<usize>().ok()?);
    (index < items.len()).then(|| items.remove(index))?;
    Some(format!("add:{list}"))
}

fn list_at<'v>(values: &'v mut Map<String, Value>, way: &[&str]) -> Option<&'v mut Vec<Value>> {
    let (first, rest) = way.split_first()?;
    let mut value = values.entry(*first).or_insert(Value::Null);
    if rest.is_empty() && value.is_null() {
        *value = Value::Array(Vec::new());
    }
    for part in rest {
        value = match value {
            Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?)?,
            Value::Object(members) => members.entry(*part).or_insert_with(|| Value::Array(Vec::new())),
            _ => return None,
        };
    }
    value.as_array_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader<'a>(model: &'a Model, kind: &str, find: Find<'a>) -> Reader<'a> {
        Reader { model, kind: model.object_type(model.find(kind).unwrap()), find, faults: Vec::new() }
    }

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_was_typed_becomes_values() {
        let model = Model::embedded().unwrap();
        let find = |_: &Reference, name: &str| (name == "a:b").then(|| json!({"to": ["a", "b"], "uuid": "u"}));
        let mut reader = reader(&model, "virtual-network", &find);
        let typed = fields(&[
            ("form_token", "x"),
            ("f/mtu", " 9000 "),
            ("f/mac_aging_time", "soon"),
            ("f/is_shared", "false"),
            ("f/display_name", ""),
            ("f/route_target_list/route_target", ""),
            ("f/route_target_list/route_target/0", "target:1:2"),
            ("f/route_target_list/route_target/1", ""),
            ("f/network_ipam_refs", ""),
            ("f/network_ipam_refs/0/to", "a:b"),
            ("f/network_ipam_refs/0/attr/ipam_subnets/0/subnet", "10.0.0.0/24"),
            ("f/network_ipam_refs/1/to", ""),
            ("f/network_ipam_refs/1/attr/ipam_subnets/0/subnet", ""),
            ("f/network_policy_refs/0/to", "nothing"),
            ("f/network_policy_refs/1/to", "kept"),
            ("f/network_policy_refs/1/was", r#"{"to":["kept"],"uuid":"v"}"#),
        ]);
        let values = reader.read(&typed).unwrap();
        let expected = json!({
            "mtu": 9000, "mac_aging_time": "soon", "is_shared": false,
            "route_target_list": {"route_target": ["target:1:2"]},
            "network_ipam_refs": [{
                "to": ["a", "b"], "uuid": "u",
                "attr": {"ipam_subnets": [{"subnet": {"ip_prefix": "10.0.0.0", "ip_prefix_len": 24}}]},
            }],
            "network_policy_refs": [{"to": ["nothing"]}, {"to": ["kept"], "uuid": "v"}],
        });
        assert_eq!(clean(&Value::Object(values)), expected);
        let paths: Vec<&str> = reader.faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["f/network_policy_refs/0/to"]);
    }

    #[test]
    fn controls_that_no_form_has_are_refused() {
        let model = Model::embedded().unwrap();
        let deep = format!("f/mtu{}", "/0".repeat(100));
        for name in ["x", "f", "f/nothing", "f/virtual_network_properties/x", "f/network_ipam_refs/0/x", &deep] {
            let mut reader = reader(&model, "virtual-network", &|_, _| None);
            let refused = reader.read(&fields(&[(name, "1")]));
            assert!(refused.is_err() || name == "f" || name == deep, "{name}");
        }
    }

    #[test]
    fn rows_come_and_go() {
        let model = Model::embedded().unwrap();
        let kind = model.object_type(model.find("virtual-network").unwrap());
        let mut values = Map::new();
        let mut wish = |wish: &str| rearrange(&model, kind, &mut values, wish).map_err(|error| error.text);
        assert_eq!(wish("add:f/network_ipam_refs").unwrap(), "f/network_ipam_refs/0");
        let subnets = "f/network_ipam_refs/0/attr/ipam_subnets";
        assert_eq!(wish(&format!("add:{subnets}")).unwrap(), format!("{subnets}/1"));
        assert_eq!(wish(&format!("remove:{subnets}/0")).unwrap(), format!("add:{subnets}"));
        for other in
            ["", "add:", "add:f", "add:f/mtu", "add:f/nothing", "remove:f/network_ipam_refs/7", "remove:f/mtu/0"]
        {
            assert!(wish(other).is_err(), "{other}");
        }
        assert_eq!(values["network_ipam_refs"], json!([{"attr": {"ipam_subnets": [{}]}}]));
    }
}
