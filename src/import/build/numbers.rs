//! Ids: each belongs to one object. Of two that have the same, the older one keeps it; and who has none, or none that can be one, gets
//! one, for daemons and agents go by it.

use super::nodes;
use crate::{
    graph::{Column, Graph, IDS, IdForm, NumberPool, Object, SERVICE_UNITS, hexadecimal, tag_number},
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

/// Where an object gets another id from.
#[derive(Clone, Copy)]
enum From {
    Pool(NumberPool),
    /// That of the values of its type: the digits of that stand before it.
    TagType,
}

/// Where the ids of types come from.
const SOURCES: [(&str, From); 5] = [
    (type_name::VIRTUAL_NETWORK, From::Pool(NumberPool::VirtualNetwork)),
    (type_name::SECURITY_GROUP, From::Pool(NumberPool::SecurityGroup)),
    (type_name::SUB_CLUSTER, From::Pool(NumberPool::SubCluster)),
    (type_name::TAG_TYPE, From::Pool(NumberPool::TagType)),
    (type_name::TAG, From::TagType),
];
/// Nobody relies on each of them to have an id, so these are no part of [`IDS`].
const SUB_CLUSTER: (&str, &str, IdForm) =
    (type_name::SUB_CLUSTER, field_name::SUB_CLUSTER_ID, IdForm::Decimal(1, (1 << 32) - 1));

/// The id of a type.
#[derive(Clone, Copy)]
struct Id {
    property: PropertyId,
    form: IdForm,
    from: From,
}

/// An object that is to get another id.
struct Waiting {
    uuid: Uuid,
    id: Id,
    /// What it has in its place that is none; nothing where that is another one's.
    bad: Option<String>,
    /// How many digits it had, where it is a tag's.
    digits: usize,
}

/// Looks at the ids of objects, one after the other.
pub struct Numbers {
    model: Arc<Model>,
    ids: BTreeMap<TypeId, Id>,
    /// Until all ids are known.
    waiting: Vec<Waiting>,
}

impl Numbers {
    /// None seen yet.
    pub fn new(model: &Arc<Model>) -> Self {
        let id = |(kind, name, form): &(&str, &str, IdForm)| {
            let from = SOURCES.iter().find(|(of, _)| of == kind)?.1;
            let kind = model.find(kind)?;
            Some((kind, Id { property: model.object_type(kind).property(name)?.0, form: *form, from }))
        };
        Self {
            ids: IDS.iter().chain([&SUB_CLUSTER]).filter_map(id).collect(),
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
            let what = format_args!("{pool} {number} is another one's");
            report.add(findings::NUMBER_TWICE, Named { model: &self.model, object: &object }, what);
        }
        if let Some(id) = self.ids.get(&object.type_id).copied() {
            let text = object.plain_text(id.property).cloned();
            let is_one = text.as_ref().is_some_and(|text| id.form.is_one(text));
            let own = text.as_deref().and_then(|text| number_in(text, id));
            if !is_one || own.is_some_and(|own| taken.contains(&own)) {
                let bad = (!is_one).then(|| text.as_deref().unwrap_or("it has none").to_owned());
                let digits = text.map_or(0, |text| text.trim_matches('"').trim_start_matches("0x").len());
                object.set_property(id.property, None);
                object.retain_written(|(column, _)| *column != Column::Property(id.property));
                self.waiting.push(Waiting { uuid: object.uuid, id, bad, digits });
            }
        }
        if !taken.is_empty() {
            self.take_out(&mut object, &taken);
        }
        object
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
            object.set_property(id, Some(json_text::shared(&json_text::text(&Value::Object(fields))).into()));
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
            let text = (!pairs.is_empty()).then(|| json_text::shared(&json_text::text(&value)).into());
            object.set_property(id, text);
            object.retain_written(|(column, _)| match column {
                Column::Element(property, key) => *property != id || !SERVICE_UNITS.contains(&&**key),
                _ => true,
            });
        }
    }

    /// Gives those another id who lost theirs, or had none: the one that `ZooKeeper` has for them, or the next that is free.
    pub fn give_others(self, graph: &mut Graph, nodes: &[(String, Option<String>)], report: &mut Report) {
        if self.waiting.is_empty() {
            return;
        }
        let known = nodes::ids(nodes);
        let mut others = Vec::new();
        // None that is known of one may be given to another one.
        for waiting in self.waiting {
            let number = graph.get(waiting.uuid).zip(waiting.id.pool()).and_then(|(object, pool)| {
                let kind = &self.model.object_type(object.type_id).name;
                let number = *known.get(&(kind.as_str(), &**object.fq_name.joined()))?;
                graph.numbers().is_free(pool, number).then_some(number)
            });
            match number.filter(|number| waiting.id.form.is_one(&number.to_string())) {
                Some(number) => set(graph, &waiting, &number.to_string(), report),
                None => others.push(waiting),
            }
        }
        // Tags after their types.
        others.sort_by_key(|waiting| waiting.id.pool().is_none());
        for waiting in others {
            let Some(object) = graph.get(waiting.uuid) else { continue };
            let text = match waiting.id.from {
                From::Pool(pool) => graph.numbers().next_free(pool).map(|number| match waiting.id.form {
                    IdForm::Decimal(..) => number.to_string(),
                    IdForm::Hexadecimal | IdForm::Tag => format!("\"0x{number:04x}\""),
                }),
                From::TagType => number_of_type(graph, object).and_then(|kind| {
                    let number = graph.numbers().next_free(NumberPool::TagValue(kind))?;
                    let width = if waiting.digits > 8 || number > 0xffff { 8 } else { 4 };
                    Some(format!("\"0x{kind:04x}{number:0width$x}\""))
                }),
            };
            if let Some(text) = text {
                set(graph, &waiting, &text, report);
            } else {
                let whom = Named { model: &self.model, object };
                report.add(findings::WITHOUT_NUMBER, whom, waiting.bad.as_deref().unwrap_or("it lost its own"));
            }
        }
    }
}

