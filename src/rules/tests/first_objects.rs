//! What exists from the first start on.

use super::*;

#[test]
fn gen_14_the_first_objects_are_made_once() {
    let mut configuration = Configuration::new();
    let (_, changes) = configuration.submit(Operation::Provision).unwrap();
    assert_eq!(changes.len(), 0);
    let kind = model().find("virtual-network").unwrap();
    let ids: Vec<Value> = configuration
        .graph
        .objects_of(kind)
        .map(|network| configuration.get(network, "virtual_network_network_id"))
        .collect();
    assert_eq!(ids, [3, 4, 1, 2], "by name: __link_local__, dci-network, default-virtual-network, ip-fabric");
}
