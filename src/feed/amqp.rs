//! The message bus: every change to the exchange that the daemons of contrail listen on (contrail-api R21, feeds contract
//! 1). One server sends at a time; how far it has come is in the database, so that another one can take over.
//!
//! Nothing is left out, but some messages may come again, which does no harm (feeds contract 1.4). After a kill: what was
//! sent and not confirmed, or confirmed and not written down yet, is sent again: at most [`WINDOW`] and [`WRITE_AFTER`]
//! messages, and the last request's. After an outage of the broker: what was sent in the last [`SETTLED_AFTER`] before.

use super::{Feed, OpenError, Reader, raised};
use crate::{
    access::Identity,
    bus::{AmqpServer, AmqpServers, CONNECT_WITHIN, ConnectError, JSON, connect, properties},
    change_log::{LogEntry, LogOperation},
    graph::{FqName, Graph, Position},
    json_text,
    metrics::AMQP,
    render::{FieldNames, Renderer, Selection},
    store::{Session, StoreError, feed_position, operation},
};
use lapin::{
    Channel, Confirmation, Connection, ExchangeKind, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions},
    types::FieldTable,
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at},
};

/// What the consumers' queues are bound to.
pub const EXCHANGE: &str = "vnc_config.object-update";
/// The name of the position, and of the lock of who sends.
const SINK: &str = "amqp";
/// How many messages may wait for their confirmation.
const WINDOW: usize = 256;
/// After how many confirmed messages the position is written at the latest.
const WRITE_AFTER: u32 = 256;
/// After how much time.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// How long a confirmation may take (feeds contract 8.5).
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);
/// How long to wait before the next attempt at anything.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long consumers get to bind their queues again when the broker was away: what is sent before is dropped.
const CONSUMERS_RETURN: Duration = Duration::from_secs(5);
/// For how long it is tried again when none of them has by then; after that, nobody listens.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a confirmed message may wait in the queue of a consumer, to be lost there with the broker; what was confirmed
/// later than that before an outage is sent again.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// How often a position is renewed that does not change.
const RENEW_EVERY: Duration = Duration::from_secs(10);

/// Why sending has stopped.
#[derive(Debug, thiserror::Error)]
enum AmqpError {
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Database(#[from] StoreError),
    #[error("{0}")]
    Outage(&'static str),
    #[error("the broker refused a message")]
    Refused,
    #[error("no consumer has bound its queue again yet")]
    Unbound,
    #[error("the log does not go on from where it was sent")]
    Gone,
}

impl AmqpError {
    /// Whether another server may be the one to send now: the lock goes with the database's connection.
    fn ends_turn(&self) -> bool {
        matches!(self, Self::Database(_))
    }
}

/// How sending goes, as others may want to know.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Sending {
    /// Another server sends, if one does.
    #[default]
    Elsewhere,
    /// A broker takes what there is.
    Here,
    /// No broker can be used; why.
    Away(String),
}

/// Sends changes for as long as the server runs, whenever it is this server's turn; then finishes what there is.
pub async fn send(feed: Arc<Feed>, servers: AmqpServers, mut finish: watch::Receiver<bool>) {
    let mut reported = String::new();
    while !*finish.borrow() {
        let turn = async {
            let mut connection = feed.database.connect(operation::SINK).await?;
            if feed_position::take_turn(&mut connection, SINK).await? {
                hold_turn(&feed, &servers, connection, finish.clone()).await
            } else {
                Ok(())
            }
        };
        if let Err(error) = turn.await {
            report(&mut reported, &error);
        }
        feed.sending.send_replace(Sending::Elsewhere);
        // Whether it is this server's turn by then, or the end.
        let _ = timeout(TRY_AGAIN, raised(&mut finish)).await;
    }
}

/// Says what is wrong when it begins, not every second.
fn report(reported: &mut String, error: &AmqpError) {
    let text = error.to_string();
    if *reported != text {
        tracing::warn!(error = text, "AMQP: changes are not sent; tried again every second");
        *reported = text;
    }
}

/// Sends until the database is away or the server stops; brokers may come and go.
async fn hold_turn(
    feed: &Arc<Feed>,
    servers: &AmqpServers,
    connection: Session,
    finish: watch::Receiver<bool>,
) -> Result<(), AmqpError> {
    let mut sink = Sink::start(feed, connection).await?;
    let _turn = Turn::begin();
    loop {
        let sent = sink.connect_and_send(servers, finish.clone()).await;
        AMQP.sending.set(0);
        match sent {
            Ok(()) => return Ok(()),
            Err(error) if error.ends_turn() => return Err(error),
            Err(AmqpError::Gone) => sink.skip_what_is_gone().await?,
            Err(error) => {
                AMQP.outages.add(1);
                feed.sending.send_replace(Sending::Away(error.to_string()));
                report(&mut sink.reported, &error);
                sink.rewind(&error);
            }
        }
        sink.write_position().await?;
        if *finish.borrow() {
            return Ok(());
        }
        sleep(TRY_AGAIN).await;
    }
}

/// That it is this server's turn, for who looks at its metrics.
struct Turn;

impl Turn {
    fn begin() -> Self {
        AMQP.turn.set(1);
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        AMQP.turn.set(0);
        AMQP.sending.set(0);
    }
}

/// How far the changes have been sent.
struct Sink<'a> {
    feed: &'a Arc<Feed>,
    /// It holds the lock; without it nothing can be written down either.
    connection: Session,
    /// All changes up to here are confirmed.
    confirmed: Position,
    written: Position,
    written_at: Instant,
    /// Confirmed messages since the position was written.
    unwritten: u32,
    /// What was confirmed when, lately; the first one is settled.
    lately: VecDeque<(Instant, Position)>,
    /// Whether consumers have to come back first.
    after_outage: bool,
    /// Until when they may take to do so.
    patience: Option<Instant>,
    /// What was said of the present outage.
    reported: String,
}

