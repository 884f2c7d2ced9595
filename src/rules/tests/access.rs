//! Who may do what with an object (access contract 5): two projects that know nothing of each other, unless one shares.

use super::{Configuration, refusal, subnet};
use crate::{
    access::{Caller, Identity, Level, Scope},
    graph::{Object, Owner},
    rules::engine::access::seen,
    rules::{
        AllocateAddresses, Asked, Condition, FreeAddresses, Operation, PermissionChange, Precondition, Rejection,
        RelaxReference, Request, ReviewDrafts, SetTag, Tags, Work,
    },
    timestamp::Timestamp,
};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// Whoever asks.
#[derive(Clone, Copy)]
enum Who<'a> {
    Admin,
    ReadOnly,
    /// A member of this project.
    Of(&'a Object),
}

impl Configuration {
    fn ask_as(&mut self, who: Who<'_>) {
        let (level, project, user) = match who {
            Who::Admin => (Level::Admin, None, "admin"),
            Who::ReadOnly => (Level::ReadAll, None, "reader"),
            Who::Of(project) => (Level::Member, Some(project), "somebody"),
        };
        let scope =
            |project: &Object| Scope::new(project.uuid.simple().to_string(), Some(project.fq_name.name().to_owned()));
        let caller = Caller {
            user: Some(user.to_owned()),
            project: project.map(scope),
            domain: Some(Scope { is_default: true, ..Scope::new("default", None) }),
            roles: vec!["member".to_owned()],
            ..Caller::of_level(level)
        };
        let default_domain = self.find("domain", "default-domain").map(|domain| domain.uuid);
        self.identity = Identity { caller: Arc::new(caller), default_domain, ..Identity::server("test") };
    }

    fn new_project(&mut self, name: &str) -> Arc<Object> {
        let uuid = Uuid::new_v4().to_string();
        let body = json!({"fq_name": ["default-domain", name], "parent_type": "domain", "uuid": uuid});
        self.create("project", body).unwrap()
    }

    fn chmod(&mut self, object: &Object, members: &Value) -> Result<Arc<Object>, Rejection> {
        let members = members.as_object().unwrap().clone();
        let change = PermissionChange { uuid: object.uuid.to_string(), members };
        self.submit_for_object(Operation::PermissionChange(change))
    }

    /// Shares an object as an admin, and goes on as somebody else.
    fn share(&mut self, object: &Object, with: &Object, access: u8, next: Who<'_>) {
        self.ask_as(Who::Admin);
        let share = json!([{"tenant": format!("tenant:{}", with.uuid), "tenant_access": access}]);
        self.chmod(object, &json!({ "share": share })).unwrap();
        self.ask_as(next);
    }
}

/// Two projects, a network of the first with an address range.
struct Tenants {
    configuration: Configuration,
    alice: Arc<Object>,
    bob: Arc<Object>,
    network: Arc<Object>,
}

fn tenants() -> Tenants {
    let mut configuration = Configuration::new();
    let (alice, bob) = (configuration.new_project("alice"), configuration.new_project("bob"));
    configuration.ask_as(Who::Of(&alice));
    let ipams = json!([{"to": ["default-domain", "default-project", "default-network-ipam"],
        "attr": {"ipam_subnets": [subnet("10.0.0.0", 24)]}}]);
    let network = configuration.below(&alice, "virtual-network", "secret-net", json!({"network_ipam_refs": ipams}));
    Tenants { network: network.unwrap(), configuration, alice, bob }
}

fn denied(decision: Result<impl std::fmt::Debug, Rejection>, right: &str) {
    let text = refusal(decision);
    assert!(text.starts_with("403 Permission Denied for ['member'] to "), "{text}");
    assert!(text.contains(&format!("doesn't have {right} permission")), "{text}");
}

