//! Who asks, as it was found out once for a request.

use super::role_rules::Letter;
use crate::python_literal;
use uuid::Uuid;

/// How much is allowed to somebody whatever objects say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Nobody knows who it is: nothing.
    Nobody,
    /// What rules and objects allow.
    Member,
    /// To read everything that is not hidden (ROLE-2).
    ReadAll,
    /// Everything (ROLE-1).
    Admin,
}

/// A project or a domain, as whoever knows the caller calls it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// As it is given.
    pub id: String,
    /// The same as a uuid, with or without dashes; none where it is none (KS-1, KS-5).
    pub uuid: Option<Uuid>,
    /// Its name, if that is known.
    pub name: Option<String>,
    /// Whether it is the domain that is called `default-domain` here (KS-2).
    pub is_default: bool,
}

impl Scope {
    /// With this id.
    pub fn new(id: impl Into<String>, name: Option<String>) -> Self {
        let id = id.into();
        Self { uuid: Uuid::try_parse(&id).ok(), id, name, is_default: false }
    }
}

impl Scope {
    /// As texts call it: by its name, or by its id (KS-2).
    pub fn called(&self) -> &str {
        match &self.name {
            _ if self.is_default => "default-domain",
            Some(name) => name,
            None => &self.id,
        }
    }
}

/// Who asks. It is the same for all requests with one token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The id of the user.
    pub user_id: Option<String>,
    /// The name of the user.
    pub user: Option<String>,
    /// The project that the caller speaks for; its id is the uuid of the project here (KS-3).
    pub project: Option<Scope>,
    /// The domain that the caller speaks for, of the project, or of the user (KS-2).
    pub domain: Option<Scope>,
    /// What the caller may be called for by rules; no name is empty (ROLE-7), and case means nothing (ROLE-4).
    pub roles: Vec<String>,
    /// How much is allowed whatever objects say.
    pub level: Level,
}

impl Caller {
    /// Somebody of whom nothing is known but how much is allowed.
    pub const fn of_level(level: Level) -> Self {
        Self { user_id: None, user: None, project: None, domain: None, roles: Vec::new(), level }
    }

    /// The project, if its id is a uuid.
    pub fn project_uuid(&self) -> Option<Uuid> {
        self.project.as_ref().and_then(|project| project.uuid)
    }

    /// What is said to whose roles do not allow this (access contract 4.4).
    pub fn refusal(&self, letter: Letter, object: &str) -> String {
        let user = self.user.as_ref().or(self.user_id.as_ref()).map_or("None", String::as_str);
        let project = self.project.as_ref().map_or("None", Scope::called);
        let (roles, letter) = (python_literal::list(&self.roles), letter.name());
        format!("Permission Denied for {user} as {roles} to {letter} {object} in {project}")
    }

    /// Whether the caller has a role, in whatever case it is written.
    pub fn has_role(&self, role: &str) -> bool {
        !role.is_empty() && self.roles.iter().any(|known| known.eq_ignore_ascii_case(role))
    }
}
