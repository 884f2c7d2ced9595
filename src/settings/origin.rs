//! Where settings come from: an option, or the environment. Whoever made a mistake is told where it is.

use super::{Command, CommandLine};
use clap::{
    Arg, CommandFactory, FromArgMatches,
    builder::Resettable,
    error::{ContextKind, ContextValue},
    parser::ValueSource,
};
use std::{collections::BTreeMap, ffi::OsString, fmt::Display};

/// What settings are called where they came from, by field.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<String, Origin>);

/// Where one came from.
#[derive(Clone, Debug)]
struct Origin {
    /// What its value follows: `--quota `, or `CIRRUS_QUOTA=`.
    name: String,
    source: Option<ValueSource>,
    /// Whether there may be a password in it.
    is_secret: bool,
}

impl Origins {
    fn of(command: &clap::Command, matches: &clap::ArgMatches) -> Self {
        let origin = |argument: &Arg| {
            let field = argument.get_id().as_str();
            let source = matches.value_source(field);
            let name = match (source, argument.get_env(), argument.get_long()) {
                (Some(ValueSource::EnvVariable), Some(variable), _) => format!("{}=", variable.to_string_lossy()),
                (_, _, Some(long)) => format!("--{long} "),
                _ => return None,
            };
            let is_secret = argument.is_hide_env_values_set();
            Some((field.to_owned(), Origin { name, source, is_secret }))
        };
        Self(command.get_arguments().filter_map(origin).collect())
    }

    /// Whether somebody gave it: it is not the default.
    pub fn is_given(&self, field: &str) -> bool {
        let source = self.0.get(field).and_then(|origin| origin.source);
        source.is_some_and(|source| source != ValueSource::DefaultValue)
    }

    /// `CIRRUS_QUOTA=foo=1`, `--quota foo=1`, or `--keep-changes 1000000 (the default)`; without passwords.
    pub fn told(&self, field: &str, value: impl Display) -> String {
        match self.0.get(field) {
            Some(Origin { name, source: Some(ValueSource::DefaultValue), .. }) => {
                format!("{name}{value} (the default)")
            }
            Some(Origin { name, is_secret: true, .. }) => format!("{name}{}", masked(&value.to_string())),
            Some(Origin { name, .. }) => format!("{name}{value}"),
            None => format!("--{} {value}", field.replace('_', "-")),
        }
    }
}

impl CommandLine {
    /// From the arguments and the environment of this process. Ends it where they are wrong, with status 2, or only ask for
    /// help.
    pub fn read() -> Self {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        Self::parsed(&arguments).unwrap_or_else(|error| error.exit())
    }

    /// From these arguments, the program's name first, and the environment.
    #[cfg(test)]
    pub fn of(arguments: &[&str]) -> Result<Self, clap::Error> {
        Self::parsed(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    fn parsed(arguments: &[OsString]) -> Result<Self, clap::Error> {
        // A variable without a value is none: that is how files of variables leave out a setting.
        let command = each_argument(Self::command(), &|argument| {
            let is_empty =
                argument.get_env().is_some_and(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()));
            if is_empty { argument.env(Resettable::Reset) } else { argument }
        });
        let refused = |error| with_origin(error, &command, arguments);
        let matches = command.clone().try_get_matches_from(arguments).map_err(refused)?;
        let mut line = Self::from_arg_matches(&matches)?;
        if let Some((name, matches)) = matches.subcommand()
            && let Some(command) = command.find_subcommand(name)
        {
            let origins = Origins::of(command, matches);
            match &mut line.command {
                Command::Serve(settings) => settings.origins = origins,
                Command::Openapi(settings) => settings.origins = origins,
                Command::Import(settings) => settings.origins = origins,
                Command::InterfaceRoute(_)
                | Command::Watch(_)
                | Command::Check(_)
                | Command::Export(_)
                | Command::Token(_)
                | Command::Rules
                | Command::Metrics
                | Command::Man(_)
                | Command::Completions(_) => {}
            }
        }
        Ok(line)
    }
}

/// The command with all its arguments changed, also those of commands below it.
fn each_argument(command: clap::Command, change: &impl Fn(Arg) -> Arg) -> clap::Command {
    command.mut_args(change).mut_subcommands(|below| each_argument(below, change))
}

/// The argument that is called so, as `--quota <KEY=LIMIT,..>`.
fn find<'a>(command: &'a clap::Command, called: &str) -> Option<&'a Arg> {
    let own = command.get_arguments().find(|argument| argument.to_string() == called);
    own.or_else(|| command.get_subcommands().find_map(|below| find(below, called)))
}

/// A URL without its user and password, and without what follows its path.
fn masked(url: &str) -> String {
    let (user, place) = url.rsplit_once('@').map_or((None, url), |(user, place)| (Some(user), place));
    if user.is_some_and(|user| user.contains(['?', '#'])) {
        // It may stand before the host, or behind it.
        return "...".to_owned();
    }
    let shown = place.find(['?', '#']).map_or(place, |end| place.get(..=end).unwrap_or_default());
    let more = if shown.len() < place.len() { "..." } else { "" };
    format!("{}{shown}{more}", if user.is_some() { "...@" } else { "" })
}

/// A refusal of a value, which names the variable where it is in the environment, and holds no password.
fn with_origin(mut error: clap::Error, command: &clap::Command, arguments: &[OsString]) -> clap::Error {
    let called = |error: &clap::Error| match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(called)) => called.clone(),
        _ => String::new(),
    };
    let name = called(&error);
    // What arguments are called is only known when all is put together.
    let mut whole = command.clone();
    whole.build();
    let Some(argument) = find(&whole, &name) else { return error };
    if argument.is_hide_env_values_set()
        && let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
    {
        let shown = masked(value);
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    }
    // If it is wrong without the environment, too, it is on the command line.
    let alone = each_argument(command.clone(), &|argument| argument.env(Resettable::Reset));
    let is_argument = alone.try_get_matches_from(arguments).is_err_and(|other| called(&other) == name);
    if let Some(variable) = argument.get_env().filter(|_| !is_argument) {
        let name = format!("{} (environment, for {name})", variable.to_string_lossy());
        error.insert(ContextKind::InvalidArg, ContextValue::String(name));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::masked;

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
            ("keystone:5000", "keystone:5000"),
            ("x?", "x?"),
            ("", ""),
        ] {
            assert_eq!(masked(url), shown, "{url}");
        }
    }
}
