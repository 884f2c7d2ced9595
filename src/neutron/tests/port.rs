use super::{Cloud, class, id, model};
use crate::rules::{Delete, NeutronOptions, Operation};
use serde_json::{Value, json};
use uuid::Uuid;

const DEVICE: &str = "11111111-1111-4222-8333-000000000009";
const NIL: &str = "00000000-0000-0000-0000-00000000dead";

fn addresses(port: &Value) -> Vec<String> {
    let addresses = port["fixed_ips"].as_array().unwrap().iter();
    let mut addresses: Vec<String> = addresses.map(|ip| ip["ip_address"].as_str().unwrap().to_owned()).collect();
    addresses.sort();
    addresses
}

/// How many objects of a type there are.
fn count(cloud: &Cloud, type_name: &str) -> usize {
    cloud.graph.count_of(model().find(type_name).unwrap())
}

fn delete(cloud: &mut Cloud, type_name: &str, id: &str) {
    let type_id = model().find(type_name).unwrap();
    cloud.submit(&Operation::Delete(Delete { type_id, uuid: id.to_owned() })).unwrap();
}

fn links(cloud: &Cloud, id: &str, field: &str) -> Vec<Uuid> {
    let object = cloud.graph.get(Uuid::try_parse(id).unwrap()).unwrap();
    let model = model();
    let (reference, _) = model.object_type(object.type_id).reference(field).unwrap();
    object.links_of(reference).iter().map(|link| link.target).collect()
}

/// A router of the project with this port.
fn router(cloud: &mut Cloud, port: &Value) -> Uuid {
    cloud.create(
        "logical-router",
        json!({
            "fq_name": ["default-domain", "blue", "router"], "parent_type": "project",
            "virtual_machine_interface_refs": [{"uuid": port["id"]}],
        }),
    )
}

#[test]
fn neu_port_c1_neu_gen_5_what_is_looked_at_first() {
    let mut cloud = Cloud::new();
    let unknown = cloud.port(&json!({"id": NIL}), json!({"tenant_id": "x"}));
    assert_eq!(unknown.unwrap_err(), json!({"exception": "NetworkNotFound", "net_id": NIL}));
    let (net, _) = cloud.network_with("10.0.0.0/24");
    let red = cloud.project("red");
    assert_eq!(class(cloud.port(&net, json!({"tenant_id": red}))), "AdminRequired");
    cloud.is_admin = true;
    assert_eq!(cloud.port(&net, json!({"tenant_id": red})).unwrap()["tenant_id"], red.simple().to_string());
    let mac = json!({"mac_address": "02:AA:00:00:00:01"});
    assert_eq!(cloud.port(&net, mac.clone()).unwrap()["mac_address"], "02:AA:00:00:00:01");
    let taken = cloud.port(&net, json!({"mac_address": "02-aa-00-00-00-01"})).unwrap_err();
    assert_eq!(taken, json!({"exception": "MacAddressInUse", "net_id": net["id"], "mac": "02:aa:00:00:00:01"}));
    let (other, _) = cloud.network_with("10.0.0.0/24");
    cloud.port(&other, mac).unwrap();
    for wrong in ["02:aa:00:00:00", "02:aa:00:00:00:zz", "x", "02:aa:00:00:00:001"] {
        assert_eq!(class(cloud.port(&net, json!({"mac_address": wrong}))), "BadRequest", "{wrong}");
    }
    assert_eq!(class(cloud.port(&json!({"id": null}), json!({}))), "BadRequest");
}

#[test]
fn neu_port_c2_a_port_is_below_its_project_and_owned_by_it() {
    let mut cloud = Cloud::new();
    let (net, subnet) = cloud.network_with("10.0.0.0/24");
    let uuid = Uuid::new_v4().to_string();
    let port = cloud.port(&net, json!({"id": uuid, "description": "d", "admin_state_up": false})).unwrap();
    let hex = cloud.tenant.simple().to_string();
    let group = model().find("security-group").unwrap();
    let group = cloud.graph.find(group, &["default-domain", "blue", "default"]).unwrap().uuid.to_string();
    let tail = uuid.replace('-', "");
    let mac: Vec<&str> = [0, 2, 4, 6, 8].iter().map(|at| &tail[*at..at + 2]).collect();
    let expected = json!({
        "id": uuid, "name": "port", "tenant_id": hex, "network_id": net["id"],
        "mac_address": format!("02:{}", mac.join(":")), "fixed_ips": [{"ip_address": "10.0.0.3", "subnet_id": subnet["id"]}],
        "security_groups": [group], "allowed_address_pairs": [], "admin_state_up": false, "status": "DOWN",
        "device_id": "", "device_owner": "", "port_security_enabled": true, "binding:vif_details": {"port_filter": true},
        "binding:vif_type": "unbound", "binding:vnic_type": "normal", "binding:host_id": null,
        "created_at": port["created_at"], "updated_at": port["updated_at"], "description": "d",
        "fq_name": ["default-domain", "blue", "port"],
    });
    assert_eq!(port, expected);
    assert_eq!(cloud.property(&uuid, "perms2")["owner"], hex);
    assert_eq!(cloud.of("READ", "port", &port, json!({})).unwrap(), port);
    let plain = NeutronOptions { contrail_extensions: false, ..NeutronOptions::default() };
    let mut cloud = Cloud::with(plain);
    let (net, _) = cloud.network_with("10.0.0.0/24");
    assert!(cloud.port(&net, json!({})).unwrap().get("fq_name").is_none());
}

