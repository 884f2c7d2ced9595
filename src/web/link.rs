//! Where things are.

use crate::model::ObjectType;
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

/// What stands for itself in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Longer texts are cut where they are only a name for something; in characters.
const LONGEST: usize = 120;

/// A segment of a path.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The page of an object.
pub fn object_path(kind: &str, uuid: Uuid) -> String {
    format!("/ui/object/{}/{uuid}", segment(kind))
}

/// A link to an object, called so; its full name is told on demand.
pub fn object(kind: &str, uuid: Uuid, fq_name: &[&str]) -> Markup {
    let name = fq_name.last().copied().unwrap_or_default();
    let full = fq_name.join(":");
    html! { a href=(object_path(kind, uuid)) title=(full) { (shortened(if name.is_empty() { "(no name)" } else { name })) } }
}

/// The list of a type, with arguments.
pub fn list_path(kind: &ObjectType, arguments: &[(&str, &str)]) -> String {
    with_arguments(&format!("/ui/type/{}", segment(&kind.name)), arguments)
}

/// A path with arguments, without those that are empty.
pub fn with_arguments(path: &str, arguments: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(arguments.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A text that may be long, as one line.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
