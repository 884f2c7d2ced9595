//! tag (contrail-api R21: TAG-*; OpenSDN 2026: OSD-1, OSD-2, OSD-3, OSD-9, OSD-10, OSD-11).
//!
//! A refused create leaves nothing, so it never takes a type away (TAG-C7, OSD-11); what a delete frees is free at once
//! (TAG-X1). Members that the server uses for itself in the peer mean nothing here (OSD-8).

use crate::{
    graph::{NumberPool, Object, hexadecimal, tag_number},
    model::{field_name, type_name},
    rules::{
        engine::{Create, Decision, Draft, NewLink, Rejection, Rules, TagIdDigits, Work, rule},
        types::{firewall_rule, tag_type},
    },
};
use serde_json::Value;
use std::{ops::RangeInclusive, sync::Arc};

/// The rules of the type.
pub const RULES: Rules =
    Rules { before_name: Some(name_by_value), before_create, before_update, after_update, after_delete, ..Rules::NONE };

/// The numbers of values that clients may choose, in ids of eight digits and of twelve; all others are the server's.
const CHOSEN: [RangeInclusive<u32>; 2] = [0x8000..=0xfffe, 0x8000_0000..=0xffff_fffe];
/// The last number of a value that the server gives, in ids of eight digits and of twelve.
const LAST_GIVEN: [u64; 2] = [0x7fff, 0x7fff_ffff];
const ID: &str = field_name::TAG_ID;
/// Types below are built in and stay.
pub const FIRST_OWN_TYPE: u64 = 7;

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The number of a tag as agents compare it: that of its id, in the width in which it is written there (OSD-14).
pub fn number(work: &Work, tag: &Object) -> u64 {
    work.property(tag, ID).as_ref().and_then(Value::as_str).and_then(hexadecimal).unwrap_or_default()
}

/// Type and value of a stored tag.
fn parts(work: &Work, tag: &Object) -> (u16, u32) {
    let id = work.property(tag, ID);
    id.as_ref().and_then(Value::as_str).and_then(tag_number).unwrap_or_default()
}

/// An id in the width that is set (OSD-1), with all its zeros: agents look at its length (OSD-13). A value that does not fit into eight digits, from times when twelve were set,
/// is written with twelve.
fn id(work: &Work, kind: u16, value: u32) -> String {
    match work.options().tag_id_digits {
        TagIdDigits::Eight if value <= 0xffff => format!("0x{kind:04x}{value:04x}"),
        _ => format!("0x{kind:04x}{value:08x}"),
    }
}

/// Rewrites the ids that are not in the width that is set.
///
/// # Errors
/// Internal, if the model lacks a type.
pub fn follow_width(work: &mut Work) -> Decision<()> {
    let tags: Vec<Arc<Object>> = work.graph.objects_of(work.type_id(type_name::TAG)?).cloned().collect();
    for tag in tags {
        let (kind, value) = parts(work, &tag);
        if work.property(&tag, ID) != Some(Value::from(id(work, kind, value))) {
            set_number(work, &tag, kind, value)?;
        }
    }
    Ok(())
}

/// Gives a tag the number of its type, whose own has changed.
///
/// # Errors
/// Internal, if the model lacks a type.
pub fn set_type_number(work: &mut Work, tag: &Arc<Object>, kind: u16) -> Decision<()> {
    let (_, value) = parts(work, tag);
    set_number(work, tag, kind, value)
}

/// Gives a tag another number, there and in the firewall rules that name it (OSD-15).
///
/// # Errors
/// Internal, if the model lacks a type.
fn set_number(work: &mut Work, tag: &Arc<Object>, kind: u16, value: u32) -> Decision<()> {
    let mut draft = Draft::update(work, tag);
    draft.set(ID, id(work, kind, value).into());
    work.save(&draft);
    firewall_rule::renumber(work, tag.uuid)
}

