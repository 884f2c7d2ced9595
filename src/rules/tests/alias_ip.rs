//! alias-ip; what it has in common with other addresses is in `addresses.rs`.

use super::*;

#[test]
fn aip_c1_aip_d1_an_alias_has_an_address_of_its_own() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "17.1.1.0", 29);
    let pool = configuration.below(&network, "alias-ip-pool", "pool", json!({})).unwrap();
    configuration.address("a", &network, &json!({})).unwrap();
    let used = configuration.below(&pool, "alias-ip", "x", json!({"alias_ip_address": "17.1.1.4"}));
    assert_eq!(refusal(used), "409 IP address already in use");
    let alias = configuration.below(&pool, "alias-ip", "x", json!({"alias_ip_address": "17.1.1.3"})).unwrap();
    let taken = json!({"instance_ip_address": "17.1.1.3"});
    assert_eq!(configuration.take(&network, taken.clone()), Err("409 IP address already in use".to_owned()));
    // No quota counts it.
    let project = configuration.project();
    configuration.update(&project, json!({"quota": {"defaults": 0, "floating_ip": 0}})).unwrap();
    configuration.below(&pool, "alias-ip", "y", json!({})).unwrap();
    configuration.delete(&alias).unwrap();
    assert_eq!(configuration.take(&network, taken).as_deref(), Ok("17.1.1.3"));
}

#[test]
fn vn_u8_an_alias_keeps_its_subnet() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "17.1.1.0", 29);
    let pool = configuration.below(&network, "alias-ip-pool", "pool", json!({})).unwrap();
    configuration.below(&pool, "alias-ip", "x", json!({})).unwrap();
    let refused = configuration.update(&network, json!({"network_ipam_refs": null}));
    assert_eq!(refusal(refused), "409 Cannot Delete IP Block, Alias IP(17.1.1.4) is in use");
}
