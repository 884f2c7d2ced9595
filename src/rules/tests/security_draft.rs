//! Drafts of security policy.

use super::*;
use crate::rules::{PermissionChange, ReviewDrafts};

const GROUP: &str = "address-group";

/// A project of its own in draft mode, with an address group `old` in force.
fn drafting() -> (Configuration, Arc<Object>, Arc<Object>) {
    let mut configuration = Configuration::new();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let project = configuration.below(&domain, "project", "p", json!({})).unwrap();
    let old = configuration.below(&project, GROUP, "old", json!({})).unwrap();
    let project = configuration.update(&project, json!({"enable_security_policy_draft": true})).unwrap();
    (configuration, project, old)
}

/// Which request was kept aside: the outcome of an operation.
fn is_pending(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Pending(_))
}

fn review(configuration: &mut Configuration, scope: &Object, commit: Option<bool>) -> Decision<()> {
    let review = ReviewDrafts { scope: scope.uuid.to_string(), commit };
    configuration.submit(Operation::ReviewDrafts(review)).map(|_| ())
}

fn draft(configuration: &Configuration, kind: &str, name: &str) -> Option<Arc<Object>> {
    configuration.find(kind, &format!("default-domain:p:draft-policy-management:{name}"))
}

fn in_force(configuration: &Configuration, kind: &str, name: &str) -> Option<Arc<Object>> {
    configuration.find(kind, &format!("default-domain:p:{name}"))
}

fn state(configuration: &Configuration, object: &Object) -> Value {
    configuration.get(object, "draft_mode_state")
}

fn prefix(prefix: &str) -> Value {
    json!({"address_group_prefix": {"subnet": [{"ip_prefix": prefix, "ip_prefix_len": 8}]}})
}

fn policy_of(rule: &Object) -> Value {
    json!({"firewall_rule_refs": [{"to": rule.fq_name.elements(), "attr": {"sequence": "1"}}]})
}

fn rule_with(group: &str) -> Value {
    json!({"service": {"protocol": "tcp"}, "endpoint_1": {"address_group": group}, "endpoint_2": {"any": true}})
}

#[test]
fn drf_1_drf_3_prj_c2_prj_u2_gsc_u6_the_mode_has_a_place_for_drafts() {
    let (configuration, project, _) = drafting();
    let holder = configuration.find("policy-management", "default-domain:p:draft-policy-management").unwrap();
    assert_eq!(holder.parent, Some(project.uuid));
    let mut configuration = Configuration::new();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let on = json!({"enable_security_policy_draft": true});
    configuration.below(&domain, "project", "q", on.clone()).unwrap();
    assert!(configuration.find("policy-management", "default-domain:q:draft-policy-management").is_some());
    let global = configuration.global();
    configuration.update(&global, on).unwrap();
    let policies = configuration.find("policy-management", "default-policy-management").unwrap();
    let pending = configuration.below(&policies, GROUP, "g", json!({})).unwrap();
    assert_eq!(&**pending.fq_name.joined(), "draft-policy-management:g");
    let off = json!({"enable_security_policy_draft": false});
    let text = format!(
        "409 Cannot disable security draft mode on global scope as some pending security resource(s) need to be reviewed:\n\t- Address Groups: draft-policy-management:g ({})",
        pending.uuid
    );
    assert_eq!(refusal(configuration.update(&global, off.clone())), text);
    review(&mut configuration, &global, Some(true)).unwrap();
    assert_eq!(&**configuration.current(&pending).unwrap().fq_name.joined(), "default-policy-management:g");
    configuration.update(&global, off).unwrap();
    assert!(configuration.find("policy-management", "draft-policy-management").is_none());
}

