//! What `perms2` says, as often as somebody asks: whose an object is, and who else may do what with it (access contract 5.1).

use crate::json_text::Known;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// Whose an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Owner {
    /// Nothing is said (PERM-2).
    #[default]
    Unset,
    /// No project's: `cloud-admin`, or what is no uuid.
    Nobody,
    /// This project's.
    Project(Uuid),
}

/// With whom something is shared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Grantee {
    /// With everybody.
    Everybody,
    /// With the members of a domain.
    Domain(Uuid),
    /// With the members of a project.
    Project(Uuid),
}

impl Grantee {
    /// As shares name a project (a uuid, as it is or after `tenant:`) or a domain; the uuid with or without dashes.
    pub fn parse(tenant: &str) -> Option<Self> {
        if let Some(id) = tenant.strip_prefix("domain:") {
            return Uuid::try_parse(id).ok().map(Self::Domain);
        }
        Uuid::try_parse(tenant.strip_prefix("tenant:").unwrap_or(tenant)).ok().map(Self::Project)
    }
}

/// Who may do what with an object. Rights are bits: 4 to read, 2 to write, 1 to refer to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Permissions {
    /// Whose it is.
    pub owner: Owner,
    /// What its owner may do.
    pub owner_access: u8,
    /// What everybody may do.
    pub global_access: u8,
    /// What others may do; one may be named several times.
    pub shares: Box<[(Grantee, u8)]>,
}

static SHARED: Known<Permissions> = Known::up_to(256);

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow, default)]
    owner: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    owner_access: Value,
    #[serde(default)]
    global_access: Value,
    #[serde(default)]
    share: Value,
}

const READ: u8 = 4;

/// An access as it may have been stored, before what PERM-11 says was looked at: whatever it is, it gives no more than it says.
fn access(value: &Value, absent: u8) -> u8 {
    match value {
        Value::Null => absent,
        value => value.as_u64().and_then(|access| u8::try_from(access).ok()).filter(|access| *access <= 7).unwrap_or(0),
    }
}

impl Permissions {
    /// From the text of a `perms2`. There is nothing that can't be read: what is missing has its default, what makes no sense
    /// gives nothing to anybody (PERM-10), and without a text there is no owner (PERM-9).
    pub fn read(perms2: Option<&str>) -> Self {
        let Some(text) = perms2.and_then(|text| serde_json::from_str::<Text<'_>>(text).ok()) else {
            return Self::default();
        };
        let owner = match text.owner.as_deref() {
            None | Some("") => Owner::Unset,
            Some(owner) => Uuid::try_parse(owner).map_or(Owner::Nobody, Owner::Project),
        };
        let share = |entry: &Value| {
            let tenant = Grantee::parse(entry.get("tenant")?.as_str()?)?;
            Some((tenant, access(entry.get("tenant_access")?, 0)))
        };
        Self {
            owner,
            owner_access: access(&text.owner_access, 7),
            global_access: access(&text.global_access, 0),
            shares: text.share.as_array().into_iter().flatten().filter_map(share).collect(),
        }
    }

    /// The same, in memory once for all objects that say so: nearly all say one of a few things.
    pub fn shared(perms2: Option<&str>) -> Arc<Self> {
        // Nothing is what an empty text says, too.
        SHARED.of(perms2.unwrap_or_default(), || Arc::new(Self::read(perms2)))
    }

    /// About how much memory it takes, in bytes.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.shares)
    }

    /// Who may read the object, as far as it says so; one may be named several times. To link is not to read (LIST-3).
    pub fn readers(&self) -> impl Iterator<Item = Grantee> {
        let owner = match self.owner {
            Owner::Project(owner) => Some((Grantee::Project(owner), self.owner_access)),
            Owner::Unset | Owner::Nobody => None,
        };
        let everybody = (Grantee::Everybody, self.global_access);
        let all = owner.into_iter().chain([everybody]).chain(self.shares.iter().copied());
        // Where no owner is said, nobody may do anything (PERM-2).
        let is_owned = self.owner != Owner::Unset;
        all.filter(move |(_, access)| is_owned && access & READ != 0).map(|(grantee, _)| grantee)
    }
}
