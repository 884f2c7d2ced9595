//! `/ui/create/{type}` and `/ui/edit/{type}/{uuid}`: forms made from the model. Nothing is saved before its difference was shown, and
//! only what was changed is sent. A form carries what it was made of, and the tag of that state: if somebody else has changed
//! the object meanwhile, who saves is told what, and decides.

mod show;

use super::{
    controls::{Fault, MOST_ROWS, name_of_link, rows_of},
    form::{self, Fields},
    history,
    layout::Layout,
    link, object, refused, session,
    typed::{self, Reader, clean},
    value,
};
use crate::{
    api::{
        Answer, Answered, ApiError,
        pages::{Asked, Reply},
    },
    graph::Graph,
    model::{Facts, ObjectType, Parent, Presence, Property, Reference},
};
use actix_web::http::{Method, StatusCode};
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use uuid::Uuid;

/// Fields that are longer, in bytes of JSON, are not for forms.
const LONGEST_FIELD: usize = 60_000;
/// The same of all fields together: a form that is sent has to stay below the limit for requests.
const LONGEST: usize = 150_000;
/// How many objects that are in the way are named.
const MOST_NAMED: usize = 20;
/// Who shares an object is set by the server for a new one, and by its owner later.
const SHARES: &str = "perms2";

/// What somebody is about to save.
struct Draft<'a> {
    asked: &'a Asked<'a>,
    kind: &'a ObjectType,
    /// None of one that is to be made.
    uuid: Option<Uuid>,
    /// What the form was made of, with the tag of that state.
    base: Map<String, Value>,
    etag: String,
    /// What the fields are to be.
    values: Map<String, Value>,
    /// Fields that are too large for a form, by name.
    kept: Vec<String>,
    /// Its own name, and the full name of what it is below.
    name: String,
    parent: String,
    faults: Vec<Fault>,
    /// What a refusal says at its full length, and which objects it names.
    refusal: Option<Refusal>,
    focus: String,
}

struct Refusal {
    text: String,
    objects: Vec<Markup>,
}

/// What an object is at the moment, as far as a form can be made of it.
struct Current {
    fields: Map<String, Value>,
    kept: Vec<String>,
    etag: String,
}

/// A field of which there were two opinions, or is another one than before.
struct Difference {
    name: String,
    before: String,
    after: String,
}

/// A request that saves.
struct Request {
    method: Method,
    target: String,
    body: Value,
    if_match: Option<String>,
}

impl Request {
    async fn send(&self, asked: &Asked<'_>, is_trial: bool) -> Answered<Reply> {
        let target = if is_trial { format!("{}?dry_run=true", self.target) } else { self.target.clone() };
        asked.send(self.method.clone(), &target, Some(self.body.clone()), self.if_match.clone()).await
    }
}

/// `GET /ui/edit/{type}/{uuid}`
///
/// # Errors
/// 403 and 404 as for the object of the interface.
pub async fn edit(asked: Asked<'_>) -> Answered<Answer> {
    let (kind, uuid) = (object::kind_of(&asked)?, uuid_of(&asked)?);
    let mut draft = Draft::new(&asked, kind, Some(uuid));
    draft.begin(match current(&asked, kind, uuid).await {
        Err(error) if error.status == StatusCode::NOT_FOUND => return Ok(object::gone(&asked, kind, uuid)),
        current => current?,
    });
    draft.locate(&asked.snapshot().await?.graph);
    draft.form(StatusCode::OK, None).await
}

/// `GET /ui/create/{type}`, with `?parent=<uuid>`.
///
/// # Errors
/// 404 for a type that there is not.
pub async fn create(asked: Asked<'_>) -> Answered<Answer> {
    let kind = object::kind_of(&asked)?;
    asked.may(Method::POST, &format!("/{}", kind.collection)).await?;
    let mut draft = Draft::new(&asked, kind, None);
    if let Some(parent) = asked.argument("parent") {
        let snapshot = asked.snapshot().await?;
        draft.parent = parent_of(&asked, &snapshot.graph, kind, parent)
            .map_or_else(|| parent.to_owned(), |(_, name)| name.join(":"));
    }
    draft.form(StatusCode::OK, None).await
}

