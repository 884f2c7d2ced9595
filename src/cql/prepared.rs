//! Prepared statements. The id of one is its text, so nothing is kept, and each process knows it.

use super::{
    answer::Answer,
    execution::Table,
    frame::{Column, Error, ErrorKind, Prepared, PreparedId, Response, TableColumns, ValueType},
    select::system_columns,
    selection::{Selection, column},
    server::CqlServer,
    session::Session,
    statement::{Marker, MarkerPlace, Parsed, Statement},
};
use bytes::Bytes;

impl CqlServer {
    /// Tells what values a statement wants, and how its answer looks.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) async fn prepare(&self, session: &Session, text: String) -> Result<Answer, Error> {
        let Parsed { statement, markers } = Statement::parse(&text)?;
        let table = statement.table();
        let (keyspace, name) = match table {
            Some(table) => Self::names(session, table)?,
            None => Default::default(),
        };
        let columns = match &statement {
            Statement::Select(select) => {
                let found = self.find(session, &select.from).await?;
                let columns = match &found.table {
                    Table::System(table) => system_columns(table, select)?.1,
                    _ => Selection::of(select)?.columns,
                };
                Some(TableColumns { keyspace: keyspace.clone(), table: name.clone(), columns })
            }
            _ => None,
        };
        let too_long = || ErrorKind::Invalid.with("a statement that is prepared has 65,535 bytes at most");
        // With the keyspace that it was prepared in, whatever that of the connection is later on.
        let id = PreparedId::new(Bytes::from(qualified(&keyspace, &text))).ok_or_else(too_long)?;
        let of_key = |marker: &Marker| matches!(&marker.place, MarkerPlace::Column(column) if column == "key");
        let key_marker = markers.iter().position(of_key).and_then(|position| u16::try_from(position).ok());
        let markers = markers.iter().map(marker_column).collect::<Result<_, _>>()?;
        Ok(Response::Prepared(Prepared {
            id,
            markers: TableColumns { keyspace, table: name, columns: markers },
            key_markers: key_marker.into_iter().collect(),
            columns,
        })
        .into())
    }
}

/// What stands between the keyspace and the text in an id: it is in no name.
const AFTER_KEYSPACE: char = '\n';

fn qualified(keyspace: &str, text: &str) -> String {
    format!("{keyspace}{AFTER_KEYSPACE}{text}")
}

/// The statement of an id, in the keyspace in which it was prepared.
pub(super) fn prepared(id: &PreparedId) -> Result<Parsed, Error> {
    let unknown = || ErrorKind::Unprepared(id.clone()).with("no server like this one has prepared that");
    let text = std::str::from_utf8(id.bytes()).map_err(|_| unknown())?;
    let (keyspace, text) = text.split_once(AFTER_KEYSPACE).ok_or_else(unknown)?;
    let mut parsed = Statement::parse(text).map_err(|_| unknown())?;
    if let Some(table) = parsed.statement.table_mut() {
        table.keyspace.get_or_insert_with(|| keyspace.to_owned());
    }
    Ok(parsed)
}

/// What a client is told of a marker.
fn marker_column(marker: &Marker) -> Result<Column, Error> {
    let of = |name: &str| column(name).map(|(_, value_type)| value_type);
    let value_type = match &marker.place {
        MarkerPlace::Column(name) | MarkerPlace::Part(name) => of(name)?,
        MarkerPlace::In(name) => ValueType::List(Box::new(of(name)?)),
        MarkerPlace::Text => ValueType::Varchar,
        MarkerPlace::Blob => ValueType::Blob,
        MarkerPlace::Token | MarkerPlace::Timestamp => ValueType::Bigint,
        MarkerPlace::Int => ValueType::Int,
    };
    Ok(Column { name: marker.name.clone(), value_type })
}
