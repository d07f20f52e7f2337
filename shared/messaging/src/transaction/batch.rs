//! One batch, one transaction: a statement that reads what is not remembered, the decisions, and a
//! statement that writes.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use kernel::{Decision, SagaKey};
use uuid::Uuid;

use super::cache::Cache;
use super::known::{Known, Verdict};
use crate::call::Call;
use crate::cause::Cause;
use crate::database::Session;
use crate::failure::{Failure, panic_text};
use crate::instruments::DUPLICATES;
use crate::record::message::{EventId, Message, Origin};
use crate::record::skipped::Skipped;
use crate::service::{Service, Shared as _};
use crate::tables::bundle::{Bundle, BundleId, Outgoing};
use crate::tables::gaps::{self, Numbered};
use crate::tables::intents::{self, GivenUp, Intent};
use crate::tables::outbox::Outbox;
use crate::tables::retry::{self, Fate};
use crate::tables::state_table::StateTable;
use crate::tables::statement::{Read, Write};
use crate::tables::states::States;
use crate::tables::{decisions, inbox};
use crate::{crash, trace};

/// Carries batches through, one after the other.
pub(crate) struct Processor<S: Service> {
    pub(crate) service: Arc<S>,
    pub(crate) session: Session,
    pub(crate) outbox: Outbox,
    pub(crate) skipped: Arc<Skipped>,
    pub(crate) cache: Arc<Cache<S::State>>,
    /// What the next batch's transaction takes for true.
    trust: Trust,
}

/// What a transaction takes for true without having read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// That all events are new, that remembered states are what the database has, that sagas which
    /// are not remembered are new, and that nothing is open about them. So it is nearly always, and
    /// then the batch is one write. What is written says so if it is not: by its keys, by the
    /// states' versions, and by conditions.
    All,
    /// Nothing. So it is after a restart and after a conflict, until a batch brings nothing that
    /// was not known.
    Nothing,
}

/// What a committed batch leaves to be done.
pub(crate) struct Committed<F> {
    /// What is to be published.
    pub(crate) bundle: Option<Bundle>,
    /// The calls that are to be made.
    pub(crate) intents: Vec<Intent<F>>,
    /// How many messages were dropped, for they had been processed before.
    pub(crate) duplicates: usize,
    /// How many records were put behind others of their saga in the retry queue.
    pub(crate) held: usize,
}

/// What has been decided, on its way into the database.
struct Decided<S: Service> {
    states: States<S::State>,
    shared: S::Shared,
    sagas: Vec<SagaKey>,
    events: Vec<Outgoing>,
    calls: Vec<Call<S::Effect>>,
    /// The events whose effect this is.
    taken: Vec<EventId>,
    /// The redrives of events that were known already: whoever redrives them is to see that they
    /// were read.
    needless: Vec<Uuid>,
    /// Numbers that are missing before those that came.
    missing: Vec<Numbered>,
    /// Numbers that came, of sagas in which some were missing.
    found: Vec<Numbered>,
    /// Calls that are given up.
    given_up: Vec<intents::Kept>,
    /// What operators have decided on calls.
    decisions: Vec<decisions::OperatorDecision>,
}

