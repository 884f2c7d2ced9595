//! The text of a property as it is kept.

use super::{JsonText, id_perms::IdPerms, object::is_same_json, text_weight};
use std::{borrow::Cow, fmt, sync::Arc};

/// JSON that is sent out as it is.
#[derive(Clone)]
pub enum PropertyText {
    /// Any.
    Plain(JsonText),
    /// An `id_perms`, of which each object has another one: nearly a third of its memory, as a text.
    IdPerms(Box<IdPerms>),
}

/// With the id of its property it takes as much as a text does.
const _: () = assert!(size_of::<PropertyText>() == size_of::<JsonText>());

impl PropertyText {
    /// Of an `id_perms`.
    pub fn of_id_perms(text: &str) -> Self {
        IdPerms::read(text).map_or_else(|| Self::Plain(text.into()), |id_perms| Self::IdPerms(Box::new(id_perms)))
    }

    /// The text, piece by piece.
    pub fn tell(&self, mut piece: impl FnMut(&str)) {
        match self {
            Self::Plain(text) => piece(text),
            Self::IdPerms(id_perms) => id_perms.tell(piece),
        }
    }

    /// The text.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Plain(text) => Cow::Borrowed(text),
            Self::IdPerms(_) => {
                let mut text = String::new();
                self.tell(|piece| text.push_str(piece));
                Cow::Owned(text)
            }
        }
    }

    /// The text of any property but `id_perms`.
    pub fn plain(&self) -> Option<&JsonText> {
        match self {
            Self::Plain(text) => Some(text),
            Self::IdPerms(_) => None,
        }
    }

    /// Whether two texts say the same, however they are written.
    pub fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::IdPerms(one), Self::IdPerms(other)) if one.is_worded_as(other) => one == other,
            (one, other) => one == other || is_same_json(Some(&one.text()), Some(&other.text())),
        }
    }

    /// How long the text is, in bytes.
    pub fn length(&self) -> usize {
        let mut length = 0;
        self.tell(|piece| length += piece.len());
        length
    }

    /// About how much memory it takes beside itself, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Plain(text) => text_weight(text),
            Self::IdPerms(id_perms) => id_perms.weight(),
        }
    }
}

/// By their texts.
impl PartialEq for PropertyText {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => Arc::ptr_eq(one, other) || one == other,
            (Self::IdPerms(one), Self::IdPerms(other)) => one == other,
            (one, other) => one.text() == other.text(),
        }
    }
}

impl fmt::Debug for PropertyText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text(), formatter)
    }
}

impl<T: Into<JsonText>> From<T> for PropertyText {
    fn from(text: T) -> Self {
        Self::Plain(text.into())
    }
}
