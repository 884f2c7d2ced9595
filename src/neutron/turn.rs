//! A request that writes, on the fork on which it is decided. It reads there, and does operations that the rules know; each meets
//! the rules that it would meet alone, and the rules of roles are asked about it.

use super::{envelope::Request, refused::Answered, view::View};
use crate::{
    access::{Identity, role_rules::Letter},
    graph::Object,
    model::{TypeId, field_name},
    rules::{
        Create, Delete, Document, Operation, Outcome, Purpose, ReferenceUpdate, Rejection, Update, Work, check_name,
        default_firewall, default_group, string_list,
    },
    timestamp::Timestamp,
};
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

/// A request at work.
pub struct Turn<'t> {
    work: &'t mut Work,
    /// What is asked for.
    pub request: &'t Request,
}

/// Why firewalls can't be changed where their changes are kept aside.
const DRAFTED: &str = "The security policy of the project is in draft mode: what changes it is kept aside there until it is committed, which Neutron can't ask for";

/// What is in a body that rules of roles know nothing of (RBAC-9).
const NO_FIELDS: [&str; 4] = ["uuid", "fq_name", "parent_type", "parent_uuid"];

impl<'t> Turn<'t> {
    /// On this fork.
    pub fn new(work: &'t mut Work, request: &'t Request) -> Self {
        Self { work, request }
    }

    /// The same at work on another form of the request.
    pub fn on<'s>(&'s mut self, request: &'s Request) -> Turn<'s> {
        Turn { work: self.work, request }
    }

