//! What a cache of objects would hold, if there were one: all objects are in memory (contrail-api R21, wire contract 7). The
//! answer is made as the client takes it, from one snapshot.

use super::{Access, Action, Effect, dumps::write_record, given};
use crate::{
    access::Identity,
    api::{
        App,
        answer::{Answer, PIECE, in_pieces},
        budget::Named,
        call::Call,
        error::{Answered, ApiError},
        openapi::{
            operation::{Described, SERVER, about},
            vocabulary::{anything, nullable, nullable_list, object, simple},
        },
    },
    graph::{Graph, Object},
    pace::Pace,
    rules::{canonical_uuid, string_list},
};
use actix_web::http::Method;
use bytes::Bytes;
use futures_util::stream;
use std::{convert::Infallible, sync::Arc, vec};
use utoipa::openapi::{Required, Type, path::OperationBuilder};

/// Some objects, or those that are named.
pub static ACTIONS: &[Action] = &[
    Action {
        link: Some("obj-cache"),
        path: "/obj-cache",
        method: Method::GET,
        access: Access::Administrator,
        effect: Effect::Reads,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.object_cache(call)),
        arguments: &[],
        description: describe_some,
    },
    Action {
        link: Some("obj-cache"),
        path: "/obj-cache",
        method: Method::POST,
        access: Access::Administrator,
        effect: Effect::Reads,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.object_cache(call)),
        arguments: &[],
        description: describe_named,
    },
];

/// How many objects the answer has where the client does not say.
const USUAL_COUNT: u64 = 10;

impl App {
    async fn object_cache(&self, call: &Call) -> Answered<Answer> {
        let body = &call.object()?;
        let uuids = match given(body, "uuids") {
            None => None,
            Some(list) => {
                let list = string_list(list)
                    .ok_or_else(|| ApiError::bad_request("Bad Request, uuids must be a list of uuids"))?;
                Some(Named::Uuids.once(list)?)
            }
        };
        let count = match given(body, "count") {
            None => USUAL_COUNT,
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

fn describe_some() -> OperationBuilder {
    about(SERVER, "obj_cache_read", "Some objects, as a cache would hold them")
        .says("All objects are in memory; the answer has ten of them.")
        .answers("The objects, numbered.", simple(Type::Object).additional_properties(Some(anything(""))))
        .or(&[503])
}

fn describe_named() -> OperationBuilder {
    let count =
        nullable(Type::Integer).minimum(Some(0)).description(Some(format!("How many; {USUAL_COUNT} if not given.")));
    about(SERVER, "obj_cache", "Objects, as a cache would hold them")
        .says("All objects are in memory; the answer has `count` of them, or those with these uuids.")
        .takes(
            Required::False,
            object(&[], [("uuids", nullable_list(simple(Type::String).into()).into()), ("count", count.into())]),
        )
        .answers("The objects, numbered.", simple(Type::Object).additional_properties(Some(anything(""))))
        .or(&[503])
}
