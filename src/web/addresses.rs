//! `/ui/addresses`: the subnets of networks and flat ipams, and how full they are; and those of one, address by address.

use super::{form, layout::Layout, link, object, table::Table, value};
use crate::{
    access::Identity,
    api::{Answer, Answered, ApiError, pages::Asked},
    graph::{Graph, Holder, Object, after},
    ipam::{Subnet, Usage, parse_address},
    model::{ObjectType, type_name},
    pace::Pace,
};
use maud::{Markup, html};
use std::{net::IpAddr, sync::Arc};
use uuid::Uuid;

/// What has subnets, and what it is called in the list.
const SCOPES: [(&str, &str); 2] = [(type_name::VIRTUAL_NETWORK, "Networks"), (type_name::NETWORK_IPAM, "Flat ipams")];
/// How many of these a page has, and how many are looked at for it: most may be without subnets.
const PAGE: usize = 50;
const LOOKED_AT: usize = 5000;
/// How many subnets of one are shown there.
const MOST_SUBNETS: usize = 5;
/// How many subnets are shown address by address on one page; of more, there is a list.
const MOST_PICTURES: usize = 4;
/// How many that list has.
const LISTED: usize = 100;
/// So many used addresses are told at once, beside the picture.
const FEW_USED: usize = 64;
/// How many cells a picture has: addresses, or ranges of them.
const CELLS: u128 = 256;
/// How many addresses a list of what is used has.
const USED: usize = 256;

/// Whether objects of a type have addresses of their own.
pub fn are_of(kind: &ObjectType) -> bool {
    SCOPES.iter().any(|(name, _)| *name == kind.name)
}

fn path_of(kind: &ObjectType, uuid: Uuid, arguments: &[(&str, &str)]) -> String {
    link::with_arguments(&format!("/ui/addresses/{}/{uuid}", link::segment(&kind.name)), arguments)
}

/// `GET /ui/addresses?of=&from=&after=`
///
/// # Errors
/// 404 for what has no subnets, 503 while the database is away.
pub async fn page(asked: Asked<'_>) -> Answered<Answer> {
    let snapshot = asked.snapshot().await?;
    let graph = &snapshot.graph;
    let of = asked.argument("of").unwrap_or(type_name::VIRTUAL_NETWORK);
    let kind = graph.model().find(of).map(|id| graph.model().object_type(id)).filter(|kind| are_of(kind));
    let kind = kind.ok_or_else(|| ApiError::not_found("of: virtual-network or network-ipam is expected"))?;
    let mut table = Table::new("Networks with their subnets", ["Name", "In", "Subnets"]);
    let (mut count, mut looked_at, mut last, mut goes_on) = (0, 0, None, false);
    let (from, done) = (asked.argument("from"), asked.argument("after"));
    let start = match (done, from) {
        (Some(name), _) => after(Some(&Arc::from(name))),
        (None, Some(name)) => std::ops::Bound::Included(Arc::from(name)),
        (None, None) => std::ops::Bound::Unbounded,
    };
    let mut pace = Pace::new();
    if asked.may_read_type(graph, kind.id) {
        for scope in asked.call.identity.readable(graph, kind.id, &start) {
            pace.step().await;
            if count >= PAGE || looked_at >= LOOKED_AT {
                goes_on = true;
                break;
            }
            looked_at += 1;
            last = Some(Arc::clone(scope.fq_name.joined()));
            count += usize::from(row_of(graph, kind, scope, &mut table));
        }
    }
    let query = |of: &str, after: &str| {
        link::with_arguments(
            "/ui/addresses",
            &[("of", of), ("from", if after.is_empty() { from.unwrap_or_default() } else { "" }), ("after", after)],
        )
    };
    Ok(Layout::new(&asked, "Addresses").at("/ui/addresses").show(&html! {
        h1 { "Addresses" }
        nav .tabs aria-label="Of what" {
            @for (name, title) in SCOPES {
                a href=(link::with_arguments("/ui/addresses", &[("of", name)])) aria-current=[(name == kind.name).then_some("page")] { (title) }
            }
        }
        details .filters open[from.is_some()] {
            summary { "Filter" }
            form method="get" action="/ui/addresses" {
                input type="hidden" name="of" value=(kind.name);
                (form::text_field("from", "From the name", "text", from.unwrap_or_default(), "default-domain:shop"))
                button type="submit" { "Show" }
            }
        }
        @if count == 0 { p .note { "There is none with subnets of its own " @if goes_on { "here." } @else { "that you may see." } } } @else { (table.show("subnets")) }
        nav .pages aria-label="Pages of the list" {
            @if done.is_some() { a href=(query(&kind.name, "")) { "First page" } }
            @if let Some(last) = last.filter(|_| goes_on) { a rel="next" href=(query(&kind.name, &last)) { "Next page" } }
        }
    }))
}

