use serde_json::{Value, json};

use super::{address, completed, draw, entry, subnet};
use crate::ipam::{Subnet, misaligned, subnet::Reserved};

/// Prefix and members sent; gateway and service address stored; count when fresh; the first addresses handed out, all
/// of them when the list ends in an empty text.
type Vector<'a> = (&'a str, Value, &'a str, &'a str, u128, &'a [&'a str]);

#[test]
fn adm_s2_adm_s3_adm_s4_adm_s8_hands_out_what_contrail_api_does() {
    let pools = |ends: &[(&str, &str)]| -> Value {
        ends.iter().map(|(start, end)| json!({"start": start, "end": end})).collect()
    };
    let two_pools = pools(&[("11.1.1.100", "11.1.1.101"), ("11.1.1.9", "11.1.1.10")]);
    let vectors: &[Vector<'_>] = &[
        (
            "11.1.1.0/24",
            json!({}),
            "11.1.1.254",
            "11.1.1.253",
            3,
            &["11.1.1.252", "11.1.1.251", "11.1.1.250", "11.1.1.249", "11.1.1.248"],
        ),
        (
            "11.1.1.77/24",
            json!({"default_gateway": null, "dns_server_address": "", "alloc_unit": 0, "allocation_pools": null}),
            "11.1.1.254",
            "11.1.1.253",
            3,
            &["11.1.1.252", "11.1.1.251"],
        ),
        (
            "11.1.1.0/24",
            json!({"addr_from_start": true}),
            "11.1.1.1",
            "11.1.1.2",
            3,
            &["11.1.1.3", "11.1.1.4", "11.1.1.5"],
        ),
        (
            "11.1.1.0/24",
            json!({"default_gateway": "11.1.1.1"}),
            "11.1.1.1",
            "11.1.1.253",
            3,
            &["11.1.1.254", "11.1.1.252", "11.1.1.251"],
        ),
        (
            "11.1.1.0/24",
            json!({"addr_from_start": true, "default_gateway": "11.1.1.5"}),
            "11.1.1.5",
            "11.1.1.2",
            3,
            &["11.1.1.1", "11.1.1.3", "11.1.1.4", "11.1.1.6", "11.1.1.7"],
        ),
        (
            "11.1.1.0/24",
            json!({"default_gateway": "11.1.1.252"}),
            "11.1.1.252",
            "11.1.1.253",
            3,
            &["11.1.1.254", "11.1.1.251", "11.1.1.250"],
        ),
        (
            "11.1.1.0/24",
            json!({"default_gateway": "11.1.1.253"}),
            "11.1.1.253",
            "11.1.1.253",
            2,
            &["11.1.1.254", "11.1.1.252", "11.1.1.251"],
        ),
        (
            "11.1.1.0/24",
            json!({"default_gateway": "0.0.0.0"}),
            "0.0.0.0",
            "11.1.1.253",
            2,
            &["11.1.1.254", "11.1.1.252"],
        ),
        (
            "11.1.1.0/24",
            json!({"dns_server_address": "8.8.8.8"}),
            "11.1.1.254",
            "8.8.8.8",
            2,
            &["11.1.1.253", "11.1.1.252"],
        ),
        ("11.1.1.0/29", json!({}), "11.1.1.6", "11.1.1.5", 3, &["11.1.1.4", "11.1.1.3", "11.1.1.2", "11.1.1.1", ""]),
        ("11.1.1.0/30", json!({}), "11.1.1.2", "11.1.1.1", 3, &[""]),
        ("fd14::/126", json!({}), "fd14::2", "fd14::1", 3, &[""]),
        (
            "11.1.1.0/24",
            json!({"alloc_unit": 4}),
            "11.1.1.254",
            "11.1.1.253",
            2,
            &["11.1.1.248", "11.1.1.244", "11.1.1.240"],
        ),
        (
            "11.1.1.0/24",
            json!({"alloc_unit": "4", "addr_from_start": true}),
            "11.1.1.1",
            "11.1.1.2",
            2,
            &["11.1.1.4", "11.1.1.8", "11.1.1.12"],
        ),
        ("11.1.1.0/28", json!({"alloc_unit": 4}), "11.1.1.14", "11.1.1.13", 2, &["11.1.1.8", "11.1.1.4", ""]),
        ("fd14::/120", json!({"alloc_unit": 4}), "fd14::fe", "fd14::fd", 2, &["fd14::f8", "fd14::f4"]),
        (
            "11.1.1.0/24",
            json!({"addr_from_start": true, "allocation_pools": two_pools}),
            "11.1.1.1",
            "11.1.1.2",
            0,
            &["11.1.1.9", "11.1.1.10", "11.1.1.100", "11.1.1.101", ""],
        ),
        (
            "11.1.1.0/24",
            json!({"allocation_pools": two_pools}),
            "11.1.1.254",
            "11.1.1.253",
            0,
            &["11.1.1.101", "11.1.1.100", "11.1.1.10", "11.1.1.9", ""],
        ),
        (
            "11.1.1.0/24",
            json!({"allocation_pools": pools(&[("11.1.1.252", "11.1.1.254")])}),
            "11.1.1.254",
            "11.1.1.253",
            2,
            &["11.1.1.252", ""],
        ),
        (
            "11.1.1.0/24",
            json!({"allocation_pools": pools(&[("11.1.1.253", "11.1.1.254")])}),
            "11.1.1.254",
            "11.1.1.253",
            2,
            &[""],
        ),
        (
            "11.1.1.0/24",
            json!({"allocation_pools": pools(&[("11.1.1.7", "11.1.1.7")])}),
            "11.1.1.254",
            "11.1.1.253",
            0,
            &["11.1.1.7", ""],
        ),
        ("fd14::/120", json!({}), "fd14::fe", "fd14::fd", 3, &["fd14::fc", "fd14::fb"]),
        (
            "fd14::/64",
            json!({}),
            "fd14::ffff:ffff:ffff:fffe",
            "fd14::ffff:ffff:ffff:fffd",
            2,
            &["fd14::ffff:ffff:ffff:fffc", "fd14::ffff:ffff:ffff:fffb"],
        ),
        ("11.1.0.0/16", json!({}), "11.1.255.254", "11.1.255.253", 3, &["11.1.255.252"]),
        ("11.0.0.0/8", json!({}), "11.255.255.254", "11.255.255.253", 2, &["11.255.255.252"]),
        ("11.0.0.0/8", json!({"addr_from_start": true}), "11.0.0.1", "11.0.0.2", 3, &["11.0.0.3", "11.0.0.4"]),
    ];
    for (prefix, members, gateway, service, count, expected) in vectors {
        let stored = completed(prefix, members, true);
        let label = format!("{prefix} {members}");
        assert_eq!(stored["default_gateway"], *gateway, "{label}");
        assert_eq!(stored["dns_server_address"], *service, "{label}");
        let mut subnet = Subnet::read(&stored).unwrap();
        assert_eq!(subnet.used_count(), *count, "{label}");
        let expected: Vec<&str> = expected.to_vec();
        let wanted = if expected.last() == Some(&"") { 1000 } else { expected.len() };
        let expected: Vec<&str> = expected.into_iter().filter(|text| !text.is_empty()).collect();
        assert_eq!(draw(&mut subnet, wanted), expected, "{label}");
        if wanted < 1000 {
            assert_eq!(subnet.used_count(), count + expected.len() as u128, "{label}");
        }
    }
}

