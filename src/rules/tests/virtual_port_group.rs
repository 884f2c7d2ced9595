//! virtual-port-group, aggregates, and the ports of servers.

use super::*;

const INTERFACES: &str = "physical_interface_refs";
const AGGREGATE_TAKEN: &str = "Failed allocating user-defined AE-ID";

impl Configuration {
    fn fabric(&self) -> Arc<Object> {
        self.find("fabric", "default-global-system-config:default-fabric").unwrap()
    }

    fn group(&mut self, name: &str) -> Arc<Object> {
        let fabric = self.fabric();
        self.below(&fabric, "virtual-port-group", name, json!({})).unwrap()
    }

    fn router(&mut self, name: &str) -> Arc<Object> {
        let global = self.global();
        self.below(&global, "physical-router", name, json!({})).unwrap()
    }

    /// Interfaces of a new router, named by numbers.
    fn interfaces<const COUNT: usize>(&mut self, router: &str) -> [Arc<Object>; COUNT] {
        let router = self.router(router);
        std::array::from_fn(|index| self.below(&router, "physical-interface", &index.to_string(), json!({})).unwrap())
    }

    /// The numbers of a group on its interfaces, by router and interface.
    fn aggregates(&self, group: &Object) -> Vec<(String, Value)> {
        let mut numbers: Vec<_> = self
            .links(group, INTERFACES)
            .into_iter()
            .map(|(name, attribute)| (name.replace("default-global-system-config:", ""), attribute["ae_num"].clone()))
            .collect();
        numbers.sort_by(|one, other| one.0.cmp(&other.0));
        numbers
    }

    /// A port of a server.
    fn bare_metal(&mut self, name: &str, network: &Object, port: &Port) -> Decision<Arc<Object>> {
        let mut body = json!({"virtual_network_refs": [{"uuid": network.uuid}]});
        extend(&mut body, port.members());
        self.in_project("virtual-machine-interface", name, body)
    }
}

/// What a port of a server says.
#[derive(Default)]
struct Port<'a> {
    cables: &'a [(&'a str, &'a str)],
    fabric: &'a str,
    group: &'a str,
    tag: Option<u16>,
    native: Option<u16>,
}

impl Port<'_> {
    fn members(&self) -> Value {
        let fabric = if self.fabric.is_empty() { "default-fabric" } else { self.fabric };
        let cable = |(router, port): &(&str, &str)| json!({"switch_info": router, "port_id": port, "fabric": fabric});
        let cables: Vec<Value> = self.cables.iter().map(cable).collect();
        let profile = json!({"local_link_information": cables}).to_string();
        let mut pairs = vec![json!({"key": "vnic_type", "value": "baremetal"})];
        pairs.push(json!({"key": "profile", "value": profile}));
        if !self.group.is_empty() {
            pairs.push(json!({"key": "vpg", "value": self.group}));
        }
        pairs.extend(self.native.map(|vlan| json!({"key": "tor_port_vlan_id", "value": vlan.to_string()})));
        let mut members = json!({"virtual_machine_interface_bindings": {"key_value_pair": pairs}});
        if let Some(tag) = self.tag {
            let properties = json!({"sub_interface_vlan_tag": tag});
            extend(&mut members, json!({"virtual_machine_interface_properties": properties}));
        }
        members
    }
}

