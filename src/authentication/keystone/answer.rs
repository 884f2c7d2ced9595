//! What Keystone's answers say (access contract 2.4). Nothing in them is believed to have a form.

use crate::{
    access::{Caller, Level, Scope, kept},
    authentication::Callers,
};
use serde_json::Value;
use time::{
    OffsetDateTime,
    format_description::well_known::{Rfc2822, Rfc3339},
};
use uuid::Uuid;

/// Longer ids are no ids that Keystone makes (64 at most), in bytes.
const LONGEST_ID: usize = 255;

/// Somebody of whom a token is, as Keystone says.
#[derive(Debug)]
pub struct Holder {
    /// Who it is.
    pub caller: Caller,
    /// The answer without the catalog.
    pub body: Value,
}

/// A project or a domain of Keystone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// As Keystone has it.
    pub id: String,
    /// Its name; of projects, it is unique in the domain.
    pub name: String,
    /// The id of its domain, if it is a project.
    pub domain_id: Option<String>,
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn id(value: &Value) -> Option<String> {
    text(value, "id").filter(|id| id.len() <= LONGEST_ID)
}

/// A moment as Keystone writes it.
fn moment(value: &Value, key: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.get(key)?.as_str()?, &Rfc3339).ok()
}

/// The moment of a header `Date`.
pub fn date(header: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(header, &Rfc2822).ok()
}

/// When a token ends, of the body of an answer.
pub fn expires_at(body: &Value) -> Option<OffsetDateTime> {
    moment(body.get("token")?, "expires_at")
}

fn scope(value: &Value) -> Option<Scope> {
    Some(Scope::new(id(value)?, text(value, "name").map(kept)))
}

impl Holder {
    /// Of the answer to the question whose a token is; none if it is no such answer. The project is the token's, if it is for one
    /// (KS-3, KS-4); the domain is the token's, the project's or the user's, in this order (KS-2).
    pub fn read(mut body: Value, callers: &Callers) -> Option<Self> {
        let token = body.get_mut("token")?.as_object_mut()?;
        // It may be large, and nobody here looks at it (OBJ-3).
        token.remove("catalog");
        let token = &body["token"];
        let user = token.get("user")?;
        let user_id = id(user)?;
        let project = match token.get("project") {
            None | Some(Value::Null) => None,
            // One that can't be read is no reason to take it for another kind of token.
            Some(project) => Some((scope(project)?, project)),
        };
        let own_domain = match token.get("domain") {
            None | Some(Value::Null) => None,
            Some(domain) => Some(scope(domain)?),
        };
        let domain_of = |value: &Value| value.get("domain").and_then(scope);
        let domain = own_domain
            .or_else(|| project.as_ref().and_then(|(_, project)| domain_of(project)))
            .or_else(|| domain_of(user));
        let roles = match token.get("roles") {
            None | Some(Value::Null) => Vec::new(),
            Some(roles) => roles.as_array()?.iter().filter_map(|role| text(role, "name")).collect(),
        };
        let caller = Caller {
            user_id: Some(user_id),
            user: text(user, "name"),
            project: project.map(|(project, _)| project),
            domain,
            roles,
            ..Caller::of_level(Level::Member)
        };
        Some(Self { caller: callers.complete(caller), body })
    }
}

impl Place {
    /// Of an object of an answer; none if it is none.
    pub fn read(value: &Value) -> Option<Self> {
        Some(Self { id: id(value)?, name: text(value, "name")?, domain_id: text(value, "domain_id") })
    }

    /// Its uuid here, if its id is one (KS-1, KS-3).
    pub fn uuid(&self) -> Option<Uuid> {
        Uuid::try_parse(&self.id).ok()
    }
}

/// The address of Keystone in a catalog.
///
/// # Errors
/// What there is instead.
pub fn endpoint(body: &Value, interface: &str, region: &str) -> Result<String, String> {
    let catalog = body.pointer("/token/catalog").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_identity = |service: &&Value| service.get("type").and_then(Value::as_str) == Some("identity");
    let endpoints =
        catalog.iter().filter(is_identity).filter_map(|service| service.get("endpoints")?.as_array()).flatten();
    let mut others = Vec::new();
    for endpoint in endpoints {
        // Older releases say only `region`.
        let of_region = text(endpoint, "region_id").or_else(|| text(endpoint, "region")).unwrap_or_default();
        let of_interface = text(endpoint, "interface").unwrap_or_default();
        match text(endpoint, "url") {
            Some(url) if of_region == region && of_interface == interface => return Ok(versioned(&url)),
            _ => others.push(format!("{of_interface} in {of_region}")),
        }
    }
    others.truncate(10);
    let there = match (catalog.is_empty(), others.is_empty()) {
        (true, _) => "it is empty".to_owned(),
        (false, true) => "it has no identity service at all".to_owned(),
        (false, false) => format!("it has {}", others.join(", ")),
    };
    Err(format!("the catalog has no identity service for interface {interface} in region {region}: {there}"))
}

