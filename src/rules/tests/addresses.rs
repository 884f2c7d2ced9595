//! Which address an object gets, and what is refused: the measured behaviour of contrail-api R21 (address management, by
//! example: ADM-1 to ADM-32), what is required beyond it (ADM-33 to ADM-42), and what they are examples of (ADM-S1 to ADM-S16).

use super::*;
use crate::rules::{AllocateAddresses, FreeAddresses, count_addresses, network_of_call};
use std::net::IpAddr;

const IN_USE: &str = "409 IP address already in use";

impl Configuration {
    /// An instance-ip of a network: its address, or the refusal.
    pub fn take(&mut self, network: &Object, members: Value) -> Result<String, String> {
        let name = format!("address-{}", self.now);
        match self.address(&name, network, &members) {
            Ok(address) => Ok(self.get(&address, "instance_ip_address").as_str().unwrap().to_owned()),
            refused => Err(refusal(refused)),
        }
    }

    /// So many instance-ips: their addresses.
    pub fn take_many(&mut self, network: &Object, count: usize) -> Vec<String> {
        (0..count).map(|_| self.take(network, json!({})).unwrap()).collect()
    }

    /// The instance-ip with this address.
    pub fn with_address(&self, address: &str) -> Arc<Object> {
        let kind = model().find("instance-ip").unwrap();
        let mut all = self.graph.objects_of(kind);
        all.find(|object| self.get(object, "instance_ip_address") == address).unwrap().clone()
    }

    /// `ip-alloc`.
    pub fn allocate(&mut self, network: &Object, count: usize, subnet: Option<Uuid>) -> Decision<Vec<String>> {
        let allocate = AllocateAddresses { network: network.uuid.to_string(), count, subnet, version: None };
        match self.submit(Operation::AllocateAddresses(allocate))? {
            (Outcome::Addresses(addresses), _) => Ok(addresses),
            (other, _) => panic!("{other:?}"),
        }
    }

    /// `ip-free`: what it changes.
    pub fn give_back(&mut self, network: &Object, addresses: &[String]) -> Vec<Change> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let free = FreeAddresses { network: network.uuid.to_string(), addresses };
        self.submit(Operation::FreeAddresses(free)).unwrap().1
    }

    /// The entries of the subnets of a network, as stored.
    pub fn subnets(&self, network: &Object) -> Vec<Value> {
        let links = self.links(network, "network_ipam_refs");
        links.into_iter().flat_map(|(_, attribute)| attribute["ipam_subnets"].as_array().unwrap().clone()).collect()
    }

    /// `subnet-ip-count` of all subnets of a network.
    pub fn counts(&self, network: &Object) -> Vec<u128> {
        let uuids = self.subnets(network).into_iter().map(|entry| entry["subnet_uuid"].as_str().unwrap().to_owned());
        count_addresses(&self.graph, network, &uuids.collect::<Vec<_>>())
    }

    /// A flat ipam of the default project.
    pub fn flat_ipam(&mut self, name: &str, subnets: Value, members: Value) -> Decision<Arc<Object>> {
        let mut body = json!({"ipam_subnet_method": "flat-subnet", "ipam_subnets": {"subnets": subnets}});
        extend(&mut body, members);
        self.in_project("network-ipam", name, body)
    }

    /// An l3 network of the default project that uses flat ipams.
    pub fn flat_network(&mut self, name: &str, ipams: &[&Object], members: Value) -> Arc<Object> {
        let refs: Value = ipams.iter().map(|ipam| flat_reference(ipam)).collect();
        let mut body = json!({"virtual_network_properties": {"forwarding_mode": "l3"}, "network_ipam_refs": refs});
        extend(&mut body, members);
        self.in_project("virtual-network", name, body).unwrap()
    }

    /// A pool of floating-ips or alias-ips.
    fn pool(&mut self, network: &Object, kind: &str, members: Value) -> Arc<Object> {
        let name = format!("pool-{}", self.now);
        self.below(network, kind, &name, members).unwrap()
    }

    /// A floating-ip or alias-ip: its address, or the refusal.
    fn take_of_pool(&mut self, pool: &Object, members: Value) -> Result<String, String> {
        let kind = model().object_type(pool.type_id).name.replace("-pool", "");
        let name = format!("address-{}", self.now);
        match self.below(pool, &kind, &name, members) {
            Ok(object) => {
                let property = format!("{}_address", kind.replace('-', "_"));
                Ok(self.get(&object, &property).as_str().unwrap().to_owned())
            }
            refused => Err(refusal(refused)),
        }
    }
}

pub fn flat_reference(ipam: &Object) -> Value {
    json!({"to": ipam.fq_name.elements(), "attr": {"ipam_subnets": []}})
}

/// A subnet with further members.
pub fn subnet_with(prefix: &str, members: Value) -> Value {
    let (address, length) = prefix.split_once('/').unwrap();
    let mut entry = subnet(address, length.parse().unwrap());
    extend(&mut entry, members);
    entry
}

fn pools(ends: &[(&str, &str)]) -> Value {
    ends.iter().map(|(start, end)| json!({"start": start, "end": end})).collect()
}

fn asked(address: &str) -> Value {
    json!({ "instance_ip_address": address })
}

fn exhausted(network: &str, tried: &str) -> String {
    format!("400 Virtual-Network(['default-domain', 'default-project', '{network}']) has exhausted subnet({tried})")
}

/// Subnets; gateway and service address stored, of the first; then what is asked for, nothing for any address, and
/// what comes of it: an address, or how the refusal begins.
type Vector<'a> = (&'a str, Value, [&'a str; 2], &'a [(&'a str, &'a str)]);

fn check(vectors: &[Vector]) {
    for (label, subnets, [gateway, service], steps) in vectors {
        let mut configuration = Configuration::new();
        let network = configuration.network_with("n", subnets.clone(), json!({})).unwrap();
        let entry = &configuration.subnets(&network)[0];
        assert_eq!((&entry["default_gateway"], &entry["dns_server_address"]), (&json!(gateway), &json!(service)));
        for (wanted, expected) in *steps {
            let members = if wanted.is_empty() { json!({}) } else { asked(wanted) };
            let answer = configuration.take(&network, members).unwrap_or_else(|refusal| refusal);
            let same = if expected.contains(' ') { answer.starts_with(expected) } else { answer == *expected };
            assert!(same, "{label}: {answer} instead of {expected}");
        }
    }
}

/// Steps that ask for nothing.
macro_rules! any {
    ($($address:expr),*) => { &[$(("", $address)),*] };
}

#[test]
fn adm_1_adm_2_adm_3_adm_4_adm_5_adm_6_adm_7_adm_s2_gateway_service_address_and_order() {
    let with = |members: Value| json!([subnet_with("11.1.1.0/24", members)]);
    check(&[
        (
            "ADM-1",
            with(json!({})),
            ["11.1.1.254", "11.1.1.253"],
            any!["11.1.1.252", "11.1.1.251", "11.1.1.250", "11.1.1.249", "11.1.1.248"],
        ),
        (
            "ADM-2",
            with(json!({"addr_from_start": true})),
            ["11.1.1.1", "11.1.1.2"],
            any!["11.1.1.3", "11.1.1.4", "11.1.1.5"],
        ),
        (
            "ADM-3",
            with(json!({"default_gateway": "11.1.1.1"})),
            ["11.1.1.1", "11.1.1.253"],
            any!["11.1.1.254", "11.1.1.252", "11.1.1.251"],
        ),
        (
            "ADM-4",
            with(json!({"addr_from_start": true, "default_gateway": "11.1.1.5"})),
            ["11.1.1.5", "11.1.1.2"],
            any!["11.1.1.1", "11.1.1.3", "11.1.1.4", "11.1.1.6", "11.1.1.7"],
        ),
        (
            "ADM-5",
            with(json!({"default_gateway": "11.1.1.252"})),
            ["11.1.1.252", "11.1.1.253"],
            any!["11.1.1.254", "11.1.1.251", "11.1.1.250"],
        ),
        (
            "ADM-6",
            with(json!({"default_gateway": "11.1.1.253"})),
            ["11.1.1.253", "11.1.1.253"],
            any!["11.1.1.254", "11.1.1.252", "11.1.1.251"],
        ),
        (
            "ADM-7",
            with(json!({"default_gateway": "0.0.0.0"})),
            ["0.0.0.0", "11.1.1.253"],
            any!["11.1.1.254", "11.1.1.252"],
        ),
    ]);
}

#[test]
fn adm_1_iip_c8_iip_d1_a_freed_address_goes_back_to_its_place() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "11.1.1.0", 24);
    assert_eq!(configuration.counts(&network), [3]);
    configuration.take_many(&network, 5);
    assert_eq!(configuration.counts(&network), [8]);
    for address in ["11.1.1.251", "11.1.1.249"] {
        let object = configuration.with_address(address);
        configuration.delete(&object).unwrap();
    }
    assert_eq!(configuration.take_many(&network, 2), ["11.1.1.251", "11.1.1.249"]);
    configuration.take(&network, asked("11.1.1.247")).unwrap();
    assert_eq!(configuration.take_many(&network, 2), ["11.1.1.246", "11.1.1.245"]);
}

