//! route-table and interface-route-table: a route leads to a prefix, and there is one of it. contrail-api stores whatever it
//! is sent, and agents pass over what they can't read.

use crate::{
    model::field_name,
    rules::engine::{Decision, Draft, Rejection, Rules},
};
use ipnetwork::IpNetwork;
use serde_json::Value;
use std::collections::HashSet;

/// The rules of route-table.
pub const RULES: Rules = Rules {
    before_create: |_, draft| check(draft, "routes"),
    before_update: |_, draft| check(draft, "routes"),
    ..Rules::NONE
};

/// The rules of interface-route-table.
pub const INTERFACE_RULES: Rules = Rules {
    before_create: |_, draft| check(draft, field_name::INTERFACE_ROUTE_TABLE_ROUTES),
    before_update: |_, draft| check(draft, field_name::INTERFACE_ROUTE_TABLE_ROUTES),
    ..Rules::NONE
};

/// Checks the routes of a request. Several next hops for one prefix are several routes; the same route twice is not.
///
/// # Errors
/// 400 that names the route.
fn check(draft: &Draft, property: &str) -> Decision<()> {
    let routes = draft.given(property).and_then(|value| value.get("route")).and_then(Value::as_array);
    let mut seen = HashSet::new();
    for (index, route) in routes.into_iter().flatten().enumerate() {
        let refuse =
            |what: String| Err(Rejection::bad_request(format!("{property}: route {index}: {what}")).about(property));
        let text = route.get("prefix").and_then(Value::as_str);
        let Some(prefix) = text.and_then(|text| text.parse::<IpNetwork>().ok()) else {
            let given = route.get("prefix").map_or_else(|| "none".to_owned(), Value::to_string);
            return refuse(format!("prefix must be one of IPv4 or IPv6, as 10.1.0.0/16, not {given}"));
        };
        let next_hop = route.get(field_name::NEXT_HOP).and_then(Value::as_str).unwrap_or_default();
        if !seen.insert((prefix.network(), prefix.prefix(), next_hop)) {
            return refuse(format!("prefix {prefix} is there twice"));
        }
    }
    Ok(())
}
