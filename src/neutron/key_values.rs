//! What the store of texts has of Neutron: where subnets are (NEU-HOOK-3), and their tags (NEU-TAG-G2). It follows from the networks, so
//! it is stored nowhere, and never of yesterday.

use super::{subnet, tags, view::TAG_PREFIX};
use crate::{
    graph::{Graph, Object},
    model::{TypeId, type_name},
    rules::canonical_uuid,
};
use ipnetwork::IpNetwork;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};

/// The key of the tags of each subnet: JSON, lists of names of tags by uuids.
pub const TAGS_OF_SUBNETS: &str = "subnet_to_neutron_tags";
/// The key of the subnets of each tag: JSON, lists of uuids by names of tags.
const SUBNETS_OF_TAGS: &str = "neutron_tag_to_subnets";

/// The texts of a state of everything, of the networks that somebody may read.
pub struct KeyValues<'g, R> {
    /// What is there.
    pub graph: &'g Graph,
    /// Whether a network may be read.
    pub may_read: R,
}

impl<'g, R: Fn(&Object) -> bool> KeyValues<'g, R> {
    fn network_type(&self) -> Option<TypeId> {
        self.graph.model().find(type_name::VIRTUAL_NETWORK)
    }

    /// The text by a key, if it is one of these. The two of the tags look at all networks.
    pub fn get(&self, key: &str) -> Option<String> {
        match key {
            TAGS_OF_SUBNETS => text(self.tags_of_subnets()),
            SUBNETS_OF_TAGS => {
                let mut subnets: BTreeMap<String, Vec<String>> = BTreeMap::new();
                for (subnet, names) in self.tags_of_subnets() {
                    for name in names {
                        subnets.entry(name).or_default().push(subnet.clone());
                    }
                }
                text(subnets)
            }
            _ => {
                let uuid = canonical_uuid(key)?;
                let kind = self.network_type()?;
                let mut scopes = self.graph.pools().scopes_of_subnet(uuid);
                let network = scopes.find_map(|scope| self.graph.get_of_type(kind, scope))?;
                // That of a flat ipam has no prefix.
                let prefix = self.graph.pools().subnet_with_uuid(network.uuid, uuid).map(|subnet| subnet.prefix);
                let cidr = prefix.map_or_else(|| subnet::EVERYTHING.to_owned(), |prefix| prefix.to_string());
                (self.may_read)(network).then(|| place(network, &cidr))
            }
        }
    }

    /// Those of the subnets of networks after one of this name; with the name of the network of each.
    pub fn of_subnets(&self, after: Option<&Arc<str>>) -> impl Iterator<Item = (&'g Object, String, String)> {
        let networks = self.network_type().into_iter().flat_map(move |kind| self.graph.objects_after(kind, after));
        let readable = networks.filter(|network| (self.may_read)(network));
        readable.flat_map(|network| {
            let subnets = subnet::of_graph(self.graph, network).into_iter();
            subnets.map(move |subnet| (&**network, subnet.uuid().to_owned(), place(network, &subnet.cidr())))
        })
    }

    /// Those of the tags.
    pub fn of_tags(&self) -> impl Iterator<Item = (String, String)> {
        [TAGS_OF_SUBNETS, SUBNETS_OF_TAGS].into_iter().filter_map(|key| Some((key.to_owned(), self.get(key)?)))
    }

    fn tags_of_subnets(&self) -> BTreeMap<String, Vec<String>> {
        let networks = self.network_type().into_iter().flat_map(|kind| self.graph.objects_of(kind));
        let readable = networks.filter(|network| (self.may_read)(network));
        let full_name = |name: String| format!("{TAG_PREFIX}{name}");
        readable
            .flat_map(|network| tags::of_subnets(self.graph, network))
            .map(|(subnet, names)| (subnet, names.into_iter().map(full_name).collect()))
            .collect()
    }
}

/// Whether a text is one of these. What was stored of that elsewhere is not needed here, and would stay when the subnet goes.
pub fn follows_from_networks(key: &str, value: &str) -> bool {
    let is_place = || {
        canonical_uuid(key).is_some()
            && value.split_once(' ').is_some_and(|(network, prefix)| {
                canonical_uuid(network).is_some() && prefix.parse::<IpNetwork>().is_ok()
            })
    };
    [TAGS_OF_SUBNETS, SUBNETS_OF_TAGS].contains(&key) || is_place()
}

/// The network and the prefix of a subnet.
fn place(network: &Object, cidr: &str) -> String {
    format!("{} {cidr}", network.uuid)
}

fn text(lists: BTreeMap<String, Vec<String>>) -> Option<String> {
    let lists: Map<String, Value> = lists.into_iter().map(|(key, items)| (key, items.into())).collect();
    (!lists.is_empty()).then(|| Value::from(lists).to_string())
}
