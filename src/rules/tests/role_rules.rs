//! Rules of roles, on the fork that a request is decided on, and who may write them.

use super::*;
use crate::{
    access::{
        Caller, Level, Scope,
        role_rules::{KeptRoleRules, Letter, Question, Subject, Verdict},
    },
    rules::{ProjectAccessLists, Step, Transaction},
};

/// A configuration with a project of its own for bob, who is a member there.
fn with_bob(writers: ProjectAccessLists) -> (Configuration, Arc<Object>, Identity) {
    let mut configuration = Configuration::with(Options { project_access_lists: writers, ..Options::default() });
    let uuid = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";
    let body = json!({"fq_name": ["default-domain", "bob-proj"], "parent_type": "domain", "uuid": uuid});
    let project = configuration.create("project", body).unwrap();
    let domain = configuration.find("domain", "default-domain").unwrap();
    let caller = Caller {
        user: Some("bob".to_owned()),
        roles: vec!["member".to_owned()],
        project: Some(Scope::new(uuid.replace('-', ""), Some("bob-proj".to_owned()))),
        domain: Some(Scope { is_default: true, ..Scope::new("default", None) }),
        ..Caller::of_level(Level::Member)
    };
    let bob = Identity { caller: Arc::new(caller), default_domain: Some(domain.uuid), ..Identity::server("test") };
    (configuration, project, bob)
}

fn asks(kind: &str, letter: Letter, fields: &[&str]) -> Questions {
    let subject = Subject::Type(model().find(kind).unwrap());
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    Questions::new(Question { subject, letter, reads: letter == Letter::Read, fields })
}

/// A rule as the wire has it.
fn rule(object: &str, field: &str, role: &str, letters: &str) -> Value {
    json!({"rule_object": object, "rule_field": field, "rule_perms": [{"role_name": role, "role_crud": letters}]})
}

fn entries(rules: &[Value]) -> Value {
    json!({"api_access_list_entries": {"rbac_rule": rules}})
}

fn creation(kind: &str, body: Value) -> Operation {
    let type_id = model().find(kind).unwrap();
    let Value::Object(body) = body else { panic!("an object") };
    let fq_name = crate::rules::string_list(&body["fq_name"]).unwrap();
    let document = Document::read(&model(), model().object_type(type_id), body, Purpose::Create).unwrap();
    Operation::Create(Create { type_id, fq_name, document, chosen: None })
}

/// A request of somebody; what is refused leaves nothing.
fn attempt(
    configuration: &mut Configuration,
    identity: &Identity,
    asked: Questions,
    operation: Operation,
) -> Decision<Outcome> {
    configuration.now += 1;
    let now = Timestamp(configuration.now);
    let request = Request { operation, precondition: None, dry_run: false, identity: identity.clone(), asked };
    let mut work = Work::new(configuration.graph.clone(), identity.clone(), &configuration.rulebook, now, Uuid::new_v4);
    let outcome = request.decide(&mut work)?;
    configuration.graph = work.finish().0;
    Ok(outcome)
}

fn network_of_bob(name: &str) -> Operation {
    let fq_name = ["default-domain", "bob-proj", name];
    creation("virtual-network", json!({"fq_name": fq_name, "parent_type": "project"}))
}

fn list_below(parent: &Object, name: &str, rules: &[Value]) -> Operation {
    let parent_type = model().object_type(parent.type_id).name.clone();
    let mut body = json!({"fq_name": parent.fq_name.child(name).elements(), "parent_type": parent_type});
    extend(&mut body, entries(rules));
    creation("api-access-list", body)
}

