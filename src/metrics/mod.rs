//! What is measured: one table of all metrics, what is counted on the way of requests, and how a scrape gets to see it. Every room may
//! count here; this one knows nobody.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `table.rs` | every metric: name, type, labels and what it says; `listing.rs`: the same as a page |
//! | `cells.rs` | cells to count in, which are atomic numbers: no lock, and nothing is allocated once a name was seen |
//! | `counted.rs` | the cells, and what is called where something happens |
//! | `scrape.rs` | what is told at a moment, as text; `process.rs`: what the system says of the process |
//!
//! The cells are those of the process, as with what is logged: a program has one server, and who counts need not be handed anything. What can be
//! asked for (a revision, how much memory something holds) is not counted but read at the time of a scrape, by `api/actions/metrics.rs`.

mod cells;
mod counted;
pub mod listing;
mod process;
mod scrape;
pub mod table;

pub use counted::{
    AMQP, Asked, Asking, Connections, Limit, Subject, authentication, batch, change, commit, connections, cql_refusal,
    cql_request, decision, limit, log_lines_dropped, refusal, request, retry, task, task_broke,
};
pub use process::begin;
pub use scrape::{Format, Scrape};
