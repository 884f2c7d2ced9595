//! PostgreSQL: the durable copy of the configuration, and the log of its changes.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "here the database is asked, and nowhere else: who needs something of it calls this room"
)]

mod append;
mod check;
pub mod cql_servers;
mod database;
mod error;
mod export;
pub mod feed_position;
mod hosts;
pub mod idempotency;
mod key_value;
mod listener;
mod load;
pub mod operation;
mod partitions;
mod primary;
pub mod private;
pub mod queue;
mod record;
pub mod refusal;
pub mod repair;
mod row;
pub mod sequence;
mod session;
pub mod shared_settings;
pub mod steps;
#[cfg(test)]
mod tests;
mod views;
pub mod whole;
pub mod wide_rows;

pub use append::{Rows, Turn, append};
pub use check::{Checked, Progress, check};
pub use database::Database;
pub use error::{Failure, StoreError};
pub use export::{Moment, StoredColumn, StoredTable};
pub use key_value::{KeyValueStore, KeyWriter};
pub use listener::Listener;
#[cfg(test)]
pub use load::load_snapshot;
pub use load::{PAGE_WEIGHT, last_before, load, load_history, load_log};
pub use operation::Operation;
pub use partitions::{Retention, make_until, trim};
pub use record::complete;
pub use refusal::{AWAY, UNKNOWN};
pub use session::{Session, Sessions, Transaction};