#[test]
fn rbac_1_rbac_4_rules_of_each_level_hold_at_once() {
    let (mut configuration, project, bob) = with_bob(ProjectAccessLists::Admin);
    let asked = || asks("virtual-network", Letter::Create, &["parent_type"]);
    let mut number = 0;
    let mut create = |configuration: &mut Configuration| {
        number += 1;
        attempt(configuration, &bob, asked(), network_of_bob(&format!("n{number}"))).map(|_| ())
    };
    assert_eq!(refusal(create(&mut configuration)), "403 Permission Denied RBAC rule list empty");
    let parents = [project, configuration.find("domain", "default-domain").unwrap(), configuration.global()];
    for parent in parents {
        let rules = entries(&[rule("*", "", "MEMBER", "CR")]);
        let list = configuration.below(&parent, "api-access-list", "any-name", rules).unwrap();
        create(&mut configuration).unwrap();
        configuration.update(&list, entries(&[rule("virtual-network", "", "member", "R")])).unwrap();
        let told = "403 Permission Denied for bob as ['member'] to C virtual-network in bob-proj";
        assert_eq!(refusal(create(&mut configuration)), told);
        // A second list beside it adds to the first.
        let more = entries(&[rule("virtual-network", "", "member", "C")]);
        let more = configuration.below(&parent, "api-access-list", "another", more).unwrap();
        create(&mut configuration).unwrap();
        configuration.delete(&more).unwrap();
        assert_eq!(refusal(create(&mut configuration)), told);
        configuration.delete(&list).unwrap();
        assert_eq!(refusal(create(&mut configuration)), "403 Permission Denied RBAC rule list empty");
    }
    // What others have is of no use.
    let other = configuration.project();
    configuration.below(&other, "api-access-list", "l", entries(&[rule("*", "", "*", "CRUD")])).unwrap();
    assert!(create(&mut configuration).is_err());
    // Nor is a caller without project and domain, or with odd ones, anything but refused (KS-4, KS-5).
    for scope in [None, Some(Scope::new("no uuid", None)), Some(Scope::new(Uuid::new_v4().to_string(), None))] {
        let caller = Caller { project: scope.clone(), domain: scope, ..Caller::clone(&bob.caller) };
        let stranger = Identity { caller: Arc::new(caller), ..bob.clone() };
        let refused = attempt(&mut configuration, &stranger, asked(), network_of_bob("s"));
        assert_eq!(refusal(refused), "403 Permission Denied RBAC rule list empty");
    }
}

#[test]
fn rbac_10_a_refusal_names_rule_and_field() {
    let (mut configuration, project, bob) = with_bob(ProjectAccessLists::Admin);
    let rules = [rule("*", "", "member", "CRUD"), rule("virtual-network", "mac_learning_enabled", "admin", "C")];
    configuration.below(&project, "api-access-list", "l", entries(&rules)).unwrap();
    let asked = |fields: &[&str]| asks("virtual-network", Letter::Create, fields);
    attempt(&mut configuration, &bob, asked(&["parent_type"]), network_of_bob("a")).unwrap();
    let fields = asked(&["parent_type", "mac_learning_enabled"]);
    let refused = attempt(&mut configuration, &bob, fields, network_of_bob("b")).unwrap_err();
    assert_eq!((refused.kind, refused.rule), (Kind::Forbidden, Some(crate::rules::rule::RBAC_10)));
    assert!(refused.is_about("mac_learning_enabled"));
    let refused = attempt(&mut configuration, &bob, asks("virtual-network", Letter::Delete, &[]), network_of_bob("c"));
    assert!(refused.is_ok(), "what is asked counts, and not what is done");
}

#[test]
fn rbac_7_each_operation_of_a_transaction_is_asked() {
    let (mut configuration, project, bob) = with_bob(ProjectAccessLists::Admin);
    let rules = [rule("virtual-network", "", "member", "C")];
    configuration.below(&project, "api-access-list", "l", entries(&rules)).unwrap();
    let step = |operation: Operation, asked: Questions| Step { operation, precondition: None, asked };
    let network = || step(network_of_bob("n"), asks("virtual-network", Letter::Create, &["parent_type"]));
    let policy = {
        let fq_name = ["default-domain", "bob-proj", "p"];
        let operation = creation("network-policy", json!({"fq_name": fq_name, "parent_type": "project"}));
        step(operation, asks("network-policy", Letter::Create, &["parent_type"]))
    };
    let mut both = |steps: Vec<Step>| {
        let transaction = Operation::Many(Transaction { steps });
        attempt(&mut configuration, &bob, Questions::default(), transaction)
    };
    let refused = both(vec![network(), policy]).unwrap_err();
    assert_eq!(refused.operation, Some(1));
    assert_eq!(refused.text.to_string(), "Permission Denied for bob as ['member'] to C network-policy in bob-proj");
    // All or nothing: the network is not there.
    both(vec![network()]).unwrap();
}

