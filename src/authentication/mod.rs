//! Who it is that asks: tokens, and the sources that know them. All of them lead to one value, made once for a request; after that
//! no header is looked at (access contract 9.4).

use crate::access::{Caller, Level};
use serde_json::Value;
use std::{sync::Arc, time::SystemTime};

/// What a source knows of a token.
#[derive(Debug)]
pub struct Known {
    /// Whose it is.
    pub caller: Arc<Caller>,
    /// When it ends, if ever.
    pub expires_at: Option<SystemTime>,
    /// What is told of it to its holder (OBJ-2, OBJ-3): the body of Keystone's answer, or one like it; without the token itself.
    pub token_info: Value,
}

/// Why it is not known whose a token is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// It is nobody's: 401.
    Nobody,
    /// Who would know it can't be asked: 503.
    Unavailable(String),
}

/// Which roles mean something to the server itself. One that is empty is none (ROLE-7).
#[derive(Clone, Debug)]
pub struct SpecialRoles {
    /// May do everything (ROLE-1).
    pub cloud_admin: String,
    /// May read everything (ROLE-2).
    pub global_read_only: Option<String>,
}

impl SpecialRoles {
    /// How much somebody with these roles is allowed; case means nothing (ROLE-4).
    pub fn level(&self, roles: &[String]) -> Level {
        let has = |wanted: &str| !wanted.is_empty() && roles.iter().any(|role| role.eq_ignore_ascii_case(wanted));
        if has(&self.cloud_admin) {
            return Level::Admin;
        }
        if self.global_read_only.as_deref().is_some_and(has) { Level::ReadAll } else { Level::Member }
    }
}
