//! A running contrail-api as a source: all lists of it, page by page, and its key-values. What it does not tell over REST is not
//! imported: addresses that nobody holds, positions that clients have chosen, which references stop no delete, and what daemons store.
//!
//! Its clients may write meanwhile, and no list is of one moment. So everything is listed once more in the end: if an object has come,
//! gone or changed since it was read, nothing is imported.

use super::{
    ImportError,
    findings::{self, Report},
    progress::Progress,
    source::{Document, Source, Taker},
};
use crate::{
    client::{ApiServer, ClientError, Method, ServerSettings},
    settings::ImportSettings,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};
use uuid::Uuid;

/// How many objects a page has.
const PAGE: usize = 500;
/// How often a request is made that has no answer, or one that says that there may be one later.
const TRIES: u32 = 3;
/// How long to wait before the next try.
const PAUSE: Duration = Duration::from_secs(1);
/// How often somebody may say that it is enough, while an answer is waited for.
const LOOK: Duration = Duration::from_millis(200);

/// A request, and its answer.
type Question = (Method, String, Option<Value>);
type Answered = Result<Value, ClientError>;

/// A running contrail-api.
pub struct Server {
    name: String,
    /// To who asks it, and back: on a thread of its own, so that nobody has to wait for its end.
    questions: SyncSender<Question>,
    answers: Receiver<Answered>,
    progress: Progress,
    /// Whether nothing is stored, so that it does not matter what changes meanwhile.
    is_trial: bool,
    key_values: Vec<(String, String)>,
}

impl Server {
    /// Not asked yet.
    ///
    /// # Errors
    /// When it is contradictory where it is, or who asks.
    pub fn new(settings: &ImportSettings, progress: Progress) -> Result<Self, ImportError> {
        let refuse = |error: ClientError| ImportError::Settings(error.to_string());
        let server = ServerSettings {
            server: settings.source.clone(),
            port: None,
            tls: settings.tls.clone(),
            caller: settings.caller.clone(),
        };
        let answer_within = Duration::from_secs(settings.answer_within);
        let api = ApiServer::with_deadline(&server, "import", answer_within).map_err(refuse)?;
        let (questions, asked) = sync_channel::<Question>(1);
        let (answer, answers) = sync_channel(1);
        thread::spawn(move || {
            while let Ok((method, path, body)) = asked.recv() {
                if answer.send(api.call(method, &path, body.as_ref())).is_err() {
                    return;
                }
            }
        });
        let name = settings.source.trim_end_matches('/').to_owned();
        Ok(Self { name, questions, answers, progress, is_trial: settings.dry_run, key_values: Vec::new() })
    }

    /// What went wrong, and at which request.
    fn failed(&self, path: &str, text: impl std::fmt::Display) -> ImportError {
        ImportError::Server { server: self.name.clone(), text: format!("{path}: {text}; nothing was stored") }
    }

