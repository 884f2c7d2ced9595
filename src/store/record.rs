//! An object as JSON: the body of a log entry, and the columns of its row.

use super::{StoreError, row::json};
use crate::{
    change_log::LogEntry,
    graph::{Column, FqName, Hold, JsonText, Link, Object, Permissions, PropertyText, Written},
    json_text,
    model::{Collection, Model, ObjectType, PropertyId, TypeId, field_name},
    timestamp::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
};
use uuid::Uuid;

/// Everything about an object that is not in the columns of the log: type, uuid and name. Its properties stay in the text that it was
/// read from: nearly all of it is theirs.
#[derive(Serialize, Deserialize)]
pub struct Body<'t> {
    /// Its parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Uuid>,
    /// Its parent's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_type: Option<String>,
    /// Its place in the order of creation.
    pub created: u64,
    /// By name.
    #[serde(borrow, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<&'t str, &'t RawValue>,
    /// By field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub references: BTreeMap<String, Vec<Reference>>,
    /// By property.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub positions: BTreeMap<String, Vec<String>>,
    /// References that do not stop the delete of their target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relaxed: Vec<Uuid>,
    /// The address that it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldBody>,
    /// Its name before it was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_name: Option<Vec<String>>,
    /// The fields that the change has made others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Vec<String>>,
}

/// A reference, below the field that shows it.
#[derive(Serialize, Deserialize)]
pub struct Reference {
    /// The target.
    pub uuid: Uuid,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<String>>,
    /// The data of the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attr: Option<Box<RawValue>>,
}

/// A held address.
#[derive(Serialize, Deserialize, Clone, Copy)]
pub struct HoldBody {
    /// The network or ipam.
    pub scope: Uuid,
    /// The address.
    pub address: IpAddr,
}

impl From<Hold> for HoldBody {
    fn from(hold: Hold) -> Self {
        Self { scope: hold.scope, address: hold.address }
    }
}

impl From<HoldBody> for Hold {
    fn from(body: HoldBody) -> Self {
        Self { scope: body.scope, address: body.address }
    }
}

/// The properties of an object as one JSON object.
pub fn properties_json(kind: &ObjectType, object: &Object) -> String {
    let mut json = String::from("{");
    for (index, (id, text)) in object.properties.iter().enumerate() {
        let name = kind.properties.get(usize::from(id.0)).map(|property| property.name.as_str()).unwrap_or_default();
        let comma = if index == 0 { "" } else { "," };
        json.push_str(comma);
        json.push('"');
        json.push_str(name);
        json.push_str("\":");
        text.tell(|piece| json.push_str(piece));
    }
    json.push('}');
    json
}

/// The positions of an object's list elements, by property.
pub fn positions(kind: &ObjectType, object: &Object) -> BTreeMap<String, Vec<String>> {
    let named = |(id, positions): (&PropertyId, &Vec<String>)| {
        Some((kind.properties.get(usize::from(id.0))?.name.clone(), positions.clone()))
    };
    object.positions().iter().filter_map(named).collect()
}

/// What elements of a property are called by, as columns, and the property itself if it is not made of any.
fn column_prefix(collection: &Collection) -> &'static str {
    match collection {
        Collection::None => "prop",
        Collection::List { .. } => "propl",
        Collection::Map { .. } => "propm",
    }
}

/// What a column is called by those who read the configuration by columns, but for the type of a link. None of a property that the
/// model does not know.
pub fn column_name(kind: &ObjectType, column: &Column) -> Option<String> {
    let property = |id: PropertyId| {
        let property = kind.properties.get(usize::from(id.0))?;
        Some(format!("{}:{}", column_prefix(&property.collection), property.name))
    };
    match column {
        Column::Name => Some("fq_name".to_owned()),
        Column::Parent => Some("parent".to_owned()),
        Column::Property(id) => property(*id),
        Column::Element(id, key) => property(*id).map(|property| format!("{property}:{key}")),
        Column::Link(target) => Some(format!("ref:{target}")),
    }
}

/// The revisions of an object's columns, by their names.
pub fn written<'o>(kind: &'o ObjectType, object: &'o Object) -> BTreeMap<String, u64> {
    let named = |(column, revision): &(Column, u64)| Some((column_name(kind, column)?, *revision));
    object.written().iter().filter_map(named).collect()
}

