//! `/openapi.json` and the pages at `/documentation/` that show it: an index, and a page for each type and each group of
//! actions, with a document of its own, as the whole one takes a browser many seconds. All of it is in the program, so it needs
//! no internet.

use super::{
    answer::Answer,
    call::Call,
    error::{Answered, ApiError},
    openapi,
};
use crate::model::Model;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use std::{
    collections::HashMap,
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write as _,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use utoipa_swagger_ui::Config;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The files of our own, by path.
const OWN: [(&str, &str, &str); 3] = [
    ("index.js", SCRIPT, include_str!("documentation/index.js")),
    ("group.js", SCRIPT, include_str!("documentation/group.js")),
    ("pages.css", STYLE, include_str!("documentation/pages.css")),
];
/// What is used of Swagger UI.
const SWAGGER_UI: [&str; 3] = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];

/// A file as it goes out.
#[derive(Debug)]
pub struct File {
    /// What is in it.
    pub bytes: Bytes,
    /// The same for who takes gzip, if that is smaller.
    pub compressed: Option<Bytes>,
    /// Its media type.
    pub content_type: String,
    /// Its tag.
    pub etag: String,
    /// For how long it may be kept: `Cache-Control`.
    pub kept: &'static str,
}

impl File {
    /// With its tag, and compressed. It may be kept, but the next release has another one.
    pub fn new(bytes: Vec<u8>, content_type: impl Into<String>) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let compressed = encoder.write_all(&bytes).and_then(|()| encoder.finish()).ok();
        let compressed = compressed.filter(|compressed| compressed.len() < bytes.len());
        let compressed = compressed.map(Bytes::from);
        Self { bytes: bytes.into(), compressed, content_type: content_type.into(), etag, kept: "no-cache" }
    }
}

/// The document and its pages. Each is made when it is first asked for.
pub struct Documentation {
    model: Arc<Model>,
    document: OnceLock<Value>,
    /// By path below `/documentation/`; the document itself has none. No more than there are.
    files: Mutex<HashMap<Option<String>, Arc<File>>>,
}

impl Documentation {
    /// Of this model.
    pub fn new(model: Arc<Model>) -> Self {
        Self { model, document: OnceLock::new(), files: Mutex::default() }
    }

    fn value(&self) -> &Value {
        self.document.get_or_init(|| serde_json::json!(openapi::document(&self.model)))
    }

    /// `GET /openapi.json`
    pub fn document(&self, call: &Call) -> Answer {
        answer(call, self.kept(None, || Some(File::new(self.value().to_string().into_bytes(), "application/json"))))
            .unwrap_or(Answer::Empty)
    }

    /// `GET /documentation/<file>`
    ///
    /// # Errors
    /// 404 for a file that is not there (contrail-api R21, wire contract 1.4).
    pub fn file(&self, call: &Call, path: Option<&str>) -> Answered<Answer> {
        let Some(path) = path else { return Ok(Answer::SeeOther("documentation/".to_owned())) };
        if self.groups().any(|(name, _)| directory(name) == path) {
            // What belongs to the page is found beside it only with the slash.
            return Ok(Answer::SeeOther(format!("{path}/")));
        }
        let file = self.kept(Some(path), || self.make(path));
        answer(call, file).ok_or_else(|| ApiError::not_found("File does not exist."))
    }

    /// A file that was made before, or is made now.
    fn kept(&self, path: Option<&str>, make: impl FnOnce() -> Option<File>) -> Option<Arc<File>> {
        let key = path.map(str::to_owned);
        let kept = self.files.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        kept.or_else(|| {
            let file = Arc::new(make()?);
            self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&file));
            Some(file)
        })
    }

    fn make(&self, path: &str) -> Option<File> {
        if path.is_empty() {
            return Some(File::new(self.index().into_bytes(), HTML));
        }
        if let Some((_, content_type, text)) = OWN.iter().find(|(name, ..)| *name == path) {
            return Some(File::new(text.as_bytes().to_vec(), *content_type));
        }
        if SWAGGER_UI.contains(&path) {
            let found = utoipa_swagger_ui::serve(path, Arc::new(Config::from("openapi.json"))).ok().flatten()?;
            return Some(File::new(found.bytes.into_owned(), found.content_type));
        }
        let (group, file) = path.split_once('/')?;
        let (name, _) = self.groups().find(|(name, _)| directory(name) == group)?;
        match file {
            "" => {
                let page = include_str!("documentation/group.html").replace("TITLE", &escaped(name));
                Some(File::new(page.into_bytes(), HTML))
            }
            "openapi.json" => {
                let part = openapi::part::of_tag(self.value(), name)?;
                Some(File::new(part.to_string().into_bytes(), "application/json"))
            }
            _ => None,
        }
    }

    /// The groups of operations, with what they are: those of actions, then the types.
    fn groups(&self) -> impl Iterator<Item = (&str, &str)> {
        let tags = self.value()["tags"].as_array().into_iter().flatten();
        tags.filter_map(|tag| Some((tag["name"].as_str()?, tag["description"].as_str().unwrap_or_default())))
    }

    /// The page of all groups.
    fn index(&self) -> String {
        let (mut actions, mut types) = (String::new(), String::new());
        for (name, meaning) in self.groups() {
            let list = if self.model.find(name).is_some() { &mut types } else { &mut actions };
            let (directory, name_text, meaning) = (escaped(&directory(name)), escaped(name), escaped(meaning));
            let words = escaped(&self.words_of(name));
            // A text takes everything.
            let _ = writeln!(
                list,
                "<li data-words=\"{words}\"><a href=\"{directory}/\">{name_text}</a> <small>{meaning}</small></li>"
            );
        }
        include_str!("documentation/index.html").replace("ACTIONS", &actions).replace("TYPES", &types)
    }

    /// The paths of a group, and what is said of its operations in a few words.
    fn words_of(&self, group: &str) -> String {
        let mut words = Vec::new();
        for (path, operations) in self.value()["paths"].as_object().into_iter().flatten() {
            let of_group = |operation: &&Value| {
                operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag == group))
            };
            for operation in operations.as_object().into_iter().flat_map(|methods| methods.values()).filter(of_group) {
                words.extend([path.as_str(), operation["summary"].as_str().unwrap_or_default()]);
            }
        }
        words.dedup();
        words.join(" ")
    }
}

/// A group's directory.
fn directory(group: &str) -> String {
    group.replace(' ', "-")
}

/// Titles are the operator's, who may have a data model of their own.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A file, unless the client has it.
fn answer(call: &Call, file: Option<Arc<File>>) -> Option<Answer> {
    let file = file?;
    if call.has_already(&file.etag) {
        return Some(Answer::NotModified { etag: file.etag.clone() });
    }
    Some(Answer::File { file, compressed: call.takes_gzip })
}
