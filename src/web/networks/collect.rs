//! What there is to see: networks, what is in them, and what is between them, as far as who looks may read it.
//!
//! It begins with some networks and goes on, so many steps, to those that they are connected with. What is asked of an object is
//! looked up; how many objects may be looked at has bounds, and where one is met, that is told.

use super::policy::{self, End, Rule};
use crate::{
    access::Identity,
    api::pages::Asked,
    graph::{Graph, Link, Object},
    model::{TypeId, field_name, type_name},
    pace::Pace,
};
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use std::{collections::hash_map::Entry, net::IpAddr, sync::Arc};
use uuid::Uuid;

/// How many networks a picture has.
pub const MOST_NETWORKS: usize = 2000;
/// How many networks are added because others are connected with them.
const MOST_ADDED: usize = 300;
/// How many connections a picture has.
const MOST_CONNECTIONS: usize = 6000;
/// How many objects of one sort are looked at for one object.
pub const MOST_OF_ONE: usize = 1000;
/// How many subnets of one network are told.
const MOST_SUBNETS: usize = 20;
/// How many objects are looked at, and how many times a rule is held against a network, in one picture.
const MOST_STEPS: usize = 300_000;
/// How many static routes of one network are told.
const MOST_ROUTES: usize = 10;

/// What is looked at.
const LOOKED_AT: [&str; 10] = [
    type_name::VIRTUAL_NETWORK,
    type_name::VIRTUAL_MACHINE_INTERFACE,
    type_name::FLOATING_IP,
    type_name::FLOATING_IP_POOL,
    type_name::LOGICAL_ROUTER,
    type_name::NETWORK_POLICY,
    type_name::INSTANCE_IP,
    type_name::INTERFACE_ROUTE_TABLE,
    type_name::NETWORK_IPAM,
    type_name::VIRTUAL_MACHINE,
];

/// What somebody may see.
#[derive(Clone)]
pub struct Sight<'g> {
    /// The configuration.
    pub graph: &'g Graph,
    identity: &'g Identity,
    types: Vec<TypeId>,
}

impl<'g> Sight<'g> {
    /// Of who asks.
    pub fn of(asked: &Asked<'g>, graph: &'g Graph) -> Self {
        let types = LOOKED_AT.into_iter().filter_map(|name| graph.model().find(name));
        let types = types.filter(|type_id| asked.may_read_type(graph, *type_id)).collect();
        Self { graph, identity: &asked.call.identity, types }
    }

    /// A type by its name, if objects of it may be seen.
    pub fn kind(&self, name: &str) -> Option<TypeId> {
        self.graph.model().find(name).filter(|type_id| self.types.contains(type_id))
    }

    /// Whether an object may be seen.
    pub fn sees(&self, object: &Object) -> bool {
        self.types.contains(&object.type_id) && self.identity.may_read(object)
    }

