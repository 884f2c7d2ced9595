//! Whether a database is what it should be: its tables, its log, and the graph that is made of them agree with each other.

use super::{
    Session, StoreError,
    load::{load_snapshot, read_log},
    operation::CHECK,
    partitions,
    row::number,
    sequence,
};
use crate::{
    change_log::{LogEntry, LogOperation, Subject},
    graph::{Graph, Holder, Object, differences, object_differences, violations},
};
use futures_util::TryStreamExt;
use sqlx::{Row, postgres::PgRow};
use std::{collections::HashMap, net::IpAddr, sync::Arc};
use uuid::Uuid;

/// What was looked at, and what was found.
pub struct Checked {
    /// What the tables say.
    pub graph: Graph,
    /// How many changes are in the log.
    pub changes: u64,
    /// What is not as it should be, for people.
    pub findings: Vec<String>,
}

/// Looks at everything, as of one revision. What a process knows is compared, too: `known` follows the log up to there.
///
/// # Errors
/// When the database is away, or holds what this release can't read.
pub async fn check(connection: &mut Session, mut known: Graph) -> Result<Checked, StoreError> {
    connection.turn_to(CHECK);
    let mut transaction = connection.begin().await?;
    transaction.execute(sqlx::query("set transaction isolation level repeatable read read only")).await?;
    transaction.execute(sqlx::query("set local statement_timeout = 0")).await?;
    // What is read is looked at between the questions, which takes long where there is much.
    transaction.execute(sqlx::query("set local idle_in_transaction_session_timeout = 0")).await?;
    // Before the first look, so that no part of the log goes meanwhile.
    transaction.execute(sqlx::query("lock table change in access share mode")).await?;
    let graph = load_snapshot(&mut transaction, known.model()).await?;
    let mut findings = violations(&graph);
    check_owners(&mut transaction, &mut findings).await?;
    let log = check_log(&mut transaction, &graph, &mut known, &mut findings).await?;
    log.compare(&mut transaction, &graph, &mut findings).await?;
    findings.extend(partitions::uncovered(&mut transaction).await?);
    transaction.commit().await?;
    // A process that knows another history, or has fallen behind the log, would load everything anew.
    if known.position().epoch == graph.position().epoch && known.revision() >= log.floor {
        findings.extend(differences(("what the process knows", &known), ("the tables", &graph)));
    }
    Ok(Checked { changes: log.changes, graph, findings })
}

/// An object has one address at most.
async fn check_owners(connection: &mut Session, findings: &mut Vec<String>) -> Result<(), StoreError> {
    let query = "select owner::text || ' holds ' || count(*) || ' addresses' from address_hold
        where owner is not null group by owner having count(*) > 1";
    findings.extend(connection.values(sqlx::query(query)).await?);
    Ok(())
}

/// What the log says of each object and each reservation in the end.
#[derive(Default)]
struct Log {
    /// The last revision, and the state after it; none for a deleted object.
    objects: HashMap<Uuid, (u64, Option<Arc<Object>>)>,
    /// By network or flat ipam: whether the address was reserved, or given back.
    reservations: HashMap<Uuid, HashMap<IpAddr, bool>>,
    /// How many there are.
    changes: u64,
    /// The last change that was trimmed.
    floor: u64,
}

/// Reads the log, in which revisions are without gaps and requests whole.
async fn check_log(
    connection: &mut Session,
    graph: &Graph,
    known: &mut Graph,
    findings: &mut Vec<String>,
) -> Result<Log, StoreError> {
    let sequence = sequence::peek(connection).await?;
    let mut log = Log { floor: sequence.floor, ..Log::default() };
    let mut last = sequence.floor;
    let mut follows = known.position().epoch == sequence.epoch && known.revision() >= sequence.floor;
    let mut request = None;
    let mut entries = Box::pin(read_log(connection, graph.model(), sequence.floor));
    while let Some((entry, batch)) = entries.try_next().await? {
        let revision = entry.revision;
        if revision != last + 1 {
            findings.push(format!("after change {last} the log has {revision}"));
            request = None;
            follows = false;
        }
        last = revision;
        if entry.request < revision || request.is_some_and(|begun| begun != (entry.request, batch)) {
            findings.push(format!("change {revision} is said to be of the request that ends with {}", entry.request));
        }
        request = (entry.request > revision).then_some((entry.request, batch));
        log.add(&entry, findings);
        if follows && revision > known.revision() {
            entry.apply(known);
        }
    }
    if last != sequence.last_revision || request.is_some() {
        findings.push(format!("the log ends with {last}, and the last change is {}", sequence.last_revision));
    }
    Ok(log)
}

