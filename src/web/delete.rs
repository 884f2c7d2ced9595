//! `/ui/delete/{type}/{uuid}`: what goes with an object, or what stops it, before it is deleted. A trial says so: it is decided as the
//! delete itself would be.

use super::{edit::uuid_of, form, layout::Layout, link, object, refused, session, value};
use crate::{
    access::Identity,
    api::{Answer, Answered, ApiError, pages::Asked},
    graph::{Graph, Object},
    model::ObjectType,
};
use actix_web::http::{Method, StatusCode};
use maud::{Markup, html};
use std::sync::Arc;
use uuid::Uuid;

/// How many objects are named, of those that go and of those that are in the way.
const MOST: usize = 100;
/// How many are looked at to find them.
const LOOKED_AT: usize = 1000;

/// The object that is to be deleted, as it is now.
struct Doomed<'a> {
    asked: &'a Asked<'a>,
    kind: &'a ObjectType,
    uuid: Uuid,
    etag: String,
}

/// `GET /ui/delete/{type}/{uuid}`
///
/// # Errors
/// 403 and 404 as for the object of the interface.
pub async fn page(asked: Asked<'_>) -> Answered<Answer> {
    look(&asked, StatusCode::OK, None).await
}

/// `POST /ui/delete/{type}/{uuid}`
///
/// # Errors
/// 403 for a form that is not ours.
pub async fn delete(asked: Asked<'_>) -> Answered<Answer> {
    let (kind, uuid) = (object::kind_of(&asked)?, uuid_of(&asked)?);
    let fields = form::read(&asked)?;
    let etag = fields.text("etag");
    if etag.is_empty() {
        return Err(ApiError::bad_request(
            "This form does not say which state of the object it is about. Nothing was done.",
        ));
    }
    match asked.send(Method::DELETE, &format!("/{}/{uuid}", kind.name), None, Some(etag.to_owned())).await {
        Ok(_) => Ok(session::see(&link::list_path(kind, &[]))),
        Err(error) => {
            let is_unmet = error.status == StatusCode::PRECONDITION_FAILED;
            let text = is_unmet.then(|| {
                "It has changed since you looked at it, so it was not deleted. Look at it again, and decide anew."
                    .to_owned()
            });
            look(&asked, error.status, Some(text.unwrap_or_else(|| refused::text(&error)))).await
        }
    }
}

/// The page; `refusal` is why it was not deleted a moment ago.
async fn look(asked: &Asked<'_>, status: StatusCode, refusal: Option<String>) -> Answered<Answer> {
    let (kind, uuid) = (object::kind_of(asked)?, uuid_of(asked)?);
    let target = format!("/{}/{uuid}", kind.name);
    let reply = match asked.send(Method::GET, &format!("{target}?fields=fq_name"), None, None).await {
        Err(error) if error.status == StatusCode::NOT_FOUND => return Ok(object::gone(asked, kind, uuid)),
        reply => reply?,
    };
    let etag = reply.etag.unwrap_or_default();
    let trial = asked.send(Method::DELETE, &format!("{target}?dry_run=true"), None, Some(etag.clone())).await;
    let snapshot = asked.snapshot().await?;
    let graph = &snapshot.graph;
    let Some(object) = graph.get(uuid) else { return Ok(object::gone(asked, kind, uuid)) };
    let doomed = Doomed { asked, kind, uuid, etag };
    let name = link::shortened(object.fq_name.name());
    let title = format!("Delete {name} · {}", value::words(&kind.name));
    Ok(Layout::new(asked, &title).at("/ui/types").status(status).show(&html! {
        (object::crumbs(graph, &asked.call.identity, kind, uuid))
        h1 { "Delete " (object::linked(graph, object)) " " small { (value::words(&kind.name)) } }
        @if let Some(refusal) = &refusal {
            // What the trial says is the same, unless it has changed since.
            @let is_the_same = trial.as_ref().err().is_some_and(|error| refused::text(error) == *refusal);
            @if !is_the_same { p .refusal role="alert" { (refusal) } }
        }
        @match &trial {
            Ok(_) => (doomed.can_be(graph)),
            Err(error) => (doomed.can_not_be(graph, error)),
        }
        (object::request_with(asked, "DELETE", &target, Some(&doomed.etag), None))
    }))
}