#[test]
fn adm_8_adm_9_adm_18_iip_c9_small_subnets() {
    let exhausted = exhausted("n", "[]");
    check(&[
        (
            "ADM-8",
            json!([subnet("11.1.1.0", 29)]),
            ["11.1.1.6", "11.1.1.5"],
            any!["11.1.1.4", "11.1.1.3", "11.1.1.2", "11.1.1.1", &exhausted],
        ),
        ("ADM-9", json!([subnet("11.1.1.0", 30)]), ["11.1.1.2", "11.1.1.1"], any![&exhausted]),
        ("ADM-18", json!([subnet("61.1.1.0", 30), subnet("62.1.1.0", 29)]), ["61.1.1.2", "61.1.1.1"], any!["62.1.1.4"]),
    ]);
    let mut configuration = Configuration::new();
    let tiny = configuration.network_with("n", json!([subnet("11.1.1.0", 31)]), json!({}));
    assert_eq!(
        refusal(tiny),
        "400 Virtual-Network(default-domain:default-project:n:11.1.1.0/31) has invalid alloc_unit(1) in \
         subnet(11.1.1.0/31) reason: Pool range<=block_alloc_unit"
    );
}

#[test]
fn adm_10_vn_s8_a_routed_network_reserves_neither_gateway_nor_service_address() {
    let mut configuration = Configuration::new();
    let routed = json!({"virtual_network_category": "routed"});
    let network = configuration.network_with("n", json!([subnet("11.1.1.0", 30)]), routed).unwrap();
    let entry = &configuration.subnets(&network)[0];
    assert_eq!((&entry["default_gateway"], &entry["dns_server_address"]), (&json!("None"), &json!("None")));
    assert_eq!(configuration.take_many(&network, 2), ["11.1.1.2", "11.1.1.1"]);
    assert_eq!(configuration.take(&network, json!({})), Err(exhausted("n", "[]")));
}

#[test]
fn adm_11_adm_12_adm_s4_vn_s10_units() {
    let with = |members: Value| json!([subnet_with("11.1.1.0/24", members)]);
    check(&[
        (
            "ADM-11",
            with(json!({"alloc_unit": 4})),
            ["11.1.1.254", "11.1.1.253"],
            &[
                ("", "11.1.1.248"),
                ("", "11.1.1.244"),
                ("11.1.1.249", IN_USE),
                (
                    "11.1.1.241",
                    "400 Virtual-Network(default-domain:default-project:n:11.1.1.0/24) has invalid alloc_unit(4) in \
                     subnet(11.1.1.0/24) reason: Requested IP address 11.1.1.241 not aligned",
                ),
                ("11.1.1.240", "11.1.1.240"),
                ("", "11.1.1.236"),
            ],
        ),
        (
            "ADM-12",
            with(json!({"alloc_unit": 4, "addr_from_start": true})),
            ["11.1.1.1", "11.1.1.2"],
            any!["11.1.1.4", "11.1.1.8", "11.1.1.12"],
        ),
    ]);
    let mut configuration = Configuration::new();
    for (unit, pool, reason) in [
        (3, None, "Not power of 2"),
        (256, None, "Pool range<=block_alloc_unit"),
        (4, Some(("11.1.1.9", "11.1.1.12")), "Pool start 184615177 not aligned"),
        (4, Some(("11.1.1.8", "11.1.1.13")), "Pool range 6 not aligned"),
        (4, Some(("11.1.1.8", "11.1.1.10")), "Pool range smaller than alloc_unit"),
    ] {
        let pools = pools(&pool.into_iter().collect::<Vec<_>>());
        let refused =
            configuration.network_with("bad", with(json!({"alloc_unit": unit, "allocation_pools": pools})), json!({}));
        let text = refusal(refused);
        assert!(text.starts_with("400 ") && text.ends_with(&format!("reason: {reason}")), "{text}");
    }
}

#[test]
fn adm_13_adm_14_adm_15_adm_s3_vn_s10_pools() {
    let two = pools(&[("11.1.1.100", "11.1.1.101"), ("11.1.1.9", "11.1.1.10")]);
    let with = |pools: &Value| json!([subnet_with("11.1.1.0/24", json!({ "allocation_pools": pools }))]);
    let from_start = subnet_with("11.1.1.0/24", json!({"allocation_pools": two, "addr_from_start": true}));
    let exhausted = exhausted("n", "[]");
    check(&[
        (
            "ADM-13",
            json!([from_start]),
            ["11.1.1.1", "11.1.1.2"],
            any!["11.1.1.9", "11.1.1.10", "11.1.1.100", "11.1.1.101", &exhausted],
        ),
        (
            "ADM-13",
            with(&two),
            ["11.1.1.254", "11.1.1.253"],
            any!["11.1.1.101", "11.1.1.100", "11.1.1.10", "11.1.1.9", &exhausted],
        ),
        (
            "ADM-15",
            with(&pools(&[("11.1.1.252", "11.1.1.254")])),
            ["11.1.1.254", "11.1.1.253"],
            any!["11.1.1.252", &exhausted],
        ),
    ]);
    let mut configuration = Configuration::new();
    let network = configuration.network_with("n", with(&pools(&[("11.1.1.10", "11.1.1.20")])), json!({})).unwrap();
    // ADM-14: any address of the prefix may be asked for; only those of the pool count.
    for (address, count) in [("11.1.1.100", 0), ("11.1.1.12", 1)] {
        assert_eq!(configuration.take(&network, asked(address)), Ok(address.to_owned()));
        assert_eq!(configuration.counts(&network), [count]);
    }
    // Gateway and service address are protected outside of pools, too.
    assert_eq!(configuration.take(&network, asked("11.1.1.253")), Err(IN_USE.to_owned()));
    let pool = configuration.pool(&network, "floating-ip-pool", json!({}));
    for reserved in ["11.1.1.253", "11.1.1.254"] {
        let wanted = json!({"floating_ip_address": reserved});
        assert_eq!(configuration.take_of_pool(&pool, wanted), Err(IN_USE.to_owned()));
    }
}

#[test]
fn adm_16_adm_17_iip_c6_versions() {
    let six = subnet("fd14::", 64);
    check(&[
        (
            "ADM-16",
            json!([six]),
            ["fd14::ffff:ffff:ffff:fffe", "fd14::ffff:ffff:ffff:fffd"],
            any!["fd14::ffff:ffff:ffff:fffc", "fd14::ffff:ffff:ffff:fffb"],
        ),
        (
            "ADM-17",
            json!([six, subnet("11.1.1.0", 24)]),
            ["fd14::ffff:ffff:ffff:fffe", "fd14::ffff:ffff:ffff:fffd"],
            any!["fd14::ffff:ffff:ffff:fffc"],
        ),
    ]);
    let mut configuration = Configuration::new();
    let network = configuration.network_with("n", json!([subnet("11.1.1.0", 29), six]), json!({})).unwrap();
    let of = |family: &str| json!({ "instance_ip_family": family });
    assert_eq!(configuration.take(&network, of("v6")).as_deref(), Ok("fd14::ffff:ffff:ffff:fffc"));
    assert_eq!(configuration.take_many(&network, 4).last().map(String::as_str), Some("11.1.1.1"));
    // What has no IPv4 left gives IPv6, unless IPv4 is asked for.
    assert_eq!(configuration.take(&network, of("v4")), Err(exhausted("n", "[]")));
    assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok("fd14::ffff:ffff:ffff:fffb"));
    assert_eq!(configuration.take(&network, asked("FD14:0:0:0::00AB")).as_deref(), Ok("fd14::ab"));
    // An address is of the version that is asked for, also one that is shared.
    for (address, family) in [("11.1.1.6", "v6"), ("fd14::ab", "v4"), ("fd14::ffff:ffff:ffff:fffe", "v4")] {
        let mut both = of(family);
        extend(&mut both, asked(address));
        assert_eq!(configuration.take(&network, both), Err(exhausted("n", "[]")), "{address} of {family}");
    }
    for (address, family) in [("11.1.1.6", "v4"), ("fd14::5", "v6")] {
        let mut both = of(family);
        extend(&mut both, asked(address));
        assert_eq!(configuration.take(&network, both).as_deref(), Ok(address));
    }
    let unknown = configuration.take(&network, of("v5")).unwrap_err();
    assert!(unknown.starts_with("400 Bad property in create: Error validating property instance_ip_family"));
}

