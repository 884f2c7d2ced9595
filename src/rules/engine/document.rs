//! The body of a create or update, read against the model: known properties and references, checked and normalised.
//! Everything here depends on the request alone, so it runs before the request waits for its turn.

use crate::{
    access::Identity,
    graph::map_key,
    model::{Collection, Model, ObjectType, PropertyId, Reference, ReferenceId, field_name},
    python_literal,
    rules::engine::{Decision, Rejection, rule},
};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Which operation a document is for: the word in texts differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// `POST`.
    Create,
    /// `PUT`.
    Update,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "http_put",
        }
    }
}

/// A reference as a client writes it.
#[derive(Clone, Debug)]
pub struct GivenLink {
    /// The name of the target.
    pub to: Option<Vec<String>>,
    /// Its uuid, if it is one.
    pub uuid: Option<Uuid>,
    /// The data of the link, or null.
    pub attribute: Value,
}

/// The parts of a body that the server takes notice of.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// Known properties, null included.
    pub properties: Vec<(PropertyId, Value)>,
    /// Known references, each with the whole list.
    pub references: Vec<(ReferenceId, Vec<GivenLink>)>,
    /// The fields that nothing is known of, as texts show them: `a`, or `b_refs[0].c` of a reference.
    pub unknown: Vec<String>,
    /// The body, for texts.
    pub body: Map<String, Value>,
}

/// What clients send back that is no property and no link.
const READ_ONLY: [&str; 7] = ["uuid", "name", "fq_name", "href", "parent_type", "parent_uuid", "parent_href"];
/// What a reference consists of.
const OF_REFERENCES: [&str; 4] = ["to", "uuid", "attr", "href"];

/// Why a body is refused, and the body: what of it is stored as it is may yet be taken out.
pub type Refused = (Rejection, Map<String, Value>);

impl Document {
    /// Reads and checks. Unknown and read-only fields are ignored: clients send whole objects back.
    ///
    /// # Errors
    /// 400 for a property, then for a reference, that the model does not allow.
    pub fn read(model: &Model, kind: &ObjectType, body: Map<String, Value>, purpose: Purpose) -> Decision<Self> {
        let known = Self::read_known(model, kind, &body, purpose)?;
        Ok(Self { unknown: unknown_fields(kind, &body), body, ..known })
    }

    /// The same for the body of an update, which comes back where it is refused.
    ///
    /// # Errors
    /// As above, with the body.
    pub fn read_update(model: &Model, kind: &ObjectType, body: Map<String, Value>) -> Result<Self, Box<Refused>> {
        match Self::read_known(model, kind, &body, Purpose::Update) {
            Ok(known) => Ok(Self { unknown: unknown_fields(kind, &body), body, ..known }),
            Err(refusal) => Err(Box::new((refusal, body))),
        }
    }

    fn read_known(model: &Model, kind: &ObjectType, body: &Map<String, Value>, purpose: Purpose) -> Decision<Self> {
        let word = purpose.word();
        let mut properties = Vec::new();
        for property in &kind.properties {
            let Some(value) = body.get(&property.name) else {
                if property.enforced && purpose == Purpose::Create {
                    let text = format!("Bad property in {word}: {} property is missing", property.name);
                    return Err(Rejection::bad_request(text).about(&property.name));
                }
                continue;
            };
            let value = model.check_property(property, value.clone()).map_err(|fault| {
                Rejection::bad_request(format!("Bad property in {word}: {fault}")).about(&property.name)
            })?;
            properties.push((property.id, normal_collection(&property.collection, value)));
        }
        let mut references = Vec::new();
        for reference in &kind.references {
            match body.get(&reference.field) {
                None => {}
                // Null takes all references of an update away; in a create it says nothing.
                Some(Value::Null) => references.push((reference.id, Vec::new())),
                Some(Value::Array(items)) => {
                    let read = |item| GivenLink::read(model, reference, item, word);
                    references.push((reference.id, items.iter().map(read).collect::<Decision<_>>()?));
                }
                Some(other) => {
                    let text = format!(
                        "Bad reference in {word}: {} must be a list of references, not {}",
                        reference.field,
                        python_literal::value(other)
                    );
                    return Err(Rejection::bad_request(text).about(&reference.field));
                }
            }
        }
        Ok(Self { properties, references, ..Self::default() })
    }

    /// What texts repeat of it: the body as Python prints it, as clients of old know it, or no more than the field at fault where
    /// callers say who they are and are no admins (W19).
    pub fn repeated(&self, field: &str, identity: &Identity) -> String {
        if identity.is_admin() { python_literal::value(&Value::Object(self.body.clone())) } else { field.to_owned() }
    }
}

/// The fields of a body that nobody will take notice of: a misspelt one is among them.
fn unknown_fields(kind: &ObjectType, body: &Map<String, Value>) -> Vec<String> {
    let mut unknown = Vec::new();
    for (name, value) in body {
        if kind.reference(name).is_some() {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                let members = item.as_object().into_iter().flat_map(Map::keys);
                let strange = members.filter(|member| !OF_REFERENCES.contains(&member.as_str()));
                unknown.extend(strange.map(|member| format!("{name}[{index}].{member}")));
            }
        } else if !kind.has_field(name) && !READ_ONLY.contains(&name.as_str()) {
            unknown.push(name.clone());
        }
    }
    unknown
}

impl GivenLink {
    /// Reads one reference: by name, by uuid, or both (GEN-15).
    ///
    /// # Errors
    /// 400 with the text of the model, or for a target that is neither named nor identified.
    pub fn read(model: &Model, reference: &Reference, item: &Value, word: &str) -> Decision<Self> {
        let refuse =
            |fault: String| Rejection::bad_request(format!("Bad reference in {word}: {fault}")).about(&reference.field);
        let attribute = model.check_attribute(reference, item).map_err(refuse)?;
        let to = match item.get("to") {
            None | Some(Value::Null) => None,
            Some(names) => Some(string_list(names).ok_or_else(|| {
                let printed = python_literal::value(names);
                refuse(format!("{}: to must be a list of names, not {printed}", reference.field)).by(rule::GEN_15)
            })?),
        };
        let text = item.get("uuid").filter(|uuid| !uuid.is_null());
        let uuid = text.and_then(Value::as_str).and_then(canonical_uuid);
        if to.is_none() && text.is_none() {
            return Err(refuse(format!("{}: a reference needs to or uuid", reference.field)).by(rule::GEN_15));
        }
        Ok(Self { to, uuid, attribute })
    }
}

/// The strings of a list of strings.
pub fn string_list(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array()?;
    items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// A uuid in its one canonical spelling: lower case, dashed.
pub fn canonical_uuid(text: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(text).ok()?;
    (uuid.hyphenated().to_string() == text).then_some(uuid)
}

/// What a list of keys with values says of a key.
pub fn value_of_key<'a>(pairs: &'a Value, key: &str) -> Option<&'a str> {
    let pairs = pairs.get(field_name::KEY_VALUE_PAIR)?.as_array()?;
    let pair = pairs.iter().find(|pair| pair.get("key").is_some_and(|known| known == key))?;
    pair.get("value")?.as_str()
}

/// A map has one element a key, the last one given, in the order of the keys.
pub fn normal_collection(collection: &Collection, mut value: Value) -> Value {
    if let Collection::Map { wrapper, key } = collection
        && let Some(items) = value.get_mut(wrapper).and_then(Value::as_array_mut)
    {
        let mut by_key = std::collections::BTreeMap::new();
        for item in items.drain(..) {
            by_key.insert(map_key(&item, key), item);
        }
        items.extend(by_key.into_values());
    }
    value
}
