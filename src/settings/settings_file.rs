//! The settings file: TOML, whose keys are the names of options.

use super::{
    faults::Faults,
    layers::{Given, Layer, find, is_list, is_setting, is_switch, takes_several},
    origin::{Origin, Place, Shown, Source, harmless},
};
use clap::{Arg, Command};
use std::{ffi::OsString, fs::File, io::Read, ops::Range, path::Path};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Where the file is, unless somebody says.
pub const USUAL_FILE: &str = "/etc/cirrus/cirrus.toml";
/// What says that there is none.
pub const NONE: &str = "none";
/// Longer files are no settings, in bytes.
const MOST_BYTES: u64 = 1 << 20;
/// The mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Keys this much alike may be meant, of 1 for the same.
const ALIKE: f64 = 0.8;

/// The text of a file of settings.
///
/// # Errors
/// Why it can't be read.
pub fn text_of(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST_BYTES) {
        return Err(format!("it is longer than {MOST_BYTES} bytes"));
    }
    // Some editors begin a text with a mark.
    let bytes = bytes.strip_prefix(MARK).map(<[u8]>::to_vec).unwrap_or(bytes);
    String::from_utf8(bytes).map_err(|_| "it is no text in UTF-8".to_owned())
}

/// The one of these names that is most like this one, if any is.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = names.map(|known| (strsim::jaro_winkler(name, known), known));
    let alike = likeness.filter(|(likeness, _)| *likeness >= ALIKE);
    alike.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, known)| known)
}

/// What the file says: the one that was named (`given` says by whom), or the usual one, where there is one.
pub fn read(command: &Command, named: Option<&Path>, given: Option<&Given>, faults: &mut Faults) -> Layer {
    let file = match named {
        Some(file) if file.as_os_str() == NONE => return Layer::new(),
        Some(file) => file,
        None if Path::new(USUAL_FILE).symlink_metadata().is_ok() => Path::new(USUAL_FILE),
        None => return Layer::new(),
    };
    match text_of(file) {
        Ok(text) => read_text(command, file, &text, faults),
        Err(error) => {
            let shown = file.display().to_string();
            let told = match (find(command, "settings_file"), given) {
                (Some(argument), Some(given)) => Origin::new(argument, given.source.clone()).told(&shown),
                _ => shown,
            };
            faults.add(format!("{told}: {error}"));
            Layer::new()
        }
    }
}

/// What a text says.
pub fn read_text(command: &Command, file: &Path, text: &str, faults: &mut Faults) -> Layer {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        // Only its own words: a line of the file may have a password in it.
        let at = error.span().map_or(0, |span| span.start);
        faults.add(format!("{}: {}", Place::of(file, text, at), error.message()));
    }
    let mut layer = Layer::new();
    for (key, value) in table.get_ref() {
        let place = Place::of(file, text, key.span().start);
        let name = key.get_ref().as_ref();
        let known: Vec<&Arg> = command.get_arguments().filter(|argument| is_setting(argument)).collect();
        let Some(argument) = known.iter().find(|argument| argument.get_long() == Some(name)).copied() else {
            let meant = nearest(name, known.iter().filter_map(|argument| argument.get_long()));
            let meant = meant.map(|meant| format!("; is {meant} meant?")).unwrap_or_default();
            faults.add(format!("{place}: {}: there is no such setting{meant}", harmless(name)));
            continue;
        };
        let id = argument.get_id().to_string();
        if id == "settings_file" {
            faults.add(format!("{place}: {name}: this is the settings file; it can't name another one"));
            continue;
        }
        let source = Source::File(place.clone(), name.to_owned());
        match values(argument, value) {
            // As with variables, one without a value is none.
            Ok(values) if values.iter().all(String::is_empty) => {}
            Ok(values) => {
                layer.insert(id, Given { values: values.into_iter().map(OsString::from).collect(), source });
            }
            Err(why) => {
                let told = Origin::new(argument, source).told(&shown(argument, text, value.span()));
                faults.add_unknown(&id, format!("{told}: {why}"));
            }
        }
    }
    layer
}

/// A value as it stands in the file, if it may be shown.
fn shown(argument: &Arg, text: &str, span: Range<usize>) -> String {
    let value = text.get(span).unwrap_or_default();
    match Shown::of(argument) {
        Shown::Whole => value.split_whitespace().collect::<Vec<_>>().join(" "),
        Shown::Masked | Shown::Nothing => "...".to_owned(),
    }
}

/// The texts of a value.
fn values(argument: &Arg, value: &Spanned<DeValue>) -> Result<Vec<String>, String> {
    if is_switch(argument) && !value.get_ref().is_bool() {
        return Err("true or false is expected".to_owned());
    }
    let DeValue::Array(array) = value.get_ref() else { return Ok(vec![scalar(value.get_ref())?]) };
    if !is_list(argument) {
        return Err("one value is expected, not several".to_owned());
    }
    let texts = array.iter().map(|element| scalar(element.get_ref())).collect::<Result<Vec<_>, _>>()?;
    Ok(if takes_several(argument) || texts.is_empty() { texts } else { vec![texts.join(",")] })
}

fn scalar(value: &DeValue) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Boolean(boolean) => Ok(boolean.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().replace('_', "")),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err("a text, a whole number, true or false is expected".to_owned())
        }
    }
}
