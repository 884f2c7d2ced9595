//! Forms made from the model: a control for each value, named after its place (`f/<field>/<member>/<index>/...`), so that what is typed
//! can be read back (`typed.rs`). Lists grow and shrink by buttons that send the form and come back with it.

use super::{link, value};
use crate::model::{ComplexType, Facts, JsonKind, Model, Presence, Property, Reference, Shape, SimpleTypeId};
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use std::{cell::Cell, collections::HashMap};

/// What the names of all controls begin with.
pub const ROOT: &str = "f";
/// Longer texts have more than one line; in characters.
const LINE: usize = 100;
/// Of types with more members only those are shown at once that are set, or have to be.
const FEW: usize = 6;
/// How much of a refusal is shown at a control, in characters.
const LONGEST_FAULT: usize = 600;

/// A form has no more faults than somebody reads.
pub const MOST_FAULTS: usize = 20;
/// And no more rows than somebody looks at.
pub const MOST_ROWS: usize = 1000;

/// What new rows begin with, by type: what nearly all of them have.
const FRESH: [(&str, &str); 3] = [
    ("VnSubnetsType", r#"{"ipam_subnets": [{}]}"#),
    ("VirtualNetworkPolicyType", r#"{"sequence": {"major": 0, "minor": 0}}"#),
    (
        "PolicyRuleType",
        r#"{"direction": "<>", "protocol": "any", "src_addresses": [{}], "src_ports": [{"start_port": -1, "end_port": -1}],
            "dst_addresses": [{}], "dst_ports": [{"start_port": -1, "end_port": -1}], "action_list": {"simple_action": "pass"}}"#,
    ),
];

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The name of a control, or of what is around several; empty where it is none of them.
    pub path: String,
    /// In words.
    pub text: String,
}

/// A form in the making.
pub struct Controls<'a> {
    /// The types.
    pub model: &'a Model,
    /// What is said at controls.
    pub faults: &'a [Fault],
    /// Where to go on: the first control at or below this path, or the button `add:<path>`.
    pub focus: &'a str,
    /// Names that are offered, by the field of references.
    pub names: &'a HashMap<&'a str, Vec<String>>,
    /// Whether something has the focus already.
    pub is_focused: Cell<bool>,
}

/// A new element of a list.
pub fn fresh(model: &Model, shape: Shape) -> Value {
    match shape {
        Shape::Simple(_) => Value::Null,
        Shape::Complex(id) => {
            let name = &model.complex_type(id).name;
            let known = FRESH.iter().find(|(known, _)| known == name);
            known.and_then(|(_, text)| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({}))
        }
    }
}

/// The data of a new link.
pub fn fresh_attribute(model: &Model, reference: &Reference) -> Value {
    reference.attribute.map_or(Value::Null, |id| fresh(model, Shape::Complex(id)))
}

/// How a link of a form is called: by the full name of what it leads to.
pub fn name_of_link(link: &Value) -> String {
    let name = link.get("to").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let name: Vec<&str> = name.iter().filter_map(Value::as_str).collect();
    name.join(":")
}

/// Whether somebody has said something of a value, if only that it has a row.
pub fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => members.values().any(is_set),
        _ => true,
    }
}

/// How many rows a value has in a form.
pub fn rows_of(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len() + items.iter().map(rows_of).sum::<usize>(),
        Value::Object(members) => members.values().map(rows_of).sum(),
        _ => 0,
    }
}

/// A simple value as it stands in a control.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What is said of a control beside its label.
struct About<'a> {
    path: &'a str,
    label: &'a str,
    hint: &'a str,
}

