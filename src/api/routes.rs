//! All paths that are served: a table, from which requests are led and the home page is made.

use crate::model::{Model, TypeId};
use actix_web::http::Method;
use percent_encoding::percent_decode_str;

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
    /// `/<action>`
    Action(Action),
    /// `/virtual-network/<uuid>/<action>`
    Network(NetworkAction, String),
}

/// A call that is not about one collection or object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    PropertyCollectionGet,
    PropertyCollectionUpdate,
    ReferenceUpdate,
    RelaxReference,
    NameToId,
    IdToName,
    KeyValue,
    DatabaseCheck,
    FetchRecords,
    StartProfile,
    StopProfile,
    ListBulk,
    ObjectPermissions,
    ChangeOwner,
    ChangeMode,
    AaaModeGet,
    AaaModePut,
    ObjectCacheGet,
    ObjectCachePost,
    ExecuteJob,
    AbortJob,
    Publish,
    RequestOverBus,
    HostBasedServiceGet,
    Watch,
    Changes,
    Health,
    Ready,
    SetTag,
    SecurityPolicyDraft,
    Transaction,
}

/// A call on a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetworkAction {
    Allocate,
    Free,
    Count,
}

/// Name of the link on the home page (none: no link), path, method, action.
pub const ACTIONS: [(&str, &str, Method, Action); 31] = [
    ("prop-collection-get", "/prop-collection-get", Method::GET, Action::PropertyCollectionGet),
    ("prop-collection-update", "/prop-collection-update", Method::POST, Action::PropertyCollectionUpdate),
    ("ref-update", "/ref-update", Method::POST, Action::ReferenceUpdate),
    ("ref-relax-for-delete", "/ref-relax-for-delete", Method::POST, Action::RelaxReference),
    ("name-to-id", "/fqname-to-id", Method::POST, Action::NameToId),
    ("id-to-name", "/id-to-fqname", Method::POST, Action::IdToName),
    ("useragent-keyvalue", "/useragent-kv", Method::POST, Action::KeyValue),
    ("database-check", "/db-check", Method::POST, Action::DatabaseCheck),
    ("fetch-records", "/fetch-records", Method::POST, Action::FetchRecords),
    ("start-profile", "/start-profile", Method::POST, Action::StartProfile),
    ("stop-profile", "/stop-profile", Method::POST, Action::StopProfile),
    ("list-bulk-collection", "/list-bulk-collection", Method::POST, Action::ListBulk),
    ("obj-perms", "/obj-perms", Method::GET, Action::ObjectPermissions),
    ("chown", "/chown", Method::POST, Action::ChangeOwner),
    ("chmod", "/chmod", Method::POST, Action::ChangeMode),
    ("", "/aaa-mode", Method::GET, Action::AaaModeGet),
    ("aaa-mode", "/aaa-mode", Method::PUT, Action::AaaModePut),
    ("obj-cache", "/obj-cache", Method::GET, Action::ObjectCacheGet),
    ("obj-cache", "/obj-cache", Method::POST, Action::ObjectCachePost),
    ("execute-job", "/execute-job", Method::POST, Action::ExecuteJob),
    ("abort-job", "/abort-job", Method::POST, Action::AbortJob),
    ("amqp-publish", "/amqp-publish", Method::POST, Action::Publish),
    ("amqp-request", "/amqp-request", Method::POST, Action::RequestOverBus),
    ("hbs-get", "/hbs-get", Method::POST, Action::HostBasedServiceGet),
    ("watch", "/watch", Method::GET, Action::Watch),
    ("", "/changes", Method::GET, Action::Changes),
    ("", "/healthz", Method::GET, Action::Health),
    ("", "/readyz", Method::GET, Action::Ready),
    ("set-tag", "/set-tag", Method::POST, Action::SetTag),
    ("security-policy-draft", "/security-policy-draft", Method::POST, Action::SecurityPolicyDraft),
    ("", "/transaction", Method::POST, Action::Transaction),
];

/// Name of the link, last part of the path, action. All are POST; the home page has a literal `%s` for the uuid.
pub const NETWORK_ACTIONS: [(&str, &str, NetworkAction); 3] = [
    ("virtual-network-ip-alloc", "ip-alloc", NetworkAction::Allocate),
    ("virtual-network-ip-free", "ip-free", NetworkAction::Free),
    ("virtual-network-subnet-ip-count", "subnet-ip-count", NetworkAction::Count),
];

/// Everything that is served: method, path, where it leads. In a path `{uuid}` stands for that of an object, `{file}` for the
/// name of a file.
pub fn all(model: &Model) -> Vec<(Method, String, Route)> {
    let uuid = || "{uuid}".to_owned();
    let mut routes = vec![
        (Method::GET, "/".to_owned(), Route::Home),
        (Method::GET, "/openapi.json".to_owned(), Route::OpenApi),
        (Method::GET, "/documentation".to_owned(), Route::Documentation(None)),
        (Method::GET, "/documentation/".to_owned(), Route::Documentation(Some(String::new()))),
        (Method::GET, "/documentation/{file}".to_owned(), Route::Documentation(Some("{file}".to_owned()))),
    ];
    for (_, path, method, action) in &ACTIONS {
        routes.push((method.clone(), (*path).to_owned(), Route::Action(*action)));
    }
    for (_, last, action) in NETWORK_ACTIONS {
        routes.push((Method::POST, format!("/virtual-network/{{uuid}}/{last}"), Route::Network(action, uuid())));
    }
    for kind in model.types() {
        let collection = [Method::GET, Method::POST];
        routes.extend(collection.map(|method| (method, format!("/{}", kind.collection), Route::Collection(kind.id))));
        let object = [Method::GET, Method::PUT, Method::DELETE];
        let path = || format!("/{}/{{uuid}}", kind.name);
        routes.extend(object.map(|method| (method, path(), Route::Object(kind.id, uuid()))));
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
    let actions: Vec<_> = ACTIONS.iter().filter(|(_, action_path, _, _)| *action_path == path).collect();
    if let Some((_, _, _, action)) = actions.iter().find(|(_, _, action_method, _)| action_method == method) {
        return Found::Route(Route::Action(*action));
    }
    if !actions.is_empty() {
        let names: Vec<&str> = actions.iter().map(|(_, _, method, _)| method.as_str()).collect();
        return Found::OtherMethods(names.join(","));
    }
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
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
        ["virtual-network", uuid, last] => match NETWORK_ACTIONS.iter().find(|(_, action, _)| action == last) {
            Some((_, _, action)) => of_methods(&[Method::POST], Route::Network(*action, decoded(uuid))),
            None => Found::Nothing,
        },
        _ => Found::Nothing,
    }
}

/// In paths only the dashed name counts.
fn find_dashed(model: &Model, name: &str) -> Option<TypeId> {
    if name.contains('_') { None } else { model.find(name) }
}
