//! What fits what somebody has typed into the field for search: by address, MAC address, uuid, name and tag.

use crate::{
    api::pages::Asked,
    graph::{Graph, Holder, InnerKey, Object},
    ipam::{Subnet, parse_address},
    model::{TypeId, type_name},
    pace::Pace,
    replica::{Part, comparable},
};
use std::{collections::HashSet, net::IpAddr, ops::Bound, sync::Arc};
use uuid::Uuid;

/// Types that people look for before all others.
const FIRST: [&str; 11] = [
    type_name::VIRTUAL_NETWORK,
    type_name::VIRTUAL_MACHINE_INTERFACE,
    type_name::VIRTUAL_MACHINE,
    type_name::PROJECT,
    type_name::FLOATING_IP,
    type_name::INSTANCE_IP,
    type_name::LOGICAL_ROUTER,
    type_name::NETWORK_POLICY,
    type_name::SECURITY_GROUP,
    type_name::SERVICE_INSTANCE,
    type_name::TAG,
];
/// What has subnets.
const SCOPES: [&str; 2] = [type_name::VIRTUAL_NETWORK, type_name::NETWORK_IPAM];
/// What holds addresses.
const HOLDERS: [&str; 3] = [type_name::INSTANCE_IP, type_name::FLOATING_IP, type_name::ALIAS_IP];
/// So many digits are rather the beginning of a uuid than of a name; with fewer than the first number, they are none.
const FEWEST_DIGITS: usize = 4;
const RATHER_UUID: usize = 8;
/// How many names and links that turn out not to be shown are looked at.
const LOOKED_AT: usize = 20_000;

/// Something that fits.
pub struct Found {
    /// What it is.
    pub object: Arc<Object>,
    /// Why, if its name does not say so.
    pub why: String,
}

/// What fits, what is most likely meant first.
pub struct Search<'a> {
    asked: &'a Asked<'a>,
    graph: &'a Graph,
    /// Those that may be read, in the order in which they are told.
    types: Vec<TypeId>,
    most: usize,
    pub found: Vec<Found>,
    seen: HashSet<Uuid>,
    /// Whether there may be more.
    pub is_cut: bool,
}

/// A name that is looked for.
struct Wanted {
    /// All that was typed.
    text: String,
    /// What of it belongs to the object's own name.
    own: String,
}

impl Wanted {
    fn new(text: &str) -> Self {
        let text = comparable(text.trim_end_matches(':'));
        let own = text.rsplit(':').next().unwrap_or_default().to_owned();
        Self { text, own }
    }

    /// How well an object's name fits.
    fn fits(&self, object: &Object) -> Option<Part> {
        let own = comparable(object.fq_name.name());
        if self.own != self.text && own != self.text {
            let whole = comparable(object.fq_name.joined());
            return whole.contains(&self.text).then(|| if whole == self.text { Part::All } else { Part::Any });
        }
        match own.find(&self.text)? {
            0 if own.len() == self.text.len() => Some(Part::All),
            0 => Some(Part::Beginning),
            _ => Some(Part::Any),
        }
    }
}

impl<'a> Search<'a> {
    /// For this many, in this state of the configuration.
    pub fn new(asked: &'a Asked<'a>, graph: &'a Graph, most: usize) -> Self {
        let model = graph.model();
        let first = FIRST.iter().filter_map(|name| model.find(name));
        let rest = model.types().iter().filter(|kind| !FIRST.contains(&kind.name.as_str())).map(|kind| kind.id);
        let types = first.chain(rest).filter(|type_id| asked.may_read_type(graph, *type_id)).collect();
        Self { asked, graph, types, most, found: Vec::new(), seen: HashSet::new(), is_cut: false }
    }

