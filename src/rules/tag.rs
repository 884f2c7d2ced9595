//! tag (contrail-api R21: TAG-*), with ids of eight digits: four for the type, four for the value.

use super::{Create, Decision, Draft, NewLink, Rejection, Rules, Work, tag_type};
use crate::graph::{NumberPool, Object, tag_number};
use serde_json::Value;
use std::sync::Arc;

/// The rules of the type.
pub const RULES: Rules =
    Rules { before_name: Some(name_by_value), before_create, before_update, after_delete, ..Rules::NONE };

/// Lower numbers of values are the server's to give.
const FIRST_CHOSEN: u32 = 0x8000;
/// Types below are built in and stay.
const FIRST_OWN_TYPE: u64 = 7;

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The number of a tag as agents compare it: type, then value.
pub fn number(work: &Work, tag: &Object) -> u64 {
    let id = work.property(tag, "tag_id");
    let number = id.as_ref().and_then(Value::as_str).and_then(tag_number);
    number.map_or(0, |(kind, value)| u64::from(kind) << 16 | u64::from(value))
}

/// TAG-C1: the name is made of type and value, whatever the client sent.
fn name_by_value(_work: &Work, create: &Create) -> Decision<Create> {
    let body = &create.document.body;
    let (Some(kind), Some(value)) = (text(body.get("tag_type_name")), text(body.get("tag_value"))) else {
        return Err(Rejection::bad_request("Tag must be created with a type and a value"));
    };
    let mut named = create.clone();
    if let Some(last) = named.fq_name.last_mut() {
        *last = format!("{}={value}", kind.to_lowercase());
    }
    Ok(named)
}

/// TAG-C1, C3 to C6
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given_links("tag_type_refs").is_some() {
        return Err(Rejection::bad_request("Tag Type reference is not setable"));
    }
    let type_name = text(draft.given("tag_type_name")).unwrap_or_default().to_lowercase();
    draft.set("tag_type_name", type_name.as_str().into());
    let name = draft.fq_name.name().to_owned();
    draft.set("display_name", name.into());

    let requested = match text(draft.given("tag_id")) {
        None => None,
        Some(given) => {
            let refuse = || Rejection::bad_request("Tag value must be in hexadecimal");
            Some(tag_number(given).ok_or_else(refuse)?)
        }
    };
    if requested.is_some_and(|(_, value)| value < FIRST_CHOSEN) {
        let gap = " ".repeat(19);
        let text = format!("Tag id can be set only for user defined tags in range{gap}32678-65535");
        return Err(Rejection::bad_request(text));
    }
    let tag_type = find_or_create_type(work, &type_name, requested.map(|(kind, _)| kind))?;
    let number = tag_type::number(work, &tag_type).and_then(|number| u16::try_from(number).ok()).unwrap_or_default();
    let pool = NumberPool::TagValue(number);
    let value = match requested.map(|(_, value)| u64::from(value)) {
        Some(value) if work.graph.numbers().is_free(pool, value) => value,
        Some(_) => return Err(Rejection::bad_request("Requested Tag id is already allocated")),
        None => {
            let free = work.graph.numbers().next_free(pool).filter(|value| *value < u64::from(FIRST_CHOSEN));
            free.ok_or_else(|| Rejection::bad_request(format!("No tag id of type {type_name} is free")))?
        }
    };
    // Eight digits, unless a client has chosen a value that needs more.
    let id = if value <= 0xffff { format!("0x{number:04x}{value:04x}") } else { format!("0x{number:04x}{value:08x}") };
    draft.set("tag_id", id.into());
    draft.set_links("tag_type_refs", vec![NewLink { target: tag_type.uuid, attribute: Value::Null }]);
    Ok(())
}

/// TAG-C4, C6: the type of a tag; a new one gets the number that the client chose, or the next.
fn find_or_create_type(work: &mut Work, name: &str, chosen: Option<u16>) -> Decision<Arc<Object>> {
    let kind = work.type_id("tag-type")?;
    if let Some(tag_type) = work.graph.find(kind, &[name]) {
        return Ok(Arc::clone(tag_type));
    }
    let number = match chosen.map(u64::from) {
        None => tag_type::next_number(work)?,
        Some(number)
            if number >= u64::from(FIRST_CHOSEN) && work.graph.numbers().is_free(NumberPool::TagType, number) =>
        {
            number
        }
        Some(_) => {
            let gap = " ".repeat(24);
            let text = format!("Tag type id can be set only for user defined tag types{gap}in range 32678-65535");
            return Err(Rejection::bad_request(text));
        }
    };
    tag_type::create_hidden(work, name, number)
}

/// TAG-U1
fn before_update(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given_links("tag_type_refs").is_some() {
        return Err(Rejection::bad_request("Tag-type reference cannot be updated"));
    }
    if ["display_name", "tag_type_name", "tag_value", "tag_id"].iter().any(|name| draft.given(name).is_some()) {
        return Err(Rejection::bad_request("Tag name, type, value or ID cannot be updated"));
    }
    Ok(())
}

/// TAG-D2: a type that is not built in goes with its last tag.
fn after_delete(work: &mut Work, tag: &Arc<Object>) -> Decision<()> {
    let tag_types = work.links(tag, "tag_type_refs").iter().filter_map(|link| work.graph.get(link.target)).cloned();
    for tag_type in tag_types.collect::<Vec<_>>() {
        let own = tag_type::number(work, &tag_type).is_some_and(|number| number >= FIRST_OWN_TYPE);
        if own && work.graph.all_referrers(tag_type.uuid).next().is_none() {
            work.remove(&tag_type);
        }
    }
    Ok(())
}
