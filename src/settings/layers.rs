//! From the command line, the environment and files to settings: flags, then variables, then the settings file, then
//! contrail-api's files, then defaults.
//!
//! What is a setting is not listed anywhere: it is each argument of `serve` that has an environment variable. What a layer says of
//! it is tried alone, with the argument's own parser; what is wrong is noted and left out, and what is left is put together as one
//! command line. So all that is wrong is told at once, and what arguments want of each other (`requires`, `conflicts_with`)
//! holds across the layers.

use super::{
    conf::{self, Note},
    faults::Faults,
    origin::{Origin, Origins, Shown, Source, harmless},
    settings_file,
};
use clap::{
    Arg, ArgAction, ArgMatches, Command, Error,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
    value_parser,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    error::Error as _,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

/// What a layer says of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its values; several where the argument takes several.
    pub values: Vec<OsString>,
    /// Where they are from.
    pub source: Source,
}

impl Given {
    /// As one text.
    pub fn text(&self) -> String {
        self.values.iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(",")
    }
}

/// What a layer says, by the ids of arguments.
pub type Layer = BTreeMap<String, Given>;

/// What came of all layers.
pub struct Read {
    /// What was put together, with nothing in it that is wrong.
    pub matches: ArgMatches,
    /// Where each setting came from.
    pub origins: Origins,
    /// What each setting that was given says.
    pub given: Layer,
    /// What is wrong.
    pub faults: Faults,
    /// What is to be told of contrail-api's files.
    pub notes: Vec<Note>,
}

/// Whether an argument is a setting, which variables and files may say, too.
pub fn is_setting(argument: &Arg) -> bool {
    argument.get_env().is_some()
}

/// Whether it is said only that it is so.
pub fn is_switch(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::SetTrue)
}

/// Whether it takes several values.
pub fn takes_several(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append)
}

/// Whether its text is a list: several values joined by commas.
pub fn is_list(argument: &Arg) -> bool {
    let names = argument.get_value_names().unwrap_or_default();
    takes_several(argument) || names.last().is_some_and(|name| name.ends_with(",.."))
}

/// Reads the settings of a command whose name is the second argument.
///
/// # Errors
/// That help was asked for, or that there is something on the command line that can't be made sense of.
pub fn read(program: &Command, arguments: &[OsString]) -> Result<Read, Error> {
    let mut faults = Faults::default();
    let name = arguments.get(1).cloned().unwrap_or_default();
    let found = program.find_subcommand(&name);
    // Help and versions are the program's own matter.
    let asks = |argument: &OsString| ["-h", "--help", "-V", "--version"].iter().any(|help| argument == help);
    if let (Some(help), Some(_)) = (arguments.iter().skip(2).find(|argument| asks(argument)), found) {
        let asked = [arguments.first().cloned().unwrap_or_default(), name.clone(), help.clone()];
        program.clone().try_get_matches_from(asked)?;
    }
    let Some(command) = found else {
        return Err(program.clone().error(ErrorKind::InvalidSubcommand, "a command is expected"));
    };
    let on_line = Line::read(command, arguments.get(2..).unwrap_or_default(), &mut faults)?;
    let (given, notes) = merged(command, on_line.settings, &mut faults);
    let kept = good(command, &given, &mut faults);
    let matches = put_together(program, &name, &kept, &on_line.others, &given, &mut faults)?;
    let origin = |argument: &Arg| {
        let field = argument.get_id().as_str();
        let source = given.get(field).map(|given| given.source.clone()).unwrap_or_default();
        (field.to_owned(), Origin::new(argument, source))
    };
    let origins = command.get_arguments().filter(|argument| is_setting(argument)).map(origin).collect();
    Ok(Read { matches, origins, given, faults, notes })
}

/// What the layers say together: each setting from the first one that says something.
fn merged(command: &Command, on_line: Layer, faults: &mut Faults) -> (Layer, Vec<Note>) {
    let mut given = on_line;
    let fill = |given: &mut Layer, layer: Layer| {
        for (id, says) in layer {
            given.entry(id).or_insert(says);
        }
    };
    let in_environment = of_environment(command);
    fill(&mut given, in_environment);
    let said = given.get("settings_file").and_then(|given| given.values.first()).map(PathBuf::from);
    let in_file = settings_file::read(command, said.as_deref(), given.get("settings_file"), faults);
    fill(&mut given, in_file);
    let files: Vec<PathBuf> = given.get("conf_file").map(files).unwrap_or_default();
    if files.is_empty() {
        return (given, Vec::new());
    }
    let told = |file: &str| match (find(command, "conf_file"), given.get("conf_file")) {
        (Some(argument), Some(given)) => Origin::new(argument, given.source.clone()).told(file),
        _ => file.to_owned(),
    };
    let (in_conf, notes) = conf::read(&files, &given, told, faults);
    fill(&mut given, in_conf);
    (given, notes)
}

