//! What of a list is wanted (NEU-GEN-8).

use super::{
    envelope::uuid_of,
    refused::{Answered, bad_request},
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use uuid::Uuid;

/// Of these only the first value counts.
const FIRST_ONLY: [&str; 2] = ["shared", "router:external"];
/// These are one text, not a list: tags name what they are on by them.
const TEXTS: [&str; 2] = ["parent_id", "tag"];
/// Whether something with these tags is what is wanted.
type Holds = fn(&Wanted, &HashSet<String>) -> bool;

/// How tags may be asked for, and what has to hold (NEU-TAG-L1).
const TAG_FILTERS: [(&str, Holds); 4] = [
    ("tags", |wanted, tags| wanted.texts.is_subset(tags)),
    ("tags-any", |wanted, tags| !wanted.texts.is_disjoint(tags)),
    ("not-tags", |wanted, tags| !wanted.texts.is_subset(tags)),
    ("not-tags-any", |wanted, tags| wanted.texts.is_disjoint(tags)),
];

/// The values of one filter.
#[derive(Clone, Debug)]
struct Wanted {
    given: Vec<Value>,
    /// In the form in which they are compared.
    texts: HashSet<String>,
}

/// Filters by name.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    lists: BTreeMap<String, Wanted>,
    objects: BTreeMap<String, Value>,
}

/// A value as it is compared: ids are the same with and without dashes, and true is `True`.
fn comparable(value: &Value) -> String {
    match value {
        Value::String(text) => match uuid_of(text) {
            Some(uuid) => uuid.simple().to_string(),
            None => text.clone(),
        },
        Value::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
        other => other.to_string(),
    }
}

impl Filters {
    /// From `data.filters`; null is none (NEU-ENV-5).
    ///
    /// # Errors
    /// `BadRequest` for what is neither an object nor null, and for a filter that is no list.
    pub fn read(resource: &str, given: Option<&Value>) -> Answered<Self> {
        let given = match given {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(given)) => given,
            Some(_) => return Err(bad_request(resource, "filters must be an object of lists")),
        };
        let mut filters = Self::default();
        for (name, value) in given {
            let values = match value {
                Value::Null => continue,
                Value::Array(values) => values.clone(),
                Value::String(text) if TAG_FILTERS.iter().any(|(known, _)| known == name) => {
                    text.split(',').map(Value::from).collect()
                }
                Value::String(_) if TEXTS.contains(&name.as_str()) => vec![value.clone()],
                // Addresses of ports are asked for by an object of lists (NEU-PORT-L4).
                Value::Object(_) if name == "fixed_ips" => {
                    filters.objects.insert(name.clone(), value.clone());
                    continue;
                }
                _ => return Err(bad_request(resource, format!("the filter '{name}' must be a list of values"))),
            };
            let counted = if FIRST_ONLY.contains(&name.as_str()) { 1 } else { values.len() };
            let given: Vec<Value> = values.into_iter().take(counted).collect();
            // An empty list asks for nothing in particular.
            if !given.is_empty() {
                let texts = given.iter().map(comparable).collect();
                filters.lists.insert(name.clone(), Wanted { given, texts });
            }
        }
        Ok(filters)
    }

    /// A filter that is an object.
    pub fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.objects.get(name)?.as_object()
    }

    /// The values of a filter; none without it.
    pub fn values(&self, name: &str) -> Option<&[Value]> {
        self.lists.get(name).map(|wanted| wanted.given.as_slice())
    }

    /// Those that are texts.
    pub fn texts(&self, name: &str) -> Option<Vec<&str>> {
        self.values(name).map(|values| values.iter().filter_map(Value::as_str).collect())
    }

    /// Those that are uuids, each once: others are nobody's.
    pub fn uuids(&self, name: &str) -> Option<Vec<Uuid>> {
        let mut uuids: Vec<Uuid> = self.texts(name)?.into_iter().filter_map(uuid_of).collect();
        uuids.sort_unstable();
        uuids.dedup();
        Some(uuids)
    }

    /// The first value of a filter, as true or false.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.values(name)?.first()? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.to_lowercase().parse().ok(),
            _ => None,
        }
    }

    /// Whether an answer is wanted: it has to match every filter that names one of these fields, of which the resource may have
    /// none in this answer. A field that is a list matches with any of its members. Fields are few, and filters may be thousands.
    pub fn match_answer(&self, fields: &[&str], answer: &Value) -> bool {
        let is_of_tags = |name: &str| TAG_FILTERS.iter().any(|(known, _)| *known == name);
        let named =
            fields.iter().filter(|name| !is_of_tags(name)).filter_map(|name| Some((name, self.lists.get(*name)?)));
        let mut named = named.map(|(name, wanted)| match answer.get(name) {
            None => false,
            Some(Value::Array(items)) if items.iter().any(|item| wanted.texts.contains(&comparable(item))) => true,
            Some(value) => wanted.texts.contains(&comparable(value)),
        });
        named.all(|matches| matches) && (!fields.contains(&"tags") || self.match_tags(answer))
    }

    fn match_tags(&self, answer: &Value) -> bool {
        let mut wanted =
            TAG_FILTERS.iter().filter_map(|(name, holds)| Some((self.lists.get(*name)?, holds))).peekable();
        if wanted.peek().is_none() {
            return true;
        }
        let tags = answer.get("tags").and_then(Value::as_array).into_iter().flatten().map(comparable).collect();
        wanted.all(|(wanted, holds)| holds(wanted, &tags))
    }
}
