//! Refusals of commands that clap reads alone: they name variables, and hold no passwords.

use super::{
    layers::{each_argument, word},
    origin::{Shown, harmless},
};
use clap::{
    Arg,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::ffi::OsString;

/// The argument that is called so, as `--quota <KEY=LIMIT,..>`.
fn find<'a>(command: &'a clap::Command, called: &str) -> Option<&'a Arg> {
    let own = command.get_arguments().find(|argument| argument.to_string() == called);
    own.or_else(|| command.get_subcommands().find_map(|below| find(below, called)))
}

/// A refusal of a value, which names the variable where it is in the environment, and holds no password.
pub fn with_origin(mut error: clap::Error, command: &clap::Command, arguments: &[OsString]) -> clap::Error {
    let called = |error: &clap::Error| match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(called)) => called.clone(),
        _ => String::new(),
    };
    let name = called(&error);
    // What arguments are called is only known when all is put together.
    let mut whole = command.clone();
    whole.build();
    if let Some(ContextValue::String(text)) = error.get(ContextKind::InvalidSubcommand) {
        let shown = word(text);
        error.insert(ContextKind::InvalidSubcommand, ContextValue::String(shown));
        return error;
    }
    if error.kind() == ErrorKind::UnknownArgument {
        let (option, value) = name.split_once('=').map_or((name.as_str(), None), |(name, value)| (name, Some(value)));
        let is_option =
            option.starts_with('-') && option.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let shown = match value {
            None if is_option => harmless(option),
            Some(_) if is_option => format!("{}=...", harmless(option)),
            _ => word(&name),
        };
        error.insert(ContextKind::InvalidArg, ContextValue::String(shown));
        // How to say it as a value would repeat it.
        error.remove(ContextKind::Suggested);
        return error;
    }
    let Some(argument) = find(&whole, &name) else { return error };
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
        let shown = Shown::of(argument).part(value);
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