/// The lowest number of a value that nobody has and that the server may give (OSD-2).
fn next_value(work: &Work, kind: u16) -> Option<u32> {
    let (pool, numbers) = (NumberPool::TagValue(kind), work.graph.numbers());
    let mut next = numbers.next_free(pool);
    // What clients choose in ids of eight digits is left out, also where there are more.
    if next.is_some_and(|next| (0x8000..=0xffff).contains(&next)) {
        next = numbers.next_free_after(pool, 0xffff);
    }
    let last = LAST_GIVEN[usize::from(work.options().tag_id_digits == TagIdDigits::Twelve)];
    next.filter(|next| *next <= last).and_then(|next| u32::try_from(next).ok())
}

/// A tag id as a client chooses it, by its number of digits (TAG-C6, OSD-3).
fn chosen(work: &Work, text: &str) -> Decision<(u16, u32)> {
    let refuse = || Rejection::bad_request("Tag value must be in hexadecimal").by(rule::TAG_C6).about(ID);
    let (kind, value) = tag_number(text).ok_or_else(refuse)?;
    let is_wide = text.trim_start_matches("0x").len() > 8;
    if CHOSEN[usize::from(is_wide)].contains(&value) && !(is_wide && work.options().tag_id_digits == TagIdDigits::Eight)
    {
        return Ok((kind, value));
    }
    if is_wide && work.options().tag_id_digits == TagIdDigits::Twelve {
        let text = format!("Tag value id can be set only in range 0-0xFFFFFFFF. Current tag_value_id {value}");
        return Err(Rejection::bad_request(text).by(rule::TAG_C6).about(ID));
    }
    let gap = " ".repeat(19);
    Err(Rejection::bad_request(format!("Tag id can be set only for user defined tags in range{gap}32678-65535"))
        .by(rule::TAG_C6)
        .about(ID))
}

/// TAG-C1: the name is made of type and value, whatever the client sent.
fn name_by_value(_work: &Work, create: &Create) -> Decision<Create> {
    let body = &create.document.body;
    let (kind, value) = (text(body.get(field_name::TAG_TYPE_NAME)), text(body.get(field_name::TAG_VALUE)));
    let (Some(kind), Some(value)) = (kind, value) else {
        return Err(Rejection::bad_request("Tag must be created with a type and a value")
            .by(rule::TAG_C1)
            .about(if kind.is_none() { field_name::TAG_TYPE_NAME } else { field_name::TAG_VALUE }));
    };
    let mut named = create.clone();
    if let Some(last) = named.fq_name.last_mut() {
        *last = format!("{}={value}", kind.to_lowercase());
    }
    Ok(named)
}

/// TAG-C1, TAG-C3; a name in use was refused before (TAG-C2).
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given_links(field_name::TAG_TYPE_REFS).is_some() {
        return Err(Rejection::bad_request("Tag Type reference is not setable")
            .by(rule::TAG_C3)
            .about(field_name::TAG_TYPE_REFS));
    }
    let type_name = text(draft.given(field_name::TAG_TYPE_NAME)).unwrap_or_default().to_lowercase();
    draft.set(field_name::TAG_TYPE_NAME, type_name.as_str().into());
    let name = draft.fq_name.name().to_owned();
    draft.set(field_name::DISPLAY_NAME, name.into());

    let requested = text(draft.given(ID)).map(|given| chosen(work, given)).transpose()?;
    let tag_type = find_or_create_type(work, &type_name, requested.map(|(kind, _)| kind))?;
    let kind = tag_type::number(work, &tag_type).and_then(|number| u16::try_from(number).ok()).unwrap_or_default();
    // TAG-C5
    let value = match requested {
        Some((_, value)) if work.graph.numbers().is_free(NumberPool::TagValue(kind), value.into()) => value,
        Some(_) => {
            return Err(Rejection::bad_request("Requested Tag id is already allocated").by(rule::TAG_C5).about(ID));
        }
        None => next_value(work, kind)
            .ok_or_else(|| Rejection::bad_request(format!("No tag id of type {type_name} is free")).by(rule::TAG_C5))?,
    };
    draft.set(ID, id(work, kind, value).into());
    draft.set_links(field_name::TAG_TYPE_REFS, vec![NewLink { target: tag_type.uuid, attribute: Value::Null }]);
    Ok(())
}

