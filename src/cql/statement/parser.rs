//! Statements out of words.

use super::{Parsed, Statement, SyntaxError};

/// Reads a text.
pub fn parse(text: &str) -> Result<Parsed, SyntaxError> {
    Ok(Parsed { statement: Statement::Unsupported(text.to_owned()), markers: Vec::new() })
}
