//! Follows the log of what operators decide, and carries out what concerns this service: missing
//! events that stay missing, calls, and sagas that are to be undone.
//!
//! Each instance reads the whole log at its start, and what comes then. What was dealt with is in
//! the table `decisions`, as a rule by the statement that did so; so it does no harm that several
//! do it at once, or again.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contracts::operations::{
    Acknowledged, Began, Decided, Done, Ended, Entry, Handled, Kind, Number, Said,
};
use kafka::{Followed, ReadFrom, follow};
use kernel::Effect as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::effects::Effects;
use super::housekeeping::Housekeeping;
use crate::call::Gateway;
use crate::cause::Cause;
use crate::failure::{Failure, panic_text};
use crate::instruments::{OPERATIONS, OPERATIONS_READABLE};
use crate::record::message::{Local, Message, Origin};
use crate::service::{Monitor, Service};
use crate::tables::decisions::{self, OperatorDecision};
use crate::tables::gaps;
use crate::tables::intents::{self, Deferral, OpenCall, Turn};
use crate::tables::outbox::Outbox;
use crate::tables::statement::Write;

/// Entries read ahead; the client has a buffer of its own.
const BUFFER: usize = 64;
/// The pause before the log is read again after it could not be, and before something that
/// Postgres did not take is tried again.
const AGAIN: Duration = Duration::from_secs(3);
/// How many operations may be open at once; the oldest is forgotten, and says nothing more.
const OPEN_MAX: usize = 1_000;
/// How often a decision is looked at again because others came in between.
const ROUNDS: u32 = 10;

/// Follows the log.
pub(crate) struct OperationsFollower<S: Service, G> {
    pub(crate) gateway: Arc<G>,
    pub(crate) database: Housekeeping,
    pub(crate) outbox: Outbox,
    pub(crate) effects: Arc<Effects<S::Effect>>,
    pub(crate) locals: mpsc::Sender<Local<S::Input>>,
    pub(crate) brokers: String,
    pub(crate) topic: String,
    pub(crate) monitor: Arc<dyn Monitor>,
}

/// What comes from the log.
enum Heard {
    Entry(Result<Entry, String>),
    CaughtUp,
    Trouble(String),
}

/// The operations that were begun and have not ended.
#[derive(Debug, Default)]
struct Open {
    kinds: HashMap<Uuid, Kind>,
    oldest_first: VecDeque<Uuid>,
}

impl Open {
    fn begin(&mut self, operation: Uuid, kind: Kind) {
        if self.kinds.insert(operation, kind).is_none() {
            self.oldest_first.push_back(operation);
        }
        if self.oldest_first.len() > OPEN_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.kinds.remove(&oldest);
        }
    }

    fn end(&mut self, operation: Uuid) {
        if self.kinds.remove(&operation).is_some() {
            self.oldest_first.retain(|open| *open != operation);
        }
    }
}

