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
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use time::{UtcDateTime, format_description::well_known::Rfc3339};
use tokio::time::interval;

/// How often to look whether a file is another one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long before its end a certificate is told about.
const TOLD_BEFORE: Duration = Duration::from_hours(14 * 24);

/// What connections are made with.
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    /// When the certificate ends, in seconds since 1970; zero where that can't be read.
    end: AtomicI64,
}

impl Tls {
    /// From these files.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn read(files: TlsFiles) -> Result<Self, UnusableFile> {
        let read = read(&files)?;
        read.warn_of_end(&files.certificate);
        let end = AtomicI64::new(read.end_in_seconds());
        Ok(Self { files, current: ArcSwap::from_pointee(read.config), end })
    }

    /// For a connection that begins now.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// When the certificate ends, in seconds since 1970, if that can be read.
    pub fn end(&self) -> Option<u64> {
        u64::try_from(self.end.load(Ordering::Relaxed)).ok().filter(|end| *end > 0)
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
                Ok(read) => {
                    told = None;
                    if !is_first {
                        read.warn_of_end(&self.files.certificate);
                        tracing::info!(certificate = %self.files.certificate.display(), "TLS: the files were read again");
                    }
                    self.end.store(read.end_in_seconds(), Ordering::Relaxed);
                    self.current.store(Arc::new(read.config));
                }
                Err(unusable) if told.as_ref() == Some(&unusable) => {}
                Err(unusable) => {
                    tracing::error!("TLS goes on with what it had, as the files can't be used: {unusable}");
                    told = Some(unusable);
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

/// A file that is of no use.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {text}", file.display())]
pub struct UnusableFile {
    /// The setting that names it.
    pub field: &'static str,
    /// Which one.
    pub file: PathBuf,
    /// Why.
    pub text: String,
}

/// What setting a file is of.
struct Named<'a> {
    field: &'static str,
    file: &'a Path,
}

impl Named<'_> {
    fn unusable(&self, text: impl Into<String>) -> UnusableFile {
        UnusableFile { field: self.field, file: self.file.to_owned(), text: text.into() }
    }

    fn told(&self, error: &PemError) -> UnusableFile {
        match error {
            PemError::Io(error) => self.unusable(error.to_string()),
            error => self.unusable(format!("that is no PEM: {error}")),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, UnusableFile> {
        let read = CertificateDer::pem_file_iter(self.file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let found = read.map_err(|error| self.told(&error))?;
        if found.is_empty() { Err(self.unusable("there is no certificate in it (PEM)")) } else { Ok(found) }
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, UnusableFile> {
        PrivateKeyDer::from_pem_file(self.file).map_err(|error| match error {
            PemError::Io(_) => self.told(&error),
            _ if is_encrypted(self.file) => self.unusable(
                "the key in it is encrypted, and nobody is asked for a password here; openssl pkey -in FILE -out FILE \
                 writes one that is not",
            ),
            PemError::NoItemsFound => self.unusable("there is no private key in it (PEM, not encrypted)"),
            error => self.told(&error),
        })
    }
}

/// Whether there is an encrypted key in a file, of the newer kind or of that of old.
fn is_encrypted(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"].iter().any(|mark| text.contains(mark))
}

/// What is made of the files.
struct Read {
    config: ServerConfig,
    /// When the server's certificate ends, if it can be read.
    end: Option<UtcDateTime>,
}

impl Read {
    fn end_in_seconds(&self) -> i64 {
        self.end.map_or(0, UtcDateTime::unix_timestamp)
    }

    /// Clients will refuse a certificate that has ended, so it is told before.
    fn warn_of_end(&self, file: &Path) {
        let Some(end) = self.end else { return };
        let left = end - UtcDateTime::now();
        let (file, end) = (file.display(), end.format(&Rfc3339).unwrap_or_default());
        if left.is_negative() {
            tracing::warn!(certificate = %file, end, "TLS: the certificate has ended, and clients refuse it");
        } else if left < TOLD_BEFORE {
            tracing::warn!(certificate = %file, end, "TLS: the certificate ends soon");
        }
    }
}

/// When a certificate ends.
fn end_of(certificate: &CertificateDer<'_>) -> Option<UtcDateTime> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    UtcDateTime::from_unix_timestamp(certificate.validity().not_after.timestamp()).ok()
}

/// TLS 1.2 and 1.3 (TLS-2), and what clients have to show (TLS-3).
fn read(files: &TlsFiles) -> Result<Read, UnusableFile> {
    let certificate = Named { field: "tls_certificate", file: &files.certificate };
    let key = Named { field: "tls_key", file: &files.key };
    let chain = certificate.certificates()?;
    let private = key.key()?;
    let end = chain.first().and_then(end_of);
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| certificate.unusable(error.to_string()))?;
    let builder = match &files.clients {
        Some((file, whether)) => builder.with_client_cert_verifier(verifier(file, *whether)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, private).map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            key.unusable(format!("it is not the key of the certificate in {}", files.certificate.display()))
        }
        error => certificate.unusable(format!("with the key in {}: {error}", files.key.display())),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Read { config, end })
}

fn verifier(file: &Path, whether: ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, UnusableFile> {
    let named = Named { field: "tls_client_ca", file };
    let mut authorities = RootCertStore::empty();
    for certificate in named.certificates()? {
        authorities.add(certificate).map_err(|error| named.unusable(error.to_string()))?;
    }
    let provider = Arc::new(ring::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider);
    let builder = match whether {
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        ClientCertificates::Required => builder,
    };
    builder.build().map_err(|error| named.unusable(error.to_string()))
}
