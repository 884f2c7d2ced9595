//! A batch of decided requests on its way into the database: one statement, whatever its size.

use super::{
    Session, StoreError,
    idempotency::{Kept, KeptAnswers, Key, kept_for},
    operation::BATCH,
    record::{HoldBody, body_json, positions, properties_json, written},
};
use crate::{
    change_log::{LogEntry, Subject},
    graph::{FqName, Graph, Hold, Holder, Link, Object, Position},
    model::{Model, ObjectType, TypeId},
    rules::{Change, Effect},
    timestamp::Timestamp,
};
use indexmap::{IndexMap, IndexSet};
use rustc_hash::FxBuildHasher;
use serde_json::json;
use sha2::{Digest, Sha256, digest::consts::U16};
use sqlx::{Arguments, AssertSqlSafe, error::BoxDynError, postgres::PgArguments, types::ipnetwork::IpNetwork};
use std::{iter, sync::Arc};
use uuid::Uuid;

/// What is committed together, and when it is its turn.
#[derive(Clone, Copy)]
pub struct Turn {
    /// To find out later whether the batch was committed.
    pub batch: Uuid,
    /// When it was decided.
    pub now: Timestamp,
    /// What it was decided on: nothing may have been committed since.
    pub after: Position,
    /// The only server, if any. If there is none, others are told of the batch.
    pub sole: Option<Uuid>,
    /// What the row has to say, too, so that nobody has been told that this batch was not committed.
    pub fence: Uuid,
}

/// The state of an object before a batch and after it.
struct Net {
    before: Option<Arc<Object>>,
    /// Whether it was deleted in between: then its row goes and comes, so that names are free for others in the same batch.
    gone: bool,
    after: Option<(Arc<Object>, ObjectRow)>,
}

/// A row of `object`.
pub(super) struct ObjectRow {
    revision: u64,
    fq_name: String,
    name_digest: Uuid,
    properties: String,
    positions: Option<String>,
    relaxed: Option<String>,
    written: Option<String>,
}

/// What decided requests make of the tables: the rows of a batch.
pub struct Rows {
    model: Arc<Model>,
    /// What the first request was decided on.
    base: Graph,
    objects: IndexMap<Uuid, Net, FxBuildHasher>,
    /// Addresses that were taken or given back, once or more often.
    holds: IndexSet<Hold, FxBuildHasher>,
    changes: ChangeRows,
    /// What is answered to requests that have a key.
    answers: KeptAnswers,
    /// What can't be written: the batch is refused.
    fault: Option<String>,
}

impl Rows {
    /// None yet, of requests that are decided on this graph.
    pub fn new(base: Graph) -> Self {
        Self {
            model: Arc::clone(base.model()),
            base,
            objects: IndexMap::default(),
            holds: IndexSet::default(),
            changes: ChangeRows::default(),
            answers: KeptAnswers::default(),
            fault: None,
        }
    }

    /// What the first request was decided on.
    pub fn base(&self) -> &Graph {
        &self.base
    }

    /// Whether there is nothing to write: nothing changes, and no answer is to be kept.
    pub fn is_empty(&self) -> bool {
        !self.has_changes() && self.answers.is_empty() && self.fault.is_none()
    }

    /// Whether there is something for the log.
    pub fn has_changes(&self) -> bool {
        !self.changes.revision.is_empty()
    }

    /// The answers that are to be kept.
    pub fn answers(&self) -> &KeptAnswers {
        &self.answers
    }

    /// Keeps an answer.
    pub fn keep(&mut self, key: Key, answer: Arc<Kept>) {
        self.answers.insert(key, answer);
    }