#[test]
fn drf_2_prj_u2_the_mode_stays_while_something_is_pending() {
    let (mut configuration, project, old) = drafting();
    let new = configuration.below(&project, GROUP, "new", json!({})).unwrap();
    configuration.update(&old, prefix("10.0.0.0")).unwrap();
    let copy = draft(&configuration, GROUP, "old").unwrap();
    let rule = configuration.below(&project, "firewall-rule", "r", rule_with("default-domain:p:old")).unwrap();
    let off = json!({"enable_security_policy_draft": false});
    let text = format!(
        "409 Cannot disable security draft mode on scope default-domain:p ({}) as some pending security resource(s) need to be reviewed:\n\t- Firewall Rules: default-domain:p:draft-policy-management:r ({})\n\t- Address Groups: default-domain:p:draft-policy-management:new ({}), default-domain:p:draft-policy-management:old ({})",
        project.uuid, rule.uuid, new.uuid, copy.uuid
    );
    assert_eq!(refusal(configuration.update(&project, off.clone())), text);
    review(&mut configuration, &project, Some(false)).unwrap();
    configuration.update(&project, off).unwrap();
    assert!(configuration.find("policy-management", "default-domain:p:draft-policy-management").is_none());
    let direct = configuration.below(&project, GROUP, "new", json!({})).unwrap();
    assert_eq!(&**direct.fq_name.joined(), "default-domain:p:new");
}

#[test]
fn drf_4_drf_9_drf_12_a_create_is_kept_aside() {
    let (mut configuration, project, _) = drafting();
    configuration.update(&project, json!({"quota": {"firewall_policy": 0}})).unwrap();
    let pending = configuration.below(&project, "firewall-policy", "new", json!({})).unwrap();
    assert_eq!(&**pending.fq_name.joined(), "default-domain:p:draft-policy-management:new");
    assert_eq!(state(&configuration, &pending), "created");
    assert_eq!(configuration.get(&pending, "id_perms")["permissions"]["owner"], "contrail-api");
    assert!(in_force(&configuration, "firewall-policy", "new").is_none());
    let again = configuration.below(&project, "firewall-policy", "new", json!({}));
    assert_eq!(
        refusal(again),
        "400 Firewall Policy named default-domain:p:new was already created and it is pending to be committed or discarded. You cannot create it again"
    );
    let taken = configuration.below(&project, GROUP, "old", json!({}));
    assert!(refusal(taken).starts_with("409 ['default-domain', 'p', 'old'] already exists"));
    let over = review(&mut configuration, &project, Some(true));
    assert_eq!(refusal(over), "412 quota limit (0) exceeded for resource firewall_policy");
    configuration.delete(&pending).unwrap();
    assert!(configuration.current(&pending).is_none(), "withdrawn");
}

#[test]
fn drf_5_drf_10_an_update_is_kept_aside() {
    let (mut configuration, _, old) = drafting();
    let set = configuration.update(&old, json!({"draft_mode_state": "created"}));
    assert_eq!(refusal(set), "400 Security resource property 'draft_mode_state' is only readable");
    let answered = configuration.update(&old, prefix("10.0.0.0")).unwrap();
    assert_eq!(answered.uuid, old.uuid);
    assert_eq!(configuration.get(&old, "address_group_prefix"), Value::Null);
    let copy = draft(&configuration, GROUP, "old").unwrap();
    assert_eq!(state(&configuration, &copy), "updated");
    let answered = configuration.update(&old, prefix("11.0.0.0")).unwrap();
    assert_eq!(answered.uuid, copy.uuid, "further updates change the draft, and say so");
    assert_eq!(configuration.get(&copy, "address_group_prefix")["subnet"][0]["ip_prefix"], "11.0.0.0");
    let label = json!({"tag_type_name": "label", "tag_value": "a"});
    let label = configuration.at_top("tag", "label=a", label).unwrap();
    configuration.refer(&old, &label, Value::Null).unwrap();
    assert!(configuration.links(&old, "tag_refs").is_empty());
    assert_eq!(configuration.links(&copy, "tag_refs").len(), 1);
    let note = json!({"key": "a", "value": "b"});
    configuration.put_element(&old, "annotations", "set", note.clone()).unwrap();
    assert_eq!(configuration.get(&copy, "annotations"), json!({"key_value_pair": [note]}));
}