#[test]
fn perm_4_a_stranger_changes_nothing() {
    let Tenants { mut configuration, alice, bob, network } = tenants();
    configuration.ask_as(Who::Of(&bob));
    denied(configuration.update(&network, json!({"display_name": "mine"})), "write");
    // Nor is it told whether something is said already.
    denied(configuration.update(&network, json!({"display_name": "secret-net"})), "write");
    denied(configuration.delete(&network), "write");
    denied(configuration.below(&alice, "virtual-network", "mine", json!({})), "write");
    denied(configuration.put_element(&network, "annotations", "set", json!({"key": "a", "value": "b"})), "write");
    let own = configuration.below(&bob, "virtual-network", "own", json!({})).unwrap();
    let policy = configuration.below(&bob, "network-policy", "own", json!({})).unwrap();
    denied(configuration.refer(&network, &policy, json!({"sequence": {"major": 1, "minor": 1}})), "write");
    let uuid = network.uuid.to_string();
    let allocate = AllocateAddresses { network: uuid.clone(), count: 1, subnet: None, version: None };
    denied(configuration.submit(Operation::AllocateAddresses(allocate)), "write");
    let free = FreeAddresses { network: uuid.clone(), addresses: Vec::new() };
    denied(configuration.submit(Operation::FreeAddresses(free)), "write");
    let relax = RelaxReference { uuid: uuid.clone(), target: own.uuid.to_string() };
    denied(configuration.submit(Operation::RelaxReference(relax)), "write");
    let review = ReviewDrafts { scope: alice.uuid.to_string(), commit: Some(true) };
    denied(configuration.submit(Operation::ReviewDrafts(review)), "write");
    let asked = Asked::Uuid(uuid);
    let condition = Condition { type_id: network.type_id, asked, exists: true };
    denied(configuration.submit(Operation::Condition(condition)), "read");
    for members in [json!({"global_access": 7}), json!({"owner": bob.uuid.to_string()})] {
        assert_eq!(refusal(configuration.chmod(&network, &members)), "403  Permission denied");
    }
}

#[test]
fn perm_4_what_needs_no_parent_is_deleted_by_its_owner_alone() {
    let Tenants { mut configuration, alice, bob, .. } = tenants();
    configuration.ask_as(Who::Of(&alice));
    let machine = configuration.at_top("virtual-machine", "vm-1", json!({})).unwrap();
    assert_eq!(machine.permissions.owner, Owner::Project(alice.uuid));
    configuration.ask_as(Who::Of(&bob));
    denied(configuration.delete(&machine), "write");
    configuration.share(&machine, &bob, 7, Who::Of(&bob));
    configuration.update(&machine, json!({"display_name": "shared"})).unwrap();
    denied(configuration.delete(&machine), "write");
    configuration.ask_as(Who::Of(&alice));
    configuration.delete(&machine).unwrap();
}

#[test]
fn perm_1_the_read_only_role_changes_nothing() {
    let Tenants { mut configuration, alice, network, .. } = tenants();
    configuration.ask_as(Who::ReadOnly);
    assert!(configuration.identity.may_read(&network));
    denied(configuration.update(&network, json!({"display_name": "mine"})), "write");
    denied(configuration.below(&alice, "virtual-network", "mine", json!({})), "write");
    configuration.ask_as(Who::Admin);
    configuration.update(&network, json!({"display_name": "admin's"})).unwrap();
}

#[test]
fn perm_3_shares_allow_what_they_say() {
    let Tenants { mut configuration, bob, network, .. } = tenants();
    let interface = |configuration: &mut Configuration, name: &str| {
        let refs = json!({"virtual_network_refs": [{"uuid": network.uuid.to_string()}]});
        configuration.below(&bob, "virtual-machine-interface", name, refs)
    };
    configuration.ask_as(Who::Of(&bob));
    denied(interface(&mut configuration, "port"), "link");
    configuration.share(&network, &bob, 4, Who::Of(&bob));
    denied(interface(&mut configuration, "port"), "link");
    denied(configuration.update(&network, json!({"display_name": "mine"})), "write");
    configuration.share(&network, &bob, 1, Who::Of(&bob));
    let port = interface(&mut configuration, "port").unwrap();
    // W16: a share that was withdrawn ends no reference, and keeps nobody from ending it.
    configuration.share(&network, &bob, 0, Who::Of(&bob));
    let refs = json!({"virtual_network_refs": [{"uuid": network.uuid.to_string()}], "display_name": "new"});
    configuration.update(&port, refs).unwrap();
    denied(interface(&mut configuration, "another"), "link");
    configuration.unrefer(&port, &network).unwrap();
    denied(configuration.refer(&port, &network, Value::Null), "link");
}