/// An address of a catalog, which may lack the version or name the one before.
fn versioned(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let base = url.strip_suffix("/v2.0").or_else(|| url.strip_suffix("/v3")).unwrap_or(url);
    format!("{base}/v3")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentication::SpecialRoles;
    use serde_json::json;

    const PROJECT: &str = "cccccccccccc4ccc8ccccccccccccccc";
    const DOMAIN: &str = "dddddddddddd4ddd8ddddddddddddddd";

    fn callers() -> Callers {
        let roles = SpecialRoles { cloud_admin: "admin".to_owned(), global_read_only: Some("auditor".to_owned()) };
        Callers { roles, default_domain_id: "default".to_owned() }
    }

    fn read(token: &Value) -> Option<Holder> {
        Holder::read(json!({ "token": token }), &callers())
    }

    fn token(more: &Value) -> Value {
        let mut token = json!({
            "methods": ["password"],
            "user": {"id": "u1", "name": "alice", "domain": {"id": "default", "name": "Default"}},
            "expires_at": "2026-11-23T08:34:13.000000Z",
            "catalog": [{"type": "identity"}],
        });
        for (key, value) in more.as_object().unwrap() {
            token[key] = value.clone();
        }
        token
    }

    fn caller(more: &Value) -> Caller {
        read(&token(more)).unwrap().caller
    }

    #[test]
    fn ks_1_and_ks_3_a_project_is_the_one_with_its_uuid() {
        let project = json!({"id": PROJECT, "name": "p", "domain": {"id": DOMAIN, "name": "d"}});
        let of_project = caller(&json!({"project": project, "roles": [{"id": "r1", "name": "Member"}]}));
        assert_eq!(of_project.project_uuid(), Some("cccccccc-cccc-4ccc-8ccc-cccccccccccc".parse().unwrap()));
        assert_eq!((of_project.user.as_deref(), of_project.user_id.as_deref()), (Some("alice"), Some("u1")));
        assert_eq!((of_project.roles.clone(), of_project.level), (vec!["Member".to_owned()], Level::Member));
        // KS-2: the project's domain comes before the user's, with its name.
        let domain = of_project.domain.unwrap();
        assert_eq!((domain.id.as_str(), domain.name.as_deref(), domain.is_default), (DOMAIN, Some("d"), false));
    }

    #[test]
    fn ks_2_and_ks_4_every_scope_has_a_domain_and_only_projects_a_project() {
        let roles = json!([{"name": "admin"}]);
        let of_domain = caller(&json!({"domain": {"id": DOMAIN, "name": "d"}, "roles": roles}));
        assert_eq!((of_domain.project, of_domain.domain.unwrap().id.as_str()), (None, DOMAIN));
        assert_eq!(of_domain.level, Level::Admin);
        let of_system = caller(&json!({"system": {"all": true}, "roles": roles}));
        assert_eq!((of_system.project, of_system.level), (None, Level::Admin));
        assert!(of_system.domain.unwrap().is_default);
        let unscoped = caller(&json!({}));
        assert_eq!((unscoped.project, unscoped.roles.len(), unscoped.level), (None, 0, Level::Member));
    }

    #[test]
    fn ks_5_odd_ids_have_no_objects() {
        let odd = caller(&json!({"project": {"id": "no uuid", "name": "p"}, "domain": {"id": "x", "name": "d"}}));
        assert_eq!(odd.project_uuid(), None);
        assert_eq!(odd.domain.unwrap().uuid, None);
    }

    #[test]
    fn roles_without_a_name_are_none() {
        let odd = caller(&json!({"roles": [{"name": ""}, {"id": "r"}, {"name": 7}, {"name": "Auditor"}]}));
        assert_eq!((odd.roles, odd.level), (vec!["Auditor".to_owned()], Level::ReadAll));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for bad in [
            json!({"user": null}),
            json!({"user": {"name": "alice"}}),
            json!({"user": {"id": ""}}),
            json!({"user": {"id": "x".repeat(256)}}),
            json!({"roles": "admin"}),
            json!({"project": "p"}),
            json!({"project": {"name": "p"}}),
            json!({"domain": []}),
        ] {
            assert!(read(&token(&bad)).is_none(), "{bad}");
        }
        for bad in
            [json!(null), json!([]), json!({}), json!({"token": []}), json!({"token": null}), json!({"error": {}})]
        {
            assert!(Holder::read(bad.clone(), &callers()).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_catalog_is_not_kept() {
        let holder = read(&token(&json!({}))).unwrap();
        assert_eq!(holder.body.pointer("/token/catalog"), None);
        assert_eq!(holder.body.pointer("/token/user/name"), Some(&json!("alice")));
    }

    #[test]
    fn dates_of_headers() {
        let date = date("Thu, 26 Nov 2026 21:05:28 GMT").unwrap();
        assert_eq!(date.unix_timestamp(), 1_795_727_128);
        assert_eq!(super::date("yesterday"), None);
    }

    #[test]
    fn addresses_are_those_of_interface_and_region() {
        let catalog = json!({"token": {"catalog": [
            {"type": "network", "endpoints": [{"interface": "admin", "region": "RegionOne", "url": "http://other"}]},
            {"type": "identity", "endpoints": [
                {"interface": "public", "region_id": "RegionOne", "url": "https://public/identity/v3/"},
                {"interface": "admin", "region": "RegionOne", "url": "http://admin:35357/v2.0"},
                {"interface": "admin", "region_id": "RegionTwo", "url": "http://two"},
            ]},
        ]}});
        for (interface, region, url) in [
            ("public", "RegionOne", "https://public/identity/v3"),
            ("admin", "RegionOne", "http://admin:35357/v3"),
            ("admin", "RegionTwo", "http://two/v3"),
        ] {
            assert_eq!(endpoint(&catalog, interface, region).unwrap(), url);
        }
        let refused = endpoint(&catalog, "internal", "RegionOne").unwrap_err();
        assert!(refused.ends_with("it has public in RegionOne, admin in RegionOne, admin in RegionTwo"), "{refused}");
        assert!(endpoint(&json!({"token": {"catalog": []}}), "admin", "x").unwrap_err().ends_with("it is empty"));
        assert!(endpoint(&json!({}), "admin", "x").is_err());
    }
}
