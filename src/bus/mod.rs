//! The message bus, for messages that clients send through the server: jobs, and whatever else (contrail-api R21, wire
//! contract 7.13). Changes of the configuration have a sender of their own, in `feed`; it shares what is about connections.
//!
//! There is one connection, made when it is needed, and a channel for each message: what a broker refuses costs the channel.
//! Nothing here waits for a broker without a deadline.

mod message;
mod servers;

pub use message::{Exchange, JSON, Message, TEXT, exchange_kind, headers, properties, short};
pub use servers::{AmqpServer, AmqpServers, BrokerTls, BrokerTlsPart, CONNECT_WITHIN, ConnectError, connect};

use crate::metrics;
use futures_util::StreamExt;
use lapin::{
    Channel, Confirmation, Connection, Consumer, ErrorKind,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{FieldTable, ShortString},
};
use std::time::Duration;
use tokio::{
    sync::{Mutex, Semaphore, watch},
    time::{sleep, timeout},
};
use uuid::Uuid;

/// How long a broker may take for each step.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How many requests may wait for their reply at the same time.
pub const MOST_WAITING: usize = 50;
/// The largest reply that is handed on, in bytes. Each that waits holds one at most.
pub const MOST_REPLY: usize = 4 << 20;

/// Why a message was not sent, or has no reply.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No broker can be used.
    #[error("the message bus can't be reached: {0}")]
    Away(String),
    /// A broker does not go on.
    #[error("the message broker does not answer")]
    Silent,
    /// A broker does not take the message.
    #[error("the message broker did not take the message")]
    Refused,
    /// A broker does not allow what is asked of it.
    #[error("the message broker refuses: {0}")]
    Forbidden(String),
    /// The connection was lost after the message was sent.
    #[error("it is not known whether somebody has the message: {0}")]
    Unsure(Box<BusError>),
    /// The message reached no queue.
    #[error("nobody receives it: no queue is bound to exchange {0} for routing key '{1}'")]
    Unreceived(ShortString, ShortString),
    /// Enough requests wait already.
    #[error("{MOST_WAITING} requests wait for their replies already")]
    Busy,
    /// The reply is too large.
    #[error("the reply has {0} bytes, and {MOST_REPLY} at most are handed on")]
    LargeReply(usize),
    /// The server stops.
    #[error("the server stops")]
    Stopping,
}

impl From<lapin::Error> for BusError {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(refusal) if matches!(refusal.kind(), AMQPErrorKind::Soft(_)) => {
                Self::Forbidden(refusal.get_message().to_string())
            }
            _ => Self::Away(error.to_string()),
        }
    }
}

fn is_not_found(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(refusal)
        if matches!(refusal.kind(), AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)))
}

/// Whether a message has to reach a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// It is of use only to whoever takes it.
    Somebody,
    /// It is told to whoever listens, or to nobody.
    Anybody,
}

/// What somebody answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whether it says that it is JSON.
    pub is_json: bool,
    /// Its content.
    pub content: Vec<u8>,
}

/// Sends messages of clients.
pub struct Bus {
    servers: AmqpServers,
    connection: Mutex<Option<Connection>>,
    waiting: Semaphore,
    stopping: watch::Sender<bool>,
    patience: Duration,
}

impl Bus {
    /// For these brokers; there is no connection yet. Replies are waited for with this patience, unless a client says so.
    pub fn new(servers: AmqpServers, patience: Duration) -> Self {
        Self {
            patience,
            servers,
            connection: Mutex::default(),
            waiting: Semaphore::new(MOST_WAITING),
            stopping: watch::Sender::new(false),
        }
    }

    /// Where the brokers are, without what is secret: `host:port` each.
    pub fn addresses(&self) -> Vec<String> {
        self.servers.addresses()
    }

    /// For how long a reply is waited for, unless a client says so.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Ends all waiting for replies.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Sends a message; it is in the hands of the broker after this.
    ///
    /// # Errors
    /// When it is not, or reached nobody although it has to.
    pub async fn publish(&self, message: &Message, reach: Reach) -> Result<(), BusError> {
        let channel = self.channel_to(&message.exchange).await?;
        self.checked(&channel, send(&channel, message, reach, None).await).await
    }