#[test]
fn rbac_7_an_object_that_is_named_by_its_uuid_is_of_its_type() {
    let (mut configuration, project, bob) = with_bob(ProjectAccessLists::Admin);
    let rules = [rule("virtual-network", "", "member", "R"), rule("network-policy", "", "member", "U")];
    configuration.below(&project, "api-access-list", "l", entries(&rules)).unwrap();
    let network = configuration.below(&project, "virtual-network", "n", json!({})).unwrap();
    let kept = KeptRoleRules::new(&model());
    let decide = |uuid: Uuid, letter: Letter| {
        let question = Question { subject: Subject::TypeOf(uuid), letter, reads: false, fields: Vec::new() };
        kept.decide(&configuration.graph, &bob, &question) == Verdict::Granted
    };
    assert!(decide(network.uuid, Letter::Read));
    assert!(!decide(network.uuid, Letter::Update));
    assert!(!decide(project.uuid, Letter::Update));
    // Nothing is told of what is not there: the answer is 404.
    assert!(decide(Uuid::new_v4(), Letter::Update));
}

#[test]
fn rbac_12_the_default_rules_are_made_once() {
    let mut configuration = Configuration::new();
    let name = "default-global-system-config:default-api-access-list";
    assert!(configuration.find("api-access-list", name).is_none(), "where nobody asks for rules there are none");
    let provision = || Operation::Provision { role_rules: true };
    configuration.submit(provision()).unwrap();
    let list = configuration.find("api-access-list", name).unwrap();
    let rules = configuration.get(&list, "api_access_list_entries");
    let told: Vec<String> = rules["rbac_rule"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            let permission = &rule["rule_perms"][0];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            format!(
                "{}.{} {}:{}",
                text(&rule["rule_object"]),
                text(&rule["rule_field"]),
                text(&permission["role_name"]),
                text(&permission["role_crud"])
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "fqname-to-id. *:CRUD",
            "id-to-fqname. *:CRUD",
            "useragent-kv. *:CRUD",
            "documentation. *:R",
            "/. *:R",
            "watch. *:R",
            "logical-router.logical_router_gateway_external *:R",
        ]
    );
    // W14: what was narrowed stays so.
    configuration.update(&list, entries(&[rule("fqname-to-id", "", "member", "C")])).unwrap();
    let (_, changes) = configuration.submit(provision()).unwrap();
    assert_eq!(changes.len(), 0);
    assert_eq!(configuration.get(&list, "api_access_list_entries")["rbac_rule"].as_array().unwrap().len(), 1);
}

