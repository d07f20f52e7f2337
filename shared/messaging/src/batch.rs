use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use futures::future::OptionFuture;
use kernel::OrderId;
use metrics::counter;
use uuid::Uuid;

use crate::message::{Cause, Message, Origin};
use crate::outbox::{Outbox, Outgoing};
use crate::retry::{Fate, Parked};
use crate::service::{Service, World};
use crate::{Call, Failure, effects, inbox, retry, trace};

/// Carries one batch through one transaction.
pub(crate) struct Processor<S: Service> {
    pub(crate) service: Arc<S>,
    pub(crate) pool: Pool,
    pub(crate) outbox: Outbox,
}

/// What a committed batch leaves to be done.
pub(crate) struct Committed<F> {
    pub(crate) orders: Vec<OrderId>,
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) calls: Vec<Call<F>>,
    /// Whether records were put behind others of their order in the retry queue.
    pub(crate) held: bool,
}

/// What has been found out about a batch before deciding.
struct Known {
    new_events: HashSet<Uuid>,
    new_outcomes: HashSet<(OrderId, String)>,
    waiting: HashSet<OrderId>,
}

type Effects<S> = Committed<<S as Service>::Effect>;

impl<S: Service> Processor<S> {
    /// All messages or none: on an error nothing has happened. The number of SQL statements does
    /// not depend on the number of messages (but for records that wait in the retry queue, each
    /// of which takes one more).
    pub(crate) async fn apply(
        &self,
        batch: &[Message<'_, S::Input>],
    ) -> Result<Effects<S>, Failure> {
        let mut client = self.pool.get().await?;
        let db = client.transaction().await?;
        let inputs: Vec<(OrderId, &S::Input)> =
            batch.iter().map(|message| (message.order, &message.input)).collect();
        let orders = orders_of(batch);
        let settled = outcomes_of(batch);
        // One round trip: the four statements are on their way together. When one fails, so do
        // those after it: biased, the error is that of the first.
        let (new_events, outcomes, waiting, mut world) = tokio::try_join!(
            biased;
            inbox::insert(&db, batch.iter().filter_map(Message::event_id).collect()),
            optional((!settled.is_empty()).then(|| effects::settle(&db, &settled))),
            retry::waiting(&db, &orders),
            self.service.load(&db, &inputs),
        )?;
        let mut known = Known { new_events, new_outcomes: outcomes.into_iter().collect(), waiting };
        let mut held = Vec::new();
        let mut committed =
            Committed { orders: Vec::new(), outgoing: Vec::new(), calls: Vec::new(), held: false };
        for message in batch {
            match known.verdict(message) {
                Verdict::Process => self.decide(&mut world, message, &mut committed)?,
                Verdict::Hold => held.push(message),
                Verdict::Drop => {
                    counter!("farandole_duplicates_total", "type" => message.name).increment(1);
                }
            }
        }
        committed.held = !held.is_empty();
        hold(&db, &held).await?;
        for message in batch {
            if let Origin::Parked { row, .. } = &message.origin {
                retry::remove(&db, row).await?;
            }
        }
        tokio::try_join!(
            biased;
            self.service.save(&db, world),
            self.outbox.append(&db, &committed.outgoing),
            effects::append(&db, self.outbox.instance(), &committed.calls),
        )?;
        db.commit().await?;
        Ok(committed)
    }

    /// Decides on one message and puts what follows into `committed`.
    fn decide(
        &self,
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
                let drafted = self.outbox.draft(message.order, event, stream, &cause)?;
                committed.outgoing.push(drafted);
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
    fn verdict<I>(&mut self, message: &Message<'_, I>) -> Verdict {
        match &message.origin {
            // Removing makes a second copy in the same batch a duplicate.
            Origin::Event { id, .. } if !self.new_events.remove(id) => Verdict::Drop,
            Origin::Event { .. } if self.waiting.contains(&message.order) => Verdict::Hold,
            Origin::Parked { id, .. } if !self.new_events.remove(id) => Verdict::Drop,
            Origin::Effect { step } => {
                if self.new_outcomes.remove(&(message.order, step.clone())) {
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

/// Puts records behind those of their order that wait already, and out of the inbox again.
async fn hold<I>(db: &crate::Db<'_>, held: &[&Message<'_, I>]) -> Result<(), Failure> {
    if held.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = held.iter().filter_map(|message| message.event_id()).collect();
    inbox::remove(db, &ids).await?;
    for message in held {
        if let Origin::Event { record, .. } = &message.origin {
            let parked = Parked::from_record(record, Some(message.order));
            retry::set_aside(db, &parked, Fate::Retry(Duration::ZERO)).await?;
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
        .filter(|message| matches!(message.origin, Origin::Event { .. }))
        .map(|message| message.order.0)
        .collect();
    orders.into_iter().collect()
}

fn outcomes_of<'b, I>(batch: &'b [Message<'_, I>]) -> Vec<(OrderId, &'b str)> {
    batch
        .iter()
        .filter_map(|message| match &message.origin {
            Origin::Effect { step } => Some((message.order, step.as_str())),
            _ => None,
        })
        .collect()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    format!("deciding panicked: {text}")
}
