//! What is drawn: boxes with texts, and lines between them. A box is a network, or all of a project, or all that are connected.

use super::{
    Here,
    collect::{Between, Count, Filled, Found, Hub, Network, Sight},
    groups::{self, Connected},
    ports,
};
use crate::{
    model::{field_name, type_name},
    web::link,
};
use indexmap::{IndexMap, IndexSet};
use rustc_hash::FxBuildHasher;
use std::cmp::Reverse;
use uuid::Uuid;

/// How a box looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// With corners: a network, or a project.
    Card,
    /// Round: what networks hang on.
    Pill,
}

/// A box.
pub struct Card {
    /// How it looks.
    pub shape: Shape,
    /// More of that, as a class for styles.
    pub class: &'static str,
    /// What it is of.
    pub uuid: Uuid,
    /// What it is called.
    pub title: String,
    /// Where that leads.
    pub href: String,
    /// What else stands in it.
    pub texts: Vec<Text>,
    /// How full it is, of 1,000, and the same in words.
    pub bar: Option<(u64, String)>,
    /// The ports that are shown in it, if it is open.
    pub ports: Option<Ports>,
    /// All that it may be found by.
    pub words: String,
}

/// A line of text in a box.
pub struct Text {
    /// As it stands there.
    pub text: String,
    /// Where it leads, if it opens or closes the box.
    pub switch: Option<String>,
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text, switch: None }
    }
}

/// Ports in the box of their network.
pub struct Ports {
    /// The first ones.
    pub shown: Vec<Port>,
    /// Whether there are more.
    pub is_cut: bool,
}

/// A port in the box of its network.
pub struct Port {
    /// What it is called.
    pub name: String,
    /// Where that leads.
    pub href: String,
    /// Its address, and how many more it has.
    pub address: String,
}

/// A line.
pub struct Line {
    /// The box that it begins at.
    pub from: usize,
    /// And where it leads.
    pub to: usize,
    /// How it looks, as a class for styles.
    pub class: &'static str,
    /// In short.
    pub label: String,
    /// In full.
    pub title: String,
    /// Whether it leads only this way.
    pub is_arrow: bool,
}

/// All of it.
#[derive(Default)]
pub struct Scene {
    /// Boxes; lines call them by their index.
    pub cards: Vec<Card>,
    /// Lines.
    pub lines: Vec<Line>,
}

/// From how full on it is to be told by colours, of 1,000.
const NEARLY_FULL: u64 = 750;
/// The same, of what is as good as full.
const FULL: u64 = 900;
/// How many rules are told in short.
const MOST_RULES: usize = 2;
/// Networks of more addresses than this are told without the number.
const MANY: u128 = 10_000_000;
/// How many ports are shown in a box.
const MOST_PORTS: usize = 24;

/// The class of a bar.
pub fn bar_class(filled: u64) -> &'static str {
    match filled {
        FULL.. => "fill full",
        NEARLY_FULL.. => "fill nearly",
        _ => "fill",
    }
}

/// `1 port`, `2 ports`, `1000+ ports`.
pub fn counted(count: Count, one: &str) -> String {
    let more = if count.is_least { "+" } else { "" };
    let plural = if count.number == 1 && !count.is_least { "" } else { "s" };
    format!("{}{more} {one}{plural}", count.number)
}

fn number(number: usize, one: &str) -> String {
    counted(Count { number, is_least: false }, one)
}

/// How full some subnets are, and the same in words; none where there is none.
pub fn fullness<'a>(subnets: &(impl Iterator<Item = &'a Filled> + Clone)) -> Option<(u64, String)> {
    subnets.clone().next()?;
    let sum = |value: fn(&Filled) -> u128| subnets.clone().map(value).fold(0_u128, u128::saturating_add);
    let (taken, usable) = (sum(|subnet| subnet.taken), sum(|subnet| subnet.usable));
    let filled = taken.saturating_mul(1000).checked_div(usable).unwrap_or(1000).min(1000);
    let filled = u64::try_from(filled).unwrap_or(1000);
    // What is there is to be seen.
    let filled = if taken > 0 { filled.max(10) } else { 0 };
    let text = match (taken, usable) {
        (1, MANY..) => "1 address taken".to_owned(),
        (_, MANY..) => format!("{taken} addresses taken"),
        _ => format!("{taken} of {usable} addresses taken"),
    };
    Some((filled, text))
}