#[test]
fn rbac_14_members_write_rules_of_their_project_if_they_may() {
    let refused_for = |writers: ProjectAccessLists, of_project: bool| {
        let (mut configuration, project, bob) = with_bob(writers);
        let parent = if of_project { project } else { configuration.find("domain", "default-domain").unwrap() };
        let everything = [rule("*", "", "member", "CRUD")];
        let list = configuration.below(&parent, "api-access-list", "l", entries(&everything)).unwrap();
        let kind = list.type_id;
        let uuid = list.uuid.to_string();
        let update = |body: Value| {
            let Value::Object(body) = body else { panic!("an object") };
            let document = Document::read_update(&model(), model().object_type(kind), body);
            Operation::Update(Update { type_id: kind, uuid: uuid.clone(), document })
        };
        let operations = [
            list_below(&parent, "m", &everything),
            update(entries(&[rule("*", "", "member", "R")])),
            Operation::Delete(Delete { type_id: kind, uuid: uuid.clone() }),
        ];
        let mut refused = 0;
        for operation in operations {
            if let Err(rejection) = attempt(&mut configuration, &bob, Questions::default(), operation) {
                assert_eq!(rejection.kind, Kind::Forbidden, "{rejection:?}");
                refused += 1;
            }
        }
        refused
    };
    assert_eq!(refused_for(ProjectAccessLists::Admin, true), 3);
    assert_eq!(refused_for(ProjectAccessLists::Owner, true), 0);
    assert_eq!(refused_for(ProjectAccessLists::Admin, false), 3);
    assert_eq!(refused_for(ProjectAccessLists::Owner, false), 3);
    // Of the system, too, and of a project that is another's.
    let (mut configuration, _, bob) = with_bob(ProjectAccessLists::Owner);
    for parent in [configuration.global(), configuration.project()] {
        let operation = list_below(&parent, "m", &[]);
        let refused = attempt(&mut configuration, &bob, Questions::default(), operation).unwrap_err();
        assert_eq!(refused.kind, Kind::Forbidden);
    }
}

#[test]
fn rbac_15_letters_are_checked_where_they_are_new() {
    let mut configuration = Configuration::new();
    let global = configuration.global();
    for letters in ["crud", "CRUDX", "X", "C R"] {
        let odd = entries(&[rule("*", "", "member", "R"), rule("*", "", "member", letters)]);
        let refused = configuration.below(&global, "api-access-list", "l", odd);
        let field = "api_access_list_entries.rbac_rule[1].rule_perms[0].role_crud";
        assert_eq!(
            refusal(refused),
            format!("400 Bad Request, {field} must be letters of C, R, U and D, not '{letters}'")
        );
    }
    let list = configuration.below(&global, "api-access-list", "l", entries(&[rule("*", "", "a", "")])).unwrap();
    // Stored by who did not check, or came from elsewhere.
    let kind = model().object_type(list.type_id).property("api_access_list_entries").unwrap().0;
    let odd = rule("*", "", "member", "crud");
    let text = json!({"rbac_rule": [odd.clone()]}).to_string();
    let mut stored = Object::clone(&list);
    stored.set_property(kind, Some(text.as_str().into()));
    configuration.graph.put(&Arc::new(stored));
    configuration.update(&list, entries(std::slice::from_ref(&odd))).unwrap();
    configuration.update(&list, entries(&[odd.clone(), rule("*", "", "member", "R")])).unwrap();
    let refused = configuration.update(&list, entries(&[odd, rule("*", "", "other", "crud")]));
    assert!(refusal(refused).starts_with("400 Bad Request, api_access_list_entries.rbac_rule[1]."));
}

#[test]
fn rbac_16_a_domain_is_changed_by_administrators() {
    let (mut configuration, _, bob) = with_bob(ProjectAccessLists::Owner);
    let domain = configuration.find("domain", "default-domain").unwrap();
    let rename = |name: &str| {
        let Value::Object(body) = json!({"display_name": name}) else { panic!("an object") };
        let document = Document::read_update(&model(), model().object_type(domain.type_id), body);
        Operation::Update(Update { type_id: domain.type_id, uuid: domain.uuid.to_string(), document })
    };
    let refused = attempt(&mut configuration, &bob, Questions::default(), rename("bob's"));
    assert_eq!(refusal(refused), "403 Permission Denied: a domain is changed by cloud admins only");
    attempt(&mut configuration, &Identity::server("test"), Questions::default(), rename("ours")).unwrap();
    // What is in it may still create there.
    let body = json!({"fq_name": ["default-domain", "t"], "parent_type": "domain"});
    attempt(&mut configuration, &bob, Questions::default(), creation("service-template", body)).unwrap();
}