/// Why a batch is not written.
enum Refused {
    /// It was decided on something that was taken for true and that nothing guards.
    Uncertain,
    Failed(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<S: Service> Processor<S> {
    pub(crate) fn new(
        service: Arc<S>,
        session: Session,
        outbox: Outbox,
        skipped: Arc<Skipped>,
        cache: Arc<Cache<S::State>>,
    ) -> Self {
        Self { service, session, outbox, skipped, cache, trust: Trust::Nothing }
    }

    /// All messages or none: on an error nothing has happened, unless it is one of the
    /// infrastructure. Nothing is lost when this is abandoned halfway. The number of statements
    /// does not depend on the number of messages (but for records that are put behind others of
    /// their saga in the retry queue, each of which takes one more).
    pub(crate) async fn apply(
        &mut self,
        batch: &[Message<'_, S::Input>],
    ) -> Result<Committed<S::Effect>, Failure> {
        crash::point("before-transaction");
        // Until it is through: whoever drops this does not know how far it came.
        let trust = std::mem::replace(&mut self.trust, Trust::Nothing);
        // A record that was parked is one that waits, which is just what is trusted not to be.
        let parked = batch.iter().any(|one| matches!(one.origin, Origin::Parked { .. }));
        let trusting = if parked { Trust::Nothing } else { trust };
        let done = match self.carry(batch, trusting).await {
            Err(Refused::Uncertain) => self.carry(batch, Trust::Nothing).await,
            done => done,
        };
        match done {
            Ok((committed, trust)) => {
                crash::point("after-commit");
                self.trust = trust;
                Ok(committed)
            }
            Err(Refused::Failed(failure)) => {
                self.cache.forget(batch.iter().map(|message| message.saga));
                Err(failure)
            }
            Err(Refused::Uncertain) => Err(Failure::Conflict),
        }
    }

    async fn carry(
        &mut self,
        batch: &[Message<'_, S::Input>],
        trust: Trust,
    ) -> Result<(Committed<S::Effect>, Trust), Refused> {
        let (mut known, states, shared) = match trust {
            Trust::All => self.remember(batch).await?,
            Trust::Nothing => self.look(batch).await?,
        };
        let next = if known.as_trusted(&self.cache) { Trust::All } else { Trust::Nothing };
        let bundle = self.outbox.next_bundle();
        let mut decided = Decided::<S> {
            states,
            shared,
            sagas: Vec::new(),
            events: Vec::new(),
            calls: Vec::new(),
            taken: Vec::new(),
            needless: Vec::new(),
            missing: Vec::new(),
            found: Vec::new(),
            given_up: Vec::new(),
            decisions: Vec::new(),
        };
        let (mut held, mut duplicates) = (Vec::new(), 0);
        for message in batch {
            match known.verdict(message) {
                Verdict::Process => match self.decide(bundle, message, &known, &mut decided) {
                    Err(Failure::Poison(_)) if trust == Trust::All => {
                        return Err(Refused::Uncertain);
                    }
                    done => done?,
                },
                Verdict::Hold => held.push(message),
                Verdict::Drop => {
                    duplicates += 1;
                    if message.event().is_some() {
                        DUPLICATES.of([message.name]).increment(1);
                    }
                    let redrive = message.event().and_then(|event| event.redrive);
                    decided.needless.extend(redrive.filter(|redrive| !known.has_seen(*redrive)));
                }
            }
        }
        if trust == Trust::All && !decided.states.is_certain() {
            return Err(Refused::Uncertain);
        }
        self.hold(&held).await?;
        let (bundle, intents) = self.write(batch, &known, bundle, decided, trust).await?;
        let held = held.len();
        Ok((Committed { bundle, intents, duplicates, held }, next))
    }

    /// Takes for true what is remembered; reads only what sagas share.
    async fn remember(
        &mut self,
        batch: &[Message<'_, S::Input>],
    ) -> Result<(Known, States<S::State>, S::Shared), Failure> {
        let mut read = Read::default();
        let mut shared = S::Shared::default();
        shared.read(batch.iter().map(|one| &one.input), &mut read)?;
        for row in read.run(&mut self.session).await? {
            shared.take(&row)?;
        }
        let mut states = States::new();
        for saga in distinct(batch) {
            if let Some(row) = self.cache.get(saga) {
                states.remember(saga, row);
            }
        }
        Ok((Known::all_new(), states, shared))
    }

    /// Reads all that the batch touches.
    async fn look(
        &mut self,
        batch: &[Message<'_, S::Input>],
    ) -> Result<(Known, States<S::State>, S::Shared), Failure> {
        let mut read = Read::default();
        let sagas = distinct(batch);
        let ids: Vec<Uuid> = sagas.iter().map(|saga| saga.0).collect();
        let states_part = S::STATES.read(ids, &mut read)?;
        let mut shared = S::Shared::default();
        shared.read(batch.iter().map(|one| &one.input), &mut read)?;
        let mut known = Known::reading(batch, &mut read)?;
        let mut states = States::new();
        for row in read.run(&mut self.session).await? {
            if row.part == states_part {
                let saga = row.saga()?;
                known.has_row(saga);
                states.read(saga, StateTable::row(&row)?);
            } else if !shared.take(&row)? {
                known.take(&row)?;
            }
        }
        for saga in sagas {
            states.read_none(saga);
        }
        Ok((known, states, shared))
    }

    /// Decides on one message and puts what follows into `decided`.
    fn decide(
        &self,
        bundle: BundleId,
        message: &Message<'_, S::Input>,
        known: &Known,
        decided: &mut Decided<S>,
    ) -> Result<(), Failure> {
        let Message { saga, input, cause, .. } = message;
        let Decided { states, shared, .. } = decided;
        let decide = || self.service.decide(*saga, states.state(*saga), input, shared);
        // A panic is a bug, but the bug of one message: it must not take the loop down. Nothing
        // that it has changed survives it, for nothing of the batch is written.
        let decision = catch_unwind(AssertUnwindSafe(decide))
            .unwrap_or_else(|panic| Err(Failure::Poison(panic_text(panic.as_ref()))))?;
        let Decision { state, events, effects } = decision;
        let span = trace::process(self.outbox.service(), message);
        let cause =
            Cause { traceparent: span.traceparent(cause.traceparent.as_deref()), ..cause.clone() };
        states.set(*saga, state);
        for event in &events {
            let stream = states.stream(*saga);
            decided.events.push(self.outbox.draft(bundle, *saga, event, stream, &cause)?);
        }
        decided.calls.extend(effects.into_iter().map(|effect| Call {
            saga: *saga,
            effect,
            attempts: 0,
            age: Duration::ZERO,
            cause: cause.clone(),
        }));
        match &message.origin {
            Origin::Effect { given_up: Some(call), .. } => {
                let (bundle, saga) = (self.outbox.next_bundle(), *saga);
                let (call, cause) = (GivenUp::clone(call), message.cause.clone());
                decided.given_up.push(intents::Kept { bundle, saga, call, cause });
            }
            Origin::Decided { decision, .. } => decided.decisions.push(decision.clone()),
            _ => {}
        }
        decided.sagas.push(*saga);
        self.count_off(message, known, decided);
        span.end(false);
        Ok(())
    }

    /// Strikes an event off its stream, and finds what is missing before it.
    fn count_off(&self, message: &Message<'_, S::Input>, known: &Known, decided: &mut Decided<S>) {
        let (event, partition) = match &message.origin {
            Origin::Event { event, record } => (event, record.partition()),
            Origin::Parked { event, row } => (event, row.partition),
            Origin::Effect { .. } | Origin::Decided { .. } | Origin::Command { .. } => return,
        };
        let EventId { source, sequence, .. } = event;
        let saga = message.saga;
        let number = |sequence| Numbered { saga, source: source.clone(), sequence, partition };
        let missing = decided.states.saw(saga, source, *sequence).into_iter();
        let missing = missing.filter(|number| !self.skipped.has(saga, source, *number));
        decided.missing.extend(missing.map(number));
        if known.has_gaps(saga) {
            decided.found.push(number(*sequence));
        }
        decided.taken.push(event.clone());
    }

    /// Puts records behind those of their saga that wait already. That it is done before the rest
    /// is written does no harm: they wait there, whatever becomes of the rest.
    async fn hold(&mut self, held: &[&Message<'_, S::Input>]) -> Result<(), Failure> {
        for message in held {
            if let Origin::Event { record, .. } = &message.origin {
                let parked = record.parked(message.saga);
                retry::park(&mut self.session, &parked, Fate::Retry(Duration::ZERO)).await?;
            }
        }
        Ok(())
    }

    #[allow(clippy::type_complexity)] // What is written, part by part; it is taken apart at once.
    async fn write(
        &mut self,
        batch: &[Message<'_, S::Input>],
        known: &Known,
        bundle: BundleId,
        decided: Decided<S>,
        trust: Trust,
    ) -> Result<(Option<Bundle>, Vec<Intent<S::Effect>>), Failure> {
        let Decided { states, shared, sagas, events, calls, taken, missing, found, .. } = decided;
        let (given_up, decided_on) = (decided.given_up, decided.decisions);
        let mut write = Write::default();
        inbox::insert(taken.iter().map(|event| event.id).collect(), &mut write)?;
        let redriven = taken.iter().filter_map(|event| event.redrive).chain(decided.needless);
        inbox::insert_redriven(redriven.collect(), &mut write)?;
        if trust == Trust::All && !taken.is_empty() {
            let ids: Vec<Uuid> = sagas.iter().map(|saga| saga.0).collect();
            let ids = write.bind(ids)?;
            write.only_if(retry::none_waiting(&ids));
            write.only_if(gaps::none(&ids));
        }
        let (inserts, updates) = states.changed();
        S::STATES.write(&inserts, &updates, &mut write)?;
        shared.write(&mut write)?;
        self.outbox.append(bundle, &events, &mut write)?;
        let intents = intents::append(self.outbox.instance(), bundle, calls, &mut write)?;
        let outcomes = batch.iter().filter_map(Message::intent);
        intents::settle(outcomes.filter(|intent| known.is_open(*intent)), &mut write)?;
        intents::keep(self.outbox.instance(), &given_up, &mut write)?;
        decisions::take_note(&decided_on, &mut write)?;
        gaps::notice(&missing, &mut write)?;
        gaps::close(&found, &mut write)?;
        for message in batch {
            if let Origin::Parked { row, .. } = &message.origin {
                retry::remove(row, &mut write)?;
            }
        }
        if write.is_empty() {
            return Ok((None, intents));
        }
        let clearing = self.outbox.clear(&mut write)?;
        write.run(&mut self.session).await?;
        clearing.done();
        for (saga, before, now) in states.moved() {
            self.service.changed(saga, before, now);
        }
        self.cache.put(states.written());
        let bundle = (!events.is_empty()).then_some(Bundle { id: bundle, events });
        Ok((bundle, intents))
    }
}

/// Each saga of the batch once.
fn distinct<I>(batch: &[Message<'_, I>]) -> HashSet<SagaKey> {
    batch.iter().map(|message| message.saga).collect()
}