/// A message that is not confirmed yet.
struct Sent {
    /// The revision that is complete with it, if any.
    complete: Option<u64>,
    confirmation: PublisherConfirm,
    /// When it is too late for that.
    deadline: Instant,
}

/// In the order in which they were sent.
type Window = VecDeque<Sent>;

impl<'a> Sink<'a> {
    /// Where the last one stopped; at the end of the log, if there was none: consumers read everything when they start.
    async fn start(feed: &'a Arc<Feed>, mut connection: Session) -> Result<Self, AmqpError> {
        let known = feed_position::read(&mut connection, SINK).await?;
        let confirmed = known.unwrap_or_else(|| feed.replica.current().position());
        let mut sink = Self {
            feed,
            connection,
            confirmed,
            written: confirmed,
            written_at: Instant::now(),
            unwritten: 0,
            lately: VecDeque::new(),
            after_outage: false,
            patience: None,
            reported: String::new(),
        };
        sink.write_position().await?;
        Ok(sink)
    }

    async fn write_position(&mut self) -> Result<(), AmqpError> {
        let server = self.feed.replica.lease.server();
        feed_position::write(&mut self.connection, SINK, self.confirmed, server).await?;
        self.written = self.confirmed;
        AMQP.confirmed.set(self.confirmed.revision);
        self.written_at = Instant::now();
        self.unwritten = 0;
        Ok(())
    }

    /// Notes how far it has come, to know later what consumers surely have.
    fn note(&mut self) {
        let now = Instant::now();
        self.lately.push_back((now, self.confirmed));
        while self.lately.get(1).is_some_and(|(then, _)| now - *then >= SETTLED_AFTER) {
            self.lately.pop_front();
        }
    }

    /// After an outage: back to what consumers surely have. Their queues are gone with the broker.
    fn rewind(&mut self, error: &AmqpError) {
        if let Some((_, settled)) = self.lately.front() {
            self.confirmed = *settled;
        }
        self.lately.clear();
        self.after_outage = true;
        if !matches!(error, AmqpError::Unbound) {
            self.patience = None;
        }
    }

    /// Goes on where the log begins: consumers have missed something then, and it is said so.
    async fn skip_what_is_gone(&mut self) -> Result<(), AmqpError> {
        let (oldest, current) = (self.feed.oldest().await?, self.feed.replica.current().position());
        // Of another history nothing is of use; consumers have to read everything anyway.
        let next = if oldest.epoch == self.confirmed.epoch { oldest } else { current };
        tracing::error!(
            from = %self.confirmed, to = %next,
            "AMQP: changes were not sent and can't be any more; consumers have to be restarted to read everything"
        );
        self.confirmed = next;
        self.lately.clear();
        Ok(())
    }