    /// An object that may be seen.
    pub fn get(&self, uuid: Uuid) -> Option<&'g Arc<Object>> {
        self.graph.get(uuid).filter(|object| self.sees(object))
    }

    /// What the type of an object is called.
    pub fn type_of(&self, object: &Object) -> &'g str {
        &self.graph.model().object_type(object.type_id).name
    }

    /// References of an object by their field.
    pub fn links<'o>(&self, object: &'o Object, field: &str) -> &'o [Link] {
        let reference = self.graph.model().object_type(object.type_id).reference(field);
        reference.map(|(id, _)| object.links_of(id)).unwrap_or_default()
    }

    /// The objects that a field refers to, no more than are looked at.
    pub fn targets(&self, object: &'g Object, field: &str) -> impl Iterator<Item = &'g Arc<Object>> + use<'g> {
        let sight = self.clone();
        self.links(object, field).iter().take(MOST_OF_ONE).filter_map(move |link| sight.get(link.target))
    }

    /// A property.
    pub fn property(&self, object: &Object, name: &str) -> Option<serde_json::Value> {
        let (id, _) = self.graph.model().object_type(object.type_id).property(name)?;
        object.property(id)
    }

    fn is_true(&self, object: &Object, name: &str) -> bool {
        self.property(object, name).is_some_and(|value| value == true)
    }

    /// The networks of a project.
    pub fn networks_of(&self, project: Uuid) -> impl Iterator<Item = &'g Arc<Object>> + use<'g> {
        let sight = self.clone();
        let networks = self.kind(type_name::VIRTUAL_NETWORK).map(|kind| self.graph.children_of(project, kind));
        networks.into_iter().flatten().filter(move |network| sight.sees(network))
    }

    /// The static routes of a port: prefix, and where it leads, if that is said.
    pub fn routes(&self, port: &'g Object) -> Vec<(String, Option<String>)> {
        let tables = self.targets(port, field_name::INTERFACE_ROUTE_TABLE_REFS);
        let routes = tables.filter_map(|table| self.property(table, field_name::INTERFACE_ROUTE_TABLE_ROUTES));
        let routes = routes.flat_map(|routes| match routes.get("route") {
            Some(serde_json::Value::Array(routes)) => routes.clone(),
            _ => Vec::new(),
        });
        let text = |route: &serde_json::Value, name: &str| {
            route.get(name).and_then(serde_json::Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let routes = routes.filter_map(|route| Some((text(&route, "prefix")?, text(&route, "next_hop"))));
        routes.take(MOST_OF_ONE).collect()
    }
}

/// A subnet, and how full it is.
pub struct Filled {
    /// `10.0.0.0/24`
    pub name: String,
    /// The default gateway.
    pub gateway: Option<IpAddr>,
    /// How many addresses (or blocks of them) are taken.
    pub taken: u128,
    /// How many there are.
    pub usable: u128,
    /// Whether networks share it, as it is of a flat ipam.
    pub is_shared: bool,
}

/// How many there are, or how many have been counted.
#[derive(Clone, Copy, Default)]
pub struct Count {
    /// As far as counted.
    pub number: usize,
    /// Whether there may be more.
    pub is_least: bool,
}

impl Count {
    /// Of both.
    pub fn and(self, other: Self) -> Self {
        Self { number: self.number + other.number, is_least: self.is_least || other.is_least }
    }
}

/// A network.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Network<'g> {
    /// The object.
    pub object: &'g Arc<Object>,
    /// Whether it was not asked for, and is there because others lead to it.
    pub is_outside: bool,
    /// The first subnets.
    pub subnets: Vec<Filled>,
    /// How many more there are.
    pub more_subnets: usize,
    /// Its interfaces.
    pub ports: Count,
    /// Floating ips that are handed out of it.
    pub floating_ips: Count,
    /// Static routes on its interfaces: the first ones, with the interface.
    pub routes: Vec<(&'g Arc<Object>, String, Option<String>)>,
    /// How many there are.
    pub count_of_routes: usize,
    /// Whether other networks have it as their way out.
    pub is_external: bool,
    /// Whether every project may use it.
    pub is_shared: bool,
    /// Whether it has a policy, be it one that lets nothing through.
    pub has_policy: bool,
}

impl<'g> Network<'g> {
    fn of(object: &'g Arc<Object>, is_outside: bool) -> Self {
        Self {
            object,
            is_outside,
            subnets: Vec::new(),
            more_subnets: 0,
            ports: Count::default(),
            floating_ips: Count::default(),
            routes: Vec::new(),
            count_of_routes: 0,
            is_external: false,
            is_shared: false,
            has_policy: false,
        }
    }
}

/// What a policy says of two networks.
pub struct Agreed<'g> {
    /// The policy.
    pub policy: &'g Arc<Object>,
    /// Its rules of these two; `from` is the index of the network that they are told from.
    pub rules: Vec<(usize, Arc<Rule>)>,
    /// Whether the first, and the second, has the policy. Nothing gets through unless both have it.
    pub is_attached: [bool; 2],
}

/// What is between two networks, the first of which comes first among all.
#[derive(Default)]
pub struct Between<'g> {
    /// What lets them talk.
    pub policies: Vec<Agreed<'g>>,
    /// Floating ips of the one network, on ports of the other: how many, for each of the two as that which they are of.
    pub floating_ips: [usize; 2],
}

