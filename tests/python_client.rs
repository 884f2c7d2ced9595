//! The Python library that existing tools use, against the real server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::time::Duration;

use support::{Server, python};

#[tokio::test]
async fn first_day_with_the_python_library() {
    let server = Server::start();
    python::run("first_day.py", &[server.url()], Duration::from_mins(2)).await;
}
