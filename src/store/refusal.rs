//! What the database says when it refuses by itself: for reasons that have nothing to do with what was asked. An error that
//! it answers a statement with is definite: nothing was done. Only where no answer came, or the session ended in place of
//! one, that is not known.

/// What is answered while the database is away.
pub const AWAY: &str = "The database can't be reached. Not able to perform requested action";
/// What is answered while none of several hosts is the primary: one of them may be about to be promoted.
pub const NO_PRIMARY: &str =
    "No server of the database takes writes at the moment. Not able to perform requested action; nothing was stored";
/// What is answered when it went away around a commit, and did not come back in time.
pub const UNKNOWN: &str = "The database went away; it is not known whether the request was stored";

/// What is answered when what is stored can't be read.
pub const UNREADABLE: &str =
    "The database has something that this server can't read. Not able to perform requested action; nothing was stored";

/// The code for a lock that was not to be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The code for a write that a standby, or a transaction that only reads, is to do.
const READ_ONLY: &str = "25006";

/// A kind of refusal.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// SQLSTATE: the code, or the class that it begins with.
    code: &'static str,
    /// What is the matter with the database.
    what: &'static str,
    /// Whether a new session may fare better at once: another server may answer there, or whoever was in the way is gone.
    pub is_worth_another_try: bool,
    /// Whether a server that starts waits for it to pass.
    pub passes: bool,
}

const fn refusal(code: &'static str, what: &'static str, is_worth_another_try: bool, passes: bool) -> Refusal {
    Refusal { code, what, is_worth_another_try, passes }
}

/// All that are told apart; codes before their classes.
const REFUSALS: &[Refusal] = &[
    refusal(READ_ONLY, "is read-only", true, false),
    refusal("28", "does not let this server in", false, false),
    refusal("3D000", "is not there", false, false),
    refusal("40001", "could not put it in order with something else", true, false),
    refusal("40P01", "could not put it in order with something else", true, false),
    refusal("42501", "does not allow it to this server's role", false, false),
    refusal("53100", "has no room left on its disk", false, false),
    refusal("53200", "has no memory left", false, false),
    refusal("53300", "has no connection left", true, true),
    refusal("53", "has come to a limit of its resources", false, false),
    refusal(LOCK_NOT_AVAILABLE, "is held up", true, false),
    refusal("57014", "took too long, or was told to give up", false, false),
    refusal("57P01", "is being stopped", true, true),
    refusal("57P02", "has crashed and recovers", true, true),
    refusal("57P03", "is starting", true, true),
    refusal("58", "has trouble with its files", false, false),
    refusal("XX001", "has found its files damaged", false, false),
    refusal("XX002", "has found its files damaged", false, false),
];

/// What is the matter, for whoever has named a database: a code, or the class that it begins with, and words that stand before those of
/// PostgreSQL.
const WORDS: &[(&str, &str)] = &[
    (READ_ONLY, "it is read-only, or a standby"),
    ("28P01", "it refuses the password"),
    ("28", "it does not let this role in"),
    ("3D000", "there is no database of this name there"),
    ("42501", "its role lacks a permission"),
];

/// Words for a code.
pub fn words(code: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| code.starts_with(known)).map(|(_, words)| *words)
}

/// Whether a session is refused by that, whatever it is for.
pub fn is_at_the_door(code: &str) -> bool {
    ["28", "3D000"].iter().any(|known| code.starts_with(known))
}

impl Refusal {
    /// Whether somebody else has a lock.
    pub fn is_lock(&self) -> bool {
        self.code == LOCK_NOT_AVAILABLE
    }

    /// What a code means.
    pub fn of(code: &str) -> Option<&'static Self> {
        REFUSALS.iter().find(|refusal| code.starts_with(refusal.code))
    }

    /// What a client is told. Where a lock was not to be had, what was asked tells by what it is held up.
    pub fn text(&self, held_up: &str) -> String {
        let Self { what, .. } = self;
        let why = if self.is_lock() { format!(": {held_up}") } else { String::new() };
        format!("The database {what}{why}. Not able to perform requested action; nothing was stored")
    }
}

/// What a client is told of any other.
pub fn other(message: &str) -> String {
    format!("The database refuses: {message}. Not able to perform requested action; nothing was stored")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_before_their_classes() {
        assert!(Refusal::of("53100").unwrap().what.contains("disk"));
        assert!(Refusal::of("53400").unwrap().what.contains("limit"));
        assert_eq!(Refusal::of("23505"), None);
        for (place, refusal) in REFUSALS.iter().enumerate() {
            assert_eq!(REFUSALS.iter().position(|other| refusal.code.starts_with(other.code)), Some(place));
        }
    }
}