/// TAG-C4, TAG-C6: the type of a tag; a new one gets the number that the client chose, or the next.
fn find_or_create_type(work: &mut Work, name: &str, chosen: Option<u16>) -> Decision<Arc<Object>> {
    let kind = work.type_id(type_name::TAG_TYPE)?;
    if let Some(tag_type) = work.graph.find(kind, &[name]) {
        return Ok(Arc::clone(tag_type));
    }
    let number = match chosen.map(u64::from) {
        None => tag_type::next_number(work)?,
        Some(number)
            if tag_type::may_be_chosen(number) && work.graph.numbers().is_free(NumberPool::TagType, number) =>
        {
            number
        }
        Some(_) => {
            let gap = " ".repeat(24);
            let text = format!("Tag type id can be set only for user defined tag types{gap}in range 16-65535");
            return Err(Rejection::bad_request(text).by(rule::TAG_C6).about(ID));
        }
    };
    tag_type::create_hidden(work, name, number)
}

/// TAG-U1, OSD-9, OSD-10: of its name and number, only the value's number may change.
fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given_links(field_name::TAG_TYPE_REFS).is_some() {
        return Err(Rejection::bad_request("Tag-type reference cannot be updated")
            .by(rule::TAG_U1)
            .about(field_name::TAG_TYPE_REFS));
    }
    let other_type = draft
        .given(field_name::TAG_TYPE_NAME)
        .is_some_and(|name| Some(name) != draft.stored_value(field_name::TAG_TYPE_NAME).as_ref());
    if other_type || [field_name::DISPLAY_NAME, field_name::TAG_VALUE].iter().any(|name| draft.given(name).is_some()) {
        return Err(Rejection::bad_request("Tag name, type, value or ID cannot be updated").by(rule::TAG_U1));
    }
    let Some(given) = text(draft.given(ID)).map(str::to_owned) else {
        // Null is no id: the stored one stays.
        draft.unset(ID);
        return Ok(());
    };
    let stored = draft.stored_value(ID).as_ref().and_then(Value::as_str).and_then(tag_number).unwrap_or_default();
    let refuse = || Rejection::bad_request("Tag value must be in hexadecimal").by(rule::TAG_U1).about(ID);
    let (kind, value) = tag_number(&given).ok_or_else(refuse)?;
    if kind != stored.0 {
        let old = id(work, stored.0, stored.1);
        return Err(Rejection::bad_request(format!(
            "Cannot update tag_id. Old tag_id {old}. New tag_id {given}. High 16bit cannot be updated. Old High 16 bit {}. New High 16 bit {kind}. ",
            stored.0
        )).by(rule::TAG_U1).about(ID));
    }
    if value != stored.1 && !work.graph.numbers().is_free(NumberPool::TagValue(kind), value.into()) {
        return Err(Rejection::bad_request("Requested Tag id is already allocated").by(rule::TAG_U1).about(ID));
    }
    if value > 0xffff && work.options().tag_id_digits == TagIdDigits::Eight {
        chosen(work, &given)?;
    }
    draft.set(ID, id(work, kind, value).into());
    Ok(())
}

/// OSD-15: rules that name the tag carry its number.
fn after_update(work: &mut Work, before: &Arc<Object>, after: &Arc<Object>) -> Decision<()> {
    if parts(work, before) == parts(work, after) { Ok(()) } else { firewall_rule::renumber(work, after.uuid) }
}

/// TAG-D2; what refers to a tag stops its delete (TAG-D1): a type that is not built in goes with its last tag.
fn after_delete(work: &mut Work, tag: &Arc<Object>) -> Decision<()> {
    let tag_types =
        work.links(tag, field_name::TAG_TYPE_REFS).iter().filter_map(|link| work.graph.get(link.target)).cloned();
    for tag_type in tag_types.collect::<Vec<_>>() {
        let own = tag_type::number(work, &tag_type).is_some_and(|number| number >= FIRST_OWN_TYPE);
        // One that an operator has made is not taken away with the tag of somebody else.
        let may_go = tag_type.hidden || work.identity.owns(&tag_type.permissions);
        if own && may_go && work.graph.all_referrers(tag_type.uuid).next().is_none() {
            work.remove(&tag_type);
        }
    }
    Ok(())
}
