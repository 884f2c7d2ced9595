//! `/transaction`: several operations as one request, all or none. Each is what a request of its own would be, and may use the
//! uuids of what is created before it by names of the client's choice, which mean something within the request only.

use super::{
    Access, Action, Body, Effect, given,
    parts::{read_collection_update, unknown_of_collection_update, unknown_of_reference_update},
    text_member,
};
use crate::{
    access::role_rules::Questions,
    api::{
        App,
        answer::Answer,
        asked::asked_by_operation,
        call::{Call, text_of},
        conditions,
        error::{Answered, ApiError},
        list::find_type,
        openapi::{
            arguments::{DRY_RUN, STRICT},
            operation::{Described, PARTS, about, type_name},
            vocabulary::{
                AnySchema, BARE_TEXT, any_of, anything, json_answer, list, nullable_text, object, simple, text, texts,
            },
        },
        unknown_fields,
    },
    model::{ObjectType, TypeId},
    pace::Pace,
    python_literal,
    rules::{
        Asked, Condition, Delete, Document, Operation, Outcome, Precondition, Step, Told, Transaction, Update, budget,
        canonical_uuid, string_list,
    },
};
use actix_web::http::Method;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use utoipa::openapi::{Content, Required, Type, path::OperationBuilder};
use uuid::Uuid;

/// Several operations as one.
pub static ACTIONS: &[Action] = &[Action {
    link: None,
    path: "/transaction",
    method: Method::POST,
    access: Access::Writer,
    effect: Effect::Writes,
    takes_a_place: true,
    handler: |app, call, _| Box::pin(app.transact(call)),
    arguments: &[STRICT, DRY_RUN],
    description: describe,
}];

/// What stands before a local name where a uuid is expected.
const SIGN: char = '$';

/// What an operation is called, and its other members.
const KINDS: [(&str, &[&str]); 6] = [
    ("create", &["as", "body"]),
    ("update", &["uuid", "body", "if_match"]),
    ("delete", &["uuid", "if_match"]),
    ("ref-update", &["if_match"]),
    ("prop-collection-update", &["if_match"]),
    ("condition", &["uuid", "fq_name", "exists", "if_match"]),
];

/// How the answer to an operation is made of its outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Created,
    Updated,
    Uuid,
    Empty,
}

/// The operations as far as they have been read.
struct Reader<'a> {
    app: &'a App,
    /// What local names stand for.
    names: HashMap<String, Uuid>,
    unknown: Vec<String>,
}

fn refuse<T>(text: &str) -> Answered<T> {
    Err(ApiError::bad_request(format!("Bad Request, {text}")))
}

impl App {
    /// `POST /transaction`
    ///
    /// # Errors
    /// The refusal of one of the operations, as JSON that says which.
    async fn transact(&self, call: &Call) -> Answered<Answer> {
        let mut body = call.object()?;
        let Some(Value::Array(operations)) = body.swap_remove("operations") else {
            return refuse("operations must be a list of operations");
        };
        if let Some(name) = body.keys().next() {
            return refuse(&format!("a transaction has operations, and no member '{name}'"));
        }
        budget::check(&budget::OPERATIONS, operations.len())?;
        let names: Vec<Option<String>> =
            operations.iter().map(|operation| name_of(operation).map(str::to_owned)).collect();
        let name = |index: usize| names.get(index).cloned().flatten();
        let mut reader = Reader { app: self, names: HashMap::new(), unknown: Vec::new() };
        let (mut steps, mut forms) = (Vec::with_capacity(operations.len()), Vec::with_capacity(operations.len()));
        let mut pace = Pace::new();
        for (index, operation) in operations.into_iter().enumerate() {
            pace.step().await;
            let asked = if call.identity.is_admin() { Questions::default() } else { reader.asked(&operation) };
            let allowed = self.check_asked(call, &asked, false).await;
            let read = allowed.and_then(|_| reader.read(index, operation));
            let (step, form) = read.map_err(|refusal| of_operation(refusal, index, name(index)))?;
            steps.push(Step { asked, ..step });
            forms.push(form);
        }
        unknown_fields::check(call, "transaction", &reader.unknown)?;
        let outcome = self.decide(call, Operation::Many(Transaction { steps })).await?;
        let outcomes = match outcome {
            Ok(Outcome::Many(outcomes)) => outcomes,
            Ok(_) => Vec::new(),
            Err(refusal) => {
                let index = refusal.operation;
                let refusal = ApiError::from(refusal);
                return Err(
                    index.map_or_else(|| refusal.clone(), |index| of_operation(refusal.clone(), index, name(index)))
                );
            }
        };
        let results = outcomes.iter().zip(forms).map(|(outcome, form)| self.result(call, outcome, form));
        Ok(Answer::json(&json!({"results": results.collect::<Vec<_>>()})))
    }