#[test]
fn adm_19_adm_s8_iip_c5_iip_c9_what_is_asked_for() {
    let exhausted = exhausted("n", "[]");
    check(&[(
        "ADM-19",
        json!([subnet("11.1.1.0", 24)]),
        ["11.1.1.254", "11.1.1.253"],
        &[
            ("11.1.1.254", "11.1.1.254"),
            ("11.1.1.254", "11.1.1.254"),
            ("11.1.1.253", IN_USE),
            ("11.1.1.0", IN_USE),
            ("11.1.1.255", IN_USE),
            ("11.1.1.77", "11.1.1.77"),
            ("11.1.1.77", IN_USE),
            ("12.1.1.1", &exhausted),
            ("fd14::1", &exhausted),
            (
                "11.1.1.011",
                "400 instance_ip_address: '11.1.1.011' is not an IP address (is 011 octal or decimal? Write octets \
                 without leading zeros)",
            ),
            ("11.1.1.1/32", "400 instance_ip_address: '11.1.1.1/32' is not an IP address"),
            ("184615169", "400 instance_ip_address: '184615169' is not an IP address"),
        ],
    )]);
}

#[test]
fn adm_20_adm_s15_iip_u2_vmi_u3_gateways_are_not_for_virtual_machines() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "11.1.1.0", 24);
    let machine = configuration.at_top("virtual-machine", "machine", json!({})).unwrap();
    let used = configuration.interface("used", &network);
    configuration.refer(&used, &machine, Value::Null).unwrap();
    let port = configuration.interface("port", &network);
    let gateway = |interface: &Object| {
        json!({"instance_ip_address": "11.1.1.254",
            "virtual_machine_interface_refs": [{"to": interface.fq_name.elements()}]})
    };
    let text = "400 Gateway IP cannot be used by VM port";
    assert_eq!(configuration.take(&network, gateway(&used)), Err(text.to_owned()));
    let address = configuration.address("gateway", &network, &gateway(&port)).unwrap();
    let refs = gateway(&used)["virtual_machine_interface_refs"].clone();
    let put = configuration.update(&address, json!({"virtual_machine_interface_refs": refs}));
    assert_eq!(refusal(put), text);
    let referred = configuration.refer(&address, &used, Value::Null);
    assert_eq!(refusal(referred), text);
    let gained = configuration.update(&port, json!({"virtual_machine_refs": [{"to": ["machine"]}]}));
    assert_eq!(refusal(gained), text);
}

#[test]
fn adm_s15_a_gateway_stays_reserved_when_those_who_share_it_go() {
    let pool = |start: &str, end: &str| json!({"allocation_pools": [{"start": start, "end": end}]});
    let vectors = [
        ("11.1.1.0/29", json!({}), "11.1.1.6"),
        ("11.1.1.0/29", json!({"addr_from_start": true}), "11.1.1.1"),
        ("11.1.1.0/29", json!({"default_gateway": "11.1.1.3"}), "11.1.1.3"),
        ("11.1.1.0/28", json!({"alloc_unit": 4}), "11.1.1.14"),
        ("11.1.1.0/28", pool("11.1.1.8", "11.1.1.14"), "11.1.1.14"),
        ("11.1.1.0/28", pool("11.1.1.2", "11.1.1.4"), "11.1.1.14"),
        ("fd11::/125", json!({}), "fd11::6"),
    ];
    for (prefix, members, gateway) in vectors {
        for flat in [false, true] {
            let mut configuration = Configuration::new();
            let entries = json!([subnet_with(prefix, members.clone())]);
            let network = if flat {
                let ipam = configuration.flat_ipam("flat", entries, json!({})).unwrap();
                configuration.flat_network("n", &[&ipam], json!({}))
            } else {
                configuration.network_with("n", entries, json!({})).unwrap()
            };
            let one = configuration.address("one", &network, &asked(gateway)).unwrap();
            let two = configuration.address("two", &network, &asked(gateway)).unwrap();
            configuration.delete(&one).unwrap();
            configuration.delete(&two).unwrap();
            let pool = configuration.pool(&network, "floating-ip-pool", json!({}));
            let asked = json!({"floating_ip_address": gateway});
            assert_eq!(configuration.take_of_pool(&pool, asked), Err("409 IP address already in use".to_owned()));
            let mut taken = Vec::new();
            while let Ok(address) = configuration.take(&network, json!({})) {
                taken.push(address);
            }
            assert!(!taken.is_empty() && !taken.iter().any(|address| address == gateway), "{prefix} {taken:?}");
            assert!(configuration.graph.pools().holder(network.uuid, gateway.parse().unwrap()).is_none());
        }
    }
}

#[test]
fn vn_s3_no_gateway_is_written_as_its_family_writes_it() {
    let mut configuration = Configuration::new();
    for (prefix, none) in [("11.1.1.0/24", "0.0.0.0"), ("fd11::/120", "::")] {
        for sent in ["::", "0.0.0.0", "0:0::0"] {
            let entry = subnet_with(prefix, json!({"default_gateway": sent, "dns_server_address": sent}));
            let network = configuration.network_with("n", json!([entry]), json!({})).unwrap();
            let stored = |configuration: &Configuration| {
                configuration.links(&network, "network_ipam_refs").remove(0).1["ipam_subnets"][0].clone()
            };
            let entry = stored(&configuration);
            assert_eq!(
                (&entry["default_gateway"], &entry["dns_server_address"]),
                (&json!(none), &json!(none)),
                "{sent}"
            );
            // Sent again, in whatever form, it is the same.
            for again in ["::", "0.0.0.0"] {
                let entry = subnet_with(prefix, json!({"default_gateway": again, "dns_server_address": again}));
                let revision = configuration.graph.revision();
                configuration.update(&network, json!({"network_ipam_refs": ipam_references(json!([entry]))})).unwrap();
                assert_eq!(configuration.graph.revision(), revision);
            }
            configuration.delete(&network).unwrap();
        }
    }
}

#[test]
fn adm_21_vn_u8_vn_u9_what_is_in_use_stays() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "13.1.1.0", 24);
    configuration.take(&network, json!({})).unwrap();
    let gateway = json!([subnet_with("13.1.1.0/24", json!({"default_gateway": "13.1.1.50"}))]);
    let refused = configuration.update(&network, json!({"network_ipam_refs": ipam_references(gateway)}));
    assert_eq!(refusal(refused), "400 default gateway change is not allowed orig:13.1.1.254, new: 13.1.1.50");
    let refused = configuration.update(&network, json!({"network_ipam_refs": []}));
    assert_eq!(refusal(refused), "409 Cannot Delete IP Block, IP(13.1.1.252) is in use");
}

#[test]
fn adm_22_adm_s7_vn_s1_vn_s2_networks_share_a_flat_ipam() {
    let mut configuration = Configuration::new();
    let subnets = json!([
        subnet_with("11.1.1.0/28", json!({"alloc_unit": 4})),
        subnet_with("12.1.1.0/28", json!({"alloc_unit": 4})),
    ]);
    let ipam = configuration.flat_ipam("flat", subnets, json!({})).unwrap();
    let one = configuration.flat_network("one", &[&ipam], json!({}));
    let two = configuration.flat_network("two", &[&ipam], json!({}));
    for (network, expected) in [(&one, "11.1.1.8"), (&two, "11.1.1.4"), (&one, "12.1.1.8"), (&two, "12.1.1.4")] {
        assert_eq!(configuration.take(network, json!({})).as_deref(), Ok(expected));
    }
    let tried = "['11.1.1.0/28', '12.1.1.0/28']";
    for (network, name) in [(&one, "one"), (&two, "two")] {
        assert_eq!(configuration.take(network, json!({})), Err(exhausted(name, tried)));
    }
    assert_eq!(
        configuration.take(&one, asked("11.1.1.6")),
        Err(IN_USE.to_owned()),
        "a unit that the other network has"
    );
    // The handle names the ipam as seen from the network; objects record it.
    let handle = configuration.subnets(&one)[0]["subnet_uuid"].clone();
    assert_eq!(configuration.get(&configuration.with_address("11.1.1.8"), "subnet_uuid"), handle);
    assert_eq!(configuration.counts(&one), [0]);
    let bridged = json!({"network_ipam_refs": [flat_reference(&ipam)]});
    let refused = configuration.in_project("virtual-network", "three", bridged);
    assert_eq!(refusal(refused), "400 flat-subnet is allowed only with l3 network");
    let own = json!({"virtual_network_properties": {"forwarding_mode": "l3"}, "network_ipam_refs": [
        {"to": ipam.fq_name.elements(), "attr": {"ipam_subnets": [subnet("13.1.1.0", 24)]}}]});
    let refused = configuration.in_project("virtual-network", "three", own);
    assert_eq!(refusal(refused), "400 with flat-subnet, network can not have user-defined subnet");
}

/// A network with a /29 of its own and a flat one, and a mode; the subnets in the order of the search.
fn mixed(mode: Option<&str>) -> (Configuration, Arc<Object>) {
    let mut configuration = Configuration::new();
    let flat = configuration.flat_ipam("flat", json!([subnet("21.1.1.0", 29)]), json!({})).unwrap();
    let refs = json!([
        flat_reference(&flat),
        {"to": default_ipam(), "attr": {"ipam_subnets": [subnet("22.1.1.0", 29)]}},
    ]);
    let mut members = json!({ "network_ipam_refs": refs });
    if let Some(mode) = mode {
        extend(&mut members, json!({ "address_allocation_mode": mode }));
    }
    let network = configuration.flat_network("n", &[], members);
    (configuration, network)
}

