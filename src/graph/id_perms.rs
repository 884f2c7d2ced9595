//! `id_perms` as it is kept. Of each object it says something else, in the same words: its uuid, when it was made, and when it was
//! changed last. Those are kept for each object, and the words once for all who use them.

use crate::{json_text::Known, timestamp::Timestamp};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use uuid::Uuid;

/// What is said of one object only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Own {
    Created,
    LastModified,
    MostSignificant,
    LeastSignificant,
}

/// Where it stands: behind these keys. In a text of JSON the quotes would be escaped.
const KEYS: [(&str, Own); 4] = [
    ("\"created\":", Own::Created),
    ("\"last_modified\":", Own::LastModified),
    ("\"uuid_mslong\":", Own::MostSignificant),
    ("\"uuid_lslong\":", Own::LeastSignificant),
];

/// What stands around it.
#[derive(PartialEq, Eq, Debug)]
struct Words {
    /// What comes before each own part.
    before: [(Box<str>, Own); KEYS.len()],
    after: Box<str>,
    /// `user_visible` is false.
    hidden: bool,
}

/// How long an `id_perms` is at most that is kept so. One with a description has words of its own, and takes more memory so than as a
/// text; few have one, and a long one stays a text.
const LONGEST: usize = 512;

/// By the text with nothing in the places of the own parts.
static WORDS: Known<Words> = Known::up_to(LONGEST);

/// The text of a time. It is told much more often than it changes.
type TimeText = [u8; 26];

/// An `id_perms` that has all of it, written as it always is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdPerms {
    words: Arc<Words>,
    uuid: Uuid,
    created: TimeText,
    last_modified: TimeText,
}

#[derive(Deserialize)]
struct Shown<'t> {
    #[serde(borrow)]
    user_visible: Option<&'t RawValue>,
}

impl IdPerms {
    /// From its text, which has no blanks between the values. None, if that is long, or says less, or more, or says it in another
    /// way: it could not be told the same again.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let place = |(key, own): (&str, Own)| {
            let first = memmem::find(text.as_bytes(), key.as_bytes());
            // What is imported may have such a key in an inner object, too.
            let only = first.filter(|_| first == memmem::rfind(text.as_bytes(), key.as_bytes()));
            (only.map(|at| at + key.len()), own)
        };
        let mut places = KEYS.map(place);
        places.sort_unstable_by_key(|(at, _)| *at);
        let (mut created, mut last_modified, mut most, mut least) = (None, None, None, None);
        let mut before = [""; KEYS.len()];
        let mut end = 0;
        for (before, (at, own)) in before.iter_mut().zip(places) {
            let value = text.get(at?..)?;
            let is_time = matches!(own, Own::Created | Own::LastModified);
            let (quote, told) = if is_time { (1, quoted(value)?) } else { (0, digits(value)?) };
            match own {
                Own::Created => created = time_text(told),
                Own::LastModified => last_modified = time_text(told),
                Own::MostSignificant => most = told.parse().ok(),
                Own::LeastSignificant => least = told.parse().ok(),
            }
            let start = at? + quote;
            *before = text.get(end..start)?;
            end = start + told.len();
        }
        let after = text.get(end..)?;
        let words = WORDS.of(&format!("{}{after}", before.concat()), || {
            let mut before = before.into_iter();
            let mut next = || before.next().unwrap_or_default().into();
            let shown: Option<Shown<'_>> = serde_json::from_str(text).ok();
            let user_visible = shown.and_then(|shown| shown.user_visible).map(RawValue::get);
            Arc::new(Words {
                before: places.map(|(_, own)| (next(), own)),
                after: after.into(),
                hidden: user_visible == Some("false"),
            })
        });
        let uuid = Uuid::from_u64_pair(most?, least?);
        Some(Self { words, uuid, created: created?, last_modified: last_modified? })
    }

    /// That of a new object, from a text that says no times yet.
    pub fn of_new(text: &str, time: Timestamp) -> Option<Self> {
        let is_said_time = |(key, own): &(&str, Own)| {
            matches!(own, Own::Created | Own::LastModified) && memmem::find(text.as_bytes(), key.as_bytes()).is_some()
        };
        if KEYS.iter().any(is_said_time) {
            return None;
        }
        let said = text.strip_suffix('}')?;
        Self::read(&format!(r#"{said},"created":"{time}","last_modified":"{time}"}}"#))
    }

    /// The same of another object.
    pub fn of_object(&self, uuid: Uuid) -> Self {
        Self { uuid, ..self.clone() }
    }

    /// The same of one that is made at this time.
    pub fn made(&self, time: Timestamp) -> Option<Self> {
        let time = time_text(&time.to_string())?;
        Some(Self { created: time, last_modified: time, ..self.clone() })
    }

    /// When the object was changed last, if it is a time that is said.
    pub fn last_modified(&self) -> Option<Timestamp> {
        Timestamp::parse(text(&self.last_modified))
    }

    /// The same, after a change at another time.
    pub fn modified(&self, time: Timestamp) -> Option<Self> {
        Some(Self { last_modified: time_text(&time.to_string())?, ..self.clone() })
    }

    /// Whether they differ in nothing but when the object was changed last.
    pub fn is_same_but_modified(&self, other: &Self) -> bool {
        (&self.words, self.uuid, self.created) == (&other.words, other.uuid, other.created)
    }

    /// Whether they differ in nothing but what is said of one object only.
    pub fn is_worded_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.words, &other.words)
    }

    /// `user_visible` is false.
    pub fn is_hidden(&self) -> bool {
        self.words.hidden
    }

    /// About how much memory it takes, in bytes, if nobody else has its words.
    pub fn weight(&self) -> usize {
        let words: usize = self.words.before.iter().map(|(text, _)| text.len()).sum();
        size_of::<Self>() + size_of::<Words>() + words + self.words.after.len()
    }

    /// Its text, piece by piece.
    pub fn tell(&self, mut piece: impl FnMut(&str)) {
        let (most, least) = self.uuid.as_u64_pair();
        let mut number = itoa::Buffer::new();
        for (before, own) in &self.words.before {
            piece(before);
            match own {
                Own::Created => piece(text(&self.created)),
                Own::LastModified => piece(text(&self.last_modified)),
                Own::MostSignificant => piece(number.format(most)),
                Own::LeastSignificant => piece(number.format(least)),
            }
        }
        piece(&self.words.after);
    }
}