/// Adds a network or ipam with its first subnets; false without any.
fn row_of(graph: &Graph, kind: &ObjectType, scope: &Object, table: &mut Table<'_>) -> bool {
    let name = scope.fq_name.elements();
    let place = name.split_last().map(|(_, place)| place.join(" › ")).unwrap_or_default();
    let count = graph.pools().count_of_subnets(scope.uuid);
    if count == 0 {
        return false;
    }
    table.row(vec![
        link::object(&kind.name, scope.uuid, &name),
        html! { span .place { (link::shortened(&place)) } },
        html! {
            ul .values {
                @for subnet in graph.pools().subnets(scope.uuid).take(MOST_SUBNETS) {
                    li .subnet-line {
                        a href=(path_of(kind, scope.uuid, &[("subnet", &subnet.name())])) { (subnet.name()) }
                        (fullness(subnet.usage()))
                    }
                }
                @if count > MOST_SUBNETS { li { a href=(path_of(kind, scope.uuid, &[])) { (count - MOST_SUBNETS) " more subnets" } } }
            }
        },
    ]);
    true
}

/// A number that may be one of IPv6.
fn number(count: u128) -> String {
    if count <= u128::from(u32::MAX) {
        return count.to_string();
    }
    format!("about 2^{}", count.checked_next_power_of_two().map_or(128, u128::ilog2))
}

/// How full a subnet is, as a bar and in words.
fn fullness(usage: Usage) -> Markup {
    let Usage { all, reserved, used } = usage;
    let usable = all.saturating_sub(reserved);
    let part = |count: u128| count.saturating_mul(1000).checked_div(all).unwrap_or(0);
    // What is there is seen, however little it is.
    let width = |count: u128| if count == 0 { 0 } else { part(count).max(8) };
    let percent = match (used.saturating_mul(100)).checked_div(usable) {
        Some(0) => "under 1 %".to_owned(),
        Some(percent) => format!("{percent} %"),
        None => "all".to_owned(),
    };
    html! {
        div .fullness {
            svg .bar viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
                rect .free-part width="1000" height="10" {}
                rect .reserved-part width=(width(reserved)) height="10" {}
                rect .used-part x=(width(reserved)) width=(width(used)) height="10" {}
            }
            span { (number(used)) " of " (number(usable)) " used" @if used > 0 { " " small { "(" (percent) ")" } } }
        }
    }
}