/// `POST /ui/edit/{type}/{uuid}`
///
/// # Errors
/// 400 for a form that is none of these.
pub async fn edited(asked: Asked<'_>) -> Answered<Answer> {
    let uuid = uuid_of(&asked)?;
    sent(&asked, Some(uuid)).await
}

/// `POST /ui/create/{type}`
///
/// # Errors
/// 400 for a form that is none of these.
pub async fn created(asked: Asked<'_>) -> Answered<Answer> {
    sent(&asked, None).await
}

/// The uuid in the path.
///
/// # Errors
/// 404
pub fn uuid_of(asked: &Asked<'_>) -> Answered<Uuid> {
    Uuid::try_parse(asked.part(1)).map_err(|_| ApiError::not_found("This is no uuid."))
}

async fn sent(asked: &Asked<'_>, uuid: Option<Uuid>) -> Answered<Answer> {
    let kind = object::kind_of(asked)?;
    let (fields, is_own) = form::look(asked)?;
    let mut draft = Draft::read(asked, kind, uuid, &fields).await?;
    if !is_own {
        let note = "Your session is another one than when this form was made, so nothing was done. Here is what you have typed: look at it, and send it again.";
        return draft.form(StatusCode::FORBIDDEN, Some(&html! { p .note role="alert" { (note) } })).await;
    }
    match fields.text("do") {
        "" | "review" => draft.review().await,
        "save" => draft.save().await,
        "back" => draft.form(StatusCode::OK, None).await,
        wish => {
            draft.faults.clear();
            draft.focus = typed::rearrange(&asked.app.model, kind, &mut draft.values, wish)?;
            draft.form(StatusCode::OK, None).await
        }
    }
}

/// What a form is made of, and its tag.
async fn current(asked: &Asked<'_>, kind: &ObjectType, uuid: Uuid) -> Answered<Current> {
    let target = format!("/{}/{uuid}?exclude_children=true&exclude_back_refs=true&exclude_hrefs=true", kind.name);
    let mut reply = asked.send(Method::GET, &target, None, None).await?;
    let all = reply.value.get_mut(&kind.name).and_then(Value::as_object_mut).map(std::mem::take).unwrap_or_default();
    let (mut size, mut rows) = (0, 0);
    let (mut fields, mut kept) = (Map::new(), Vec::new());
    for (name, value) in all.into_iter().filter(|(name, _)| is_offered(kind, name, false)) {
        let (length, more) = (value.to_string().len(), rows_of(&value));
        // There is room for rows that are added.
        if length <= LONGEST_FIELD && size + length <= LONGEST && rows + more <= MOST_ROWS / 2 {
            (size, rows) = (size + length, rows + more);
            fields.insert(name, value);
        } else {
            kept.push(name);
        }
    }
    Ok(Current { fields, kept, etag: reply.etag.unwrap_or_default() })
}

/// What is set by the server alone is not asked for.
fn is_open(facts: &Facts, is_new: bool) -> bool {
    facts.presence != Presence::SystemOnly && facts.operations.contains(if is_new { 'C' } else { 'U' })
}

fn properties(kind: &ObjectType, is_new: bool) -> impl Iterator<Item = &Property> {
    kind.properties.iter().filter(move |property| {
        if property.name == SHARES { !is_new } else { property.name != "id_perms" && is_open(&property.facts, is_new) }
    })
}

fn references(kind: &ObjectType, is_new: bool) -> impl Iterator<Item = &Reference> {
    kind.references.iter().filter(move |reference| !reference.derived && is_open(&reference.facts, is_new))
}

fn is_offered(kind: &ObjectType, name: &str, is_new: bool) -> bool {
    properties(kind, is_new).any(|property| property.name == name)
        || references(kind, is_new).any(|reference| reference.field == name)
}

