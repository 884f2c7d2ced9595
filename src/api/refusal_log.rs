//! Who was refused what, in one line of the server's log each (REFUSED-1): where somebody tries things, these lines show it. What says who somebody
//! is by being known (tokens, passwords), bodies, queries and texts of refusals, which repeat bodies, are never in it.

use super::{call::Call, error::ApiError};
use crate::access::Caller;
use actix_web::{HttpRequest, http::StatusCode};

/// The refusals that are about who asks.
const ABOUT_CALLERS: [StatusCode; 3] = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];

/// Says that a request was refused, if it was for who sent it.
pub fn tell(call: &Call, request: &HttpRequest, error: &ApiError) {
    if !ABOUT_CALLERS.contains(&error.status) {
        return;
    }
    let Caller { user, user_id, project, domain, roles, level: _ } = &*call.identity.caller;
    // Texts are quoted, and what is no letter in them is escaped: whatever a client sends, it is neither a second line nor another
    // field.
    tracing::warn!(
        status = error.status.as_u16(),
        rule = error.reason.as_ref().and_then(|reason| reason.rule),
        method = %request.method(),
        path = call.path,
        user = user.as_deref(),
        user_id = user_id.as_deref(),
        project = project.as_ref().map(|project| project.id.as_str()),
        project_name = project.as_ref().and_then(|project| project.name.as_deref()),
        domain = domain.as_ref().map(|domain| domain.id.as_str()),
        roles = roles.join(","),
        address = call.identity.address.as_deref(),
        "refused"
    );
}
