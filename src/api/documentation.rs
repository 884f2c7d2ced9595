//! `/openapi.json` and the page at `/documentation/` that shows it. All of the page is in the program, so it needs no internet.

use super::{
    answer::Answer,
    call::Call,
    error::{Answered, ApiError},
    openapi,
};
use crate::model::Model;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, OnceLock},
};
use utoipa_swagger_ui::Config;

/// The document and its page; the document is made when it is first asked for.
pub struct Documentation {
    model: Arc<Model>,
    page: Arc<Config<'static>>,
    document: OnceLock<String>,
}

impl Documentation {
    /// Of this model.
    pub fn new(model: Arc<Model>) -> Self {
        // The way to the document is relative, so that it is found below any path of a proxy. A page of a thousand operations
        // begins folded up, with a field to search in. The validator would be a service on the internet.
        let page = Config::from("../openapi.json")
            .doc_expansion("none")
            .use_base_layout()
            .filter(true)
            .deep_linking(true)
            .display_operation_id(true)
            .default_models_expand_depth(-1)
            .validator_url("none");
        Self { model, page: Arc::new(page), document: OnceLock::new() }
    }

    /// `GET /openapi.json`
    pub fn document(&self, call: &Call) -> Answer {
        let document = self.document.get_or_init(|| serde_json::json!(openapi::document(&self.model)).to_string());
        file(call, document.as_bytes(), "application/json".to_owned())
    }

    /// `GET /documentation/<file>`
    ///
    /// # Errors
    /// 404 for a file that is not there (contrail-api R21, wire contract 1.4).
    pub fn file(&self, call: &Call, path: Option<&str>) -> Answered<Answer> {
        let Some(path) = path else { return Ok(Answer::SeeOther("documentation/")) };
        match utoipa_swagger_ui::serve(path, Arc::clone(&self.page)) {
            Ok(Some(found)) => Ok(file(call, &found.bytes, found.content_type)),
            Ok(None) => Err(ApiError::not_found("File does not exist.")),
            Err(error) => {
                tracing::warn!(%error, path, "a file of the documentation can't be made");
                Err(ApiError::not_found("File does not exist."))
            }
        }
    }
}

/// A file, unless the client has it.
fn file(call: &Call, bytes: &[u8], content_type: String) -> Answer {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let etag = format!("\"{:016x}\"", hasher.finish());
    if call.has_already(&etag) {
        return Answer::NotModified { etag };
    }
    Answer::File { bytes: bytes.to_vec(), content_type, etag }
}
