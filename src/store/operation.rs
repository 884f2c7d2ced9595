//! What the database is asked for: a table of all operations, with how long an answer may take, and who may ask again when
//! there is none.

use std::time::Duration;

/// Who may ask again when no answer came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    /// Whoever asked, at once and once, in a new session: nothing was written, or nothing that is seen without a commit.
    AtOnce,
    /// The task that asks, in its next round.
    NextRound,
    /// Nobody, before it is known whether it was done.
    OnceKnown,
    /// Nobody: who asked is told.
    Never,
}

/// What a session is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation {
    /// For errors and the log.
    pub name: &'static str,
    /// How long an answer may take, and each row after the first.
    pub answer_within: Duration,
    /// Who may ask again when there is none.
    pub again: Again,
    /// What is the matter when a lock is not to be had.
    pub held_up: &'static str,
}

/// For what the writer waits for, with all who want to write.
const AT_ONCE: Duration = Duration::from_secs(1);
/// For what others wait for: soon another session is tried.
const SOON: Duration = Duration::from_secs(3);
/// For all that has no other: the database gives up a moment earlier ([`super::database::SESSION_LIMITS`]), and then it is known
/// that nothing was done.
const USUAL: Duration = Duration::from_millis(4500);
/// Where large parts of the log are moved about; the database gives up a second earlier, too.
const UPKEEP: Duration = Duration::from_secs(21);
/// Where everything is read: the first row comes when all are sorted.
const ALL: Duration = Duration::from_mins(1);

const fn operation(name: &'static str, answer_within: Duration, again: Again) -> Operation {
    Operation { name, answer_within, again, held_up: "another session has locked what this needs" }
}

/// An operation that waits for the row of the sequence.
const fn in_turn(name: &'static str, again: Again) -> Operation {
    let held_up = "another session has the turn to write and does not end it";
    Operation { held_up, ..operation(name, USUAL, again) }
}

/// An operation that waits for whoever changes, or reads, all parts of the log.
const fn on_log(name: &'static str, answer_within: Duration, again: Again) -> Operation {
    let held_up = "another session has locked the parts of the log and does not let go";
    Operation { held_up, ..operation(name, answer_within, again) }
}

/// Whether there is a database, at the start.
pub const ARRIVAL: Operation = operation("arrival of the database", USUAL, Again::NextRound);
/// The only one whose answers have no deadline: a step takes as long as it takes, and nobody waits for this server yet.
pub const MIGRATION: Operation = operation("steps of the tables", Duration::MAX, Again::Never);
/// Whether the tables are those of this release.
pub const STEPS: Operation = operation("applied steps of the tables", USUAL, Again::Never);
/// Making the database and the role for people in a private cluster.
pub const PRIVATE: Operation = operation("private database", ALL, Again::NextRound);
/// Whether the files of a private cluster were put back.
pub const MARK: Operation = operation("mark of the files", USUAL, Again::Never);
/// The settings that all servers share, at the start, and where they are changed.
pub const SETTINGS: Operation = in_turn("settings that servers share", Again::Never);
/// What others do, at the start.
pub const START: Operation = operation("row of the sequence at the start", SOON, Again::Never);
/// The whole configuration.
pub const LOAD: Operation = operation("load", ALL, Again::AtOnce);
/// Whether everything agrees.
pub const CHECK: Operation = operation("check", ALL, Again::Never);
/// What is found wrong is repaired.
pub const REPAIR: Operation = in_turn("repair", Again::Never);
/// Everything, written down row by row.
pub const EXPORT: Operation = operation("export", ALL, Again::Never);
/// What was committed last, for reads, and how the graph gets there.
pub const FRESHNESS: Operation = operation("freshness of reads", SOON, Again::AtOnce);
/// That this server is there, and whether it is alone.
pub const HEARTBEAT: Operation = operation("heartbeat", SOON, Again::NextRound);
/// What other servers say.
pub const LISTENING: Operation = operation("listening to other servers", SOON, Again::NextRound);
/// That this server is not alone any more, at the end.
pub const RESIGNATION: Operation = operation("resignation", USUAL, Again::Never);
/// The row of the sequence, locked, and what others have committed before.
pub const TURN: Operation = in_turn("turn to write", Again::AtOnce);
/// Whether the turn would be had.
pub const TRIAL: Operation = in_turn("trial of the turn to write", Again::Never);
/// The statement that writes a batch, in a transaction.
pub const BATCH: Operation = in_turn("batch", Again::AtOnce);
/// The commit of that, or the same statement where it is a transaction by itself.
pub const COMMIT: Operation = in_turn("commit of a batch", Again::OnceKnown);
/// What was answered before to keys of requests, as the only server asks for it: what is not known soon is asked in turn.
pub const KEYS: Operation = operation("answers kept by key", AT_ONCE, Again::AtOnce);
/// What is kept no longer, of these.
pub const FORGETTING: Operation = operation("upkeep of answers kept by key", UPKEEP, Again::NextRound);
/// A whole configuration from elsewhere, and its commit.
pub const IMPORT: Operation = Operation { answer_within: ALL, ..in_turn("import", Again::Never) };
/// Whether a batch was committed.
pub const FATE: Operation = in_turn("fate of a batch", Again::NextRound);
/// Partitions of the log to come.
pub const PARTITIONS: Operation = on_log("partitions of the log", USUAL, Again::AtOnce);
/// What is to go from the log.
pub const TRIM: Operation = on_log("trimming of the log", UPKEEP, Again::NextRound);
/// How far readers of the log are.
pub const READERS: Operation = operation("positions of readers", USUAL, Again::NextRound);
/// How far the message bus is, and whose turn it is to send.
pub const SINK: Operation = operation("position of the message bus", USUAL, Again::NextRound);
/// What is in memory no more.
pub const OLDER: Operation = operation("older changes", USUAL, Again::NextRound);
/// Texts by key.
pub const KEY_VALUES: Operation = operation("reading of key-values", USUAL, Again::Never);
/// The same, written: each statement is a transaction, whose commit nobody can ask for.
pub const KEY_VALUES_WRITE: Operation = operation("writing of key-values", USUAL, Again::Never);
/// The schema and a page of the tables of wide rows.
pub const WIDE_READ: Operation = operation("reading of wide rows", USUAL, Again::AtOnce);
/// A batch that is written into them. It may be written again by whoever sent it.
pub const WIDE_WRITE: Operation = operation("writing of wide rows", USUAL, Again::Never);
/// A keyspace or a table of them that is made.
pub const WIDE_SCHEMA: Operation = operation("keyspaces and tables of wide rows", USUAL, Again::Never);
/// One that goes with all that is in it, or is emptied.
pub const WIDE_DROP: Operation = operation("end of wide rows", UPKEEP, Again::Never);
/// Which processes listen for clients of Cassandra.
pub const CQL_SERVERS: Operation = operation("processes that listen for CQL", SOON, Again::NextRound);
