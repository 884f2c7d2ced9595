//! Forms: how they are made so that no other site can send them, and how they are read.

use super::session;
use crate::api::{Answered, ApiError, pages::Asked};
use actix_web::http::StatusCode;
use maud::{Markup, html};

/// The fields of a form that was sent, in their order.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// These, for tests.
    #[cfg(test)]
    pub fn of(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// All of them, as they were typed.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a field, without white space around it; the empty text where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.as_given(name).trim()
    }

    /// The same as it was typed.
    pub fn as_given(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// A form that does something: `action` is a page with the method POST.
pub fn post(asked: &Asked<'_>, action: &str, content: &Markup) -> Markup {
    html! {
        form method="post" action=(action) autocomplete="off" {
            input type="hidden" name=(session::FORM_TOKEN) value=(session::form_token(asked));
            (content)
        }
    }
}

/// The fields of the form that this page was sent.
///
/// # Errors
/// 400 for what is no form, 403 for one that no page has made for this browser.
pub fn read(asked: &Asked<'_>) -> Answered<Fields> {
    let (fields, is_own) = look(asked)?;
    if is_own {
        return Ok(fields);
    }
    let text = "This form was made for another session. Nothing was done. Load the page again, and send it then.";
    Err(ApiError::new(StatusCode::FORBIDDEN, text))
}

/// The fields, and whether their form was made for this browser: if not, it may be shown again, and nothing else.
///
/// # Errors
/// 400 for what is no form.
pub fn look(asked: &Asked<'_>) -> Answered<(Fields, bool)> {
    let fields = Fields(asked.call.form()?);
    let is_own = session::is_of(asked.call, fields.as_given(session::FORM_TOKEN));
    Ok((fields, is_own))
}

/// A field with its label, and what is to be known of it.
pub fn text_field(name: &str, label: &str, kind: &str, value: &str, hint: &str) -> Markup {
    let hint_id = format!("{name}-hint");
    html! {
        div .field {
            label for=(name) { (label) }
            input id=(name) name=(name) type=(kind) value=(value) aria-describedby=[(!hint.is_empty()).then_some(&hint_id)];
            @if !hint.is_empty() { small id=(hint_id) { (hint) } }
        }
    }
}
