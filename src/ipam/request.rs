//! What a client may say about a subnet, and what the server adds to it (ADM-S1, ADM-S2, ADM-S3, ADM-S4, ADM-S5).
//!
//! A client that uses the Python library sends every member, most of them null; one that writes JSON by hand leaves
//! out what it does not need. Null, absent, empty and the text "None" mean the same here.

use std::{cmp::Reverse, net::IpAddr};

use ipnetwork::IpNetwork;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Fault;
use super::address::{
    address_of, bounds, number_of, overlap, parse_address, prefix_name, prefix_of, why_refused, write_usual_notation,
};
use super::subnet::{Pool, whole_units};
use super::texts::{invalid_subnet, invalid_unit};

const GATEWAY: &str = "default_gateway";
const SERVICE: &str = "dns_server_address";
const NAME_SERVERS: &str = "dns_nameservers";
const POOLS: &str = "allocation_pools";
const UNIT: &str = "alloc_unit";
const FROM_START: &str = "addr_from_start";
const SUBNET_UUID: &str = "subnet_uuid";
const SUBSCRIBER_TAG: &str = "subscriber_tag";
/// What stands in an entry for a gateway or service address that there is not.
const NONE: &str = "None";

/// The checks that contrail-api makes of the subnets in a request before it looks at anything else: UUID, pools,
/// gateway and service address. They fail with 409 there, and clients know the texts.
pub fn check_entry(entry: &Value) -> Result<(), Fault> {
    let members = entry.as_object().ok_or_else(|| Fault::nonsense(format!("Invalid subnet {entry}")))?;
    let prefix = prefix_of(members).ok_or_else(|| unreadable_prefix(members))?;
    check_members(members, prefix)
}

/// Checks what contrail-api finds only when it sets up the allocator of a subnet, and fills in gateway and service
/// address. The UUID of the subnet is up to the caller.
///
/// `reserve` is false for routed networks and ipams with subnetting, which have neither address unless it is given.
/// `owner` is the name of the network or ipam, joined by colons. A flat handle has no prefix and stays as it is.
pub fn complete_entry(entry: &mut Map<String, Value>, reserve: bool, owner: &str) -> Result<(), Fault> {
    let Some(prefix) = prefix_of(entry) else {
        return Ok(());
    };
    check_members(entry, prefix)?;
    fill(entry, prefix, reserve, owner)
}

/// Checks what the allocator needs and writes gateway and service address.
fn fill(entry: &mut Map<String, Value>, prefix: IpNetwork, reserve: bool, owner: &str) -> Result<(), Fault> {
    check_allocation(entry, prefix, owner)?;
    // The allocation check leaves no prefix of less than four addresses.
    let (first, last) = bounds(prefix);
    let (gateway, service) = if is_true(entry.get(FROM_START)) {
        (first.saturating_add(1), first.saturating_add(2))
    } else {
        (last.saturating_sub(1), last.saturating_sub(2))
    };
    for (key, default) in [(GATEWAY, gateway), (SERVICE, service)] {
        let value = match address(entry, key) {
            Some(address) => address.to_string(),
            None if !reserve => NONE.to_owned(),
            None => address_of(prefix.is_ipv4(), default).to_string(),
        };
        entry.insert(key.to_owned(), Value::String(value));
    }
    write_usual_notations(entry);
    Ok(())
}

/// Writes the addresses of pools and name servers without leading zeros, for readers that take these for octal.
fn write_usual_notations(entry: &mut Map<String, Value>) {
    for pool in entry.get_mut(POOLS).and_then(Value::as_array_mut).into_iter().flatten() {
        pool.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(write_usual_notation);
    }
    entry.get_mut(NAME_SERVERS).and_then(Value::as_array_mut).into_iter().flatten().for_each(write_usual_notation);
}