#[test]
fn drf_5_each_change_starts_from_what_is_pending() {
    for add_first in [true, false] {
        let (mut configuration, project, old) = drafting();
        review(&mut configuration, &project, Some(false)).unwrap();
        configuration.update(&project, json!({"enable_security_policy_draft": false})).unwrap();
        let rule = |configuration: &mut Configuration, name: &str| {
            configuration.below(&project, "firewall-rule", name, rule_with("default-domain:p:old")).unwrap()
        };
        let (one, two) = (rule(&mut configuration, "one"), rule(&mut configuration, "two"));
        let policy = configuration.below(&project, "firewall-policy", "policy", policy_of(&one)).unwrap();
        configuration.update(&project, json!({"enable_security_policy_draft": true})).unwrap();

        let sequence = json!({"sequence": "2"});
        if add_first {
            configuration.refer(&policy, &two, sequence.clone()).unwrap();
            configuration.unrefer(&policy, &one).unwrap();
        } else {
            configuration.unrefer(&policy, &one).unwrap();
            configuration.refer(&policy, &two, sequence.clone()).unwrap();
        }
        for number in ["10.0.0.0", "11.0.0.0"] {
            let value = json!({"ip_prefix": number, "ip_prefix_len": 8});
            configuration.put_element(&old, "address_group_prefix", "add", value).unwrap();
        }
        configuration.update(&old, json!({"display_name": "renamed"})).unwrap();
        // Nothing of it holds before the commit.
        assert_eq!(configuration.links(&policy, "firewall_rule_refs")[0].0, "default-domain:p:one");
        assert_eq!(configuration.get(&old, "address_group_prefix"), Value::Null);
        review(&mut configuration, &project, Some(true)).unwrap();
        let expected = [("default-domain:p:two".to_owned(), sequence)];
        assert_eq!(configuration.links(&policy, "firewall_rule_refs"), expected);
        assert_eq!(configuration.get(&old, "address_group_prefix")["subnet"].as_array().unwrap().len(), 2);
        assert_eq!(configuration.get(&old, "display_name"), "renamed");
    }
}

#[test]
fn drf_5_what_changes_nothing_makes_no_draft() {
    let (mut configuration, _, old) = drafting();
    let revision = configuration.graph.revision();
    assert_eq!(configuration.update(&old, json!({"display_name": "old"})).unwrap().uuid, old.uuid);
    assert!(draft(&configuration, GROUP, "old").is_none());
    assert_eq!(configuration.graph.revision(), revision);
}

const SOMEBODY: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn drf_15_permissions_and_descriptions_are_committed_too() {
    let (mut configuration, project, old) = drafting();
    let describe = |text: &str| json!({"id_perms": {"description": text}});
    let mut body = prefix("10.0.0.0");
    extend(&mut body, describe("ours"));
    extend(&mut body, json!({"perms2": {"owner": SOMEBODY, "global_access": 4}}));
    configuration.update(&old, body).unwrap();
    let new = configuration.below(&project, GROUP, "new", describe("theirs")).unwrap();
    // What is asked for at once holds at once, and after the commit.
    let Value::Object(members) = json!({"global_access": 5}) else { panic!("an object") };
    let change = PermissionChange { uuid: old.uuid.to_string(), members };
    configuration.submit(Operation::PermissionChange(change)).unwrap();
    assert_eq!(configuration.get(&old, "perms2")["global_access"], 5);
    assert_ne!(configuration.get(&old, "perms2")["owner"], SOMEBODY);
    review(&mut configuration, &project, Some(true)).unwrap();
    assert_eq!(configuration.get(&old, "perms2")["global_access"], 5);
    assert_eq!(configuration.get(&old, "perms2")["owner"], SOMEBODY);
    let id_perms = configuration.get(&old, "id_perms");
    assert_eq!(id_perms["description"], "ours");
    assert_eq!(id_perms["permissions"]["owner"], "cloud-admin", "whose it was stays");
    assert_eq!(configuration.get(&new, "id_perms")["description"], "theirs");
}

