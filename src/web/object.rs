//! `/ui/object/{type}/{uuid}`: all there is to know of an object.

use super::{addresses, columns, has, history, layout::Layout, link, networks, value};
use crate::{
    access::Identity,
    api::{Answer, Answered, ApiError, pages::Asked},
    graph::{Graph, Object},
    model::{Model, ObjectType, Parent, Shape, TypeId},
};
use actix_web::http::{Method, StatusCode};
use maud::{Markup, html};
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

/// Pages that belong to an object, of those that there are.
const WITH_AN_OBJECT: [(&str, &str); 3] = [
    ("Addresses", "/ui/addresses/{type}/{uuid}"),
    ("Edit", "/ui/edit/{type}/{uuid}"),
    ("Delete", "/ui/delete/{type}/{uuid}"),
];
/// How many objects of one kind of link are shown.
const MOST: usize = 10;
/// The same, of references where more are asked for.
const MORE: usize = 1000;
/// How many objects are looked at to find those that may be seen.
const LOOKED_AT: usize = 1000;
/// What is told elsewhere on the page, or is no property.
const NOT_SHOWN: [&str; 9] =
    ["uuid", "name", "fq_name", "parent_uuid", "parent_type", "parent_href", "href", "id_perms", "perms2"];
/// How many changes are shown here.
const CHANGES: usize = 5;

/// The type that a path names.
///
/// # Errors
/// 404
pub fn kind_of<'a>(asked: &Asked<'a>) -> Answered<&'a ObjectType> {
    let model = &*asked.app.model;
    let kind = model.find(asked.part(0)).map(|id| model.object_type(id));
    kind.ok_or_else(|| ApiError::not_found(format!("There is no type '{}'", asked.part(0))))
}

/// `GET /ui/object/{type}/{uuid}`
///
/// # Errors
/// 403 and 404 as for the object of the interface.
pub async fn page(asked: Asked<'_>) -> Answered<Answer> {
    let kind = kind_of(&asked)?;
    let model = &*asked.app.model;
    let uuid = Uuid::try_parse(asked.part(1)).map_err(|_| ApiError::not_found("This is no uuid."))?;
    let target = format!("/{}/{uuid}?exclude_children=true&exclude_back_refs=true&exclude_hrefs=true", kind.name);
    let reply = match asked.send(Method::GET, &target, None, None).await {
        Err(error) if error.status == StatusCode::NOT_FOUND => return Ok(gone(&asked, kind, uuid)),
        reply => reply?,
    };
    let empty = Map::new();
    let fields = reply.value.get(&kind.name).and_then(Value::as_object).unwrap_or(&empty);
    let snapshot = asked.snapshot().await?;
    let graph = &snapshot.graph;
    // The rest is known without the database.
    let recent = history::of(&asked, kind, uuid, None, CHANGES).await.ok();
    let name: Vec<&str> = texts(fields.get("fq_name"));
    let own_name = name.last().copied().unwrap_or_default();
    let title = format!("{} · {}", link::shortened(own_name), value::words(&kind.name));
    let links = Links { graph, identity: &asked.call.identity, uuid };
    Ok(Layout::new(&asked, &title).at("/ui/types").script("object.js").show(&html! {
        (crumbs(graph, &asked.call.identity, kind, uuid))
        div .title {
            h1 { (link::shortened(own_name)) " " small { (value::words(&kind.name)) } }
            @if let Some(picture) = networks::of_object(kind, uuid) { a .button href=(picture) { "Picture" } }
            @for (label, pattern) in WITH_AN_OBJECT.iter().filter(|(_, pattern)| has(pattern) && is_for(pattern, kind)) {
                a .button href=(path_of(pattern, kind, uuid)) { (label) }
            }
        }
        p .note #changed hidden role="status" data-type=(kind.name) data-uuid=(uuid) {}
        div .object {
            div {
                section aria-labelledby="properties" {
                    h2 #properties { "Properties" }
                    (properties(model, kind, fields))
                }
                section aria-labelledby="references" {
                    h2 #references { "Refers to" }
                    (references(&asked, model, kind, fields))
                }
                section aria-labelledby="children" {
                    h2 #children { "Below it" }
                    (links.children(&asked))
                    @let below: Vec<&ObjectType> = kind.children.iter().filter(|child| !child.derived).map(|child| model.object_type(child.child)).collect();
                    @if has("/ui/create/{type}") && !below.is_empty() {
                        details .below {
                            summary { "Create something below it" }
                            ul .columns { @for child in below { li { a href=(link::with_arguments(&format!("/ui/create/{}", link::segment(&child.name)), &[("parent", &uuid.to_string())])) { (value::words(&child.name)) } } } }
                        }
                    }
                }
                section aria-labelledby="referrers" {
                    h2 #referrers { "Referred to by" }
                    (links.referrers(&asked))
                }
                section aria-labelledby="access" {
                    h2 #access { "Whose it is" }
                    (access(graph, &asked.call.identity, fields))
                }
                section aria-labelledby="identity" {
                    h2 #identity { "Identity" }
                    (identity(model, kind, &name, uuid, fields, reply.etag.as_deref()))
                }
            }
            section aria-labelledby="history" {
                h2 #history { "History" }
                @match &recent {
                    Some(recent) => (history::show(&asked, kind, uuid, recent)),
                    None => p .none { "It can't be read at the moment." },
                }
            }
        }
        (request(&asked, "GET", &format!("/{}/{uuid}", kind.name)))
    }))
}

