//! What exists from the first start on.

use super::*;

#[test]
fn gen_14_the_first_objects_are_made_once() {
    let mut configuration = Configuration::new();
    let (_, changes) = configuration.submit(Operation::Provision { role_rules: false }).unwrap();
    assert_eq!(changes.len(), 0);
    let kind = model().find("virtual-network").unwrap();
    let ids: Vec<Value> = configuration
        .graph
        .objects_of(kind)
        .map(|network| configuration.get(network, "virtual_network_network_id"))
        .collect();
    assert_eq!(ids, [3, 4, 1, 2], "by name: __link_local__, dci-network, default-virtual-network, ip-fabric");
}

#[test]
fn what_the_server_makes_has_the_defaults_of_the_model() {
    let mut configuration = Configuration::new();
    let of = |name: &str| format!("default-domain:default-project:{name}");
    let global = configuration.global();
    for (name, value) in
        [("mac_aging_time", json!(300)), ("ibgp_auto_mesh", json!(true)), ("config_version", json!("1.0"))]
    {
        assert_eq!(configuration.get(&global, name), value, "{name}");
    }
    let fabric = configuration.find("virtual-network", &of("ip-fabric")).unwrap();
    assert_eq!(configuration.get(&fabric, "is_provider_network"), true);
    assert_eq!(configuration.get(&fabric, "virtual_network_category"), "tenant");
    let bare = configuration.find("virtual-network", &of("default-virtual-network")).unwrap();
    assert_eq!(configuration.get(&bare, "virtual_network_category"), Value::Null);
    let own = configuration.network("n", "10.1.1.0", 24);
    assert_eq!(
        configuration.get(&own, "virtual_network_category"),
        Value::Null,
        "clients' objects have what they send"
    );
    let instances = ["ip-fabric:ip-fabric", "ip-fabric:__default__", "n:n"].map(of);
    for (name, is_default) in instances.iter().zip([true, false, true]) {
        let instance = configuration.find("routing-instance", name).unwrap();
        assert_eq!(configuration.get(&instance, "routing_instance_is_default"), is_default, "{name}");
        assert_eq!(configuration.get(&instance, "routing_instance_has_pnf"), false, "{name}");
        assert_eq!(configuration.get(&instance, "routing_instance_fabric_snat"), false, "{name}");
    }
}

#[test]
fn objects_of_the_system_are_the_cloud_administrators() {
    let mut configuration = Configuration::new();
    let owner = |configuration: &Configuration, object: &Object| {
        let permissions = configuration.get(object, "id_perms")["permissions"].clone();
        (permissions["owner"].clone(), permissions["group"].clone())
    };
    let all: Vec<Arc<Object>> = configuration.graph.all().cloned().collect();
    for object in all {
        let expected = (json!("cloud-admin"), json!("cloud-admin-group"));
        assert_eq!(owner(&configuration, &object), expected, "{}", object.fq_name.joined());
    }
    let network = configuration.network("n", "10.1.1.0", 24);
    let instance = configuration.find("routing-instance", &format!("{}:n", network.fq_name.joined())).unwrap();
    assert_eq!(owner(&configuration, &instance), (json!("contrail-api"), json!("admin")), "made because of a request");
}
