//! The loop: polls what is there, carries it through in batches, and lets Kafka know how far it is.

use std::convert::Infallible;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use kernel::error_chain;
use rdkafka::consumer::{Consumer as _, MessageStream, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::delays::Delays;
use super::ends::Ends;
use super::group::join;
use super::listener::{self, Listener};
use super::polled::{Offsets, Polled};
use crate::EVENTS;
use crate::after_commit::backlog::Backlog;
use crate::after_commit::effects::Effects;
use crate::after_commit::relay::Relay;
use crate::again::{self, CONFLICTS_MAX};
use crate::counters::count_by_type;
use crate::crash;
use crate::failure::Failure;
use crate::instruments::{BATCH_DURATION, BATCH_SIZE, CONFLICTS, CONSUMED, INTAKE_PAUSED};
use crate::pace::Pace;
use crate::record::message::{Local, LogRecord, Message, Origin};
use crate::record::readers::{Readers, Unreadable};
use crate::service::{Monitor, Service};
use crate::settings::LoopSettings;
use crate::tables::parked::Parked;
use crate::transaction::batch::{Committed, Processor};

/// How long a record that is not urgent waits for one that is: at low rates, what a saga leads to
/// next has come by then.
const IDLE_LINGER: Duration = Duration::from_millis(20);
/// How often the retry queue is looked through.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// How long records of the retry queue are tried before new ones get their turn.
pub(super) const RETRY_TURN: Duration = Duration::from_millis(50);
/// After this long in one batch the consumer is polled in between, so that Kafka does not take it
/// for dead (`max.poll.interval.ms` is five minutes).
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a transaction may still take once the service is to stop.
const STOPPING_LIMIT: Duration = Duration::from_secs(3);
/// How long closing the consumer may take at shutdown; it blocks.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// After so long in which locks kept everything from being processed the service is not ready.
const LOCKED_LIMIT: Duration = Duration::from_secs(10);
/// What readiness calls the carrying through of batches.
const PROCESSING: &str = "processing";
/// Fenced by Kafka so many times in quick succession, an instance has a twin. Answers that are lost
/// come one at a time.
const FENCED_MAX: u32 = 3;

/// A service's loop, ready to turn.
pub(crate) struct ConsumerLoop<S: Service> {
    pub(crate) processor: Processor<S>,
    pub(crate) readers: Arc<Readers<S::Input>>,
    /// The topics that are read.
    pub(crate) sources: Vec<String>,
    /// Where they end.
    pub(crate) ends: Arc<Ends>,
    pub(crate) consumer: Arc<StreamConsumer<Listener>>,
    pub(crate) locals: mpsc::Receiver<Local<S::Input>>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) effects: Arc<Effects<S::Effect>>,
    /// Wakes who moves dead letters.
    pub(crate) dead: Arc<Notify>,
    pub(crate) settings: LoopSettings,
    pub(crate) monitor: Arc<dyn Monitor>,
    pub(crate) shutdown: CancellationToken,
    /// Messages of the batch at hand that are neither processed nor parked yet.
    pub(crate) unfinished: usize,
    /// Messages that were taken in since this was looked at last, those for this service.
    pub(crate) taken: usize,
    /// Since when locks keep everything from being processed.
    pub(crate) locked_since: Option<Instant>,
    pub(crate) delays: Delays,
}

impl<S: Service> ConsumerLoop<S> {
    /// Turns until shutdown and finishes the batch. Fails when Kafka fences this consumer for good.
    pub(crate) async fn run(&mut self) -> Result<(), String> {
        self.monitor.up(PROCESSING);
        self.turns().await
    }

    /// Leaves the group.
    pub(crate) async fn close(self) {
        close(self.consumer).await;
    }