/// The same for a subnet that is there already: `stored` is its entry, of the same prefix.
///
/// What the server has chosen and the request leaves out stays: UUID, gateway, service address, subscriber tag; the
/// order and the size of units too, since a client that does not name them does not mean to change them. A gateway can't
/// be changed; a service address, or a gateway where there was none, can't be one that is held; order and unit can't be
/// changed while anything is held. Pools may change at will: contrail-api allows only to add some, but no address
/// depends on being in a pool.
///
/// `held` tells whether an object holds the unit of an address, `any_held` whether there is any in the prefix.
pub fn update_entry(
    entry: &mut Map<String, Value>,
    stored: &Map<String, Value>,
    reserve: bool,
    owner: &str,
    held: &dyn Fn(IpAddr) -> bool,
    any_held: bool,
) -> Result<(), Fault> {
    for key in [SUBNET_UUID, UNIT, FROM_START, SUBSCRIBER_TAG] {
        keep(entry, stored, key);
    }
    let Some(prefix) = prefix_of(entry) else {
        return Ok(());
    };
    check_members(entry, prefix)?;
    let name = prefix_name(prefix);
    // Where there was to be no gateway, one may come; instance-ips may share one that there is, so it stays.
    if reserve || address(stored, GATEWAY).is_some() {
        check_gateway_kept(entry, stored)?;
    }
    if any_held && is_true(entry.get(FROM_START)) != is_true(stored.get(FROM_START)) {
        let what = format!("{name}:{FROM_START} change is not allowed while addresses are in use");
        return Err(Fault::nonsense(invalid_subnet(owner, &what)).about(FROM_START));
    }
    let unit = unit_or_fault(entry, &name, owner)?;
    if any_held && unit != unit_of_members(stored) {
        let reason = "change is not allowed while addresses are in use";
        return Err(Fault::nonsense(invalid_unit(owner, &name, unit, reason)).about(UNIT));
    }
    for key in [GATEWAY, SERVICE] {
        if let Some(new) = address(entry, key)
            && address(stored, key) != Some(new)
            && prefix.contains(new)
            && (held(new) || held(address_of(prefix.is_ipv4(), number_of(new) & !(unit - 1))))
        {
            return Err(Fault::nonsense(invalid_subnet(owner, &name)).about(key));
        }
    }
    for key in [GATEWAY, SERVICE] {
        keep(entry, stored, key);
    }
    // A subnet that was set up without gateway or service address does not get one by being sent again.
    let without = [GATEWAY, SERVICE].map(|key| given(entry, key).is_none().then_some(key));
    // What was stored is not checked anew: what came from elsewhere may be odd, and must stay editable.
    fill(entry, prefix, reserve, owner)?;
    for key in without.into_iter().flatten() {
        entry.insert(key.to_owned(), Value::String(NONE.to_owned()));
    }
    Ok(())
}

/// Refuses prefixes that overlap or equal each other, naming the first pair. The text prints them as the Python
/// library for networks does.
pub fn check_overlap(prefixes: &[IpNetwork]) -> Result<(), Fault> {
    let mut from_first = prefixes.iter().skip(first_overlapping(prefixes).unwrap_or(prefixes.len()));
    let Some(one) = from_first.next() else { return Ok(()) };
    let Some(other) = from_first.find(|other| overlap(*one, **other)) else { return Ok(()) };
    Err(Fault::nonsense(format!(
        "Overlapping addresses: [IPNetwork('{}'), IPNetwork('{}')]",
        prefix_name(*one),
        prefix_name(*other)
    )))
}

/// The position of the first prefix that overlaps another one. Networks with a thousand subnets exist, so not each is
/// held against each.
fn first_overlapping(prefixes: &[IpNetwork]) -> Option<usize> {
    // Prefixes either nest or are apart: in ascending order, the wider first, what lies in a prefix follows it.
    let mut sorted: Vec<(bool, u128, Reverse<u128>, usize)> = prefixes
        .iter()
        .enumerate()
        .map(|(position, prefix)| {
            let (first, last) = bounds(*prefix);
            (prefix.is_ipv4(), first, Reverse(last), position)
        })
        .collect();
    sorted.sort_unstable();
    let mut least: Option<usize> = None;
    // Of the prefix that lies in no other one: its family, its last address and its position.
    let mut widest: Option<(bool, u128, usize)> = None;
    for (family, first, Reverse(last), position) in sorted {
        match widest {
            Some((of, end, outer)) if of == family && first <= end => {
                let pair = outer.min(position);
                least = Some(least.map_or(pair, |least| least.min(pair)));
            }
            _ => widest = Some((family, last, position)),
        }
    }
    least
}

/// The pool of an entry, if its ends are addresses.
pub(super) fn read_pool(pool: &Value) -> Option<Pool> {
    Some(Pool {
        first: parse_address(pool.get("start")?.as_str()?)?,
        last: parse_address(pool.get("end")?.as_str()?)?,
        for_routers: is_true(pool.get("vrouter_specific_pool")),
    })
}

