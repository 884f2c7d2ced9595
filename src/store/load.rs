//! From the database into the graph: all of it at start, later what others have changed.

use super::{
    Session, StoreError,
    operation::LOAD,
    record::{Body, HoldBody, StoredLink, Surroundings, kept, links_of, object, read_written, surroundings},
    row::{json, json_if_any, number},
    sequence::{self, Sequence},
};
use crate::{
    change_log::{FormerPermissions, LogEntry, LogOperation, LoggedCaller, Subject},
    graph::{FqName, Graph, Hold, Object, TimeBases},
    model::Model,
    pace::Pace,
    timestamp::Timestamp,
};
use futures_util::{Stream, TryStreamExt, future::ready};
use sqlx::{Row, postgres::PgRow, types::ipnetwork::IpNetwork};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};
use uuid::Uuid;

/// Reads the whole configuration, as of one revision. The session goes with it: it is a patient one from here on.
///
/// # Errors
/// When the database is away, or holds what this release can't read.
pub async fn load(mut session: Session, model: &Arc<Model>) -> Result<Graph, StoreError> {
    session.turn_to(LOAD);
    let mut transaction = session.begin().await?;
    transaction.execute(sqlx::query("set transaction isolation level repeatable read read only")).await?;
    // A large configuration takes longer than any other statement may.
    transaction.execute(sqlx::query("set local statement_timeout = 0")).await?;
    let loaded = Loaded::read(&mut transaction, model, &mut refuse).await?;
    transaction.commit().await?;
    Ok(loaded.into_graph(model).await)
}

/// The same, inside a transaction that sees one moment.
///
/// # Errors
/// When the database is away or holds what this release can't read.
pub async fn load_snapshot(transaction: &mut Session, model: &Arc<Model>) -> Result<Graph, StoreError> {
    load_with(transaction, model, &mut refuse).await
}

fn refuse(_: Uuid, error: StoreError) -> Result<(), StoreError> {
    Err(error)
}

/// What can't be read of the row of an object: given that, it says whether to go on without it.
pub type Unreadable<'u> = dyn FnMut(Uuid, StoreError) -> Result<(), StoreError> + Send + 'u;

/// The same, where somebody else decides what becomes of rows that can't be read.
///
/// # Errors
/// When the database is away, and what is not passed over.
pub async fn load_with(
    transaction: &mut Session,
    model: &Arc<Model>,
    unreadable: &mut Unreadable<'_>,
) -> Result<Graph, StoreError> {
    Ok(Loaded::read(transaction, model, unreadable).await?.into_graph(model).await)
}

/// What the tables have, as of one moment.
struct Loaded {
    sequence: Sequence,
    time_bases: TimeBases,
    /// In the order in which they were made.
    objects: Vec<(u64, u64, Arc<Object>)>,
    reservations: Vec<Hold>,
}

impl Loaded {
    async fn read(
        transaction: &mut Session,
        model: &Model,
        unreadable: &mut Unreadable<'_>,
    ) -> Result<Self, StoreError> {
        let sequence = sequence::peek(transaction).await?;
        let time_bases = load_time_bases(transaction).await?;
        let mut links = load_links(transaction).await?;
        let (mut holds, reservations) = load_holds(transaction).await?;
        // Sorted here: to sort a million rows with all their texts takes the database as long as to read them.
        let mut objects = Vec::new();
        let mut rows = transaction.stream(sqlx::query(
            "select uuid, type, fq_name, parent, created, revision, properties::text as properties,
                    positions::text as positions, relaxed, written::text as written
             from object",
        ));
        while let Some(row) = rows.try_next().await? {
            let uuid: Uuid = row.try_get("uuid")?;
            match read_object(model, &row, uuid, links.remove(&uuid).unwrap_or_default(), holds.remove(&uuid)) {
                Ok((object, revision)) => objects.push((object.created, revision, Arc::new(object))),
                Err(error) => unreadable(uuid, error.at(|| format!("object {uuid}")))?,
            }
        }
        drop(rows);
        objects.sort_by_key(|(created, revision, _)| (*created, *revision));
        Ok(Self { sequence, time_bases, objects, reservations })
    }