    /// Takes a change into account, and how it is logged.
    pub fn add(&mut self, change: &Change, entry: &LogEntry) {
        let kind = self.model.object_type(entry.type_id);
        let properties = entry.object().map(|object| properties_json(kind, object));
        if let Err(error) = self.changes.push(&self.model, entry, properties.as_deref()) {
            self.fault.get_or_insert_with(|| format!("{} {}: {error}", kind.name, entry.uuid));
        }
        match &change.effect {
            Effect::Put { before, after, .. } => {
                let row = ObjectRow::new(kind, after, change.revision, properties.unwrap_or_default());
                self.holds.extend(before.as_ref().and_then(|before| before.hold));
                self.holds.extend(after.hold);
                let net = || Net { before: before.clone(), gone: false, after: None };
                self.objects.entry(change.uuid).or_insert_with(net).after = Some((Arc::clone(after), row));
            }
            Effect::Delete(last) => {
                self.holds.extend(last.hold);
                let net = || Net { before: Some(Arc::clone(last)), gone: true, after: None };
                let net = self.objects.entry(change.uuid).or_insert_with(net);
                (net.gone, net.after) = (true, None);
            }
            Effect::Reserve(holds) | Effect::Free(holds) => self.holds.extend(holds.iter().copied()),
        }
    }
}

/// Writes the rows of a batch and moves the sequence on, if it is the turn of this batch; else nothing happens and the answer is
/// false. Other servers, if there may be any, are told of it when it is committed.
///
/// It is one statement, so that by itself it is a transaction and takes one way there and back.
///
/// # Errors
/// When the database is away, or a constraint refuses; then nothing was written.
pub async fn append(connection: &mut Session, graph: &Graph, rows: &Rows, turn: Turn) -> Result<bool, StoreError> {
    if let Some(fault) = &rows.fault {
        return Err(StoreError::of(BATCH, sqlx::Error::Encode(fault.clone().into())));
    }
    let (needed, arguments) =
        arguments(graph, rows, turn).map_err(|error| StoreError::of(BATCH, sqlx::Error::Encode(error)))?;
    let statement = AssertSqlSafe(statement(needed));
    // To the end of the answer, which comes when the commit is done.
    Ok(connection.execute(sqlx::query_with(statement, arguments)).await? == 1)
}