#[test]
fn adm_23_adm_s8_iip_c8_the_mode_says_which_subnets_come_first() {
    let own = ["22.1.1.4", "22.1.1.3", "22.1.1.2", "22.1.1.1"];
    let flat = ["21.1.1.4", "21.1.1.3", "21.1.1.2", "21.1.1.1"];
    let both = |one: [&'static str; 4], other: [&'static str; 4]| [one, other].concat();
    for (mode, expected, text) in [
        (None, both(own, flat), exhausted("n", "['21.1.1.0/29']")),
        (Some("user-defined-subnet-preferred"), both(own, flat), exhausted("n", "['21.1.1.0/29']")),
        (Some("user-defined-subnet-only"), own.to_vec(), exhausted("n", "['22.1.1.0/29']")),
        (Some("flat-subnet-only"), flat.to_vec(), exhausted("n", "['21.1.1.0/29']")),
        (Some("flat-subnet-preferred"), both(flat, own), exhausted("n", "['22.1.1.0/29']")),
    ] {
        let (mut configuration, network) = mixed(mode);
        assert_eq!(configuration.take_many(&network, expected.len()), expected);
        assert_eq!(configuration.take(&network, json!({})), Err(text), "{mode:?}");
        // What is asked for is found in any mode.
        let (mut configuration, network) = mixed(mode);
        for address in ["21.1.1.2", "22.1.1.2"] {
            assert_eq!(configuration.take(&network, asked(address)).as_deref(), Ok(address));
        }
        let handles: Vec<Value> =
            configuration.subnets(&network).iter().map(|entry| entry["subnet_uuid"].clone()).collect();
        for handle in handles {
            configuration.take(&network, json!({ "subnet_uuid": handle })).unwrap();
        }
    }
    let mut configuration = Configuration::new();
    let modes = json!({"address_allocation_mode": "user-defined-subnet-only"});
    let empty = configuration.in_project("virtual-network", "e", modes).unwrap();
    let none = "400 Virtual-Network(['default-domain', 'default-project', 'e']) has no defined subnets";
    assert_eq!(configuration.take(&empty, json!({})), Err(none.to_owned()));
    assert_eq!(configuration.take(&empty, asked("1.1.1.1")), Err(exhausted("e", "[]")));
    let refused = configuration.in_project("virtual-network", "x", json!({"address_allocation_mode": "any"}));
    assert!(refusal(refused).starts_with("400 Bad property in create: Error validating property address_allocation"));
}

#[test]
fn adm_24_adm_s9_iip_c3_iip_c4_addresses_of_a_flat_ipam_itself() {
    let mut configuration = Configuration::new();
    let subnets = json!([subnet("31.1.1.0", 29), subnet("fd31::", 125)]);
    let ipam = configuration.flat_ipam("flat", subnets, json!({})).unwrap();
    let take = |configuration: &mut Configuration, name: &str, members: Value| {
        let mut body = json!({"network_ipam_refs": [{"uuid": ipam.uuid.to_string()}]});
        extend(&mut body, members);
        configuration.at_top("instance-ip", name, body)
    };
    for (name, members, expected) in
        [("a", json!({}), "31.1.1.4"), ("b", json!({"instance_ip_family": "v6"}), "fd31::4")]
    {
        let address = take(&mut configuration, name, members).unwrap();
        assert_eq!(configuration.get(&address, "instance_ip_address"), expected);
        assert_eq!(configuration.get(&address, "subnet_uuid"), Value::Null);
    }
    let explicit = take(&mut configuration, "c", asked("31.1.1.2"));
    assert_eq!(refusal(explicit), "400 allocation for requested IP from a network_ipam is not supported");
    // Never null: neither of a full ipam nor of one that is not flat.
    for name in ["d", "e", "f", "g", "h", "i"] {
        take(&mut configuration, name, json!({})).unwrap();
    }
    let full = refusal(take(&mut configuration, "j", json!({})));
    assert!(full.starts_with("400 Virtual-Network(['default-domain', 'default-project', 'flat']) has exhausted"));
    let not_flat = json!({"network_ipam_refs": [{"to": default_ipam()}]});
    let refused = refusal(configuration.at_top("instance-ip", "k", not_flat));
    assert!(refused.starts_with("400 ") && refused.ends_with("has exhausted subnet([])"), "{refused}");
    let nothing = configuration.at_top("instance-ip", "l", json!({}));
    assert!(refusal(nothing).starts_with("400 instance-ip needs one of virtual_network_refs"));
    // An address of the ipam itself keeps its prefix, as one of a network does.
    let removed = configuration.update(&ipam, json!({"ipam_subnets": {"subnets": [subnet("fd31::", 125)]}}));
    assert_eq!(refusal(removed), "409 Cannot Delete IP Block, IP(31.1.1.4) is in use");
}

/// A flat ipam with a pool for virtual routers, and such a router.
pub fn router() -> (Configuration, Arc<Object>, Arc<Object>) {
    let mut configuration = Configuration::new();
    let pools = json!([
        {"start": "13.1.1.8", "end": "13.1.1.9", "vrouter_specific_pool": true},
        {"start": "13.1.1.16", "end": "13.1.1.17"},
    ]);
    let subnets = json!([subnet_with("13.1.1.0/24", json!({ "allocation_pools": pools }))]);
    let ipam = configuration.flat_ipam("flat", subnets, json!({})).unwrap();
    let global = configuration.global();
    let attribute = json!({"allocation_pools": [{"start": "13.1.1.8", "end": "13.1.1.9"}]});
    let refs = json!({"network_ipam_refs": [{"to": ipam.fq_name.elements(), "attr": attribute}]});
    let router = configuration.below(&global, "virtual-router", "node", refs).unwrap();
    (configuration, ipam, router)
}

#[test]
fn adm_25_adm_s12_iip_c1_iip_c3_pools_of_virtual_routers() {
    let (mut configuration, ipam, router) = router();
    let network = configuration.flat_network("n", &[&ipam], json!({}));
    let of_router = json!({"virtual_router_refs": [{"to": router.fq_name.elements()}]});
    let take = |configuration: &mut Configuration, name: &str, members: Value| {
        let mut body = of_router.clone();
        extend(&mut body, members);
        configuration.at_top("instance-ip", name, body)
    };
    for (name, expected) in [("a", "13.1.1.9"), ("b", "13.1.1.8")] {
        let address = take(&mut configuration, name, json!({})).unwrap();
        assert_eq!(configuration.get(&address, "instance_ip_address"), expected);
    }
    let full = refusal(take(&mut configuration, "c", json!({})));
    assert!(full.starts_with("400 Virtual-Network(") && full.contains(") has exhausted subnet("), "{full}");
    assert_eq!(configuration.take_many(&network, 2), ["13.1.1.17", "13.1.1.16"]);
    assert_eq!(configuration.take(&network, json!({})), Err(exhausted("n", "['13.1.1.0/24']")));
    let global = configuration.global();
    let other = configuration.below(&global, "virtual-router", "other", json!({})).unwrap();
    let ipams = json!({"network_ipam_refs": [{"to": ipam.fq_name.elements()}]});
    let networks = json!({"virtual_network_refs": [{"to": network.fq_name.elements()}]});
    let routers = json!({"virtual_router_refs": [{"to": router.fq_name.elements()}, {"to": other.fq_name.elements()}]});
    for (members, text) in [
        (ipams, "virtual_router_refs and ipam_refs are not allowed"),
        (networks, "router_refs and network_refs are not allowed"),
        (routers, "Instance IP cannot refer to multiple vrouters"),
        (json!({"subnet_uuid": Uuid::nil().to_string()}), "subnet uuid based allocation not supported with vrouter"),
        (asked("13.1.1.8"), "allocation for requested IP from a network_ipam is not supported"),
    ] {
        assert_eq!(refusal(take(&mut configuration, "d", members)), format!("400 {text}"));
    }
}

#[test]
fn adm_34_iip_d1_an_address_of_a_virtual_router_is_freed() {
    let (mut configuration, _, router) = router();
    for round in 0..5 {
        let body = json!({"virtual_router_refs": [{"to": router.fq_name.elements()}]});
        let address = configuration.at_top("instance-ip", &format!("a{round}"), body).unwrap();
        assert_eq!(configuration.get(&address, "instance_ip_address"), "13.1.1.9");
        configuration.delete(&address).unwrap();
    }
}

