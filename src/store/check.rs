//! Whether a database is what it should be: its tables, its log, and the graph that is made of them agree with each other.

mod log;
mod meaning;
mod settings;
mod tables;

use super::{Session, StoreError, load::load_with, operation::CHECK, partitions, record::column_name, sequence};
use crate::{
    finding::{Finding, Findings, Kind, Place},
    graph::{Graph, differences, find_violations, stray_columns},
};
use std::collections::HashSet;
use uuid::Uuid;

/// What was looked at, and what was found.
pub struct Checked {
    /// What the tables say.
    pub graph: Graph,
    /// How many changes are in the log.
    pub changes: u64,
    /// What is not as it should be.
    pub findings: Findings,
}

/// What is told of how far it has come: the name of what is looked at now.
pub type Progress<'p> = dyn Fn(&'static str) + Send + Sync + 'p;

/// Looks at everything, as of one revision, in one transaction that writes nothing. What a process knows is compared, too: `known`
/// follows the log up to there.
///
/// # Errors
/// When the database is away.
pub async fn check(connection: &mut Session, known: Graph, progress: &Progress<'_>) -> Result<Checked, StoreError> {
    connection.turn_to(CHECK);
    let mut transaction = connection.begin().await?;
    transaction.execute(sqlx::query("set transaction isolation level repeatable read read only")).await?;
    let checked = check_in(&mut transaction, known, progress).await?;
    transaction.commit().await?;
    Ok(checked)
}

/// The same in a transaction that somebody else ends.
///
/// # Errors
/// When the database is away.
pub async fn check_in(
    transaction: &mut Session,
    mut known: Graph,
    progress: &Progress<'_>,
) -> Result<Checked, StoreError> {
    transaction.turn_to(CHECK);
    transaction.execute(sqlx::query("set local statement_timeout = 0")).await?;
    // What is read is looked at between the questions, which takes long where there is much.
    transaction.execute(sqlx::query("set local idle_in_transaction_session_timeout = 0")).await?;
    // Before the first look, so that no part of the log goes meanwhile.
    transaction.execute(sqlx::query("lock table change in access share mode")).await?;
    let mut findings = Findings::default();
    progress("objects");
    let mut unreadable = HashSet::new();
    let graph = load_with(transaction, known.model(), &mut |uuid, error| match error {
        StoreError::Row(text) => {
            findings.push(Finding::new(Kind::UnreadableObject, Place::Object(uuid), text));
            unreadable.insert(uuid);
            Ok(())
        }
        error => Err(error),
    })
    .await?;
    let sequence = sequence::peek(transaction).await?;
    progress("what follows from objects");
    find_violations(&graph, &mut |finding| {
        if !is_about(&graph, &finding, &unreadable) && !is_told_by_tables(finding.kind) {
            findings.push(with_repair(&graph, finding));
        }
    });
    progress("tables");
    tables::check(transaction, graph.model(), &mut findings).await?;
    settings::check(transaction, &mut findings).await?;
    let several = findings.iter().filter(|finding| finding.kind == Kind::SeveralHolds);
    let several: HashSet<Uuid> = several.filter_map(|finding| finding.place.object()).collect();
    meaning::check(&graph, &several, &mut findings);
    progress("change log");
    let log = log::check(transaction, &sequence, &graph, &mut known, &mut findings).await?;
    log.compare(&graph, &unreadable, sequence.floor, &mut findings);
    partitions::uncovered(transaction, &mut findings).await?;
    // A process that knows another history, or has fallen behind the log, would load everything anew.
    if known.position().epoch == graph.position().epoch && known.revision() >= sequence.floor {
        let different = differences(("what the process knows", &known), ("the tables", &graph));
        findings.extend(different.into_iter().map(|text| Finding::new(Kind::MemoryDiffers, Place::Memory, text)));
    }
    findings.sort();
    Ok(Checked { changes: log.changes, graph, findings })
}

/// What is told of all rows by a question to the tables need not be told of the graph again.
fn is_told_by_tables(kind: Kind) -> bool {
    matches!(kind, Kind::DuplicateName | Kind::DuplicateHold | Kind::DoubledReference)
}

/// An object that can't be read is there all the same: what points to it does not point to nothing.
fn is_about(graph: &Graph, finding: &Finding, unreadable: &HashSet<Uuid>) -> bool {
    let missing = match (finding.kind, finding.place) {
        (Kind::DanglingReference, Place::Reference { target, .. }) => Some(target),
        (Kind::MissingParent, Place::Object(uuid)) => graph.get(uuid).and_then(|object| object.parent),
        _ => None,
    };
    missing.is_some_and(|missing| unreadable.contains(&missing))
}

/// With the statement that repairs it, if it has an evident answer that the graph knows.
fn with_repair(graph: &Graph, finding: Finding) -> Finding {
    let repair = match (finding.kind, finding.place) {
        (Kind::DanglingReference, Place::Reference { source, target }) => {
            Some(format!("delete from reference where source = '{source}' and target = '{target}'"))
        }
        (Kind::StrayWriteTime, Place::Object(uuid)) => graph.get(uuid).and_then(|object| {
            let kind = graph.model().object_type(object.type_id);
            let stray = stray_columns(graph.model(), object);
            let names: Vec<String> = stray.into_iter().filter_map(|column| column_name(kind, column)).collect();
            let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
            let names = names.join(", ");
            let left = format!("nullif(written - array[{names}], '{{}}')");
            (!names.is_empty()).then(|| format!("update object set written = {left} where uuid = '{uuid}'"))
        }),
        _ => return finding,
    };
    finding.repaired_by(repair)
}

/// A text as SQL writes it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
