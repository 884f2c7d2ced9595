//! `GET /watch`: changes as server-sent events (contrail-api R21, wire contract 7.15 and feeds contract 6). Without a new
//! argument every byte is what contrail-api sends. With `since` (or `Last-Event-ID`), `bookmarks` or `init=stream` events
//! have ids, from which a client can go on after a broken connection (feeds contract 8.4).

use super::{
    App,
    answer::Answer,
    call::Call,
    error::{Answered, ApiError, gone_json},
    objects::field_names,
    shares::{Party, Share, share_of},
    standing::Standing,
};
use crate::{
    access::Identity,
    authentication::Authenticator,
    change_log::{LogEntry, LogOperation},
    feed::{Ended, Feed, Gone, Reader, Sight},
    graph::{self, Graph, Object, Position},
    json_text,
    metrics::{self, Limit},
    model::{Model, TypeId},
    pace::Pace,
    render::{FieldNames, Renderer, Selection},
    replica::Replica,
};
use actix_web::body::{BodyStream, BoxBody, MessageBody};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use std::{
    collections::{HashSet, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// How often a client that wants bookmarks gets one, if something happened (feeds contract 8.4).
const BOOKMARK_EVERY: Duration = Duration::from_secs(15);
/// About how many bytes are made at a time.
const PIECE: usize = 64 << 10;
/// Watchers that are up to date rest after a piece, so that what happens meanwhile goes out in one: a system call for each
/// change and watcher would be all that the machine does. With few watchers there is no need to.
const REST_PER_WATCHER: Duration = Duration::from_micros(10);
const LONGEST_REST: Duration = Duration::from_millis(10);
/// How many objects of the start are looked at, at a time.
const OBJECTS: usize = 256;

/// The position that an argument gives.
///
/// # Errors
/// 400, with what is expected.
fn given_position(name: &str, text: &str) -> Answered<Position> {
    text.parse().map_err(|error| ApiError::bad_request(format!("Bad Request, {name}: {error}")))
}

/// The types that are watched, in the order asked, each with the fields that are shown; none stands for all.
pub struct WatchedTypes(Vec<(TypeId, Option<Selection>)>);

impl WatchedTypes {
    /// From names, joined by commas; `*` for all types.
    ///
    /// # Errors
    /// 404 for an unknown type.
    pub fn read(model: &Model, call: &Call, names: &str) -> Answered<Self> {
        let fields = |name: &str| {
            let fields = call.query.get(&format!("{name}_fields"));
            fields.map(|fields| field_names(fields).map(Selection::Only)).transpose()
        };
        if names == "*" {
            let all = (0_u16..).map(TypeId).zip(model.types());
            let all = all.map(|(id, kind)| Ok((id, fields(&kind.name.replace('-', "_"))?)));
            return all.collect::<Answered<_>>().map(Self);
        }
        let find = |name: &str| {
            let invalid = || ApiError::not_found(format!("Invalid Contrail resource type:'{name}'"));
            Ok((model.find(name).ok_or_else(invalid)?, fields(name)?))
        };
        let found = names.split(',').map(find).collect::<Answered<Vec<_>>>()?;
        // There are two ways to write most names.
        let mut seen = HashSet::new();
        Ok(Self(found.into_iter().filter(|(id, _)| seen.insert(*id)).collect()))
    }

    /// Leaves out the types that may not be read.
    pub fn keep(&mut self, may_be_read: impl Fn(TypeId) -> bool) {
        self.0.retain(|(type_id, _)| may_be_read(*type_id));
    }

    /// The fields shown of a type, if it is watched.
    pub fn fields(&self, type_id: TypeId) -> Option<&Option<Selection>> {
        self.0.iter().find(|(known, _)| *known == type_id).map(|(_, fields)| fields)
    }
}

/// How the state at the beginning is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Init {
    /// Not at all: the client has it.
    Nothing,
    /// Each type in one event.
    Whole,
    /// Each object in one event.
    Stream,
}

/// What a watcher wants.
struct Wanted {
    types: WatchedTypes,
    since: Option<Position>,
    bookmarks: bool,
    init: Init,
}

impl Wanted {
    fn read(model: &Model, call: &Call) -> Answered<Self> {
        let names = call.query.get("resource_type");
        let names = names.ok_or_else(|| ApiError::bad_request("resource_type required in request"))?;
        let types = WatchedTypes::read(model, call, names)?;
        // A client that comes back repeats its arguments; how far it has come is in the header.
        let since = match (&call.last_event_id, call.query.get("since")) {
            (Some(text), _) => Some(given_position("Last-Event-ID", text)?),
            (None, Some(text)) => Some(given_position("since", text)?),
            (None, None) => None,
        };
        let refuse = |name: &str, expected: &str, text: &str| {
            ApiError::bad_request(format!("Bad Request, {name} must be {expected}, not '{text}'"))
        };
        let bookmarks = match call.query.get("bookmarks").map(String::as_str) {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(refuse("bookmarks", "'true' or 'false'", other)),
        };
        let init = match (call.query.get("init").map(String::as_str), since) {
            (None | Some("stream"), Some(_)) => Init::Nothing,
            (None, None) => Init::Whole,
            (Some("stream"), None) => Init::Stream,
            (Some(other), _) => return Err(refuse("init", "'stream'", other)),
        };
        Ok(Self { types, since, bookmarks, init })
    }

    /// Whether the client knows what contrail-api does not send.
    fn is_extended(&self) -> bool {
        self.since.is_some() || self.bookmarks || self.init == Init::Stream
    }
}

impl App {
    /// `GET /watch?resource_type=...`
    ///
    /// # Errors
    /// 400 for arguments that can't be read, 404 for an unknown type, 410 for a position that is not in the log, 503 when
    /// there are too many watchers, or too many of one project.
    pub async fn watch(&self, call: &Call) -> Answered<Answer> {
        let mut wanted = Wanted::read(&self.model, call)?;
        if self.feed.reader_count() >= self.watch.limit {
            metrics::limit(Limit::Watchers);
            let text = format!("There are {} watchers already; no more are served (--watch-limit)", self.watch.limit);
            return Err(ApiError::unavailable(text));
        }
        let share = self.take_share(call)?;
        let snapshot = self.snapshot(call).await?;
        wanted.types.keep(|type_id| self.may_read_type(call, &snapshot.graph, type_id));
        let reader = match wanted.since {
            Some(since) => self.feed.open(since).await?,
            None => self.feed.reader(snapshot.graph.position()),
        };
        call.answered_at.set(Some(reader.position()));
        if call.head_only {
            return Ok(Answer::Events(BoxBody::new(())));
        }
        let start = (wanted.init != Init::Nothing).then_some(Start {
            graph: snapshot.graph,
            next_type: 0,
            after: None,
            begun: false,
        });
        let now = Instant::now();
        let watcher = Watcher {
            replica: Arc::clone(&self.replica),
            identity: call.identity.clone(),
            authenticator: Arc::clone(&self.authenticator),
            standing: call.standing.clone(),
            told: reader.position(),
            wanted,
            start,
            reader: Some(reader),
            _share: share,
            keepalive: Duration::from_secs(self.watch.keepalive_interval),
            silent_since: now,
            rests_until: now,
            feed: Arc::clone(&self.feed),
            bookmark_at: now + BOOKMARK_EVERY,
            unwritten: VecDeque::new(),
        };
        let pieces = stream::unfold(watcher, |mut watcher| async {
            let piece = watcher.next_piece().await?;
            Some((Ok::<_, Infallible>(Bytes::from(piece)), watcher))
        });
        Ok(Answer::Events(BodyStream::new(pieces).boxed()))
    }

    /// A part of what the caller's project may have of all watchers. Cloud admins have no such limit.
    ///
    /// # Errors
    /// 503 where it has all of it.
    pub fn take_share(&self, call: &Call) -> Answered<Option<Share>> {
        if call.identity.is_admin() {
            return Ok(None);
        }
        let (party, most) = (Party::of(&call.identity.caller), share_of(self.watch.limit));
        let whose = party.called();
        let refuse = || {
            metrics::limit(Limit::WatchersOfProject);
            ApiError::unavailable(format!(
                "This {whose} has {most} of {} watchers already; no more are served to one {whose} (a quarter of --watch-limit)",
                self.watch.limit
            ))
        };
        self.shares.take(party, most).map(Some).ok_or_else(refuse)
    }
}

/// The state at the beginning, as far as it is not sent yet.
struct Start {
    graph: Arc<Graph>,
    /// Index in the watched types.
    next_type: usize,
    /// The name of the last object of it that was looked at; none before the first.
    after: Option<Arc<str>>,
    /// Whether an object of it was sent.
    begun: bool,
}

/// A change as it is told.
struct Told {
    entry: Arc<LogEntry>,
    sight: Sight,
    /// The id that stands on it.
    id: Option<u64>,
}

/// One client, and what it gets next.
struct Watcher {
    replica: Arc<Replica>,
    identity: Identity,
    authenticator: Arc<Authenticator>,
    /// None where nobody has to say who it is.
    standing: Option<Standing>,
    wanted: Wanted,
    start: Option<Start>,
    /// None at the end.
    reader: Option<Reader>,
    /// What it has of the share of its project; none of cloud admins.
    _share: Option<Share>,
    /// Up to where the client knows that it has everything.
    told: Position,
    keepalive: Duration,
    silent_since: Instant,
    rests_until: Instant,
    feed: Arc<Feed>,
    bookmark_at: Instant,
    /// What was read and is not written yet. Events may be large: a piece has few.
    unwritten: VecDeque<Told>,
}

impl Watcher {
    /// The next bytes; none at the end. They are made when the client takes them: who is slow costs one piece.
    async fn next_piece(&mut self) -> Option<Vec<u8>> {
        let mut piece = Vec::new();
        loop {
            if !self.may_go_on().await {
                return self.stop();
            }
            match self.start.take() {
                Some(start) => self.write_start(&mut piece, start).await,
                None => self.write_changes(&mut piece).await?,
            }
            if !piece.is_empty() {
                break;
            }
        }
        let now = Instant::now();
        self.silent_since = now;
        let position = self.reader.as_ref().map(Reader::position);
        if self.unwritten.is_empty() && position == Some(self.replica.current().position()) {
            let others = u32::try_from(self.feed.reader_count()).unwrap_or(u32::MAX);
            self.rests_until = now + LONGEST_REST.min(REST_PER_WATCHER.saturating_mul(others));
        }
        Some(piece)
    }

    /// Whether the client may still be told what it may see.
    async fn may_go_on(&mut self) -> bool {
        match &mut self.standing {
            Some(standing) if Instant::now() >= standing.ask_at() => standing.holds(&self.authenticator).await,
            _ => true,
        }
    }

    /// Nothing more is told. The client learns why, unless it is in the middle of an event.
    fn stop(&mut self) -> Option<Vec<u8>> {
        self.reader.take()?;
        if self.start.is_some() {
            return None;
        }
        self.unwritten.clear();
        let mut piece = Vec::new();
        self.write_stop(&mut piece, "The token is not good any more, or other rights go with it: watch anew");
        Some(piece)
    }

    /// A piece of the state at the beginning.
    async fn write_start(&mut self, piece: &mut Vec<u8>, mut start: Start) {
        let graph = Arc::clone(&start.graph);
        let mut pace = Pace::new();
        while let Some((type_id, fields)) = self.wanted.types.0.get(start.next_type) {
            if piece.len() >= PIECE {
                self.start = Some(start);
                return;
            }
            let kind = graph.model().object_type(*type_id);
            let whole = self.wanted.init == Init::Whole;
            if whole && start.after.is_none() {
                piece.extend_from_slice(format!("event: init\ndata: {{\"{}\":[", kind.collection).as_bytes());
            }
            let mut last = None;
            let objects = self.identity.readable(&graph, *type_id, &graph::after(start.after.as_ref())).take(OBJECTS);
            for object in objects {
                pace.step().await;
                last = Some(Arc::clone(object.fq_name.joined()));
                if whole {
                    if start.begun {
                        piece.push(b',');
                    }
                    let own = Selection::All { back_references: false, children: false, also: FieldNames::new() };
                    self.write_object(piece, &graph, object, fields.as_ref().unwrap_or(&own));
                } else {
                    piece.extend_from_slice(b"event: create\ndata: ");
                    self.write_object(piece, &graph, object, fields.as_ref().unwrap_or(&everything()));
                    piece.extend_from_slice(b"\n\n");
                }
                start.begun = true;
                if piece.len() >= PIECE {
                    break;
                }
            }
            if last.is_some() {
                start.after = last;
                continue;
            }
            if whole {
                piece.extend_from_slice(b"]}\n\n");
            }
            start.next_type += 1;
            start.after = None;
            start.begun = false;
        }
        if self.wanted.init == Init::Stream || self.wanted.bookmarks {
            self.write_bookmark(piece, self.told, self.wanted.init == Init::Stream);
        }
    }

    fn write_object(&self, piece: &mut Vec<u8>, graph: &Graph, object: &Object, selection: &Selection) {
        write_wrapped(piece, graph, object.type_id, |piece| {
            renderer(graph, &self.identity).object(piece, object, selection);
        });
    }

    /// What happened next, or a sign of life. Nothing, if it is of no interest to this client.
    async fn write_changes(&mut self, piece: &mut Vec<u8>) -> Option<()> {
        if !self.unwritten.is_empty() {
            self.write_unwritten(piece);
            return Some(());
        }
        let keepalive_at = self.silent_since + self.keepalive;
        sleep_until(self.rests_until).await;
        let bookmark_at = self.wanted.bookmarks.then_some(self.bookmark_at);
        let ask_at = self.standing.as_ref().map(Standing::ask_at);
        let wake_at = [bookmark_at, ask_at].into_iter().flatten().fold(keepalive_at, Instant::min);
        let reader = self.reader.as_mut()?;
        tokio::select! {
            biased;
            page = reader.next() => match page {
                Ok(page) => {
                    self.queue(&page);
                    self.write_unwritten(piece);
                }
                Err(Ended::Stopped) => return None,
                Err(Ended::Gone(gone)) => {
                    self.write_end(piece, &gone);
                    self.reader = None;
                }
            },
            () = sleep_until(wake_at) => {}
        }
        let now = Instant::now();
        let is_due = self.unwritten.is_empty() && now >= self.bookmark_at;
        if let Some(position) = self.reader.as_ref().map(Reader::position).filter(|_| is_due) {
            if self.wanted.bookmarks && position != self.told {
                self.write_bookmark(piece, position, false);
            }
            self.bookmark_at = now + BOOKMARK_EVERY;
        }
        if piece.is_empty() && now >= keepalive_at {
            piece.extend_from_slice(b":\n\n");
        }
        Some(())
    }

    /// Takes what is told of a page.
    fn queue(&mut self, page: &[Arc<LogEntry>]) {
        let graph = self.replica.current();
        let mut told = Vec::with_capacity(page.len());
        for request in page.chunk_by(|one, other| one.request == other.request) {
            let before = told.len();
            told.extend(request.iter().filter_map(|entry| self.told(entry, &graph)));
            // The id stands on the last event of a request, so that who goes on from it has all of the request.
            if let Some(last) = told.get_mut(before..).and_then(<[_]>::last_mut) {
                last.id = Some(last.entry.request);
            }
        }
        self.unwritten = told.into();
    }

    fn write_unwritten(&mut self, piece: &mut Vec<u8>) {
        let graph = self.replica.current();
        while piece.len() < PIECE
            && let Some(told) = self.unwritten.pop_front()
        {
            self.write_entry(piece, &graph, &told);
        }
        if self.unwritten.is_empty() {
            // A watcher that waits costs no more than it has to.
            self.unwritten = VecDeque::new();
        }
    }

    fn told(&self, entry: &Arc<LogEntry>, graph: &Graph) -> Option<Told> {
        let silent = matches!(entry.operation, LogOperation::Implicit | LogOperation::Reserve | LogOperation::Free);
        if silent || self.wanted.types.fields(entry.type_id).is_none() {
            return None;
        }
        let sight = Sight::of(entry, &self.identity, graph);
        (sight != Sight::Nothing).then(|| Told { entry: Arc::clone(entry), sight, id: None })
    }

    fn write_entry(&mut self, piece: &mut Vec<u8>, graph: &Graph, told: &Told) {
        let Told { entry, sight, id } = told;
        let events: &[&str] = match (sight, entry.operation) {
            (Sight::Appears, _) | (_, LogOperation::Create) => &["create"],
            (Sight::Disappears, _) | (_, LogOperation::Delete) => &["delete"],
            // Clients know objects by name, too.
            (_, LogOperation::Rename) => &["delete", "create"],
            _ => &["update"],
        };
        for (index, event) in events.iter().enumerate() {
            for part in ["event: ", event, "\ndata: "] {
                piece.extend_from_slice(part.as_bytes());
            }
            if *event == "delete" {
                write_wrapped(piece, graph, entry.type_id, |piece| {
                    json_text::write(piece, &json!({"uuid": entry.uuid.to_string()}));
                });
            } else {
                self.write_logged(piece, graph, entry);
            }
            piece.push(b'\n');
            if let Some(revision) = id.filter(|_| self.wanted.is_extended() && index + 1 == events.len()) {
                self.told = Position { revision, ..self.told };
                piece.extend_from_slice(format!("id: {}\n", self.told).as_bytes());
            }
            piece.push(b'\n');
        }
    }

    fn write_logged(&self, piece: &mut Vec<u8>, graph: &Graph, entry: &LogEntry) {
        let Some(object) = entry.object() else { return };
        let write = |piece: &mut Vec<u8>, selection: &Selection| {
            write_wrapped(piece, graph, entry.type_id, |piece| {
                renderer(graph, &self.identity).logged_object(piece, entry, object, selection);
            });
        };
        match self.wanted.types.fields(entry.type_id) {
            Some(Some(fields)) => write(piece, fields),
            // Everybody gets the same, so it is made once.
            _ if self.identity.sees_everything() => {
                let position = Position { revision: entry.revision, ..self.told };
                piece.extend_from_slice(&self.feed.rendered.get_or_make(position, || {
                    let mut json = Vec::new();
                    write(&mut json, &everything());
                    json
                }));
            }
            _ => write(piece, &everything()),
        }
    }

    fn write_bookmark(&mut self, piece: &mut Vec<u8>, position: Position, initial: bool) {
        let mut data = json!({"revision": position.to_string()});
        if initial {
            data["initial"] = true.into();
        }
        piece.extend_from_slice(format!("event: bookmark\ndata: {data}\nid: {position}\n\n").as_bytes());
        self.told = position;
    }

    /// Says that there is no more, in the client's words.
    fn write_end(&self, piece: &mut Vec<u8>, gone: &Gone) {
        if self.wanted.is_extended() {
            piece.extend_from_slice(format!("event: gone\ndata: {}\n\n", gone_json("compacted", gone)).as_bytes());
        } else {
            self.write_stop(piece, "Changes were missed that are not in the log any more: watch anew");
        }
    }

    fn write_stop(&self, piece: &mut Vec<u8>, error: &str) {
        let kind = self.wanted.types.0.first().map(|(id, _)| id);
        let name = kind.map(|id| self.replica.current().model().object_type(*id).name.clone()).unwrap_or_default();
        piece.extend_from_slice(format!("event: stop\ndata: {}\n\n", json!({ name: {"error": error} })).as_bytes());
    }
}

/// An object below the name of its type.
fn write_wrapped(piece: &mut Vec<u8>, graph: &Graph, type_id: TypeId, write: impl FnOnce(&mut Vec<u8>)) {
    piece.extend_from_slice(b"{\"");
    piece.extend_from_slice(graph.model().object_type(type_id).name.as_bytes());
    piece.extend_from_slice(b"\":");
    write(piece);
    piece.push(b'}');
}

/// Watchers see objects without hrefs and name.
fn renderer<'a>(graph: &'a Graph, identity: &'a Identity) -> Renderer<'a> {
    Renderer { graph, identity, base: None, link_hrefs: false, name: false, parent: true }
}

/// All fields, those of others included.
fn everything() -> Selection {
    Selection::All { back_references: true, children: true, also: FieldNames::new() }
}