impl Controls<'_> {
    /// The controls of a property.
    pub fn property(&self, property: &Property, given: &Value) -> Markup {
        let (path, label) = (format!("{ROOT}/{}", property.name), value::title(&property.name));
        let hint = value::hint(self.model, property.shape, &property.facts);
        self.value(&About { path: &path, label: &label, hint: &hint }, property.shape, given)
    }

    /// The controls of all links of a kind.
    pub fn reference(&self, reference: &Reference, links: &[Value]) -> Markup {
        let target = value::words(&self.model.object_type(reference.target).name);
        let (path, label) = (format!("{ROOT}/{}", reference.field), value::title(&target));
        let names = self.names.get(reference.field.as_str()).map(Vec::as_slice).unwrap_or_default();
        let list = format!("names/{}", reference.field);
        let about = About { path: &path, label: &label, hint: "" };
        let row = |row: &str, link: &Value, called: &str| {
            let was = json!({"to": link.get("to"), "uuid": link.get("uuid")});
            // What nobody can type in goes along as it is.
            let untyped = link.get("attr").filter(|_| reference.untyped_attribute && reference.attribute.is_none());
            let was = untyped.map_or_else(
                || was.clone(),
                |data| json!({"to": link.get("to"), "uuid": link.get("uuid"), "attr": data}),
            );
            let to = format!("{row}/to");
            html! {
                div .field.wrong[self.is_wrong(&to)] {
                    label for=(to) { (called) }
                    input id=(to) name=(to) value=(name_of_link(link)) list=[(!names.is_empty()).then_some(&list)] autofocus[self.takes_focus(&to)]
                        aria-invalid=[self.is_wrong(&to).then_some("true")] aria-describedby=(self.described(&to, true));
                    small id=(format!("{to}/hint")) { "by its full name, or its uuid" }
                    (self.faults_at(&[&to]))
                }
                @if link.get("uuid").is_some() { input type="hidden" name=(format!("{row}/was")) value=(was.to_string()); }
                @if let Some(id) = reference.attribute {
                    (self.members(&format!("{row}/attr"), self.model.complex_type(id), link.get("attr").unwrap_or(&Value::Null)))
                }
            }
        };
        html! {
            (self.rows(&about, &path, links, true, row))
            @if !names.is_empty() { datalist id=(list) { @for name in names { option value=(name) {} } } }
        }
    }

    fn value(&self, about: &About<'_>, shape: Shape, given: &Value) -> Markup {
        let complex = match shape {
            Shape::Simple(id) => return self.simple(about, id, given),
            Shape::Complex(id) => self.model.complex_type(id),
        };
        if complex.is_subnet() {
            return self.subnet(about, given);
        }
        if let Some(only) = complex.single_list_field() {
            let path = format!("{}/{}", about.path, only.name);
            return self.list(about, &path, only.shape, given.get(&only.name));
        }
        html! {
            details .group id=(about.path) tabindex="-1" open[is_set(given) || self.is_looked_at(about.path)] {
                summary { (about.label) }
                @if !about.hint.is_empty() { small { (about.hint) } }
                (self.faults_at(&[about.path]))
                (self.members(about.path, complex, given))
            }
        }
    }

    /// The members of a value: all of them, or first those that matter.
    fn members(&self, path: &str, complex: &ComplexType, given: &Value) -> Markup {
        let value_of = |name: &str| given.get(name).unwrap_or(&Value::Null);
        let is_offered = |facts: &Facts| !facts.deprecated && !facts.internal && facts.implemented;
        let is_set = |name: &str| is_set(value_of(name));
        let (mut first, mut more, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for field in complex.fields.values() {
            let place = format!("{path}/{}", field.name);
            let matters = is_set(&field.name)
                || matches!(field.facts.presence, Presence::Required | Presence::Exclusive)
                || self.is_looked_at(&place);
            match (field.facts.presence, field.shape) {
                (Presence::SystemOnly, Shape::Simple(_)) if !field.list => kept.push((field, place)),
                _ if !is_set(&field.name) && !is_offered(&field.facts) => {}
                _ if matters || complex.fields.len() <= FEW => first.push((field, place)),
                _ => more.push((field, place)),
            }
        }
        if first.is_empty() {
            std::mem::swap(&mut first, &mut more);
        }
        let control = |(field, place): &(&crate::model::Field, String)| {
            let (label, hint) = (value::title(&field.name), value::hint(self.model, field.shape, &field.facts));
            let about = About { path: place, label: &label, hint: &hint };
            if field.list {
                self.list(&about, place, field.shape, Some(value_of(&field.name)))
            } else {
                self.value(&about, field.shape, value_of(&field.name))
            }
        };
        html! {
            // What only the system sets goes along as it is.
            @for (field, place) in kept.iter().filter(|(field, _)| is_set(&field.name)) {
                input type="hidden" name=(place) value=(text_of(value_of(&field.name)));
            }
            div .members { @for field in &first { (control(field)) } }
            @if !more.is_empty() {
                details .more id=(format!("{path}/more")) {
                    summary { (more.len()) " more" span .unseen { " of " (value::words(&complex.name)) } }
                    div .members { @for field in &more { (control(field)) } }
                }
            }
        }
    }

    fn list(&self, about: &About<'_>, path: &str, shape: Shape, given: Option<&Value>) -> Markup {
        let items = given.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let is_block = match shape {
            Shape::Simple(_) => false,
            Shape::Complex(id) => !self.model.complex_type(id).is_subnet(),
        };
        self.rows(about, path, items, is_block, |row, item, called| {
            let about = About { path: row, label: called, hint: "" };
            match shape {
                Shape::Complex(id) if is_block => html! {
                    (self.faults_at(&[row]))
                    (self.members(row, self.model.complex_type(id), item))
                },
                shape => self.value(&about, shape, item),
            }
        })
    }

    /// A list: a row for each element, and what adds one. `path` is where the elements are.
    fn rows(
        &self,
        about: &About<'_>,
        path: &str,
        items: &[Value],
        is_block: bool,
        show: impl Fn(&str, &Value, &str) -> Markup,
    ) -> Markup {
        let add = format!("add:{path}");
        // It has its rows, also if these are none.
        html! {
            fieldset .list.empty[items.is_empty()] id=(about.path) tabindex="-1" {
                legend { (about.label) }
                input type="hidden" name=(path) value="";
                @if !about.hint.is_empty() { small { (about.hint) } }
                (self.faults_at(&[about.path, path]))
                @for (index, item) in items.iter().enumerate() {
                    @let row = format!("{path}/{index}");
                    @let called = format!("{} {}", about.label, index + 1);
                    div .row.block[is_block] role=[is_block.then_some("group")] aria-label=[is_block.then_some(&called)] {
                        div { (show(&row, item, &called)) }
                        button .plain type="submit" name="do" value=(format!("remove:{row}")) formnovalidate { "Remove" span .unseen { " " (called) } }
                    }
                }
                button .add type="submit" name="do" value=(add) formnovalidate autofocus[self.focus == add] { "Add" span .unseen { " to " (about.label) } }
            }
        }
    }

    fn subnet(&self, about: &About<'_>, given: &Value) -> Markup {
        let prefix = given.get("ip_prefix").map(text_of).unwrap_or_default();
        let length = given.get("ip_prefix_len").map(text_of).unwrap_or_default();
        let text = if length.is_empty() { prefix } else { format!("{prefix}/{length}") };
        self.field(about, "a prefix, like 10.0.0.0/24", |input| html! {
            input id=(about.path) name=(about.path) value=(text) autofocus[input.is_focused] aria-invalid=[input.invalid] aria-describedby=[input.described];
        })
    }

    fn simple(&self, about: &About<'_>, id: SimpleTypeId, given: &Value) -> Markup {
        let simple = self.model.simple_type(id);
        let text = text_of(given);
        let choices: Vec<&str> = match simple.json {
            JsonKind::Boolean => vec!["true", "false"],
            _ => simple.values.iter().map(String::as_str).collect(),
        };
        // What can be chosen is there to be seen.
        let hint: Vec<&str> = about
            .hint
            .split("; ")
            .filter(|part| choices.is_empty() || !(*part == "yes or no" || part.starts_with("one of ")))
            .collect();
        let about = &About { hint: &hint.join("; "), ..*about };
        self.field(about, "", |input| {
            if !choices.is_empty() {
                let called = |choice| match choice {
                    "true" if simple.json == JsonKind::Boolean => "yes",
                    "false" if simple.json == JsonKind::Boolean => "no",
                    choice => choice,
                };
                return html! {
                    select id=(about.path) name=(about.path) autofocus[input.is_focused] aria-invalid=[input.invalid] aria-describedby=[input.described] {
                        option value="" { "not set" }
                        @for choice in &choices { option value=(choice) selected[*choice == text] { (called(choice)) } }
                        @if !text.is_empty() && !choices.contains(&text.as_str()) { option value=(text) selected { (link::shortened(&text)) } }
                    }
                };
            }
            if text.contains(['\n', '\r']) || text.chars().nth(LINE).is_some() {
                // Browsers take a first line away that is empty.
                return html! {
                    textarea id=(about.path) name=(about.path) rows="4" autofocus[input.is_focused] aria-invalid=[input.invalid] aria-describedby=[input.described] { "\n" (text) }
                };
            }
            let mode = (simple.json == JsonKind::Integer && simple.range.is_none_or(|(least, _)| least >= 0)).then_some("numeric");
            html! {
                input id=(about.path) name=(about.path) value=(text) inputmode=[mode] autofocus[input.is_focused] aria-invalid=[input.invalid] aria-describedby=[input.described];
            }
        })
    }

    /// A control with its label, what is to be known of it, and what is wrong with it.
    fn field(&self, about: &About<'_>, form: &str, control: impl FnOnce(&Input<'_>) -> Markup) -> Markup {
        let hint = [form, about.hint].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        let described = self.described(about.path, !hint.is_empty());
        let is_wrong = self.is_wrong(about.path);
        let input = Input {
            is_focused: self.takes_focus(about.path),
            invalid: is_wrong.then_some("true"),
            described: (!described.is_empty()).then_some(described.as_str()),
        };
        html! {
            div .field.wrong[is_wrong] {
                label for=(about.path) { (about.label) }
                (control(&input))
                @if !hint.is_empty() { small id=(format!("{}/hint", about.path)) { (hint) } }
                (self.faults_at(&[about.path]))
            }
        }
    }

    fn described(&self, path: &str, has_hint: bool) -> String {
        let hint = has_hint.then(|| format!("{path}/hint"));
        let fault = self.is_wrong(path).then(|| format!("{path}/fault"));
        hint.into_iter().chain(fault).collect::<Vec<_>>().join(" ")
    }

    fn is_wrong(&self, path: &str) -> bool {
        self.faults.iter().any(|fault| fault.path == path)
    }

    fn faults_at(&self, paths: &[&str]) -> Markup {
        let found = self.faults.iter().filter(|fault| paths.contains(&fault.path.as_str()));
        let found: Vec<&Fault> = found.collect();
        html! {
            @if let Some(first) = found.first() {
                p .error id=(format!("{}/fault", first.path)) { @for fault in &found { (fault.short()) " " } }
            }
        }
    }

    /// Whether something at or below a place has to be seen.
    pub fn is_looked_at(&self, path: &str) -> bool {
        let focus = self.focus.strip_prefix("add:").unwrap_or(self.focus);
        self.faults.iter().any(|fault| is_within(&fault.path, path)) || is_within(focus, path)
    }

    fn takes_focus(&self, path: &str) -> bool {
        let takes = !self.focus.is_empty() && is_within(path, self.focus) && !self.is_focused.get();
        self.is_focused.set(self.is_focused.get() || takes);
        takes
    }
}

