use super::{
    super::{
        RESOURCES,
        exception::Exception,
        filters::Filters,
        only_reads,
        refused::{Refused, bad_request},
        resource::Does,
    },
    *,
};
use crate::rules::{Kind, Rejection};
use std::collections::BTreeSet;

/// The contract's table of classes and arguments (NEU-ERR-4), as it stands there.
const CLASSES: &str = include_str!("../../../tests/data/neutron-classes.txt");

#[test]
fn neu_err_1_neu_err_2_neu_err_4_classes_and_arguments_are_those_of_the_contract() {
    let table: BTreeSet<(String, Vec<String>)> = CLASSES
        .lines()
        .map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            (words.next().unwrap(), words.collect())
        })
        .collect();
    let ours = Exception::ALL.iter().map(|(name, arguments)| {
        ((*name).to_owned(), arguments.iter().map(|argument| (*argument).to_owned()).collect())
    });
    assert_eq!(ours.collect::<BTreeSet<_>>(), table);
    let json = Exception::PortInUse { port_id: "p".into(), net_id: "n".into(), device_id: "d".into() }.into_json();
    assert_eq!(json, json!({"exception": "PortInUse", "port_id": "p", "net_id": "n", "device_id": "d"}));
}

#[test]
fn neu_err_3_neu_err_5_refusals_of_rules_become_classes_by_their_kind() {
    let of = |kind: Kind| {
        let refused: Refused = Rejection::new(kind, "why").into();
        let rejection = refused.into_rejection("network");
        (rejection.kind, told(&rejection.text.to_string()))
    };
    for (kind, expected) in [
        (Kind::BadRequest, json!({"exception": "BadRequest", "resource": "network", "msg": "why"})),
        (Kind::Forbidden, json!({"exception": "NotAuthorized", "msg": "why"})),
        (Kind::NotFound, json!({"exception": "NotFound", "msg": "why"})),
        (Kind::Conflict, json!({"exception": "Conflict", "msg": "why"})),
        (Kind::OverQuota, json!({"exception": "OverQuota", "overs": ["network"], "msg": "why"})),
    ] {
        assert_eq!(of(kind), (Kind::BadRequest, expected), "{kind:?}");
    }
    assert_eq!(of(Kind::TooMuch).0, Kind::TooMuch);
    // Nobody's fault: not a class, which would say that there is no use in trying again.
    for kind in [Kind::Unavailable, Kind::Internal, Kind::Unmet] {
        assert_eq!(of(kind), (kind, json!("why")));
    }
    let named = bad_request("port", "x").or_if(Kind::BadRequest, |_| panic!("it is a class already"));
    assert_eq!(told(&named.into_rejection("network").text.to_string())["resource"], "port");
}

#[test]
fn neu_env_1_each_resource_is_found_by_its_name() {
    let names: BTreeSet<&str> = RESOURCES.iter().map(|resource| resource.name()).collect();
    assert_eq!(names.len(), RESOURCES.len());
    for resource in RESOURCES {
        assert!(resource.path.starts_with("/neutron/") && find(resource.name()).is_some());
        let (verb, data) = resource.example;
        assert!(resource.operations.iter().any(|(known, _)| *known == verb));
        assert!(serde_json::from_str::<Value>(data).unwrap().is_object());
    }
    assert!(find("nothing").is_none() && find("/neutron/network").is_none());
}

#[test]
fn neu_env_2_operations_are_those_of_the_resource() {
    let mut cloud = Cloud::new();
    for bad in ["READSOME", "", "read", "ADDINTERFACE"] {
        let refused = cloud.ask("network", bad, json!({})).unwrap_err();
        assert!(refused.as_str().unwrap().contains("must be one of CREATE, READ, UPDATE"), "{refused}");
    }
    for resource in RESOURCES {
        for (verb, does) in resource.operations {
            let envelope = Value::from(cloud.envelope(resource.name(), verb.name(), &json!({})));
            assert_eq!(only_reads(resource.name(), Some(&envelope)), !matches!(does, Does::Writes(_)));
        }
    }
    assert!(!only_reads("network", None) && !only_reads("nothing", Some(&json!({}))));
}

#[test]
fn neu_env_3_tenant_and_tenant_id_stand_for_each_other() {
    let mut cloud = Cloud::new();
    let net = cloud.network(json!({})).unwrap();
    let mut envelope = cloud.envelope("network", "READALL", &json!({"filters": {}}));
    let context = |envelope: &mut Map<String, Value>, members: Value| {
        let context = envelope["context"].as_object_mut().unwrap();
        context.extend(members.as_object().unwrap().clone());
    };
    context(&mut envelope, json!({"tenant": cloud.tenant.to_string()}));
    assert_eq!(cloud.send("network", &envelope).unwrap()[0]["id"], net["id"]);
    context(&mut envelope, json!({"tenant_id": null}));
    envelope["context"].as_object_mut().unwrap().shift_remove("is_admin");
    assert_eq!(cloud.send("network", &envelope).unwrap()[0]["id"], net["id"]);
    context(&mut envelope, json!({"tenant_id": "somebody else"}));
    let refused = cloud.send("network", &envelope).unwrap_err();
    assert!(refused.as_str().unwrap().starts_with("Unable to parse request data"), "{refused}");
    // A tenant that is no uuid is needed for what is its own.
    context(&mut envelope, json!({"tenant_id": "x", "tenant": "x"}));
    assert_eq!(class(cloud.send("network", &envelope)), "BadRequest");
}

