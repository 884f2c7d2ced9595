//! What is counted where it happens. Everything here is a few atomic additions.

use super::{
    cells::{ByName, ByType, Histogram, Number, Times, micros},
    scrape::Scrape,
    table,
};
use std::time::{Duration, Instant};

/// What is done with objects of a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// `POST /<type>s`
    Create,
    /// `GET /<type>/<uuid>`
    Read,
    /// `PUT /<type>/<uuid>`
    Update,
    /// `DELETE /<type>/<uuid>`
    Delete,
    /// `GET /<type>s`
    List,
}

impl Asked {
    const NAMES: [&str; 5] = ["create", "read", "update", "delete", "list"];

    /// As it is called in labels.
    pub fn name(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or_default()
    }
}

/// What a request is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Subject {
    /// Objects of a type, by its index.
    Type(u16, Asked),
    /// Something else, by its path in the source.
    Action(&'static str),
    /// What is the same for everybody.
    Page,
    /// Nothing is served there, or it was not asked where it leads.
    #[default]
    Nothing,
}

/// 1xx to 5xx.
const CLASSES: usize = 5;
const CLASS_NAMES: [&str; CLASSES] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Default)]
struct Classes([Number; CLASSES]);

impl Classes {
    const fn new() -> Self {
        Self([const { Number::new() }; CLASSES])
    }

    fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let numbers = CLASS_NAMES.into_iter().zip(self.0.iter().map(Number::get));
        numbers.filter(|(_, number)| *number > 0)
    }
}

static OF_TYPES: ByType<{ Asked::NAMES.len() * CLASSES }> = ByType::new();
static OF_ACTIONS: ByName<Classes, 256> = ByName::new();
static OF_PAGES: Classes = Classes::new();
static OF_NOTHING: Classes = Classes::new();

/// Those of [`Asked`], then those of the others.
static TOOK: [Times; 8] = [const { Times::times() }; 8];
const TOOK_NAMES: [&str; 8] = ["create", "read", "update", "delete", "list", "action", "page", "none"];

/// A request was answered, with this status and after this time.
pub fn request(subject: Subject, status: u16, took: Duration) {
    let class = usize::from(status / 100).saturating_sub(1).min(CLASSES - 1);
    let (number, kind) = match subject {
        Subject::Type(index, asked) => (OF_TYPES.of(index, asked as usize * CLASSES + class), asked as usize),
        Subject::Action(path) => (OF_ACTIONS.of(path).and_then(|classes| classes.0.get(class)), 5),
        Subject::Page => (OF_PAGES.0.get(class), 6),
        Subject::Nothing => (OF_NOTHING.0.get(class), 7),
    };
    if let Some(number) = number {
        number.add(1);
    }
    if let Some(times) = TOOK.get(kind) {
        times.took(took);
    }
}

/// The statuses of refusals; the last one stands for all others.
const STATUSES: [u16; 16] = [400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 414, 422, 429, 500, 503, 0];

/// By status.
#[derive(Default)]
struct Statuses([Number; STATUSES.len()]);

static REFUSALS: ByName<Statuses, 1024> = ByName::new();

/// A request was refused, by a rule or without one.
pub fn refusal(rule: Option<&'static str>, status: u16) {
    let index = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len() - 1);
    if let Some(number) = REFUSALS.of(rule.unwrap_or_default()).and_then(|statuses| statuses.0.get(index)) {
        number.add(1);
    }
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident = $label:literal,)*) => {
        /// What is not to be had without end.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Limit {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Limit {
            /// As labels call them, in their order.
            pub const NAMES: &[&str] = &[$($label),*];
        }
    };
}

