//! Subnets by the network or flat ipam that they belong to, and the addresses held in them.
//!
//! A held address *is* the object that records it (or a reservation): there is no second book to keep in step. Instance-ips that
//! hold none are found by what they say: several may have the address of a gateway.

use super::{Hold, Object};
use crate::{
    ipam::{self, Subnet},
    model::{Model, PropertyId, ReferenceId, TypeId, field_name, type_name},
};
use imbl::{GenericHashMap, OrdMap, OrdSet, Vector, shared_ptr::DefaultSharedPtr};
use rustc_hash::FxBuildHasher;
use serde_json::Value;
use std::{net::IpAddr, sync::Arc};
use uuid::Uuid;

/// Who holds an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// An instance-ip, floating-ip or alias-ip.
    Object(Uuid),
    /// Nobody: taken with `ip-alloc`.
    Reservation,
}

impl Holder {
    /// The object, if it is one.
    pub fn object(self) -> Option<Uuid> {
        match self {
            Self::Object(uuid) => Some(uuid),
            Self::Reservation => None,
        }
    }

    /// As findings name who holds an address, if somebody does.
    pub fn told(holder: Option<Self>) -> String {
        match holder {
            Some(Self::Object(uuid)) => uuid.to_string(),
            Some(Self::Reservation) => "a reservation".to_owned(),
            None => "nobody".to_owned(),
        }
    }
}

#[derive(Clone)]
struct Entry {
    /// What the subnet was read from, to see whether it changed.
    source: Arc<Value>,
    subnet: Subnet,
}

/// The subnets of one network or flat ipam. There may be ten thousand: an address taken copies only some of them, and
/// none is searched for.
#[derive(Clone)]
struct Scope {
    /// In the order in which addresses are sought.
    entries: Vector<Arc<Entry>>,
    places: Arc<PlacesInOrder>,
    /// What its subnets are called, and its handles of flat ipams, which are no subnets of its own.
    names: Arc<[Uuid]>,
}

/// Where in the order subnets stand.
struct PlacesInOrder {
    /// By the first address of the prefix. Prefixes do not overlap.
    by_address: Vec<(IpAddr, usize)>,
    /// By uuid, of those that have one.
    by_uuid: Vec<(Uuid, usize)>,
}

impl Scope {
    fn of(entries: Vector<Arc<Entry>>, names: Arc<[Uuid]>) -> Self {
        let subnets = || entries.iter().map(|entry| &entry.subnet).enumerate();
        let mut by_address: Vec<_> = subnets().map(|(place, subnet)| (subnet.prefix.network(), place)).collect();
        let mut by_uuid: Vec<_> = subnets().filter_map(|(place, subnet)| Some((subnet.subnet_uuid?, place))).collect();
        by_address.sort_unstable();
        by_uuid.sort_unstable();
        Self { entries, places: Arc::new(PlacesInOrder { by_address, by_uuid }), names }
    }

    /// The place of the subnet whose prefix the address is of.
    fn place_of(&self, address: IpAddr) -> Option<usize> {
        let after = self.places.by_address.partition_point(|(first, _)| *first <= address);
        let (_, place) = self.places.by_address.get(after.checked_sub(1)?)?;
        self.entries.get(*place).filter(|entry| entry.subnet.contains(address)).map(|_| *place)
    }

    fn entry_of(&self, address: IpAddr) -> Option<&Arc<Entry>> {
        self.entries.get(self.place_of(address)?)
    }
}

/// Where the model keeps subnets.
#[derive(Clone, Copy)]
struct Places {
    virtual_network: Option<TypeId>,
    ipam_reference: Option<ReferenceId>,
    network_ipam: Option<TypeId>,
    ipam_subnets: Option<PropertyId>,
    /// Instance-ips, with where they say their address and their network.
    instance_ip: Option<(TypeId, PropertyId, ReferenceId)>,
}

/// An instance-ip that holds no address, by network and address.
type Sharing = (Uuid, IpAddr, Uuid);

/// All subnets and all held addresses.
#[derive(Clone)]
pub struct Pools {
    places: Places,
    scopes: GenericHashMap<Uuid, Scope, FxBuildHasher, DefaultSharedPtr>,
    holds: OrdMap<(Uuid, IpAddr), Holder>,
    /// Subnets by their uuids, or those that networks have for flat ipams, and what they are of.
    scopes_by_subnet: OrdSet<(Uuid, Uuid)>,
    sharing: OrdSet<Sharing>,
}

impl Pools {
    /// No subnets, nothing held.
    pub fn new(model: &Model) -> Self {
        let virtual_network = model.find("virtual-network");
        let network_ipam = model.find("network-ipam");
        let instance_ip = || {
            let type_id = model.find(type_name::INSTANCE_IP)?;
            let kind = model.object_type(type_id);
            let (address, _) = kind.property(field_name::INSTANCE_IP_ADDRESS)?;
            let (network, _) = kind.reference(field_name::VIRTUAL_NETWORK_REFS)?;
            Some((type_id, address, network))
        };
        let places = Places {
            virtual_network,
            ipam_reference: virtual_network
                .and_then(|id| model.object_type(id).reference("network_ipam_refs"))
                .map(|(id, _)| id),
            network_ipam,
            ipam_subnets: network_ipam.and_then(|id| model.object_type(id).property("ipam_subnets")).map(|(id, _)| id),
            instance_ip: instance_ip(),
        };
        Self {
            places,
            scopes: GenericHashMap::default(),
            holds: OrdMap::new(),
            scopes_by_subnet: OrdSet::new(),
            sharing: OrdSet::new(),
        }
    }

