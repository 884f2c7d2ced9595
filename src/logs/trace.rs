//! Where the time of one request goes. It says of what type and which operation a request is and how it ended, and nothing of
//! what is in it: a collector is somebody else's.

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use std::{
    borrow::Cow,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use uuid::Uuid;

/// How many parts of a request are told at most: one that makes several objects has several of each.
const MOST_PARTS: usize = 32;

/// What is noted of a request.
#[derive(Debug)]
pub struct Trace {
    id: TraceId,
    span: SpanId,
    /// The span of the client that this one is a part of.
    parent: Option<SpanId>,
    begun: Instant,
    begun_at: SystemTime,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    kind: String,
    operation: Cow<'static, str>,
    parts: Vec<Part>,
    /// What is handed to the writer and not answered yet: when that was, and when and in which batch it was decided last.
    written: Option<(Instant, Option<(Instant, Uuid)>)>,
}

#[derive(Debug)]
struct Part {
    name: &'static str,
    from: Instant,
    to: Instant,
    batch: Option<Uuid>,
}

impl Trace {
    /// Begins with a request. `parent` is what its client says in `traceparent` (W3C), if anything; one that does not want to be
    /// traced is not.
    pub fn begin(parent: Option<&str>) -> Option<Self> {
        let parent = parent.and_then(parse_parent);
        if parent.is_some_and(|(.., sampled)| !sampled) {
            return None;
        }
        let ids = RandomIdGenerator::default();
        Some(Self {
            id: parent.map_or_else(|| ids.new_trace_id(), |(id, ..)| id),
            span: ids.new_span_id(),
            parent: parent.map(|(_, span, _)| span),
            begun: Instant::now(),
            begun_at: SystemTime::now(),
            noted: Mutex::default(),
        })
    }

    /// Under which id the collector has it: 32 digits in hex.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// What is asked for: of which type, and what is done with it.
    pub fn is_for(&self, kind: &str, operation: impl Into<Cow<'static, str>>) {
        let mut noted = self.noted();
        (noted.kind, noted.operation) = (kind.to_owned(), operation.into());
    }

    /// Something that has taken from then until now.
    pub fn part(&self, name: &'static str, from: Instant) {
        self.noted().add(Part { name, from, to: Instant::now(), batch: None });
    }

    /// It is handed to the writer.
    pub fn begin_write(&self) {
        self.noted().written = Some((Instant::now(), None));
    }

    /// It was decided, in this batch. It may be again, if that one is not committed.
    pub fn decided(&self, batch: Uuid) {
        if let Some((_, decided)) = &mut self.noted().written {
            *decided = Some((Instant::now(), batch));
        }
    }

    /// The writer has answered: what was decided is committed, or was refused.
    pub fn end_write(&self) {
        let mut noted = self.noted();
        let now = Instant::now();
        let Some((from, decided)) = noted.written.take() else { return };
        let Some((decided, batch)) = decided else {
            noted.add(Part { name: "decide", from, to: now, batch: None });
            return;
        };
        noted.add(Part { name: "decide", from, to: decided, batch: Some(batch) });
        noted.add(Part { name: "commit", from: decided, to: now, batch: Some(batch) });
    }

    /// The request with its parts, when it is answered with this status.
    pub(super) fn spans(&self, request_id: &str, status: u16, scope: &InstrumentationScope) -> Vec<SpanData> {
        let noted = std::mem::take(&mut *self.noted());
        let at = |moment: Instant| self.begun_at + moment.saturating_duration_since(self.begun);
        let context = |span| SpanContext::new(self.id, span, TraceFlags::SAMPLED, false, TraceState::default());
        let whole = SpanData {
            span_context: context(self.span),
            parent_span_id: self.parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: self.parent.is_some(),
            span_kind: SpanKind::Server,
            name: format!("{} {}", noted.operation, noted.kind).trim().to_owned().into(),
            start_time: self.begun_at,
            end_time: at(Instant::now()),
            attributes: vec![
                KeyValue::new("cirrus.type", noted.kind),
                KeyValue::new("cirrus.operation", noted.operation),
                KeyValue::new("cirrus.request_id", request_id.to_owned()),
                KeyValue::new("http.response.status_code", i64::from(status)),
            ],
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            // As the conventions have it: what a client did wrong is no error of the server.
            status: if status >= 500 { Status::error("") } else { Status::Unset },
            instrumentation_scope: scope.clone(),
        };
        let ids = RandomIdGenerator::default();
        let part = |part: &Part| SpanData {
            span_context: context(ids.new_span_id()),
            parent_span_id: self.span,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: part.name.into(),
            start_time: at(part.from),
            end_time: at(part.to),
            attributes: part.batch.map(|batch| KeyValue::new("cirrus.batch", batch.to_string())).into_iter().collect(),
            status: Status::Unset,
            ..whole.clone()
        };
        let mut spans: Vec<SpanData> = noted.parts.iter().map(part).collect();
        spans.push(whole);
        spans
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn add(&mut self, part: Part) {
        // What is over in no time says nothing.
        if self.parts.len() < MOST_PARTS && part.to.saturating_duration_since(part.from) > Duration::ZERO {
            self.parts.push(part);
        }
    }
}

/// Reads `00-TRACE-SPAN-FLAGS`; a later version may have more behind that. Gives trace and span, and whether they are recorded.
fn parse_parent(text: &str) -> Option<(TraceId, SpanId, bool)> {
    let mut parts = text.trim().split('-');
    let [version, trace, span, flags] = [2, 32, 16, 2].map(|length| {
        let is_lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        parts.next().filter(|part| part.len() == length && part.bytes().all(is_lower_hex))
    });
    let version = version.filter(|version| *version != "ff")?;
    if version == "00" && parts.next().is_some() {
        return None;
    }
    let trace = TraceId::from_hex(trace?).ok().filter(|trace| *trace != TraceId::INVALID)?;
    let span = SpanId::from_hex(span?).ok().filter(|span| *span != SpanId::INVALID)?;
    let flags = u8::from_str_radix(flags?, 16).ok()?;
    Some((trace, span, flags & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn parents_are_read_as_w3c_has_them() {
        let (trace, span, sampled) = parse_parent(PARENT).unwrap();
        assert_eq!(
            (trace.to_string().as_str(), span.to_string().as_str()),
            ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
        );
        assert!(sampled && !parse_parent(&PARENT.replace("-01", "-00")).unwrap().2);
        assert!(parse_parent(&PARENT.replacen("00", "01", 1)).is_some());
        assert!(parse_parent(&format!("{}-more", PARENT.replacen("00", "cc", 1))).is_some(), "of a later version");
        for bad in [
            "",
            "00",
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replace("af", "AF"),
            &PARENT.replace("b7ad6b7169203331", "0000000000000000"),
            &PARENT.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            &PARENT.replace("-01", "-1"),
            &format!("{PARENT}-more"),
            "00-äf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(parse_parent(bad), None, "{bad}");
        }
        assert!(Trace::begin(Some(&PARENT.replace("-01", "-00"))).is_none());
        assert!(Trace::begin(Some("nonsense")).unwrap().parent.is_none());
    }

    #[test]
    fn a_request_is_told_with_its_parts() {
        let trace = Trace::begin(Some(PARENT)).unwrap();
        let (first, batch) = (Uuid::from_u128(1), Uuid::from_u128(2));
        trace.is_for("virtual-network", "create");
        trace.part("wait", trace.begun);
        trace.begin_write();
        trace.decided(first);
        trace.decided(batch);
        trace.end_write();
        trace.end_write();
        let spans = trace.spans("an id", 503, &InstrumentationScope::builder("test").build());
        let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(names, ["wait", "decide", "commit", "create virtual-network"]);
        let whole = spans.last().unwrap();
        assert_eq!(
            (whole.parent_span_id.to_string().as_str(), &whole.status),
            ("b7ad6b7169203331", &Status::error(""))
        );
        for span in &spans[..3] {
            assert_eq!((span.parent_span_id, span.span_context.trace_id()), (trace.span, trace.id));
            assert!(
                whole.start_time <= span.start_time
                    && span.start_time <= span.end_time
                    && span.end_time <= whole.end_time
            );
        }
        assert_eq!(spans[2].attributes, [KeyValue::new("cirrus.batch", batch.to_string())]);
        let ids: std::collections::BTreeSet<String> =
            spans.iter().map(|span| span.span_context.span_id().to_string()).collect();
        assert_eq!(ids.len(), 4);
    }

    #[test]
    fn what_is_noted_has_a_bound() {
        let trace = Trace::begin(None).unwrap();
        for _ in 0..1000 {
            trace.part("wait", trace.begun);
        }
        assert_eq!(trace.noted().parts.len(), MOST_PARTS);
    }
}
