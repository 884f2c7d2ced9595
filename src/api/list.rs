//! Lists: `GET /<type>s` and `POST /list-bulk-collection` (contrail-api R21, wire contract 6).

use super::{
    App,
    answer::Answer,
    call::{Call, text_of},
    error::{Answered, ApiError},
    filters::Filters,
    kept_lists::{Collector, ListKey},
};
use crate::{
    access::Identity,
    graph::{Graph, Object},
    model::{Model, ObjectType, Parent, TypeId},
    render::{BriefRenderer, Renderer, Selection, escaped},
    rules::{canonical_uuid, string_list},
};
use actix_web::body::{BodyStream, MessageBody};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeSet, HashSet},
    convert::Infallible,
    iter,
    sync::Arc,
    vec,
};
use uuid::Uuid;

/// How many items a page has where the client does not say.
const DEFAULT_PAGE: usize = 256;
/// What markers in the second part of a list begin with, that of what others share.
const SHARED: &str = "shared:";
/// About how many bytes of an answer are made at a time.
const PIECE: usize = 128 << 10;

/// What a list is asked for.
#[allow(clippy::struct_excessive_bools)] // They are four arguments of the request.
pub struct ListRequest {
    type_id: TypeId,
    parents: Option<Vec<String>>,
    parent_name: Option<String>,
    parent_type: Option<TypeId>,
    back_references: Option<Vec<String>>,
    uuids: Option<Vec<String>>,
    names: Option<Vec<String>>,
    filters: Filters,
    detail: bool,
    fields: Option<Vec<String>>,
    count: bool,
    shared: bool,
    exclude_hrefs: bool,
    page: Option<Page>,
}

struct Page {
    marker: Option<String>,
    limit: usize,
}