#[test]
fn neu_port_c3_addresses_are_given_by_family_or_as_asked_for() {
    let mut cloud = Cloud::new();
    let (net, four) = cloud.network_with("10.0.0.0/29");
    let six = cloud.subnet(&net, json!({"cidr": "fd00::/64", "ip_version": 6})).unwrap();
    let both = cloud.port(&net, json!({})).unwrap();
    assert_eq!(addresses(&both), ["10.0.0.3", "fd00::3"]);
    for none in [json!([]), json!(null)] {
        assert_eq!(cloud.port(&net, json!({"fixed_ips": none})).unwrap()["fixed_ips"], json!([]));
    }
    let one = cloud.port(&net, json!({"fixed_ips": [{"subnet_id": six["id"]}]})).unwrap();
    assert_eq!(addresses(&one), ["fd00::4"]);
    // Those that are named come first, so that nobody takes them by chance.
    let mixed = json!([{"subnet_id": four["id"]}, {"ip_address": "10.0.0.4"}, {"subnet_id": six["id"]}]);
    let mixed = cloud.port(&net, json!({"fixed_ips": mixed})).unwrap();
    assert_eq!(addresses(&mixed), ["10.0.0.4", "10.0.0.5", "fd00::5"]);
    let order: Vec<_> = mixed["fixed_ips"].as_array().unwrap().iter().map(|ip| ip["ip_address"].clone()).collect();
    assert_eq!(order, ["10.0.0.4", "10.0.0.5", "fd00::5"], "they stand in the order in which they came");
    cloud.port(&net, json!({"fixed_ips": [{"ip_address": "10.0.0.6"}]})).unwrap();
    // No IPv4 is left: an address of the other family is better than none.
    assert_eq!(addresses(&cloud.port(&net, json!({})).unwrap()), ["fd00::6"]);
    let bare = cloud.network(json!({})).unwrap();
    assert_eq!(cloud.port(&bare, json!({})).unwrap()["fixed_ips"], json!([]));
    let address = cloud.graph.objects_of(model().find("instance-ip").unwrap()).next().unwrap();
    assert_eq!(address.fq_name.name(), address.uuid.to_string());
    let address = address.uuid.to_string();
    assert_eq!(cloud.property(&address, "perms2")["owner"], cloud.tenant.simple().to_string());
}

#[test]
fn neu_port_c4_neu_gen_10_what_can_not_be_given_leaves_nothing() {
    let mut cloud = Cloud::new();
    let (net, subnet) = cloud.network_with("10.0.0.0/29");
    let taken = cloud.port(&net, json!({"fixed_ips": [{"ip_address": "10.0.0.4"}]})).unwrap();
    let before = (cloud.graph.len(), cloud.graph.revision());
    let mut refused = |fixed_ips: Value| {
        let refused = cloud.port(&net, json!({"fixed_ips": fixed_ips, "device_id": DEVICE})).unwrap_err();
        assert_eq!((cloud.graph.len(), cloud.graph.revision()), before, "{refused}");
        refused
    };
    let in_use = json!({"exception": "IpAddressInUse", "net_id": net["id"], "ip_address": "10.0.0.4"});
    assert_eq!(refused(json!([{"subnet_id": subnet["id"]}, {"ip_address": "10.0.0.4"}])), in_use);
    assert_eq!(refused(json!([{"ip_address": "10.0.0.5"}, {"ip_address": "10.0.0.5"}]))["exception"], "IpAddressInUse");
    // That of the service is nobody's.
    assert_eq!(refused(json!([{"ip_address": "10.0.0.2"}]))["exception"], "Conflict");
    for wrong in [
        json!([{"ip_address": "10.77.0.1"}]),
        json!([{"subnet_id": NIL}]),
        json!([{"subnet_id": "x"}]),
        json!([{"ip_address": "nonsense"}]),
        json!([{"ip_address": 5}]),
        json!([{}]),
        json!(["10.0.0.5"]),
        json!("10.0.0.5"),
    ] {
        let refused = refused(wrong.clone());
        assert_eq!((&refused["exception"], &refused["resource"]), (&json!("BadRequest"), &json!("port")), "{wrong}");
    }
    for _ in 0..3 {
        cloud.port(&net, json!({})).unwrap();
    }
    assert_eq!(class(cloud.port(&net, json!({}))), "BadRequest", "there is none left");
    cloud.of("DELETE", "port", &taken, json!({})).unwrap();
    assert_eq!(addresses(&cloud.port(&net, json!({})).unwrap()), ["10.0.0.4"]);
}

#[test]
fn neu_port_c5_the_address_of_a_gateway_is_for_routers() {
    let mut cloud = Cloud::new();
    let (net, _) = cloud.network_with("10.0.0.0/29");
    let gateway = json!([{"ip_address": "10.0.0.1"}]);
    assert_eq!(class(cloud.port(&net, json!({"fixed_ips": gateway, "device_id": DEVICE}))), "BadRequest");
    let port = cloud.port(&net, json!({"fixed_ips": gateway})).unwrap();
    assert_eq!(addresses(&port), ["10.0.0.1"]);
    assert_eq!(class(cloud.port(&net, json!({"fixed_ips": gateway}))), "IpAddressInUse");
    assert_eq!(class(cloud.of("UPDATE", "port", &port, json!({"device_id": DEVICE}))), "BadRequest");
    cloud.of("DELETE", "port", &port, json!({})).unwrap();
    for expected in ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"] {
        assert_eq!(addresses(&cloud.port(&net, json!({})).unwrap()), [expected], "it is given to nobody by itself");
    }
}

