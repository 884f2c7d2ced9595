//! instance-ip, and the order of addresses.

use super::*;

#[test]
fn iip_c5_iip_c9_iip_d1_addresses_come_in_order_and_go_back_to_their_place() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 29);
    let none = json!({});
    let addresses: Vec<Arc<Object>> =
        ["a", "b", "c", "d"].iter().map(|name| configuration.address(name, &network, &none).unwrap()).collect();
    let texts: Vec<Value> = addresses.iter().map(|address| configuration.get(address, "instance_ip_address")).collect();
    assert_eq!(texts, ["10.1.1.4", "10.1.1.3", "10.1.1.2", "10.1.1.1"]);
    let full = configuration.address("e", &network, &none).unwrap_err();
    assert_eq!(
        full,
        Rejection::bad_request(
            "Virtual-Network(['default-domain', 'default-project', 'blue']) has exhausted subnet([])"
        )
    );
    configuration.delete(&addresses[1]).unwrap();
    let again = configuration.address("e", &network, &none).unwrap();
    assert_eq!(configuration.get(&again, "instance_ip_address"), "10.1.1.3");
    let taken = configuration.address("f", &network, &json!({"instance_ip_address": "10.1.1.3"})).unwrap_err();
    assert_eq!(taken, Rejection::conflict("IP address already in use"));
    let gateway = json!({"instance_ip_address": "10.1.1.6"});
    configuration.address("g", &network, &gateway).unwrap();
    configuration.address("h", &network, &gateway).unwrap();
}

#[test]
fn subscribers_have_subnets_of_their_own() {
    let mut configuration = Configuration::new();
    let subnet = |prefix: &str| json!({"subnet": {"ip_prefix": prefix, "ip_prefix_len": 30}});
    let ipam = configuration
        .create(
            "network-ipam",
            json!({"fq_name": ["default-domain", "default-project", "lent"], "parent_type": "project",
                "ipam_subnet_method": "flat-subnet", "ipam_subnetting": true,
                "ipam_subnets": {"subnets": [subnet("41.1.1.0"), subnet("42.1.1.0")]}}),
        )
        .unwrap();
    let network = configuration
        .create(
            "virtual-network",
            json!({"fq_name": ["default-domain", "default-project", "vn"], "parent_type": "project",
                "virtual_network_properties": {"forwarding_mode": "l3"},
                "network_ipam_refs": [{"to": ipam.fq_name.elements(), "attr": {"ipam_subnets": []}}]}),
        )
        .unwrap();
    let mut addresses = Vec::new();
    for (name, subscriber, expected) in [
        ("1", "a", Ok("41.1.1.2")),
        ("2", "b", Ok("42.1.1.2")),
        ("3", "a", Ok("41.1.1.1")),
        ("4", "a", Err("['41.1.1.0/30']")),
        ("5", "c", Err("[]")),
    ] {
        let answer = configuration.address(name, &network, &json!({"instance_ip_subscriber_tag": subscriber}));
        match (answer, expected) {
            (Ok(address), Ok(expected)) => {
                assert_eq!(configuration.get(&address, "instance_ip_address"), expected);
                addresses.push(address);
            }
            (Err(refusal), Err(tried)) => assert!(refusal.text.ends_with(&format!("exhausted subnet({tried})"))),
            (answer, expected) => panic!("{answer:?} instead of {expected:?}"),
        }
    }
    assert!(configuration.address("6", &network, &json!({})).is_err(), "nobody's");
    for address in &addresses {
        configuration.delete(address).unwrap();
    }
    let tags = configuration.get(&ipam, "ipam_subnets");
    assert!(!tags.to_string().contains("subscriber_tag"), "{tags}");
}
