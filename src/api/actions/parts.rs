//! Changes of a part of an object: a reference, or elements of list and map properties.

use super::{Access, Action, Body, Effect, given, text_member};
use crate::{
    api::{
        App,
        answer::Answer,
        budget::Named,
        call::{Call, text_of},
        error::{Answered, ApiError},
        list::find_type,
        objects::check_readable,
        openapi::{
            arguments::{Argument, DRY_RUN, Form, IF_MATCH, STRICT, required},
            object_types::pending,
            operation::{Described, PARTS, about, names_or_null, type_name},
            vocabulary::{
                AnySchema, any_of, anything, empty_answer, list, nullable_list, nullable_text, object, simple, text,
                uuid,
            },
        },
        unknown_fields,
    },
    model::Collection,
    rules::{
        Operation, Outcome, ReferenceUpdate, RelaxReference, canonical_uuid,
        collection::{CollectionUpdate, ElementUpdate, elements, not_a_collection},
        string_list,
    },
};
use actix_web::http::Method;
use serde_json::{Map, Value, json};
use utoipa::openapi::{Required, Type, path::OperationBuilder};

/// References, and elements of properties.
pub static ACTIONS: &[Action] = &[
    Action {
        link: Some("prop-collection-get"),
        path: "/prop-collection-get",
        method: Method::GET,
        access: Access::Reader,
        effect: Effect::Reads,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.get_collection(call)),
        arguments: &[POSITION],
        description: describe_collection_get,
    },
    Action {
        link: Some("prop-collection-update"),
        path: "/prop-collection-update",
        method: Method::POST,
        access: Access::Writer,
        effect: Effect::Writes,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.update_collection(call)),
        arguments: &[IF_MATCH, DRY_RUN, STRICT],
        description: describe_collection_update,
    },
    Action {
        link: Some("ref-update"),
        path: "/ref-update",
        method: Method::POST,
        access: Access::Writer,
        effect: Effect::Writes,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.update_reference(call)),
        arguments: &[IF_MATCH, DRY_RUN, STRICT],
        description: describe_reference_update,
    },
    Action {
        link: Some("ref-relax-for-delete"),
        path: "/ref-relax-for-delete",
        method: Method::POST,
        access: Access::Writer,
        effect: Effect::Writes,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.relax_reference(call)),
        arguments: &[DRY_RUN],
        description: describe_relax_reference,
    },
];

const POSITION: Argument =
    Argument::query("Position", "position", Form::Text, "Only the element at this position; in a map, with this key.");

/// What `/ref-update` consists of.
const OF_REFERENCE_UPDATE: [&str; 8] =
    ["type", "uuid", "ref-type", "ref-uuid", "ref-fq-name", "operation", "attr", "relax_ref_for_delete"];
/// What one update of `/prop-collection-update` consists of.
const OF_ELEMENT_UPDATE: [&str; 4] = ["field", "operation", "value", "position"];

impl App {
    async fn get_collection(&self, call: &Call) -> Answered<Answer> {
        let argument = |name: &str| call.query.get(name).filter(|value| !value.is_empty());
        let needed = |name: &str, what: &str| {
            let text = format!("Object {what} needed for property collection get");
            argument(name).ok_or_else(|| ApiError::bad_request(text))
        };
        let (uuid, fields) = (needed("uuid", "uuid")?, needed("fields", "fields")?);
        let snapshot = self.snapshot(call).await?;
        let object = canonical_uuid(uuid).and_then(|uuid| snapshot.graph.get(uuid));
        let unknown = || ApiError::not_found(format!("Object Not Found: {uuid}"));
        let object = object.ok_or_else(unknown)?;
        check_readable(call, object, unknown)?;
        let kind = self.model.object_type(object.type_id);
        let mut answer = Map::new();
        for field in Named::Fields.once(fields.split(',').map(str::to_owned))? {
            let field = field.as_str();
            let property = kind.property(field).map(|(_, property)| property);
            let property = property.filter(|property| property.collection != Collection::None);
            let property = property.ok_or_else(|| not_a_collection(field))?;
            let wanted = call.query.get("position");
            let items = elements(object, property.id, &property.collection).into_iter();
            let items = items.filter(|(position, _)| wanted.is_none_or(|wanted| wanted == position));
            answer.insert(field.to_owned(), items.map(|(position, value)| json!([value, position])).collect());
        }
        Ok(Answer::json(&Value::Object(answer)))
    }

