//! The outbox: the events that a transaction has emitted, a row per transaction, until they are in
//! the log.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contracts::{Encoder, Envelope, Event};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use kernel::SagaKey;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::time::Instant;
use uuid::Uuid;

use super::bundle::{Bundle, BundleId, Outgoing};
use super::statement::Write;
use super::states::StreamPosition;
use crate::cause::Cause;
use crate::failure::Failure;

/// The most published rows that one statement deletes: a batch should not wait for more.
const CLEAR_MAX: usize = 1_000;

/// Turns decided events into rows, and has them written and, once they are published, deleted.
#[derive(Debug, Clone)]
pub struct Outbox {
    source: Arc<str>,
    instance: i32,
    transactions: Arc<AtomicU32>,
    encoders: Arc<HashMap<&'static str, Encoder>>,
    published: Arc<Mutex<Published>>,
}

/// The rows whose events are all in the log.
#[derive(Debug, Default)]
struct Published {
    /// They are to be deleted.
    waiting: Vec<BundleId>,
    /// Since when one of them waits.
    since: Option<Instant>,
    /// They have been deleted, which the relay has not been told yet.
    deleted: Vec<BundleId>,
}

impl Outbox {
    pub(crate) fn new(
        service: &str,
        instance: i32,
        encoders: HashMap<&'static str, Encoder>,
    ) -> Self {
        Self {
            source: format!("/{service}").into(),
            instance,
            transactions: Arc::default(),
            encoders: Arc::new(encoders),
            published: Arc::default(),
        }
    }

    /// The service that emits.
    pub(crate) fn service(&self) -> &str {
        self.source.trim_start_matches('/')
    }

    /// The number for a transaction that is about to emit events.
    pub fn next_bundle(&self) -> BundleId {
        // At a hundred a second they come round after a year; by then those rows are long gone.
        let transaction = self.transactions.fetch_add(1, Ordering::Relaxed);
        BundleId(i64::from(self.instance) << 32 | i64::from(transaction))
    }

    /// Gives an event its id, its time and its place in the order's stream, and encodes it.
    /// Advances `stream`; the caller writes it in the statement that appends the row.
    pub fn draft<E: Event>(
        &self,
        bundle: BundleId,
        saga: SagaKey,
        event: &E,
        stream: &mut StreamPosition,
        cause: &Cause,
    ) -> Result<Outgoing, Failure> {
        let event_type = event.event_type();
        let encoder = self.encoders.get(event_type).ok_or_else(|| {
            Failure::Poison(format!("{event_type} is emitted but not declared in `emits`"))
        })?;
        let payload = encoder.encode(event).map_err(|error| {
            Failure::Poison(format!(
                "{event_type}: {error} (is its schema in the declaration's `emits` the newest?)"
            ))
        })?;
        let before = stream.last_bundle.replace(bundle);
        stream.emitted += 1;
        Ok(Outgoing {
            follows: before.filter(|before| *before != bundle),
            payload,
            envelope: Envelope {
                id: Uuid::now_v7(),
                event_type: event_type.to_owned(),
                source: self.source.to_string(),
                saga,
                time: now_in_micros(),
                sequence: stream.emitted.unsigned_abs(),
                correlation_id: cause.correlation_id.clone(),
                causation_id: cause.causation_id.clone(),
                traceparent: cause.traceparent.clone(),
            },
        })
    }

