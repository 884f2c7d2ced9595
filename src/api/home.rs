//! The home page: clients learn from it which types and actions there are.

use super::routes::{ACTIONS, NETWORK_ACTIONS};
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
    for (name, path, method, _) in ACTIONS.iter().filter(|(name, ..)| !name.is_empty()) {
        links.push(link("action", name, path, Some(method.as_str())));
    }
    for (name, action, _) in NETWORK_ACTIONS {
        links.push(link("action", name, &format!("/virtual-network/%s/{action}"), Some("POST")));
    }
    json!({"href": base, "links": links})
}