    async fn update_collection(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        if text_member(body, "uuid")?.is_some() {
            unknown_fields::check(call, "prop-collection-update", &unknown_of_collection_update(body))?;
        }
        let update = read_collection_update(body)?;
        match self.submit(call, Operation::CollectionUpdate(update)).await? {
            Outcome::Pending(_) => Ok(Answer::Pending(None)),
            _ => Ok(Answer::Empty),
        }
    }

    async fn update_reference(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        unknown_fields::check(call, "ref-update", &unknown_of_reference_update(body))?;
        let update = self.read_reference_update(body)?;
        let outcome = self.submit(call, Operation::ReferenceUpdate(update)).await?;
        Ok(Answer::of_change(&outcome, |object| json!({"uuid": object.uuid.to_string()})))
    }

    /// The body of `/ref-update`.
    ///
    /// # Errors
    /// 400, or 404 for an unknown type.
    pub fn read_reference_update(&self, body: &Body) -> Answered<ReferenceUpdate> {
        let type_id = match given(body, "type") {
            None => None,
            Some(name) => Some(find_type(&self.model, &text_of(Some(name)))?),
        };
        let reference_type = match given(body, "ref-type") {
            None => None,
            Some(name) => Some(find_type(&self.model, &text_of(Some(name)))?),
        };
        let (uuid, operation) = (text_member(body, "uuid")?, text_member(body, "operation")?);
        let printed = |name: &str| text_of(body.get(name));
        let (Some(type_id), Some(uuid), Some(reference_type), Some(operation)) =
            (type_id, uuid.filter(|uuid| !uuid.is_empty()), reference_type, operation.filter(|text| !text.is_empty()))
        else {
            return Err(ApiError::bad_request(format!(
                "Bad Request: type/uuid/ref-type/operation is null: {}, {}, {}, {}.",
                printed("type"),
                printed("uuid"),
                printed("ref-type"),
                printed("operation")
            )));
        };
        let add = match operation.to_uppercase().as_str() {
            "ADD" => true,
            "DELETE" => false,
            _ => {
                let text = format!("Bad Request: operation should be add or delete: {operation}");
                return Err(ApiError::bad_request(text));
            }
        };
        let target_uuid = text_member(body, "ref-uuid")?.filter(|uuid| !uuid.is_empty());
        let target_name = match given(body, "ref-fq-name") {
            None => None,
            Some(name) => Some(
                string_list(name)
                    .ok_or_else(|| ApiError::bad_request("Bad Request: ref-fq-name must be a list of strings"))?,
            ),
        };
        if target_uuid.is_none() && target_name.is_none() {
            return Err(ApiError::bad_request("Bad Request: ref-uuid or ref-fq-name must be specified"));
        }
        let kind = self.model.object_type(type_id);
        let reference = kind.reference_to(reference_type).map(|(_, reference)| reference);
        let reference = reference.ok_or_else(|| {
            let target = &self.model.object_type(reference_type).name;
            ApiError::bad_request(format!("Bad Request: {} has no reference to {target}", kind.name))
        })?;
        Ok(ReferenceUpdate {
            type_id,
            uuid: uuid.clone(),
            reference: reference.id,
            target_uuid,
            target_name,
            add,
            attribute: body.get("attr").cloned().unwrap_or_default(),
            relax: body.get("relax_ref_for_delete") == Some(&Value::Bool(true)),
        })
    }

    async fn relax_reference(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let (uuid, target) = (text_member(body, "uuid")?, text_member(body, "ref-uuid")?);
        let (Some(uuid), Some(target)) = (uuid, target) else {
            return Err(ApiError::bad_request(format!(
                "Bad Request: Both uuid and ref-uuid should be specified: {}, {}.",
                text_of(body.get("uuid")),
                text_of(body.get("ref-uuid"))
            )));
        };
        let relax = RelaxReference { uuid: uuid.clone(), target };
        self.submit(call, Operation::RelaxReference(relax)).await?;
        Ok(Answer::json(&json!({"uuid": uuid})))
    }
}

/// The members of a body of `/ref-update` that nothing is known of.
pub fn unknown_of_reference_update(body: &Body) -> Vec<String> {
    unknown_fields::beside(body, &OF_REFERENCE_UPDATE)
}

