//! What holds for references to tags, whichever way they come (contrail-api R21: TGR-*).

use crate::{
    graph::Object,
    model::{ObjectType, field_name, type_name},
    rules::engine::{Decision, Draft, Rejection, Work, rule},
};
use std::collections::HashMap;
use uuid::Uuid;

/// Types of which an object may have several tags.
pub const MANY: [&str; 3] = ["label", "neutron_fwaas", "neutron_tag"];
/// Where the references are.
pub const REFERENCES: &str = field_name::TAG_REFS;

/// The type of a tag: what is before the first `=` of its name (TGR-3).
pub fn type_of_tag(tag: &Object) -> &str {
    tag.fq_name.name().split('=').next().unwrap_or_default()
}

/// TGR-1, TGR-2: one tag a type, but for those of which there may be many; an address group has labels only.
///
/// # Errors
/// 400 that names the tag type.
pub fn check_references(work: &Work, draft: &Draft) -> Decision<()> {
    let Some(links) = draft.given_links(REFERENCES) else { return Ok(()) };
    let kind = draft.object_type();
    if kind.name == type_name::FIREWALL_RULE {
        return Ok(());
    }
    let mut seen: HashMap<&str, Uuid> = HashMap::new();
    for tag in links.iter().filter_map(|link| work.graph.get(link.target)) {
        let tag_type = type_of_tag(tag);
        let twice = seen.insert(tag_type, tag.uuid).is_some_and(|other| other != tag.uuid);
        if twice && !MANY.contains(&tag_type) {
            let title = &kind.title;
            let text = format!("Tag type '{tag_type}' cannot be set multiple times on the same {title} resource type");
            return Err(Rejection::bad_request(text).by(rule::TGR_1).about(REFERENCES).because_of([tag.uuid]));
        }
        check_address_group(kind, tag_type)?;
    }
    Ok(())
}

/// TGR-2
///
/// # Errors
/// 400 that names the tag type.
pub fn check_address_group(kind: &ObjectType, tag_type: &str) -> Decision<()> {
    if kind.name == type_name::ADDRESS_GROUP && tag_type != "label" {
        let text = format!("Invalid tag type {tag_type} for object type address_group");
        return Err(Rejection::bad_request(text).by(rule::TGR_2).about(REFERENCES));
    }
    Ok(())
}
