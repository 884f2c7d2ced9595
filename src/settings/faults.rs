//! All that is wrong with settings, told at once.

use std::{
    collections::BTreeSet,
    fmt::{self, Display},
};

/// What is wrong with settings: each with its name, where it came from, and what is expected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    texts: Vec<String>,
    /// The fields whose values are not known, because they are wrong.
    unknown: BTreeSet<String>,
}

impl Faults {
    /// Takes note of one.
    pub fn add(&mut self, text: impl Into<String>) {
        let text = text.into();
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