fn split(text: &str) -> Vec<String> {
    text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

impl Page {
    fn read(marker: Option<&str>, limit: Option<&str>) -> Answered<Option<Self>> {
        let limit = match limit {
            None => DEFAULT_PAGE,
            Some(text) => {
                let refuse = |why: &str| ApiError::bad_request(format!("Invalid page_limit {text}: {why}"));
                let invalid = || refuse(&format!("invalid literal for int() with base 10: '{text}'"));
                let number: i64 = text.trim().parse().map_err(|_| invalid())?;
                let number = usize::try_from(number).ok().filter(|number| *number > 0);
                number.ok_or_else(|| refuse("page_limit has to be greater than zero"))?
            }
        };
        let Some(marker) = marker else { return Ok(None) };
        if marker.is_empty() || marker.eq_ignore_ascii_case("none") {
            return Ok(Some(Self { marker: None, limit }));
        }
        let uuid = marker.rsplit(':').next().unwrap_or_default();
        if Uuid::try_parse(uuid).is_err() {
            let text = format!("Invalid page_marker {marker}: badly formed hexadecimal UUID string");
            return Err(ApiError::bad_request(text));
        }
        Ok(Some(Self { marker: Some(marker.to_owned()), limit }))
    }
}

impl ListRequest {
    /// From the arguments of a GET.
    ///
    /// # Errors
    /// 400 for filters or pages that can't be read, 404 for an unknown parent type.
    pub fn from_query(model: &Model, type_id: TypeId, call: &Call) -> Answered<Self> {
        let get = |name: &str| call.query.get(name);
        let is_true = |name: &str| get(name).is_some_and(|value| value.to_lowercase().contains("true"));
        let list = |name: &str| get(name).map(|value| split(value));
        let parent_type = parent_type(model, get("parent_type").map(String::as_str))?;
        Ok(Self {
            type_id,
            parents: list("parent_id"),
            parent_name: get("parent_fq_name_str").cloned(),
            parent_type,
            back_references: list("back_ref_id"),
            uuids: list("obj_uuids"),
            names: list("fq_names"),
            filters: Filters::parse(model.object_type(type_id), get("filters").map(String::as_str))?,
            detail: is_true("detail"),
            fields: list("fields"),
            count: is_true("count"),
            shared: is_true("shared"),
            exclude_hrefs: call.has("exclude_hrefs"),
            page: Page::read(get("page_marker").map(String::as_str), get("page_limit").map(String::as_str))?,
        })
    }

    /// From the body of a bulk list. Lists may be texts joined by commas, or arrays.
    ///
    /// # Errors
    /// As above, and 404 for an unknown type.
    pub fn from_body(model: &Model, body: &Map<String, Value>) -> Answered<Self> {
        let type_id = find_type(model, &text_of(body.get("type")))?;
        let get = |name: &str| body.get(name).filter(|value| !value.is_null());
        let list = |name: &str| -> Answered<Option<Vec<String>>> {
            match get(name) {
                None => Ok(None),
                Some(Value::String(text)) => Ok(Some(split(text))),
                // Names may be lists of their elements, too.
                Some(Value::Array(items)) => {
                    let item = |item: &Value| match item {
                        Value::String(text) => Some(text.clone()),
                        Value::Array(_) => Some(string_list(item)?.join(":")),
                        _ => None,
                    };
                    let items: Option<Vec<String>> = items.iter().map(item).collect();
                    items.map(Some).ok_or_else(|| wrong(name, "a list of texts"))
                }
                Some(_) => Err(wrong(name, "a text or a list of texts")),
            }
        };
        let text = |name: &str| -> Answered<Option<String>> {
            match get(name) {
                None => Ok(None),
                Some(Value::String(text)) => Ok(Some(text.clone())),
                Some(Value::Number(number)) => Ok(Some(number.to_string())),
                Some(_) => Err(wrong(name, "a text")),
            }
        };
        let is_true = |name: &str| match get(name) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(fields)) => !fields.is_empty(),
        };
        // Null asks for the first page, as None does where everything is a text.
        let marker =
            if body.get("page_marker") == Some(&Value::Null) { Some(String::new()) } else { text("page_marker")? };
        Ok(Self {
            type_id,
            parents: list("parent_id")?,
            parent_name: text("parent_fq_name_str")?,
            parent_type: parent_type(model, text("parent_type")?.as_deref())?,
            back_references: list("back_ref_id")?,
            uuids: list("obj_uuids")?,
            names: list("fq_names")?,
            filters: Filters::parse(model.object_type(type_id), text("filters")?.as_deref())?,
            detail: is_true("detail"),
            fields: list("fields")?,
            count: is_true("count"),
            shared: is_true("shared"),
            exclude_hrefs: is_true("exclude_hrefs"),
            page: Page::read(marker.as_deref(), text("page_limit")?.as_deref())?,
        })
    }

    /// How many objects it is about.
    fn count(&self, graph: &Graph, identity: &Identity) -> usize {
        if self.is_whole_type() {
            return graph.objects_of(self.type_id).filter(|object| self.shows(identity, object)).count();
        }
        self.select(graph, identity).objects.len()
    }

    /// Whether it goes through all objects of the type, by name, which needs no list of them beforehand.
    fn is_whole_type(&self) -> bool {
        let anchors = [&self.parents, &self.back_references, &self.uuids, &self.names];
        anchors.iter().all(|anchor| anchor.is_none())
            && self.parent_name.is_none()
            && !self.shared
            && self.page.is_none()
    }

    /// Whether the objects are shown with nothing but their names and hrefs.
    fn is_brief(&self) -> bool {
        !self.detail && self.fields.is_none()
    }

    /// Which list it is, if it is the same whoever asks for it.
    fn key(&self, call: &Call) -> Option<ListKey> {
        let same =
            self.is_whole_type() && self.fields.is_none() && self.filters.is_empty() && call.identity.sees_everything();
        let base = || (!self.exclude_hrefs).then(|| call.base.clone());
        same.then(|| ListKey { type_id: self.type_id, detail: self.detail, base: base() })
    }

    fn shows(&self, identity: &Identity, object: &Object) -> bool {
        identity.may_read(object) && self.filters.match_object(object)
    }

    /// All objects asked for, in the order of their anchor.
    fn select(&self, graph: &Graph, identity: &Identity) -> Selected {
        let kind = graph.model().object_type(self.type_id);
        let parents = self.parent_uuids(graph, kind);
        let wanted = self.wanted_uuids(graph);
        let referred: Option<Vec<Uuid>> =
            self.back_references.as_ref().map(|uuids| uuids.iter().filter_map(|uuid| canonical_uuid(uuid)).collect());
        let refers = |object: &Object, targets: &[Uuid]| object.links.iter().any(|link| targets.contains(&link.target));
        let (order, mut objects): (Order, Vec<Arc<Object>>) = if let Some(parents) = &parents {
            let children = parents.iter().flat_map(|parent| graph.children_of(*parent, self.type_id));
            (Order::Anchor, children.cloned().collect())
        } else if let Some(targets) = &referred {
            (Order::Anchor, self.referrers(graph, targets))
        } else if let Some(wanted) = &wanted {
            let found = wanted.iter().filter_map(|uuid| graph.get_of_type(self.type_id, *uuid));
            (Order::AsAsked, found.cloned().collect())
        } else {
            (Order::Name, graph.objects_of(self.type_id).cloned().collect())
        };
        if let Some(targets) = referred.as_ref().filter(|_| parents.is_some()) {
            objects.retain(|object| refers(object, targets));
        }
        if let Some(wanted) = wanted.as_ref().filter(|_| order != Order::AsAsked) {
            let wanted: HashSet<Uuid> = wanted.iter().copied().collect();
            objects.retain(|object| wanted.contains(&object.uuid));
        }
        objects.retain(|object| self.shows(identity, object));
        let own = objects.len();
        if self.shared {
            self.add_shared(graph, kind, identity, &mut objects);
        }
        Selected { order, objects, own }
    }

    /// The parents to list below, where they are asked for.
    fn parent_uuids(&self, graph: &Graph, kind: &ObjectType) -> Option<Vec<Uuid>> {
        let Some(name) = &self.parent_name else {
            let uuids = self.parents.as_ref()?;
            return Some(uuids.iter().filter_map(|uuid| canonical_uuid(uuid)).collect());
        };
        let possible = kind.parents.iter().filter_map(|parent| match parent {
            Parent::Type(id) => Some(*id),
            Parent::ConfigRoot => None,
        });
        let types: Vec<TypeId> = self.parent_type.map_or_else(|| possible.collect(), |id| vec![id]);
        Some(types.iter().filter_map(|id| graph.find_joined(*id, name)).map(|parent| parent.uuid).collect())
    }

    /// The uuids asked for, by uuid or name, each once, where they are asked for.
    fn wanted_uuids(&self, graph: &Graph) -> Option<Vec<Uuid>> {
        if self.uuids.is_none() && self.names.is_none() {
            return None;
        }
        let uuids = self.uuids.iter().flatten().filter_map(|uuid| canonical_uuid(uuid));
        let names = self.names.iter().flatten().filter_map(|name| graph.find_joined(self.type_id, name));
        let mut seen = HashSet::new();
        Some(uuids.chain(names.map(|object| object.uuid)).filter(|uuid| seen.insert(*uuid)).collect())
    }

    fn referrers(&self, graph: &Graph, targets: &[Uuid]) -> Vec<Arc<Object>> {
        let mut found: BTreeSet<Uuid> = BTreeSet::new();
        for target in targets {
            found.extend(graph.referrers(*target, self.type_id).map(|object| object.uuid));
            // A symmetric reference is held by both ends.
            let same_type = graph.get_of_type(self.type_id, *target);
            let links = same_type.into_iter().flat_map(|object| object.links.iter());
            found.extend(links.map(|link| link.target).filter(|uuid| graph.get_of_type(self.type_id, *uuid).is_some()));
        }
        found.iter().filter_map(|uuid| graph.get(*uuid)).cloned().collect()
    }

    /// What others share with the caller's project, or with everybody (contrail-api R21, wire contract 6.5).
    fn add_shared(&self, graph: &Graph, kind: &ObjectType, identity: &Identity, objects: &mut Vec<Arc<Object>>) {
        let projects: Vec<Uuid> = match &identity.project {
            Some(project) => Uuid::try_parse(project).ok().into_iter().collect(),
            None => self.parents.iter().flatten().filter_map(|uuid| Uuid::try_parse(uuid).ok()).collect(),
        };
        let domains = projects.iter().filter_map(|uuid| graph.get(*uuid)?.parent);
        let mut tenants: Vec<String> =
            projects.iter().flat_map(|uuid| [uuid.to_string(), format!("tenant:{uuid}")]).collect();
        tenants.extend(domains.map(|uuid| format!("domain:{uuid}")));
        let Some((perms2, _)) = kind.property("perms2") else { return };
        let is_shared = |object: &Object| {
            let perms2 = object.property(perms2).unwrap_or_default();
            let everybody = perms2.get("global_access").and_then(Value::as_i64).unwrap_or(0) != 0;
            let shares = perms2.get("share").and_then(Value::as_array);
            let tenant = |share: &Value| share.get("tenant").and_then(Value::as_str).map(str::to_owned);
            everybody || shares.into_iter().flatten().filter_map(tenant).any(|tenant| tenants.contains(&tenant))
        };
        let known: HashSet<Uuid> = objects.iter().map(|object| object.uuid).collect();
        let others = graph.objects_of(self.type_id).filter(|object| !known.contains(&object.uuid) && is_shared(object));
        objects.extend(others.cloned());
    }

    /// The page asked for, and the marker of the next one; without paging there is none. What others share comes after all
    /// that was asked for, by uuid.
    fn cut(&self, selected: Selected) -> (Vec<Arc<Object>>, Option<Value>) {
        let Selected { order, mut objects, own } = selected;
        let Some(page) = &self.page else { return (objects, None) };
        if objects.is_empty() {
            return (objects, Some(Value::Null));
        }
        let mut shared = objects.split_off(own);
        let marker_of = |object: &Object| match order {
            Order::Name => format!("{}:{}", object.fq_name.joined(), object.uuid),
            Order::Anchor | Order::AsAsked => object.uuid.to_string(),
        };
        let shared_marker_of = |object: &Object| format!("{SHARED}{}", object.uuid);
        let is_own = |marker: &str| objects.iter().any(|object| marker_of(object) == marker);
        let of_shared =
            page.marker.as_deref().and_then(|marker| marker.strip_prefix(SHARED).filter(|_| !is_own(marker)));
        let of_shared = of_shared.filter(|_| self.shared);
        let start = match (&page.marker, order) {
            (Some(_), _) if of_shared.is_some() => objects.len(),
            (Some(marker), Order::AsAsked) => {
                let found = objects.iter().position(|object| marker.ends_with(&object.uuid.to_string()));
                found.map_or(objects.len(), |index| index + 1)
            }
            _ => 0,
        };
        if order != Order::AsAsked {
            objects.sort_by_cached_key(|object| marker_of(object));
            if let Some(marker) = page.marker.as_ref().filter(|_| of_shared.is_none()) {
                objects.retain(|object| marker_of(object).as_str() > marker.as_str());
            }
        }
        let mut rest = objects.split_off(start.min(objects.len()));
        rest.truncate(page.limit);
        let own = rest.len();
        shared.retain(|object| of_shared.is_none_or(|marker| object.uuid.to_string().as_str() > marker));
        shared.sort_by_key(|object| object.uuid);
        rest.extend(shared.into_iter().take(page.limit - own));
        let marker = match rest.last() {
            Some(last) if rest.len() == page.limit && own == page.limit => Some(marker_of(last)),
            Some(last) if rest.len() == page.limit => Some(shared_marker_of(last)),
            _ => None,
        };
        (rest, Some(marker.map_or(Value::Null, Value::from)))
    }
}

