//! What is asked of the tables in SQL: a query for each thing that may be wrong, which gives a row for each time that it is.

use crate::{
    finding::{Finding, Findings, Kind, Place},
    model::Model,
    store::{Session, StoreError, views, wide_rows},
};
use futures_util::TryStreamExt;
use sqlx::Row;
use uuid::Uuid;

/// A question to the tables. Each row of the answer is a finding: `object`, at which it is, if it is at one; `text`, for people; and
/// `repair`, the statement that repairs it, if there is one evident answer.
struct Question {
    kind: Kind,
    table: &'static str,
    query: &'static str,
}

const QUESTIONS: &[Question] = &[
    Question {
        kind: Kind::MissingConstraint,
        table: "pg_constraint",
        query: "select null::uuid as object, what || ' ' || name || ' of ' || relation ||
                    case when here is null then ' is not there' else ' is there, and not enforced' end as text,
                null as repair
            from unnest(
                array['object', 'object', 'reference', 'reference', 'reference', 'address_hold', 'address_hold',
                      'address_hold', 'change', 'change', 'feed_sequence', 'feed_sequence', 'feed_position',
                      'idempotency_key', 'shared_setting', 'model', 'write_time_base', 'write_time_base',
                      'wide_keyspace', 'wide_table', 'wide_table', 'wide_table', 'wide_row', 'cql_server'],
                array['object_pkey', 'object_parent', 'reference_pkey', 'reference_source', 'reference_target',
                      'address_hold_once', 'address_hold_scope', 'address_hold_owner', 'change_pkey', 'change_op_check',
                      'feed_sequence_pkey', 'feed_sequence_one_check', 'feed_position_pkey', 'idempotency_key_pkey',
                      'shared_setting_pkey', 'model_pkey', 'write_time_base_pkey', 'write_time_base_base_check',
                      'wide_keyspace_pkey', 'wide_table_pkey', 'wide_table_keyspace', 'wide_table_name',
                      'wide_row_table', 'cql_server_pkey']) as made (relation, name)
                left join lateral (
                    select convalidated and not exists (
                            select from pg_trigger
                            where tgconstraint = pg_constraint.oid and tgenabled not in ('O', 'A')) as here
                    from pg_constraint where conrelid = to_regclass(relation) and conname = name) as there on true,
                lateral (select 'constraint') as called (what)
            where here is not true
            union all
            select null, 'index ' || name || ' of ' || relation ||
                    case when here is null then ' is not there' else ' is there, and can not be used' end, null
            from unnest(array['object', 'object', 'object', 'reference', 'address_hold', 'key_value', 'idempotency_key',
                              'wide_row'],
                        array['object_fq_name', 'object_children', 'object_network_id', 'reference_back',
                              'address_hold_by_owner', 'key_value_key', 'idempotency_key_at', 'wide_row_place'])
                     as made (relation, name)
                left join lateral (select indisvalid as here from pg_index
                                   where indrelid = to_regclass(relation) and indexrelid = to_regclass(name)) as there
                on true
            where here is not true
            union all
            select null, 'trigger ' || name || ' of ' || relation || ' is not there, or is switched off', null
            from unnest(array['feed_sequence', '_sqlx_migrations'], array['begin_write_times', 'begin_fence'])
                     as made (relation, name)
            where not exists (select from pg_trigger where tgrelid = to_regclass(relation) and tgname = name
                              and tgenabled in ('O', 'A'))
            union all
            select null, 'session_replication_role is replica for this role or database: foreign keys are not enforced', null
            where current_setting('session_replication_role') = 'replica'",
    },
    Question {
        kind: Kind::ReferenceWithoutSource,
        table: "reference",
        query: "select source as object, source || ', which does not exist, refers to ' || target || ' in ' || name as text,
                format('delete from reference where source = %L and target = %L', source, target) as repair
            from reference where not exists (select from object where uuid = source)",
    },
    Question {
        kind: Kind::MissingTimeBase,
        table: "write_time_base",
        query: "select null::uuid as object, 'there is no base of times from the first revision on' as text, null as repair
            where not exists (select from write_time_base where after_revision = 0)
            union all
            select null, 'the base of times after ' || after_revision || ' is for revisions that are still to come', null
            from write_time_base, feed_sequence where after_revision > last_rev",
    },
    Question {
        kind: Kind::HoldWithoutObject,
        table: "address_hold",
        query: "select null::uuid as object,
                host(address) || ' of ' || scope || ' is held by ' || owner || ', which does not exist' as text,
                format('delete from address_hold where scope = %L and address = %L and owner = %L', scope, address, owner)
                    as repair
            from address_hold
            where owner is not null and not exists (select from object where uuid = owner)",
    },
    Question {
        kind: Kind::HoldWithoutScope,
        table: "address_hold",
        query: "select owner as object,
                host(address) || ' is held in ' || scope || ', which does not exist, by ' || coalesce(owner::text, 'nobody')
                    as text,
                case when owner is null
                    then format('delete from address_hold where scope = %L and address = %L and owner is null', scope, address)
                end as repair
            from address_hold
            where not exists (select from object where uuid = scope)
                  and (owner is null or exists (select from object where uuid = owner))",
    },
    Question {
        kind: Kind::SeveralHolds,
        table: "address_hold",
        query: "select held.owner as object, held.owner || ' holds ' || held.count || ' addresses' ||
                    coalesce(', and shows ' || shown.address, '') as text,
                format('delete from address_hold where owner = %L and address <> %L', held.owner, shown.address) as repair
            from (select owner, count(*) from address_hold where owner is not null group by owner having count(*) > 1)
                    as held
                left join lateral (
                    select max(host(address_hold.address)) as address
                    from address_hold join object on uuid = address_hold.owner,
                         unnest(array['instance_ip_address', 'floating_ip_address', 'alias_ip_address']) as property
                    where address_hold.owner = held.owner and properties->>property = host(address_hold.address)
                          and held.count = 2
                    having count(*) = 1) as shown on true",
    },
    Question {
        kind: Kind::DuplicateHold,
        table: "address_hold",
        query: "select null::uuid as object, host(address) || ' of ' || scope || ' is held ' || count(*) || ' times' as text,
                null as repair
            from address_hold group by scope, address having count(*) > 1",
    },
    Question {
        kind: Kind::DuplicateName,
        table: "object",
        query: "select null::uuid as object,
                count(*) || ' objects of the type ' || type || ' are called ' || array_to_string(fq_name, ':') || ': ' ||
                    string_agg(uuid::text, ', ' order by uuid) as text, null as repair
            from object group by type, fq_name having count(*) > 1",
    },
    Question {
        kind: Kind::WrongNameDigest,
        table: "object",
        query: "select uuid as object, type || ' ' || array_to_string(fq_name, ':') || ' has the digest ' || name_digest as text,
                case when not exists (select from object as other where other.name_digest = object_name_digest(object.type, object.fq_name))
                    then format('update object set name_digest = object_name_digest(type, fq_name) where uuid = %L', uuid)
                end as repair
            from object where name_digest <> object_name_digest(type, fq_name)",
    },
    Question {
        kind: Kind::MissingName,
        table: "object",
        query: "select uuid as object, type || ' ' || uuid || ' has no name' as text, null as repair
            from object where cardinality(fq_name) = 0",
    },
    Question {
        kind: Kind::DoubledReference,
        table: "reference",
        query: "select source as object, source || ' refers to ' || target || ' ' || count(*) || ' times' as text,
                null as repair
            from reference group by source, target having count(*) > 1",
    },
    Question {
        kind: Kind::PositionAhead,
        table: "feed_position",
        query: "select null::uuid as object,
                name || ' is said to have read up to ' || rev || ', and the last change is ' || last_rev as text,
                format('delete from feed_position where name = %L and rev = %L', name, rev) as repair
            from feed_position join feed_sequence using (epoch) where rev > last_rev",
    },
    Question {
        kind: Kind::AnswerAhead,
        table: "idempotency_key",
        query: "select null::uuid as object,
                'the key ' || key || ' of ' || who || ' is answered with ' || revision || ', and the last change is ' ||
                    last_rev as text,
                format('delete from idempotency_key where who = %L and key = %L', who, key) as repair
            from idempotency_key, feed_sequence where revision > last_rev",
    },
    Question {
        kind: Kind::UnreadableAnswer,
        table: "idempotency_key",
        query: "select null::uuid as object,
                'the key ' || key || ' of ' || who || ' has ' ||
                    case when octet_length(fingerprint) <> 32 then 'no fingerprint of a request'
                         else 'an answer that is none' end as text, null as repair
            from idempotency_key
            where octet_length(fingerprint) <> 32 or json_typeof(outcome) is distinct from 'object'",
    },
    Question {
        kind: Kind::DuplicateKeyValue,
        table: "key_value",
        query: "select null::uuid as object, 'the key ' || left(key, 100) || ' has ' || count(*) || ' values' as text,
                null as repair
            from key_value group by key having count(*) > 1",
    },
    Question {
        kind: Kind::WrongCqlServer,
        table: "cql_server",
        query: "select null::uuid as object, server || ' is said to listen at port ' || port as text,
                format('delete from cql_server where server = %L', server) as repair
            from cql_server where port not between 1 and 65535",
    },
    Question {
        kind: Kind::WideTableWithoutKeyspace,
        table: "wide_table",
        query: "select null::uuid as object, 'the table ' || name || ' is of ' || keyspace || ', which does not exist' as text,
                null as repair
            from wide_table where not exists (select from wide_keyspace where wide_keyspace.name = keyspace)",
    },
    Question {
        kind: Kind::WideRowWithoutTable,
        table: "wide_row",
        query: "select null::uuid as object,
                'a column of the row ' || encode(substring(key for 50), 'escape') || ' is of table ' || wide_table ||
                    ', which does not exist' as text,
                format('delete from wide_row where wide_table = %L and key = %L and column1 = %L', wide_table, key, column1)
                    as repair
            from wide_row where not exists (select from wide_table where id = wide_table)",
    },
    Question {
        kind: Kind::DuplicateWideRow,
        table: "wide_row",
        query: "select null::uuid as object,
                'a column of the row ' || encode(substring(key for 50), 'escape') || ' of table ' || wide_table || ' has ' ||
                    count(*) || ' values' as text, null as repair
            from wide_row group by wide_table, key, column1 having count(*) > 1",
    },
    Question {
        kind: Kind::UnreadableWideRow,
        table: "wide_row",
        query: "select null::uuid as object,
                'a column of the row ' || encode(substring(key for 50), 'escape') || ' of table ' || wide_table || ' has ' ||
                    case when octet_length(key) = 0 then 'an empty key' else 'a name that is too long' end as text,
                null as repair
            from wide_row where octet_length(key) not between 1 and 65535 or octet_length(column1) > 65535",
    },
];

