//! Lists: `GET /<type>s` and `POST /list-bulk-collection` (contrail-api R21, wire contract 6).

use super::{
    App,
    answer::{Answer, PIECE, in_pieces},
    budget::Named,
    call::{Call, text_of},
    error::{Answered, ApiError},
    filters::Filters,
    kept_lists::{KeptLists, ListKey, ListOf, Piece},
    markers,
};
use crate::{
    access::Identity,
    graph::{self, Grantee, Graph, Object},
    model::{Model, ObjectType, Parent, TypeId},
    pace::Pace,
    render::{BriefRenderer, FieldNames, Renderer, Selection, escaped},
    rules::{canonical_uuid, string_list},
};
use bytes::Bytes;
use futures_util::{
    future::ready,
    stream::{self, StreamExt},
};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeSet, HashSet},
    convert::Infallible,
    num::NonZeroUsize,
    ops::Bound,
    sync::Arc,
    vec,
};
use uuid::Uuid;

/// What markers in the second part of a list begin with, that of what others share.
const SHARED: &str = "shared:";

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
    fields: Option<FieldNames>,
    count: bool,
    shared: bool,
    exclude_hrefs: bool,
    page: Option<Page>,
}

struct Page {
    marker: Option<String>,
    limit: usize,
}

fn split(text: &str) -> impl Iterator<Item = String> {
    text.split(',').filter(|part| !part.is_empty()).map(str::to_owned)
}

