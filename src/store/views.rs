//! A view an object type, for people who ask in SQL: `select * from virtual_network`.

use super::{Session, StoreError};
use crate::model::{Model, ObjectType};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::fmt::Write;

/// Makes the views anew if the model is not the one that they were made from.
///
/// # Errors
/// When the database refuses.
pub async fn refresh(connection: &mut PgConnection, model: &Model) -> Result<(), sqlx::Error> {
    let statements: Vec<String> = model.types().iter().map(view).collect();
    let wanted = statements.concat();
    let mut transaction = connection.begin().await?;
    sqlx::query("lock table model in exclusive mode").execute(&mut *transaction).await?;
    let row = sqlx::query("select (select digest from model) as made, md5($1) as wanted")
        .bind(&wanted)
        .fetch_one(&mut *transaction)
        .await?;
    let digest: String = row.try_get("wanted")?;
    if row.try_get::<Option<String>, _>("made")?.as_ref() != Some(&digest) {
        for statement in statements {
            // Made of names in the model, quoted.
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
        }
        sqlx::query("insert into model (digest) values ($1) on conflict (one) do update set digest = excluded.digest")
            .bind(digest)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Whether the views are those of the model. Changes nothing.
///
/// # Errors
/// When the database is away, or has no tables.
pub async fn are_of(session: &mut Session, model: &Model) -> Result<bool, StoreError> {
    let wanted = model.types().iter().map(view).collect::<String>();
    let query = sqlx::query("select coalesce((select digest from model) = md5($1), false)");
    session.value(query.bind(wanted)).await
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn view(kind: &ObjectType) -> String {
    format!("drop view if exists {}; {};", quoted(&kind.field), create(kind))
}

/// Makes one.
pub fn create(kind: &ObjectType) -> String {
    let mut sql = String::new();
    let _ = write!(sql, "create view {} as select uuid, fq_name, parent, created, revision", quoted(&kind.field));
    for property in &kind.properties {
        let column = quoted(&property.name);
        let _ = write!(sql, ", properties -> '{}' as {column}", property.name.replace('\'', "''"));
    }
    let _ = write!(sql, " from object where type = '{}'", kind.name.replace('\'', "''"));
    sql
}
