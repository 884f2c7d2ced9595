//! What requests are counted as, and what their traces are called.

use super::routes::{Found, Route};
use crate::{
    metrics::{Asked, Subject},
    model::{Model, TypeId},
};
use actix_web::http::Method;
use std::borrow::Cow;

/// What a request is about that leads there.
pub fn subject(found: &Found, method: &Method) -> Subject {
    let Found::Route(route) = found else { return Subject::Nothing };
    match route {
        Route::Home | Route::OpenApi | Route::Documentation(_) => Subject::Page,
        Route::Action(action, _) => Subject::Action(action.path),
        Route::Page(page, _) => Subject::Action(page.path),
        Route::Collection(TypeId(index)) if method == Method::POST => Subject::Type(*index, Asked::Create),
        Route::Collection(TypeId(index)) => Subject::Type(*index, Asked::List),
        Route::Object(TypeId(index), _) if method == Method::PUT => Subject::Type(*index, Asked::Update),
        Route::Object(TypeId(index), _) if method == Method::DELETE => Subject::Type(*index, Asked::Delete),
        Route::Object(TypeId(index), _) => Subject::Type(*index, Asked::Read),
    }
}

/// The type that it is about, if it is about one alone, and what it does: one of a few words, or an action. Nothing of what a client says
/// is in it.
pub fn kind_and_operation<'a>(subject: Subject, model: &'a Model, method: &Method) -> (&'a str, Cow<'static, str>) {
    match subject {
        Subject::Type(index, asked) => (model.object_type(TypeId(index)).name.as_str(), asked.name().into()),
        Subject::Action(path) => ("", format!("{method} {path}").into()),
        Subject::Page => ("", "documentation".into()),
        Subject::Nothing => ("", "unknown".into()),
    }
}
