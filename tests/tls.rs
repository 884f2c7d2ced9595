//! TLS, as openssl and curl speak it: versions, certificates of both sides, files that change, and what HTTP is bound by without
//! it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{Checks, Process, Server, fresh_directory, wait_until};

/// What has to be there within this time is not told as late by a client that waits for a minute.
const SOON: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_mins(1);
const SILENT: usize = 300;
const POLICIES: usize = 40;

/// Files of keys and certificates, made by openssl.
pub struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    /// Two authorities, `ca` and `other`, and a certificate of the first for the server.
    pub fn new() -> Self {
        let files = Self { directory: fresh_directory() };
        fs::write(files.path("openssl.cnf"), "[req]\ndistinguished_name = name\n[name]\n").unwrap();
        for authority in ["ca", "other"] {
            files.make(authority, None, "basicConstraints=critical,CA:TRUE");
        }
        files.make("server", Some("ca"), "subjectAltName=DNS:localhost,IP:127.0.0.1");
        files
    }

    /// The key `name.key` and the certificate `name.pem`, by this authority or by itself.
    fn make(&self, name: &str, authority: Option<&str>, extension: &str) {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3"]);
        command.arg("-config").arg(self.path("openssl.cnf")).args([
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            extension,
        ]);
        command
            .arg("-keyout")
            .arg(self.path(&format!("{name}.key")))
            .arg("-out")
            .arg(self.path(&format!("{name}.pem")));
        if let Some(authority) = authority {
            command.arg("-CA").arg(self.path(&format!("{authority}.pem")));
            command.arg("-CAkey").arg(self.path(&format!("{authority}.key")));
        }
        let output = command.output().expect("openssl is installed");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes a certificate anew, with the same key, so that it has ended.
    fn end(&self, name: &str) {
        let mut command = Command::new("openssl");
        command.args(["x509", "-in", &self.text(&format!("{name}.pem")), "-days", "-1"]);
        command.args(["-signkey", &self.text(&format!("{name}.key")), "-out", &self.text("new")]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::rename(self.path("new"), self.path(&format!("{name}.pem"))).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Puts a copy of one file in the place of another, at once, as tools that renew certificates do.
    fn put(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path("new")).unwrap();
        fs::rename(self.path("new"), self.path(to)).unwrap();
    }
}

pub async fn tls_1_to_tls_7() {
    let files = Arc::new(Files::new());
    let (certificate, key) = (files.text("server.pem"), files.text("server.key"));
    let tls = ["--tls-certificate", &certificate, "--tls-key", &key, "--head-timeout", "3"];
    let mut server = Server::start_with(&tls);
    assert!(server.url().starts_with("https://127.0.0.1:"), "{}", server.url());
    let client = Client { files: Arc::clone(&files), address: server.address() };
    let mut checks = Checks::default();
    checks.run("tls_1 files that can't be used are told at the start", async { bad_files() }).await;
    let of = |check: fn(&Client)| {
        let client = client.clone();
        async move { check(&client) }
    };
    checks.run("tls_2 versions", of(versions)).await;
    checks.run("tls_2 HTTP without TLS is closed", without_tls(client.clone())).await;
    checks.run("tls_4 hrefs begin with https", of(hrefs)).await;
    checks.run("large answers and watchers", of(large_answers)).await;
    checks.run("heads that are late or too long", heads(client.clone())).await;
    let (url, made) = (server.database_url(), Arc::clone(&files));
    checks.run("tls_3 certificates of clients", async move { client_certificates(&url, &made) }).await;
    let log = || server.log();
    reload(&client, &log);
    // It stops while somebody does not go on with a handshake.
    let silent = TcpStream::connect(server.address()).await.unwrap();
    assert!(server.terminate().success());
    drop(silent);
    checks.finish();
}

/// What asks a server by TLS.
#[derive(Clone)]
pub struct Client {
    pub files: Arc<Files>,
    pub address: SocketAddr,
}

impl Client {
    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    fn curl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--cacert"]);
        command.arg(self.files.path("ca.pem")).args(arguments);
        command
    }

    /// The status and the body.
    fn ask(&self, arguments: &[&str]) -> (String, String) {
        let output =
            self.curl(&[&["--write-out", "\n%{http_code}"], arguments].concat()).output().expect("curl is installed");
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        (status.to_owned(), body.to_owned())
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(&[&self.url(path)]);
        assert_eq!(status, "200", "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    fn create_policy(&self, name: &str, display_name: &str) -> Value {
        let fq_name = ["default-domain", "default-project", name];
        let body =
            json!({"network-policy": {"fq_name": fq_name, "parent_type": "project", "display_name": display_name}});
        let file = self.files.path(&format!("body-{name}"));
        fs::write(&file, body.to_string()).unwrap();
        let data = format!("@{}", file.display());
        let url = self.url("/network-policys");
        let (status, body) = self.ask(&["--header", "Content-Type: application/json", "--data-binary", &data, &url]);
        assert_eq!(status, "200", "{body}");
        serde_json::from_str(&body).unwrap()
    }

    fn s_client(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-verify_return_error", "-connect", &self.address.to_string(), "-CAfile"]);
        command.arg(self.files.path("ca.pem")).args(arguments).stdin(Stdio::null());
        command.output().expect("openssl is installed")
    }

    /// A connection on which bytes can be sent one by one.
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.files.path("ca.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn versions(client: &Client) {
    for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let output = client.s_client(&[option]);
        assert!(output.status.success() && said(&output).contains(&format!("New, {version}, ")), "{}", said(&output));
    }
    // It is the server that refuses it: openssl is told to send it all the same.
    let output = client.s_client(&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    let said = said(&output);
    assert!(!output.status.success() && said.contains("SSL alert number"), "{said}");
}

/// What comes until the other side says that it is at its end; a connection that is reset is no end.
async fn to_the_end(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the connection is closed").expect("by its end");
    answer
}

async fn without_tls(client: Client) {
    for request in
        [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], &vec![b'x'; 100_000], b"\x16\x03\x01\x02\x00\x01garbage"]
    {
        let mut stream = TcpStream::connect(client.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = to_the_end(&mut stream).await;
        assert!(answer.len() < 100 && !answer.starts_with(b"HTTP"), "{answer:?}");
    }
    // Who says nothing, or stops in the middle of it, is closed in time, and holds nobody up.
    let mut silent = Vec::new();
    for number in 0..SILENT {
        let mut stream = TcpStream::connect(client.address).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00").await.unwrap();
        }
        silent.push(stream);
    }
    client.get("/virtual-networks");
    for mut stream in silent {
        // With something that was not read, it is reset.
        let mut answer = Vec::new();
        let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the connection is closed");
        assert_eq!(answer, b"");
    }
}

fn hrefs(client: &Client) {
    let home = client.get("/");
    assert_eq!(home["href"], format!("https://{}", client.address));
    let created = client.create_policy("href", "");
    let href = created["network-policy"]["href"].as_str().unwrap().to_owned();
    assert!(href.starts_with(&client.url("/network-policy/")), "{href}");
    // It leads there.
    assert_eq!(client.ask(&[&href]).0, "200");
    let proxied = client.ask(&["--header", "X-Forwarded-Proto: http", &client.url("/")]).1;
    assert!(proxied.contains("\"href\":\"http://"), "{proxied}");
}

fn large_answers(client: &Client) {
    let watch = client.url("/watch?resource_type=network_policy");
    let mut watcher = client.curl(&["--no-buffer", &watch]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.find(|line| line == "event: init").expect("a watcher gets what there is");
    for number in 0..POLICIES {
        client.create_policy(&format!("large-{number}"), &"x".repeat(100_000));
    }
    for number in 0..POLICIES {
        let name = format!("\"large-{number}\"");
        lines.find(|line| line.starts_with("data: ") && line.contains(&name)).expect("a watcher is told of everything");
    }
    watcher.kill().unwrap();
    watcher.wait().unwrap();
    let list = client.get("/network-policys?detail=true");
    let whole = |item: &&Value| item["network-policy"]["display_name"].as_str().unwrap().len() == 100_000;
    assert_eq!(list["network-policys"].as_array().unwrap().iter().filter(whole).count(), POLICIES);
}

async fn heads(client: Client) {
    let mut late = client.connect().await;
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").await.unwrap();
    let answer = to_the_end(&mut late).await;
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    // Also where it is not the first one.
    let mut second = client.connect().await;
    second.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        assert!(timeout(SOON, second.read_buf(&mut answer)).await.unwrap().unwrap() > 0);
    }
    second.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").await.unwrap();
    let answer = to_the_end(&mut second).await;
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    let mut long = client.connect().await;
    let line = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(70_000));
    long.write_all(line.as_bytes()).await.unwrap();
    let answer = to_the_end(&mut long).await;
    assert!(answer.starts_with(b"HTTP/1.1 414 "), "{}", String::from_utf8_lossy(&answer));
    // One that closes the socket without a word of TLS before is gone, and the server goes on.
    let rude = client.connect().await;
    drop(rude.into_inner().0);
    client.get("/virtual-networks");
}

