//! Which fields of an object an update has made others.

use crate::{
    graph::{Object, PropertyText},
    model::{ObjectType, Property, PropertyId, Reference, ReferenceId},
};
use serde_json::{Map, Value};

/// The fields in which two states of an object differ: properties, and references by the field that shows them.
pub fn changed_fields(kind: &ObjectType, before: &Object, after: &Object) -> Vec<String> {
    let is_other = |(id, text): &&(PropertyId, PropertyText)| before.property_text(*id) != Some(text);
    let is_gone = |(id, _): &&(PropertyId, PropertyText)| after.property_text(*id).is_none();
    let is_told = |property: &&Property| {
        let texts = (before.property_text(property.id), after.property_text(property.id));
        !(property.name == "id_perms" && is_touched_only(texts.0, texts.1))
    };
    let others = after.properties.iter().filter(is_other).chain(before.properties.iter().filter(is_gone));
    let mut others: Vec<PropertyId> = others.map(|(id, _)| *id).collect();
    others.sort_unstable();
    let properties = others.iter().filter_map(|id| kind.properties.get(usize::from(id.0))).filter(is_told);
    let references: &[Reference] = if before.links == after.links { &[] } else { &kind.references };
    let references = (0_u16..).map(ReferenceId).zip(references);
    let references = references.filter(|(id, _)| before.links_of(*id) != after.links_of(*id));
    let names = properties.map(|property| &property.name);
    names.chain(references.map(|(_, reference)| &reference.field)).cloned().collect()
}

/// Whether `id_perms` differs in `last_modified` only, as it does with every update.
fn is_touched_only(before: Option<&PropertyText>, after: Option<&PropertyText>) -> bool {
    // Nearly always they are written alike, and need not be parsed.
    if let (Some(PropertyText::IdPerms(before)), Some(PropertyText::IdPerms(after))) = (before, after)
        && before.is_same_but_modified(after)
    {
        return true;
    }
    let parse = |text: Option<&PropertyText>| -> Option<Map<String, Value>> {
        let mut fields: Map<String, Value> = serde_json::from_str(&text?.text()).ok()?;
        fields.remove("last_modified");
        Some(fields)
    };
    parse(before).is_some_and(|before| parse(after) == Some(before))
}
