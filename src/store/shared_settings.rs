//! Settings that all servers on one database share, by name, as texts. Who may change them, and when, is in
//! `replica/agreement.rs`.

use super::{Session, StoreError};
use sqlx::Row;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Texts of settings by their names.
pub type SharedSettings = BTreeMap<String, String>;

/// Names and texts, a list each, as statements take them.
fn columns(settings: &SharedSettings) -> (Vec<&str>, Vec<&str>) {
    settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).unzip()
}

/// Writes those that the database does not have, and gives what it has then. Of several servers that do so at the same time
/// one writes all: the others wait at its first row, until it is committed.
///
/// # Errors
/// When the database is away.
pub async fn keep(session: &mut Session, own: &SharedSettings) -> Result<SharedSettings, StoreError> {
    let (names, values) = columns(own);
    let query = "insert into shared_setting (name, value)
        select name, value from unnest($1::text[], $2::text[]) as own (name, value) order by name
        on conflict do nothing";
    session.execute(sqlx::query(query).bind(names).bind(values)).await?;
    Ok(read(session).await?.settings)
}

/// What the servers on a database have to agree on, as of one moment.
pub struct Shared {
    /// The fence in the row of the sequence.
    pub fence: Uuid,
    /// The settings.
    pub settings: SharedSettings,
    /// The last step of the tables.
    pub last_step: i64,
}

/// Reads it.
///
/// # Errors
/// When the database is away.
pub async fn read(session: &mut Session) -> Result<Shared, StoreError> {
    let query = "select fence, array(select name from shared_setting order by name) as names,
            array(select value from shared_setting order by name) as texts,
            (select max(version) from _sqlx_migrations where success) as last_step
        from feed_sequence";
    let row = session.row(sqlx::query(query)).await?;
    let (names, texts): (Vec<String>, Vec<String>) = (row.try_get("names")?, row.try_get("texts")?);
    let settings = names.into_iter().zip(texts).collect();
    Ok(Shared { fence: row.try_get("fence")?, settings, last_step: row.try_get("last_step")? })
}

/// Writes these, whatever the database has. To be done under the lock, and with another fence.
///
/// # Errors
/// When the database is away.
pub async fn write(session: &mut Session, settings: &SharedSettings) -> Result<(), StoreError> {
    let (names, values) = columns(settings);
    let query = "insert into shared_setting as stored (name, value)
        select name, value from unnest($1::text[], $2::text[]) as wanted (name, value)
        on conflict (name) do update set value = excluded.value, set_at = now()
        where stored.value <> excluded.value";
    session.execute(sqlx::query(query).bind(names).bind(values)).await?;
    Ok(())
}
