mod aside;
mod gathered;

use std::convert::Infallible;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use futures::{FutureExt as _, StreamExt as _};
use kafka::Producer;
use kernel::error_chain as chain;
use metrics::{counter, gauge, histogram};
use rdkafka::consumer::{Consumer as _, MessageStream, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, info, warn};

use self::gathered::{Gathered, Reached};
use crate::backlog::Backlog;
use crate::batch::{Committed, Processor};
use crate::counters::count_by_type;
use crate::dead_letters::Undertaker;
use crate::effects::Effects;
use crate::gaps::{Keeper, Skipped};
use crate::handle::Handle;
use crate::lag::Listener;
use crate::message::{Local, LogRecord, Message, Origin};
use crate::readers::{Readers, Unreadable};
use crate::relay::{Publisher, Relay};
use crate::retry::Parked;
use crate::settings::{Settings, backoff};
use crate::start::{Start, StartError, check_types, join, sources};
use crate::{Failure, Monitor, Outbox, Pace, Service, crash, inbox, lag, trace};

/// Outcomes and commands that may wait for the loop; a full queue holds up whoever brings more.
const LOCALS_MAX: usize = 4_096;
/// How long a record that is not urgent waits for one that is: at low rates, what an order leads to
/// next has come by then.
const LEISURE: Duration = Duration::from_millis(20);
/// How often the retry queue is looked through.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// How long records of the retry queue are tried before new ones get their turn.
const RETRY_TURN: Duration = Duration::from_millis(50);
/// How often inbox partitions are made and dropped.
const UPKEEP_EVERY: Duration = Duration::from_hours(1);
/// After this long in one batch the consumer is polled in between, so that Kafka does not take it
/// for dead (`max.poll.interval.ms` is five minutes).
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one transaction may take. A batch takes milliseconds; a database that does not answer
/// for this long is away.
const TRANSACTION_LIMIT: Duration = Duration::from_secs(20);
/// How long it may still take once the service is to stop.
const STOPPING_LIMIT: Duration = Duration::from_secs(3);
/// How often a batch is repeated at once because another instance changed an order's row.
const CONFLICTS_MAX: u32 = 20;
/// Longest wait between two attempts to reach a dependency.
const BACKOFF_CAP: Duration = Duration::from_secs(2);
/// How long the relay may take at shutdown to publish what is in memory. The rest is in the table.
const FLUSH_LIMIT: Duration = Duration::from_secs(4);
/// How long closing the consumer may take at shutdown; it blocks.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// Shut out by Kafka so many times in quick succession, an instance has a twin. Answers that are
/// lost come one at a time.
const SHUT_OUTS_MAX: u32 = 3;

/// A service's loop, ready to run.
pub struct Engine<S: Service> {
    processor: Processor<S>,
    readers: Arc<Readers<S::Input>>,
    /// The topics that are read.
    sources: Vec<String>,
    consumer: Arc<StreamConsumer<Listener>>,
    locals: mpsc::Receiver<Local<S::Input>>,
    relay: Arc<Relay>,
    backlog: Arc<Backlog>,
    effects: Arc<Effects<S>>,
    dead: Arc<Notify>,
    settings: Settings,
    monitor: Arc<dyn Monitor>,
    shutdown: CancellationToken,
    background: Vec<JoinHandle<()>>,
    publisher: JoinHandle<()>,
    publisher_stop: CancellationToken,
    /// While this is here the others leave this instance's rows alone.
    _life: DropGuard,
}

