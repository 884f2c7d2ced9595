//! What is found wrong is repaired where there is one evident answer: all of it in one transaction, under the lock of the row of the
//! sequence, or nothing.
//!
//! 1. Each finding with an evident answer brings the statement for it, which is about one row.
//! 2. An object that is another one by that is told to the log as an update, so the log says again what the tables say.
//! 3. Another epoch begins, because what servers and readers know of this one does not lead to what the tables say now: they begin
//!    anew. The fence is another one, so that no batch is written that was decided on before.
//! 4. Everything is checked again. What was found then has to be what was found before and has no evident answer, and no object may be
//!    another one that was not to be.

use super::{
    Checked, Progress, Rows, Session, StoreError, Turn, append, check::check_in, load::load_with, make_until,
    operation::REPAIR, sequence,
};
use crate::{
    change_log::{LogEntry, Origin},
    finding::{Finding, Findings, Kind},
    graph::{Graph, Object, differences, object_differences},
    model::Model,
    rules::{Change, Effect},
    timestamp::Timestamp,
};
use sqlx::AssertSqlSafe;
use std::{collections::HashSet, sync::Arc, time::Duration};
use uuid::Uuid;

/// Who is said to have changed what is repaired.
const WHO: &str = "cirrus check --repair";
/// How many revisions a partition of the log has that is made for it.
const PARTITION: u64 = 1000;
/// How long that waits for others.
const PATIENCE: Duration = Duration::from_secs(3);

/// What became of a repair.
pub struct Repaired {
    /// What was found before.
    pub before: Checked,
    /// What was found then.
    pub after: Checked,
    /// How many statements were carried out.
    pub statements: usize,
    /// Why it has to be taken back, if it has.
    pub refused: Option<String>,
}

/// The statements that repair what was found, each once, with the finding that brings it.
pub fn plan(findings: &Findings) -> Vec<(&Finding, &str)> {
    let mut seen = HashSet::new();
    let repairable = findings.iter().filter_map(|finding| Some((finding, finding.repair.as_deref()?)));
    repairable.filter(|(_, statement)| seen.insert(*statement)).collect()
}

/// Whether the database can be written to: not so a standby.
///
/// # Errors
/// When the database is away.
pub async fn is_writable(session: &mut Session) -> Result<bool, StoreError> {
    session.value(sqlx::query("select not current_setting('transaction_read_only')::bool")).await
}

/// Makes room in the log for what a repair tells it. To be done before: the lock of the row is not held as long.
///
/// # Errors
/// When the database is away.
pub async fn make_room(session: &mut Session, changes: usize) -> Result<(), StoreError> {
    let state = sequence::peek(session).await?;
    let last = state.last_revision + changes as u64;
    if changes > 0 && last > state.partitioned_until {
        make_until(session, last, PARTITION, PATIENCE).await?;
    }
    Ok(())
}

/// Repairs what is found, in a transaction that has the lock of the row of the sequence, and that the caller commits if it is not
/// refused.
///
/// # Errors
/// When the database is away, or refuses a statement.
pub async fn repair_in(
    transaction: &mut Session,
    model: &Arc<Model>,
    progress: &Progress<'_>,
) -> Result<Repaired, StoreError> {
    let before = check_in(transaction, Graph::new(Arc::clone(model)), progress).await?;
    transaction.turn_to(REPAIR);
    progress("repair");
    let mut refused = None;
    let planned = plan(&before.findings);
    for (finding, statement) in &planned {
        let rows = transaction.execute(sqlx::query(AssertSqlSafe(*statement))).await?;
        if rows != finding.kind.rows_to_repair() {
            refused.get_or_insert_with(|| format!("{rows} rows were changed by: {statement}"));
        }
    }
    sequence::fence_off(transaction).await?;
    sequence::begin_epoch(transaction).await?;
    let repaired = load_with(transaction, model, &mut |_, error| match error {
        StoreError::Row(_) => Ok(()),
        error => Err(error),
    })
    .await?;
    let meant: HashSet<Uuid> = planned.iter().filter_map(|(finding, _)| finding.place.object()).collect();
    let touched = match touched(&before.graph, &repaired, &meant) {
        Ok(touched) => touched,
        Err(text) => {
            refused.get_or_insert(text);
            Vec::new()
        }
    };
    let expected = tell_log(transaction, repaired, touched, &mut refused).await?;
    let after = check_in(transaction, Graph::new(Arc::clone(model)), progress).await?;
    let different = differences(("what was meant", &expected), ("the tables", &after.graph));
    if let Some(different) = different.into_iter().next() {
        refused.get_or_insert(different);
    }
    if let Some(text) = what_is_new(&before.findings, &after.findings) {
        refused.get_or_insert(text);
    }
    let statements = planned.len();
    Ok(Repaired { before, after, statements, refused })
}

