//! `/useragent-kv`: a store of texts by key, apart from all objects.

use super::{
    Sessions, StoreError,
    operation::{KEY_VALUES, KEY_VALUES_WRITE},
    row::number,
};
use sqlx::{
    Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};

/// Writes a text, or overwrites it.
pub const STORE: &str = "insert into key_value values ($1, $2)
    on conflict (fq_name_digest(array[key])) do update set value = excluded.value";
/// Asks for the texts of some keys.
pub const RETRIEVE: &str = "select key, value from unnest($1::text[]) with ordinality as wanted (key, place)
    join key_value using (key)
    where fq_name_digest(array[key_value.key]) = any(array(
        select fq_name_digest(array[key]) from unnest($1::text[]) as asked (key)))
    order by place";
/// Forgets a text.
pub const DELETE: &str = "delete from key_value where fq_name_digest(array[key]) = fq_name_digest(array[$1::text])";

/// Texts by key.
pub struct KeyValueStore {
    sessions: Sessions,
}

impl KeyValueStore {
    /// In these sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }

    /// Writes, or overwrites.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn store(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.write(sqlx::query(STORE).bind(key).bind(value)).await
    }

    /// The pairs of these keys, in their order; unknown ones are left out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn retrieve(&self, keys: &[String]) -> Result<Vec<(String, String)>, StoreError> {
        let rows = self.sessions.take(KEY_VALUES).await?.session()?.rows(sqlx::query(RETRIEVE).bind(keys)).await?;
        rows.iter().map(|row| Ok((row.try_get("key")?, row.try_get("value")?))).collect()
    }

    /// All keys in their order, with the sizes of their texts in bytes.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn keys(&self) -> Result<Vec<(String, usize)>, StoreError> {
        let query = sqlx::query("select key, octet_length(value)::bigint as size from key_value order by key");
        let rows = self.sessions.take(KEY_VALUES).await?.session()?.rows(query).await?;
        let size = |row: &PgRow| Ok::<_, StoreError>(usize::try_from(number(row, "size")?).unwrap_or(usize::MAX));
        rows.iter().map(|row| Ok((row.try_get("key")?, size(row)?))).collect()
    }

    /// Forgets a key.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.write(sqlx::query(DELETE).bind(key)).await
    }

    async fn write(&self, query: Query<'_, Postgres, PgArguments>) -> Result<(), StoreError> {
        let mut borrowed = self.sessions.take(KEY_VALUES_WRITE).await?;
        borrowed.session()?.execute(query).await.map_err(StoreError::of_write)?;
        Ok(())
    }
}
