//! Create, read, update and delete of single objects.

use super::{
    App,
    answer::Answer,
    budget::Named,
    call::Call,
    conditions,
    error::{Answered, ApiError},
    unknown_fields,
};
use crate::{
    access::Right,
    graph::Object,
    model::TypeId,
    render::{FieldNames, Renderer, Selection, escaped},
    replica::Snapshot,
    rules::{
        Create, Decision, Delete, Document, Operation, Outcome, Purpose, Request, Told, Update, asked, canonical_uuid,
        check_name, check_right, check_visible, etag, string_list,
    },
};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

impl App {
    /// Hands a request to the writer, with its key if it has one.
    ///
    /// # Errors
    /// 400 for what is no key; what the rules refuse.
    pub async fn submit(&self, call: &Call, operation: Operation) -> Answered<Outcome> {
        Ok(self.decide(call, operation).await??)
    }

    /// The same, with the refusal of the rules as it is.
    ///
    /// # Errors
    /// 400 for what is no key, and for conditions that can't be kept.
    pub async fn decide(&self, call: &Call, operation: Operation) -> Answered<Decision<Outcome>> {
        let precondition = conditions::of_headers(call, &operation)?;
        let (operation, precondition) = self.with_default_objects(operation, precondition);
        let dry_run = conditions::is_dry_run(call)?;
        // What is only tried may be tried again.
        let keyed = call.keyed()?.filter(|_| !dry_run);
        let (identity, asked) = (call.identity.clone(), call.asked.borrow().clone());
        let request = Request { operation, precondition, dry_run, identity, asked };
        let committed = self.writer.submit(request, keyed).await;
        let committed = committed.map(|committed| {
            call.answered_at.set(Some(committed.position));
            call.is_repeated.set(committed.is_repeated);
            committed.outcome
        });
        // Links to objects begin with the address that the client knows.
        let href = |type_id, uuid: Uuid| format!("{}/{}/{uuid}", call.base, self.model.object_type(type_id).name);
        Ok(committed.map_err(|refusal| refusal.with_links(href)))
    }

    /// What a request that reads is answered from.
    ///
    /// # Errors
    /// 503 while the database is away.
    pub async fn snapshot(&self, call: &Call) -> Answered<Snapshot> {
        let snapshot = self.replica.snapshot().await?;
        call.answered_at.set(Some(snapshot.graph.position()));
        // The rules of the moment at which it is read.
        if call.asked_at.get() != Some(snapshot.graph.position()) {
            asked::check(&self.role_rules, &snapshot.graph, &call.identity, &call.asked.borrow())?;
        }
        Ok(snapshot)
    }

    /// What is below the name of the type in a body.
    fn content(&self, type_id: TypeId, mut body: Map<String, Value>) -> Answered<Map<String, Value>> {
        let name = &self.model.object_type(type_id).name;
        match body.swap_remove(name) {
            Some(Value::Object(content)) => Ok(content),
            Some(_) => Err(ApiError::bad_request(format!("Bad Request, '{name}' in body must be a JSON object"))),
            None => Err(ApiError::bad_request(format!("Bad Request, no '{name}' in body"))),
        }
    }

    /// `POST /<type>s`
    ///
    /// # Errors
    /// The contract's, in its order.
    pub async fn create(&self, type_id: TypeId, call: &Call) -> Answered<Answer> {
        let create = self.read_create(type_id, self.content(type_id, call.object()?)?)?;
        let kind = self.model.object_type(type_id);
        unknown_fields::check(call, &kind.name, &create.document.unknown)?;
        let outcome = self.submit(call, Operation::Create(create)).await?;
        Ok(Answer::of_change(&outcome, |object| self.created(call, object)))
    }

    /// A create, from what is below the name of the type.
    ///
    /// # Errors
    /// 400
    pub fn read_create(&self, type_id: TypeId, body: Map<String, Value>) -> Answered<Create> {
        let kind = self.model.object_type(type_id);
        let fq_name = match body.get("fq_name") {
            None | Some(Value::Null) => Vec::new(),
            Some(given) => string_list(given)
                .ok_or_else(|| ApiError::bad_request("Bad Request, fq_name in POST body must be a list of strings"))?,
        };
        let Some(name) = fq_name.last() else {
            return Err(ApiError::bad_request("Bad Request, no fq_name in POST body"));
        };
        check_name(kind, name)?;
        let document = Document::read(&self.model, kind, body, Purpose::Create)?;
        Ok(Create { type_id, fq_name, document, chosen: None })
    }

    /// What is answered to a create: seven fields below the name of the type.
    pub fn created(&self, call: &Call, object: &Told) -> Value {
        let kind = self.model.object_type(object.type_id);
        let mut fields = Map::new();
        fields.insert("name".to_owned(), object.fq_name.name().into());
        fields.insert("fq_name".to_owned(), object.fq_name.elements().into());
        fields.insert("uuid".to_owned(), object.uuid.to_string().into());
        fields.insert("href".to_owned(), format!("{}/{}/{}", call.base, kind.name, object.uuid).into());
        if let Some((parent_type, parent)) = object.parent {
            let parent_type = &self.model.object_type(parent_type).name;
            fields.insert("parent_type".to_owned(), parent_type.as_str().into());
            fields.insert("parent_uuid".to_owned(), parent.to_string().into());
            fields.insert("parent_href".to_owned(), format!("{}/{parent_type}/{}", call.base, parent).into());
        }
        json!({ &kind.name: fields })
    }

