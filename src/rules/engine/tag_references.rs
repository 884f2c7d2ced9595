//! What holds for references to tags, whichever way they come (contrail-api R21: TGR-*).

use crate::{
    graph::Object,
    model::field_name,
    rules::engine::{Decision, Draft, Rejection, Work, rule, rulebook::Tags},
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

/// TGR-1, TGR-2: what the type of the object allows.
///
/// # Errors
/// 400 that names the tag type.
pub fn check_references(work: &Work, draft: &Draft) -> Decision<()> {
    let Some(links) = draft.given_links(REFERENCES) else { return Ok(()) };
    let kind = draft.object_type();
    if work.rules_of(draft.type_id).tags == Tags::Any {
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
        check_label(work, draft, tag_type)?;
    }
    Ok(())
}

/// TGR-2
///
/// # Errors
/// 400 that names the tag type.
pub fn check_label(work: &Work, draft: &Draft, tag_type: &str) -> Decision<()> {
    if work.rules_of(draft.type_id).tags == Tags::Labels && tag_type != "label" {
        let text = format!("Invalid tag type {tag_type} for object type {}", draft.object_type().field);
        return Err(Rejection::bad_request(text).by(rule::TGR_2).about(REFERENCES));
    }
    Ok(())
}