/// The parent that somebody names: its type, if it is not the root, and its full name.
fn parent_of(
    asked: &Asked<'_>,
    graph: &Graph,
    kind: &ObjectType,
    called: &str,
) -> Option<(Option<String>, Vec<String>)> {
    if called.is_empty() {
        return kind.parents.contains(&Parent::ConfigRoot).then(|| (None, Vec::new()));
    }
    let types = kind.parents.iter().filter_map(|parent| match parent {
        Parent::ConfigRoot => None,
        Parent::Type(type_id) => Some(*type_id),
    });
    let uuid = Uuid::try_parse(called).ok();
    let mut found = types.filter_map(|type_id| {
        let by_uuid = uuid.and_then(|uuid| graph.get_of_type(type_id, uuid));
        let object = by_uuid.or_else(|| graph.find_joined(type_id, called))?;
        let may = asked.call.identity.may_read(object) && asked.may_read_type(graph, type_id);
        let name = object.fq_name.elements().iter().map(ToString::to_string).collect();
        may.then(|| (Some(graph.model().object_type(type_id).name.clone()), name))
    });
    found.next()
}

impl<'a> Draft<'a> {
    fn new(asked: &'a Asked<'a>, kind: &'a ObjectType, uuid: Option<Uuid>) -> Self {
        Self {
            asked,
            kind,
            uuid,
            base: Map::new(),
            etag: String::new(),
            values: Map::new(),
            kept: Vec::new(),
            name: String::new(),
            parent: String::new(),
            faults: Vec::new(),
            refusal: None,
            focus: String::new(),
        }
    }

    /// What it is now is what the form is made of.
    fn begin(&mut self, current: Current) {
        self.values.clone_from(&current.fields);
        (self.base, self.kept, self.etag) = (current.fields, current.kept, current.etag);
    }

    /// What is edited, and where it is.
    fn locate(&mut self, graph: &Graph) {
        let object = self.uuid.and_then(|uuid| graph.get(uuid));
        if let Some(object) = object.filter(|object| self.asked.call.identity.may_read(object)) {
            let mut name = object.fq_name.elements();
            self.name = name.pop().unwrap_or_default().to_owned();
            self.parent = name.join(":");
        }
    }

    fn is_new(&self) -> bool {
        self.uuid.is_none()
    }

    /// What a form that was sent is about.
    ///
    /// # Errors
    /// 400 for what no form of ours has.
    async fn read(asked: &'a Asked<'a>, kind: &'a ObjectType, uuid: Option<Uuid>, fields: &Fields) -> Answered<Self> {
        let is_new = uuid.is_none();
        let hidden = |name: &str| {
            let text = Some(fields.as_given(name)).filter(|text| !text.is_empty()).unwrap_or("{}");
            let read: Result<Map<String, Value>, _> = serde_json::from_str(text);
            let read = read.map_err(|_| {
                ApiError::bad_request(format!(
                    "The field '{name}' of this form is not as it was made. Nothing was done."
                ))
            })?;
            match read.keys().find(|field| !is_offered(kind, field, is_new)) {
                Some(strange) => Err(unknown(strange)),
                None => Ok(read),
            }
        };
        let mut draft = Self::new(asked, kind, uuid);
        draft.base = hidden("base")?;
        fields.text("etag").clone_into(&mut draft.etag);
        fields.text("name").clone_into(&mut draft.name);
        fields.text("parent").clone_into(&mut draft.parent);
        draft.kept =
            fields.text("kept").split(',').filter(|name| is_offered(kind, name, is_new)).map(str::to_owned).collect();
        let snapshot = asked.snapshot().await?;
        let graph = &snapshot.graph;
        draft.locate(graph);
        let place = if is_new {
            parent_of(asked, graph, kind, &draft.parent).map(|(_, name)| name.join(":")).unwrap_or_default()
        } else {
            draft.parent.clone()
        };
        let find = |reference: &Reference, called: &str| find(asked, graph, &place, reference, called);
        let mut reader = Reader { model: &asked.app.model, kind, find: &find, faults: Vec::new() };
        let typed = reader.read(fields)?;
        if let Some(strange) = typed.keys().find(|field| !is_offered(kind, field, is_new)) {
            return Err(unknown(strange));
        }
        draft.faults = reader.faults;
        draft.values.clone_from(&draft.base);
        draft.values.extend(typed);
        draft.values.extend(hidden("changes")?);
        Ok(draft)
    }

