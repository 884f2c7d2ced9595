use std::net::IpAddr;

use serde_json::{Value, json};

use super::{address, completed, entry, members};
use crate::ipam::{Fault, FaultKind, check_entry, check_overlap, complete_entry, update_entry};

const OWNER: &str = "d:p:vn";

fn pools(ends: &[(&str, &str)]) -> Value {
    let pools: Value = ends.iter().map(|(start, end)| json!({"start": start, "end": end})).collect();
    json!({"allocation_pools": pools})
}

#[test]
fn adm_s1_malformed_members_are_conflicts() {
    for (sent, text) in [
        (json!({"subnet_uuid": "zz"}), "Invalid subnet-uuid zz in subnet:11.1.1.0/24"),
        (
            pools(&[("11.1.1.20", "11.1.1.10")]),
            "Invalid allocation Pool start:11.1.1.20, end:11.1.1.10 in subnet:11.1.1.0/24",
        ),
        (pools(&[("x", "11.1.1.10")]), "Invalid allocation Pool start:x, end:11.1.1.10 in subnet:11.1.1.0/24"),
        (
            json!({"allocation_pools": [{"start": "11.1.1.9"}]}),
            "Invalid allocation Pool start:11.1.1.9, end:None in subnet:11.1.1.0/24",
        ),
        (
            pools(&[("11.1.2.10", "11.1.2.20")]),
            "allocation pool start:11.1.2.10, end:11.1.2.20 out of cidr:11.1.1.0/24",
        ),
        (json!({"default_gateway": "bad"}), "Invalid gateway Ip address:bad"),
        (json!({"default_gateway": "11.1.2.1"}), "gateway Ip 11.1.2.1 out of cidr: 11.1.1.0/24"),
        (json!({"default_gateway": "11.1.1.0"}), "gateway Ip 11.1.1.0 out of cidr: 11.1.1.0/24"),
        (json!({"default_gateway": "11.1.1.255"}), "gateway Ip 11.1.1.255 out of cidr: 11.1.1.0/24"),
        (json!({"default_gateway": "fd00::1"}), "gateway Ip fd00::1 out of cidr: 11.1.1.0/24"),
        (json!({"dns_server_address": "bad"}), "Invalid Dns Server Ip address:bad"),
    ] {
        let entry = entry("11.1.1.0/24", &sent);
        assert_eq!(told(check_entry(&entry)), Err((FaultKind::Clash, text.to_owned())));
        // Where the check is left out, as for ipams of the method auto-subnet, it comes with the completion.
        let completed = complete_entry(&mut members(&entry), true, OWNER);
        assert_eq!(told(completed), Err((FaultKind::Clash, text.to_owned())));
    }
    for sent in [
        json!({"subnet_uuid": null, "default_gateway": "None", "dns_server_address": "", "allocation_pools": null}),
        json!({"default_gateway": "0.0.0.0", "dns_server_address": "8.8.8.8"}),
        json!({"default_gateway": "::", "allocation_pools": []}),
    ] {
        assert_eq!(check_entry(&entry("11.1.1.0/24", &sent)), Ok(()));
    }
}

#[test]
fn adm_s1_an_entry_needs_a_prefix() {
    assert_eq!(check_entry(&json!({})).map_err(|fault| fault.kind), Err(FaultKind::Nonsense));
    assert_eq!(check_entry(&json!(7)).map_err(|fault| fault.kind), Err(FaultKind::Nonsense));
    let haha = json!({"subnet": {"ip_prefix": "haha", "ip_prefix_len": 24}});
    assert_eq!(check_entry(&haha), Err(Fault::nonsense("Subnet type 'haha/24' is invalid").about("subnet")));
    let mut handle = members(&json!({"subnet_uuid": "x"}));
    assert_eq!(complete_entry(&mut handle, true, OWNER), Ok(()));
    assert_eq!(handle.len(), 1);
}

