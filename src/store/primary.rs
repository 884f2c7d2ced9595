//! Which of several hosts is the primary, and that this process goes by one only.
//!
//! After a failover an old primary may go on without knowing, for a while or until somebody looks. What it says is of the past.
//! Three things keep this process from going by it, where the URL asks for a server that takes writes:
//!
//! 1. A standby is refused, and so is one with a lower timeline than one that was met before: who was promoted has a higher one.
//! 2. As soon as one session is with a higher timeline, all sessions with a lower one are lost ([`Term::is_over`]).
//! 3. A host that is not the one of before has to confirm a commit first. With synchronous replication it can when a standby has
//!    it, and a standby that was promoted, or follows another one, confirms nothing to it any more. So a process that knows nothing
//!    yet is not taken in either.
//!
//! What no session can know is whether its server is overtaken *later*, while nobody of this process has met the new one. That the
//! old one has stopped by then is for whoever promotes to see to (`docs/high-availability.md`).

use super::{StoreError, error::worded, hosts::Wanted, operation::Operation};
use crate::metrics::Asking;
use futures_util::{StreamExt, stream::FuturesUnordered};
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};

/// How long a host is waited for before another one is asked, too.
const HEAD_START: Duration = Duration::from_millis(300);

/// What a new connection is called among the questions to the database, whatever it is for.
const CONNECTION: &str = "connection";
/// What a server says of itself: whether it is a standby, whether transactions write, its cluster, and its timeline.
const IDENTIFY: &str = "select pg_is_in_recovery(), current_setting('transaction_read_only')::boolean,
    (select system_identifier from pg_control_system()),
    case when pg_is_in_recovery() then 0
         else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint end";
/// A commit of nothing, which waits for a standby like any other. The log of the database has some bytes of it.
const CONFIRM: &str = "select pg_logical_emit_message(true, 'cirrus', 'is this the primary')";
/// Ends sessions that still wait for that, and that nobody waits for any more: they would use up the connections.
const CLEAR: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity
    where usename = current_user and application_name = 'cirrus' and state = 'active'
          and query like 'select pg_logical_emit_message%' and query_start < now() - interval '5 seconds'";

/// Why a host is not taken.
#[derive(Debug)]
enum Unfit {
    Standby,
    ReadOnly,
    OtherCluster,
    OldPrimary { timeline: i64, known: i64 },
    Silent(Duration),
    Error(StoreError),
}

impl Unfit {
    fn text(&self) -> String {
        match self {
            Self::Standby => "a standby".to_owned(),
            Self::ReadOnly => "read-only".to_owned(),
            Self::OtherCluster => "of another cluster than the database of before".to_owned(),
            Self::OldPrimary { timeline, known } => {
                format!("an old primary, of timeline {timeline}, where {known} has begun")
            }
            Self::Silent(limit) => format!("no answer within {} s", limit.as_secs_f64()),
            Self::Error(StoreError::Database { error, .. }) => worded(error),
            Self::Error(error) => error.to_string(),
        }
    }
}

/// The server that this process goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Known {
    host: usize,
    cluster: i64,
    timeline: i64,
}

/// The hosts, and what this process knows of them.
pub struct Hosts {
    options: Vec<PgConnectOptions>,
    wanted: Wanted,
    known: Mutex<Option<Known>>,
    /// The host that answered last.
    last: AtomicUsize,
    /// The highest timeline that was met.
    timeline: Arc<AtomicI64>,
}

/// For how long a session is good: until a higher timeline is met. One that is with any server is always good.
#[derive(Debug, Default)]
pub struct Term(Option<(i64, Arc<AtomicI64>)>);

impl Term {
    /// Whether another server was promoted, as this process knows.
    pub fn is_over(&self) -> bool {
        self.0.as_ref().is_some_and(|(own, highest)| *own < highest.load(Ordering::Acquire))
    }
}

impl Hosts {
    /// None of which is known yet.
    pub fn new(options: Vec<PgConnectOptions>, wanted: Wanted) -> Self {
        let timeline = Arc::new(AtomicI64::new(0));
        Self { options, wanted, known: Mutex::default(), last: AtomicUsize::new(0), timeline }
    }

    /// How each is reached.
    pub fn options(&self) -> &[PgConnectOptions] {
        &self.options
    }

    /// How the one is reached that answered last.
    pub fn last(&self) -> PgConnectOptions {
        let last = self.options.get(self.last.load(Ordering::Relaxed)).or_else(|| self.options.first());
        last.cloned().unwrap_or_default()
    }

    /// A connection with a server as it is wanted: the host that answered last is asked first, the others a moment later, or when
    /// it refuses. The first that does wins.
    ///
    /// # Errors
    /// What the host says, where there is only one; what each of them says.
    pub async fn connect(
        &self,
        operation: Operation,
        settings: &[(&str, &str)],
        limit: Duration,
    ) -> Result<(PgConnection, Term), StoreError> {
        let mut asking = Asking::begin(CONNECTION);
        let deadline = Instant::now() + limit;
        let (last, count) = (self.last.load(Ordering::Relaxed), self.options.len());
        let mut to_ask = (0..count).map(|place| (last + place) % count);
        let mut asked = FuturesUnordered::new();
        let mut unfit: Vec<Option<Unfit>> = self.options.iter().map(|_| None).collect();
        let mut is_late = false;
        while !is_late {
            asked.extend(to_ask.next().map(|host| async move { (host, self.ask(host, operation, settings).await) }));
            let are_others = to_ask.len() > 0;
            tokio::select! {
                answer = asked.next() => match answer {
                    Some((_, Ok(found))) => return Ok(found),
                    Some((host, Err(why))) => if let Some(place) = unfit.get_mut(host) { *place = Some(why) },
                    None => break,
                },
                () = sleep(HEAD_START), if are_others => {}
                () = sleep_until(deadline) => is_late = true,
            }
        }
        asking.fail();
        let all = unfit.into_iter().map(|why| why.unwrap_or(Unfit::Silent(limit)));
        Err(self.refusal(operation, limit, all.collect()))
    }

