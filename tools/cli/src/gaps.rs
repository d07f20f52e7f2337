//! The numbers that are missing in the streams of events that a service reads.

use jiff::Timestamp;
use kernel::OrderId;
use serde::Serialize;
use tokio_postgres::{Client, Row};

use crate::Unreadable;

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

/// The missing numbers of a service, the oldest first, `limit` at most; and how many there are.
pub async fn gaps(
    service: &'static str,
    database: &Client,
    limit: i64,
) -> Result<(Vec<Gap>, i64), Unreadable> {
    let rows = database
        .query(
            "SELECT order_id, source, sequence, noticed_at, verdict, count(*) OVER () FROM gaps
             ORDER BY noticed_at, order_id, source, sequence LIMIT $1",
            &[&limit],
        )
        .await
        .map_err(Unreadable::of(service))?;
    let all = rows.first().map_or(0, |row| row.get(5));
    Ok((rows.iter().map(|row| gap(service, row)).collect(), all))
}

/// From the columns order, source, sequence, since, verdict.
pub(crate) fn gap(service: &'static str, row: &Row) -> Gap {
    Gap {
        service,
        order_id: OrderId(row.get(0)),
        source: row.get(1),
        sequence: row.get(2),
        since: row.get(3),
        verdict: match row.get(4) {
            "dead" => Verdict::Dead,
            "lost" => Verdict::Lost,
            _ => Verdict::Waiting,
        },
    }
}
