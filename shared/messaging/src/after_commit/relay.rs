//! The relay: publishes committed events, in order per saga, and sees to it that the rows of those
//! that are in the log go.
//!
//! Events are handed over in memory after the commit. Whatever else is in the table (what a crash
//! left, what memory did not hold, what a commit wrote whose answer was lost) is found by one sweep:
//! the rows that are this instance's or of one that is gone, and that are not in memory. There is
//! no cursor that outlives a sweep: rows that commit late would be skipped by one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use contracts::Envelope;
use kafka::{Producer, PublishError, Record, Throttle, header};
use kernel::SagaKey;
use rdkafka::message::OwnedHeaders;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::outputs::Outputs;
use super::resequencer::{Resequencer, Sequenced, Whose};
use super::sweep::{self, Page};
use crate::EVENTS;
use crate::again;
use crate::counters::count_by_type;
use crate::crash;
use crate::database::Session;
use crate::failure::Failure;
use crate::instruments::{PUBLISHED, REFUSED};
use crate::pace::Pace;
use crate::tables::bundle::{Bundle, BundleId, Bundled, Outgoing};
use crate::tables::outbox::Outbox;
use crate::tables::statement::Write;
use crate::trace;

/// The most events held in memory. Past it they are in the table only, and are found there when
/// there is room; at 500 bytes each this is 25 MB.
const QUEUE_MAX: usize = 50_000;
/// The most events published before the acknowledgements are awaited.
const BATCH_MAX: usize = 2_000;
/// How often the table is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How long a sweep is put off for which memory has no room.
const NO_ROOM_FOR: Duration = Duration::from_millis(50);
/// Rows that are younger are on their way here through memory, as a rule.
const OVERLOOKED_AFTER: Duration = Duration::from_secs(2);
/// How often it is asked whether what an event follows is gone.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// How long published rows may wait for a statement that deletes them by the way.
const DELETE_AFTER: Duration = Duration::from_millis(100);
/// How long an event that Kafka refuses waits before it is tried again, while others land; and when
/// none does, which is the topic's fault or a missing right's, and over once that is mended.
const REFUSED_FOR: Duration = Duration::from_secs(30);
const ALL_REFUSED_FOR: Duration = Duration::from_secs(2);
/// When so many events in a row are refused, each by itself, so are the others of the batch.
const REFUSED_IN_A_ROW: u32 = 16;

impl Sequenced for Bundled {
    fn saga(&self) -> SagaKey {
        self.event.envelope.saga
    }

    fn sequence(&self) -> u32 {
        self.event.envelope.sequence
    }

    fn follows(&self) -> Option<BundleId> {
        self.event.follows
    }
}

/// What is handed to the relay, in memory.
pub(crate) struct Relay {
    queue: Mutex<Queue>,
    wake: Notify,
    /// How publishing goes.
    pub(super) outputs: Outputs,
}

#[derive(Default)]
struct Queue {
    bundles: VecDeque<Bundle>,
    /// Events here and with the worker.
    events: usize,
    /// More came than memory holds, and is to be found in the table.
    overflowed: bool,
    /// That, and it has not been found yet.
    behind: bool,
}

