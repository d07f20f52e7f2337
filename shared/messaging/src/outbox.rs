use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use contracts::{Encoder, Envelope, Event};
use jiff::Timestamp;
use kernel::OrderId;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Cause, Db, Failure, Stream};

/// An event that is to be published.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Its headers.
    pub envelope: Envelope,
    /// Its framed bytes.
    pub payload: Vec<u8>,
    /// The bundle with the order's event before this one, if that is another.
    pub(crate) follows: Option<BundleId>,
}

/// A transaction's number: the instance's in the upper half, then its own. An instance's grow with
/// time, and an order's grow with its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BundleId(pub i64);

/// The events of one transaction, as they are in the outbox: one row.
#[derive(Debug, Default)]
pub struct Bundle(pub(crate) Vec<Bundled>);

/// An event that is in the outbox.
#[derive(Debug)]
pub(crate) struct Bundled {
    pub(crate) event: Outgoing,
    row: Arc<BundleRow>,
}

#[derive(Debug)]
struct BundleRow {
    id: BundleId,
    unpublished: AtomicUsize,
}

impl Bundle {
    fn new(id: BundleId, events: Vec<Outgoing>) -> Self {
        let row = Arc::new(BundleRow { id, unpublished: AtomicUsize::new(events.len()) });
        Self(events.into_iter().map(|event| Bundled { event, row: row.clone() }).collect())
    }
}

impl Bundled {
    pub(crate) fn bundle(&self) -> BundleId {
        self.row.id
    }

    /// Takes note that the event is in the log. Returns the row's id if all of its events are, and
    /// it may go.
    pub(crate) fn published(&self) -> Option<BundleId> {
        let last = self.row.unpublished.fetch_sub(1, Ordering::Relaxed) == 1;
        last.then_some(self.row.id)
    }
}

/// Turns decided events into rows, and writes them.
#[derive(Debug, Clone)]
pub struct Outbox {
    source: Arc<str>,
    instance: i32,
    transactions: Arc<AtomicU32>,
    encoders: Arc<HashMap<&'static str, Encoder>>,
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
        }
    }

    /// The number for a transaction that is about to emit events. To be asked for when it has read
    /// the states of its orders, and not before: so an order's bundles have growing numbers.
    pub fn next_bundle(&self) -> BundleId {
        // At a hundred a second they come round after a year; by then those rows are long gone.
        let transaction = self.transactions.fetch_add(1, Ordering::Relaxed);
        BundleId(i64::from(self.instance) << 32 | i64::from(transaction))
    }

    /// Gives an event its id, its time and its place in the order's stream, and encodes it.
    /// Advances `stream`; the caller writes it in the transaction that appends the row.
    pub fn draft<E: Event>(
        &self,
        bundle: BundleId,
        order: OrderId,
        event: &E,
        stream: &mut Stream,
        cause: &Cause,
    ) -> Result<Outgoing, Failure> {
        let event_type = event.event_type();
        let encoder = self.encoders.get(event_type).ok_or_else(|| {
            Failure::Message(format!("{event_type} is emitted but not declared in `emits`"))
        })?;
        let payload = encoder.encode(event).map_err(|error| Failure::Message(error.to_string()))?;
        let before = std::mem::replace(&mut stream.last_bundle, bundle.0);
        stream.emitted += 1;
        Ok(Outgoing {
            follows: (before != 0 && before != bundle.0).then_some(BundleId(before)),
            payload,
            envelope: Envelope {
                id: Uuid::now_v7(),
                event_type: event_type.to_owned(),
                source: self.source.to_string(),
                order,
                time: now_in_micros(),
                sequence: stream.emitted.unsigned_abs(),
                correlation_id: cause.correlation_id.clone(),
                causation_id: cause.causation_id.clone(),
                traceparent: cause.traceparent.clone(),
            },
        })
    }

    /// Appends the events, as one row. After the commit they are to be published.
    pub async fn append(
        &self,
        db: &Db<'_>,
        bundle: BundleId,
        events: Vec<Outgoing>,
    ) -> Result<Bundle, Failure> {
        if events.is_empty() {
            return Ok(Bundle::default());
        }
        let insert = db
            .prepare_cached(
                "INSERT INTO outbox_bundles (bundle_id, instance, event_ids, order_ids, sequences,
                   event_types, times, correlation_ids, causation_ids, traceparents, payloads)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            )
            .await?;
        let envelopes = || events.iter().map(|event| &event.envelope);
        let ids: Vec<Uuid> = envelopes().map(|e| e.id).collect();
        let orders: Vec<Uuid> = envelopes().map(|e| e.order.0).collect();
        let sequences: Vec<i32> = envelopes().map(|e| e.sequence.cast_signed()).collect();
        let types: Vec<&str> = envelopes().map(|e| e.event_type.as_str()).collect();
        let times: Vec<Timestamp> = envelopes().map(|e| e.time).collect();
        let correlations: Vec<&str> = envelopes().map(|e| e.correlation_id.as_str()).collect();
        let causations: Vec<&str> = envelopes().map(|e| e.causation_id.as_str()).collect();
        let traces: Vec<Option<&str>> = envelopes().map(|e| e.traceparent.as_deref()).collect();
        let payloads: Vec<&[u8]> = events.iter().map(|event| event.payload.as_slice()).collect();
        db.execute(
            &insert,
            &[
                &bundle.0,
                &self.instance,
                &ids,
                &orders,
                &sequences,
                &types,
                &times,
                &correlations,
                &causations,
                &traces,
                &payloads,
            ],
        )
        .await?;
        Ok(Bundle::new(bundle, events))
    }

    pub(crate) fn instance(&self) -> i32 {
        self.instance
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }
}

/// Events as they were left in the table, in the order in which each order's events belong. The
/// rows are as [`EVENTS_OF`] gives them.
pub(crate) fn from_rows(source: &str, rows: &[Row]) -> Vec<Bundled> {
    let mut bundles: HashMap<i64, Vec<Outgoing>> = HashMap::new();
    for row in rows {
        bundles.entry(row.get("bundle_id")).or_default().push(from_row(source, row));
    }
    let bundles = bundles.into_iter().map(|(id, events)| Bundle::new(BundleId(id), events));
    let mut found: Vec<Bundled> = bundles.flat_map(|bundle| bundle.0).collect();
    found.sort_by_key(|Bundled { event, .. }| (event.envelope.order, event.envelope.sequence));
    found
}

/// Selects all events of bundles; to be followed by a condition on their `bundle_id`s.
pub(crate) const EVENTS_OF: &str = "SELECT bundle_id, event_id, order_id, sequence, event_type, \
     occurred_at, correlation_id, causation_id, traceparent, payload FROM outbox WHERE bundle_id";

fn from_row(source: &str, row: &Row) -> Outgoing {
    Outgoing {
        follows: None,
        payload: row.get("payload"),
        envelope: Envelope {
            id: row.get("event_id"),
            event_type: row.get("event_type"),
            source: source.to_owned(),
            order: OrderId(row.get("order_id")),
            time: row.get("occurred_at"),
            sequence: row.get::<_, i32>("sequence").unsigned_abs(),
            correlation_id: row.get("correlation_id"),
            causation_id: row.get("causation_id"),
            traceparent: row.get("traceparent"),
        },
    }
}

/// Postgres keeps microseconds; a row read again must say the same time.
fn now_in_micros() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