impl Doomed<'_> {
    fn identity(&self) -> &Identity {
        &self.asked.call.identity
    }

    fn path(&self) -> String {
        format!("/ui/delete/{}/{}", link::segment(&self.kind.name), self.uuid)
    }

    /// What goes with it, and what will no longer refer to it.
    fn can_be(&self, graph: &Graph) -> Markup {
        let below = below(graph, self.uuid);
        let seen: Vec<&Arc<Object>> =
            below.iter().copied().filter(|object| self.identity().may_read(object)).take(MOST).collect();
        let goes = |uuid: Uuid| below.iter().any(|object| object.uuid == uuid);
        let referrers = graph
            .all_referrers(self.uuid)
            .take(LOOKED_AT)
            .filter(|object| self.identity().may_read(object) && !goes(object.uuid));
        let referrers: Vec<&Arc<Object>> = referrers.take(MOST).collect();
        let content = html! {
            input type="hidden" name="etag" value=(self.etag);
            div .actions {
                button .danger type="submit" { "Delete it" }
                a href=(link::object_path(&self.kind.name, self.uuid)) { "Keep it" }
            }
        };
        html! {
            p { "Nothing is in the way. It can't be taken back." }
            @if !seen.is_empty() {
                section aria-labelledby="with-it" { h2 #with-it { "What goes with it" } (named(graph, &seen)) }
            }
            @if !referrers.is_empty() {
                section aria-labelledby="without-it" { h2 #without-it { "What will no longer refer to it" } (named(graph, &referrers)) }
            }
            (form::post(self.asked, &self.path(), &content))
        }
    }

    /// What stops it.
    fn can_not_be(&self, graph: &Graph, error: &ApiError) -> Markup {
        let named_by_it = error.reason.iter().flat_map(|reason| &reason.objects);
        let in_the_way =
            named_by_it.filter_map(|uuid| graph.get(*uuid)).filter(|object| self.identity().may_read(object));
        let in_the_way: Vec<&Arc<Object>> = in_the_way.take(MOST).collect();
        let links = object::Links { graph, identity: self.identity(), uuid: self.uuid };
        let text = refused::text(error);
        // The links in the text are those of the list below it.
        let text = if in_the_way.is_empty() { text.as_str() } else { text.split(": [").next().unwrap_or_default() };
        html! {
            section .refusal #refusal role="alert" tabindex="-1" autofocus aria-labelledby="refusal-title" {
                h2 #refusal-title { "It can't be deleted" }
                p { (why(error)) " " @if !text.is_empty() { "The server says: " q { (text) } } }
                @if !in_the_way.is_empty() {
                    h3 { "In the way" }
                    (named(graph, &in_the_way))
                }
            }
            @if error.status == StatusCode::CONFLICT {
                section aria-labelledby="children" { h2 #children { "Below it" } (links.children(self.asked)) }
                section aria-labelledby="referrers" { h2 #referrers { "Referred to by" } (links.referrers(self.asked)) }
            }
            p .actions {
                a .button href=(self.path()) { "Look again" }
                a href=(link::object_path(&self.kind.name, self.uuid)) { "Keep it" }
            }
        }
    }
}

/// What a refusal means, and what to do.
fn why(error: &ApiError) -> &'static str {
    match error.status {
        StatusCode::CONFLICT => "Others need it: delete these first, or let them refer to something else.",
        StatusCode::FORBIDDEN => "You may not delete it.",
        StatusCode::PRECONDITION_FAILED => "It has changed this moment: look again.",
        StatusCode::SERVICE_UNAVAILABLE => "The server can't answer at the moment: look again in a moment.",
        _ => "The server refuses it.",
    }
}

/// What is below an object, at any depth.
fn below(graph: &Graph, uuid: Uuid) -> Vec<&Arc<Object>> {
    let mut found: Vec<&Arc<Object>> = graph.all_children(uuid).take(LOOKED_AT).collect();
    let mut next = 0;
    while let Some(object) = found.get(next).filter(|_| found.len() < LOOKED_AT) {
        let more: Vec<&Arc<Object>> = graph.all_children(object.uuid).take(LOOKED_AT - found.len()).collect();
        found.extend(more);
        next += 1;
    }
    found
}

fn named(graph: &Graph, objects: &[&Arc<Object>]) -> Markup {
    html! {
        ul .values {
            @for object in objects {
                li { (object::linked(graph, object)) " " small { (value::words(&graph.model().object_type(object.type_id).name)) } }
            }
        }
        @if objects.len() == MOST { small { "and perhaps more" } }
    }
}