/// The unit of a stored entry; one where it makes no sense.
pub(super) fn stored_unit(entry: &Value) -> u128 {
    entry.as_object().map_or(1, unit_of_members)
}

/// The elements of a list; none where there is no list.
pub(super) fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a flag is set; null and absent are false.
pub(super) fn is_true(value: Option<&Value>) -> bool {
    value.and_then(Value::as_bool).unwrap_or(false)
}

fn unreadable_prefix(entry: &Map<String, Value>) -> Fault {
    let Some(Value::Object(subnet)) = entry.get("subnet") else {
        return Fault::nonsense("Subnet is missing in ipam_subnets").about("subnet");
    };
    let [prefix, length] = ["ip_prefix", "ip_prefix_len"].map(|key| plain(subnet.get(key)));
    Fault::nonsense(format!("Subnet type '{prefix}/{length}' is invalid{}", why_refused(&prefix))).about("subnet")
}

fn unreadable_address(complaint: &str, text: &str) -> Fault {
    Fault::clash(format!("{complaint}{text}{}", why_refused(text)))
}

fn check_members(entry: &Map<String, Value>, prefix: IpNetwork) -> Result<(), Fault> {
    let name = prefix_name(prefix);
    if let Some(text) = given(entry, SUBNET_UUID)
        && Uuid::parse_str(&text).is_err()
    {
        return Err(Fault::clash(format!("Invalid subnet-uuid {text} in subnet:{name}")).about(SUBNET_UUID));
    }
    for pool in list(entry.get(POOLS)) {
        check_pool(pool, prefix, &name)?;
    }
    if let Some(text) = given(entry, GATEWAY) {
        let gateway = parse_address(&text)
            .ok_or_else(|| unreadable_address("Invalid gateway Ip address:", &text).about(GATEWAY))?;
        let (first, last) = bounds(prefix);
        let number = number_of(gateway);
        let usable = prefix.contains(gateway) && number != first && number != last;
        if !usable && !gateway.is_unspecified() {
            return Err(Fault::clash(format!("gateway Ip {text} out of cidr: {name}")).about(GATEWAY));
        }
    }
    // The service address may lie outside the prefix: then it is nobody's business here.
    if let Some(text) = given(entry, SERVICE)
        && parse_address(&text).is_none()
    {
        return Err(unreadable_address("Invalid Dns Server Ip address:", &text).about(SERVICE));
    }
    Ok(())
}

fn check_pool(pool: &Value, prefix: IpNetwork, name: &str) -> Result<(), Fault> {
    let [start, end] = ["start", "end"].map(|key| plain(pool.get(key)));
    match read_pool(pool) {
        Some(pool) if pool.first.is_ipv4() == pool.last.is_ipv4() && pool.first <= pool.last => {
            if prefix.contains(pool.first) && prefix.contains(pool.last) {
                return Ok(());
            }
            Err(Fault::clash(format!("allocation pool start:{start}, end:{end} out of cidr:{name}")).about(POOLS))
        }
        _ => {
            let why = [&start, &end].map(|text| why_refused(text)).concat();
            Err(Fault::clash(format!("Invalid allocation Pool start:{start}, end:{end} in subnet:{name}{why}"))
                .about(POOLS))
        }
    }
}

/// Pools against each other, name servers, unit and size. contrail-api answers 500 to these.
fn check_allocation(entry: &mut Map<String, Value>, prefix: IpNetwork, owner: &str) -> Result<(), Fault> {
    let name = prefix_name(prefix);
    let (first, last) = bounds(prefix);
    let mut pools: Vec<(u128, u128)> = list(entry.get(POOLS))
        .iter()
        .filter_map(read_pool)
        .map(|pool| (number_of(pool.first), number_of(pool.last)))
        .collect();
    pools.sort_unstable();
    if pools.windows(2).any(|pair| matches!(pair, [one, other] if other.0 <= one.1)) {
        return Err(Fault::nonsense(invalid_subnet(owner, &format!("{name}:overlapping alloc-pools"))).about(POOLS));
    }
    for server in list(entry.get(NAME_SERVERS)) {
        let text = plain(Some(server));
        if parse_address(&text).is_none() {
            let why = why_refused(&text);
            return Err(Fault::nonsense(format!("subnet({owner}:{name}) has Invalid DNS Nameserver({text}){why}"))
                .about(NAME_SERVERS));
        }
    }
    let unit = unit_or_fault(entry, &name, owner)?;
    if pools.is_empty() {
        pools.push((first, last));
    }
    for (start, end) in pools {
        check_unit_in_pool(unit, (start, end), (first, last))
            .map_err(|reason| Fault::nonsense(invalid_unit(owner, &name, unit, &reason)).about(UNIT))?;
    }
    // A number sent as text is stored as a number.
    if let Some(number) = entry.get(UNIT).and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok()) {
        entry.insert(UNIT.to_owned(), number.into());
    }
    Ok(())
}

