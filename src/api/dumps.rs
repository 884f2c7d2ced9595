//! Answers with all that there is: `/fetch-records`, `/obj-cache`, and the whole of `/useragent-kv` (contrail-api R21, wire
//! contract 7). They are made as the client takes them, all objects from one snapshot, and no further when it has gone.

use super::{
    App,
    answer::{Answer, PIECE, in_pieces},
    budget::Named,
    call::Call,
    error::{Answered, ApiError},
    pace::Pace,
};
use crate::{
    access::Identity,
    graph::{Graph, Object},
    json_text,
    model::TypeId,
    render::{FieldNames, Renderer, Selection},
    rules::{canonical_uuid, string_list},
    store::{KeyValueStore, StoreError},
};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Map, Value, json};
use std::{convert::Infallible, sync::Arc, vec};

/// An object with everything, and without hrefs and name.
fn write_record(output: &mut Vec<u8>, graph: &Graph, identity: &Identity, object: &Object) {
    let renderer = Renderer { graph, identity, base: None, link_hrefs: false, name: false, parent: true };
    let everything = Selection::All { back_references: true, children: true, also: FieldNames::new() };
    renderer.object(output, object, &everything);
}

/// All objects, a list a type, as far as they have gone out.
struct Records {
    graph: Arc<Graph>,
    identity: Identity,
    /// The type that is next, or in the middle of which it is; none at the end.
    type_id: Option<TypeId>,
    /// The name of the last object of that type.
    after: Option<Arc<str>>,
    /// Whether anything has gone out, and whether a type has.
    begun: bool,
    first_type: bool,
}

impl Records {
    async fn next_piece(&mut self) -> Option<Bytes> {
        let mut piece = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            piece.extend_from_slice(b"{\"results\":[");
        }
        let graph = Arc::clone(&self.graph);
        let mut pace = Pace::new();
        while let Some(type_id) = self.type_id {
            let kind = graph.model().types().get(usize::from(type_id.0));
            let Some(kind) = kind else {
                self.type_id = None;
                piece.extend_from_slice(b"]}");
                return Some(piece.into());
            };
            for object in graph.objects_after(type_id, self.after.as_ref()) {
                let opening: &[u8] = match (&self.after, self.first_type) {
                    (Some(_), _) => b",",
                    (None, true) => b"[",
                    (None, false) => b",[",
                };
                piece.extend_from_slice(opening);
                self.first_type = false;
                write_record(&mut piece, &graph, &self.identity, object);
                piece.pop();
                piece.extend_from_slice(format!(",\"type\":\"{}\"}}", kind.field).as_bytes());
                self.after = Some(Arc::clone(object.fq_name.joined()));
                if piece.len() >= PIECE {
                    return Some(piece.into());
                }
                pace.step().await;
            }
            if self.after.take().is_some() {
                piece.push(b']');
            }
            self.type_id = Some(TypeId(type_id.0 + 1));
        }
        None
    }
}

/// Objects by number, as far as they have gone out.
struct Cached {
    graph: Arc<Graph>,
    identity: Identity,
    objects: Option<vec::IntoIter<Arc<Object>>>,
    number: usize,
}

impl Cached {
    async fn next_piece(&mut self) -> Option<Bytes> {
        let mut objects = self.objects.take()?;
        let mut piece = Vec::new();
        let mut pace = Pace::new();
        for object in objects.by_ref() {
            self.number += 1;
            let opening = if self.number == 1 { '{' } else { ',' };
            piece.extend_from_slice(format!("{opening}\"{}\":{{\"obj_dict\":", self.number).as_bytes());
            write_record(&mut piece, &self.graph, &self.identity, &object);
            let time = object.modified.0;
            piece.extend_from_slice(format!(",\"id_perms_ts\":{time},\"row_latest_ts\":{time}}}").as_bytes());
            if piece.len() >= PIECE {
                self.objects = Some(objects);
                return Some(piece.into());
            }
            pace.step().await;
        }
        piece.extend_from_slice(if self.number == 0 { b"{}" } else { b"}" });
        Some(piece.into())
    }
}

