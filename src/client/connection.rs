//! Requests over HTTP and TLS.

use super::{ClientError, ServerSettings, on_one_line};
use clap::{Args, builder::FalseyValueParser};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use ureq::{
    Agent, Body, http,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

/// How large an answer may be, in bytes. A page of lists has 500 objects, which are hardly a tenth of it; old servers know no pages, and
/// tell all objects of a type at once.
const LARGEST_ANSWER: u64 = 128 << 20;

/// How servers are trusted that speak TLS, Keystone too.
#[derive(Args, Debug, Clone)]
pub struct TlsSettings {
    /// Trust servers whose certificates, or whose issuers', are in this file (PEM), and no others; without it, those of the
    /// authorities that browsers trust
    #[arg(long, global = true, env = "OS_CACERT", value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Trust whoever answers: for trying out only
    #[arg(long, global = true, env = "OS_INSECURE", value_parser = FalseyValueParser::new())]
    pub insecure: bool,
}

impl TlsSettings {
    fn config(&self) -> Result<TlsConfig, ClientError> {
        let config = TlsConfig::builder();
        match (&self.cacert, self.insecure) {
            (Some(_), true) => {
                let text = "--cacert (OS_CACERT) names what certificates are held against, and --insecure (OS_INSECURE) says \
                            that nobody looks at them: leave out one";
                Err(ClientError::Argument(text.to_owned()))
            }
            (None, true) => Ok(config.disable_verification(true).build()),
            (Some(file), false) => Ok(config.root_certs(RootCerts::new_with_certs(&certificates(file)?)).build()),
            (None, false) => Ok(config.build()),
        }
    }
}

/// The certificates in a file.
fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, ClientError> {
    let refuse = |why: &str| ClientError::Argument(format!("--cacert {}: {why}", file.display()));
    let text = std::fs::read(file).map_err(|error| refuse(&error.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| refuse("that is no PEM"))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(refuse("there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)"));
    }
    Ok(certificates)
}

/// What requests are made with.
pub struct Connection {
    agent: Agent,
}

impl Connection {
    /// Reads the certificates; talks to nobody yet. Says on standard error when nobody looks at certificates.
    ///
    /// # Errors
    /// When the file has none.
    pub fn new(settings: &ServerSettings, user_agent: String, answer_within: Duration) -> Result<Self, ClientError> {
        let tls_config = settings.tls.config()?;
        if settings.tls.insecure {
            eprintln!(
                "cirrus: --insecure: nobody looks at certificates, and who is on the way can read and change everything"
            );
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(user_agent)
            .tls_config(tls_config)
            // Who asks is told to the server that was named, and to no other one that it points to.
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(answer_within))
            .build()
            .new_agent();
        Ok(Self { agent })
    }

    /// Makes a request; gives head and text of the answer.
    ///
    /// # Errors
    /// Why there is no answer, or where another one is.
    pub fn run(&self, request: http::Request<String>) -> Result<(http::response::Parts, String), ClientError> {
        let server = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let unreachable = |error: ureq::Error| ClientError::Unreachable(server.clone(), why(&error));
        let (head, mut body): (_, Body) = self.agent.run(request).map_err(unreachable)?.into_parts();
        if let Some(elsewhere) = head.headers.get("Location").filter(|_| head.status.is_redirection()) {
            let elsewhere = on_one_line(&String::from_utf8_lossy(elsewhere.as_bytes()));
            let text = format!("it is at {elsewhere}, which is not followed: name that server");
            return Err(ClientError::Refused { server, status: head.status.as_u16(), text });
        }
        let text = body.with_config().limit(LARGEST_ANSWER).read_to_string().map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(limit) => {
                let text = format!("an answer of more than {} MiB, which is not read", limit >> 20);
                ClientError::Refused { server: server.clone(), status: head.status.as_u16(), text }
            }
            error => unreachable(error),
        })?;
        Ok((head, text))
    }
}

/// What is wrong, with what helps where that is known.
fn why(error: &ureq::Error) -> String {
    let text = error.to_string();
    let hint = match text.as_str() {
        text if text.contains("UnknownIssuer") => "; --cacert names a file with the certificate of who issued its own",
        text if text.contains("CaUsedAsEndEntity") => "; it shows the certificate of an authority (CA:TRUE) as its own",
        text if text.contains("InvalidContentType") => "; it seems not to speak TLS: leave out https://",
        text if text.contains("http parse fail") => "; if it speaks TLS, its name begins with https://",
        _ => "",
    };
    format!("{text}{hint}")
}