    /// What is to be told of all that were asked in vain.
    fn refusal(&self, operation: Operation, limit: Duration, mut all: Vec<Unfit>) -> StoreError {
        if let (1, Some(Unfit::Error(_) | Unfit::Silent(_))) = (all.len(), all.last()) {
            return match all.pop() {
                Some(Unfit::Error(error)) => error,
                _ => StoreError::late(operation, limit),
            };
        }
        // A wrong password does not get better while the others are away.
        let is_lasting = all.iter().any(|why| matches!(why, Unfit::Error(error) if error.is_lasting()));
        let told = self.options.iter().zip(&all).map(|(options, why)| format!("{}: {}", place(options), why.text()));
        StoreError::NoPrimary { hosts: told.collect::<Vec<_>>().join("; "), is_lasting }
    }

    async fn ask(
        &self,
        host: usize,
        operation: Operation,
        settings: &[(&str, &str)],
    ) -> Result<(PgConnection, Term), Unfit> {
        let failed = |error| Unfit::Error(StoreError::of(operation, error));
        let Some(options) = self.options.get(host) else { return Err(Unfit::Standby) };
        let options = options.clone().options(settings.iter().copied());
        let mut connection = options.connect().await.map_err(failed)?;
        if self.wanted == Wanted::Any {
            return Ok((connection, Term::default()));
        }
        let (is_standby, is_read_only, cluster, timeline) =
            sqlx::query_as(IDENTIFY).fetch_one(&mut connection).await.map_err(failed)?;
        if is_standby {
            return Err(Unfit::Standby);
        }
        if is_read_only && self.wanted == Wanted::ReadWrite {
            return Err(Unfit::ReadOnly);
        }
        let found = Known { host, cluster, timeline };
        if self.meet(found, false)? {
            return Ok((connection, self.term(timeline)));
        }
        sqlx::raw_sql(CLEAR).execute(&mut connection).await.map_err(failed)?;
        sqlx::raw_sql(CONFIRM).execute(&mut connection).await.map_err(failed)?;
        self.meet(found, true)?;
        Ok((connection, self.term(timeline)))
    }

    fn term(&self, timeline: i64) -> Term {
        Term(Some((timeline, Arc::clone(&self.timeline))))
    }

    /// Compares a server with the one that this process goes by: whether it is that one. One that has confirmed a commit becomes it.
    fn meet(&self, found: Known, has_confirmed: bool) -> Result<bool, Unfit> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = *known {
            if before.cluster != found.cluster {
                return Err(Unfit::OtherCluster);
            }
            if found.timeline < before.timeline {
                return Err(Unfit::OldPrimary { timeline: found.timeline, known: before.timeline });
            }
        }
        let is_known = *known == Some(found);
        if has_confirmed && !is_known {
            tracing::info!(host = self.options.get(found.host).map(place), timeline = found.timeline, "the primary");
            *known = Some(found);
            self.timeline.fetch_max(found.timeline, Ordering::AcqRel);
        }
        if is_known || has_confirmed {
            self.last.store(found.host, Ordering::Relaxed);
        }
        Ok(is_known)
    }
}

/// Where a host is, without what is secret.
pub fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(directory) => directory.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(count: usize) -> Hosts {
        Hosts::new(vec![PgConnectOptions::default(); count], Wanted::ReadWrite)
    }

    fn server(host: usize, timeline: i64) -> Known {
        Known { host, cluster: 7, timeline }
    }

    #[test]
    fn an_old_primary_is_not_taken_any_more() {
        let hosts = hosts(2);
        assert!(!hosts.meet(server(0, 1), false).unwrap(), "it has to confirm first");
        hosts.meet(server(0, 1), true).unwrap();
        let first = hosts.term(1);
        assert!(hosts.meet(server(0, 1), false).unwrap() && !first.is_over());
        assert!(!hosts.meet(server(1, 2), false).unwrap() && !first.is_over(), "nothing is confirmed yet");
        hosts.meet(server(1, 2), true).unwrap();
        assert!(first.is_over() && !hosts.term(2).is_over());
        assert!(matches!(hosts.meet(server(0, 1), false), Err(Unfit::OldPrimary { timeline: 1, known: 2 })));
        assert!(matches!(hosts.meet(server(0, 1), true), Err(Unfit::OldPrimary { .. })));
        assert_eq!(hosts.last.load(Ordering::Relaxed), 1);
        let other = Known { cluster: 8, ..server(0, 9) };
        assert!(matches!(hosts.meet(other, true), Err(Unfit::OtherCluster)));
    }

    #[test]
    fn all_hosts_are_named_and_a_wrong_password_lasts() {
        let refused = hosts(2).refusal(
            super::super::operation::START,
            Duration::from_secs(4),
            vec![Unfit::Standby, Unfit::Silent(Duration::from_secs(4))],
        );
        assert!(refused.to_string().contains(":5432: a standby; "), "{refused}");
        assert!(refused.to_string().contains(":5432: no answer within 4 s"), "{refused}");
        assert!(!refused.is_lasting() && refused.is_passing());
    }
}
