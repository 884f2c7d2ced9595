//! The rules of the contract, a constant for each: what refuses a request names the rule by it, so that an id that does not
//! exist does not compile. They are made from `rules/` at the root, which has an id and a sentence for each.

use std::fmt::{self, Display, Formatter};

/// A rule of the contract.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RuleId(&'static Rule);

#[derive(PartialEq, Eq)]
struct Rule {
    id: &'static str,
    says: &'static str,
    not_kept: Option<&'static str>,
}

impl RuleId {
    /// Its id, as in comments: `VN-C8`.
    pub const fn id(self) -> &'static str {
        self.0.id
    }

    /// What the server does, in one sentence.
    pub const fn says(self) -> &'static str {
        self.0.says
    }

    /// Why this server does not do it. Rules that have a constant are kept.
    pub const fn not_kept(self) -> Option<&'static str> {
        self.0.not_kept
    }
}

impl Display for RuleId {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

/// Rules about the same thing, mostly a type.
pub struct Subject {
    /// The type, or what else they are about.
    pub name: &'static str,
    /// In the order of the list.
    pub rules: &'static [RuleId],
}

/// Rules that come from the same place.
pub struct Group {
    /// Which they are, and whence.
    pub title: &'static str,
    /// Whether each has one place in the code, which names it.
    pub in_code: bool,
    /// In the order of the list.
    pub subjects: &'static [Subject],
}

include!(concat!(env!("OUT_DIR"), "/rules.rs"));
