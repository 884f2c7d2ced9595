//! What one request that reads may name. Everything within these limits is looked up once each, so that a request costs what
//! it is long; beyond them it is refused before anything is looked up.

use super::error::{Answered, ApiError};
use crate::metrics;
use std::collections::HashSet;

/// What a request names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    /// Fields to be shown.
    Fields,
    /// Values that properties are to have.
    Filters,
    /// Of these, texts that ask for several members of a value.
    SeveralMembers,
    /// Objects, by uuid.
    Uuids,
    /// Objects, by name.
    Names,
    /// Objects to list below.
    Parents,
    /// Objects that are referred to.
    BackReferences,
    /// Texts of `/useragent-kv`.
    Keys,
    /// Subnets whose addresses are counted.
    Subnets,
}

impl Named {
    /// The argument, and how many different ones it may have. A body of the usual size holds less than 28,000 uuids, and no
    /// type has 200 fields.
    const fn limit(self) -> (&'static str, usize) {
        match self {
            Self::Fields => ("fields", 1_000),
            Self::Filters => ("filters", 10_000),
            // These are compared one by one.
            Self::SeveralMembers => ("filters with several members", 100),
            Self::Uuids => ("obj_uuids", 50_000),
            Self::Names => ("fq_names", 50_000),
            Self::Parents => ("parent_id", 50_000),
            Self::BackReferences => ("back_ref_id", 50_000),
            Self::Keys => ("key", 50_000),
            Self::Subnets => ("subnet_list", 10_000),
        }
    }

    /// Refuses too many of them.
    ///
    /// # Errors
    /// 400, with the limit.
    pub fn check(self, count: usize) -> Answered<()> {
        let (name, most) = self.limit();
        if count <= most {
            return Ok(());
        }
        metrics::limit(metrics::Limit::OneRequest);
        let text = format!("Bad Request, {name} names {count} different things: the limit is {most} in one request");
        Err(ApiError::bad_request(text))
    }

    /// Each of them once, where it came first.
    ///
    /// # Errors
    /// 400 for too many.
    pub fn once(self, given: impl IntoIterator<Item = String>) -> Answered<Vec<String>> {
        let mut seen = HashSet::new();
        let mut once = Vec::new();
        for text in given {
            if seen.insert(text.clone()) {
                once.push(text);
            }
        }
        self.check(once.len())?;
        Ok(once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_dropped_and_not_counted() {
        let (_, most) = Named::Fields.limit();
        let numbers = |count: usize| (0..3 * count).map(move |number| (number % count).to_string());
        assert_eq!(Named::Fields.once(["b", "a", "b"].map(str::to_owned)).unwrap(), ["b", "a"]);
        assert_eq!(Named::Fields.once(numbers(most)).unwrap().len(), most);
        let refused = Named::Fields.once(numbers(most + 1)).unwrap_err();
        assert_eq!(refused.status, 400);
        assert_eq!(refused.text, "Bad Request, fields names 1001 different things: the limit is 1000 in one request");
    }
}
