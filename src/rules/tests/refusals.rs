//! What a refusal says beside its text: the rule, what is at fault, and what is in the way.

use super::*;
use crate::rules::rule::{self, RuleId};

/// The rule, the field and the objects.
type Said = (Option<RuleId>, Option<String>, Vec<Uuid>);

#[track_caller]
fn said<T: std::fmt::Debug>(decision: Decision<T>) -> Said {
    let Rejection { rule, field, objects, .. } = decision.unwrap_err();
    (rule, field, objects)
}

fn by(rule: RuleId, field: &str, objects: &[&Object]) -> Said {
    (Some(rule), Some(field.to_owned()), objects.iter().map(|object| object.uuid).collect())
}

#[test]
fn a_name_a_uuid_or_a_number_that_is_had_names_who_has_it() {
    let mut configuration = Configuration::new();
    let network = configuration.in_project("virtual-network", "blue", json!({})).unwrap();
    let again = configuration.in_project("virtual-network", "blue", json!({}));
    assert_eq!(said(again), (None, Some("fq_name".to_owned()), vec![network.uuid]));
    let same = configuration.in_project("virtual-network", "red", json!({"uuid": network.uuid.to_string()}));
    assert_eq!(said(same), (None, Some("uuid".to_owned()), vec![network.uuid]));
    let qos =
        configuration.find("global-qos-config", "default-global-system-config:default-global-qos-config").unwrap();
    let class = configuration.below(&qos, "forwarding-class", "gold", json!({"forwarding_class_id": 3})).unwrap();
    let twice = configuration.below(&qos, "forwarding-class", "silver", json!({"forwarding_class_id": 3}));
    assert_eq!(said(twice), by(rule::FC_C1, "forwarding_class_id", &[&class]));
}

#[test]
fn gen_9_gen_10_what_is_below_or_refers_is_named() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let (one, other) = (configuration.interface("a", &network), configuration.interface("b", &network));
    let (rule, field, mut objects) = said(configuration.delete(&network));
    let mut referrers = vec![one.uuid, other.uuid];
    objects.sort_unstable();
    referrers.sort_unstable();
    assert_eq!((rule, field, objects), (Some(rule::GEN_10), None, referrers));
    let pool = configuration.below(&network, "floating-ip-pool", "pool", json!({})).unwrap();
    assert_eq!(said(configuration.delete(&network)), (Some(rule::GEN_9), None, vec![pool.uuid]));
}

/// Requests that are logged or decided again do not depend on where the server was reached.
#[test]
fn links_are_made_where_the_answer_is() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let port = configuration.interface("a", &network);
    let text = configuration.delete(&network).unwrap_err().text;
    let before = "Delete when resource still referred";
    assert_eq!(text.to_string(), format!("{before}: ['{}']", port.uuid));
    let href = |type_id, uuid| format!("https://front/{}/{uuid}", model().object_type(type_id).name);
    let link = format!("https://front/virtual-machine-interface/{}", port.uuid);
    assert_eq!(text.complete(href), format!("{before}: ['{link}']"));
}

#[test]
fn iip_c5_fip_c3_vn_u8_an_address_in_use_names_its_holder() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let wish = json!({"instance_ip_address": "10.1.1.9"});
    let holder = configuration.address("a", &network, &wish).unwrap();
    let taken = configuration.address("b", &network, &wish);
    assert_eq!(said(taken), by(rule::IIP_C5, "instance_ip_address", &[&holder]));
    let pool = configuration.below(&network, "floating-ip-pool", "pool", json!({})).unwrap();
    let taken = configuration.below(&pool, "floating-ip", "f", json!({"floating_ip_address": "10.1.1.9"}));
    assert_eq!(said(taken), by(rule::FIP_C3, "floating_ip_address", &[&holder]));
    let removed = configuration.update(&network, json!({"network_ipam_refs": []}));
    assert_eq!(said(removed), by(rule::VN_U8, "network_ipam_refs", &[&holder]));
}

#[test]
fn vn_s3_vn_s6_what_is_wrong_with_a_subnet_is_named() {
    let mut configuration = Configuration::new();
    let mut odd = subnet("10.1.1.0", 24);
    odd["default_gateway"] = "10.2.0.1".into();
    let refused = configuration.network_with("blue", json!([odd]), json!({}));
    assert_eq!(said(refused), by(rule::VN_S3, "network_ipam_refs.default_gateway", &[]));
    let twice = json!([subnet("10.1.1.0", 24), subnet("10.1.1.0", 25)]);
    let refused = configuration.network_with("blue", twice, json!({}));
    assert_eq!(said(refused), by(rule::VN_S6, "network_ipam_refs", &[]));
    let flat = json!({"ipam_subnet_method": "flat-subnet", "ipam_subnets": {"subnets": [odd]}});
    let refused = configuration.in_project("network-ipam", "flat", flat);
    assert_eq!(said(refused), by(rule::IPAM_C3, "ipam_subnets.default_gateway", &[]));
}

