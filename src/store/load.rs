//! From the database into the graph: all of it at start, later what others have changed.

use super::{
    StoreError,
    record::{Body, HoldBody, Reference, object},
    sequence,
};
use crate::{
    graph::{Graph, Hold, Object},
    model::Model,
    rules::{Change, Effect},
};
use futures_util::TryStreamExt;
use sqlx::{Connection, PgConnection, Row, postgres::PgRow, types::ipnetwork::IpNetwork};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use uuid::Uuid;

/// Reads the whole configuration, as of one revision.
///
/// # Errors
/// When the database is away, or holds what this release can't read.
pub async fn load(connection: &mut PgConnection, model: &Arc<Model>) -> Result<Graph, StoreError> {
    let mut transaction = connection.begin().await?;
    sqlx::query("set transaction isolation level repeatable read read only").execute(&mut *transaction).await?;
    // A large configuration takes longer than any other statement may.
    sqlx::query("set local statement_timeout = 0").execute(&mut *transaction).await?;
    let sequence = sequence::peek(&mut transaction).await?;
    let mut references = load_references(&mut transaction).await?;
    let (mut holds, reservations) = load_holds(&mut transaction).await?;
    let mut graph = Graph::new(Arc::clone(model));
    let mut rows = sqlx::query(
        "select uuid, type, fq_name, parent, created, properties::text as properties, positions::text as positions, relaxed
         from object order by created, revision",
    )
    .fetch(&mut *transaction);
    while let Some(row) = rows.try_next().await? {
        let uuid: Uuid = row.try_get("uuid")?;
        let body = Body {
            parent: row.try_get("parent")?,
            created: unsigned(row.try_get("created")?)?,
            properties: parse(row.try_get("properties")?)?,
            references: references.remove(&uuid).unwrap_or_default(),
            positions: row.try_get::<Option<&str>, _>("positions")?.map(parse).transpose()?.unwrap_or_default(),
            relaxed: row.try_get::<Option<Vec<Uuid>>, _>("relaxed")?.unwrap_or_default(),
            hold: holds.remove(&uuid),
        };
        let fq_name: Vec<String> = row.try_get("fq_name")?;
        graph.put(&Arc::new(object(model, row.try_get("type")?, uuid, &fq_name, body)?));
    }
    drop(rows);
    for hold in reservations {
        graph.reserve(hold);
    }
    graph.set_revision(sequence.last_revision);
    transaction.commit().await?;
    Ok(graph)
}

type References = BTreeMap<String, Vec<Reference>>;

async fn load_references(connection: &mut PgConnection) -> Result<HashMap<Uuid, References>, StoreError> {
    let mut by_source: HashMap<Uuid, References> = HashMap::new();
    let mut rows = sqlx::query("select source, target, name, attr::text as attr from reference").fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let attr = row.try_get::<Option<&str>, _>("attr")?.map(parse).transpose()?;
        let reference = Reference { uuid: row.try_get("target")?, attr };
        let references = by_source.entry(row.try_get("source")?).or_default();
        references.entry(row.try_get("name")?).or_default().push(reference);
    }
    Ok(by_source)
}

async fn load_holds(connection: &mut PgConnection) -> Result<(HashMap<Uuid, HoldBody>, Vec<Hold>), StoreError> {
    let mut holds = HashMap::new();
    let mut reservations = Vec::new();
    let mut rows = sqlx::query("select scope, address, owner from address_hold").fetch(connection);
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

fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Row(format!("negative number {number}")))
}

fn parse<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Row(error.to_string()))
}

/// Reads at most this many changes that follow a revision.
///
/// # Errors
/// When the database is away, or holds what this release can't read.
pub async fn load_changes(connection: &mut PgConnection, graph: &Graph, limit: u32) -> Result<Vec<Change>, StoreError> {
    let after = i64::try_from(graph.revision()).unwrap_or(i64::MAX);
    let rows = sqlx::query(
        "select rev, request, op, type, uuid, fq_name, body::text as body from change
         where rev > $1 order by rev limit $2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| read_change(graph.model(), row)).collect()
}

fn read_change(model: &Model, row: &PgRow) -> Result<Change, StoreError> {
    let uuid: Uuid = row.try_get("uuid")?;
    let operation: &str = row.try_get("op")?;
    let body: &str = row.try_get("body")?;
    let read_object = || -> Result<Arc<Object>, StoreError> {
        let fq_name: Vec<String> = row.try_get("fq_name")?;
        let kind: &str = row.try_get("type")?;
        Ok(Arc::new(object(model, kind, uuid, &fq_name, parse(body)?)?))
    };
    let read_holds = || -> Result<Vec<Hold>, StoreError> {
        let holds: Vec<HoldBody> = parse(body)?;
        Ok(holds.into_iter().map(Hold::from).collect())
    };
    let effect = match operation {
        "d" => Effect::Delete(read_object()?),
        "r" => Effect::Reserve(read_holds()?),
        "f" => Effect::Free(read_holds()?),
        // What the object was before is known from the graph that the change is applied to.
        _ => Effect::Put { before: None, after: read_object()?, implicit: operation == "i" },
    };
    Ok(Change { revision: unsigned(row.try_get("rev")?)?, request: unsigned(row.try_get("request")?)?, uuid, effect })
}