    async fn connect_and_send(
        &mut self,
        servers: &AmqpServers,
        finish: watch::Receiver<bool>,
    ) -> Result<(), AmqpError> {
        let reader = match self.feed.open(self.confirmed).await {
            Ok(reader) => reader.for_sink(),
            Err(OpenError::Gone(_) | OpenError::Future(_)) => return Err(AmqpError::Gone),
            Err(OpenError::Away(error)) => return Err(error.into()),
        };
        let (connection, channel) = self.connect(servers).await?;
        self.feed.sending.send_replace(Sending::Here);
        if self.after_outage {
            self.patience.get_or_insert_with(|| Instant::now() + PATIENCE);
            sleep(CONSUMERS_RETURN).await;
        } else {
            tracing::info!(from = %self.confirmed, "AMQP: changes are sent");
        }
        AMQP.sending.set(1);
        let sent = self.send(reader, &channel, finish).await;
        if sent.is_ok() {
            // It is confirmed already.
            let _ = connection.close(200, "the server stops".into()).await;
        }
        sent
    }

    /// The first broker that takes messages.
    async fn connect(&mut self, servers: &AmqpServers) -> Result<(Connection, Channel), AmqpError> {
        let mut last = AmqpError::Outage("no broker");
        for server in servers.all() {
            match prepare(server).await {
                Ok(ready) => return Ok(ready),
                Err(error) => last = error,
            }
            self.feed.sending.send_replace(Sending::Away(last.to_string()));
            report(&mut self.reported, &last);
            if self.written_at.elapsed() > RENEW_EVERY {
                self.write_position().await?;
            }
        }
        Err(last)
    }

    /// Sends what comes until the server stops, and then what there is.
    async fn send(
        &mut self,
        mut reader: Reader,
        channel: &Channel,
        mut finish: watch::Receiver<bool>,
    ) -> Result<(), AmqpError> {
        let mut window = Window::new();
        let mut ticks = interval(WRITE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // The ticks come first: under load there is always something else to do.
                biased;
                _ = ticks.tick() => {
                    // Also when there is nothing to send: what was sent last may be lost with the broker.
                    if !channel.status().connected() {
                        return Err(AmqpError::Outage("the connection is lost"));
                    }
                    self.note();
                    if self.written != self.confirmed || self.written_at.elapsed() > RENEW_EVERY {
                        self.write_position().await?;
                    }
                }
                confirmed = first_confirmed(&mut window), if !window.is_empty() => {
                    self.confirm(&confirmed?)?;
                    if self.unwritten >= WRITE_AFTER {
                        self.write_position().await?;
                    }
                }
                page = reader.next(), if window.len() < WINDOW => {
                    let page = page.map_err(|_| AmqpError::Gone)?;
                    self.publish(&page, channel, &mut window).await?;
                }
                () = raised(&mut finish), if window.is_empty() => {
                    return self.write_position().await;
                }
            }
        }
    }

    async fn publish(
        &mut self,
        page: &[Arc<LogEntry>],
        channel: &Channel,
        window: &mut Window,
    ) -> Result<(), AmqpError> {
        let graph = self.feed.replica.current();
        for entry in page {
            let messages = messages(&graph, entry);
            let complete = (entry.revision == entry.request).then_some(entry.revision);
            let last = messages.len().saturating_sub(1);
            for (index, message) in messages.iter().enumerate() {
                while window.len() >= WINDOW {
                    let confirmed = first_confirmed(window).await?;
                    self.confirm(&confirmed)?;
                }
                let confirmation = publish(channel, message).await?;
                let complete = complete.filter(|_| index == last);
                window.push_back(Sent { complete, confirmation, deadline: Instant::now() + CONFIRM_WITHIN });
            }
            // What is not told on the bus is done with all that was told before it.
            if let Some(revision) = complete.filter(|_| messages.is_empty()) {
                match window.back_mut() {
                    Some(sent) => sent.complete = Some(revision),
                    None => self.confirmed.revision = revision,
                }
            }
        }
        Ok(())
    }

    fn confirm(&mut self, confirmed: &Confirmed) -> Result<(), AmqpError> {
        if self.after_outage {
            if !confirmed.reached_a_queue && self.patience.is_some_and(|patience| Instant::now() < patience) {
                return Err(AmqpError::Unbound);
            }
            self.after_outage = false;
            self.reported.clear();
            tracing::info!(from = %self.confirmed, "AMQP: changes are sent again");
        }
        self.unwritten += 1;
        AMQP.messages.add(1);
        if let Some(revision) = confirmed.complete {
            self.confirmed.revision = revision;
        }
        Ok(())
    }
}