#[test]
fn neu_port_c6_neu_port_u3_groups_follow_port_security() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let open = cloud.network(json!({"port_security_enabled": false})).unwrap();
    let kind = model().find("security-group").unwrap();
    let no_rule = cloud.graph.find(kind, &["default-domain", "default-project", "__no_rule__"]).unwrap().uuid;
    let group = json!({"fq_name": ["default-domain", "blue", "g"], "parent_type": "project"});
    let group = cloud.create("security-group", group);
    let own = cloud.port(&net, json!({})).unwrap();
    let default = cloud.graph.find(kind, &["default-domain", "blue", "default"]).unwrap().uuid;
    assert_eq!(own["security_groups"], json!([default.to_string()]), "it is made if it is missing");
    for none in [json!([]), json!(null)] {
        let port = cloud.port(&net, json!({"security_groups": none})).unwrap();
        assert_eq!(port["security_groups"], json!([]));
        assert_eq!(links(&cloud, &id(&port), "security_group_refs"), [no_rule]);
    }
    let with = cloud.port(&net, json!({"security_groups": [group]})).unwrap();
    assert_eq!(with["security_groups"], json!([group.to_string()]));
    let unknown = cloud.port(&net, json!({"security_groups": [NIL]})).unwrap_err();
    assert_eq!(unknown, json!({"exception": "SecurityGroupNotFound", "id": NIL}));
    let off = cloud.port(&open, json!({})).unwrap();
    assert_eq!((&off["security_groups"], &off["port_security_enabled"]), (&json!([]), &json!(false)));
    assert!(links(&cloud, &id(&off), "security_group_refs").is_empty());
    let both = json!({"port_security_enabled": false, "security_groups": [group]});
    assert_eq!(class(cloud.port(&net, both)), "PortSecurityPortHasSecurityGroup");

    let mut change = |port: &Value, body: Value| cloud.of("UPDATE", "port", port, body);
    assert_eq!(change(&own, json!({"security_groups": [group]})).unwrap()["security_groups"], with["security_groups"]);
    let refused = change(&own, json!({"port_security_enabled": false})).unwrap_err();
    assert_eq!(refused, json!({"exception": "PortSecurityPortHasSecurityGroup", "port_id": own["id"]}));
    let refused = change(&off, json!({"security_groups": [group]})).unwrap_err();
    assert_eq!(refused, json!({"exception": "PortSecurityAndIPRequiredForSecurityGroups", "port_id": off["id"]}));
    assert_eq!(class(change(&own, json!({"security_groups": [NIL]}))), "SecurityGroupNotFound");
    let none = change(&own, json!({"security_groups": []})).unwrap();
    assert_eq!(none["security_groups"], json!([]));
    let switched = change(&own, json!({"port_security_enabled": false})).unwrap();
    assert_eq!(switched["port_security_enabled"], false, "the group without rules does not count");
    let switched = change(&with, json!({"port_security_enabled": false, "security_groups": []})).unwrap();
    assert_eq!(switched["port_security_enabled"], false);
    let on = change(&with, json!({"port_security_enabled": true})).unwrap();
    assert_eq!(on["security_groups"], json!([]), "no group comes by itself");
}

#[test]
fn neu_port_c7_neu_port_u2_a_machine_comes_and_goes_with_its_ports() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let nova = json!({"device_id": DEVICE, "device_owner": "compute:nova", "binding:host_id": "h"});
    let one = cloud.port(&net, nova.clone()).unwrap();
    assert_eq!((&one["device_id"], &one["status"]), (&json!(DEVICE), &json!("ACTIVE")));
    assert_eq!((&one["device_owner"], &one["binding:vif_type"]), (&json!("compute:nova"), &json!("vrouter")));
    assert_eq!(cloud.property(DEVICE, "server_type"), "virtual-server");
    assert_eq!(cloud.property(DEVICE, "perms2")["owner"], cloud.tenant.to_string());
    let two = cloud.port(&net, nova).unwrap();
    assert_eq!(count(&cloud, "virtual-machine"), 1);
    let named = cloud.port(&net, json!({"device_id": "lb-1", "binding:vnic_type": "baremetal"})).unwrap();
    assert_eq!(named["device_id"], "lb-1");
    let machine = links(&cloud, &id(&named), "virtual_machine_refs")[0].to_string();
    assert_eq!(cloud.property(&machine, "server_type"), "baremetal-server");
    for owner in ["network:router_interface", "network:router_gateway"] {
        let port = cloud.port(&net, json!({"device_id": DEVICE, "device_owner": owner})).unwrap();
        assert_eq!((&port["device_id"], &port["device_owner"]), (&json!(""), &json!(owner)));
    }

    let unplug = json!({"device_id": "", "device_owner": "", "binding:host_id": ""});
    let free = cloud.of("UPDATE", "port", &one, unplug).unwrap();
    assert_eq!((&free["device_id"], &free["device_owner"], &free["status"]), (&json!(""), &json!(""), &json!("DOWN")));
    assert_eq!((&free["binding:host_id"], &free["binding:vif_type"]), (&json!(null), &json!("unbound")));
    assert!(cloud.graph.get(Uuid::try_parse(DEVICE).unwrap()).is_some(), "the other port has it");
    let moved = cloud.of("UPDATE", "port", &two, json!({"device_id": "other"})).unwrap();
    assert_eq!(moved["device_id"], "other");
    assert!(cloud.graph.get(Uuid::try_parse(DEVICE).unwrap()).is_none());
    let same = cloud.of("UPDATE", "port", &two, json!({"device_id": "other", "device_owner": "x"})).unwrap();
    assert_eq!((&same["device_id"], &same["device_owner"]), (&json!("other"), &json!("x")));
    assert_eq!(cloud.of("UPDATE", "port", &two, json!({"device_id": null})).unwrap()["device_id"], "other");
}

