use std::sync::Arc;
use std::time::Duration;

use contracts::dead_letter_headers as headers;
use deadpool_postgres::Pool;
use jiff::Timestamp;
use kafka::{Producer, Record, header};
use kernel::error_chain as chain;
use metrics::counter;
use rdkafka::message::{Header, OwnedHeaders};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::retry::{self, Parked};
use crate::{Db, Failure};

/// How often the queue is looked through for dead records that nobody announced.
const SCAN_EVERY: Duration = Duration::from_secs(2);

/// How long a record that Kafka refuses waits before it is tried again.
const STUCK_FOR: Duration = Duration::from_mins(1);

/// Moves dead records from the retry queue to the dead-letter topic.
pub(crate) struct Undertaker {
    pub(crate) pool: Pool,
    pub(crate) producer: Arc<Producer>,
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) wake: Arc<Notify>,
}

impl Undertaker {
    /// Works until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        loop {
            match self.move_some().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(failure) => warn!(%failure, "cannot move dead letters, trying again"),
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(SCAN_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Moves up to 100 records. The rows are locked until the log has them, so two instances
    /// don't move the same ones. Says whether more may be there.
    async fn move_some(&self) -> Result<bool, Failure> {
        let client = self.pool.get().await?;
        let db = Db::begin(&client).await?;
        let select = format!(
            "SELECT {} FROM retry_queue WHERE dead AND due_at <= now()
             ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED",
            retry::COLUMNS
        );
        let rows = db.query(&select, &[]).await?;
        if rows.is_empty() {
            return Ok(false);
        }
        let dead: Vec<Parked> = rows.iter().map(Parked::from_row).collect();
        let (moved, stuck) = self.publish(&dead).await?;
        for (parked, error) in &stuck {
            // Kafka refuses this one, such as for its size. It stays in the queue, for all that is
            // known of it is there, and is tried again later.
            error!(
                topic = parked.topic,
                partition = parked.partition,
                offset = parked.offset,
                error,
                "a dead record cannot be moved to the dead-letter topic; it stays in retry_queue"
            );
            retry::put_off(&db, parked, STUCK_FOR).await?;
        }
        for parked in &moved {
            retry::remove(&db, parked).await?;
            db.execute(
                "INSERT INTO dead_lettered (topic, partition, record_offset) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
                &[&parked.topic, &parked.partition, &parked.offset],
            )
            .await?;
        }
        db.commit().await?;
        moved.into_iter().for_each(report);
        Ok(true)
    }

    /// Publishes records, all at once or, if that does not work, one by one. Returns those that
    /// Kafka has, and those that it refuses.
    async fn publish<'d>(
        &self,
        dead: &'d [Parked],
    ) -> Result<(Vec<&'d Parked>, Vec<(&'d Parked, String)>), Failure> {
        if self.producer.publish(dead.iter().map(|one| self.record(one))).await.is_ok() {
            return Ok((dead.iter().collect(), Vec::new()));
        }
        let (mut moved, mut stuck) = (Vec::new(), Vec::new());
        for parked in dead {
            match self.producer.publish([self.record(parked)].into_iter()).await {
                Ok(()) => moved.push(parked),
                Err(error) if error.refused => stuck.push((parked, error.reason)),
                Err(error) => return Err(Failure::Infrastructure(error.reason)),
            }
        }
        Ok((moved, stuck))
    }

    fn record<'d>(&'d self, parked: &'d Parked) -> Record<'d> {
        Record {
            topic: &self.topic,
            key: parked.key.as_deref(),
            payload: parked.payload.as_deref(),
            headers: self.headers(parked),
        }
    }

    /// The record's own headers, then what is to be known about its failure.
    fn headers(&self, parked: &Parked) -> OwnedHeaders {
        let own = parked.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_ref() })
        });
        let time = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.to_string());
        let errors = serde_json::to_string(&parked.errors).unwrap_or_else(|error| chain(&error));
        [
            (headers::ERRORS, errors),
            (headers::ATTEMPTS, parked.attempts.to_string()),
            (headers::TOPIC, parked.topic.clone()),
            (headers::PARTITION, parked.partition.to_string()),
            (headers::OFFSET, parked.offset.to_string()),
            (headers::GROUP, self.group.clone()),
            (headers::FIRST_FAILED_AT, time(parked.first_failed_at)),
            (headers::LAST_FAILED_AT, time(parked.last_failed_at)),
        ]
        .iter()
        .fold(own, |headers, (name, value)| header(headers, name, value.as_bytes()))
    }
}

fn report(parked: &Parked) {
    counter!("farandole_dead_letters_total", "topic" => parked.topic.clone()).increment(1);
    error!(
        topic = parked.topic,
        partition = parked.partition,
        offset = parked.offset,
        order_id = parked.order.map(tracing::field::display),
        attempts = parked.attempts,
        error = parked.errors.last(),
        "record moved to the dead-letter topic"
    );
}