#[test]
fn vpg_c1_vpg_c2_vpg_c3_what_users_do_not_create() {
    let mut configuration = Configuration::new();
    let fabric = configuration.fabric();
    let [interface] = configuration.interfaces("r");
    let uuid = "7c1a9e52-3f64-4d0b-9a27-5b8e6d1f0c01";
    let create = |configuration: &mut Configuration, name: &str, mut members: Value| {
        extend(&mut members, json!({"uuid": uuid}));
        configuration.below(&fabric, "virtual-port-group", name, members)
    };
    let internal = create(&mut configuration, "vpg-internal-5", json!({}));
    let expected =
        format!("400 Virtual port group({uuid}) with name vpg-internal as prefix can only be created internally");
    assert_eq!(refusal(internal), expected);
    let interfaces = json!({"physical_interface_refs": [{"uuid": interface.uuid, "attr": null}]});
    let expected = "400 API Infra do not support allocating AE-ID when Physical Interface refs are sent in VPG create \
                    request. Workaround: Create VPG first, then add Physical Interface to VPG";
    assert_eq!(refusal(create(&mut configuration, "g", interfaces)), expected);
    let network = configuration.network("n", "10.1.1.0", 24);
    let port = configuration.interface("i", &network);
    let trunk = json!({"virtual_port_group_trunk_port_id": port.uuid});
    let group = configuration.group("other");
    configuration.refer(&port, &group, Value::Null).unwrap();
    let expected = format!(
        "409 Trunk Port({}) already belongs to following VPG(s): \tUUID({}), FQ_NAME(default-global-system-config:\
         default-fabric:other)",
        port.uuid, group.uuid
    );
    assert_eq!(refusal(create(&mut configuration, "g", trunk.clone())), expected);
    configuration.unrefer(&port, &group).unwrap();
    create(&mut configuration, "g", trunk).unwrap();
}

#[test]
fn vpg_u1_an_interface_is_in_one_group_and_knows_it() {
    let mut configuration = Configuration::new();
    let [interface] = configuration.interfaces("r");
    let (first, second) = (configuration.group("g"), configuration.group("h"));
    configuration.refer(&first, &interface, Value::Null).unwrap();
    assert_eq!(configuration.get(&interface, "physical_interface_type"), "access");
    let expected = format!(
        "400 physical interfaces already added at other VPGs can not be attached to this VPG ({}): PI ({}) VPG-UUID \
         ({}) VPG-FQNAME (default-global-system-config:default-fabric:g); ",
        second.uuid, interface.uuid, first.uuid
    );
    assert_eq!(refusal(configuration.refer(&second, &interface, Value::Null)), expected);
    configuration.unrefer(&first, &interface).unwrap();
    assert!(configuration.get(&interface, "physical_interface_type").is_null());
    configuration.refer(&second, &interface, Value::Null).unwrap();
}

#[test]
fn vpg_u2_pi_c3_numbers_of_aggregates() {
    let mut configuration = Configuration::new();
    let [a0, a1, a2, a3] = configuration.interfaces("a");
    let [b0] = configuration.interfaces("b");
    let router = configuration.find("physical-router", "default-global-system-config:a").unwrap();
    let (first, second) = (configuration.group("g"), configuration.group("h"));
    let number = |name: &str, number: Value| (name.to_owned(), number);
    configuration.refer(&first, &a0, json!({"ae_num": 10})).unwrap();
    assert_eq!(configuration.aggregates(&first), [number("a:0", Value::Null)], "one is no aggregate");
    configuration.below(&router, "physical-interface", "ae0", json!({})).unwrap();
    configuration.refer(&first, &b0, Value::Null).unwrap();
    assert_eq!(configuration.aggregates(&first), [number("a:0", json!(1)), number("b:0", json!(0))]);
    configuration.refer(&first, &a1, Value::Null).unwrap();
    let all = [number("a:0", json!(1)), number("a:1", json!(1)), number("b:0", json!(0))];
    assert_eq!(configuration.aggregates(&first), all);
    let refused = configuration.refer(&first, &a1, json!({"ae_num": 2}));
    let expected = format!("400 AE-ID (1) already allocated at PR (a) for PI ({}) {AGGREGATE_TAKEN} (2)", a1.uuid);
    assert_eq!(refusal(refused), expected);
    configuration.refer(&second, &a2, Value::Null).unwrap();
    for (wanted, fault) in [
        (1, format!("400 AE-ID (1) already allocated at PR (a) for PI ({}) {AGGREGATE_TAKEN} (1)", a3.uuid)),
        (129, "400 physical_interface_refs: ae_num must be 0 to 128, not 129".to_owned()),
    ] {
        assert_eq!(refusal(configuration.refer(&second, &a3, json!({"ae_num": wanted}))), fault);
    }
    configuration.refer(&second, &a3, json!({"ae_num": 128})).unwrap();
    assert_eq!(configuration.aggregates(&second), [number("a:2", json!(128)), number("a:3", json!(128))]);
    configuration.unrefer(&second, &a3).unwrap();
    configuration.refer(&second, &a3, json!({"ae_num": 5})).unwrap();
    assert_eq!(configuration.aggregates(&second), [number("a:2", json!(5)), number("a:3", json!(5))]);
    let taken = configuration.below(&router, "physical-interface", "ae5", json!({}));
    let expected =
        "403 Interface ae5 can't get AE-ID 5 because it is already occupied on a physical router.".to_owned();
    assert_eq!(refusal(taken), expected);
    configuration.below(&router, "physical-interface", "ae128", json!({})).unwrap();
    configuration.unrefer(&second, &a2).unwrap();
    assert_eq!(configuration.aggregates(&second), [number("a:3", Value::Null)]);
    configuration.below(&router, "physical-interface", "ae5", json!({})).unwrap();
    configuration.unrefer(&first, &b0).unwrap();
    assert_eq!(configuration.aggregates(&first), [number("a:0", json!(1)), number("a:1", json!(1))]);
}