    /// Looks for all that a text may mean.
    pub async fn run(&mut self, text: &str) {
        if let Some(address) = parse_address(text.split('/').next().unwrap_or_default()) {
            self.address(address).await;
        }
        if let Some(mac) = mac_address(text) {
            let ports: Vec<_> = self.graph.with_inner_key(InnerKey::MacAddress, &mac).cloned().collect();
            for port in ports {
                self.add(&port, || format!("has {mac}"));
            }
        }
        let digits = uuid_digits(text);
        if let Some(digits) = digits.as_ref().filter(|digits| digits.len() >= RATHER_UUID) {
            self.uuid(digits).await;
        }
        self.names(text).await;
        if let Some(digits) = digits.as_ref().filter(|digits| digits.len() < RATHER_UUID) {
            self.uuid(digits).await;
        }
        self.tagged(text);
    }

    fn is_full(&self) -> bool {
        self.is_cut
    }

    /// Adds an object once, if it may be seen and there is room.
    fn add(&mut self, object: &Arc<Object>, why: impl FnOnce() -> String) {
        let may = self.asked.call.identity.may_read(object) && self.types.contains(&object.type_id);
        if !may || self.seen.contains(&object.uuid) {
            return;
        }
        if self.found.len() >= self.most {
            self.is_cut = true;
            return;
        }
        self.seen.insert(object.uuid);
        self.found.push(Found { object: Arc::clone(object), why: why() });
    }

    fn readable(&self, name: &str) -> Box<dyn Iterator<Item = &'a Arc<Object>> + 'a> {
        let kind = self.graph.model().find(name).filter(|kind| self.types.contains(kind));
        match kind {
            Some(kind) => self.asked.call.identity.readable(self.graph, kind, &Bound::Unbounded),
            None => Box::new(std::iter::empty()),
        }
    }

    /// Who has an address, and the networks that it is of.
    async fn address(&mut self, address: IpAddr) {
        let mut pace = Pace::new();
        let (mut held, mut others) = (Vec::new(), Vec::new());
        for scope in SCOPES.iter().flat_map(|name| self.readable(name)) {
            pace.step().await;
            let Some(subnet) = self.graph.pools().subnet_of(scope.uuid, address) else { continue };
            match self.graph.pools().holder(scope.uuid, subnet.unit_of(address).0) {
                Some(holder) => held.push((scope, subnet, holder)),
                // One more tells that there are more.
                None if others.len() <= self.most => others.push((scope, subnet)),
                None => {}
            }
        }
        for (scope, _, holder) in &held {
            if let Some(object) = Holder::object(*holder).and_then(|uuid| self.graph.get(uuid)) {
                self.holder(object, address, Some(scope));
            }
        }
        // Of a network that may not be read one may have an address all the same.
        if !self.asked.call.identity.reads_everything() {
            let mut holders = Vec::new();
            for object in HOLDERS.iter().flat_map(|name| self.readable(name)) {
                pace.step().await;
                if object.hold.is_some_and(|hold| hold.address == address) {
                    holders.push(object);
                }
            }
            for holder in holders {
                self.holder(holder, address, None);
            }
        }
        for (scope, subnet, _) in held {
            self.add(scope, || format!("{address} is not free in its subnet {}", subnet.name()));
        }
        for (scope, subnet) in others {
            self.add(scope, || state_of(subnet, address));
        }
    }

    /// The ports that have an address by way of an object, and the object.
    fn holder(&mut self, object: &Arc<Object>, address: IpAddr, scope: Option<&Arc<Object>>) {
        if !self.asked.call.identity.may_read(object) {
            return;
        }
        let network = scope.filter(|scope| self.asked.call.identity.may_read(scope));
        let network = network.map(|scope| format!(" in {}", scope.fq_name.name())).unwrap_or_default();
        let port = self.graph.model().find(type_name::VIRTUAL_MACHINE_INTERFACE);
        for target in object.links.iter().filter_map(|link| self.graph.get(link.target)) {
            if Some(target.type_id) == port {
                self.add(target, || format!("has {address}{network}"));
            }
        }
        self.add(object, || format!("is {address}{network}"));
    }

