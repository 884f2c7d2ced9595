//! What other servers say.

use super::{StoreError, database::CONNECT_WITHIN, error::no_answer, operation::LISTENING};
use futures_util::FutureExt;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use std::time::Duration;
use tokio::time::timeout;

/// How long an idle session that listens may take to show that it is still there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Who hears what is said on a channel.
pub struct Listener {
    listener: PgListener,
}

impl Listener {
    /// On a connection of its own.
    ///
    /// # Errors
    /// When the database is away.
    pub(super) async fn on(options: PgConnectOptions, channel: &str) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_WITHIN);
        let connect = async {
            let mut listener = PgListener::connect_with(&pool.connect_lazy_with(options)).await?;
            // Else one that is lost is made anew without a word, and what was said meanwhile is missed.
            listener.eager_reconnect(false);
            listener.listen(channel).await?;
            Ok(Self { listener })
        };
        within(CONNECT_WITHIN, connect).await
    }

    /// Waits until something is said, for this long at most; then it is seen to that the database is still there to say it. Gives the
    /// processes of the database that have said something, of all that is there to be heard.
    ///
    /// # Errors
    /// When the connection is lost, and with it perhaps what was said meanwhile.
    pub async fn hears(&mut self, limit: Duration) -> Result<Vec<u32>, StoreError> {
        let Ok(first) = timeout(limit, self.listener.try_recv()).await else {
            within(ANSWERS_WITHIN, sqlx::raw_sql("select").execute(&mut self.listener)).await?;
            return Ok(Vec::new());
        };
        let mut said = vec![speaker(first)?];
        while let Some(next) = self.listener.try_recv().now_or_never() {
            said.push(speaker(next)?);
        }
        Ok(said)
    }
}

/// The process of the database that said something.
fn speaker(heard: Result<Option<PgNotification>, sqlx::Error>) -> Result<u32, StoreError> {
    let said = heard.and_then(|said| said.ok_or(sqlx::Error::PoolClosed));
    said.map(|said| said.process_id()).map_err(|error| StoreError::of(LISTENING, error))
}

async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    let answer = timeout(limit, answer).await.unwrap_or_else(|_| Err(no_answer(limit)));
    answer.map_err(|error| StoreError::of(LISTENING, error))
}