/// A list of values for each column, and which of them are not empty.
fn arguments(graph: &Graph, rows: &Rows, turn: Turn) -> Result<(Needed, PgArguments), BoxDynError> {
    let (mut new, mut altered) = (ObjectRows::default(), ObjectRows::default());
    let (mut unlinked, mut linked) = (Unlinked::default(), ReferenceRows::default());
    let mut deleted = Vec::new();
    for (uuid, net) in &rows.objects {
        let before = net.before.as_deref();
        let after = net.after.as_ref().map(|(after, _)| &**after);
        for link in changed_links(before, after) {
            unlinked.source.push(*uuid);
            unlinked.target.push(link.target);
        }
        if let Some((after, row)) = &net.after {
            let kind = rows.model.object_type(after.type_id);
            let table = if before.is_some() && !net.gone { &mut altered } else { &mut new };
            table.push(kind, after, row);
            changed_links(Some(after), before).for_each(|link| linked.push(kind, *uuid, link));
        }
        if before.is_some() && (net.gone || net.after.is_none()) {
            deleted.push(*uuid);
        }
    }
    // Whatever happened to an address in between: whose it was before the batch, and whose it is after it.
    let (mut freed, mut taken) = (Vec::new(), Vec::new());
    for hold in &rows.holds {
        let holder = |graph: &Graph| graph.pools().holder(hold.scope, hold.address);
        let (before, after) = (holder(&rows.base), holder(graph));
        if before != after {
            freed.extend(before.map(|_| *hold));
            taken.extend(after.map(|holder| (*hold, holder)));
        }
    }
    let owner = |holder: &Holder| match holder {
        Holder::Object(uuid) => Some(*uuid),
        Holder::Reservation => None,
    };
    let owners: Vec<Option<Uuid>> = taken.iter().map(|(_, holder)| owner(holder)).collect();
    let (scopes, addresses) = columns(taken.into_iter().map(|(hold, _)| hold));
    let (freed_scopes, freed_addresses) = columns(freed.into_iter());
    let needed = [
        !freed_scopes.is_empty(),
        !unlinked.source.is_empty(),
        !deleted.is_empty(),
        !altered.uuid.is_empty(),
        !new.uuid.is_empty(),
        !linked.source.is_empty(),
        !scopes.is_empty(),
        !rows.answers.is_empty(),
        !rows.answers.is_empty(),
    ];
    let changes = &rows.changes;
    let mut arguments = PgArguments::default();
    // All at once, for what is long.
    arguments.reserve(57, changes.body.iter().map(|body| 2 * body.len() + 1024).sum());
    arguments.add(turn.batch)?;
    arguments.add(turn.now.0)?;
    arguments.add(signed(turn.after.revision))?;
    arguments.add(signed(graph.revision()))?;
    arguments.add(turn.after.epoch)?;
    arguments.add(turn.sole)?;
    arguments.add(turn.fence)?;
    arguments.add(freed_scopes)?;
    arguments.add(freed_addresses)?;
    arguments.add(unlinked.source)?;
    arguments.add(unlinked.target)?;
    arguments.add(deleted)?;
    altered.add_to(&mut arguments)?;
    new.add_to(&mut arguments)?;
    arguments.add(linked.source)?;
    arguments.add(linked.target)?;
    arguments.add(linked.name)?;
    arguments.add(linked.attr)?;
    arguments.add(scopes)?;
    arguments.add(addresses)?;
    arguments.add(owners)?;
    arguments.add(&changes.revision)?;
    arguments.add(&changes.request)?;
    arguments.add(&changes.operation)?;
    let kinds: Vec<&str> = changes.kind.iter().map(|kind| rows.model.object_type(*kind).name.as_str()).collect();
    arguments.add(kinds)?;
    arguments.add(&changes.uuid)?;
    arguments.add(&changes.fq_name)?;
    arguments.add(&changes.body)?;
    for texts in [&changes.trace, &changes.who, &changes.caller, &changes.former_perms2] {
        arguments.add(texts.iter().map(Option::as_deref).collect::<Vec<_>>())?;
    }
    // The last ones, so that a statement that keeps none does without them.
    if !rows.answers.is_empty() {
        let (keys, answers): (Vec<&Key>, Vec<&Arc<Kept>>) = rows.answers.iter().unzip();
        arguments.add(keys.iter().map(|key| key.who.as_str()).collect::<Vec<_>>())?;
        arguments.add(keys.iter().map(|key| key.text.as_str()).collect::<Vec<_>>())?;
        arguments.add(answers.iter().map(|kept| kept.fingerprint.as_slice()).collect::<Vec<_>>())?;
        arguments.add(answers.iter().map(|kept| signed(kept.revision)).collect::<Vec<_>>())?;
        arguments.add(answers.iter().map(|kept| kept.outcome.as_str()).collect::<Vec<_>>())?;
    }
    Ok((needed, arguments))
}

fn columns(holds: impl Iterator<Item = Hold>) -> (Vec<Uuid>, Vec<IpNetwork>) {
    holds.map(|hold| (hold.scope, IpNetwork::from(hold.address))).unzip()
}

/// The links of an object before or after a batch that are not the same on the other side: of a thousand, one may have come.
fn changed_links<'o>(object: Option<&'o Object>, other: Option<&Object>) -> impl Iterator<Item = &'o Link> {
    // The same uuid may have become an object of another type.
    let same = object.zip(other).filter(|(object, other)| object.type_id == other.type_id);
    let others: &[Link] = same.map(|(_, other)| other.links.as_slice()).unwrap_or_default();
    let key = |link: &Link| (link.reference, link.target);
    let is_there = move |link: &Link| {
        let found = others.binary_search_by_key(&key(link), key).ok();
        found.and_then(|index| others.get(index)) == Some(link)
    };
    object.into_iter().flat_map(|object| &object.links).filter(move |link| !is_there(link))
}

/// Rows of `object`, a list a column, as the statement takes them.
#[derive(Default)]
pub(super) struct ObjectRows<'r> {
    uuid: Vec<Uuid>,
    kind: Vec<&'r str>,
    fq_name: Vec<&'r str>,
    parent: Vec<Option<Uuid>>,
    created: Vec<i64>,
    revision: Vec<i64>,
    properties: Vec<&'r str>,
    positions: Vec<Option<&'r str>>,
    relaxed: Vec<Option<&'r str>>,
    written: Vec<Option<&'r str>>,
    name_digest: Vec<Uuid>,
}

