//! tag-type (contrail-api R21: TGT-*; OpenSDN 2026: OSD-4, OSD-5, OSD-6, OSD-7).
//!
//! Seven are built in (TGT-1, `first_objects.rs`). A type is deleted when no tag is of it, and its number is free (TGT-5).

use crate::{
    graph::{NumberPool, Object, hexadecimal},
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        types::{firewall_rule, tag},
    },
};
use serde_json::Value;
use std::sync::Arc;

/// The rules of the type.
/// Types that members need come with their tags (TAG-C4).
pub const RULES: Rules = Rules { before_create, before_update, after_update, is_for_all: true, ..Rules::NONE };

const ID: &str = field_name::TAG_TYPE_ID;

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
    number.ok_or_else(|| Rejection::bad_request("No tag type id is free").by(rule::TGT_2))
}

/// Whether a client may choose this number: the union of what contrail-api and OpenSDN allow (OSD-4, OSD-6).
pub fn may_be_chosen(number: u64) -> bool {
    (0x10..=0xffff).contains(&number)
}

fn chosen(text: &str) -> Decision<u64> {
    hexadecimal(text).filter(|number| may_be_chosen(*number)).ok_or_else(|| {
        Rejection::bad_request("Tag type can be set only with user defined id in range 16-65535")
            .by(rule::TGT_2)
            .about(ID)
    })
}

/// TGT-2, TGT-3, OSD-5: without a number it gets the next.
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let number = match draft.given(ID).and_then(Value::as_str) {
        None => next_number(work)?,
        Some(text) => {
            let number = chosen(text)?;
            if !work.graph.numbers().is_free(NumberPool::TagType, number) {
                return Err(Rejection::bad_request("Tag Type with same Id already exists").by(rule::TGT_2).about(ID));
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
    draft.set(field_name::DISPLAY_NAME, name.into());
}

/// TAG-C4: the type that a tag brings along, hidden.
///
/// # Errors
/// 400 when no number is left.
pub fn create_hidden(work: &mut Work, name: &str, number: u64) -> Decision<Arc<Object>> {
    let mut draft = Draft::first_object(work, None, type_name::TAG_TYPE, name)?;
    complete(&mut draft, number);
    let mut id_perms = draft.value(field_name::ID_PERMS).unwrap_or_default();
    if let Some(fields) = id_perms.as_object_mut() {
        fields.insert(field_name::USER_VISIBLE.to_owned(), false.into());
        fields.insert("enable".to_owned(), Value::Null);
    }
    draft.set(field_name::ID_PERMS, id_perms);
    Ok(work.save(&draft))
}

/// TGT-4, OSD-7: the name stays; the number of a type that is not built in may change to a free one.
fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given(field_name::DISPLAY_NAME).is_some() {
        return Err(Rejection::bad_request("Tag Type value or ID cannot be updated")
            .by(rule::TGT_4)
            .about(field_name::DISPLAY_NAME));
    }
    let Some(given) = draft.given(ID).and_then(Value::as_str).map(str::to_owned) else {
        // Null is no number: the stored one stays.
        draft.unset(ID);
        return Ok(());
    };
    let stored = draft.stored_value(ID).as_ref().and_then(Value::as_str).and_then(hexadecimal).unwrap_or_default();
    let unchanged = hexadecimal(&given) == Some(stored);
    if !unchanged && stored < tag::FIRST_OWN_TYPE {
        return Err(Rejection::bad_request("Tag Type value or ID cannot be updated").by(rule::TGT_4).about(ID));
    }
    let number = if unchanged { stored } else { chosen(&given)? };
    if !unchanged && !work.graph.numbers().is_free(NumberPool::TagType, number) {
        return Err(Rejection::bad_request(format!("Tag Type ID {number} already in use")).by(rule::TGT_4).about(ID));
    }
    draft.set(ID, format!("0x{number:04x}").into());
    Ok(())
}

/// OSD-7, OSD-15: tags of the type, and rules that name it, follow its number.
fn after_update(work: &mut Work, before: &Arc<Object>, after: &Arc<Object>) -> Decision<()> {
    let new = number(work, after).and_then(|number| u16::try_from(number).ok());
    let Some(new) = new.filter(|_| number(work, before) != number(work, after)) else { return Ok(()) };
    let tags: Vec<Arc<Object>> = work.graph.referrers(after.uuid, work.type_id(type_name::TAG)?).cloned().collect();
    for stored in tags {
        tag::set_type_number(work, &stored, new)?;
    }
    firewall_rule::renumber_match_tags(work, after.fq_name.name())
}
