//! Files that hold a password, and nothing else.

use std::{fs, io, path::Path};

/// The password in a file, without the end of its line.
///
/// # Errors
/// The file can't be read, or there is no password in it.
pub fn read_password(file: &Path) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "there is no password in it"));
    }
    Ok(password.to_owned())
}