    /// What the operation would have answered alone.
    fn result(&self, call: &Call, outcome: &Outcome, form: Form) -> Value {
        let describe = |told: &Told| match form {
            Form::Created => self.created(call, told),
            Form::Updated => self.updated(call, told),
            Form::Uuid => json!({"uuid": told.uuid}),
            Form::Empty => Value::Null,
        };
        match outcome {
            Outcome::Object(told) => json!({"status": 200, "body": describe(told)}),
            Outcome::Pending(told) => json!({"status": 202, "body": told.as_ref().map(describe)}),
            Outcome::Addresses(_) | Outcome::Done | Outcome::Many(_) | Outcome::Answer(_) => {
                json!({"status": 200, "body": null})
            }
        }
    }
}

/// The local name that an operation gives.
fn name_of(operation: &Value) -> Option<&str> {
    operation.get("as").and_then(Value::as_str)
}

/// The same refusal, as that of one operation.
fn of_operation(refusal: ApiError, index: usize, name: Option<String>) -> ApiError {
    let mut body = Map::new();
    body.insert("operation".to_owned(), index.into());
    if let Some(name) = name {
        body.insert("as".to_owned(), name.into());
    }
    body.insert("error".to_owned(), refusal.text.into());
    ApiError { text: Value::Object(body).to_string(), json: true, ..refusal }
}

