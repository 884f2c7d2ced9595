//! `/neutron/<resource>`: what `OpenStack`'s plug-in asks for. What it means is in `crate::neutron`.

use super::{Access, Action, Effect};
use crate::{
    access::{Identity, role_rules::KeptRoleRules},
    api::{
        App,
        answer::{Answer, PIECE, in_pieces},
        call::Call,
        error::{Answered, ApiError},
        openapi::{
            arguments::DRY_RUN,
            operation::{Described, NEUTRON, about},
            vocabulary::{
                BARE_TEXT, anything, empty_content, json_answer, nullable, nullable_text, object, simple, text,
            },
        },
    },
    json_text,
    model::type_name,
    neutron::{self, Composed, Does, List, Refused, Request, View},
    pace::Pace,
    replica::Snapshot,
    rules::{NeutronOptions, Operation, Outcome},
};
use actix_web::http::Method;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::{convert::Infallible, sync::Arc};
use tokio::sync::{mpsc, oneshot};
use utoipa::openapi::{Content, Required, Type, path::OperationBuilder};
use uuid::Uuid;

/// What stands in the path for the resource.
pub const PATH: &str = "/neutron/{resource}";

/// All resources of Neutron.
pub static ACTIONS: &[Action] = &[Action {
    link: None,
    path: PATH,
    method: Method::POST,
    access: Access::Writer,
    effect: Effect::Writes,
    takes_a_place: true,
    handler: |app, call, resource| Box::pin(app.neutron(resource, call)),
    arguments: &[DRY_RUN],
    description: describe,
}];

/// A refusal, as it goes out.
fn refusal(refused: Refused, resource: &str) -> ApiError {
    refused.into_rejection(resource).into()
}

/// What is read, and from where. It has all that it needs, so that a list can be made while it goes out.
struct Reading {
    role_rules: Arc<KeptRoleRules>,
    options: NeutronOptions,
    identity: Identity,
    request: Arc<Request>,
    snapshot: Snapshot,
}

/// How many pieces of a list wait for its client.
const PIECES: usize = 1;

/// What has become of a list by the time that its answer begins.
enum Begun {
    /// All of it is there.
    Whole(Vec<u8>),
    /// This is its beginning, and the rest follows.
    Begins(Vec<u8>),
}

impl Reading {
    fn view(&self) -> View<'_> {
        View {
            graph: &self.snapshot.graph,
            identity: &self.identity,
            role_rules: &self.role_rules,
            options: &self.options,
            request: &self.request,
        }
    }

    fn refusal(&self, refused: Refused) -> ApiError {
        refusal(refused, self.request.resource.name())
    }

    /// Those of a list that are wanted; each has all its fields (NEU-ENV-8).
    fn wanted(&self, list: &'static List) -> Answered<impl Iterator<Item = Option<Value>> + '_> {
        let answers = (list.candidates)(&self.view()).map_err(|refused| self.refusal(refused))?;
        let is_wanted = |answer: &Value| self.request.filters.match_answer(list.fields, answer);
        Ok(answers.map(move |answer| Some(answer).filter(is_wanted)))
    }

    async fn count(&self, list: &'static List) -> Answered<u64> {
        let (mut count, mut pace) = (0, Pace::new());
        for answer in self.wanted(list)? {
            pace.step().await;
            count += u64::from(answer.is_some());
        }
        Ok(count)
    }

    /// Makes a list, and tells its beginning as soon as that is a piece, or all; the rest is made as it is taken, and nothing any more
    /// once nobody takes it.
    async fn list(
        self,
        list: &'static List,
        begun: oneshot::Sender<Answered<Begun>>,
        pieces: mpsc::Sender<Result<Bytes, Infallible>>,
    ) {
        let answers = match self.wanted(list) {
            Ok(answers) => answers,
            Err(refused) => return drop(begun.send(Err(refused))),
        };
        let (mut begun, mut pace) = (Some(begun), Pace::new());
        let (mut piece, mut separator) = (b"[".to_vec(), &b""[..]);
        for answer in answers {
            pace.step().await;
            let Some(answer) = answer else { continue };
            piece.extend_from_slice(std::mem::replace(&mut separator, b","));
            json_text::write(&mut piece, &answer);
            if piece.len() >= PIECE {
                let piece = std::mem::take(&mut piece);
                let is_taken = match begun.take() {
                    Some(begun) => begun.send(Ok(Begun::Begins(piece))).is_ok(),
                    None => pieces.send(Ok(piece.into())).await.is_ok(),
                };
                if !is_taken {
                    return;
                }
            }
        }
        piece.push(b']');
        match begun.take() {
            Some(begun) => drop(begun.send(Ok(Begun::Whole(piece)))),
            None => drop(pieces.send(Ok(piece.into())).await),
        }
    }
}