    /// Sends a message, and waits for a reply through the same exchange to `reply_key`; none if there is none in this time.
    /// Nothing remains when the wait is given up: the queue of the reply goes with the channel.
    ///
    /// # Errors
    /// When the message was not sent or reaches nobody, the reply is too large, too many wait, or the server stops.
    pub async fn request(
        &self,
        message: &Message,
        reply_key: &ShortString,
        patience: Duration,
    ) -> Result<Option<Reply>, BusError> {
        let _permit = self.waiting.try_acquire().map_err(|_| {
            metrics::limit(metrics::Limit::Replies);
            BusError::Busy
        })?;
        let channel = self.channel_to(&message.exchange).await?;
        let asked = ask(&channel, message, reply_key).await;
        let (mut replies, own) = self.checked(&channel, asked).await?;
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            reply = first_reply(&mut replies, &own) => reply.map(Some),
            () = sleep(patience) => Ok(None),
            _ = stopping.wait_for(|stopping| *stopping) => Err(BusError::Stopping),
        }
    }

    /// A channel that confirms what it takes, with the exchange there.
    async fn channel_to(&self, exchange: &Exchange) -> Result<Channel, BusError> {
        let channel = self.channel().await?;
        let declared = declare(&channel, exchange, true).await;
        let channel = match declared {
            // What refuses ends the channel.
            Ok(Err(error)) if is_not_found(&error) => {
                let channel = self.channel().await?;
                let declared = declare(&channel, exchange, false).await;
                self.checked(&channel, flatten(declared)).await?;
                channel
            }
            declared => {
                self.checked(&channel, flatten(declared)).await?;
                channel
            }
        };
        let confirming = within(channel.confirm_select(ConfirmSelectOptions::default())).await;
        self.checked(&channel, flatten(confirming)).await?;
        Ok(channel)
    }

    /// A channel of the connection; a new connection if there is none that works.
    async fn channel(&self) -> Result<Channel, BusError> {
        let servers = u32::try_from(self.servers.all().len()).unwrap_or(1);
        // Whoever waits here waits for another one to connect, or to find out that nobody answers.
        let channel = async {
            let mut connection = self.connection.lock().await;
            if let Some(connected) = connection.as_ref().filter(|connection| connection.status().connected())
                && let Ok(Ok(channel)) = within(connected.create_channel()).await
            {
                return Ok(channel);
            }
            *connection = None;
            let mut last = BusError::Silent;
            for server in self.servers.all() {
                match connect(server).await {
                    Ok((connected, channel)) => {
                        *connection = Some(connected);
                        return Ok(channel);
                    }
                    Err(error) => last = BusError::Away(error.to_string()),
                }
            }
            Err(last)
        };
        timeout(ANSWER_WITHIN + CONNECT_WITHIN * servers, channel).await.map_err(|_| BusError::Silent)?
    }

    /// Gives up a connection on which nothing comes back, so that the next message gets another one.
    async fn checked<T>(&self, channel: &Channel, result: Result<T, BusError>) -> Result<T, BusError> {
        if matches!(result, Err(BusError::Silent | BusError::Unsure(_))) {
            tracing::debug!(channel = channel.id(), "AMQP: the broker does not answer; the next message connects anew");
            *self.connection.lock().await = None;
        }
        result
    }
}

/// A step of the broker, with a deadline.
async fn within<T>(step: impl Future<Output = T>) -> Result<T, BusError> {
    timeout(ANSWER_WITHIN, step).await.map_err(|_| BusError::Silent)
}

fn flatten<T>(result: Result<lapin::Result<T>, BusError>) -> Result<T, BusError> {
    Ok(result??)
}

/// Looks whether the exchange is there as somebody made it, or makes it, as the library of contrail's daemons would: neither
/// durable nor deleted by itself.
async fn declare(channel: &Channel, exchange: &Exchange, is_there: bool) -> Result<lapin::Result<()>, BusError> {
    let options = ExchangeDeclareOptions { passive: is_there, ..ExchangeDeclareOptions::default() };
    within(channel.exchange_declare(exchange.name.clone(), exchange.kind.clone(), options, FieldTable::default())).await
}

/// Sends a message, and waits until the broker has it.
async fn send(channel: &Channel, message: &Message, reach: Reach, id: Option<&ShortString>) -> Result<(), BusError> {
    let mut properties = properties(message.content_type, message.headers.clone());
    if let Some(id) = id {
        properties = properties.with_message_id(id.clone());
    }
    let options = BasicPublishOptions { mandatory: reach == Reach::Somebody, ..BasicPublishOptions::default() };
    let (exchange, key) = (message.exchange.name.clone(), message.routing_key.clone());
    let sent = async {
        within(within(channel.basic_publish(exchange, key, options, &message.content, properties)).await??)
            .await?
            .map_err(BusError::from)
    };
    match sent.await.map_err(unsure)? {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => {
            Err(BusError::Unreceived(message.exchange.name.clone(), message.routing_key.clone()))
        }
        Confirmation::Nack(_) | Confirmation::NotRequested => Err(BusError::Refused),
    }
}

/// What went wrong after the message may have been taken.
fn unsure(error: BusError) -> BusError {
    match error {
        // A broker that refuses has not taken it.
        BusError::Forbidden(_) => error,
        error => BusError::Unsure(Box::new(error)),
    }
}

/// Sends a message after making a queue for its reply. Gives what comes there, and the id of the message.
async fn ask(
    channel: &Channel,
    message: &Message,
    reply_key: &ShortString,
) -> Result<(Consumer, ShortString), BusError> {
    let nothing = FieldTable::default;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = within(channel.queue_declare("".into(), options, nothing())).await??.name().clone();
    let (exchange, key) = (message.exchange.name.clone(), reply_key.clone());
    within(channel.queue_bind(queue.clone(), exchange, key, QueueBindOptions::default(), nothing())).await??;
    // One at a time, so that whoever answers much does not fill the memory.
    within(channel.basic_qos(1, BasicQosOptions::default())).await??;
    let replies = channel.basic_consume(queue, "".into(), BasicConsumeOptions::default(), nothing());
    let replies = within(replies).await??;
    let own = ShortString::from(Uuid::new_v4().to_string());
    send(channel, message, Reach::Somebody, Some(&own)).await?;
    Ok((replies, own))
}

/// The first message that is not the request itself, which comes back when the reply's key is its own, or its exchange has
/// no keys.
async fn first_reply(replies: &mut Consumer, own: &ShortString) -> Result<Reply, BusError> {
    while let Some(delivery) = replies.next().await {
        let delivery = delivery.map_err(|error| unsure(error.into()))?;
        if delivery.properties.message_id().as_ref() == Some(own) {
            let known = within(delivery.ack(BasicAckOptions::default())).await;
            flatten(known).map_err(unsure)?;
            continue;
        }
        if delivery.data.len() > MOST_REPLY {
            return Err(BusError::LargeReply(delivery.data.len()));
        }
        let is_json = delivery.properties.content_type().as_ref().is_some_and(|kind| kind.as_str() == JSON);
        return Ok(Reply { is_json, content: delivery.data });
    }
    Err(unsure(BusError::Away("the connection is lost".to_owned())))
}