/// References that go.
#[derive(Default)]
struct Unlinked {
    source: Vec<Uuid>,
    target: Vec<Uuid>,
}

/// The same of `reference`.
#[derive(Default)]
pub(super) struct ReferenceRows<'m> {
    pub source: Vec<Uuid>,
    pub target: Vec<Uuid>,
    pub name: Vec<&'m str>,
    pub attr: Vec<Option<String>>,
}

#[derive(Default)]
struct ChangeRows {
    revision: Vec<i64>,
    request: Vec<i64>,
    operation: Vec<&'static str>,
    kind: Vec<TypeId>,
    uuid: Vec<Uuid>,
    fq_name: Vec<String>,
    body: Vec<String>,
    trace: Vec<Option<Arc<str>>>,
    who: Vec<Option<Arc<str>>>,
    caller: Vec<Option<Arc<str>>>,
    former_perms2: Vec<Option<Arc<str>>>,
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What makes names unique in the tables, each in its type: what `object_name_digest` of `migrations/` makes of them there.
pub(super) fn name_digest(kind: &ObjectType, fq_name: &FqName) -> Uuid {
    let digest = Sha256::new_with_prefix(&kind.name).chain_update(":").chain_update(fq_name.joined().as_bytes());
    let (half, _) = digest.finalize().split::<U16>();
    Uuid::from_bytes(half.into())
}

/// A list of texts as `PostgreSQL` writes arrays: arrays of arrays can't be sent.
fn array_text<'t>(elements: impl IntoIterator<Item = &'t str>) -> String {
    let mut text = String::from("{");
    for element in elements {
        text.push_str(if text.len() > 1 { ",\"" } else { "\"" });
        if memchr::memchr2(b'"', b'\\', element.as_bytes()).is_some() {
            text.push_str(&element.replace('\\', r"\\").replace('"', r#"\""#));
        } else {
            text.push_str(element);
        }
        text.push('"');
    }
    text.push('}');
    text
}

impl ObjectRow {
    /// Of an object that was changed last with this revision.
    pub fn new(kind: &ObjectType, object: &Object, revision: u64, properties: String) -> Self {
        let positions = positions(kind, object);
        let relaxed = || format!("{{{}}}", object.relaxed().iter().map(Uuid::to_string).collect::<Vec<_>>().join(","));
        Self {
            revision,
            fq_name: array_text(object.fq_name.elements()),
            name_digest: name_digest(kind, &object.fq_name),
            properties,
            positions: (!positions.is_empty()).then(|| json!(positions).to_string()),
            relaxed: (!object.relaxed().is_empty()).then(relaxed),
            written: (!object.written().is_empty()).then(|| json!(written(kind, object)).to_string()),
        }
    }
}

impl<'r> ObjectRows<'r> {
    /// One more.
    pub fn push(&mut self, kind: &'r ObjectType, object: &Object, row: &'r ObjectRow) {
        self.uuid.push(object.uuid);
        self.kind.push(&kind.name);
        self.fq_name.push(&row.fq_name);
        self.parent.push(object.parent);
        self.created.push(signed(object.created));
        self.revision.push(signed(row.revision));
        self.properties.push(&row.properties);
        self.positions.push(row.positions.as_deref());
        self.relaxed.push(row.relaxed.as_deref());
        self.written.push(row.written.as_deref());
        self.name_digest.push(row.name_digest);
    }

    /// As eleven arguments.
    pub fn add_to(self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        arguments.add(self.uuid)?;
        arguments.add(self.kind)?;
        arguments.add(self.fq_name)?;
        arguments.add(self.parent)?;
        arguments.add(self.created)?;
        arguments.add(self.revision)?;
        arguments.add(self.properties)?;
        arguments.add(self.positions)?;
        arguments.add(self.relaxed)?;
        arguments.add(self.written)?;
        arguments.add(self.name_digest)
    }
}

impl<'m> ReferenceRows<'m> {
    /// One more.
    pub fn push(&mut self, kind: &'m ObjectType, source: Uuid, link: &Link) {
        let Some(reference) = kind.references.get(usize::from(link.reference.0)) else { return };
        self.source.push(source);
        self.target.push(link.target);
        self.name.push(&reference.field);
        self.attr.push(link.attribute.as_deref().map(str::to_owned));
    }
}

impl ChangeRows {
    fn push(&mut self, model: &Model, entry: &LogEntry, properties: Option<&str>) -> Result<(), serde_json::Error> {
        let body = match &entry.subject {
            Subject::Object(object) => body_json(model, object, entry, properties.unwrap_or("{}"))?,
            Subject::Addresses(holds) => {
                let body: Vec<HoldBody> = holds.iter().copied().map(HoldBody::from).collect();
                json!(body).to_string()
            }
        };
        self.revision.push(signed(entry.revision));
        self.request.push(signed(entry.request));
        self.operation.push(entry.operation.letter());
        self.kind.push(entry.type_id);
        self.uuid.push(entry.uuid);
        self.fq_name.push(array_text(entry.fq_name.elements()));
        self.body.push(body);
        self.trace.push(entry.request_id.clone());
        self.who.push(entry.who.clone());
        self.caller.push(entry.caller.as_ref().map(|caller| Arc::clone(&caller.json)));
        self.former_perms2.push(entry.former_permissions.as_ref().map(|former| Arc::clone(&former.text)));
        Ok(())
    }
}

/// A part of the statement that writes a batch.
pub struct Part {
    pub name: &'static str,
    sql: &'static str,
    /// Parts that have to be done before, because they take something away or change names.
    after: &'static [&'static str],
}

/// The parts that a batch may need, beside its turn and its changes, in the order of [`Needed`]. Where it says `WHEN`, nothing
/// happens if it is not the turn of the batch. Foreign keys are checked at the end of it all.
///
/// No part leaves the order of a join to the planner: what is best while a table is small would be kept when it has grown.
pub const PARTS: [Part; 9] = [
    Part {
        name: "freed",
        after: &[],
        sql: "delete from address_hold where ctid = any(array(
                select held.ctid
                from unnest($8::uuid[], $9::inet[]) as gone (scope, address),
                     lateral (select ctid from address_hold as held
                              where held.scope = gone.scope and held.address = gone.address offset 0) as held
                where WHEN))
            returning 1",
    },
    Part {
        name: "unlinked",
        after: &[],
        sql: "delete from reference where ctid = any(array(
                select held.ctid
                from unnest($10::uuid[], $11::uuid[]) as gone (source, target),
                     -- As rows, so that it can't be looked up by target alone, which may have very many.
                     lateral (select ctid from reference as held
                              where (held.source, held.target)
                                    between (gone.source, gone.target) and (gone.source, gone.target)
                              offset 0) as held
                where WHEN))
            returning 1",
    },
    Part { name: "deleted", after: &[], sql: "delete from object where uuid = any($12::uuid[]) and WHEN returning 1" },
    Part {
        name: "changed",
        after: &["deleted"],
        sql: "insert into object (uuid, type, fq_name, parent, created, revision, properties, positions, relaxed, written, name_digest)
            select uuid, type, fq_name::text[], parent, created, revision, properties::jsonb, positions::jsonb,
                   relaxed::uuid[], written::jsonb, name_digest
            from unnest($13::uuid[], $14::text[], $15::text[], $16::uuid[], $17::bigint[], $18::bigint[], $19::text[],
                        $20::text[], $21::text[], $22::text[], $23::uuid[])
                 as new (uuid, type, fq_name, parent, created, revision, properties, positions, relaxed, written, name_digest)
            where WHEN
            -- All columns: a uuid may have been deleted and created anew, as something else, in one batch.
            on conflict (uuid) do update set type = excluded.type, fq_name = excluded.fq_name, parent = excluded.parent,
                created = excluded.created, revision = excluded.revision, properties = excluded.properties,
                positions = excluded.positions, relaxed = excluded.relaxed, written = excluded.written,
                name_digest = excluded.name_digest
            returning 1",
    },
    Part {
        name: "created",
        after: &["deleted", "changed"],
        sql: "insert into object (uuid, type, fq_name, parent, created, revision, properties, positions, relaxed, written, name_digest)
            select uuid, type, fq_name::text[], parent, created, revision, properties::jsonb, positions::jsonb,
                   relaxed::uuid[], written::jsonb, name_digest
            from unnest($24::uuid[], $25::text[], $26::text[], $27::uuid[], $28::bigint[], $29::bigint[], $30::text[],
                        $31::text[], $32::text[], $33::text[], $34::uuid[])
                 as new (uuid, type, fq_name, parent, created, revision, properties, positions, relaxed, written, name_digest)
            where WHEN",
    },
    Part {
        name: "linked",
        after: &["unlinked"],
        sql: "insert into reference (source, target, name, attr)
            select source, target, name, attr::jsonb
            from unnest($35::uuid[], $36::uuid[], $37::text[], $38::text[]) as new (source, target, name, attr)
            where WHEN",
    },
    Part {
        name: "held",
        after: &["freed"],
        sql: "insert into address_hold (scope, address, owner)
            select scope, address, owner
            from unnest($39::uuid[], $40::inet[], $41::uuid[]) as new (scope, address, owner)
            where WHEN",
    },
    Part {
        name: "expired",
        after: &[],
        sql: concat!(
            "delete from idempotency_key where ctid = any(array(
                select kept.ctid
                from unnest($53::text[], $54::text[]) as new (who, key),
                     -- By key: how many are old changes from minute to minute.
                     lateral (select ctid, at from idempotency_key as kept
                              where kept.who = new.who and kept.key = new.key offset 0) as kept
                where kept.at <= now() - ",
            kept_for!(),
            " and WHEN))
            returning 1"
        ),
    },
    Part {
        name: "answered",
        after: &["expired"],
        // Where there is a key already its answer stays, and the batch is refused: it was decided without it.
        sql: "insert into idempotency_key (who, key, fingerprint, batch, revision, outcome)
            select who, key, fingerprint, $1::uuid, revision, outcome::json
            from unnest($53::text[], $54::text[], $55::bytea[], $56::bigint[], $57::text[])
                 as new (who, key, fingerprint, revision, outcome)
            where WHEN",
    },
];