#[test]
fn adm_s1_adm_s4_adm_s16_what_the_allocator_finds_is_a_bad_request() {
    let unit = |prefix: &str, unit: &str, reason: &str| {
        format!("Virtual-Network(d:p:vn:{prefix}) has invalid alloc_unit({unit}) in subnet({prefix}) reason: {reason}")
    };
    let with_unit = |unit: u32, ends: &[(&str, &str)]| {
        let mut sent = pools(ends);
        sent["alloc_unit"] = unit.into();
        sent
    };
    let net = "11.1.1.0/24";
    let small = "Pool range<=block_alloc_unit";
    for (prefix, sent, text) in [
        (
            net,
            pools(&[("11.1.1.30", "11.1.1.40"), ("11.1.1.10", "11.1.1.30")]),
            "Virtual-Network(d:p:vn) has invalid subnet(11.1.1.0/24:overlapping alloc-pools)".to_owned(),
        ),
        (
            net,
            pools(&[("11.1.1.10", "11.1.1.40"), ("11.1.1.20", "11.1.1.30")]),
            "Virtual-Network(d:p:vn) has invalid subnet(11.1.1.0/24:overlapping alloc-pools)".to_owned(),
        ),
        (
            net,
            json!({"dns_nameservers": ["8.8.8.8", "bad"]}),
            "subnet(d:p:vn:11.1.1.0/24) has Invalid DNS Nameserver(bad)".to_owned(),
        ),
        (net, json!({"alloc_unit": 3}), unit(net, "3", "Not power of 2")),
        (net, json!({"alloc_unit": -4}), unit(net, "-4", "Not power of 2")),
        (net, json!({"alloc_unit": "six"}), unit(net, "six", "Not power of 2")),
        (net, with_unit(4, &[("11.1.1.9", "11.1.1.12")]), unit(net, "4", "Pool start 184615177 not aligned")),
        (net, with_unit(4, &[("11.1.1.8", "11.1.1.10")]), unit(net, "4", "Pool range smaller than alloc_unit")),
        (net, with_unit(4, &[("11.1.1.8", "11.1.1.13")]), unit(net, "4", "Pool range 6 not aligned")),
        (net, with_unit(4, &[("11.1.1.0", "11.1.1.3")]), unit(net, "4", small)),
        (net, pools(&[("11.1.1.0", "11.1.1.0")]), unit(net, "1", small)),
        ("11.1.1.0/28", json!({"alloc_unit": 8}), unit("11.1.1.0/28", "8", small)),
        ("11.1.1.0/30", json!({"alloc_unit": 8}), unit("11.1.1.0/30", "8", "Pool range smaller than alloc_unit")),
        ("11.1.1.0/31", json!({}), unit("11.1.1.0/31", "1", small)),
        ("11.1.1.0/32", json!({}), unit("11.1.1.0/32", "1", small)),
        ("255.255.255.255/32", json!({}), unit("255.255.255.255/32", "1", small)),
        ("::/127", json!({}), unit("::/127", "1", small)),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
            json!({}),
            unit("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "1", small),
        ),
    ] {
        for reserve in [true, false] {
            let fault = complete_entry(&mut members(&entry(prefix, &sent)), reserve, OWNER);
            assert_eq!(told(fault), Err((FaultKind::Nonsense, text.clone())), "{prefix} {sent}");
        }
    }
}

#[test]
fn addresses_are_stored_in_normal_form() {
    let sent = json!({"default_gateway": "FD14:0:0:0::00AB", "dns_server_address": "FD14::0001"});
    let stored = completed("fd14::/64", &sent, true);
    assert_eq!(stored["default_gateway"], "fd14::ab");
    assert_eq!(stored["dns_server_address"], "fd14::1");
}

#[test]
fn adm_s1_overlapping_prefixes_are_named_in_order() {
    let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    let fault = |one: &str, other: &str| {
        Err(Fault::nonsense(format!("Overlapping addresses: [IPNetwork('{one}'), IPNetwork('{other}')]")))
    };
    assert_eq!(check_overlap(&[]), Ok(()));
    assert_eq!(check_overlap(&parse(&["11.1.1.0/24", "11.1.2.0/24", "::/0", "11.1.0.0/24"])), Ok(()));
    let same = parse(&["11.1.1.0/24", "11.1.1.0/24"]);
    assert_eq!(check_overlap(&same), fault("11.1.1.0/24", "11.1.1.0/24"));
    let nested = parse(&["11.1.9.0/24", "11.1.1.128/25", "12.1.0.0/16", "11.1.1.0/24", "12.1.1.0/24"]);
    assert_eq!(check_overlap(&nested), fault("11.1.1.128/25", "11.1.1.0/24"));
    let apart = parse(&["10.0.0.0/8", "10.1.0.0/16", "10.200.0.0/16"]);
    assert_eq!(check_overlap(&apart), fault("10.0.0.0/8", "10.1.0.0/16"));
}

/// Updates a subnet with `stored` members by `sent` ones, while one address is held or none.
/// A fault by its kind and text.
fn told<T>(decision: Result<T, Fault>) -> Result<T, (FaultKind, String)> {
    decision.map_err(|fault| (fault.kind, fault.text))
}

fn update(stored: &Value, sent: &Value, reserve: bool, held: Option<&str>) -> Result<Value, Fault> {
    let stored = members(&completed("13.1.1.0/24", stored, reserve));
    let mut new = members(&entry("13.1.1.0/24", sent));
    let holder: Option<IpAddr> = held.map(address);
    let is_held = move |address| Some(address) == holder;
    update_entry(&mut new, &stored, reserve, OWNER, &is_held, held.is_some())?;
    Ok(Value::Object(new))
}

#[test]
fn adm_s5_an_update_keeps_what_it_leaves_out() {
    let stored = json!({
        "subnet_uuid": "6ad0e3a4-0000-4000-8000-000000000001", "default_gateway": "13.1.1.50",
        "dns_server_address": "13.1.1.200", "alloc_unit": 2, "addr_from_start": true, "subscriber_tag": "t",
    });
    let full = json!({
        "subnet_uuid": null, "default_gateway": null, "dns_server_address": "", "alloc_unit": null,
        "addr_from_start": null, "enable_dhcp": true, "dhcp_option_list": null, "allocation_pools": null,
    });
    for sent in [json!({}), full] {
        let new = update(&stored, &sent, true, Some("13.1.1.7")).unwrap();
        for (key, value) in stored.as_object().unwrap() {
            assert_eq!(new[key], *value, "{key}");
        }
    }
    let kept = update(&json!({}), &json!({}), true, None).unwrap();
    assert!(kept.get("alloc_unit").is_none() && kept.get("subnet_uuid").is_none());
}