/// The name of the project of a network, and what else it is below.
pub fn place_of(network: &Network<'_>) -> String {
    let name = network.object.fq_name.elements();
    let project = name.len().checked_sub(2).and_then(|index| name.get(index)).copied();
    link::shortened(project.unwrap_or_default())
}

/// Each network as a box.
pub fn of_networks(sight: &Sight<'_>, found: &Found<'_>, here: &Here<'_>, tells_project: bool) -> Scene {
    let mut scene = Scene::default();
    let mut is_connected = vec![false; found.networks.len()];
    let ends = found.between.keys().flat_map(|(one, other)| [*one, *other]);
    for index in ends.chain(found.hubs.values().flat_map(|hub| hub.spokes.keys().copied())) {
        if let Some(connected) = is_connected.get_mut(index) {
            *connected = true;
        }
    }
    for (network, is_connected) in found.networks.iter().zip(is_connected) {
        scene.cards.push(network_card(sight, network, here, is_connected, tells_project));
    }
    for ((one, other), between) in &found.between {
        scene.lines.extend(line(found, *one, *other, between));
    }
    for hub in found.hubs.values() {
        let index = scene.cards.len();
        scene.cards.push(hub_card(sight, hub));
        for (network, is_gateway) in &hub.spokes {
            let name = found.networks.get(*network).map(|network| network.object.fq_name.name()).unwrap_or_default();
            let (label, class) = match (is_gateway, hub.rules.is_empty()) {
                (true, _) => ("gateway", "line router"),
                (false, true) => ("", "line router"),
                (false, false) => ("", "line policy"),
            };
            let title = link::shortened(&format!("{} · {name} {label}", hub.object.fq_name.name()));
            let (from, to) = if *is_gateway { (*network, index) } else { (index, *network) };
            scene.lines.push(Line { from, to, class, label: label.to_owned(), title, is_arrow: false });
        }
    }
    scene
}

fn network_card(
    sight: &Sight<'_>,
    network: &Network<'_>,
    here: &Here<'_>,
    is_connected: bool,
    tells_project: bool,
) -> Card {
    let uuid = network.object.uuid;
    let mut texts = Vec::new();
    let project = place_of(network);
    if tells_project || network.is_outside {
        texts.push(format!("of {project}").into());
    }
    let more = network.subnets.len().saturating_sub(1) + network.more_subnets;
    texts.push(match network.subnets.first() {
        Some(first) if more > 0 => format!("{} and {more} more", first.name).into(),
        Some(first) => first.name.clone().into(),
        None => "no subnet".to_owned().into(),
    });
    let is_open = here.is_open(uuid) && network.ports.number > 0;
    let switch = (network.ports.number > 0).then(|| if is_open { here.closed() } else { here.opened(uuid) });
    texts.push(Text { text: counted(network.ports, "port"), switch });
    let mut facts = Vec::new();
    if network.is_external {
        facts.push("external".to_owned());
    } else if network.is_shared {
        facts.push("shared".to_owned());
    }
    if !network.has_policy && !network.is_external {
        facts.push("no policy".to_owned());
    }
    if network.floating_ips.number > 0 {
        facts.push(counted(network.floating_ips, "floating ip"));
    }
    if network.count_of_routes > 0 {
        facts.push(number(network.count_of_routes, "static route"));
    }
    if !facts.is_empty() {
        texts.push(facts.join(" · ").into());
    }
    Card {
        shape: Shape::Card,
        class: if here.is_around(uuid) {
            "card here"
        } else {
            match (network.is_external, network.is_outside, is_connected) {
                (true, ..) => "card external",
                (_, true, _) => "card outside",
                (_, _, false) => "card alone",
                _ => "card",
            }
        },
        uuid,
        title: link::shortened(network.object.fq_name.name()),
        href: here.around(uuid),
        texts,
        bar: fullness(&network.subnets.iter()),
        ports: is_open.then(|| ports_in_box(sight, uuid)),
        words: super::list::words(network),
    }
}

