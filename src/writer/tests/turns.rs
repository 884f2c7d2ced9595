//! How the writer and who commits for it take turns with other servers, what a batch is made of, and who is answered when one is not sent.

use super::*;
use crate::{
    replica::{Consistency, Replica},
    store::{queue, shared_settings::SharedSettings},
    writer::{
        AT_A_TIME, Job, MAX_WAITING, Task, answer,
        commit::{Beginning, Committer, Span},
        keys::Keys,
        room,
        ticket::Ticket,
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::{Instant, timeout},
};

/// Who commits for a server that is not alone, on an empty database, and what it knows; the other one has this connection.
async fn one_of_two(place: &Place, other: &mut Session, rulebook: &Arc<Rulebook>) -> (Arc<Replica>, Committer) {
    emptied(other, &place.model).await;
    sequence::announce(other).await.unwrap();
    server(place, rulebook).await
}

/// What a server knows, and who commits for it.
async fn server(place: &Place, rulebook: &Arc<Rulebook>) -> (Arc<Replica>, Committer) {
    let database = Database::new(&place.postgresql.database_url()).unwrap();
    let supervision = Arc::default();
    let settings = SharedSettings::new();
    let replica =
        Replica::start(database.clone(), Arc::clone(&place.model), Consistency::Linearizable, settings, &supervision);
    let replica = replica.await.unwrap();
    let progress = Arc::default();
    let committer =
        Committer::new(database, Arc::clone(&replica), Arc::clone(rulebook), 100_000, progress, &supervision);
    (replica, committer)
}

/// A refusal writes nothing, so no statement finds out whether it holds: that of a server in its turn is as fresh as a read only if
/// nobody has committed anything without waiting for his own.
#[test]
fn who_has_the_turn_sees_who_did_not_wait_for_it() {
    let place = Place::start();
    let rulebook = without_settings(&place.model);
    place.runtime.block_on(async {
        let connection = &mut *place.connection.lock().await;
        let (replica, mut committer) = one_of_two(&place, connection, &rulebook).await;
        let decided = |step: &Step| {
            let mut batch = Batch::on(Graph::clone(&replica.current()));
            batch.decide(&request(&batch.fork, step).unwrap(), &rulebook);
            batch
        };
        for is_passed in [false, true] {
            let (id, other) = if is_passed { (0, 1) } else { (2, 3) };
            assert!(matches!(committer.begin().await, Beginning::Ahead(Span::Turn(_))));
            assert!(committer.commit_ahead(decided(&Step::Policy(id, id))).await.unwrap()[0].is_ok());
            let (refused, done) = (decided(&Step::Policy(id, id)), decided(&Step::Rename(id, 1)));
            assert!(refused.answers[0].is_err() && refused.rows.is_empty() && !done.rows.is_empty());
            if is_passed {
                write(connection, &decided(&Step::Policy(other, other))).await;
            }
            for batch in [refused, done] {
                assert_eq!(committer.commit_ahead(batch).await.is_none(), is_passed);
            }
            committer.end_turn().await;
        }
    });
    place.stop();
}

#[test]
fn a_turn_goes_on_until_another_server_waits_for_it() {
    let place = Place::start();
    let rulebook = without_settings(&place.model);
    place.runtime.block_on(async {
        let connection = &mut *place.connection.lock().await;
        let (_replica, mut committer) = one_of_two(&place, connection, &rulebook).await;
        assert!(matches!(committer.begin().await, Beginning::Ahead(Span::Turn(_))));
        let over = || Span::Turn(Instant::now());
        let still_long = Span::Turn(Instant::now() + Duration::from_mins(1));
        let Span::Turn(until) = committer.prolong(still_long).await else { panic!("it is not alone") };
        assert!(until > Instant::now() + Duration::from_secs(30), "it was not to be asked yet");
        let (asked, Span::Turn(until)) = (Instant::now(), committer.prolong(over()).await) else {
            panic!("it is not alone")
        };
        assert!(over().is_over() && until > asked + Duration::from_millis(10), "nobody waits");

        let mut next = Database::new(&place.postgresql.database_url()).unwrap().connect(operation::TURN).await.unwrap();
        let waiting = tokio::spawn(async move { queue::enter(&mut next).await });
        while !queue::is_awaited(connection).await.unwrap() {
            assert!(!waiting.is_finished(), "it did not have to wait");
        }
        assert!(committer.prolong(over()).await.is_over(), "somebody waits");
        committer.end_turn().await;
        waiting.await.unwrap().unwrap();
        assert!(committer.prolong(over()).await.is_over(), "a turn that has ended is not there again");
    });
    place.stop();
}

/// Where a batch is committed, and the next one is not sent, because one of those who wait for it has been told that nothing was stored.
#[test]
fn who_gives_up_keeps_nobody_else_from_an_answer() {
    let place = Place::start();
    let rulebook = without_settings(&place.model);
    let tried = async {
        let connection = &mut *place.connection.lock().await;
        let (replica, mut committer) = one_of_two(&place, connection, &rulebook).await;
        let job = |number| {
            let request = request(&replica.current(), &Step::Policy(number, number)).unwrap();
            let (ticket, (sender, answered)) = (Arc::new(Ticket::default()), oneshot::channel());
            (Job { request, keyed: None, served: None, ticket: Arc::clone(&ticket), answer: sender }, ticket, answered)
        };
        let (queue, jobs) = mpsc::channel(MAX_WAITING);
        let keys = Keys::new(committer.database.clone(), Arc::clone(&replica));
        let mut task = Task { jobs, replica: Arc::clone(&replica), rulebook, batch_limit: MAX_WAITING, keys };
        assert!(matches!(committer.begin().await, Beginning::Ahead(Span::Turn(_))));

        connection.execute(raw_sql("begin; select from feed_sequence for update")).await.unwrap();
        let (first, _, sent) = job(0);
        let turn = Span::Turn(Instant::now() + Duration::from_mins(1));
        let running = tokio::spawn(async move { task.run_ahead(committer, vec![first], turn).await.unwrap() });
        let is_on_its_way = "select exists (select from pg_locks where not granted and locktype = 'transactionid')";
        while !connection.value::<bool>(sqlx::query(is_on_its_way)).await.unwrap() {}
        let [(second, impatient, nothing), (third, _, decided_anew)] = [1, 2].map(job);
        // When the third one is taken the second is decided.
        for next in [second, third] {
            queue.send(next).await.unwrap();
            while queue.capacity() < MAX_WAITING {
                yield_now().await;
            }
        }
        assert!(impatient.give_up(), "it was not sent");
        connection.execute(raw_sql("commit")).await.unwrap();

        assert!(sent.await.unwrap().is_ok());
        let (mut committer, rest) = running.await.unwrap();
        assert_eq!(rest.len(), 2, "both are decided anew");
        let answers = committer.commit_under_lock(&rest, false).await;
        answer(rest, answers);
        assert!(decided_anew.await.unwrap().is_ok());
        assert!(nothing.await.unwrap().is_err(), "nobody waits for it any more");
        let is_there = |number| replica.current().get(uuid_of(number)).is_some();
        assert_eq!([0, 1, 2].map(is_there), [true, false, true]);
    };
    place.runtime.block_on(async { timeout(Duration::from_mins(1), tried).await }).expect("an end");
    place.stop();
}

#[test]
fn a_batch_is_half_of_what_waits() {
    // 64 clients that wait for their answers, five of whom had come first.
    assert_eq!(room(1024, 5, 24, 35), 8);
    assert_eq!(room(1024, 5, 28, 31), 4);
    assert_eq!(room(1024, 5, 32, 27), 0);
    // Who has just come is not left behind one that was alone.
    assert_eq!(room(1024, 1, 1, 0), AT_A_TIME - 1);
    // Never more than a batch may have, and always something if there is nothing yet.
    assert_eq!(room(1024, 1024, 1020, 5000), 4);
    for on_its_way in [1, 8, 64] {
        for batch_limit in [1, 8, 1024] {
            assert!(room(batch_limit, on_its_way, 0, 0) > 0);
        }
    }
}
