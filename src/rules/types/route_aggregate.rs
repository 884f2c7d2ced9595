//! route-aggregate (contrail-api R21: RAGG-*): prefixes of one family, for one service instance.

use crate::{
    model::field_name,
    rules::engine::{Decision, Draft, Rejection, Rules, Work, rule},
};
use ipnetwork::IpNetwork;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: check, before_update: check, ..Rules::NONE };

const ENTRIES: &str = field_name::AGGREGATE_ROUTE_ENTRIES;
const SERVICES: &str = field_name::SERVICE_INSTANCE_REFS;

/// RAGG-C1
fn check(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given_links(SERVICES).is_some_and(|links| links.len() > 1) {
        return Err(Rejection::bad_request("RouteAggregate objects can refer to only one service instance")
            .by(rule::RAGG_C1)
            .about(SERVICES));
    }
    let Some(routes) = draft.given(ENTRIES).and_then(|entries| entries.get("route")?.as_array()) else {
        return Ok(());
    };
    let mut first: Option<IpNetwork> = None;
    for route in routes {
        let route = route.as_str().unwrap_or_default();
        let prefix: IpNetwork = route
            .trim()
            .parse()
            .map_err(|_| Rejection::bad_request(format!("Invalid route: {route}")).by(rule::RAGG_C1).about(ENTRIES))?;
        if first.get_or_insert(prefix).is_ipv4() != prefix.is_ipv4() {
            let text = "All prefixes in a route aggregate object must be of same ip family";
            return Err(Rejection::bad_request(text).by(rule::RAGG_C1).about(ENTRIES));
        }
    }
    Ok(())
}