fn client_certificates(database_url: &str, files: &Arc<Files>) {
    files.make("client", Some("ca"), "keyUsage=digitalSignature");
    files.make("stranger", Some("other"), "keyUsage=digitalSignature");
    let (certificate, key, authority) = (files.text("server.pem"), files.text("server.key"), files.text("ca.pem"));
    let shown = |name: &str| [files.text(&format!("{name}.pem")), files.text(&format!("{name}.key"))];
    for (whether, without) in [("required", false), ("optional", true)] {
        let tls = ["--tls-certificate", &certificate, "--tls-key", &key, "--tls-client-ca", &authority];
        // To be required is the default.
        let more: &[&str] = if without { &["--tls-client-certificates", "optional"] } else { &[] };
        let server = Server::start_on_with(database_url, &[&tls, more].concat());
        let client = Client { files: Arc::clone(files), address: server.address() };
        let url = client.url("/healthz");
        let get = |shown: &[&str]| {
            let output = client.curl(&[shown, &[&url]].concat()).output().unwrap();
            (output.status.success() && output.stdout == b"ok\n", said(&output))
        };
        for (who, expected) in [("client", true), ("stranger", false)] {
            let [certificate, key] = shown(who);
            let (got_in, said) = get(&["--cert", &certificate, "--key", &key]);
            assert_eq!(got_in, expected, "{whether}: {who}: {said}");
        }
        let (got_in, said) = get(&[]);
        assert_eq!(got_in, without, "{whether}: nobody in particular: {said}");
    }
}

