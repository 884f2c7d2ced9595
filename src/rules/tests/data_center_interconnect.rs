//! data-center-interconnect.

use super::*;

impl Configuration {
    fn interconnect(&mut self, name: &str, members: Value) -> Decision<Arc<Object>> {
        let global = self.global();
        self.below(&global, "data-center-interconnect", name, members)
    }

    /// A physical router of fabrics.
    fn device(&mut self, name: &str, fabrics: &[&Object], role: &str) -> Arc<Object> {
        let global = self.global();
        let references: Vec<Value> = fabrics.iter().map(|fabric| json!({"uuid": fabric.uuid})).collect();
        let members = json!({"fabric_refs": references, "routing_bridging_roles": {"rb_roles": [role]}});
        self.below(&global, "physical-router", name, members).unwrap()
    }

    fn logical_router(&mut self, name: &str, devices: &[&Object]) -> Arc<Object> {
        let references: Vec<Value> = devices.iter().map(|device| json!({"uuid": device.uuid})).collect();
        self.in_project("logical-router", name, json!({"physical_router_refs": references})).unwrap()
    }

    fn fabrics(&mut self) -> [Arc<Object>; 2] {
        let global = self.global();
        ["f", "g"].map(|name| self.below(&global, "fabric", name, json!({})).unwrap())
    }
}

fn references(field: &str, targets: &[&Object]) -> Value {
    json!({field: targets.iter().map(|target| json!({"uuid": target.uuid})).collect::<Vec<_>>()})
}

#[test]
fn dci_c1_a_router_is_of_one_fabric_and_connected_once() {
    let mut configuration = Configuration::new();
    let [first, second] = configuration.fabrics();
    let devices = [
        configuration.device("a", &[&first], "x"),
        configuration.device("b", &[&second], "x"),
        configuration.device("c", &[], "x"),
    ];
    let good = configuration.logical_router("good", &[&devices[0]]);
    let none = configuration.logical_router("none", &[&devices[2]]);
    let both = configuration.logical_router("both", &[&devices[0], &devices[1]]);
    let routers = |router: &Object| references("logical_router_refs", &[router]);
    let refused = configuration.interconnect("d", routers(&none));
    assert_eq!(refusal(refused), format!("400 DCI Logical router is not associated to any fabric: {}", none.uuid));
    let refused = configuration.interconnect("d", routers(&both));
    let expected = format!(
        "400 Logical router can not associate with PRs belonging to different DCI connected Fabrics: {}",
        both.uuid
    );
    assert_eq!(refusal(refused), expected);
    let interconnect = configuration.interconnect("d", routers(&good)).unwrap();
    assert_eq!(refusal(configuration.refer(&interconnect, &both, Value::Null)), expected);
    let refused = configuration.interconnect("e", routers(&good));
    let expected =
        format!("400 Logical router can not associate with more than one inter_fabric type DCI: {}", good.uuid);
    assert_eq!(refusal(refused), expected);
    configuration.update(&interconnect, json!({"display_name": "x"})).unwrap();
}

#[test]
fn dci_c2_layer_2_between_gateways() {
    let mut configuration = Configuration::new();
    let [first, second] = configuration.fabrics();
    configuration.device("a", &[&first], "DCI-Gateway");
    let plain = configuration.network("n", "10.1.1.0", 24);
    let routed = json!({"virtual_network_category": "routed"});
    let routed = configuration.network_with("m", json!([]), routed).unwrap();
    let body = |fabrics: &[&Object], networks: &[&Object]| {
        let mut body = json!({"data_center_interconnect_mode": "l2"});
        extend(&mut body, references("fabric_refs", fabrics));
        extend(&mut body, references("virtual_network_refs", networks));
        body
    };
    let no_gateway = "400 L2 DCI Mode selected fabric g does not have any physical router with rb_roles DCI-Gateway. \
                      Please select fabric having at least one physical_router with DCI-Gateway rb_roles.";
    for (members, fault) in [
        (body(&[&first], &[&plain]), "400 DCI Mode L2 requires minimum two fabric."),
        (body(&[&first, &second], &[]), "400 DCI Mode L2 requires minimum one virtual network."),
        (body(&[&first, &second], &[&plain]), no_gateway),
    ] {
        assert_eq!(refusal(configuration.interconnect("d", members)), fault);
    }
    configuration.device("b", &[&second], "DCI-Gateway");
    let refused = configuration.interconnect("d", body(&[&first, &second], &[&plain, &routed]));
    let expected = "400 L2 DCI Mode selected virtual_network m is routed VN. routed VN is not allowed for L2 dci mode.";
    assert_eq!(refusal(refused), expected);
    let interconnect = configuration.interconnect("d", body(&[&first, &second], &[&plain])).unwrap();
    let refused = configuration.unrefer(&interconnect, &second);
    assert_eq!(refusal(refused), "400 DCI Mode L2 requires minimum two fabric.");
}

