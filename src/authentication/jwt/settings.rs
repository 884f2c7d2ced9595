//! Whose signed tokens are believed, and what their claims mean, on the command line.

use clap::Args;
use reqwest::Url;
use std::{net::IpAddr, path::PathBuf};

/// Whose signed tokens (JWT) are believed, and what their claims mean.
#[derive(Args, Debug, Clone)]
pub struct JwtSettings {
    /// Who signs tokens (JWT), as in their claim `iss`. Without --jwt-key-set-url it is asked, as `OpenID` Connect has it, where
    /// its keys are
    #[arg(long, env = "CIRRUS_JWT_ISSUER", value_name = "ISSUER", hide_env_values = true, requires = "jwt_audience")]
    pub jwt_issuer: Option<String>,

    /// For whom these tokens have to be, as in their claim `aud`
    #[arg(long, env = "CIRRUS_JWT_AUDIENCE", value_name = "AUDIENCE", requires = "jwt_issuer")]
    pub jwt_audience: Option<String>,

    /// Where the keys of the issuer are (JWKS)
    #[arg(long, env = "CIRRUS_JWT_KEY_SET_URL", value_name = "URL", hide_env_values = true, requires = "jwt_issuer", value_parser = url)]
    pub jwt_key_set_url: Option<Url>,

    /// The certificates of authorities that the issuer's is of, as PEM, instead of the public ones
    #[arg(long, env = "CIRRUS_JWT_CA_FILE", value_name = "FILE", requires = "jwt_issuer")]
    pub jwt_ca_file: Option<PathBuf>,

    /// Fetch keys by http from other machines, too. Whoever is on the way can then make tokens
    #[arg(long, env = "CIRRUS_JWT_ALLOW_HTTP", requires = "jwt_issuer")]
    pub jwt_allow_http: bool,

    /// The claim with the name of the user; where it is missing, it is `sub`. Dots lead into claims
    #[arg(long, env = "CIRRUS_JWT_USER_CLAIM", value_name = "CLAIM", default_value = "preferred_username", value_parser = claim)]
    pub jwt_user_claim: String,

    /// The claim with the id of the project; without it tokens are for none
    #[arg(long, env = "CIRRUS_JWT_PROJECT_CLAIM", value_name = "CLAIM", requires = "jwt_issuer", value_parser = claim)]
    pub jwt_project_claim: Option<String>,

    /// The claim with the name of the project
    #[arg(long, env = "CIRRUS_JWT_PROJECT_NAME_CLAIM", value_name = "CLAIM", requires = "jwt_project_claim", value_parser = claim)]
    pub jwt_project_name_claim: Option<String>,

    /// The claim with the id of the domain; without it, and where it is missing, it is default-domain
    #[arg(long, env = "CIRRUS_JWT_DOMAIN_CLAIM", value_name = "CLAIM", requires = "jwt_issuer", value_parser = claim)]
    pub jwt_domain_claim: Option<String>,

    /// The claim with the roles, as a list, or a text with blanks between them; dots lead into claims, as in `realm_access.roles`
    #[arg(long, env = "CIRRUS_JWT_ROLES_CLAIM", value_name = "CLAIM", default_value = "roles", value_parser = claim)]
    pub jwt_roles_claim: String,

    /// Let people sign in to the page at the issuer (`OpenID` Connect), where this server is known as the client with this id
    #[arg(long, env = "CIRRUS_OIDC_CLIENT_ID", value_name = "ID", requires = "jwt_issuer", value_parser = client_id)]
    pub oidc_client_id: Option<String>,

    /// The file with the secret of that client; without it, it is a public one, which has none
    #[arg(long, env = "CIRRUS_OIDC_CLIENT_SECRET_FILE", value_name = "FILE", requires = "oidc_client_id")]
    pub oidc_client_secret_file: Option<PathBuf>,

    /// What the issuer is asked to tell of who signs in, with blanks between; `openid` is among it
    #[arg(long, env = "CIRRUS_OIDC_SCOPES", value_name = "SCOPES", default_value = "openid profile", value_parser = scopes)]
    pub oidc_scopes: String,

    /// Where browsers reach the server, as <https://api.example>, so that the issuer leads them back there; without it, it is
    /// where they say that they have come to
    #[arg(
        long,
        env = "CIRRUS_PUBLIC_URL",
        value_name = "URL",
        hide_env_values = true,
        requires = "oidc_client_id",
        value_parser = public_url
    )]
    pub public_url: Option<Url>,
}

impl JwtSettings {
    /// Whether keys may be fetched there: from other machines by https only, unless it is said.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn check_place(&self, url: &Url) -> Result<(), String> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.jwt_allow_http || is_loopback(url) => Ok(()),
            _ => {
                let mut shown = url.clone();
                shown.set_query(url.query().map(|_| "..."));
                Err(format!("https is expected, or http on this machine; --jwt-allow-http lets {shown} be"))
            }
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An address of the web.
pub fn url(text: &str) -> Result<Url, String> {
    let expected = "an address is expected, like https://id.example/keys";
    let url = Url::parse(text.trim()).map_err(|error| format!("{error}; {expected}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("it begins with neither http:// nor https://; {expected}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("no user and no password may stand in it; {expected}"));
    }
    Ok(url)
}

/// Where this server is: all its pages are below `/ui`, so there is no path before that.
fn public_url(text: &str) -> Result<Url, String> {
    let expected = "scheme, host and perhaps a port are expected, like https://api.example";
    let url = url(text).map_err(|_| expected.to_owned())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if is_bare { Ok(url) } else { Err(expected.to_owned()) }
}

/// As what this server is known to the issuer.
fn client_id(text: &str) -> Result<String, String> {
    let id = text.trim();
    if id.is_empty() { Err("the id of a client is expected".to_owned()) } else { Ok(id.to_owned()) }
}

/// What is asked of the issuer; without `openid` it would be no `OpenID` Connect.
fn scopes(text: &str) -> Result<String, String> {
    let scopes: Vec<&str> = text.split_whitespace().collect();
    if scopes.contains(&"openid") {
        return Ok(scopes.join(" "));
    }
    Err("`openid` is expected, and what else is wanted, with blanks between, like \"openid profile\"".to_owned())
}

/// The name of a claim.
fn claim(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() { Err("the name of a claim is expected".to_owned()) } else { Ok(name.to_owned()) }
}