/// Which of [`PARTS`] a batch needs: what is left out costs nothing.
pub type Needed = [bool; PARTS.len()];

/// Everything in one statement.
pub fn statement(needed: Needed) -> String {
    let parts: Vec<&Part> = PARTS.iter().zip(needed).filter_map(|(part, needed)| needed.then_some(part)).collect();
    let written = |part: &&Part| {
        let before = parts.iter().filter(|before| part.after.contains(&before.name));
        // Always so, but known only when that part is done.
        let done = before.map(|before| format!("(select count(*) from {}) >= 0", before.name));
        let when = iter::once("exists (select from turn)".to_owned()).chain(done).collect::<Vec<_>>().join(" and ");
        format!("{} as ({}),", part.name, part.sql.replace("WHEN", &when))
    };
    format!(
        "with turn as (
            update feed_sequence set last_rev = $4
            where one and last_rev = $3 and epoch = $5 and sole is not distinct from $6
                  and freed is null and fence = $7
            returning last_rev
        ), {} logged as (
            insert into change (rev, request, batch, at, op, type, uuid, fq_name, body, trace, who, caller, former_perms2)
            select rev, request, $1::uuid, to_timestamp($2::bigint / 1e6::double precision), op, type, uuid,
                   fq_name::text[], body::json, trace, who, caller::jsonb, former_perms2
            from unnest($42::bigint[], $43::bigint[], $44::text[], $45::text[], $46::uuid[], $47::text[], $48::text[],
                        $49::text[], $50::text[], $51::text[], $52::text[])
                 as new (rev, request, op, type, uuid, fq_name, body, trace, who, caller, former_perms2)
            where exists (select from turn)
        )
        select case when $6 is null then pg_notify('cirrus_feed', '')::text end from turn",
        parts.iter().map(written).collect::<Vec<_>>().join(" ")
    )
}