/// `GET /ui/addresses/{type}/{uuid}?subnet=&from=&size=&skip=`
///
/// # Errors
/// 403 and 404 as for the object of the interface; 404 for what has no addresses, or not this subnet.
pub async fn of_one(asked: Asked<'_>) -> Answered<Answer> {
    let kind = object::kind_of(&asked)?;
    let uuid = Uuid::try_parse(asked.part(1)).map_err(|_| ApiError::not_found("This is no uuid."))?;
    if !are_of(kind) {
        return Err(ApiError::not_found("Only networks and ipams have addresses."));
    }
    // Who may not see it by the interface does not here either.
    asked.get(&format!("/{}/{uuid}?fields=display_name&exclude_hrefs=true", kind.name)).await?;
    let snapshot = asked.snapshot().await?;
    let graph = &snapshot.graph;
    let scope = graph.get_of_type(kind.id, uuid).ok_or_else(|| ApiError::not_found("It has just been deleted."))?;
    let view = View { graph, identity: &asked.call.identity, kind, scope };
    let subnets: Vec<&Subnet> = graph.pools().subnets(uuid).collect();
    let wanted = asked.argument("subnet");
    let shown: Vec<&Subnet> = match wanted {
        Some(wanted) => subnets.iter().copied().filter(|subnet| subnet.name() == wanted).collect(),
        None if subnets.len() <= MOST_PICTURES => subnets.clone(),
        None => Vec::new(),
    };
    if wanted.is_some() && shown.is_empty() {
        return Err(ApiError::not_found("There is no such subnet here."));
    }
    let (mut pictures, mut has_cells) = (Vec::new(), false);
    for subnet in &shown {
        let range = wanted
            .filter(|_| subnet.is_v4())
            .and_then(|_| Range::asked_for(&asked, subnet))
            .unwrap_or_else(|| Range::all(subnet));
        has_cells |= subnet.is_v4() && range.step() == 1;
        pictures.push(view.subnet(&asked, subnet, range).await);
    }
    let skip = asked.argument("skip").and_then(|skip| skip.parse::<usize>().ok()).unwrap_or_default();
    let name = scope.fq_name.name();
    let title = format!("Addresses of {}", link::shortened(name));
    Ok(Layout::new(&asked, &title).at("/ui/addresses").show(&html! {
        nav .crumbs aria-label="Where this is" {
            a href=(link::with_arguments("/ui/addresses", &[("of", &kind.name)])) { "Addresses" } " › "
            a href=(link::object_path(&kind.name, uuid)) { (link::shortened(name)) }
            @if wanted.is_some() && subnets.len() > 1 { " › " a href=(path_of(kind, uuid, &[])) { "all " (subnets.len()) " subnets" } }
        }
        h1 { (title) }
        (view.elsewhere(&asked))
        @if shown.is_empty() && !subnets.is_empty() { (view.list(&subnets, skip)) }
        @if has_cells { (legend()) }
        @for picture in &pictures { (picture) }
    }))
}

fn legend() -> Markup {
    html! {
        ul .legend {
            @for (class, words) in [("used", "used: leads to its owner"), ("reserved", "reserved, or not yours to see"), ("free", "free"), ("outside", "outside of the pools")] {
                li { span .cell .(class) aria-hidden="true" {} " " (words) }
            }
        }
    }
}

/// Some units of a subnet, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    first: u128,
    last: u128,
}

impl Range {
    fn all(subnet: &Subnet) -> Self {
        let (first, last) = subnet.units();
        Self { first, last }
    }

    /// A part of a larger one.
    fn asked_for(asked: &Asked<'_>, subnet: &Subnet) -> Option<Self> {
        let from = parse_address(asked.argument("from")?).filter(|from| subnet.contains(*from))?;
        let all = Self::all(subnet);
        let size = asked.argument("size").and_then(|size| size.parse::<u128>().ok());
        Some(all.part(subnet.unit_number(from), size.unwrap_or(CELLS)))
    }

    /// So many units that begin there, as far as there are some.
    fn part(self, first: u128, size: u128) -> Self {
        let first = first.clamp(self.first, self.last);
        Self { first, last: first.saturating_add(size.max(1) - 1).min(self.last) }
    }

    /// How many units a cell stands for: a power of two.
    fn step(self) -> u128 {
        let count = (self.last - self.first).saturating_add(1);
        count.div_ceil(CELLS).checked_next_power_of_two().unwrap_or(1)
    }
}

/// What an address is, for who looks.
struct Cell {
    address: IpAddr,
    class: &'static str,
    words: String,
    href: Option<String>,
}

/// An address that somebody has.
struct Used<'g> {
    address: IpAddr,
    /// What it is the address of: a port, if there is one that may be seen, otherwise what holds it.
    owner: &'g Arc<Object>,
    holder: &'g Arc<Object>,
}