    /// The subnets of a virtual network (its own ones) or of a flat network ipam.
    pub fn subnets(&self, scope: Uuid) -> impl Iterator<Item = &Subnet> {
        self.scopes.get(&scope).into_iter().flat_map(|scope| scope.entries.iter().map(|entry| &entry.subnet))
    }

    /// How many these are.
    pub fn count_of_subnets(&self, scope: Uuid) -> usize {
        self.scopes.get(&scope).map_or(0, |scope| scope.entries.len())
    }

    /// That of them which has the address.
    pub fn subnet_of(&self, scope: Uuid, address: IpAddr) -> Option<&Subnet> {
        self.scopes.get(&scope)?.entry_of(address).map(|entry| &entry.subnet)
    }

    /// That of them which has the uuid.
    pub fn subnet_with_uuid(&self, scope: Uuid, uuid: Uuid) -> Option<&Subnet> {
        let scope = self.scopes.get(&scope)?;
        let index = scope.places.by_uuid.partition_point(|(known, _)| *known < uuid);
        let (_, place) = scope.places.by_uuid.get(index).filter(|(known, _)| *known == uuid)?;
        scope.entries.get(*place).map(|entry| &entry.subnet)
    }

    /// The networks and flat ipams with a subnet of this uuid: one, unless clients have chosen it twice.
    pub fn scopes_of_subnet(&self, subnet: Uuid) -> impl Iterator<Item = Uuid> {
        self.scopes_by_subnet.range((subnet, Uuid::nil())..=(subnet, Uuid::max())).map(|(_, scope)| *scope)
    }

    /// Who holds this address, as the first one of its unit.
    pub fn holder(&self, scope: Uuid, address: IpAddr) -> Option<Holder> {
        self.holds.get(&(scope, address)).copied()
    }

    /// The first hold between two addresses.
    pub fn first_held(&self, scope: Uuid, first: IpAddr, last: IpAddr) -> Option<(IpAddr, Holder)> {
        self.held(scope, first, last).next()
    }

    /// All holds between two addresses, in order.
    pub fn held(&self, scope: Uuid, first: IpAddr, last: IpAddr) -> impl Iterator<Item = (IpAddr, Holder)> {
        self.holds.range((scope, first)..=(scope, last)).map(|((_, address), holder)| (*address, *holder))
    }

    /// The instance-ips that have an address of a network and hold none: that of a gateway, or one of a network whose addresses
    /// are not the server's business.
    pub fn sharing(&self, network: Uuid, address: IpAddr) -> impl Iterator<Item = Uuid> {
        self.sharing.range((network, address, Uuid::nil())..=(network, address, Uuid::max())).map(|(.., uuid)| *uuid)
    }

    /// All of them in a network, in the order of addresses.
    pub fn sharing_in(&self, network: Uuid) -> impl Iterator<Item = Uuid> {
        let (lowest, highest) = (IpAddr::from([0; 4]), IpAddr::from([255; 16]));
        self.sharing.range((network, lowest, Uuid::nil())..=(network, highest, Uuid::max())).map(|(.., uuid)| *uuid)
    }

    /// All of them, wherever they are.
    pub fn all_sharing(&self) -> impl Iterator<Item = &(Uuid, IpAddr, Uuid)> {
        self.sharing.iter()
    }

    /// Marks an address as held.
    pub fn hold(&mut self, hold: Hold, holder: Holder) {
        self.holds.insert((hold.scope, hold.address), holder);
        self.change_subnet(hold, |subnet| subnet.take(hold.address));
    }

    /// Marks an address as free again, if it is this one that holds it: whoever follows changes may learn of the new holder
    /// before it learns that the old one has let go.
    pub fn release(&mut self, hold: Hold, holder: Holder) {
        if self.holder(hold.scope, hold.address) == Some(holder) {
            self.holds.remove(&(hold.scope, hold.address));
            self.change_subnet(hold, |subnet| subnet.give(hold.address));
        }
    }

    /// All holds in a network or flat ipam, in the order of addresses.
    pub fn held_in(&self, scope: Uuid) -> impl Iterator<Item = (Hold, Holder)> {
        let (lowest, highest) = (IpAddr::from([0; 4]), IpAddr::from([255; 16]));
        self.held(scope, lowest, highest).map(move |(address, holder)| (Hold { scope, address }, holder))
    }

    /// All holds, wherever they are.
    pub fn all_held(&self) -> impl Iterator<Item = (Hold, Holder)> {
        self.holds.iter().map(|((scope, address), holder)| (Hold { scope: *scope, address: *address }, *holder))
    }