/// The objects of an answer that are not written yet.
enum Rest {
    /// All of the type after this name.
    Type(Option<Arc<str>>),
    Picked(vec::IntoIter<Arc<Object>>),
    Nothing,
}

/// An answer in the making: a large one goes out while the rest of it is still to be written.
struct ListAnswer {
    request: ListRequest,
    graph: Arc<Graph>,
    identity: Identity,
    base: String,
    selection: Selection,
    rest: Rest,
    marker: Option<Value>,
    begun: bool,
}

impl ListAnswer {
    fn new(request: ListRequest, graph: Arc<Graph>, call: &Call) -> Self {
        let fields = request.fields.clone().unwrap_or_default();
        let selection = if request.detail {
            Selection::All { back_references: false, children: false, also: fields }
        } else {
            Selection::Only(fields)
        };
        let (rest, marker) = if request.is_whole_type() {
            (Rest::Type(None), None)
        } else {
            let (objects, marker) = request.cut(request.select(&graph, &call.identity));
            (Rest::Picked(objects.into_iter()), marker)
        };
        let (identity, base) = (call.identity.clone(), escaped(&call.base).into_owned());
        Self { request, graph, identity, base, selection, rest, marker, begun: false }
    }

    /// What goes out next; nothing after the end.
    fn next_piece(&mut self) -> Option<Vec<u8>> {
        let mut piece = Vec::with_capacity(PIECE + PIECE / 8);
        let kind = self.graph.model().object_type(self.request.type_id);
        let mut rest = match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Nothing => return None,
            rest => rest,
        };
        let mut first = !self.begun;
        if first {
            piece.extend_from_slice(b"{\"");
            piece.extend_from_slice(kind.collection.as_bytes());
            piece.extend_from_slice(b"\":[");
        }
        let full = match &mut rest {
            Rest::Type(after) => {
                let objects = self.graph.objects_after(self.request.type_id, after.as_ref());
                let shown = objects.filter(|object| self.request.shows(&self.identity, object));
                let last = self.write_all(&mut piece, kind, &mut first, shown);
                *after = last.map(|object| Arc::clone(object.fq_name.joined()));
                after.is_some()
            }
            Rest::Picked(objects) => self.write_all(&mut piece, kind, &mut first, objects).is_some(),
            Rest::Nothing => false,
        };
        self.begun = !first;
        if full {
            self.rest = rest;
            return Some(piece);
        }
        piece.push(b']');
        if let Some(marker) = &self.marker {
            piece.extend_from_slice(b",\"marker\":");
            crate::json_text::write(&mut piece, marker);
        }
        piece.push(b'}');
        Some(piece)
    }

    /// Writes objects until there are no more, or the piece is large enough; then it gives the last one that is in it.
    fn write_all<O: AsRef<Object>>(
        &self,
        piece: &mut Vec<u8>,
        kind: &ObjectType,
        first: &mut bool,
        objects: impl Iterator<Item = O>,
    ) -> Option<O> {
        let base = (!self.request.exclude_hrefs).then_some(self.base.as_str());
        let mut brief = self.request.is_brief().then(|| BriefRenderer::new(kind, base));
        let renderer = Renderer {
            graph: &self.graph,
            identity: &self.identity,
            base,
            link_hrefs: false,
            name: self.request.detail,
            parent: self.request.detail || self.request.fields.is_some(),
        };
        for object in objects {
            if !std::mem::take(first) {
                piece.push(b',');
            }
            if let Some(brief) = &mut brief {
                brief.object(piece, object.as_ref());
            } else if self.request.detail {
                piece.extend_from_slice(b"{\"");
                piece.extend_from_slice(kind.name.as_bytes());
                piece.extend_from_slice(b"\":");
                renderer.object(piece, object.as_ref(), &self.selection);
                piece.push(b'}');
            } else {
                renderer.object(piece, object.as_ref(), &self.selection);
            }
            if piece.len() >= PIECE {
                return Some(object);
            }
        }
        None
    }
}

