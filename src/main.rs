//! Cirrus: a configuration API server for OpenContrail, Tungsten Fabric and OpenSDN, on PostgreSQL.

mod access;
mod api;
mod bus;
mod check;
mod client;
mod feed;
mod graph;
mod interface_route;
mod ipam;
mod json_text;
mod model;
mod python_literal;
mod render;
mod rules;
mod serve;
mod settings;
mod store;
mod supervision;
mod timestamp;
mod watch;
mod writer;

use clap::Parser;
use model::Model;
use settings::{Command, CommandLine, OpenApiSettings};
use std::{
    error::Error,
    fmt::Display,
    io::{IsTerminal, Write},
    process::ExitCode,
};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match CommandLine::parse().command {
        Command::Serve(settings) => settings,
        Command::InterfaceRoute(settings) => return exit(interface_route::run(&settings)),
        Command::Watch(settings) => return exit(watch::run(&settings)),
        Command::Check(settings) => return exit(check::run(&settings).await),
        Command::Openapi(settings) => return exit(print_openapi(&settings)),
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

/// The document, as it is in `openapi/`.
fn print_openapi(settings: &OpenApiSettings) -> Result<(), Box<dyn Error>> {
    let model = Model::read(settings.schema_dir.as_deref())?;
    let mut output = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut output, &api::openapi::document(&model))?;
    Ok(writeln!(output)?)
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