    /// What is there now, with what the request has done so far.
    pub fn view(&self) -> View<'_> {
        View {
            graph: &self.work.graph,
            identity: &self.work.identity,
            role_rules: self.work.role_rules(),
            options: &self.work.options().neutron,
            request: self.request,
        }
    }

    /// A uuid that nobody has.
    pub fn new_uuid(&self) -> Uuid {
        self.work.new_uuid()
    }

    /// When it is decided.
    pub fn now(&self) -> Timestamp {
        self.work.now()
    }

    fn members(body: Value) -> Answered<Map<String, Value>> {
        match body {
            Value::Object(members) => Ok(members),
            _ => Err(Rejection::internal("a body that is no object").into()),
        }
    }

    fn ask(&self, type_id: TypeId, letter: Letter, body: Option<&Map<String, Value>>) -> Answered<()> {
        let fields = body.into_iter().flat_map(Map::keys).filter(|name| !NO_FIELDS.contains(&name.as_str()));
        self.view().ask(type_id, letter, fields.cloned().collect())
    }

    fn decide(&mut self, operation: &Operation) -> Answered<Option<Arc<Object>>> {
        if let Some(target) = operation.target(self.work) {
            self.work.look_through(&target);
        }
        let outcome = operation.decide(None, self.work)?;
        self.work.pending = false;
        let told = match outcome {
            Outcome::Object(told) => told,
            // Neutron knows no drafts: it would be told that all is as it was.
            Outcome::Pending(_) => return Err(Rejection::bad_request(DRAFTED).into()),
            Outcome::Addresses(_) | Outcome::Done | Outcome::Many(_) | Outcome::Answer(_) => {
                return Ok(None);
            }
        };
        Ok(self.work.graph.get(told.uuid).cloned())
    }

    fn decide_object(&mut self, operation: &Operation) -> Answered<Arc<Object>> {
        self.decide(operation)?.ok_or_else(|| Rejection::internal("an operation without an object").into())
    }

    /// Creates an object with this body, as `POST` of its collection does.
    ///
    /// # Errors
    /// The refusals of the rules.
    pub fn create(&mut self, type_name: &str, body: Value, chosen: Option<Uuid>) -> Answered<Arc<Object>> {
        let model = Arc::clone(self.work.graph.model());
        let type_id = self.view().type_id(type_name)?;
        let kind = model.object_type(type_id);
        let body = Self::members(body)?;
        let fq_name = body.get("fq_name").and_then(string_list).unwrap_or_default();
        let name = fq_name.last().ok_or_else(|| Rejection::bad_request("a name is needed"))?;
        check_name(kind, name)?;
        self.ask(type_id, Letter::Create, Some(&body))?;
        let document = Document::read(&model, kind, body, Purpose::Create)?;
        self.decide_object(&Operation::Create(Create { type_id, fq_name, document, chosen }))
    }

    /// Creates an object that is everybody's, as the server does by itself: whoever asks need not be allowed to.
    ///
    /// # Errors
    /// The refusals of the rules.
    pub fn create_for_all(&mut self, type_name: &str, body: Value) -> Answered<Arc<Object>> {
        let server = Identity::server(&self.work.identity.request_id);
        let asks = std::mem::replace(&mut self.work.identity, server);
        let created = self.create(type_name, body, None);
        self.work.identity = asks;
        created
    }

    /// Creates the object that a request is about, below a project: with the id that the request says, or a new one, and with the
    /// name that it says. If that is taken the object is named `<name>-<uuid>` and shown as `<name>` (NEU-GEN-2); without a name it
    /// is named by its uuid (NEU-GEN-3).
    ///
    /// # Errors
    /// `Conflict` for an id that is taken (NEU-GEN-1); the refusals of the rules.
    pub fn create_named(&mut self, type_name: &str, parent: &Arc<Object>, body: Value) -> Answered<Arc<Object>> {
        let given = self.request.uuid("id")?;
        let uuid = given.unwrap_or_else(|| self.new_uuid());
        let shown = self.request.text("name")?.filter(|name| !name.is_empty()).unwrap_or_default().to_owned();
        let shown = if shown.is_empty() { uuid.to_string() } else { shown };
        let type_id = self.view().type_id(type_name)?;
        let parent_type = self.view().type_of(parent).name.clone();
        let is_taken = self.work.graph.find_joined(type_id, parent.fq_name.child(&shown).joined()).is_some();
        let name = if is_taken { format!("{shown}-{uuid}") } else { shown.clone() };
        // In one piece, whatever it has in it: a colon is for the rules to refuse.
        let mut fq_name: Vec<Value> = parent.fq_name.elements().into_iter().map(Value::from).collect();
        fq_name.push(name.into());
        let mut body = Self::members(body)?;
        body.insert("fq_name".to_owned(), fq_name.into());
        body.insert("parent_type".to_owned(), parent_type.into());
        body.insert("display_name".to_owned(), shown.into());
        if given.is_some() {
            body.insert("uuid".to_owned(), uuid.to_string().into());
        }
        self.create(type_name, body.into(), Some(uuid))
    }

    /// Changes an object, as `PUT` does: what the body does not name stays.
    ///
    /// # Errors
    /// The refusals of the rules.
    pub fn update(&mut self, object: &Object, body: Value) -> Answered<Arc<Object>> {
        let model = Arc::clone(self.work.graph.model());
        let kind = model.object_type(object.type_id);
        let body = Self::members(body)?;
        self.ask(object.type_id, Letter::Update, Some(&body))?;
        let document = Document::read_update(&model, kind, body);
        let update = Update { type_id: object.type_id, uuid: object.uuid.to_string(), document };
        self.decide_object(&Operation::Update(update))
    }

    /// Deletes an object, as `DELETE` does.
    ///
    /// # Errors
    /// The refusals of the rules.
    pub fn delete(&mut self, object: &Object) -> Answered<()> {
        self.ask(object.type_id, Letter::Delete, None)?;
        let delete = Delete { type_id: object.type_id, uuid: object.uuid.to_string() };
        self.decide(&Operation::Delete(delete)).map(|_| ())
    }

    /// Adds or removes one reference, as `/ref-update` does: all others stay.
    ///
    /// # Errors
    /// The refusals of the rules.
    pub fn change_reference(
        &mut self,
        object: &Object,
        field: &str,
        target: Uuid,
        attribute: Option<Value>,
    ) -> Answered<Arc<Object>> {
        let reference = self.view().type_of(object).reference(field).map(|(id, _)| id);
        let reference = reference.ok_or_else(|| Rejection::internal(format!("unknown reference {field}")))?;
        self.ask(object.type_id, Letter::Update, Some(&Map::from_iter([(field.to_owned(), Value::Null)])))?;
        self.decide_object(&Operation::ReferenceUpdate(ReferenceUpdate {
            type_id: object.type_id,
            uuid: object.uuid.to_string(),
            reference,
            target_uuid: Some(target.to_string()),
            target_name: None,
            add: attribute.is_some(),
            attribute: attribute.unwrap_or_default(),
            relax: false,
        }))
    }

    /// The security group `default` of a project, which is made if it is missing (NEU-SG-G1): by the server, whoever asks.
    ///
    /// # Errors
    /// 409 where no id is free.
    pub fn default_group(&mut self, project: &Arc<Object>) -> Answered<Arc<Object>> {
        Ok(default_group::ensure(self.work, project)?)
    }

    /// The default firewall of a project, which is made if it is missing (NEU-FW-5): by the server, whoever asks.
    ///
    /// # Errors
    /// What is in the way of it.
    pub fn default_firewall(&mut self, project: &Arc<Object>) -> Answered<()> {
        Ok(default_firewall::ensure(self.work, project)?)
    }

    /// Takes the mark of an audit from all policies that have a rule, likewise (NEU-FW-2).
    ///
    /// # Errors
    /// Internal, if the model lacks the type.
    pub fn withdraw_audits(&mut self, rule: &Object) -> Answered<()> {
        Ok(default_firewall::withdraw_audits(self.work, rule)?)
    }

    /// The object as it is now.
    ///
    /// # Errors
    /// Internal, if it has gone.
    pub fn now_of(&self, object: &Object) -> Answered<Arc<Object>> {
        let now = self.work.graph.get(object.uuid).cloned();
        now.ok_or_else(|| Rejection::internal("an object has gone within its request").into())
    }

    /// What a request says of `id_perms`: `description` and `admin_state_up` (NEU-GEN-6); none if it says nothing.
    ///
    /// # Errors
    /// `BadRequest` for anything else.
    pub fn id_perms(&self) -> Answered<Option<Value>> {
        self.request.id_perms()
    }

    /// What most updates say: the name that is shown (NEU-GEN-2, NEU-GEN-3), and `id_perms`.
    ///
    /// # Errors
    /// `BadRequest` for what is neither a text nor a flag.
    pub fn common_changes(&self) -> Answered<Map<String, Value>> {
        let mut body = Map::new();
        if let Some(name) = self.request.text("name")?.filter(|name| !name.is_empty()) {
            body.insert(field_name::DISPLAY_NAME.to_owned(), name.into());
        }
        if let Some(id_perms) = self.id_perms()? {
            body.insert(field_name::ID_PERMS.to_owned(), id_perms);
        }
        Ok(body)
    }
}
