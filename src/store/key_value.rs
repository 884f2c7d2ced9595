//! `/useragent-kv`: a store of texts by key, apart from all objects.

use super::{Sessions, StoreError};
use sqlx::{Row, postgres::PgRow};

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
        sqlx::query(
            "insert into key_value values ($1, $2)
             on conflict (fq_name_digest(array[key])) do update set value = excluded.value",
        )
        .bind(key)
        .bind(value)
        .execute(self.sessions.take().await?.session()?)
        .await
        .map_err(StoreError::of_write)?;
        Ok(())
    }

    /// The pairs of these keys, in their order; unknown ones are left out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn retrieve(&self, keys: &[String]) -> Result<Vec<(String, String)>, StoreError> {
        let query = "select key, value from unnest($1::text[]) with ordinality as wanted (key, place)
                     join key_value using (key)
                     where fq_name_digest(array[key_value.key]) = any(array(
                         select fq_name_digest(array[key]) from unnest($1::text[]) as asked (key)))
                     order by place";
        self.pairs(sqlx::query(query).bind(keys)).await
    }

    /// All keys in their order, with the sizes of their texts in bytes.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn keys(&self) -> Result<Vec<(String, usize)>, StoreError> {
        let rows = sqlx::query("select key, octet_length(value) as size from key_value order by key");
        let rows = rows.fetch_all(self.sessions.take().await?.session()?).await?;
        let size = |row: &PgRow| row.try_get::<i32, _>("size").map(|size| usize::try_from(size).unwrap_or_default());
        rows.iter().map(|row| Ok((row.try_get("key")?, size(row)?))).collect()
    }

    async fn pairs(
        &self,
        query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let rows = query.fetch_all(self.sessions.take().await?.session()?).await?;
        rows.iter().map(|row| Ok((row.try_get("key")?, row.try_get("value")?))).collect()
    }

    /// Forgets a key.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        sqlx::query("delete from key_value where fq_name_digest(array[key]) = fq_name_digest(array[$1])")
            .bind(key)
            .execute(self.sessions.take().await?.session()?)
            .await
            .map_err(StoreError::of_write)?;
        Ok(())
    }
}