impl Relay {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::default(), wake: Notify::new(), outputs: Outputs::default() }
    }

    /// Hands over committed events.
    pub(crate) fn hand(&self, bundle: Bundle) {
        let mut queue = self.lock();
        if queue.events + bundle.events.len() <= QUEUE_MAX {
            queue.events += bundle.events.len();
            queue.bundles.push_back(bundle);
        } else {
            (queue.overflowed, queue.behind) = (true, true);
        }
        drop(queue);
        self.wake.notify_one();
    }

    /// Whether more is waiting than memory holds: the sign to take no new work in.
    pub(crate) fn is_behind(&self) -> bool {
        self.lock().behind
    }

    fn take(&self) -> Vec<Bundle> {
        let mut queue = self.lock();
        let (mut count, mut events) = (0, 0);
        while let Some(bundle) = queue.bundles.get(count)
            && events < BATCH_MAX
        {
            events += bundle.events.len();
            count += 1;
        }
        queue.bundles.drain(..count).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The relay's worker.
pub(crate) struct RelayWorker {
    relay: Arc<Relay>,
    session: Session,
    outbox: Outbox,
    producer: Arc<Producer>,
    topic: String,
    /// Commits come from two sides, the loop's and those of commands such as placing: what the one
    /// brings must not wait for long because of the other.
    pace: Pace,
    throttle: Throttle,
    events: Resequencer<Bundled>,
    started: Instant,
    sweep: Sweep,
    next_question: Instant,
    /// How often Postgres has failed in a row, and until when it is left alone.
    table_failures: u32,
    rest_until: Instant,
    /// How often Kafka has failed in a row.
    publish_failures: u32,
}

/// How far the sweep has come.
struct Sweep {
    next: Instant,
    /// The last bundle of the page before.
    after: Option<BundleId>,
    /// Rows however young: it makes up for an overflow.
    catches_up: bool,
}

/// What the worker publishes with.
pub(crate) struct Outlet {
    pub(crate) producer: Arc<Producer>,
    pub(crate) topic: String,
    pub(crate) linger: Duration,
    pub(crate) rate: Option<NonZeroU32>,
}

impl RelayWorker {
    /// `session` should be one whose commits need not wait for the disk: a delete that is lost in a
    /// crash of the server only means that a row is published again.
    pub(crate) fn new(
        relay: Arc<Relay>,
        session: Session,
        outbox: Outbox,
        Outlet { producer, topic, linger, rate }: Outlet,
    ) -> Self {
        let now = Instant::now();
        Self {
            relay,
            session,
            outbox,
            producer,
            topic,
            pace: Pace::new(linger / 2),
            throttle: Throttle::new(rate),
            events: Resequencer::default(),
            started: now,
            sweep: Sweep { next: now, after: None, catches_up: false },
            next_question: now,
            table_failures: 0,
            rest_until: now,
            publish_failures: 0,
        }
    }

    /// Publishes until `shutdown`, then what is still in memory; the caller bounds that wait.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            self.take_in();
            self.look_at_the_table().await;
            let events = self.events.fly(self.throttle.batch(BATCH_MAX));
            if !events.is_empty() {
                let count = events.len();
                self.throttle.wait(count).await;
                self.publish(events).await;
                self.pace.done(count);
                continue;
            }
            if shutdown.is_cancelled() && (self.events.is_empty() || self.events.has_only_refused())
            {
                break;
            }
            let until = self.next_look();
            tokio::select! {
                () = self.relay.wake.notified() => self.pace.wait().await,
                () = tokio::time::sleep_until(until) => {}
                () = shutdown.cancelled(), if !shutdown.is_cancelled() => {}
            }
        }
        if let Err(failure) = self.delete_published().await {
            warn!(error = %failure, "leaving published events in the outbox for the next start");
        }
    }

    /// Takes in what was handed over.
    fn take_in(&mut self) {
        let now = self.now();
        self.events.deleted(self.outbox.deleted());
        self.events.try_again(now);
        while self.events.ready() < BATCH_MAX {
            let bundles = self.relay.take();
            if bundles.is_empty() {
                break;
            }
            for bundle in bundles {
                let (id, count) = (bundle.id, bundle.events.len());
                if !self.events.take_in(id, bundle.into_events(), now) {
                    // The sweep was quicker.
                    self.forget(count);
                }
            }
        }
    }

    /// Does what is to be done in the table: asks about what events follow, sweeps, deletes.
    async fn look_at_the_table(&mut self) {
        if Instant::now() < self.rest_until {
            return;
        }
        match self.ask_and_sweep().await {
            Ok(()) => self.table_failures = 0,
            Err(failure) => {
                self.table_failures += 1;
                self.rest_until = Instant::now() + again::wait(self.table_failures);
                warn!(error = %failure, "cannot look at the outbox, trying again");
            }
        }
    }

    async fn ask_and_sweep(&mut self) -> Result<(), Failure> {
        let questions = self.events.questions();
        if !questions.is_empty() && Instant::now() >= self.next_question {
            self.ask(questions).await?;
            self.next_question = Instant::now() + ASK_EVERY;
        }
        let overflowed = self.relay.lock().overflowed;
        if overflowed || Instant::now() >= self.sweep.next {
            if self.has_room() {
                self.sweep().await?;
            } else {
                self.sweep.next = Instant::now() + NO_ROOM_FOR;
            }
        }
        let waiting = self.outbox.waiting_since();
        if waiting.is_some_and(|since| since.elapsed() >= DELETE_AFTER) {
            self.delete_published().await?;
        }
        Ok(())
    }

    /// Whether a page of the table fits into memory beside what waits there.
    fn has_room(&self) -> bool {
        self.events.ready() < BATCH_MAX && self.relay.lock().events + BATCH_MAX <= QUEUE_MAX
    }

    /// Asks whether what events follow is in the table still, and takes up what is this instance's
    /// to publish.
    async fn ask(&mut self, questions: BTreeSet<BundleId>) -> Result<(), Failure> {
        let instance = self.outbox.instance();
        let there: BTreeMap<BundleId, Whose> =
            sweep::whose(&mut self.session, instance, &questions).await?;
        let now = self.now();
        let to_take_up = self.events.answer(&questions, &there, now);
        if !to_take_up.is_empty() {
            info!(bundles = to_take_up.len(), "publishing what others wait for");
            let taken = sweep::take_over(&mut self.session, &self.outbox, &to_take_up).await?;
            self.take_up(taken);
        }
        Ok(())
    }

    /// Looks through a page of the table.
    async fn sweep(&mut self) -> Result<(), Failure> {
        if self.sweep.after.is_none() {
            // What comes from here on goes to memory again, or says so. What came before is in the
            // table, and found below.
            let mut queue = self.relay.lock();
            self.sweep.catches_up = std::mem::take(&mut queue.overflowed) || queue.behind;
        }
        let older_than = if self.sweep.catches_up { Duration::ZERO } else { OVERLOOKED_AFTER };
        let instance = self.outbox.instance();
        let after = self.sweep.after;
        let page = sweep::page(&mut self.session, instance, after, older_than, BATCH_MAX).await;
        let Page { mut bundles, is_last, last } = match page {
            Ok(page) => page,
            Err(failure) => {
                if self.sweep.catches_up {
                    self.relay.lock().overflowed = true;
                }
                self.sweep.after = None;
                return Err(failure);
            }
        };
        // What the relay's own statements delete may come back when the server crashes.
        let back = bundles.iter().copied().filter(|bundle| self.events.is_deleted(*bundle));
        self.outbox.are_published(back);
        bundles.retain(|bundle| !self.events.knows(*bundle));
        if !bundles.is_empty() {
            let taken = sweep::take_left(&mut self.session, &self.outbox, &bundles).await?;
            if !taken.is_empty() {
                let events: usize = taken.iter().map(|bundle| bundle.events.len()).sum();
                info!(events, "publishing events that were found in the outbox");
            }
            self.take_up(taken);
        }
        self.sweep.after = if is_last { None } else { last };
        self.sweep.next = Instant::now() + if is_last { SWEEP_EVERY } else { Duration::ZERO };
        if is_last {
            let mut queue = self.relay.lock();
            queue.behind = queue.overflowed;
        }
        Ok(())
    }

    fn take_up(&mut self, bundles: Vec<Bundle>) {
        let now = self.now();
        for bundle in bundles {
            let (id, count) = (bundle.id, bundle.events.len());
            if self.events.take_in(id, bundle.into_events(), now) {
                self.relay.lock().events += count;
            }
        }
    }

    /// Publishes events. Those that are not known to be in the log go again.
    async fn publish(&mut self, events: Vec<Bundled>) {
        self.relay.outputs.begin();
        let began = SystemTime::now();
        let results = self.send_isolating(&events).await;
        crash::point("after-publish");
        let now = self.now();
        let (mut landed, mut failed, mut reason) = (Vec::with_capacity(events.len()), 0, None);
        let none_lands = !results.iter().any(Result::is_ok);
        let refused_for = if none_lands { ALL_REFUSED_FOR } else { REFUSED_FOR };
        // The last first: what failed goes back to the front.
        for (event, result) in events.into_iter().zip(results).rev() {
            match result {
                Ok(()) => landed.push(event),
                Err(error) if error.refused => {
                    let Envelope { saga, event_type, .. } = &event.event.envelope;
                    self.relay.outputs.refuse(*saga, event_type, &error);
                    tell_refused(&event, &error.reason);
                    self.events.refused(event, now + refused_for);
                }
                Err(error) => {
                    (failed, reason) = (failed + 1, Some(error.reason));
                    self.events.failed(event);
                }
            }
        }
        for event in &landed {
            self.events.landed(event, now);
        }
        self.relay.outputs.end(landed.iter().map(Bundled::saga), reason.as_deref());
        self.forget(landed.len());
        if trace::tracing_enabled() {
            for one in &landed {
                trace::sent(&self.topic, &one.event.envelope, began);
            }
        }
        tell_published(landed.iter().map(|one| &one.event));
        self.outbox.are_published(landed.iter().filter_map(Bundled::published));
        if let Some(reason) = reason {
            warn!(reason, events = failed, "cannot publish, trying again");
            self.publish_failures += 1;
            tokio::time::sleep(again::wait(self.publish_failures)).await;
        } else {
            self.publish_failures = 0;
        }
    }

    /// Publishes events, and of those that are refused together each half by itself, down to the
    /// ones that are refused alone: Kafka refuses a batch whole for one of its records.
    async fn send_isolating(&self, events: &[Bundled]) -> Vec<Result<(), PublishError>> {
        let all: Vec<usize> = (0..events.len()).collect();
        let mut results = vec![Ok(()); events.len()];
        let (mut groups, mut in_a_row) = (vec![all], 0);
        while let Some(group) = groups.pop() {
            let sent = self.send(group.iter().map(|at| &events[*at])).await;
            let mut suspects = Vec::new();
            for (at, result) in group.iter().zip(sent) {
                if result.as_ref().is_err_and(|error| error.refused) {
                    suspects.push(*at);
                }
                results[*at] = result;
            }
            if suspects.len() < group.len() {
                in_a_row = 0;
            } else if group.len() == 1 {
                in_a_row += 1;
            }
            if in_a_row == REFUSED_IN_A_ROW {
                break;
            }
            if group.len() > 1 && !suspects.is_empty() {
                let rest = suspects.split_off(suspects.len() / 2);
                groups.extend([rest, suspects].into_iter().filter(|half| !half.is_empty()));
            }
        }
        results
    }

    async fn send<'e>(
        &self,
        events: impl ExactSizeIterator<Item = &'e Bundled> + Clone,
    ) -> Vec<Result<(), PublishError>> {
        let keys: Vec<String> = events.clone().map(|one| one.saga().to_string()).collect();
        let records = events.zip(&keys).map(|(one, key)| record(&self.topic, &one.event, key));
        self.producer.publish(records).await
    }

    /// Has published rows deleted that no other statement has deleted by the way.
    async fn delete_published(&mut self) -> Result<(), Failure> {
        while self.outbox.waiting_since().is_some() {
            let mut write = Write::default();
            let clearing = self.outbox.clear(&mut write)?;
            write.run(&mut self.session).await?;
            clearing.done();
        }
        Ok(())
    }

    /// So many events are in memory no more.
    fn forget(&self, events: usize) {
        let mut queue = self.relay.lock();
        queue.events = queue.events.saturating_sub(events);
    }

    /// When there is something to do without anybody waking this.
    fn next_look(&self) -> Instant {
        let mut next = self.sweep.next;
        if !self.events.questions().is_empty() {
            next = next.min(self.next_question);
        }
        if let Some(since) = self.outbox.waiting_since() {
            next = next.min(since + DELETE_AFTER);
        }
        if let Some(until) = self.events.next_try() {
            next = next.min(self.started + until);
        }
        next.max(self.rest_until)
    }

    /// The time since this began.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

