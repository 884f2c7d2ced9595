//! Cirrus: a configuration API server for OpenContrail, Tungsten Fabric and OpenSDN, on PostgreSQL.

mod access;
mod api;
mod client;
mod feed;
mod graph;
mod interface_route;
mod ipam;
mod json_text;
// The loader reads every fact of the schema; some (operations, defaults, deprecation) have no reader yet.
#[allow(dead_code, unused_imports)]
mod model;
mod python_literal;
mod render;
mod rules;
mod serve;
mod settings;
mod store;
mod timestamp;
mod watch;
mod writer;

use clap::Parser;
use settings::{Command, CommandLine};
use std::{fmt::Display, io::IsTerminal, process::ExitCode};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match CommandLine::parse().command {
        Command::Serve(settings) => settings,
        Command::InterfaceRoute(settings) => return exit(interface_route::run(&settings)),
        Command::Watch(settings) => return exit(watch::run(&settings)),
    };
    let filter = match EnvFilter::try_new(&settings.log) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("cirrus: --log {}: {error}", settings.log);
            return ExitCode::FAILURE;
        }
    };
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    exit(serve::serve(*settings).await)
}

/// The end of the process: what went wrong in one line on standard error.
fn exit<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cirrus: {error}");
            ExitCode::FAILURE
        }
    }
}
