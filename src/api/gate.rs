//! Who is let in: before a request is led anywhere it is found out who sends it, and whether the mode lets such a caller in. What
//! the caller may do with objects is decided where that is done.

use super::{
    App,
    actions::Access,
    asked::letter_of,
    call::Call,
    error::{Answered, ApiError},
    headers::{AUTH_TOKEN, PROJECT_ID, ROLE, SERVICE_TOKEN, STORAGE_TOKEN, USER, first},
    pages::session_of,
    routes::{Found, Route},
    standing::Standing,
};
use crate::{
    access::{AaaMode, Caller, Level, Scope},
    authentication::{Presented, Refused},
};
use actix_web::{
    HttpRequest,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// The name of the domain of those who have none.
const DEFAULT_DOMAIN: [&str; 1] = ["default-domain"];
/// What a client is told that can't be known at the moment.
const AWAY: &str =
    "503 Service Unavailable\n\nThe server is currently unavailable. Please try again at a later time.\n\n ";

impl App {
    /// Finds out who sends a request, and refuses who may not send it. What leads nowhere is for who is known, too: nobody else
    /// learns what there is.
    ///
    /// # Errors
    /// 401 where it is not known who it is, 403 where that is not enough, 429 after too many tokens that are nobody's, and 503
    /// where it can't be found out.
    pub(super) async fn admit(&self, call: &mut Call, request: &HttpRequest, found: &Found) -> Answered<()> {
        let authenticator = &self.authenticator;
        if authenticator.mode() == AaaMode::NoAuth {
            call.identity.caller = Arc::new(believed(request));
            return Ok(());
        }
        let authorization = request.headers().get(header::AUTHORIZATION);
        if self.administrators.let_in(call.door, authorization, call.from)? {
            // ADMIN-4: without user and project, so that what it makes is nobody's in particular.
            let role = authenticator.callers().roles.cloud_admin.clone();
            call.identity.caller = Arc::new(Caller { roles: vec![role], ..Caller::of_level(Level::Admin) });
            call.identity.default_domain = self.default_domain();
            return Ok(());
        }
        let access = match found {
            Found::Route(route) => access(route, &call.method),
            Found::OtherMethods(_) | Found::Nothing => Access::Reader,
        };
        if access == Access::Anybody {
            return Ok(());
        }
        let mut presented = presented(request);
        // A browser sends cookies along whoever has made it ask, so they count for nothing else.
        if let (Found::Route(Route::Page(..)), None) = (found, &presented.token) {
            presented.token = session_of(call);
        }
        let known = authenticator.authenticate(&presented, call.from).await;
        let known = known.map_err(|refused| not_let_in(refused, authenticator.challenge()))?;
        // ROLE-5: this is all that counts from here on.
        call.identity.caller = Arc::clone(&known.caller);
        call.identity.default_domain = self.default_domain();
        call.standing = Some(Standing::new(presented, Arc::clone(&known)));
        call.known = Some(known);
        // MODE-5: by the role that is set, and not by what it usually is.
        if authenticator.mode() == AaaMode::CloudAdmin && !call.identity.is_admin() {
            return Err(ApiError { plain: true, ..ApiError::new(StatusCode::FORBIDDEN, "403 Permission Denied") });
        }
        // ROLE-3: no other role is as good.
        if access == Access::Administrator && !call.identity.is_admin() {
            return Err(denied(call));
        }
        Ok(())
    }

    /// Looks again at the token of a request that has waited (FEED-4).
    ///
    /// # Errors
    /// 401 where it is not good any more, or other rights go with it.
    pub(super) async fn stands(&self, standing: &mut Standing) -> Answered<()> {
        let stands = standing.holds(&self.authenticator).await;
        if stands { Ok(()) } else { Err(not_let_in(Refused::Unknown, self.authenticator.challenge())) }
    }

    fn default_domain(&self) -> Option<Uuid> {
        let graph = self.replica.current();
        let domains = self.model.find("domain");
        domains.and_then(|domains| graph.find(domains, &DEFAULT_DOMAIN)).map(|domain| domain.uuid)
    }
}

/// Who may send a request that leads there. What somebody may do with objects is another matter.
pub fn access(route: &Route, method: &Method) -> Access {
    match route {
        Route::Home | Route::OpenApi | Route::Documentation(_) => Access::Anybody,
        Route::Action(action, _) => action.access,
        Route::Page(page, _) => page.access,
        Route::Collection(_) | Route::Object(..) if method == Method::GET => Access::Reader,
        Route::Collection(_) | Route::Object(..) => Access::Writer,
    }
}

/// Without authentication whoever stands in front of the server is believed, and may do everything (MODE-6).
fn believed(request: &HttpRequest) -> Caller {
    Caller {
        user: first(request, USER),
        roles: first(request, ROLE).into_iter().collect(),
        project: first(request, PROJECT_ID).map(|id| Scope::new(id, None)),
        ..Caller::of_level(Level::Admin)
    }
}

/// The tokens of a request. This is all that is read of what it says about who sends it: no other header means anything, in
/// whatever way it is written (ROLE-6).
fn presented(request: &HttpRequest) -> Presented {
    // What is no text is nobody's token, and not the same as none.
    let text = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let of = |name: HeaderName| request.headers().get(name).and_then(text);
    let bearer = || {
        let value = of(header::AUTHORIZATION)?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim().to_owned()).filter(|token| !token.is_empty())
    };
    let token = of(AUTH_TOKEN).or_else(|| of(STORAGE_TOKEN)).or_else(bearer);
    Presented { token, service_token: of(SERVICE_TOKEN) }
}

