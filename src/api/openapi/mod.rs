//! The OpenAPI 3.1 document of the interface, made of the data model and the routes.

pub mod arguments;
mod examples;
pub mod object_types;
pub mod operation;
pub mod part;
mod refusals;
mod value_types;
pub mod vocabulary;

#[cfg(test)]
mod tests;

use super::{
    actions::{self, Access, Action, Effect, RESOURCE, UUID},
    gate,
    routes::{self, Route},
};
use crate::model::{Model, ObjectType};
use actix_web::http::Method;
use utoipa::openapi::{
    Components, ComponentsBuilder, Content, HeaderBuilder, HttpMethod, InfoBuilder, License, OpenApi, OpenApiBuilder,
    Paths, Response, ResponseBuilder, Tag, Type,
    extensions::Extensions,
    path::{Operation, OperationBuilder},
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    tag::TagBuilder,
};
use vocabulary::{json_answer, list, nullable_text, object, simple, text};

const DESCRIPTION: &str = include_str!("description.md");
/// The group of what stands at the top.
const HOME: &str = "home";
/// How a token is sent, as clients of contrail-api do.
const TOKEN: &str = "Token";
/// How a token is sent, as others do.
const BEARER: &str = "Bearer";

/// The document.
pub fn document(model: &Model) -> OpenApi {
    let license = License::new(env!("CARGO_PKG_LICENSE"));
    let info = InfoBuilder::new()
        .title("Cirrus")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(license));
    OpenApiBuilder::new()
        .info(info)
        .paths(paths(model))
        .components(Some(components(model)))
        .security(Some(ways_to_say()))
        .tags(Some(tags(model)))
        .build()
}

fn paths(model: &Model) -> Paths {
    let mut paths = Paths::new();
    for (method, path, route) in routes::all(model) {
        let methods = http_method(&method).into_iter().collect();
        let operation = with_access(describe(model, &method, &route), gate::access(&route, &method));
        paths.add_path_operation(path, methods, operation);
    }
    paths
}

/// What callers get that may not do it, where they have to say who they are.
fn with_access(mut operation: Operation, access: Access) -> Operation {
    if access == Access::Anybody {
        operation.security = Some(Vec::new());
        return operation;
    }
    for (status, refusal) in refusals::of(&[401, 403, 429]) {
        operation.responses.responses.entry(status).or_insert(refusal);
    }
    operation
}

/// How callers say who they are: not at all, where nobody asks.
fn ways_to_say() -> [SecurityRequirement; 3] {
    let with = |name: &str| SecurityRequirement::new::<_, [&str; 0], &str>(name, []);
    [SecurityRequirement::default(), with(TOKEN), with(BEARER)]
}

/// What a route does. The match is exhaustive: a route without a description does not compile.
fn describe(model: &Model, method: &Method, route: &Route) -> Operation {
    match route {
        Route::Home => home(),
        Route::OpenApi => itself(),
        Route::Documentation(None) => to_the_page(),
        Route::Documentation(Some(file)) if file.is_empty() => page(),
        Route::Documentation(Some(_)) => page_file(),
        Route::Action(action, _) => of_action(action),
        // It is none of `routes::all`.
        Route::Page(..) => Operation::new(),
        Route::Collection(id) => object_types::on_collection(model, model.object_type(*id), method),
        Route::Object(id, _) => object_types::on_object(model.object_type(*id), method),
    }
}

/// What an action says of itself, and what follows from its path, its arguments, its access, and what it does: what the writer
/// decides may have a key.
fn of_action(action: &Action) -> Operation {
    let mut operation = (action.description)();
    if action.path.contains(UUID) {
        operation = operation.parameter(arguments::uuid_in_path());
    }
    if action.path.contains(RESOURCE) {
        operation = operation.parameter(arguments::resource_in_path());
    }
    let named = action.arguments.iter().map(|argument| arguments::named(argument.key));
    let access = Extensions::from_iter([("x-access", action.access.name())]);
    let operation = named.fold(operation, OperationBuilder::parameter_ref).extensions(Some(access));
    match action.effect {
        Effect::Writes => object_types::refused_once(operation, &[]),
        Effect::Reads | Effect::Acts => operation.build(),
    }
}