    /// As a graph. A million objects take seconds.
    async fn into_graph(self, model: &Arc<Model>) -> Graph {
        let mut graph = Graph::new(Arc::clone(model));
        // A parent comes before its children.
        let mut pace = Pace::new();
        for (_, _, object) in self.objects {
            graph.put(&object);
            pace.step().await;
        }
        for hold in self.reservations {
            graph.reserve(hold);
        }
        graph.set_revision(self.sequence.last_revision);
        graph.set_epoch(self.sequence.epoch);
        graph.set_time_bases(self.time_bases);
        graph
    }
}

/// An object from its row, and what other tables have of it; and its last change.
fn read_object(
    model: &Model,
    row: &PgRow,
    uuid: Uuid,
    links: Vec<StoredLink>,
    hold: Option<HoldBody>,
) -> Result<(Object, u64), StoreError> {
    let body = Body {
        parent: row.try_get("parent")?,
        parent_type: None,
        former_name: None,
        changed: None,
        created: number(row, "created")?,
        properties: json("properties", row.try_get("properties")?)?,
        references: BTreeMap::new(),
        positions: json_if_any(row, "positions")?.unwrap_or_default(),
        relaxed: row.try_get::<Option<Vec<Uuid>>, _>("relaxed")?.unwrap_or_default(),
        hold,
    };
    let fq_name: Vec<String> = row.try_get("fq_name")?;
    let mut object = object(model, row.try_get("type")?, uuid, &fq_name, &body, links.into_iter())?;
    let kind = model.object_type(object.type_id);
    let times: Option<BTreeMap<String, u64>> = json_if_any(row, "written")?;
    if let Some(times) = times {
        object.set_written(read_written(kind, &times)?);
    }
    Ok((object, number(row, "revision")?))
}

async fn load_time_bases(connection: &mut Session) -> Result<TimeBases, StoreError> {
    let mut bases = Vec::new();
    let query = "select after_revision, base from write_time_base order by after_revision";
    let mut rows = connection.stream(sqlx::query(query));
    while let Some(row) = rows.try_next().await? {
        bases.push((number(&row, "after_revision")?, row.try_get("base")?));
    }
    Ok(bases.into())
}

/// By the objects that have them. Of ports there are several each, and all of them are in memory at a time.
async fn load_links(connection: &mut Session) -> Result<HashMap<Uuid, Vec<StoredLink>>, StoreError> {
    let mut by_source: HashMap<Uuid, Vec<StoredLink>> = HashMap::new();
    // A handful, which all share.
    let mut fields: HashSet<Arc<str>> = HashSet::new();
    let mut rows = connection.stream(sqlx::query("select source, target, name, attr::text as attr from reference"));
    while let Some(row) = rows.try_next().await? {
        let (source, name): (Uuid, &str) = (row.try_get("source")?, row.try_get("name")?);
        let field = fields.get(name).cloned().unwrap_or_else(|| {
            let field = Arc::from(name);
            fields.insert(Arc::clone(&field));
            field
        });
        let attribute = row.try_get::<Option<&str>, _>("attr")?.map(kept);
        let links = by_source.entry(source).or_default();
        links.push(StoredLink { field, target: row.try_get("target")?, attribute });
    }
    Ok(by_source)
}

async fn load_holds(connection: &mut Session) -> Result<(HashMap<Uuid, HoldBody>, Vec<Hold>), StoreError> {
    let mut holds = HashMap::new();
    let mut reservations = Vec::new();
    let mut rows = connection.stream(sqlx::query("select scope, address, owner from address_hold"));
    while let Some(row) = rows.try_next().await? {
        let hold = HoldBody { scope: row.try_get("scope")?, address: row.try_get::<IpNetwork, _>("address")?.ip() };
        match row.try_get::<Option<Uuid>, _>("owner")? {
            Some(owner) => {
                holds.insert(owner, hold);
            }
            None => reservations.push(hold.into()),
        }
    }
    Ok((holds, reservations))
}