/// The same of `/prop-collection-update`.
pub fn unknown_of_collection_update(body: &Body) -> Vec<String> {
    let items = given(body, "updates").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    let mut unknown = unknown_fields::beside(body, &["uuid", "updates"]);
    unknown.extend(items.flat_map(|item| unknown_fields::beside(item, &OF_ELEMENT_UPDATE)));
    unknown
}

/// The body of `/prop-collection-update`.
///
/// # Errors
/// 400
pub fn read_collection_update(body: &Body) -> Answered<CollectionUpdate> {
    let uuid = text_member(body, "uuid")?;
    let uuid = uuid.ok_or_else(|| ApiError::bad_request("Error: prop_collection_update needs obj_uuid"))?;
    let updates = match given(body, "updates") {
        None => Vec::new(),
        Some(Value::Array(updates)) => updates.iter().map(element_update).collect::<Answered<_>>()?,
        Some(_) => return Err(ApiError::bad_request("Bad Request, updates must be a list")),
    };
    Ok(CollectionUpdate { uuid, updates })
}

fn element_update(update: &Value) -> Answered<ElementUpdate> {
    let body =
        update.as_object().ok_or_else(|| ApiError::bad_request("Bad Request, each of updates must be an object"))?;
    let position = match given(body, "position") {
        None => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) => return Err(ApiError::bad_request("Bad Request, position must be a text")),
    };
    Ok(ElementUpdate {
        field: text_of(body.get("field")),
        operation: text_of(body.get("operation")),
        value: body.get("value").cloned(),
        position,
        given: update.clone(),
    })
}

fn describe_collection_get() -> OperationBuilder {
    let element =
        list(anything("")).min_items(Some(2)).max_items(Some(2)).description(Some("An element and its position."));
    let elements = list(element.into());
    about(PARTS, "prop_collection_get", "Reads the elements of list and map properties")
        .parameter(required("uuid", "The object."))
        .parameter(required("fields", "List and map properties, joined by commas."))
        .answers(
            "The elements, by property.",
            simple(Type::Object).additional_properties(Some(AnySchema::from(elements))),
        )
        .or(&[400, 404, 503])
}

fn describe_collection_update() -> OperationBuilder {
    let position = any_of(
        [simple(Type::String).into(), simple(Type::Number).into(), simple(Type::Null).into()],
        "Where it stands, or shall stand; in a map its key. A list finds a place at its end itself.",
    );
    let update = object(
        &["field", "operation"],
        [
            ("field", text("The property.")),
            ("operation", text("A map: `set` or `delete`; a list: `add`, `modify` or `delete`.")),
            ("value", anything("The element.")),
            ("position", position),
        ],
    );
    let updates = nullable_list(update.into()).description(Some("In this order, all or none."));
    about(PARTS, "prop_collection_update", "Changes single elements of list and map properties")
        .takes(Required::True, object(&["uuid"], [("uuid", uuid("The object.")), ("updates", updates.into())]))
        .response("200", empty_answer("They are changed."))
        .response("202", pending())
        .or(&[403, 404, 409, 412, 503])
}

fn describe_reference_update() -> OperationBuilder {
    let members = [
        ("type", type_name()),
        ("uuid", uuid("The object that refers.")),
        ("ref-type", text("The type of the object that is referred to.")),
        ("operation", text("`ADD` or `DELETE`.")),
        ("ref-uuid", nullable_text("The object that is referred to.")),
        ("ref-fq-name", names_or_null("Or its name.")),
        ("attr", anything("The data of the reference, if it has any.")),
        ("relax_ref_for_delete", anything("True: the reference does not keep the target from being deleted.")),
    ];
    about(PARTS, "ref_update", "Adds or takes away one reference")
        .takes(Required::True, object(&["type", "uuid", "ref-type", "operation"], members))
        .answers("It is done.", object(&["uuid"], [("uuid", uuid("The object that refers."))]))
        .response("202", pending())
        .or(&[403, 404, 409, 412, 503])
}

fn describe_relax_reference() -> OperationBuilder {
    let members = [("uuid", uuid("The object that refers.")), ("ref-uuid", uuid("The object that is referred to."))];
    about(PARTS, "ref_relax_for_delete", "Lets a target be deleted although it is referred to")
        .takes(Required::True, object(&["uuid", "ref-uuid"], members))
        .answers("It is done.", object(&["uuid"], [("uuid", uuid("The object that refers."))]))
        .or(&[404, 409, 503])
}
