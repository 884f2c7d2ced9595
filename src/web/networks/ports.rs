//! The ports of one network: the first ones in its box, and more of them, with all that is on them, as a table.

use super::{
    collect::{MOST_OF_ONE, Sight},
    list::linked,
};
use crate::{
    graph::Object,
    model::{field_name, type_name},
    web::{link, table::Table, value},
};
use maud::{Markup, html};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// How many ports the table has.
const MOST_PORTS: usize = 200;
/// How many addresses and routes of one port are told.
const MOST_ROWS: usize = 10;

/// Some ports.
#[derive(Default)]
pub struct Ports<'g> {
    /// By their names.
    pub shown: Vec<&'g Arc<Object>>,
    /// Whether there are more.
    pub is_cut: bool,
}

/// The first ports of a network that may be seen.
pub fn of<'g>(sight: &Sight<'g>, network: Uuid, most: usize) -> Ports<'g> {
    let Some(kind) = sight.kind(type_name::VIRTUAL_MACHINE_INTERFACE) else { return Ports::default() };
    let mut looked_at = sight.graph.referrers(network, kind);
    let mut shown: Vec<_> = looked_at.by_ref().take(MOST_OF_ONE).filter(|port| sight.sees(port)).collect();
    shown.sort_by_cached_key(|port| in_order(port.fq_name.name()));
    let is_cut = shown.len() > most || looked_at.next().is_some();
    shown.truncate(most);
    Ports { shown, is_cut }
}

/// Where a name stands among others: `web-9` before `web-10`.
fn in_order(name: &str) -> (String, usize, String) {
    let stem = name.trim_end_matches(|character: char| character.is_ascii_digit());
    let number = name.get(stem.len()..).unwrap_or_default().trim_start_matches('0');
    (stem.to_lowercase(), number.len(), number.to_owned())
}

/// What refers to a port and has an address: where each leads, and the address.
pub fn addresses(sight: &Sight<'_>, port: &Object, kind: &str, field: &str) -> Vec<(String, String)> {
    let kind = sight.kind(kind).map(|kind| sight.graph.referrers(port.uuid, kind));
    let found = kind.into_iter().flatten().take(MOST_ROWS).filter(|found| sight.sees(found));
    let address = found.map(|found| {
        let address = sight.property(found, field);
        let address = address.as_ref().and_then(Value::as_str).unwrap_or("no address");
        (link::object_path(sight.type_of(found), found.uuid), link::shortened(address))
    });
    address.collect()
}

/// The table. `closed` is the page without it.
pub fn table(sight: &Sight<'_>, uuid: Uuid, closed: &str) -> Markup {
    let network = sight.get(uuid).filter(|network| sight.type_of(network) == type_name::VIRTUAL_NETWORK);
    let Some((network, kind)) = network.zip(sight.kind(type_name::VIRTUAL_MACHINE_INTERFACE)) else {
        return html! { p .note { "There is no network with the uuid " code { (uuid) } " that you may see. It may have been deleted a moment ago." } };
    };
    let mut table =
        Table::new("Ports", ["Port", "Addresses", "MAC address", "Floating ips", "Machine", "Static routes"]);
    let ports = of(sight, uuid, MOST_PORTS);
    for port in &ports.shown {
        let of = |kind: &str, field: &str| {
            let addresses = addresses(sight, port, kind, field);
            html! { @for (index, (href, address)) in addresses.iter().enumerate() { @if index > 0 { ", " } a href=(href) { (address) } } }
        };
        let macs = sight.property(port, field_name::VIRTUAL_MACHINE_INTERFACE_MAC_ADDRESSES);
        let macs = macs.as_ref().and_then(|macs| macs.pointer("/mac_address/0")).and_then(Value::as_str);
        let machine = sight.targets(port, field_name::VIRTUAL_MACHINE_REFS).next();
        let owner = sight.property(port, field_name::VIRTUAL_MACHINE_INTERFACE_DEVICE_OWNER);
        let owner = owner.as_ref().and_then(Value::as_str).unwrap_or_default();
        let routes: Vec<String> = sight.routes(port).into_iter().take(MOST_ROWS).map(|(prefix, _)| prefix).collect();
        table.row(vec![
            linked(sight, port),
            of(type_name::INSTANCE_IP, field_name::INSTANCE_IP_ADDRESS),
            html! { (link::shortened(macs.unwrap_or_default())) },
            of(type_name::FLOATING_IP, field_name::FLOATING_IP_ADDRESS),
            html! { @if let Some(machine) = machine { (linked(sight, machine)) } @else { (link::shortened(&value::words(owner))) } },
            html! { (link::shortened(&routes.join(", "))) },
        ]);
    }
    let port_type = sight.graph.model().object_type(kind);
    let more = link::list_path(port_type, &[("refers_to", &uuid.to_string())]);
    html! {
        div .title {
            h2 #ports tabindex="-1" { "Ports of " (linked(sight, network)) }
            a .button href=(closed) data-closes { "Close" }
        }
        @if ports.shown.is_empty() { p .none { "There is none that you may see." } } @else { (table.show("ports-table")) }
        @if ports.is_cut { p { a href=(more) { "All ports of this network" } } }
    }
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn numbers_at_the_end_of_names_count_as_numbers() {
        let mut names = ["web-10", "web-9", "Web-1", "web", "10", "9", "web-007", "a2b", ""];
        names.sort_by_cached_key(|name| in_order(name));
        assert_eq!(names, ["", "9", "10", "a2b", "web", "Web-1", "web-007", "web-9", "web-10"]);
    }
}
