//! What a request asks of the rules of roles: of which object, with which letter, and for which fields (access contract 4.3).
//! It follows from method, path and body alone, so it is asked before anything is refused for what it says.

use super::{
    App,
    actions::{Access, Action, Effect, neutron},
    call::{Call, text_of},
    error::Answered,
    list::find_type,
    routes::Route,
};
use crate::{
    access::role_rules::{Letter, Question, Questions, SET_TAG, Subject, Verdict},
    graph::{Graph, Position},
    model::{Model, TypeId},
    neutron::only_reads,
    rules::{Rejection, asked, canonical_uuid},
};
use actix_web::http::Method;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Actions that rules know by another name: who may follow changes one way may so the other way.
const ASKED_AS: [(&str, &str); 1] = [("changes", "watch")];
/// Actions that no rule is asked about beside those that anybody may use: a transaction is what its operations are, and
/// whoever is known may know the mode.
const NOT_ASKED: [(Method, &str); 2] = [(Method::POST, "transaction"), (Method::GET, "aaa-mode")];
/// What is in bodies and is no field (RBAC-9).
const NO_FIELDS: [&str; 2] = ["uuid", "fq_name"];
/// What is in the body of `/set-tag` beside tag types.
const NO_TAG_TYPES: [&str; 2] = ["obj_type", "obj_uuid"];

impl App {
    /// Asks the rules of roles, and keeps the question: what answers the request asks again, with the graph that it goes by.
    ///
    /// # Errors
    /// 403 where they refuse it.
    pub async fn check_role_rules(&self, call: &Call, route: &Route) -> Answered<()> {
        if call.identity.is_admin() {
            return Ok(());
        }
        let asked = call.look_at_body(|body| asked_by(&self.model, call, route, body));
        // What is done elsewhere is asked here alone.
        let is_elsewhere = matches!(route, Route::Action(action, _) if action.effect == Effect::Acts);
        call.asked_at.set(Some(self.check_asked(call, &asked, is_elsewhere).await?));
        call.asked.replace(asked);
        Ok(())
    }

    /// Asks the rules as they are known here, and where these refuse, or `for_sure`, as they are; gives the state that was asked.
    ///
    /// # Errors
    /// 403 where they refuse it, 503 where they would have to be asked for, and the database is away.
    pub async fn check_asked(&self, call: &Call, asked: &Questions, for_sure: bool) -> Answered<Position> {
        let check = |graph: &Graph| {
            asked::check(&self.role_rules, graph, &call.identity, asked)?;
            Ok::<_, Rejection>(graph.position())
        };
        if !for_sure && let Ok(position) = check(&self.replica.current()) {
            return Ok(position);
        }
        // Another server may have written other rules a moment ago.
        let snapshot = self.replica.snapshot().await?;
        Ok(check(&snapshot.graph)?)
    }

    /// Whether objects of a type may be read at all.
    pub fn may_read_type(&self, call: &Call, graph: &Graph, type_id: TypeId) -> bool {
        let question = read(Subject::Type(type_id));
        self.role_rules.decide(graph, &call.identity, &question) == Verdict::Granted
    }
}

fn question(subject: Subject, letter: Letter, fields: Vec<String>) -> Question {
    Question { subject, letter, reads: letter == Letter::Read, fields }
}

fn read(subject: Subject) -> Question {
    question(subject, Letter::Read, Vec::new())
}

/// RBAC-6
pub fn letter_of(method: &Method) -> Letter {
    match *method {
        Method::POST => Letter::Create,
        Method::PUT => Letter::Update,
        Method::DELETE => Letter::Delete,
        _ => Letter::Read,
    }
}

fn fields_of(body: Option<&Value>) -> Vec<String> {
    let keys = body.and_then(Value::as_object).into_iter().flat_map(Map::keys);
    keys.filter(|key| !NO_FIELDS.contains(&key.as_str())).cloned().collect()
}

fn tag_types_of(body: Option<&Value>) -> Vec<String> {
    let keys = body.and_then(Value::as_object).into_iter().flat_map(Map::keys);
    keys.filter(|key| !NO_TAG_TYPES.contains(&key.as_str())).map(|key| key.to_lowercase()).collect()
}

/// What a request asks. Home page and documentation are everybody's.
fn asked_by(model: &Model, call: &Call, route: &Route, body: Option<&Value>) -> Questions {
    let letter = letter_of(&call.method);
    let of_type = |type_id: TypeId| {
        let content = body.and_then(|body| body.get(&model.object_type(type_id).name));
        Questions::new(question(Subject::Type(type_id), letter, fields_of(content)))
    };
    match route {
        // What pages show they ask for with requests of their own.
        Route::Home | Route::OpenApi | Route::Documentation(_) | Route::Page(..) => Questions::default(),
        Route::Collection(type_id) | Route::Object(type_id, _) => of_type(*type_id),
        Route::Action(action, _) => asked_by_action(model, call, action, body),
    }
}