#[test]
fn vpg_u2_a_router_has_so_many_aggregates() {
    let mut configuration = Configuration::new();
    let router = configuration.router("r");
    for number in 0..128 {
        configuration.below(&router, "physical-interface", &format!("ae{number}"), json!({})).unwrap();
    }
    let [one, two, three, four] =
        ["1", "2", "3", "4"].map(|name| configuration.below(&router, "physical-interface", name, json!({})).unwrap());
    let (last, group) = (configuration.group("last"), configuration.group("g"));
    configuration.refer(&last, &three, Value::Null).unwrap();
    configuration.refer(&last, &four, Value::Null).unwrap();
    assert_eq!(configuration.aggregates(&last)[0].1, 128);
    configuration.refer(&group, &one, Value::Null).unwrap();
    let expected =
        "400 ResourceExhaustionError: when allocating AE-ID for virtual-port-group (g) at physical-router (r)";
    assert_eq!(refusal(configuration.refer(&group, &two, Value::Null)), expected);
}

#[test]
fn vpg_d1_a_group_goes_without_ports() {
    let mut configuration = Configuration::new();
    let [interface] = configuration.interfaces("r");
    let network = configuration.network("n", "10.1.1.0", 24);
    let port = configuration.interface("i", &network);
    let group = configuration.group("g");
    configuration.refer(&group, &interface, Value::Null).unwrap();
    configuration.refer(&group, &port, Value::Null).unwrap();
    let expected = format!(
        "400 Virtual port group({}) can not be deleted as refernces to VMI and BMS instance association still exists.",
        group.uuid
    );
    assert_eq!(refusal(configuration.delete(&group)), expected);
    configuration.unrefer(&group, &port).unwrap();
    configuration.delete(&group).unwrap();
    assert!(configuration.get(&interface, "physical_interface_type").is_null());
}

#[test]
fn vmi_c5_vpg_m1_a_port_without_cables_is_nobodys() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "10.1.1.0", 24);
    let port = configuration.bare_metal("i", &network, &Port::default()).unwrap();
    let address = json!({"mac_address": ["00:00:00:00:00:00"]});
    assert_eq!(configuration.get(&port, "virtual_machine_interface_mac_addresses"), address);
    assert!(configuration.links(&port, "virtual_port_group_refs").is_empty());
}

