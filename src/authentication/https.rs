//! How those who know tokens are asked over the network: nobody but who was named, without a proxy, and without following anybody
//! elsewhere.

use reqwest::{Certificate, Client, redirect};
use std::{error::Error, path::Path, time::Duration};

/// How long it may take until somebody answers at all.
const CONNECTS_WITHIN: Duration = Duration::from_secs(3);

/// What asks. Whoever answers shows a certificate of one of the authorities in this file (PEM); without it, of a public one;
/// or any certificate.
///
/// # Errors
/// What is wrong with the file.
pub fn client(authorities: Option<&Path>, insecure: bool) -> Result<Client, String> {
    // The one of the other connections of this process. If it is there already, all is well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authorities = match authorities {
        None => {
            webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
        }
        Some(file) => {
            let pem = std::fs::read(file).map_err(|error| error.to_string())?;
            let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| told(&error))?;
            if authorities.is_empty() {
                return Err("certificates are expected, as PEM".to_owned());
            }
            authorities
        }
    };
    let client = Client::builder()
        .user_agent(concat!("cirrus/", env!("CIRRUS_VERSION")))
        .connect_timeout(CONNECTS_WITHIN)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .tls_certs_only(authorities)
        .tls_danger_accept_invalid_certs(insecure);
    client.build().map_err(|error| told(&error))
}

/// An error with its causes, which the library leaves out.
pub fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