/// What several networks hang on.
pub struct Hub<'g> {
    /// A router, or a policy that lets all talk that have it.
    pub object: &'g Arc<Object>,
    /// Of a policy: what it lets through.
    pub rules: Vec<Arc<Rule>>,
    /// The networks, and whether each is the way out.
    pub spokes: IndexMap<usize, bool, FxBuildHasher>,
}

/// All of it.
#[derive(Default)]
pub struct Found<'g> {
    /// The networks; others call them by their index.
    pub networks: Vec<Network<'g>>,
    /// What two have with each other.
    pub between: IndexMap<(usize, usize), Between<'g>, FxBuildHasher>,
    /// What several have.
    pub hubs: IndexMap<Uuid, Hub<'g>, FxBuildHasher>,
    /// Whether a bound was met, so that something may be missing.
    pub is_cut: bool,
}

impl Found<'_> {
    /// Leaves no more than these networks, and what is between them.
    pub fn keep(&mut self, indexes: &[usize]) {
        let places: FxHashMap<usize, usize> = indexes.iter().copied().zip(0..).collect();
        let networks = std::mem::take(&mut self.networks).into_iter().enumerate();
        self.networks = networks.filter(|(index, _)| places.contains_key(index)).map(|(_, network)| network).collect();
        let between = std::mem::take(&mut self.between).into_iter();
        let between =
            between.filter_map(|((one, other), between)| Some(((*places.get(&one)?, *places.get(&other)?), between)));
        self.between = between.collect();
        for hub in self.hubs.values_mut() {
            let spokes = std::mem::take(&mut hub.spokes).into_iter();
            hub.spokes = spokes.filter_map(|(index, is_gateway)| Some((*places.get(&index)?, is_gateway))).collect();
        }
        self.hubs.retain(|_, hub| !hub.spokes.is_empty());
    }
}

/// Looks around.
pub struct Collector<'g> {
    sight: Sight<'g>,
    pace: Pace,
    found: Found<'g>,
    places: FxHashMap<Uuid, usize>,
    /// Rules by policy.
    policies: IndexMap<Uuid, Known<'g>, FxBuildHasher>,
    floating: FxHashSet<Uuid>,
    steps: usize,
    added: usize,
}

/// A policy that has been met.
struct Known<'g> {
    object: &'g Arc<Object>,
    rules: Vec<Arc<Rule>>,
    /// The networks in the picture that have it.
    attached: Vec<usize>,
}

