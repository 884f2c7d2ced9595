//! `firewall_policy`: a firewall-policy, which has its rules in an order (NEU-FW-2).

use super::{
    envelope::uuid_of,
    exception::Exception,
    firewall, firewall_rule,
    refused::Answered,
    resource::{Answers, Does, List, Resource, Verb},
    turn::Turn,
    view::View,
};
use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::{Kind, default_firewall},
};
use serde_json::{Value, json};
use std::{collections::HashSet, sync::Arc};
use uuid::Uuid;

/// The resource.
pub static RESOURCE: Resource = Resource {
    path: "/neutron/firewall_policy",
    meaning: "lists of rules of firewalls",
    needs_fwaas: true,
    operations: &[
        (Verb::Create, Does::Writes(create)),
        (Verb::Read, Does::Reads(read)),
        (Verb::Update, Does::Writes(update)),
        (Verb::Delete, Does::Writes(delete)),
        (Verb::ReadAll, Does::Lists(&LIST)),
        (Verb::ReadCount, Does::Counts(&LIST)),
        (Verb::InsertRule, Does::Writes(insert_rule)),
        (Verb::RemoveRule, Does::Writes(remove_rule)),
    ],
    example: (Verb::ReadAll, r#"{"filters": {"name": ["default"]}, "fields": []}"#),
};

static LIST: List = List { fields: FIELDS, candidates, first: Some(firewall::FIRST) };

const FIELDS: &[&str] = &["id", "name", "description", "project_id", "tenant_id", "shared", AUDITED, GIVEN_RULES];

const AUDITED: &str = "audited";
const GIVEN_RULES: &str = "firewall_rules";
const RULES: &str = field_name::FIREWALL_RULE_REFS;

fn missing(firewall_policy_id: Value) -> Exception {
    Exception::FirewallPolicyNotFound { firewall_policy_id }
}

/// A policy by its id.
///
/// # Errors
/// `FirewallPolicyNotFound`, 403
pub fn find<'v>(view: &View<'v>, id: &str) -> Answered<&'v Arc<Object>> {
    firewall::find(view, type_name::FIREWALL_POLICY, id, missing)
}

/// A policy in an answer.
fn answer(view: &View<'_>, policy: &Object) -> Value {
    let mut answer = firewall::answer(view, policy, AUDITED);
    let rules = firewall::readable(view, firewall::ordered(view, policy, RULES));
    answer.insert(GIVEN_RULES.to_owned(), rules.into());
    answer.into()
}

fn candidates<'v>(view: &View<'v>) -> Answered<Answers<'v>> {
    let policies = firewall::visible(view, type_name::FIREWALL_POLICY)?;
    let view = *view;
    Ok(Box::new(policies.map(move |policy| answer(&view, policy))))
}

fn read(view: &View<'_>) -> Answered<Value> {
    Ok(answer(view, find(view, view.request.id())?))
}

/// Only the server makes a policy of this name.
fn check_name(turn: &Turn<'_>) -> Answered<()> {
    if turn.request.text("name")? == Some(default_firewall::NAME) {
        let text = "Default firewall policy already exists. 'default' is the reserved name for firewall policy.";
        return Err(turn.request.bad_request(text));
    }
    Ok(())
}

/// The rules that a request names, in its order.
fn given_rules(turn: &Turn<'_>) -> Answered<Option<Vec<Uuid>>> {
    let Some(ids) = turn.request.texts(GIVEN_RULES)? else { return Ok(None) };
    let mut seen = HashSet::with_capacity(ids.len());
    let mut rules = Vec::with_capacity(ids.len());
    for id in ids {
        let rule = firewall_rule::find(&turn.view(), id)?.uuid;
        if !seen.insert(rule) {
            return Err(turn
                .request
                .bad_request(format!("{GIVEN_RULES} must name each rule once, and {id} is there twice")));
        }
        rules.push(rule);
    }
    Ok(Some(rules))
}

