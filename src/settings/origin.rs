//! Where settings come from. Whoever made a mistake is told where it is.

use clap::{Arg, parser::ValueSource};
use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    net::Ipv6Addr,
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
            Self::Whole => harmless(value),
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

/// How much of a value is told, in letters.
const MOST_LETTERS: usize = 200;

/// A value, shortened, in which nothing steers a terminal or makes another line.
pub fn harmless(value: &str) -> String {
    let mut told = String::new();
    for letter in value.chars().take(MOST_LETTERS) {
        if letter.is_control() { told.extend(letter.escape_default()) } else { told.push(letter) }
    }
    if value.chars().nth(MOST_LETTERS).is_some() {
        told.push_str("...");
    }
    told
}

/// What is shown in place of what is secret, or may be.
const HIDDEN: &str = "...";

/// URLs, joined by commas, without their users and passwords, and without what follows their paths. What can't be read as one may
/// have a password anywhere, and is not shown.
pub fn masked(urls: &str) -> String {
    let mut shown = Vec::new();
    let mut left = urls;
    loop {
        let next = left.match_indices(',').find(|(at, _)| begins_url(left.get(at + 1..).unwrap_or_default()));
        let Some((at, _)) = next else { break };
        let (one, others) = left.split_at(at);
        shown.push(masked_one(one));
        left = others.get(1..).unwrap_or_default();
    }
    shown.push(masked_one(left));
    harmless(&shown.join(","))
}

/// What follows the scheme of a URL.
fn without_scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    (scheme.starts_with(|letter: char| letter.is_ascii_alphabetic()) && scheme.bytes().all(is_scheme)).then_some(rest)
}

fn begins_url(text: &str) -> bool {
    without_scheme(text.trim_start()).is_some()
}

fn masked_one(url: &str) -> String {
    if url.is_empty() {
        return String::new();
    }
    shown_of_url(url.trim()).unwrap_or_else(|| HIDDEN.to_owned())
}

/// What of a URL may be shown; none where it is not one.
fn shown_of_url(url: &str) -> Option<String> {
    let rest = without_scheme(url)?;
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (path, more) = tail.split_at(tail.find(['?', '#']).map_or(tail.len(), |end| end + 1));
    let is_of_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/?#-._~%:+,".contains(&byte);
    // Another @ may stand behind a password in which there is what ends a host.
    if more.contains('@') || !path.bytes().all(is_of_path) {
        return None;
    }
    let more = if more.is_empty() { "" } else { HIDDEN };
    match authority.rsplit_once('@') {
        None if authority.split(',').all(is_place) => Some(format!("{}{path}{more}", url.strip_suffix(tail)?)),
        None => None,
        Some((user, places)) => Some(format!("{}{path}{more}", with_hidden_user(user, places)?)),
    }
}

/// Hosts behind a user. Some write the same user before each of them: that it is the same shows that the comma is not one of a password.
fn with_hidden_user(user: &str, hosts: &str) -> Option<String> {
    let mut parts: Vec<&str> = user.split(',').collect();
    let own = parts.pop().unwrap_or_default();
    let host = |part: &&str| {
        let host = part.strip_prefix(own)?.strip_prefix('@')?;
        is_place(host).then(|| format!("{HIDDEN}@{host}"))
    };
    let mut shown: Vec<String> = parts.iter().map(host).collect::<Option<_>>().unwrap_or_default();
    shown.push(format!("{HIDDEN}@{hosts}"));
    hosts.split(',').all(is_place).then(|| shown.join(","))
}

/// Whether it is a host, with a port or without one.
fn is_place(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_host = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)),
    };
    is_host && port.is_none_or(|port| port.is_empty() || port.parse::<u16>().is_ok())
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
            ("amqp://me:secret@a,amqp://me:secret@b", "...@a,...@b"),
            ("amqp://me:secret@a:1/%2F, amqps://me:secret@b/x,amqp://c", "...@a:1/%2F,...@b/x,amqp://c"),
            ("amqp://me:secret@a/,me:secret@b/", "..."),
            ("postgresql://me:secret@a,me:secret@b:5/x", "...@a,...@b:5/x"),
            ("postgresql://me:secret@a:5,b,[::1]:6/x?sslmode=require", "...@a:5,b,[::1]:6/x?..."),
            ("postgresql://me:sec,ret@a,b/x", "...@a,b/x"),
            ("postgresql://me:5,sec@ret,secret@a/x", "...@a/x"),
            ("postgresql://a,b/x", "postgresql://a,b/x"),
            ("postgresql:///x?host=/run", "postgresql:///x?..."),
            ("host=h password=secret user=u", "..."),
            ("postgresql://u:secret h/x", "..."),
            ("postgresql://u:secret", "..."),
            ("postgresql://u:123456", "..."),
            ("postgresql://u:sec/ret@h/x", "..."),
            ("postgresql://h/x password=secret", "..."),
            ("postgresql://u@h/x&password=secret", "..."),
            ("postgresql://u@h secret/x", "..."),
            ("keystone:5000", "..."),
            ("secret", "..."),
            ("1://secret", "..."),
            ("", ""),
        ] {
            assert_eq!(masked(url), shown, "{url}");
        }
        assert_eq!((Shown::Nothing.part("secret"), Shown::Nothing.part("")), ("...".to_owned(), String::new()));
    }

    #[test]
    fn values_are_told_shortened_and_harmless() {
        assert_eq!(harmless("\u{1b}[31m\n\u{9b}"), "\\u{1b}[31m\\n\\u{9b}");
        assert_eq!(Shown::Whole.part(&"x".repeat(1 << 20)), format!("{}...", "x".repeat(200)));
        assert_eq!(Shown::Whole.part(&"x".repeat(200)), "x".repeat(200));
        assert!(Shown::Masked.part(&format!("http://{}", "x".repeat(1 << 20))).len() < 300);
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
