//! telemetry-profile and what it collects: grpc-, netconf-, snmp- and sflow-profile (contrail-api R21: TELE-*, SFL-*).
//! The default ones are made by tools of the fabric and not changed.

use crate::{
    graph::{FqName, Object},
    model::{ObjectType, type_name},
    python_literal,
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        shared::single_reference,
    },
};
use serde_json::Value;
use std::sync::Arc;

/// The rules of telemetry-profile.
pub const RULES: Rules = Rules { before_create, before_update, before_delete, ..Rules::NONE };
/// The rules of grpc-, netconf- and snmp-profile.
pub const PART_RULES: Rules = Rules {
    before_create: |_, draft| check_create(draft),
    before_update: |_, draft| check_update(draft),
    before_delete,
    ..Rules::NONE
};
/// The rules of sflow-profile.
pub const SFLOW_RULES: Rules = Rules { before_update: check_sflow_update, ..Rules::NONE };

const PARTS: [&str; 4] = ["sflow", "grpc", "snmp", "netconf"];
const DEFAULT_TELEMETRY: &str = "default-domain:default-project:default-telemetry-profile-";
const LAST_DEFAULT_TELEMETRY: u8 = 6;

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check_create(draft)?;
    check_parts(work, draft)
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    check_update(draft)?;
    check_parts(work, draft)
}

/// TELE-C1
fn check_parts(work: &Work, draft: &Draft) -> Decision<()> {
    PARTS.iter().try_for_each(|part| {
        single_reference::check(work, draft, rule::TELE_C1, &format!("{part}_profile_refs"), "Telemetry profile", part)
    })
}

/// The property that marks a default profile.
fn mark(kind: &ObjectType) -> String {
    format!("{}_is_default", kind.field)
}

fn is_true(value: Option<&Value>) -> bool {
    value == Some(&Value::Bool(true))
}

/// TELE-C2
fn refuse(kind: &ObjectType, name: &FqName) -> Decision<()> {
    let text = format!(
        "One of the following non-permitted operations was attempted on {} profile {}: \n1. Marking profile as default \
         \n2. Creating or Editing or Deleting a default profile ",
        kind.name.trim_end_matches("-profile"),
        python_literal::list(name.elements())
    );
    Err(Rejection::bad_request(text).by(rule::TELE_C2).about(mark(kind)))
}

fn is_default_telemetry(name: &FqName) -> bool {
    let number = name.joined().strip_prefix(DEFAULT_TELEMETRY);
    number.is_some_and(|number| (1..=LAST_DEFAULT_TELEMETRY).any(|allowed| allowed.to_string() == number))
}

/// TELE-C2: tools make the default profiles under these names.
fn check_create(draft: &Draft) -> Decision<()> {
    let kind = draft.object_type();
    let part = kind.name.trim_end_matches("-profile");
    let is_default_part =
        || **draft.fq_name.joined() == format!("default-domain:default-project:{part}-default-profile");
    let is_exempt = if kind.name == type_name::TELEMETRY_PROFILE {
        is_default_telemetry(&draft.fq_name)
    } else {
        is_default_part()
    };
    if is_true(draft.given(&mark(kind))) && !is_exempt { refuse(kind, &draft.fq_name) } else { Ok(()) }
}

/// TELE-C2
fn check_update(draft: &Draft) -> Decision<()> {
    let kind = draft.object_type();
    let is_default = is_true(draft.given(&mark(kind))) || is_true(draft.stored_value(&mark(kind)).as_ref());
    let is_exempt = kind.name == type_name::TELEMETRY_PROFILE && is_default_telemetry(&draft.fq_name);
    if is_default && !is_exempt { refuse(kind, &draft.fq_name) } else { Ok(()) }
}

/// TELE-C2
fn before_delete(work: &mut Work, profile: &Arc<Object>) -> Decision<()> {
    let kind = work.type_of(profile);
    if is_true(work.property(profile, &mark(kind)).as_ref()) { refuse(kind, &profile.fq_name) } else { Ok(()) }
}

/// SFL-U1
fn check_sflow_update(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if is_true(draft.value(&mark(draft.object_type())).as_ref()) {
        let text = format!("Default profile {} is non-editable ", python_literal::list(draft.fq_name.elements()));
        return Err(Rejection::bad_request(text).by(rule::SFL_U1).about(mark(draft.object_type())));
    }
    Ok(())
}
