//! Cirrus: a configuration API server for OpenContrail, Tungsten Fabric and OpenSDN, on PostgreSQL.

mod access;
mod api;
mod graph;
mod ipam;
mod json_text;
// The loader reads every fact of the schema; some (operations, defaults, deprecation) have no reader yet.
#[allow(dead_code, unused_imports)]
mod model;
mod python_literal;
mod rules;
mod serve;
mod settings;
mod store;
mod timestamp;
mod writer;

use clap::Parser;
use settings::{Command, CommandLine};
use std::{io::IsTerminal, process::ExitCode};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Serve(settings) = CommandLine::parse().command;
    let filter = match EnvFilter::try_new(&settings.log) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("cirrus: --log {}: {error}", settings.log);
            return ExitCode::FAILURE;
        }
    };
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    match serve::serve(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cirrus: {error}");
            ExitCode::FAILURE
        }
    }
}