/// The addresses of a network or ipam, as somebody sees them.
struct View<'a> {
    graph: &'a Graph,
    identity: &'a Identity,
    kind: &'a ObjectType,
    scope: &'a Arc<Object>,
}

impl<'a> View<'a> {
    /// Where else there are addresses that are meant.
    fn elsewhere(&self, asked: &Asked<'_>) -> Markup {
        let pools = self.graph.pools();
        let ipams = self.scope.links.iter().filter_map(|link| self.graph.get(link.target)).filter(|target| {
            let kind = self.graph.model().object_type(target.type_id);
            kind.name == type_name::NETWORK_IPAM
                && pools.count_of_subnets(target.uuid) > 0
                && self.identity.may_read(target)
        });
        let ipams: Vec<_> = ipams.take(LISTED).collect();
        let has_own = pools.count_of_subnets(self.scope.uuid) > 0;
        let networks = self.graph.model().find(type_name::VIRTUAL_NETWORK);
        let networks = networks.filter(|id| self.kind.id != *id && asked.may_read_type(self.graph, *id));
        let mut table = Table::new("Networks with their subnets", ["Name", "In", "Subnets"]);
        if let Some(id) = networks {
            let users =
                self.graph.referrers(self.scope.uuid, id).take(LOOKED_AT).filter(|user| self.identity.may_read(user));
            for user in users.filter(|user| pools.count_of_subnets(user.uuid) > 0).take(LISTED) {
                row_of(self.graph, self.graph.model().object_type(id), user, &mut table);
            }
        }
        html! {
            @for ipam in ipams {
                @let kind = self.graph.model().object_type(ipam.type_id);
                p { "Addresses of the flat ipam " a href=(path_of(kind, ipam.uuid, &[])) { (link::shortened(ipam.fq_name.name())) } " are for this network, too." }
            }
            @if !has_own { p .note { "It has no subnets of its own." } }
            @if !table.is_empty() { h2 { "Networks with this ipam" } (table.show("networks")) }
        }
    }

    /// Many subnets.
    fn list(&self, subnets: &[&Subnet], skip: usize) -> Markup {
        let mut table = Table::new("Subnets", ["Subnet", "How full", "Gateway"]);
        for subnet in subnets.iter().skip(skip).take(LISTED) {
            let gateway = subnet.gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
            table.row(vec![
                html! { a href=(path_of(self.kind, self.scope.uuid, &[("subnet", &subnet.name())])) { (subnet.name()) } },
                fullness(subnet.usage()),
                html! { (gateway) },
            ]);
        }
        let next = skip.saturating_add(LISTED);
        html! {
            p { (subnets.len()) " subnets" }
            (table.show("subnets"))
            nav .pages aria-label="Pages of the list" {
                @if skip > 0 { a href=(path_of(self.kind, self.scope.uuid, &[])) { "First page" } }
                @if next < subnets.len() { a rel="next" href=(path_of(self.kind, self.scope.uuid, &[("skip", &next.to_string())])) { "Next page" } }
            }
        }
    }

    fn path(&self, subnet: &Subnet, from: IpAddr, size: u128) -> String {
        let (from, size) = (from.to_string(), size.to_string());
        path_of(self.kind, self.scope.uuid, &[("subnet", &subnet.name()), ("from", &from), ("size", &size)])
    }

