//! The configuration as stock control-plane daemons read it: from a server of Cassandra's query language (CQL).
//!
//! | file | what it knows |
//! | --- | --- |
//! | `listener.rs`, `connection.rs`, `session.rs` | how connections are let in, and what goes on in one |
//! | `users.rs` | who may come |
//! | `frame/` | what requests and answers are as bytes |
//! | `statement/` | what statements are as text |
//! | `execution.rs` | what is done for a request; `select.rs`, `selection.rs`: how rows are asked for; `writes.rs`: what is written; `prepared.rs`, `schema_changes.rs`: what the names say |
//! | `answer.rs`, `paging.rs`, `snapshots.rs` | how rows go out, in pieces and in pages |
//! | `config/` | the configuration as rows |
//! | `schema.rs`, `system_tables.rs`, `description.rs`, `neighbours.rs` | what drivers, and people, want to know first: which tables there are, and which processes |
//! | `server.rs` | what all connections have in common |

mod answer;
mod config;
mod connection;
mod description;
mod execution;
mod frame;
mod listener;
mod neighbours;
mod paging;
mod prepared;
mod schema;
mod schema_changes;
mod select;
mod selection;
mod server;
mod session;
mod snapshots;
mod statement;
mod system_tables;
mod users;
mod writes;

pub use config::{ConfigTable, Snapshot, each_column};
pub use listener::{let_all_in, open, reserve, threads};
pub use server::{CqlServer, own_address};
pub use system_tables::Process;
pub use users::Users;
