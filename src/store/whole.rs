//! A whole configuration that takes the place of what there is, within one transaction.

use super::{
    Session, StoreError,
    append::{ObjectRow, ObjectRows, ReferenceRows},
    operation::IMPORT,
    partitions,
    record::properties_json,
    sequence::Sequence,
};
use crate::graph::{Graph, Hold, Object};
use sqlx::{Arguments, Row, error::BoxDynError, postgres::PgArguments, types::ipnetwork::IpNetwork};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use uuid::Uuid;

/// How many objects, or rows of another kind, are written with one statement at most.
const PIECE: usize = 2000;

const INSERT_OBJECTS: &str =
    "insert into object (uuid, type, fq_name, parent, created, revision, properties, positions, relaxed, written, name_digest)
    select uuid, type, fq_name::text[], parent, created, revision, properties::jsonb, positions::jsonb, relaxed::uuid[],
           written::jsonb, name_digest
    from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::uuid[])
         as new (uuid, type, fq_name, parent, created, revision, properties, positions, relaxed, written, name_digest)";
const INSERT_REFERENCES: &str = "insert into reference (source, target, name, attr)
    select source, target, name, attr::jsonb
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) as new (source, target, name, attr)";
const INSERT_HOLDS: &str = "insert into address_hold (scope, address, owner)
    select scope, address, owner from unnest($1::uuid[], $2::inet[], $3::uuid[]) as new (scope, address, owner)";
const INSERT_BASES: &str = "insert into write_time_base (after_revision, base)
    select after_revision, base from unnest($1::bigint[], $2::bigint[]) as new (after_revision, base)";
/// What was there, in an order that keeps to the references of the tables. Answers that were kept speak of revisions that are gone.
const EMPTY: [&str; 5] = [
    "delete from address_hold",
    "delete from reference",
    "delete from object",
    "delete from idempotency_key",
    "delete from write_time_base",
];
/// Another history begins, in which the log has nothing yet: whoever knows the one before loads everything anew, and no batch that was
/// sent before is written. The trigger of the epoch adds the base of the times to come.
const BEGIN: &str = "update feed_sequence
    set last_rev = $1, floor = $1, partitioned_until = $2, epoch = gen_random_uuid(), fence = gen_random_uuid(), sole = null,
        freed = null
    where epoch = $3 and last_rev = $4";
const INSERT_KEY_VALUES: &str = "insert into key_value (key, value)
    select distinct on (key) key, value from unnest($1::text[], $2::text[]) as new (key, value)
    on conflict (fq_name_digest(array[key])) do update set value = excluded.value";
/// Whether transactions write; who this is; the schema in which tables would be made, whether there are tables of ours already, and whether
/// some may be made; and the tables that may not be written into.
const FORBIDS_WRITES: &str = "select current_setting('transaction_read_only')::boolean, current_user::text, current_schema()::text,
    to_regclass('_sqlx_migrations') is not null, coalesce(has_schema_privilege(current_schema(), 'create'), false),
    array(select distinct needed.relation
          from (values ('object', 'insert'), ('object', 'delete'), ('reference', 'insert'), ('reference', 'delete'),
                       ('address_hold', 'insert'), ('address_hold', 'delete'), ('idempotency_key', 'delete'),
                       ('write_time_base', 'insert'), ('write_time_base', 'delete'), ('feed_sequence', 'update'),
                       ('key_value', 'insert'), ('wide_keyspace', 'insert'), ('wide_table', 'insert'), ('wide_row', 'insert'))
               as needed (relation, privilege)
          where not has_table_privilege(to_regclass(needed.relation), needed.privilege)
          order by needed.relation)";
/// Nobody writes beside the import; readers are not held up.
const LOCK_BESIDE: &str = "lock table key_value, wide_keyspace, wide_table, wide_row in share row exclusive mode";
/// A dump may be read for long between two statements, and while the last ones come nobody else has his turn.
const PATIENCE_BESIDE: &str = "set local idle_in_transaction_session_timeout = '10min'";
const PATIENCE_IN_TURN: &str = "set local idle_in_transaction_session_timeout = '1min'";