    /// Turns until shutdown, joining the group anew when Kafka fences the consumer.
    ///
    /// That happens without anybody's fault: when the answer to a static member's joining is lost,
    /// its next attempt looks to Kafka as if a successor took its place, and Kafka fences the
    /// predecessor (KIP-345). Two instances of the same name fence each other with every heartbeat,
    /// until the older one gives up here.
    async fn turns(&mut self) -> Result<(), String> {
        let mut times = 0;
        let mut last = Instant::now();
        loop {
            let consumer = self.consumer.clone();
            let Err(Fenced(code)) = self.turn(&consumer).await else { return Ok(()) };
            // Heartbeats are a third of the session timeout apart.
            let soon = last.elapsed() < self.settings.session_timeout;
            (times, last) = (if soon { times + 1 } else { 1 }, Instant::now());
            if times == FENCED_MAX {
                return Err(format!(
                    "Kafka fences this consumer again and again: {code}; is another instance \
                     running with the same KAFKA_GROUP_INSTANCE_ID?"
                ));
            }
            warn!(%code, "Kafka has fenced this consumer; joining the group anew");
            self.monitor.down("kafka", "joining the consumer group");
            let name = S::declaration().service;
            let joined =
                join(&self.settings, &self.sources, name, self.monitor.clone(), self.ends.clone());
            let new = Arc::new(joined.map_err(|error| error_chain(&error))?);
            drop(consumer);
            close(std::mem::replace(&mut self.consumer, new)).await;
        }
    }

    async fn turn(&mut self, consumer: &StreamConsumer<Listener>) -> Result<(), Fenced> {
        let mut stream = consumer.stream();
        let mut pace =
            Pace::new(self.settings.batch_linger).at_least(self.settings.batch_linger_min);
        let mut early: Vec<BorrowedMessage<'_>> = Vec::new();
        let mut next_retry = Instant::now();
        let mut held_up = false;
        while !self.shutdown.is_cancelled() {
            self.monitor.beat();
            // It may have come while records were processed, and is told only once.
            if let Some((code, _)) = consumer.client().fatal_error() {
                return Err(Fenced(code));
            }
            held_up = self.apply_backpressure(consumer, held_up);
            if Instant::now() >= next_retry {
                let more = tokio::select! {
                    more = self.retry_what_is_due(consumer) => more,
                    never = stay_in_group(consumer, &mut stream, &mut early) => match never {},
                };
                next_retry = Instant::now() + if more { Duration::ZERO } else { RETRY_EVERY };
            }
            let records = std::mem::take(&mut early);
            let polled = self.gather(consumer, &mut stream, records, next_retry, &mut pace).await;
            let fenced = polled.fenced;
            if polled.is_empty() && fenced.is_none() {
                continue;
            }
            consumer.context().polled(&polled.records);
            let reached = Offsets::of(&polled.records);
            let complete = tokio::select! {
                complete = self.work(polled) => complete,
                never = stay_in_group(consumer, &mut stream, &mut early) => match never {},
            };
            pace.done(mem::take(&mut self.taken));
            if complete {
                crash::point("before-offsets");
                reached.store(consumer, self.unfinished);
            }
            if let Some(code) = fenced {
                return Err(Fenced(code));
            }
        }
        Ok(())
    }

    /// Pauses the intake of events while there is more to be published, tried again or called
    /// outside than should be, and resumes it afterwards. What the service has taken in already
    /// goes on. Says whether it is paused.
    fn apply_backpressure(&self, consumer: &StreamConsumer<Listener>, was: bool) -> bool {
        let reason = if self.relay.is_behind() {
            Some("the outbox is not published fast enough")
        } else {
            self.backlog.too_long()
        };
        if reason.is_some() != was {
            if let Some(reason) = reason {
                warn!(reason, "taking in no more events for now");
            } else {
                info!("taking in events again");
            }
            self.monitor.intake(reason);
            INTAKE_PAUSED.count([], u64::from(reason.is_some()));
        }
        // Every time: after a rebalance partitions start out running, and long work pauses them.
        if reason.is_some() {
            listener::pause(consumer);
        } else {
            listener::resume(consumer);
        }
        reason.is_some()
    }

