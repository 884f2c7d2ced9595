//! floating-ip; what it has in common with other addresses is in `addresses.rs`.

use super::*;

/// A network with these subnets, and a pool that takes of them in the given order.
fn pool(subnets: Value, restricted: &[usize]) -> (Configuration, Arc<Object>, Arc<Object>) {
    let mut configuration = Configuration::new();
    let network = configuration.network_with("public", subnets, json!({})).unwrap();
    let entries = configuration.subnets(&network);
    let uuids: Vec<Value> = restricted.iter().map(|index| entries[*index]["subnet_uuid"].clone()).collect();
    let members =
        if uuids.is_empty() { json!({}) } else { json!({"floating_ip_pool_subnets": {"subnet_uuid": uuids}}) };
    let pool = configuration.below(&network, "floating-ip-pool", "pool", members).unwrap();
    (configuration, network, pool)
}

#[test]
fn osd_23_the_first_subnet_with_room_decides_about_the_version() {
    let (four, six) = (subnet("17.1.1.0", 30), subnet("fd17::", 64));
    let roomy = subnet("17.1.1.0", 29);
    let expected_six = "fd17::ffff:ffff:ffff:fffc";
    for (label, subnets, restricted, expected) in [
        ("IPv6 only", json!([six]), &[][..], expected_six),
        ("IPv6 first", json!([six, roomy]), &[], expected_six),
        ("IPv4 first", json!([roomy, six]), &[], "17.1.1.4"),
        ("IPv4 first and full", json!([four, six]), &[], expected_six),
        ("IPv4 listed on the pool", json!([six, roomy]), &[1], "17.1.1.4"),
        ("both listed, IPv4 first", json!([six, roomy]), &[1, 0], "17.1.1.4"),
    ] {
        let (mut configuration, _, pool) = pool(subnets, restricted);
        let object = configuration.below(&pool, "floating-ip", "f", json!({})).unwrap();
        assert_eq!(configuration.get(&object, "floating_ip_address"), expected, "{label}");
    }
    let (mut configuration, _, pool) = pool(json!([roomy, six]), &[]);
    for (name, members, expected) in [
        ("a", json!({"floating_ip_address_family": "v6"}), expected_six),
        ("b", json!({"floating_ip_address_family": "v4"}), "17.1.1.4"),
        ("c", json!({"floating_ip_address": "fd17::9"}), "fd17::9"),
        ("d", json!({"floating_ip_address": "fd17::8", "floating_ip_address_family": "v4"}), "fd17::8"),
        ("e", json!({"floating_ip_address": "17.1.1.2", "floating_ip_address_family": "v6"}), "17.1.1.2"),
    ] {
        let object = configuration.below(&pool, "floating-ip", name, members).unwrap();
        assert_eq!(configuration.get(&object, "floating_ip_address"), expected);
    }
}

#[test]
fn fip_c2_fip_c5_what_the_client_says_stays() {
    let (mut configuration, network, pool) = pool(json!([subnet("17.1.1.0", 29)]), &[]);
    let domain = configuration.find("domain", "default-domain").unwrap();
    let tenant = configuration.below(&domain, "project", "tenant", json!({})).unwrap();
    let ports = [configuration.interface("one", &network), configuration.interface("other", &network)];
    let interfaces: Vec<Value> = ports.iter().map(|port| json!({"to": port.fq_name.elements()})).collect();
    let members = json!({"project_refs": [{"to": tenant.fq_name.elements()}],
        "virtual_machine_interface_refs": interfaces, "floating_ip_fixed_ip_address": "10.0.0.9",
        "floating_ip_traffic_direction": "ingress"});
    let object = configuration.below(&pool, "floating-ip", "f", members.clone()).unwrap();
    assert_eq!(configuration.links(&object, "project_refs"), [("default-domain:tenant".to_owned(), Value::Null)]);
    assert_eq!(configuration.links(&object, "virtual_machine_interface_refs").len(), 2);
    for member in ["floating_ip_fixed_ip_address", "floating_ip_traffic_direction"] {
        assert_eq!(configuration.get(&object, member), members[member]);
    }
}

#[test]
fn fip_d1_only_the_holder_frees_an_address() {
    let (mut configuration, network, pool) = pool(json!([subnet("17.1.1.0", 29)]), &[]);
    let holder = configuration.below(&pool, "floating-ip", "f", json!({})).unwrap();
    let address = configuration.address("i", &network, &json!({})).unwrap();
    let same = json!({"floating_ip_address": "17.1.1.4"});
    let unheld = configuration.below(&address, "floating-ip", "g", same).unwrap();
    configuration.delete(&unheld).unwrap();
    assert_eq!(configuration.counts(&network), [5]);
    configuration.delete(&holder).unwrap();
    assert_eq!(configuration.counts(&network), [4]);
    assert_eq!(configuration.take(&network, json!({})).as_deref(), Ok("17.1.1.4"));
}
