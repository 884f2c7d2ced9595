//! The Python library that existing tools use, against the real server.

use std::time::Duration;

use crate::support::{Server, python};

pub async fn first_day_with_the_python_library() {
    let server = Server::start();
    python::run("first_day.py", &[server.url()], Duration::from_mins(2)).await;
}