    /// The fields that are to be others than they were, as they are sent.
    fn changes(&self) -> Map<String, Value> {
        let is_new = self.is_new();
        let mut changes = Map::new();
        let of = |fields: &Map<String, Value>, name: &str| fields.get(name).map(clean).unwrap_or_default();
        for property in properties(self.kind, is_new) {
            let after = of(&self.values, &property.name);
            if after != of(&self.base, &property.name) {
                changes.insert(property.name.clone(), after);
            }
        }
        for reference in references(self.kind, is_new) {
            let after = of(&self.values, &reference.field);
            if after == of(&self.base, &reference.field) {
                continue;
            }
            let has_data = reference.attribute.is_some() || reference.untyped_attribute;
            let links = after.as_array().into_iter().flatten().map(|link| {
                let mut link = link.clone();
                if let Some(members) = link.as_object_mut().filter(|_| has_data) {
                    members.entry("attr").or_insert(Value::Null);
                }
                link
            });
            changes.insert(reference.field.clone(), Value::Array(links.collect()));
        }
        changes
    }

    /// What saves these changes. Who does not see all links of an object does not send all that it has: each is added or taken
    /// away by itself then, and those that are not seen stay.
    fn request(&self, changes: &Map<String, Value>, parent: Option<&(Option<String>, Vec<String>)>) -> Request {
        let kind = self.kind;
        let Some(uuid) = self.uuid else {
            let (parent_type, mut name) = parent.cloned().unwrap_or_default();
            name.push(self.name.clone());
            let mut body = Map::from_iter([("fq_name".to_owned(), json!(name))]);
            body.extend(parent_type.map(|kind| ("parent_type".to_owned(), Value::from(kind))));
            body.extend(changes.clone());
            let target = format!("/{}", kind.collection);
            return Request { method: Method::POST, target, body: json!({ &kind.name: body }), if_match: None };
        };
        let if_match = Some(self.etag.clone()).filter(|etag| !etag.is_empty());
        let has_links = changes.keys().any(|name| kind.reference(name).is_some());
        if !has_links || self.asked.call.identity.sees_everything() {
            let (target, body) = (format!("/{}/{uuid}", kind.name), json!({ &kind.name: changes }));
            return Request { method: Method::PUT, target, body, if_match };
        }
        let mut operations = Vec::new();
        let own: Map<String, Value> = changes
            .iter()
            .filter(|(name, _)| kind.property(name).is_some())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        operations.push(
            json!({"update": kind.name, "uuid": uuid, "body": own, "if_match": if_match.as_deref().unwrap_or("*")}),
        );
        for reference in references(kind, false).filter(|reference| changes.contains_key(&reference.field)) {
            operations.extend(self.link_changes(uuid, reference, changes.get(&reference.field)));
        }
        Request {
            method: Method::POST,
            target: "/transaction".to_owned(),
            body: json!({ "operations": operations }),
            if_match: None,
        }
    }

    /// The links that come and go, each as a request of its own.
    fn link_changes(&self, uuid: Uuid, reference: &Reference, wanted: Option<&Value>) -> Vec<Value> {
        let items = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let (before, after) = (items(self.base.get(&reference.field)), items(wanted));
        let key = |link: &Value| link.get("uuid").and_then(Value::as_str).map(str::to_owned);
        let by_key = |links: &[Value]| -> HashMap<Option<String>, Value> {
            links.iter().map(|link| (key(link), clean(link))).collect()
        };
        let (known, wanted) = (by_key(&before), by_key(&after));
        let target = &self.asked.app.model.object_type(reference.target).name;
        let operation = |link: &Value, operation: &str| {
            let mut body = json!({"type": self.kind.name, "uuid": uuid, "ref-type": target, "ref-uuid": key(link), "operation": operation});
            if let (Some(body), "ADD", Some(data)) = (body.as_object_mut(), operation, link.get("attr")) {
                body.insert("attr".to_owned(), data.clone());
            }
            json!({ "ref-update": body })
        };
        let gone = before.iter().filter(|link| !wanted.contains_key(&key(link))).map(|link| operation(link, "DELETE"));
        let come =
            after.iter().filter(|link| known.get(&key(link)) != Some(&clean(link))).map(|link| operation(link, "ADD"));
        gone.chain(come).collect()
    }