/// What a control has to say of itself.
struct Input<'a> {
    is_focused: bool,
    invalid: Option<&'a str>,
    described: Option<&'a str>,
}

fn is_within(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Fault {
    /// What the server says, without the value that it repeats.
    pub fn short(&self) -> String {
        let said = self
            .text
            .split_once("Error validating property ")
            .or_else(|| self.text.split_once("Error validating reference "));
        let text = said.map_or(self.text.as_str(), |(_, said)| said.rsplit_once("} ").map_or(said, |(_, said)| said));
        match text.char_indices().nth(LONGEST_FAULT) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text.to_owned(),
        }
    }

    /// Where a refusal belongs: the control of what it names; of a value with members the one that its text names, if there is only one.
    pub fn of_refusal(field: Option<&str>, text: &str, values: &Map<String, Value>) -> Self {
        let text = text.to_owned();
        let Some(field) = field else { return Self { path: String::new(), text } };
        let mut parts = field.split('.');
        let name = parts.next().unwrap_or_default();
        let mut path = format!("{ROOT}/{name}");
        let Some(mut value) = values.get(name) else { return Self { path, text } };
        for part in parts {
            let Some(member) = value.get(part) else { break };
            value = member;
            path = format!("{path}/{part}");
        }
        // The rest of a text repeats the value, which may be long.
        let said = format!(" {}", Self { path: String::new(), text: text.clone() }.short());
        let mut named = Vec::new();
        places_named_in(value, &path, &said, &mut named);
        if let [only] = named.as_slice() {
            path.clone_from(only);
        }
        // A subnet has one control.
        for member in ["/ip_prefix", "/ip_prefix_len"] {
            path = path.strip_suffix(member).map(str::to_owned).unwrap_or(path);
        }
        Self { path, text }
    }
}