#[test]
fn neu_port_c8_pairs_are_addresses_and_need_port_security() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let pairs = json!([{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.1/28", "mac_address": "02:00:00:00:00:09"},
        {"ip_address": "fd00::9"}]);
    let port = cloud.port(&net, json!({"allowed_address_pairs": pairs})).unwrap();
    let shown = json!([{"ip_address": "10.0.0.9", "mac_address": ""},
        {"ip_address": "10.0.0.0/28", "mac_address": "02:00:00:00:00:09"}, {"ip_address": "fd00::9", "mac_address": ""}]);
    assert_eq!(port["allowed_address_pairs"], shown);
    let stored = cloud.property(&id(&port), "virtual_machine_interface_allowed_address_pairs");
    let first =
        json!({"ip": {"ip_prefix": "10.0.0.9", "ip_prefix_len": 32}, "mac": "", "address_mode": "active-standby"});
    assert_eq!(stored["allowed_address_pair"][0], first);
    for wrong in ["x", "10.0.0.1/8/8", "10.0.0.1/33", "10.0.0.1/x", " 10.0.0.1", "", "10.0.0.0/8", "fd00::/64"] {
        let refused = cloud.of("UPDATE", "port", &port, json!({"allowed_address_pairs": [{"ip_address": wrong}]}));
        assert_eq!(class(refused), "BadRequest", "{wrong}");
    }
    assert_eq!(class(cloud.port(&net, json!({"allowed_address_pairs": [{}]}))), "BadRequest");
    let off = json!({"port_security_enabled": false, "security_groups": []});
    assert_eq!(class(cloud.of("UPDATE", "port", &port, off.clone())), "AddressPairAndPortSecurityRequired");
    let emptied = cloud.of("UPDATE", "port", &port, json!({"allowed_address_pairs": []})).unwrap();
    assert_eq!(emptied["allowed_address_pairs"], json!([]));
    cloud.of("UPDATE", "port", &port, off).unwrap();
    let again = cloud.of("UPDATE", "port", &port, json!({"allowed_address_pairs": pairs}));
    assert_eq!(again.unwrap_err(), json!({"exception": "AddressPairAndPortSecurityRequired"}));
}

#[test]
fn neu_port_c9_neu_port_u1_options_of_dhcp_and_what_else_changes() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let options = json!([{"opt_name": "bootfile-name", "opt_value": "f", "ip_version": 4}, {"opt_name": "150", "opt_value": "1"},
        {"opt_name": "gone", "opt_value": null}]);
    let port = cloud.port(&net, json!({"extra_dhcp_opts": options})).unwrap();
    let shown = json!([{"opt_name": "bootfile-name", "opt_value": "f"}, {"opt_name": "150", "opt_value": "1"}]);
    assert_eq!(port["extra_dhcp_opts"], shown);
    let body =
        json!({"name": "new", "description": "d", "admin_state_up": false, "device_owner": "o", "network_id": NIL});
    let changed = cloud.of("UPDATE", "port", &port, body).unwrap();
    assert_eq!((&changed["name"], &changed["fq_name"][2]), (&json!("new"), &json!("port")));
    assert_eq!((&changed["description"], &changed["admin_state_up"]), (&json!("d"), &json!(false)));
    assert_eq!((&changed["device_owner"], &changed["network_id"]), (&json!("o"), &net["id"]));
    assert_eq!(changed["extra_dhcp_opts"], shown, "what is not named stays");
    for none in [json!([]), json!(null)] {
        let emptied = cloud.of("UPDATE", "port", &port, json!({"extra_dhcp_opts": none})).unwrap();
        assert!(emptied.get("extra_dhcp_opts").is_none());
    }
    assert_eq!(class(cloud.port(&net, json!({"extra_dhcp_opts": [{"opt_name": 5, "opt_value": "x"}]}))), "BadRequest");
    let stored =
        json!({"dhcp_option": [{"dhcp_option_name": "n", "dhcp_option_value": "v", "dhcp_option_value_bytes": "b"}]});
    let rest = cloud.create(
        "virtual-machine-interface",
        json!({
            "fq_name": ["default-domain", "blue", "rest"], "parent_type": "project",
            "virtual_network_refs": [{"uuid": net["id"]}], "virtual_machine_interface_dhcp_option_list": stored,
        }),
    );
    let rest = cloud.of("READ", "port", &json!({"id": rest.to_string()}), json!({})).unwrap();
    assert_eq!(rest["extra_dhcp_opts"], json!([{"opt_name": "n", "opt_value": "b"}]));
}

#[test]
fn neu_port_u4_the_list_of_addresses_is_the_new_set() {
    let mut cloud = Cloud::new();
    let (net, subnet) = cloud.network_with("10.0.0.0/24");
    let port = cloud.port(&net, json!({})).unwrap();
    let of_port = |cloud: &Cloud| -> Vec<Uuid> {
        let kind = model().find("instance-ip").unwrap();
        cloud.graph.referrers(Uuid::try_parse(&id(&port)).unwrap(), kind).map(|address| address.uuid).collect()
    };
    let first = of_port(&cloud);
    let change = |cloud: &mut Cloud, list: Value| cloud.of("UPDATE", "port", &port, json!({"fixed_ips": list}));
    // What the port has stays what it is; one more comes.
    let two = change(&mut cloud, json!([{"ip_address": "10.0.0.3"}, {"subnet_id": subnet["id"]}])).unwrap();
    assert_eq!(addresses(&two), ["10.0.0.3", "10.0.0.4"]);
    assert!(of_port(&cloud).contains(&first[0]));
    let kept = change(&mut cloud, json!([{"subnet_id": subnet["id"]}, {"ip_address": "10.0.0.4"}])).unwrap();
    assert_eq!(addresses(&kept), ["10.0.0.3", "10.0.0.4"], "one of the subnet is enough");
    let other = change(&mut cloud, json!([{"ip_address": "10.0.0.9", "subnet_id": subnet["id"]}])).unwrap();
    assert_eq!(addresses(&other), ["10.0.0.9"]);
    let taken = cloud.port(&net, json!({})).unwrap();
    assert_eq!(addresses(&taken), ["10.0.0.3"], "what was given back is free");
    let refused = change(&mut cloud, json!([{"ip_address": "10.0.0.5"}, {"ip_address": "10.0.0.3"}]));
    assert_eq!(class(refused), "IpAddressInUse");
    assert_eq!(addresses(&cloud.of("READ", "port", &port, json!({})).unwrap()), ["10.0.0.9"]);
    assert_eq!(change(&mut cloud, json!([])).unwrap()["fixed_ips"], json!([]));
    assert_eq!(change(&mut cloud, json!(null)).unwrap()["fixed_ips"], json!([]));
}

