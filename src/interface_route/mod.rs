//! `cirrus interface-route`: the static routes of an interface, over HTTP, on any server that speaks the interface of
//! contrail-api.
//!
//! They are the routes of one interface-route-table, to which the interface refers. It has the interface's uuid as its name, and
//! is in the interface's project, so that whoever may change the interface may change it, too; scripts and earlier releases made
//! it in `default-domain:default-project`, and where it is there for the caller, it goes on being used. The table is there as
//! long as it has a route. A run that was interrupted between table and reference is finished by the next one that adds or deletes.

mod settings;
mod static_routes;

pub use settings::InterfaceRouteSettings;

use crate::client::{ApiServer, ClientError};
use serde_json::{Value, json};
use settings::Action;
use static_routes::StaticRoutes;
use std::io::Write;

/// Why nothing, or not all, was done: one line for the user.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceRouteError {
    /// The server has no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no such interface.
    #[error("there is no virtual-machine-interface {0}")]
    NoInterface(String),
    /// The route is there already.
    #[error("the interface has a static route {0} already")]
    Present(String),
    /// The route is not there.
    #[error("the interface has no static route {0}")]
    Absent(String),
    /// There is nothing to delete.
    #[error("the interface has no static routes")]
    NoRoutes,
    /// Standard output is closed.
    #[error("{0}")]
    Output(#[from] std::io::Error),
}

/// Does what the command line says. Blocks.
///
/// # Errors
/// What the user has to know; the exit status is 1 then.
pub fn run(settings: &InterfaceRouteSettings) -> Result<(), InterfaceRouteError> {
    let server = ApiServer::new(&settings.server, "interface-route")?;
    let routes = |interface: &str| StaticRoutes::of(&server, &settings::interface(interface)?);
    match &settings.action {
        Action::Add { interface, prefix } => {
            let prefix = settings::prefix(prefix)?;
            routes(interface)?.add(&prefix)
        }
        Action::Delete { interface, prefix } => {
            let prefix = prefix.as_deref().map(settings::prefix).transpose()?;
            routes(interface)?.delete(prefix.as_deref())
        }
        Action::Show { interface, json } => Ok(show(&routes(interface)?.list(), *json)?),
    }
}

fn show(routes: &[Value], as_json: bool) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    if as_json {
        return writeln!(output, "{:#}", json!(routes));
    }
    if routes.is_empty() {
        return writeln!(output, "no static routes");
    }
    let text = |route: &Value, field: &str| match &route[field] {
        Value::String(text) => text.clone(),
        _ => "-".to_owned(),
    };
    let rows: Vec<[String; 3]> =
        routes.iter().map(|route| ["prefix", "next_hop", "next_hop_type"].map(|field| text(route, field))).collect();
    let headings = ["Prefix", "Next hop", "Next hop type"].map(str::to_owned);
    let width = |column: usize| rows.iter().chain([&headings]).map(|row| row[column].len()).max().unwrap_or_default();
    let (first, second) = (width(0), width(1));
    for [prefix, next_hop, kind] in std::iter::once(&headings).chain(&rows) {
        writeln!(output, "{prefix:first$}  {next_hop:second$}  {kind}")?;
    }
    Ok(())
}
