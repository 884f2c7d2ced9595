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
use uuid::Uuid;

/// Writes a text, or overwrites it, if the key is this project's, or nobody's, or that does not matter. Whose it is it stays.
pub const STORE: &str = "insert into key_value (key, value, project) values ($1, $2, $3)
    on conflict (fq_name_digest(array[key])) do update
        set value = excluded.value, project = coalesce(key_value.project, excluded.project)
        where $4 or key_value.project is null or key_value.project = $3";
/// Asks for the texts of some keys.
pub const RETRIEVE: &str = "select key, value from unnest($1::text[]) with ordinality as wanted (key, place)
    join key_value using (key)
    where fq_name_digest(array[key_value.key]) = any(array(
        select fq_name_digest(array[key]) from unnest($1::text[]) as asked (key)))
    order by place";
/// Forgets a text, under the same condition.
pub const DELETE: &str = "delete from key_value where fq_name_digest(array[key]) = fq_name_digest(array[$1::text])
    and ($3 or project is null or project = $2)";
/// Whether there is a key.
pub const IS_THERE: &str =
    "select exists (select from key_value where fq_name_digest(array[key]) = fq_name_digest(array[$1::text]))";

/// Who writes.
#[derive(Clone, Copy)]
pub struct KeyWriter {
    /// Whose the keys are that it makes; none: nobody's.
    pub project: Option<Uuid>,
    /// Whether it may write those of others, too.
    pub may_write_all: bool,
}

/// Texts by key.
pub struct KeyValueStore {
    sessions: Sessions,
}

impl KeyValueStore {
    /// In these sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }

    /// Writes, or overwrites. False, and nothing is done, where the key is another project's.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn store(&self, key: &str, value: &str, writer: KeyWriter) -> Result<bool, StoreError> {
        let query = sqlx::query(STORE).bind(key).bind(value).bind(writer.project).bind(writer.may_write_all);
        self.write(query).await
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

    /// Forgets a key, if there is one. False, and nothing is done, where it is another project's.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete(&self, key: &str, writer: KeyWriter) -> Result<bool, StoreError> {
        let query = sqlx::query(DELETE).bind(key).bind(writer.project).bind(writer.may_write_all);
        if self.write(query).await? || writer.may_write_all {
            return Ok(true);
        }
        let mut borrowed = self.sessions.take(KEY_VALUES).await?;
        let is_there: bool = borrowed.session()?.value(sqlx::query(IS_THERE).bind(key)).await?;
        Ok(!is_there)
    }

    /// Whether it has done something.
    async fn write(&self, query: Query<'_, Postgres, PgArguments>) -> Result<bool, StoreError> {
        let mut borrowed = self.sessions.take(KEY_VALUES_WRITE).await?;
        Ok(borrowed.session()?.execute(query).await.map_err(StoreError::of_write)? > 0)
    }
}
