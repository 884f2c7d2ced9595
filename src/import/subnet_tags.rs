//! The tags that Neutron gave to subnets: contrail-api keeps them in one text beside all networks, and here each network has those of
//! its own (NEU-TAG-G2).

use crate::{
    graph::Object,
    json_text,
    model::{Model, field_name, type_name},
    neutron::{TAG_PREFIX, TAGS_OF_SUBNETS},
    rules::normal_collection,
};
use serde_json::{Map, Value, json};

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
        let Some((id, property)) = kind.property(field_name::ANNOTATIONS).filter(|_| self.is_about(kind.name.as_str()))
        else {
            return;
        };
        let own: Map<String, Value> = subnets(object).filter_map(|uuid| self.of(uuid)).collect();
        let mut annotations = object.property(id).unwrap_or_default();
        let pairs = annotations.get_mut(field_name::KEY_VALUE_PAIR).and_then(Value::as_array_mut);
        let mut pairs = pairs.map(std::mem::take).unwrap_or_default();
        if own.is_empty() || pairs.iter().any(|pair| pair.get("key").is_some_and(|key| key == TAGS_OF_SUBNETS)) {
            return;
        }
        pairs.push(json!({"key": TAGS_OF_SUBNETS, "value": Value::from(own).to_string()}));
        let value = normal_collection(&property.collection, json!({ (field_name::KEY_VALUE_PAIR): pairs }));
        object.set_property(id, Some(json_text::shared(&json_text::text(&value))));
        object.positions.remove(&id);
    }

    fn is_about(&self, kind: &str) -> bool {
        kind == type_name::VIRTUAL_NETWORK && !self.0.is_empty()
    }

    /// The names of a subnet's tags; the source names the objects, as texts or as lists of their elements.
    fn of(&self, subnet: String) -> Option<(String, Value)> {
        let tags = self.0.get(&subnet)?.as_array()?.iter();
        let full_name = |tag: &Value| Some(tag.as_str().or_else(|| tag.as_array()?.last()?.as_str())?.to_owned());
        let names: Vec<String> =
            tags.filter_map(|tag| full_name(tag)?.strip_prefix(TAG_PREFIX).map(str::to_owned)).collect();
        (!names.is_empty()).then(|| (subnet, names.into()))
    }
}

/// The uuids of the subnets of a network.
fn subnets(network: &Object) -> impl Iterator<Item = String> {
    let attributes = network.links.iter().filter_map(|link| link.attribute.as_deref());
    let lists = attributes.filter_map(|text| {
        let attribute: Value = serde_json::from_str(text).ok()?;
        Some(attribute.get(field_name::IPAM_SUBNETS)?.as_array()?.clone())
    });
    lists.flatten().filter_map(|entry| Some(entry.get(field_name::SUBNET_UUID)?.as_str()?.to_owned()))
}