#[test]
fn dci_c3_dci_u1_one_router_gives_to_others() {
    let mut configuration = Configuration::new();
    let device = configuration.device("a", &[], "x");
    let [source, destination, other] = ["s", "d", "o"].map(|name| configuration.logical_router(name, &[&device]));
    let network = configuration.network("n", "10.1.1.0", 24);
    let policy = configuration.in_project("routing-policy", "p", json!({})).unwrap();
    let listed = |routers: &[(&Object, Uuid)]| {
        let entry = |(router, device): &(&Object, Uuid)| json!({"logical_router_uuid": router.uuid, "physical_router_uuid_list": [device]});
        let list: Vec<Value> = routers.iter().map(entry).collect();
        json!({"destination_physical_router_list": {"logical_router_list": list}})
    };
    // Of the routers the first so many are sources: their references have data.
    let routers = |sources: usize, routers: &[&Object]| {
        let data = |index: usize| if index < sources { json!({"any": "data"}) } else { Value::Null };
        let reference = |(index, router): (usize, &&Object)| json!({"uuid": router.uuid, "attr": data(index)});
        json!({"logical_router_refs": routers.iter().enumerate().map(reference).collect::<Vec<_>>()})
    };
    let body_of = |sources, given: &[&Object], list: &[(&Object, Uuid)], networks: &[&Object], policies: &[&Object]| {
        let mut body = json!({"data_center_interconnect_type": "intra_fabric"});
        for part in [
            routers(sources, given),
            listed(list),
            references("virtual_network_refs", networks),
            references("routing_policy_refs", policies),
        ] {
            extend(&mut body, part);
        }
        body
    };
    let body = |given: &[&Object], list: &[(&Object, Uuid)], networks: &[&Object], policies: &[&Object]| {
        body_of(1, given, list, networks, policies)
    };
    let to = [(&*destination, device.uuid)];
    let kind = "intra_fabric type data_center_interconnect";
    let either = "400 Provide either routing_policy_refs or virtual_network_refs.";
    let wrong = [(&*destination, network.uuid)];
    let beyond = [(&*destination, device.uuid), (&*other, device.uuid)];
    let with_source = [(&*destination, device.uuid), (&*source, device.uuid)];
    for (members, fault) in [
        (body(&[], &to, &[&network], &[]), format!("400 No Source LR specified in logical_router_refs for {kind}.")),
        (
            body_of(0, &[&source, &destination], &to, &[&network], &[]),
            format!("400 No Source LR specified in logical_router_refs for {kind}."),
        ),
        (
            body(&[&source], &to, &[&network], &[]),
            format!("400 No Destination LR specified in logical_router_refs for {kind}."),
        ),
        (
            body(&[&source, &destination], &[], &[&network], &[]),
            "400 No destination LR exist in destination_physical_router_list".to_owned(),
        ),
        (
            body_of(2, &[&source, &other, &destination], &to, &[&network], &[]),
            format!("400 More than one Source LR not allowed for {kind}."),
        ),
        (
            body(&[&source, &other, &destination], &to, &[&network], &[]),
            format!(
                "400 logical_router_refs: logical router {} is not in destination_physical_router_list",
                other.uuid
            ),
        ),
        (
            body(&[&source, &destination], &with_source, &[&network], &[]),
            format!(
                "400 destination_physical_router_list: logical router {} is the source in logical_router_refs",
                source.uuid
            ),
        ),
        (
            body(&[&source, &destination, &destination], &to, &[&network], &[]),
            format!("400 {} logical router entry exists more than one in logical_router_refs.", destination.uuid),
        ),
        (
            body(&[&source, &destination], &to, &[&network], &[&policy]),
            format!("{either} Both has been provided for {kind}"),
        ),
        (body(&[&source, &destination], &to, &[], &[]), format!("{either} None of them provided for {kind}")),
        (
            body(&[&source, &destination], &wrong, &[&network], &[]),
            format!("400 physical_router uuid {} does not exist in destination LR d", network.uuid),
        ),
        (
            body(&[&source, &destination], &beyond, &[&network], &[]),
            format!(
                "400 destination_physical_router_list: logical router {} is not in logical_router_refs",
                other.uuid
            ),
        ),
    ] {
        assert_eq!(refusal(configuration.interconnect("d", members)), fault);
    }
    let good = body(&[&source, &destination], &to, &[&network], &[]);
    let interconnect = configuration.interconnect("d", good.clone()).unwrap();
    let expected = "400 Source Logical router s already associated with DCI d, Same source LR can not associate with \
                    more than one intra_fabric type DCI.";
    assert_eq!(refusal(configuration.interconnect("e", good)), expected);
    configuration.interconnect("e", body(&[&other, &destination], &to, &[], &[&policy])).unwrap();
    let from_destination = body(&[&destination, &other], &[(&*other, device.uuid)], &[&network], &[]);
    configuration.interconnect("back", from_destination).unwrap();
    for (members, fault) in [
        (
            json!({"data_center_interconnect_mode": "l2"}),
            "403 Cannot change data_center_interconnect_mode. Please specify data_center_interconnect_mode as 'l3'",
        ),
        (
            json!({"data_center_interconnect_type": "inter_fabric"}),
            "403 Cannot change data_center_interconnect_type. Please specify data_center_interconnect_type as \
             'intra_fabric'",
        ),
        (
            routers(1, &[&other, &destination]),
            "403 Cannot change Source LR for intra_fabric typedata_center_interconnect.",
        ),
    ] {
        assert_eq!(refusal(configuration.update(&interconnect, members)), fault);
    }
    let without = references("logical_router_refs", &[&source, &destination]);
    assert!(refusal(configuration.update(&interconnect, without)).starts_with("400 No Source LR specified"));
    let stored = configuration.links(&interconnect, "logical_router_refs");
    assert!(stored.contains(&("default-domain:default-project:s".to_owned(), json!({"any": "data"}))));
    let mode = json!({"data_center_interconnect_mode": "l3", "data_center_interconnect_type": "intra_fabric"});
    configuration.update(&interconnect, mode).unwrap();
}