impl Page {
    /// `default` is how many items a page has where the client does not say.
    fn read(marker: Option<&str>, limit: Option<&str>, default: NonZeroUsize) -> Answered<Option<Self>> {
        let limit = match limit {
            None => default.get(),
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
    pub fn from_query(model: &Model, type_id: TypeId, call: &Call, page: NonZeroUsize) -> Answered<Self> {
        let get = |name: &str| call.query.get(name);
        let is_true = |name: &str| get(name).is_some_and(|value| value.to_lowercase().contains("true"));
        let list = |named: Named, name: &str| get(name).map(|value| named.once(split(value))).transpose();
        let parent_type = parent_type(model, get("parent_type").map(String::as_str))?;
        Ok(Self {
            type_id,
            parents: list(Named::Parents, "parent_id")?,
            parent_name: get("parent_fq_name_str").cloned(),
            parent_type,
            back_references: list(Named::BackReferences, "back_ref_id")?,
            uuids: list(Named::Uuids, "obj_uuids")?,
            names: list(Named::Names, "fq_names")?,
            filters: Filters::parse(model.object_type(type_id), get("filters").map(String::as_str))?,
            detail: is_true("detail"),
            fields: list(Named::Fields, "fields")?.map(|names| names.into_iter().collect()),
            count: is_true("count"),
            shared: is_true("shared"),
            exclude_hrefs: call.has("exclude_hrefs"),
            page: Page::read(get("page_marker").map(String::as_str), get("page_limit").map(String::as_str), page)?,
        })
    }

    /// From the body of a bulk list. Lists may be texts joined by commas, or arrays.
    ///
    /// # Errors
    /// As above, and 404 for an unknown type.
    pub fn from_body(model: &Model, body: &Map<String, Value>, page: NonZeroUsize) -> Answered<Self> {
        let type_id = find_type(model, &text_of(body.get("type")))?;
        let get = |name: &str| body.get(name).filter(|value| !value.is_null());
        let list = |named: Named, name: &str| -> Answered<Option<Vec<String>>> {
            match get(name) {
                None => Ok(None),
                Some(Value::String(text)) => named.once(split(text)).map(Some),
                // Names may be lists of their elements, too.
                Some(Value::Array(items)) => {
                    let item = |item: &Value| match item {
                        Value::String(text) => Some(text.clone()),
                        Value::Array(_) => Some(string_list(item)?.join(":")),
                        _ => None,
                    };
                    let items: Option<Vec<String>> = items.iter().map(item).collect();
                    named.once(items.ok_or_else(|| wrong(name, "a list of texts"))?).map(Some)
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
            parents: list(Named::Parents, "parent_id")?,
            parent_name: text("parent_fq_name_str")?,
            parent_type: parent_type(model, text("parent_type")?.as_deref())?,
            back_references: list(Named::BackReferences, "back_ref_id")?,
            uuids: list(Named::Uuids, "obj_uuids")?,
            names: list(Named::Names, "fq_names")?,
            filters: Filters::parse(model.object_type(type_id), text("filters")?.as_deref())?,
            detail: is_true("detail"),
            fields: list(Named::Fields, "fields")?.map(|names| names.into_iter().collect()),
            count: is_true("count"),
            shared: is_true("shared"),
            exclude_hrefs: is_true("exclude_hrefs"),
            page: Page::read(marker.as_deref(), text("page_limit")?.as_deref(), page)?,
        })
    }

    /// How many objects it is about, of those that may be read (LIST-4).
    async fn count(&self, graph: &Graph, identity: &Identity) -> usize {
        if !self.is_whole_type() {
            return self.select(graph, identity).await.objects.len();
        }
        if self.filters.is_empty() && identity.sees_everything() {
            return graph.count_of(self.type_id);
        }
        let mut pace = Pace::new();
        let mut count = 0;
        for object in identity.readable(graph, self.type_id, &Bound::Unbounded) {
            count += usize::from(self.filters.match_object(object));
            pace.step().await;
        }
        count
    }

    /// Whether it goes through all objects of the type, by name, which needs no list of them beforehand. A count has no pages.
    fn is_whole_type(&self) -> bool {
        self.has_no_anchor() && !self.shared && (self.page.is_none() || self.count)
    }

    /// Whether it is about all objects of the type.
    fn has_no_anchor(&self) -> bool {
        let anchors = [&self.parents, &self.back_references, &self.uuids, &self.names];
        anchors.iter().all(|anchor| anchor.is_none()) && self.parent_name.is_none()
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

    /// Where to look for objects, and what they must have beside what filters say.
    async fn anchors(&self, graph: &Graph, identity: &Identity) -> Anchors {
        let kind = graph.model().object_type(self.type_id);
        // What may not be read leads nowhere (LIST-2): what stands below it and what refers to it would tell of it.
        let may_read = |uuid: &Uuid| graph.get(*uuid).is_some_and(|object| identity.may_read(object));
        let readable = |uuids: Vec<Uuid>| uuids.into_iter().filter(may_read).collect::<Vec<_>>();
        let parents = self.parent_uuids(graph, kind).map(readable);
        let targets = self.back_references.as_ref().map(|uuids| readable(canonical(uuids).collect()));
        let wanted = self.wanted_uuids(graph);
        let set = |uuids: &Option<Vec<Uuid>>| uuids.as_ref().map(|uuids| uuids.iter().copied().collect::<HashSet<_>>());
        match (parents, targets, wanted) {
            (Some(parents), targets, wanted) => {
                Anchors { at: Anchor::Parents(parents), targets: set(&targets), wanted: set(&wanted) }
            }
            (None, Some(targets), wanted) => {
                let referrers = self.referrers(graph, &targets).await;
                Anchors { at: Anchor::Referrers(referrers), targets: None, wanted: set(&wanted) }
            }
            (None, None, Some(wanted)) => Anchors { at: Anchor::Wanted(wanted), targets: None, wanted: None },
            (None, None, None) => Anchors { at: Anchor::None, targets: None, wanted: None },
        }
    }

    /// All objects asked for, in the order of their anchor.
    async fn select(&self, graph: &Graph, identity: &Identity) -> Selected {
        let anchors = self.anchors(graph, identity).await;
        let mut pace = Pace::new();
        let mut objects: Vec<Arc<Object>> = Vec::new();
        for object in anchors.objects(graph, identity, self.type_id) {
            if anchors.allow(object) && self.shows(identity, object) {
                objects.push(Arc::clone(object));
            }
            pace.step().await;
        }
        let own = objects.len();
        // LIST-2: below nothing that may be read, nothing is added either.
        let is_below_nothing = matches!(&anchors.at, Anchor::Parents(parents) if parents.is_empty());
        if self.shared && (identity.sees_everything() || !is_below_nothing) {
            self.add_shared(graph, identity, &mut objects).await;
        }
        Selected { order: anchors.at.order(), objects, own }
    }

    /// A page and the marker of the next one, without what others share: it begins at its marker, and no more is looked at
    /// than fills it. What may not be read is on no page, and in no marker (LIST-5). Pages of an anchor go by uuid, which the uuids of all that is there have to be sorted for.
    async fn page(&self, page: &Page, graph: &Graph, identity: &Identity) -> (Vec<Arc<Object>>, Option<Value>) {
        let anchors = self.anchors(graph, identity).await;
        let mut turn = Pace::new();
        let after = page.marker.as_deref().unwrap_or_default();
        let after_uuid = page.marker.as_deref().and_then(|marker| Uuid::try_parse(marker.rsplit(':').next()?).ok());
        let uuids = match &anchors.at {
            Anchor::None => Vec::new(),
            Anchor::Wanted(wanted) => {
                let passed = after_uuid.map(|after| wanted.iter().position(|uuid| *uuid == after));
                let start = passed.map_or(0, |passed| passed.map_or(wanted.len(), |index| index + 1));
                wanted.get(start..).unwrap_or_default().to_vec()
            }
            Anchor::Parents(_) | Anchor::Referrers(_) => {
                let mut uuids = Vec::new();
                for object in anchors.objects(graph, identity, self.type_id) {
                    if after_uuid.is_none_or(|after| object.uuid > after) {
                        uuids.push(object.uuid);
                    }
                    turn.step().await;
                }
                uuids.sort_unstable();
                uuids
            }
        };
        let candidates: Box<dyn Iterator<Item = &Arc<Object>>> = match anchors.at {
            Anchor::None => Box::new(markers::objects_after(graph, identity, self.type_id, after)),
            _ => Box::new(uuids.iter().filter_map(|uuid| graph.get_of_type(self.type_id, *uuid))),
        };
        let mut objects = Vec::new();
        for object in candidates {
            if objects.len() == page.limit {
                break;
            }
            if anchors.allow(object) && self.shows(identity, object) {
                objects.push(Arc::clone(object));
            }
            turn.step().await;
        }
        // A page that is not full is the last one.
        let last = objects.last().filter(|_| objects.len() == page.limit);
        let marker = last.map(|object| anchors.at.order().marker_of(object));
        (objects, Some(marker.map_or(Value::Null, Value::from)))
    }

    /// The parents to list below, each once, where they are asked for.
    fn parent_uuids(&self, graph: &Graph, kind: &ObjectType) -> Option<Vec<Uuid>> {
        let Some(name) = &self.parent_name else {
            return Some(canonical(self.parents.as_ref()?).collect());
        };
        let possible = kind.parents.iter().filter_map(|parent| match parent {
            Parent::Type(id) => Some(*id),
            Parent::ConfigRoot => None,
        });
        let types: Vec<TypeId> = self.parent_type.map_or_else(|| possible.collect(), |id| vec![id]);
        Some(types.iter().filter_map(|id| graph.find_joined(*id, name)).map(|parent| parent.uuid).collect())
    }

    /// The uuids asked for, by uuid or name, each once, where they are asked for.
    ///
    /// Those that may not be read are left out later, as if they were not there (LIST-8).
    fn wanted_uuids(&self, graph: &Graph) -> Option<Vec<Uuid>> {
        if self.uuids.is_none() && self.names.is_none() {
            return None;
        }
        let uuids = self.uuids.iter().flatten().filter_map(|uuid| canonical_uuid(uuid));
        let names = self.names.iter().flatten().filter_map(|name| graph.find_joined(self.type_id, name));
        let mut seen = HashSet::new();
        Some(uuids.chain(names.map(|object| object.uuid)).filter(|uuid| seen.insert(*uuid)).collect())
    }

    /// By uuid, each once.
    async fn referrers(&self, graph: &Graph, targets: &[Uuid]) -> BTreeSet<Uuid> {
        let mut pace = Pace::new();
        let mut found: BTreeSet<Uuid> = BTreeSet::new();
        for target in targets {
            let directed = graph.referrers(*target, self.type_id).map(|object| object.uuid);
            // A symmetric reference is held by both ends.
            let same_type = graph.get_of_type(self.type_id, *target);
            let links = same_type.into_iter().flat_map(|object| object.links.iter()).map(|link| link.target);
            let symmetric = links.filter(|uuid| graph.get_of_type(self.type_id, *uuid).is_some());
            for uuid in directed.chain(symmetric) {
                found.insert(uuid);
                pace.step().await;
            }
            pace.step().await;
        }
        found
    }

    /// What others share with the caller's project, its domain, or everybody, whatever else the list is asked for (contrail-api R21,
    /// wire contract 6.5; LIST-2).
    async fn add_shared(&self, graph: &Graph, identity: &Identity, objects: &mut Vec<Arc<Object>>) {
        let grantees: HashSet<Grantee> = if identity.sees_everything() {
            self.believed_grantees(graph, identity)
        } else {
            identity.grantees().into_iter().collect()
        };
        let is_shared = |object: &Object| {
            let permissions = &object.permissions;
            permissions.global_access != 0 || permissions.shares.iter().any(|(tenant, _)| grantees.contains(tenant))
        };
        let known: HashSet<Uuid> = objects.iter().map(|object| object.uuid).collect();
        let mut pace = Pace::new();
        for object in identity.readable(graph, self.type_id, &Bound::Unbounded) {
            if !known.contains(&object.uuid) && is_shared(object) {
                objects.push(Arc::clone(object));
            }
            pace.step().await;
        }
    }

    /// With whom something is shared for this list, where nobody is asked who it is: the project is what a header says, or the
    /// parents that are listed below.
    fn believed_grantees(&self, graph: &Graph, identity: &Identity) -> HashSet<Grantee> {
        let projects: Vec<Uuid> = match &identity.caller.project {
            Some(project) => project.uuid.into_iter().collect(),
            None => self.parents.iter().flatten().filter_map(|uuid| Uuid::try_parse(uuid).ok()).collect(),
        };
        let domains = projects.iter().filter_map(|uuid| graph.get(*uuid)?.parent).map(Grantee::Domain);
        domains.chain(projects.iter().copied().map(Grantee::Project)).collect()
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
        let marker_of = |object: &Object| order.marker_of(object);
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
    /// Which list it is, if it is one that others read, too, and where its pieces are kept.
    kept: Option<ListOf>,
    kept_lists: Arc<KeptLists>,
    /// How many pieces have gone out.
    pieces: usize,
    /// Whether an object is in them.
    begun: bool,
}

impl ListAnswer {
    async fn new(request: ListRequest, graph: Arc<Graph>, call: &Call, kept_lists: &Arc<KeptLists>) -> Self {
        let fields = request.fields.clone().unwrap_or_default();
        let selection = if request.detail {
            Selection::All { back_references: false, children: false, also: fields }
        } else {
            Selection::Only(fields)
        };
        let (rest, marker) = if request.is_whole_type() {
            (Rest::Type(None), None)
        } else {
            let (objects, marker) = match &request.page {
                Some(page) if !request.shared => request.page(page, &graph, &call.identity).await,
                _ => request.cut(request.select(&graph, &call.identity).await),
            };
            (Rest::Picked(objects.into_iter()), marker)
        };
        let kept = request.key(call).map(|key| ListOf::new(key, &graph));
        Self {
            request,
            graph,
            identity: call.identity.clone(),
            base: escaped(&call.base).into_owned(),
            selection,
            rest,
            marker,
            kept,
            kept_lists: Arc::clone(kept_lists),
            pieces: 0,
            begun: false,
        }
    }

    fn is_at_its_end(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }

    /// What goes out next; nothing after the end.
    async fn next_piece(&mut self) -> Option<Bytes> {
        if self.is_at_its_end() {
            return None;
        }
        let number = self.pieces;
        self.pieces += 1;
        if let Some(piece) = self.kept.as_ref().and_then(|list| self.kept_lists.piece(list, number)) {
            self.begun = true;
            self.rest = piece.next_after.map_or(Rest::Nothing, |name| Rest::Type(Some(name)));
            return Some(piece.bytes);
        }
        let bytes = Bytes::from(self.write_piece().await);
        if let Some(list) = &self.kept {
            let next_after = if let Rest::Type(after) = &self.rest { after.clone() } else { None };
            // A list of one piece is made as fast as it is found.
            if number > 0 || next_after.is_some() {
                self.kept_lists.keep(list, number, Piece { bytes: bytes.clone(), next_after });
            }
        }
        Some(bytes)
    }

    async fn write_piece(&mut self) -> Vec<u8> {
        let mut piece = Vec::with_capacity(PIECE + PIECE / 8);
        let graph = Arc::clone(&self.graph);
        let kind = graph.model().object_type(self.request.type_id);
        let mut rest = std::mem::replace(&mut self.rest, Rest::Nothing);
        let mut first = !self.begun;
        if self.pieces == 1 {
            piece.extend_from_slice(b"{\"");
            piece.extend_from_slice(kind.collection.as_bytes());
            piece.extend_from_slice(b"\":[");
        }
        let full = match &mut rest {
            Rest::Type(after) => {
                let objects = self.identity.readable(&graph, self.request.type_id, &graph::after(after.as_ref()));
                let last = self.write_all(&mut piece, kind, &mut first, objects).await;
                *after = last.map(|object| Arc::clone(object.fq_name.joined()));
                after.is_some()
            }
            // They were picked because they are shown.
            Rest::Picked(objects) => self.write_all(&mut piece, kind, &mut first, objects).await.is_some(),
            Rest::Nothing => false,
        };
        self.begun = !first;
        if full {
            self.rest = rest;
            return piece;
        }
        piece.push(b']');
        if let Some(marker) = &self.marker {
            piece.extend_from_slice(b",\"marker\":");
            crate::json_text::write(&mut piece, marker);
        }
        piece.push(b'}');
        piece
    }

    /// Writes objects until there are no more, or the piece is large enough; then it gives the last one that is in it.
    async fn write_all<O: AsRef<Object>>(
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
        let is_picked = !self.request.is_whole_type();
        let mut pace = Pace::new();
        for object in objects {
            pace.step().await;
            if !is_picked && !self.request.filters.match_object(object.as_ref()) {
                continue;
            }
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
            let count = request.count(&snapshot.graph, &call.identity).await;
            return Ok(Answer::json(&json!({ &kind.collection: {"count": count} })));
        }
        let stale = snapshot.stale;
        let mut answer = ListAnswer::new(request, snapshot.graph, call, &self.kept_lists).await;
        let first = answer.next_piece().await.unwrap_or_default();
        if answer.is_at_its_end() {
            return Ok(Answer::Json { body: first, etag: None, stale });
        }
        let rest = stream::unfold(answer, |mut answer| async { Some((Ok(answer.next_piece().await?), answer)) });
        Ok(in_pieces(stream::once(ready(Ok::<_, Infallible>(first))).chain(rest), stale, call))
    }
}

/// In which order a list stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Name,
    /// Of a parent (by creation) or of referrers (by uuid); pages go by uuid.
    Anchor,
    AsAsked,
}

impl Order {
    /// What a page that ends with this object is followed from.
    fn marker_of(self, object: &Object) -> String {
        match self {
            Self::Name => markers::marker_of(object),
            Self::Anchor | Self::AsAsked => object.uuid.to_string(),
        }
    }
}

/// Where the objects of a list are found.
enum Anchor {
    None,
    Parents(Vec<Uuid>),
    /// By uuid.
    Referrers(BTreeSet<Uuid>),
    Wanted(Vec<Uuid>),
}

impl Anchor {
    fn order(&self) -> Order {
        match self {
            Self::None => Order::Name,
            Self::Parents(_) | Self::Referrers(_) => Order::Anchor,
            Self::Wanted(_) => Order::AsAsked,
        }
    }
}

/// The anchor of a list, and those of its other arguments that its objects must be found by, too.
struct Anchors {
    at: Anchor,
    targets: Option<HashSet<Uuid>>,
    wanted: Option<HashSet<Uuid>>,
}

impl Anchors {
    /// The objects at the anchor, in its order.
    fn objects<'a>(
        &'a self,
        graph: &'a Graph,
        identity: &Identity,
        type_id: TypeId,
    ) -> Box<dyn Iterator<Item = &'a Arc<Object>> + 'a> {
        match &self.at {
            Anchor::None => identity.readable(graph, type_id, &Bound::Unbounded),
            Anchor::Parents(parents) => {
                Box::new(parents.iter().flat_map(move |parent| graph.children_of(*parent, type_id)))
            }
            Anchor::Referrers(uuids) => Box::new(uuids.iter().filter_map(|uuid| graph.get(*uuid))),
            Anchor::Wanted(uuids) => Box::new(uuids.iter().filter_map(move |uuid| graph.get_of_type(type_id, *uuid))),
        }
    }

    /// Whether the other arguments find an object, too.
    fn allow(&self, object: &Object) -> bool {
        self.targets.as_ref().is_none_or(|targets| object.links.iter().any(|link| targets.contains(&link.target)))
            && self.wanted.as_ref().is_none_or(|wanted| wanted.contains(&object.uuid))
    }
}

/// Those that are uuids, each once: there are two ways to write one.
fn canonical(uuids: &[String]) -> impl Iterator<Item = Uuid> {
    let mut seen = HashSet::new();
    uuids.iter().filter_map(|uuid| canonical_uuid(uuid)).filter(move |uuid| seen.insert(*uuid))
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