/// The states of an object before and after.
type Touched = (Arc<Object>, Arc<Object>);

/// The objects that are others than before, all of which are meant to be, with their states before.
fn touched(before: &Graph, after: &Graph, meant: &HashSet<Uuid>) -> Result<Vec<Touched>, String> {
    if before.len() != after.len() {
        return Err(format!("there were {} objects, and then {}", before.len(), after.len()));
    }
    let mut touched = Vec::new();
    for object in after.all() {
        let Some(former) = before.get(object.uuid) else {
            return Err(format!("{} was not there before", object.uuid));
        };
        if object_differences(former, object).is_empty() {
            continue;
        }
        if !meant.contains(&object.uuid) {
            return Err(format!("{} is another one than before, and should not be", object.uuid));
        }
        touched.push((Arc::clone(former), Arc::clone(object)));
    }
    touched.sort_by_key(|(_, object)| (object.created, object.uuid));
    Ok(touched)
}

/// Writes the changes of objects into the log, as those of one request, and gives the graph with them.
async fn tell_log(
    transaction: &mut Session,
    repaired: Graph,
    touched: Vec<Touched>,
    refused: &mut Option<String>,
) -> Result<Graph, StoreError> {
    if touched.is_empty() {
        return Ok(repaired);
    }
    let (now, first) = (Timestamp::now(), repaired.next_creation());
    let request = repaired.revision() + touched.len() as u64;
    let origin = Origin { at: now, request_id: None, who: Some(WHO.into()), caller: None };
    let mut fork = repaired.clone();
    let mut changes = Vec::new();
    for (revision, (former, object)) in (first..).zip(touched) {
        let mut object = Object::clone(&object);
        object.stamp(Some(&former), first, fork.model().object_type(former.type_id));
        let (uuid, after) = (object.uuid, Arc::new(object));
        fork.put(&after);
        let effect = Effect::Put { before: Some(former), after, implicit: false };
        changes.push(Change { revision, request, uuid, effect });
    }
    fork.set_revision(request);
    let mut rows = Rows::new(repaired.clone());
    for (change, entry) in changes.iter().zip(LogEntry::of_request(&changes, &fork, &origin)) {
        rows.add(change, &entry);
    }
    let fence = sequence::peek(transaction).await?.fence;
    let turn = Turn { batch: Uuid::new_v4(), now, after: repaired.position(), sole: None, fence };
    if !append(transaction, &fork, &rows, turn).await? {
        refused.get_or_insert_with(|| "the log did not take what was repaired".to_owned());
    }
    Ok(fork)
}

/// What is found after a repair and should not be: what has an evident answer, and what was not found before.
fn what_is_new(before: &Findings, after: &Findings) -> Option<String> {
    let known: HashSet<(Kind, &str)> = before.iter().map(|finding| (finding.kind, finding.text.as_str())).collect();
    let is_old = |finding: &Finding| finding.repair.is_none() && known.contains(&(finding.kind, &finding.text));
    after.kept_faults().find(|finding| !is_old(finding)).map(|finding| format!("then there would be {finding}"))
}