#[test]
fn neu_port_u5_neu_port_u6_a_mac_address_changes_while_no_machine_has_the_port() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let port = cloud.port(&net, json!({})).unwrap();
    let other = cloud.port(&net, json!({"mac_address": "02:00:00:00:00:01"})).unwrap();
    let changed = cloud.of("UPDATE", "port", &port, json!({"mac_address": "02:00:00:00:00:02"})).unwrap();
    assert_eq!(changed["mac_address"], "02:00:00:00:00:02");
    let taken = cloud.of("UPDATE", "port", &port, json!({"mac_address": other["mac_address"]}));
    assert_eq!(class(taken), "MacAddressInUse");
    cloud.of("UPDATE", "port", &port, json!({"device_id": DEVICE})).unwrap();
    cloud.of("UPDATE", "port", &port, json!({"mac_address": "02:00:00:00:00:02"})).unwrap();
    let refused = cloud.of("UPDATE", "port", &port, json!({"mac_address": "02:00:00:00:00:03"})).unwrap_err();
    let expected = json!({"exception": "PortInUse", "port_id": port["id"], "net_id": net["id"], "device_id": DEVICE});
    assert_eq!(refused, expected);
    for (operation, unknown) in [("UPDATE", NIL), ("DELETE", NIL), ("READ", NIL), ("READ", "x")] {
        let refused = cloud.of(operation, "port", &json!({"id": unknown}), json!({"name": "x"})).unwrap_err();
        assert_eq!(refused, json!({"exception": "PortNotFound", "port_id": unknown}), "{operation}");
    }
}

#[test]
fn neu_port_b1_neu_port_b2_bindings_are_kept_as_texts() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let given = json!({"binding:vnic_type": "normal", "binding:host_id": "12", "binding:profile": {"a": [1, "x"]}});
    let port = cloud.port(&net, given).unwrap();
    assert_eq!((&port["binding:host_id"], &port["binding:vif_type"]), (&json!("12"), &json!("vrouter")));
    assert_eq!(port["binding:profile"], json!({"a": [1, "x"]}));
    let stored = |cloud: &Cloud, key: &str| -> Option<String> {
        let stored = cloud.property(&id(&port), "virtual_machine_interface_bindings");
        let pairs = stored["key_value_pair"].as_array().unwrap();
        let pair = pairs.iter().find(|pair| pair["key"] == key)?;
        Some(pair["value"].as_str().unwrap().to_owned())
    };
    assert_eq!(stored(&cloud, "profile").unwrap(), r#"{"a": [1, "x"]}"#);
    let changed = cloud.of("UPDATE", "port", &port, json!({"binding:host_id": "h2"})).unwrap();
    assert_eq!(changed["binding:profile"], json!({"a": [1, "x"]}), "pair by pair");
    assert_eq!(changed["binding:host_id"], "h2");
    let unbound = cloud.of("UPDATE", "port", &port, json!({"binding:host_id": null, "binding:profile": {}})).unwrap();
    assert_eq!((&unbound["binding:host_id"], &unbound["binding:vif_type"]), (&json!(null), &json!("unbound")));
    assert_eq!((stored(&cloud, "host_id").unwrap(), stored(&cloud, "profile").unwrap()), ("null".into(), "{}".into()));
    // What a host with DPDK is told goes with the host.
    cloud.create(
        "virtual-router",
        json!({
            "fq_name": ["default-global-system-config", "fast"], "parent_type": "global-system-config",
            "virtual_router_ip_address": "192.0.2.79", "virtual_router_dpdk_enabled": true,
        }),
    );
    let fast = cloud.of("UPDATE", "port", &port, json!({"binding:host_id": "fast"})).unwrap();
    assert_eq!(fast["binding:vif_type"], "vhostuser");
    assert_eq!(fast["binding:vif_details"]["vhostuser_mode"], "server");
    let free = cloud.of("UPDATE", "port", &port, json!({"binding:host_id": ""})).unwrap();
    assert_eq!(
        (&free["binding:vif_type"], &free["binding:vif_details"]),
        (&json!("unbound"), &json!({"port_filter": true}))
    );
}

#[test]
fn neu_port_d1_neu_port_d2_a_port_takes_along_what_is_its_own() {
    let mut cloud = Cloud::new();
    let (net, _) = cloud.network_with("10.0.0.0/24");
    let external = cloud.network(json!({"router:external": true, "name": "ext"})).unwrap();
    cloud.subnet(&external, json!({"cidr": "198.18.0.0/24"})).unwrap();
    cloud.port(&net, json!({"fixed_ips": []})).unwrap();
    let empty = cloud.graph.len();
    let port = cloud.port(&net, json!({"device_id": DEVICE})).unwrap();
    let second = cloud.port(&net, json!({"fixed_ips": []})).unwrap();
    let shared = cloud.create(
        "instance-ip",
        json!({
            "fq_name": ["shared"], "virtual_network_refs": [{"uuid": net["id"]}],
            "virtual_machine_interface_refs": [{"uuid": port["id"]}, {"uuid": second["id"]}], "instance_ip_secondary": true,
        }),
    );
    let pool = ["default-domain", "blue", "ext", "floating-ip-pool", "f"];
    let floating = cloud.create(
        "floating-ip",
        json!({
            "fq_name": pool, "parent_type": "floating-ip-pool", "floating_ip_fixed_ip_address": "10.0.0.3",
            "virtual_machine_interface_refs": [{"uuid": port["id"]}],
        }),
    );
    let shown = cloud.of("READ", "port", &port, json!({})).unwrap();
    assert_eq!(
        (shown["fixed_ips"].as_array().unwrap().len(), shown["secondary_ips"].as_array().unwrap().len()),
        (1, 1)
    );
    assert_eq!(cloud.of("DELETE", "port", &port, json!({})), Ok(json!(null)));
    assert_eq!(
        links(&cloud, &shared.to_string(), "virtual_machine_interface_refs"),
        [Uuid::try_parse(&id(&second)).unwrap()]
    );
    assert!(links(&cloud, &floating.to_string(), "virtual_machine_interface_refs").is_empty());
    assert_eq!(cloud.property(&floating.to_string(), "floating_ip_fixed_ip_address"), json!(null));
    assert!(cloud.graph.get(Uuid::try_parse(DEVICE).unwrap()).is_none());
    cloud.of("DELETE", "port", &second, json!({})).unwrap();
    delete(&mut cloud, "floating-ip", &floating.to_string());
    assert_eq!(cloud.graph.len(), empty);
    // A router keeps its ports, a trunk, too.
    let port = cloud.port(&net, json!({"device_owner": "network:router_interface"})).unwrap();
    let router = router(&mut cloud, &port);
    let refused = cloud.of("DELETE", "port", &port, json!({})).unwrap_err();
    let expected =
        json!({"exception": "PortInUse", "port_id": port["id"], "net_id": net["id"], "device_id": router.to_string()});
    assert_eq!(refused, expected);
    let port = cloud.port(&net, json!({})).unwrap();
    cloud.ask("trunk", "CREATE", json!({"resource": {"name": "t", "port_id": port["id"]}})).unwrap();
    assert_eq!(class(cloud.of("DELETE", "port", &port, json!({}))), "Conflict");
}