/// A message that the broker has taken.
struct Confirmed {
    /// The revision that is complete with it, if any.
    complete: Option<u64>,
    reached_a_queue: bool,
}

/// Waits for the confirmation of the oldest message. Nothing is lost when the wait is given up.
async fn first_confirmed(window: &mut Window) -> Result<Confirmed, AmqpError> {
    let Some(sent) = window.front_mut() else { return std::future::pending().await };
    let late = |_| AmqpError::Outage("a confirmation did not come in time");
    // Its own deadline, not one from now on: this wait is given up and begun anew all the time.
    let confirmation = timeout_at(sent.deadline, &mut sent.confirmation).await.map_err(late)??;
    let complete = sent.complete;
    window.pop_front();
    match confirmation {
        Confirmation::Ack(returned) => Ok(Confirmed { complete, reached_a_queue: returned.is_none() }),
        Confirmation::Nack(_) | Confirmation::NotRequested => Err(AmqpError::Refused),
    }
}

async fn prepare(server: &AmqpServer) -> Result<(Connection, Channel), AmqpError> {
    let (connection, channel) = connect(server).await?;
    let ready = async {
        // All publishers and consumers declare it, so it has to be just this: not durable, not deleted by itself.
        let options = ExchangeDeclareOptions::default();
        channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Fanout, options, FieldTable::default()).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await
    };
    timeout(CONNECT_WITHIN, ready).await.map_err(|_| ConnectError::Silent)??;
    Ok((connection, channel))
}

async fn publish(channel: &Channel, message: &[u8]) -> Result<PublisherConfirm, AmqpError> {
    // A message that reaches no queue comes back.
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = properties(JSON, FieldTable::default());
    let sent = channel.basic_publish(EXCHANGE.into(), "".into(), options, message, properties);
    let late = |_| AmqpError::Outage("the broker takes no messages");
    Ok(timeout(CONFIRM_WITHIN, sent).await.map_err(late)??)
}

/// What is told of a change: usually one message; none of reserved addresses. A rename is told as a delete and a create:
/// consumers know objects by name.
fn messages(graph: &Graph, entry: &LogEntry) -> Vec<Vec<u8>> {
    let told: &[(&str, bool)] = match entry.operation {
        LogOperation::Create => &[("CREATE", true)],
        LogOperation::Update => &[("UPDATE", false)],
        LogOperation::Implicit => &[("UPDATE-IMPLICIT", false)],
        LogOperation::Delete => &[("DELETE", true)],
        LogOperation::Rename => &[("DELETE", true), ("CREATE", true)],
        LogOperation::Reserve | LogOperation::Free => &[],
    };
    let name_of = |operation: &str| match &entry.former_name {
        Some(former) if operation == "DELETE" => former,
        _ => &entry.fq_name,
    };
    told.iter()
        .map(|(operation, with_object)| message(graph, entry, operation, name_of(operation), *with_object))
        .collect()
}

fn message(graph: &Graph, entry: &LogEntry, operation: &str, fq_name: &FqName, with_object: bool) -> Vec<u8> {
    let mut output = Vec::with_capacity(1024);
    let mut field = |start: &str, value: &dyn Fn(&mut Vec<u8>)| {
        output.extend_from_slice(start.as_bytes());
        value(&mut output);
    };
    let kind = graph.model().object_type(entry.type_id).name.replace('-', "_");
    field("{\"request-id\":", &|output| json_text::write(output, &entry.request_id.as_deref()));
    field(",\"oper\":", &|output| json_text::write(output, operation));
    field(",\"type\":", &|output| json_text::write(output, &kind));
    field(",\"uuid\":", &|output| json_text::write(output, &entry.uuid.to_string()));
    field(",\"fq_name\":", &|output| json_text::write(output, &fq_name.elements()));
    if let Some(object) = entry.object().filter(|_| with_object) {
        let identity = Identity::server(SINK);
        let renderer =
            Renderer { graph, identity: &identity, base: None, link_hrefs: false, name: false, parent: true };
        let own = Selection::All { back_references: false, children: false, also: FieldNames::new() };
        field(",\"obj_dict\":", &|output| renderer.logged_object(output, entry, object, &own));
    }
    output.push(b'}');
    output
}
