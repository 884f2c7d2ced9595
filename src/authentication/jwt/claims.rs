//! What the claims of a token say of its holder.

use super::settings::JwtSettings;
use crate::access::{Caller, Level, Scope, kept};
use serde_json::Value;

/// Which claims say what.
pub struct Claims {
    user: String,
    project: Option<String>,
    project_name: Option<String>,
    domain: Option<String>,
    roles: String,
}

impl Claims {
    /// As it is set.
    pub fn new(settings: &JwtSettings) -> Self {
        Self {
            user: settings.jwt_user_claim.clone(),
            project: settings.jwt_project_claim.clone(),
            project_name: settings.jwt_project_name_claim.clone(),
            domain: settings.jwt_domain_claim.clone(),
            roles: settings.jwt_roles_claim.clone(),
        }
    }

    /// Who it is; nobody where neither a user is named nor an id of one. Claims of another kind than expected are none.
    pub fn caller(&self, claims: &Value) -> Option<Caller> {
        let of = |name: &Option<String>| text(claims, name.as_deref()?).map(kept);
        let user_id = text(claims, "sub");
        let user = text(claims, &self.user).or_else(|| user_id.clone())?;
        let domain = of(&self.domain).map(|id| Scope::new(id, None));
        let project = of(&self.project).map(|id| Scope::new(id, of(&self.project_name)));
        let roles = roles(claims, &self.roles);
        Some(Caller { user_id, user: Some(user), project, domain, roles, ..Caller::of_level(Level::Member) })
    }
}

/// A claim by its name. If there is none of this name, dots lead into others: names may have dots themselves.
fn find<'v>(claims: &'v Value, name: &str) -> Option<&'v Value> {
    let within = |at: usize| find(claims.get(name.get(..at)?)?, name.get(at + 1..)?);
    claims.get(name).or_else(|| name.match_indices('.').find_map(|(at, _)| within(at)))
}

fn text(claims: &Value, name: &str) -> Option<String> {
    let text = find(claims, name)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn roles(claims: &Value, name: &str) -> Vec<String> {
    match find(claims, name) {
        Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(roles)) => roles.split_whitespace().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    const PROJECT: &str = "9ad1b2d40d0f4f7e8d330b6d3c1f6f8a";

    fn mapped() -> Claims {
        Claims {
            user: "preferred_username".to_owned(),
            project: Some("project.id".to_owned()),
            project_name: Some("project.name".to_owned()),
            domain: Some("domain".to_owned()),
            roles: "realm_access.roles".to_owned(),
        }
    }

    #[test]
    fn claims_say_who_it_is() {
        let caller = mapped().caller(&json!({
            "sub": "7", "preferred_username": "alice", "domain": "elsewhere",
            "project": {"id": PROJECT, "name": "red"}, "realm_access": {"roles": ["member", "a b", 7, ""]},
        }));
        let caller = caller.unwrap();
        assert_eq!((caller.user_id.as_deref(), caller.user.as_deref()), (Some("7"), Some("alice")));
        assert_eq!(caller.project_uuid(), Some(Uuid::parse_str(PROJECT).unwrap()));
        assert_eq!(caller.project.unwrap().name.as_deref(), Some("red"));
        assert_eq!(caller.domain.unwrap().id, "elsewhere");
        // Names without a letter are taken out where all sources meet.
        assert_eq!(caller.roles, ["member", "a b", ""]);
        assert_eq!(caller.level, Level::Member);
    }

    #[test]
    fn what_is_missing_or_of_another_kind_is_none() {
        let caller = mapped().caller(&json!({"sub": "7", "project": PROJECT, "realm_access": ["roles"]})).unwrap();
        assert_eq!(
            caller,
            Caller { user_id: Some("7".into()), user: Some("7".into()), ..Caller::of_level(Level::Member) }
        );
        let other = json!({
            "sub": "7", "preferred_username": 7, "domain": {}, "project": {"id": " ", "name": "red"},
            "realm_access": {"roles": {"admin": true}},
        });
        assert_eq!(mapped().caller(&other).unwrap(), caller);
        let without_id = mapped().caller(&json!({"preferred_username": "alice"})).unwrap();
        assert_eq!((without_id.user.as_deref(), without_id.user_id), (Some("alice"), None));
        for nobody in [json!({}), json!({"sub": 7}), json!({"sub": ""}), json!([]), json!("sub")] {
            assert_eq!(mapped().caller(&nobody), None, "{nobody}");
        }
    }

    #[test]
    fn ks_5_a_project_that_is_no_uuid_stays_a_text() {
        let caller = mapped().caller(&json!({"sub": "7", "project": {"id": "red"}})).unwrap();
        assert_eq!(caller.project_uuid(), None);
        assert_eq!(caller.project.unwrap().called(), "red");
        let long = mapped().caller(&json!({"sub": "7", "project": {"id": "x".repeat(10_000)}})).unwrap();
        assert_eq!(long.project.unwrap().id.len(), 256);
    }

    #[test]
    fn roles_may_be_a_text_and_names_may_have_dots() {
        let roles = |name: &str, claims: Value| roles(&claims, name);
        assert_eq!(roles("roles", json!({"roles": " admin  member\n"})), ["admin", "member"]);
        assert_eq!(roles("https://x.example/roles", json!({"https://x.example/roles": ["a"]})), ["a"]);
        assert_eq!(roles("a.b.c", json!({"a.b": {"c": ["x"]}})), ["x"]);
        assert_eq!(roles("a.b.c", json!({"a": {"b": {"c": ["x"]}}})), ["x"]);
        assert_eq!(roles("a.b.c", json!({"a": {"b.c": ["x"]}, "a.b": 7})), ["x"]);
        for none in ["a", "a.", ".a", ".", "a.b.c.d"] {
            assert!(roles(none, json!({"a": {"b": {"c": ["x"]}}})).is_empty(), "{none}");
        }
    }
}
