//! The same facts as a list: for phones, for screen readers, and for who wants to read.

use super::{
    Here,
    collect::{Filled, Found, Network, Sight},
    scene::{bar_class, counted, fullness, place_of},
};
use crate::{
    graph::Object,
    web::{link, table::Table},
};
use maud::{Markup, html};
use rustc_hash::FxHashMap;

/// Of more networks only the first facts of each are told.
const MOST_IN_FULL: usize = 200;
/// How many connections of one network are told.
const MOST_CONNECTIONS: usize = 30;
/// How many rules of one connection are told.
const MOST_RULES: usize = 10;
/// From how many addresses on a subnet is told without their number.
const MANY: u128 = 10_000_000;

/// All networks.
pub fn all(sight: &Sight<'_>, found: &Found<'_>, here: &Here<'_>) -> Markup {
    if found.networks.len() > MOST_IN_FULL {
        return in_short(found, here);
    }
    let mut between: FxHashMap<usize, Vec<Markup>> = FxHashMap::default();
    connections(sight, found, here, &mut between);
    html! {
        ul .networks {
            @for (index, network) in found.networks.iter().enumerate() {
                li data-words=(words(network)) {
                    (one(sight, network, here, between.get(&index).map(Vec::as_slice).unwrap_or_default()))
                }
            }
        }
    }
}

/// All that a network may be found by.
pub fn words(network: &Network<'_>) -> String {
    let name = link::shortened(network.object.fq_name.name());
    let subnets: Vec<&str> = network.subnets.iter().map(|subnet| subnet.name.as_str()).collect();
    format!("{name} {} {} {}", place_of(network), network.object.uuid, subnets.join(" ")).to_lowercase()
}

fn in_short(found: &Found<'_>, here: &Here<'_>) -> Markup {
    let mut table = Table::new("Networks", ["Name", "Project", "Subnets", "Ports", "Taken"]);
    for network in &found.networks {
        let subnets: Vec<&str> = network.subnets.iter().map(|subnet| subnet.name.as_str()).take(3).collect();
        let full = fullness(&network.subnets.iter());
        table.row(vec![
            html! { a href=(here.around(network.object.uuid)) { (link::shortened(network.object.fq_name.name())) } },
            html! { (place_of(network)) },
            html! { (subnets.join(", ")) },
            html! { (counted(network.ports, "port")) },
            html! { @if let Some((_, text)) = full { (text.trim_end_matches(" addresses taken")) } },
        ]);
    }
    table.show("networks-in-short")
}

pub fn linked(sight: &Sight<'_>, object: &Object) -> Markup {
    link::object(sight.type_of(object), object.uuid, &object.fq_name.elements())
}

/// What each network is connected with, by its index.
fn connections(sight: &Sight<'_>, found: &Found<'_>, here: &Here<'_>, all: &mut FxHashMap<usize, Vec<Markup>>) {
    let to = |index: usize| {
        let network = found.networks.get(index).map(|network| network.object);
        html! { @if let Some(network) = network { a href=(here.around(network.uuid)) { (link::shortened(network.fq_name.name())) } } }
    };
    for ((one, other), between) in &found.between {
        for (own, peer, is_first) in [(*one, *other, true), (*other, *one, false)] {
            let told = all.entry(own).or_default();
            for agreed in &between.policies {
                let rules = agreed.rules.iter().take(MOST_RULES);
                let rules: Vec<String> = rules.map(|(from, rule)| rule.told(*from == own)).collect();
                let more = agreed.rules.len().saturating_sub(MOST_RULES);
                let [first, second] = agreed.is_attached;
                let (has_own, has_peer) = if is_first { (first, second) } else { (second, first) };
                told.push(html! {
                    (to(peer)) ": " (rules.join(", ")) @if more > 0 { " and " (more) " more" }
                    " " span .none { "by policy " } (linked(sight, agreed.policy))
                    @if !has_own { " " span .warn { "which this network does not have" } }
                    @else if !has_peer { " " span .warn { "which the other one does not have" } }
                });
            }
            let [first, second] = between.floating_ips;
            let (of_own, of_peer) = if is_first { (first, second) } else { (second, first) };
            for (count, text) in [
                (of_own, "floating ips of this network are on its ports"),
                (of_peer, "floating ips of it are on ports here"),
            ] {
                if count > 0 {
                    told.push(html! { (to(peer)) ": " (count) " " (text) });
                }
            }
        }
    }
    for hub in found.hubs.values() {
        for (own, is_gateway) in &hub.spokes {
            let others: Vec<usize> = hub.spokes.keys().copied().filter(|other| other != own).take(MOST_RULES).collect();
            let more = hub.spokes.len().saturating_sub(1 + others.len());
            let mut rules: Vec<&str> = hub.rules.iter().take(MOST_RULES).map(|rule| rule.what.as_str()).collect();
            rules.dedup();
            all.entry(*own).or_default().push(html! {
                @if hub.rules.is_empty() { span .none { @if *is_gateway { "gateway of router " } @else { "router " } } } @else { span .none { "policy " } }
                (linked(sight, hub.object))
                @if !rules.is_empty() { " lets through " (rules.join(", ")) }
                @if !others.is_empty() { ", with " @for (place, other) in others.iter().enumerate() { @if place > 0 { ", " } (to(*other)) } }
                @if more > 0 { " and " (more) " more" }
            });
        }
    }
}