#[test]
fn vpg_m1_vmi_c10_what_cables_need() {
    let mut configuration = Configuration::new();
    let network = configuration.network("n", "10.1.1.0", 24);
    let [interface] = configuration.interfaces("r");
    let group = configuration.group("g");
    configuration.refer(&group, &interface, Value::Null).unwrap();
    let before = contents(&configuration.graph);
    for (port, fault) in [
        (
            Port { cables: &[("r", "x")], ..Port::default() },
            "404 Unable to attach Physical interface to Virtual Port Group (None). No such Physical Interface object \
             (x) exists",
        ),
        (
            Port { cables: &[("r", "x")], group: "h", ..Port::default() },
            "404 Unable to attach Physical interface to Virtual Port Group (h). No such Physical Interface object \
             (x) exists",
        ),
        (Port { cables: &[("r", "0")], fabric: "x", ..Port::default() }, "404 Fabric x is not found"),
        (Port { cables: &[("r", "0")], ..Port::default() }, "400 Physical interface 0 already belong to the vpg g"),
        (
            Port { cables: &[("r", "0")], group: "h", ..Port::default() },
            "400 Physical interface 0 already belong to the vpg g",
        ),
        (
            Port { group: "g", ..Port::default() },
            "400 Unable to retrieve fabric name. No physical interfaces and no vpg refs",
        ),
    ] {
        assert_eq!(refusal(configuration.bare_metal("i", &network, &port)), fault);
    }
    configuration.unrefer(&group, &interface).unwrap();
    let missing = Port { cables: &[("r", "0")], group: "h", ..Port::default() };
    assert_eq!(refusal(configuration.bare_metal("i", &network, &missing)), "404 Vpg object h is not found");
    let profile = |profile: &str| {
        let pair = |key: &str, value: &str| json!({"key": key, "value": value});
        json!({"virtual_network_refs": [{"uuid": network.uuid}],
            "virtual_machine_interface_bindings":
                {"key_value_pair": [pair("vnic_type", "baremetal"), pair("profile", profile)]}})
    };
    for (text, fault) in [
        ("{", "must be JSON"),
        (r#"{"local_link_information": 1}"#, "local_link_information must be a list"),
        (r#"{"local_link_information": [1]}"#, "needs switch_info of each link"),
        (r#"{"local_link_information": [{"switch_info": "r"}]}"#, "needs port_id of each link"),
    ] {
        let refused = configuration.in_project("virtual-machine-interface", "i", profile(text));
        assert_eq!(refusal(refused), format!("400 virtual_machine_interface_bindings: profile {fault}"));
    }
    let two = r#"{"local_link_information": [{"switch_info": "r", "port_id": "0", "fabric": "f"},
        {"switch_info": "r", "port_id": "0"}]}"#;
    let refused = configuration.in_project("virtual-machine-interface", "i", profile(two));
    assert_eq!(refusal(refused), "400 Physical interfaces in the same vpg should belong to the same fabric");
    let vlan = Port { cables: &[("r", "0")], native: Some(4095), ..Port::default() };
    let expected = "400 virtual_machine_interface_bindings: tor_port_vlan_id must be 0 to 4094, not 4095";
    assert_eq!(refusal(configuration.bare_metal("i", &network, &vlan)), expected);
    assert_eq!(contents(&configuration.graph).len(), before.len(), "nothing is left of what was refused");
}

#[test]
fn vpg_m2_vmi_c10_vmi_d4_a_group_is_made_and_goes_with_its_last_port() {
    let mut configuration = Configuration::new();
    let [a0, _, _] = configuration.interfaces("a");
    let (network, other_network) =
        (configuration.network("n", "10.1.1.0", 24), configuration.network("m", "10.1.2.0", 24));
    let tagged = |cables, tag| Port { cables, tag: Some(tag), ..Port::default() };
    let port = configuration.bare_metal("i", &network, &tagged(&[("a", "0")], 10)).unwrap();
    let name = "default-global-system-config:default-fabric:vpg-internal-0";
    let reference = |attribute: Value| [(name.to_owned(), attribute)];
    assert_eq!(configuration.links(&port, "virtual_port_group_refs"), reference(json!({"vlan_tag": 10})));
    let group = configuration.find("virtual-port-group", name).unwrap();
    assert_eq!(configuration.get(&group, "virtual_port_group_user_created"), false);
    assert_eq!(configuration.get(&group, "virtual_port_group_lacp_enabled"), true);
    assert_eq!(configuration.links(&group, "virtual_machine_interface_refs").len(), 1);
    assert_eq!(configuration.get(&a0, "physical_interface_type"), "access");
    // Another cable makes an aggregate; a renamed port keeps it.
    let more = tagged(&[("a", "0"), ("a", "1")], 10).members();
    configuration.update(&port, more).unwrap();
    let both = [("a:0".to_owned(), json!(0)), ("a:1".to_owned(), json!(0))];
    assert_eq!(configuration.aggregates(&group), both);
    configuration.update(&port, json!({"display_name": "renamed"})).unwrap();
    assert_eq!(configuration.aggregates(&group), both);
    let native = Port { cables: &[("a", "1")], native: Some(20), group: "vpg-internal-0", ..Port::default() };
    let second = configuration.bare_metal("j", &other_network, &native).unwrap();
    assert_eq!(configuration.aggregates(&group), [("a:1".to_owned(), Value::Null)], "the last to say which");
    assert!(configuration.get(&a0, "physical_interface_type").is_null());
    assert_eq!(configuration.links(&second, "virtual_port_group_refs"), reference(json!({"native_vlan_tag": "20"})));
    let third = configuration.bare_metal("k", &network, &tagged(&[("a", "2")], 10)).unwrap();
    let next = "default-global-system-config:default-fabric:vpg-internal-1";
    assert!(configuration.find("virtual-port-group", next).is_some());
    let blocked = refusal(configuration.delete(&group));
    assert!(blocked.starts_with("409 Delete when resource still referred"), "{blocked}");
    configuration.delete(&port).unwrap();
    assert_eq!(configuration.links(&group, "virtual_machine_interface_refs").len(), 1);
    configuration.delete(&second).unwrap();
    assert!(configuration.current(&group).is_none());
    configuration
        .update(&third, json!({"virtual_machine_interface_bindings": null, "virtual_port_group_refs": []}))
        .unwrap();
    assert!(configuration.find("virtual-port-group", next).is_none());
    assert_eq!(contents(&configuration.follower), contents(&configuration.graph));
}

#[test]
fn vpg_m2_an_interface_of_a_profile_may_be_deleted() {
    let mut configuration = Configuration::new();
    let [a0, a1, a2] = configuration.interfaces("a");
    let network = configuration.network("n", "10.1.1.0", 24);
    let group = configuration.group("g");
    configuration.refer(&group, &a2, Value::Null).unwrap();
    let cables = &[("a", "0"), ("a", "1"), ("a", "2")];
    let port = Port { cables, group: "g", tag: Some(10), ..Port::default() };
    let port = configuration.bare_metal("i", &network, &port).unwrap();
    assert_eq!(configuration.aggregates(&group).len(), 3);
    let kept = refusal(configuration.delete(&a2));
    assert!(kept.starts_with("409 Delete when resource still referred"), "a user's: {kept}");
    configuration.delete(&a0).unwrap();
    let both = [("a:1".to_owned(), json!(0)), ("a:2".to_owned(), json!(0))];
    assert_eq!(configuration.aggregates(&group), both);
    configuration.delete(&a1).unwrap();
    assert_eq!(configuration.aggregates(&group), [("a:2".to_owned(), Value::Null)], "one is no aggregate");
    assert_eq!(configuration.links(&port, "virtual_port_group_refs").len(), 1);
    assert_eq!(contents(&configuration.follower), contents(&configuration.graph));
}

#[test]
fn vpg_m1_a_tag_of_the_bindings_is_the_text_that_it_is_there() {
    let mut configuration = Configuration::new();
    configuration.interfaces::<1>("a");
    let network = configuration.network("n", "10.1.1.0", 24);
    let native = Port { cables: &[("a", "0")], native: Some(4094), ..Port::default() };
    let port = configuration.bare_metal("i", &network, &native).unwrap();
    let reference =
        [("default-global-system-config:default-fabric:vpg-internal-0".to_owned(), json!({"native_vlan_tag": "4094"}))];
    assert_eq!(configuration.links(&port, "virtual_port_group_refs"), reference);
    // Written back as it was read, and found by the rules for VLANs.
    let group = configuration.find("virtual-port-group", &reference[0].0).unwrap();
    let references = json!([{"uuid": group.uuid, "attr": reference[0].1}]);
    configuration.update(&port, json!({ "virtual_port_group_refs": references })).unwrap();
    assert_eq!(configuration.links(&port, "virtual_port_group_refs"), reference);
    let second = Port { cables: &[("a", "0")], group: "vpg-internal-0", native: Some(7), ..Port::default() };
    let refused = refusal(configuration.bare_metal("j", &network, &second));
    assert!(refused.starts_with("400 Virtual machine interface:("), "{refused}");
}

#[test]
fn vpg_m2_a_group_of_a_user_stays() {
    let mut configuration = Configuration::new();
    let [interface] = configuration.interfaces("a");
    let network = configuration.network("n", "10.1.1.0", 24);
    let group = configuration.group("g");
    let named = Port { cables: &[("a", "0")], group: "g", ..Port::default() };
    let port = configuration.bare_metal("i", &network, &named).unwrap();
    assert_eq!(configuration.aggregates(&group), [("a:0".to_owned(), Value::Null)]);
    configuration.delete(&port).unwrap();
    assert_eq!(configuration.aggregates(&group), [("a:0".to_owned(), Value::Null)]);
    assert_eq!(configuration.get(&interface, "physical_interface_type"), "access");
    // A reference says as much as a name.
    let mut referring = Port { tag: Some(7), ..Port::default() }.members();
    extend(
        &mut referring,
        json!({"virtual_network_refs": [{"uuid": network.uuid}],
        "virtual_port_group_refs": [{"uuid": group.uuid, "attr": null}]}),
    );
    let port = configuration.in_project("virtual-machine-interface", "j", referring).unwrap();
    assert_eq!(configuration.links(&port, "virtual_port_group_refs")[0].1, json!({"vlan_tag": 7}));
    assert_eq!(configuration.links(&group, "virtual_machine_interface_refs").len(), 1);
    assert_ne!(
        configuration.get(&port, "virtual_machine_interface_mac_addresses")["mac_address"][0],
        "00:00:00:00:00:00"
    );
}

#[test]
fn vpg_m3_vlans_of_an_enterprise() {
    let mut configuration = Configuration::new();
    let _: [Arc<Object>; 2] = configuration.interfaces("r");
    let networks = ["n", "m"].map(|name| configuration.network_with(name, json!([]), json!({})).unwrap());
    let (group, other) = (configuration.group("g"), configuration.group("h"));
    let [one, two] = &networks;
    let on = |group, cable, tag: u16| Port { cables: cable, group, tag: Some(tag), ..Port::default() };
    let native = |group, cable, vlan: u16| Port { cables: cable, group, native: Some(vlan), ..Port::default() };
    let (first_cable, second_cable): (&[_], &[_]) = (&[("r", "0")], &[("r", "1")]);
    let port = configuration.bare_metal("i", one, &on("g", first_cable, 10)).unwrap();
    let in_group = format!(
        "400 vlan:(10) already exists in virtual port group:({}) with virtual network:({})",
        group.uuid, one.uuid
    );
    let fabric = configuration.fabric().uuid;
    let in_fabric =
        format!("400 Virtual network:({}) with other vlan(10) already exists in fabric:({fabric})", one.uuid);
    for (network, wish, fault) in [
        (one, on("g", first_cable, 11), in_group.clone()),
        (two, on("g", first_cable, 10), in_group),
        (one, on("h", second_cable, 11), in_fabric.clone()),
        (two, on("h", second_cable, 10), in_fabric.clone()),
    ] {
        assert_eq!(refusal(configuration.bare_metal("x", network, &wish)), fault);
    }
    configuration.bare_metal("j", one, &on("h", second_cable, 10)).unwrap();
    let untagged = configuration.bare_metal("k", two, &native("g", first_cable, 20)).unwrap();
    let expected = format!(
        "400 Virtual machine interface:({}) already exists with virtual network:({}) with vlan(20)",
        untagged.uuid, two.uuid
    );
    let third = configuration.network_with("o", json!([]), json!({})).unwrap();
    assert_eq!(refusal(configuration.bare_metal("x", &third, &native("g", first_cable, 30))), expected);
    // A changed VLAN moves; a deleted port frees it.
    let changed = json!({"virtual_machine_interface_properties": {"sub_interface_vlan_tag": 20}});
    assert_eq!(refusal(configuration.update(&port, changed)).split('(').next(), Some("400 vlan:"));
    configuration.delete(&untagged).unwrap();
    configuration.bare_metal("x", &third, &native("g", first_cable, 20)).unwrap();
    configuration.update(&configuration.fabric(), json!({"disable_vlan_vn_uniqueness_check": true})).unwrap();
    configuration.bare_metal("y", two, &on("h", second_cable, 10)).unwrap();
    assert!(configuration.current(&other).is_some());
}

#[test]
fn vpg_m3_vlans_of_a_service_provider() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let fabric = configuration.below(&global, "fabric", "f", json!({"fabric_enterprise_style": false})).unwrap();
    let group = configuration.below(&fabric, "virtual-port-group", "g", json!({})).unwrap();
    let _: [Arc<Object>; 1] = configuration.interfaces("r");
    let [one, two] = ["n", "m"].map(|name| configuration.network_with(name, json!([]), json!({})).unwrap());
    let on = |tag: Option<u16>, native| Port { cables: &[("r", "0")], fabric: "f", group: "g", tag, native };
    let port = configuration.bare_metal("i", &one, &on(Some(10), None)).unwrap();
    configuration.bare_metal("j", &two, &on(Some(10), None)).unwrap();
    let changing = configuration.bare_metal("k", &one, &on(Some(11), None)).unwrap();
    let expected = format!(
        "400 Virtual machine interface:({}) already exists in virtual network:({}) with vlan(10)",
        port.uuid, one.uuid
    );
    assert_eq!(refusal(configuration.bare_metal("x", &one, &on(Some(10), None))), expected);
    let changed = json!({"virtual_machine_interface_properties": {"sub_interface_vlan_tag": 10}});
    assert_eq!(refusal(configuration.update(&changing, changed.clone())), expected);
    configuration.delete(&port).unwrap();
    configuration.update(&changing, changed).unwrap();
    assert_eq!(configuration.links(&changing, "virtual_port_group_refs")[0].1, json!({"vlan_tag": 10}));
    let untagged = configuration.bare_metal("l", &one, &on(None, Some(5))).unwrap();
    let expected = format!(
        "400 Virtual machine interface:({}) already exists for virtual port group:({})",
        untagged.uuid, group.uuid
    );
    assert_eq!(refusal(configuration.bare_metal("x", &two, &on(None, Some(6)))), expected);
}

