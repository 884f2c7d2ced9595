//! Fabrics, their namespaces, servers and profiles.

use super::*;

#[test]
fn fab_u1_the_style_of_a_fabric_is_chosen_once() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let fabric = configuration.below(&global, "fabric", "f", json!({})).unwrap();
    let style = |enterprise: bool| json!({"fabric_enterprise_style": enterprise});
    configuration.update(&fabric, style(false)).unwrap();
    configuration.update(&fabric, style(false)).unwrap();
    let expected = "403 Cannot change from sp-style to enterprise-style or vice-versa";
    assert_eq!(refusal(configuration.update(&fabric, style(true))), expected);
}

#[test]
fn fabn_c1_overlay_loopbacks_have_a_network() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let fabric = configuration.below(&global, "fabric", "f", json!({})).unwrap();
    let prefix = |prefix: &str| {
        json!({"fabric_namespace_type": "IPV4-CIDR",
            "fabric_namespace_value": {"ipv4_cidr": {"subnet": [{"ip_prefix": prefix, "ip_prefix_len": 24}]}}})
    };
    let before = configuration.graph.len();
    configuration.below(&fabric, "fabric-namespace", "other", prefix("10.1.1.0")).unwrap();
    assert_eq!(configuration.graph.len(), before + 1);
    let namespace =
        configuration.below(&fabric, "fabric-namespace", "overlay-loopback-subnets", prefix("10.1.1.0")).unwrap();
    let name = "default-domain:default-project:f-overlay-loopback-network";
    let network = configuration.find("virtual-network", name).unwrap();
    let ipam = configuration.find("network-ipam", &format!("{name}-ipam")).unwrap();
    assert_eq!(configuration.get(&network, "address_allocation_mode"), "flat-subnet-only");
    assert_eq!(configuration.get(&network, "virtual_network_category"), "routed");
    assert_eq!(configuration.get(&network, "perms2")["global_access"], 7);
    assert_eq!(configuration.get(&network, "virtual_network_properties")["forwarding_mode"], "l3");
    assert_eq!(configuration.links(&network, "network_ipam_refs")[0].0, format!("{name}-ipam"));
    let reference = (name.to_owned(), json!({"network_type": "overlay-loopback"}));
    assert_eq!(configuration.links(&fabric, "virtual_network_refs"), [reference]);
    let address = configuration.address("a", &network, &json!({})).unwrap();
    assert_eq!(configuration.get(&address, "instance_ip_address"), "10.1.1.252");
    let refused = configuration.update(&namespace, prefix("10.1.2.0"));
    assert_eq!(refusal(refused), "409 Cannot Delete IP Block, IP(10.1.1.252) is in use");
    configuration.delete(&address).unwrap();
    configuration.update(&namespace, prefix("10.1.2.0")).unwrap();
    assert_eq!(configuration.get(&ipam, "ipam_subnets")["subnets"][0]["subnet"]["ip_prefix"], "10.1.2.0");
}

#[test]
fn node_c1_a_profile_labels_and_groups_the_ports_of_a_server() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let interface =
        |name: &str, label: &str, group: &str| json!({"name": name, "labels": [label], "port_group": group});
    let map = json!({"interface_map": {"port_info": [interface("p0", "a", "g"), interface("p1", "b", "g")]}});
    let card = configuration.at_top("card", "c", map).unwrap();
    let hardware = configuration.at_top("hardware", "h", json!({"card_refs": [{"uuid": card.uuid}]})).unwrap();
    let hardware = json!({"hardware_refs": [{"uuid": hardware.uuid}]});
    let profile = configuration.below(&global, "node-profile", "np", hardware).unwrap();
    let node = configuration.below(&global, "node", "n", json!({})).unwrap();
    let ports = ["p0", "p1", "p2"].map(|name| configuration.below(&node, "port", name, json!({})).unwrap());
    let missing = configuration.refer(&node, &profile, Value::Null);
    assert_eq!(refusal(missing), "404 Tag with FQName ['label=a'] not found");
    for (kind, value) in [("label", "a"), ("label", "b"), ("site", "s")] {
        let tag = json!({"tag_type_name": kind, "tag_value": value});
        configuration.at_top("tag", &format!("{kind}={value}"), tag).unwrap();
    }
    let site = configuration.find("tag", "site=s").unwrap();
    configuration.refer(&ports[0], &site, Value::Null).unwrap();
    configuration.refer(&node, &profile, Value::Null).unwrap();
    let tags = |configuration: &Configuration| {
        ports.each_ref().map(|port| {
            let mut names: Vec<String> =
                configuration.links(port, "tag_refs").into_iter().map(|(name, _)| name).collect();
            names.sort();
            names.join(" ")
        })
    };
    assert_eq!(tags(&configuration), ["label=a site=s", "label=b", ""]);
    let group = configuration.find("port-group", "default-global-system-config:n:g").unwrap();
    assert_eq!(configuration.links(&group, "port_refs").len(), 2);
    configuration.update(&node, json!({"node_profile_refs": []})).unwrap();
    assert_eq!(tags(&configuration), ["site=s", "", ""]);
}

