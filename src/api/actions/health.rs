//! `/healthz` and `/readyz`: for those who start servers and send requests to them. A server lives as long as it answers; it
//! is ready when a request sent to it can be expected to succeed.

use super::{Access, Action, Effect};
use crate::api::{
    App,
    answer::Answer,
    call::Call,
    error::{Answered, ApiError},
    openapi::{
        arguments::{Argument, Form},
        operation::{Described, SERVER, about, plain_answer},
    },
};
use actix_web::http::{Method, StatusCode};
use std::{fmt::Display, future, time::Duration};
use tokio::time::timeout;
use utoipa::openapi::path::OperationBuilder;

/// Whoever asks how the server is must be told.
pub static ACTIONS: &[Action] = &[
    Action {
        link: None,
        path: "/healthz",
        method: Method::GET,
        access: Access::Anybody,
        effect: Effect::Reads,
        takes_a_place: false,
        handler: |_, _, _| Box::pin(future::ready(Ok(Answer::Text("ok\n".to_owned())))),
        arguments: &[],
        description: describe_health,
    },
    Action {
        link: None,
        path: "/readyz",
        method: Method::GET,
        access: Access::Anybody,
        effect: Effect::Reads,
        takes_a_place: false,
        handler: |app, call, _| Box::pin(app.ready(call)),
        arguments: &[VERBOSE],
        description: describe_ready,
    },
];

const VERBOSE: Argument = Argument::query(
    "Verbose",
    "verbose",
    Form::Text,
    "A line for each thing that was looked at. Counts when it is there, whatever its value.",
);

/// Who asks has to know soon, also while the database hangs.
const LIMIT: Duration = Duration::from_secs(2);
/// For how long a batch may be on its way into the database, and the heartbeat without an answer.
pub const HANGS_AFTER: Duration = Duration::from_secs(3);

/// What is found where the database is looked at.
pub const DATABASE: &str = "database";

/// What was looked at, and what is wrong with it, if anything.
pub type Finding = (&'static str, Option<String>);

impl App {
    /// `GET /readyz[?verbose]`
    ///
    /// # Errors
    /// 503 with what is wrong.
    async fn ready(&self, call: &Call) -> Answered<Answer> {
        let findings = Box::pin(self.findings()).await;
        if findings.iter().any(|(_, wrong)| wrong.is_some()) {
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, report(&findings)));
        }
        Ok(Answer::Text(if call.has("verbose") { report(&findings) } else { "ok\n".to_owned() }))
    }

    /// What was looked at to know whether the server is ready, and what is wrong with each, if anything.
    pub async fn findings(&self) -> [Finding; 4] {
        let (database, replica, writer) =
            tokio::join!(self.database_is_away(), self.is_behind(), self.batches_do_not_arrive());
        [("server", self.is_not_whole()), (DATABASE, database), ("replica", replica), ("writer", writer)]
    }

    fn is_not_whole(&self) -> Option<String> {
        if self.feed.is_stopped() {
            return Some("it stops".to_owned());
        }
        let broken = self.supervision.not_well();
        (!broken.is_empty()).then(|| format!("broken off: {}", broken.join(", ")))
    }

    /// Whether a new connection finds the tables as this release needs them.
    async fn database_is_away(&self) -> Option<String> {
        match within(self.database.pending_steps()).await {
            Ok(pending) if pending.is_empty() => None,
            Ok(pending) => Some(format!("{} migrations are not applied", pending.len())),
            Err(wrong) => Some(wrong),
        }
    }

    /// Whether this server knows what was committed last.
    async fn is_behind(&self) -> Option<String> {
        let silence = self.replica.lease.silence();
        if silence > HANGS_AFTER {
            return Some(format!("the heartbeat has missed the database for {} s", silence.as_secs()));
        }
        match within(self.replica.snapshot()).await {
            Ok(snapshot) if snapshot.stale => Some("what was committed last is not known".to_owned()),
            Ok(_) => None,
            Err(wrong) => Some(wrong),
        }
    }

    /// Whether what is written gets into the database. After a batch that did not, it is tried whether another one would: nobody
    /// may send one to a server that is not ready.
    async fn batches_do_not_arrive(&self) -> Option<String> {
        let progress = self.writer.progress();
        let waits = progress.waits();
        if waits > HANGS_AFTER {
            return Some(format!("a batch has been on its way into the database for {} s", waits.as_secs()));
        }
        if !progress.has_failed() {
            return None;
        }
        match within(self.database.takes_writes()).await {
            Ok(()) => {
                progress.recover();
                None
            }
            Err(wrong) => Some(wrong),
        }
    }
}

async fn within<T, E: Display>(question: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(LIMIT, question).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
    }
}

/// A line for each: `[+] database`, `[-] database: ...`.
fn report(findings: &[Finding]) -> String {
    let line = |(name, wrong): &Finding| match wrong {
        None => format!("[+] {name}\n"),
        Some(wrong) => format!("[-] {name}: {wrong}\n"),
    };
    findings.iter().map(line).collect()
}

fn describe_health() -> OperationBuilder {
    about(SERVER, "healthz", "Whether the process lives").response("200", plain_answer("It does."))
}

fn describe_ready() -> OperationBuilder {
    about(SERVER, "readyz", "Whether requests can be expected to succeed")
        .response("200", plain_answer("They can: `ok`, or with `verbose` a line for each thing that was looked at."))
        .or(&[503])
}