limits! {
    /// Requests that are served at the same time (503).
    Requests = "max-requests",
    /// Large bodies that arrive (503).
    ArrivingBodies = "arriving-bodies",
    /// Small bodies that are worked on (503).
    SmallBodies = "small-bodies",
    /// The same of large ones.
    LargeBodies = "large-bodies",
    /// Answers that pages are made of (503).
    PageAnswers = "page-answers",
    /// Bytes of a body (413).
    BodySize = "max-request-size",
    /// Time for a body (408).
    BodyTime = "body-timeout",
    /// Bytes of it in a second (408).
    BodyRate = "least-body-rate",
    /// Time for a head (408).
    HeadTime = "head-timeout",
    /// Bytes of a first line (414).
    FirstLine = "first-line",
    /// What one request names, or does (400).
    OneRequest = "one-request",
    /// Connections (503, or closed).
    Connections = "max-connections",
    /// Those of one address.
    ConnectionsPerAddress = "max-connections-per-address",
    /// Connections of administrators.
    AdministratorsConnections = "administrators-connections",
    /// Watchers (503).
    Watchers = "watch-limit",
    /// Those of one project, or user without one (503).
    WatchersOfProject = "watch-limit-of-project",
    /// Tokens and passwords that were nobody's (429).
    FailedAuthentications = "failed-authentications",
    /// Requests that wait for a reply over the message bus (503).
    Replies = "waiting-replies",
    /// Time in which a request has to be written (503).
    WriteTime = "write-time",
    /// Connections of CQL (closed).
    CqlConnections = "cql-max-connections",
    /// Memory of requests of CQL (an error).
    CqlRequests = "cql-requests",
    /// The same of answers.
    CqlAnswers = "cql-answers",
}

static LIMITS: [Number; Limit::NAMES.len()] = [const { Number::new() }; Limit::NAMES.len()];

/// Something was refused because this was reached.
pub fn limit(limit: Limit) {
    if let Some(number) = LIMITS.get(limit as usize) {
        number.add(1);
    }
}

const OUTCOMES: [&str; 3] = ["known", "unknown", "unavailable"];

static AUTHENTICATIONS: ByName<[Number; OUTCOMES.len()], 16> = ByName::new();

/// A source of tokens, or a way in for administrators, has said who somebody is: one of `known`, `unknown` and `unavailable`.
pub fn authentication(source: &'static str, outcome: &str) {
    let cell = || AUTHENTICATIONS.of(source)?.get(OUTCOMES.iter().position(|known| *known == outcome)?);
    if let Some(number) = cell() {
        number.add(1);
    }
}

/// Connections that came in by one way.
#[derive(Default)]
pub struct Connections {
    /// How many there are.
    pub open: Number,
}

static CONNECTIONS: ByName<Connections, 16> = ByName::new();
static OTHER_CONNECTIONS: Connections = Connections { open: Number::new() };

