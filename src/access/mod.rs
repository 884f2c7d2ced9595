//! Who asks. The one place where access control stands: today nothing is refused (`no-auth`), but every request
//! carries its identity through API, rules and rendering.

use crate::graph::Object;

/// Whether requests are authenticated, and how much is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AaaMode {
    /// Everybody may do everything.
    NoAuth,
}

impl AaaMode {
    /// As in `/aaa-mode`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoAuth => "no-auth",
        }
    }
}

/// The owner of what nobody in particular owns.
pub const CLOUD_ADMIN: &str = "cloud-admin";

/// How many characters of what a header says about a request are kept. They stand in the change log, in memory as long as
/// the change does, and user, role and project in objects.
pub const MOST_CHARACTERS: usize = 256;

/// The part of a header that is kept.
pub fn kept(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARACTERS) {
        text.truncate(end);
        text.shrink_to_fit();
    }
    text
}

/// Who makes a request. Without authentication the headers are believed (contrail-api R21, wire contract).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `X-User`.
    pub user: Option<String>,
    /// The first of `X-Role`.
    pub role: Option<String>,
    /// `X-Project-Id`.
    pub project: Option<String>,
    /// `X-Request-Id`, or made up.
    pub request_id: String,
    /// `X-Contrail-Useragent`, or `User-Agent`.
    pub user_agent: Option<String>,
    /// `X-Requestor-IP`, the first of `X-Forwarded-For`, or the peer's address.
    pub address: Option<String>,
}

impl Identity {
    /// The identity of what the server does by itself.
    pub fn server(request_id: &str) -> Self {
        Self { request_id: request_id.to_owned(), ..Self::default() }
    }

    /// Whether nothing is refused or hidden.
    #[allow(clippy::unused_self)] // With authentication it is what decides.
    fn is_cloud_admin(&self, mode: AaaMode) -> bool {
        match mode {
            AaaMode::NoAuth => true,
        }
    }

    /// Whether there is no object that may not be seen.
    pub fn sees_everything(&self) -> bool {
        self.is_cloud_admin(AaaMode::NoAuth)
    }

    /// Whether the object may be seen.
    pub fn may_read(&self, object: &Object) -> bool {
        self.sees_everything() || !object.hidden
    }

    /// Whose keys (`Idempotency-Key`) its keys are: user and project, as JSON. Neither the address nor the program: whoever sends
    /// a request again may have been started anew elsewhere, as another release.
    pub fn owner_of_keys(&self) -> String {
        serde_json::json!([self.user, self.project]).to_string()
    }

    /// For the change log: who it was, as far as known.
    pub fn who(&self) -> Option<String> {
        let parts = [&self.user, &self.user_agent, &self.address];
        let known: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        (!known.is_empty()).then(|| known.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_are_not_those_of_another() {
        let keys = |user: Option<&str>, project: Option<&str>| {
            let named = |name: Option<&str>| name.map(str::to_owned);
            Identity { user: named(user), project: named(project), ..Identity::default() }.owner_of_keys()
        };
        let all = [
            keys(None, None),
            keys(Some("a"), None),
            keys(None, Some("a")),
            keys(Some("a b"), Some("c")),
            keys(Some("a"), Some("b c")),
            keys(Some("a\",\"b"), None),
            keys(Some("a"), Some("b")),
        ];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len(), "{all:?}");
        let moved = Identity { address: Some("10.0.0.1".to_owned()), ..Identity::server("another") };
        assert_eq!(moved.owner_of_keys(), keys(None, None));
    }

    #[test]
    fn what_a_header_says_is_cut() {
        assert_eq!(kept("neutron".to_owned()), "neutron");
        assert_eq!(kept("ü".repeat(MOST_CHARACTERS)), "ü".repeat(MOST_CHARACTERS));
        let cut = kept("ü".repeat(100_000));
        assert_eq!(cut, "ü".repeat(MOST_CHARACTERS));
        assert_eq!(cut.capacity(), cut.len());
    }
}