/// The same, read. Properties that the model does not know are passed over: they are of a newer release.
///
/// # Errors
/// For a name that is none of a column.
pub fn read_written(kind: &ObjectType, times: &BTreeMap<String, u64>) -> Result<Written, StoreError> {
    let mut written = Written::with_capacity(times.len());
    for (name, revision) in times {
        let refused = || StoreError::Row(format!("written: {name} is no column"));
        let column = match name.split_once(':') {
            None if name == "fq_name" => Some(Column::Name),
            None if name == "parent" => Some(Column::Parent),
            Some(("ref", target)) => Some(Column::Link(Uuid::try_parse(target).map_err(|_| refused())?)),
            Some(("prop", name)) => kind.property(name).map(|(id, _)| Column::Property(id)),
            Some(("propl" | "propm", element)) => {
                let (name, key) = element.split_once(':').ok_or_else(refused)?;
                kind.property(name).map(|(id, _)| Column::Element(id, key.into()))
            }
            _ => return Err(refused()),
        };
        written.extend(column.map(|column| (column, *revision)));
    }
    written.sort_unstable();
    written.shrink_to_fit();
    Ok(written)
}

/// A name as the list of its elements.
fn elements(name: &FqName) -> Vec<String> {
    name.elements().into_iter().map(str::to_owned).collect()
}

/// The body of a log entry about an object, whose properties are JSON already and are put in as they are.
///
/// # Errors
/// When the data of a link is no JSON.
pub fn body_json(
    model: &Model,
    object: &Object,
    entry: &LogEntry,
    properties: &str,
) -> Result<String, serde_json::Error> {
    let kind = model.object_type(object.type_id);
    let mut references: BTreeMap<String, Vec<Reference>> = BTreeMap::new();
    for (link, name) in object.links.iter().zip(&entry.target_names) {
        if let Some(reference) = kind.references.get(usize::from(link.reference.0)) {
            let attr = link.attribute.as_deref().map(|text| RawValue::from_string(text.to_owned())).transpose()?;
            let reference_body = Reference { uuid: link.target, to: name.as_ref().map(elements), attr };
            references.entry(reference.field.clone()).or_default().push(reference_body);
        }
    }
    let body = Body {
        parent: object.parent,
        parent_type: entry.parent_type.map(|id| model.object_type(id).name.clone()),
        created: object.created,
        properties: BTreeMap::new(),
        references,
        positions: positions(kind, object),
        relaxed: object.relaxed().to_vec(),
        hold: object.hold.map(HoldBody::from),
        former_name: entry.former_name.as_ref().map(elements),
        changed: entry.changed.clone(),
    };
    let mut json = serde_json::to_string(&body)?;
    json.pop();
    json.reserve(properties.len() + 16);
    json.push_str(",\"properties\":");
    json.push_str(properties);
    json.push('}');
    Ok(json)
}

/// What of `id_perms` the object itself shows.
#[derive(Deserialize)]
struct IdPerms<'t> {
    #[serde(borrow)]
    last_modified: Option<&'t RawValue>,
    #[serde(borrow)]
    user_visible: Option<&'t RawValue>,
}

/// What is needed to tell of an object without the graph, beside the object itself.
pub struct Surroundings {
    /// The type of its parent.
    pub parent_type: Option<TypeId>,
    /// In the order of its links.
    pub target_names: Vec<Option<FqName>>,
    /// Its name before it was renamed.
    pub former_name: Option<FqName>,
}

/// What the body of a log entry says about the surroundings of its object.
///
/// # Errors
/// For a type that the model does not know.
pub fn surroundings(model: &Model, body: &Body<'_>, object: &Object) -> Result<Surroundings, StoreError> {
    let names: HashMap<Uuid, &Vec<String>> = body
        .references
        .values()
        .flatten()
        .filter_map(|reference| Some((reference.uuid, reference.to.as_ref()?)))
        .collect();
    let name_of = |target| names.get(target).map(|elements| FqName::new(elements));
    let known = |name: &String| model.find(name).ok_or_else(|| StoreError::Row(format!("parent_type {name}")));
    Ok(Surroundings {
        parent_type: body.parent_type.as_ref().map(known).transpose()?,
        target_names: object.links.iter().map(|link| name_of(&link.target)).collect(),
        former_name: body.former_name.as_ref().map(|elements| FqName::new(elements)),
    })
}