impl Reader<'_> {
    /// What roles have to allow for an operation; nothing, where it is none.
    fn asked(&self, operation: &Value) -> Questions {
        let about = |kind: &'static str| operation.get(kind).map(|about| (kind, about));
        let Some((kind, about)) = KINDS.iter().find_map(|(kind, _)| about(kind)) else { return Questions::default() };
        let find = |text: &str| match text.strip_prefix(SIGN) {
            Some(name) => self.names.get(name).copied(),
            None => canonical_uuid(text),
        };
        asked_by_operation(&self.app.model, kind, about, operation.get("body"), find)
    }

    fn read(&mut self, index: usize, operation: Value) -> Answered<(Step, Form)> {
        let Value::Object(mut operation) = operation else {
            return refuse(&format!("an operation must be an object, not {}", python_literal::value(&operation)));
        };
        let kinds = || KINDS.iter().filter(|(kind, _)| operation.contains_key(*kind));
        let names = || KINDS.map(|(kind, _)| kind).join(", ");
        let (Some((kind, members)), None) = (kinds().next(), kinds().nth(1)) else {
            return refuse(&format!("an operation must have one of {}", names()));
        };
        let is_known = |name: &str| name == *kind || members.contains(&name);
        if let Some(name) = operation.keys().find(|name| !is_known(name)) {
            let members = members.join(", ");
            return refuse(&format!("a {kind} has no member '{name}'; beside '{kind}' it may have {members}"));
        }
        let precondition = match text_member(&operation, "if_match")? {
            None => None,
            Some(text) => Some(Precondition::Matches(conditions::tags(&text)?)),
        };
        let about = operation.swap_remove(*kind).unwrap_or_default();
        let (operation, form) = match *kind {
            "create" => (self.create(index, &about, operation)?, Form::Created),
            "update" => self.update(index, &about, operation)?,
            "delete" => {
                let (type_id, uuid) = (self.type_of(&about)?, self.uuid(&operation)?);
                (Operation::Delete(Delete { type_id, uuid }), Form::Empty)
            }
            "ref-update" => {
                let body = self.body_of_action(kind, about, &["uuid", "ref-uuid"])?;
                self.note(index, kind, unknown_of_reference_update(&body));
                (Operation::ReferenceUpdate(self.app.read_reference_update(&body)?), Form::Uuid)
            }
            "prop-collection-update" => {
                let body = self.body_of_action(kind, about, &["uuid"])?;
                self.note(index, kind, unknown_of_collection_update(&body));
                (Operation::CollectionUpdate(read_collection_update(&body)?), Form::Empty)
            }
            _ => (self.condition(&about, &operation, precondition.is_some())?, Form::Empty),
        };
        Ok((Step { operation, precondition, asked: Questions::default() }, form))
    }

    fn create(&mut self, index: usize, about: &Value, mut operation: Body) -> Answered<Operation> {
        let type_id = self.type_of(about)?;
        let name = match operation.get("as") {
            None => None,
            Some(Value::String(name)) if !name.is_empty() && !name.starts_with(SIGN) => Some(name.clone()),
            Some(other) => {
                let given = python_literal::value(other);
                return refuse(&format!("as must be a name, which does not begin with {SIGN}, not {given}"));
            }
        };
        let body = self.body_of(type_id, &mut operation)?;
        let mut create = self.app.read_create(type_id, body)?;
        self.note(index, "body", create.document.unknown.clone());
        let Some(name) = name else { return Ok(Operation::Create(create)) };
        if self.names.contains_key(&name) {
            return refuse(&format!("the local name '{name}' is given twice"));
        }
        let given = create.document.body.get("uuid").and_then(Value::as_str).and_then(canonical_uuid);
        let uuid = given.unwrap_or_else(Uuid::new_v4);
        create.chosen = Some(uuid);
        self.names.insert(name, uuid);
        Ok(Operation::Create(create))
    }

    fn update(&mut self, index: usize, about: &Value, mut operation: Body) -> Answered<(Operation, Form)> {
        let (type_id, uuid) = (self.type_of(about)?, self.uuid(&operation)?);
        let body = self.body_of(type_id, &mut operation)?;
        let form = if body.is_empty() { Form::Empty } else { Form::Updated };
        let model = &self.app.model;
        let document = Document::read_update(model, model.object_type(type_id), body);
        if let Ok(document) = &document {
            self.note(index, "body", document.unknown.clone());
        }
        Ok((Operation::Update(Update { type_id, uuid, document }), form))
    }

    fn condition(&self, about: &Value, operation: &Body, has_tags: bool) -> Answered<Operation> {
        let type_id = self.type_of(about)?;
        let asked = match (operation.get("uuid"), operation.get("fq_name")) {
            (Some(_), None) => Asked::Uuid(self.uuid(operation)?),
            (None, Some(name)) => match string_list(name) {
                Some(name) => Asked::Name(name),
                None => {
                    return refuse(&format!("fq_name must be a list of strings, not {}", python_literal::value(name)));
                }
            },
            _ => return refuse("a condition must have one of uuid, fq_name"),
        };
        let exists = match operation.get("exists") {
            None => true,
            Some(Value::Bool(exists)) => *exists,
            Some(other) => {
                return refuse(&format!("exists must be true or false, not {}", python_literal::value(other)));
            }
        };
        if has_tags && !exists {
            return refuse("what does not exist has no ETag: if_match and exists false are not for one condition");
        }
        Ok(Operation::Condition(Condition { type_id, asked, exists }))
    }

    fn type_of(&self, about: &Value) -> Answered<TypeId> {
        find_type(&self.app.model, &text_of(Some(about)))
    }

    /// The body of a create or update: what is below the name of the type in a request of its own. The operation says the type,
    /// and once is enough.
    fn body_of(&self, type_id: TypeId, operation: &mut Body) -> Answered<Body> {
        let kind: &ObjectType = self.app.model.object_type(type_id);
        let mut body = match operation.swap_remove("body") {
            Some(Value::Object(body)) => body,
            None => return refuse("an operation of this kind needs a body"),
            Some(other) => return refuse(&format!("body must be an object, not {}", python_literal::value(&other))),
        };
        if body.len() == 1 && body.contains_key(&kind.name) {
            return refuse(&format!("body must be what is below '{0}', without '{0}'", kind.name));
        }
        if let Some(parent) = body.get_mut("parent_uuid") {
            self.resolve("parent_uuid", parent)?;
        }
        for reference in &kind.references {
            let links = body.get_mut(&reference.field).and_then(Value::as_array_mut);
            for uuid in links.into_iter().flatten().filter_map(|link| link.get_mut("uuid")) {
                self.resolve(&reference.field, uuid)?;
            }
        }
        Ok(body)
    }

    /// The body of an action.
    fn body_of_action(&self, kind: &str, about: Value, uuids: &[&str]) -> Answered<Body> {
        let Value::Object(mut body) = about else {
            return refuse(&format!(
                "{kind} must be the body of such a request, not {}",
                python_literal::value(&about)
            ));
        };
        for member in uuids {
            if let Some(uuid) = body.get_mut(*member) {
                self.resolve(member, uuid)?;
            }
        }
        Ok(body)
    }

    /// The uuid of the object that an operation is about.
    fn uuid(&self, operation: &Body) -> Answered<String> {
        let mut uuid = given(operation, "uuid").cloned().unwrap_or_default();
        self.resolve("uuid", &mut uuid)?;
        match uuid {
            Value::String(uuid) => Ok(uuid),
            other => refuse(&format!("uuid must be a text, not {}", python_literal::value(&other))),
        }
    }

    /// Puts the uuid in the place of a local name.
    fn resolve(&self, member: &str, value: &mut Value) -> Answered<()> {
        let Some(name) = value.as_str().and_then(|text| text.strip_prefix(SIGN)) else { return Ok(()) };
        let Some(uuid) = self.names.get(name) else {
            return refuse(&format!("{member}: no create before this operation has the local name '{name}'"));
        };
        *value = uuid.to_string().into();
        Ok(())
    }

    fn note(&mut self, index: usize, part: &str, unknown: Vec<String>) {
        self.unknown.extend(unknown.into_iter().map(|name| format!("operations[{index}].{part}.{name}")));
    }
}

