//! tag-type (contrail-api R21: TGT-*).

use super::{Decision, Draft, Rejection, Rules, Work};
use crate::graph::{NumberPool, Object};
use serde_json::Value;
use std::sync::Arc;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const ID: &str = "tag_type_id";

/// The number in a text like `0x00ff`.
pub fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

/// The number of a stored tag type.
pub fn number(work: &Work, tag_type: &Object) -> Option<u64> {
    work.property(tag_type, ID).as_ref().and_then(Value::as_str).and_then(hexadecimal)
}

/// The lowest free number of a type.
///
/// # Errors
/// 400 when there is none.
pub fn next_number(work: &Work) -> Decision<u64> {
    let number = work.graph.numbers().next_free(NumberPool::TagType);
    number.ok_or_else(|| Rejection::bad_request("No tag type id is free"))
}

/// TGT-2, TGT-3
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let number = match draft.given(ID).and_then(Value::as_str) {
        None => next_number(work)?,
        Some(text) => {
            let number = hexadecimal(text).filter(|number| (0x8000..=0xfffe).contains(number)).ok_or_else(|| {
                let gap = " ".repeat(20);
                Rejection::bad_request(format!(
                    "Tag type can be set only with user defined id in range{gap}32768-65535"
                ))
            })?;
            if !work.graph.numbers().is_free(NumberPool::TagType, number) {
                return Err(Rejection::bad_request("Tag Type with same Id already exists"));
            }
            number
        }
    };
    complete(draft, number);
    Ok(())
}

fn complete(draft: &mut Draft, number: u64) {
    draft.set(ID, format!("0x{number:04x}").into());
    let name = draft.fq_name.name().to_owned();
    draft.set("display_name", name.into());
}

/// TAG-C4: the type that a tag brings along, hidden.
///
/// # Errors
/// 400 when no number is left.
pub fn create_hidden(work: &mut Work, name: &str, number: u64) -> Decision<Arc<Object>> {
    let mut draft = Draft::first_object(work, None, "tag-type", name)?;
    complete(&mut draft, number);
    let mut id_perms = draft.value("id_perms").unwrap_or_default();
    if let Some(fields) = id_perms.as_object_mut() {
        fields.insert("user_visible".to_owned(), false.into());
        fields.insert("enable".to_owned(), Value::Null);
    }
    draft.set("id_perms", id_perms);
    Ok(work.save(&draft))
}

/// TGT-4
fn before_update(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given("display_name").is_some() || draft.given(ID).is_some() {
        return Err(Rejection::bad_request("Tag Type value or ID cannot be updated"));
    }
    Ok(())
}
