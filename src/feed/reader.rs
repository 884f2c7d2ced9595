//! One reader: a place in the log.

use super::{Feed, PAGE, raised};
use crate::{change_log::LogEntry, graph::Position, store::StoreError};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::timeout};
use uuid::Uuid;

/// How long to wait for a position that this server does not know of yet: another one may have committed it.
const WAIT_FOR_POSITION: Duration = Duration::from_secs(5);
/// How long to wait before the database is asked again when it was away.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Why a reader can't go on from where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gone {
    /// The position from which the log can be read.
    pub oldest: Position,
    /// Its end.
    pub current: Position,
}

/// Why a reader can't begin.
#[derive(Debug)]
pub enum OpenError {
    /// There is nothing to be had from that position on.
    Gone(Gone),
    /// No server has committed that much.
    Future(Gone),
    /// The database can't be asked.
    Away(StoreError),
}

/// Why a reader has come to its end.
#[derive(Debug)]
pub enum Ended {
    /// What follows is not there any more, or the history is another one.
    Gone(Gone),
    /// The server stops.
    Stopped,
}

/// A place in the log that moves on.
pub struct Reader {
    feed: Arc<Feed>,
    number: u64,
    epoch: Uuid,
    /// The last change that was handed out, for others to see.
    shared: Arc<AtomicU64>,
    moves: watch::Receiver<Position>,
    /// Tells when the server stops; not for a sink, which goes on until everything is sent.
    stopped: Option<watch::Receiver<bool>>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.feed.readers().remove(&self.number);
    }
}

impl Feed {
    /// A reader of all changes after a position.
    ///
    /// # Errors
    /// When these changes are not, or not all, to be had.
    pub async fn open(self: &Arc<Self>, since: Position) -> Result<Reader, OpenError> {
        // Registered first, so that nothing is trimmed between the look and the first read.
        let mut reader = self.reader(since);
        let known = |current: &Position| current.epoch != since.epoch || current.revision >= since.revision;
        if timeout(WAIT_FOR_POSITION, reader.moves.wait_for(known)).await.is_err() {
            return Err(OpenError::Future(self.gone().await.map_err(OpenError::Away)?));
        }
        let current = self.replica.current().position();
        let at_hand = since.revision == current.revision || self.replica.recent_after(since.revision, 1).is_some();
        if current.epoch == since.epoch && at_hand {
            return Ok(reader);
        }
        let gone = self.gone().await.map_err(OpenError::Away)?;
        if gone.oldest.epoch != since.epoch || gone.oldest.revision > since.revision {
            return Err(OpenError::Gone(gone));
        }
        Ok(reader)
    }

    /// A reader from a position that is known to be in the log.
    pub fn reader(self: &Arc<Self>, position: Position) -> Reader {
        let number = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::new(AtomicU64::new(position.revision));
        self.readers().insert(number, Arc::clone(&shared));
        Reader {
            feed: Arc::clone(self),
            number,
            epoch: position.epoch,
            shared,
            moves: self.replica.moves(),
            stopped: Some(self.stopped.subscribe()),
        }
    }

    /// What there is to be read.
    async fn gone(&self) -> Result<Gone, StoreError> {
        Ok(Gone { oldest: self.oldest().await?, current: self.replica.current().position() })
    }
}

impl Reader {
    /// The same place, for who goes on when the server stops.
    pub fn for_sink(mut self) -> Self {
        self.stopped = None;
        self
    }

    /// Up to where changes were handed out: always the end of a request.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, revision: self.shared.load(Ordering::Relaxed) }
    }

    /// The next changes, whole requests of them; waits until there are some. Nothing is lost when the wait is given up.
    ///
    /// # Errors
    /// When there will be none.
    pub async fn next(&mut self) -> Result<Vec<Arc<LogEntry>>, Ended> {
        self.next_up_to(usize::MAX).await
    }

    /// The same; not more than this many, but whole requests.
    ///
    /// # Errors
    /// When there will be none.
    pub async fn next_up_to(&mut self, limit: usize) -> Result<Vec<Arc<LogEntry>>, Ended> {
        let limit = limit.min(PAGE);
        loop {
            let here = self.position();
            let there_is_more = |current: &Position| current.epoch != here.epoch || current.revision > here.revision;
            let epoch = tokio::select! {
                biased;
                () = stop_of(&mut self.stopped) => return Err(Ended::Stopped),
                moved = self.moves.wait_for(there_is_more) => moved.map(|current| current.epoch).map_err(|_| Ended::Stopped)?,
            };
            if epoch != here.epoch {
                return Err(Ended::Gone(self.gone(here).await));
            }
            let page = match self.feed.replica.recent_after(here.revision, limit) {
                Some(page) => page,
                None => match self.feed.older(here.revision, limit).await {
                    Ok(page) if page.is_empty() => return Err(Ended::Gone(self.gone(here).await)),
                    Ok(page) => page,
                    Err(error) => {
                        tracing::debug!(%error, "older changes can't be read");
                        tokio::time::sleep(ASK_AGAIN).await;
                        continue;
                    }
                },
            };
            if let Some(last) = page.last() {
                self.shared.store(last.revision, Ordering::Relaxed);
                return Ok(page);
            }
        }
    }

    async fn gone(&self, here: Position) -> Gone {
        let current = self.feed.replica.current().position();
        // While the database is away, the end of the log is the only place that is known to be there.
        self.feed.gone().await.unwrap_or_else(|error| {
            tracing::debug!(%error, %here, "it is not known from where on there are changes");
            Gone { oldest: current, current }
        })
    }
}

async fn stop_of(stopped: &mut Option<watch::Receiver<bool>>) {
    match stopped {
        Some(stopped) => raised(stopped).await,
        None => std::future::pending().await,
    }
}