#[test]
fn perm_5_who_may_not_create_somewhere_is_not_told_what_is_there() {
    let Tenants { mut configuration, alice, bob, network } = tenants();
    configuration.ask_as(Who::Of(&bob));
    denied(configuration.below(&alice, "virtual-network", "secret-net", json!({})), "write");
    // Where no parent is in between, what is taken is not named.
    configuration.ask_as(Who::Of(&alice));
    let machine = configuration.at_top("virtual-machine", "vm-1", json!({})).unwrap();
    configuration.ask_as(Who::Of(&bob));
    let taken = refusal(configuration.at_top("virtual-machine", "vm-1", json!({})));
    assert!(taken.starts_with("409 ") && !taken.contains(&machine.uuid.to_string()), "{taken}");
    let taken = refusal(configuration.at_top("virtual-machine", "vm-2", json!({"uuid": network.uuid.to_string()})));
    assert!(taken.starts_with("409 ") && !taken.contains("secret-net") && !taken.contains("alice"), "{taken}");
    configuration.ask_as(Who::Of(&alice));
    let taken = refusal(configuration.at_top("virtual-machine", "vm-1", json!({})));
    assert!(taken.contains(&machine.uuid.to_string()), "{taken}");
}

#[test]
fn perm_4_a_delete_names_only_what_may_be_read() {
    let Tenants { mut configuration, alice, bob, network } = tenants();
    configuration.share(&network, &bob, 5, Who::Of(&bob));
    let refs = json!({"virtual_network_refs": [{"uuid": network.uuid.to_string()}]});
    let port = configuration.below(&bob, "virtual-machine-interface", "bobs-port", refs).unwrap();
    configuration.ask_as(Who::Of(&alice));
    let text = refusal(configuration.delete(&network));
    assert!(text.starts_with("409 Delete when resource still referred"), "{text}");
    assert!(!text.contains(&port.uuid.to_string()), "{text}");
    configuration.ask_as(Who::Admin);
    let text = refusal(configuration.delete(&network));
    assert!(text.contains(&port.uuid.to_string()), "{text}");
}

#[test]
fn perm_6_a_new_object_belongs_to_its_project() {
    let Tenants { mut configuration, alice, bob, network } = tenants();
    let owner = |object: &Object| object.permissions.owner;
    assert_eq!(owner(&network), Owner::Project(alice.uuid));
    configuration.ask_as(Who::Of(&bob));
    let owned = |owner: &str| json!({"perms2": {"owner": owner}});
    let refused = refusal(configuration.below(&bob, "virtual-network", "n", owned(&alice.uuid.to_string())));
    assert!(refused.starts_with("403 ") && refused.contains("belong to another project"), "{refused}");
    let refused = refusal(configuration.at_top("virtual-machine", "n", owned("cloud-admin")));
    assert!(refused.starts_with("403 "), "{refused}");
    let own = configuration.below(&bob, "virtual-network", "n", owned(&bob.uuid.to_string())).unwrap();
    assert_eq!(owner(&own), Owner::Project(bob.uuid));
    // What is null or empty is not said.
    for (name, perms2) in [("null", json!({"owner": null})), ("empty", json!({"owner": ""}))] {
        let own = configuration.below(&bob, "virtual-network", name, json!({ "perms2": perms2 })).unwrap();
        assert_eq!(owner(&own), Owner::Project(bob.uuid), "{name}");
    }
    configuration.ask_as(Who::Admin);
    let given = configuration.below(&bob, "virtual-network", "gift", owned(&alice.uuid.to_string())).unwrap();
    assert_eq!(owner(&given), Owner::Project(alice.uuid));
}

#[test]
fn perm_10_owners_are_projects() {
    let Tenants { mut configuration, alice, network, .. } = tenants();
    configuration.ask_as(Who::Of(&alice));
    for odd in ["nobody", "cloudadmin", "1"] {
        let refused = refusal(configuration.update(&network, json!({"perms2": {"owner": odd}})));
        assert!(refused.starts_with("400 ") && refused.contains("owner in perms2 must be"), "{refused}");
        let refused = refusal(configuration.at_top("virtual-machine", "m", json!({"perms2": {"owner": odd}})));
        assert!(refused.starts_with("400 "), "{refused}");
    }
    configuration.ask_as(Who::Admin);
    let refused = refusal(configuration.update(&network, json!({"perms2": {"owner": "cloud-admin", "share": [{}]}})));
    assert_eq!(refused, "400 Bad Request, invalid share list");
    // Members that are not named stay as they are.
    configuration.update(&network, json!({"perms2": {"owner": "cloud-admin", "global_access": 4}})).unwrap();
    let stored = configuration.get(&network, "perms2");
    assert_eq!((&stored["owner_access"], &stored["share"]), (&json!(7), &json!([])));
}

