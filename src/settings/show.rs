//! `cirrus settings`: what counts, and where it is from; and the file of defaults. Both are settings files.

use super::{
    CommandLine, ServeSettings,
    layers::{is_list, is_setting, is_switch},
    origin::{Origin, Shown, Source},
};
use clap::{Arg, Args, CommandFactory};
use std::fmt::Write;
use toml::Value;

/// How wide comments are, in letters.
const WIDTH: usize = 118;

/// What to print.
#[derive(Args, Debug)]
pub struct ShownSettings {
    /// Print the settings file of defaults, with all settings explained, for /etc/cirrus/cirrus.toml
    #[arg(long)]
    pub defaults: bool,

    /// How `serve` would be started.
    #[command(flatten)]
    pub serve: ServeSettings,
}

/// What `cirrus settings --defaults` begins with.
const HEAD: &str = "\
# Settings of `cirrus serve`, for /etc/cirrus/cirrus.toml; printed by `cirrus settings --defaults`. What is commented out is the
# default, \"\" and [] where there is none. Options of the command line and variables of the environment (CIRRUS_LISTEN for listen,
# and so on) win over this file. `cirrus settings` prints what counts, from where, and what is wrong.
#
# Whoever may read this file may read the passwords in it: install -m 640 -g cirrus cirrus.toml /etc/cirrus/cirrus.toml
";

/// The file of defaults, made of the options themselves.
pub fn default_file() -> String {
    let mut text = HEAD.to_owned();
    for argument in serve_command().get_arguments().filter(|argument| may_stand_in_file(argument)) {
        let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let values: Vec<String> =
            argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let is_named = values.iter().any(|value| value != "true" && value != "false");
        let choice = if is_named { format!(" One of: {}", values.join(", ")) } else { String::new() };
        text.push('\n');
        for line in wrapped(&format!("{}.{choice}", help.trim().trim_end_matches('.'))) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "#{}", assigned(argument, &default_of(argument)));
    }
    text
}

/// The options of `serve`.
fn serve_command() -> clap::Command {
    let program = CommandLine::command();
    program.find_subcommand("serve").cloned().unwrap_or(program)
}

fn may_stand_in_file(argument: &Arg) -> bool {
    is_setting(argument) && argument.get_id() != "settings_file"
}

fn default_of(argument: &Arg) -> String {
    if is_switch(argument) {
        return "false".to_owned();
    }
    let values = argument.get_default_values().iter().map(|value| value.to_string_lossy());
    values.collect::<Vec<_>>().join(",")
}

/// `key = value`, as TOML has it.
fn assigned(argument: &Arg, value: &str) -> String {
    let text = |text: &str| Value::String(text.to_owned()).to_string();
    let is_number = value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    let shown = match value {
        value if is_list(argument) && Shown::of(argument) == Shown::Whole => {
            let values: Vec<String> = value.split(',').filter(|value| !value.is_empty()).map(text).collect();
            format!("[{}]", values.join(", "))
        }
        "true" | "false" => value.to_owned(),
        value if is_number => value.to_owned(),
        value => text(value),
    };
    format!("{} = {shown}", argument.get_long().unwrap_or_default())
}

/// A text in lines.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

impl ServeSettings {
    /// The settings that count, each with where it is from, without passwords.
    pub fn effective(&self) -> String {
        let mut text = String::new();
        let command = serve_command();
        for note in self.notes() {
            let _ = writeln!(text, "# {}", note.text);
        }
        if !text.is_empty() {
            text.push('\n');
        }
        for argument in command.get_arguments().filter(|argument| is_setting(argument)) {
            let id = argument.get_id().as_str();
            let origin = self.origins.get(id).cloned().unwrap_or_else(|| Origin::new(argument, Source::Default));
            let (value, from) = match self.given.get(id) {
                Some(given) => (given.text(), origin.place()),
                None => (default_of(argument), "default".to_owned()),
            };
            // One that has no value is none, and one that names this file can't stand in it.
            let is_line = !value.is_empty() && may_stand_in_file(argument);
            let line = assigned(argument, &origin.shown.part(&value));
            let from = if value.is_empty() { "not set".to_owned() } else { from };
            let _ = writeln!(text, "{}{line}  # {from}", if is_line { "" } else { "#" });
        }
        text
    }
}