fn hub_card(sight: &Sight<'_>, hub: &Hub<'_>) -> Card {
    let kind = sight.type_of(hub.object);
    let name = link::shortened(hub.object.fq_name.name());
    let what = if hub.rules.is_empty() { "router".to_owned() } else { format!("policy, {}", rules_in_short(hub)) };
    Card {
        shape: Shape::Pill,
        class: if hub.rules.is_empty() { "pill router" } else { "pill policy" },
        uuid: hub.object.uuid,
        words: format!("{name} {}", hub.object.uuid),
        title: name,
        href: link::object_path(kind, hub.object.uuid),
        texts: vec![what.into()],
        bar: None,
        ports: None,
    }
}

fn ports_in_box(sight: &Sight<'_>, network: Uuid) -> Ports {
    let found = ports::of(sight, network, MOST_PORTS);
    let shown = found.shown.into_iter().map(|port| {
        let mut addresses = ports::addresses(sight, port, type_name::INSTANCE_IP, field_name::INSTANCE_IP_ADDRESS);
        let more = addresses.len().saturating_sub(1);
        let first = if addresses.is_empty() { "no address".to_owned() } else { addresses.swap_remove(0).1 };
        Port {
            name: link::shortened(port.fq_name.name()),
            href: link::object_path(sight.type_of(port), port.uuid),
            address: if more > 0 { format!("{first} +{more}") } else { first },
        }
    });
    Ports { shown: shown.collect(), is_cut: found.is_cut }
}

fn rules_in_short(hub: &Hub<'_>) -> String {
    in_short(&hub.rules.iter().map(|rule| rule.what.as_str()).collect())
}

fn in_short(all: &IndexSet<&str>) -> String {
    let shown: Vec<&str> = all.iter().copied().take(MOST_RULES).collect();
    let more = all.len().saturating_sub(MOST_RULES);
    if more > 0 { format!("{} +{more}", shown.join(", ")) } else { shown.join(", ") }
}

/// The line between two networks; none where nothing is to be said.
fn line(found: &Found<'_>, one: usize, other: usize, between: &Between<'_>) -> Option<Line> {
    let name =
        |index: usize| found.networks.get(index).map(|network| network.object.fq_name.name()).unwrap_or_default();
    let rules = || between.policies.iter().flat_map(|agreed| agreed.rules.iter());
    let passes = || rules().filter(|(_, rule)| !rule.is_refusal);
    let forward = passes().any(|(from, rule)| rule.is_both_ways || *from == one);
    let backward = passes().any(|(from, rule)| rule.is_both_ways || *from == other);
    let is_whole = between.policies.iter().any(|agreed| agreed.is_attached == [true, true]);
    let floating: usize = between.floating_ips.iter().sum();
    let class = match (rules().next().is_some(), passes().next().is_some(), is_whole) {
        (false, ..) => "line floating",
        (true, false, _) => "line refused",
        (true, true, false) => "line half",
        (true, true, true) => "line policy",
    };
    let mut label = vec![in_short(&rules().map(|(_, rule)| rule.what.as_str()).collect())];
    if floating > 0 {
        label.push(number(floating, "floating ip"));
    }
    label.retain(|text| !text.is_empty());
    if label.is_empty() {
        return None;
    }
    // From where it is told: the first rule, or the network that floating ips are of.
    let is_back = match rules().next() {
        Some((from, _)) if forward == backward => *from == other,
        Some(_) => backward,
        None => {
            let [first, second] = between.floating_ips;
            second > first
        }
    };
    let (from, to) = if is_back { (other, one) } else { (one, other) };
    Some(Line {
        from,
        to,
        class,
        title: link::shortened(&format!("{} · {}: {}", name(from), name(to), label.join(", "))),
        label: label.join(", "),
        is_arrow: forward != backward,
    })
}

/// Networks that are shown as one box.
struct Group<'a, 'g> {
    networks: Vec<&'a Network<'g>>,
}

