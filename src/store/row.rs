//! Values of a row as the program has them: what can't be one is an error that names the column, never a default.

use super::StoreError;
use sqlx::{Row, postgres::PgRow};

/// A number that counts something.
///
/// # Errors
/// When it is negative, or none.
pub fn number(row: &PgRow, column: &str) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| StoreError::Row(format!("{column} is {number}")))
}

/// JSON in a text.
///
/// # Errors
/// When it is none, or says something else than what is expected.
pub fn json<'a, T: serde::Deserialize<'a>>(column: &str, text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Row(format!("{column}: {error}")))
}

/// JSON in a column that is read as a text, and may be null.
///
/// # Errors
/// As [`json`].
pub fn json_if_any<T: serde::de::DeserializeOwned>(row: &PgRow, column: &str) -> Result<Option<T>, StoreError> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(|text| json(column, text)).transpose()
}