#[test]
fn adm_s4_a_unit_sent_as_text_is_stored_as_a_number() {
    assert_eq!(completed("11.1.1.0/24", &json!({"alloc_unit": "4"}), true)["alloc_unit"], 4);
}

#[test]
fn adm_s8_gives_back_in_place() {
    let mut subnet = subnet("11.1.1.0/24", &json!({}));
    draw(&mut subnet, 5);
    assert_eq!(subnet.used_count(), 8);
    subnet.give(address("11.1.1.251"));
    subnet.give(address("11.1.1.249"));
    assert_eq!(draw(&mut subnet, 2), ["11.1.1.251", "11.1.1.249"]);
    subnet.take(address("11.1.1.247"));
    assert_eq!(draw(&mut subnet, 2), ["11.1.1.246", "11.1.1.245"]);
    for reserved in ["11.1.1.0", "11.1.1.255", "11.1.1.254", "11.1.1.253", "12.1.1.1", "fd14::1"] {
        subnet.give(address(reserved));
    }
    assert_eq!(subnet.first_free(), Some(address("11.1.1.244")));
    assert_eq!(subnet.used_count(), 11);
}

#[test]
fn adm_s14_a_full_subnet_counts_its_last_address() {
    let mut subnet = subnet("15.1.1.0/29", &json!({}));
    draw(&mut subnet, 3);
    assert_eq!(subnet.used_count(), 6);
    draw(&mut subnet, 9);
    assert_eq!(subnet.used_count(), 8);
}

