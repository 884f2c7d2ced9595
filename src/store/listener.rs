//! What other servers say.

use super::{StoreError, database::CONNECT_WITHIN, error::no_answer, operation::LISTENING};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
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
            listener.listen(channel).await?;
            Ok(Self { listener })
        };
        within(CONNECT_WITHIN, connect).await
    }

    /// Waits until something is said, for this long at most; then it is seen to that the database is still there to say it. Gives the
    /// process of the database that has said it.
    ///
    /// # Errors
    /// When the connection is lost, and with it perhaps what was said meanwhile.
    pub async fn hears(&mut self, limit: Duration) -> Result<Option<u32>, StoreError> {
        match timeout(limit, self.listener.try_recv()).await {
            Ok(Ok(Some(said))) => Ok(Some(said.process_id())),
            Ok(Ok(None)) => Err(StoreError::of(LISTENING, sqlx::Error::PoolClosed)),
            Ok(Err(error)) => Err(StoreError::of(LISTENING, error)),
            Err(_) => {
                within(ANSWERS_WITHIN, sqlx::raw_sql("select").execute(&mut self.listener)).await?;
                Ok(None)
            }
        }
    }
}

async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    let answer = timeout(limit, answer).await.unwrap_or_else(|_| Err(no_answer(limit)));
    answer.map_err(|error| StoreError::of(LISTENING, error))
}