#[test]
fn drf_15_rules_of_projects_name_what_was_committed_for_all() {
    let mut configuration = Configuration::new();
    let policies = configuration.find("policy-management", "default-policy-management").unwrap();
    let old = configuration.below(&policies, GROUP, "old", json!({})).unwrap();
    let global = configuration.global();
    configuration.update(&global, json!({"enable_security_policy_draft": true})).unwrap();
    configuration.below(&policies, GROUP, "new", prefix("10.0.0.0")).unwrap();
    configuration.update(&old, prefix("11.0.0.0")).unwrap();
    let by = |name: &str| rule_with(&format!("draft-policy-management:{name}"));
    let (one, two) = (
        configuration.in_project("firewall-rule", "one", by("new")).unwrap(),
        configuration.in_project("firewall-rule", "two", by("old")).unwrap(),
    );
    // A rule that is a draft of its project.
    let domain = configuration.find("domain", "default-domain").unwrap();
    let on = json!({"enable_security_policy_draft": true});
    let project = configuration.below(&domain, "project", "p", on).unwrap();
    let three = configuration.below(&project, "firewall-rule", "three", by("new")).unwrap();
    review(&mut configuration, &global, Some(true)).unwrap();
    for (rule, name) in [(&one, "new"), (&two, "old"), (&three, "new")] {
        let name = format!("default-policy-management:{name}");
        assert_eq!(configuration.get(rule, "endpoint_1")["address_group"], *name);
        assert_eq!(configuration.links(rule, "address_group_refs"), [(name.clone(), Value::Null)]);
        // It can still be changed.
        configuration.update(rule, json!({"endpoint_1": {"address_group": name}, "direction": "<>"})).unwrap();
    }
    assert_eq!(contents(&configuration.follower), contents(&configuration.graph));
}

#[test]
fn drf_5_a_rule_is_copied_with_what_the_server_made() {
    let (mut configuration, project, _) = drafting();
    review(&mut configuration, &project, Some(false)).unwrap();
    configuration.update(&project, json!({"enable_security_policy_draft": false})).unwrap();
    let rule = configuration.below(&project, "firewall-rule", "r", rule_with("default-domain:p:old")).unwrap();
    configuration.update(&project, json!({"enable_security_policy_draft": true})).unwrap();
    configuration.update(&rule, json!({"direction": "<>"})).unwrap();
    let copy = draft(&configuration, "firewall-rule", "r").unwrap();
    assert_eq!(configuration.links(&copy, "address_group_refs").len(), 1);
    let refs = configuration.update(&rule, json!({"address_group_refs": []}));
    assert!(refusal(refs).starts_with("400 Cannot directly define Address Group"));
}

#[test]
fn drf_6_drf_7_a_delete_is_kept_aside() {
    let (mut configuration, project, old) = drafting();
    let delete = Delete { type_id: old.type_id, uuid: old.uuid.to_string() };
    let (outcome, _) = configuration.submit(Operation::Delete(delete)).unwrap();
    assert!(is_pending(&outcome));
    let copy = draft(&configuration, GROUP, "old").unwrap();
    assert_eq!(state(&configuration, &copy), "deleted");
    assert!(configuration.current(&old).is_some());
    assert_eq!(
        refusal(configuration.update(&old, prefix("10.0.0.0"))),
        "400 Address Group default-domain:p:draft-policy-management:old is in pending delete, cannot be updated"
    );
    let rule = configuration.below(&project, "firewall-rule", "r", rule_with("default-domain:p:old"));
    assert_eq!(
        refusal(rule),
        format!(
            "400 Referenced Address Group resource 'default-domain:p:old' ({}) is in pending delete state, it cannot be referenced",
            old.uuid
        )
    );
    configuration.delete(&copy).unwrap();
    configuration.update(&old, prefix("10.0.0.0")).unwrap();
}