fn asked_by_action(model: &Model, call: &Call, action: &'static Action, body: Option<&Value>) -> Questions {
    let name = action.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    if action.access == Access::Anybody || NOT_ASKED.iter().any(|known| *known == (action.method.clone(), name)) {
        return Questions::default();
    }
    let known = ASKED_AS.iter().find(|(known, _)| *known == name).map_or(name, |(_, name)| *name);
    let subject = model.find(known).map_or(Subject::Action(known), Subject::Type);
    let fields = if name == SET_TAG { tag_types_of(body) } else { fields_of(body) };
    if action.path == neutron::PATH {
        // What it does with types is asked where it is done.
        let resource = call.path.rsplit('/').next().unwrap_or_default();
        let own = question(subject, letter_of(&action.method), Vec::new());
        return Questions::new(Question { reads: only_reads(resource, body), ..own });
    }
    let only_reads = action.effect == Effect::Reads && action.access == Access::Reader;
    let own = question(subject, letter_of(&action.method), fields);
    let reads = own.reads || only_reads;
    let asked = Questions::new(Question { reads, ..own });
    match name {
        "list-bulk-collection" => {
            let listed = body.and_then(|body| find_type(model, &text_of(body.get("type"))).ok());
            asked.and(listed.map(|type_id| read(Subject::Type(type_id))))
        }
        "ref-update" => asked.and(of_reference_update(model, body)),
        "prop-collection-get" => {
            let uuid = call.query.get("uuid").and_then(|uuid| canonical_uuid(uuid));
            asked.and(uuid.map(|uuid| read(Subject::TypeOf(uuid))))
        }
        "prop-collection-update" => asked.and(of_collection_update(body, canonical_uuid)),
        "chmod" => asked.and(of_mode_change(body)),
        "chown" => asked.and(of_object(body, "uuid", &["perms2"])),
        SET_TAG => asked.and(of_tags(model, body)),
        "ref-relax-for-delete" => asked.and(of_object(body, "uuid", &[])),
        "security-policy-draft" => asked.and(of_object(body, "scope_uuid", &[])),
        "watch" | "changes" => {
            let names = call.query.get("resource_type").into_iter().flat_map(|names| names.split(','));
            let types = names.filter_map(|name| model.find(name));
            types.fold(asked, |asked, type_id| asked.and(Some(read(Subject::Type(type_id)))))
        }
        _ => asked,
    }
}

/// What `/ref-update` does to the type that refers.
fn of_reference_update(model: &Model, body: Option<&Value>) -> Option<Question> {
    let type_of = |member: &str| find_type(model, &text_of(Some(body?.get(member)?))).ok();
    let type_id = type_of("type")?;
    let reference = type_of("ref-type").and_then(|target| model.object_type(type_id).reference_to(target));
    let fields = reference.map(|(_, reference)| reference.field.clone()).into_iter().collect();
    Some(question(Subject::Type(type_id), Letter::Update, fields))
}

/// An update of these fields of the object that a body names. Some actions know it in any spelling of its uuid.
fn of_object(body: Option<&Value>, member: &str, fields: &[&str]) -> Option<Question> {
    let uuid = Uuid::try_parse(body?.get(member)?.as_str()?).ok()?;
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    Some(question(Subject::TypeOf(uuid), Letter::Update, fields))
}

/// What `/chmod` does to the type of the object. What everybody may do with it is in a field of its own, too.
fn of_mode_change(body: Option<&Value>) -> Option<Question> {
    let is_for_all = body?.get("global_access").is_some_and(|access| !access.is_null());
    of_object(body, "uuid", if is_for_all { &["perms2", "is_shared"] } else { &["perms2"] })
}

/// What `/set-tag` does to the type of the object.
fn of_tags(model: &Model, body: Option<&Value>) -> Option<Question> {
    let type_id = model.find(body?.get("obj_type")?.as_str()?)?;
    Some(question(Subject::Type(type_id), Letter::Update, vec!["tag_refs".to_owned()]))
}

/// What `/prop-collection-update` does to the type of the object.
fn of_collection_update(body: Option<&Value>, find: impl Fn(&str) -> Option<Uuid>) -> Option<Question> {
    let uuid = find(body?.get("uuid")?.as_str()?)?;
    let updates = body.and_then(|body| body.get("updates")?.as_array());
    let mut fields: Vec<String> =
        updates.into_iter().flatten().filter_map(|update| Some(text_of(Some(update.get("field")?)))).collect();
    fields.sort_unstable();
    fields.dedup();
    Some(question(Subject::TypeOf(uuid), Letter::Update, fields))
}

/// What one operation of a transaction asks: the same as the request that it stands for. `find` knows local names.
pub fn asked_by_operation(
    model: &Model,
    kind: &str,
    about: &Value,
    body: Option<&Value>,
    find: impl Fn(&str) -> Option<Uuid>,
) -> Questions {
    let type_id = || find_type(model, &text_of(Some(about))).ok();
    let of_type = |letter: Letter, fields: Vec<String>| {
        type_id()
            .map_or_else(Questions::default, |type_id| Questions::new(question(Subject::Type(type_id), letter, fields)))
    };
    let of_action =
        |name: &'static str| Questions::new(question(Subject::Action(name), Letter::Create, fields_of(Some(about))));
    match kind {
        "create" => of_type(Letter::Create, fields_of(body)),
        "update" => of_type(Letter::Update, fields_of(body)),
        "delete" => of_type(Letter::Delete, Vec::new()),
        "ref-update" => of_action("ref-update").and(of_reference_update(model, Some(about))),
        "prop-collection-update" => of_action("prop-collection-update").and(of_collection_update(Some(about), find)),
        _ => of_type(Letter::Read, Vec::new()),
    }
}

#[cfg(test)]
mod tests;
