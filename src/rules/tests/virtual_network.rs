//! virtual-network.

use super::*;

#[test]
fn vn_c5_vn_c11_vn_d4_a_network_has_its_id_and_routing_instance_in_the_same_request() {
    let mut configuration = Configuration::new();
    let start = configuration.graph.revision();
    let network = configuration.network("blue", "10.1.1.0", 24);
    assert_eq!(configuration.graph.revision(), start + 2);
    assert_eq!(configuration.get(&network, "virtual_network_network_id"), 5);
    let kind = model().find("routing-instance").unwrap();
    let instance = configuration.graph.children_of(network.uuid, kind).next().unwrap();
    assert_eq!(&**instance.fq_name.joined(), "default-domain:default-project:blue:blue");
    configuration.delete(&network).unwrap();
    assert_eq!(configuration.graph.children_of(network.uuid, kind).count(), 0);
    let next = configuration.network("red", "10.1.1.0", 24);
    assert_eq!(configuration.get(&next, "virtual_network_network_id"), 5, "freed ids are used again");
}

#[test]
fn vn_u8_a_subnet_in_use_stays() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    configuration.address("a", &network, &json!({})).unwrap();
    let before = contents(&configuration.graph);
    let refused = configuration.update(&network, json!({"network_ipam_refs": []})).unwrap_err();
    assert_eq!(refused, Rejection::conflict("Cannot Delete IP Block, IP(10.1.1.252) is in use"));
    assert_eq!(contents(&configuration.graph), before);
}