#[test]
fn drf_8_a_delete_looks_at_what_will_be() {
    let (mut configuration, project, old) = drafting();
    configuration.update(&project, json!({"enable_security_policy_draft": false})).unwrap();
    let rule = configuration.below(&project, "firewall-rule", "r", rule_with("default-domain:p:old")).unwrap();
    configuration.update(&project, json!({"enable_security_policy_draft": true})).unwrap();
    let by = |referrer: &Object| {
        format!("409 Delete when resource still referred: ['http://api:8082/firewall-rule/{}']", referrer.uuid)
    };
    assert_eq!(refusal(configuration.delete(&old)), by(&rule), "it has no draft");
    configuration.update(&rule, json!({"direction": "<>"})).unwrap();
    let copy = draft(&configuration, "firewall-rule", "r").unwrap();
    assert_eq!(refusal(configuration.delete(&old)), by(&copy), "its draft still refers to it");
    configuration.update(&rule, json!({"endpoint_1": {"any": true}})).unwrap();
    configuration.delete(&old).unwrap();
    review(&mut configuration, &project, Some(false)).unwrap();
    configuration.delete(&rule).unwrap();
    configuration.delete(&old).unwrap();
    review(&mut configuration, &project, Some(true)).unwrap();
    assert!(configuration.current(&old).is_none() && configuration.current(&rule).is_none());
}

#[test]
fn drf_11_what_the_server_makes_is_not_diverted() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    configuration.update(&global, json!({"enable_security_policy_draft": true})).unwrap();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let on = json!({"enable_security_policy_draft": true});
    configuration.below(&domain, "project", "p", on).unwrap();
    assert!(in_force(&configuration, "application-policy-set", "default-application-policy-set").is_some());
}

#[test]
fn drf_13_drf_16_what_can_be_done_with_drafts() {
    let (mut configuration, project, _) = drafting();
    let text = "400 Only 'commit' or 'discard' actions are supported";
    assert_eq!(refusal(review(&mut configuration, &project, None)), text);
    review(&mut configuration, &project, Some(true)).unwrap();
    assert_eq!(configuration.get(&project, "enable_security_policy_draft"), true);
    configuration.update(&project, json!({"enable_security_policy_draft": false})).unwrap();
    let text =
        format!("400 Security draft mode is not enabled on the Project ['default-domain', 'p'] ({})", project.uuid);
    assert_eq!(refusal(review(&mut configuration, &project, Some(true))), text);
}

#[test]
fn drf_14_drf_17_drf_18_discarded_drafts_leave_no_trace() {
    let (mut configuration, project, old) = drafting();
    let before = contents(&configuration.graph);
    let group = configuration.below(&project, GROUP, "new", json!({})).unwrap();
    let name = group.fq_name.joined().to_string();
    let rule = configuration.below(&project, "firewall-rule", "r", rule_with(&name)).unwrap();
    configuration.below(&project, "firewall-policy", "p", policy_of(&rule)).unwrap();
    configuration.delete(&old).unwrap();
    let revision = configuration.graph.revision();
    let discard = ReviewDrafts { scope: project.uuid.to_string(), commit: Some(false) };
    let (_, changes) = configuration.submit(Operation::ReviewDrafts(discard)).unwrap();
    assert!(changes.iter().all(|change| change.request == revision + changes.len() as u64), "one request");
    assert_eq!(contents(&configuration.graph), before);
    assert_eq!(contents(&configuration.follower), before);
}

