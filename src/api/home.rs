//! The home page: clients learn from it which types and actions there are.

use super::actions::{self, UUID};
use crate::model::Model;
use serde_json::{Value, json};

/// All links, each of which begins with `base`: the Python client cuts just that off.
pub fn page(model: &Model, base: &str) -> Value {
    let link = |rel: &str, name: &str, path: &str, method: Option<&str>| json!({"link": {"href": format!("{base}{path}"), "method": method, "name": name, "rel": rel}});
    let mut links = vec![
        link("documentation", "documentation", "/documentation/index.html", Some("GET")),
        link("root", "config-root", "/config-root", None),
    ];
    links.extend(
        model.types().iter().map(|kind| link("collection", &kind.name, &format!("/{}", kind.collection), None)),
    );
    links.extend(model.types().iter().map(|kind| link("resource-base", &kind.name, &format!("/{}", kind.name), None)));
    for action in actions::all() {
        if let Some(name) = action.link {
            // Clients put the uuid in by the rules of Python.
            links.push(link("action", name, &action.path.replace(UUID, "%s"), Some(action.method.as_str())));
        }
    }
    json!({"href": base, "links": links})
}
