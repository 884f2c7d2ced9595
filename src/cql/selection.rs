//! What a `SELECT` asks of a table of wide rows, and what the answer looks like.

use super::{
    frame::{Column, Parameters, ValueType, Values, shown},
    statement::{Comparison, Condition, Direction, Invalid, Relation, Select, Selected, Selector, Subject, Term},
};
use crate::wide_row::{Columns, Field, Keys, Read};
use bytes::Bytes;
use std::{
    collections::{BTreeSet, HashSet},
    ops::Bound,
};

/// What is asked of each row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selection {
    /// The fields of a row of the answer; none, if rows are counted.
    pub fields: Vec<Field>,
    /// How they are called, and of which type they are.
    pub columns: Vec<Column>,
}

fn refused<T>(text: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid(text.into()))
}

fn unknown<T>(column: &str) -> Result<T, Invalid> {
    refused(format!("Undefined column name {}; there are key, column1 and value", shown(column)))
}

impl Selection {
    /// Whether rows are counted.
    pub fn counts(&self) -> bool {
        self.fields.is_empty()
    }

    /// Of a statement.
    ///
    /// # Errors
    /// Something that these tables have not.
    pub fn of(select: &Select) -> Result<Self, Invalid> {
        if select.distinct {
            return refused("DISTINCT is not served");
        }
        let Some(selected) = &select.selected else {
            let all = [Field::Key, Field::Column, Field::Value];
            let named = |field: Field| Column { name: name_of(field).to_owned(), value_type: type_of(field) };
            return Ok(Self { fields: all.to_vec(), columns: all.map(named).to_vec() });
        };
        if let [Selected { selector: Selector::Count, .. }] = selected.as_slice() {
            let columns = selected.iter().map(|count| Column { name: count.name(), value_type: ValueType::Bigint });
            return Ok(Self { fields: Vec::new(), columns: columns.collect() });
        }
        let mut selection = Self { fields: Vec::new(), columns: Vec::new() };
        for one in selected {
            let (field, value_type) = field(&one.selector)?;
            selection.fields.push(field);
            selection.columns.push(Column { name: one.name(), value_type });
        }
        Ok(selection)
    }
}

fn name_of(field: Field) -> &'static str {
    match field {
        Field::Key => "key",
        Field::Column => "column1",
        Field::Value | Field::Time | Field::Nothing => "value",
    }
}

fn type_of(field: Field) -> ValueType {
    match field {
        Field::Key | Field::Column => ValueType::Blob,
        Field::Value => ValueType::Varchar,
        Field::Time => ValueType::Bigint,
        Field::Nothing => ValueType::Int,
    }
}

/// The column that is called so.
pub fn column(name: &str) -> Result<(Field, ValueType), Invalid> {
    let field = [Field::Key, Field::Column, Field::Value].into_iter().find(|field| name_of(*field) == name);
    field.map_or_else(|| unknown(name), |field| Ok((field, type_of(field))))
}

/// The bytes of a text and of a blob are the same, so only the type tells which of them it is.
fn field(selector: &Selector) -> Result<(Field, ValueType), Invalid> {
    let of_value = |name: &str, field: Field| match column(name)?.0 {
        Field::Value => Ok((field, type_of(field))),
        _ => refused(format!("{name} is a part of the key, of which nobody can ask that; value is meant")),
    };
    match selector {
        Selector::Column(name) => column(name),
        Selector::BlobAsText(name) => match column(name)? {
            (field, ValueType::Blob) => Ok((field, ValueType::Varchar)),
            _ => refused(format!("blobAsText of {name}, which is a text; key and column1 are blobs")),
        },
        Selector::TextAsBlob(name) => match column(name)? {
            (field, ValueType::Varchar) => Ok((field, ValueType::Blob)),
            _ => refused(format!("textAsBlob of {name}, which is a blob; value is a text")),
        },
        Selector::WriteTime(name) => of_value(name, Field::Time),
        Selector::Ttl(name) => of_value(name, Field::Nothing),
        Selector::Count => refused("COUNT stands alone"),
        Selector::Token(_) => refused("token() is not served"),
        Selector::Function { name, .. } => {
            refused(format!("Unknown function '{}'; there are blobAsText and textAsBlob", shown(name)))
        }
    }
}

/// Which rows and columns a statement is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// Which rows.
    pub keys: Keys,
    /// Which of their columns.
    pub columns: Columns,
    /// Only those with this value.
    pub value: Option<String>,
}

impl Range {
    /// Of all conditions together.
    ///
    /// # Errors
    /// One that these tables can't be asked for.
    pub fn of(conditions: &[Condition], values: &Values) -> Result<Self, Invalid> {
        let mut range = Self { keys: Keys::All, columns: Columns::ALL, value: None };
        for Condition { subject, relation } in conditions {
            let name = match subject {
                Subject::Column(name) => name,
                Subject::Columns(_) => {
                    return refused("tuples of several columns are not served; column1 is the only one");
                }
                Subject::Token(_) => return refused("token() is not served"),
            };
            match column(name)?.0 {
                Field::Key => range.restrict_keys(relation, values)?,
                Field::Column => range.restrict_columns(relation, values)?,
                _ => match relation {
                    Relation::Compare(Comparison::Equal, term) => {
                        range.value = Some(given(term.text(values, name)?, name)?);
                    }
                    _ => return refused("value can only be asked for with ="),
                },
            }
        }
        Ok(range)
    }