fn reload(client: &Client, log: &dyn Fn() -> String) {
    let files = &client.files;
    let subject = || said(&client.s_client(&[]));
    let served = |name: &str| subject().contains(&format!("subject=CN = {name}\n"));
    assert!(served("server"), "{}", subject());
    files.make("renewed", Some("ca"), "subjectAltName=DNS:localhost,IP:127.0.0.1");

    // It is for three days.
    assert!(log().contains("the certificate ends soon"), "{}", log());

    // A certificate without its key, and what is none at all: told, and passed over.
    files.put("renewed.pem", "server.pem");
    wait_until("it says that they don't fit", LIMIT, || log().contains("is not the key of the certificate in"));
    assert!(served("server"), "{}", subject());
    fs::write(files.path("server.pem"), "no certificate").unwrap();
    wait_until("it says that there is none", LIMIT, || log().contains("there is no certificate in it"));
    assert!(served("server"), "{}", subject());
    fs::remove_file(files.path("server.pem")).unwrap();
    wait_until("it says that the file is gone", LIMIT, || log().contains("No such file"));
    assert!(served("server"), "{}", subject());

    // Both, one after the other.
    files.put("renewed.pem", "server.pem");
    files.put("renewed.key", "server.key");
    wait_until("the new one is served (tls_7)", LIMIT, || served("renewed"));
    wait_until("it says that", LIMIT, || log().contains("the files were read again"));
    client.get("/virtual-networks");

    // One that has ended is told.
    files.end("server");
    wait_until("it says that it has ended", LIMIT, || log().contains("the certificate has ended"));
}