    /// Objects whose uuids begin with these digits.
    async fn uuid(&mut self, digits: &str) {
        let [first, last] = ['0', 'f'].map(|fill| {
            let filled: String = digits.chars().chain(std::iter::repeat(fill)).take(32).collect();
            u128::from_str_radix(&filled, 16).unwrap_or_default()
        });
        let range = first..=last;
        let found: Vec<Uuid> = if digits.len() == 32 {
            vec![Uuid::from_u128(first)]
        } else if self.asked.call.identity.reads_everything() {
            let names = self.asked.app.replica.names(self.graph).await;
            let all = self.types.iter().flat_map(|type_id| names.with_uuids(*type_id, range.clone()));
            all.take(LOOKED_AT).collect()
        } else {
            let mut pace = Pace::new();
            let mut found = Vec::new();
            for type_id in &self.types {
                for object in self.asked.call.identity.readable(self.graph, *type_id, &Bound::Unbounded) {
                    pace.step().await;
                    if range.contains(&object.uuid.as_u128()) {
                        found.push(object.uuid);
                    }
                }
            }
            found
        };
        for object in found.into_iter().filter_map(|uuid| self.graph.get(uuid)) {
            self.add(object, || object.uuid.to_string());
        }
    }

    /// Objects with a text in their name. Who reads everything looks through the names of everything; all others through those that are
    /// theirs, so that nothing depends on what is not.
    async fn names(&mut self, text: &str) {
        let wanted = Wanted::new(text);
        if wanted.own.is_empty() || self.is_full() {
            return;
        }
        if self.asked.call.identity.reads_everything() {
            let names = self.asked.app.replica.names(self.graph).await;
            let parts = Part::ALL.into_iter();
            let places = parts.flat_map(|part| self.types.iter().map(move |type_id| (part, *type_id)));
            let places: Vec<_> = places.collect();
            let mut looked_at = 0;
            for (part, type_id) in places {
                for uuid in names.find(type_id, &wanted.own, part) {
                    looked_at += 1;
                    self.is_cut |= looked_at > LOOKED_AT;
                    if self.is_full() {
                        return;
                    }
                    if let Some(object) = self.graph.get(uuid).filter(|object| wanted.fits(object).is_some()) {
                        self.add(object, String::new);
                    }
                }
            }
            self.is_cut |= !names.is_whole();
            return;
        }
        let grantees = self.asked.call.identity.grantees();
        let mut pace = Pace::new();
        let mut fitting: [Vec<&Arc<Object>>; 3] = Default::default();
        for type_id in &self.types {
            for name in self.graph.names_of_granted(*type_id, &grantees, &Bound::Unbounded) {
                pace.step().await;
                if !comparable(name).contains(&wanted.text) {
                    continue;
                }
                let Some(object) = self.graph.find_joined(*type_id, name) else { continue };
                let Some(part) = wanted.fits(object) else { continue };
                let of_part = fitting.iter_mut().zip(Part::ALL).find(|(_, known)| *known == part);
                // One more tells that there are more.
                if let Some((of_part, _)) = of_part.filter(|(of_part, _)| of_part.len() <= self.most) {
                    of_part.push(object);
                }
            }
        }
        for object in fitting.into_iter().flatten() {
            self.add(object, String::new);
        }
    }

    /// What has a tag that is called so.
    fn tagged(&mut self, text: &str) {
        let tag = self.graph.model().find(type_name::TAG);
        let is_it =
            |found: &Found| Some(found.object.type_id) == tag && found.object.fq_name.name().eq_ignore_ascii_case(text);
        let tags: Vec<_> =
            self.found.iter().filter(|found| is_it(found)).map(|found| Arc::clone(&found.object)).collect();
        for tag in tags {
            for object in self.graph.all_referrers(tag.uuid).take(LOOKED_AT) {
                if self.is_full() {
                    return;
                }
                self.add(object, || format!("tagged {}", tag.fq_name.name()));
            }
        }
    }
}

