//! Every metric. What stands here is what `/metrics` may tell, what `docs/metrics.md` says, and what alert rules and dashboards may name.

/// What a metric is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It grows from the start of the process on.
    Counter,
    /// It is what it is at the moment.
    Gauge,
    /// How values are spread.
    Histogram,
}

impl Kind {
    /// As documents call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// Without the `_total` that samples of a counter end in.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels; none of their values comes from a client.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

impl Metric {
    /// The name of its samples; of a histogram they go on with `_bucket`, `_sum` and `_count`.
    pub fn sample_name(&self) -> String {
        let end = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{end}", self.name)
    }
}

macro_rules! table {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal)*) => {
        $(
            #[doc = $help]
            pub static $constant: Metric = Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )*

        /// All of them, in the order in which they are told.
        pub static TABLE: &[&Metric] = &[$(&$constant),*];
    };
}

table! {
    BUILD: Gauge "cirrus_build_info" ["version"]
        "1, with the version that runs."
    READY: Gauge "cirrus_ready" ["part"]
        "Whether this part is as /readyz wants it (1) or not (0), by what is known in memory; /readyz asks the database, too."
    TASK_FAULTS: Counter "cirrus_task_faults" ["task"]
        "How often a task of the server has broken off; it is started again, or the server ends."
    PRIVATE_POSTGRESQL: Gauge "cirrus_private_postgresql" []
        "Whether the database is a private PostgreSQL of this server (1) or one of somebody else (0)."

    REQUESTS: Counter "cirrus_requests" ["type", "operation", "status"]
        "Requests of REST that were answered: by type of object and create, read, update, delete or list; without a type by the name of an action, as page or as none (a path that leads nowhere)."
    REQUEST_SECONDS: Histogram "cirrus_request_seconds" ["operation"]
        "How long requests took until the head of the answer was ready, without what a client waited for on purpose."
    REFUSALS: Counter "cirrus_refusals" ["rule", "status"]
        "Requests of REST that were refused, by the rule of docs/rules.md, if one did it, and by status."
    LIMIT_REFUSALS: Counter "cirrus_limit_refusals" ["limit"]
        "What was refused because a limit was reached."
    LIMIT: Gauge "cirrus_limit" ["limit"]
        "How high a limit is that settings give."
    AUTHENTICATIONS: Counter "cirrus_authentications" ["source", "outcome"]
        "Answers of those who know tokens and passwords: known, unknown, or unavailable."
    REQUESTS_AT_WORK: Gauge "cirrus_requests_at_work" []
        "Requests that have a place among those that are served at the same time (limit max-requests)."
    CONNECTIONS: Gauge "cirrus_connections" ["way"]
        "Connections, by the way that they came in."

    DECISION_SECONDS: Histogram "cirrus_decision_seconds" []
        "How long the rules took to decide a request that writes; once more for each time that it was decided anew."
    BATCH_REQUESTS: Histogram "cirrus_batch_requests" []
        "How many requests a batch had that was committed."
    COMMIT_SECONDS: Histogram "cirrus_commit_seconds" []
        "How long a batch was on its way into the database, where several servers write with the wait for its turn."
    FAILED_BATCHES: Counter "cirrus_failed_batches" []
        "Batches that the database did not take; whose requests were answered with 503."
    RETRIES: Counter "cirrus_writer_retries" ["reason"]
        "How often a batch was decided or sent once more."
    WAITING: Gauge "cirrus_writer_waiting_requests" []
        "Requests that write and wait to be decided."
    BATCH_AGE: Gauge "cirrus_writer_batch_age_seconds" []
        "For how long the batch has been on its way into the database that is; 0 without one."
    CHANGES: Counter "cirrus_changes" ["type", "operation"]
        "Changes of the configuration that this server has committed, as the change log has them."

    REVISION: Gauge "cirrus_revision" []
        "The revision of the configuration that this server has."
    REPLICA_LAG: Gauge "cirrus_replica_lag_revisions" []
        "How many revisions the database was ahead of this server when it was last asked."
    DATABASE_SILENCE: Gauge "cirrus_database_silence_seconds" []
        "For how long the heartbeat has had no answer of the database; it asks ten times a second."
    SOLE: Gauge "cirrus_sole_server" []
        "Whether this server is the only one on the database (1), so that reads and batches need not ask first."
    OBJECTS: Gauge "cirrus_objects" ["type"]
        "Objects of the configuration."
    LOG_CHANGES: Gauge "cirrus_log_changes" []
        "Changes that the change log keeps; with the limit keep-changes-at-most the oldest go, whoever still has to read them."
    DATABASE_CALLS: Counter "cirrus_database_calls" ["call"]
        "Questions to the database, by what they are for."
    DATABASE_CALL_SECONDS: Counter "cirrus_database_call_seconds" ["call"]
        "How long they took together, with the time in which their answers were used."
    DATABASE_FAILURES: Counter "cirrus_database_failures" ["call"]
        "Questions that had no answer, or a refusal."

    FEED_READERS: Gauge "cirrus_feed_readers" []
        "Readers of the change log: watchers, and the message bus where this server sends."
    FEED_LAG: Gauge "cirrus_feed_lag_revisions" []
        "How many revisions the slowest of them is behind."
    WATCH_PARTIES: Gauge "cirrus_watch_parties" []
        "Projects, and users without one, that have watchers which count against their share."
    WATCH_LARGEST_SHARE: Gauge "cirrus_watch_largest_share" []
        "Watchers of the one that has the most (limit watch-limit-of-project)."
    AMQP_CONFIGURED: Gauge "cirrus_amqp_configured" []
        "Whether this server has a message bus (1)."
    AMQP_TURN: Gauge "cirrus_amqp_turn" []
        "Whether it is this server's turn to send to the message bus (1)."
    AMQP_SENDING: Gauge "cirrus_amqp_sending" []
        "Whether it does: a broker takes what is sent (1)."
    AMQP_LAG: Gauge "cirrus_amqp_lag_revisions" []
        "How many revisions are not confirmed by the broker; told by the server whose turn it is."
    AMQP_MESSAGES: Counter "cirrus_amqp_messages" []
        "Messages that a broker has confirmed."
    AMQP_OUTAGES: Counter "cirrus_amqp_outages" []
        "How often a broker could not be reached, was lost or refused a message."
    CQL_REQUESTS: Counter "cirrus_cql_requests" ["request"]
        "Requests of CQL, by kind."
    CQL_REFUSALS: Counter "cirrus_cql_refusals" []
        "Requests of CQL that were answered with an error."
    CQL_SNAPSHOTS: Gauge "cirrus_cql_snapshots" []
        "States of the configuration that are kept for those who read it in pages over CQL."
    CQL_LAG: Gauge "cirrus_cql_snapshot_lag_revisions" []
        "How many revisions the oldest of these is behind."

    LOG_LINES_DROPPED: Counter "cirrus_log_lines_dropped" []
        "Lines of the log that were dropped, as nobody took them on standard error, or they could not be written."
    MEMORY: Gauge "cirrus_memory_bytes" ["holder"]
        "Memory that is counted by who holds it; the configuration itself is not."
    CERTIFICATE_END: Gauge "cirrus_certificate_end_timestamp_seconds" ["way"]
        "When the certificate of TLS ends, in seconds since 1970."
    PROCESS_MEMORY: Gauge "process_resident_memory_bytes" []
        "Memory of the process, with the configuration and without the database."
    PROCESS_CPU: Counter "process_cpu_seconds" []
        "Time of the processors that the process has used."
    PROCESS_FILES: Gauge "process_open_fds" []
        "Open files, which connections are, too."
    PROCESS_MOST_FILES: Gauge "process_max_fds" []
        "How many there may be."
    PROCESS_START: Gauge "process_start_time_seconds" []
        "When the process was started, in seconds since 1970."
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_those_of_the_format_and_each_is_there_once() {
        let mut seen = HashSet::new();
        for metric in TABLE {
            let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(is_name(metric.name) && metric.labels.iter().all(|label| is_name(label)), "{metric:?}");
            assert!(!metric.name.ends_with("_total") && seen.insert(metric.name), "{metric:?}");
            assert!(metric.help.ends_with('.') && !metric.help.contains(['|', '\n', '\\']), "{metric:?}");
        }
    }
}