    /// Waits for something to do that is urgent, or has waited long enough, and for the pace; then
    /// takes all that is there, up to a batch.
    async fn gather<'c>(
        &mut self,
        consumer: &StreamConsumer<Listener>,
        stream: &mut MessageStream<'c, Listener>,
        records: Vec<BorrowedMessage<'c>>,
        until: Instant,
        pace: &mut Pace,
    ) -> Polled<'c, S> {
        let mut polled = Polled { records, locals: Vec::new(), fenced: None };
        let max = self.settings.batch_max;
        let tell = |error: Option<KafkaError>| {
            if let Some(error) = error {
                consumer.context().failed(&error);
            }
        };
        if polled.is_empty() {
            let mut until = until;
            while !self.is_urgent(&polled) {
                tokio::select! {
                    biased;
                    () = self.shutdown.cancelled() => return polled,
                    Some(local) = self.locals.recv() => polled.locals.push(local),
                    Some(next) = stream.next() => tell(polled.take(next)),
                    () = tokio::time::sleep_until(until) => break,
                }
                if polled.len() == 1 {
                    until = Instant::now() + IDLE_LINGER;
                }
            }
            if max > 1 && !polled.is_empty() {
                pace.wait().await;
            }
        }
        while polled.len() < max
            && let Ok(local) = self.locals.try_recv()
        {
            polled.locals.push(local);
        }
        while polled.len() < max
            && let Some(Some(next)) = stream.next().now_or_never()
        {
            tell(polled.take(next));
        }
        polled
    }

    /// Whether what was polled should be processed now.
    fn is_urgent(&self, polled: &Polled<'_, S>) -> bool {
        let urgent = |record| {
            with_utf8_header_names(|| self.readers.is_urgent(headers(record))).unwrap_or(true)
        };
        polled.len() >= self.settings.batch_max
            || polled.fenced.is_some()
            || !polled.locals.is_empty()
            || polled.records.last().is_some_and(urgent)
    }

    /// Processes all that was polled. Says whether all was processed or parked.
    async fn work(&mut self, polled: Polled<'_, S>) -> bool {
        let started = Instant::now();
        let Polled { records, locals, .. } = polled;
        BATCH_SIZE
            .of([])
            .record(f64::from(u32::try_from(records.len() + locals.len()).unwrap_or(u32::MAX)));
        let complete = self.carry(records, locals).await.is_ok();
        BATCH_DURATION.of([]).record(started.elapsed());
        complete
    }

    /// Carries records, in their order, and then what comes from inside through one transaction, or
    /// more where a record has to wait for its schema.
    async fn carry(
        &mut self,
        records: Vec<BorrowedMessage<'_>>,
        locals: Vec<Local<S::Input>>,
    ) -> Result<(), Interrupted> {
        let count = |batch: &[Message<'_, S::Input>]| {
            let types = batch.iter().map(|message| message.name);
            count_by_type(&CONSUMED, types);
        };
        let mut batch = Vec::with_capacity(records.len() + locals.len());
        for record in records {
            match self.read(record).await? {
                Legible::Not => {}
                Legible::Now(message) => batch.push(message),
                // What came before it must not find it in the retry queue and wait behind it.
                Legible::Later(parked) => {
                    count(&batch);
                    self.process(mem::take(&mut batch)).await?;
                    self.retry_or_bury(*parked).await?;
                }
            }
        }
        count(&batch);
        batch.extend(locals);
        self.process(batch).await
    }

    /// What a record says, if it is for this service. One that can never be decoded is buried.
    async fn read<'c>(
        &mut self,
        record: BorrowedMessage<'c>,
    ) -> Result<Legible<'c, S::Input>, Interrupted> {
        match with_utf8_header_names(|| self.readers.concerns(headers(&record))) {
            Some(true) => {}
            Some(false) => {
                with_utf8_header_names(|| self.processor.skipped.note(headers(&record)));
                return Ok(Legible::Not);
            }
            None => {
                let error = "a header's name is not UTF-8; the headers are lost";
                self.bury(&Parked::without_headers(&record).failed(error)).await?;
                return Ok(Legible::Not);
            }
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (topic, headers) = (record.topic(), headers(&record));
            match self.readers.read(topic, headers, record.key(), record.payload()).await {
                Ok(read) => {
                    let record = LogRecord::Borrowed(record);
                    let message = Message::new(read, |event| Origin::Event { event, record });
                    return Ok(Legible::Now(message));
                }
                Err(Unreadable::Garbage(error)) => {
                    let parked = Parked::from_record(&record, None).failed(&error);
                    self.bury(&parked).await?;
                    return Ok(Legible::Not);
                }
                Err(Unreadable::NotYet { saga, reason }) => {
                    let parked = Parked::from_record(&record, Some(saga)).failed(&reason);
                    return Ok(Legible::Later(Box::new(parked)));
                }
                Err(Unreadable::RegistryAway(error)) => {
                    self.pause("schema registry", &error, attempt).await?;
                }
            }
        }
    }

    /// Carries a batch through, isolating messages that fail: halves it until the one that fails
    /// stands alone, and parks that one.
    pub(super) async fn process(
        &mut self,
        batch: Vec<Message<'_, S::Input>>,
    ) -> Result<(), Interrupted> {
        self.unfinished = batch.len();
        self.taken += batch.len();
        let mut parts = vec![batch];
        let mut attempt = 0;
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            self.monitor.beat();
            match self.apply(&part).await {
                Ok(committed) => {
                    attempt = 0;
                    self.monitor.up("postgres");
                    if self.locked_since.take().is_some() {
                        self.monitor.up(PROCESSING);
                    }
                    self.finish(part, committed);
                }
                Err(Failure::Locked(error)) => {
                    self.tell_locked(&error);
                    if part.len() > 1 {
                        // Whose saga it is that somebody has locked is found out by halves.
                        let second = part.split_off(part.len() / 2);
                        parts.push(second);
                        parts.push(part);
                    } else if let Some(message) = part.pop() {
                        self.postpone(message, error).await?;
                    }
                }
                Err(Failure::Poison(error)) if part.len() == 1 => {
                    if let Some(message) = part.pop() {
                        self.park(message, error).await?;
                    }
                }
                Err(Failure::Poison(_)) => {
                    // The first half goes first: a saga's records stay in order.
                    let second = part.split_off(part.len() / 2);
                    parts.push(second);
                    parts.push(part);
                }
                Err(failure) => {
                    attempt += 1;
                    self.pause("postgres", &failure.to_string(), attempt).await?;
                    // A batch that is too much for the server is tried in halves.
                    if matches!(failure, Failure::TooSlow(_)) && part.len() > 1 {
                        let second = part.split_off(part.len() / 2);
                        parts.push(second);
                    }
                    parts.push(part);
                }
            }
        }
        Ok(())
    }

    /// That a row is locked holds up a saga; that nothing goes through for a while is more.
    fn tell_locked(&mut self, error: &str) {
        let since = *self.locked_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= LOCKED_LIMIT {
            let s = since.elapsed().as_secs();
            self.monitor.down(PROCESSING, &format!("nothing could be written for {s} s: {error}"));
        }
    }

    /// One transaction, repeated a few times when another instance came in between. Should it be in
    /// conflict for ever, that is the fault of a message, or a bug.
    async fn apply(
        &mut self,
        part: &[Message<'_, S::Input>],
    ) -> Result<Committed<S::Effect>, Failure> {
        for _ in 0..CONFLICTS_MAX {
            let shutdown = self.shutdown.clone();
            let stopping = async {
                shutdown.cancelled().await;
                tokio::time::sleep(STOPPING_LIMIT).await;
            };
            let applied = tokio::select! {
                applied = self.processor.apply(part) => applied,
                () = stopping => {
                    Err(Failure::Infrastructure("postgres: no answer in time to stop".to_owned()))
                }
            };
            match applied {
                Err(Failure::Conflict) => CONFLICTS.of([]).increment(1),
                result => return result,
            }
        }
        Err(Failure::Poison(format!(
            "{CONFLICTS_MAX} conflicts in a row: what the database has does not fit together, or \
             other instances change it without end"
        )))
    }

    /// After the commit: lets out what the batch led to.
    fn finish(&mut self, batch: Vec<Message<'_, S::Input>>, committed: Committed<S::Effect>) {
        self.unfinished -= batch.len();
        self.delays.note(&batch);
        for message @ Message { saga, name, cause, .. } in &batch {
            if message.event().is_some() {
                debug!(
                    target: EVENTS,
                    %saga,
                    r#type = name,
                    event_id = cause.causation_id,
                    correlation_id = cause.correlation_id,
                    consumer = self.processor.outbox.service(),
                    "consumed"
                );
            } else {
                debug!(%saga, step = name, correlation_id = cause.correlation_id, "processed");
            }
        }
        if let Some(bundle) = committed.bundle {
            self.relay.hand(bundle);
        }
        self.effects.hand(committed.intents);
        for message in batch {
            if let Origin::Command { done } | Origin::Decided { done, .. } = message.origin {
                // Whoever asked may have gone; the command is done all the same.
                let _ = done.send(Ok(()));
            }
        }
    }

    /// Something that is needed is away: tells so and waits, or is interrupted by the shutdown.
    pub(super) async fn pause(
        &self,
        part: &'static str,
        error: &str,
        attempt: u32,
    ) -> Result<(), Interrupted> {
        warn!(part, error, attempt, "pausing");
        self.monitor.down(part, error);
        self.monitor.beat();
        again::pause(attempt, &self.shutdown).await.ok_or(Interrupted)
    }
}