impl<S: Service> Engine<S> {
    /// Connects everything. Waits for Postgres, the registry and Kafka as long as they are away,
    /// telling the monitor why; fails when they are there but don't have what is needed.
    pub async fn start(
        service: Arc<S>,
        pool: Pool,
        settings: Settings,
        monitor: Arc<dyn Monitor>,
        shutdown: CancellationToken,
    ) -> Result<(Handle<S>, Self), StartError> {
        if settings.tracing {
            trace::enable();
        }
        let declaration = S::declaration();
        let name = declaration.service;
        let topics = settings.topics.clone();
        let start =
            Start { pool: &pool, settings: &settings, monitor: &monitor, shutdown: &shutdown };
        let life = CancellationToken::new();
        let number = start.postgres(&life).await?;
        let (encoders, readers) = start.registry(declaration).await?;
        check_types(&settings, &readers)?;
        let readers = Arc::new(readers);
        let sources = sources(&readers, &topics);
        start.kafka(&sources, name).await?;

        let client = |error: KafkaError| StartError::Client(chain(&error));
        let consumer = join(&settings, &sources, name, monitor.clone()).map_err(client)?;
        let producer =
            Arc::new(Producer::new(&settings.kafka_brokers, &topics.group(name)).map_err(client)?);

        let relay = Arc::new(Relay::new());
        let dead = Arc::new(Notify::new());
        let outbox = Outbox::new(name, number, encoders);
        let (locals_in, locals) = mpsc::channel(LOCALS_MAX);
        let effects = Effects::new(
            service.clone(),
            pool.clone(),
            outbox.clone(),
            &settings,
            monitor.clone(),
            locals_in.clone(),
        );
        let publisher = Publisher {
            relay: relay.clone(),
            pool: pool.clone(),
            producer: producer.clone(),
            topic: topics.events(name),
            source: outbox.source().to_owned(),
            instance: number,
            linger: settings.batch_linger,
            rate: settings.publish_rate,
        };
        let undertaker = Undertaker {
            pool: pool.clone(),
            producer,
            topic: topics.dead_letters(name),
            group: topics.group(name),
            wake: dead.clone(),
        };
        let skipped = Arc::new(Skipped::default());
        let keeper = Keeper {
            pool: pool.clone(),
            brokers: settings.kafka_brokers.clone(),
            topics: topics.clone(),
            readers: readers.clone(),
            skipped: skipped.clone(),
            grace: settings.gap_grace,
        };
        let backlog = Arc::new(Backlog::new(settings.backlog_max));
        let publisher_stop = CancellationToken::new();
        let background = vec![
            tokio::spawn(undertaker.run(shutdown.clone())),
            tokio::spawn(effects.clone().claim(shutdown.clone())),
            tokio::spawn(keeper.run(shutdown.clone())),
            tokio::spawn(backlog.clone().watch(pool.clone(), shutdown.clone())),
            tokio::spawn(upkeep(pool.clone(), settings.inbox_retention, shutdown.clone())),
        ];
        let handle = Handle { locals: locals_in, outbox: outbox.clone(), relay: relay.clone() };
        let engine = Self {
            processor: Processor::new(service, pool, outbox, skipped),
            readers,
            sources,
            consumer: Arc::new(consumer),
            locals,
            relay,
            backlog,
            effects,
            dead,
            settings,
            monitor,
            shutdown,
            background,
            publisher: tokio::spawn(publisher.run(publisher_stop.clone())),
            publisher_stop,
            _life: life.drop_guard(),
        };
        Ok((handle, engine))
    }

    /// Runs until shutdown: finishes the batch, flushes the relay, leaves the group. Fails when
    /// Kafka shuts this consumer out for good.
    pub async fn run(mut self) -> Result<(), String> {
        let end = self.turns().await;
        info!("stopping: the batch is done, publishing what is left");
        self.publisher_stop.cancel();
        if tokio::time::timeout(FLUSH_LIMIT, &mut self.publisher).await.is_err() {
            warn!("not all events could be published in time; they go out at the next start");
            self.publisher.abort();
        }
        for task in &self.background {
            task.abort();
        }
        close(self.consumer).await;
        end
    }

