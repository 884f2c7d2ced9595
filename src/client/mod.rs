//! What the tools of the command line have in common: a contrail-api somewhere, who asks it, and what goes wrong with it.

mod api_server;
mod caller;
mod connection;
mod keystone;

pub use api_server::{ApiServer, Method};

pub use caller::CallerSettings;
use clap::Args;
pub use connection::TlsSettings;
use std::time::Duration;

/// Why a request has no answer, or not the one asked for: one line for the user. None of them has a password or a token in it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An argument is not what it should be.
    #[error("{0}")]
    Argument(String),
    /// The server can't be asked.
    #[error("{0} can't be reached: {1}")]
    Unreachable(String, String),
    /// The server wants to know who asks, or does not like who does.
    #[error("{0}")]
    Authentication(String),
    /// The server refused.
    #[error("{server} answers {status}: {text}")]
    Refused {
        /// Its address.
        server: String,
        /// The status code.
        status: u16,
        /// What it says.
        text: String,
    },
}

/// How long an answer may take as a whole, where nothing else is said.
pub const ANSWER_WITHIN: Duration = Duration::from_mins(2);

/// Which server, and who asks.
#[derive(Args, Debug, Clone)]
pub struct ServerSettings {
    /// Name or address of the server, also with its port, or the URL that it prints; `https://NAME` if it speaks TLS
    #[arg(short, long, global = true, env = "CIRRUS_API_SERVER", default_value = "localhost")]
    pub server: String,
    /// Its port [default: 8082]
    #[arg(short, long, global = true, env = "CIRRUS_API_PORT")]
    pub port: Option<u16>,
    /// How servers are trusted.
    #[command(flatten)]
    pub tls: TlsSettings,
    /// Who asks.
    #[command(flatten)]
    pub caller: CallerSettings,
}

impl ServerSettings {
    /// Whether the port is of the environment, and the server is not: what is on the command line comes first.
    fn port_yields(&self, environment: &impl Fn(&str) -> Option<String>) -> bool {
        let port = self.port.map(|port| port.to_string());
        let port = Given::new("--port", "CIRRUS_API_PORT", port.as_ref());
        let server = Given::new("--server", "CIRRUS_API_SERVER", Some(&self.server));
        !port.is_option(environment) && server.is_option(environment)
    }
}

/// One of several ways to say the same thing, as somebody may have given it.
struct Given<'a> {
    option: &'static str,
    /// The variable that says the same, if there is one.
    variable: Option<&'static str>,
    value: Option<&'a str>,
}

impl<'a> Given<'a> {
    fn new(option: &'static str, variable: &'static str, value: Option<&'a String>) -> Self {
        Self { option, variable: Some(variable), value: value.map(String::as_str) }
    }

    /// Whether it is on the command line: it is not what the environment says.
    fn is_option(&self, environment: &impl Fn(&str) -> Option<String>) -> bool {
        self.value.is_some() && self.variable.and_then(environment).as_deref() != self.value
    }

    /// What it is called where it was given.
    fn told(&self, environment: &impl Fn(&str) -> Option<String>) -> &'static str {
        self.variable.filter(|_| !self.is_option(environment)).unwrap_or(self.option)
    }

    /// The one that counts: what is on the command line before what is in the environment, and there the first.
    ///
    /// # Errors
    /// Names two that are both on the command line.
    fn chosen<'b>(
        ways: &'b [Self],
        environment: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<&'b Self>, ClientError> {
        let mut options = ways.iter().filter(|way| way.is_option(environment));
        match (options.next(), options.next()) {
            (Some(one), Some(other)) => Err(ClientError::Argument(format!(
                "{} and {} contradict each other: give one",
                one.option, other.option
            ))),
            (Some(only), None) => Ok(Some(only)),
            (None, _) => Ok(ways.iter().find(|way| way.value.is_some())),
        }
    }
}

/// A variable of this process.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A text of a server on one line, with nothing in it that could do anything to a terminal.
fn on_one_line(text: &str) -> String {
    let line = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    line.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn way(option: &'static str, variable: &'static str, value: Option<&'static str>) -> Given<'static> {
        Given { option, variable: Some(variable), value }
    }

    #[test]
    fn options_come_before_variables_and_contradict_each_other() {
        let variables = |name: &str| ["A", "B"].contains(&name).then(|| name.to_lowercase());
        let both = [way("--a", "A", Some("a")), way("--b", "B", Some("b"))];
        assert_eq!(Given::chosen(&both, &variables).unwrap().unwrap().option, "--a", "the first of the environment");
        let one = [way("--a", "A", Some("a")), way("--b", "B", Some("other"))];
        let chosen = Given::chosen(&one, &variables).unwrap().unwrap();
        assert_eq!((chosen.option, chosen.told(&variables)), ("--b", "--b"));
        assert_eq!(one[0].told(&variables), "A");
        let refused = Given::chosen(&both, &nothing).err().unwrap().to_string();
        assert_eq!(refused, "--a and --b contradict each other: give one");
        assert!(Given::chosen(&[way("--a", "A", None)], &variables).unwrap().is_none());
    }

    #[test]
    fn texts_do_nothing_to_the_terminal() {
        assert_eq!(on_one_line("<p>\n  no\u{1b}[2J\r\n</p>"), "<p> no\u{fffd}[2J </p>");
    }
}
