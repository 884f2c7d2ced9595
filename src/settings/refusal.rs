//! Refusals of commands that clap reads alone: they name variables, and hold no passwords.

use super::{layers::each_argument, origin::masked};
use clap::{
    Arg,
    builder::Resettable,
    error::{ContextKind, ContextValue},
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
