//! `/neutron/<resource>`: what OpenStack's plug-in asks for. What it means is in `crate::neutron`.

use super::{Access, Action, Effect};
use crate::{
    api::{
        App,
        answer::Answer,
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
    rules::{Operation, Outcome},
};
use actix_web::http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
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

/// What is read, and from where.
struct Reading<'a> {
    app: &'a App,
    call: &'a Call,
    request: &'a Request,
    snapshot: &'a Snapshot,
}

impl Reading<'_> {
    fn view(&self) -> View<'_> {
        View {
            graph: &self.snapshot.graph,
            identity: &self.call.identity,
            role_rules: &self.app.role_rules,
            options: &self.app.neutron,
            request: self.request,
        }
    }

    /// Goes through those of a list that are wanted; each has all its fields (NEU-ENV-8).
    async fn each(&self, list: &List, mut found: impl FnMut(&Value)) -> Answered<()> {
        let name = self.request.resource.name();
        let view = self.view();
        let mut pace = Pace::new();
        for answer in (list.candidates)(&view).map_err(|refused| refusal(refused, name))? {
            pace.step().await;
            if self.request.filters.match_answer(list.fields, &answer) {
                found(&answer);
            }
        }
        Ok(())
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
        match request.does() {
            Some(Does::Writes(write)) => self.compose(call, Composed { request: Arc::new(request), write }).await,
            Some(Does::Reads(read)) => {
                let snapshot = self.snapshot(call).await?;
                let reading = Reading { app: self, call, request: &request, snapshot: &snapshot };
                let answer = read(&reading.view()).map_err(|refused| refusal(refused, name))?;
                Ok(Answer::json(&answer))
            }
            Some(Does::Lists(list)) => self.list_of_neutron(call, request, list).await,
            Some(Does::Counts(list)) => {
                let snapshot = self.snapshot(call).await?;
                let reading = Reading { app: self, call, request: &request, snapshot: &snapshot };
                let mut count = 0_u64;
                reading.each(list, |_| count += 1).await?;
                Ok(Answer::json(&json!({ "count": count })))
            }
            None => Ok(Answer::Empty),
        }
    }

    /// NEU-ENV-7: what there is nothing to say of has an empty body.
    async fn compose(&self, call: &Call, composed: Composed) -> Answered<Answer> {
        match self.submit(call, Operation::Composed(Arc::new(composed))).await? {
            Outcome::Answer(Value::Null) => Ok(Answer::Empty),
            Outcome::Answer(answer) => Ok(Answer::json(&answer)),
            _ => Ok(Answer::Empty),
        }
    }

    async fn list_of_neutron(&self, call: &Call, request: Request, list: &'static List) -> Answered<Answer> {
        let request = Arc::new(request);
        let mut snapshot = self.snapshot(call).await?;
        if let Some(first) = list.first {
            let reading = Reading { app: self, call, request: &request, snapshot: &snapshot };
            if (first.is_missing)(&reading.view()) {
                let composed = Composed { request: Arc::clone(&request), write: first.make };
                self.submit(call, Operation::Composed(Arc::new(composed))).await?;
                snapshot = self.snapshot(call).await?;
            }
        }
        let reading = Reading { app: self, call, request: &request, snapshot: &snapshot };
        let mut body = b"[".to_vec();
        reading
            .each(list, |answer| {
                if body.len() > 1 {
                    body.push(b',');
                }
                json_text::write(&mut body, answer);
            })
            .await?;
        body.push(b']');
        Ok(Answer::Json { body: body.into(), etag: None, stale: snapshot.stale })
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
    let first = neutron::RESOURCES.first().map(|resource| example(resource)).unwrap_or_default();
    about(NEUTRON, "neutron", "Does what OpenStack asks for")
        .says(&says())
        .takes_like(Required::True, body, first)
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
        format!("- `{}` ({}): {}\n", resource.name(), resource.meaning, verbs.join(", "))
    };
    let resources: String = neutron::RESOURCES.iter().map(|resource| operations(resource)).collect();
    format!("Each request is all or nothing. Resources and operations:\n\n{resources}")
}