    fn differences(&self, before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Difference> {
        let is_new = self.is_new();
        let names = references(self.kind, is_new).map(|reference| reference.field.as_str());
        let names = names.chain(properties(self.kind, is_new).map(|property| property.name.as_str()));
        let text = |fields: &Map<String, Value>, name: &str| {
            fields.get(name).map(|value| shown(self.kind, name, value)).unwrap_or_default()
        };
        let differences = names.map(|name| Difference {
            name: name.to_owned(),
            before: text(before, name),
            after: text(after, name),
        });
        differences.filter(|difference| difference.before != difference.after).collect()
    }

    /// The parent of a new object.
    async fn place(&mut self) -> Answered<Option<(Option<String>, Vec<String>)>> {
        if !self.is_new() {
            return Ok(None);
        }
        let snapshot = self.asked.snapshot().await?;
        let parent = parent_of(self.asked, &snapshot.graph, self.kind, &self.parent);
        if parent.is_none() {
            let text = "There is nothing of this name that you may see, and that it can be below: a full name or a uuid is expected.";
            self.faults.push(Fault { path: "parent".to_owned(), text: text.to_owned() });
        }
        if self.name.is_empty() {
            self.faults.push(Fault { path: "name".to_owned(), text: "It needs a name.".to_owned() });
        }
        Ok(parent)
    }

    /// The second step: what is going to be other than it is.
    async fn review(mut self) -> Answered<Answer> {
        let mut meanwhile = Vec::new();
        let mut both = Vec::new();
        if let Some(uuid) = self.uuid {
            let current = match current(self.asked, self.kind, uuid).await {
                Ok(current) => current,
                Err(error) => return self.refused(error).await,
            };
            if current.etag != self.etag {
                meanwhile = self.differences(&self.base, &current.fields);
                let changed = self.changes();
                let mut mine = std::mem::take(&mut self.values);
                mine.retain(|name, _| changed.contains_key(name));
                both =
                    meanwhile.iter().map(|other| other.name.clone()).filter(|name| mine.contains_key(name)).collect();
                self.begin(current);
                self.values.extend(mine);
            }
        }
        let parent = self.place().await?;
        if !self.faults.is_empty() {
            return self.form(StatusCode::BAD_REQUEST, None).await;
        }
        let changes = self.changes();
        let told = self.meanwhile(&meanwhile, &both);
        if changes.is_empty() && !self.is_new() {
            let note = html! { (told) p .note role="status" { "Nothing is other than it is already, so there is nothing to save." } };
            return self.form(StatusCode::OK, Some(&note)).await;
        }
        let request = self.request(&changes, parent.as_ref());
        if let Err(error) = request.send(self.asked, true).await {
            return self.refused(error).await;
        }
        Ok(self.difference(&changes, &request, &told))
    }

    /// What somebody else has changed since the form was made.
    fn meanwhile(&self, meanwhile: &[Difference], both: &[String]) -> Markup {
        let Some(uuid) = self.uuid.filter(|_| !meanwhile.is_empty()) else { return html! {} };
        let both: Vec<String> = both.iter().map(|name| value::words(name)).collect();
        html! {
            section .refusal #meanwhile role="alert" aria-labelledby="meanwhile-title" {
                h2 #meanwhile-title { "Somebody else has changed this meanwhile" }
                p {
                    "Since your form was made this has become another one; " a href=(format!("/ui/history/{}/{uuid}", link::segment(&self.kind.name))) { "its history" } " says by whom."
                    @if both.is_empty() { " Nothing of it is what you have changed: both can stand." }
                    @else { " You have both changed: " strong { (both.join(", ")) } ". If you save, yours takes the place of the other." }
                }
                (difference_list(meanwhile))
            }
        }
    }