fn one(sight: &Sight<'_>, network: &Network<'_>, here: &Here<'_>, connections: &[Markup]) -> Markup {
    let object = network.object;
    let more = connections.len().saturating_sub(MOST_CONNECTIONS);
    html! {
        h3 {
            (linked(sight, object)) " " small { "of " (place_of(network)) }
            @if network.is_external { " " small .badge { "external" } }
            @if network.is_shared { " " small .badge { "shared" } }
            @if network.is_outside { " " small .badge { "of elsewhere" } }
        }
        dl .properties {
            div {
                dt { "Subnets" }
                dd {
                    @if network.subnets.is_empty() { span .none { "none" } }
                    ul .values { @for subnet in &network.subnets { li { (filled(subnet)) } } }
                    @if network.more_subnets > 0 { small { "and " (network.more_subnets) " more" } }
                }
            }
            div {
                dt { "Ports" }
                dd {
                    @if network.ports.number > 0 { a href=(here.opened(object.uuid)) data-opens { (counted(network.ports, "port")) } }
                    @else { span .none { "none" } }
                }
            }
            @if !network.routes.is_empty() {
                div {
                    dt { "Static routes" }
                    dd {
                        ul .values {
                            @for (port, prefix, next) in &network.routes {
                                li { (link::shortened(prefix)) @if let Some(next) = next { " to " (link::shortened(next)) } " " span .none { "on " } (linked(sight, port)) }
                            }
                        }
                        @let more = network.count_of_routes.saturating_sub(network.routes.len());
                        @if more > 0 { small { "and " (more) " more" } }
                    }
                }
            }
            @if network.floating_ips.number > 0 {
                div { dt { "Floating ips" } dd { (counted(network.floating_ips, "floating ip")) " handed out" } }
            }
            div {
                dt { "Connected with" }
                dd {
                    @if connections.is_empty() { span .none { "nothing" @if !network.has_policy { ", as it has no policy" } } }
                    ul .values { @for connection in connections.iter().take(MOST_CONNECTIONS) { li { (connection) } } }
                    @if more > 0 { small { "and " (more) " more" } }
                }
            }
        }
        p .around { a href=(here.around(object.uuid)) { "What is around " (link::shortened(object.fq_name.name())) } }
    }
}

/// A subnet, with a bar.
fn filled(subnet: &Filled) -> Markup {
    let (filled, _) = fullness(&[subnet].into_iter()).unwrap_or_default();
    html! {
        (subnet.name) " "
        @if subnet.usable < MANY {
            svg .inline width="60" height="8" aria-hidden="true" {
                rect .ground width="60" height="8" rx="3" {}
                @if filled > 0 { rect class=(bar_class(filled)) width=((filled * 60 / 1000).max(2)) height="8" rx="3" {} }
            }
            " " (subnet.taken) " of " (subnet.usable) " taken"
        } @else {
            (subnet.taken) " taken"
        }
        @if let Some(gateway) = subnet.gateway { span .none { ", gateway " (gateway) } }
        @if subnet.is_shared { span .none { ", shared by networks of its ipam" } }
    }
}
