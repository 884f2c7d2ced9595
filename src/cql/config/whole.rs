//! A table as a whole, column by column, for whoever writes it down.

use super::{
    ConfigTable, Reading, STEPS_AT_A_TIME, Snapshot,
    output::{Flow, Gate, Offer, Output, Stop},
};
use crate::{
    pace::Pace,
    wide_row::{Columns, Keys, Read},
};
use std::sync::Arc;

/// A column of a row. What it says is text, and ASCII but for its names.
#[derive(Clone, Copy, Debug)]
pub struct WrittenColumn<'c> {
    /// Of the row.
    pub key: &'c [u8],
    /// In the row.
    pub column: &'c [u8],
    /// What is in it.
    pub value: &'c [u8],
    /// When it was written, in microseconds since 1970.
    pub time: i64,
}

/// Gives all columns of a table to somebody, row by row, and lets others have their turn meanwhile.
///
/// # Errors
/// What the taker says, which ends it.
pub async fn each_column<E>(
    snapshot: &Arc<Snapshot>,
    table: ConfigTable,
    take: impl FnMut(WrittenColumn<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let read = Read { keys: Keys::All, columns: Columns::ALL, value: None, after: None, limit: None };
    let reading = Reading::new(Arc::clone(snapshot), table, read, Vec::new(), None);
    let mut walk = reading.walk().await;
    let mut taker = Taker { take, failure: None, key: Vec::new(), column: Vec::new(), value: Vec::new() };
    let mut pace = Pace::new();
    loop {
        let flow = walk.advance(&reading.read, &mut Gate::new(&mut taker, None, STEPS_AT_A_TIME));
        if let Some(failure) = taker.failure.take() {
            return Err(failure);
        }
        match flow {
            Flow::Break(Stop::Pause) => pace.step().await,
            Flow::Break(Stop::End) | Flow::Continue(()) => return Ok(()),
        }
    }
}

/// Who takes columns, and the memory that they are in.
struct Taker<F, E> {
    take: F,
    failure: Option<E>,
    key: Vec<u8>,
    column: Vec<u8>,
    value: Vec<u8>,
}

impl<E, F: FnMut(WrittenColumn<'_>) -> Result<(), E>> Output for &mut Taker<F, E> {
    fn wants_time(&self) -> bool {
        true
    }

    fn take(&mut self, offer: &Offer<'_>, time: impl FnOnce() -> i64) -> Flow {
        let Taker { take, failure, key, column, value } = &mut **self;
        for memory in [&mut *key, &mut *column, &mut *value] {
            memory.clear();
        }
        offer.key.write(key);
        offer.column.write(column);
        offer.value.write(value);
        match take(WrittenColumn { key, column, value, time: time() }) {
            Ok(()) => Flow::Continue(()),
            Err(error) => {
                *failure = Some(error);
                Flow::Break(Stop::End)
            }
        }
    }
}