    /// The networks and flat ipams with subnets, with their subnets.
    pub fn all_subnets(&self) -> impl Iterator<Item = (Uuid, Vec<&Subnet>)> {
        self.scopes.iter().map(|(uuid, scope)| (*uuid, scope.entries.iter().map(|entry| &entry.subnet).collect()))
    }

    fn change_subnet(&mut self, hold: Hold, change: impl FnOnce(&mut Subnet)) {
        let Some(scope) = self.scopes.get_mut(&hold.scope) else { return };
        let Some(place) = scope.place_of(hold.address) else { return };
        if let Some(entry) = scope.entries.get_mut(place) {
            change(&mut Arc::make_mut(entry).subnet);
        }
    }

    /// Follows the change of an object.
    pub fn replace(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let Some(type_id) = after.or(before).map(|object| object.type_id) else { return };
        if Some(type_id) == self.places.virtual_network || Some(type_id) == self.places.network_ipam {
            self.replace_subnets(before, after);
        }
        let (left, come) = (self.sharing_of(before), self.sharing_of(after));
        if left != come {
            for gone in left {
                self.sharing.remove(&gone);
            }
            self.sharing.extend(come);
        }
        let (old, new) = (before.and_then(|object| object.hold), after.and_then(|object| object.hold));
        if old == new {
            return;
        }
        if let (Some(old), Some(before)) = (old, before) {
            self.release(old, Holder::Object(before.uuid));
        }
        if let (Some(new), Some(after)) = (new, after) {
            self.hold(new, Holder::Object(after.uuid));
        }
    }

    /// Where an object is found that is an instance-ip and holds no address.
    fn sharing_of(&self, object: Option<&Object>) -> Vec<Sharing> {
        let shared = || {
            let (object, (type_id, address, network)) = object.zip(self.places.instance_ip)?;
            if object.type_id != type_id || object.hold.is_some() {
                return None;
            }
            let address = ipam::parse_address(object.property(address)?.as_str()?)?;
            Some(object.links_of(network).iter().map(|link| (link.target, address, object.uuid)).collect())
        };
        shared().unwrap_or_default()
    }

    fn replace_subnets(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let Some(scope) = after.or(before).map(|object| object.uuid) else { return };
        let unchanged = |one: &Object, other: &Object| match self.places.ipam_reference {
            Some(reference) if Some(one.type_id) == self.places.virtual_network => {
                one.links_of(reference) == other.links_of(reference)
            }
            _ => self.places.ipam_subnets.is_some_and(|id| one.property_text(id) == other.property_text(id)),
        };
        if let (Some(before), Some(after)) = (before, after)
            && unchanged(before, after)
        {
            return;
        }
        let sources = after.map(|object| self.entries(object)).unwrap_or_default();
        let name_of = |source: &Value| Uuid::try_parse(source.get("subnet_uuid")?.as_str()?).ok();
        let names: Arc<[Uuid]> = sources.iter().filter_map(name_of).collect();
        for name in self.scopes.get(&scope).map(|known| Arc::clone(&known.names)).iter().flat_map(|names| names.iter())
        {
            self.scopes_by_subnet.remove(&(*name, scope));
        }
        self.scopes_by_subnet.extend(names.iter().map(|name| (*name, scope)));
        if sources.is_empty() {
            self.scopes.remove(&scope);
            return;
        }
        let known = self.scopes.get(&scope);
        let entries = sources.into_iter().filter_map(|source| {
            let prefix = ipam::parse_prefix(&source)?;
            let same = known.and_then(|known| known.entry_of(prefix.network())).filter(|known| *known.source == source);
            if let Some(entry) = same {
                return Some(Arc::clone(entry));
            }
            let mut subnet = Subnet::read(&source)?;
            for (address, _) in self.held(scope, prefix.network(), prefix.broadcast()) {
                subnet.take(address);
            }
            Some(Arc::new(Entry { source: Arc::new(source), subnet }))
        });
        let entries = entries.collect();
        self.scopes.insert(scope, Scope::of(entries, names));
    }

    /// The stored entries that describe subnets, in order.
    fn entries(&self, object: &Object) -> Vec<Value> {
        let list = |value: Value, field: &str| match value.get(field) {
            Some(Value::Array(items)) => items.clone(),
            _ => Vec::new(),
        };
        if Some(object.type_id) == self.places.virtual_network {
            let Some(reference) = self.places.ipam_reference else { return Vec::new() };
            return object
                .links_of(reference)
                .iter()
                .filter_map(|link| serde_json::from_str(link.attribute.as_deref()?).ok())
                .flat_map(|attribute: Value| list(attribute, "ipam_subnets"))
                .collect();
        }
        let subnets = self.places.ipam_subnets.and_then(|id| object.property(id));
        subnets.map(|value| list(value, "subnets")).unwrap_or_default()
    }

    /// What was reserved in a network that goes. Changes say so one by one, before the network goes; the logs of releases
    /// before this one did not.
    pub fn forget_reservations(&mut self, scope: Uuid) {
        let reserved = self.held_in(scope).filter(|(_, holder)| *holder == Holder::Reservation);
        for (hold, holder) in reserved.collect::<Vec<_>>() {
            self.release(hold, holder);
        }
    }
}
