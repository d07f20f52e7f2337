//! What pages ask.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use choreography::{Fact, Facts};
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTime, ToSqlx};
use kernel::Money;
use tokio::sync::RwLockReadGuard;
use uuid::Uuid;

use super::dictionary::{Dictionary, OrderRow, facts_of, money};
use super::partitions::first_id_at;
use super::{Error, Store, limited};
use crate::buckets::Durations;
use crate::order::Order;

/// How far the topics were read.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Everything that was in them then was read; `None` while their beginning is.
    pub as_of: Option<Timestamp>,
    /// When the projector was there last.
    pub looked_at: Option<Timestamp>,
    /// Why nothing is read.
    pub trouble: Option<String>,
    /// How many records the topics had forgotten before they were read.
    pub forgotten: i64,
    /// How many records were read, and how many there are beside.
    pub read: i64,
    /// See [`read`](Self::read).
    pub behind: i64,
    /// Whether it has come to where the topics ended.
    pub is_ready: bool,
}

/// The way that orders took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Its number, by which it is asked for.
    pub number: i32,
    /// What was said of the order.
    pub said: Facts,
}

/// How many orders have gone a way.
#[derive(Debug, Clone)]
pub struct WayCount {
    /// The way.
    pub way: Way,
    /// Why they ended as they did; empty if no reason was given.
    pub reason: String,
    /// How many.
    pub orders: i64,
    /// What they cost, by currency.
    pub totals: BTreeMap<String, i64>,
    /// How long each took until it was decided.
    pub took: Durations,
}

/// Orders that are open, of a way. How long they wait is told by how far the topics were read: who is behind
/// does not take others to be late.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    /// The way that they have gone so far.
    pub way: Way,
    /// How many.
    pub orders: i64,
    /// For how many seconds nothing was said of that which waits longest.
    pub oldest_s: f64,
    /// How many have waited less than 1 s, 10 s, 1 min, 10 min, and longer.
    pub ages: [i64; 5],
}

/// Events of a minute.
#[derive(Debug, Clone, Copy)]
pub struct Minute {
    /// When it began.
    pub minute: Timestamp,
    /// What was said.
    pub fact: Fact,
    /// How often.
    pub events: i64,
}

/// Orders of a way of which nothing was said for so long.
#[derive(Debug, Clone, Copy)]
pub struct Late {
    /// The way that they have gone so far.
    pub way: i32,
    /// Longer than this.
    pub after: Duration,
}

/// Which orders are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those that have gone one of these ways.
    pub ways: Option<Vec<i32>>,
    /// Only those that are open.
    pub is_open: bool,
    /// Only those with this reason.
    pub reason: Option<String>,
    /// Only those that wait longer than this.
    pub late: Option<Vec<Late>>,
    /// Only those whose ids are this or smaller: those that are as old, or older.
    pub upto: Option<Uuid>,
    /// Only those whose ids are larger than this: those that are newer.
    pub newer: Option<Uuid>,
}

/// Where a list goes on: after this order.
pub type Cursor = Uuid;

/// An order in a list.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// When it began.
    pub began: Timestamp,
    /// When the last was said of it.
    pub moved: Timestamp,
    /// The way that it has gone so far.
    pub way: Way,
    /// Why it ended as it did.
    pub reason: Option<String>,
    /// What it costs.
    pub total: Option<Money>,
}

type RowOf = (Uuid, SqlTime, SqlTime, i32, Option<String>, Option<i64>, Option<String>);

/// Their ways, and seconds.
fn arrays(late: &[Late]) -> (Vec<i32>, Vec<f64>) {
    late.iter().map(|it| (it.way, it.after.as_secs_f64())).unzip()
}

impl Store {
    /// How far the topics were read.
    pub async fn reading(&self) -> Result<Reading, Error> {
        let (as_of, looked_at, trouble, forgotten): (
            Option<SqlTime>,
            SqlTime,
            Option<String>,
            i64,
        ) = limited(
            sqlx::query_as("SELECT as_of, looked_at, trouble, forgotten FROM reading")
                .fetch_one(&self.pool),
        )
        .await?;
        let (read, behind): (i64, i64) = limited(sqlx::query_as(
            "SELECT coalesce(sum(next), 0)::bigint, coalesce(sum(behind), 0)::bigint FROM progress",
        )
        .fetch_one(&self.pool)).await?;
        Ok(Reading {
            as_of: as_of.map(SqlTime::to_jiff),
            looked_at: Some(looked_at.to_jiff()),
            trouble,
            forgotten,
            read,
            behind,
            is_ready: self.generation.is_ready,
        })
    }