fn bad_files() {
    let files = Files::new();
    let directory = fresh_directory();
    let data = directory.path().join("data");
    fs::write(files.path("empty"), "").unwrap();
    let text = |name: &str| files.text(name);
    let is_no_key_of =
        format!("--tls-key {}: it is not the key of the certificate in {}", text("ca.key"), text("server.pem"));
    for (name, options) in [("new.key", &["pkcs8", "-topk8"][..]), ("old.key", &["ec", "-aes256"])] {
        let mut openssl = Command::new("openssl");
        openssl.args(options).args(["-passout", "pass:secret", "-in", &text("server.key"), "-out", &text(name)]);
        assert!(openssl.output().unwrap().status.success());
    }
    let is_encrypted = |name: &str| format!("--tls-key {}: the key in it is encrypted", text(name));
    let cases = [
        (vec!["--tls-certificate", "server.pem", "--tls-key", "ca.key"], is_no_key_of),
        (vec!["--tls-certificate", "server.pem", "--tls-key", "new.key"], is_encrypted("new.key")),
        (vec!["--tls-certificate", "server.pem", "--tls-key", "old.key"], is_encrypted("old.key")),
        (
            vec!["--tls-certificate", "server.pem", "--tls-key", "gone"],
            format!("--tls-key {}: No such file", text("gone")),
        ),
        (
            vec!["--tls-certificate", "gone", "--tls-key", "server.key"],
            format!("--tls-certificate {}: No such file", text("gone")),
        ),
        (vec!["--tls-certificate", "empty", "--tls-key", "server.key"], "there is no certificate in it".to_owned()),
        (
            vec!["--tls-certificate", "server.pem", "--tls-key", "server.pem"],
            "there is no private key in it".to_owned(),
        ),
        (
            vec!["--tls-certificate", "server.pem"],
            format!("--tls-certificate {}: --tls-key is needed", text("server.pem")),
        ),
        (vec!["--tls-key", "server.key"], format!("--tls-key {}: --tls-certificate is needed", text("server.key"))),
        (vec!["--tls-client-ca", "ca.pem"], "--tls-certificate is needed".to_owned()),
        (
            vec!["--tls-certificate", "server.pem", "--tls-key", "server.key", "--tls-client-certificates", "required"],
            "--tls-client-certificates required: --tls-client-ca is needed".to_owned(),
        ),
        (
            vec!["--tls-certificate", "server.pem", "--tls-key", "server.key", "--tls-client-ca", "empty"],
            format!("--tls-client-ca {}: there is no certificate in it", text("empty")),
        ),
    ];
    for (options, told) in cases {
        let options: Vec<String> = options
            .iter()
            .map(|option| match Path::new(option).extension() {
                None if !["empty", "gone"].contains(option) => (*option).to_owned(),
                _ => text(option),
            })
            .collect();
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
        arguments.extend(options.iter().map(String::as_str));
        let mut process = Process::start(&arguments);
        let status = process.wait(LIMIT).unwrap_or_else(|| panic!("{options:?}: it starts"));
        let errors = process.errors();
        assert_eq!(status.code(), Some(2), "{options:?}: {errors}");
        assert!(errors.contains(&told), "{options:?}: '{told}' is expected in\n{errors}");
        assert!(!data.exists(), "{options:?}: something was made");
    }
}