#[test]
fn port_c1_the_interface_of_the_switch_refers_to_the_port() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let router = configuration.below(&global, "physical-router", "r", json!({})).unwrap();
    let [first, second] =
        ["ge_0", "ge_1"].map(|name| configuration.below(&router, "physical-interface", name, json!({})).unwrap());
    let node = configuration.below(&global, "node", "n", json!({})).unwrap();
    let at = |port: &str| json!({"bms_port_info": {"local_link_connection": {"switch_info": "r", "port_id": port}}});
    let port = configuration.below(&node, "port", "p", at("ge:0")).unwrap();
    let reference = ("default-global-system-config:n:p".to_owned(), Value::Null);
    assert_eq!(configuration.links(&first, "port_refs"), std::slice::from_ref(&reference));
    configuration.update(&port, at("ge:1")).unwrap();
    assert!(configuration.links(&first, "port_refs").is_empty());
    assert_eq!(configuration.links(&second, "port_refs"), [reference]);
    configuration.update(&port, at("elsewhere")).unwrap();
    assert!(configuration.links(&second, "port_refs").is_empty());
    configuration.update(&port, at("ge:0")).unwrap();
    let href = format!("http://api:8082/physical-interface/{}", first.uuid);
    let kept = configuration.delete(&port);
    assert_eq!(refusal(kept), format!("409 Delete when resource still referred: ['{href}']"));
    configuration.update(&port, json!({"bms_port_info": null})).unwrap();
    assert!(configuration.links(&first, "port_refs").is_empty());
    configuration.delete(&port).unwrap();
}

#[test]
fn tele_c1_pp_c1_one_profile_of_a_kind() {
    let mut configuration = Configuration::new();
    for (kind, part, words) in [
        ("telemetry-profile", "sflow-profile", "Telemetry profile NAME has more than one sflow refs"),
        ("telemetry-profile", "grpc-profile", "Telemetry profile NAME has more than one grpc refs"),
        ("telemetry-profile", "snmp-profile", "Telemetry profile NAME has more than one snmp refs"),
        ("telemetry-profile", "netconf-profile", "Telemetry profile NAME has more than one netconf refs"),
        ("port-profile", "storm-control-profile", "Port profile NAME has more than one storm profile refs"),
    ] {
        let [one, two] = ["a", "b"].map(|name| configuration.in_project(part, name, json!({})).unwrap());
        let field = format!("{}_refs", part.replace('-', "_"));
        let both = json!({field: [{"uuid": one.uuid}, {"uuid": two.uuid}]});
        let expected = format!(
            "400 {} [['default-domain', 'default-project', 'a'], ['default-domain', 'default-project', 'b']]",
            words.replace("NAME", "['default-domain', 'default-project', 'p']")
        );
        assert_eq!(refusal(configuration.in_project(kind, "p", both)), expected);
        let profile = configuration.in_project(kind, "p", json!({})).unwrap();
        configuration.refer(&profile, &one, Value::Null).unwrap();
        let refused = refusal(configuration.refer(&profile, &two, Value::Null));
        assert!(refused.starts_with("400 ") && refused.contains("more than one"), "{refused}");
        configuration.delete(&profile).unwrap();
    }
}

