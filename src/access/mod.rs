//! Who asks, and what may be done with an object. Who it is is found out once for each request (`authentication`); nothing after
//! that looks at a header. What may be done follows from that and from the object's `perms2` alone (access contract 5.2, 9.4).

mod caller;
pub mod role_rules;

pub use caller::{Caller, Level, Scope};

use crate::{
    graph::{Grantee, Graph, Object, Owner, Permissions},
    model::TypeId,
    python_literal,
};
use std::{ops::Bound, sync::Arc};
use uuid::Uuid;

/// Whether requests are authenticated, and how much is allowed (access contract 1). There are no others (MODE-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum AaaMode {
    /// Nobody is asked who it is, and everybody may do everything.
    #[default]
    NoAuth,
    /// Cloud admins may do everything, and nobody else anything.
    CloudAdmin,
    /// Rules say what roles may do with which types, and each object what projects and domains may do with it.
    Rbac,
}

impl AaaMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NoAuth, Self::CloudAdmin, Self::Rbac];

    /// The one that is called so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// As in `/aaa-mode`, and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoAuth => "no-auth",
            Self::CloudAdmin => "cloud-admin",
            Self::Rbac => "rbac",
        }
    }
}

/// The owner of what nobody in particular owns.
pub const CLOUD_ADMIN: &str = "cloud-admin";

/// What somebody may do with an object: bits, added (access contract 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// To read it, have it listed, and see it as a link of another one.
    Read = 4,
    /// To change it, and to create below it.
    Write = 2,
    /// To refer to it.
    Link = 1,
}

impl Right {
    /// As in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Link => "link",
        }
    }

    /// Whether it is among these.
    pub fn is_in(self, bits: u8) -> bool {
        bits & self as u8 != 0
    }
}

/// All rights.
pub const ALL_RIGHTS: u8 = 7;

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

/// Who makes a request, and from where.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who it is.
    pub caller: Arc<Caller>,
    /// The uuid of `default-domain`, which whoever knows callers calls otherwise (KS-2).
    pub default_domain: Option<Uuid>,
    /// `X-Request-Id`, or made up.
    pub request_id: String,
    /// `X-Contrail-Useragent`, or `User-Agent`.
    pub user_agent: Option<String>,
    /// Where the request came from.
    pub address: Option<String>,
}

impl Identity {
    /// The identity of what the server does by itself: it may do everything (ROLE-8).
    pub fn server(request_id: &str) -> Self {
        Self {
            caller: Arc::new(Caller::of_level(Level::Admin)),
            default_domain: None,
            request_id: request_id.to_owned(),
            user_agent: None,
            address: None,
        }
    }

    /// Whether nothing is refused.
    pub fn is_admin(&self) -> bool {
        self.caller.level == Level::Admin
    }

    /// Whether there is no object that may not be seen.
    pub fn sees_everything(&self) -> bool {
        self.is_admin()
    }

    /// Whether everything may be read but what is hidden (ROLE-2).
    pub fn reads_everything(&self) -> bool {
        self.caller.level >= Level::ReadAll
    }

    /// The domain that the caller is of.
    pub fn domain(&self) -> Option<Uuid> {
        let domain = self.caller.domain.as_ref()?;
        if domain.is_default { self.default_domain } else { domain.uuid }
    }

    /// What the caller may do with an object that says this of itself: the rights of all classes that apply, added, and nothing for
    /// anybody where no owner is said (PERM-1 to PERM-3). Of several shares with one project or domain all count.
    pub fn rights(&self, permissions: &Permissions) -> u8 {
        let everywhere = match self.caller.level {
            Level::Admin => return ALL_RIGHTS,
            Level::Nobody => return 0,
            Level::ReadAll => Right::Read as u8,
            Level::Member => 0,
        };
        if permissions.owner == Owner::Unset {
            return everywhere;
        }
        let mut rights = everywhere | permissions.global_access;
        let project = self.caller.project_uuid();
        if let (Owner::Project(owner), Some(project)) = (permissions.owner, project)
            && owner == project
        {
            rights |= permissions.owner_access;
        }
        let domain = self.domain();
        for (tenant, access) in &permissions.shares {
            let is_callers = match tenant {
                Grantee::Project(uuid) => Some(*uuid) == project,
                Grantee::Domain(uuid) => Some(*uuid) == domain,
                Grantee::Everybody => true,
            };
            if is_callers {
                rights |= access;
            }
        }
        rights
    }

