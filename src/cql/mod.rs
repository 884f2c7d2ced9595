//! The configuration as stock control-plane daemons read it: from a server of Cassandra's query language (CQL).

mod config;
mod frame;
mod statement;
