//! What the server makes of what a source says of somebody, the same for all sources.

use super::SpecialRoles;
use crate::access::{Caller, Scope, kept};

/// The name of the domain of those who have none.
const DEFAULT_DOMAIN: &str = "default-domain";

/// What roles and domains mean here.
#[derive(Clone, Debug)]
pub struct Callers {
    /// The roles that mean something to the server itself.
    pub roles: SpecialRoles,
    /// What sources call the domain that is `default-domain` here.
    pub default_domain_id: String,
}

impl Callers {
    /// Completes somebody of whom a source says who it is, for which project, of which domain (that of the token, of the project, or
    /// of the user, in this order), and with which roles.
    ///
    /// Roles without a name are none (ROLE-7), and how much is allowed follows from the others (ROLE-1, ROLE-2), whichever project or
    /// domain the token is for, if any (ROLE-9, KS-4). Without a domain, and with that of the setting, it is `default-domain` (KS-2).
    /// What is not the form of a uuid stays a text that no object has (KS-5).
    /// All of it is stored with what the caller does, so no name has what can't be.
    pub fn complete(&self, mut caller: Caller) -> Caller {
        let scopes = [&mut caller.project, &mut caller.domain].into_iter().flatten();
        let names = scopes.flat_map(|scope| [Some(&mut scope.id), scope.name.as_mut()]).flatten();
        names.chain(&mut caller.user).chain(&mut caller.user_id).chain(&mut caller.roles).for_each(make_storable);
        caller.roles.retain(|role| !role.trim().is_empty());
        caller.level = self.roles.level(&caller);
        caller.user = caller.user.map(kept);
        caller.user_id = caller.user_id.map(kept);
        let domain = caller.domain.filter(|domain| !self.is_default(domain));
        caller.domain = Some(domain.unwrap_or_else(|| Scope {
            is_default: true,
            ..Scope::new(self.default_domain_id.clone(), Some(DEFAULT_DOMAIN.to_owned()))
        }));
        caller
    }

    /// Whether it is the one that is `default-domain` here. Dashes in ids mean nothing (KS-1).
    pub fn is_default(&self, domain: &Scope) -> bool {
        let default = Scope::new(self.default_domain_id.as_str(), None);
        domain.id.is_empty() || domain.id == default.id || domain.uuid.is_some() && domain.uuid == default.uuid
    }
}

/// The database takes no NUL. What stands for it makes it another name, and not that of somebody else.
fn make_storable(name: &mut String) {
    if name.contains('\0') {
        *name = name.replace('\0', "\u{fffd}");
    }
}