    /// Turns until shutdown, joining the group anew when Kafka shuts the consumer out.
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
            let Err(ShutOut(code)) = self.turn(&consumer).await else { return Ok(()) };
            // Heartbeats are a third of the session timeout apart.
            let soon = last.elapsed() < self.settings.session_timeout;
            (times, last) = (if soon { times + 1 } else { 1 }, Instant::now());
            if times == SHUT_OUTS_MAX {
                return Err(format!(
                    "Kafka shuts this consumer out again and again: {code}; is another instance \
                     running with the same KAFKA_GROUP_INSTANCE_ID?"
                ));
            }
            warn!(%code, "Kafka shuts this consumer out; joining the group anew");
            self.monitor.down("kafka", "joining the consumer group");
            let name = S::declaration().service;
            let joined = join(&self.settings, &self.sources, name, self.monitor.clone());
            let new = Arc::new(joined.map_err(|error| chain(&error))?);
            drop(consumer);
            close(std::mem::replace(&mut self.consumer, new)).await;
        }
    }

    async fn turn(&mut self, consumer: &StreamConsumer<Listener>) -> Result<(), ShutOut> {
        let mut stream = consumer.stream();
        let mut pace =
            Pace::new(self.settings.batch_linger).at_least(self.settings.batch_linger_min);
        let mut early: Vec<BorrowedMessage<'_>> = Vec::new();
        let mut next_retry = Instant::now();
        let mut held_up = false;
        while !self.shutdown.is_cancelled() {
            self.monitor.beat();
            held_up = self.hold_up(consumer, held_up);
            if Instant::now() >= next_retry {
                let more = tokio::select! {
                    more = self.retry_what_is_due(consumer) => more,
                    never = stay_in_group(consumer, &mut stream, &mut early) => match never {},
                };
                next_retry = Instant::now() + if more { Duration::ZERO } else { RETRY_EVERY };
            }
            let records = std::mem::take(&mut early);
            let gathered = self.gather(&mut stream, records, next_retry, &mut pace).await;
            let shut_out = gathered.shut_out;
            if gathered.is_empty() && shut_out.is_none() {
                continue;
            }
            pace.count(gathered.records.len() + gathered.locals.len());
            let reached = Reached::of(&gathered.records);
            let complete = tokio::select! {
                complete = self.work(gathered) => complete,
                never = stay_in_group(consumer, &mut stream, &mut early) => match never {},
            };
            if complete {
                crash::point("before-offsets");
                reached.store(consumer);
            }
            if let Some(code) = shut_out {
                return Err(ShutOut(code));
            }
        }
        Ok(())
    }

    /// Pauses the intake of events while there is more to be published, tried again or called
    /// outside than should be, and resumes it afterwards. What the service has taken in already
    /// goes on. Says whether it is paused.
    fn hold_up(&self, consumer: &StreamConsumer<Listener>, was: bool) -> bool {
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
            gauge!("farandole_intake_paused").set(f64::from(u8::from(reason.is_some())));
        }
        // Every time: after a rebalance partitions start out running, and long work pauses them.
        if reason.is_some() {
            lag::pause(consumer);
        } else {
            lag::resume(consumer);
        }
        reason.is_some()
    }

    /// Waits for something to do that is urgent, or has waited long enough, and for the pace; then
    /// takes all that is there, up to a batch.
    async fn gather<'c>(
        &mut self,
        stream: &mut MessageStream<'c, Listener>,
        records: Vec<BorrowedMessage<'c>>,
        until: Instant,
        pace: &mut Pace,
    ) -> Gathered<'c, S> {
        let mut gathered = Gathered { records, locals: Vec::new(), shut_out: None };
        let max = self.settings.batch_max;
        if gathered.is_empty() {
            let mut until = until;
            while !self.is_urgent(&gathered) {
                tokio::select! {
                    biased;
                    () = self.shutdown.cancelled() => return gathered,
                    Some(local) = self.locals.recv() => gathered.locals.push(local),
                    Some(polled) = stream.next() => gathered.take(polled),
                    () = tokio::time::sleep_until(until) => break,
                }
                if gathered.len() == 1 {
                    until = Instant::now() + LEISURE;
                }
            }
            if max > 1 && !gathered.is_empty() {
                pace.wait().await;
            }
        }
        while gathered.len() < max
            && let Ok(local) = self.locals.try_recv()
        {
            gathered.locals.push(local);
        }
        while gathered.len() < max
            && let Some(Some(polled)) = stream.next().now_or_never()
        {
            gathered.take(polled);
        }
        gathered
    }

    /// Whether what was gathered should be processed now.
    fn is_urgent(&self, gathered: &Gathered<'_, S>) -> bool {
        let urgent = |record| legibly(|| self.readers.is_urgent(headers(record))).unwrap_or(true);
        gathered.len() >= self.settings.batch_max
            || gathered.shut_out.is_some()
            || !gathered.locals.is_empty()
            || gathered.records.last().is_some_and(urgent)
    }

    /// Processes all that was gathered. Says whether all was processed or set aside.
    async fn work(&self, gathered: Gathered<'_, S>) -> bool {
        let started = Instant::now();
        let Gathered { records, locals, .. } = gathered;
        histogram!("farandole_batch_size")
            .record(f64::from(u32::try_from(records.len() + locals.len()).unwrap_or(u32::MAX)));
        let complete = self.carry(records, locals).await.is_ok();
        histogram!("farandole_batch_duration_seconds").record(started.elapsed());
        complete
    }

    /// Carries records, in their order, and then what comes from inside through one transaction, or
    /// more where a record has to wait for its schema.
    async fn carry(
        &self,
        records: Vec<BorrowedMessage<'_>>,
        locals: Vec<Local<S::Input>>,
    ) -> Result<(), Interrupted> {
        let count = |batch: &[Message<'_, S::Input>]| {
            let types = batch.iter().map(|message| message.name);
            count_by_type("farandole_events_consumed_total", types);
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
        &self,
        record: BorrowedMessage<'c>,
    ) -> Result<Legible<'c, S::Input>, Interrupted> {
        match legibly(|| self.readers.concerns(headers(&record))) {
            Some(true) => {}
            Some(false) => {
                legibly(|| self.processor.skipped.note(headers(&record)));
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
            match self.readers.read(headers(&record), record.key(), record.payload()).await {
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
                Err(Unreadable::NotYet { order, reason }) => {
                    let parked = Parked::from_record(&record, Some(order)).failed(&reason);
                    return Ok(Legible::Later(Box::new(parked)));
                }
                Err(Unreadable::RegistryAway(error)) => {
                    self.pause("schema registry", &error, attempt).await?;
                }
            }
        }
    }

    /// Carries a batch through, isolating messages that fail: halves it until the one that fails
    /// stands alone, and sets that one aside.
    async fn process(&self, batch: Vec<Message<'_, S::Input>>) -> Result<(), Interrupted> {
        let mut parts = vec![batch];
        let mut attempt = 0;
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.apply(&part).await {
                Ok(committed) => {
                    attempt = 0;
                    self.monitor.up("postgres");
                    self.finish(part, committed);
                }
                Err(Failure::Message(error)) if part.len() == 1 => {
                    if let Some(message) = part.pop() {
                        self.set_aside(message, error).await?;
                    }
                }
                Err(Failure::Message(_)) => {
                    // The first half goes first: an order's records stay in order.
                    let second = part.split_off(part.len() / 2);
                    parts.push(second);
                    parts.push(part);
                }
                Err(failure) => {
                    attempt += 1;
                    // What is wrong may be the connections, such as their prepared statements.
                    self.processor.pool.retain(|_, _| false);
                    self.pause("postgres", &failure.to_string(), attempt).await?;
                    parts.push(part);
                }
            }
        }
        Ok(())
    }

    /// One transaction, bounded in time, and repeated a few times when another instance came in
    /// between. Should it be in conflict for ever, that is the fault of a message, or a bug.
    async fn apply(&self, part: &[Message<'_, S::Input>]) -> Result<Committed<S::Effect>, Failure> {
        for _ in 0..CONFLICTS_MAX {
            let applied = tokio::select! {
                applied = self.processor.apply(part) => applied,
                () = self.patience_ends() => {
                    Err(Failure::Infrastructure("postgres: no answer in time".to_owned()))
                }
            };
            match applied {
                Err(Failure::Conflict) => counter!("farandole_conflicts_total").increment(1),
                result => return result,
            }
        }
        Err(Failure::Message(format!("{CONFLICTS_MAX} conflicts in a row")))
    }

    /// Returns when a transaction that has begun now takes too long.
    async fn patience_ends(&self) {
        let stopping = async {
            self.shutdown.cancelled().await;
            tokio::time::sleep(STOPPING_LIMIT).await;
        };
        tokio::select! {
            () = tokio::time::sleep(TRANSACTION_LIMIT) => {}
            () = stopping => {}
        }
    }

    /// After the commit: lets out what the batch led to.
    fn finish(&self, batch: Vec<Message<'_, S::Input>>, committed: Committed<S::Effect>) {
        for Message { order, name, cause, .. } in &batch {
            debug!(
                order_id = %order,
                r#type = name,
                event_id = cause.causation_id,
                correlation_id = cause.correlation_id,
                "processed"
            );
        }
        self.relay.hand(committed.bundle);
        self.effects.hand(committed.intents);
        self.processor.service.committed(&committed.orders);
        for message in batch {
            if let Origin::Command { done } = message.origin {
                // Whoever asked may have gone; the command is done all the same.
                let _ = done.send(Ok(()));
            }
        }
    }

    /// Something that is needed is away: tells so and waits, or is interrupted by the shutdown.
    async fn pause(
        &self,
        part: &'static str,
        error: &str,
        attempt: u32,
    ) -> Result<(), Interrupted> {
        warn!(part, error, attempt, "pausing");
        self.monitor.down(part, error);
        self.monitor.beat();
        let wait = backoff(attempt, Duration::from_millis(50), BACKOFF_CAP);
        let sleep = tokio::time::sleep(wait.max(Duration::from_millis(10)));
        self.shutdown.run_until_cancelled(sleep).await.ok_or(Interrupted)
    }
}

