use std::collections::HashMap;
use std::sync::Arc;

use contracts::{Encoder, Envelope, Event};
use jiff::Timestamp;
use kernel::OrderId;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Cause, Db, Failure, Stream};

/// An event that is to be published: a row of the outbox, and what the relay sends.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Its headers.
    pub envelope: Envelope,
    /// Its framed bytes.
    pub payload: Vec<u8>,
    /// The other instance that emitted the order's event before this one, if it was another.
    pub(crate) follows: Option<i32>,
}

/// Turns decided events into rows, and writes them.
#[derive(Debug, Clone)]
pub struct Outbox {
    source: Arc<str>,
    instance: i32,
    encoders: Arc<HashMap<&'static str, Encoder>>,
}

impl Outbox {
    pub(crate) fn new(
        service: &str,
        instance: i32,
        encoders: HashMap<&'static str, Encoder>,
    ) -> Self {
        Self { source: format!("/{service}").into(), instance, encoders: Arc::new(encoders) }
    }

    /// Gives an event its id, its time and its place in the order's stream, and encodes it.
    /// Advances `stream`; the caller writes it in the transaction that appends the row.
    pub fn draft<E: Event>(
        &self,
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
        let before = std::mem::replace(&mut stream.emitted_by, self.instance);
        stream.emitted += 1;
        Ok(Outgoing {
            follows: (before != 0 && before != self.instance).then_some(before),
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

    /// Appends the rows, with one statement.
    pub async fn append(&self, db: &Db<'_>, rows: &[Outgoing]) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let insert = db
            .prepare_cached(
                "INSERT INTO outbox (event_id, order_id, sequence, instance, event_type,
                   occurred_at, correlation_id, causation_id, traceparent, payload)
                 SELECT event_id, order_id, sequence, $10, event_type,
                   occurred_at, correlation_id, causation_id, traceparent, payload
                 FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::timestamptz[],
                   $6::text[], $7::text[], $8::text[], $9::bytea[])
                 AS row (event_id, order_id, sequence, event_type, occurred_at,
                   correlation_id, causation_id, traceparent, payload)",
            )
            .await?;
        let envelopes = || rows.iter().map(|row| &row.envelope);
        let ids: Vec<Uuid> = envelopes().map(|e| e.id).collect();
        let orders: Vec<Uuid> = envelopes().map(|e| e.order.0).collect();
        let sequences: Vec<i32> = envelopes().map(|e| e.sequence.cast_signed()).collect();
        let types: Vec<&str> = envelopes().map(|e| e.event_type.as_str()).collect();
        let times: Vec<Timestamp> = envelopes().map(|e| e.time).collect();
        let correlations: Vec<&str> = envelopes().map(|e| e.correlation_id.as_str()).collect();
        let causations: Vec<&str> = envelopes().map(|e| e.causation_id.as_str()).collect();
        let traces: Vec<Option<&str>> = envelopes().map(|e| e.traceparent.as_deref()).collect();
        let payloads: Vec<&[u8]> = rows.iter().map(|row| row.payload.as_slice()).collect();
        db.execute(
            &insert,
            &[
                &ids,
                &orders,
                &sequences,
                &types,
                &times,
                &correlations,
                &causations,
                &traces,
                &payloads,
                &self.instance,
            ],
        )
        .await?;
        Ok(())
    }

    /// The number of this instance, for [`Stream::emitted_by`] of rows that the service writes.
    pub fn instance(&self) -> i32 {
        self.instance
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }
}

/// Rows as they were left in the table, in the order in which each order's events belong.
pub(crate) fn from_rows(source: &str, rows: &[Row]) -> Vec<Outgoing> {
    let mut found: Vec<Outgoing> = rows.iter().map(|row| from_row(source, row)).collect();
    found.sort_by_key(|row| (row.envelope.order, row.envelope.sequence));
    found
}

/// The columns that [`from_rows`] needs.
pub(crate) const COLUMNS: &str = "event_id, order_id, sequence, event_type, occurred_at, \
     correlation_id, causation_id, traceparent, payload";

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