#[test]
fn perm_11_rights_are_numbers_from_0_to_7() {
    let Tenants { mut configuration, alice, network, .. } = tenants();
    configuration.ask_as(Who::Of(&alice));
    let owner = alice.uuid.to_string();
    for odd in [json!(8), json!(-1), json!("many")] {
        let body = json!({"perms2": {"owner": owner, "global_access": odd}});
        assert!(refusal(configuration.update(&network, body)).starts_with("400 "), "{odd}");
    }
    configuration.update(&network, json!({"perms2": {"owner": owner, "global_access": "5"}})).unwrap();
    assert_eq!(configuration.current(&network).unwrap().permissions.global_access, 5);
}

#[test]
fn perm_12_to_write_is_not_to_own() {
    let Tenants { mut configuration, alice, bob, network } = tenants();
    configuration.share(&network, &bob, 7, Who::Of(&bob));
    for change in [
        json!({"perms2": {"owner": bob.uuid.to_string()}}),
        json!({"is_shared": true}),
        json!({"router_external": true}),
    ] {
        let refused = refusal(configuration.update(&network, change));
        assert!(refused.starts_with("403 Permission Denied: only its owner"), "{refused}");
    }
    assert_eq!(refusal(configuration.chmod(&network, &json!({"global_access": 7}))), "403  Permission denied");
    // As it is, it may be written back.
    let stored = configuration.get(&network, "perms2");
    configuration.update(&network, json!({"perms2": stored, "display_name": "by bob"})).unwrap();
    configuration.ask_as(Who::Of(&alice));
    configuration.update(&network, json!({"is_shared": true})).unwrap();
    let global = configuration.current(&network).unwrap().permissions.global_access;
    assert_eq!(global, 7);
    configuration.chmod(&network, &json!({"owner": bob.uuid.to_string(), "global_access": 0})).unwrap();
    denied(configuration.update(&network, json!({"display_name": "gone"})), "write");
}

#[test]
fn perm_13_an_owner_may_lock_itself_out() {
    let Tenants { mut configuration, alice, network, .. } = tenants();
    configuration.ask_as(Who::Of(&alice));
    configuration.chmod(&network, &json!({"owner_access": 4})).unwrap();
    denied(configuration.update(&network, json!({"display_name": "x"})), "write");
    assert_eq!(refusal(configuration.chmod(&network, &json!({"owner_access": 7}))), "403  Permission denied");
    configuration.ask_as(Who::Admin);
    configuration.chmod(&network, &json!({"owner_access": 7})).unwrap();
}

#[test]
fn perm_8_what_the_server_makes_is_for_those_who_need_it() {
    let Tenants { mut configuration, alice, .. } = tenants();
    configuration.ask_as(Who::Of(&alice));
    let rights = |configuration: &Configuration, kind: &str, name: &str| {
        configuration.identity.rights(&configuration.find(kind, name).unwrap().permissions)
    };
    assert_eq!(rights(&configuration, "network-ipam", "default-domain:default-project:default-network-ipam"), 5);
    assert_eq!(rights(&configuration, "security-group", "default-domain:default-project:__no_rule__"), 5);
    assert_eq!(rights(&configuration, "domain", "default-domain"), 6);
    assert_eq!(rights(&configuration, "project", "default-domain:default-project"), 0);
    assert_eq!(rights(&configuration, "global-system-config", "default-global-system-config"), 0);
}

#[test]
fn perm_7_a_domain_shares_templates_with_its_projects() {
    let Tenants { mut configuration, alice, bob, .. } = tenants();
    let domain = configuration.find("domain", "default-domain").unwrap();
    configuration.ask_as(Who::Of(&alice));
    let server = configuration.below(
        &domain,
        "virtual-DNS",
        "dns",
        json!({"virtual_DNS_data": {
        "domain_name": "example.org", "dynamic_records_from_client": true, "record_order": "random",
        "default_ttl_seconds": 60}}),
    );
    let server = server.unwrap();
    assert_eq!(server.permissions.owner, Owner::Project(alice.uuid));
    configuration.ask_as(Who::Of(&bob));
    assert_eq!(configuration.identity.rights(&server.permissions), 5);
}