impl Group<'_, '_> {
    fn card(&self, uuid: Uuid, title: String, href: String) -> Card {
        let ports = self.networks.iter().map(|network| network.ports).fold(Count::default(), Count::and);
        let words: Vec<String> = self.networks.iter().map(|network| super::list::words(network)).collect();
        Card {
            shape: Shape::Card,
            class: "card folded",
            uuid,
            href,
            texts: vec![number(self.networks.len(), "network").into(), counted(ports, "port").into()],
            // Of many the number is long.
            bar: fullness(&self.networks.iter().flat_map(|network| network.subnets.iter()))
                .map(|(filled, text)| (filled, text.replace(" addresses", ""))),
            ports: None,
            words: format!("{title} {uuid} {}", words.join(" ")),
            title,
        }
    }
}

/// All that are connected, by whatever it is, as a box; and all that are connected with nothing as another one.
pub fn of_connected(found: &Found<'_>, here: &Here<'_>) -> Scene {
    let (mut connected, alone): (Vec<_>, Vec<_>) =
        groups::of(found).into_iter().partition(|group| group.members.len() > 1);
    connected.sort_by_key(|group| Reverse(group.members.len()));
    let group =
        |members: &[usize]| Group { networks: members.iter().filter_map(|index| found.networks.get(*index)).collect() };
    let mut scene = Scene::default();
    for Connected { middle, members } in connected {
        let Some(network) = found.networks.get(middle).map(|network| network.object) else { continue };
        let title = format!("{} + {}", link::shortened(network.fq_name.name()), members.len() - 1);
        scene.cards.push(group(&members).card(network.uuid, title, here.connected_with(&network.uuid.to_string())));
    }
    let alone: Vec<usize> = alone.into_iter().flat_map(|group| group.members).collect();
    if !alone.is_empty() {
        let title = "Connected with nothing".to_owned();
        scene.cards.push(group(&alone).card(Uuid::nil(), title, here.connected_with(groups::NOTHING)));
    }
    scene
}

/// Each project as a box.
pub fn of_projects(found: &Found<'_>) -> Scene {
    let mut groups: IndexMap<Option<Uuid>, Vec<&Network<'_>>, FxBuildHasher> = IndexMap::default();
    let mut place = Vec::with_capacity(found.networks.len());
    for network in &found.networks {
        let entry = groups.entry(network.object.parent);
        place.push(entry.index());
        entry.or_default().push(network);
    }
    let mut scene = Scene::default();
    for (parent, networks) in &groups {
        let title = networks.first().map(|network| place_of(network)).unwrap_or_default();
        let uuid = parent.unwrap_or_default();
        scene.cards.push(Group { networks: networks.clone() }.card(uuid, title, super::project_path(uuid)));
    }
    let mut lines: IndexMap<(usize, usize), [usize; 3], FxBuildHasher> = IndexMap::default();
    let mut add = |one: usize, other: usize, what: [usize; 3]| {
        if let Some((one, other)) = place.get(one).zip(place.get(other)).filter(|(one, other)| one != other) {
            let sum = lines.entry((*one.min(other), *one.max(other))).or_default();
            sum.iter_mut().zip(what).for_each(|(sum, more)| *sum += more);
        }
    };
    for ((one, other), between) in &found.between {
        add(*one, *other, [usize::from(!between.policies.is_empty()), between.floating_ips.iter().sum(), 0]);
    }
    for hub in found.hubs.values() {
        let mut spokes = hub.spokes.keys().copied();
        if let Some(first) = spokes.next() {
            spokes.for_each(|other| add(first, other, [0, 0, 1]));
        }
    }
    for ((one, other), [policies, floating, hubs]) in lines {
        let told = [
            (policies, "connection by policy", "connections by policy"),
            (floating, "floating ip", "floating ips"),
            (hubs, "network in common", "networks in common"),
        ];
        let told = told.into_iter().filter(|(count, ..)| *count > 0);
        let told = told.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }));
        let title = told.collect::<Vec<_>>().join(", ");
        let class = if policies > 0 {
            "line policy"
        } else if floating > 0 {
            "line floating"
        } else {
            "line router"
        };
        scene.lines.push(Line { from: one, to: other, class, label: title.clone(), title, is_arrow: false });
    }
    scene
}
