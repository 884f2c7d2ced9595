//! The file of tokens: a line a token, with its digest and whose it is; no token can be made of it. `cirrus token new` makes the
//! lines. The file is read again when it changes; one that is damaged changes nothing.

use super::{Callers, Known, Unknown, token};
use crate::access::{Caller, Level, Scope};
use arc_swap::ArcSwap;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use time::{OffsetDateTime, UtcDateTime, format_description::well_known::Rfc3339, macros::format_description};
use tokio::time::sleep;
use toml::Spanned;
use uuid::Uuid;

/// How often to look whether the file has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A file that was written within this time is read again: clocks of file systems are coarse, and who writes it may not be ready.
const FRESH: Duration = Duration::from_secs(3);
/// Larger files are no files of tokens, in bytes.
const LARGEST: u64 = 64 << 20;
/// What a line has to be.
const LINE: &str = "a line like the second one that `cirrus token new` prints is expected";

/// Whose tokens are.
type Tokens = HashMap<token::Digest, Arc<Known>>;

/// A file of tokens, as it was when it was sound the last time.
pub struct TokenFile {
    path: PathBuf,
    callers: Arc<Callers>,
    tokens: ArcSwap<Tokens>,
    /// What the file was like when it was read the last time.
    seen: ArcSwap<Seen>,
}

/// What a file is like.
#[derive(PartialEq, Eq)]
struct Seen {
    /// Its place, its size, and when it was changed; none if there is no file.
    stamp: Option<(u64, u64, i64, i64)>,
    /// Of what was in it, or of what could not be read.
    digest: token::Digest,
}

impl TokenFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Why not, with the line and what is expected there.
    pub fn read(path: &Path, callers: Arc<Callers>) -> Result<Self, String> {
        let stamp = stamp(path);
        let text = read_text(path)?;
        let tokens = parse(&text, &callers)?;
        tracing::info!(tokens = tokens.len(), "read the file of tokens");
        let seen = Seen { stamp, digest: token::digest(&text) };
        warn_if_others_may_write(path);
        Ok(Self {
            path: path.to_owned(),
            callers,
            tokens: ArcSwap::from_pointee(tokens),
            seen: ArcSwap::from_pointee(seen),
        })
    }

    /// Whose a token is. One of a service that comes along has to be in the file, too.
    pub(super) fn ask(&self, token: &str, service_token: Option<&str>) -> Result<Arc<Known>, Unknown> {
        let tokens = self.tokens.load();
        let find = |token: &str| tokens.get(&token::digest(token)).ok_or(Unknown::Nobody);
        if find(service_token.unwrap_or(token))?.has_ended(SystemTime::now()) {
            return Err(Unknown::Nobody);
        }
        find(token).map(Arc::clone)
    }

    /// Reads it again when it changes, for as long as the server runs.
    pub async fn follow(self: Arc<Self>) {
        loop {
            sleep(LOOK_EVERY).await;
            let file = Arc::clone(&self);
            // A panic there is one here.
            if let Err(fault) = tokio::task::spawn_blocking(move || file.look()).await
                && let Ok(fault) = fault.try_into_panic()
            {
                std::panic::resume_unwind(fault);
            }
        }
    }

    /// Looks once. What is wrong is told once.
    fn look(&self) {
        // Before it is read: what is changed meanwhile is seen the next time.
        let stamp = stamp(&self.path);
        let seen = self.seen.load();
        if stamp == seen.stamp && !is_fresh(&self.path) {
            return;
        }
        let read = read_text(&self.path);
        let digest = token::digest(read.as_ref().unwrap_or_else(|text| text));
        let is_new = digest != seen.digest;
        self.seen.store(Arc::new(Seen { stamp, digest }));
        if !is_new {
            return;
        }
        match read.and_then(|text| parse(&text, &self.callers)) {
            Ok(tokens) => {
                tracing::info!(tokens = tokens.len(), "read the file of tokens, which has changed");
                self.tokens.store(Arc::new(tokens));
                warn_if_others_may_write(&self.path);
            }
            Err(error) => tracing::error!(
                file = %self.path.display(),
                error,
                "the file of tokens has changed and can't be used; what was in it before stays in force"
            ),
        }
    }
}

/// What changes when a file does.
fn stamp(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

fn is_fresh(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().map_or(true, |age| age < FRESH))
}

fn read_text(path: &Path) -> Result<String, String> {
    let told = |error: io::Error| format!("can't be read: {error}");
    let metadata = fs::metadata(path).map_err(told)?;
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    if metadata.len() > LARGEST {
        return Err(format!("has {} bytes: the limit is {LARGEST}", metadata.len()));
    }
    fs::read_to_string(path).map_err(told)
}

