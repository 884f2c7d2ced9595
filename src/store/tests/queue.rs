//! Who waits for the turn to write gets it in order, with what the one before has left, and also from one who hangs.

use super::Place;
use crate::store::{Failure, Session, queue, sequence};
use sqlx::raw_sql;

/// How many sessions wait for the turn.
const WAITING: &str = "select count(*) from pg_locks where locktype = 'advisory' and not granted";

async fn wait_until_waiting(session: &mut Session, wanted: i64) {
    while session.value::<i64>(sqlx::query(WAITING)).await.unwrap() != wanted {}
}

#[tokio::test]
async fn turns_are_had_in_order() {
    let place = Place::start().await;
    let mut looking = place.session().await;
    let mut first = place.database.connect_to_write().await.unwrap();
    queue::enter(&mut first).await.unwrap();
    let mut waiting = Vec::new();
    for number in 1..=2 {
        let mut next = place.database.connect_to_write().await.unwrap();
        waiting.push(tokio::spawn(async move {
            let state = queue::enter(&mut next).await.unwrap();
            sequence::raise_floor(&mut next, state.floor + 1).await.unwrap();
            queue::leave(&mut next).await.unwrap();
            (state.floor, next)
        }));
        wait_until_waiting(&mut looking, number).await;
    }
    // What is committed while they wait, they are told when it is their turn.
    sequence::raise_floor(&mut first, 7).await.unwrap();
    queue::leave(&mut first).await.unwrap();
    for (task, wanted) in waiting.into_iter().zip([7, 8]) {
        let (floor, mut session) = task.await.unwrap();
        assert_eq!(floor, wanted);
        // Nobody ends a session that has nothing to write.
        let limit: String = session.value(raw_sql("show idle_session_timeout")).await.unwrap();
        assert_eq!(limit, "0");
    }
    place.postgresql.stop().await.unwrap();
}

#[tokio::test]
async fn who_hangs_with_the_turn_loses_it() {
    let place = Place::start().await;
    let mut hanging = place.database.connect_to_write().await.unwrap();
    queue::enter(&mut hanging).await.unwrap();
    let mut next = place.database.connect_to_write().await.unwrap();
    // It is told that the turn is not to be had before that, and asks again, as the writer does.
    let error = queue::enter(&mut next).await.unwrap_err();
    assert!(error.failure() == Failure::Refused && error.is_worth_another_try(), "{error}");
    queue::enter(&mut next).await.unwrap();
    assert!(sequence::peek(&mut hanging).await.is_err(), "it has no session any more");
    place.postgresql.stop().await.unwrap();
}