    /// One subnet: what is to be known of it, and its addresses.
    async fn subnet(&self, asked: &Asked<'_>, subnet: &Subnet, range: Range) -> Markup {
        let all = Range::all(subnet);
        let step = range.step();
        let is_whole = range == all;
        let picture = match subnet.is_v4() {
            false => None,
            true if step > 1 => Some(self.ranges(subnet, range, step).await),
            true => Some(self.cells(subnet, range)),
        };
        let shows_addresses = step == 1 || !subnet.is_v4();
        let (first, last) = (subnet.address_of_unit(range.first), subnet.address_of_unit(range.last));
        let used = if shows_addresses { self.used(asked, subnet, (first, last)).await } else { (Vec::new(), None) };
        let facts = [("Gateway", subnet.gateway), ("DNS and DHCP", subnet.service)];
        let id = subnet.name();
        html! {
            section .subnet aria-label=(id) {
                h2 { (id) @if !is_whole { " " small { "from " (first) " to " (subnet.unit_of(last).1) } } }
                (fullness(subnet.usage()))
                p .facts {
                    @for (name, address) in facts { @if let Some(address) = address { span { (name) " " (address) } } }
                    @if subnet.unit > 1 { span { "handed out in blocks of " (subnet.unit) } }
                    @if !is_whole { a href=(path_of(self.kind, self.scope.uuid, &[("subnet", &id)])) { "The whole subnet" } }
                }
                div .beside {
                    @if let Some(picture) = picture { div { (picture) } }
                    @if shows_addresses { div { (self.used_list(subnet, &used.0, used.1)) } }
                }
            }
        }
    }

    /// A picture of each address. The list below it says the same to who can't see it, or goes through it with the keyboard.
    fn cells(&self, subnet: &Subnet, range: Range) -> Markup {
        html! {
            div .cells aria-hidden="true" {
                @for unit in range.first..=range.last {
                    @let cell = self.cell(subnet, unit);
                    @let label = last_part(cell.address);
                    @match &cell.href {
                        Some(href) => a .cell .(cell.class) href=(href) title=(cell.words) tabindex="-1" { (label) },
                        None => span .cell .(cell.class) title=(cell.words) { (label) },
                    }
                }
            }
        }
    }

    fn cell(&self, subnet: &Subnet, unit: u128) -> Cell {
        let address = subnet.address_of_unit(unit);
        let cell = |class, words: String| Cell { address, class, words: format!("{address}: {words}"), href: None };
        match self.graph.pools().holder(self.scope.uuid, address) {
            Some(Holder::Object(uuid)) => match self.used_by(address, uuid) {
                Some(used) => {
                    let kind = self.graph.model().object_type(used.owner.type_id);
                    let href = link::object_path(&kind.name, used.owner.uuid);
                    let words = format!("{} {}", value::words(&kind.name), link::shortened(used.owner.fq_name.name()));
                    Cell { href: Some(href), ..cell("used", words) }
                }
                None => cell("reserved", "not free".to_owned()),
            },
            Some(Holder::Reservation) => cell("reserved", "not free".to_owned()),
            None => match subnet.reserved(address) {
                Some(reserved) => cell("reserved", reserved.in_words().to_owned()),
                None if subnet.is_free_in_pools(address) => cell("free", "free".to_owned()),
                None => cell("outside", "outside of the pools".to_owned()),
            },
        }
    }