    /// Whether the caller may do this with an object. One that is hidden is not there but for cloud admins (access contract 5.9,
    /// LIST-6).
    pub fn may(&self, right: Right, object: &Object) -> bool {
        self.is_admin() || !object.hidden && right.is_in(self.rights(&object.permissions))
    }

    /// Whether the object may be seen.
    pub fn may_read(&self, object: &Object) -> bool {
        self.may(Right::Read, object)
    }

    /// What is said to who may not do this. Whose an object is is not told to strangers (PERM-4, W19).
    pub fn refusal(&self, right: Right) -> String {
        let Caller { user, project, domain, roles, .. } = &*self.caller;
        let name =
            |scope: &Option<Scope>| scope.as_ref().map_or_else(|| "None".to_owned(), |scope| scope.called().to_owned());
        let (user, right) = (user.as_deref().unwrap_or("None"), right.name());
        format!(
            "Permission Denied for {} to {right} operation in domain '{}' and project '{}' RBAC: {user} doesn't have {right} permission",
            python_literal::list(roles),
            name(domain),
            name(project),
        )
    }

    /// Whether the object is the caller's own, or as good as that.
    pub fn owns(&self, permissions: &Permissions) -> bool {
        match permissions.owner {
            Owner::Project(owner) => self.is_admin() || self.caller.project_uuid() == Some(owner),
            Owner::Unset | Owner::Nobody => self.is_admin(),
        }
    }

    /// Whose shares with it the caller may make use of; everybody's last. Cloud admins, and who reads everything, need none.
    pub fn grantees(&self) -> Vec<Grantee> {
        let project = self.caller.project_uuid().map(Grantee::Project);
        let domain = self.domain().map(Grantee::Domain);
        project.into_iter().chain(domain).chain([Grantee::Everybody]).collect()
    }

    /// The objects of a type that may be read, by name, from a name on: what is the caller's own, or shared with it (LIST-1).
    pub fn readable<'g>(
        &self,
        graph: &'g Graph,
        type_id: TypeId,
        from: &Bound<Arc<str>>,
    ) -> Box<dyn Iterator<Item = &'g Arc<Object>> + 'g> {
        let all: Box<dyn Iterator<Item = &'g Arc<Object>> + 'g> = match self.caller.level {
            Level::Admin => return Box::new(graph.objects_in(type_id, from)),
            Level::ReadAll => Box::new(graph.objects_in(type_id, from)),
            Level::Member | Level::Nobody => Box::new(graph.granted(type_id, &self.grantees(), from)),
        };
        let identity = self.clone();
        Box::new(all.filter(move |object| identity.may_read(object)))
    }

    /// Whose keys (`Idempotency-Key`) its keys are: user and project, as JSON. Neither the address nor the program: whoever sends
    /// a request again may have been started anew elsewhere, as another release.
    pub fn owner_of_keys(&self) -> String {
        let Caller { user_id, user, .. } = &*self.caller;
        let project = self.caller.project.as_ref().map(|project| &project.id);
        serde_json::json!([user_id.as_ref().or(user.as_ref()), project]).to_string()
    }

    /// For the change log: who it was by its parts, as JSON; none where nothing is known, as of what the server does by itself.
    pub fn for_log(&self) -> Option<String> {
        let Caller { user_id, user, project, domain, roles, level: _ } = &*self.caller;
        let logged = Logged {
            user: user.as_deref(),
            roles,
            domain: domain.as_ref().map(|domain| domain.id.as_str()),
            address: self.address.as_deref(),
            project: project.as_ref().map(|project| project.id.as_str()),
            user_id: user_id.as_deref(),
            project_name: project.as_ref().and_then(|project| project.name.as_deref()),
        };
        (logged != Logged::default()).then(|| serde_json::to_string(&logged).ok()).flatten()
    }

    /// For the change log: who it was, as far as known.
    pub fn who(&self) -> Option<String> {
        let parts = [&self.caller.user, &self.user_agent, &self.address];
        let known: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        (!known.is_empty()).then(|| known.join(" "))
    }
}

/// Who makes a request, as the change log has it; in the order in which the database gives it back.
#[derive(PartialEq, Default, serde::Serialize)]
struct Logged<'i> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'i str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    roles: &'i [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'i str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'i str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'i str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'i str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_name: Option<&'i str>,
}

#[cfg(test)]
mod tests;
