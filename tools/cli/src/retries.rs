//! What services could not process and try again, by cause.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::database::ask;
use crate::masking;
use crate::recovery::normalised;
use crate::{OrderId, Unreadable};

/// Records of a service that have failed alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retries {
    /// The service.
    pub service: &'static str,
    /// Why they failed last, without ids and numbers.
    pub cause: String,
    /// The last error of one of them, in full.
    pub error: String,
    /// How many there are.
    pub records: i64,
    /// The types of events.
    pub types: BTreeSet<String>,
    /// How often the one that was tried most often was tried.
    pub attempts: i32,
    /// When the first of them failed first.
    pub first: Option<Timestamp>,
    /// When the last of them failed last.
    pub last: Option<Timestamp>,
    /// When one is tried again; `None` for those that were given up and are on their way to the dead
    /// letters.
    pub next: Option<Timestamp>,
    /// An order that it concerns.
    pub example: Option<OrderId>,
}

/// A service's retry queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// What has failed, the newest trouble first.
    pub groups: Vec<Retries>,
    /// How many records wait behind others of their order, and have not failed themselves.
    pub behind: i64,
}

impl Queue {
    /// The same for who is to see nothing personal: without what errors quote.
    #[must_use]
    pub fn masked(mut self) -> Self {
        for group in &mut self.groups {
            group.cause = masking::error(&group.cause);
            group.error = masking::error(&group.error);
            group.types = group.types.iter().map(|it| masking::name(it).to_owned()).collect();
        }
        self
    }

    /// How many records have failed.
    pub fn failing(&self) -> i64 {
        self.groups.iter().map(|group| group.records).sum()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    error: Option<String>,
    dead: bool,
    records: i64,
    types: Vec<Option<Vec<u8>>>,
    attempts: i32,
    first: Option<jiff_sqlx::Timestamp>,
    last: Option<jiff_sqlx::Timestamp>,
    due: jiff_sqlx::Timestamp,
    orders: Vec<Option<Uuid>>,
}

/// What a service tries again, by cause.
pub async fn queue(
    service: &'static str,
    database: &mut PgConnection,
) -> Result<Queue, Unreadable> {
    let rows: Vec<Row> = ask(
        service,
        database,
        sqlx::query_as(
            "SELECT errors[cardinality(errors)] AS error, dead, count(*) AS records,
               (array_agg(DISTINCT header_values[array_position(header_names, 'ce_type')]))[1:20]
                 AS types,
               max(attempts) AS attempts, min(first_failed_at) AS first,
               max(last_failed_at) AS last, min(due_at) AS due,
               (array_agg(saga ORDER BY id DESC))[1:1] AS orders
             FROM retry_queue WHERE attempts > 0 OR dead
             GROUP BY 1, 2 ORDER BY max(last_failed_at) DESC NULLS LAST LIMIT 2000",
        ),
    )
    .await?;
    let behind: Vec<(i64,)> = ask(
        service,
        database,
        sqlx::query_as("SELECT count(*) FROM retry_queue WHERE attempts = 0 AND NOT dead"),
    )
    .await?;
    let mut groups: BTreeMap<(String, bool), Retries> = BTreeMap::new();
    for row in rows {
        let error = row.error.unwrap_or_else(|| "no error is recorded".to_owned());
        let cause = normalised(&error);
        let group = groups.entry((cause.clone(), row.dead)).or_insert_with(|| Retries {
            service,
            cause,
            error,
            records: 0,
            types: BTreeSet::new(),
            attempts: 0,
            first: None,
            last: None,
            next: None,
            example: row.orders.first().copied().flatten().map(OrderId),
        });
        let time = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        group.records += row.records;
        group.types.extend(row.types.into_iter().flatten().map(text));
        group.attempts = group.attempts.max(row.attempts);
        group.first = [group.first, time(row.first)].into_iter().flatten().min();
        group.last = [group.last, time(row.last)].into_iter().flatten().max();
        let due = (!row.dead).then(|| row.due.to_jiff());
        group.next = [group.next, due].into_iter().flatten().min();
    }
    let mut groups: Vec<Retries> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.last));
    Ok(Queue { groups, behind: behind.first().map_or(0, |row| row.0) })
}