/// Asks all of it.
pub async fn check(connection: &mut Session, model: &Model, findings: &mut Findings) -> Result<(), StoreError> {
    for question in QUESTIONS {
        let mut rows = connection.stream(sqlx::query(question.query));
        while let Some(row) = rows.try_next().await? {
            let place = row.try_get::<Option<Uuid>, _>("object")?.map_or(Place::Table(question.table), Place::Object);
            let finding = Finding::new(question.kind, place, row.try_get::<String, _>("text")?);
            findings.push(finding.repaired_by(row.try_get::<Option<String>, _>("repair")?));
        }
    }
    check_views(connection, model, findings).await?;
    check_wide_names(connection, findings).await?;
    check_wide_values(connection, findings).await
}

/// There is a view for each type.
async fn check_views(connection: &mut Session, model: &Model, findings: &mut Findings) -> Result<(), StoreError> {
    let names: Vec<&str> = model.types().iter().map(|kind| kind.field.as_str()).collect();
    let query = "select name from unnest($1::text[]) as wanted (name)
        where not exists (select from pg_class where relname = name and relkind = 'v' and pg_table_is_visible(oid))";
    let missing: Vec<String> = connection.values(sqlx::query(query).bind(names)).await?;
    for kind in model.types().iter().filter(|kind| missing.contains(&kind.field)) {
        let finding =
            Finding::new(Kind::MissingView, Place::Table("model"), format!("the view {} is not there", kind.field));
        findings.push(finding.repaired_by(views::create(kind)));
    }
    Ok(())
}

