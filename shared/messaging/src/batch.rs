use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use futures::future::OptionFuture;
use kernel::OrderId;
use metrics::counter;
use uuid::Uuid;

use crate::gaps::{self, Numbered, Skipped};
use crate::intents::{self, Intent, IntentId, Settled};
use crate::message::{Cause, EventId, Message, Origin};
use crate::outbox::{Bundle, BundleId, Outbox, Outgoing};
use crate::retry::{Fate, Open};
use crate::service::{Service, World};
use crate::{Call, Db, Failure, crash, inbox, retry, trace};

/// Carries one batch through one transaction.
pub(crate) struct Processor<S: Service> {
    pub(crate) service: Arc<S>,
    pub(crate) pool: Pool,
    pub(crate) outbox: Outbox,
    pub(crate) skipped: Arc<Skipped>,
    /// Whether the next batch is likely to bring what was processed before, as happens after a
    /// restart. If not, it is taken for new, and repeated if it turns out not to be.
    expects_duplicates: AtomicBool,
}

/// What a committed batch leaves to be done.
pub(crate) struct Committed<F> {
    pub(crate) orders: Vec<OrderId>,
    /// What is to be published.
    pub(crate) bundle: Bundle,
    /// The calls that are to be made.
    pub(crate) intents: Vec<Intent<F>>,
    /// How many messages were dropped, for they had been processed before.
    pub(crate) duplicates: usize,
    /// How many records were put behind others of their order in the retry queue.
    pub(crate) held: usize,
    /// The events, until they are in the outbox.
    drafted: Vec<Outgoing>,
    /// The calls, until their intents are in the table.
    calls: Vec<Call<F>>,
    /// Numbers that are missing before those that came.
    missing: Vec<Numbered>,
    /// Numbers that came, of orders in which some were missing.
    found: Vec<Numbered>,
}

impl<F> Default for Committed<F> {
    fn default() -> Self {
        Self {
            orders: Vec::new(),
            bundle: Bundle::default(),
            intents: Vec::new(),
            duplicates: 0,
            held: 0,
            drafted: Vec::new(),
            calls: Vec::new(),
            missing: Vec::new(),
            found: Vec::new(),
        }
    }
}

/// What has been found out about a batch before deciding.
struct Known {
    /// What the inbox did not know.
    new_ids: HashSet<Uuid>,
    /// Those of them that a message of this batch has been let through for.
    passed: HashSet<Uuid>,
    new_outcomes: HashSet<IntentId>,
    open: Open,
}

type Effects<S> = Committed<<S as Service>::Effect>;

impl<S: Service> Processor<S> {
    pub(crate) fn new(service: Arc<S>, pool: Pool, outbox: Outbox, skipped: Arc<Skipped>) -> Self {
        Self { service, pool, outbox, skipped, expects_duplicates: AtomicBool::new(true) }
    }