fn create(turn: &mut Turn<'_>) -> Answered<Value> {
    let tenant = turn.request.tenant_of_body()?;
    let project = Arc::clone(turn.view().project(tenant)?);
    check_name(turn)?;
    let mut body = firewall::new(turn, tenant, (AUDITED, false))?;
    if let Some(rules) = given_rules(turn)? {
        body.insert(RULES.to_owned(), firewall::in_order(rules));
    }
    let policy = turn.create_named(type_name::FIREWALL_POLICY, &project, body.into())?;
    Ok(answer(&turn.view(), &policy))
}

/// An update that does not say that the policy is audited says that it is not.
fn update(turn: &mut Turn<'_>) -> Answered<Value> {
    let policy = Arc::clone(find(&turn.view(), turn.request.id())?);
    check_name(turn)?;
    let mut body = firewall::changes(turn, &policy, AUDITED)?;
    let id_perms = body.entry(field_name::ID_PERMS).or_insert_with(|| json!({}));
    if id_perms.get("enable").is_none() {
        id_perms["enable"] = false.into();
    }
    if let Some(rules) = given_rules(turn)? {
        body.insert(RULES.to_owned(), firewall::in_order(rules));
    }
    let policy = turn.update(&policy, body.into())?;
    Ok(answer(&turn.view(), &policy))
}

/// Gives a policy these rules, which nobody has audited.
fn set_rules(turn: &mut Turn<'_>, policy: &Object, rules: Vec<Uuid>) -> Answered<Value> {
    let body = json!({ (RULES): firewall::in_order(rules), (field_name::ID_PERMS): {"enable": false} });
    let policy = turn.update(policy, body)?;
    Ok(answer(&turn.view(), &policy))
}

/// The rule that a request is about, as it says it.
fn given_rule<'r>(turn: &Turn<'r>) -> Answered<&'r str> {
    let request = turn.request;
    request.required("firewall_rule_id", request.text("firewall_rule_id")?)
}

/// A rule comes in at the place that is named, or before all others; one that is there moves.
fn insert_rule(turn: &mut Turn<'_>) -> Answered<Value> {
    let request = turn.request;
    let policy = Arc::clone(find(&turn.view(), request.id())?);
    let rule = firewall_rule::find(&turn.view(), given_rule(turn)?)?.uuid;
    let place = |name: &str| Ok::<_, super::Refused>(request.text(name)?.filter(|id| !id.is_empty()));
    let (before, after) = (place("insert_before")?, place("insert_after")?);
    let present = firewall::ordered(&turn.view(), &policy, RULES);
    let mut rules: Vec<Uuid> = present.iter().copied().filter(|other| *other != rule).collect();
    let position = match before.or(after) {
        None => 0,
        Some(id) => {
            let uuid = uuid_of(id).filter(|uuid| present.contains(uuid));
            let uuid = uuid.ok_or_else(|| firewall_rule::missing(id.into()))?;
            if uuid == rule {
                return Ok(answer(&turn.view(), &policy));
            }
            let position = rules.iter().position(|other| *other == uuid).unwrap_or_default();
            position + usize::from(before.is_none())
        }
    };
    rules.insert(position, rule);
    if rules == present {
        return Ok(answer(&turn.view(), &policy));
    }
    set_rules(turn, &policy, rules)
}

fn remove_rule(turn: &mut Turn<'_>) -> Answered<Value> {
    let policy = Arc::clone(find(&turn.view(), turn.request.id())?);
    let id = given_rule(turn)?;
    let mut rules = firewall::ordered(&turn.view(), &policy, RULES);
    let position = uuid_of(id).and_then(|uuid| rules.iter().position(|rule| *rule == uuid));
    let Some(position) = position else {
        let (firewall_rule_id, firewall_policy_id) = (id.into(), policy.uuid.to_string().into());
        return Err(Exception::FirewallRuleNotAssociatedWithPolicy { firewall_rule_id, firewall_policy_id }.into());
    };
    rules.remove(position);
    set_rules(turn, &policy, rules)
}

/// NEU-FW-4
fn delete(turn: &mut Turn<'_>) -> Answered<Value> {
    let policy = Arc::clone(find(&turn.view(), turn.request.id())?);
    let in_use = |_: &_| Exception::FirewallPolicyInUse { firewall_policy_id: policy.uuid.to_string().into() };
    turn.delete(&policy).map_err(|refused| refused.or_if(Kind::Conflict, in_use))?;
    Ok(Value::Null)
}
