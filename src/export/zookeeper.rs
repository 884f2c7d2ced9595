//! What contrail-api would have in `ZooKeeper` (feeds contract 4.3): names, addresses and ids, worked out from the objects.

use crate::{
    graph::{Graph, Holder, Link, NumberPool, Object},
    model::TypeId,
    pace::Pace,
};
use serde_json::Value;
use std::{net::IpAddr, sync::Arc};
use uuid::Uuid;

/// The lowest id of a security group that is not given out, from which they are counted.
const FIRST_SECURITY_GROUP: u128 = 8_000_000;
/// Ids of tags and their types from here on are chosen by users, and counted apart.
const FIRST_OF_USERS: u128 = 0x8000;
/// What groups of ports that the server has made are called, before their number.
const INTERNAL_GROUP: &str = "vpg-internal-";

/// A leaf, of which `ZooKeeper` has a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// As the tool writes it: a slash at its end, and the id of the cluster in front of the first one.
    pub path: String,
    /// What is in it.
    pub value: String,
    /// When it was made, in milliseconds since 1970.
    pub time: i64,
}

/// Gives all nodes to somebody, always in the same order.
///
/// # Errors
/// What the taker says, which ends it.
pub async fn each_node<E>(
    graph: &Graph,
    cluster_id: &str,
    mut take: impl FnMut(Node) -> Result<(), E>,
) -> Result<(), E> {
    let mut pace = Pace::new();
    let nodes = Nodes { graph, cluster_id };
    for (hold, holder) in graph.pools().all_held() {
        if let Some(node) = nodes.address(hold.scope, hold.address, holder) {
            take(node)?;
        }
        pace.step().await;
    }
    for kind in graph.model().types() {
        for object in graph.objects_of(kind.id) {
            let path = format!("/fq-name-to-uuid/{}:{}/", kind.field, object.fq_name.joined());
            take(nodes.of(object, &path, object.uuid.to_string()))?;
            pace.step().await;
        }
    }
    for kind in graph.model().types() {
        for object in graph.objects_of(kind.id) {
            for (path, value) in nodes.ids(object) {
                take(nodes.of(object, &path, value))?;
            }
            pace.step().await;
        }
    }
    Ok(())
}

/// What nodes are made of.
struct Nodes<'g> {
    graph: &'g Graph,
    cluster_id: &'g str,
}

impl Nodes<'_> {
    /// A node that came with an object.
    fn of(&self, object: &Object, path: &str, value: String) -> Node {
        let time = self.graph.write_time(object.created) / 1000;
        Node { path: format!("{}{path}", self.cluster_id), value, time }
    }

    /// An address that is held. What nobody holds is said to be held by the uuid of nobody, where contrail-api has any.
    fn address(&self, scope: Uuid, address: IpAddr, holder: Holder) -> Option<Node> {
        let subnet = self.graph.pools().subnet_of(scope, address)?;
        let scope = self.graph.get(scope)?;
        let owner = holder.object().and_then(|owner| self.graph.get(owner)).unwrap_or(scope);
        let unit = subnet.unit_number(address);
        let path = format!("/api-server/subnets/{}:{}/{unit:010}/", scope.fq_name.joined(), subnet.name());
        Some(self.of(owner, &path, holder.object().unwrap_or_default().to_string()))
    }

    /// The ids that an object has: paths and values.
    fn ids(&self, object: &Object) -> Vec<(String, String)> {
        let name = object.fq_name.joined();
        let numbers = self.graph.numbers().of(object);
        // Of two numbers of a network the one that is not its own is that of its VXLAN.
        let own = self.text(object, "virtual_network_network_id");
        let mut ids: Vec<_> = numbers
            .into_iter()
            .filter_map(|(pool, number)| {
                let value = match (pool, &own) {
                    (NumberPool::VirtualNetwork, Some(own)) if **own != *number.to_string() => format!("{name}_vxlan"),
                    _ => name.to_string(),
                };
                Some((self.number(object, pool, number)?, value))
            })
            .collect();
        if self.graph.model().object_type(object.type_id).name == "virtual-port-group" {
            let number = object.fq_name.name().strip_prefix(INTERNAL_GROUP);
            if let Some(number) = number.and_then(|number| number.parse::<u32>().ok()) {
                ids.push((format!("/id/virtual-port-group/{number:010}/"), name.to_string()));
            }
            ids.extend(self.aggregates(object));
        }
        ids
    }

    fn number(&self, object: &Object, pool: NumberPool, number: u128) -> Option<String> {
        let of_users = if number >= FIRST_OF_USERS { "UD" } else { "" };
        Some(match pool {
            NumberPool::VirtualNetwork => format!("/id/virtual-networks/{:010}/", number.checked_sub(1)?),
            NumberPool::SecurityGroup => {
                format!("/id/security-groups/id/{:010}/", number.checked_sub(FIRST_SECURITY_GROUP)?)
            }
            NumberPool::SubCluster => format!("/id/sub-clusters/id/{number:010}/"),
            NumberPool::TagType => format!("/id/tags/types{of_users}/{number:010}/"),
            NumberPool::TagValue(_) => {
                let slash = if of_users.is_empty() { "" } else { "/" };
                format!("/id/tags/values{slash}{of_users}/{}/{number:010}/", self.text(object, "tag_type_name")?)
            }
        })
    }

    /// The ids of aggregated interfaces of a group of ports, each in the pool of a router.
    fn aggregates(&self, group: &Object) -> Vec<(String, String)> {
        let aggregate = |link: &Link| {
            let attribute: Value = serde_json::from_str(link.attribute.as_deref()?).ok()?;
            let number = attribute.get("ae_num")?.as_u64()?;
            let router = self.graph.get(self.graph.get(link.target)?.parent?)?;
            Some((
                format!("/id/aggregated-ethernet/{}/{number:010}/", router.fq_name.name()),
                group.fq_name.joined().to_string(),
            ))
        };
        let mut found: Vec<_> = group.links.iter().filter_map(aggregate).collect();
        // The interfaces of one router share a number.
        found.sort_unstable();
        found.dedup();
        found
    }

    /// A property as text, without the quotes of JSON.
    fn text(&self, object: &Object, property: &str) -> Option<Arc<str>> {
        let (id, _) = self.graph.model().object_type(object.type_id).property(property)?;
        object.plain_text(id).map(|text| text.trim_matches('"').into())
    }
}

/// How many nodes there will be at least, to say how far they are.
pub fn about(graph: &Graph) -> u64 {
    let names = (0..).map(TypeId).take(graph.model().types().len()).map(|kind| graph.count_of(kind));
    names.sum::<usize>() as u64
}