    /// The orders that began at this time or later, counted by the way that they went, by the hour; all of
    /// them without.
    pub async fn counts(&self, since: Option<Timestamp>) -> Result<Vec<WayCount>, Error> {
        let since = since.map(ToSqlx::to_sqlx);
        let rows: Vec<(i32, String, String, i64, i64)> = limited(
            sqlx::query_as(
                "SELECT way, reason, currency, sum(orders)::bigint, sum(total)::bigint FROM counts
             WHERE $1::timestamptz IS NULL OR hour >= date_trunc('hour', $1)
             GROUP BY way, reason, currency HAVING sum(orders) <> 0",
            )
            .bind(since)
            .fetch_all(&self.pool),
        )
        .await?;
        let durations: Vec<(i32, String, Vec<i64>)> = limited(
            sqlx::query_as(
                "SELECT way, reason, took FROM counts WHERE took IS NOT NULL
               AND ($1::timestamptz IS NULL OR hour >= date_trunc('hour', $1))",
            )
            .bind(since)
            .fetch_all(&self.pool),
        )
        .await?;
        let dictionary =
            self.knowing(|known| rows.iter().all(|row| known.way(row.0).is_some())).await?;
        let mut counts: HashMap<(i32, String), WayCount> = HashMap::new();
        for (number, reason, currency, orders, total) in rows {
            let Some(said) = dictionary.way(number) else { continue };
            let count = counts.entry((number, reason.clone())).or_insert_with(|| WayCount {
                way: Way { number, said },
                reason,
                orders: 0,
                totals: BTreeMap::new(),
                took: Durations::default(),
            });
            count.orders += orders;
            if !currency.is_empty() {
                *count.totals.entry(currency).or_default() += total;
            }
        }
        for (way, reason, took) in durations {
            if let Some(count) = counts.get_mut(&(way, reason)) {
                count.took.join(&Durations::of(&took));
            }
        }
        let mut counts: Vec<WayCount> = counts.into_values().collect();
        counts.sort_by(|a, b| {
            (b.orders, a.way.number, &a.reason).cmp(&(a.orders, b.way.number, &b.reason))
        });
        Ok(counts)
    }

    /// How many orders are late, by the way that they have gone so far.
    pub async fn late(&self, late: &[Late]) -> Result<HashMap<i32, i64>, Error> {
        let (ways, after) = arrays(late);
        let rows: Vec<(i32, i64)> = limited(
            sqlx::query_as(
                "SELECT way, count(*) FROM orders JOIN unnest($1::int[], $2::float8[])
               AS late(of_way, seconds) ON way = of_way
             WHERE open AND moved < (SELECT as_of FROM reading) - seconds * interval '1 second'
             GROUP BY way",
            )
            .bind(ways)
            .bind(after)
            .fetch_all(&self.pool),
        )
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// The orders that are open, by the way that they have gone so far.
    pub async fn open_orders(&self) -> Result<Vec<Open>, Error> {
        let rows: Vec<(i32, i64, f64, Vec<i64>)> = limited(
            sqlx::query_as(
                "SELECT way, count(*), coalesce(max(age), 0)::float8, ARRAY[
               count(*) FILTER (WHERE age < 1), count(*) FILTER (WHERE age >= 1 AND age < 10),
               count(*) FILTER (WHERE age >= 10 AND age < 60),
               count(*) FILTER (WHERE age >= 60 AND age < 600), count(*) FILTER (WHERE age >= 600)]
             FROM (SELECT way, extract(epoch FROM (SELECT as_of FROM reading) - moved) AS age
               FROM orders WHERE open) AS o
             GROUP BY way",
            )
            .fetch_all(&self.pool),
        )
        .await?;
        let dictionary =
            self.knowing(|known| rows.iter().all(|row| known.way(row.0).is_some())).await?;
        let open = |(number, orders, oldest_s, ages): (i32, i64, f64, Vec<i64>)| {
            let way = Way { number, said: dictionary.way(number)? };
            Some(Open { way, orders, oldest_s, ages: ages.try_into().ok()? })
        };
        Ok(rows.into_iter().filter_map(open).collect())
    }

    /// How long each reaction took, of orders at rest that began at this time or later, by the hour.
    pub async fn reactions(&self, since: Timestamp) -> Result<HashMap<Fact, Durations>, Error> {
        let rows: Vec<(i16, Vec<i64>)> = limited(
            sqlx::query_as("SELECT fact, took FROM reactions WHERE hour >= date_trunc('hour', $1)")
                .bind(since.to_sqlx())
                .fetch_all(&self.pool),
        )
        .await?;
        let dictionary = self.knowing(|known| rows.iter().all(|row| known.has_fact(row.0))).await?;
        let mut reactions: HashMap<Fact, Durations> = HashMap::new();
        for (number, took) in rows {
            let Some(fact) = dictionary.fact(number) else { continue };
            reactions.entry(fact).or_default().join(&Durations::of(&took));
        }
        Ok(reactions)
    }

