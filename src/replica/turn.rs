//! Taking the turn away from servers that run, for who wants to commit once and is no server.

use super::lease::Lease;
use crate::store::{Session, StoreError, sequence};
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
