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
    let full = configuration.address("e", &network, &none);
    assert_eq!(
        refusal(full),
        "400 Virtual-Network(['default-domain', 'default-project', 'blue']) has exhausted subnet([])"
    );
    configuration.delete(&addresses[1]).unwrap();
    let again = configuration.address("e", &network, &none).unwrap();
    assert_eq!(configuration.get(&again, "instance_ip_address"), "10.1.1.3");
    let taken = configuration.address("f", &network, &json!({"instance_ip_address": "10.1.1.3"}));
    assert_eq!(refusal(taken), "409 IP address already in use");
    let gateway = json!({"instance_ip_address": "10.1.1.6"});
    configuration.address("g", &network, &gateway).unwrap();
    configuration.address("h", &network, &gateway).unwrap();
}

#[test]
fn iip_c10_iip_c11_several_interfaces_share_an_instance_ip() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let elsewhere = configuration.network("red", "10.2.2.0", 24);
    let ports = [configuration.interface("one", &network), configuration.interface("other", &elsewhere)];
    let refs: Vec<Value> = ports.iter().map(|port| json!({"to": port.fq_name.elements()})).collect();
    let shared = json!({"instance_ip_mode": "active-active", "instance_ip_secondary": true,
        "service_instance_ip": true, "virtual_machine_interface_refs": refs});
    let address = configuration.address("a", &network, &shared).unwrap();
    for member in ["instance_ip_mode", "instance_ip_secondary", "service_instance_ip"] {
        assert_eq!(configuration.get(&address, member), shared[member]);
    }
    assert_eq!(configuration.links(&address, "virtual_machine_interface_refs").len(), 2);
    assert_eq!(configuration.get(&address, "instance_ip_address"), "10.1.1.252");
    assert_eq!(configuration.get(&address, "subnet_uuid"), configuration.subnets(&network)[0]["subnet_uuid"]);
}

#[test]
fn iip_c5_a_gateway_that_is_none_is_no_address() {
    let mut configuration = Configuration::new();
    let given = addresses::subnet_with("10.1.1.0/24", json!({"default_gateway": "0.0.0.0"}));
    let network = configuration.network_with("blue", json!([given]), json!({})).unwrap();
    let refused = configuration.take(&network, json!({"instance_ip_address": "0.0.0.0"}));
    assert!(refused.unwrap_err().starts_with("400 Virtual-Network("));
}
