//! Whether the log is whole, and the tables are what it says: one pass, of which a few numbers are kept for each object.

use crate::{
    change_log::{LogEntry, LogOperation, Subject},
    finding::{Finding, Findings, Kind, Place},
    graph::{Graph, Holder, Object, describe, object_differences},
    store::{Session, StoreError, load::read_log, sequence::Sequence},
};
use futures_util::TryStreamExt;
use sqlx::Row;
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};
use uuid::Uuid;

/// What the log says of an object in the end.
struct Last {
    revision: u64,
    /// Whether it is there; not known where the change can't be read.
    exists: Option<bool>,
}

/// What the log says of each object and each reservation in the end.
pub struct Log {
    /// The last change of each object, as the tables say.
    revisions: HashMap<Uuid, u64>,
    objects: HashMap<Uuid, Last>,
    /// By network or flat ipam: whether the address was reserved, or given back.
    reservations: HashMap<Uuid, HashMap<IpAddr, bool>>,
    /// How many there are.
    pub changes: u64,
}

fn at(kind: Kind, revision: u64, text: String) -> Finding {
    Finding::new(kind, Place::Change(revision), text)
}

/// Reads the log, in which revisions are without gaps and requests whole. What a process knows follows it.
pub async fn check(
    connection: &mut Session,
    sequence: &Sequence,
    graph: &Graph,
    known: &mut Graph,
    findings: &mut Findings,
) -> Result<Log, StoreError> {
    let revisions = load_revisions(connection, sequence, findings).await?;
    let mut log = Log { revisions, objects: HashMap::new(), reservations: HashMap::new(), changes: 0 };
    if sequence.floor > sequence.last_revision {
        let (floor, last) = (sequence.floor, sequence.last_revision);
        let text = format!("changes up to {floor} are said to have been trimmed, and the last one is {last}");
        findings.push(Finding::new(Kind::FloorAhead, Place::Table("feed_sequence"), text));
        return Ok(log);
    }
    let mut last = sequence.floor;
    let mut follows = known.position().epoch == sequence.epoch && known.revision() >= sequence.floor;
    let mut request = None;
    let mut changes = Box::pin(read_log(connection, graph.model(), sequence.floor));
    while let Some(logged) = changes.try_next().await? {
        let revision = logged.revision;
        log.changes += 1;
        if revision != last + 1 {
            findings.push(at(Kind::LogGap, revision, format!("after change {last} the log has {revision}")));
            request = None;
            follows = false;
        }
        last = revision;
        let entry = match logged.entry {
            Ok(entry) => entry,
            Err(error @ StoreError::Row(_)) => {
                findings.push(at(Kind::UnreadableChange, revision, error.to_string()));
                log.objects.insert(logged.uuid, Last { revision, exists: None });
                request = None;
                follows = false;
                continue;
            }
            Err(error) => return Err(error),
        };
        if entry.request < revision || request.is_some_and(|begun| begun != (entry.request, logged.batch)) {
            let text = format!("change {revision} is said to be of the request that ends with {}", entry.request);
            findings.push(at(Kind::LogRequest, revision, text));
        }
        request = (entry.request > revision).then_some((entry.request, logged.batch));
        log.add(&entry, graph, findings);
        if follows && revision > known.revision() {
            entry.apply(known);
        }
    }
    if last != sequence.last_revision || request.is_some() {
        let text = format!("the log ends with {last}, and the last change is {}", sequence.last_revision);
        findings.push(at(Kind::LogEnd, last, text));
    }
    Ok(log)
}

/// The last change of each object, as the tables say: none is later than the last one of all.
async fn load_revisions(
    connection: &mut Session,
    sequence: &Sequence,
    findings: &mut Findings,
) -> Result<HashMap<Uuid, u64>, StoreError> {
    let mut revisions = HashMap::new();
    let mut rows = connection.stream(sqlx::query("select uuid, created, revision from object"));
    while let Some(row) = rows.try_next().await? {
        let uuid: Uuid = row.try_get("uuid")?;
        let revision: i64 = row.try_get("revision")?;
        let created: i64 = row.try_get("created")?;
        if u64::try_from(revision.max(created)).is_ok_and(|latest| latest > sequence.last_revision) {
            let last = sequence.last_revision;
            let text =
                format!("{uuid} was made by {created} and changed last by {revision}, and the last change is {last}");
            findings.push(Finding::new(Kind::RevisionAhead, Place::Object(uuid), text));
        } else if let Ok(revision) = u64::try_from(revision) {
            revisions.insert(uuid, revision);
        } else {
            let text = format!("object {uuid}: revision is {revision}");
            findings.push(Finding::new(Kind::UnreadableObject, Place::Object(uuid), text));
        }
    }
    Ok(revisions)
}

