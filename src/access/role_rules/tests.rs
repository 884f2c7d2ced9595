use super::*;
use crate::access::{Caller, Scope};
use proptest::prelude::*;
use serde_json::json;

/// A rule as tools write it: `virtual-network.display_name admin:U, member:R`.
fn rule(text: &str) -> Value {
    let (object, permissions) = text.split_once(' ').unwrap_or((text, ""));
    let (object, field) = object.split_once('.').unwrap_or((object, ""));
    let permission = |text: &str| {
        let (role, letters) = text.split_once(':').unwrap();
        json!({"role_name": role, "role_crud": letters})
    };
    let permissions: Vec<Value> = permissions.split(", ").filter(|text| !text.is_empty()).map(permission).collect();
    json!({"rule_object": object, "rule_field": field, "rule_perms": permissions})
}

fn list(rules: &[&str]) -> Value {
    json!({"rbac_rule": rules.iter().map(|text| rule(&text.replace("VN", "virtual-network"))).collect::<Vec<_>>()})
}

fn level(rules: &[&str]) -> RoleRules {
    let mut level = RoleRules::default();
    level.add(&list(rules));
    level
}

fn levels(levels: [RoleRules; 3]) -> RulesOfCaller {
    RulesOfCaller { levels: levels.map(|level| Some(Arc::new(level))) }
}

/// The default rules (RBAC-12), as the contract has them.
const DEFAULTS: [&str; 7] = [
    "fqname-to-id *:CRUD",
    "id-to-fqname *:CRUD",
    "useragent-kv *:CRUD",
    "documentation *:R",
    "/ *:R",
    "watch *:R",
    "logical-router.logical_router_gateway_external *:R",
];

/// Rules of a project, with `d:` of its domain, and with `g:` of the system; there the default ones are, too.
fn with_defaults(rules: &[&str]) -> RulesOfCaller {
    let of = |prefix: &str| -> Vec<&str> { rules.iter().filter_map(|text| text.strip_prefix(prefix)).collect() };
    let own: Vec<&str> =
        rules.iter().copied().filter(|text| !text.starts_with("d:") && !text.starts_with("g:")).collect();
    let system: Vec<&str> = DEFAULTS.into_iter().chain(of("g:")).collect();
    levels([level(&system), level(&of("d:")), level(&own)])
}

fn caller(level: Level, roles: &[&str]) -> Caller {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Caller { roles, project: Some(Scope::new("p", None)), ..Caller::of_level(level) }
}

fn member() -> Caller {
    caller(Level::Member, &["member"])
}

fn asks(letter: Letter, fields: &[&str]) -> Question {
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    Question { subject: Subject::Action("unused"), letter, reads: letter == Letter::Read, fields }
}

/// GET, POST, PUT and DELETE of a network, as in the contract's test vectors.
fn requests() -> [Question; 4] {
    [
        asks(Letter::Read, &[]),
        asks(Letter::Create, &["parent_type"]),
        asks(Letter::Update, &["display_name"]),
        asks(Letter::Delete, &[]),
    ]
}

/// Which of these somebody may do, as letters.
fn allowed(rules: &RulesOfCaller, caller: &Caller, object: &str) -> String {
    let granted = requests().into_iter().filter(|question| rules.decide(caller, object, question) == Verdict::Granted);
    granted.map(|question| question.letter.name()).collect()
}

