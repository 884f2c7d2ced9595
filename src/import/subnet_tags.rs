//! The tags that Neutron gave to subnets: contrail-api keeps them in one text beside all networks, and here each network has those of
//! its own (NEU-TAG-G2).

use crate::{
    graph::Object,
    json_text,
    model::{Model, field_name, type_name},
    neutron::{TAG_PREFIX, TAGS_OF_SUBNETS, with_tags_of_subnets},
    rules::normal_collection,
};
use serde_json::{Map, Value};

/// As the source has them: lists of tags by the uuids of subnets.
#[derive(Default)]
pub struct SubnetTags(Map<String, Value>);

impl SubnetTags {
    /// Takes a text by its key, if it is this one. What can't be read is passed over.
    pub fn take(&mut self, key: &str, value: &str) {
        if key == TAGS_OF_SUBNETS {
            self.0 = serde_json::from_str(value).unwrap_or_default();
        }
    }

    /// Gives an object what it has to have of them, if it is a network that does not say itself which tags its subnets have.
    pub fn give(&self, model: &Model, object: &mut Object) {
        let kind = model.object_type(object.type_id);
        if self.0.is_empty() || kind.name != type_name::VIRTUAL_NETWORK {
            return;
        }
        if let Some((id, property)) = kind.property(field_name::ANNOTATIONS)
            && let Some(annotations) = with_tags_of_subnets(model, object, |subnet| self.of(subnet))
        {
            let text = json_text::text(&normal_collection(&property.collection, annotations));
            object.set_property(id, Some(json_text::shared(&text).into()));
            object.set_positions(id, None);
        }
    }

    /// The names of a subnet's tags; the source names the objects, as texts or as lists of their elements.
    fn of(&self, subnet: &str) -> Option<Vec<String>> {
        let tags = self.0.get(subnet)?.as_array()?.iter();
        let full_name = |tag: &Value| Some(tag.as_str().or_else(|| tag.as_array()?.last()?.as_str())?.to_owned());
        let names: Vec<String> =
            tags.filter_map(|tag| full_name(tag)?.strip_prefix(TAG_PREFIX).map(str::to_owned)).collect();
        (!names.is_empty()).then_some(names)
    }
}
