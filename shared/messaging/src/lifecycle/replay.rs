//! Reads a stretch of the topics again, beside the running service and harmlessly: the inbox drops
//! what was processed, and what was not is processed now.

use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use contracts::Declaration;
use kafka::{AdminError, Bounds, Producer, Throttle, Window, scan, windows};
use kernel::{SagaKey, error_chain};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::start::{Start, StartError, sources};
use crate::after_commit::relay::{Outlet, Relay, RelayWorker};
use crate::again::{self, CONFLICTS_MAX};
use crate::database::{Database, Purpose};
use crate::failure::Failure;
use crate::record::message::{LogRecord, Message, Origin};
use crate::record::readers::{Readers, Unreadable};
use crate::record::skipped::Skipped;
use crate::service::{DecisionOf, Monitor, Service};
use crate::settings::LoopSettings;
use crate::tables::outbox::Outbox;
use crate::tables::parked::Parked;
use crate::tables::retry;
use crate::tables::state_table::StateTable;
use crate::transaction::batch::{Committed, Processor};
use crate::transaction::cache::Cache;

/// Records read ahead.
const AHEAD: usize = 2_000;
/// How long what was decided may take to be published at the end. The rest is in the outbox.
const FLUSH_LIMIT: Duration = Duration::from_secs(30);
/// The most failures described one by one.
const FAILURES_MAX: usize = 100;
/// What a decision is refused with when it would call outside and is not to.
const WITHHELD: &str = "it would make a call to the outside";

/// What is to be read again, and how.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Which stretch of the topics.
    pub stretch: Stretch,
    /// The most records a second; `None` for as many as there are.
    pub rate: Option<NonZeroU32>,
    /// Whether events may lead to calls to the outside. If not, an event that would is left alone
    /// and counted.
    pub with_effects: bool,
}

/// A stretch of the topics that a service reads.
#[derive(Debug, Clone)]
pub enum Stretch {
    /// By time, in all of them.
    Times(Bounds),
    /// By offsets, in these partitions. Topics are named with their prefix.
    Offsets(Vec<Window>),
}

/// What came of it, in records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Records in the stretch.
    pub total: u64,
    /// Records read so far.
    pub read: u64,
    /// Not for this service.
    pub skipped: u64,
    /// Processed before, so nothing happened.
    pub duplicates: u64,
    /// Processed now.
    pub applied: u64,
    /// Put into the retry queue, behind others of their saga that wait there.
    pub held: u64,
    /// Left alone, because they would have made a call to the outside.
    pub withheld: u64,
    /// Have failed before, and are dead letters. They are put back by a redrive.
    pub dead: u64,
    /// Could not be read, or not be processed. They are where they were.
    pub failed: u64,
    /// What failed or was left alone, up to a hundred.
    pub failures: Vec<ReplayFailure>,
}

/// A record that was not processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayFailure {
    /// Topic, partition and offset, such as `order.events/0/17`.
    pub place: String,
    /// Its saga, if that could be read.
    pub saga: Option<SagaKey>,
    /// Why.
    pub reason: String,
}

/// Why a replay did not come to its end. What it did is done; doing it again is harmless.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// It could not begin.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Kafka went away, or does not have a topic.
    #[error(transparent)]
    Kafka(#[from] AdminError),
    /// It was stopped.
    #[error("stopped; run it again to go on, what was done is not done twice")]
    Stopped,
}

impl Replay {
    /// Reads the stretch once. `progress` is called after each batch.
    pub async fn run<S: Service>(
        self,
        service: S,
        database: &Database,
        settings: LoopSettings,
        monitor: Arc<dyn Monitor>,
        shutdown: CancellationToken,
        progress: impl FnMut(&Replayed),
    ) -> Result<Replayed, ReplayError> {
        let (settings, monitor) = (&settings, &monitor);
        let start = Start { database, settings, monitor, shutdown: &shutdown };
        let sign = start.postgres().await?;
        let number = sign.number();
        let life = CancellationToken::new();
        let _life = life.clone().drop_guard();
        tokio::spawn(sign.keep(life, |_| ()));
        let (encoders, readers) = start.registry(S::declaration()).await?;
        let windows = self.windows(settings, &readers).await?;

        let outbox = Outbox::new(S::declaration().service, number, encoders);
        let relay = Arc::new(Relay::new());
        let publisher = relay_worker(settings, database, &outbox, relay.clone())?;
        let publisher_stop = CancellationToken::new();
        let mut publishing = tokio::spawn(publisher.run(publisher_stop.clone()));

        let service = Arc::new(Careful { service, with_effects: self.with_effects });
        let skipped = Arc::new(Skipped::default());
        let session = database.session(Purpose::new("replay"));
        let cache = Arc::new(Cache::new());
        let processor = Processor::new(service, session, outbox, skipped, cache);
        let rounds = Rounds { processor, readers, relay, shutdown: shutdown.clone() };
        let done = self.turn(rounds, windows, settings, progress).await;
        publisher_stop.cancel();
        // What is not published in time is in the outbox, and the service publishes it.
        if tokio::time::timeout(FLUSH_LIMIT, &mut publishing).await.is_err() {
            publishing.abort();
        }
        done
    }