/// What is to be said of an address of a subnet that nobody has.
fn state_of(subnet: &Subnet, address: IpAddr) -> String {
    let subnet_name = subnet.name();
    match subnet.reserved(address) {
        Some(reserved) => format!("{address} is {} of its subnet {subnet_name}", reserved.in_words()),
        None if subnet.is_free_in_pools(address) => format!("{address} is free in its subnet {subnet_name}"),
        None => format!("{address} is outside of the pools of its subnet {subnet_name}"),
    }
}

/// A MAC address as ports have it: two digits at a time, or four, or none of the separators.
fn mac_address(text: &str) -> Option<String> {
    let is_separator = |letter: char| matches!(letter, ':' | '-' | '.');
    let digits: String = text.chars().filter(|letter| !is_separator(*letter)).collect();
    let groups: Vec<usize> = text.split(is_separator).map(str::len).collect();
    let is_one = matches!(groups.as_slice(), [12] | [4, 4, 4] | [2, 2, 2, 2, 2, 2]);
    if !is_one || digits.len() != 12 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let digits = digits.to_ascii_lowercase();
    let pairs: Vec<&str> = (0..12).step_by(2).filter_map(|at| digits.get(at..at + 2)).collect();
    Some(pairs.join(":"))
}

/// The digits of the beginning of a uuid, with its dashes where they belong, or without.
fn uuid_digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    if !(FEWEST_DIGITS..=32).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let digits = digits.to_ascii_lowercase();
    let places = [8, 13, 18, 23];
    let dashes_belong = text.bytes().enumerate().all(|(place, byte)| (byte == b'-') == places.contains(&place));
    (digits.len() == text.len() || dashes_belong).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses_are_read_as_people_write_them() {
        for text in ["02:AB:cd:00:11:22", "02-ab-cd-00-11-22", "02ab.cd00.1122", "02abcd001122"] {
            assert_eq!(mac_address(text).as_deref(), Some("02:ab:cd:00:11:22"), "{text}");
        }
        for text in ["", "02:ab:cd:00:11", "02:ab:cd:00:11:2g", "2:ab:cd:00:11:022", "02abcd00112", "02ab:cd001122"] {
            assert_eq!(mac_address(text), None, "{text}");
        }
    }

    #[test]
    fn uuids_are_known_by_their_beginning() {
        for (text, digits) in [
            ("0123", Some("0123")),
            ("01234567-89AB", Some("0123456789ab")),
            ("0123456789ab", Some("0123456789ab")),
            ("01234567-", Some("01234567")),
            ("012", None),
            ("0123-4567", None),
            ("01234567-89abcdef0", None),
            ("wxyz", None),
        ] {
            assert_eq!(uuid_digits(text).as_deref(), digits, "{text}");
        }
    }

    #[test]
    fn names_fit_by_their_own_part_or_as_a_whole() {
        let object = |name: &[&str]| Object::new(Uuid::nil(), TypeId(0), crate::graph::FqName::new(name), 1);
        let net = object(&["default-domain", "Shop", "Web-Net"]);
        for (text, part) in [
            ("web-net", Some(Part::All)),
            ("WEB", Some(Part::Beginning)),
            ("net", Some(Part::Any)),
            ("shop", None),
            ("shop:web", Some(Part::Any)),
            ("shop:net", None),
            ("default-domain:shop:web-net", Some(Part::All)),
            ("web-net:", Some(Part::All)),
        ] {
            assert_eq!(Wanted::new(text).fits(&net), part, "{text}");
        }
        let target = object(&["target:64512:8000001"]);
        assert_eq!(Wanted::new("target:64512:8000001").fits(&target), Some(Part::All));
        assert_eq!(Wanted::new("target:64512:80").fits(&target), Some(Part::Any));
    }
}
