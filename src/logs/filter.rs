//! Which lines are written, which can be changed while the server runs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing_subscriber::{EnvFilter, Registry, filter::LevelFilter, reload};

/// How many bytes a filter may have: it is looked at for each kind of line.
const LONGEST: usize = 1000;
/// Lines about the filter itself, which are written whatever it says: nobody makes the log silent without a word.
const ABOUT_ITSELF: &str = "cirrus::log_filter";

/// The program itself, and what PostgreSQL says; libraries are in [`LIBRARIES`].
const OWN: [&str; 2] = ["cirrus", "postgresql"];
/// All libraries that the program is built with, as lines `name = "..."`.
const LIBRARIES: &str = include_str!("../../Cargo.lock");
/// The rooms of the program, as lines `mod ...;`.
const ROOMS: &str = include_str!("../main.rs");

/// What a part of a filter is about that nobody has: it would be taken, and nothing be told for it.
fn unknown_part(text: &str) -> Option<&str> {
    // Within brackets there are fields of spans, which have commas, too.
    let outside = text.split('[').enumerate().flat_map(|(number, piece)| {
        let outside = if number == 0 { piece } else { piece.split_once(']').map_or("", |(_, outside)| outside) };
        outside.split(',')
    });
    let parts = outside.map(|part| part.split_once('=').map_or(part, |(name, _)| name).trim());
    let is_known = |name: &&str| {
        let mut names = name.split("::");
        let (program, room) = (names.next().unwrap_or_default(), names.next());
        if program == "cirrus" {
            return room.is_none_or(|room| room == "log_filter" || has_line(ROOMS, "mod ", room, ";"));
        }
        OWN.contains(&program)
            || [program.to_owned(), program.replace('_', "-")]
                .iter()
                .any(|name| has_line(LIBRARIES, "name = \"", name, "\""))
    };
    let is_name = |name: &&str| {
        !name.is_empty()
            && name.parse::<LevelFilter>().is_err()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte))
    };
    parts.filter(is_name).find(|name| !is_known(name))
}

fn has_line(text: &str, before: &str, name: &str, after: &str) -> bool {
    text.lines().any(|line| line.strip_prefix(before).and_then(|line| line.strip_suffix(after)) == Some(name))
}

/// Reads a filter: a level, or several parts like `info,cirrus=debug`. A word that is no level, or a name that nobody has, would be
/// taken as a part of the program that says nothing, and everything else would be silent.
///
/// # Errors
/// What is wrong with it, and what is expected.
pub fn parse_filter(text: &str) -> Result<EnvFilter, String> {
    let expected = "error, warn, info, debug, trace or off is expected, or several like info,cirrus=debug";
    if text.len() > LONGEST {
        return Err(format!("it has more than {LONGEST} bytes; {expected}"));
    }
    let is_word = |part: &&str| !part.is_empty() && !part.contains(['=', '[']);
    let unknown = text.split(',').map(str::trim).filter(is_word).find(|part| part.parse::<LevelFilter>().is_err());
    if let Some(word) = unknown {
        return Err(format!("'{word}' is no level; {expected}"));
    }
    if let Some(name) = unknown_part(text) {
        return Err(format!(
            "'{name}' is no part of the program: cirrus, a part of it like cirrus::api, postgresql, or a library is meant; {expected}"
        ));
    }
    // Values are compared as they are: no expression of somebody is tried on each line.
    let filter = EnvFilter::builder().with_regex(false).parse(text).map_err(|error| format!("{error}; {expected}"))?;
    let always = format!("{ABOUT_ITSELF}=info").parse().map_err(|error| format!("{error}"))?;
    Ok(filter.add_directive(always))
}

/// The filter of this process.
pub struct LogFilter {
    started_with: String,
    current: Mutex<String>,
    handle: reload::Handle<EnvFilter, Registry>,
}

impl LogFilter {
    pub(super) fn new(text: &str, handle: reload::Handle<EnvFilter, Registry>) -> Self {
        Self { started_with: text.to_owned(), current: Mutex::new(text.to_owned()), handle }
    }

    /// The one that the server was started with.
    pub fn started_with(&self) -> &str {
        &self.started_with
    }

    /// The one that is in force.
    pub fn current(&self) -> String {
        self.lock().clone()
    }

    /// Puts another one in force, and says who wanted it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn change(&self, text: &str, by: &str) -> Result<(), String> {
        let filter = parse_filter(text)?;
        let mut current = self.lock();
        self.handle.reload(filter).map_err(|error| error.to_string())?;
        tracing::info!(target: ABOUT_ITSELF, from = *current, to = text, by, "another filter of the log is in force");
        text.clone_into(&mut current);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_or_name_one() {
        for good in [
            "info",
            "WARN",
            "off",
            "info,sqlx=warn,actix_server=warn",
            "cirrus=debug",
            "info,cirrus[{a}]=trace",
            "warn,cirrus::api=debug,cirrus::store::session=trace,cirrus::log_filter=info",
            "postgresql=warn,actix_http::h1=debug,tracing_subscriber=off",
            "",
        ] {
            assert!(parse_filter(good).is_ok(), "{good}");
        }
        let long = "cirrus=debug,".repeat(100);
        for bad in [
            "nosuchlevel",
            "info,debugg",
            "cirrus=loud",
            "cirrus",
            "in\nfo",
            "cirru=debug",
            "info,cirrus::apii=debug",
            "nosuch::x=info",
            "info,nosuch[{a}]=debug",
            &long,
        ] {
            let refused = parse_filter(bad).err().unwrap_or_default();
            assert!(refused.contains("debug, trace or off is expected"), "{bad}: {refused}");
        }
    }
}