impl<'g> Collector<'g> {
    /// With these networks. `steps` is how far it goes from them; what is reached so is outside unless `is_around`.
    pub async fn collect(
        sight: Sight<'g>,
        networks: impl IntoIterator<Item = &'g Arc<Object>>,
        steps: usize,
        is_around: bool,
    ) -> Found<'g> {
        let mut collector = Self {
            sight,
            pace: Pace::new(),
            found: Found::default(),
            places: FxHashMap::default(),
            policies: IndexMap::default(),
            floating: FxHashSet::default(),
            steps: 0,
            added: 0,
        };
        for network in networks {
            collector.place_of(network, false);
        }
        let mut next = 0;
        for step in 0..=steps {
            let known = collector.found.networks.len();
            let adds = step < steps;
            for index in next..known {
                collector.look_at(index, adds, !is_around).await;
            }
            next = known;
        }
        collector.agree().await;
        collector.found.hubs.retain(|_, hub| !hub.spokes.is_empty());
        collector.found
    }

    /// One more step; none where enough has been looked at.
    async fn step(&mut self) -> bool {
        self.pace.step().await;
        self.steps += 1;
        self.found.is_cut |= self.steps > MOST_STEPS;
        self.steps <= MOST_STEPS
    }

    fn place_of(&mut self, network: &'g Arc<Object>, is_outside: bool) -> usize {
        match self.places.entry(network.uuid) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let index = self.found.networks.len();
                self.found.networks.push(Network::of(network, is_outside));
                *free.insert(index)
            }
        }
    }

    /// The index of a network that something leads to: of one that is not there yet only where some are to be added.
    fn reach(&mut self, network: &'g Arc<Object>, adds: bool, is_outside: bool) -> Option<usize> {
        if let Some(known) = self.places.get(&network.uuid) {
            return Some(*known);
        }
        if !adds {
            return None;
        }
        if self.added >= MOST_ADDED {
            self.found.is_cut = true;
            return None;
        }
        self.added += 1;
        Some(self.place_of(network, is_outside))
    }

    async fn look_at(&mut self, index: usize, adds: bool, outside: bool) {
        let Some(object) = self.found.networks.get(index).map(|network| network.object) else { return };
        let mut network = Network::of(object, self.found.networks.get(index).is_some_and(|network| network.is_outside));
        network.is_external = self.sight.is_true(object, field_name::ROUTER_EXTERNAL);
        network.is_shared = self.sight.is_true(object, field_name::IS_SHARED);
        self.subnets(&mut network);
        self.ports(index, &mut network, adds, outside).await;
        self.floating_ips(index, &mut network, adds, outside).await;
        let routers =
            self.sight.kind(type_name::LOGICAL_ROUTER).map(|kind| self.sight.graph.referrers(object.uuid, kind));
        for router in routers.into_iter().flatten().take(MOST_OF_ONE) {
            if !self.step().await {
                break;
            }
            if self.sight.sees(router) {
                self.router(router, adds, outside).await;
            }
        }
        for policy in self.sight.targets(object, field_name::NETWORK_POLICY_REFS) {
            network.has_policy = true;
            self.policy(index, policy, adds, outside).await;
        }
        if let Some(place) = self.found.networks.get_mut(index) {
            *place = network;
        }
    }

    fn subnets(&self, network: &mut Network<'g>) {
        let graph = self.sight.graph;
        let own = graph.pools().subnets(network.object.uuid).map(|subnet| (subnet, false));
        let flat = self.sight.targets(network.object, field_name::NETWORK_IPAM_REFS);
        let is_flat = |ipam: &&&Arc<Object>| {
            self.sight.property(ipam, field_name::IPAM_SUBNET_METHOD).is_some_and(|method| method == "flat-subnet")
        };
        let flat: Vec<_> = flat.filter(|ipam| is_flat(&ipam)).collect();
        let flat = flat.into_iter().flat_map(|ipam| graph.pools().subnets(ipam.uuid)).map(|subnet| (subnet, true));
        let mut all = own.chain(flat);
        for (subnet, is_shared) in all.by_ref().take(MOST_SUBNETS) {
            let usage = subnet.usage();
            network.subnets.push(Filled {
                name: subnet.name(),
                gateway: subnet.gateway,
                taken: usage.used,
                usable: usage.all.saturating_sub(usage.reserved),
                is_shared,
            });
        }
        network.more_subnets = all.take(MOST_OF_ONE).count();
    }

    /// Counts ports, and sees what is on them.
    async fn ports(&mut self, index: usize, network: &mut Network<'g>, adds: bool, outside: bool) {
        let Some(kind) = self.sight.kind(type_name::VIRTUAL_MACHINE_INTERFACE) else { return };
        for (looked_at, port) in self.sight.graph.referrers(network.object.uuid, kind).enumerate() {
            if looked_at == MOST_OF_ONE || !self.step().await {
                network.ports.is_least = true;
                break;
            }
            if !self.sight.sees(port) {
                continue;
            }
            network.ports.number += 1;
            let routes = self.sight.routes(port);
            network.count_of_routes += routes.len();
            let left = MOST_ROUTES.saturating_sub(network.routes.len());
            network.routes.extend(routes.into_iter().take(left).map(|(prefix, next)| (port, prefix, next)));
            for referrer in self.sight.graph.all_referrers(port.uuid).take(MOST_OF_ONE) {
                let sort = self.sight.type_of(referrer);
                if ![type_name::LOGICAL_ROUTER, type_name::FLOATING_IP].contains(&sort)
                    || !self.sight.sees(referrer)
                    || !self.step().await
                {
                    continue;
                }
                if sort == type_name::LOGICAL_ROUTER {
                    self.router(referrer, adds, outside).await;
                    continue;
                }
                let pool = referrer.parent.and_then(|pool| self.sight.graph.get(pool));
                let of = pool.and_then(|pool| self.sight.get(pool.parent?));
                let of = of.filter(|of| self.sight.type_of(of) == type_name::VIRTUAL_NETWORK);
                if let Some(of) = of.and_then(|of| self.reach(of, adds, outside)) {
                    self.floats(referrer.uuid, of, index);
                }
            }
        }
    }

    /// Counts floating ips that are of a network, and sees where they are.
    async fn floating_ips(&mut self, index: usize, network: &mut Network<'g>, adds: bool, outside: bool) {
        let graph = self.sight.graph;
        let Some((pools, ips)) =
            self.sight.kind(type_name::FLOATING_IP_POOL).zip(self.sight.kind(type_name::FLOATING_IP))
        else {
            return;
        };
        let pools = graph.children_of(network.object.uuid, pools).take(MOST_OF_ONE);
        for (looked_at, ip) in pools.flat_map(|pool| graph.children_of(pool.uuid, ips)).enumerate() {
            if looked_at == MOST_OF_ONE || !self.step().await {
                network.floating_ips.is_least = true;
                break;
            }
            if !self.sight.sees(ip) {
                continue;
            }
            network.floating_ips.number += 1;
            let on = self.sight.targets(ip, field_name::VIRTUAL_MACHINE_INTERFACE_REFS).next();
            let on = on.and_then(|port| self.sight.targets(port, field_name::VIRTUAL_NETWORK_REFS).next());
            if let Some(on) = on.and_then(|on| self.reach(on, adds, outside)) {
                self.floats(ip.uuid, index, on);
            }
        }
    }

    /// A floating ip of one network is on a port of another one. It may be met from both.
    fn floats(&mut self, ip: Uuid, of: usize, on: usize) {
        if of != on && self.floating.insert(ip) {
            let side = usize::from(of > on);
            let counted = self.between(of, on).and_then(|between| between.floating_ips.get_mut(side));
            if let Some(count) = counted {
                *count += 1;
            }
        }
    }

    /// What is between two networks; none where there is too much already.
    fn between(&mut self, one: usize, other: usize) -> Option<&mut Between<'g>> {
        let pair = (one.min(other), one.max(other));
        if self.found.between.len() >= MOST_CONNECTIONS && !self.found.between.contains_key(&pair) {
            self.found.is_cut = true;
            return None;
        }
        Some(self.found.between.entry(pair).or_default())
    }

    /// Sees the networks of a router, which is met by each of its ports. Once is enough: either those that are not there yet are
    /// added, or none is added any more.
    async fn router(&mut self, router: &'g Arc<Object>, adds: bool, outside: bool) {
        if !self.found.hubs.contains_key(&router.uuid) {
            let hub = Hub { object: router, rules: Vec::new(), spokes: IndexMap::default() };
            self.found.hubs.insert(router.uuid, hub);
            self.spokes(router, adds, outside).await;
        }
    }

    async fn spokes(&mut self, router: &'g Arc<Object>, adds: bool, outside: bool) {
        let ports = self.sight.targets(router, field_name::VIRTUAL_MACHINE_INTERFACE_REFS);
        let sight = self.sight.clone();
        let inner = ports.filter_map(move |port| sight.targets(port, field_name::VIRTUAL_NETWORK_REFS).next());
        let inner: Vec<_> = inner.map(|network| (network, false)).collect();
        let mut all = inner;
        for link in self.sight.links(router, field_name::VIRTUAL_NETWORK_REFS).iter().take(MOST_OF_ONE) {
            let is_inner = link.attribute.as_deref().is_some_and(|text| text.contains("InternalVirtualNetwork"));
            all.extend(self.sight.get(link.target).map(|network| (network, !is_inner)));
        }
        for (network, is_gateway) in all {
            if !self.step().await {
                return;
            }
            let Some(index) = self.reach(network, adds, outside) else { continue };
            if let Some(hub) = self.found.hubs.get_mut(&router.uuid) {
                *hub.spokes.entry(index).or_default() |= is_gateway;
            }
        }
    }

    /// A network has a policy. Those that it may talk to by it come into the picture, where some are to.
    async fn policy(&mut self, index: usize, policy: &'g Arc<Object>, adds: bool, outside: bool) {
        let sight = &self.sight;
        let known = self.policies.entry(policy.uuid).or_insert_with(|| Known {
            object: policy,
            rules: policy::rules(sight, policy),
            attached: Vec::new(),
        });
        known.attached.push(index);
        if !adds {
            return;
        }
        let Some(own) = self.found.networks.get(index).map(|network| network.object.uuid) else { return };
        let rules = known.rules.clone();
        let mut is_open = false;
        for rule in rules {
            if !self.step().await {
                return;
            }
            for peer in rule.peers_of(own) {
                match peer {
                    End::Named(peer) => {
                        if let Some(peer) = self.sight.get(*peer) {
                            self.reach(peer, true, outside);
                        }
                    }
                    End::Open => is_open = true,
                }
            }
        }
        let kind = self.sight.kind(type_name::VIRTUAL_NETWORK).filter(|_| is_open);
        let others = kind.map(|kind| self.sight.graph.referrers(policy.uuid, kind));
        for other in others.into_iter().flatten().take(MOST_OF_ONE) {
            if !self.step().await {
                return;
            }
            if self.sight.sees(other) {
                self.reach(other, true, outside);
            }
        }
    }

    /// Draws what policies say between the networks that are there.
    async fn agree(&mut self) {
        for (_, known) in std::mem::take(&mut self.policies) {
            let attached: FxHashSet<usize> = known.attached.iter().copied().collect();
            let mut open = Vec::new();
            for rule in &known.rules {
                let ends = |ends: &[End]| -> Vec<Option<usize>> {
                    let place = |end: &End| match end {
                        End::Open => Some(None),
                        End::Named(uuid) => self.places.get(uuid).map(|index| Some(*index)),
                    };
                    ends.iter().filter_map(place).collect()
                };
                let (sources, targets) = (ends(&rule.sources), ends(&rule.targets));
                for source in &sources {
                    for target in &targets {
                        let pairs: Vec<(usize, usize)> = match (source, target) {
                            (Some(source), Some(target)) => vec![(*source, *target)],
                            (Some(source), None) => known.attached.iter().map(|other| (*source, *other)).collect(),
                            (None, Some(target)) => known.attached.iter().map(|other| (*other, *target)).collect(),
                            (None, None) => {
                                if let [one, other] = known.attached.as_slice() {
                                    vec![(*one, *other)]
                                } else {
                                    open.push(Arc::clone(rule));
                                    Vec::new()
                                }
                            }
                        };
                        for (from, to) in pairs {
                            if !self.step().await {
                                return;
                            }
                            self.rule(known.object, rule, (from, to), &attached);
                        }
                    }
                }
            }
            if known.attached.len() > 2 && !open.is_empty() {
                let spokes = known.attached.iter().map(|index| (*index, false)).collect();
                self.found.hubs.insert(known.object.uuid, Hub { object: known.object, rules: open, spokes });
            }
        }
    }

    fn rule(
        &mut self,
        policy: &'g Arc<Object>,
        rule: &Arc<Rule>,
        (from, to): (usize, usize),
        attached: &FxHashSet<usize>,
    ) {
        let is_attached = [from.min(to), from.max(to)].map(|index| attached.contains(&index));
        if from == to || !is_attached.contains(&true) {
            return;
        }
        let Some(between) = self.between(from, to) else { return };
        match between.policies.iter_mut().find(|agreed| agreed.policy.uuid == policy.uuid) {
            Some(agreed) => agreed.rules.push((from, Arc::clone(rule))),
            None => between.policies.push(Agreed { policy, rules: vec![(from, Arc::clone(rule))], is_attached }),
        }
    }
}