#[test]
fn rbac_10_rbac_11_the_vectors_of_the_contract() {
    for (rules, expected) in [
        (&[][..], ""),
        (&["VN member:CR"], "RC"),
        (&["virtual-networks member:CR"], ""),
        (&["virtual_network member:CR"], ""),
        (&["* member:CRUD", "VN member:R"], "R"),
        (&["* member:CRUD", "VN admin:CRUD"], ""),
        (&["* *:R", "d:* member:C", "g:* member:U", "g:* member:D"], "RCUD"),
        (&["* *:R", "d:* member:C", "g:* member:U", "g:* member:D", "d:VN member:C"], "C"),
        (&["*.* member:CRUD"], "RCUD"),
        (&["*.display_name member:CRUD"], "RCUD"),
        (&["VN member:CRUD", "VN.display_name admin:U"], "RCD"),
        (&["VN member:R", "VN.display_name member:U", "VN.parent_type member:C"], "RCU"),
        (&["VN member:R", "VN.id_perms.user_visible member:U"], "R"),
        // ROLE-4: here the case of roles means nothing.
        (&["VN Member:CRUD"], "RCUD"),
        (&["VN member:crud"], ""),
        (&["VN member:CRUDX"], "RCUD"),
        // An object rule without roles hides the one for everything.
        (&["* member:CRUD", "d:VN"], ""),
    ] {
        assert_eq!(allowed(&with_defaults(rules), &member(), "virtual-network"), expected, "{rules:?}");
    }
}

#[test]
fn rbac_13_with_the_default_rules_members_do_little() {
    let rules = with_defaults(&[]);
    for (object, expected) in [
        ("fqname-to-id", "RCUD"),
        ("useragent-kv", "RCUD"),
        ("watch", "R"),
        ("virtual-network", ""),
        ("ref-update", ""),
        ("obj-perms", ""),
    ] {
        assert_eq!(allowed(&rules, &member(), object), expected, "{object}");
    }
    // Members with all letters do not set this field.
    let rules = with_defaults(&["* member:CRUD"]);
    let question = asks(Letter::Update, &["display_name", "logical_router_gateway_external"]);
    let field = Some("logical_router_gateway_external");
    assert_eq!(rules.decide(&member(), "logical-router", &question), Verdict::Refused { field });
    assert_eq!(allowed(&rules, &member(), "logical-router"), "RCUD");
}

#[test]
fn rbac_9_fields_of_set_tag_are_tag_types() {
    let rules = with_defaults(&["g:set-tag.Site admin:C", "* member:CRUD"]);
    let application = asks(Letter::Create, &["application"]);
    assert_eq!(rules.decide(&member(), SET_TAG, &application), Verdict::Granted);
    let both = asks(Letter::Create, &["application", "site"]);
    assert_eq!(rules.decide(&member(), SET_TAG, &both), Verdict::Refused { field: Some("site") });
    let administrators = caller(Level::Member, &["admin"]);
    let rules = with_defaults(&["g:set-tag.site admin:C"]);
    assert_eq!(rules.decide(&administrators, SET_TAG, &asks(Letter::Create, &["site"])), Verdict::Granted);
    // One more, and the rules without a field decide, of which there are none.
    let both = asks(Letter::Create, &["site", "tier"]);
    assert_eq!(rules.decide(&administrators, SET_TAG, &both), Verdict::Refused { field: None });
}

#[test]
fn rbac_8_levels_come_before_rules() {
    let rules = with_defaults(&["VN *:CRUD"]);
    let of = |level: Level, rules: &RulesOfCaller, object: &str| allowed(rules, &caller(level, &[]), object);
    assert_eq!(of(Level::Admin, &RulesOfCaller::default(), "virtual-network"), "RCUD");
    assert_eq!(of(Level::ReadAll, &RulesOfCaller::default(), "virtual-network"), "R");
    assert_eq!(of(Level::ReadAll, &rules, "virtual-network"), "RCUD");
    assert_eq!(of(Level::Nobody, &rules, "virtual-network"), "");
    // ROLE-2: what only reads is a read, though it is sent by POST.
    let listing = Question { reads: true, ..asks(Letter::Create, &[]) };
    let decide = |level: Level| rules.decide(&caller(level, &[]), "list-bulk-collection", &listing);
    assert_eq!(decide(Level::ReadAll), Verdict::Granted);
    assert_eq!(decide(Level::Member), Verdict::Refused { field: None });
}

#[test]
fn rbac_3_no_rule_at_all_is_told() {
    let odd = levels([level(&[]), RoleRules::default(), RoleRules::default()]);
    for rules in [RulesOfCaller::default(), odd] {
        assert_eq!(rules.decide(&member(), "/", &asks(Letter::Read, &[])), Verdict::NoRules);
    }
}

