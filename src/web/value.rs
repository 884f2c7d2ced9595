//! Values of objects, as the model lays them out.

use super::link;
use crate::model::{Facts, JsonKind, Model, Presence, Shape};
use maud::{Markup, html};
use serde_json::{Map, Value};

/// Longer texts are folded away; in characters.
const LONGEST: usize = 300;
/// How many elements of a list are shown.
const MOST_ELEMENTS: usize = 200;

/// A value of this shape.
pub fn of(model: &Model, shape: Shape, value: &Value) -> Markup {
    match (shape, value) {
        (_, Value::Null) => html! { span .none { "not set" } },
        (_, Value::Array(items)) => list(model, shape, items),
        (Shape::Complex(id), Value::Object(fields)) => {
            let complex = model.complex_type(id);
            if let Some(prefix) = prefix(value).filter(|_| complex.is_subnet()) {
                return html! { (prefix) };
            }
            // A list with a wrapper is a list for people.
            if let Some(only) = complex.single_list_field() {
                let items = fields.get(&only.name).unwrap_or(&Value::Null);
                return match items {
                    Value::Null => list(model, only.shape, &[]),
                    items => of(model, only.shape, items),
                };
            }
            let shape_of = |name: &str| complex.fields.get(name).map(|field| field.shape);
            object(fields, |name, value| match shape_of(name) {
                Some(shape) => of(model, shape, value),
                None => untyped(value),
            })
        }
        (_, value) => untyped(value),
    }
}

/// A value that the model says nothing of.
pub fn untyped(value: &Value) -> Markup {
    match value {
        Value::Null => html! { span .none { "not set" } },
        Value::Bool(flag) => html! { (if *flag { "yes" } else { "no" }) },
        Value::Number(number) => html! { (number) },
        Value::String(text) => self::text(text),
        Value::Array(items) => list_of(items, untyped),
        Value::Object(fields) => object(fields, |_, value| untyped(value)),
    }
}

/// A text; one that is long is folded away.
pub fn text(text: &str) -> Markup {
    if text.is_empty() {
        return html! { span .none { "empty" } };
    }
    let length = text.chars().count();
    if length <= LONGEST {
        return html! { (text) };
    }
    html! { details { summary { (link::shortened(text)) " " small { "(" (length) " characters)" } } pre { (text) } } }
}

fn list(model: &Model, shape: Shape, items: &[Value]) -> Markup {
    list_of(items, |item| of(model, shape, item))
}

fn list_of(items: &[Value], show: impl Fn(&Value) -> Markup) -> Markup {
    if items.is_empty() {
        return html! { span .none { "none" } };
    }
    html! {
        ul .values { @for item in items.iter().take(MOST_ELEMENTS) { li { (show(item)) } } }
        @let more = items.len().saturating_sub(MOST_ELEMENTS);
        @if more > 0 { small { "and " (more) " more" } }
    }
}

fn object(fields: &Map<String, Value>, show: impl Fn(&str, &Value) -> Markup) -> Markup {
    let set: Vec<_> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
    if set.is_empty() {
        return html! { span .none { "nothing set" } };
    }
    html! { dl .inner { @for (name, value) in set { div { dt { (words(name)) } dd { (show(name, value)) } } } } }
}

/// `10.0.0.0/24` of its parts.
pub fn prefix(subnet: &Value) -> Option<String> {
    Some(format!("{}/{}", subnet.get("ip_prefix")?.as_str()?, subnet.get("ip_prefix_len")?.as_u64()?))
}

/// The same as a title: with a capital.
pub fn title(name: &str) -> String {
    let words = words(name);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The name of a field for people: `port_security_enabled` as `port security enabled`.
pub fn words(name: &str) -> String {
    name.replace(['_', '-'], " ")
}

/// What the model says of a field beside its name, in words; empty where there is nothing to say.
pub fn hint(model: &Model, shape: Shape, facts: &Facts) -> String {
    let mut hints: Vec<String> = Vec::new();
    match facts.presence {
        Presence::Required => hints.push("has to be given".to_owned()),
        Presence::SystemOnly => hints.push("set by the system".to_owned()),
        Presence::AdminOnly => hints.push("set by administrators".to_owned()),
        Presence::Optional | Presence::Exclusive => {}
    }
    if let Shape::Simple(id) = shape {
        let simple = model.simple_type(id);
        if !simple.values.is_empty() {
            hints.push(format!("one of {}", simple.values.join(", ")));
        }
        match (simple.range, simple.json) {
            (Some((least, most)), _) => hints.push(format!("from {least} to {most}")),
            (None, JsonKind::Integer) => hints.push("a number".to_owned()),
            (None, JsonKind::Boolean) => hints.push("yes or no".to_owned()),
            (None, JsonKind::String) => {}
        }
    }
    if let Some(default) = &facts.default {
        let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        hints.push(format!("clients take {text} where nothing is said"));
    }
    if facts.deprecated {
        hints.push("should no longer be used".to_owned());
    }
    if !facts.implemented {
        hints.push("no component acts on it".to_owned());
    }
    hints.join("; ")
}