#[test]
fn adm_s2_adm_s13_routed_and_subnetted_prefixes_reserve_only_their_ends() {
    let stored = completed("41.1.1.0/30", &json!({}), false);
    assert_eq!(stored["default_gateway"], "None");
    assert_eq!(stored["dns_server_address"], "None");
    let mut subnet = Subnet::read(&stored).unwrap();
    assert_eq!((subnet.gateway, subnet.service), (None, None));
    assert_eq!(draw(&mut subnet, 9), ["41.1.1.2", "41.1.1.1"]);
}

#[test]
fn adm_s2_tells_what_is_reserved() {
    let pool = json!({"allocation_pools": [{"start": "11.1.1.10", "end": "11.1.1.20"}]});
    for members in [json!({}), pool] {
        let subnet = subnet("11.1.1.0/24", &members);
        for (text, expected) in [
            ("11.1.1.0", Some(Reserved::Network)),
            ("11.1.1.255", Some(Reserved::Broadcast)),
            ("11.1.1.254", Some(Reserved::Gateway)),
            ("11.1.1.253", Some(Reserved::Service)),
            ("11.1.1.252", None),
            ("12.1.1.0", None),
            ("::b01:100", None),
        ] {
            assert_eq!(subnet.reserved(address(text)), expected, "{text} {members}");
        }
    }
    let shared = subnet("11.1.1.0/24", &json!({"default_gateway": "11.1.1.253"}));
    assert_eq!(shared.reserved(address("11.1.1.253")), Some(Reserved::Gateway));
    let none = subnet("0.0.0.0/8", &json!({"default_gateway": "0.0.0.0"}));
    assert_eq!(none.reserved(address("0.0.0.0")), Some(Reserved::Network));
    assert_eq!(none.gateway, None);
}

#[test]
fn adm_s4_units_are_held_and_reserved_as_a_whole() {
    let mut subnet = subnet("11.1.1.0/24", &json!({"alloc_unit": 4, "default_gateway": "11.1.1.50"}));
    assert_eq!(subnet.reserved(address("11.1.1.50")), Some(Reserved::Gateway));
    assert_eq!(subnet.reserved(address("11.1.1.48")), Some(Reserved::Neighbour));
    assert_eq!(subnet.reserved(address("11.1.1.254")), Some(Reserved::Neighbour));
    assert_eq!(subnet.reserved(address("11.1.1.52")), None);
    assert_eq!(subnet.unit_of(address("11.1.1.249")), (address("11.1.1.248"), address("11.1.1.251")));
    assert!(subnet.is_free_in_pools(address("11.1.1.249")));
    subnet.take(address("11.1.1.249"));
    assert!(!subnet.is_free_in_pools(address("11.1.1.248")));
    assert_eq!(subnet.first_free(), Some(address("11.1.1.244")));
    assert!(!subnet.is_aligned(address("11.1.1.241")) && subnet.is_aligned(address("11.1.1.240")));
    assert_eq!(
        misaligned("d:p:vn", &subnet, address("11.1.1.241")),
        "Virtual-Network(d:p:vn:11.1.1.0/24) has invalid alloc_unit(4) in subnet(11.1.1.0/24) reason: \
         Requested IP address 11.1.1.241 not aligned"
    );
}

#[test]
fn adm_s3_adm_s14_addresses_outside_of_pools_do_not_count() {
    let pools = json!({"allocation_pools": [{"start": "11.1.1.10", "end": "11.1.1.20"}]});
    let mut subnet = subnet("11.1.1.0/24", &pools);
    assert!(!subnet.is_free_in_pools(address("11.1.1.100")));
    subnet.take(address("11.1.1.100"));
    assert_eq!(subnet.used_count(), 0);
    subnet.take(address("11.1.1.12"));
    assert_eq!(subnet.used_count(), 1);
    subnet.give(address("11.1.1.100"));
    subnet.give(address("11.1.1.12"));
    assert_eq!(subnet.used_count(), 0);
}