#[test]
fn rbac_5_what_makes_no_sense_is_no_rule() {
    for entries in [
        json!({}),
        json!(null),
        json!(7),
        json!({"rbac_rule": null}),
        json!({"rbac_rule": {}}),
        json!({"rbac_rule": [null, 7, "x", {}, {"rule_object": null}, {"rule_object": ""}, {"rule_object": 7}]}),
    ] {
        let mut rules = RoleRules::default();
        rules.add(&entries);
        assert_eq!(rules, RoleRules::default(), "{entries}");
        // Others of the same list count.
        rules.add(&list(&["VN member:R"]));
        assert_eq!(allowed(&levels([rules, level(&[]), level(&[])]), &member(), "virtual-network"), "R");
    }
    let odd = json!({"rbac_rule": [{"rule_object": "*", "rule_perms": [
        null, {}, {"role_name": "member"}, {"role_crud": "CRUD"}, {"role_name": "", "role_crud": "CRUD"},
        {"role_name": 7, "role_crud": "CRUD"}, {"role_name": "member", "role_crud": 7},
    ]}]});
    let mut rules = RoleRules::default();
    rules.add(&odd);
    let rules = levels([rules, level(&[]), level(&[])]);
    // ROLE-7: a role without a name is nobody's, not even of who has none.
    for roles in [&["member"][..], &[""], &[]] {
        assert_eq!(allowed(&rules, &caller(Level::Member, roles), "virtual-network"), "", "{roles:?}");
    }
    assert_eq!(allowed(&with_defaults(&["* *:CRUD"]), &caller(Level::Member, &[]), "virtual-network"), "RCUD");
}

/// A few rules, of which many are about the same.
fn any_rules() -> impl Strategy<Value = Vec<String>> {
    let object = prop::sample::select(vec!["*", "VN", "VN.display_name", "VN.parent_type", "VN.*", "project", "*.x"]);
    let role = prop::sample::select(vec!["member", "Member", "other", "*", ""]);
    let letters = prop::sample::select(vec!["C", "R", "U", "D", "CR", "CRUD", "x", ""]);
    let text = (object, role, letters).prop_map(|(object, role, letters)| format!("{object} {role}:{letters}"));
    prop::collection::vec(text, 0..8)
}

proptest! {
    /// The order of rules means nothing, nor which level they are of; admins pass; each more letter gives more.
    #[test]
    fn rbac_2_rules_add_up(
        rules in any_rules(),
        placed in prop::collection::vec(0_usize..3, 8),
        turned in 0_usize..8,
    ) {
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let together = levels([level(&rules), level(&[]), level(&[])]);
        let mut backwards = rules.clone();
        backwards.reverse();
        backwards.rotate_left(if rules.is_empty() { 0 } else { turned % rules.len() });
        let at = |wanted: usize| -> Vec<&str> {
            let placed = backwards.iter().zip(&placed).filter(|(_, level)| **level == wanted);
            placed.map(|(text, _)| *text).collect()
        };
        let spread = levels([level(&at(0)), level(&at(1)), level(&at(2))]);
        let objects = ["virtual-network", "project", "domain"];
        for object in objects {
            for who in [member(), caller(Level::Member, &["other", "x"]), caller(Level::ReadAll, &[])] {
                for question in requests() {
                    prop_assert_eq!(together.decide(&who, object, &question), spread.decide(&who, object, &question));
                }
            }
            prop_assert_eq!(allowed(&together, &caller(Level::Admin, &[]), object), "RCUD");
        }
        // The same rules with more letters refuse nothing that they granted before.
        let wider: Vec<String> = rules.iter().map(|text| format!("{text}R")).collect();
        let wider = levels([level(&wider.iter().map(String::as_str).collect::<Vec<_>>()), level(&[]), level(&[])]);
        for object in objects {
            let (before, after) = (allowed(&together, &member(), object), allowed(&wider, &member(), object));
            prop_assert!(before.chars().all(|letter| after.contains(letter)), "{before} became {after}");
        }
    }
}
