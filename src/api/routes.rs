//! All paths that are served, and where each leads.

use super::{
    actions::{self, Action, RESOURCE, UUID},
    pages::Page,
};
use crate::{
    model::{Model, TypeId},
    neutron,
};
use actix_web::http::Method;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// What a path with a method leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    /// `/`
    Home,
    /// `/openapi.json`
    OpenApi,
    /// `/documentation/<file>`; without the slash there is no file, not even an empty one.
    Documentation(Option<String>),
    /// `/<type>s`
    Collection(TypeId),
    /// `/<type>/<uuid>`
    Object(TypeId, String),
    /// `/<action>`, `/<type>/<uuid>/<action>` or `/neutron/<resource>`, with the uuid or the resource; without one it is empty.
    Action(&'static Action, String),
    /// `/ui/...`, with what stands for the parts of its path that may be anything. No part of the interface (`api/pages.rs`).
    Page(&'static Page, Vec<String>),
}

/// Everything that is served: method, path, where it leads. In a path `{uuid}` stands for that of an object, `{file}` for the
/// name of a file, `{resource}` for one of Neutron.
pub fn all(model: &Model) -> Vec<(Method, String, Route)> {
    let mut routes = vec![
        (Method::GET, "/".to_owned(), Route::Home),
        (Method::GET, "/openapi.json".to_owned(), Route::OpenApi),
        (Method::GET, "/documentation".to_owned(), Route::Documentation(None)),
        (Method::GET, "/documentation/".to_owned(), Route::Documentation(Some(String::new()))),
        (Method::GET, "/documentation/{file}".to_owned(), Route::Documentation(Some("{file}".to_owned()))),
    ];
    for action in actions::all() {
        let named = [UUID, RESOURCE].into_iter().find(|named| action.path.contains(named)).unwrap_or_default();
        routes.push((action.method.clone(), action.path.to_owned(), Route::Action(action, named.to_owned())));
    }
    for kind in model.types() {
        let collection = [Method::GET, Method::POST];
        routes.extend(collection.map(|method| (method, format!("/{}", kind.collection), Route::Collection(kind.id))));
        let object = [Method::GET, Method::PUT, Method::DELETE];
        let path = || format!("/{}/{UUID}", kind.name);
        routes.extend(object.map(|method| (method, path(), Route::Object(kind.id, UUID.to_owned()))));
    }
    routes
}

/// Where a path leads, or why not.
pub enum Found {
    /// To a handler.
    Route(Route),
    /// Only with these methods.
    OtherMethods(String),
    /// Nowhere.
    Nothing,
}

/// Finds the route of a path.
pub fn find(model: &Model, method: &Method, path: &str) -> Found {
    let of_methods = |methods: &[Method], route: Route| {
        if methods.contains(method) {
            return Found::Route(route);
        }
        let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
        Found::OtherMethods(names.join(","))
    };
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let (action_path, uuid) = match segments.as_slice() {
        [kind, uuid, action] => (Cow::Owned(format!("/{kind}/{UUID}/{action}")), decoded(uuid)),
        // NEU-ENV-1
        ["neutron", resource] if decoded(resource) == RESOURCE || neutron::find(resource).is_some() => {
            (Cow::Borrowed(actions::neutron::PATH), decoded(resource))
        }
        _ => (Cow::Borrowed(path), String::new()),
    };
    let actions: Vec<_> = actions::all().filter(|action| action.path == action_path).collect();
    if let Some(action) = actions.iter().find(|action| action.method == method) {
        return Found::Route(Route::Action(action, uuid));
    }
    if !actions.is_empty() {
        let names: Vec<&str> = actions.iter().map(|action| action.method.as_str()).collect();
        return Found::OtherMethods(names.join(","));
    }
    match segments.as_slice() {
        [""] => of_methods(&[Method::GET], Route::Home),
        ["openapi.json"] => of_methods(&[Method::GET], Route::OpenApi),
        ["documentation"] => of_methods(&[Method::GET], Route::Documentation(None)),
        ["documentation", file @ ..] => {
            of_methods(&[Method::GET], Route::Documentation(Some(decoded(&file.join("/")))))
        }
        [collection] => match model.find_collection(collection) {
            Some(id) => of_methods(&[Method::GET, Method::POST], Route::Collection(id)),
            None => Found::Nothing,
        },
        [_, ""] => Found::Nothing,
        [kind, uuid] => match find_dashed(model, kind) {
            Some(id) => of_methods(&[Method::GET, Method::PUT, Method::DELETE], Route::Object(id, decoded(uuid))),
            None => Found::Nothing,
        },
        _ => Found::Nothing,
    }
}

/// In paths only the dashed name counts.
fn find_dashed(model: &Model, name: &str) -> Option<TypeId> {
    if name.contains('_') { None } else { model.find(name) }
}
