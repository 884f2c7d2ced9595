//! Subnets of a subnetted flat ipam, each lent to one subscriber at a time (contrail-api R21, address management:
//! ADM-S13).

use crate::{
    graph::{Hold, Object},
    ipam,
    model::field_name,
    rules::engine::{Draft, Work},
};
use ipnetwork::IpNetwork;
use serde_json::Value;
use std::{collections::HashSet, sync::Arc};

const SUBNETS: &str = field_name::IPAM_SUBNETS;
const TAG: &str = field_name::SUBSCRIBER_TAG;

fn is_subnetted(work: &Work, ipam: &Object) -> bool {
    work.property(ipam, field_name::IPAM_SUBNETTING) == Some(Value::Bool(true))
}

fn tag(entry: &Value) -> Option<&str> {
    entry.get(TAG).and_then(Value::as_str).filter(|tag| !tag.is_empty())
}

/// The subnets of a subnetted flat ipam that may be asked: those of the subscriber; if there is none, those of nobody;
/// without a subscriber none at all. Of another ipam all: then there is no list.
pub fn lent(work: &Work, ipam: &Object, subscriber: Option<&str>) -> Option<HashSet<IpNetwork>> {
    if !is_subnetted(work, ipam) {
        return None;
    }
    let Some(subscriber) = subscriber else { return Some(HashSet::new()) };
    let property = work.property(ipam, SUBNETS).unwrap_or_default();
    let entries = property.get("subnets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let prefixes = |wanted: Option<&str>| -> HashSet<IpNetwork> {
        entries.iter().filter(|entry| tag(entry) == wanted).filter_map(ipam::parse_prefix).collect()
    };
    let own = prefixes(Some(subscriber));
    Some(if own.is_empty() { prefixes(None) } else { own })
}

/// Lends the subnet of an address to a subscriber, and gives its prefix; none if its ipam is not subnetted.
pub fn subscribe(work: &mut Work, hold: Hold, subscriber: &str) -> Option<IpNetwork> {
    set_tag(work, hold, Some(subscriber))
}

/// Takes the subnet of an address back, if that was the last one.
pub fn release(work: &mut Work, hold: Hold) {
    let pools = work.graph.pools();
    let Some(prefix) = pools.subnet_of(hold.scope, hold.address).map(|subnet| subnet.prefix) else { return };
    if pools.first_held(hold.scope, prefix.network(), prefix.broadcast()).is_none() {
        set_tag(work, hold, None);
    }
}

fn set_tag(work: &mut Work, hold: Hold, subscriber: Option<&str>) -> Option<IpNetwork> {
    let ipam: Arc<Object> = work.graph.get(hold.scope).filter(|ipam| is_subnetted(work, ipam)).cloned()?;
    let mut property = work.property(&ipam, SUBNETS)?;
    let entries = property.get_mut("subnets")?.as_array_mut()?;
    let of_address = |entry: &&mut Value| ipam::parse_prefix(entry).is_some_and(|prefix| prefix.contains(hold.address));
    let entry = entries.iter_mut().find(of_address)?;
    let prefix = ipam::parse_prefix(entry)?;
    if tag(entry) == subscriber {
        return Some(prefix);
    }
    let fields = entry.as_object_mut()?;
    match subscriber {
        Some(subscriber) => fields.insert(TAG.to_owned(), subscriber.into()),
        None => fields.remove(TAG),
    };
    let mut draft = Draft::update(work, &ipam);
    draft.set(SUBNETS, property);
    work.save(&draft);
    Some(prefix)
}