#[test]
fn perm_2_and_perm_9_what_has_no_owner_is_for_admins() {
    let Tenants { mut configuration, alice, network, .. } = tenants();
    let mut orphan = Object::clone(&network);
    orphan.permissions = crate::graph::Permissions::shared(None);
    configuration.ask_as(Who::Of(&alice));
    assert!(!configuration.identity.may_read(&orphan));
    configuration.ask_as(Who::Admin);
    assert!(configuration.identity.may_read(&orphan));
}

#[test]
fn hidden_objects_are_not_there_for_members() {
    let Tenants { mut configuration, alice, bob, .. } = tenants();
    configuration.ask_as(Who::Of(&alice));
    let hidden = json!({"id_perms": {"enable": true, "user_visible": false}});
    let refused = refusal(configuration.below(&alice, "virtual-network", "h", hidden.clone()));
    assert_eq!(refused, "400 This object is not visible by users");
    configuration.ask_as(Who::Admin);
    let network = configuration.below(&alice, "virtual-network", "h", hidden).unwrap();
    for project in [&alice, &bob] {
        configuration.ask_as(Who::Of(project));
        assert!(!configuration.identity.may_read(&network));
        let gone = format!("404 This object is not visible by users: {}", network.uuid);
        assert_eq!(refusal(configuration.update(&network, json!({"display_name": "x"}))), gone);
        assert_eq!(refusal(configuration.delete(&network)), gone);
        let refs = json!({"virtual_network_refs": [{"uuid": network.uuid.to_string()}]});
        assert_eq!(refusal(configuration.below(project, "virtual-machine-interface", "p", refs)), gone);
    }
    configuration.ask_as(Who::ReadOnly);
    assert!(!configuration.identity.may_read(&network));
}

#[test]
fn tags_are_set_by_who_may_write_and_may_use_them() {
    let Tenants { mut configuration, alice, bob, network } = tenants();
    configuration.ask_as(Who::Admin);
    let body = json!({"tag_type_name": "site", "tag_value": "here"});
    let global = configuration.at_top("tag", "ignored", body.clone()).unwrap();
    configuration.ask_as(Who::Of(&alice));
    let own = json!({"tag_type_name": "site", "tag_value": "there"});
    configuration.below(&alice, "tag", "ignored", own).unwrap();
    let set = |configuration: &mut Configuration, change: Value| {
        let changes = json!({ "site": change }).as_object().unwrap().clone();
        let set = SetTag { type_id: network.type_id, uuid: network.uuid.to_string(), changes };
        configuration.submit_for_object(Operation::SetTag(set))
    };
    set(&mut configuration, json!({"value": "there"})).unwrap();
    denied(set(&mut configuration, json!({"value": "here", "is_global": true})), "link");
    configuration.ask_as(Who::Of(&bob));
    denied(set(&mut configuration, json!({"value": "there"})), "write");
    denied(set(&mut configuration, Value::Null), "write");
    configuration.ask_as(Who::Admin);
    configuration.chmod(&global, &json!({"global_access": 5})).unwrap();
    configuration.ask_as(Who::Of(&alice));
    set(&mut configuration, json!({"value": "here", "is_global": true})).unwrap();
}

#[test]
fn the_state_of_what_may_not_be_read_is_told_to_nobody() {
    let Tenants { mut configuration, bob, network, .. } = tenants();
    configuration.ask_as(Who::Of(&bob));
    let delete = crate::rules::Delete { type_id: network.type_id, uuid: network.uuid.to_string() };
    let precondition = Some(Precondition::Matches(Tags::Of(vec!["\"never\"".to_owned()])));
    let request = Request {
        operation: Operation::Delete(delete),
        precondition,
        dry_run: false,
        identity: configuration.identity.clone(),
        asked: crate::access::role_rules::Questions::default(),
    };
    let (graph, rulebook) = (configuration.graph.clone(), &configuration.rulebook);
    let mut work = Work::new(graph, request.identity.clone(), rulebook, Timestamp(1), Uuid::new_v4);
    denied(request.decide(&mut work), "write");
}