/// The places below a value whose last part a text names, as `<part>: `.
fn places_named_in(value: &Value, path: &str, text: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{path}/{name}");
                if !member.is_object() && !member.is_array() && text.contains(&format!(" {name}: ")) {
                    found.push(path);
                } else {
                    places_named_in(member, &path, text, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places_named_in(item, &format!("{path}/{index}"), text, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_rows_are_of_the_model() {
        let model = Model::embedded().unwrap();
        for (name, text) in FRESH {
            let value: Value = serde_json::from_str(text).unwrap();
            let complex = model.complex_types().iter().find(|complex| complex.name == name).unwrap();
            for member in value.as_object().unwrap().keys() {
                assert!(complex.fields.contains_key(member), "{name} has no {member}");
            }
        }
    }

    #[test]
    fn a_refusal_is_told_where_it_belongs() {
        let values = json!({
            "virtual_network_properties": {"vxlan_network_identifier": 99_999_999, "rpf": "enable"},
            "network_ipam_refs": [{"attr": {"ipam_subnets": [{"vlan_tag": 1}, {"vlan_tag": 2}]}}],
            "mtu": 1,
        });
        let values = values.as_object().unwrap();
        let at = |field, text: &str| Fault::of_refusal(field, text, values).path;
        assert_eq!(at(None, "no"), "");
        assert_eq!(at(Some("mtu"), "no"), "f/mtu");
        assert_eq!(at(Some("virtual_network_properties"), "no"), "f/virtual_network_properties");
        let text = "Error validating property virtual_network_properties value {'rpf': 'enable'} vxlan_network_identifier: value must be between 1 and 2";
        assert_eq!(
            at(Some("virtual_network_properties"), text),
            "f/virtual_network_properties/vxlan_network_identifier"
        );
        assert_eq!(at(Some("virtual_network_properties.rpf"), "no"), "f/virtual_network_properties/rpf");
        assert_eq!(at(Some("network_ipam_refs"), "x vlan_tag: no"), "f/network_ipam_refs", "either may be meant");
        let fault = Fault { path: String::new(), text: text.to_owned() };
        let simple = "Bad property in http_put: Error validating property mtu: value must be between 0 and 1";
        let short = Fault { path: String::new(), text: simple.to_owned() }.short();
        assert_eq!(short, "mtu: value must be between 0 and 1");
        assert_eq!(fault.short(), "vxlan_network_identifier: value must be between 1 and 2");
    }
}