    fn restrict_keys(&mut self, relation: &Relation, values: &Values) -> Result<(), Invalid> {
        let Some(wanted) = several(relation, values, "key")? else {
            return refused("key can only be asked for with = or IN");
        };
        let mut seen = HashSet::new();
        let known: Option<HashSet<Bytes>> = match std::mem::replace(&mut self.keys, Keys::All) {
            Keys::All => None,
            Keys::These(keys) => Some(keys.into_iter().collect()),
        };
        let is_known = |key: &Bytes| known.as_ref().is_none_or(|known| known.contains(key));
        self.keys = Keys::These(wanted.into_iter().filter(|key| is_known(key) && seen.insert(key.clone())).collect());
        Ok(())
    }

    fn restrict_columns(&mut self, relation: &Relation, values: &Values) -> Result<(), Invalid> {
        if let Some(wanted) = several(relation, values, "column1")? {
            let wanted: BTreeSet<Bytes> = wanted.into_iter().filter(|column| self.columns.has(column)).collect();
            self.columns = Columns::These(wanted);
            return Ok(());
        }
        let Relation::Compare(comparison, term) = relation else {
            return refused("column1 can't be asked for like this");
        };
        let bound = given(term.blob(values, "column1")?, "column1")?;
        let slice = match comparison {
            Comparison::Less => Columns::Slice(Bound::Unbounded, Bound::Excluded(bound)),
            Comparison::LessOrEqual => Columns::Slice(Bound::Unbounded, Bound::Included(bound)),
            Comparison::Greater => Columns::Slice(Bound::Excluded(bound), Bound::Unbounded),
            Comparison::GreaterOrEqual => Columns::Slice(Bound::Included(bound), Bound::Unbounded),
            Comparison::Equal | Comparison::NotEqual => return refused("column1 can't be asked for with !="),
        };
        self.columns = match (std::mem::replace(&mut self.columns, Columns::ALL), slice) {
            (Columns::These(columns), slice) => {
                Columns::These(columns.into_iter().filter(|column| slice.has(column)).collect())
            }
            (Columns::Slice(from, to), Columns::Slice(Bound::Unbounded, other)) => {
                Columns::Slice(from, lower(to, other))
            }
            (Columns::Slice(from, to), Columns::Slice(other, _)) => Columns::Slice(higher(from, other), to),
            (_, slice) => slice,
        };
        Ok(())
    }
}

/// The end that leaves less of two.
fn lower(one: Bound<Bytes>, other: Bound<Bytes>) -> Bound<Bytes> {
    match (&one, &other) {
        (Bound::Unbounded, _) => other,
        (_, Bound::Unbounded) => one,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => match a.cmp(b) {
            std::cmp::Ordering::Less => one,
            std::cmp::Ordering::Greater => other,
            std::cmp::Ordering::Equal => {
                if matches!(one, Bound::Excluded(_)) {
                    one
                } else {
                    other
                }
            }
        },
    }
}

/// The begin that leaves less of two.
fn higher(one: Bound<Bytes>, other: Bound<Bytes>) -> Bound<Bytes> {
    match (&one, &other) {
        (Bound::Unbounded, _) => other,
        (_, Bound::Unbounded) => one,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => match a.cmp(b) {
            std::cmp::Ordering::Greater => one,
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Equal => {
                if matches!(one, Bound::Excluded(_)) {
                    one
                } else {
                    other
                }
            }
        },
    }
}

/// The values of `=` and `IN`; none of other comparisons.
fn several(relation: &Relation, values: &Values, name: &str) -> Result<Option<Vec<Bytes>>, Invalid> {
    let one = |term: &Term| given(term.blob(values, name)?, name);
    match relation {
        Relation::Compare(Comparison::Equal, term) => Ok(Some(vec![one(term)?])),
        Relation::In(terms) => terms.iter().map(one).collect::<Result<_, _>>().map(Some),
        Relation::InList(term) => term.list(&ValueType::Blob, values, name).map(Some),
        Relation::Compare(..) => Ok(None),
    }
}

/// What has to be there.
pub fn given<T>(value: Option<T>, name: &str) -> Result<T, Invalid> {
    value.map_or_else(|| refused(format!("Invalid null value for {name}")), Ok)
}

/// The whole question of a statement: what of it comes after a page is another matter.
///
/// # Errors
/// What these tables can't be asked for.
pub fn question(select: &Select, parameters: &Parameters) -> Result<Read, Invalid> {
    if select.per_partition_limit.is_some() {
        return refused("PER PARTITION LIMIT is not served");
    }
    for (name, direction) in &select.order {
        if name != "column1" || *direction == Direction::Descending {
            return refused("rows come in the order of column1, ascending; no other is served");
        }
    }
    let values = &parameters.values;
    let Range { keys, columns, value } = Range::of(&select.conditions, values)?;
    let limit = match &select.limit {
        None => None,
        Some(term) => match u64::try_from(given(term.int(values, "LIMIT")?, "LIMIT")?) {
            Ok(limit) if limit > 0 => Some(limit),
            _ => return refused("LIMIT must be strictly positive"),
        },
    };
    Ok(Read { keys, columns, value, after: None, limit })
}