/// Texts by key, as far as they have gone out.
struct Texts {
    store: Arc<KeyValueStore>,
    /// Those whose texts are still to be read, with their sizes in bytes; none at the end.
    keys: Option<vec::IntoIter<(String, usize)>>,
    /// What comes before the next one.
    opening: &'static str,
}

impl Texts {
    async fn next_piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        let Some(mut keys) = self.keys.take() else { return Ok(None) };
        let (mut size, mut wanted) = (0, Vec::new());
        for (key, length) in keys.by_ref() {
            size += key.len() + length;
            wanted.push(key);
            if size >= PIECE {
                break;
            }
        }
        let mut piece = Vec::new();
        // Those that were deleted meanwhile are left out.
        for (key, value) in self.store.retrieve(&wanted).await? {
            piece.extend_from_slice(std::mem::replace(&mut self.opening, ",").as_bytes());
            json_text::write(&mut piece, &json!({"key": key, "value": value}));
        }
        if size >= PIECE {
            self.keys = Some(keys);
        } else {
            let opened = self.opening == ",";
            piece.extend_from_slice(if opened { b"]}" } else { b"{\"value\":[]}" });
        }
        Ok(Some(piece.into()))
    }
}

impl App {
    /// `POST /fetch-records`
    ///
    /// # Errors
    /// 503 while the database is away.
    pub async fn fetch_records(&self, call: &Call) -> Answered<Answer> {
        let snapshot = self.snapshot(call).await?;
        let records = Records {
            graph: snapshot.graph,
            identity: call.identity.clone(),
            type_id: Some(TypeId(0)),
            after: None,
            begun: false,
            first_type: true,
        };
        let pieces = stream::unfold(records, |mut records| async {
            Some((Ok::<_, Infallible>(records.next_piece().await?), records))
        });
        Ok(in_pieces(pieces, snapshot.stale, call))
    }

    /// `/obj-cache`: all objects are in memory; the answer is what a cache would hold of these.
    ///
    /// # Errors
    /// 400 for arguments of the wrong shape.
    pub async fn object_cache(&self, call: &Call, body: &Map<String, Value>) -> Answered<Answer> {
        let given = |name: &str| body.get(name).filter(|value| !value.is_null());
        let uuids = match given("uuids") {
            None => None,
            Some(list) => {
                let list = string_list(list)
                    .ok_or_else(|| ApiError::bad_request("Bad Request, uuids must be a list of uuids"))?;
                Some(Named::Uuids.once(list)?)
            }
        };
        let count = match given("count") {
            None => 10,
            Some(count) => {
                count.as_u64().ok_or_else(|| ApiError::bad_request("Bad Request, count must be an integer"))?
            }
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let snapshot = self.snapshot(call).await?;
        let graph = snapshot.graph;
        let objects: Vec<Arc<Object>> = match &uuids {
            Some(uuids) => uuids.iter().filter_map(|uuid| graph.get(canonical_uuid(uuid)?)).cloned().collect(),
            None => graph.all().take(count).cloned().collect(),
        };
        let identity = call.identity.clone();
        let cached = Cached { graph, identity, objects: Some(objects.into_iter()), number: 0 };
        let pieces = stream::unfold(cached, |mut cached| async {
            Some((Ok::<_, Infallible>(cached.next_piece().await?), cached))
        });
        Ok(in_pieces(pieces, snapshot.stale, call))
    }

    /// All texts of `/useragent-kv`.
    ///
    /// # Errors
    /// 503 while the database is away.
    pub async fn all_key_values(&self, call: &Call) -> Answered<Answer> {
        let keys = Some(self.key_values.keys().await?.into_iter());
        let texts = Texts { store: Arc::clone(&self.key_values), keys, opening: "{\"value\":[" };
        let pieces = stream::try_unfold(texts, |mut texts| async {
            Ok::<_, StoreError>(texts.next_piece().await?.map(|piece| (piece, texts)))
        });
        Ok(in_pieces(pieces, false, call))
    }
}