fn files(given: &Given) -> Vec<PathBuf> {
    let texts = given.values.iter().flat_map(|value| match value.to_str() {
        Some(text) => text.split(',').map(OsString::from).collect(),
        None => vec![value.clone()],
    });
    texts.filter(|text| !text.is_empty()).map(PathBuf::from).collect()
}

/// What variables say. One without a value is none: that is how files of variables leave out a setting.
fn of_environment(command: &Command) -> Layer {
    let given = |argument: &Arg| {
        let name = argument.get_env()?;
        let value = env::var_os(name).filter(|value| !value.is_empty())?;
        let source = Source::Variable(name.to_string_lossy().into_owned());
        Some((argument.get_id().to_string(), Given { values: vec![value], source }))
    };
    command.get_arguments().filter_map(given).collect()
}

/// The argument with this id.
pub fn find<'a>(command: &'a Command, id: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| argument.get_id() == id)
}

/// The command with all its arguments changed, also those of commands below it.
pub fn each_argument(command: Command, change: &impl Fn(Arg) -> Arg) -> Command {
    command.mut_args(change).mut_subcommands(|below| each_argument(below, change))
}

/// What the command line says.
struct Line {
    settings: Layer,
    /// Arguments that are no settings, as they came.
    others: Vec<OsString>,
}

impl Line {
    /// Takes everything that has a known name, whatever its value.
    fn read(command: &Command, arguments: &[OsString], faults: &mut Faults) -> Result<Self, Error> {
        let lenient = command.get_arguments().map(|argument| {
            let takes_value = argument.get_action().takes_values();
            let bare = bare(argument);
            if takes_value {
                bare.action(ArgAction::Append).value_parser(value_parser!(OsString))
            } else {
                bare.action(ArgAction::Count).value_parser(Resettable::Reset)
            }
        });
        let lenient = Command::new("cirrus").no_binary_name(true).disable_help_flag(true).args(lenient);
        let mut left = arguments.to_vec();
        let matches = loop {
            let error = match lenient.clone().try_get_matches_from(&left) {
                Ok(matches) => break matches,
                Err(error) => error,
            };
            let before = left.len();
            faults.add(not_understood(&error, &mut left));
            if left.len() == before {
                // It can't be found in what there is, so it can't be left out.
                return Err(error);
            }
        };
        let mut line = Self { settings: Layer::new(), others: Vec::new() };
        for argument in command.get_arguments() {
            line.take(argument, &matches, faults);
        }
        Ok(line)
    }

    fn take(&mut self, argument: &Arg, matches: &ArgMatches, faults: &mut Faults) {
        let id = argument.get_id().as_str();
        let option = argument.get_long().map(|long| format!("--{long}")).unwrap_or_default();
        if !argument.get_action().takes_values() {
            if matches.get_count(id) == 0 {
                return;
            }
            if is_setting(argument) {
                self.settings.insert(id.to_owned(), Given { values: vec!["true".into()], source: Source::Option });
            } else {
                self.others.push(option.into());
            }
            return;
        }
        let Some(values) = matches.get_raw(id) else { return };
        let mut values: Vec<OsString> = values.map(OsStr::to_owned).collect();
        if Shown::of(argument) == Shown::Nothing {
            let variable = argument.get_env().unwrap_or_default().to_string_lossy();
            let text = format!(
                "{option}: there it is seen by everybody on this machine; say it in {variable}, or in the settings file"
            );
            return faults.add_unknown(id, text);
        }
        if values.len() > 1 && !takes_several(argument) {
            let shown = values.iter().map(|value| Shown::of(argument).part(&value.to_string_lossy()));
            let text = format!("{option} {}: it is given more than once", shown.collect::<Vec<_>>().join(", "));
            faults.add_unknown(id, text);
            // Only that is told.
            values.truncate(1);
        }
        self.settings.insert(id.to_owned(), Given { values, source: Source::Option });
    }
}