#[test]
fn neu_env_4_what_may_be_done_is_decided_by_the_token_and_not_by_the_context() {
    let mut cloud = Cloud::new();
    let (own, other) = (cloud.tenant, cloud.project("red"));
    cloud.log_in(own);
    let net = cloud.network(json!({})).unwrap();
    cloud.log_in(other);
    cloud.is_admin = true;
    assert!(cloud.ids("network", json!({"name": ["net"]})).is_empty());
    assert_eq!(class(cloud.of("READ", "network", &net, json!({}))), "NotAuthorized");
    assert_eq!(class(cloud.of("UPDATE", "network", &net, json!({"name": "x"}))), "NotAuthorized");
    assert_eq!(class(cloud.of("DELETE", "network", &net, json!({}))), "NotAuthorized");
    cloud.hides_forbidden = true;
    assert_eq!(class(cloud.of("READ", "network", &net, json!({}))), "NetworkNotFound");
    // Below the project of somebody else nothing is made.
    cloud.tenant = own;
    assert_eq!(class(cloud.network(json!({}))), "NotAuthorized");
}

#[test]
fn neu_env_5_neu_env_6_what_is_missing_is_null_and_what_is_wrong_is_named() {
    let mut cloud = Cloud::new();
    assert_eq!(cloud.ask("network", "READALL", json!({})).unwrap(), json!([]));
    assert_eq!(cloud.ask("network", "READALL", json!({"filters": null, "fields": null})).unwrap(), json!([]));
    let refused = |answer: Result<Value, Value>| answer.unwrap_err();
    for envelope in
        [json!({}), json!({"context": {}}), json!({"context": 1, "data": {}}), json!({"context": {}, "data": 1})]
    {
        let told = refused(cloud.send("network", envelope.as_object().unwrap()));
        assert!(told.as_str().unwrap().starts_with("Unable to parse request data"), "{told}");
    }
    for filters in [json!({"name": "x"}), json!({"name": {"a": 1}}), json!([])] {
        assert_eq!(class(cloud.ask("network", "READALL", json!({"filters": filters}))), "BadRequest");
    }
    let told = refused(cloud.subnet(&json!({"id": null}), json!({"cidr": "10.0.0.0/24"})));
    assert_eq!(told, json!({"exception": "BadRequest", "resource": "subnet", "msg": "network_id is required"}));
    for (name, bad) in [("tenant_id", json!("x")), ("shared", json!("yes")), ("name", json!(5)), ("id", json!("1"))] {
        let told = refused(cloud.network(json!({name: bad})));
        assert!(told["msg"].as_str().unwrap().starts_with(name), "{told}");
    }
}

#[test]
fn neu_gen_8_all_filters_that_name_a_field_have_to_match() {
    let of = |filters: Value| Filters::read("network", Some(&filters)).unwrap();
    let uuid = Uuid::new_v4();
    let answer = json!({
        "id": uuid.to_string(), "name": "a", "shared": true, "mtu": 1400, "subnets": ["x", "y"], "gateway_ip": null,
        "tags": ["red", "blue"],
    });
    let fields = ["id", "name", "shared", "mtu", "subnets", "gateway_ip", "description", "tags"];
    let matches = |filters: Value| of(filters).match_answer(&fields, &answer);
    for filters in [
        json!({}),
        json!({"name": ["b", "a"]}),
        json!({"id": [uuid.simple().to_string()], "name": ["a"]}),
        json!({"shared": [true, false]}),
        json!({"shared": ["True"]}),
        json!({"mtu": [1400]}),
        json!({"mtu": ["1400"]}),
        json!({"subnets": ["y"]}),
        json!({"no_field": ["z"], "name": []}),
        json!({"name": null}),
        json!({"gateway_ip": [null]}),
    ] {
        assert!(matches(filters.clone()), "{filters}");
    }
    for filters in [
        json!({"name": ["b"]}),
        json!({"name": ["a"], "mtu": [1500]}),
        json!({"shared": [false, true]}),
        json!({"subnets": ["z"]}),
        json!({"description": [""]}),
    ] {
        assert!(!matches(filters.clone()), "{filters}");
    }
    let many: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    assert!(!matches(json!({"name": many})));
}

#[test]
fn neu_gen_9_a_count_is_the_length_of_the_list() {
    let mut cloud = Cloud::new();
    for name in ["a", "b"] {
        cloud.network(json!({"name": name})).unwrap();
    }
    let counted =
        cloud.ask("network", "READCOUNT", json!({"filters": {"tenant_id": [cloud.tenant.simple().to_string()]}}));
    assert_eq!(counted.unwrap().as_array().unwrap().len(), 2);
}
