//! Subnets as clients see them: tables of known allocations, a comparison with a naive model, requests and texts.

mod model;
mod requests;
mod vectors;

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{Subnet, complete_entry};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An entry for a prefix, with further members.
fn entry(prefix: &str, members: &Value) -> Value {
    let (address, length) = prefix.split_once('/').unwrap();
    let mut entry = json!({"subnet": {"ip_prefix": address, "ip_prefix_len": length.parse::<u8>().unwrap()}});
    let more = members.as_object().unwrap().clone();
    entry.as_object_mut().unwrap().extend(more);
    entry
}

fn members(entry: &Value) -> Map<String, Value> {
    entry.as_object().unwrap().clone()
}

fn completed(prefix: &str, more: &Value, reserve: bool) -> Value {
    let mut entry = members(&entry(prefix, more));
    complete_entry(&mut entry, reserve, "d:p:vn").unwrap();
    Value::Object(entry)
}

fn subnet(prefix: &str, more: &Value) -> Subnet {
    Subnet::read(&completed(prefix, more, true)).unwrap()
}

/// Takes what comes next, at most so many times.
fn draw(subnet: &mut Subnet, count: usize) -> Vec<String> {
    let mut drawn = Vec::new();
    while drawn.len() < count
        && let Some(address) = subnet.first_free()
    {
        subnet.take(address);
        drawn.push(address.to_string());
    }
    drawn
}
