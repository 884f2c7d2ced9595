//! TLS: what it is made of, read from files, and again when these change (access contract 7.4). What does not fit is refused at
//! the start, and passed over later on: what was good stays.

use crate::settings::{ClientCertificates, TlsFiles};
use arc_swap::ArcSwap;
use rustls::{
    Error, RootCertStore, ServerConfig,
    crypto::ring,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error as PemError, PemObject},
};
use std::{
    fs::{Metadata, metadata},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::time::interval;

/// How often to look whether a file is another one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What connections are made with.
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    /// From these files.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn read(files: TlsFiles) -> Result<Self, String> {
        let current = ArcSwap::from_pointee(read(&files)?);
        Ok(Self { files, current })
    }

    /// For a connection that begins now.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Looks after the files (TLS-7), for ever.
    pub async fn follow(self: Arc<Self>) {
        let mut looks = interval(LOOK_EVERY);
        let mut known = None;
        let mut told = None;
        loop {
            looks.tick().await;
            let (now, this) = (self.files.state(), Arc::clone(&self));
            // Files that could not be read are tried again: they may be half of what they are going to be.
            if known.as_ref() == Some(&now) && told.is_none() {
                continue;
            }
            let is_first = known.replace(now).is_none();
            let Ok(read) = tokio::task::spawn_blocking(move || read(&this.files)).await else { return };
            match read {
                Ok(config) => {
                    self.current.store(Arc::new(config));
                    told = None;
                    if !is_first {
                        tracing::info!(certificate = %self.files.certificate.display(), "TLS: the files were read again");
                    }
                }
                Err(text) if told.as_ref() == Some(&text) => {}
                Err(text) => {
                    tracing::error!("TLS goes on with what it had, as the files can't be used: {text}");
                    told = Some(text);
                }
            }
        }
    }
}

/// What shows that a file is another one.
type State = Option<(u64, u64, u64, i64, i64)>;

impl TlsFiles {
    fn state(&self) -> [State; 3] {
        let state = |path: &Path| {
            let of = |data: Metadata| (data.dev(), data.ino(), data.size(), data.mtime(), data.mtime_nsec());
            metadata(path).ok().map(of)
        };
        [state(&self.certificate), state(&self.key), self.clients.as_ref().and_then(|(path, _)| state(path))]
    }
}

/// TLS 1.2 and 1.3 (TLS-2), and what clients have to show (TLS-3).
fn read(files: &TlsFiles) -> Result<ServerConfig, String> {
    let TlsFiles { certificate, key, clients } = files;
    let (certificate_name, key_name) = (certificate.display(), key.display());
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        PemError::NoItemsFound => format!("{key_name}: there is no private key in it (PEM, not encrypted)"),
        error => told(key, &error),
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| error.to_string())?;
    let builder = match clients {
        Some((file, whether)) => builder.with_client_cert_verifier(verifier(file, *whether)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, private).map_err(|error| match error {
        Error::InconsistentKeys(_) => format!("{key_name} is not the key of the certificate in {certificate_name}"),
        error => format!("{certificate_name} and {key_name}: {error}"),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn verifier(file: &Path, whether: ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut authorities = RootCertStore::empty();
    for certificate in certificates(file)? {
        authorities.add(certificate).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let provider = Arc::new(ring::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider);
    let builder = match whether {
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        ClientCertificates::Required => builder,
    };
    builder.build().map_err(|error| format!("{}: {error}", file.display()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| told(file, &error))?;
    if found.is_empty() {
        return Err(format!("{}: there is no certificate in it (PEM)", file.display()));
    }
    Ok(found)
}

fn told(file: &Path, error: &PemError) -> String {
    match error {
        PemError::Io(error) => format!("{}: {error}", file.display()),
        error => format!("{}: that is no PEM: {error}", file.display()),
    }
}