/// The argument alone: without a default, and without what it wants of others.
fn bare(argument: &Arg) -> Arg {
    let alone = argument.clone().env(Resettable::Reset).requires(Resettable::Reset).conflicts_with(Resettable::Reset);
    alone.default_value(Resettable::Reset).required(false)
}

fn context(error: &Error, kind: ContextKind) -> Vec<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.as_str()],
        Some(ContextValue::Strings(texts)) => texts.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// What is said of an argument that can't be made sense of; it is taken out of what is left.
fn not_understood(error: &Error, left: &mut Vec<OsString>) -> String {
    let called = context(error, ContextKind::InvalidArg).first().copied().unwrap_or_default().to_owned();
    let name = called.split_whitespace().next().unwrap_or_default().trim_end_matches("...");
    let is_it = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        argument == name || argument.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
    };
    let is_value = |argument: &OsString| !argument.to_string_lossy().starts_with('-');
    let expects_value = error.kind() == ErrorKind::InvalidValue;
    let here = |(index, argument): &(usize, &OsString)| {
        is_it(argument) && (!expects_value || !left.get(index + 1).is_some_and(is_value))
    };
    if let Some(index) = left.iter().enumerate().find(here).map(|(index, _)| index) {
        let is_whole = left.get(index).is_some_and(|argument| argument == name);
        left.remove(index);
        // What follows one that is not known is its value.
        if is_whole && name.starts_with('-') && !expects_value && left.get(index).is_some_and(is_value) {
            left.remove(index);
        }
    }
    match error.kind() {
        ErrorKind::UnknownArgument if name.starts_with('-') => {
            let nearest =
                context(error, ContextKind::SuggestedArg).first().map(|nearest| format!("; is {nearest} meant?"));
            format!("{name}: there is no such option{}", nearest.unwrap_or_default())
        }
        ErrorKind::UnknownArgument => format!("{}: only options are expected", word(name)),
        ErrorKind::InvalidValue => format!("{called}: the value is missing"),
        ErrorKind::TooManyValues => format!("{name}: it takes no value"),
        kind => format!("{called}: {kind}"),
    }
}

/// A word that nobody expects: it may be the address of something, or a part of one, with a password in it.
pub fn word(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./".contains(letter);
    if text.chars().all(is_plain) { harmless(text) } else { "...".to_owned() }
}

/// Those that are good by themselves.
fn good(command: &Command, given: &Layer, faults: &mut Faults) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    for (id, says) in given {
        let Some(argument) = find(command, id) else { continue };
        match check(argument, says) {
            Ok(()) => {
                kept.insert(id.clone());
            }
            Err(why) => {
                let told = Origin::new(argument, says.source.clone()).told(&says.text());
                faults.add_unknown(id, format!("{told}: {why}"));
            }
        }
    }
    kept
}

/// Whether the argument takes that.
pub fn check(argument: &Arg, given: &Given) -> Result<(), String> {
    if is_switch(argument) {
        let is_one = given.values.iter().all(|value| value == "true" || value == "false");
        return if is_one { Ok(()) } else { Err("true or false is expected".to_owned()) };
    }
    let error = match tried(argument, given.values.iter().map(OsString::as_os_str)) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let why = match error.kind() {
        ErrorKind::InvalidUtf8 => "a text in UTF-8 is expected".to_owned(),
        ErrorKind::InvalidValue => {
            format!("one of these is expected: {}", context(&error, ContextKind::ValidValue).join(", "))
        }
        kind => error.source().map_or_else(|| kind.to_string(), ToString::to_string),
    };
    Err(with_limits(argument, why))
}

fn tried<'a>(argument: &Arg, values: impl Iterator<Item = &'a OsStr>) -> Result<(), Error> {
    let command = Command::new("cirrus").no_binary_name(true).disable_help_flag(true).arg(bare(argument));
    command.try_get_matches_from(values.map(|value| assigned(argument, value))).map(|_| ())
}

/// A number that is too large is told what is allowed; one that is no number is told the same here.
fn with_limits(argument: &Arg, why: String) -> String {
    let limits = |text: &str| text.split_once(" is not in ").map(|(_, limits)| limits.to_owned());
    let largest = i64::MAX.to_string();
    let is_number = why.contains("invalid digit") || why.contains("too large") || why.contains("number would be zero");
    let told = match limits(&why) {
        None if is_number => match tried(argument, [OsStr::new(&largest)].into_iter()) {
            Err(error) => error.source().and_then(|source| limits(&source.to_string())),
            Ok(()) => return format!("{why}; a whole number is expected"),
        },
        limits => limits,
    };
    told.map_or(why, |limits| format!("a whole number in {limits} is expected"))
}