/// The pool must consist of whole units, one of which at least holds neither end of the prefix.
fn check_unit_in_pool(unit: u128, pool: (u128, u128), prefix: (u128, u128)) -> Result<(), String> {
    let (start, end) = pool;
    if start % unit != 0 {
        return Err(format!("Pool start {start} not aligned"));
    }
    // The length of ::/0 does not fit, so look at one less.
    let above = end - start;
    if above < unit - 1 {
        return Err("Pool range smaller than alloc_unit".to_owned());
    }
    if above % unit != unit - 1 {
        return Err(format!("Pool range {} not aligned", above.saturating_add(1)));
    }
    let (network, broadcast) = (prefix.0 / unit, prefix.1 / unit);
    let usable = whole_units(start, end, unit).is_some_and(|(low, high)| {
        let low = if low == network { low.saturating_add(1) } else { low };
        // Below zero would be the network's unit again, where low is already above.
        let high = if high == broadcast { high.saturating_sub(1) } else { high };
        low <= high
    });
    if usable { Ok(()) } else { Err("Pool range<=block_alloc_unit".to_owned()) }
}

/// The unit that the entry asks for; nothing and zero are one.
fn unit_or_fault(entry: &Map<String, Value>, name: &str, owner: &str) -> Result<u128, Fault> {
    unit_of(entry).ok_or_else(|| {
        let unit = plain(entry.get(UNIT));
        Fault::nonsense(invalid_unit(owner, name, unit, "Not power of 2")).about(UNIT)
    })
}

fn unit_of_members(entry: &Map<String, Value>) -> u128 {
    unit_of(entry).unwrap_or(1)
}

/// None when it is not a power of two.
fn unit_of(entry: &Map<String, Value>) -> Option<u128> {
    let unit = match given(entry, UNIT) {
        Some(text) => text.parse::<u64>().ok()?,
        None => 0,
    };
    (unit == 0 || unit.is_power_of_two()).then(|| u128::from(unit.max(1)))
}

fn check_gateway_kept(entry: &Map<String, Value>, stored: &Map<String, Value>) -> Result<(), Fault> {
    let Some(text) = given(entry, GATEWAY) else {
        return Ok(());
    };
    let new = address(entry, GATEWAY);
    if new == address(stored, GATEWAY) {
        return Ok(());
    }
    let original = given(stored, GATEWAY).unwrap_or_else(|| NONE.to_owned());
    Err(Fault::nonsense(format!("default gateway change is not allowed orig:{original}, new: {text}")).about(GATEWAY))
}

/// Takes a member over from the stored entry if the request does not give it.
fn keep(entry: &mut Map<String, Value>, stored: &Map<String, Value>, key: &str) {
    if given(entry, key).is_none()
        && let Some(value) = stored.get(key)
    {
        entry.insert(key.to_owned(), value.clone());
    }
}

/// A member as text, unless there is nothing in it.
fn given(entry: &Map<String, Value>, key: &str) -> Option<String> {
    match entry.get(key)? {
        Value::Null => None,
        Value::String(text) if text.is_empty() || text == NONE => None,
        value => Some(plain(Some(value))),
    }
}

/// An address that is given. The one that stands for none has two spellings, of which that of the subnet's family counts.
fn address(entry: &Map<String, Value>, key: &str) -> Option<IpAddr> {
    let address = parse_address(&given(entry, key)?)?;
    let none = || prefix_of(entry).map(|prefix| address_of(prefix.is_ipv4(), 0));
    if address.is_unspecified() { none().or(Some(address)) } else { Some(address) }
}

/// A value as Python prints it in a text, as far as it matters.
fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => NONE.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