/// Whoever writes the file may be whom he likes.
fn warn_if_others_may_write(path: &Path) {
    let mode = fs::metadata(path).map(|metadata| metadata.mode()).unwrap_or_default();
    if mode & 0o022 != 0 {
        let mode = format!("{:03o}", mode & 0o777);
        tracing::warn!(
            file = %path.display(),
            mode,
            "others than its owner may write the file of tokens, and so may do everything here: chmod go-w"
        );
    }
}

/// What is said of a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    user: String,
    user_id: Option<String>,
    project: Option<Uuid>,
    project_name: Option<String>,
    domain: Option<String>,
    domain_name: Option<String>,
    roles: Vec<String>,
    expires: Option<String>,
}

/// What is in a file.
fn parse(text: &str, callers: &Callers) -> Result<Tokens, String> {
    let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let is_token = |line: &str| line.trim_start_matches([' ', '\t', '"', '\'']).starts_with(token::PREFIX);
    if let Some(at) = text.lines().position(is_token) {
        return Err(format!("line {}: a token itself has no place here; {LINE}", at + 1));
    }
    let entries: BTreeMap<Spanned<String>, Entry> = toml::from_str(text).map_err(|error| {
        let place = error.span().map(|span| format!("line {}: ", line(span.start))).unwrap_or_default();
        // The text of the library may repeat what is there.
        match error.message() {
            message if text.contains(token::PREFIX) && message.contains(token::PREFIX) => {
                format!("{place}a token itself has no place here; {LINE}")
            }
            message => format!("{place}{}; {LINE}", message.trim_end().replace('\n', ", ")),
        }
    })?;
    let mut tokens = Tokens::with_capacity(entries.len());
    for (name, entry) in entries {
        let place = format!("line {}", line(name.span().start));
        let refused = |expected: &str| format!("{place}: {expected}; {LINE}");
        let digest = token::read_digest(name.get_ref());
        let digest = digest.ok_or_else(|| refused("`sha256-` and 64 hexadecimal digits have to be at its begin"))?;
        let known = known(entry, callers).map_err(|expected| refused(&expected))?;
        if tokens.insert(digest, Arc::new(known)).is_some() {
            return Err(refused("this token has a line already"));
        }
    }
    Ok(tokens)
}

fn known(entry: Entry, callers: &Callers) -> Result<Known, String> {
    if entry.user.trim().is_empty() {
        return Err("`user` has to be a name".to_owned());
    }
    let expires_at = entry.expires.as_deref().map(read_time).transpose()?;
    let domain = entry.domain.map(|id| Scope::new(id, entry.domain_name));
    let project = entry.project.map(|uuid| Scope::new(uuid.simple().to_string(), entry.project_name));
    let caller = callers.complete(Caller {
        user_id: entry.user_id,
        user: Some(entry.user),
        project,
        domain,
        roles: entry.roles,
        ..Caller::of_level(Level::Member)
    });
    let token_info = token_info(&caller, expires_at);
    Ok(Known { caller: Arc::new(caller), expires_at: expires_at.map(SystemTime::from), token_info })
}

/// A time with a zone.
fn read_time(text: &str) -> Result<OffsetDateTime, String> {
    let expected = |_| "`expires` has to be a time like \"2027-02-24T12:00:00Z\"".to_owned();
    OffsetDateTime::parse(text, &Rfc3339).map_err(expected)
}

/// What Keystone says of a token of its own, as far as it applies (OBJ-2). There is no token in it, and no catalog (OBJ-3).
pub(super) fn token_info(caller: &Caller, expires_at: Option<OffsetDateTime>) -> Value {
    let microseconds = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    let expires_at = expires_at.and_then(|end| UtcDateTime::from(end).format(microseconds).ok());
    let domain = caller.domain.as_ref().map(|domain| json!({"id": domain.id, "name": domain.name}));
    let roles: Vec<Value> = caller.roles.iter().map(|role| json!({"id": role, "name": role})).collect();
    let mut token = json!({
        "methods": ["token"],
        "version": "v3",
        "user": {"id": caller.user_id.as_ref().or(caller.user.as_ref()), "name": caller.user, "domain": domain},
        "roles": roles,
        "expires_at": expires_at,
    });
    if let (Some(project), Value::Object(members)) = (&caller.project, &mut token) {
        members.insert("project".to_owned(), json!({"id": project.id, "name": project.name, "domain": domain}));
    }
    json!({"token": token})
}
