//! floating-ip-pool.

use super::*;

#[test]
fn fipp_c1_a_pool_names_subnets_of_its_network() {
    let mut configuration = Configuration::new();
    let ipam = configuration.flat_ipam("flat", json!([subnet("18.1.1.0", 29)]), json!({})).unwrap();
    let refs = json!([addresses::flat_reference(&ipam),
        {"to": default_ipam(), "attr": {"ipam_subnets": [subnet("17.1.1.0", 29)]}}]);
    let network = configuration.flat_network("n", &[], json!({ "network_ipam_refs": refs }));
    let mut addresses = Vec::new();
    for (index, entry) in configuration.subnets(&network).iter().enumerate() {
        let members = json!({"floating_ip_pool_subnets": {"subnet_uuid": [entry["subnet_uuid"]]}});
        let pool = configuration.below(&network, "floating-ip-pool", &format!("p{index}"), members).unwrap();
        let object = configuration.below(&pool, "floating-ip", "f", json!({})).unwrap();
        addresses.push(configuration.get(&object, "floating_ip_address").to_string());
    }
    addresses.sort();
    assert_eq!(addresses, ["\"17.1.1.4\"", "\"18.1.1.4\""], "a handle of a flat ipam is one, too");
    let stranger = configuration.network("stranger", "17.1.1.0", 29);
    let uuid = configuration.subnets(&stranger)[0]["subnet_uuid"].clone();
    for (uuid, printed) in [(&uuid, uuid.as_str().unwrap()), (&json!(null), "None"), (&json!(""), "")] {
        let members = json!({"floating_ip_pool_subnets": {"subnet_uuid": [uuid]}});
        let refused = configuration.below(&network, "floating-ip-pool", "bad", members);
        let text = format!("400 Subnet {printed} was not found in virtual-network {}", network.uuid);
        assert_eq!(refusal(refused), text);
    }
}

#[test]
fn fipp_g1_pools_and_external_networks_are_independent() {
    let mut configuration = Configuration::new();
    let network = configuration.network("inner", "17.1.1.0", 29);
    configuration.below(&network, "floating-ip-pool", "pool", json!({})).unwrap();
    let outer = configuration.in_project("virtual-network", "outer", json!({"router_external": true})).unwrap();
    let kind = model().find("floating-ip-pool").unwrap();
    assert_eq!(configuration.graph.children_of(outer.uuid, kind).count(), 0);
}

#[test]
fn fipp_c1_a_pool_whose_subnets_are_gone_has_no_address() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "17.1.1.0", 29);
    let pool = configuration.below(&network, "floating-ip-pool", "pool", json!({})).unwrap();
    let nothing = json!({"floating_ip_pool_subnets": {"subnet_uuid": ["nonsense"]}});
    configuration.update(&pool, nothing).unwrap();
    assert!(refusal(configuration.below(&pool, "floating-ip", "f", json!({}))).starts_with("409 "));
}