#[test]
fn vpg_m4_networks_on_replicators() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    let name = "default-fabric-assisted-replicator-intent-map";
    let map = configuration.below(&global, "intent-map", name, json!({})).unwrap();
    let _: [Arc<Object>; 1] = configuration.interfaces("r");
    let network = configuration.network("n", "10.1.1.0", 24);
    configuration.bare_metal("i", &network, &Port { cables: &[("r", "0")], ..Port::default() }).unwrap();
    assert_eq!(
        configuration.links(&network, "intent_map_refs"),
        [(format!("default-global-system-config:{name}"), Value::Null)]
    );
    configuration.delete(&map).unwrap();
    assert!(configuration.links(&network, "intent_map_refs").is_empty());
}

#[test]
fn vmi_u9_what_a_port_in_a_group_keeps() {
    let mut configuration = Configuration::new();
    let _: [Arc<Object>; 1] = configuration.interfaces("r");
    let network = configuration.network("n", "10.1.1.0", 24);
    let trunk = configuration.interface("trunk", &network);
    let fabric = configuration.fabric();
    let trunk_id = json!({"virtual_port_group_trunk_port_id": trunk.uuid});
    configuration.below(&fabric, "virtual-port-group", "g", trunk_id).unwrap();
    let member = Port { cables: &[("r", "0")], group: "g", tag: Some(10), ..Port::default() };
    let port = configuration.bare_metal("i", &network, &member).unwrap();
    configuration.refer(&port, &trunk, Value::Null).unwrap();
    let expected = "409 VMI ref delete not allowed during update";
    assert_eq!(refusal(configuration.unrefer(&port, &trunk)), expected);
    let changed = json!({"virtual_machine_interface_properties": {"sub_interface_vlan_tag": 11}});
    assert_eq!(refusal(configuration.update(&port, changed)), "400 Cannot change VLAN ID");
    // The trunk itself may let go.
    let group = configuration.find("virtual-port-group", "default-global-system-config:default-fabric:g").unwrap();
    configuration.refer(&trunk, &group, Value::Null).unwrap();
    configuration.unrefer(&trunk, &port).unwrap();
    assert!(configuration.links(&port, "virtual_machine_interface_refs").is_empty());
}