    async fn windows<I: 'static>(
        &self,
        settings: &LoopSettings,
        readers: &Readers<I>,
    ) -> Result<Vec<Window>, ReplayError> {
        let (stretch, brokers) = (self.stretch.clone(), settings.kafka_brokers.clone());
        let topics = sources(readers, &settings.topics);
        let asking = tokio::task::spawn_blocking(move || match stretch {
            Stretch::Times(bounds) => windows(&brokers, &topics, bounds),
            Stretch::Offsets(wanted) => {
                if let Some(other) = wanted.iter().find(|one| !topics.contains(&one.topic)) {
                    return Err(AdminError::Refused(format!(
                        "{} is not a topic that this service reads; it reads {}",
                        other.topic,
                        topics.join(", ")
                    )));
                }
                let there = windows(&brokers, &topics, Bounds::Everything)?;
                Ok(wanted.iter().filter_map(|one| within(one, &there)).collect())
            }
        });
        Ok(asking.await.map_err(|_| ReplayError::Stopped)??)
    }

    async fn turn<S: Service>(
        &self,
        mut rounds: Rounds<Careful<S>>,
        windows: Vec<Window>,
        settings: &LoopSettings,
        mut progress: impl FnMut(&Replayed),
    ) -> Result<Replayed, ReplayError> {
        let total = windows.iter().map(|one| (one.to - one.from).unsigned_abs()).sum();
        let mut replayed = Replayed { total, ..Replayed::default() };
        let mut throttle = Throttle::new(self.rate);
        let batch_max = throttle.batch(settings.batch_max);
        let (sender, mut records) = mpsc::channel(AHEAD);
        let brokers = settings.kafka_brokers.clone();
        let scanning = tokio::task::spawn_blocking(move || {
            scan(&brokers, &windows, |record| {
                match sender.blocking_send(Parked::from_scanned(record, None)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            })
        });
        let mut batch = Vec::with_capacity(batch_max);
        let stopped = rounds.shutdown.clone();
        while stopped
            .run_until_cancelled(records.recv_many(&mut batch, batch_max))
            .await
            .ok_or(ReplayError::Stopped)?
            > 0
        {
            throttle.wait(batch.len()).await;
            rounds.go(std::mem::take(&mut batch), &mut replayed).await?;
            progress(&replayed);
        }
        scanning.await.map_err(|_| ReplayError::Stopped)??;
        Ok(replayed)
    }
}

/// The part of the wanted window that the topic has.
fn within(wanted: &Window, there: &[Window]) -> Option<Window> {
    let there =
        there.iter().find(|one| one.topic == wanted.topic && one.partition == wanted.partition)?;
    let (from, to) = (wanted.from.max(there.from), wanted.to.min(there.to));
    (from < to).then(|| Window { from, to, ..wanted.clone() })
}

fn relay_worker(
    settings: &LoopSettings,
    database: &Database,
    outbox: &Outbox,
    relay: Arc<Relay>,
) -> Result<RelayWorker, StartError> {
    let service = outbox.source().trim_start_matches('/');
    let producer = Producer::new(&settings.kafka_brokers, &settings.topics.group(service))
        .map_err(|error| StartError::Client(error_chain(&error)))?;
    let outlet = Outlet {
        producer: Arc::new(producer),
        topic: settings.topics.events(service),
        linger: settings.batch_linger,
        rate: settings.publish_rate,
    };
    let session = database.session(Purpose::new("relay").may_be_undone());
    Ok(RelayWorker::new(relay, session, outbox.clone(), outlet))
}

/// Carries batches through.
struct Rounds<S: Service> {
    processor: Processor<S>,
    readers: Readers<S::Input>,
    relay: Arc<Relay>,
    shutdown: CancellationToken,
}

impl<S: Service> Rounds<S> {
    async fn go(&mut self, batch: Vec<Parked>, to: &mut Replayed) -> Result<(), ReplayError> {
        let mut messages = Vec::with_capacity(batch.len());
        for record in batch {
            to.read += 1;
            if self.readers.concerns(record.headers()) {
                messages.extend(self.read(record, to).await?);
            } else {
                self.processor.skipped.note(record.headers());
                to.skipped += 1;
            }
        }
        if messages.is_empty() {
            return Ok(());
        }
        match self.apply(&messages).await? {
            Ok(committed) => self.count(&messages, committed, to),
            Err(reason) if messages.len() == 1 => self.fail_all(&messages, &reason, to).await?,
            // One of them fails: each by itself.
            Err(_) => {
                for message in messages {
                    let alone = [message];
                    match self.apply(&alone).await? {
                        Ok(committed) => self.count(&alone, committed, to),
                        Err(reason) => self.fail_all(&alone, &reason, to).await?,
                    }
                }
            }
        }
        Ok(())
    }