/// Ends the reading thread when it is dropped.
struct Reading(Arc<AtomicBool>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What has become of a decision.
enum Fate {
    /// It is carried out, or was before.
    Closed,
    /// It cannot be, for this reason.
    Refused(String),
    /// Something came in between: it is to be looked at again.
    Again,
}

impl Fate {
    fn refused(reason: &str) -> Self {
        Self::Refused(reason.to_owned())
    }
}

impl<S: Service, G: Gateway<S::Effect, S::Input>> OperationsFollower<S, G> {
    /// Works until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while let Some(trouble) = shutdown.run_until_cancelled(self.follow()).await {
            self.tell(Some(&trouble));
            if shutdown.run_until_cancelled(tokio::time::sleep(AGAIN)).await.is_none() {
                return;
            }
        }
    }

    fn tell(&self, trouble: Option<&str>) {
        OPERATIONS_READABLE.count([], u64::from(trouble.is_none()));
        self.monitor.operations(trouble);
    }

    /// Reads the log from its beginning, and what comes, until that does not go on; says why.
    async fn follow(&self) -> String {
        let stop = Reading(Arc::new(AtomicBool::new(false)));
        let (sender, mut heard) = mpsc::channel(BUFFER);
        let (stopped, brokers, topic) = (stop.0.clone(), self.brokers.clone(), self.topic.clone());
        let reading = spawn_blocking(move || {
            follow(
                &brokers,
                &topic,
                ReadFrom::Beginning,
                &stopped,
                || {},
                |followed| {
                    // Fails when nobody listens any more; then this ends soon.
                    let _ = sender.blocking_send(match followed {
                        Followed::Record(record) => {
                            Heard::Entry(Entry::parse(record.key, record.payload))
                        }
                        Followed::CaughtUp => Heard::CaughtUp,
                        Followed::Trouble(error) => Heard::Trouble(error.to_string()),
                    });
                },
            )
        });
        let mut open = Open::default();
        while let Some(heard) = heard.recv().await {
            match heard {
                Heard::Entry(Ok(entry)) => self.carry_out(entry, &mut open).await,
                Heard::Entry(Err(error)) => {
                    count("unreadable");
                    warn!(error, topic = self.topic, "an operator's decision cannot be read");
                }
                Heard::CaughtUp => self.tell(None),
                Heard::Trouble(trouble) => return trouble,
            }
        }
        match reading.await {
            Ok(Ok(())) => "the reading thread has ended".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Carries out an entry, however long Postgres is away.
    async fn carry_out(&self, entry: Entry, open: &mut Open) {
        let operation = entry.operation().unwrap_or_default();
        match (entry, open.kinds.get(&operation).copied()) {
            (Entry::Began(Began { kind, .. }), _) => open.begin(operation, kind),
            (Entry::Ended(Ended { .. }), _) => open.end(operation),
            (Entry::Done(Done { letters, .. }), Some(kind @ (Kind::Discard | Kind::Undiscard))) => {
                let own = |one: &&Handled| one.letter.service == S::declaration().service;
                for event in letters.iter().filter(own).filter_map(|one| one.event.as_ref()) {
                    self.miss(event, kind == Kind::Undiscard).await;
                }
            }
            (Entry::Acknowledged(Acknowledged { event, .. }), Some(Kind::Acknowledge)) => {
                self.miss(&event, false).await;
            }
            (Entry::Decided(decided), Some(kind))
                if decided.service == S::declaration().service =>
            {
                let Decided { subjects, said, .. } = decided;
                for subject in subjects {
                    let decision = OperatorDecision { operation, subject };
                    self.decide(kind, &decision, said.as_ref()).await;
                }
            }
            _ => count("ignored"),
        }
    }

    /// Takes note that an event is missed, or that it stays missing.
    async fn miss(&self, event: &Number, missed: bool) {
        loop {
            let mut session = self.database.session().await;
            let done = if missed {
                gaps::miss(&mut session, event).await
            } else {
                gaps::acknowledge(&mut session, event).await
            };
            drop(session);
            match done {
                Ok(()) => return count("applied"),
                Err(failure) => self.pause(&failure).await,
            }
        }
    }

    async fn pause(&self, failure: &Failure) {
        warn!(error = %failure, "an operator's decision cannot be carried out, trying again");
        tokio::time::sleep(AGAIN).await;
    }

    /// Carries out a decision, unless that was done.
    async fn decide(&self, kind: Kind, decision: &OperatorDecision, said: Option<&Said>) {
        let mut rounds = 0;
        loop {
            let fate = match self.look_at(kind, decision, said).await {
                Ok(Fate::Again) | Err(Failure::Conflict) if rounds < ROUNDS => {
                    rounds += 1;
                    continue;
                }
                Ok(fate) => fate,
                // Such as a call that a newer version has intended.
                Err(Failure::Poison(error)) => Fate::Refused(error),
                Err(failure) => {
                    self.pause(&failure).await;
                    continue;
                }
            };
            let refused = match fate {
                Fate::Closed => {
                    // Whichever instance has carried it out, and whatever has come meanwhile.
                    if matches!(kind, Kind::Park | Kind::Settle) {
                        self.effects.release(decision.subject.clone());
                    }
                    return count("applied");
                }
                Fate::Refused(reason) => reason,
                Fate::Again => "others change it without end".to_owned(),
            };
            let OperatorDecision { operation, subject } = decision;
            warn!(%operation, %subject, refused, kind = kind.name(), "a decision is refused");
            let closed = self.close(decision, Some(&refused)).await;
            match closed {
                Ok(()) => return count("refused"),
                Err(failure) => self.pause(&failure).await,
            }
        }
    }

    async fn close(
        &self,
        decision: &OperatorDecision,
        refused: Option<&str>,
    ) -> Result<(), Failure> {
        decisions::close(&mut *self.database.session().await, decision, refused).await
    }

    async fn look_at(
        &self,
        kind: Kind,
        decision: &OperatorDecision,
        said: Option<&Said>,
    ) -> Result<Fate, Failure> {
        let OperatorDecision { operation, subject } = decision;
        let mut session = self.database.session().await;
        if decisions::is_closed(&mut session, decision).await? {
            return Ok(Fate::Closed);
        }
        if kind == Kind::Undo {
            drop(session);
            return self.undo(decision).await;
        }
        let found = intents::find::<S::Effect>(&mut session, subject.saga, &subject.step).await?;
        drop(session);
        let Some(call) = found else {
            return Ok(Fate::refused("this call is not open; its outcome may be known by now"));
        };
        info!(%operation, %subject, kind = kind.name(), "an operator decides on a call");
        // What this instance has of it in memory is not so any more.
        self.effects.release(subject.clone());
        match (kind, call.held.as_deref()) {
            (Kind::Park, None) => self.turn(&call, Turn::Park, decision).await,
            (Kind::Unpark, Some("parked")) => self.turn(&call, Turn::Unpark, decision).await,
            (Kind::Retry, None) => self.turn(&call, Turn::Now, decision).await,
            (Kind::Retry, Some("given_up")) | (Kind::Settle, _) => {
                match self.input(kind, &call.effect, said) {
                    Ok(input) => self.bring(call, input, kind, decision).await,
                    Err(reason) => Ok(Fate::Refused(reason)),
                }
            }
            (Kind::Park, Some("parked")) => Ok(Fate::refused("it is parked already")),
            (Kind::Park, Some(_)) => Ok(Fate::refused("it is given up, and not made anyway")),
            (Kind::Unpark, _) => Ok(Fate::refused("it is not parked")),
            (Kind::Retry, Some(_)) => Ok(Fate::refused("it is parked; unpark it")),
            _ => Ok(Fate::refused("this is nothing that is done to a call")),
        }
    }

    /// What the service makes of a decision; or why it is none. A panic there is no reason to end.
    fn input(
        &self,
        kind: Kind,
        effect: &S::Effect,
        said: Option<&Said>,
    ) -> Result<S::Input, String> {
        let input = || match (kind, said) {
            (Kind::Retry, _) => {
                let again = self.gateway.again(effect);
                again.ok_or_else(|| "a call of this kind cannot be made again".to_owned())
            }
            (_, Some(said)) => self.gateway.said(effect, said),
            (_, None) => Err("it does not say what has become of the call".to_owned()),
        };
        catch_unwind(AssertUnwindSafe(input))
            .unwrap_or_else(|panic| Err(panic_text(panic.as_ref())))
    }

    /// Has the table say what becomes of a call.
    async fn turn(
        &self,
        call: &OpenCall<S::Effect>,
        turn: Turn,
        decision: &OperatorDecision,
    ) -> Result<Fate, Failure> {
        let mut session = self.database.session().await;
        if !call.is_alone() {
            let alone = Deferral::alone(call.id);
            intents::defer(&mut session, &self.outbox, vec![alone]).await?;
            return Ok(Fate::Again);
        }
        let mut write = Write::default();
        intents::turn(call.id, turn, &mut write)?;
        decisions::take_note(std::slice::from_ref(decision), &mut write)?;
        write.run(&mut session).await?;
        drop(session);
        self.effects.release(decision.subject.clone());
        Ok(Fate::Closed)
    }

    /// Brings what follows from a decision into the loop, where it closes the call.
    async fn bring(
        &self,
        OpenCall { id: intent, effect, cause, .. }: OpenCall<S::Effect>,
        input: S::Input,
        kind: Kind,
        decision: &OperatorDecision,
    ) -> Result<Fate, Failure> {
        let (done, committed) = oneshot::channel();
        let (saga, decision) = (decision.subject.saga, decision.clone());
        let origin = Origin::Decided { intent, decision, done };
        let name = effect.step();
        info!(%saga, step = name, kind = kind.name(), "an operator's word is taken");
        self.submit(Message { saga, input, cause, name, origin }, committed).await?;
        // If the call was closed by something else, there is no note of the decision.
        Ok(Fate::Again)
    }

    async fn undo(&self, decision: &OperatorDecision) -> Result<Fate, Failure> {
        let Some(input) = S::undo() else {
            return Ok(Fate::refused("sagas are not this service's to undo"));
        };
        let (done, committed) = oneshot::channel();
        let operation = decision.operation.to_string();
        let cause =
            Cause { causation_id: operation.clone(), correlation_id: operation, traceparent: None };
        let (saga, origin) = (decision.subject.saga, Origin::Command { done });
        self.submit(Message { saga, input, cause, name: "undo", origin }, committed).await?;
        self.close(decision, None).await?;
        Ok(Fate::Closed)
    }

    /// Has the loop process something, and waits for its commit.
    async fn submit(
        &self,
        message: Local<S::Input>,
        committed: oneshot::Receiver<Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let stopping = || Failure::Infrastructure("the service is stopping".to_owned());
        self.locals.send(message).await.map_err(|_| stopping())?;
        committed.await.unwrap_or_else(|_| Err(stopping()))
    }
}

fn count(outcome: &'static str) {
    OPERATIONS.of([outcome]).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_forgotten_when_they_end_or_too_many_are_open() {
        let mut open = Open::default();
        let ids: Vec<Uuid> = (0..=OPEN_MAX as u128).map(Uuid::from_u128).collect();
        for id in &ids {
            open.begin(*id, Kind::Park);
        }
        assert_eq!(open.kinds.len(), OPEN_MAX);
        assert!(!open.kinds.contains_key(&ids[0]), "the oldest");
        open.end(ids[1]);
        open.end(ids[1]);
        assert_eq!((open.kinds.len(), open.oldest_first.len()), (OPEN_MAX - 1, OPEN_MAX - 1));
    }
}