#[test]
fn adm_s3_adm_s12_pools_for_virtual_routers_are_apart() {
    let pools = json!({"allocation_pools": [
        {"start": "13.1.1.8", "end": "13.1.1.9", "vrouter_specific_pool": true},
        {"start": "13.1.1.16", "end": "13.1.1.17"},
        {"start": "13.1.1.4", "end": "13.1.1.5", "vrouter_specific_pool": true},
    ]});
    let mut subnet = subnet("13.1.1.0/24", &pools);
    let own = [(address("13.1.1.4"), address("13.1.1.5")), (address("13.1.1.8"), address("13.1.1.9"))];
    for expected in ["13.1.1.9", "13.1.1.8", "13.1.1.5", "13.1.1.4"] {
        let next = subnet.first_free_within(&own).unwrap();
        assert_eq!(next, address(expected));
        subnet.take(next);
    }
    assert_eq!(subnet.first_free_within(&own), None);
    assert_eq!(draw(&mut subnet, 9), ["13.1.1.17", "13.1.1.16"]);
    subnet.give(address("13.1.1.8"));
    assert_eq!(subnet.first_free(), None);
    assert_eq!(subnet.first_free_within(&own), Some(address("13.1.1.8")));
    assert_eq!(subnet.first_free_within(&[(address("::"), address("::ffff"))]), None);
}

#[test]
fn entries_that_were_never_completed_are_readable() {
    for (prefix, first) in [("0.0.0.0/8", "0.255.255.254"), ("::ffff/104", "::ff:fffe")] {
        let subnet = Subnet::read(&entry(prefix, &json!({"alloc_unit": 1, "enable_dhcp": true}))).unwrap();
        assert_eq!((subnet.gateway, subnet.service, subnet.subnet_uuid), (None, None, None));
        assert_eq!(subnet.first_free(), Some(address(first)));
    }
    assert!(Subnet::read(&json!({"subnet_uuid": "6ad0e3a4-0000-4000-8000-000000000001"})).is_none());
    assert!(Subnet::read(&json!(null)).is_none());
    let tiny = Subnet::read(&entry("11.1.1.1/32", &json!({"alloc_unit": 3}))).unwrap();
    assert_eq!((tiny.first_free(), tiny.used_count()), (None, 0));
}

#[test]
fn large_subnets_and_the_ends_of_the_address_space() {
    for (prefix, from_end, from_start) in [
        ("0.0.0.0/8", "0.255.255.252", "0.0.0.3"),
        ("255.0.0.0/8", "255.255.255.252", "255.0.0.3"),
        ("0.0.0.0/0", "255.255.255.252", "0.0.0.3"),
        ("::/8", "ff:ffff:ffff:ffff:ffff:ffff:ffff:fffc", "::3"),
        ("ffff::/16", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc", "ffff::3"),
        ("::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc", "::3"),
    ] {
        for (start, expected) in [(false, from_end), (true, from_start)] {
            for unit in [1, 2, 4] {
                let mut subnet = subnet(prefix, &json!({"addr_from_start": start, "alloc_unit": unit}));
                let capacity = subnet.free_count();
                if unit == 1 {
                    assert_eq!(subnet.first_free(), Some(address(expected)), "{prefix}");
                }
                let drawn = draw(&mut subnet, 100);
                assert_eq!(subnet.free_count(), capacity - drawn.len() as u128);
                let (first, last) = (subnet.prefix.network(), subnet.prefix.broadcast());
                for end in [first, last] {
                    subnet.take(end);
                    subnet.give(end);
                    assert!(!subnet.is_free_in_pools(end) && subnet.reserved(end).is_some());
                    subnet.unit_of(end);
                }
                for text in drawn {
                    subnet.give(address(&text));
                }
                assert_eq!(subnet.free_count(), capacity);
            }
        }
    }
}

#[test]
fn adm_41_there_is_no_end_after_65536_addresses() {
    let mut subnet = subnet("11.0.0.0/8", &json!({}));
    assert_eq!(draw(&mut subnet, 70_000).len(), 70_000);
    assert_eq!(subnet.used_count(), 70_002);
}

#[test]
fn usage_counts_each_unit_once() {
    use crate::ipam::Usage;
    let usage = |all, reserved, used| Usage { all, reserved, used };
    let mut whole = subnet("10.1.0.0/24", &json!({}));
    assert_eq!(whole.usage(), usage(256, 4, 0));
    for taken in ["10.1.0.7", "10.1.0.7", "10.1.0.254"] {
        whole.take(address(taken));
    }
    assert_eq!(whole.usage(), usage(256, 4, 1));
    // What is reserved outside of pools does not count.
    let pools = json!({"allocation_pools": [{"start": "10.1.0.8", "end": "10.1.0.15"}], "default_gateway": "10.1.0.9"});
    assert_eq!(subnet("10.1.0.0/24", &pools).usage(), usage(8, 1, 0));
    assert_eq!(subnet("fd00::/64", &json!({})).usage(), usage(1 << 64, 4, 0));
}
