//! What came of a request: all that an answer may need, and nothing that is looked up later. It can be kept as JSON, and read
//! again by a server that runs with another numbering of types.

use crate::{
    graph::{FqName, Object},
    model::{Model, TypeId},
    rules::engine::{Work, canonical_uuid, string_list},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What an answer may say of an object, as it was when the request was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Unique over all types.
    pub uuid: Uuid,
    /// Its type.
    pub type_id: TypeId,
    /// Its name.
    pub fq_name: FqName,
    /// Type and uuid of its parent; none at the top level.
    pub parent: Option<(TypeId, Uuid)>,
}

/// What came of a request that was not refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The object created or changed.
    Object(Told),
    /// Kept aside as a draft: the draft of a new object, or the object that stays as it is; none of a delete.
    Pending(Option<Told>),
    /// Addresses taken.
    Addresses(Vec<String>),
    /// Nothing to tell.
    Done,
    /// Of each operation of a transaction.
    Many(Vec<Outcome>),
    /// The answer itself, of a request that was composed.
    Answer(Value),
}

impl Told {
    /// Of an object on the fork.
    pub fn new(work: &Work, object: &Object) -> Self {
        let parent = object.parent.and_then(|uuid| work.graph.get(uuid));
        Self {
            uuid: object.uuid,
            type_id: object.type_id,
            fq_name: object.fq_name.clone(),
            parent: parent.map(|parent| (parent.type_id, parent.uuid)),
        }
    }

    fn to_json(&self, model: &Model) -> Value {
        let name = |type_id| &model.object_type(type_id).name;
        json!({
            "uuid": self.uuid,
            "type": name(self.type_id),
            "fq_name": self.fq_name.elements(),
            "parent": self.parent.map(|(type_id, uuid)| json!({"type": name(type_id), "uuid": uuid})),
        })
    }

    fn from_json(model: &Model, told: &Value) -> Option<Self> {
        let (type_id, uuid) = identity(model, told)?;
        let parent = match told.get("parent")? {
            Value::Null => None,
            parent => Some(identity(model, parent)?),
        };
        Some(Self { uuid, type_id, fq_name: FqName::new(&string_list(told.get("fq_name")?)?), parent })
    }
}

/// The members `type` and `uuid`.
fn identity(model: &Model, told: &Value) -> Option<(TypeId, Uuid)> {
    let text = |name: &str| told.get(name).and_then(Value::as_str);
    Some((model.find(text("type")?)?, canonical_uuid(text("uuid")?)?))
}

impl Outcome {
    /// An object with one member, which is named after what it is.
    pub fn to_json(&self, model: &Model) -> Value {
        match self {
            Self::Object(told) => json!({"object": told.to_json(model)}),
            Self::Pending(told) => json!({"pending": told.as_ref().map(|told| told.to_json(model))}),
            Self::Addresses(addresses) => json!({"addresses": addresses}),
            Self::Done => json!({"done": null}),
            Self::Answer(answer) => json!({"answer": answer}),
            Self::Many(outcomes) => {
                json!({"many": outcomes.iter().map(|outcome| outcome.to_json(model)).collect::<Vec<_>>()})
            }
        }
    }

    /// The same again; none for anything else, or a type that the model lacks.
    pub fn from_json(model: &Model, kept: &Value) -> Option<Self> {
        let members: &Map<String, Value> = kept.as_object().filter(|members| members.len() == 1)?;
        let (what, value) = members.iter().next()?;
        match what.as_str() {
            "object" => Told::from_json(model, value).map(Self::Object),
            "pending" if value.is_null() => Some(Self::Pending(None)),
            "pending" => Told::from_json(model, value).map(|told| Self::Pending(Some(told))),
            "addresses" => string_list(value).map(Self::Addresses),
            "done" => Some(Self::Done),
            "answer" => Some(Self::Answer(value.clone())),
            "many" => {
                let outcomes = value.as_array()?.iter().map(|kept| Self::from_json(model, kept));
                outcomes.collect::<Option<_>>().map(Self::Many)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(model: &Model) -> Vec<Outcome> {
        let type_id = |name: &str| model.find(name).unwrap();
        let (uuid, parent) = (Uuid::from_u128(0x8f14_e45f), Uuid::from_u128(0x2f3b_5a1c));
        let network = Told {
            uuid,
            type_id: type_id("virtual-network"),
            fq_name: FqName::new(&["default-domain", "default-project", "a \u{fc}"]),
            parent: Some((type_id("project"), parent)),
        };
        let target = Told {
            type_id: type_id("route-target"),
            fq_name: FqName::new(&["target:64512:8000001"]),
            parent: None,
            ..network.clone()
        };
        vec![
            Outcome::Object(network.clone()),
            Outcome::Object(target),
            Outcome::Pending(Some(network)),
            Outcome::Pending(None),
            Outcome::Addresses(vec!["10.1.1.3".to_owned(), "fd00::3".to_owned()]),
            Outcome::Addresses(Vec::new()),
            Outcome::Done,
            Outcome::Many(vec![Outcome::Done, Outcome::Pending(None)]),
            Outcome::Many(Vec::new()),
            Outcome::Answer(json!({"id": Uuid::nil(), "tags": []})),
        ]
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let model = Model::embedded().unwrap();
        for outcome in outcomes(&model) {
            let text = outcome.to_json(&model).to_string();
            let kept: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(Outcome::from_json(&model, &kept), Some(outcome), "{text}");
        }
    }

    #[test]
    fn what_is_no_outcome_is_not_read() {
        let model = Model::embedded().unwrap();
        let told = json!({"uuid": Uuid::nil(), "type": "virtual-network", "fq_name": ["a"], "parent": null});
        assert!(Outcome::from_json(&model, &json!({"object": told})).is_some());
        for (member, value) in
            [("type", json!("no-type")), ("uuid", json!("1")), ("fq_name", json!("a")), ("parent", json!({}))]
        {
            let mut told = told.clone();
            told[member] = value;
            assert_eq!(Outcome::from_json(&model, &json!({"object": told})), None, "{told}");
        }
        for kept in
            [json!({}), json!(null), json!({"object": null}), json!({"done": null, "pending": null}), json!({"x": 1})]
        {
            assert_eq!(Outcome::from_json(&model, &kept), None, "{kept}");
        }
    }
}