impl Log {
    fn add(&mut self, entry: &LogEntry, findings: &mut Vec<String>) {
        self.changes += 1;
        match (&entry.subject, entry.operation) {
            (Subject::Addresses(holds), operation) => {
                for hold in holds {
                    let of_scope = self.reservations.entry(hold.scope).or_default();
                    of_scope.insert(hold.address, operation == LogOperation::Reserve);
                }
            }
            (Subject::Object(object), operation) => {
                let is_deleted = operation == LogOperation::Delete;
                let before = self.objects.get(&object.uuid).map(|(_, state)| state.is_some());
                let should_exist = operation != LogOperation::Create;
                if before.is_some_and(|exists| exists != should_exist) {
                    let (name, uuid) = (operation.name(), object.uuid);
                    findings.push(format!("change {} is a {name} of {uuid}, which can't be", entry.revision));
                }
                let state = (!is_deleted).then(|| Arc::clone(object));
                self.objects.insert(object.uuid, (entry.revision, state));
                if is_deleted {
                    self.check_freed(object, entry.revision, findings);
                }
            }
        }
    }

    /// Whoever follows the log knows of every address that is free again (GEN-13).
    fn check_freed(&self, scope: &Object, revision: u64, findings: &mut Vec<String>) {
        let left = self.reservations.get(&scope.uuid).into_iter().flatten().filter(|(_, reserved)| **reserved);
        for (address, _) in left {
            findings.push(format!("change {revision} deletes {}, in which {address} is reserved", scope.uuid));
        }
    }

    /// The rows say what the log said last.
    async fn compare(
        &self,
        connection: &mut Session,
        graph: &Graph,
        findings: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        for (uuid, (revision, state)) in &self.objects {
            match (state, graph.get(*uuid)) {
                (None, None) => {}
                (None, Some(_)) => findings.push(format!("{uuid} exists, and change {revision} has deleted it")),
                (Some(_), None) => findings.push(format!("{uuid} does not exist, and change {revision} has made it")),
                (Some(state), Some(object)) => {
                    let different = object_differences(state, object);
                    let told = |text: String| format!("{uuid} is not what change {revision} has made it: {text}");
                    findings.extend(different.into_iter().map(told));
                }
            }
        }
        for (scope, addresses) in &self.reservations {
            for (address, reserved) in addresses {
                let holder = graph.pools().holder(*scope, *address);
                if (holder == Some(Holder::Reservation)) != *reserved {
                    let said = if *reserved { "reserved" } else { "given back" };
                    findings.push(format!("{address} of {scope} was {said} by the log, and is held by {holder:?}"));
                }
            }
        }
        let mut rows = connection.stream(sqlx::query("select uuid, revision from object"));
        while let Some(row) = rows.try_next().await? {
            let (uuid, revision) = revision_of(&row)?;
            let logged = self.objects.get(&uuid).map(|(revision, _)| *revision);
            if logged.is_some_and(|logged| logged != revision) || logged.is_none() && revision > self.floor {
                findings.push(format!("{uuid} was changed last by {revision}, and the log says by {logged:?}"));
            }
        }
        Ok(())
    }
}

fn revision_of(row: &PgRow) -> Result<(Uuid, u64), StoreError> {
    Ok((row.try_get("uuid")?, number(row, "revision")?))
}
