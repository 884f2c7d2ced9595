//! A batch of decided requests on its way into the database: a constant number of statements, whatever its size.

use super::{
    StoreError,
    record::{HoldBody, body_json, positions, properties_json},
};
use crate::{
    graph::{Graph, Hold, Object},
    model::{Model, ObjectType},
    rules::{Change, Effect, LogEntry, Subject},
    timestamp::Timestamp,
};
use indexmap::IndexMap;
use serde_json::json;
use sqlx::{PgConnection, types::ipnetwork::IpNetwork};
use std::{fmt::Display, sync::Arc};
use uuid::Uuid;

/// A decided request.
pub struct Decided {
    /// Its changes, in order.
    pub changes: Vec<Change>,
    /// The same, as they are logged.
    pub entries: Vec<Arc<LogEntry>>,
}

/// What is committed together.
#[derive(Clone, Copy)]
pub struct Batch {
    /// To find out later whether it was committed.
    pub id: Uuid,
    /// When it was decided.
    pub now: Timestamp,
    /// Whether other servers may wait for it.
    pub wake_others: bool,
}

/// The state of an object before and after a batch.
struct Net {
    before: Option<Arc<Object>>,
    after: Option<Arc<Object>>,
    /// Of the last change.
    revision: u64,
}

impl Net {
    fn of(before: Option<Arc<Object>>) -> Self {
        Self { before, after: None, revision: 0 }
    }
}

/// Writes a batch inside the transaction that holds the sequence, and moves the sequence on; tells the other servers,
/// if there may be any, when it is committed.
///
/// # Errors
/// When the database is away, or a constraint refuses; then the transaction must be rolled back.
pub async fn append(
    connection: &mut PgConnection,
    graph: &Graph,
    decided: &[Decided],
    batch: Batch,
) -> Result<(), StoreError> {
    let mut objects: IndexMap<Uuid, Net> = IndexMap::new();
    let mut holds = Holds::default();
    for change in decided.iter().flat_map(|request| &request.changes) {
        match &change.effect {
            Effect::Put { before, after, .. } => {
                let net = objects.entry(change.uuid).or_insert_with(|| Net::of(before.clone()));
                net.after = Some(Arc::clone(after));
                net.revision = change.revision;
            }
            Effect::Delete(last) => {
                let net = objects.entry(change.uuid).or_insert_with(|| Net::of(Some(Arc::clone(last))));
                net.after = None;
            }
            Effect::Reserve(reserved) => reserved.iter().for_each(|hold| holds.add(*hold, None)),
            Effect::Free(freed) => freed.iter().for_each(|hold| holds.remove(*hold)),
        }
    }
    remove_old(connection, &objects, &mut holds).await?;
    write_new(connection, graph, &objects, holds, decided, batch).await
}

/// Held addresses that go and come. One that goes and comes again in a batch may change its owner.
#[derive(Default)]
struct Holds {
    removed: Vec<Hold>,
    added: Vec<(Hold, Option<Uuid>)>,
}

impl Holds {
    fn add(&mut self, hold: Hold, owner: Option<Uuid>) {
        self.added.push((hold, owner));
    }

    fn remove(&mut self, hold: Hold) {
        let before = self.added.len();
        self.added.retain(|(added, _)| *added != hold);
        if self.added.len() == before {
            self.removed.push(hold);
        }
    }
}

/// First statement(s): what gives way. Rows of links and addresses that changed, and objects that are gone.
async fn remove_old(
    connection: &mut PgConnection,
    objects: &IndexMap<Uuid, Net>,
    holds: &mut Holds,
) -> Result<(), StoreError> {
    let mut relinked = Vec::new();
    let mut deleted = Vec::new();
    for (uuid, net) in objects {
        let Some(before) = &net.before else { continue };
        match &net.after {
            None => deleted.push(*uuid),
            Some(after) if after.links != before.links => relinked.push(*uuid),
            Some(_) => {}
        }
        if before.hold != net.after.as_ref().and_then(|after| after.hold)
            && let Some(hold) = before.hold
        {
            holds.removed.push(hold);
        }
    }
    if !holds.removed.is_empty() {
        let (scopes, addresses): (Vec<Uuid>, Vec<IpNetwork>) = columns(holds.removed.iter().copied());
        sqlx::query(
            "delete from address_hold using unnest($1::uuid[], $2::inet[]) as gone (scope, address)
             where address_hold.scope = gone.scope and address_hold.address = gone.address",
        )
        .bind(scopes)
        .bind(addresses)
        .execute(&mut *connection)
        .await?;
    }
    if !relinked.is_empty() || !deleted.is_empty() {
        relinked.extend(&deleted);
        sqlx::query("delete from reference where source = any($1)").bind(relinked).execute(&mut *connection).await?;
    }
    if !deleted.is_empty() {
        sqlx::query("delete from object where uuid = any($1)").bind(deleted).execute(&mut *connection).await?;
    }
    Ok(())
}