fn describe() -> OperationBuilder {
    let tags = || nullable_text("As the header `If-Match`: only if the object is in a state with one of these ETags.");
    let local = "A name for its uuid: `$name` stands for it in operations after this one, wherever a uuid may stand.";
    let body = || anything("As in a request of its own, without the name of the type around it.");
    let create = object(&["create", "body"], [("create", type_name()), ("as", text(local)), ("body", body())]);
    let update = object(
        &["update", "uuid", "body"],
        [("update", type_name()), ("uuid", text("The object.")), ("body", body()), ("if_match", tags())],
    );
    let delete =
        object(&["delete", "uuid"], [("delete", type_name()), ("uuid", text("The object.")), ("if_match", tags())]);
    let action = |name: &'static str| {
        let body = anything("The body of such a request.");
        object(&[name], [(name, body), ("if_match", tags())])
    };
    let condition = object(
        &["condition"],
        [
            ("condition", type_name()),
            ("uuid", text("The object.")),
            ("fq_name", texts("Or its name.")),
            ("exists", simple(Type::Boolean).description(Some("Whether it is to exist; true if not given.")).into()),
            ("if_match", tags()),
        ],
    );
    let operations = [create, update, delete, action("ref-update"), action("prop-collection-update"), condition];
    let operations = list(any_of(operations.map(AnySchema::from), "One operation."))
        .max_items(Some(budget::OPERATIONS.most))
        .description(Some("In this order. Each sees what those before it did."));
    let example = json!({"operations": [
        {"condition": "project", "fq_name": ["default-domain", "default-project"], "exists": true},
        {
            "create": "virtual-network",
            "as": "front",
            "body": {
                "fq_name": ["default-domain", "default-project", "example-transaction"],
                "parent_type": "project",
                "display_name": "Example"
            }
        },
        {
            "create": "virtual-machine-interface",
            "body": {
                "fq_name": ["default-domain", "default-project", "example-transaction"],
                "parent_type": "project",
                "virtual_network_refs": [{"uuid": "$front"}]
            }
        }
    ]});
    let result = object(
        &["status", "body"],
        [
            ("status", simple(Type::Integer).description(Some("200, or 202 for a draft.")).into()),
            ("body", anything("What the request of its own would have answered; null for nothing.")),
        ],
    );
    let refusal = || {
        object(
            &["operation", "error"],
            [
                ("operation", simple(Type::Integer).minimum(Some(0)).description(Some("Which one, from 0.")).into()),
                ("as", text("Its local name, if it has one.")),
                ("error", text("What the request of its own would have been refused with.")),
            ],
        )
    };
    let refused_as = |status: &str| {
        let (name, response) =
            (status.to_owned(), json_answer("One of the operations is refused, so nothing is done.", refusal()));
        (name, response.content(BARE_TEXT, Content::new(Some(simple(Type::String)))))
    };
    let operation = about(PARTS, "transaction", "Does several things as one, all or nothing")
        .says(
            "The operations are decided one after the other, and nobody comes in between: if one is refused, nothing has \
             happened, and the answer says which one it was. In the change log they are one request.",
        )
        .takes_like(Required::True, object(&["operations"], [("operations", operations.into())]), example)
        .answers("All are done.", object(&["results"], [("results", list(result.into()).into())]));
    ["400", "403", "404", "409", "412"]
        .into_iter()
        .map(refused_as)
        .fold(operation, |operation, (status, response)| operation.response(status, response))
        .or(&[408, 413, 503])
}