impl App {
    /// Any list.
    ///
    /// # Errors
    /// 503 while the database is away.
    pub async fn list(&self, request: ListRequest, call: &Call) -> Answered<Answer> {
        let snapshot = self.snapshot(call).await?;
        if request.count {
            let kind = self.model.object_type(request.type_id);
            let count = request.count(&snapshot.graph, &call.identity);
            return Ok(Answer::json(&json!({ &kind.collection: {"count": count} })));
        }
        let stale = snapshot.stale;
        let key = request.key(call);
        if let Some(pieces) = key.as_ref().and_then(|key| self.kept_lists.find(key, &snapshot.graph)) {
            let pieces = (0..pieces.len()).map_while(move |index| pieces.get(index).cloned());
            return Ok(in_pieces(pieces, stale, call));
        }
        let mut answer = ListAnswer::new(request, snapshot.graph, call);
        let body = answer.next_piece().unwrap_or_default();
        if matches!(answer.rest, Rest::Nothing) {
            return Ok(Answer::Json { body, etag: None, stale });
        }
        let first = Bytes::from(body);
        let mut keeping = key.map(|key| (key, Collector::new(first.clone())));
        let kept_lists = Arc::clone(&self.kept_lists);
        let rest = iter::from_fn(move || {
            let piece = answer.next_piece().map(Bytes::from);
            if let (Some(piece), Some((_, collector))) = (&piece, &mut keeping) {
                collector.push(piece);
            } else if let Some((key, collector)) = keeping.take()
                && let Some(pieces) = collector.finish()
            {
                kept_lists.keep(key, &answer.graph, pieces);
            }
            piece
        });
        Ok(in_pieces(iter::once(first).chain(rest), stale, call))
    }
}