/// The rule is that of the operation or type that asked, though the step is one for all.
#[test]
fn vn_c4_vn_u5_lr_c6_a_shared_step_refuses_by_the_rule_of_its_caller() {
    let mut configuration = Configuration::new();
    let identifier = |number: u64| json!({"virtual_network_properties": {"vxlan_network_identifier": number}});
    configuration.in_project("virtual-network", "blue", identifier(70)).unwrap();
    let field = "virtual_network_properties.vxlan_network_identifier";
    let taken = configuration.in_project("virtual-network", "red", identifier(70));
    assert_eq!(said(taken), by(rule::VN_C4, field, &[]));
    let green = configuration.in_project("virtual-network", "green", json!({})).unwrap();
    assert_eq!(said(configuration.update(&green, identifier(70))), by(rule::VN_U5, field, &[]));
    let router = json!({"logical_router_type": "vxlan-routing", "vxlan_network_identifier": "70"});
    let taken = configuration.in_project("logical-router", "router", router);
    assert_eq!(said(taken), by(rule::LR_C6, "vxlan_network_identifier", &[]));
}

#[test]
fn qta_8_a_quota_names_its_project() {
    let mut configuration = Configuration::new();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let quota = json!({"quota": {"virtual_network": 0}});
    let project = configuration.below(&domain, "project", "small", quota).unwrap();
    let refused = configuration.below(&project, "virtual-network", "blue", json!({}));
    assert_eq!(said(refused), (Some(rule::QTA_8), None, vec![project.uuid]));
}

/// Whatever a client has to mend is named: no refusal is a text alone.
#[test]
fn typical_mistakes_carry_a_rule_or_a_field() {
    let mut configuration = Configuration::new();
    let network = configuration.network("blue", "10.1.1.0", 24);
    let mistakes: [(&str, Value, &str); 24] = [
        ("virtual-network", json!({"virtual_network_network_id": 7}), "VN-C3 virtual_network_network_id"),
        (
            "virtual-network",
            json!({"provider_properties": {"physical_network": "p"}}),
            "VN-C8 provider_properties.segmentation_id",
        ),
        (
            "virtual-network",
            json!({"provider_properties": {"segmentation_id": 1}}),
            "VN-C8 provider_properties.physical_network",
        ),
        ("virtual-network", json!({"port_security_enabled": "perhaps"}), " port_security_enabled"),
        ("virtual-network", json!({"network_policy_refs": "all"}), " network_policy_refs"),
        ("virtual-network", json!({"network_policy_refs": [{"attr": {}}]}), "GEN-15 network_policy_refs"),
        ("virtual-network", json!({"network_policy_refs": [{"to": ["no", "such", "policy"]}]}), " network_policy_refs"),
        ("virtual-network", json!({"route_target_list": {"route_target": ["x"]}}), "RT-C1 route_target_list"),
        ("virtual-network", json!({"uuid": "none"}), " uuid"),
        ("virtual-network", json!({"parent_type": "domain"}), " parent_type"),
        ("virtual-network", json!({"perms2": {"share": [{}]}}), "PERM-10 perms2.share"),
        ("virtual-machine-interface", json!({}), "VMI-C1 virtual_network_refs"),
        (
            "virtual-machine-interface",
            json!({
                "virtual_network_refs": [{"uuid": network.uuid.to_string()}],
                "virtual_machine_interface_properties": {"sub_interface_vlan_tag": 5000}
            }),
            "VMI-C2 virtual_machine_interface_properties.sub_interface_vlan_tag",
        ),
        ("security-group", json!({"security_group_id": 8_000_009}), "SG-C4 security_group_id"),
        (
            "security-group",
            json!({"security_group_entries": {"policy_rule": [{"protocol": "tpc"}]}}),
            "POL-C3 security_group_entries",
        ),
        (
            "security-group",
            json!({"security_group_entries": {"policy_rule": [{"protocol": "tcp"}]}}),
            "SG-C3 security_group_entries",
        ),
        (
            "network-policy",
            json!({"network_policy_entries": {"policy_rule": [{"protocol": "tcp"}]}}),
            "POL-C4 network_policy_entries",
        ),
        ("network-ipam", json!({"ipam_subnets": {"subnets": []}}), "IPAM-C1 ipam_subnets"),
        (
            "logical-router",
            json!({"configured_route_target_list": {"route_target": ["x"]}}),
            "RT-C1 configured_route_target_list",
        ),
        ("firewall-rule", json!({}), "FR-C1 service"),
        ("firewall-rule", json!({"service": {"protocol": "tpc"}}), "FR-C2 service.protocol"),
        (
            "firewall-rule",
            json!({"service": {"protocol": "tcp"}, "endpoint_1": {"tags": ["tier"]}}),
            "FR-C4 endpoint_1",
        ),
        (
            "service-group",
            json!({"service_group_firewall_service_list": {"firewall_service": [{"protocol": "tpc"}]}}),
            "SVCG-C1 service_group_firewall_service_list.protocol",
        ),
        (
            "bgp-as-a-service",
            json!({"bgpaas_session_attributes": {"hold_time": 1}}),
            "BGAAS-C1 bgpaas_session_attributes.hold_time",
        ),
    ];
    let mut others = Vec::new();
    for (kind, members, expected) in mistakes {
        match configuration.in_project(kind, "mistaken", members.clone()) {
            Ok(_) => others.push(format!("{kind} {members}: accepted")),
            Err(Rejection { rule, field, .. }) => {
                let told = format!("{} {}", rule.map_or("", RuleId::id), field.unwrap_or_default());
                if told != expected {
                    others.push(format!("{kind} {members}: {told}, not {expected}"));
                }
            }
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}