    /// What is answered to an update.
    pub fn updated(&self, call: &Call, object: &Told) -> Value {
        let name = &self.model.object_type(object.type_id).name;
        let href = format!("{}/{name}/{}", call.base, object.uuid);
        json!({ name: {"uuid": object.uuid.to_string(), "href": href} })
    }

    /// `GET /<type>/<uuid>`
    ///
    /// # Errors
    /// 404
    pub async fn read(&self, type_id: TypeId, uuid: &str, call: &Call) -> Answered<Answer> {
        let mut snapshot = self.snapshot(call).await?;
        if let Some(missing) = canonical_uuid(uuid).filter(|uuid| snapshot.graph.get(*uuid).is_none())
            && self.bring(type_id, missing).await?
        {
            snapshot = self.snapshot(call).await?;
        }
        let kind = self.model.object_type(type_id);
        let object = self.find(&snapshot, call, type_id, uuid)?;
        check_readable(call, object, || unknown_id(uuid))?;
        let etag = etag(object);
        if call.has_already(&etag) {
            return Ok(Answer::NotModified { etag });
        }
        let selection = match call.query.get("fields") {
            Some(fields) => Selection::Named(field_names(fields)?),
            None => Selection::All {
                back_references: !call.has("exclude_back_refs"),
                children: !call.has("exclude_children"),
                also: FieldNames::new(),
            },
        };
        let base = escaped(&call.base);
        let renderer = Renderer {
            graph: &snapshot.graph,
            identity: &call.identity,
            base: (!call.has("exclude_hrefs")).then_some(&base),
            link_hrefs: true,
            name: true,
            parent: true,
        };
        let mut output = Vec::with_capacity(2048);
        output.extend_from_slice(b"{\"");
        output.extend_from_slice(kind.name.as_bytes());
        output.extend_from_slice(b"\":");
        renderer.object(&mut output, object, &selection);
        output.push(b'}');
        Ok(Answer::Json { body: output.into(), etag: Some(etag), stale: snapshot.stale })
    }

    /// The object of a path.
    fn find<'s>(&self, snapshot: &'s Snapshot, call: &Call, type_id: TypeId, uuid: &str) -> Answered<&'s Arc<Object>> {
        let object = canonical_uuid(uuid).and_then(|uuid| snapshot.graph.get(uuid));
        let object = object.ok_or_else(|| unknown_id(uuid))?;
        if object.type_id != type_id {
            // Of which type it is is for those who may read it.
            if !call.identity.may_read(object) {
                return Err(unknown_id(uuid));
            }
            let kind = &self.model.object_type(type_id).name;
            return Err(ApiError::not_found(format!("No {kind} object found for id {uuid}")));
        }
        Ok(object)
    }

    /// `PUT /<type>/<uuid>`
    ///
    /// # Errors
    /// The contract's, in its order.
    pub async fn update(&self, type_id: TypeId, uuid: &str, call: &Call) -> Answered<Answer> {
        let kind = self.model.object_type(type_id);
        let body = call.object()?;
        let body = if body.is_empty() { body } else { self.content(type_id, body)? };
        let is_empty = body.is_empty();
        if is_empty && !conditions::has_any(call) {
            // There is nothing to be done once.
            call.keyed()?;
            let snapshot = self.snapshot(call).await?;
            check_visible(&call.identity, self.find(&snapshot, call, type_id, uuid)?)?;
            return Ok(Answer::Empty);
        }
        let document = Document::read_update(&self.model, kind, body);
        if let Ok(document) = &document {
            unknown_fields::check(call, &kind.name, &document.unknown)?;
        }
        let update = Update { type_id, uuid: uuid.to_owned(), document };
        let outcome = self.submit(call, Operation::Update(update)).await?;
        if is_empty {
            return Ok(Answer::Empty);
        }
        Ok(Answer::of_change(&outcome, |object| self.updated(call, object)))
    }

    /// `DELETE /<type>/<uuid>`
    ///
    /// # Errors
    /// The contract's, in its order.
    pub async fn delete(&self, type_id: TypeId, uuid: &str, call: &Call) -> Answered<Answer> {
        let outcome = self.submit(call, Operation::Delete(Delete { type_id, uuid: uuid.to_owned() })).await?;
        Ok(Answer::of_change(&outcome, |_| Value::Null))
    }
}

fn unknown_id(uuid: &str) -> ApiError {
    ApiError::not_found(format!("Unknown id: {uuid}"))
}

/// Whether an object may be read by who asks; `unknown` is what is answered where there is none.
///
/// # Errors
/// 404 for a hidden one, 403 without the right (PERM-4), or the same as for none where the operator says so (W18).
pub fn check_readable(call: &Call, object: &Object, unknown: impl FnOnce() -> ApiError) -> Answered<()> {
    if call.identity.may_read(object) {
        return Ok(());
    }
    if call.hides_forbidden {
        return Err(unknown());
    }
    Ok(check_right(&call.identity, Right::Read, object)?)
}

/// The argument that names fields.
///
/// # Errors
/// 400 for too many.
pub fn field_names(given: &str) -> Answered<FieldNames> {
    Ok(Named::Fields.once(given.split(',').map(str::to_owned))?.into_iter().collect())
}