fn not_let_in(refused: Refused, challenge: &str) -> ApiError {
    let told = |status: StatusCode, message: &str| {
        let title = status.canonical_reason().unwrap_or_default();
        let body = json!({"error": {"code": status.as_u16(), "title": title, "message": message}});
        ApiError { json: true, ..ApiError::new(status, body.to_string()) }
    };
    match refused {
        Refused::Unknown => ApiError {
            challenge: Some(challenge.to_owned()),
            ..told(StatusCode::UNAUTHORIZED, "The request you have made requires authentication.")
        },
        Refused::TooMany(pause) => {
            told(StatusCode::TOO_MANY_REQUESTS, "Too many tokens from this address were nobody's. Try again later.")
                .again_after(pause)
        }
        Refused::Unavailable(text) => ApiError { plain: true, ..ApiError::unavailable(format!("{AWAY}{text}")) },
    }
}

/// The text for who may not do this, whatever objects say.
pub fn denied(call: &Call) -> ApiError {
    // MODE-7: it has a text of its own.
    if call.path == "/aaa-mode" {
        return ApiError::new(StatusCode::FORBIDDEN, " Permission denied");
    }
    let object = call.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let text = call.identity.caller.refusal(letter_of(&call.method), object);
    ApiError::new(StatusCode::FORBIDDEN, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn of(headers: &[(&'static str, &[u8])]) -> (Option<String>, Option<String>) {
        let request = headers.iter().fold(TestRequest::default(), |request, (name, value)| {
            request.append_header((*name, HeaderValue::from_bytes(value).unwrap()))
        });
        let Presented { token, service_token } = presented(&request.to_http_request());
        (token, service_token)
    }

    #[test]
    fn mode_6_without_authentication_headers_are_believed() {
        let headers = [("X-User", "alice"), ("X-Role", "member, admin"), ("X-Project-Id", " 7 "), ("X-Api-Role", "x")];
        let request = headers.into_iter().fold(TestRequest::default(), TestRequest::append_header);
        let caller = believed(&request.to_http_request());
        assert_eq!((caller.user.as_deref(), caller.level), (Some("alice"), Level::Admin));
        assert_eq!(caller.roles, ["member"]);
        assert_eq!(caller.project, Some(Scope::new("7", None)));
        assert_eq!(believed(&TestRequest::default().to_http_request()), Caller::of_level(Level::Admin));
    }

    #[test]
    fn tokens_are_where_clients_put_them() {
        let some = |text: &str| (Some(text.to_owned()), None);
        assert_eq!(of(&[]), (None, None));
        assert_eq!(of(&[("x-auth-token", b" a ")]), some("a"));
        assert_eq!(of(&[("X-Auth-Token", b" "), ("X-Storage-Token", b"b"), ("Authorization", b"Bearer c")]), some("b"));
        assert_eq!(of(&[("X-Storage-Token", b"b"), ("X-Auth-Token", b"a")]), some("a"));
        assert_eq!(of(&[("Authorization", b"bearer  c")]), some("c"));
        for other in ["Basic YTpi", "Bearer", "Bearer ", "c", "Bearerc d"] {
            assert_eq!(of(&[("Authorization", other.as_bytes())]), (None, None), "{other}");
        }
        assert_eq!(of(&[("X-Service-Token", b"s")]), (None, Some("s".to_owned())));
        // What is no text is a token, and not the one that follows.
        assert_eq!(of(&[("X-Auth-Token", b"\xff"), ("Authorization", b"Bearer c")]), some("\u{fffd}"));
    }
}
