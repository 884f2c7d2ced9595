//! `cirrus watch`: what changes on a server, a line a change. It reads `/changes`, so it misses nothing: after a broken
//! connection it goes on where it was, and when it can't, it says so and ends.

use crate::client::{ApiServer, ClientError, Method, ServerSettings};
use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::{
    io::{self, Write},
    thread::sleep,
    time::Duration,
};

/// How long the server may wait for a change, in seconds.
const WAIT: u64 = 30;
/// How many changes are asked for at a time.
const LIMIT: usize = 500;
/// How long to wait before a server that was away is asked again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What to watch, and where.
#[derive(Args, Debug, Clone)]
pub struct WatchSettings {
    /// Only changes of objects of this type, like virtual-network; may be repeated [default: of all types]
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Changes after this: a position (as in X-Cirrus-Revision), how long ago (30m, 2h, 1d), a time with a zone
    /// (2026-11-26T14:00:00Z), or `oldest` for all that the server still has
    #[arg(long, value_name = "WHEN", default_value = "now")]
    pub since: String,
    /// As JSON, an object a line, with the object after the change
    #[arg(long)]
    pub json: bool,
    /// Which server, and who asks.
    #[command(flatten)]
    pub server: ServerSettings,
}

/// Why watching has come to its end.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The server has no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server does not have what is asked for any more.
    #[error("the changes after {since} are not to be had from {server}: {text}")]
    Gone {
        /// The server.
        server: String,
        /// What was asked for.
        since: String,
        /// What the server says.
        text: String,
    },
    /// The server is no Cirrus.
    #[error("the answer has no '{0}'; is it a Cirrus?")]
    Answer(&'static str),
    /// Standard output is closed.
    #[error("{0}")]
    Output(#[from] io::Error),
}

/// Prints changes until it is stopped. Blocks.
///
/// # Errors
/// What the user has to know; the exit status is 1 then.
pub fn run(settings: &WatchSettings) -> Result<(), WatchError> {
    let server = ApiServer::new(&settings.server, "watch")?;
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let types = settings.types.join(",");
    let types = if types.is_empty() { types } else { format!("&resource_type={}", encoded(&types)) };
    // The first question only asks where it begins: a mistake in the arguments ends it at once.
    let mut since = settings.since.clone();
    let mut wait = 0;
    let mut is_away = false;
    loop {
        let path = format!("/changes?since={}&limit={LIMIT}&wait={wait}{types}", encoded(&since));
        let answer = match server.call(Method::Get, &path, None) {
            Ok(answer) => answer,
            Err(error) if wait > 0 && is_passing(&error) => {
                if !is_away {
                    eprintln!("cirrus: {error}; trying again until it is back");
                }
                is_away = true;
                sleep(TRY_AGAIN);
                continue;
            }
            Err(ClientError::Refused { server, status: 410, text }) => {
                return Err(WatchError::Gone { server, since, text });
            }
            Err(error) => return Err(error.into()),
        };
        if is_away {
            eprintln!("cirrus: the server is back; nothing was missed");
            is_away = false;
        }
        match print(&answer, settings.json) {
            Err(WatchError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            printed => printed?,
        }
        answer["to"].as_str().ok_or(WatchError::Answer("to"))?.clone_into(&mut since);
        wait = WAIT;
    }
}

/// Whether the same question may have an answer later.
fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable(..) => true,
        // There may be too many at the moment who ask from here.
        ClientError::Refused { status, .. } => *status >= 500 || *status == 429,
        ClientError::Argument(_) | ClientError::Authentication(_) => false,
    }
}

fn print(answer: &Value, as_json: bool) -> Result<(), WatchError> {
    let mut output = io::stdout().lock();
    for change in answer["changes"].as_array().ok_or(WatchError::Answer("changes"))? {
        if as_json {
            writeln!(output, "{change}")?;
        } else {
            writeln!(output, "{}", line(change))?;
        }
    }
    output.flush()?;
    Ok(())
}

/// `2026-11-25T13:13:46.388337Z update virtual-network default-domain:default-project:blue 4a80... changed: display_name
/// (admin curl 10.0.0.1)`
fn line(change: &Value) -> String {
    let text = |field: &str| change[field].as_str().unwrap_or("-");
    let name = |field: &str| {
        let elements = change[field].as_array().into_iter().flatten().filter_map(Value::as_str);
        elements.collect::<Vec<_>>().join(":")
    };
    let mut parts =
        vec![format!("{} {:6} {} {} {}", text("time"), text("operation"), text("type"), name("fq_name"), text("uuid"))];
    if change["former_fq_name"].is_array() {
        parts.push(format!("before: {}", name("former_fq_name")));
    }
    // Of an object that is new or gone there is nothing to tell; and a change of before servers wrote it down is not known.
    if matches!(text("operation"), "update" | "update-implicit" | "rename") {
        let fields = change["changed"].as_array();
        let fields = fields.map(|fields| fields.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","));
        parts.push(format!("changed: {}", fields.unwrap_or_else(|| "-".to_owned())));
    }
    if let Some(addresses) = change["addresses"].as_array() {
        parts.push(addresses.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","));
    }
    if let Some(who) = change["who"].as_str() {
        parts.push(format!("({who})"));
    }
    // A name may hold anything; it must not do anything to the terminal.
    parts.join(" ").chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_when_what_and_who() {
        let change = json!({
            "revision": "8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10-7", "time": "2026-11-25T13:13:46.388337Z",
            "operation": "create", "type": "virtual-network", "uuid": "4a806fe8-ab9e-4039-9019-03e863d67e36",
            "fq_name": ["default-domain", "default-project", "blue\u{1b}[2J"], "request_id": "req-1", "who": "curl/8",
        });
        let wanted = "2026-11-25T13:13:46.388337Z create virtual-network default-domain:default-project:blue\u{fffd}[2J \
                      4a806fe8-ab9e-4039-9019-03e863d67e36 (curl/8)";
        assert_eq!(line(&change), wanted);
    }

    #[test]
    fn addresses_and_former_names_are_told() {
        let reserved = json!({"operation": "reserve-addresses", "addresses": ["10.0.0.9", "10.0.0.8"]});
        assert!(line(&reserved).ends_with(" 10.0.0.9,10.0.0.8"), "{}", line(&reserved));
        let renamed = json!({"operation": "rename", "fq_name": ["b"], "former_fq_name": ["a"], "changed": []});
        assert!(line(&renamed).contains(" b ") && line(&renamed).contains(" before: a"), "{}", line(&renamed));
    }

    #[test]
    fn an_update_says_which_fields_changed_if_that_is_known() {
        let update = json!({"operation": "update", "changed": ["display_name", "virtual_network_refs"], "who": "me"});
        assert!(line(&update).ends_with(" changed: display_name,virtual_network_refs (me)"), "{}", line(&update));
        let old = json!({"operation": "update"});
        assert!(line(&old).ends_with(" changed: -"), "{}", line(&old));
    }
}
