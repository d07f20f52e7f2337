//! What is known about a batch before it is decided on: which of its messages are new, and which
//! must wait.

use std::collections::HashSet;

use kernel::SagaKey;
use uuid::Uuid;

use super::cache::Cache;
use crate::failure::Failure;
use crate::record::message::{EventId, Message, Origin};
use crate::tables::intents::{self, IntentId};
use crate::tables::statement::{Found, Read};
use crate::tables::{gaps, inbox, retry};

/// What has been read about a batch; or nothing, and then everything is taken for new.
#[derive(Debug, Default)]
pub(crate) struct Known {
    parts: Option<Parts>,
    /// Events and redrives whose effect is in the database.
    seen: HashSet<Uuid>,
    /// The events of this batch that have been let through; a second copy is not.
    passed: HashSet<Uuid>,
    settled: HashSet<IntentId>,
    /// Calls whose outcome is not known.
    open: HashSet<IntentId>,
    /// Sagas with records that wait in the retry queue.
    waiting: HashSet<SagaKey>,
    /// Sagas with numbers that are missing in their streams.
    gaps: HashSet<SagaKey>,
    /// Sagas with a row.
    rows: HashSet<SagaKey>,
}

/// Which part of the statement says what.
#[derive(Debug)]
struct Parts {
    inbox: usize,
    redriven: usize,
    intents: usize,
    waiting: usize,
    gaps: usize,
}

pub(crate) enum Verdict {
    Process,
    /// Records of its saga wait in the retry queue; it goes behind them.
    Hold,
    /// It has been processed before.
    Drop,
}

impl Known {
    /// Nothing was read.
    pub(crate) fn all_new() -> Self {
        Self::default()
    }

    /// What the statement will tell.
    pub(crate) fn reading<I>(batch: &[Message<'_, I>], read: &mut Read) -> Result<Self, Failure> {
        let events = || batch.iter().filter_map(Message::event);
        let sagas: HashSet<Uuid> =
            batch.iter().filter(|one| one.event().is_some()).map(|one| one.saga.0).collect();
        let sagas: Vec<Uuid> = sagas.into_iter().collect();
        let parts = Parts {
            inbox: inbox::read(events().map(|event| event.id).collect(), read)?,
            redriven: inbox::read_redriven(events().filter_map(|one| one.redrive).collect(), read)?,
            intents: intents::read(batch.iter().filter_map(Message::intent), read)?,
            waiting: retry::read_waiting(&sagas, read)?,
            gaps: gaps::read(&sagas, read)?,
        };
        Ok(Self { parts: Some(parts), ..Self::default() })
    }

    /// Takes in a row of one of the parts.
    pub(crate) fn take(&mut self, row: &Found) -> Result<(), Failure> {
        let Some(parts) = &self.parts else { return Ok(()) };
        match row.part {
            part if part == parts.inbox || part == parts.redriven => {
                self.seen.insert(row.id()?);
            }
            part if part == parts.intents => self.open.extend(intents::open(row)?),
            part if part == parts.waiting => {
                self.waiting.insert(row.saga()?);
            }
            part if part == parts.gaps => {
                self.gaps.insert(row.saga()?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes note that the saga has a row.
    pub(crate) fn has_row(&mut self, saga: SagaKey) {
        self.rows.insert(saga);
    }

    /// Whether the batch would have gone through with nothing read but what is remembered; then
    /// the next one is tried so.
    pub(crate) fn as_trusted<S: Clone>(&self, cache: &Cache<S>) -> bool {
        self.seen.is_empty()
            && self.waiting.is_empty()
            && self.gaps.is_empty()
            && self.rows.iter().all(|saga| cache.get(*saga).is_some())
    }

    /// Whether the event's effect is in the database.
    pub(crate) fn has_seen(&self, id: Uuid) -> bool {
        self.seen.contains(&id)
    }

    /// Whether numbers are missing in the order's streams.
    pub(crate) fn has_gaps(&self, saga: SagaKey) -> bool {
        self.gaps.contains(&saga)
    }

    /// Whether the call's outcome is not known, as far as anybody has looked.
    pub(crate) fn is_open(&self, intent: IntentId) -> bool {
        self.parts.is_none() || self.open.contains(&intent)
    }

    /// Whether an event is new; a second copy in the same batch is not. Nor is a redriven one if
    /// either its id or the redrive's is known: two letters can be of one event.
    fn pass(&mut self, event: &EventId) -> bool {
        let redriven = event.redrive.is_some_and(|redrive| self.seen.contains(&redrive));
        !redriven && !self.seen.contains(&event.id) && self.passed.insert(event.id)
    }

    pub(crate) fn verdict<I>(&mut self, message: &Message<'_, I>) -> Verdict {
        match &message.origin {
            Origin::Event { event, .. } if !self.pass(event) => Verdict::Drop,
            Origin::Event { .. } if self.waiting.contains(&message.saga) => Verdict::Hold,
            Origin::Parked { event, .. } if !self.pass(event) => Verdict::Drop,
            Origin::Effect { intent, .. } | Origin::Decided { intent, .. } => {
                if self.is_open(*intent) && self.settled.insert(*intent) {
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