fn time_text(text: &str) -> Option<TimeText> {
    text.as_bytes().try_into().ok()
}

fn text(time: &TimeText) -> &str {
    str::from_utf8(time).unwrap_or_default()
}

/// What stands between the quotes at the beginning of a text.
fn quoted(text: &str) -> Option<&str> {
    Some(text.strip_prefix('"')?.split_once('"')?.0)
}

/// The number at the beginning of a text, if it is written as numbers are.
fn digits(text: &str) -> Option<&str> {
    let length = text.find(|character: char| !character.is_ascii_digit())?;
    let digits = text.get(..length)?;
    (digits == "0" || !digits.starts_with('0')).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"enable":true,"description":"a \"created\":\"never\"","user_visible":true,"creator":null,"permissions":{"owner":"admin","owner_access":7},"uuid":{"uuid_mslong":18446744073709551615,"uuid_lslong":0},"created":"2026-11-28T02:00:00.000000","last_modified":"2026-12-31T23:59:59.999999"}"#;

    fn told(id_perms: &IdPerms) -> String {
        let mut text = String::new();
        id_perms.tell(|piece| text.push_str(piece));
        text
    }

    #[test]
    fn is_told_as_it_was_read() {
        let id_perms = IdPerms::read(TEXT).unwrap();
        assert_eq!(told(&id_perms), TEXT);
        assert!(!id_perms.is_hidden());
        assert_eq!(id_perms.last_modified(), Timestamp::parse("2026-12-31T23:59:59.999999"));
        let later = Timestamp::parse("2027-01-01T00:00:00.000000").unwrap();
        let modified = id_perms.modified(later).unwrap();
        assert_eq!(told(&modified), TEXT.replace("2026-12-31T23:59:59.999999", "2027-01-01T00:00:00.000000"));
        assert!(modified != id_perms && modified.is_same_but_modified(&id_perms));
        // As the tables have it, the keys in another order.
        let other = r#"{"uuid":{"uuid_lslong":7,"uuid_mslong":10},"created":"1970-01-01T00:00:00.000001","last_modified":"9999-12-31T00:00:00.100000","user_visible":false}"#;
        let id_perms = IdPerms::read(other).unwrap();
        assert_eq!(told(&id_perms), other);
        assert!(id_perms.is_hidden());
    }

    #[test]
    fn of_a_new_object_gets_its_times() {
        let time = Timestamp::parse("2026-12-31T23:59:59.999999").unwrap();
        let without = TEXT.split_once(r#","created""#).unwrap().0.to_owned() + "}";
        assert_eq!(
            told(&IdPerms::of_new(&without, time).unwrap()),
            TEXT.replace("2026-11-28T02:00:00.000000", &time.to_string())
        );
        assert_eq!(IdPerms::of_new(TEXT, time), None);
        assert_eq!(IdPerms::of_new("{}", time), None);
    }

    #[test]
    fn has_its_words_in_memory_once() {
        let other = TEXT.replace("18446744073709551615", "12").replace("02:00", "03:00").replace("12-31", "12-30");
        let (one, other) = (IdPerms::read(TEXT).unwrap(), IdPerms::read(&other).unwrap());
        assert!(Arc::ptr_eq(&one.words, &other.words));
        assert_ne!(one, other);
    }

    #[test]
    fn stays_a_text_where_it_could_not_be_told_the_same() {
        let others = [
            ("\"created\"", "\"made\""),
            ("02:00:00.000000", "02:00:00"),
            (".999999\"", ".999999"),
            ("18446744073709551615", "18446744073709551616"),
            ("\"uuid_lslong\":0", "\"uuid_lslong\":00"),
            ("\"uuid_lslong\":0", "\"uuid_lslong\":-1"),
            ("\"uuid_lslong\":0", "\"uuid_lslong\": 0"),
            ("\"owner_access\"", "\"last_modified\":\"2020-01-01T00:00:00.000000\",\"owner_access\""),
            ("\"admin\"", &format!("\"{}\"", "x".repeat(LONGEST))),
        ];
        for (part, other) in others {
            assert!(TEXT.contains(part), "{part}");
            assert_eq!(IdPerms::read(&TEXT.replacen(part, other, 1)), None, "{other}");
        }
    }
}
