//! What handlers answer, and how it goes out.

use super::{call::Call, documentation::File};
use crate::{
    json_text,
    metrics::Format,
    rules::{Outcome, Told},
};
use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::{BodyStream, BoxBody, MessageBody, SizedStream},
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::Value;
use std::{convert::Infallible, sync::Arc};

/// Longer bodies go out in slices of this many bytes: what a client has not taken is there once, and not a second time on its
/// way to the connection.
const SLICE: usize = 64 << 10;
/// About how many bytes are made at a time of an answer that is made while it goes out.
pub const PIECE: usize = 128 << 10;

/// An answer that is not a refusal.
pub enum Answer {
    /// 200 with a body of JSON.
    Json {
        /// The text.
        body: Bytes,
        /// The tag of a single read.
        etag: Option<String>,
        /// Whether something newer may exist.
        stale: bool,
    },
    /// 200 with a body of JSON that is made while it goes out.
    Pieces {
        /// The pieces.
        body: BoxBody,
        /// Whether something newer may exist.
        stale: bool,
    },
    /// 202: kept aside as a draft, or handed on; with a body, or without.
    Pending(Option<Value>),
    /// 200 without a body.
    Empty,
    /// 304
    NotModified {
        /// The tag of what the client has.
        etag: String,
    },
    /// 303 to a path relative to that of the request, so that it holds behind a proxy, too.
    SeeOther(String),
    /// 200 with a file.
    File {
        /// What it is.
        file: Arc<File>,
        /// Whether the client takes it compressed.
        compressed: bool,
    },
    /// A page for people.
    Page {
        /// The status.
        status: StatusCode,
        /// HTML.
        text: String,
        /// What else the head says.
        headers: Vec<(HeaderName, HeaderValue)>,
    },
    /// 200 with plain text.
    Text(String),
    /// 200 with metrics.
    Metrics {
        /// How they are written.
        format: Format,
        /// All of them.
        text: Bytes,
    },
    /// 200 with server-sent events.
    Events(BoxBody),
}

impl Answer {
    /// 200 with this body.
    pub fn json(value: &Value) -> Self {
        let mut body = Vec::new();
        json_text::write(&mut body, value);
        Self::Json { body: body.into(), etag: None, stale: false }
    }

    /// What is said of an object after a request that changed it, or was kept aside.
    pub fn of_change(outcome: &Outcome, describe: impl FnOnce(&Told) -> Value) -> Self {
        match outcome {
            Outcome::Object(object) => Self::json(&describe(object)),
            Outcome::Pending(object) => Self::Pending(object.as_ref().map(describe)),
            Outcome::Addresses(_) | Outcome::Done | Outcome::Many(_) | Outcome::Answer(_) => Self::Empty,
        }
    }

    /// As it goes out. An answer without a body is of type HTML, as clients know it.
    pub fn response(self) -> HttpResponse {
        match self {
            Self::Json { body, etag, stale } => {
                let mut response = json_response(stale);
                if let Some(etag) = etag {
                    response.insert_header(("Etag", etag));
                }
                response.body(in_slices(body))
            }
            Self::Pieces { body, stale } => json_response(stale).body(body),
            Self::Pending(body) => {
                let mut response = HttpResponse::Accepted();
                let Some(value) = body else {
                    return response.content_type("text/html; charset=UTF-8").body("");
                };
                let mut text = Vec::new();
                json_text::write(&mut text, &value);
                response.content_type("application/json").body(text)
            }
            Self::Empty => HttpResponse::Ok().content_type("text/html; charset=UTF-8").body(""),
            Self::NotModified { etag } => HttpResponse::NotModified().insert_header(("Etag", etag)).finish(),
            Self::SeeOther(path) => HttpResponse::SeeOther().insert_header(("Location", path)).finish(),
            Self::File { file, compressed } => {
                let mut response = HttpResponse::Ok();
                response
                    .content_type(file.content_type.as_str())
                    .insert_header(("Etag", file.etag.as_str()))
                    .insert_header(("Vary", "Accept-Encoding"))
                    .insert_header(("Cache-Control", file.kept));
                match file.compressed.as_ref().filter(|_| compressed) {
                    Some(bytes) => response.insert_header(("Content-Encoding", "gzip")).body(in_slices(bytes.clone())),
                    None => response.body(in_slices(file.bytes.clone())),
                }
            }
            Self::Page { status, text, headers } => {
                let mut response = HttpResponse::build(status);
                response
                    .content_type("text/html; charset=utf-8")
                    // It is of one person, and of now.
                    .insert_header(("Cache-Control", "no-store"))
                    // Forms of the page say where they are from; nobody else gets to know which object somebody looked at.
                    .insert_header(("Referrer-Policy", "same-origin"));
                for header in headers {
                    response.append_header(header);
                }
                response.body(in_slices(text.into()))
            }
            Self::Metrics { format, text } => HttpResponse::Ok()
                .content_type(format.content_type())
                .insert_header(("Vary", "Accept"))
                .insert_header(("Cache-Control", "no-store"))
                .body(in_slices(text)),
            Self::Text(text) => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text),
            Self::Events(body) => HttpResponse::Ok()
                .content_type("text/event-stream")
                .insert_header(("Cache-Control", "no-cache"))
                // Proxies must not collect what is meant to arrive at once.
                .insert_header(("X-Accel-Buffering", "no"))
                .body(body),
        }
    }
}

fn json_response(stale: bool) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.content_type("application/json");
    if stale {
        response.insert_header(("X-Cirrus-Stale", "true"));
    }
    response
}

/// An answer that goes out piece by piece, each made when the client takes it; no more are made for one that has gone, and
/// the connection breaks at an error.
pub fn in_pieces<E>(pieces: impl Stream<Item = Result<Bytes, E>> + 'static, stale: bool, call: &Call) -> Answer
where
    E: std::error::Error + 'static,
{
    // The head says the same in any case.
    let pieces = pieces.take(if call.head_only { 0 } else { usize::MAX });
    Answer::Pieces { body: BodyStream::new(pieces).boxed(), stale }
}

fn in_slices(body: Bytes) -> BoxBody {
    if body.len() <= SLICE {
        return BoxBody::new(body);
    }
    let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let slice = move |start: usize| body.slice(start..(start + SLICE).min(body.len()));
    let slices = (0..usize::try_from(size).unwrap_or(usize::MAX)).step_by(SLICE).map(slice);
    BoxBody::new(SizedStream::new(size, stream::iter(slices.map(Ok::<_, Infallible>))))
}
