//! What a client asks of a write beside the write: that it is done only if (`If-Match`, `If-None-Match: *`), or only tried
//! (`?dry_run=true`). Both are kept or refused, and never passed over: who relies on them would find out too late.

use super::{
    actions::Effect,
    call::Call,
    error::{Answered, ApiError},
    routes::Route,
};
use crate::rules::{Operation, Precondition, Tags};
use actix_web::http::{Method, header::EntityTag};

fn effect(method: &Method, route: &Route) -> Effect {
    match route {
        _ if *method == Method::GET => Effect::Reads,
        Route::Action(action, _) => action.effect,
        Route::Collection(_) | Route::Object(..) => Effect::Writes,
        Route::Page(..) => Effect::Acts,
        Route::Home | Route::OpenApi | Route::Documentation(_) => Effect::Reads,
    }
}

/// Refuses to try, or to do on a condition, what can't be.
///
/// # Errors
/// 400
pub fn check_route(call: &Call, route: &Route) -> Answered<()> {
    let effect = effect(&call.method, route);
    if effect == Effect::Reads {
        return Ok(());
    }
    if is_dry_run(call)? && effect == Effect::Acts {
        return Err(ApiError::bad_request(format!(
            "Bad Request, dry_run: {} can't be tried without doing it",
            call.path
        )));
    }
    if call.if_match.is_some() && effect == Effect::Acts {
        return Err(no_if_match(call));
    }
    if call.key.is_some() && effect == Effect::Acts {
        return Err(ApiError::bad_request(format!(
            "Bad Request, Idempotency-Key: what {} does is not kept together with its answer, so it would be done again",
            call.path
        )));
    }
    Ok(())
}

fn no_if_match(call: &Call) -> ApiError {
    ApiError::bad_request(format!(
        "Bad Request, If-Match: {} {} is not about one object that is there already",
        call.method, call.path
    ))
}

/// Whether the request is only tried.
///
/// # Errors
/// 400 for anything but `true` and `false`.
pub fn is_dry_run(call: &Call) -> Answered<bool> {
    match call.query.get("dry_run").map(String::as_str) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(ApiError::bad_request(format!("Bad Request, dry_run must be true or false, not '{other}'"))),
    }
}

/// Whether there is something to look at before an update that changes nothing.
pub fn has_any(call: &Call) -> bool {
    call.if_match.is_some() || call.if_none_match.is_some()
}

/// What the headers say of the object that an operation is about.
///
/// # Errors
/// 400 for what can't be read, or is not about one object.
pub fn of_headers(call: &Call, operation: &Operation) -> Answered<Option<Precondition>> {
    let is_change = matches!(
        operation,
        Operation::Update(_)
            | Operation::Delete(_)
            | Operation::ReferenceUpdate(_)
            | Operation::CollectionUpdate(_)
            | Operation::PermissionChange(_)
            | Operation::SetTag(_)
    );
    if let Some(given) = &call.if_match {
        return if is_change {
            tags(given).map(|tags| Some(Precondition::Matches(tags)))
        } else {
            Err(no_if_match(call))
        };
    }
    let Some(given) = call.if_none_match.as_deref().map(str::trim) else { return Ok(None) };
    match (given, operation) {
        ("*", Operation::Create(_) | Operation::Update(_)) => Ok(Some(Precondition::IsAbsent)),
        (_, Operation::Create(_) | Operation::Update(_)) => {
            Err(ApiError::bad_request(format!("Bad Request, If-None-Match of a write must be *, not {given}")))
        }
        _ => Err(ApiError::bad_request("Bad Request, If-None-Match is only for the create or update of an object")),
    }
}

/// The tags of `If-Match`: `*`, or a list. Weak ones match nothing, since they do not say which state it is (RFC 9110, 13.1.1).
///
/// # Errors
/// 400 for anything else.
pub fn tags(given: &str) -> Answered<Tags> {
    if given.trim() == "*" {
        return Ok(Tags::Any);
    }
    let malformed = |_| {
        let text = format!("Bad Request, If-Match must be * or a list of ETags in double quotes, not {given}");
        ApiError::bad_request(text)
    };
    let tags = given.split(',').map(|tag| tag.trim().parse::<EntityTag>());
    let tags: Vec<EntityTag> = tags.collect::<Result<_, _>>().map_err(malformed)?;
    Ok(Tags::Of(tags.iter().filter(|tag| !tag.weak).map(ToString::to_string).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_is_read_strictly() {
        let of = |texts: &[&str]| Tags::Of(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(tags(" * ").unwrap(), Tags::Any);
        assert_eq!(tags("\"a\"").unwrap(), of(&["\"a\""]));
        assert_eq!(tags("\"a\" , W/\"b\",\"c\"").unwrap(), of(&["\"a\"", "\"c\""]));
        for malformed in ["", "a", "\"a", "\"a\",", "\"a\" \"b\"", "*, \"a\"", "W/a"] {
            let refused = tags(malformed).unwrap_err();
            assert_eq!(refused.status, 400, "{malformed}");
            assert!(refused.text.contains(malformed), "{}", refused.text);
        }
    }
}