#[test]
fn adm_26_adm_s13_iip_c10_subscribers_have_subnets_of_their_own() {
    let mut configuration = Configuration::new();
    let subnets = json!([subnet("41.1.1.0", 30), subnet("42.1.1.0", 30)]);
    let ipam = configuration.flat_ipam("lent", subnets, json!({"ipam_subnetting": true})).unwrap();
    let network = configuration.flat_network("n", &[&ipam], json!({}));
    let tags = |configuration: &Configuration| -> Vec<Value> {
        let entries = configuration.get(&ipam, "ipam_subnets");
        entries["subnets"].as_array().unwrap().iter().map(|entry| entry["subscriber_tag"].clone()).collect()
    };
    let stored = configuration.get(&ipam, "ipam_subnets");
    assert_eq!(stored["subnets"][0]["default_gateway"], "None");
    for (subscriber, expected) in [
        ("a", Ok("41.1.1.2".to_owned())),
        ("b", Ok("42.1.1.2".to_owned())),
        ("a", Ok("41.1.1.1".to_owned())),
        ("a", Err(exhausted("n", "['41.1.1.0/30']"))),
        ("c", Err(exhausted("n", "[]"))),
    ] {
        assert_eq!(configuration.take(&network, json!({"instance_ip_subscriber_tag": subscriber})), expected);
    }
    assert_eq!(configuration.take(&network, json!({})), Err(exhausted("n", "[]")), "nobody's");
    let first = configuration.with_address("41.1.1.2");
    assert_eq!(configuration.get(&first, "instance_ip_subnet"), json!({"ip_prefix": "41.1.1.0", "ip_prefix_len": 30}));
    assert_eq!(tags(&configuration), ["a", "b"]);
    for (address, left) in [
        ("41.1.1.2", ["a".into(), "b".into()]),
        ("41.1.1.1", [Value::Null, "b".into()]),
        ("42.1.1.2", [Value::Null, Value::Null]),
    ] {
        let object = configuration.with_address(address);
        configuration.delete(&object).unwrap();
        assert_eq!(tags(&configuration), left);
    }
}

#[test]
fn adm_27_adm_s10_fip_c2_fip_c3_fip_c4_fip_c5_fipp_c1_fip_d1_floating_addresses() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "17.1.1.0", 28);
    let pool = configuration.pool(&network, "floating-ip-pool", json!({}));
    let wanted = |address: &str| json!({ "floating_ip_address": address });
    assert_eq!(configuration.take_of_pool(&pool, json!({})).as_deref(), Ok("17.1.1.12"));
    assert_eq!(configuration.take_of_pool(&pool, wanted("17.1.1.9")).as_deref(), Ok("17.1.1.9"));
    for used in ["17.1.1.9", "17.1.1.14", "17.1.1.13", "17.1.1.15", "17.1.1.0"] {
        assert_eq!(configuration.take_of_pool(&pool, wanted(used)), Err(IN_USE.to_owned()), "{used}");
    }
    // One name space for all types.
    assert_eq!(configuration.take(&network, asked("17.1.1.9")), Err(IN_USE.to_owned()));
    let outside = configuration.take_of_pool(&pool, wanted("18.1.1.1"));
    assert_eq!(outside, Err(exhausted("n", "[]").replacen("400", "409", 1)));
    let unreadable = configuration.take_of_pool(&pool, wanted("x"));
    assert_eq!(unreadable, Err("400 floating_ip_address: 'x' is not an IP address".to_owned()));
    let object = configuration.below(&pool, "floating-ip", "f", json!({})).unwrap();
    let projects: Vec<String> =
        configuration.links(&object, "project_refs").into_iter().map(|(name, _)| name).collect();
    assert_eq!(projects, ["default-domain:default-project"]);
    assert_eq!(configuration.get(&object, "floating_ip_address"), "17.1.1.11");
    configuration.delete(&object).unwrap();
    assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok("17.1.1.11"));
    let unknown = Uuid::from_u128(9).to_string();
    let restricted = json!({"floating_ip_pool_subnets": {"subnet_uuid": [unknown]}});
    let refused = configuration.below(&network, "floating-ip-pool", "bad", restricted.clone());
    let text = format!("400 Subnet {unknown} was not found in virtual-network {}", network.uuid);
    assert_eq!(refusal(refused), text);
    let bare = configuration.in_project("virtual-network", "bare", json!({})).unwrap();
    let refused = configuration.below(&bare, "floating-ip-pool", "bad", restricted);
    assert_eq!(refusal(refused), "400 Incomplete info to create a floating-ip-pool");
    // Over the quota nothing is taken.
    let project = configuration.project();
    configuration.update(&project, json!({"quota": {"floating_ip": 2}})).unwrap();
    let counts = configuration.counts(&network);
    let refused = configuration.take_of_pool(&pool, json!({}));
    assert_eq!(refused, Err("412 quota limit (2) exceeded for resource floating_ip".to_owned()));
    assert_eq!(configuration.counts(&network), counts);
}

#[test]
fn adm_28_fip_c1_iip_d2_below_an_instance_ip_nothing_is_allocated() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "17.1.1.0", 28);
    let address = configuration.address("a", &network, &json!({})).unwrap();
    let counts = configuration.counts(&network);
    let same = json!({"floating_ip_address": "17.1.1.12"});
    let floating = configuration.below(&address, "floating-ip", "f", same).unwrap();
    let without = configuration.below(&address, "floating-ip", "g", json!({})).unwrap();
    assert_eq!(configuration.get(&floating, "floating_ip_address"), "17.1.1.12");
    assert_eq!(configuration.get(&without, "floating_ip_address"), Value::Null);
    assert_eq!(configuration.links(&floating, "project_refs"), []);
    assert_eq!(configuration.counts(&network), counts);
    let refused = refusal(configuration.delete(&address));
    assert!(refused.starts_with("409 Delete when children still present: ['http://api:8082/floating-ip/"));
}

#[test]
fn adm_29_adm_s14_vn_x1_vn_x2_vn_x3_direct_calls() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "11.1.1.0", 24);
    let taken = configuration.allocate(&network, 10, None).unwrap();
    let expected: Vec<String> = (243..=252).rev().map(|last| format!("11.1.1.{last}")).collect();
    assert_eq!(taken, expected);
    assert_eq!(configuration.counts(&network), [13]);
    configuration.give_back(&network, &taken[2..7]);
    assert_eq!(configuration.counts(&network), [8]);
    assert_eq!(configuration.allocate(&network, 2, None).unwrap(), taken[2..4]);
    assert_eq!(configuration.allocate(&network, 0, None).unwrap(), Vec::<String>::new());
    let subnet = Uuid::try_parse(configuration.subnets(&network)[0]["subnet_uuid"].as_str().unwrap()).unwrap();
    assert_eq!(configuration.allocate(&network, 1, Some(subnet)).unwrap(), taken[4..5]);
    let unknown = refusal(configuration.allocate(&network, 1, Some(Uuid::nil())));
    assert!(unknown.starts_with("404 ") && unknown.contains("has invalid subnet("), "{unknown}");
    assert_eq!(count_addresses(&configuration.graph, &network, &[Uuid::nil().to_string()]), [0]);
    let found = network_of_call(&configuration.graph, &network.uuid.to_string()).unwrap();
    assert_eq!(found.uuid, network.uuid);
    let no_network = Uuid::nil().to_string();
    let text = format!("404 Virtual Network {no_network} not found!");
    assert_eq!(refusal(network_of_call(&configuration.graph, &no_network)), text);
    let allocate = AllocateAddresses { network: no_network.clone(), count: 1, subnet: None, version: None };
    assert_eq!(refusal(configuration.submit(Operation::AllocateAddresses(allocate))), text);
    let free = FreeAddresses { network: no_network, addresses: Vec::new() };
    assert_eq!(refusal(configuration.submit(Operation::FreeAddresses(free))), text);
    let subnet = configuration.subnets(&network)[0]["subnet_uuid"].as_str().and_then(|uuid| uuid.parse().ok());
    let of_both = AllocateAddresses {
        network: network.uuid.to_string(),
        count: 1,
        subnet,
        version: Some(crate::rules::Version::Six),
    };
    let none = refusal(configuration.submit(Operation::AllocateAddresses(of_both)));
    assert_eq!(none, exhausted(network.fq_name.name(), "[]").replacen("400", "409", 1));
    let bare = configuration.in_project("virtual-network", "bare", json!({})).unwrap();
    let none = refusal(configuration.allocate(&bare, 1, None));
    assert_eq!(none, exhausted("bare", "[]").replacen("400", "409", 1));
}

#[test]
fn vn_s7_short_and_padded_prefixes_are_completed() {
    let mut configuration = Configuration::new();
    for (given, length, stored) in [
        ("0", 0, "0.0.0.0"),
        ("10", 8, "10.0.0.0"),
        ("1.1", 16, "1.1.0.0"),
        ("10.9.8", 24, "10.9.8.0"),
        ("10.09.8", 24, ""),
        ("10.07.08.0", 24, ""),
        ("10.07.00.000", 24, "10.7.0.0"),
    ] {
        let network = configuration.network_with("n", json!([subnet(given, length)]), json!({}));
        if stored.is_empty() {
            assert!(refusal(network).contains("octal or decimal"));
            continue;
        }
        let network = network.unwrap();
        let expected = json!({"ip_prefix": stored, "ip_prefix_len": length});
        assert_eq!(configuration.subnets(&network)[0]["subnet"], expected);
        // The same subnet, not another one.
        let uuid = configuration.subnets(&network)[0]["subnet_uuid"].clone();
        let references = json!({"network_ipam_refs": ipam_references(json!([subnet(given, length)]))});
        configuration.update(&network, references).unwrap();
        assert_eq!(configuration.subnets(&network)[0]["subnet_uuid"], uuid);
        configuration.delete(&network).unwrap();
    }
}