    fn ask_once(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answered, ImportError> {
        let gone = || self.failed(path, "who asks has gone");
        self.questions.send((method, path.to_owned(), body.cloned())).map_err(|_| gone())?;
        loop {
            self.progress.check()?;
            match self.answers.recv_timeout(LOOK) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
    }

    /// An answer; null where the server does not know what is asked for.
    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ImportError> {
        let mut tries = 1;
        loop {
            match self.ask_once(method, path, body)? {
                Ok(answer) => return Ok(answer),
                Err(ClientError::Refused { status: 404, .. }) => return Ok(Value::Null),
                Err(error) if tries < TRIES && is_passing(&error) => {
                    tries += 1;
                    thread::sleep(PAUSE);
                }
                Err(error @ (ClientError::Argument(_) | ClientError::Authentication(_))) => {
                    return Err(ImportError::Settings(error.to_string()));
                }
                Err(error) => return Err(self.failed(path, error)),
            }
        }
    }

    /// The names of all types, as the home page lists them.
    fn types(&self) -> Result<Vec<String>, ImportError> {
        let home = self.ask(Method::Get, "/", None)?;
        let links = home.get("links").and_then(Value::as_array);
        let links = links.ok_or_else(|| self.failed("/", "that is no home page of a contrail-api"))?;
        let collection = |link: &Value| {
            let link = link.get("link")?;
            (link.get("rel")?.as_str()? == "collection").then_some(())?;
            let name = link.get("name")?.as_str()?;
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
            (!name.is_empty() && name.chars().all(is_name)).then(|| name.to_owned())
        };
        let types: Vec<String> = links.iter().filter_map(collection).collect();
        if types.is_empty() { Err(self.failed("/", "it lists no types of objects")) } else { Ok(types) }
    }

    /// Who may not read everything would import a part of it, and never know.
    fn look_who_asks(&self) -> Result<(), ImportError> {
        let rights = self.ask(Method::Get, "/obj-perms", None)?;
        let is = |role: &str| rights.get(role).and_then(Value::as_bool).unwrap_or_default();
        let is_somebody = rights.get("token_info").is_some_and(|token| !token.is_null());
        if is_somebody && !is("is_cloud_admin_role") && !is("is_global_read_only_role") {
            let text =
                "who asks is no cloud admin, and does not get to read all objects: give the token, or the user, of one";
            return Err(ImportError::Settings(format!("{}: {text}", self.name)));
        }
        Ok(())
    }

    /// Gives all objects of a type to somebody, page by page. Each page has to lead on: one that does not would be followed by others
    /// for ever.
    fn list(
        &self,
        kind: &str,
        how: &str,
        mut take: impl FnMut(&str, Value) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let field = format!("{kind}s");
        let mut marker = "None".to_owned();
        let (mut markers, mut before): (HashSet<String>, HashSet<Uuid>) = (HashSet::new(), HashSet::new());
        loop {
            let after = utf8_percent_encode(&marker, NON_ALPHANUMERIC);
            let path = format!("/{kind}s?{how}&exclude_hrefs=true&page_limit={PAGE}&page_marker={after}");
            let mut answer = self.ask(Method::Get, &path, None)?;
            let Some(Value::Array(objects)) = answer.get_mut(&field).map(Value::take) else {
                return Err(self.failed(&path, format_args!("the answer has no list '{field}'")));
            };
            let of_page: HashSet<Uuid> =
                objects.iter().filter_map(|item| uuid_of(item.get(kind).unwrap_or(item))).collect();
            if let Some(again) = of_page.iter().find(|uuid| before.contains(*uuid)) {
                return Err(self.failed(&path, format_args!("{again} was on a page before this one")));
            }
            for object in objects {
                take(&path, object)?;
            }
            let next = match answer.get("marker") {
                // Old servers know no pages: that was all.
                None | Some(Value::Null) => return Ok(()),
                Some(Value::String(next)) => next,
                Some(_) => return Err(self.failed(&path, "its marker is no text")),
            };
            if of_page.is_empty() {
                return Err(self.failed(&path, "there is no object on this page, and it says that another one follows"));
            }
            if *next == marker || !markers.insert(next.clone()) {
                return Err(self.failed(&path, "the page that it says follows is one that was read before"));
            }
            next.clone_into(&mut marker);
            before.extend(of_page);
        }
    }

    /// Reads all objects; gives when each was modified last.
    fn objects(
        &self,
        types: &[String],
        taker: &mut dyn Taker,
        report: &mut Report,
    ) -> Result<HashMap<Uuid, String>, ImportError> {
        let mut seen = HashMap::new();
        self.progress.begin("reading objects", None, false);
        for kind in types {
            self.list(kind, "detail=true", |path, mut item| {
                let Some(Value::Object(object)) = item.get_mut(kind).map(Value::take) else {
                    return Err(self.failed(path, format_args!("an object is not in a '{kind}'")));
                };
                self.progress.advance(1);
                let Some(document) = document(kind, object) else {
                    report.add(
                        findings::BAD_UUID,
                        format_args!("{} {path}", self.name),
                        "an object has none, or no name",
                    );
                    return Ok(());
                };
                seen.insert(document.uuid, modified(&Value::Object(document.body.clone())));
                taker.object(document, report)
            })?;
        }
        Ok(seen)
    }

    /// Looks whether all is as it was when it was read.
    fn compare(&self, types: &[String], mut seen: HashMap<Uuid, String>) -> Result<(), ImportError> {
        self.progress.begin("looking whether it has changed meanwhile", u64::try_from(seen.len()).ok(), false);
        let mut changed = Vec::new();
        for kind in types {
            self.list(kind, "fields=id_perms", |_, item| {
                self.progress.advance(1);
                if let Some(uuid) = uuid_of(&item)
                    && seen.remove(&uuid) != Some(modified(&item))
                {
                    changed.push(uuid);
                }
                Ok(())
            })?;
        }
        changed.extend(seen.into_keys());
        match changed.iter().min() {
            None => Ok(()),
            Some(first) => Err(ImportError::Server {
                server: self.name.clone(),
                text: format!(
                    "{} objects have come, gone or changed while they were read, {first} for one; nothing was stored. See to it that \
                     nobody writes, and try it again",
                    changed.len()
                ),
            }),
        }
    }

    fn read_key_values(&self) -> Result<Vec<(String, String)>, ImportError> {
        const PATH: &str = "/useragent-kv";
        let answer = self.ask(Method::Post, PATH, Some(&json!({"operation": "RETRIEVE", "key": null})))?;
        // Where there are none of them some servers know nothing of it.
        let Some(pairs) = answer.get("value").and_then(Value::as_array) else {
            return if answer.is_null() {
                Ok(Vec::new())
            } else {
                Err(self.failed(PATH, "the answer has no list 'value'"))
            };
        };
        let pair =
            |pair: &Value| Some((pair.get("key")?.as_str()?.to_owned(), pair.get("value")?.as_str()?.to_owned()));
        let pairs: Option<Vec<_>> = pairs.iter().map(pair).collect();
        pairs.ok_or_else(|| self.failed(PATH, "a pair lacks its key or its value"))
    }
}

/// Whether the same question may have an answer later.
fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable(..) => true,
        ClientError::Refused { status, .. } => *status >= 500 || *status == 429,
        ClientError::Argument(_) | ClientError::Authentication(_) => false,
    }
}