#[test]
fn pp_c1_frames_of_ports() {
    let mut configuration = Configuration::new();
    let parameters = json!({"port_profile_params": {"port_params": {"port_mtu": 0}}});
    let refused = configuration.in_project("port-profile", "p", parameters);
    assert_eq!(refusal(refused), "400 Port mtu can be only within 256 - 9216");
}

#[test]
fn tele_c2_default_profiles_are_not_for_users() {
    let mut configuration = Configuration::new();
    for (kind, default_name) in [
        ("telemetry", "default-telemetry-profile-6"),
        ("grpc", "grpc-default-profile"),
        ("snmp", "snmp-default-profile"),
        ("netconf", "netconf-default-profile"),
    ] {
        let (profile, mark) = (format!("{kind}-profile"), format!("{kind}_profile_is_default"));
        let default = |is_default: bool| json!({&mark: is_default});
        let expected = |name: &str| {
            format!(
                "400 One of the following non-permitted operations was attempted on {kind} profile ['default-domain', \
                 'default-project', '{name}']: \n1. Marking profile as default \n2. Creating or Editing or Deleting a \
                 default profile "
            )
        };
        assert_eq!(refusal(configuration.in_project(&profile, "p", default(true))), expected("p"));
        let own = configuration.in_project(&profile, "p", default(false)).unwrap();
        configuration.update(&own, json!({"display_name": "x"})).unwrap();
        assert_eq!(refusal(configuration.update(&own, default(true))), expected("p"));
        configuration.delete(&own).unwrap();
        let made = configuration.in_project(&profile, default_name, default(true)).unwrap();
        let updated = configuration.update(&made, json!({"display_name": "x"}));
        if kind == "telemetry" {
            updated.unwrap();
        } else {
            assert_eq!(refusal(updated), expected(default_name));
        }
        assert_eq!(refusal(configuration.delete(&made)), expected(default_name));
    }
    let seventh = json!({"telemetry_profile_is_default": true});
    assert!(configuration.in_project("telemetry-profile", "default-telemetry-profile-7", seventh).is_err());
}

#[test]
fn sfl_u1_a_default_sflow_profile_is_not_edited() {
    let mut configuration = Configuration::new();
    let default = json!({"sflow_profile_is_default": true});
    let profile = configuration.in_project("sflow-profile", "p", default).unwrap();
    let refused = configuration.update(&profile, json!({"display_name": "x"}));
    let expected = "400 Default profile ['default-domain', 'default-project', 'p'] is non-editable ";
    assert_eq!(refusal(refused), expected);
    configuration.update(&profile, json!({"sflow_profile_is_default": false})).unwrap();
}

#[test]
fn scp_c1_what_a_storm_may_take() {
    let mut configuration = Configuration::new();
    let profile = configuration.in_project("storm-control-profile", "p", json!({})).unwrap();
    for (parameters, fault) in [
        (json!({"bandwidth_percent": 101}), "400 Invalid bandwidth percentage 101"),
        (json!({"bandwidth_percent": 0}), "400 Invalid bandwidth percentage 0"),
        (json!({"recovery_timeout": 10}), "400 Invalid bandwidth percentage None"),
        (json!({"bandwidth_percent": 1, "recovery_timeout": 9}), "400 Invalid recovery timeout 9"),
        (json!({"bandwidth_percent": 1, "recovery_timeout": 3601}), "400 Invalid recovery timeout 3601"),
        (
            json!({"bandwidth_percent": 1, "no_multicast": true, "no_registered_multicast": true}),
            "400 Cannot select more than one multicast traffic option.",
        ),
    ] {
        let members = json!({"storm_control_parameters": parameters});
        assert_eq!(refusal(configuration.in_project("storm-control-profile", "q", members.clone())), fault);
        assert_eq!(refusal(configuration.update(&profile, members)), fault);
    }
    let valid = json!({"bandwidth_percent": 100, "recovery_timeout": 3600, "no_multicast": true});
    configuration.update(&profile, json!({"storm_control_parameters": valid})).unwrap();
}