/// Whether a page is for objects of a type.
fn is_for(pattern: &str, kind: &ObjectType) -> bool {
    !pattern.starts_with("/ui/addresses/") || addresses::are_of(kind)
}

/// Of one that is not there (any more).
pub fn gone(asked: &Asked<'_>, kind: &ObjectType, uuid: Uuid) -> Answer {
    let history = format!("/ui/history/{}/{uuid}", link::segment(&kind.name));
    Layout::new(asked, "Not there").status(StatusCode::NOT_FOUND).show(&html! {
        h1 { "Not there" }
        p { "There is no " (value::words(&kind.name)) " with the uuid " code { (uuid) } " that you may see. It may have been deleted a moment ago." }
        p { a href=(history) { "What the change log says of it" } " · " a href=(link::list_path(kind, &[])) { "All " (value::words(&kind.collection)) } }
    })
}

/// A pattern with type and uuid in it.
fn path_of(pattern: &str, kind: &ObjectType, uuid: Uuid) -> String {
    pattern.replace("{type}", &link::segment(&kind.name)).replace("{uuid}", &uuid.to_string())
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).map(|items| items.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// The way down to an object, as far as it may be seen.
pub fn crumbs(graph: &Graph, identity: &Identity, kind: &ObjectType, uuid: Uuid) -> Markup {
    let mut above: Vec<&Arc<Object>> = Vec::new();
    let mut next = graph.get(uuid).and_then(|object| object.parent);
    while let Some(object) = next.and_then(|uuid| graph.get(uuid)) {
        above.push(object);
        next = object.parent;
    }
    html! {
        nav .crumbs aria-label="Where this is" {
            a href=(link::list_path(kind, &[])) { (value::words(&kind.collection)) }
            @for object in above.iter().rev() {
                " › "
                @if identity.may_read(object) { (linked(graph, object)) } @else { (link::shortened(object.fq_name.name())) }
            }
        }
    }
}

pub fn linked(graph: &Graph, object: &Object) -> Markup {
    let kind = graph.model().object_type(object.type_id);
    link::object(&kind.name, object.uuid, &object.fq_name.elements())
}

fn properties(model: &Model, kind: &ObjectType, fields: &Map<String, Value>) -> Markup {
    let shown = kind.properties.iter().filter(|property| !NOT_SHOWN.contains(&property.name.as_str()));
    let (set, unset): (Vec<_>, Vec<_>) =
        shown.partition(|property| fields.get(&property.name).is_some_and(|value| !value.is_null()));
    let hint = |shape: Shape, facts| value::hint(model, shape, facts);
    html! {
        @if set.is_empty() { p .none { "None is set." } }
        dl .properties {
            @for property in &set {
                div {
                    dt title=(hint(property.shape, &property.facts)) { (value::words(&property.name)) }
                    dd { (value::of(model, property.shape, fields.get(&property.name).unwrap_or(&Value::Null))) }
                }
            }
        }
        @if !unset.is_empty() {
            details {
                summary { (unset.len()) " more that are not set" }
                dl .properties {
                    @for property in &unset {
                        div { dt { (value::words(&property.name)) } dd { small { (hint(property.shape, &property.facts)) } } }
                    }
                }
            }
        }
    }
}

fn references(asked: &Asked<'_>, model: &Model, kind: &ObjectType, fields: &Map<String, Value>) -> Markup {
    let given = kind.references.iter().filter_map(|reference| {
        let links = fields.get(&reference.field)?.as_array().filter(|links| !links.is_empty())?;
        Some((reference, links))
    });
    let given: Vec<_> = given.collect();
    let all = asked.argument("references");
    html! {
        @if given.is_empty() { p .none { "Nothing." } }
        dl .properties {
            @for (reference, links) in given {
                @let target = model.object_type(reference.target);
                @let most = if all == Some(&reference.field) { MORE } else { MOST };
                div {
                    dt { (value::words(&target.name)) }
                    dd {
                        ul .values {
                            @for found in links.iter().take(most) {
                                li {
                                    (columns::of_link(&target.name, found))
                                    @if let Some(attribute) = found.get("attr").filter(|attribute| !attribute.is_null()) {
                                        (match reference.attribute {
                                            Some(id) => value::of(model, Shape::Complex(id), attribute),
                                            None => value::untyped(attribute),
                                        })
                                    }
                                }
                            }
                        }
                        @if links.len() > most {
                            @let more = format!("?references={}#references", reference.field);
                            @if most == MOST { a href=(more) { (links.len() - most) " more" } } @else { small { (links.len() - most) " more" } }
                        }
                    }
                }
            }
        }
    }
}

/// What hangs on an object.
pub struct Links<'a> {
    /// The state that is shown.
    pub graph: &'a Graph,
    /// Who looks.
    pub identity: &'a Identity,
    /// On which object.
    pub uuid: Uuid,
}

