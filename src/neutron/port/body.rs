//! What a request says of a port, as the members of a virtual-machine-interface, and back.

use crate::{
    graph::Object,
    ipam,
    model::field_name,
    neutron::{refused::Answered, turn::Turn},
};
use serde::Serialize;
use serde_json::{Map, Value, json, ser::Formatter};
use std::io::{self, Write};

/// What stands before the name of a binding.
pub const BINDING: &str = "binding:";
const BINDINGS: &str = field_name::VIRTUAL_MACHINE_INTERFACE_BINDINGS;
/// What the server says of a port that is plugged in.
const PLUG: [&str; 2] = ["vif_type", "vif_details"];

/// The elements of a list within a value.
pub fn members<'v>(value: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// JSON with blanks, as those who compare texts know it.
struct WithBlanks;

impl Formatter for WithBlanks {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

fn json_text(value: &Value) -> String {
    let mut output = Vec::new();
    // Writing to memory and keys that are strings can't fail.
    let _ = value.serialize(&mut serde_json::Serializer::with_formatter(&mut output, WithBlanks));
    String::from_utf8(output).unwrap_or_default()
}

/// The pairs of bindings, in order.
pub fn pairs(bindings: Option<&Value>) -> Vec<(String, String)> {
    let pair = |pair: &Value| Some((pair.get("key")?.as_str()?.to_owned(), pair.get("value")?.as_str()?.to_owned()));
    bindings
        .map(|bindings| members(bindings, field_name::KEY_VALUE_PAIR).filter_map(pair).collect())
        .unwrap_or_default()
}

/// NEU-PORT-B1: a new port has the bindings that are given; those of another one change one by one.
fn bindings(turn: &Turn<'_>, port: Option<&Object>) -> Option<Value> {
    let given = turn.request.body.iter();
    let given = given.filter_map(|(name, value)| Some((name.strip_prefix(BINDING)?, value)));
    let given: Vec<(&str, String)> =
        given.map(|(key, value)| (key, value.as_str().map_or_else(|| json_text(value), str::to_owned))).collect();
    if given.is_empty() && port.is_some() {
        return None;
    }
    let view = turn.view();
    let mut merged = pairs(port.and_then(|port| view.property(port, BINDINGS)).as_ref());
    let is_given = |key: &str| given.iter().any(|(name, _)| *name == key);
    let is_unplugged = given.iter().any(|(key, value)| *key == "host_id" && value.is_empty());
    merged.retain(|(key, _)| !is_given(key));
    merged.extend(given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    // What was said of the host holds no longer.
    let is_normal = merged.iter().all(|(key, value)| key != "vnic_type" || value == "normal");
    if is_unplugged && is_normal {
        merged.retain(|(key, _)| is_given(key) || !PLUG.contains(&key.as_str()));
    }
    let merged: Vec<Value> = merged.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    Some(json!({ (field_name::KEY_VALUE_PAIR): merged }))
}

/// NEU-PORT-C9: options of DHCP, in order; one without a value is none.
fn dhcp_options(turn: &Turn<'_>) -> Answered<Option<Value>> {
    if !turn.request.body.contains_key("extra_dhcp_opts") {
        return Ok(None);
    }
    let given = turn.request.list("extra_dhcp_opts")?.map(Vec::as_slice).unwrap_or_default();
    let mut options = Vec::with_capacity(given.len());
    for option in given.iter().filter(|option| option.get("opt_value").is_none_or(|value| !value.is_null())) {
        let text = |name: &str| {
            let text = option.get(name).and_then(Value::as_str);
            text.ok_or_else(|| turn.request.bad_request(format!("each of extra_dhcp_opts must have {name}, a text")))
        };
        options.push(json!({
            (field_name::DHCP_OPTION_NAME): text("opt_name")?,
            (field_name::DHCP_OPTION_VALUE): text("opt_value")?,
            (field_name::DHCP_OPTION_VALUE_BYTES): null,
        }));
    }
    Ok(Some(if options.is_empty() { Value::Null } else { json!({ (field_name::DHCP_OPTION): options }) }))
}

/// An address or a prefix, as pairs have it.
fn prefix(turn: &Turn<'_>, given: &str) -> Answered<Value> {
    let refuse = || {
        turn.request.bad_request(format!(
            "Invalid address pair argument: ip_address must be an address or a prefix, not '{given}'"
        ))
    };
    let (address, length) = given.split_once('/').map_or((given, None), |(address, length)| (address, Some(length)));
    let longest: u8 = if ipam::parse_address(address).ok_or_else(refuse)?.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => longest,
        Some(length) => length.parse().ok().filter(|length| *length <= longest).ok_or_else(refuse)?,
    };
    Ok(json!({ (field_name::IP_PREFIX): address, (field_name::IP_PREFIX_LEN): length }))
}

/// NEU-PORT-C8: pairs of addresses that a port may send from, too.
fn address_pairs(turn: &Turn<'_>) -> Answered<Option<Value>> {
    let Some(given) = turn.request.list("allowed_address_pairs")? else { return Ok(None) };
    let refuse = |why: &str| turn.request.bad_request(format!("each of allowed_address_pairs must have {why}"));
    let mut pairs = Vec::with_capacity(given.len());
    for pair in given {
        let address = pair.get("ip_address").and_then(Value::as_str).ok_or_else(|| refuse("ip_address, a text"))?;
        let mac = match pair.get("mac_address") {
            None | Some(Value::Null) => "",
            Some(mac) => {
                let is_mac_address = |mac: &&str| mac.is_empty() || super::mac_address_of(mac).is_some();
                let mac = mac.as_str().filter(is_mac_address);
                mac.ok_or_else(|| refuse("a mac_address like 02:00:00:00:00:01"))?
            }
        };
        pairs.push(json!({
            "ip": prefix(turn, address)?,
            (field_name::MAC): mac,
            (field_name::ADDRESS_MODE): "active-standby",
        }));
    }
    Ok(Some(if pairs.is_empty() { Value::Null } else { json!({ (field_name::ALLOWED_ADDRESS_PAIR): pairs }) }))
}

/// What a request says of a new port, or of one that is there (NEU-PORT-U1). Only what is given is in there.
pub fn read(turn: &Turn<'_>, port: Option<&Object>) -> Answered<Map<String, Value>> {
    let mut body = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set(field_name::ID_PERMS, turn.id_perms()?);
    let owner = turn.request.text("device_owner")?;
    set(field_name::VIRTUAL_MACHINE_INTERFACE_DEVICE_OWNER, owner.map(Value::from));
    set(BINDINGS, bindings(turn, port));
    set(field_name::VIRTUAL_MACHINE_INTERFACE_DHCP_OPTION_LIST, dhcp_options(turn)?);
    set(field_name::VIRTUAL_MACHINE_INTERFACE_ALLOWED_ADDRESS_PAIRS, address_pairs(turn)?);
    Ok(body)
}