    /// All messages or none: on an error nothing has happened. The number of SQL statements does
    /// not depend on the number of messages (but for records that wait in the retry queue, each
    /// of which takes one more).
    pub(crate) async fn apply(
        &self,
        batch: &[Message<'_, S::Input>],
    ) -> Result<Effects<S>, Failure> {
        let looks = self.expects_duplicates.load(Ordering::Relaxed);
        let applied = self.carry(batch, looks).await;
        let expects = applied.as_ref().map_or(true, |committed| committed.duplicates > 0);
        self.expects_duplicates.store(expects, Ordering::Relaxed);
        applied
    }

    async fn carry(
        &self,
        batch: &[Message<'_, S::Input>],
        looks: bool,
    ) -> Result<Effects<S>, Failure> {
        crash::point("before-transaction");
        let client = self.pool.get().await?;
        let db = Db::new(&client);
        let inputs: Vec<(OrderId, &S::Input)> =
            batch.iter().map(|message| (message.order, &message.input)).collect();
        let orders = orders_of(batch);
        let outcomes: Vec<IntentId> = batch.iter().filter_map(Message::intent).collect();
        let redriven: Vec<Uuid> = batch.iter().filter_map(Message::redrive_id).collect();
        // One round trip: the statements are on their way together. When one fails, so do
        // those after it: biased, the error is that of the first.
        let ((), mut new_ids, new_redriven, settled, open, mut world) = tokio::try_join!(
            biased;
            db.open(),
            remember(&db, batch, looks),
            optional((!redriven.is_empty()).then(|| inbox::insert_redriven(&db, redriven))),
            intents::settle(&db, outcomes.into_iter()),
            retry::open(&db, &orders),
            self.service.load(&db, &inputs),
        )?;
        crash::point("after-inbox");
        new_ids.extend(new_redriven);
        let Settled { new: new_outcomes, done } = settled;
        let mut known = Known { new_ids, passed: HashSet::new(), new_outcomes, open };
        let mut held = Vec::new();
        let mut committed = Committed::default();
        let bundle = self.outbox.next_bundle();
        for message in batch {
            match known.verdict(message) {
                Verdict::Process => {
                    self.decide(bundle, &mut world, message, &mut committed)?;
                    self.count_off(&mut world, message, &known.open, &mut committed);
                }
                Verdict::Hold => held.push(message),
                Verdict::Drop => {
                    committed.duplicates += 1;
                    counter!("farandole_duplicates_total", "type" => message.name).increment(1);
                }
            }
        }
        committed.held = held.len();
        hold(&db, &held, &known.new_ids).await?;
        gaps::notice(&db, &committed.missing).await?;
        gaps::close(&db, &committed.found).await?;
        for message in batch {
            if let Origin::Parked { row, .. } = &message.origin {
                retry::remove(&db, row).await?;
            }
        }
        let drafted = std::mem::take(&mut committed.drafted);
        let calls = std::mem::take(&mut committed.calls);
        ((), committed.bundle, committed.intents, ()) = tokio::try_join!(
            biased;
            self.service.save(&db, world),
            self.outbox.append(&db, bundle, drafted),
            intents::append(&db, self.outbox.instance(), bundle, calls),
            intents::remove(&db, &done),
        )?;
        crash::point("before-commit");
        db.commit().await?;
        crash::point("after-commit");
        Ok(committed)
    }

    /// Strikes an event off its stream, and finds what is missing before it.
    fn count_off(
        &self,
        world: &mut S::World,
        message: &Message<'_, S::Input>,
        open: &Open,
        committed: &mut Effects<S>,
    ) {
        let (event, partition) = match &message.origin {
            Origin::Event { event, record } => (event, record.partition()),
            Origin::Parked { event, row } => (event, row.partition),
            Origin::Effect { .. } | Origin::Command { .. } => return,
        };
        let EventId { source, sequence, .. } = event;
        let order = message.order;
        let number = |sequence| Numbered { order, source: source.clone(), sequence, partition };
        let missing = world.saw(order, source, *sequence).into_iter();
        let missing = missing.filter(|number| !self.skipped.has(order, source, *number));
        committed.missing.extend(missing.map(number));
        if open.gaps.contains(&order) {
            committed.found.push(number(*sequence));
        }
    }

    /// Decides on one message and puts what follows into `committed`.
    fn decide(
        &self,
        bundle: BundleId,
        world: &mut S::World,
        message: &Message<'_, S::Input>,
        committed: &mut Effects<S>,
    ) -> Result<(), Failure> {
        let decide = || self.service.decide(world, message.order, &message.input);
        // A panic is a bug, but the bug of one message: it must not take the loop down. Nothing
        // of the world survives it, for the whole transaction is rolled back.
        let reaction = catch_unwind(AssertUnwindSafe(decide))
            .unwrap_or_else(|panic| Err(Failure::Message(panic_text(panic.as_ref()))))?;
        let span = trace::process(message.name, message.order, &message.cause);
        let cause = Cause {
            traceparent: span.traceparent(message.cause.traceparent.as_deref()),
            ..message.cause.clone()
        };
        if !reaction.events.is_empty() {
            let stream = world.stream(message.order);
            for event in &reaction.events {
                let drafted = self.outbox.draft(bundle, message.order, event, stream, &cause)?;
                committed.drafted.push(drafted);
            }
        }
        committed.calls.extend(reaction.effects.into_iter().map(|effect| Call {
            order: message.order,
            effect,
            attempts: 0,
            cause: cause.clone(),
        }));
        committed.orders.push(message.order);
        span.end(false);
        Ok(())
    }
}

enum Verdict {
    Process,
    /// Records of its order wait in the retry queue; it goes behind them.
    Hold,
    /// It has been processed before.
    Drop,
}

impl Known {
    /// Whether an event is new; a second copy in the same batch is not.
    fn pass(&mut self, event: &EventId) -> bool {
        let key = event.key();
        self.new_ids.contains(&key) && self.passed.insert(key)
    }

    fn verdict<I>(&mut self, message: &Message<'_, I>) -> Verdict {
        match &message.origin {
            Origin::Event { event, .. } if !self.pass(event) => Verdict::Drop,
            Origin::Event { .. } if self.open.waiting.contains(&message.order) => Verdict::Hold,
            Origin::Parked { event, .. } if !self.pass(event) => Verdict::Drop,
            Origin::Effect { intent } => {
                if self.new_outcomes.remove(intent) {
                    Verdict::Process
                } else {
                    Verdict::Drop
                }
            }
            Origin::Event { .. } | Origin::Parked { .. } | Origin::Command { .. } => {
                Verdict::Process
            }
        }
    }
}

/// Puts the events' ids into the inbox and returns those that are new.
async fn remember<I>(
    db: &Db<'_>,
    batch: &[Message<'_, I>],
    looks: bool,
) -> Result<HashSet<Uuid>, Failure> {
    let ids = batch.iter().filter_map(Message::event_id).collect();
    if looks { inbox::insert(db, ids).await } else { inbox::insert_unseen(db, ids).await }
}

/// Puts records behind those of their order that wait already, and out of the inbox again.
async fn hold<I>(
    db: &Db<'_>,
    held: &[&Message<'_, I>],
    new_ids: &HashSet<Uuid>,
) -> Result<(), Failure> {
    if held.is_empty() {
        return Ok(());
    }
    let ids = held.iter().flat_map(|one| one.event_id().into_iter().chain(one.redrive_id()));
    let ids: Vec<Uuid> = ids.filter(|id| new_ids.contains(id)).collect();
    inbox::remove(db, &ids).await?;
    for message in held {
        if let Origin::Event { record, .. } = &message.origin {
            retry::set_aside(db, &record.parked(message.order), Fate::Retry(Duration::ZERO))
                .await?;
        }
    }
    Ok(())
}

async fn optional<T: Default>(
    future: Option<impl Future<Output = Result<T, Failure>>>,
) -> Result<T, Failure> {
    OptionFuture::from(future).await.unwrap_or_else(|| Ok(T::default()))
}

fn orders_of<I>(batch: &[Message<'_, I>]) -> Vec<Uuid> {
    let orders: HashSet<Uuid> = batch
        .iter()
        .filter(|message| message.event().is_some())
        .map(|message| message.order.0)
        .collect();
    orders.into_iter().collect()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    format!("deciding panicked: {text}")
}