/// The shutdown came while something that is needed was away. Nothing is lost: what was not
/// committed is in the log still.
pub(super) struct Interrupted;

/// What a record comes to when it is read.
enum Legible<'c, I> {
    Now(Message<'c, I>),
    /// Once its schema is registered. It has been tried.
    Later(Box<Parked>),
    /// It is not for this service, or is buried.
    Not,
}

/// Kafka takes nothing more from this consumer: another has its place.
struct Fenced(RDKafkaErrorCode);

/// Leaves the group. Blocks, hence elsewhere.
async fn close(consumer: Arc<StreamConsumer<Listener>>) {
    let close = tokio::task::spawn_blocking(move || drop(consumer));
    if tokio::time::timeout(CLOSE_LIMIT, close).await.is_err() {
        warn!("closing the consumer took too long; its partitions go over after the timeout");
    }
}

/// Polls the consumer during long work, so that the group does not count it out. Partitions are
/// paused, until the loop resumes them; what comes all the same is kept for the next batch. Never
/// returns.
async fn stay_in_group<'c>(
    consumer: &StreamConsumer<Listener>,
    stream: &mut MessageStream<'c, Listener>,
    early: &mut Vec<BorrowedMessage<'c>>,
) -> Infallible {
    tokio::time::sleep(PATIENCE).await;
    loop {
        listener::pause(consumer);
        match tokio::time::timeout(PATIENCE, stream.next()).await {
            Ok(Some(Ok(record))) => early.push(record),
            Ok(Some(Err(error))) => consumer.context().failed(&error),
            Ok(None) | Err(_) => {}
        }
    }
}

fn headers<'a>(
    record: &'a BorrowedMessage<'_>,
) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> {
    record
        .headers()
        .into_iter()
        .flat_map(|headers| headers.iter().map(|header| (header.key, header.value)))
}

/// What comes of reading headers; `None` if the name of one is not UTF-8: the client panics at it,
/// and one record must not do that to us.
fn with_utf8_header_names<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}

pub(super) fn assigned(consumer: &StreamConsumer<Listener>) -> Vec<i32> {
    let mut partitions: Vec<i32> = consumer
        .assignment()
        .map(|list| list.elements().iter().map(TopicPartitionListElem::partition).collect())
        .unwrap_or_default();
    partitions.sort_unstable();
    partitions.dedup();
    partitions
}