#[test]
fn adm_s5_the_gateway_stays() {
    let custom = json!({"default_gateway": "13.1.1.50"});
    for (stored, new, text) in [
        (&json!({}), "13.1.1.50", "default gateway change is not allowed orig:13.1.1.254, new: 13.1.1.50"),
        (&custom, "13.1.1.254", "default gateway change is not allowed orig:13.1.1.50, new: 13.1.1.254"),
        (&custom, "0.0.0.0", "default gateway change is not allowed orig:13.1.1.50, new: 0.0.0.0"),
    ] {
        let fault = update(stored, &json!({"default_gateway": new}), true, None);
        assert_eq!(fault, Err(Fault::nonsense(text).about("default_gateway")));
    }
    assert!(update(&custom, &custom, true, Some("13.1.1.9")).is_ok());
    let outside = update(&custom, &json!({"default_gateway": "14.1.1.1"}), true, None);
    assert_eq!(outside, Err(Fault::clash("gateway Ip 14.1.1.1 out of cidr: 13.1.1.0/24").about("default_gateway")));
    let routed = update(&json!({}), &json!({"default_gateway": "13.1.1.1"}), false, None).unwrap();
    assert_eq!((&routed["default_gateway"], &routed["dns_server_address"]), (&json!("13.1.1.1"), &json!("None")));
}

#[test]
fn adm_s5_a_subnet_without_gateway_does_not_get_one() {
    let stored = members(&entry("13.1.1.0/24", &json!({"enable_dhcp": true})));
    let mut new = members(&entry("13.1.1.0/24", &json!({})));
    update_entry(&mut new, &stored, true, OWNER, &|_| false, false).unwrap();
    assert_eq!((&new["default_gateway"], &new["dns_server_address"]), (&json!("None"), &json!("None")));
}

#[test]
fn adm_s5_the_service_address_moves_to_a_free_one() {
    let moved = json!({"dns_server_address": "13.1.1.200"});
    assert_eq!(update(&json!({}), &moved, true, None).unwrap()["dns_server_address"], "13.1.1.200");
    let fault =
        Err(Fault::nonsense("Virtual-Network(d:p:vn) has invalid subnet(13.1.1.0/24)").about("dns_server_address"));
    assert_eq!(update(&json!({}), &moved, true, Some("13.1.1.200")), fault);
    let inside_unit = json!({"dns_server_address": "13.1.1.201"});
    assert_eq!(update(&json!({"alloc_unit": 4}), &inside_unit, true, Some("13.1.1.200")), fault);
    assert!(update(&moved, &moved, true, Some("13.1.1.200")).is_ok());
    assert!(update(&json!({}), &json!({"dns_server_address": "8.8.8.8"}), true, Some("8.8.8.8")).is_ok());
}

#[test]
fn adm_s5_order_and_unit_change_while_nothing_is_held() {
    for (stored, sent) in [
        (json!({}), json!({"addr_from_start": true})),
        (json!({"addr_from_start": true}), json!({"addr_from_start": false})),
        (json!({}), json!({"alloc_unit": 4})),
        (json!({"alloc_unit": 4}), json!({"alloc_unit": 0})),
    ] {
        assert_eq!(
            update(&stored, &sent, true, Some("13.1.1.8")).map_err(|fault| fault.kind),
            Err(FaultKind::Nonsense)
        );
        let new = update(&stored, &sent, true, None).unwrap();
        for (key, value) in sent.as_object().unwrap() {
            assert_eq!(new[key], *value);
        }
        assert_eq!(update(&stored, &stored, true, Some("13.1.1.8")).map(|_| ()), Ok(()));
    }
}

#[test]
fn adm_s5_pools_change_at_will() {
    let stored = pools(&[("13.1.1.10", "13.1.1.20")]);
    for sent in [
        pools(&[("13.1.1.10", "13.1.1.20"), ("13.1.1.2", "13.1.1.5")]),
        pools(&[("13.1.1.30", "13.1.1.40")]),
        json!({}),
    ] {
        let new = update(&stored, &sent, true, Some("13.1.1.15")).unwrap();
        assert_eq!(new.get("allocation_pools"), sent.get("allocation_pools"));
    }
    let overlapping = pools(&[("13.1.1.10", "13.1.1.20"), ("13.1.1.20", "13.1.1.25")]);
    assert_eq!(
        update(&stored, &overlapping, true, None),
        Err(Fault::nonsense("Virtual-Network(d:p:vn) has invalid subnet(13.1.1.0/24:overlapping alloc-pools)")
            .about("allocation_pools"))
    );
}