/// A link as it is stored: the field that shows it is one of the type of its holder.
pub struct StoredLink {
    /// The field that shows it.
    pub field: Arc<str>,
    /// The object referred to.
    pub target: Uuid,
    /// The data of the link.
    pub attribute: Option<JsonText>,
}

/// JSON from the tables as it is kept.
pub fn kept(json: &str) -> JsonText {
    json_text::shared(&json_text::normal(json))
}

/// The links that the body of a log entry tells of.
pub fn links_of(body: &Body<'_>) -> impl Iterator<Item = StoredLink> {
    body.references.iter().flat_map(|(field, references)| {
        let field: Arc<str> = field.as_str().into();
        references.iter().map(move |Reference { uuid, attr, .. }| StoredLink {
            field: Arc::clone(&field),
            target: *uuid,
            attribute: attr.as_ref().map(|text| kept(text.get())),
        })
    })
}

/// An object from its record.
///
/// # Errors
/// For a type or a reference that the model does not know. Unknown properties are passed over: they are of a newer
/// release.
pub fn object(
    model: &Model,
    type_name: &str,
    uuid: Uuid,
    fq_name: &[String],
    body: &Body<'_>,
    links: impl Iterator<Item = StoredLink>,
) -> Result<Object, StoreError> {
    let type_id = model.find(type_name).ok_or_else(|| StoreError::Row(format!("type {type_name} of {uuid}")))?;
    let kind = model.object_type(type_id);
    let mut properties = Vec::with_capacity(body.properties.len());
    for (name, value) in &body.properties {
        if let Some((id, _)) = kind.property(name) {
            properties.push((id, kept(value.get()).into()));
        }
    }
    properties.sort_by_key(|(id, _)| *id);
    let link = |StoredLink { field, target, attribute }: StoredLink| match kind.reference(&field) {
        Some((reference, _)) => Ok(Link { reference, target, attribute }),
        None => Err(StoreError::Row(format!("reference {field} of {type_name} {uuid}"))),
    };
    let mut links = links.map(link).collect::<Result<Vec<_>, _>>()?;
    links.sort_by_key(|link| (link.reference, link.target));
    // There are many objects, and what is spare is spare in each.
    properties.shrink_to_fit();
    links.shrink_to_fit();
    let mut object = Object {
        parent: body.parent,
        properties,
        links,
        hold: body.hold.map(Hold::from),
        ..Object::new(uuid, type_id, FqName::new(fq_name), body.created)
    };
    for (name, positions) in &body.positions {
        if let Some((id, _)) = kind.property(name) {
            object.set_positions(id, Some(positions.clone()));
        }
    }
    object.set_relaxed(body.relaxed.clone());
    complete(kind, &mut object)?;
    Ok(object)
}

/// Works out what is kept beside the properties of an object and follows from them.
///
/// # Errors
/// For `id_perms` that say no time.
pub fn complete(kind: &ObjectType, object: &mut Object) -> Result<(), StoreError> {
    let perms2 = kind.property(field_name::PERMS2).and_then(|(id, _)| object.plain_text(id));
    object.permissions = Permissions::shared(perms2.map(|text| &**text));
    let Some((id, _)) = kind.property(field_name::ID_PERMS) else { return Ok(()) };
    let Some(text) = object.plain_text(id) else { return Ok(()) };
    let kept = PropertyText::of_id_perms(text);
    let told = match &kept {
        PropertyText::IdPerms(id_perms) => id_perms.last_modified().zip(Some(id_perms.is_hidden())),
        PropertyText::Plain(_) => None,
    };
    (object.modified, object.hidden) = told.map_or_else(|| shown_of(text), Ok)?;
    object.set_property(id, Some(kept));
    Ok(())
}

/// When an object was changed last, and whether it is hidden.
fn shown_of(id_perms: &str) -> Result<(Timestamp, bool), StoreError> {
    let Some(IdPerms { last_modified, user_visible }) = json("id_perms", id_perms)? else {
        return Ok((Timestamp::default(), false));
    };
    let hidden = user_visible.is_some_and(|text| text.get() == "false");
    let Some(text) = last_modified.map(RawValue::get) else { return Ok((Timestamp::default(), hidden)) };
    let modified = Timestamp::parse(text.trim_matches('"'));
    Ok((modified.ok_or_else(|| StoreError::Row(format!("id_perms: last_modified is {text}")))?, hidden))
}
