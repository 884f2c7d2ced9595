//! What requests are counted as.

use super::routes::{Found, Route};
use crate::{
    metrics::{Asked, Subject},
    model::TypeId,
};
use actix_web::http::Method;

/// What a request is about that leads there.
pub fn subject(found: &Found, method: &Method) -> Subject {
    let Found::Route(route) = found else { return Subject::Nothing };
    match route {
        Route::Home | Route::OpenApi | Route::Documentation(_) => Subject::Page,
        Route::Action(action, _) => Subject::Action(action.path),
        Route::Collection(TypeId(index)) if method == Method::POST => Subject::Type(*index, Asked::Create),
        Route::Collection(TypeId(index)) => Subject::Type(*index, Asked::List),
        Route::Object(TypeId(index), _) if method == Method::PUT => Subject::Type(*index, Asked::Update),
        Route::Object(TypeId(index), _) if method == Method::DELETE => Subject::Type(*index, Asked::Delete),
        Route::Object(TypeId(index), _) => Subject::Type(*index, Asked::Read),
    }
}