#[test]
fn drf_15_drf_17_a_commit_puts_all_drafts_in_force() {
    let (mut configuration, project, old) = drafting();
    configuration.update(&project, json!({"enable_security_policy_draft": false})).unwrap();
    let kept = configuration.below(&project, "firewall-rule", "kept", rule_with("default-domain:p:old")).unwrap();
    let gone = configuration.below(&project, "service-group", "gone", json!({})).unwrap();
    configuration.update(&project, json!({"enable_security_policy_draft": true})).unwrap();
    // New objects that refer to each other, by reference and by text, through their drafts.
    let group = configuration.below(&project, GROUP, "new", prefix("10.0.0.0")).unwrap();
    let by_draft = group.fq_name.joined().to_string();
    let rule = configuration.below(&project, "firewall-rule", "r", rule_with(&by_draft)).unwrap();
    let policy = configuration.below(&project, "firewall-policy", "p", policy_of(&rule)).unwrap();
    // An update that takes something away, and one that refers to a draft of something that exists.
    configuration.update(&old, prefix("11.0.0.0")).unwrap();
    configuration.update(&kept, json!({"endpoint_1": {"address_group": by_draft}})).unwrap();
    let copy = draft(&configuration, "firewall-rule", "kept").unwrap();
    configuration.refer(&policy, &copy, json!({"sequence": "2"})).unwrap();
    configuration.delete(&gone).unwrap();
    review(&mut configuration, &project, Some(true)).unwrap();

    for (object, name) in [(&group, "new"), (&rule, "r"), (&policy, "p")] {
        let object = configuration.current(object).expect("it keeps the uuid of its draft");
        assert_eq!(&**object.fq_name.joined(), format!("default-domain:p:{name}"));
        assert_eq!(object.parent, Some(project.uuid));
        assert_eq!(state(&configuration, &object), Value::Null);
    }
    for object in [&rule, &kept] {
        assert_eq!(configuration.get(object, "endpoint_1")["address_group"], "default-domain:p:new");
        let name = "default-domain:p:new".to_owned();
        assert_eq!(configuration.links(object, "address_group_refs"), [(name, Value::Null)]);
    }
    let rules: Vec<String> =
        configuration.links(&policy, "firewall_rule_refs").into_iter().map(|(name, _)| name).collect();
    assert!(rules.contains(&"default-domain:p:kept".to_owned()) && rules.len() == 2, "{rules:?}");
    assert_eq!(configuration.get(&old, "address_group_prefix")["subnet"][0]["ip_prefix"], "11.0.0.0");
    assert!(configuration.current(&gone).is_none());
    let holder = configuration.find("policy-management", "default-domain:p:draft-policy-management").unwrap();
    assert_eq!(configuration.graph.all().filter(|object| object.parent == Some(holder.uuid)).count(), 0);
    assert_eq!(contents(&configuration.follower), contents(&configuration.graph));
    for link in configuration.graph.all().flat_map(|object| object.links.clone()) {
        assert!(configuration.graph.get(link.target).is_some(), "a dangling reference");
    }
}

#[test]
fn drf_19_prj_d1_drafts_keep_their_project() {
    let (mut configuration, project, old) = drafting();
    let pending = configuration.below(&project, GROUP, "new", json!({})).unwrap();
    configuration.delete(&old).unwrap();
    review(&mut configuration, &project, Some(true)).unwrap();
    let committed = configuration.current(&pending).unwrap();
    configuration.delete(&committed).unwrap();
    review(&mut configuration, &project, Some(true)).unwrap();
    let last = configuration.below(&project, GROUP, "last", json!({})).unwrap();
    let text = format!("409 Delete when children still present: ['http://api:8082/address-group/{}']", last.uuid);
    assert_eq!(refusal(configuration.delete(&project)), text);
    review(&mut configuration, &project, Some(false)).unwrap();
    configuration.delete(&project).unwrap();
    assert!(configuration.find("policy-management", "default-domain:p:draft-policy-management").is_none());
}
