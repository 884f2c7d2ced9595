//! Cirrus: a configuration API server for OpenContrail, Tungsten Fabric and OpenSDN, on PostgreSQL.

mod access;
mod api;
mod authentication;
mod bus;
mod change_log;
mod check;
mod client;
mod cql;
mod export;
mod feed;
mod finding;
mod graph;
mod import;
mod interface_route;
mod introspect;
mod ipam;
mod json_text;
mod logs;
mod manual;
mod metrics;
mod migrate;
mod model;
mod neutron;
mod new_token;
mod pace;
mod private_postgresql;
mod python_literal;
mod render;
mod replica;
mod rules;
mod seats;
mod serve;
mod settings;
mod signals;
mod store;
mod supervision;
mod timestamp;
mod tls;
mod watch;
mod web;
mod wide_row;
mod writer;

use clap::CommandFactory;
use logs::Logs;
use serve::StartError;
use settings::{Command, CommandLine, Faults, OpenApiSettings, ShownSettings};
use std::{fmt::Display, io::Write, process::ExitCode};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match CommandLine::read().command {
        Command::Serve(settings) => settings,
        Command::Settings(shown) => return print_settings(&shown),
        Command::InterfaceRoute(settings) => return exit(interface_route::run(&settings), |_| 1),
        Command::Watch(settings) => return exit(watch::run(&settings), |_| 1),
        Command::Check(settings) => return exit(check::run(&settings).await, check::CheckError::exit_status),
        Command::Migrate(settings) => {
            return exit(migrate::migrate(&settings).await, migrate::MigrationError::exit_status);
        }
        Command::NewEpoch(settings) => {
            return exit(migrate::new_epoch(&settings).await, migrate::MigrationError::exit_status);
        }
        Command::Export(settings) => return exit(export::run(&settings).await, export::ExportError::exit_status),
        Command::Import(settings) => return exit(import::run(&settings).await, import::ImportError::exit_status),
        Command::Token(command) => return exit(new_token::run(&command), |_| 1),
        Command::Openapi(settings) => return print_openapi(&settings),
        Command::Man(settings) => return exit(manual::write_pages(&settings, CommandLine::command()), |_| 1),
        Command::Completions(settings) => {
            return exit(manual::print_completions(&settings, CommandLine::command()), |_| 1);
        }
        Command::Rules => return exit(std::io::stdout().lock().write_all(rules::listing::page().as_bytes()), |_| 1),
        Command::Metrics => {
            return exit(std::io::stdout().lock().write_all(metrics::listing::page().as_bytes()), |_| 1);
        }
    };
    let logs = match Logs::start(&settings.logs.log, settings.logs.log_format) {
        Ok(logs) => logs,
        Err(error) => return exit(Err(settings.told("log", format!("{}: {error}", settings.logs.log))), |_| 2),
    };
    let ended = serve::serve(*settings, &logs).await;
    match &ended {
        // Whoever writes settings is a person.
        Err(StartError::Settings(text) | StartError::NotShared(text)) => logs.last_word_to_person(text),
        Err(error) => logs.last_word(error),
        Ok(()) => {}
    }
    logs.flush();
    ended.err().map_or(ExitCode::SUCCESS, |error| ExitCode::from(error.exit_status()))
}

/// The settings that `serve` would have, and what is wrong with them; or the file of defaults.
fn print_settings(shown: &ShownSettings) -> ExitCode {
    let text = if shown.defaults { settings::default_file() } else { shown.serve.effective() };
    let printed = std::io::stdout().lock().write_all(text.as_bytes());
    let faults = if shown.defaults { Faults::default() } else { serve::faults(&shown.serve) };
    match printed {
        Ok(()) if faults.is_empty() => ExitCode::SUCCESS,
        Ok(()) => exit(Err(faults), |_| 2),
        Err(error) => exit(Err(error), |_| 1),
    }
}

/// The document, as it is in `openapi/`.
fn print_openapi(settings: &OpenApiSettings) -> ExitCode {
    let model = match settings.read_model() {
        Ok(model) => model,
        Err(text) => return exit(Err(text), |_| 2),
    };
    let print = || {
        let mut output = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut output, &api::openapi::document(&model))?;
        writeln!(output)
    };
    exit(print(), |_| 1)
}

/// The end of the process: what went wrong in one line on standard error, and its status.
fn exit<E: Display>(result: Result<(), E>, status: impl FnOnce(&E) -> u8) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What a file, a server or a database says may be in it.
            let is_harmless = |letter: char| letter == '\n' || !letter.is_control();
            let text: String =
                error.to_string().chars().map(|letter| if is_harmless(letter) { letter } else { '\u{fffd}' }).collect();
            eprintln!("cirrus: {text}");
            ExitCode::from(status(&error))
        }
    }
}