#[test]
fn perm_12_a_draft_is_no_way_around_the_owner() {
    let Tenants { mut configuration, alice, bob, .. } = tenants();
    configuration.ask_as(Who::Of(&alice));
    let group = configuration.below(&alice, "service-group", "g", json!({})).unwrap();
    configuration.update(&alice, json!({"enable_security_policy_draft": true})).unwrap();
    configuration.share(&group, &bob, 7, Who::Of(&bob));
    let taken = json!({"perms2": {"owner": bob.uuid.to_string(), "owner_access": 7, "global_access": 7, "share": []}});
    let refused = refusal(configuration.update(&group, taken));
    assert!(refused.starts_with("403 Permission Denied: only its owner"), "{refused}");
}

#[test]
fn perm_4_what_is_kept_aside_is_told_to_nobody_else() {
    let Tenants { mut configuration, alice, bob, .. } = tenants();
    configuration.ask_as(Who::Of(&alice));
    let group = configuration.below(&alice, "service-group", "g", json!({})).unwrap();
    configuration.update(&alice, json!({"enable_security_policy_draft": true})).unwrap();
    configuration.delete(&group).unwrap();
    configuration.ask_as(Who::Of(&bob));
    denied(configuration.update(&group, json!({"fq_name": ["q"]})), "write");
    denied(configuration.update(&group, json!({"display_name": "q"})), "write");
}

#[test]
fn a_holder_of_drafts_is_made_by_the_server_alone() {
    let Tenants { mut configuration, bob, .. } = tenants();
    configuration.ask_as(Who::Of(&bob));
    let refused = refusal(configuration.below(&bob, "policy-management", "draft-policy-management", json!({})));
    assert!(refused.starts_with("403 Permission Denied: draft-policy-management is made by the server"), "{refused}");
    for kind in ["policy-management", "domain", "tag-type", "sub-cluster"] {
        let refused = refusal(configuration.at_top(kind, "mine", json!({})));
        assert!(refused.starts_with("403 Permission Denied: a "), "{kind}: {refused}");
    }
}

#[test]
fn perm_6_a_project_that_is_not_there_yet_is_nobody_elses_to_make() {
    let Tenants { mut configuration, bob, .. } = tenants();
    let (domain, carol) = (configuration.find("domain", "default-domain").unwrap(), Uuid::new_v4().to_string());
    configuration.ask_as(Who::Of(&bob));
    let body = json!({"uuid": carol, "perms2": {"owner_access": 4, "share": []}});
    let refused = refusal(configuration.below(&domain, "project", "carol", body));
    assert!(refused.starts_with("403 ") && refused.contains("with a given uuid"), "{refused}");
    let body = json!({"uuid": carol, "perms2": {"owner": carol}});
    let refused = refusal(configuration.at_top("virtual-machine", "m", body));
    assert!(refused.starts_with("403 ") && refused.contains("belong to another project"), "{refused}");
    // Without one it is bob's.
    let own = configuration.below(&domain, "project", "more", json!({"uuid": null})).unwrap();
    assert_eq!(own.permissions.owner, Owner::Project(bob.uuid));
}

#[test]
fn members_do_not_lift_their_own_limits() {
    let Tenants { mut configuration, bob, .. } = tenants();
    let quota = |limit: i64| json!({"quota": {"virtual_network": limit}});
    configuration.ask_as(Who::Admin);
    configuration.update(&bob, quota(1)).unwrap();
    configuration.ask_as(Who::Of(&bob));
    for change in [quota(-1), json!({"quota": null})] {
        let refused = refusal(configuration.update(&bob, change));
        assert!(refused.starts_with("403 ") && refused.contains("quota"), "{refused}");
    }
    // As it is, it may be written back.
    configuration.update(&bob, json!({"quota": {"virtual_network": 1}, "display_name": "bob"})).unwrap();
}