impl Id {
    fn pool(&self) -> Option<NumberPool> {
        match self.from {
            From::Pool(pool) => Some(pool),
            From::TagType => None,
        }
    }
}

/// Gives it one, and tells that it had none.
fn set(graph: &mut Graph, waiting: &Waiting, text: &str, report: &mut Report) {
    let Some(object) = graph.get(waiting.uuid) else { return };
    if let Some(bad) = &waiting.bad {
        report.add(findings::BAD_NUMBER, Named { model: graph.model(), object }, bad);
    }
    let mut object = Object::clone(object);
    object.set_property(waiting.id.property, Some(json_text::shared(text).into()));
    graph.put(&Arc::new(object));
}

/// The number in a property that is an id, and its pool.
fn number_in(text: &str, id: Id) -> Option<(NumberPool, u128)> {
    let bare = text.trim_matches('"');
    match (id.form, id.from) {
        (IdForm::Decimal(..), From::Pool(pool)) => Some((pool, bare.parse().ok()?)),
        (IdForm::Hexadecimal, From::Pool(pool)) => Some((pool, hexadecimal(bare)?.into())),
        _ => tag_number(bare).map(|(kind, number)| (NumberPool::TagValue(kind), number.into())),
    }
}

/// The number of the type of a tag, to which it refers, or whose name it has.
fn number_of_type(graph: &Graph, tag: &Object) -> Option<u16> {
    let model = graph.model();
    let kind = model.object_type(tag.type_id);
    let type_id = model.find(type_name::TAG_TYPE)?;
    let referred = kind.reference(field_name::TAG_TYPE_REFS).and_then(|(id, _)| tag.links_of(id).first());
    let named = || {
        let name = tag.plain_text(kind.property(field_name::TAG_TYPE_NAME)?.0)?;
        graph.find_joined(type_id, name.trim_matches('"'))
    };
    let tag_type = referred.and_then(|link| graph.get(link.target)).or_else(named)?;
    let text = tag_type.plain_text(model.object_type(type_id).property(field_name::TAG_TYPE_ID)?.0)?;
    hexadecimal(text.trim_matches('"')).and_then(|number| u16::try_from(number).ok())
}