#[test]
fn neu_port_l1_neu_port_l2_neu_gen_9_whose_ports_a_list_has() {
    let mut cloud = Cloud::new();
    let (blue, red) = (cloud.tenant, cloud.project("red"));
    let (net, _) = cloud.network_with("10.0.0.0/24");
    let shared = cloud.network(json!({"shared": true})).unwrap();
    let own = id(&cloud.port(&net, json!({})).unwrap());
    cloud.tenant = red;
    let guest = id(&cloud.port(&shared, json!({})).unwrap());
    let sorted = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(cloud.ids("port", json!({})), sorted(&[&guest]));
    assert_eq!(cloud.ids("port", json!({"network_id": [net["id"]]})), sorted(&[]));
    assert_eq!(cloud.ids("port", json!({"id": [own, guest]})), sorted(&[&guest]));
    assert_eq!(cloud.ids("port", json!({"tenant_id": [blue]})), sorted(&[]));
    cloud.tenant = blue;
    assert_eq!(cloud.ids("port", json!({})), sorted(&[&own, &guest]), "one is on a network of its own");
    assert_eq!(cloud.ids("port", json!({"network_id": [shared["id"]]})), sorted(&[&guest]));
    assert_eq!(cloud.ids("port", json!({"project_id": [red.simple().to_string()]})), sorted(&[&guest]));
    assert_eq!(cloud.ids("port", json!({"device_owner": ["network:dhcp"]})), sorted(&[]));
    cloud.is_admin = true;
    assert_eq!(cloud.ids("port", json!({})), sorted(&[&own, &guest]));
    assert_eq!(cloud.ids("port", json!({"tenant_id": [red]})), sorted(&[&guest]));
    let count = cloud.ask("port", "READCOUNT", json!({"filters": {"tenant_id": [blue.simple().to_string()]}}));
    assert_eq!(count.unwrap().as_array().unwrap().len(), 1);
    // With a token only what may be read.
    cloud.is_admin = false;
    cloud.log_in(blue);
    assert_eq!(cloud.ids("port", json!({})), sorted(&[&own]));
}

#[test]
fn neu_port_l3_neu_port_l4_neu_port_l6_neu_gen_8_ports_by_what_they_have() {
    let mut cloud = Cloud::new();
    let (net, subnet) = cloud.network_with("10.0.0.0/24");
    let (other, _) = cloud.network_with("10.0.0.0/24");
    let nova = json!({"device_id": DEVICE, "device_owner": "compute:nova", "binding:host_id": "h1"});
    let a = id(&cloud.port(&net, nova.clone()).unwrap());
    let b = id(&cloud.port(&other, nova).unwrap());
    let mac = json!({"mac_address": "02:de:ad:00:00:01", "fixed_ips": [{"ip_address": "10.0.0.77"}], "name": "c"});
    let c = id(&cloud.port(&net, mac).unwrap());
    let interface = json!({"fixed_ips": [{"ip_address": "10.0.0.1"}], "device_owner": "network:router_interface"});
    let interface = cloud.port(&net, interface).unwrap();
    let router = router(&mut cloud, &interface).to_string();
    let d = id(&interface);
    let named = id(&cloud.port(&net, json!({"device_id": "lb-1", "fixed_ips": []})).unwrap());
    let cases = [
        (json!({"device_id": [DEVICE]}), vec![&a, &b]),
        (json!({"device_id": [DEVICE.replace('-', "")]}), vec![&a, &b]),
        (json!({"device_id": [DEVICE], "network_id": [other["id"]]}), vec![&b]),
        (json!({"device_id": [router]}), vec![&d]),
        (json!({"device_id": [router], "network_id": [net["id"]]}), vec![&d]),
        (json!({"device_id": ["lb-1", DEVICE]}), vec![&a, &b, &named]),
        (json!({"device_id": [""]}), vec![&c]),
        (json!({"device_id": [NIL]}), vec![]),
        (json!({"device_owner": ["compute:nova"], "network_id": [net["id"]]}), vec![&a]),
        (json!({"mac_address": ["02:DE:AD:00:00:01"]}), vec![&c]),
        (json!({"mac_address": ["02:de:ad:00:00:01"], "network_id": [other["id"]]}), vec![]),
        (json!({"fixed_ips": {"ip_address": ["10.0.0.77"]}}), vec![&c]),
        (json!({"fixed_ips": {"ip_address": ["10.0.0.3"]}}), vec![&a, &b]),
        (json!({"fixed_ips": {"ip_address": ["10.0.0.3"]}, "network_id": [net["id"]]}), vec![&a]),
        (json!({"fixed_ips": {"ip_address": ["10.0.0.1"]}, "network_id": [net["id"]]}), vec![&d]),
        (json!({"fixed_ips": {"ip_address": ["10.0.0.3"], "subnet_id": [subnet["id"]]}}), vec![&a]),
        (json!({"fixed_ips": {"subnet_id": [subnet["id"]]}}), vec![&a, &c, &d]),
        (json!({"fixed_ips": {"ip_address": ["nonsense"]}}), vec![]),
        (json!({"id": [a, c, NIL], "name": ["c"]}), vec![&c]),
        (json!({"binding:host_id": ["h1"]}), vec![&a, &b]),
        (json!({"status": ["ACTIVE"], "network_id": [net["id"]]}), vec![&a, &d, &named]),
        (json!({"nonsense": ["x"], "name": ["c"]}), vec![&c]),
    ];
    for is_admin in [false, true] {
        cloud.is_admin = is_admin;
        for (filters, expected) in &cases {
            let mut expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
            expected.sort();
            assert_eq!(cloud.ids("port", filters.clone()), expected, "{filters}");
        }
    }
}