    async fn read(
        &mut self,
        record: Parked,
        to: &mut Replayed,
    ) -> Result<Option<Message<'static, S::Input>>, ReplayError> {
        for attempt in 1.. {
            let (key, payload) = (record.key.as_deref(), record.payload.as_deref());
            match self.readers.read(&record.topic, record.headers(), key, payload).await {
                Ok(read) => {
                    let record = LogRecord::Copied(Box::new(record));
                    return Ok(Some(Message::new(read, |event| Origin::Event { event, record })));
                }
                Err(Unreadable::Garbage(reason)) => {
                    self.fail(&record, None, &reason, to).await?;
                    return Ok(None);
                }
                Err(Unreadable::NotYet { saga, reason }) => {
                    self.fail(&record, Some(saga), &reason, to).await?;
                    return Ok(None);
                }
                Err(Unreadable::RegistryAway(_)) => self.wait(attempt).await?,
            }
        }
        Ok(None)
    }

    /// One transaction, repeated while the database is away or the service comes in between.
    async fn apply(
        &mut self,
        messages: &[Message<'_, S::Input>],
    ) -> Result<Result<Committed<S::Effect>, String>, ReplayError> {
        let mut conflicts = 0;
        for attempt in 1.. {
            match self.processor.apply(messages).await {
                Ok(committed) => return Ok(Ok(committed)),
                Err(Failure::Poison(reason)) => return Ok(Err(reason)),
                Err(Failure::Conflict) if conflicts < CONFLICTS_MAX => conflicts += 1,
                Err(Failure::Conflict) => return Ok(Err(Failure::Conflict.to_string())),
                Err(Failure::Infrastructure(_) | Failure::TooSlow(_) | Failure::Locked(_)) => {
                    self.wait(attempt).await?;
                }
            }
        }
        Err(ReplayError::Stopped)
    }

    fn count(
        &self,
        messages: &[Message<'_, S::Input>],
        committed: Committed<S::Effect>,
        to: &mut Replayed,
    ) {
        let (duplicates, held) = (committed.duplicates as u64, committed.held as u64);
        to.duplicates += duplicates;
        to.held += held;
        to.applied += messages.len() as u64 - duplicates - held;
        if let Some(bundle) = committed.bundle {
            self.relay.hand(bundle);
        }
        // Calls are left to the service: it takes over the intents of instances that are gone.
    }

    async fn fail_all(
        &mut self,
        messages: &[Message<'_, S::Input>],
        reason: &str,
        to: &mut Replayed,
    ) -> Result<(), ReplayError> {
        for message in messages {
            if let Origin::Event { record: LogRecord::Copied(record), .. } = &message.origin {
                self.fail(record, Some(message.saga), reason, to).await?;
            }
        }
        Ok(())
    }

    /// Counts a record that was not processed.
    async fn fail(
        &mut self,
        record: &Parked,
        saga: Option<SagaKey>,
        reason: &str,
        to: &mut Replayed,
    ) -> Result<(), ReplayError> {
        if reason == WITHHELD {
            to.withheld += 1;
        } else if self.is_dead(record).await? {
            to.dead += 1;
            return Ok(());
        } else {
            to.failed += 1;
        }
        describe(record, saga, reason.to_owned(), to);
        Ok(())
    }

    /// Whether the service has given this record up before.
    async fn is_dead(&mut self, record: &Parked) -> Result<bool, ReplayError> {
        for attempt in 1.. {
            match retry::is_dead(&mut self.processor.session, record).await {
                Ok(dead) => return Ok(dead),
                Err(_) => self.wait(attempt).await?,
            }
        }
        Ok(false)
    }

    async fn wait(&self, attempt: u32) -> Result<(), ReplayError> {
        again::pause(attempt, &self.shutdown).await.ok_or(ReplayError::Stopped)
    }
}

fn describe(record: &Parked, saga: Option<SagaKey>, reason: String, to: &mut Replayed) {
    if to.failures.len() < FAILURES_MAX {
        let place = format!("{}/{}/{}", record.topic, record.partition, record.offset);
        to.failures.push(ReplayFailure { place, saga, reason });
    }
}

/// The service, which refuses to decide on what would call outside, unless it may.
struct Careful<S> {
    service: S,
    with_effects: bool,
}

impl<S: Service> Service for Careful<S> {
    type Input = S::Input;
    type Event = S::Event;
    type Effect = S::Effect;
    type State = S::State;
    type Shared = S::Shared;

    const STATES: StateTable = S::STATES;

    fn declaration() -> Declaration<Self::Input> {
        S::declaration()
    }

    fn decide(
        &self,
        saga: SagaKey,
        state: &S::State,
        input: &S::Input,
        shared: &mut S::Shared,
    ) -> Result<DecisionOf<S>, Failure> {
        let decision = self.service.decide(saga, state, input, shared)?;
        if decision.effects.is_empty() || self.with_effects {
            Ok(decision)
        } else {
            Err(Failure::Poison(WITHHELD.to_owned()))
        }
    }
}