impl Log {
    fn add(&mut self, entry: &LogEntry, graph: &Graph, findings: &mut Findings) {
        match (&entry.subject, entry.operation) {
            (Subject::Addresses(holds), operation) => {
                for hold in holds {
                    let of_scope = self.reservations.entry(hold.scope).or_default();
                    of_scope.insert(hold.address, operation == LogOperation::Reserve);
                }
            }
            (Subject::Object(object), operation) => self.add_object(entry, object, operation, graph, findings),
        }
    }

    fn add_object(
        &mut self,
        entry: &LogEntry,
        object: &Object,
        operation: LogOperation,
        graph: &Graph,
        findings: &mut Findings,
    ) {
        let revision = entry.revision;
        let is_deleted = operation == LogOperation::Delete;
        let before = self.objects.get(&object.uuid).and_then(|last| last.exists);
        let should_exist = operation != LogOperation::Create;
        if before.is_some_and(|exists| exists != should_exist) {
            let (name, uuid) = (operation.name(), object.uuid);
            findings.push(at(
                Kind::LogOrder,
                revision,
                format!("change {revision} is a {name} of {uuid}, which can't be"),
            ));
        }
        self.objects.insert(object.uuid, Last { revision, exists: Some(!is_deleted) });
        if is_deleted {
            self.check_freed(object, revision, findings);
        } else if self.revisions.get(&object.uuid) == Some(&revision)
            && let Some(present) = graph.get(object.uuid)
        {
            // It is the last one that the tables know of, so it has made the object what it is.
            for text in object_differences(object, present) {
                let described = describe(graph.model(), present);
                let text = format!("{described} is not what change {revision} has made it: {text}");
                findings.push(Finding::new(Kind::LogObject, Place::Object(object.uuid), text));
            }
        }
    }

    /// Whoever follows the log knows of every address that is free again (GEN-13).
    fn check_freed(&self, scope: &Object, revision: u64, findings: &mut Findings) {
        let left = self.reservations.get(&scope.uuid).into_iter().flatten().filter(|(_, reserved)| **reserved);
        for (address, _) in left {
            let text = format!("change {revision} deletes {}, in which {address} is reserved", scope.uuid);
            findings.push(at(Kind::LogFreed, revision, text));
        }
    }

    /// The rows say what the log said last.
    pub fn compare(&self, graph: &Graph, unreadable: &HashSet<Uuid>, floor: u64, findings: &mut Findings) {
        for (uuid, Last { revision, exists }) in &self.objects {
            let is_there = graph.get(*uuid).is_some() || unreadable.contains(uuid);
            let text = match exists {
                Some(true) if !is_there => format!("{uuid} does not exist, and change {revision} has made it"),
                Some(false) if is_there => format!("{uuid} exists, and change {revision} has deleted it"),
                _ => continue,
            };
            findings.push(Finding::new(Kind::LogObject, Place::Object(*uuid), text));
        }
        for (uuid, revision) in &self.revisions {
            let logged = self.objects.get(uuid).map(|last| last.revision);
            if logged.is_some_and(|logged| logged != *revision) || logged.is_none() && *revision > floor {
                let said = logged.map_or("nothing of it".to_owned(), |logged| format!("by {logged}"));
                let text = format!("{uuid} was changed last by {revision}, and the log says {said}");
                let statement = |logged: u64| {
                    format!("update object set revision = {logged} where uuid = '{uuid}' and revision = {revision}")
                };
                let finding = Finding::new(Kind::LogRevision, Place::Object(*uuid), text);
                findings.push(finding.repaired_by(logged.map(statement)));
            }
        }
        for (scope, addresses) in &self.reservations {
            for (address, reserved) in addresses {
                compare_reservation(graph, *scope, *address, *reserved, findings);
            }
        }
    }
}

fn compare_reservation(graph: &Graph, scope: Uuid, address: IpAddr, reserved: bool, findings: &mut Findings) {
    let holder = graph.pools().holder(scope, address);
    if (holder == Some(Holder::Reservation)) == reserved {
        return;
    }
    let said = if reserved { "reserved" } else { "given back" };
    let text = format!("{address} of {scope} was {said} by the log, and is held by {}", Holder::told(holder));
    let repair = match holder {
        Some(Holder::Reservation) => Some(format!(
            "delete from address_hold where scope = '{scope}' and address = '{address}' and owner is null"
        )),
        None if graph.get(scope).is_some() => {
            Some(format!("insert into address_hold (scope, address) values ('{scope}', '{address}')"))
        }
        _ => None,
    };
    findings.push(Finding::new(Kind::LogReservation, Place::Address { scope, address }, text).repaired_by(repair));
}