    fn difference(&self, changes: &Map<String, Value>, request: &Request, told: &Markup) -> Answer {
        let mut after = self.base.clone();
        after.extend(changes.clone());
        let differences = self.differences(&self.base, &after);
        let kind = value::words(&self.kind.name);
        let (title, save) = if self.is_new() {
            (format!("Create this {kind}?"), "Create")
        } else {
            (format!("Save this {kind}?"), "Save")
        };
        let to_form = html! {
            (self.hidden())
            input type="hidden" name="changes" value=(Value::Object(changes.clone()).to_string());
            @if self.is_new() {
                input type="hidden" name="name" value=(self.name);
                input type="hidden" name="parent" value=(self.parent);
            }
            div .actions {
                button type="submit" name="do" value="save" autofocus { (save) }
                button type="submit" name="do" value="back" { "Change more" }
                a href=(self.leads_to()) { "Leave it as it is" }
            }
        };
        Layout::new(self.asked, &title).at("/ui/types").show(&html! {
            (self.crumbs())
            h1 { (title) " " small { (link::shortened(&self.name)) } }
            (told)
            section aria-labelledby="difference" {
                h2 #difference { @if self.is_new() { "What it will be" } @else { "What will be other than it is" } }
                @if self.is_new() {
                    dl .properties {
                        div { dt { "name" } dd { (value::text(&self.name)) } }
                        @if !self.parent.is_empty() { div { dt { "below" } dd { (link::shortened(&self.parent)) } } }
                    }
                }
                (difference_list(&differences))
            }
            p .none { "The server has tried it, and would take it as it is." }
            (form::post(self.asked, &self.action(), &to_form))
            (object::request_with(self.asked, request.method.as_str(), &request.target, request.if_match.as_deref(), Some(&request.body)))
        })
    }

    async fn save(mut self) -> Answered<Answer> {
        let parent = self.place().await?;
        if !self.faults.is_empty() {
            return self.form(StatusCode::BAD_REQUEST, None).await;
        }
        let changes = self.changes();
        if changes.is_empty() && !self.is_new() {
            return self.review().await;
        }
        match self.request(&changes, parent.as_ref()).send(self.asked, false).await {
            Ok(reply) => {
                let made = reply.value.get(&self.kind.name).and_then(|made| made.get("uuid")).and_then(Value::as_str);
                let uuid = self.uuid.or_else(|| made.and_then(|uuid| Uuid::try_parse(uuid).ok()));
                // A draft of a security policy may have no object yet.
                let to = uuid
                    .map_or_else(|| link::list_path(self.kind, &[]), |uuid| link::object_path(&self.kind.name, uuid));
                Ok(session::see(&to))
            }
            Err(error) => {
                let is_unmet = error.status == StatusCode::PRECONDITION_FAILED;
                if let Some(uuid) = self.uuid.filter(|_| is_unmet)
                    && let Ok(current) = current(self.asked, self.kind, uuid).await
                    && current.etag != self.etag
                {
                    return self.review().await;
                }
                self.refused(error).await
            }
        }
    }

    /// The form again, with what the server says where it belongs.
    async fn refused(mut self, error: ApiError) -> Answered<Answer> {
        if let Some(uuid) = self.uuid.filter(|_| error.status == StatusCode::NOT_FOUND)
            && self.asked.snapshot().await?.graph.get(uuid).is_none()
        {
            return Ok(self.vanished(uuid));
        }
        let text = refused::text(&error);
        let reason = error.reason.as_deref().cloned().unwrap_or_default();
        let mut fault = Fault::of_refusal(reason.field.as_deref(), &text, &self.values);
        let field = reason.field.as_deref().unwrap_or_default().split('.').next().unwrap_or_default();
        if !is_offered(self.kind, field, self.is_new()) {
            fault.path = match field {
                "fq_name" | "name" if self.is_new() => "name".to_owned(),
                "parent_type" | "parent_uuid" if self.is_new() => "parent".to_owned(),
                _ => String::new(),
            };
        }
        self.faults = vec![fault];
        let snapshot = self.asked.snapshot().await?;
        let graph = &snapshot.graph;
        let objects = reason.objects.iter().filter_map(|uuid| graph.get(*uuid));
        let objects = objects.filter(|object| self.asked.call.identity.may_read(object)).take(MOST_NAMED);
        self.refusal = Some(Refusal { text, objects: objects.map(|object| object::linked(graph, object)).collect() });
        self.form(error.status, None).await
    }