    /// The events of each minute since then.
    pub async fn flow(&self, since: Timestamp) -> Result<Vec<Minute>, Error> {
        let rows: Vec<(SqlTime, i16, i64)> = limited(
            sqlx::query_as(
                "SELECT minute, fact, events FROM flow
             WHERE minute >= date_trunc('minute', $1) AND events > 0 ORDER BY minute, fact",
            )
            .bind(since.to_sqlx())
            .fetch_all(&self.pool),
        )
        .await?;
        let dictionary = self.knowing(|known| rows.iter().all(|row| known.has_fact(row.1))).await?;
        let minute = |(minute, number, events): (SqlTime, i16, i64)| {
            Some(Minute { minute: minute.to_jiff(), fact: dictionary.fact(number)?, events })
        };
        Ok(rows.into_iter().filter_map(minute).collect())
    }

    /// The newest orders of those that are wanted, at most `limit`, older than `after`.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: u16,
    ) -> Result<Vec<Row>, Error> {
        let Filter { ways, is_open, reason, late, upto, newer } = filter;
        let (late_ways, late_after) = late.as_deref().map(arrays).unzip();
        // Ids go up with time: so the days that need not be looked at are left out.
        let beyond = newer.unwrap_or(Uuid::nil());
        let next = |id: Uuid| Uuid::from_u128(id.as_u128().saturating_add(1));
        let end = upto.map(next).into_iter().chain(after).min().unwrap_or(Uuid::max());
        let rows: Vec<RowOf> = limited(
            sqlx::query_as(
                "SELECT id, began, moved, way, reason, total, currency FROM orders
             WHERE id > $1 AND id < $2 AND ($3::int[] IS NULL OR way = ANY($3))
               AND (NOT $4 OR open) AND ($5::text IS NULL OR reason = $5)
               AND ($6::int[] IS NULL OR open AND EXISTS (
                 SELECT FROM unnest($6, $7::float8[]) AS late(of_way, seconds)
                 WHERE of_way = way
                   AND moved < (SELECT as_of FROM reading) - seconds * interval '1 second'))
             ORDER BY id DESC LIMIT $8",
            )
            .bind(beyond)
            .bind(end)
            .bind(ways)
            .bind(is_open)
            .bind(reason)
            .bind(late_ways)
            .bind(late_after)
            .bind(i64::from(limit))
            .fetch_all(&self.pool),
        )
        .await?;
        let dictionary =
            self.knowing(|known| rows.iter().all(|row| known.way(row.3).is_some())).await?;
        let row = |(id, began, moved, number, reason, amount, currency): RowOf| {
            let total = money(amount, currency);
            let way = Way { number, said: dictionary.way(number)? };
            Some(Row { id, began: began.to_jiff(), moved: moved.to_jiff(), way, reason, total })
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    /// An order.
    pub async fn order(&self, id: Uuid) -> Result<Option<Order>, Error> {
        let row: Option<OrderRow> = limited(
            sqlx::query_as("SELECT id, reason, total, currency, steps FROM orders WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.pool),
        )
        .await?;
        let Some(row) = row else { return Ok(None) };
        let dictionary = self
            .knowing(|known| facts_of(&row).into_iter().all(|fact| known.has_fact(fact)))
            .await?;
        dictionary.decode(row).map(Some)
    }

    /// The newest order that went this way.
    pub async fn newest(&self, way: i32) -> Result<Option<Uuid>, Error> {
        let id = limited(
            sqlx::query_scalar("SELECT id FROM orders WHERE way = $1 ORDER BY id DESC LIMIT 1")
                .bind(way)
                .fetch_optional(&self.pool),
        )
        .await?;
        Ok(id)
    }

    /// The newest orders of today and yesterday whose ids end with these six characters, at most `limit`.
    pub async fn ending(&self, end: &str, limit: u16) -> Result<Vec<Uuid>, Error> {
        let since = Timestamp::now() - jiff::SignedDuration::from_hours(48);
        let ids = limited(sqlx::query_scalar(
            "SELECT id FROM orders WHERE right(id::text, 6) = $1 AND id >= $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(end)
        .bind(first_id_at(since))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)).await?;
        Ok(ids)
    }

    /// All ways that there are.
    pub async fn ways(&self) -> Result<Vec<Way>, Error> {
        let dictionary = self.look_up().await?;
        Ok(dictionary.ways().map(|(number, said)| Way { number, said }).collect())
    }

    /// What numbers stand for: as it is known, or read anew where that is not enough.
    async fn knowing(
        &self,
        is_enough: impl FnOnce(&Dictionary) -> bool,
    ) -> Result<RwLockReadGuard<'_, Dictionary>, Error> {
        let known = self.dictionary.read().await;
        if is_enough(&known) {
            return Ok(known);
        }
        drop(known);
        self.look_up().await
    }

    async fn look_up(&self) -> Result<RwLockReadGuard<'_, Dictionary>, Error> {
        let reading = async { Dictionary::read(&mut *self.pool.acquire().await?).await };
        let read = limited(reading).await?;
        *self.dictionary.write().await = read;
        Ok(self.dictionary.read().await)
    }
}