    /// Has the events appended, as one row. Once the statement has run they are to be published.
    pub fn append(
        &self,
        bundle: BundleId,
        events: &[Outgoing],
        write: &mut Write,
    ) -> Result<(), Failure> {
        if events.is_empty() {
            return Ok(());
        }
        let envelopes = || events.iter().map(|event| &event.envelope);
        let texts = |of: fn(&Envelope) -> &str| -> Vec<String> {
            envelopes().map(|envelope| of(envelope).to_owned()).collect()
        };
        let values = [
            write.bind(bundle.0)?,
            write.bind(self.instance)?,
            write.bind(envelopes().map(|e| e.id).collect::<Vec<Uuid>>())?,
            write.bind(envelopes().map(|e| e.saga.0).collect::<Vec<Uuid>>())?,
            write.bind(envelopes().map(|e| e.sequence.cast_signed()).collect::<Vec<i32>>())?,
            write.bind(texts(|e| &e.event_type))?,
            write.bind(envelopes().map(|e| e.time.to_sqlx()).collect::<Vec<_>>())?,
            write.bind(texts(|e| &e.correlation_id))?,
            write.bind(texts(|e| &e.causation_id))?,
            write.bind(envelopes().map(|e| e.traceparent.clone()).collect::<Vec<_>>())?,
            write.bind(events.iter().map(|event| event.payload.as_slice()).collect::<Vec<_>>())?,
            write.bind(events.iter().map(|e| e.follows.map(|id| id.0)).collect::<Vec<_>>())?,
        ];
        write.part(&format!(
            "INSERT INTO outbox_bundles (bundle_id, instance, event_ids, sagas, sequences,
               event_types, times, correlation_ids, causation_ids, traceparents, payloads, follows)
             VALUES ({})",
            values.join(", ")
        ));
        Ok(())
    }

    /// Has published rows deleted by a statement that is made anyway.
    pub fn clear(&self, write: &mut Write) -> Result<Clearing<'_>, Failure> {
        let mut published = self.published();
        let count = published.waiting.len().min(CLEAR_MAX);
        let bundles: Vec<BundleId> = published.waiting.drain(..count).collect();
        if published.waiting.is_empty() {
            published.since = None;
        }
        drop(published);
        let clearing = Clearing { outbox: self, bundles };
        if !clearing.bundles.is_empty() {
            let ids: Vec<i64> = clearing.bundles.iter().map(|bundle| bundle.0).collect();
            let ids = write.bind(ids)?;
            write.part(&format!("DELETE FROM outbox_bundles WHERE bundle_id = ANY({ids})"));
        }
        Ok(clearing)
    }

    /// Takes note that all events of these rows are in the log.
    pub(crate) fn are_published(&self, bundles: impl Iterator<Item = BundleId>) {
        let mut published = self.published();
        published.waiting.extend(bundles);
        if !published.waiting.is_empty() {
            published.since.get_or_insert_with(Instant::now);
        }
    }

    /// Since when published rows wait for a statement that deletes them.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.published().since
    }

    /// The rows that have been deleted since this was asked last.
    pub(crate) fn deleted(&self) -> Vec<BundleId> {
        std::mem::take(&mut self.published().deleted)
    }

    pub(crate) fn instance(&self) -> i32 {
        self.instance
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Published rows that a statement deletes. Unless it is [done](Self::done) they are still there,
/// and deleted by another.
#[derive(Debug)]
#[must_use]
pub struct Clearing<'o> {
    outbox: &'o Outbox,
    bundles: Vec<BundleId>,
}

impl Clearing<'_> {
    /// The statement has run.
    pub fn done(mut self) {
        let bundles = std::mem::take(&mut self.bundles);
        self.outbox.published().deleted.extend(bundles);
    }
}

impl Drop for Clearing<'_> {
    fn drop(&mut self) {
        let bundles = std::mem::take(&mut self.bundles);
        self.outbox.are_published(bundles.into_iter());
    }
}

/// The columns that [`from_row`] reads.
pub(crate) const COLUMNS: &str = "bundle_id, event_ids, sagas, sequences, event_types, times, \
     correlation_ids, causation_ids, traceparents, payloads, follows";

/// A bundle as it is in the table, from its [columns](COLUMNS).
pub(crate) fn from_row(source: &str, row: &PgRow) -> Result<Bundle, Failure> {
    let ids: Vec<Uuid> = row.try_get("event_ids")?;
    let sagas: Vec<Uuid> = row.try_get("sagas")?;
    let sequences: Vec<i32> = row.try_get("sequences")?;
    let mut types = row.try_get::<Vec<String>, _>("event_types")?.into_iter();
    let times: Vec<jiff_sqlx::Timestamp> = row.try_get("times")?;
    let mut correlations = row.try_get::<Vec<String>, _>("correlation_ids")?.into_iter();
    let mut causations = row.try_get::<Vec<String>, _>("causation_ids")?.into_iter();
    let mut traces = row.try_get::<Vec<Option<String>>, _>("traceparents")?.into_iter();
    let mut payloads = row.try_get::<Vec<Vec<u8>>, _>("payloads")?.into_iter();
    let follows: Vec<Option<i64>> = row.try_get("follows")?;
    let each = ids.into_iter().zip(sagas).zip(sequences).zip(times).zip(follows);
    let events = each.map(|((((id, saga), sequence), time), follows)| Outgoing {
        follows: follows.map(BundleId),
        payload: payloads.next().unwrap_or_default(),
        envelope: Envelope {
            id,
            event_type: types.next().unwrap_or_default(),
            source: source.to_owned(),
            saga: SagaKey(saga),
            time: time.to_jiff(),
            sequence: sequence.unsigned_abs(),
            correlation_id: correlations.next().unwrap_or_default(),
            causation_id: causations.next().unwrap_or_default(),
            traceparent: traces.next().flatten(),
        },
    });
    Ok(Bundle { id: BundleId(row.try_get("bundle_id")?), events: events.collect() })
}

/// Postgres keeps microseconds; a row read again must say the same time.
fn now_in_micros() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