/// How much of the log is read at a time at most, in bytes, beside the rest of a request.
pub const PAGE_WEIGHT: usize = 1 << 20;

/// Asks for a page of the log: the changes after a revision, so many, and the rest of a request.
pub const LOG_PAGE: &str =
    "select rev, request, (extract(epoch from at) * 1000000)::bigint as at, op, type, uuid, fq_name, body::text as body,
            trace, who, caller::text as caller, former_perms2
     from change where rev > $1 order by rev
     limit greatest($2, (select request - $1 from change where rev = $1 + $2))";
/// Asks when a change was decided.
pub const DECIDED_AT: &str = "select (extract(epoch from at) * 1000000)::bigint from change where rev = $1";

/// Reads log entries that follow a revision: at most this many and about [`PAGE_WEIGHT`], but whole requests, so at times
/// a few more. None at all, where the first one is missing.
///
/// # Errors
/// When the database is away, or holds what this release can't read.
pub async fn load_log(
    connection: &mut Session,
    model: &Model,
    after: u64,
    limit: u32,
) -> Result<Vec<Arc<LogEntry>>, StoreError> {
    let mut entries: Vec<Arc<LogEntry>> = Vec::new();
    let mut weight = 0;
    let query = sqlx::query(LOG_PAGE).bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(i64::from(limit));
    let mut rows = connection.stream(query);
    while let Some(row) = rows.try_next().await? {
        let enough = weight >= PAGE_WEIGHT && entries.last().is_some_and(|last| last.request == last.revision);
        if enough {
            break;
        }
        let entry = read_entry(model, &row)?;
        weight += entry.weight();
        entries.push(Arc::new(entry));
    }
    // What was trimmed must not be passed over.
    let expected = (after + 1..).take(entries.len());
    if !entries.iter().map(|entry| entry.revision).eq(expected) {
        entries.clear();
    }
    Ok(entries)
}

/// The changes of one object between two revisions, the last one first: after the first, and before the second. There is no index for
/// it: it costs what happened between them, so who asks bounds that.
///
/// # Errors
/// When the database is away, or holds what this release can't read.
pub async fn load_history(
    connection: &mut Session,
    model: &Model,
    uuid: Uuid,
    between: (u64, u64),
    limit: u32,
) -> Result<Vec<LogEntry>, StoreError> {
    let query = sqlx::query(
        "select rev, request, (extract(epoch from at) * 1000000)::bigint as at, op, type, uuid, fq_name, body::text as body,
                trace, who, caller::text as caller, former_perms2
         from change where rev > $1 and rev < $2 and uuid = $3 order by rev desc limit $4",
    );
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let query = query.bind(number(between.0)).bind(number(between.1)).bind(uuid).bind(i64::from(limit));
    connection.rows(query).await?.iter().map(|row| read_entry(model, row)).collect()
}

/// A change as it is in the log, whether it can be read or not.
pub struct Logged {
    /// Its number.
    pub revision: u64,
    /// What it was committed with.
    pub batch: Uuid,
    /// What it was about.
    pub uuid: Uuid,
    /// What it says.
    pub entry: Result<LogEntry, StoreError>,
}

/// All changes of the log that follow a revision, in order.
pub fn read_log<'c>(
    connection: &'c mut Session,
    model: &'c Model,
    after: u64,
) -> impl Stream<Item = Result<Logged, StoreError>> + 'c {
    let rows = connection.stream(sqlx::query(
        "select rev, request, (extract(epoch from at) * 1000000)::bigint as at, op, type, uuid, fq_name, body::text as body,
                trace, who, caller::text as caller, former_perms2, batch
         from change where rev > $1 order by rev",
    )
    .bind(i64::try_from(after).unwrap_or(i64::MAX)));
    let logged = |row: PgRow| {
        let (revision, batch, uuid) = (number(&row, "rev")?, row.try_get("batch")?, row.try_get("uuid")?);
        Ok(Logged { revision, batch, uuid, entry: read_entry(model, &row) })
    };
    rows.and_then(move |row| ready(logged(row)))
}