    /// What was to be saved in an object that is gone.
    fn vanished(&self, uuid: Uuid) -> Answer {
        let differences = self.differences(&self.base, &self.values);
        let title = "Not there any more";
        Layout::new(self.asked, title).at("/ui/types").status(StatusCode::NOT_FOUND).show(&html! {
            h1 { (title) }
            p role="alert" { "The " (value::words(&self.kind.name)) " " code { (uuid) } " has been deleted while you changed it. Nothing was saved." }
            p {
                a href=(format!("/ui/history/{}/{uuid}", link::segment(&self.kind.name))) { "What the change log says of it" } " · "
                a href=(format!("/ui/create/{}", link::segment(&self.kind.name))) { "Create another one" }
            }
            h2 { "What you wanted to change" }
            (difference_list(&differences))
        })
    }

    fn action(&self) -> String {
        let kind = link::segment(&self.kind.name);
        self.uuid.map_or_else(|| format!("/ui/create/{kind}"), |uuid| format!("/ui/edit/{kind}/{uuid}"))
    }

    fn leads_to(&self) -> String {
        self.uuid.map_or_else(|| link::list_path(self.kind, &[]), |uuid| link::object_path(&self.kind.name, uuid))
    }

    /// What a form carries along.
    fn hidden(&self) -> Markup {
        html! {
            @if !self.is_new() {
                input type="hidden" name="etag" value=(self.etag);
                @if !self.kept.is_empty() { input type="hidden" name="kept" value=(self.kept.join(",")); }
                input type="hidden" name="base" value=(Value::Object(self.base.clone()).to_string());
            }
        }
    }

    fn crumbs(&self) -> Markup {
        html! {
            nav .crumbs aria-label="Where this is" {
                a href=(link::list_path(self.kind, &[])) { (value::words(&self.kind.collection)) }
                @if let Some(uuid) = self.uuid { " › " a href=(link::object_path(&self.kind.name, uuid)) { (link::shortened(&self.name)) } }
            }
        }
    }
}

fn unknown(field: &str) -> ApiError {
    let field = link::shortened(field);
    ApiError::bad_request(format!("This form has a field '{field}' that it was not made with. Nothing was done."))
}

/// What somebody calls by name or uuid, or by its own name alone if it is in the same place.
fn find(asked: &Asked<'_>, graph: &Graph, place: &str, reference: &Reference, called: &str) -> Option<Value> {
    let target = reference.target;
    let by_uuid = Uuid::try_parse(called).ok().and_then(|uuid| graph.get_of_type(target, uuid));
    let object = by_uuid
        .or_else(|| graph.find_joined(target, called))
        .or_else(|| graph.find_joined(target, &format!("{place}:{called}")))?;
    let may = asked.call.identity.may_read(object) && asked.may_read_type(graph, target);
    may.then(|| json!({"to": object.fq_name.elements(), "uuid": object.uuid}))
}

/// A field as it stands in a difference.
fn shown(kind: &ObjectType, name: &str, value: &Value) -> String {
    let mut value = clean(value);
    if kind.reference(name).is_some() {
        for link in value.as_array_mut().into_iter().flatten() {
            let called = name_of_link(link);
            *link = match link.get("attr") {
                Some(data) => json!({ called: data }),
                None => Value::from(called),
            };
        }
        if let Some(items) = value.as_array().filter(|items| items.iter().all(Value::is_string)) {
            return items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
        }
    }
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        value => serde_json::to_string_pretty(&value).unwrap_or_default(),
    }
}

fn difference_list(differences: &[Difference]) -> Markup {
    html! {
        dl .difference {
            @for difference in differences {
                div { dt { (value::words(&difference.name)) } dd { (history::difference(&difference.before, &difference.after)) } }
            }
        }
    }
}