    /// A picture of ranges, each as full as it is.
    async fn ranges(&self, subnet: &Subnet, range: Range, step: u128) -> Markup {
        let count = (range.last - range.first) / step + 1;
        let mut used = vec![0_u128; usize::try_from(count).unwrap_or_default()];
        let bounds = (subnet.address_of_unit(range.first), subnet.unit_of(subnet.address_of_unit(range.last)).1);
        let mut pace = Pace::new();
        for (address, _) in self.graph.pools().held(self.scope.uuid, bounds.0, bounds.1) {
            pace.step().await;
            let index = subnet.unit_number(address).saturating_sub(range.first) / step;
            if let Some(count) = usize::try_from(index).ok().and_then(|index| used.get_mut(index)) {
                *count += 1;
            }
        }
        html! {
            p { "Each field is a range of " (step) ", as full as its bar; it leads to its addresses." }
            ul .ranges {
                @for (index, used) in (0..count).zip(&used) {
                    @let address = subnet.address_of_unit(range.first + index * step);
                    @let full = if *used == 0 { 0 } else { (used.saturating_mul(100) / step).max(3) };
                    li {
                        a href=(self.path(subnet, address, step)) title={ (used) " of " (step) " used" } {
                            (address)
                            span .unseen { ": " (used) " used" }
                            svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
                                rect .free-part width="100" height="6" {}
                                rect .used-part width=(full) height="6" {}
                            }
                        }
                    }
                }
            }
        }
    }

    fn used_by(&self, address: IpAddr, uuid: Uuid) -> Option<Used<'a>> {
        let holder = self.graph.get(uuid).filter(|holder| self.identity.may_read(holder))?;
        let port = self.graph.model().find(type_name::VIRTUAL_MACHINE_INTERFACE);
        let targets = holder.links.iter().filter_map(|link| self.graph.get(link.target));
        let owner = targets.filter(|target| Some(target.type_id) == port).find(|target| self.identity.may_read(target));
        Some(Used { address, owner: owner.unwrap_or(holder), holder })
    }

    /// What is used within bounds, as far as it may be seen, and where the rest begins.
    async fn used(
        &self,
        asked: &Asked<'_>,
        subnet: &Subnet,
        bounds: (IpAddr, IpAddr),
    ) -> (Vec<Used<'a>>, Option<IpAddr>) {
        let mut used = Vec::new();
        let mut pace = Pace::new();
        let start =
            asked.argument("from").and_then(parse_address).filter(|from| !subnet.is_v4() && subnet.contains(*from));
        for (address, holder) in
            self.graph.pools().held(self.scope.uuid, start.unwrap_or(bounds.0), subnet.unit_of(bounds.1).1)
        {
            pace.step().await;
            let Some(found) = holder.object().and_then(|uuid| self.used_by(address, uuid)) else { continue };
            if used.len() >= USED {
                return (used, Some(address));
            }
            used.push(found);
        }
        (used, None)
    }

    fn used_list(&self, subnet: &Subnet, used: &[Used<'_>], next: Option<IpAddr>) -> Markup {
        let mut table = Table::new("What is used", ["Address", "Owner", "By"]);
        for used in used {
            let [owner, holder] =
                [used.owner, used.holder].map(|object| self.graph.model().object_type(object.type_id));
            table.row(vec![
                html! { (used.address) },
                html! { (link::object(&owner.name, used.owner.uuid, &used.owner.fq_name.elements())) " " small { (value::words(&owner.name)) } },
                link::object(&holder.name, used.holder.uuid, &used.holder.fq_name.elements()),
            ]);
        }
        let id = format!("used-{}", subnet.name().replace(['/', '.', ':'], "-"));
        html! {
            @if used.is_empty() {
                p .none { "No address of it is used, as far as you may see." }
            } @else {
                details open[!subnet.is_v4() || used.len() <= FEW_USED] { summary { "What is used, as a list" } (table.show(&id)) }
                @if let Some(next) = next { p { a rel="next" href=(self.path(subnet, next, CELLS)) { "From " (next) " on" } } }
            }
        }
    }
}

/// The last number of an address of IPv4.
fn last_part(address: IpAddr) -> String {
    address.to_string().rsplit('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_for_powers_of_two() {
        for (last, step) in [(0, 1), (255, 1), (256, 2), (1023, 4), (65_535, 256), (u128::from(u32::MAX), 1 << 24)] {
            assert_eq!(Range { first: 0, last }.step(), step, "{last}");
        }
        let all = Range { first: 1000, last: 1999 };
        assert_eq!(all.part(1512, 256), Range { first: 1512, last: 1767 });
        assert_eq!(all.part(1900, 256), Range { first: 1900, last: 1999 });
        assert_eq!(all.part(0, 0), Range { first: 1000, last: 1000 });
        assert_eq!(all.part(5000, u128::MAX), Range { first: 1999, last: 1999 });
    }

    #[test]
    fn large_numbers_are_told_as_powers() {
        for (count, text) in [(0, "0"), (254, "254"), ((1 << 64) - 4, "about 2^64"), (u128::MAX, "about 2^128")] {
            assert_eq!(number(count), text);
        }
    }
}
