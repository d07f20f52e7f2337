//! The numbers that are missing in the streams of events that a service reads.

pub use contracts::operations::Number;
use jiff::Timestamp;
use kafka::Publisher;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::connections::Connections;
use crate::database::ask;
use crate::databases::Databases;
use crate::decisions::Decisions;
use crate::recovery::{Began, Recorder};
use crate::unreadable::Unreadable;
use crate::{OrderId, services};

/// A number that is missing: a later event of the same order and source has come, this one has
/// not.
#[derive(Debug, Clone, Serialize)]
pub struct Gap {
    /// The service that misses it.
    pub service: &'static str,
    /// The order.
    pub order_id: OrderId,
    /// The `ce_source`, such as `/order`.
    pub source: String,
    /// The `ce_sequence`.
    pub sequence: i32,
    /// When it was noticed.
    pub since: Timestamp,
    /// What the service has found out.
    pub verdict: Verdict,
}

/// What a service has found out about a missing number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may still come, or the topic is yet to be searched.
    Waiting,
    /// It is among the dead letters.
    Dead,
    /// The topic does not have it.
    Lost,
}

impl Verdict {
    /// In plain words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Waiting => "not found yet: the service looks for it",
            Self::Dead => "given up: it is among the dead letters",
            Self::Lost => "lost: the topic does not have it",
        }
    }
}

/// The missing numbers of a service, the newest first, `limit` at most; and how many there are.
/// Those that somebody has seen to are left out.
pub async fn gaps(
    service: &'static str,
    database: &mut PgConnection,
    decisions: &Decisions,
    limit: i64,
) -> Result<(Vec<Gap>, i64), Unreadable> {
    let settled = decisions.numbers(service);
    let orders: Vec<Uuid> = settled.iter().map(|number| number.saga.0).collect();
    let sources: Vec<String> = settled.iter().map(|number| number.source.clone()).collect();
    let sequences: Vec<i32> = settled.iter().map(|number| number.sequence).collect();
    let question = sqlx::query_as(
        "SELECT saga, source, sequence, noticed_at, verdict, count(*) OVER () FROM gaps
         WHERE verdict = 'waiting' OR verdict IN ('lost', 'dead')
           AND (saga, source, sequence) NOT IN
             (SELECT * FROM unnest($2::uuid[], $3::text[], $4::int[]))
         ORDER BY noticed_at DESC, saga, source, sequence LIMIT $1",
    );
    let question = question.bind(limit).bind(orders).bind(sources).bind(sequences);
    let rows: Vec<CountedRow> = ask(service, database, question).await?;
    let all = rows.first().map_or(0, |row| row.5);
    let gap = |(order, source, sequence, since, verdict, _): CountedRow| {
        Gap::new(service, (order, source, sequence, since, verdict))
    };
    Ok((rows.into_iter().map(gap).collect(), all))
}

/// Takes note, in the log of operations, that this event never will come, and what it was for is seen to.
/// Returns whether it does: not if no service has found it to be lost, or has given it up.
///
/// # Errors
/// When a database or Kafka cannot be reached.
pub async fn acknowledged(
    number: &Number,
    began: Began,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<bool> {
    let mut is_missing = false;
    for service in services() {
        is_missing |= is_missed(service, &mut databases.connect(service).await?, number).await?;
    }
    if !is_missing {
        return Ok(false);
    }
    connections.kafka().await?;
    let publisher = Publisher::new(&connections.kafka_brokers)?;
    let topic = connections.topic_prefix.operations();
    let recorder = Recorder::begin(&publisher, topic, began).await?;
    recorder.acknowledged(number.clone()).await?;
    recorder.end("acknowledged".to_owned()).await?;
    Ok(true)
}

async fn is_missed(
    service: &str,
    database: &mut PgConnection,
    number: &Number,
) -> Result<bool, Unreadable> {
    let Number { saga, source, sequence } = number;
    let question = sqlx::query_as(
        "SELECT EXISTS (SELECT FROM gaps WHERE verdict IN ('lost', 'dead')
           AND saga = $1 AND source = $2 AND sequence = $3)",
    );
    let question = question.bind(saga.0).bind(source.clone()).bind(sequence);
    let rows: Vec<(bool,)> = ask(service, database, question).await?;
    Ok(rows.first().is_some_and(|row| row.0))
}

/// With the number of all rows.
type CountedRow = (Uuid, String, i32, jiff_sqlx::Timestamp, String, i64);

/// Order, source, sequence, since when, and verdict.
pub(crate) type GapRow = (Uuid, String, i32, jiff_sqlx::Timestamp, String);

impl Gap {
    /// The number that is missing.
    pub fn number(&self) -> Number {
        let Self { order_id, source, sequence, .. } = self;
        Number { saga: *order_id, source: source.clone(), sequence: *sequence }
    }

    pub(crate) fn new(
        service: &'static str,
        (order, source, sequence, since, verdict): GapRow,
    ) -> Self {
        Self {
            service,
            order_id: OrderId(order),
            source,
            sequence,
            since: since.to_jiff(),
            verdict: match verdict.as_str() {
                "dead" => Verdict::Dead,
                "lost" => Verdict::Lost,
                _ => Verdict::Waiting,
            },
        }
    }
}
