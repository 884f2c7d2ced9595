//! What contrail's own resources have in common: they show the whole object, with one property under another name (NEU-POL-G1,
//! NEU-IPM-G1, NEU-RT-G1, NEU-NAT-G1).

use super::{
    exception::Exception,
    refused::Answered,
    resource::Answers,
    tags,
    turn::Turn,
    view::{View, tenant_of},
};
use crate::{
    graph::Object,
    model::{field_name, type_name},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How objects of a type are shown.
pub struct Whole {
    /// The type.
    pub type_name: &'static str,
    /// What requests call the property that they are about, and the property.
    pub content: (&'static str, &'static str),
    /// Whether the uuid is shown as `uuid`, too.
    pub shows_uuid: bool,
    /// What is said of an id that no object has.
    pub missing: fn(Value) -> Exception,
}

/// What filters may name.
pub const FIELDS: &[&str] = &["id", "name", "tenant_id", "tags"];

impl Whole {
    /// An object in an answer.
    pub fn answer(&self, view: &View<'_>, object: &Object) -> Map<String, Value> {
        let kind = view.type_of(object);
        let mut answer = Map::new();
        let mut set = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        for property in &kind.properties {
            if let Some(value) = object.property(property.id) {
                set(&property.name, value);
            }
        }
        for reference in &kind.references {
            let links = object.links_of(reference.id).iter();
            let shown: Vec<Value> = links
                .filter_map(|link| {
                    let target = view.graph.get(link.target).filter(|target| view.identity.may_read(target))?;
                    let attribute = link.attribute.as_deref().and_then(|text| serde_json::from_str(text).ok());
                    let attribute: Value = attribute.unwrap_or_default();
                    Some(json!({"to": target.fq_name.elements(), "attr": attribute, "uuid": target.uuid.to_string()}))
                })
                .collect();
            if !shown.is_empty() {
                set(&reference.field, shown.into());
            }
        }
        let id = Value::from(object.uuid.to_string());
        set("id", id.clone());
        if self.shows_uuid {
            set("uuid", id);
        }
        set("fq_name", object.fq_name.elements().into());
        set("name", object.fq_name.name().into());
        set("tenant_id", tenant_of(object).into());
        if let Some(parent) = object.parent.and_then(|parent| view.graph.get(parent)) {
            set("parent_type", view.type_of(parent).name.as_str().into());
            set("parent_uuid", parent.uuid.to_string().into());
        }
        if !view.links(object, field_name::TAG_REFS).is_empty() {
            set("tags", view.tags(object).into());
        }
        let (name, property) = self.content;
        let content = answer.shift_remove(property).unwrap_or_default();
        answer.insert(name.to_owned(), content);
        answer
    }

    /// The same, with the names of the networks that use it, if there are any.
    pub fn answer_with_networks(&self, view: &View<'_>, object: &Object) -> Answered<Value> {
        let mut answer = self.answer(view, object);
        let networks = view.graph.referrers(object.uuid, view.type_id(type_name::VIRTUAL_NETWORK)?);
        let networks = networks.filter(|network| view.identity.may_read(network));
        let names: Vec<Value> = networks.map(|network| network.fq_name.elements().into()).collect();
        if !names.is_empty() {
            answer.insert("nets_using".to_owned(), names.into());
        }
        Ok(answer.into())
    }

    /// The object that is meant.
    ///
    /// # Errors
    /// `missing`, 403
    pub fn find<'v>(&self, view: &View<'v>) -> Answered<&'v Arc<Object>> {
        view.find(self.type_name, view.request.id(), self.missing)
    }

    /// NEU-CTR-L1: of a member what is its own.
    ///
    /// # Errors
    /// As `View::own`.
    pub fn list<'v>(
        &self,
        view: &View<'v>,
        answer: impl Fn(&View<'v>, &Object) -> Answered<Value> + 'v,
    ) -> Answered<Answers<'v>> {
        let objects = view.own(self.type_name)?;
        let view = *view;
        Ok(Box::new(objects.filter_map(move |object| answer(&view, object).ok())))
    }

    /// The value that a request gives: an object, with all members of its type, as whoever reads it by its type expects. Null and
    /// the empty text are none.
    ///
    /// # Errors
    /// `BadRequest` for anything else.
    pub fn given(&self, turn: &Turn<'_>) -> Answered<Option<Value>> {
        let (name, property) = self.content;
        let value = match turn.request.given(name) {
            None => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(value @ Value::Object(_)) => value.clone(),
            Some(_) => return Err(turn.request.bad_request(format!("{name} must be a dict"))),
        };
        self.completed(turn, property, value).map(Some)
    }

    /// A value of a property with all members of its type.
    ///
    /// # Errors
    /// Internal, if the model lacks the type.
    pub fn completed(&self, turn: &Turn<'_>, property: &str, value: Value) -> Answered<Value> {
        let view = turn.view();
        let model = view.graph.model();
        let property = model.object_type(view.type_id(self.type_name)?).property(property);
        Ok(match property {
            Some((_, property)) => model.completed(property.shape, value),
            None => value,
        })
    }

    /// Makes one, with this value of its property.
    ///
    /// # Errors
    /// `NotFound` for an unknown tenant, the refusals of the rules.
    pub fn create(
        &self,
        turn: &mut Turn<'_>,
        content: Option<Value>,
        mut body: Map<String, Value>,
    ) -> Answered<Arc<Object>> {
        let project = Arc::clone(turn.view().project(turn.request.tenant_of_body()?)?);
        turn.request.required("name", turn.request.text("name")?)?;
        if let Some(content) = content {
            body.insert(self.content.1.to_owned(), content);
        }
        let object = turn.create_named(self.type_name, &project, body.into())?;
        tags::add_given(turn, &object)
    }

    /// Changes its property, if the request names it.
    ///
    /// # Errors
    /// `missing`, the refusals of the rules.
    pub fn update(&self, turn: &mut Turn<'_>, content: Option<Value>) -> Answered<Arc<Object>> {
        let mut object = Arc::clone(self.find(&turn.view())?);
        if let Some(content) = content {
            let body = Map::from_iter([(self.content.1.to_owned(), content)]);
            object = turn.update(&object, body.into())?;
        }
        tags::add_given(turn, &object)
    }

    /// Deletes it; what is in use is `Conflict`.
    ///
    /// # Errors
    /// `missing`, the refusals of the rules.
    pub fn delete(&self, turn: &mut Turn<'_>) -> Answered<Value> {
        let object = Arc::clone(self.find(&turn.view())?);
        turn.delete(&object)?;
        Ok(Value::Null)
    }
}
