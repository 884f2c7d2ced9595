//! Fields of a body that nothing is known of. They are passed over, since clients send whole objects back and those of other
//! releases know other fields; but a misspelt one should not go unnoticed: it is named in a `Warning` (RFC 7234, 5.5), and
//! refused where the client asks for that.

use super::{
    call::Call,
    error::{Answered, ApiError},
};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// How many fields are named at most.
const MOST_NAMED: usize = 10;
/// How many characters of a name are shown at most.
const LONGEST_NAME: usize = 64;

/// Says in the answer which fields were passed over, or refuses them.
///
/// # Errors
/// 400 with `?strict=true`.
pub fn check(call: &Call, of: &str, unknown: &[String]) -> Answered<()> {
    if unknown.is_empty() {
        return Ok(());
    }
    let named = list(unknown);
    if call.query.get("strict").is_some_and(|value| value.to_lowercase().contains("true")) {
        return Err(ApiError::bad_request(format!("Bad Request, unknown fields of {of}: {named}")));
    }
    *call.warning.borrow_mut() = Some(format!("299 cirrus \"Unknown fields of {of} are ignored: {named}\""));
    Ok(())
}

/// The members of a body that are not among these.
pub fn beside(body: &Map<String, Value>, known: &[&str]) -> Vec<String> {
    body.keys().filter(|name| !known.contains(&name.as_str())).cloned().collect()
}

/// Names for a header: few, short, and of characters that mean nothing in it.
fn list(names: &[String]) -> String {
    let safe =
        |character: char| if character.is_ascii_graphic() && !"\"\\,".contains(character) { character } else { '?' };
    let shown = |name: &String| {
        let mut shown: String = name.chars().take(LONGEST_NAME).map(safe).collect();
        if name.chars().count() > LONGEST_NAME {
            shown.push_str("...");
        }
        shown
    };
    let mut text = names.iter().take(MOST_NAMED).map(shown).collect::<Vec<_>>().join(", ");
    if names.len() > MOST_NAMED {
        // Writing to a text does not fail.
        let _ = write!(text, " and {} more", names.len() - MOST_NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few_short_and_harmless() {
        let of = |names: &[&str]| list(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["display_nmae", "mtu_"]), "display_nmae, mtu_");
        assert_eq!(of(&["a\"b\\c,d e\r\nX: y\u{fc}"]), "a?b?c?d?e??X:?y?");
        assert_eq!(of(&["x".repeat(65).as_str()]), format!("{}...", "x".repeat(64)));
        assert_eq!(of(&["f"; 12]), format!("{} and 2 more", ["f"; 10].join(", ")));
    }
}
