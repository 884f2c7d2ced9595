//! How somebody writes who is no server: in turn with those that run, and with the same regard for the only one.

use super::{following::connect, lease::Lease};
use crate::store::{Database, Operation, Session, StoreError, Transaction, sequence};
use tokio::time::sleep;

/// Waits until nobody goes by what he knows without a question, and announces the session, so that nobody takes himself for the
/// only server before it ends: whoever has the lock of the row then, and finds neither an only server nor anybody to wait for, may
/// commit.
///
/// # Errors
/// When the database is away, or the turn is not to be had.
pub async fn be_one_of_several(session: &mut Session) -> Result<(), StoreError> {
    sequence::announce(session).await?;
    // Nobody goes by this name, but the wait for others is the same.
    let lease = Lease::none();
    loop {
        let mut transaction = session.begin().await?;
        let state = sequence::lock(&mut transaction).await?;
        lease.observe(&state);
        if state.sole.is_some() {
            sequence::free(&mut transaction).await?;
            transaction.commit().await?;
            continue;
        }
        let wait = lease.has_to_wait(&state);
        if !wait.is_zero() {
            transaction.roll_back().await?;
            sleep(wait).await;
            continue;
        }
        if state.freed.is_some() {
            sequence::settle(&mut transaction).await?;
        }
        return transaction.commit().await;
    }
}

/// Does something with the row of the sequence locked, when nobody goes by the name of an only server any more. The transaction is
/// ended by what is done.
///
/// # Errors
/// When the database is away, or it can't be done.
pub async fn in_turn<T>(
    database: &Database,
    operation: Operation,
    act: impl AsyncFnOnce(Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut session = connect(database, operation).await?;
    loop {
        be_one_of_several(&mut session).await?;
        let mut transaction = session.begin().await?;
        let state = sequence::lock(&mut transaction).await?;
        // Somebody may have begun and ended as the only one since.
        if state.sole.is_none() && state.freed.is_none() {
            return act(transaction).await;
        }
        transaction.roll_back().await?;
    }
}
