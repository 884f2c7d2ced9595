//! All that is wrong with settings, told at once.

use std::{
    collections::BTreeSet,
    fmt::{self, Display},
};

/// How long the text of one may be, in letters.
const MOST_LETTERS: usize = 2000;

/// What is wrong with settings: each with its name, where it came from, and what is expected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    texts: Vec<String>,
    /// The fields whose values are not known, because they are wrong.
    unknown: BTreeSet<String>,
}

impl Faults {
    /// Takes note of one. What is wrong with a long text may repeat it: the middle of that is left out, and no letter steers a terminal.
    pub fn add(&mut self, text: impl Into<String>) {
        let text = bounded(text.into());
        if !self.texts.contains(&text) {
            self.texts.push(text);
        }
    }

    /// Takes note of one of a field, of which nothing is known then.
    pub fn add_unknown(&mut self, field: &str, text: impl Into<String>) {
        self.add(text);
        self.forget(field);
    }

    /// Nothing is known of this field.
    pub fn forget(&mut self, field: &str) {
        self.unknown.insert(field.to_owned());
    }

    /// What a check of these fields has found. It says nothing where one of them is not known.
    pub fn take<T>(&mut self, fields: &[&str], result: Result<T, impl Display>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if !fields.iter().any(|field| self.unknown.contains(*field)) {
                    self.add(error.to_string());
                }
                None
            }
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

/// A text whose middle is left out where it is long, and in which nothing steers a terminal.
pub fn bounded(text: String) -> String {
    let is_bad = |letter: char| letter.is_control() && letter != '\n';
    let half = |letters: &mut dyn Iterator<Item = char>| letters.take(MOST_LETTERS / 2).collect::<String>();
    let text = if text.len() > 4 * MOST_LETTERS || text.chars().count() > MOST_LETTERS {
        let end: String = half(&mut text.chars().rev()).chars().rev().collect();
        format!("{} ... {end}", half(&mut text.chars()))
    } else {
        text
    };
    text.chars()
        .map(|letter| if is_bad(letter) { letter.escape_default().to_string() } else { letter.into() })
        .collect()
}

impl Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.texts.as_slice() {
            [one] => formatter.write_str(one),
            several => {
                write!(formatter, "{} settings are wrong, so nothing was started:", several.len())?;
                several.iter().try_for_each(|text| write!(formatter, "\n  {text}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_harmless() {
        let mut faults = Faults::default();
        faults.add(format!("--quota \u{1b}[31m{}: that is expected", "ä".repeat(1 << 20)));
        let text = faults.to_string();
        assert!(text.starts_with("--quota \\u{1b}[31mä") && text.ends_with("ä: that is expected"), "{text}");
        assert!(text.chars().count() < 2100, "{text}");
    }

    #[test]
    fn what_follows_from_a_fault_is_not_told() {
        let mut faults = Faults::default();
        faults.add_unknown("listen", "--listen x: an address is expected");
        assert_eq!(faults.take::<()>(&["aaa_mode", "listen"], Err("it follows")), None);
        assert_eq!(faults.to_string(), "--listen x: an address is expected");
        assert_eq!(faults.take(&["quota"], Err::<(), _>("quota")), None);
        assert_eq!(faults.take(&["listen"], Ok::<_, String>(1)), Some(1));
        assert!(faults.to_string().starts_with("2 settings are wrong"), "{faults}");
        assert!(faults.to_string().ends_with("\n  --listen x: an address is expected\n  quota"), "{faults}");
    }
}