fn columns(holds: impl Iterator<Item = Hold>) -> (Vec<Uuid>, Vec<IpNetwork>) {
    holds.map(|hold| (hold.scope, IpNetwork::from(hold.address))).unzip()
}

/// The rows of one table, a vector a column, as the statement takes them.
#[derive(Default)]
struct ObjectRows {
    uuid: Vec<Uuid>,
    kind: Vec<String>,
    fq_name: Vec<String>,
    parent: Vec<Option<Uuid>>,
    created: Vec<i64>,
    revision: Vec<i64>,
    properties: Vec<String>,
    positions: Vec<Option<String>>,
    relaxed: Vec<Option<String>>,
}

#[derive(Default)]
struct ReferenceRows {
    source: Vec<Uuid>,
    target: Vec<Uuid>,
    name: Vec<String>,
    attr: Vec<Option<String>>,
}

#[derive(Default)]
struct ChangeRows {
    revision: Vec<i64>,
    request: Vec<i64>,
    operation: Vec<&'static str>,
    kind: Vec<String>,
    uuid: Vec<Uuid>,
    fq_name: Vec<String>,
    body: Vec<String>,
    trace: Vec<Option<String>>,
    who: Vec<Option<String>>,
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A list of texts as `PostgreSQL` writes arrays: arrays of arrays can't be sent.
fn array_text<T: Display>(elements: impl IntoIterator<Item = T>) -> String {
    let mut text = String::from("{");
    for element in elements {
        if text.len() > 1 {
            text.push(',');
        }
        text.push('"');
        for character in element.to_string().chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push('"');
    }
    text.push('}');
    text
}

impl ObjectRows {
    fn push(&mut self, kind: &ObjectType, object: &Object, revision: u64) {
        self.uuid.push(object.uuid);
        self.kind.push(kind.name.clone());
        self.fq_name.push(array_text(object.fq_name.elements()));
        self.parent.push(object.parent);
        self.created.push(signed(object.created));
        self.revision.push(signed(revision));
        self.properties.push(properties_json(kind, object));
        let positions = positions(kind, object);
        self.positions.push((!positions.is_empty()).then(|| json!(positions).to_string()));
        self.relaxed.push((!object.relaxed.is_empty()).then(|| array_text(&object.relaxed)));
    }
}

impl ReferenceRows {
    fn push(&mut self, kind: &ObjectType, object: &Object) {
        for link in &object.links {
            let Some(reference) = kind.references.get(usize::from(link.reference.0)) else { continue };
            self.source.push(object.uuid);
            self.target.push(link.target);
            self.name.push(reference.field.clone());
            self.attr.push(link.attribute.as_deref().map(str::to_owned));
        }
    }
}

impl ChangeRows {
    fn push(&mut self, model: &Model, entry: &LogEntry) {
        let body = match &entry.subject {
            Subject::Object(object) => body_json(model, object, entry),
            Subject::Addresses(holds) => {
                let body: Vec<HoldBody> = holds.iter().copied().map(HoldBody::from).collect();
                json!(body).to_string()
            }
        };
        self.revision.push(signed(entry.revision));
        self.request.push(signed(entry.request));
        self.operation.push(entry.operation.letter());
        self.kind.push(model.object_type(entry.type_id).name.clone());
        self.uuid.push(entry.uuid);
        self.fq_name.push(array_text(entry.fq_name.elements()));
        self.body.push(body);
        self.trace.push(entry.request_id.as_deref().map(str::to_owned));
        self.who.push(entry.who.as_deref().map(str::to_owned));
    }
}

/// Last statement: everything new in one, and the sequence. Constraints are checked at its end.
const WRITE: &str = "
with objects as (
    insert into object (uuid, type, fq_name, parent, created, revision, properties, positions, relaxed)
    select uuid, type, fq_name::text[], parent, created, revision, properties::jsonb, positions::jsonb, relaxed::uuid[]
    from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[])
         as new (uuid, type, fq_name, parent, created, revision, properties, positions, relaxed)
    -- All columns: a uuid may have been deleted and created anew, as something else, in one batch.
    on conflict (uuid) do update set type = excluded.type, fq_name = excluded.fq_name, parent = excluded.parent,
        created = excluded.created, revision = excluded.revision, properties = excluded.properties,
        positions = excluded.positions, relaxed = excluded.relaxed
), links as (
    insert into reference (source, target, name, attr)
    select source, target, name, attr::jsonb
    from unnest($10::uuid[], $11::uuid[], $12::text[], $13::text[]) as new (source, target, name, attr)
), holds as (
    insert into address_hold (scope, address, owner) select * from unnest($14::uuid[], $15::inet[], $16::uuid[])
), changes as (
    insert into change (rev, request, batch, at, op, type, uuid, fq_name, body, trace, who)
    select rev, request, $26::uuid, to_timestamp($27::bigint / 1e6::double precision), op, type, uuid,
           fq_name::text[], body::jsonb, trace, who
    from unnest($17::bigint[], $18::bigint[], $19::text[], $20::text[], $21::uuid[], $22::text[], $23::text[], $24::text[], $25::text[])
         as new (rev, request, op, type, uuid, fq_name, body, trace, who)
)
update feed_sequence set last_rev = $28
returning case when $29 then pg_notify('cirrus_feed', '')::text end";

