//! What all types share: the steps of a create, an update and a delete, each in one place, and what they work with. What a type
//! does beside the steps it says in its `Rules`. Types are named only where a step is about certain ones: projects, which have
//! quota, and what is drafted as a whole (`security_draft.rs`).

pub mod access;
pub mod budget;
pub mod change;
pub mod collection;
pub mod create;
pub mod delete;
pub mod document;
pub mod draft;
pub mod internal;
pub mod options;
pub mod permissions;
pub mod quota;
pub mod rejection;
#[allow(dead_code)] // Not every rule refuses something.
pub mod rule;
pub mod rulebook;
pub mod security_draft;
pub mod tag_references;
pub mod update;
pub mod work;

pub use change::{Change, Effect};
pub use create::{Create, check_name};
pub use delete::Delete;
pub use document::{Document, GivenLink, Purpose, canonical_uuid, normal_collection, string_list, value_of_key};
pub use draft::{Draft, NewLink};
pub use options::{NeutronOptions, Options, ProjectAccessLists, QuotaDefaults, TagIdDigits};
pub use permissions::is_share;
pub use rejection::{Decision, Kind, Rejection};
pub use rule::RuleId;
pub use rulebook::{Rulebook, Rules};
pub use security_draft::{ReviewDrafts, has_drafts};
pub use update::{PermissionChange, ReferenceUpdate, RelaxReference, Update};
pub use work::Work;