/// The shutdown came while something that is needed was away. Nothing is lost: what was not
/// committed is in the log still.
struct Interrupted;

/// What a record comes to when it is read.
enum Legible<'c, I> {
    Now(Message<'c, I>),
    /// Once its schema is registered. It has been tried.
    Later(Box<Parked>),
    /// It is not for this service, or is buried.
    Not,
}

/// Kafka takes nothing more from this consumer.
struct ShutOut(RDKafkaErrorCode);

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
        lag::pause(consumer);
        if let Ok(Some(Ok(record))) = tokio::time::timeout(PATIENCE, stream.next()).await {
            early.push(record);
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
fn legibly<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}

fn assigned(consumer: &StreamConsumer<Listener>) -> Vec<i32> {
    let mut partitions: Vec<i32> = consumer
        .assignment()
        .map(|list| list.elements().iter().map(TopicPartitionListElem::partition).collect())
        .unwrap_or_default();
    partitions.sort_unstable();
    partitions.dedup();
    partitions
}

/// Keeps inbox partitions ahead of time and drops those that are past their retention.
async fn upkeep(pool: Pool, retention: Duration, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(UPKEEP_EVERY)).await.is_some() {
        let done = async {
            inbox::prepare(&pool).await?;
            inbox::forget(&pool, retention).await
        };
        match done.await {
            Ok(0) => {}
            Ok(partitions) => info!(partitions, "inbox partitions past their retention dropped"),
            Err(failure) => warn!(%failure, "inbox upkeep failed, trying again in an hour"),
        }
    }
}