#[test]
fn references_by_name_need_the_same_as_others() {
    let Tenants { mut configuration, alice, bob, .. } = tenants();
    configuration.ask_as(Who::Of(&alice));
    let prefix = json!({"address_group_prefix": {"subnet": [{"ip_prefix": "10.0.0.0", "ip_prefix_len": 24}]}});
    let group = configuration.below(&alice, "address-group", "addresses", prefix).unwrap();
    let rule = |name: &str| {
        json!({"action_list": {"simple_action": "pass"}, "direction": "<>",
            "service": {"protocol": "any", "dst_ports": {"start_port": -1, "end_port": -1}},
            "endpoint_1": {"address_group": name}, "endpoint_2": {"any": true}})
    };
    configuration.ask_as(Who::Of(&bob));
    denied(configuration.below(&bob, "firewall-rule", "r", rule(group.fq_name.joined())), "link");
    configuration.share(&group, &bob, 1, Who::Of(&bob));
    configuration.below(&bob, "firewall-rule", "r", rule(group.fq_name.joined())).unwrap();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let server = |next: Option<&str>| {
        json!({"virtual_DNS_data": {"domain_name": "example.org", "dynamic_records_from_client": true,
            "record_order": "random", "default_ttl_seconds": 60, "next_virtual_DNS": next}})
    };
    configuration.ask_as(Who::Of(&alice));
    let dns = configuration.below(&domain, "virtual-DNS", "dns", server(None)).unwrap();
    configuration.chmod(&dns, &json!({"share": []})).unwrap();
    configuration.ask_as(Who::Of(&bob));
    denied(configuration.below(&domain, "virtual-DNS", "bobs", server(Some(dns.fq_name.joined()))), "link");
}

#[test]
fn a_type_of_tags_stays_as_its_maker_wants_it() {
    let Tenants { mut configuration, bob, .. } = tenants();
    configuration.ask_as(Who::Admin);
    configuration.at_top("tag-type", "zone", json!({})).unwrap();
    configuration.ask_as(Who::Of(&bob));
    let tag = |kind: &str| json!({"tag_type_name": kind, "tag_value": "one"});
    for (kind, stays) in [("zone", true), ("brought", false)] {
        let made = configuration.below(&bob, "tag", "ignored", tag(kind)).unwrap();
        configuration.delete(&made).unwrap();
        assert_eq!(configuration.find("tag-type", kind).is_some(), stays, "{kind}");
    }
}

#[test]
fn a_refusal_names_what_may_be_read_and_what_the_request_says() {
    let Tenants { mut configuration, alice, bob, network } = tenants();
    configuration.ask_as(Who::Of(&bob));
    let own = configuration.below(&bob, "virtual-network", "own", json!({})).unwrap();
    let told = |text: &str, request: &str| {
        let (graph, identity) = (configuration.graph.clone(), configuration.identity.clone());
        let work = Work::new(graph, identity, &configuration.rulebook, Timestamp(1), Uuid::new_v4);
        let refusal = Rejection::conflict(text).because_of([network.uuid, own.uuid]);
        let seen = seen(&work, refusal, || request.to_owned());
        assert_eq!(seen.objects, [own.uuid]);
        seen.text.to_string()
    };
    let (secret, mine) = (network.uuid, own.uuid);
    // However often, and by which name; and nothing else.
    let text = format!(
        "{secret} and {mine} and {secret}, ['default-domain', 'alice', 'secret-net'], secret-net-2 or secret-net"
    );
    let something = "(not yours to see)";
    assert_eq!(
        told(&text, ""),
        format!("{something} and {mine} and {something}, {something}, secret-net-2 or {something}")
    );
    assert_eq!(told(&format!("{secret} is in use"), &format!("uuid: {secret}")), format!("{secret} is in use"));
    // Of many the rest of the text is left out.
    configuration.ask_as(Who::Of(&alice));
    let many: Vec<String> = (0..20)
        .map(|number| {
            configuration.below(&alice, "virtual-network", &format!("n{number}"), json!({})).unwrap().uuid.to_string()
        })
        .collect();
    configuration.ask_as(Who::Of(&bob));
    let (graph, identity) = (configuration.graph.clone(), configuration.identity.clone());
    let work = Work::new(graph, identity, &configuration.rulebook, Timestamp(1), Uuid::new_v4);
    let refusal = Rejection::bad_request(format!("It is connected to ({})", many.join(", ")));
    assert_eq!(seen(&work, refusal, String::new).text.to_string(), format!("It is connected to {something}"));
}