async fn write_new(
    connection: &mut PgConnection,
    graph: &Graph,
    objects: &IndexMap<Uuid, Net>,
    mut holds: Holds,
    decided: &[Decided],
    batch: Batch,
) -> Result<(), StoreError> {
    let mut rows = ObjectRows::default();
    let mut references = ReferenceRows::default();
    for net in objects.values() {
        let Some(after) = &net.after else { continue };
        let kind = graph.model().object_type(after.type_id);
        rows.push(kind, after, net.revision);
        if net.before.as_ref().is_none_or(|before| before.links != after.links) {
            references.push(kind, after);
        }
        let before = net.before.as_ref().and_then(|before| before.hold);
        if let Some(hold) = after.hold.filter(|hold| Some(*hold) != before) {
            holds.add(hold, Some(after.uuid));
        }
    }
    let mut changes = ChangeRows::default();
    for entry in decided.iter().flat_map(|request| &request.entries) {
        changes.push(graph.model(), entry);
    }
    // With a network go the addresses that were reserved in it.
    holds.added.retain(|(hold, _)| graph.get(hold.scope).is_some());
    let owners: Vec<Option<Uuid>> = holds.added.iter().map(|(_, owner)| *owner).collect();
    let (scopes, addresses) = columns(holds.added.into_iter().map(|(hold, _)| hold));
    sqlx::query(WRITE)
        .bind(rows.uuid)
        .bind(rows.kind)
        .bind(rows.fq_name)
        .bind(rows.parent)
        .bind(rows.created)
        .bind(rows.revision)
        .bind(rows.properties)
        .bind(rows.positions)
        .bind(rows.relaxed)
        .bind(references.source)
        .bind(references.target)
        .bind(references.name)
        .bind(references.attr)
        .bind(scopes)
        .bind(addresses)
        .bind(owners)
        .bind(changes.revision)
        .bind(changes.request)
        .bind(changes.operation)
        .bind(changes.kind)
        .bind(changes.uuid)
        .bind(changes.fq_name)
        .bind(changes.body)
        .bind(changes.trace)
        .bind(changes.who)
        .bind(batch.id)
        .bind(batch.now.0)
        .bind(signed(graph.revision()))
        .bind(batch.wake_others)
        .execute(connection)
        .await?;
    Ok(())
}