#[test]
fn leading_zeros_are_taken_where_octal_and_decimal_are_the_same() {
    let mut configuration = Configuration::new();
    let members = json!({"default_gateway": "10.20.0.01", "dns_server_address": "10.20.00.02",
        "allocation_pools": [{"start": "10.20.0.03", "end": "10.20.0.07"}], "dns_nameservers": ["10.20.0.07"]});
    let network = configuration.network_with("n", json!([subnet_with("10.20.0.0/24", members)]), json!({})).unwrap();
    let stored = configuration.subnets(&network)[0].clone();
    assert_eq!(stored["default_gateway"], "10.20.0.1");
    assert_eq!(stored["dns_server_address"], "10.20.0.2");
    assert_eq!(stored["allocation_pools"], json!([{"start": "10.20.0.3", "end": "10.20.0.7"}]));
    assert_eq!(stored["dns_nameservers"], json!(["10.20.0.7"]));
    let address = configuration.address("a", &network, &asked("10.020.0.6"));
    let text = "400 instance_ip_address: '10.020.0.6' is not an IP address (is 020 octal or decimal? Write octets \
                without leading zeros)";
    assert_eq!(refusal(address), text);
    let address = configuration.address("a", &network, &asked("10.20.0.06")).unwrap();
    assert_eq!(configuration.get(&address, "instance_ip_address"), "10.20.0.6");
    configuration.update(&address, asked("10.20.000.006")).unwrap();
    assert_eq!(configuration.get(&address, "instance_ip_address"), "10.20.0.6");
    assert_eq!(configuration.take(&network, asked("10.20.0.06")), Err(IN_USE.to_owned()));
    let unmanaged = configuration.find("virtual-network", "default-domain:default-project:ip-fabric").unwrap();
    assert_eq!(configuration.take(&unmanaged, asked("1.2.3.04")).as_deref(), Ok("1.2.3.4"));
    for (kind, pool) in [("floating-ip", "floating-ip-pool"), ("alias-ip", "alias-ip-pool")] {
        let pool = configuration.below(&network, pool, "p", json!({})).unwrap();
        let property = format!("{}_address", kind.replace('-', "_"));
        let object = configuration.below(&pool, kind, "o", json!({&property: "10.20.0.05"})).unwrap();
        assert_eq!(configuration.get(&object, &property), "10.20.0.5");
        configuration.delete(&object).unwrap();
    }
}

#[test]
fn adm_30_iip_c2_some_networks_are_nobodys_business() {
    let mut configuration = Configuration::new();
    for name in ["ip-fabric", "__link_local__"] {
        let network = configuration.find("virtual-network", &format!("default-domain:default-project:{name}")).unwrap();
        for (index, (sent, stored)) in
            [(asked("1.2.3.4"), json!("1.2.3.4")), (asked("1.2.3.4"), json!("1.2.3.4")), (json!({}), Value::Null)]
                .into_iter()
                .enumerate()
        {
            let address = configuration.address(&format!("{name}{index}"), &network, &sent).unwrap();
            assert_eq!(configuration.get(&address, "instance_ip_address"), stored);
            assert_eq!(configuration.get(&address, "subnet_uuid"), Value::Null);
            configuration.update(&address, asked("4.3.2.1")).unwrap();
        }
    }
}

/// In order, since requests are decided one after the other; with clients of two servers in `tests/concurrency.rs`.
#[test]
fn adm_31_adm_32_of_many_that_ask_each_gets_another() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "11.1.0.0", 16);
    let answers: Vec<_> = (0..16).map(|_| configuration.take(&network, asked("11.1.7.7"))).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(answers.iter().filter(|answer| *answer == &Err(IN_USE.to_owned())).count(), 15);
    let mut taken = configuration.take_many(&network, 240);
    assert_eq!((&*taken[0], &*taken[239]), ("11.1.255.252", "11.1.255.13"));
    taken.dedup();
    assert_eq!(taken.len(), 240);
}

#[test]
fn adm_33_adm_s16_iip_c7_a_full_subnet_is_never_an_address_of_null() {
    let mut configuration = Configuration::new();
    let subnets = json!([subnet("11.1.1.0", 30), subnet("12.1.1.0", 24)]);
    let network = configuration.network_with("n", subnets, json!({})).unwrap();
    let [full, roomy] = [0, 1].map(|index| configuration.subnets(&network)[index]["subnet_uuid"].clone());
    let refused = configuration.take(&network, json!({ "subnet_uuid": full }));
    assert_eq!(refused, Err(exhausted("n", "['11.1.1.0/30']")));
    assert_eq!(configuration.take(&network, json!({ "subnet_uuid": roomy })).as_deref(), Ok("12.1.1.252"));
    let full = Uuid::try_parse(full.as_str().unwrap()).unwrap();
    assert!(refusal(configuration.allocate(&network, 2, Some(full))).starts_with("409 "));
    for unknown in ["6ad0e3a4-0000-4000-8000-000000000001", "nonsense"] {
        let refused = configuration.take(&network, json!({ "subnet_uuid": unknown }));
        let text =
            format!("400 Virtual-Network(['default-domain', 'default-project', 'n']) has invalid subnet({unknown})");
        assert_eq!(refused, Err(text));
    }
}

#[test]
fn adm_35_adm_36_adm_s5_an_update_keeps_what_it_leaves_out() {
    let mut configuration = Configuration::new();
    let given = subnet_with("13.1.1.0/24", json!({"dns_server_address": "13.1.1.200"}));
    let network = configuration.network_with("n", json!([given]), json!({})).unwrap();
    let stored = configuration.subnets(&network);
    assert_eq!(configuration.take(&network, asked("13.1.1.200")), Err(IN_USE.to_owned()));
    assert_eq!(configuration.take(&network, asked("13.1.1.253")).as_deref(), Ok("13.1.1.253"));
    let full = json!({"subnet_uuid": null, "default_gateway": null, "dns_server_address": null, "enable_dhcp": true,
        "dhcp_option_list": null, "allocation_pools": [], "addr_from_start": null, "alloc_unit": null});
    for sent in [json!({}), full] {
        let refs = ipam_references(json!([subnet_with("13.1.1.0/24", sent)]));
        configuration.update(&network, json!({ "network_ipam_refs": refs })).unwrap();
        let now = configuration.subnets(&network);
        for member in ["subnet_uuid", "default_gateway", "dns_server_address"] {
            assert_eq!(now[0][member], stored[0][member], "{member}");
        }
        assert_eq!(configuration.take(&network, asked("13.1.1.200")), Err(IN_USE.to_owned()));
    }
    // The same for the handle of a flat ipam.
    let ipam = configuration.flat_ipam("flat", json!([subnet("14.1.1.0", 24)]), json!({})).unwrap();
    let flat = configuration.flat_network("flat", &[&ipam], json!({}));
    let handle = configuration.subnets(&flat);
    configuration.update(&flat, json!({"network_ipam_refs": [flat_reference(&ipam)]})).unwrap();
    assert_eq!(configuration.subnets(&flat), handle);
}

#[test]
fn adm_37_a_batch_that_does_not_fit_takes_nothing() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "11.1.1.0", 24);
    let refused = refusal(configuration.allocate(&network, 300, None));
    assert_eq!(refused, exhausted("n", "[]").replacen("400", "409", 1));
    assert_eq!(configuration.counts(&network), [3]);
    assert_eq!(configuration.allocate(&network, 252, None).unwrap().len(), 252);
}

#[test]
fn adm_38_vn_x2_what_an_object_has_is_not_given_back() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "11.1.1.0", 24);
    let address = configuration.take(&network, json!({})).unwrap();
    let pool = configuration.pool(&network, "floating-ip-pool", json!({}));
    let floating = configuration.take_of_pool(&pool, json!({})).unwrap();
    let counts = configuration.counts(&network);
    let reserved = ["11.1.1.254", "11.1.1.253", "11.1.1.0", "1.1.1.1"].map(str::to_owned);
    let changes = configuration.give_back(&network, &[vec![address.clone(), floating], reserved.to_vec()].concat());
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(configuration.counts(&network), counts);
    assert_eq!(configuration.take(&network, asked(&address)), Err(IN_USE.to_owned()));
}

