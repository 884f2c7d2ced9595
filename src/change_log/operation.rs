//! What happened to an object or to addresses, by its letter in the table and its name for people.

use crate::rules::Effect;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogOperation {
    /// An object was created.
    Create,
    /// An object was changed.
    Update,
    /// The other end of a symmetric reference was changed, and this end with it.
    Implicit,
    /// An object was changed and has another name now (a draft that was put in force).
    Rename,
    /// An object was deleted.
    Delete,
    /// Addresses of a network were taken without an object that holds them.
    Reserve,
    /// Such addresses were given back.
    Free,
}

impl LogOperation {
    /// Its letter in the table, and its name for people.
    const NAMES: [(Self, &str, &str); 7] = [
        (Self::Create, "c", "create"),
        (Self::Update, "u", "update"),
        (Self::Implicit, "i", "update-implicit"),
        (Self::Rename, "m", "rename"),
        (Self::Delete, "d", "delete"),
        (Self::Reserve, "r", "reserve-addresses"),
        (Self::Free, "f", "free-addresses"),
    ];

    fn names(self) -> (&'static str, &'static str) {
        let found = Self::NAMES.iter().find(|(operation, ..)| *operation == self);
        found.map(|(_, letter, name)| (*letter, *name)).unwrap_or_default()
    }

    /// The letter in the table.
    pub fn letter(self) -> &'static str {
        self.names().0
    }

    /// For people.
    pub fn name(self) -> &'static str {
        self.names().1
    }

    /// From the letter in the table.
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known, _)| *known == letter).map(|(operation, ..)| *operation)
    }

    /// What a change is told as.
    pub fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Put { before: None, .. } => Self::Create,
            Effect::Put { before: Some(before), after, .. } if before.fq_name != after.fq_name => Self::Rename,
            Effect::Put { implicit: true, .. } => Self::Implicit,
            Effect::Put { .. } => Self::Update,
            Effect::Delete(_) => Self::Delete,
            Effect::Reserve(_) => Self::Reserve,
            Effect::Free(_) => Self::Free,
        }
    }
}