/// Those that come in by this way.
pub fn connections(way: &'static str) -> &'static Connections {
    CONNECTIONS.of(way).unwrap_or(&OTHER_CONNECTIONS)
}

static DECISIONS: Times = Times::times();
static BATCHES: Histogram<12> = Histogram::new([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096], 1.0);
static COMMITS: Times = Times::times();
static FAILED_BATCHES: Number = Number::new();
static RETRIES: ByName<Number, 16> = ByName::new();

/// A request that writes was decided.
pub fn decision(took: Duration) {
    DECISIONS.took(took);
}

/// A batch of so many requests was committed.
pub fn batch(requests: usize) {
    BATCHES.observe(u64::try_from(requests).unwrap_or(u64::MAX));
}

/// A batch is at the end of its way into the database, or it is known that it won't arrive.
pub fn commit(took: Duration, arrived: bool) {
    if arrived {
        COMMITS.took(took);
    } else {
        FAILED_BATCHES.add(1);
    }
}

/// A batch is decided, or sent, once more.
pub fn retry(reason: &'static str) {
    if let Some(number) = RETRIES.of(reason) {
        number.add(1);
    }
}

/// What the change log calls what happens.
const OPERATIONS: [&str; 7] =
    ["create", "update", "update-implicit", "rename", "delete", "reserve-addresses", "free-addresses"];

static CHANGES: ByType<{ OPERATIONS.len() }> = ByType::new();

/// A change was committed by this server: of an object of this type, by its index.
pub fn change(type_index: u16, operation: &str) {
    let column = OPERATIONS.iter().position(|known| *known == operation);
    if let Some(number) = column.and_then(|column| CHANGES.of(type_index, column)) {
        number.add(1);
    }
}

/// What questions of one kind take.
#[derive(Default)]
struct Questions {
    calls: Number,
    micros: Number,
    failures: Number,
}

static QUESTIONS: ByName<Questions, 128> = ByName::new();

/// A question to the database; it is counted when this is dropped.
pub struct Asking {
    name: &'static str,
    begin: Instant,
    has_failed: bool,
}

impl Asking {
    /// It is asked now.
    pub fn begin(name: &'static str) -> Self {
        Self { name, begin: Instant::now(), has_failed: false }
    }

    /// There is no answer to it, or a refusal.
    pub fn fail(&mut self) {
        self.has_failed = true;
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let Some(questions) = QUESTIONS.of(self.name) else { return };
        questions.calls.add(1);
        questions.micros.add(micros(self.begin.elapsed()));
        questions.failures.add(u64::from(self.has_failed));
    }
}

static TASKS: ByName<Number, 64> = ByName::new();

/// There is such a task.
pub fn task(name: &'static str) {
    let _ = TASKS.of(name);
}

/// It has broken off.
pub fn task_broke(name: &'static str) {
    if let Some(number) = TASKS.of(name) {
        number.add(1);
    }
}

/// What becomes of changes on the message bus.
pub struct Amqp {
    /// Whether it is this server's turn: 1 or 0.
    pub turn: Number,
    /// Whether a broker takes what is sent: 1 or 0.
    pub sending: Number,
    /// The last revision that a broker has confirmed.
    pub confirmed: Number,
    /// Messages that were confirmed.
    pub messages: Number,
    /// How often sending has stopped.
    pub outages: Number,
}

/// Those of this server.
pub static AMQP: Amqp = Amqp {
    turn: Number::new(),
    sending: Number::new(),
    confirmed: Number::new(),
    messages: Number::new(),
    outages: Number::new(),
};

static CQL_REQUESTS: ByName<Number, 16> = ByName::new();
static CQL_REFUSALS: Number = Number::new();

/// A request of CQL has come.
pub fn cql_request(kind: &'static str) {
    if let Some(number) = CQL_REQUESTS.of(kind) {
        number.add(1);
    }
}

/// It was answered with an error.
pub fn cql_refusal() {
    CQL_REFUSALS.add(1);
}

static LOG_LINES_DROPPED: Number = Number::new();

/// So many lines of the log were dropped.
pub fn log_lines_dropped(lines: u64) {
    LOG_LINES_DROPPED.add(lines);
}

impl Scrape {
    /// All that is counted here. Types are told by these names, in the order of their indices.
    pub fn put_counted(&mut self, types: &[&str]) {
        self.put_requests(types);
        self.put_refusals();
        self.put_writer(types);
        self.put_database();
        for (task, number) in TASKS.all() {
            self.count(&table::TASK_FAULTS, &[task], number.get());
        }
        for (way, connections) in CONNECTIONS.all() {
            self.number(&table::CONNECTIONS, &[way], connections.open.get());
        }
        self.number(&table::AMQP_TURN, &[], AMQP.turn.get());
        self.number(&table::AMQP_SENDING, &[], AMQP.sending.get());
        self.count(&table::AMQP_MESSAGES, &[], AMQP.messages.get());
        self.count(&table::AMQP_OUTAGES, &[], AMQP.outages.get());
        for (kind, number) in CQL_REQUESTS.all() {
            self.count(&table::CQL_REQUESTS, &[kind], number.get());
        }
        self.count(&table::CQL_REFUSALS, &[], CQL_REFUSALS.get());
        self.count(&table::LOG_LINES_DROPPED, &[], LOG_LINES_DROPPED.get());
    }

    fn put_requests(&mut self, types: &[&str]) {
        for (index, column, number) in OF_TYPES.all(types.len()) {
            let (Some(name), Some(asked), Some(class)) =
                (types.get(index), Asked::NAMES.get(column / CLASSES), CLASS_NAMES.get(column % CLASSES))
            else {
                continue;
            };
            self.count(&table::REQUESTS, &[name, asked, class], number);
        }
        let mut of_actions: Vec<_> = OF_ACTIONS.all().collect();
        // Actions of different types may have the same name, and are told as one.
        of_actions.sort_unstable_by_key(|(path, _)| action_name(path));
        for same in of_actions.chunk_by(|(one, _), (other, _)| action_name(one) == action_name(other)) {
            for (class, class_name) in CLASS_NAMES.iter().enumerate() {
                let numbers = same.iter().filter_map(|(_, classes)| classes.0.get(class)).map(Number::get);
                let (sum, name) = (numbers.sum(), same.first().map(|(path, _)| action_name(path)).unwrap_or_default());
                if sum > 0 {
                    self.count(&table::REQUESTS, &["", name, class_name], sum);
                }
            }
        }
        for (name, classes) in [("page", &OF_PAGES), ("none", &OF_NOTHING)] {
            for (class, number) in classes.all() {
                self.count(&table::REQUESTS, &["", name, class], number);
            }
        }
        for (name, times) in TOOK_NAMES.iter().zip(&TOOK) {
            self.histogram(&table::REQUEST_SECONDS, &[name], times.spread());
        }
    }

    fn put_refusals(&mut self) {
        for (rule, statuses) in REFUSALS.all() {
            for (status, number) in STATUSES.iter().zip(&statuses.0).filter(|(_, number)| number.get() > 0) {
                let status = if *status == 0 { "other".to_owned() } else { status.to_string() };
                self.count(&table::REFUSALS, &[rule, &status], number.get());
            }
        }
        for (name, number) in Limit::NAMES.iter().zip(&LIMITS) {
            self.count(&table::LIMIT_REFUSALS, &[name], number.get());
        }
        for (source, outcomes) in AUTHENTICATIONS.all() {
            for (outcome, number) in OUTCOMES.iter().zip(outcomes) {
                self.count(&table::AUTHENTICATIONS, &[source, outcome], number.get());
            }
        }
    }

    fn put_writer(&mut self, types: &[&str]) {
        self.histogram(&table::DECISION_SECONDS, &[], DECISIONS.spread());
        self.histogram(&table::BATCH_REQUESTS, &[], BATCHES.spread());
        self.histogram(&table::COMMIT_SECONDS, &[], COMMITS.spread());
        self.count(&table::FAILED_BATCHES, &[], FAILED_BATCHES.get());
        for (reason, number) in RETRIES.all() {
            self.count(&table::RETRIES, &[reason], number.get());
        }
        for (index, column, number) in CHANGES.all(types.len()) {
            if let (Some(name), Some(operation)) = (types.get(index), OPERATIONS.get(column)) {
                self.count(&table::CHANGES, &[name, operation], number);
            }
        }
    }

    fn put_database(&mut self) {
        for (call, questions) in QUESTIONS.all() {
            self.count(&table::DATABASE_CALLS, &[call], questions.calls.get());
            let time = Duration::from_micros(questions.micros.get());
            self.count_of_seconds(&table::DATABASE_CALL_SECONDS, &[call], time.as_secs_f64());
            self.count(&table::DATABASE_FAILURES, &[call], questions.failures.get());
        }
    }
}

/// The last part of a path, `ip-alloc` of `/virtual-network/{uuid}/ip-alloc`.
fn action_name(path: &'static str) -> &'static str {
    path.rsplit('/').next().unwrap_or(path)
}