#[test]
fn adm_39_fip_c4_a_pool_of_several_subnets_takes_one_address() {
    let mut configuration = Configuration::new();
    let subnets = json!([subnet("17.1.0.0", 28), subnet("17.2.0.0", 29), subnet("17.3.0.0", 29)]);
    let network = configuration.network_with("n", subnets, json!({})).unwrap();
    let uuids: Vec<Value> = configuration.subnets(&network).iter().map(|entry| entry["subnet_uuid"].clone()).collect();
    let restricted = json!({"floating_ip_pool_subnets": {"subnet_uuid": [uuids[2], uuids[1]]}});
    let pool = configuration.pool(&network, "floating-ip-pool", restricted);
    assert_eq!(configuration.take_of_pool(&pool, json!({})).as_deref(), Ok("17.3.0.4"));
    assert_eq!(configuration.counts(&network), [3, 3, 4]);
    let taken: Vec<String> = (0..7).map(|_| configuration.take_of_pool(&pool, json!({})).unwrap()).collect();
    assert_eq!(taken[2..4], ["17.3.0.1", "17.2.0.4"], "what is full is passed over");
    let full = configuration.take_of_pool(&pool, json!({})).unwrap_err();
    assert!(full.starts_with("409 Virtual-Network(") && full.contains("has exhausted subnet("), "{full}");
    let elsewhere = configuration.take_of_pool(&pool, json!({"floating_ip_address": "17.1.0.5"})).unwrap_err();
    assert!(elsewhere.starts_with("409 "), "{elsewhere}");
    assert_eq!(configuration.counts(&network), [3, 8, 8]);
}

#[test]
fn adm_40_a_failed_request_leaves_nothing_behind() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "11.1.1.0", 29);
    configuration.address("taken", &network, &json!({})).unwrap();
    let before = contents(&configuration.graph);
    let counts = configuration.counts(&network);
    for members in [
        asked("11.1.1.4"),
        asked("11.1.1.0"),
        asked("1.1.1.1"),
        json!({"subnet_uuid": Uuid::nil().to_string()}),
        json!({"virtual_machine_interface_refs": [{"to": ["default-domain", "default-project", "none"]}]}),
    ] {
        configuration.take(&network, members).unwrap_err();
    }
    let existing = refusal(configuration.address("taken", &network, &json!({})));
    assert!(existing.starts_with("409 ['taken'] already exists with uuid: "), "{existing}");
    refusal(configuration.allocate(&network, 4, None));
    // A refused update that also lets an unused subnet go.
    let refs = ipam_references(json!([subnet_with("11.1.1.0/29", json!({"default_gateway": "11.1.1.1"}))]));
    refusal(configuration.update(&network, json!({ "network_ipam_refs": refs })));
    assert_eq!(contents(&configuration.graph), before);
    assert_eq!(configuration.counts(&network), counts);
    assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok("11.1.1.3"));
}

#[test]
fn adm_41_a_large_subnet_has_no_end_after_65536_addresses() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "11.0.0.0", 8);
    for _ in 0..2 {
        assert_eq!(configuration.allocate(&network, 35_000, None).unwrap().len(), 35_000);
    }
    assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok("11.254.238.140"));
}

/// Each server decides on what the changes of the other have made of its graph.
#[test]
fn adm_42_two_servers_take_turns() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "11.1.0.0", 20);
    let mut taken = Vec::new();
    for _ in 0..2_000 {
        taken.push(configuration.take(&network, json!({})).unwrap());
        std::mem::swap(&mut configuration.graph, &mut configuration.follower);
    }
    assert_eq!((&*taken[0], &*taken[1_999]), ("11.1.15.252", "11.1.8.45"));
    assert_eq!(configuration.counts(&network), [2_003]);
}

#[test]
fn adm_s1_vn_s3_vn_s6_vn_s7_vn_s9_what_a_new_subnet_may_say() {
    let owner = "default-domain:default-project:n";
    let with = |members: Value| json!([subnet_with("11.1.1.0/24", members)]);
    let overlapping = pools(&[("11.1.1.10", "11.1.1.20"), ("11.1.1.15", "11.1.1.30")]);
    let of_pool = |start: &str, end: &str| with(json!({"allocation_pools": pools(&[(start, end)])}));
    let cases = [
        (with(json!({"subnet_uuid": "zz"})), "409 Invalid subnet-uuid zz in subnet:11.1.1.0/24".to_owned()),
        (
            of_pool("11.1.1.20", "11.1.1.10"),
            "409 Invalid allocation Pool start:11.1.1.20, end:11.1.1.10 in subnet:11.1.1.0/24".to_owned(),
        ),
        (
            of_pool("11.1.2.10", "11.1.2.20"),
            "409 allocation pool start:11.1.2.10, end:11.1.2.20 out of cidr:11.1.1.0/24".to_owned(),
        ),
        (with(json!({"default_gateway": "bad"})), "409 Invalid gateway Ip address:bad".to_owned()),
        (with(json!({"default_gateway": "11.1.2.1"})), "409 gateway Ip 11.1.2.1 out of cidr: 11.1.1.0/24".to_owned()),
        (
            with(json!({"default_gateway": "11.1.1.255"})),
            "409 gateway Ip 11.1.1.255 out of cidr: 11.1.1.0/24".to_owned(),
        ),
        (with(json!({"dns_server_address": "bad"})), "409 Invalid Dns Server Ip address:bad".to_owned()),
        (
            json!([subnet("11.1.1.0", 24), subnet("11.1.1.128", 25)]),
            "400 Overlapping addresses: [IPNetwork('11.1.1.0/24'), IPNetwork('11.1.1.128/25')]".to_owned(),
        ),
        (
            json!([subnet("11.1.1.0", 24), subnet("11.1.1.0", 24)]),
            "400 Overlapping addresses: [IPNetwork('11.1.1.0/24'), IPNetwork('11.1.1.0/24')]".to_owned(),
        ),
        (
            with(json!({"allocation_pools": overlapping})),
            format!("400 Virtual-Network({owner}) has invalid subnet(11.1.1.0/24:overlapping alloc-pools)"),
        ),
        (
            with(json!({"dns_nameservers": ["bad"]})),
            format!("400 subnet({owner}:11.1.1.0/24) has Invalid DNS Nameserver(bad)"),
        ),
    ];
    let mut configuration = Configuration::new();
    for (subnets, text) in cases {
        // ADM-S5: the same in an update that adds the subnet.
        let created = configuration.network_with("n", subnets.clone(), json!({}));
        assert_eq!(refusal(created), text);
        let network = configuration.in_project("virtual-network", "n", json!({})).unwrap();
        let updated = configuration.update(&network, json!({"network_ipam_refs": ipam_references(subnets.clone())}));
        assert_eq!(refusal(updated), text);
        let ipam = configuration.find("network-ipam", "default-domain:default-project:default-network-ipam").unwrap();
        let referred = configuration.refer(&network, &ipam, json!({ "ipam_subnets": subnets }));
        assert_eq!(refusal(referred), text);
        configuration.delete(&network).unwrap();
    }
    for (subnets, text) in [
        (json!([subnet("haha", 24)]), "Subnet type 'haha/24' is invalid"),
        (json!([subnet("11.1.1.0", 33)]), "Subnet type '11.1.1.0/33' is invalid"),
        (with(json!({"foo": 1})), "does not have field foo"),
    ] {
        let refused = refusal(configuration.network_with("n", subnets, json!({})));
        assert!(refused.starts_with("400 Bad reference in create: ") && refused.ends_with(text), "{refused}");
    }
    for attribute in [json!(null), json!({}), json!({"ipam_subnets": [{}]}), json!({"ipam_subnets": null})] {
        let refs = json!({"network_ipam_refs": [{"to": default_ipam(), "attr": attribute}]});
        assert!(refusal(configuration.in_project("virtual-network", "n", refs)).starts_with("400 "));
    }
    let ambiguous = " (is 010 octal or decimal? Write octets without leading zeros)";
    let refused = refusal(configuration.network_with("n", json!([subnet("010.1.1.0", 24)]), json!({})));
    assert!(refused.ends_with(&format!("Subnet type '010.1.1.0/24' is invalid{ambiguous}")), "{refused}");
    for (given, text) in [
        (json!({"default_gateway": "11.1.1.010"}), "409 Invalid gateway Ip address:11.1.1.010"),
        (json!({"dns_server_address": "11.1.1.010"}), "409 Invalid Dns Server Ip address:11.1.1.010"),
        (
            json!({"allocation_pools": [{"start": "11.1.1.010", "end": "11.1.1.20"}]}),
            "409 Invalid allocation Pool start:11.1.1.010, end:11.1.1.20 in subnet:11.1.1.0/24",
        ),
    ] {
        let refused = configuration.network_with("n", with(given), json!({}));
        assert_eq!(refusal(refused), format!("{text}{ambiguous}"));
    }
    // Two networks may have the same prefix; prefixes are stored without host bits.
    let one = configuration.network("one", "11.1.1.77", 24);
    configuration.network("two", "11.1.1.0", 24);
    assert_eq!(configuration.subnets(&one)[0]["subnet"], json!({"ip_prefix": "11.1.1.0", "ip_prefix_len": 24}));
}