/// Keyspaces and tables have names that can be asked for.
async fn check_wide_names(connection: &mut Session, findings: &mut Findings) -> Result<(), StoreError> {
    let query = "select 'keyspace' as what, name from wide_keyspace union all select 'table', name from wide_table";
    let mut rows = connection.stream(sqlx::query(query));
    while let Some(row) = rows.try_next().await? {
        let (what, name): (&str, &str) = (row.try_get("what")?, row.try_get("name")?);
        if !wide_rows::is_name(name) {
            let table = if what == "table" { "wide_table" } else { "wide_keyspace" };
            findings.push(Finding::new(Kind::WideName, Place::Table(table), format!("a {what} is called {name:?}")));
        }
    }
    Ok(())
}

/// Values are texts in UTF-8. They are read one after the other: there may be more of them than fit into memory.
async fn check_wide_values(connection: &mut Session, findings: &mut Findings) -> Result<(), StoreError> {
    let query = "select wide_table, encode(substring(key for 50), 'escape') as key, value from wide_row";
    let mut rows = connection.stream(sqlx::query(query));
    while let Some(row) = rows.try_next().await? {
        if std::str::from_utf8(row.try_get("value")?).is_err() {
            let (table, key): (i64, &str) = (row.try_get("wide_table")?, row.try_get("key")?);
            let text = format!("a column of the row {key} of table {table} has a value that is no text");
            findings.push(Finding::new(Kind::UnreadableWideRow, Place::Table("wide_row"), text));
        }
    }
    Ok(())
}
