//! `cirrus man` and `cirrus completions`: manual pages and completions of the command line, made of the command line itself. Packages
//! are made with them; people get them installed, so `--help` does not show them.

use clap::{Args, Command};
use clap_complete::Shell;
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

/// Where to put manual pages.
#[derive(Args, Debug)]
pub struct ManualPages {
    /// The directory for them; it is made if it is not there
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Which shell to complete in.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Writes `cirrus.1`, and a page for each command that is not hidden, `cirrus-serve.1` for example.
///
/// # Errors
/// Names the directory, and why nothing can be written there.
pub fn write_pages(settings: &ManualPages, command_line: Command) -> Result<(), String> {
    let directory = &settings.directory;
    let written = fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(command_line, directory));
    written.map_err(|error| format!("{}: {error}", directory.display()))
}

/// Prints what the shell has to read.
///
/// # Errors
/// When standard output takes nothing.
pub fn print_completions(settings: &Completions, mut command_line: Command) -> io::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(settings.shell, &mut command_line, "cirrus", &mut text);
    io::stdout().lock().write_all(&text)
}