#[test]
fn adm_s2_vn_s8_the_service_address_may_be_elsewhere() {
    for (service, next) in [("8.8.8.8", "11.1.1.253"), ("0.0.0.0", "11.1.1.253"), ("11.1.1.7", "11.1.1.253")] {
        let mut configuration = Configuration::new();
        let given = subnet_with("11.1.1.0/24", json!({ "dns_server_address": service }));
        let network = configuration.network_with("n", json!([given]), json!({})).unwrap();
        assert_eq!(configuration.subnets(&network)[0]["dns_server_address"], service);
        assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok(next));
        let refused = configuration.take(&network, asked(service));
        assert_eq!(refused == Err(IN_USE.to_owned()), service == "11.1.1.7", "{refused:?}");
    }
}

#[test]
fn adm_s5_adm_s16_vn_u10_vn_u11_what_of_a_subnet_may_change() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "13.1.1.0", 24);
    let update = |configuration: &mut Configuration, members: Value| {
        let refs = ipam_references(json!([subnet_with("13.1.1.0/24", members)]));
        configuration.update(&network, json!({ "network_ipam_refs": refs })).map(|_| ())
    };
    configuration.take(&network, json!({})).unwrap();
    // Pools at will, and at once.
    for (low, high, expected) in [("13.1.1.100", "13.1.1.110", "13.1.1.110"), ("13.1.1.20", "13.1.1.30", "13.1.1.30")] {
        update(&mut configuration, json!({"allocation_pools": pools(&[(low, high)])})).unwrap();
        assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok(expected));
    }
    update(&mut configuration, json!({})).unwrap();
    assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok("13.1.1.251"));
    // The service address to a free one: the old one is free then.
    let taken = refusal(update(&mut configuration, json!({"dns_server_address": "13.1.1.30"})));
    assert_eq!(taken, "400 Virtual-Network(default-domain:default-project:n) has invalid subnet(13.1.1.0/24)");
    update(&mut configuration, json!({"dns_server_address": "13.1.1.200"})).unwrap();
    assert_eq!(configuration.take(&network, asked("13.1.1.200")), Err(IN_USE.to_owned()));
    assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok("13.1.1.253"));
    // Order and unit not while anything is held.
    for members in [json!({"addr_from_start": true}), json!({"alloc_unit": 4})] {
        assert!(refusal(update(&mut configuration, members)).starts_with("400 Virtual-Network("));
    }
    for object in configuration.graph.objects_of(model().find("instance-ip").unwrap()).cloned().collect::<Vec<_>>() {
        configuration.delete(&object).unwrap();
    }
    update(&mut configuration, json!({"addr_from_start": true})).unwrap();
    assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok("13.1.1.1"));
    // Everything else is stored.
    update(&mut configuration, json!({"enable_dhcp": false, "subnet_name": "s"})).unwrap();
    let now = configuration.subnets(&network);
    assert_eq!((&now[0]["enable_dhcp"], &now[0]["subnet_name"]), (&json!(false), &json!("s")));
}

#[test]
fn adm_s6_vn_d2_with_a_network_goes_what_was_taken_of_it() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "13.1.1.0", 24);
    configuration.allocate(&network, 9, None).unwrap();
    let uuid = network.uuid.to_string();
    configuration.delete(&network).unwrap();
    let again = json!({"uuid": uuid, "network_ipam_refs": ipam_references(json!([subnet("13.1.1.0", 24)]))});
    let network = configuration.in_project("virtual-network", "n", again).unwrap();
    assert_eq!(configuration.counts(&network), [3]);
    assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok("13.1.1.252"));
}

#[test]
fn adm_s11_aip_c1_aip_c2_aip_d1_alias_addresses() {
    let mut configuration = Configuration::new();
    let subnets = json!([subnet("fd17::", 64), subnet("17.1.1.0", 29)]);
    let network = configuration.network_with("n", subnets, json!({})).unwrap();
    let pool = configuration.pool(&network, "alias-ip-pool", json!({}));
    let object = configuration.below(&pool, "alias-ip", "a", json!({})).unwrap();
    assert_eq!(configuration.get(&object, "alias_ip_address"), "17.1.1.4");
    assert_eq!(configuration.links(&object, "project_refs"), []);
    let wanted = |address: &str| json!({ "alias_ip_address": address });
    for used in ["17.1.1.4", "17.1.1.6", "17.1.1.5"] {
        assert_eq!(configuration.take_of_pool(&pool, wanted(used)), Err(IN_USE.to_owned()));
    }
    assert_eq!(configuration.take_of_pool(&pool, wanted("fd17::9")).as_deref(), Ok("fd17::9"));
    configuration.delete(&object).unwrap();
    assert_eq!(configuration.take_of_pool(&pool, json!({})).as_deref(), Ok("17.1.1.4"));
    for _ in 0..3 {
        configuration.take_of_pool(&pool, json!({})).unwrap();
    }
    let six = configuration.take_of_pool(&pool, json!({})).unwrap();
    assert_eq!(six, "fd17::ffff:ffff:ffff:fffc", "where no IPv4 is left");
    let outside = configuration.take_of_pool(&pool, wanted("1.1.1.1")).unwrap_err();
    assert_eq!(outside, exhausted("n", "[]").replacen("400", "409", 1));
}

#[test]
fn adm_s9_iip_u1_an_instance_ip_keeps_its_address() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "13.1.1.0", 24);
    let other = configuration.network("o", "13.1.1.0", 24);
    let address = configuration.address("a", &network, &json!({})).unwrap();
    for members in [asked("13.1.1.9"), json!({"instance_ip_address": null}), asked("")] {
        let refused = configuration.update(&address, members);
        assert_eq!(refusal(refused), "400 Instance IP Address can not be changed");
    }
    configuration.update(&address, asked("13.1.1.252")).unwrap();
    let text = "400 virtual_network_refs of an instance-ip can not be changed";
    for refs in [json!([]), json!([{"to": other.fq_name.elements()}])] {
        assert_eq!(refusal(configuration.update(&address, json!({ "virtual_network_refs": refs }))), text);
    }
    assert_eq!(refusal(configuration.unrefer(&address, &network)), text);
    let same = json!({"virtual_network_refs": [{"to": network.fq_name.elements()}]});
    configuration.update(&address, same).unwrap();
    // Of an ipam itself the same.
    let ipam = configuration.flat_ipam("flat", json!([subnet("14.1.1.0", 24)]), json!({})).unwrap();
    let refs = json!({"network_ipam_refs": [{"to": ipam.fq_name.elements()}]});
    let direct = configuration.at_top("instance-ip", "b", refs).unwrap();
    assert_eq!(
        refusal(configuration.unrefer(&direct, &ipam)),
        "400 network_ipam_refs of an instance-ip can not be changed"
    );
    assert_eq!(refusal(configuration.refer(&direct, &network, Value::Null)), text);
    // What counts less may be referred to.
    configuration.refer(&address, &ipam, Value::Null).unwrap();
    configuration.unrefer(&address, &ipam).unwrap();
    // Nor does one of a network where nothing is allocated get into another.
    let fabric = configuration.find("virtual-network", "default-domain:default-project:ip-fabric").unwrap();
    let free = configuration.address("c", &fabric, &asked("13.1.1.5")).unwrap();
    let refs = json!({"virtual_network_refs": [{"to": network.fq_name.elements()}]});
    assert_eq!(refusal(configuration.update(&free, refs)), text);
}

#[test]
fn adm_s10_adm_s16_fip_u1_a_floating_address_may_be_exchanged() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "17.1.1.0", 28);
    for (pool, kind, property) in
        [("floating-ip-pool", "floating-ip", "floating_ip_address"), ("alias-ip-pool", "alias-ip", "alias_ip_address")]
    {
        let pool = configuration.pool(&network, pool, json!({}));
        let object = configuration.below(&pool, kind, "a", json!({})).unwrap();
        assert_eq!(configuration.get(&object, property), "17.1.1.12");
        for (refused, text) in [
            ("17.1.1.14", IN_USE.to_owned()),
            ("18.1.1.1", exhausted("n", "[]").replacen("400", "409", 1)),
            ("", format!("400 {property} can not be removed: delete the object to free it")),
        ] {
            assert_eq!(refusal(configuration.update(&object, json!({ property: refused }))), text);
        }
        configuration.update(&object, json!({ property: "17.1.1.3" })).unwrap();
        assert_eq!(configuration.take(&network, asked("17.1.1.3")), Err(IN_USE.to_owned()));
        assert_eq!(configuration.take(&network, asked("17.1.1.12")).as_deref(), Ok("17.1.1.12"));
        configuration.delete(&object).unwrap();
        let again = configuration.with_address("17.1.1.12");
        configuration.delete(&again).unwrap();
        assert_eq!(configuration.counts(&network), [3]);
    }
}