/// The number of the last change before a moment, as far as the log goes back, found by halving it. Times are those of the
/// servers that decided; where their clocks differ, so may this.
///
/// # Errors
/// When the database is away.
pub async fn last_before(connection: &mut Session, moment: Timestamp) -> Result<(Sequence, u64), StoreError> {
    let sequence = sequence::peek(connection).await?;
    let (mut before, mut last) = (sequence.floor, sequence.last_revision);
    while before < last {
        let middle = before + (last - before).div_ceil(2);
        let at: Option<i64> =
            connection.value_if_any(sqlx::query(DECIDED_AT).bind(i64::try_from(middle).unwrap_or(i64::MAX))).await?;
        // One that is not there any more is older than all that are.
        if at.is_none_or(|at| at < moment.0) {
            before = middle;
        } else {
            last = middle - 1;
        }
    }
    Ok((sequence, before))
}

fn read_entry(model: &Model, row: &PgRow) -> Result<LogEntry, StoreError> {
    let revision = number(row, "rev")?;
    read_entry_of(model, row, revision).map_err(|error| error.at(|| format!("change {revision}")))
}

fn read_entry_of(model: &Model, row: &PgRow, revision: u64) -> Result<LogEntry, StoreError> {
    let uuid: Uuid = row.try_get("uuid")?;
    let letter: &str = row.try_get("op")?;
    let operation =
        LogOperation::from_letter(letter).ok_or_else(|| StoreError::Row(format!("operation {letter} in the log")))?;
    let kind: &str = row.try_get("type")?;
    let type_id = model.find(kind).ok_or_else(|| StoreError::Row(format!("type {kind} of {uuid}")))?;
    let fq_name: Vec<String> = row.try_get("fq_name")?;
    let text: &str = row.try_get("body")?;
    let (subject, surroundings, changed) = if matches!(operation, LogOperation::Reserve | LogOperation::Free) {
        let holds: Vec<HoldBody> = json("body", text)?;
        let nothing = Surroundings { parent_type: None, target_names: Vec::new(), former_name: None };
        (Subject::Addresses(holds.into_iter().map(Hold::from).collect()), nothing, None)
    } else {
        let body: Body<'_> = json("body", text)?;
        let object = object(model, kind, uuid, &fq_name, &body, links_of(&body))?;
        let surroundings = surroundings(model, &body, &object)?;
        (Subject::Object(Arc::new(object)), surroundings, body.changed)
    };
    Ok(LogEntry {
        revision,
        request: number(row, "request")?,
        at: Timestamp(row.try_get("at")?),
        operation,
        uuid,
        type_id,
        fq_name: FqName::new(&fq_name),
        former_name: surroundings.former_name,
        changed,
        former_permissions: row.try_get::<Option<&str>, _>("former_perms2")?.map(FormerPermissions::read).map(Box::new),
        subject,
        parent_type: surroundings.parent_type,
        target_names: surroundings.target_names,
        request_id: row.try_get::<Option<&str>, _>("trace")?.map(Arc::from),
        who: row.try_get::<Option<&str>, _>("who")?.map(Arc::from),
        caller: row.try_get::<Option<&str>, _>("caller")?.map(logged_caller).transpose()?,
    })
}

fn logged_caller(text: &str) -> Result<LoggedCaller, StoreError> {
    #[derive(serde::Deserialize)]
    struct Known<'t> {
        #[serde(borrow, default)]
        project: Option<std::borrow::Cow<'t, str>>,
    }
    let known: Known<'_> = json("caller", text)?;
    let project = known.project.and_then(|project| Uuid::try_parse(&project).ok());
    Ok(LoggedCaller { json: text.into(), project })
}