#[test]
fn neu_port_l5_the_gateway_of_a_router_is_for_who_owns_its_network() {
    let mut cloud = Cloud::new();
    let external = cloud.network(json!({"router:external": true, "name": "ext"})).unwrap();
    cloud.subnet(&external, json!({"cidr": "198.18.0.0/24"})).unwrap();
    let red = cloud.project("red");
    let of_red = |name: &str| json!(["default-domain", "red", name]);
    let service = cloud.create("service-instance", json!({"fq_name": of_red("snat"), "parent_type": "project"}));
    let machine = json!({"fq_name": ["vm"], "service_instance_refs": [{"uuid": service.to_string()}]});
    let machine = cloud.create("virtual-machine", machine);
    let port = cloud.create(
        "virtual-machine-interface",
        json!({
            "fq_name": of_red("right"), "parent_type": "project", "virtual_network_refs": [{"uuid": external["id"]}],
            "virtual_machine_refs": [{"uuid": machine.to_string()}],
            "virtual_machine_interface_properties": {"service_interface_type": "right"},
        }),
    );
    let port = port.to_string();
    cloud.create(
        "instance-ip",
        json!({
            "fq_name": ["ip"], "virtual_network_refs": [{"uuid": external["id"]}],
            "virtual_machine_interface_refs": [{"uuid": port}],
        }),
    );
    let router = cloud.create(
        "logical-router",
        json!({
            "fq_name": of_red("r"), "parent_type": "project", "virtual_network_refs": [{"uuid": external["id"]}],
            "service_instance_refs": [{"uuid": service.to_string()}],
        }),
    );
    let router = router.to_string();
    let shown = cloud.of("READ", "port", &json!({"id": port}), json!({})).unwrap();
    assert_eq!((&shown["tenant_id"], &shown["device_id"]), (&json!(""), &json!(router)));
    assert_eq!((&shown["device_owner"], &shown["status"]), (&json!("network:router_gateway"), &json!("ACTIVE")));
    let filters = json!({"device_id": [router]});
    assert_eq!(cloud.ids("port", filters.clone()), std::slice::from_ref(&port), "who asks owns the network");
    cloud.tenant = red;
    assert!(cloud.ids("port", filters.clone()).is_empty());
    cloud.is_admin = true;
    assert_eq!(cloud.ids("port", filters), [port]);
}

#[test]
fn host_routes_become_routes_of_the_ports_that_they_lead_to() {
    let mut cloud = Cloud::with(NeutronOptions { apply_subnet_host_routes: true, ..NeutronOptions::default() });
    let net = cloud.network(json!({})).unwrap();
    let route = |destination: &str, nexthop: &str| json!({"destination": destination, "nexthop": nexthop});
    // The second is reached through the first; the third leads nowhere, and the fourth in a circle.
    let routes = json!([
        route("10.200.0.0/24", "10.0.0.20"),
        route("10.201.0.0/24", "10.200.0.7"),
        route("10.202.0.0/24", "10.77.0.1"),
        route("10.200.0.0/16", "10.201.0.1"),
    ]);
    let subnet = cloud.subnet(&net, json!({"cidr": "10.0.0.0/24", "host_routes": routes})).unwrap();
    let prefixes = |cloud: &Cloud, port: &Value| -> Option<Vec<String>> {
        let name = format!("NEUTRON_IFACE_RT_{}_{}", id(&subnet), id(port));
        let table =
            cloud.graph.find(model().find("interface-route-table").unwrap(), &["default-domain", "blue", &name])?;
        let routes = cloud.property(&table.uuid.to_string(), "interface_route_table_routes");
        assert_eq!(links(cloud, &id(port), "interface_route_table_refs"), [table.uuid]);
        let routes = routes["route"].as_array().unwrap().iter();
        Some(routes.map(|route| route["prefix"].as_str().unwrap().to_owned()).collect())
    };
    let port = cloud.port(&net, json!({"fixed_ips": [{"ip_address": "10.0.0.20"}]})).unwrap();
    let other = cloud.port(&net, json!({"fixed_ips": [{"ip_address": "10.0.0.30"}]})).unwrap();
    assert_eq!(prefixes(&cloud, &port).unwrap(), ["10.200.0.0/16", "10.200.0.0/24", "10.201.0.0/24"]);
    assert_eq!(prefixes(&cloud, &other), None);
    // One next hop stays, one comes.
    let routes = json!([route("10.203.0.0/24", "10.0.0.20"), route("10.204.0.0/24", "10.0.0.30")]);
    cloud.of("UPDATE", "subnet", &subnet, json!({"host_routes": routes})).unwrap();
    assert_eq!(prefixes(&cloud, &port).unwrap(), ["10.203.0.0/24"]);
    assert_eq!(prefixes(&cloud, &other).unwrap(), ["10.204.0.0/24"]);
    cloud.of("UPDATE", "subnet", &subnet, json!({"name": "x"})).unwrap();
    cloud.of("UPDATE", "port", &port, json!({"fixed_ips": [{"ip_address": "10.0.0.21"}]})).unwrap();
    assert_eq!((prefixes(&cloud, &port), count(&cloud, "interface-route-table")), (None, 1));
    cloud.of("UPDATE", "port", &port, json!({"fixed_ips": [{"ip_address": "10.0.0.20"}]})).unwrap();
    assert_eq!(prefixes(&cloud, &port).unwrap(), ["10.203.0.0/24"]);
    cloud.of("UPDATE", "subnet", &subnet, json!({"host_routes": [route("10.204.0.0/24", "10.0.0.30")]})).unwrap();
    assert_eq!((prefixes(&cloud, &port), count(&cloud, "interface-route-table")), (None, 1));
    cloud.of("DELETE", "port", &other, json!({})).unwrap();
    assert_eq!(count(&cloud, "interface-route-table"), 0);
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let routes = json!([route("10.200.0.0/24", "10.0.0.20")]);
    cloud.subnet(&net, json!({"cidr": "10.0.0.0/24", "host_routes": routes})).unwrap();
    cloud.port(&net, json!({"fixed_ips": [{"ip_address": "10.0.0.20"}]})).unwrap();
    assert_eq!(count(&cloud, "interface-route-table"), 0, "only where that is set");
}

