//! Answers with all objects that there are (contrail-api R21, wire contract 7). They are made as the client takes them, all from
//! one snapshot, and no further when it has gone.

use super::{Access, Action, Effect};
use crate::{
    access::Identity,
    api::{
        App,
        answer::{Answer, PIECE, in_pieces},
        call::Call,
        error::Answered,
        openapi::{
            operation::{Described, SERVER, UNREAD_BODY, about},
            vocabulary::{anything, list, object},
        },
    },
    graph::{Graph, Object},
    model::TypeId,
    pace::Pace,
    render::{FieldNames, Renderer, Selection},
};
use actix_web::http::Method;
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use std::{convert::Infallible, sync::Arc};
use utoipa::openapi::path::OperationBuilder;

/// All objects, looked at or told.
pub static ACTIONS: &[Action] = &[
    Action {
        link: Some("database-check"),
        path: "/db-check",
        method: Method::POST,
        access: Access::Administrator,
        effect: Effect::Reads,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.check_database(call)),
        arguments: &[],
        description: describe_check,
    },
    Action {
        link: Some("fetch-records"),
        path: "/fetch-records",
        method: Method::POST,
        access: Access::Administrator,
        effect: Effect::Reads,
        takes_a_place: true,
        handler: |app, call, _| Box::pin(app.fetch_records(call)),
        arguments: &[],
        description: describe_fetch,
    },
];

impl App {
    /// Whether the graph agrees with itself; with the constraints of the database it always should.
    async fn check_database(&self, call: &Call) -> Answered<Answer> {
        let snapshot = self.snapshot(call).await?;
        let graph = &snapshot.graph;
        let mut results = Vec::new();
        let mut pace = Pace::new();
        for object in graph.all() {
            pace.step().await;
            let kind = &self.model.object_type(object.type_id).name;
            let mut report = |error: String| {
                results.push(json!({"uuid": object.uuid.to_string(), "type": kind, "error": error}));
            };
            if object.parent.is_some_and(|parent| graph.get(parent).is_none()) {
                report("the parent is missing".to_owned());
            }
            for link in object.links.iter().filter(|link| graph.get(link.target).is_none()) {
                report(format!("refers to {}, which is missing", link.target));
            }
            if graph.find_joined(object.type_id, object.fq_name.joined()).is_none_or(|named| named.uuid != object.uuid)
            {
                report("is not found by its name".to_owned());
            }
        }
        Ok(Answer::json(&json!({"results": results})))
    }

    async fn fetch_records(&self, call: &Call) -> Answered<Answer> {
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
}

/// An object with everything, and without hrefs and name.
pub fn write_record(output: &mut Vec<u8>, graph: &Graph, identity: &Identity, object: &Object) {
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

fn describe_check() -> OperationBuilder {
    about(SERVER, "db_check", "Looks for contradictions in the configuration")
        .says("There should be none: the database does not allow any.")
        .answers("What was found.", object(&["results"], [("results", list(anything("")).into())]))
        .or(&UNREAD_BODY)
}

fn describe_fetch() -> OperationBuilder {
    about(SERVER, "fetch_records", "All objects, a list for each type")
        .answers("All of them.", object(&["results"], [("results", list(list(anything("")).into()).into())]))
        .or(&UNREAD_BODY)
}