impl App {
    /// `POST /neutron/<resource>`
    ///
    /// # Errors
    /// 400 with a class of Neutron, or with a text for what is no envelope.
    async fn neutron(&self, name: &str, call: &Call) -> Answered<Answer> {
        let resource = neutron::find(name).filter(|resource| !resource.needs_fwaas || self.neutron.fwaas);
        let resource = resource.ok_or_else(|| ApiError::not_found(format!("Not found: '{}'", call.path)))?;
        let read = Request::read(resource, &call.object()?).map_err(ApiError::bad_request)?;
        let mut request = read.map_err(|refused| refusal(refused, name))?;
        request.hides_forbidden = call.hides_forbidden;
        // A project that only Keystone knows is made when somebody works in it (NEU-GEN-4).
        if let (Ok(tenant), Some(project)) = (request.tenant_of_body(), self.model.find(type_name::PROJECT))
            && self.replica.current().get(tenant).is_none()
        {
            self.bring(project, tenant).await?;
        }
        match request.does {
            Does::Writes(write) => self.compose(call, Composed { request: Arc::new(request), write }).await,
            Does::Reads(read) => {
                let reading = self.reading(call, &Arc::new(request)).await?;
                let answer = read(&reading.view()).map_err(|refused| reading.refusal(refused))?;
                Ok(Answer::json(&answer))
            }
            Does::Lists(list) => self.list_of_neutron(call, Arc::new(request), list).await,
            Does::Counts(list) => {
                let count = self.reading(call, &Arc::new(request)).await?.count(list).await?;
                Ok(Answer::json(&json!({ "count": count })))
            }
        }
    }

    /// NEU-ENV-7: what there is nothing to say of has an empty body.
    async fn compose(&self, call: &Call, composed: Composed) -> Answered<Answer> {
        match self.submit(call, Operation::Composed(Arc::new(composed))).await? {
            Outcome::Answer(answer) if !answer.is_null() => Ok(Answer::json(&answer)),
            _ => Ok(Answer::Empty),
        }
    }

    async fn reading(&self, call: &Call, request: &Arc<Request>) -> Answered<Reading> {
        Ok(Reading {
            role_rules: Arc::clone(&self.role_rules),
            options: self.neutron.clone(),
            identity: call.identity.clone(),
            request: Arc::clone(request),
            snapshot: self.snapshot(call).await?,
        })
    }

    async fn list_of_neutron(&self, call: &Call, request: Arc<Request>, list: &'static List) -> Answered<Answer> {
        let mut reading = self.reading(call, &request).await?;
        if let Some(first) = list.first.filter(|first| (first.is_missing)(&reading.view())) {
            let composed = Composed { request: Arc::clone(&request), write: first.make };
            self.submit(call, Operation::Composed(Arc::new(composed))).await?;
            reading = self.reading(call, &request).await?;
        }
        let stale = reading.snapshot.stale;
        let (begun, begins) = oneshot::channel();
        let (pieces, rest) = mpsc::channel(PIECES);
        actix_web::rt::spawn(reading.list(list, begun, pieces));
        let stopped = |_| ApiError::unavailable("The server stops");
        match begins.await.map_err(stopped)?? {
            Begun::Whole(body) => Ok(Answer::Json { body: body.into(), etag: None, stale }),
            Begun::Begins(piece) => {
                let first = stream::iter([Ok(Bytes::from(piece))]);
                let rest = stream::unfold(rest, |mut rest| async { Some((rest.recv().await?, rest)) });
                Ok(in_pieces(first.chain(rest), stale, call))
            }
        }
    }
}

/// A request that may be sent as it is.
fn example(resource: &neutron::Resource) -> Value {
    let (verb, data) = resource.example;
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    json!({
        "context": {"operation": verb.name(), "type": resource.name(), "tenant_id": Uuid::nil().simple().to_string(), "is_admin": true},
        "data": data,
    })
}

fn describe() -> OperationBuilder {
    let context = [
        ("operation", text("What is to be done.")),
        ("tenant_id", nullable_text("The tenant that is meant, with dashes or without.")),
        ("is_admin", nullable(Type::Boolean).description(Some("Whether lists look at the objects of all.")).into()),
    ];
    let data = [
        ("id", nullable_text("Which one.")),
        ("resource", nullable(Type::Object).description(Some("What it is to be.")).into()),
        (
            "filters",
            nullable(Type::Object).description(Some("Which ones: lists of values by the names of fields.")).into(),
        ),
        ("fields", anything("Means nothing: all fields are answered.")),
    ];
    let body = object(
        &["context", "data"],
        [("context", object(&["operation"], context).into()), ("data", object(&[], data).into())],
    );
    let refused =
        object(&["exception"], [("exception", text("A class of Neutron; the other members are its arguments."))]);
    let examples = neutron::RESOURCES.iter().map(|resource| (resource.name().to_owned(), example(resource)));
    about(NEUTRON, "neutron", "Does what OpenStack asks for")
        .says(&says())
        .takes_like_these(Required::True, body, examples)
        .response(
            "200",
            json_answer(
                "An object; of READALL a list of them, of READCOUNT their number, of DELETE nothing.",
                anything(""),
            )
            .content(BARE_TEXT, empty_content()),
        )
        .or(&[404, 503])
        .response(
            "400",
            json_answer("It is refused, with a class of Neutron, or with a text.", refused)
                .content(BARE_TEXT, Content::new(Some(simple(Type::String)))),
        )
}

/// What is served, by resource.
fn says() -> String {
    let operations = |resource: &&neutron::Resource| {
        let verbs: Vec<&str> = resource.operations.iter().map(|(verb, _)| verb.name()).collect();
        let condition = if resource.needs_fwaas { ", only with `--neutron-fwaas true`" } else { "" };
        format!("- `{}` ({}{condition}): {}\n", resource.name(), resource.meaning, verbs.join(", "))
    };
    let resources: String = neutron::RESOURCES.iter().map(operations).collect();
    format!("Each request is all or nothing. Resources and operations:\n\n{resources}")
}