impl Links<'_> {
    /// What is below it, as far as it may be seen.
    pub fn children(&self, asked: &Asked<'_>) -> Markup {
        let types = self.graph.child_types(self.uuid);
        self.by_type(asked, types, "parent", |type_id| Box::new(self.graph.children_of(self.uuid, type_id)))
    }

    /// What refers to it.
    pub fn referrers(&self, asked: &Asked<'_>) -> Markup {
        let types = self.graph.referrer_types(self.uuid);
        self.by_type(asked, types, "refers_to", |type_id| Box::new(self.graph.referrers(self.uuid, type_id)))
    }

    /// The first few of each type, and where the rest is.
    fn by_type<'s>(
        &'s self,
        asked: &Asked<'_>,
        types: impl Iterator<Item = TypeId>,
        argument: &str,
        find: impl Fn(TypeId) -> Box<dyn Iterator<Item = &'s Arc<Object>> + 's>,
    ) -> Markup {
        let found = types.filter_map(|type_id| {
            let seen = find(type_id).take(LOOKED_AT).filter(|object| self.identity.may_read(object));
            let seen: Vec<_> = seen.take(MOST + 1).collect();
            let may_be_listed = asked.may_read_type(self.graph, type_id);
            (!seen.is_empty()).then(|| (self.graph.model().object_type(type_id), seen, may_be_listed))
        });
        let found: Vec<_> = found.collect();
        html! {
            @if found.is_empty() { p .none { "Nothing that you may see." } }
            dl .properties {
                @for (kind, objects, may_be_listed) in &found {
                    @let list = link::list_path(kind, &[(argument, &self.uuid.to_string())]);
                    div {
                        dt { @if *may_be_listed { a href=(list) { (value::words(&kind.collection)) } } @else { (value::words(&kind.collection)) } }
                        dd {
                            ul .inline {
                                @for object in objects.iter().take(MOST) { li { (linked(self.graph, object)) } }
                                @if objects.len() > MOST && *may_be_listed { li { a href=(list) { "more …" } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Owner and shares, with the names of those that may be seen.
fn access(graph: &Graph, identity: &Identity, fields: &Map<String, Value>) -> Markup {
    let Some(perms2) = fields.get("perms2") else { return html! { p .none { "Nothing is said." } } };
    let called = |id: &str| {
        let bare = id.rsplit(':').next().unwrap_or_default();
        let object = Uuid::try_parse(bare).ok().and_then(|uuid| graph.get(uuid));
        let seen = object.filter(|object| identity.may_read(object));
        seen.map_or_else(|| html! { code { (link::shortened(id)) } }, |object| linked(graph, object))
    };
    let rights = |value: Option<&Value>| rights(value.and_then(Value::as_u64).unwrap_or_default());
    let shares = perms2.get("share").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    html! {
        dl .properties {
            div { dt { "Owner" } dd { (called(perms2.get("owner").and_then(Value::as_str).unwrap_or("nobody"))) ": " (rights(perms2.get("owner_access"))) } }
            div { dt { "Everybody" } dd { (rights(perms2.get("global_access"))) } }
            div {
                dt { "Shared with" }
                dd {
                    @if shares.is_empty() { span .none { "nobody" } }
                    ul .values {
                        @for share in shares.iter().take(MORE) {
                            li { (called(share.get("tenant").and_then(Value::as_str).unwrap_or_default())) ": " (rights(share.get("tenant_access"))) }
                        }
                    }
                }
            }
        }
    }
}

/// Rights, which are bits, in words.
fn rights(bits: u64) -> String {
    let names = [(4, "read"), (2, "write"), (1, "refer to it")];
    let names: Vec<&str> = names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn identity(
    model: &Model,
    kind: &ObjectType,
    name: &[&str],
    uuid: Uuid,
    fields: &Map<String, Value>,
    etag: Option<&str>,
) -> Markup {
    let id_perms = kind.property("id_perms").map(|(_, property)| property.shape);
    let parents: Vec<&str> = kind
        .parents
        .iter()
        .map(|parent| match parent {
            Parent::ConfigRoot => "the root",
            Parent::Type(id) => model.object_type(*id).name.as_str(),
        })
        .collect();
    html! {
        dl .properties {
            div { dt { "uuid" } dd { code { (uuid) } } }
            div { dt { "full name" } dd { (value::text(&name.join(":"))) } }
            @if let Some(etag) = etag { div { dt { "tag of this state" } dd { code { (etag) } " " small { "for If-Match" } } } }
            div { dt { "may stand below" } dd { (parents.join(", ")) } }
            @if let (Some(shape), Some(perms)) = (id_perms, fields.get("id_perms")) {
                div { dt { "id perms" } dd { details { summary { "made " (columns::as_time(perms.pointer("/created").and_then(Value::as_str).unwrap_or("?"))) ", changed " (columns::as_time(perms.pointer("/last_modified").and_then(Value::as_str).unwrap_or("?"))) } (value::of(model, shape, perms)) } } }
            }
        }
    }
}

/// The request of the interface that does the same.
pub fn request(asked: &Asked<'_>, method: &str, target: &str) -> Markup {
    request_with(asked, method, target, None, None)
}

/// The same, with the tag that the object has to have, and with a body.
pub fn request_with(
    asked: &Asked<'_>,
    method: &str,
    target: &str,
    if_match: Option<&str>,
    body: Option<&Value>,
) -> Markup {
    // A shell takes what stands between quotes as it is.
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let method = if method == "GET" { String::new() } else { format!("-X {method} ") };
    let token = if super::session::is_needed(asked) { "-H \"X-Auth-Token: $TOKEN\" " } else { "" };
    let tag = if_match.map(|tag| format!("-H {} ", quoted(&format!("If-Match: {tag}"))));
    let body = body.map(|body| format!("-H 'Content-Type: application/json' -d {} ", quoted(&body.to_string())));
    let url = quoted(&format!("{}{target}", asked.call.base));
    html! {
        details .request {
            summary { "The same by the interface" }
            pre tabindex="0" { "curl " (method) (token) (tag.unwrap_or_default()) (body.unwrap_or_default()) (url) }
        }
    }
}
