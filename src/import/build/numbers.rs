//! Ids: each belongs to one object. Of two that have the same, the older one keeps it.

use crate::{
    graph::{Graph, NumberPool, Object, SERVICE_UNITS, tag_number},
    import::{
        collect::Named,
        findings::{self, Report},
    },
    json_text,
    model::{Model, PropertyId, TypeId, field_name, type_name},
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// How an object gets another id.
#[derive(Clone, Copy)]
enum Form {
    Decimal,
    Hexadecimal,
    /// With the digits of the tag's type before it.
    Tag(u16, usize),
}

/// Properties that are an id and nothing else.
const IDS: [(&str, &str, NumberPool, Form); 4] = [
    (type_name::VIRTUAL_NETWORK, field_name::VIRTUAL_NETWORK_NETWORK_ID, NumberPool::VirtualNetwork, Form::Decimal),
    (type_name::SECURITY_GROUP, field_name::SECURITY_GROUP_ID, NumberPool::SecurityGroup, Form::Decimal),
    (type_name::SUB_CLUSTER, field_name::SUB_CLUSTER_ID, NumberPool::SubCluster, Form::Decimal),
    (type_name::TAG_TYPE, field_name::TAG_TYPE_ID, NumberPool::TagType, Form::Hexadecimal),
];

/// An object that is to get another id.
struct Waiting {
    uuid: Uuid,
    property: PropertyId,
    pool: NumberPool,
    form: Form,
}

/// Looks at the ids of objects, one after the other.
pub struct Numbers {
    model: Arc<Model>,
    ids: BTreeMap<TypeId, (PropertyId, NumberPool, Form)>,
    tag_id: Option<(TypeId, PropertyId)>,
    /// Until all ids are known.
    waiting: Vec<Waiting>,
}

impl Numbers {
    /// None seen yet.
    pub fn new(model: &Arc<Model>) -> Self {
        let property = |kind: &str, name: &str| {
            let kind = model.find(kind)?;
            Some((kind, model.object_type(kind).property(name)?.0))
        };
        let ids = IDS.iter().filter_map(|(kind, name, pool, form)| {
            let (kind, id) = property(kind, name)?;
            Some((kind, (id, *pool, *form)))
        });
        Self {
            ids: ids.collect(),
            tag_id: property(type_name::TAG, field_name::TAG_ID),
            model: Arc::clone(model),
            waiting: Vec::new(),
        }
    }

    /// The object without what others in the graph have.
    pub fn without_taken(&mut self, graph: &Graph, mut object: Object, report: &mut Report) -> Object {
        let numbers = graph.numbers().of(&object);
        let is_taken = |pool, number| u64::try_from(number).is_ok_and(|number| !graph.numbers().is_free(pool, number));
        let taken: Vec<(NumberPool, u128)> =
            numbers.iter().copied().filter(|(pool, number)| is_taken(*pool, *number)).collect();
        for (pool, number) in &taken {
            let what = format_args!("the number {number} of {pool:?} is another one's");
            report.add(findings::NUMBER_TWICE, Named { model: &self.model, object: &object }, what);
        }
        let own = self.ids.get(&object.type_id).copied();
        if let Some((property, pool, form)) = own {
            let number = object.property_text(property).and_then(|text| number(text, form));
            let is_one_of =
                |numbers: &[(NumberPool, u128)]| number.is_some_and(|number| numbers.contains(&(pool, number)));
            // A second net of the database keeps even what is no id of networks apart.
            let is_none =
                pool == NumberPool::VirtualNetwork && object.property_text(property).is_some() && !is_one_of(&numbers);
            if is_none {
                let what = format_args!("{:?}", object.property_text(property));
                report.add(findings::BAD_NUMBER, Named { model: &self.model, object: &object }, what);
            }
            if is_none || is_one_of(&taken) {
                self.wait(&mut object, property, pool, form);
            }
        }
        if taken.is_empty() {
            return object;
        }
        if let Some((_, property)) = self.tag_id.filter(|(kind, _)| *kind == object.type_id) {
            let text = object.property_text(property).map(|text| text.trim_matches('"').to_owned()).unwrap_or_default();
            if let Some((kind, _)) = tag_number(&text) {
                let digits = text.trim_start_matches("0x").len();
                self.wait(&mut object, property, NumberPool::TagValue(kind), Form::Tag(kind, digits));
            }
        }
        self.take_out(&mut object, &taken);
        object
    }

    fn wait(&mut self, object: &mut Object, property: PropertyId, pool: NumberPool, form: Form) {
        object.set_property(property, None);
        object.written.retain(|(column, _)| *column != crate::graph::Column::Property(property));
        self.waiting.push(Waiting { uuid: object.uuid, property, pool, form });
    }

    /// What networks and service instances have beside their ids may be left out.
    fn take_out(&self, object: &mut Object, taken: &[(NumberPool, u128)]) {
        let has = |number: Option<u64>| {
            number.is_some_and(|number| taken.contains(&(NumberPool::VirtualNetwork, u128::from(number))))
        };
        let kind = self.model.object_type(object.type_id);
        if let Some((id, _)) = kind.property(field_name::VIRTUAL_NETWORK_PROPERTIES)
            && let Some(Value::Object(mut fields)) = object.property(id)
            && has(fields.get(field_name::VXLAN_NETWORK_IDENTIFIER).and_then(Value::as_u64))
        {
            fields.shift_remove(field_name::VXLAN_NETWORK_IDENTIFIER);
            object.set_property(id, Some(json_text::shared(&json_text::text(&Value::Object(fields)))));
        }
        if let Some((id, _)) = kind.property(field_name::SERVICE_INSTANCE_BINDINGS)
            && let Some(mut value) = object.property(id)
            && let Some(pairs) = value.get_mut(field_name::KEY_VALUE_PAIR).and_then(Value::as_array_mut)
        {
            pairs.retain(|pair| {
                let is_unit = pair.get("key").and_then(Value::as_str).is_some_and(|key| SERVICE_UNITS.contains(&key));
                let number = pair.get("value").and_then(Value::as_str).and_then(|text| text.parse().ok());
                !(is_unit && has(number))
            });
            let text = (!pairs.is_empty()).then(|| json_text::shared(&json_text::text(&value)));
            object.set_property(id, text);
            object.written.retain(|(column, _)| match column {
                crate::graph::Column::Element(property, key) => *property != id || !SERVICE_UNITS.contains(&&**key),
                _ => true,
            });
        }
    }

    /// Gives those another id who lost theirs.
    pub fn give_others(self, graph: &mut Graph) {
        for Waiting { uuid, property, pool, form } in self.waiting {
            let Some(object) = graph.get(uuid) else { continue };
            let Some(number) = graph.numbers().next_free(pool) else { continue };
            let text = match form {
                Form::Decimal => number.to_string(),
                Form::Hexadecimal => format!("\"0x{number:04x}\""),
                Form::Tag(kind, digits) => {
                    format!("\"0x{kind:04x}{number:0width$x}\"", width = digits.saturating_sub(4).max(4))
                }
            };
            let mut object = Object::clone(object);
            object.set_property(property, Some(json_text::shared(&text)));
            graph.put(&Arc::new(object));
        }
    }
}

/// The number in a property that is an id.
fn number(text: &str, form: Form) -> Option<u128> {
    match form {
        Form::Decimal => text.parse().ok(),
        Form::Hexadecimal | Form::Tag(..) => crate::graph::hexadecimal(text.trim_matches('"')).map(u128::from),
    }
}
