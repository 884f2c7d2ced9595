//! Where settings come from. Whoever made a mistake is told where it is.

use clap::{Arg, parser::ValueSource};
use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    path::{Path, PathBuf},
};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1 on; 0 for the file as a whole.
    pub line: usize,
}

impl Place {
    /// The line that has this byte of the file's text.
    pub fn of(file: &Path, text: &str, byte: usize) -> Self {
        let before = text.as_bytes().iter().take(byte);
        Self { file: file.to_owned(), line: before.filter(|byte| **byte == b'\n').count() + 1 }
    }
}

impl Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}", self.file.display()),
            line => write!(formatter, "{}:{line}", self.file.display()),
        }
    }
}

/// Where a setting comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nobody has said anything.
    #[default]
    Default,
    /// An option of the command line.
    Option,
    /// This variable of the environment.
    Variable(String),
    /// This key of the settings file.
    File(Place, String),
    /// This key of a file of contrail-api's.
    Conf(Place, String),
}

/// What of a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Whole,
    /// It is a URL, which may have a password in it.
    Masked,
    /// It is a password.
    Nothing,
}

impl Shown {
    /// What of this argument's values may be.
    pub fn of(argument: &Arg) -> Self {
        match (argument.is_hide_env_values_set(), argument.is_hide_set()) {
            (true, true) => Self::Nothing,
            (true, false) => Self::Masked,
            (false, _) => Self::Whole,
        }
    }

    /// What of this value may be.
    pub fn part(self, value: &str) -> String {
        match self {
            Self::Whole => value.to_owned(),
            Self::Masked => masked(value),
            Self::Nothing if value.is_empty() => String::new(),
            Self::Nothing => "...".to_owned(),
        }
    }
}

/// Where a setting came from, and how it is told.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The option, as `--quota`.
    pub option: String,
    /// Where it is from.
    pub source: Source,
    /// What of it may be shown.
    pub shown: Shown,
}

impl Origin {
    /// Of an argument that is a setting.
    pub fn new(argument: &Arg, source: Source) -> Self {
        let option = argument.get_long().map(|long| format!("--{long}")).unwrap_or_default();
        Self { option, source, shown: Shown::of(argument) }
    }

    /// The setting with its value, as whoever gave it knows it.
    pub fn told(&self, value: &str) -> String {
        let (option, value) = (&self.option, self.shown.part(value));
        let told = match &self.source {
            Source::Default => format!("{option} {value} (the default)"),
            Source::Option => format!("{option} {value}"),
            Source::Variable(name) => format!("{name}={value}"),
            Source::File(place, key) => format!("{place}: {key} = {value}"),
            Source::Conf(place, key) => {
                let setting = format!("{option} {value}");
                format!("{place}: {key} ({})", setting.trim_end())
            }
        };
        told.trim_end().to_owned()
    }

    /// Where it is from, in a few words.
    pub fn place(&self) -> String {
        match &self.source {
            Source::Default => "default".to_owned(),
            Source::Option => self.option.clone(),
            Source::Variable(name) => name.clone(),
            Source::File(place, _) => place.to_string(),
            Source::Conf(place, key) => format!("{place}: {key}"),
        }
    }
}

/// What settings are called where they came from, by field.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Of a command that was read from the command line and the environment alone.
    pub fn of(command: &clap::Command, matches: &clap::ArgMatches) -> Self {
        let origin = |argument: &Arg| {
            let field = argument.get_id().as_str();
            let source = match (matches.value_source(field), argument.get_env()) {
                (Some(ValueSource::EnvVariable), Some(variable)) => {
                    Source::Variable(variable.to_string_lossy().into_owned())
                }
                (Some(ValueSource::CommandLine), _) => Source::Option,
                _ => Source::Default,
            };
            argument.get_long().map(|_| (field.to_owned(), Origin::new(argument, source)))
        };
        Self(command.get_arguments().filter_map(origin).collect())
    }

    /// Where a setting came from.
    pub fn get(&self, field: &str) -> Option<&Origin> {
        self.0.get(field)
    }

    /// Takes note of where one came from.
    pub fn set(&mut self, field: &str, origin: Origin) {
        self.0.insert(field.to_owned(), origin);
    }

    /// Whether somebody gave it: it is not the default.
    pub fn is_given(&self, field: &str) -> bool {
        self.get(field).is_some_and(|origin| origin.source != Source::Default)
    }

    /// `CIRRUS_QUOTA=foo=1`, `--quota foo=1`, `/etc/cirrus/cirrus.toml:7: quota = foo=1`, or
    /// `--keep-changes 1000000 (the default)`; without passwords.
    pub fn told(&self, field: &str, value: impl Display) -> String {
        let value = value.to_string();
        match self.get(field) {
            Some(origin) => origin.told(&value),
            None => format!("--{} {value}", field.replace('_', "-")),
        }
    }
}

impl FromIterator<(String, Origin)> for Origins {
    fn from_iter<T: IntoIterator<Item = (String, Origin)>>(origins: T) -> Self {
        Self(origins.into_iter().collect())
    }
}

/// A URL without its user and password, and without what follows its path.
pub fn masked(url: &str) -> String {
    let (user, place) = url.rsplit_once('@').map_or((None, url), |(user, place)| (Some(user), place));
    if user.is_some_and(|user| user.contains(['?', '#'])) {
        // It may stand before the host, or behind it.
        return "...".to_owned();
    }
    let shown = place.find(['?', '#']).map_or(place, |end| place.get(..=end).unwrap_or_default());
    let more = if shown.len() < place.len() { "..." } else { "" };
    format!("{}{shown}{more}", if user.is_some() { "...@" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("mysql://me:secret@db/x", "...@db/x"),
            ("mysql://me:se@cret@db/x", "...@db/x"),
            ("https://id/keys?key=secret", "https://id/keys?..."),
            ("https://me:secret@id/keys?key=secret", "...@id/keys?..."),
            ("https://id/keys?key=secret@more", "..."),
            ("https://me:sec?ret@id/", "..."),
            ("https://id/#secret", "https://id/#..."),
            ("amqp://me:secret@a,amqp://me:secret@b", "...@b"),
            ("keystone:5000", "keystone:5000"),
            ("x?", "x?"),
            ("", ""),
        ] {
            assert_eq!(masked(url), shown, "{url}");
        }
        assert_eq!((Shown::Nothing.part("secret"), Shown::Nothing.part("")), ("...".to_owned(), String::new()));
    }

    #[test]
    fn settings_are_told_as_they_were_given() {
        let place = Place { file: "/etc/x.conf".into(), line: 7 };
        let origin =
            |source, shown| Origin { option: "--database-url".to_owned(), source, shown }.told("postgresql://a:b@c/d");
        for (source, told) in [
            (Source::Default, "--database-url ...@c/d (the default)"),
            (Source::Option, "--database-url ...@c/d"),
            (Source::Variable("CIRRUS_URL".to_owned()), "CIRRUS_URL=...@c/d"),
            (Source::File(place.clone(), "database-url".to_owned()), "/etc/x.conf:7: database-url = ...@c/d"),
            (Source::Conf(place.clone(), "url".to_owned()), "/etc/x.conf:7: url (--database-url ...@c/d)"),
        ] {
            assert_eq!(origin(source, Shown::Masked), told);
        }
        assert_eq!(origin(Source::Option, Shown::Nothing), "--database-url ...");
        assert_eq!(Place::of(Path::new("f"), "a\nb\nc", 2).to_string(), "f:2");
    }
}
