//! Who asks: a token that somebody has, or user and password.

use super::{ClientError, Given, connection::Connection, environment, keystone};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args;
use std::path::{Path, PathBuf};
use ureq::http::HeaderValue;

/// Who asks. A token is sent with each request; user and password are only told to a server that wants to know who asks.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Who asks")]
pub struct CallerSettings {
    /// A token. All users of this machine can see options of commands, so rather `CIRRUS_TOKEN` or `--token-file`
    #[arg(long, global = true, env = "CIRRUS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// A file with the token in its first line; it is read again when the server does not accept the token any more
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A token of Keystone, as `openstack token issue` prints it
    #[arg(long, global = true, env = "OS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub os_token: Option<String>,
    /// User
    #[arg(short, long, global = true, env = "OS_USERNAME")]
    pub user: Option<String>,
    /// Password of the user
    #[arg(short = 'w', long, global = true, env = "OS_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Where Keystone is, like `http://keystone:5000/v3`; without it the user is told to the server itself (HTTP Basic)
    #[arg(long, global = true, env = "OS_AUTH_URL", value_name = "URL")]
    pub auth_url: Option<String>,
    /// Tenant (project) of the user [default: admin]
    #[arg(short, long, global = true, env = "OS_PROJECT_NAME")]
    pub tenant: Option<String>,
    /// The same by its id
    #[arg(long, global = true, env = "OS_PROJECT_ID", value_name = "ID")]
    pub project_id: Option<String>,
    /// Keystone's domain of the user [default: Default]
    #[arg(long, global = true, env = "OS_USER_DOMAIN_NAME", value_name = "NAME")]
    pub user_domain_name: Option<String>,
    /// The same by its id
    #[arg(long, global = true, env = "OS_USER_DOMAIN_ID", value_name = "ID")]
    pub user_domain_id: Option<String>,
    /// Keystone's domain of the project [default: Default]
    #[arg(long, global = true, env = "OS_PROJECT_DOMAIN_NAME", value_name = "NAME")]
    pub project_domain_name: Option<String>,
    /// The same by its id
    #[arg(long, global = true, env = "OS_PROJECT_DOMAIN_ID", value_name = "ID")]
    pub project_domain_id: Option<String>,
}

/// The header that says who asks.
#[derive(Clone)]
pub struct Credential {
    /// Its name.
    pub header: &'static str,
    /// Its value; not shown by anything that prints values.
    pub value: HeaderValue,
    /// What it is, for people.
    pub what: String,
}

impl Credential {
    /// A token, and what it is for people.
    ///
    /// # Errors
    /// When it has what no header can have.
    pub fn token(token: &str, what: String) -> Result<Self, ClientError> {
        Self::new("X-Auth-Token", token.trim(), what)
    }

    fn new(header: &'static str, text: &str, what: String) -> Result<Self, ClientError> {
        let value = HeaderValue::from_str(text).ok().filter(|_| !text.is_empty());
        let refuse = || ClientError::Argument(format!("{what} is empty, or has characters that no token has"));
        let mut value = value.ok_or_else(refuse)?;
        value.set_sensitive(true);
        Ok(Self { header, value, what })
    }
}

/// Where it is known from who asks.
enum Source {
    /// A token that is not renewed.
    Token(Credential),
    /// A file, which somebody else may renew.
    File(PathBuf),
    /// Keystone, or the server itself (HTTP Basic).
    Login(keystone::Login),
    /// Nobody has said.
    Nobody,
}

/// Who asks.
pub struct Caller(Source);

impl Caller {
    /// Who asks by the settings: what is on the command line before what is in the environment, a token before user and password.
    /// Talks to nobody yet.
    ///
    /// # Errors
    /// What is contradictory, or can't be.
    pub fn new(settings: &CallerSettings) -> Result<Self, ClientError> {
        let file = settings.token_file.as_deref().map(|file| file.to_string_lossy().into_owned());
        let ways = [
            Given::new("--token", "CIRRUS_TOKEN", settings.token.as_ref()),
            Given { option: "--token-file", variable: None, value: file.as_deref() },
            Given::new("--os-token", "OS_TOKEN", settings.os_token.as_ref()),
            Given::new("--user", "OS_USERNAME", settings.user.as_ref()),
        ];
        let Some(way) = Given::chosen(&ways, &environment)? else { return Ok(Self(Source::Nobody)) };
        let source = match (way.option, &settings.token_file, way.value) {
            ("--token-file", Some(file), _) => Source::File(file.clone()),
            ("--user", ..) => keystone::Login::new(settings)?.map_or(Source::Nobody, Source::Login),
            (_, _, token) => {
                let what = format!("the token of {}", way.told(&environment));
                Source::Token(Credential::token(token.unwrap_or_default(), what)?)
            }
        };
        Ok(Self(source))
    }

    /// What is told before anybody asks: a token, as it is there.
    ///
    /// # Errors
    /// When the file has none.
    pub fn at_once(&self) -> Result<Option<Credential>, ClientError> {
        match &self.0 {
            Source::Token(token) => Ok(Some(token.clone())),
            Source::File(file) => read(file).map(Some),
            Source::Login(_) | Source::Nobody => Ok(None),
        }
    }

    /// What to tell a server that asks, after it has refused this one, if it has. Of use is a token of a file that is another one
    /// by now, or to log in: what came of that before was good for some time, for only what a server accepts is kept.
    ///
    /// # Errors
    /// When there is nothing (else) to tell.
    pub fn asked(
        &self,
        server: &str,
        refused: Option<&Credential>,
        connection: &Connection,
    ) -> Result<Credential, ClientError> {
        let next = match &self.0 {
            Source::File(file) => {
                Some(read(file)?).filter(|next| refused.is_none_or(|refused| refused.value != next.value))
            }
            Source::Login(login) => Some(login.run(connection)?),
            Source::Token(_) | Source::Nobody => None,
        };
        next.ok_or_else(|| not_accepted(server, refused))
    }
}

/// What to say of a server that does not like this.
pub fn not_accepted(server: &str, refused: Option<&Credential>) -> ClientError {
    ClientError::Authentication(match refused {
        Some(refused) => format!("{server} does not accept {}", refused.what),
        None => format!("{server} wants to know who asks: give a token (--token-file), or user (-u) and password (-w)"),
    })
}

/// The token in a file.
fn read(file: &Path) -> Result<Credential, ClientError> {
    let what = format!("the token of --token-file {}", file.display());
    let text = std::fs::read_to_string(file)
        .map_err(|error| ClientError::Argument(format!("--token-file {}: {error}", file.display())))?;
    let first = text.lines().next().unwrap_or_default();
    // What a server knows of tokens is called much the same.
    if !first.starts_with("cirrus_") && text.lines().any(|line| line.trim_start().starts_with("sha256-")) {
        let text = format!(
            "--token-file {}: that is a server's file, in which no token is; the token is the first line that `cirrus token new` \
             has printed",
            file.display()
        );
        return Err(ClientError::Argument(text));
    }
    Credential::token(first, what)
}

/// User and password themselves.
///
/// # Errors
/// When they can't be told apart.
pub fn basic(user: &str, password: &str) -> Result<Credential, ClientError> {
    if user.contains(':') {
        let text =
            "--user: a name with a colon can't be told to a server itself (HTTP Basic); --auth-url names a Keystone";
        return Err(ClientError::Argument(text.to_owned()));
    }
    let text = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    Credential::new("Authorization", &text, "user and password".to_owned())
}