/// `--long=value`
fn assigned(argument: &Arg, value: &OsStr) -> OsString {
    let mut text = OsString::from(format!("--{}=", argument.get_long().unwrap_or_default()));
    text.push(value);
    text
}

/// What is said of this setting, as on a command line.
fn as_arguments(command: &Command, id: &str, given: &Layer) -> Vec<OsString> {
    let (Some(argument), Some(says)) = (find(command, id), given.get(id)) else { return Vec::new() };
    if !is_switch(argument) {
        return says.values.iter().map(|value| assigned(argument, value)).collect();
    }
    let is_so = says.values.iter().any(|value| value == "true");
    let option = format!("--{}", argument.get_long().unwrap_or_default());
    if is_so { vec![option.into()] } else { Vec::new() }
}

/// Puts together what is good by itself, without what lacks or contradicts something.
fn put_together(
    program: &Command,
    name: &OsStr,
    kept: &BTreeSet<String>,
    others: &[OsString],
    given: &Layer,
    faults: &mut Faults,
) -> Result<ArgMatches, Error> {
    let Some(command) = program.find_subcommand(name) else {
        return Err(program.clone().error(ErrorKind::InvalidSubcommand, "a command is expected"));
    };
    // Variables have been read already.
    let alone = each_argument(program.clone(), &|argument| argument.env(Resettable::Reset));
    let told = |id: &str| match (find(command, id), given.get(id)) {
        (Some(argument), Some(says)) => Origin::new(argument, says.source.clone()).told(&says.text()),
        _ => id.to_owned(),
    };
    let id_of = |called: &str| {
        let long = called.split_whitespace().next().unwrap_or_default().trim_start_matches("--");
        let found = command.get_arguments().find(|argument| argument.get_long() == Some(long));
        found.map(|argument| argument.get_id().to_string())
    };
    let try_with = |ids: &mut dyn Iterator<Item = &String>| {
        let settings = ids.flat_map(|id| as_arguments(command, id, given));
        let all = [OsString::from("cirrus"), name.to_owned()].into_iter().chain(settings).chain(others.iter().cloned());
        alone.clone().try_get_matches_from(all)
    };
    // What each one needs is found out with that one alone.
    let needs: BTreeMap<&String, Vec<String>> = kept
        .iter()
        .filter_map(|id| match try_with(&mut [id].into_iter()) {
            Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
                let needed = context(&error, ContextKind::InvalidArg);
                Some((id, needed.into_iter().map(str::to_owned).collect()))
            }
            _ => None,
        })
        .collect();
    for (id, needed) in &needs {
        let is_missing = |called: &&String| id_of(called).is_none_or(|id| !given.contains_key(&id));
        let missing: Vec<&str> = needed.iter().filter(is_missing).map(String::as_str).collect();
        if !missing.is_empty() {
            let are = if missing.len() == 1 { "is" } else { "are" };
            faults.add(format!("{}: {} {are} needed, too", told(id), missing.join(" and ")));
        }
    }
    let mut kept = kept.clone();
    loop {
        let lacks = |id: &&String| {
            let needed = needs.get(id).map(Vec::as_slice).unwrap_or_default();
            needed.iter().any(|called| id_of(called).is_none_or(|id| !kept.contains(&id)))
        };
        if let Some(id) = kept.iter().find(lacks).cloned() {
            kept.remove(&id);
            faults.forget(&id);
            continue;
        }
        let error = match try_with(&mut kept.iter()) {
            Ok(matches) => return Ok(matches),
            Err(error) => error,
        };
        let in_the_way = context(&error, ContextKind::InvalidArg).first().and_then(|called| id_of(called));
        let Some(id) = in_the_way.filter(|id| kept.remove(id)) else { return Err(error) };
        let others = context(&error, ContextKind::PriorArg)
            .into_iter()
            .map(|called| id_of(called).map_or_else(|| called.to_owned(), |id| told(&id)));
        let others: Vec<String> = others.collect();
        faults.add_unknown(&id, format!("{}: it can't be together with {}", told(&id), others.join(", ")));
    }
}