/// What there is beside objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Beside {
    /// How many texts of `/useragent-kv`.
    pub key_values: i64,
    /// How many cells in keyspaces of daemons.
    pub cells: i64,
}

impl Beside {
    /// Nothing.
    pub const NONE: Self = Self { key_values: 0, cells: 0 };
}

/// Why nothing may be written into the database, if that is so: into its tables, or where there are none, for them to be made.
///
/// # Errors
/// When the database is away.
pub async fn what_forbids_writes(session: &mut Session) -> Result<Option<String>, StoreError> {
    let row = session.row(sqlx::query(FORBIDS_WRITES)).await?;
    let (is_read_only, role, schema): (bool, String, Option<String>) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (has_tables, may_create, closed): (bool, bool, Vec<String>) =
        (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
    if is_read_only {
        return Ok(Some("it is read-only, or a standby: name the primary".to_owned()));
    }
    if !has_tables && !may_create {
        let schema = schema.map_or("there is no schema in its search_path".to_owned(), |schema| {
            format!("no permission for schema {schema}")
        });
        return Ok(Some(format!("its role {role} may make no tables there, {schema}")));
    }
    let closed = closed.join(", ");
    Ok((!closed.is_empty()).then(|| format!("its role {role} may not write into its tables {closed}")))
}

/// Counts what there is beside objects.
///
/// # Errors
/// When the database is away.
pub async fn count_beside(session: &mut Session) -> Result<Beside, StoreError> {
    let key_values = session.value(sqlx::query("select count(*) from key_value")).await?;
    let cells = session.value(sqlx::query("select count(*) from wide_row")).await?;
    Ok(Beside { key_values, cells })
}

/// Begins with what is beside objects: from here on nobody else writes that.
///
/// # Errors
/// When the database is away, or somebody writes and does not end.
pub async fn lock_beside(session: &mut Session) -> Result<(), StoreError> {
    session.turn_to(IMPORT);
    session.execute(sqlx::query(PATIENCE_BESIDE)).await?;
    session.execute(sqlx::query(LOCK_BESIDE)).await?;
    Ok(())
}

/// Writes texts of `/useragent-kv`, which are nobody's.
///
/// # Errors
/// When the database is away, or refuses.
pub async fn put_key_values(session: &mut Session, keys: &[String], values: &[String]) -> Result<(), StoreError> {
    session.execute(sqlx::query(INSERT_KEY_VALUES).bind(keys).bind(values).persistent(false)).await?;
    Ok(())
}

/// Puts a graph in the place of all objects, reservations and changes. To be done under the lock of the row, which says this.
/// `advance` is told how many objects are written.
///
/// # Errors
/// When the database is away, or refuses.
pub async fn replace(
    session: &mut Session,
    graph: &Graph,
    bases: &[(u64, i64)],
    row: &Sequence,
    advance: impl Fn(u64),
) -> Result<(), StoreError> {
    session.turn_to(IMPORT);
    session.execute(sqlx::query(PATIENCE_IN_TURN)).await?;
    for statement in EMPTY {
        session.execute(sqlx::query(statement)).await?;
    }
    let objects = parents_first(graph);
    for piece in objects.chunks(PIECE) {
        write_objects(session, graph, piece).await?;
        advance(piece.len() as u64);
    }
    for piece in objects.chunks(PIECE) {
        write_references(session, graph, piece).await?;
    }
    let mut holds: Vec<(Hold, Option<Uuid>)> =
        graph.pools().all_held().map(|(hold, holder)| (hold, holder.object())).collect();
    holds.sort_unstable();
    for piece in holds.chunks(PIECE) {
        let (mut scopes, mut addresses, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for (hold, owner) in piece {
            scopes.push(hold.scope);
            addresses.push(IpNetwork::from(hold.address));
            owners.push(*owner);
        }
        let query = sqlx::query(INSERT_HOLDS).bind(scopes).bind(addresses).bind(owners);
        session.execute(query.persistent(false)).await?;
    }
    for piece in bases.chunks(10 * PIECE) {
        let (after, bases): (Vec<i64>, Vec<i64>) = piece.iter().map(|(after, base)| (signed(*after), *base)).unzip();
        session.execute(sqlx::query(INSERT_BASES).bind(after).bind(bases).persistent(false)).await?;
    }
    // Last, for from here on nobody reads in the log.
    let until = partitions::begin_after(session, graph.revision()).await?;
    let query = sqlx::query(BEGIN).bind(signed(graph.revision())).bind(signed(until));
    let moved = session.execute(query.bind(row.epoch).bind(signed(row.last_revision))).await?;
    if moved != 1 {
        return Err(StoreError::Row("feed_sequence has changed under the lock".to_owned()));
    }
    session.execute(sqlx::query("select pg_notify('cirrus_feed', '')")).await?;
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// All objects, each after its parent.
fn parents_first(graph: &Graph) -> Vec<&Arc<Object>> {
    let mut depths: HashMap<Uuid, usize> = HashMap::with_capacity(graph.len());
    let mut levels: BTreeMap<usize, Vec<&Arc<Object>>> = BTreeMap::new();
    for object in graph.all() {
        let mut above = vec![object.uuid];
        let mut at = object.parent;
        while let Some(uuid) = at.filter(|uuid| !depths.contains_key(uuid)) {
            above.push(uuid);
            at = graph.get(uuid).and_then(|object| object.parent);
        }
        let mut depth = at.and_then(|uuid| depths.get(&uuid).copied()).unwrap_or_default();
        for uuid in above.into_iter().rev() {
            depth += 1;
            depths.insert(uuid, depth);
        }
        levels.entry(depth).or_default().push(object);
    }
    levels
        .into_values()
        .flat_map(|mut level| {
            level.sort_unstable_by_key(|object| (object.created, object.uuid));
            level
        })
        .collect()
}

async fn write_objects(session: &mut Session, graph: &Graph, piece: &[&Arc<Object>]) -> Result<(), StoreError> {
    let kind = |object: &Object| graph.model().object_type(object.type_id);
    let rows: Vec<ObjectRow> = piece
        .iter()
        .map(|object| {
            let changed = object.written().iter().map(|(_, revision)| *revision).max().unwrap_or_default();
            ObjectRow::new(kind(object), object, changed.max(object.created), properties_json(kind(object), object))
        })
        .collect();
    let mut table = ObjectRows::default();
    for (object, row) in piece.iter().zip(&rows) {
        table.push(kind(object), object, row);
    }
    let mut arguments = PgArguments::default();
    table.add_to(&mut arguments).map_err(encoding)?;
    session.execute(sqlx::query_with(INSERT_OBJECTS, arguments).persistent(false)).await?;
    Ok(())
}

async fn write_references(session: &mut Session, graph: &Graph, piece: &[&Arc<Object>]) -> Result<(), StoreError> {
    let mut rows = ReferenceRows::default();
    for object in piece {
        let kind = graph.model().object_type(object.type_id);
        object.links.iter().for_each(|link| rows.push(kind, object.uuid, link));
    }
    if rows.source.is_empty() {
        return Ok(());
    }
    let mut arguments = PgArguments::default();
    arguments.add(rows.source).map_err(encoding)?;
    arguments.add(rows.target).map_err(encoding)?;
    arguments.add(rows.name).map_err(encoding)?;
    arguments.add(rows.attr).map_err(encoding)?;
    session.execute(sqlx::query_with(INSERT_REFERENCES, arguments).persistent(false)).await?;
    Ok(())
}

fn encoding(error: BoxDynError) -> StoreError {
    StoreError::of(IMPORT, sqlx::Error::Encode(error))
}