/// Only those that are served.
fn http_method(method: &Method) -> Option<HttpMethod> {
    [
        (Method::GET, HttpMethod::Get),
        (Method::POST, HttpMethod::Post),
        (Method::PUT, HttpMethod::Put),
        (Method::DELETE, HttpMethod::Delete),
    ]
    .into_iter()
    .find_map(|(known, named)| (known == *method).then_some(named))
}

fn components(model: &Model) -> Components {
    let schemas = value_types::schemas(model).chain(object_types::schemas(model)).chain([refusals::problem()]);
    let builder = ComponentsBuilder::new().schemas_from_iter(schemas).responses_from_iter(refusals::responses());
    let header =
        ApiKeyValue::with_description("X-Auth-Token", "A token of Keystone, or of the server's file of tokens.");
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The same token.")).build();
    let builder = builder
        .security_scheme(TOKEN, SecurityScheme::ApiKey(ApiKey::Header(header)))
        .security_scheme(BEARER, SecurityScheme::Http(bearer));
    let arguments = arguments::OF_OBJECTS.iter().chain(actions::all().flat_map(|action| action.arguments));
    arguments.fold(builder, |builder, argument| builder.parameter(argument.key, argument.parameter())).build()
}

fn tags(model: &Model) -> Vec<Tag> {
    let tag = |name: &str, meaning: &str| TagBuilder::new().name(name).description(Some(meaning)).build();
    let of_type = |kind: &ObjectType| tag(&kind.name, &kind.title);
    let groups = operation::GROUPS.iter().map(|(name, meaning)| tag(name, meaning));
    let home = tag(HOME, "Where to begin.");
    std::iter::once(home).chain(groups).chain(model.types().iter().map(of_type)).collect()
}

fn at_home(id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new().tag(HOME).operation_id(Some(id)).summary(Some(summary))
}

fn home() -> Operation {
    let link = object(
        &["href", "name", "rel"],
        [
            ("href", text("")),
            ("name", text("")),
            ("rel", text("`documentation`, `root`, `collection`, `resource-base` or `action`.")),
            ("method", nullable_text("")),
        ],
    );
    let links = list(object(&["link"], [("link", link.into())]).into());
    at_home("home", "What there is")
        .description(Some(
            "Clients learn from it which types and actions there are. A browser is led to the documentation.",
        ))
        .response(
            "200",
            json_answer("Links.", object(&["href", "links"], [("href", text("")), ("links", links.into())])),
        )
        .response("303", found("To the documentation, for who prefers HTML to JSON."))
        .build()
}

fn itself() -> Operation {
    at_home("openapi", "This document")
        .parameter_ref(arguments::named("IfNoneMatch"))
        .response("200", json_answer("OpenAPI 3.1.", simple(Type::Object)))
        .response("304", unchanged())
        .build()
}

fn to_the_page() -> Operation {
    at_home("documentation_redirect", "Leads to the page").response("303", found("To `/documentation/`.")).build()
}

fn page() -> Operation {
    at_home("documentation", "The interactive pages: their index")
        .description(Some("Each type and each group of actions has a page of its own. They need no internet."))
        .parameter_ref(arguments::named("IfNoneMatch"))
        .response("200", file_answer("The page.", &["text/html"]))
        .response("304", unchanged())
        .build()
}

fn page_file() -> Operation {
    let operation = at_home("documentation_file", "A part of the interactive pages")
        .parameter(arguments::file_in_path())
        .parameter_ref(arguments::named("IfNoneMatch"))
        .response(
            "200",
            file_answer("The part.", &["text/html", "text/css", "text/javascript", "image/png", "application/json"]),
        )
        .response("303", found("To the page of a type, which ends with a slash."))
        .response("304", unchanged());
    object_types::refused(operation, &[404])
}

fn file_answer(meaning: &str, media_types: &[&str]) -> Response {
    let content = || Content::new(Some(simple(Type::String)));
    let answer = ResponseBuilder::new().description(meaning);
    media_types.iter().fold(answer, |answer, media_type| answer.content(*media_type, content())).build()
}

/// 304
fn unchanged() -> Response {
    ResponseBuilder::new().description("It is as it was.").build()
}

/// 303
fn found(meaning: &str) -> Response {
    let location = HeaderBuilder::new().schema(Some(simple(Type::String))).build();
    ResponseBuilder::new().description(meaning).header("Location", location).build()
}
