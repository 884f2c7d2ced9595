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

/// The name of a claim.
fn claim(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() { Err("the name of a claim is expected".to_owned()) } else { Ok(name.to_owned()) }
}
