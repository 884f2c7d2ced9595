//! Bodies that can be sent as they are: one after the other they make an object of each type.

use crate::model::{CONFIG_ROOT, Model, ObjectType, Parent};
use serde_json::{Map, Value, json};

/// Types of which there is one from the first start on, to put others below.
const PROVISIONED: [&str; 8] = [
    "discovery-service-assignment",
    "domain",
    "fabric",
    "global-qos-config",
    "global-system-config",
    "global-vrouter-config",
    "policy-management",
    "project",
];

/// The body of a create.
pub fn create(model: &Model, kind: &ObjectType) -> Value {
    let mut content = Map::new();
    let parent = parent(model, kind);
    let mut name = parent.map(|parent| name_of_parent(model, parent)).unwrap_or_default();
    name.push(format!("example-{}", kind.name));
    content.insert("fq_name".to_owned(), name.into());
    if kind.parents.len() > 1 {
        let parent = parent.map_or(CONFIG_ROOT, |parent| &parent.name);
        content.insert("parent_type".to_owned(), parent.into());
    }
    content.extend(kind.example.clone());
    json!({ &kind.name: content })
}

/// The body of an update.
pub fn update(kind: &ObjectType) -> Value {
    json!({ &kind.name: {"display_name": "Example"} })
}

/// Where an object of a type belongs, if several things are possible: most are a project's.
fn parent<'m>(model: &'m Model, kind: &ObjectType) -> Option<&'m ObjectType> {
    let parents = || {
        kind.parents.iter().map(|parent| match parent {
            Parent::ConfigRoot => None,
            Parent::Type(id) => Some(model.object_type(*id)),
        })
    };
    let project = parents().find(|parent| parent.is_some_and(|parent| parent.name == "project"));
    project.or_else(|| parents().next()).flatten()
}

fn name_of_parent(model: &Model, kind: &ObjectType) -> Vec<String> {
    let mut name = parent(model, kind).map(|parent| name_of_parent(model, parent)).unwrap_or_default();
    let word = if PROVISIONED.contains(&kind.name.as_str()) { "default" } else { "example" };
    name.push(format!("{word}-{}", kind.name));
    name
}