#[test]
fn neu_gen_11_neu_err_5_of_two_requests_the_second_sees_the_first() {
    let mut cloud = Cloud::new();
    let (net, _) = cloud.network_with("10.0.0.0/24");
    let project = cloud.tenant.to_string();
    let type_id = model().find("project").unwrap();
    let update = |body: Value| {
        let Value::Object(body) = body else { panic!() };
        let model = model();
        let document = crate::rules::Document::read_update(&model, model.object_type(type_id), body);
        Operation::Update(crate::rules::Update { type_id, uuid: project.clone(), document })
    };
    cloud.submit(&update(json!({"quota": {"virtual_machine_interface": 2}}))).unwrap();
    cloud.port(&net, json!({"fixed_ips": [{"ip_address": "10.0.0.50"}]})).unwrap();
    assert_eq!(class(cloud.port(&net, json!({"fixed_ips": [{"ip_address": "10.0.0.50"}]}))), "IpAddressInUse");
    cloud.port(&net, json!({})).unwrap();
    let refused = cloud.port(&net, json!({})).unwrap_err();
    assert_eq!((&refused["exception"], &refused["overs"]), (&json!("OverQuota"), &json!(["port"])));
    assert_eq!(count(&cloud, "virtual-machine-interface"), 2);
    assert_eq!(count(&cloud, "instance-ip"), 2);
}

#[test]
fn neu_port_c4_neu_port_c5_each_address_is_found_held_or_not() {
    let mut cloud = Cloud::new();
    let (net, _) = cloud.network_with("10.0.0.0/24");
    let other = cloud.network_with("10.0.0.0/24").0;
    let at = |address: &str| json!({"fixed_ips": [{"ip_address": address}]});
    let gateway = cloud.port(&net, at("10.0.0.1")).unwrap();
    let port = cloud.port(&net, at("10.0.0.9")).unwrap();
    for address in ["10.0.0.1", "10.0.0.9"] {
        let in_use = json!({"exception": "IpAddressInUse", "net_id": net["id"], "ip_address": address});
        assert_eq!(cloud.port(&net, at(address)), Err(in_use));
        // Those of another network are others.
        cloud.port(&other, at(address)).unwrap();
    }
    let by = |address: &str| json!({"network_id": [net["id"]], "fixed_ips": {"ip_address": [address]}});
    assert_eq!(cloud.ids("port", by("10.0.0.1")), [id(&gateway)]);
    assert_eq!(cloud.ids("port", by("10.0.0.9")), [id(&port)]);
    cloud.of("DELETE", "port", &gateway, json!({})).unwrap();
    assert_eq!(cloud.ids("port", by("10.0.0.1")), [] as [String; 0]);
    let again = cloud.port(&net, at("10.0.0.1")).unwrap();
    let uuid = Uuid::try_parse(&id(&net)).unwrap();
    assert_eq!(cloud.graph.pools().sharing_in(uuid).count(), 1);
    cloud.of("UPDATE", "port", &again, json!({"fixed_ips": []})).unwrap();
    assert_eq!(cloud.graph.pools().sharing_in(uuid).count(), 0);
    assert!(crate::graph::violations(&cloud.graph).is_empty());
}

#[test]
fn neu_port_l2_on_networks_of_others_a_member_sees_its_own_ports() {
    let mut cloud = Cloud::new();
    let shared = cloud.network(json!({"shared": true})).unwrap();
    let (owner, of_owner) = (cloud.tenant, cloud.port(&shared, json!({})).unwrap());
    let own = cloud.network(json!({"name": "own"})).unwrap();
    cloud.tenant = cloud.project("green");
    let of_other = cloud.port(&shared, json!({})).unwrap();
    let on =
        |networks: &[&Value]| json!({"network_id": networks.iter().map(|network| &network["id"]).collect::<Vec<_>>()});
    assert_eq!(cloud.ids("port", on(&[&shared, &own])), [id(&of_other)]);
    cloud.tenant = owner;
    let mut both = [id(&of_owner), id(&of_other)];
    both.sort();
    assert_eq!(cloud.ids("port", on(&[&shared])), both);
    let at = json!({"subnet_id": ["00000000-0000-4000-8000-000000000001"], "ip_address": vec!["10.0.0.1"; 20]});
    assert_eq!(cloud.ids("port", json!({ "fixed_ips": at })), [] as [String; 0]);
    cloud.is_admin = true;
    let many: Vec<String> = (0..20).map(|last| format!("10.0.0.{last}")).collect();
    assert_eq!(cloud.ids("port", json!({"fixed_ips": {"ip_address": many}})), [] as [String; 0]);
}

#[test]
fn neu_port_c8_the_mac_address_of_a_pair_is_one() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let pair = |mac: &str| json!({"allowed_address_pairs": [{"ip_address": "192.0.2.1", "mac_address": mac}]});
    cloud.port(&net, pair("02:00:00:00:00:01")).unwrap();
    cloud.port(&net, pair("")).unwrap();
    assert_eq!(class(cloud.port(&net, pair("nothing"))), "BadRequest");
}