/// An answer that goes out piece by piece.
fn in_pieces(pieces: impl Iterator<Item = Bytes> + 'static, stale: bool, call: &Call) -> Answer {
    // The head says the same in any case.
    let pieces = pieces.take(if call.head_only { 0 } else { usize::MAX });
    let pieces = stream::iter(pieces.map(Ok::<_, Infallible>));
    Answer::Pieces { body: BodyStream::new(pieces).boxed(), stale }
}

/// In which order a list stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Name,
    /// Of a parent (by creation) or of referrers (by uuid); pages go by uuid.
    Anchor,
    AsAsked,
}

struct Selected {
    order: Order,
    objects: Vec<Arc<Object>>,
    /// How many of them were asked for; those behind are shared with the caller.
    own: usize,
}

/// The type of the parents to list below; the empty text asks for none.
fn parent_type(model: &Model, name: Option<&str>) -> Answered<Option<TypeId>> {
    name.filter(|name| !name.is_empty()).map(|name| find_type(model, name)).transpose()
}

fn wrong(name: &str, expected: &str) -> ApiError {
    ApiError::bad_request(format!("Bad Request, {name} must be {expected}"))
}

/// The type with this name, dashed or underscored.
///
/// # Errors
/// 404
pub fn find_type(model: &Model, name: &str) -> Answered<TypeId> {
    model.find(name).ok_or_else(|| ApiError::not_found(format!("Resource type '{name}' not found")))
}