fn record<'a>(topic: &'a str, event: &'a Outgoing, key: &'a str) -> Record<'a> {
    let all = event.envelope.headers();
    let headers =
        all.iter().fold(OwnedHeaders::new_with_capacity(all.len()), |headers, (name, value)| {
            header(headers, name, value.as_bytes())
        });
    Record { topic, key: Some(key.as_bytes()), payload: Some(event.payload.as_slice()), headers }
}

fn tell_published<'a>(events: impl Iterator<Item = &'a Outgoing> + Clone) {
    for Outgoing { envelope, .. } in events.clone() {
        debug!(
            target: EVENTS,
            saga = %envelope.saga,
            r#type = envelope.event_type,
            event_id = %envelope.id,
            correlation_id = envelope.correlation_id,
            causation_id = envelope.causation_id,
            producer = envelope.source.trim_start_matches('/'),
            "published"
        );
    }
    let types = events.map(|event| event.envelope.event_type.as_str());
    count_by_type(&PUBLISHED, types);
}

fn tell_refused(event: &Bundled, reason: &str) {
    let envelope = &event.event.envelope;
    REFUSED.of([&envelope.event_type]).increment(1);
    error!(
        saga = %envelope.saga,
        r#type = envelope.event_type,
        event_id = %envelope.id,
        bundle_id = event.bundle().0,
        bytes = event.event.payload.len(),
        reason,
        "Kafka refuses an event; it stays in the outbox and is tried again, and its saga's later \
         events wait behind it"
    );
}