fn uuid_of(object: &Value) -> Option<Uuid> {
    Uuid::try_parse(object.get("uuid")?.as_str()?).ok()
}

/// When an object was modified last, as it says itself.
fn modified(object: &Value) -> String {
    object.get("id_perms").and_then(|perms| perms.get("last_modified")).unwrap_or_default().to_string()
}

/// An object of a list with all its fields.
fn document(kind: &str, object: Map<String, Value>) -> Option<Document> {
    let text = |field: &str| object.get(field).and_then(Value::as_str);
    let uuid = Uuid::try_parse(text("uuid")?).ok()?;
    let fq_name = object.get("fq_name")?.as_array()?.iter().map(|part| part.as_str().map(str::to_owned));
    Some(Document {
        kind: kind.to_owned(),
        uuid,
        fq_name: fq_name.collect::<Option<_>>()?,
        parent_type: text("parent_type").map(str::to_owned),
        parent: text("parent_uuid").and_then(|uuid| Uuid::try_parse(uuid).ok()),
        body: object,
        ..Document::default()
    })
}

impl Source for Server {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn read(&mut self, taker: &mut dyn Taker, report: &mut Report) -> Result<(), ImportError> {
        let types = self.types()?;
        self.look_who_asks()?;
        let seen = self.objects(&types, taker, report)?;
        self.key_values = self.read_key_values()?;
        for (key, value) in &self.key_values {
            taker.key_value(key, value)?;
        }
        if self.is_trial { Ok(()) } else { self.compare(&types, seen) }
    }

    fn read_texts(&mut self, taker: &mut dyn Taker) -> Result<(), ImportError> {
        for (key, value) in &self.key_values {
            taker.key_value(key, value)?;
        }
        Ok(())
    }
}
