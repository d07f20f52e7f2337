//! What the projector writes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::dictionary::{Dictionary, OrderRow};
use super::{Error, Generation, WRITE_LIMIT, connect, generations, partitions};
use crate::buckets::Durations;
use crate::counts::{Changes, Key, More};
use crate::order::Order;
use crate::stage::stage;

/// How far a partition was read: the next offset, and how many records there were from there on at last
/// sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    pub(crate) next: i64,
    pub(crate) behind: i64,
}

/// By topic and partition.
pub(crate) type AllProgress = BTreeMap<(String, i32), Progress>;

/// The one that writes a generation, for as long as it lives.
pub(crate) struct Writer {
    database: PgConnection,
    generation: Generation,
    dictionary: Dictionary,
    days: BTreeSet<Date>,
}

/// What comes of wanting to write a generation.
pub(crate) enum Opened {
    /// It is ours to write.
    Ours(Box<Writer>),
    /// Another console writes it.
    AnOthers,
    /// It is there no more.
    Gone,
}

impl Writer {
    /// The writer of a generation, unless another console writes it.
    pub(crate) async fn open(url: &str, number: i32) -> Result<Opened, Error> {
        let mut database = connect(url, Some(number), WRITE_LIMIT).await?;
        let all = generations::all(&mut database).await?;
        let Some(generation) = all.into_iter().find(|it| it.number == number) else {
            return Ok(Opened::Gone);
        };
        let is_ours: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtext('farandole projector'), $1)")
                .bind(number)
                .fetch_one(&mut database)
                .await?;
        if !is_ours {
            return Ok(Opened::AnOthers);
        }
        let dictionary = Dictionary::read(&mut database).await?;
        let days = BTreeSet::new();
        Ok(Opened::Ours(Box::new(Self { database, generation, dictionary, days })))
    }

    /// How far the topics were read.
    pub(crate) async fn progress(&mut self) -> Result<AllProgress, Error> {
        let rows: Vec<(String, i32, i64, i64)> =
            sqlx::query_as("SELECT topic, partition, next, behind FROM progress")
                .fetch_all(&mut self.database)
                .await?;
        let progress =
            |(topic, partition, next, behind)| ((topic, partition), Progress { next, behind });
        Ok(rows.into_iter().map(progress).collect())
    }

    /// These orders, as far as they are known.
    pub(crate) async fn orders(&mut self, ids: &[Uuid]) -> Result<Vec<Order>, Error> {
        let rows: Vec<OrderRow> = sqlx::query_as(
            "SELECT id, reason, total, currency, steps FROM orders WHERE id = ANY($1)",
        )
        .bind(ids)
        .fetch_all(&mut self.database)
        .await?;
        rows.into_iter().map(|row| self.dictionary.decode(row)).collect()
    }

    /// Writes all of this, or nothing of it: orders as they are now, what follows of the counts, how far the
    /// topics were read for that, and that everything until `as_of` was. After an error another is to be
    /// opened: this one remembers what was undone.
    pub(crate) async fn write(
        &mut self,
        orders: &[&Order],
        changes: &Changes,
        progress: &AllProgress,
        forgotten: i64,
        as_of: Option<Timestamp>,
    ) -> Result<(), Error> {
        let mut transaction = self.database.begin().await?;
        let ways = orders.iter().map(|order| order.said());
        let ways = ways.chain(changes.counts.keys().map(|key| key.said));
        self.dictionary.learn(&mut transaction, ways).await?;
        let days = orders.iter().filter_map(|order| partitions::day_of(order.id));
        partitions::prepare(&mut transaction, days, &mut self.days).await?;
        put_orders(&mut transaction, &self.dictionary, orders).await?;
        put_counts(&mut transaction, &self.dictionary, &changes.counts).await?;
        put_reactions(&mut transaction, &self.dictionary, changes).await?;
        put_flow(&mut transaction, &self.dictionary, changes).await?;
        put_progress(&mut transaction, progress).await?;
        sqlx::query(
            "UPDATE reading SET as_of = coalesce($1, as_of), looked_at = now(), trouble = NULL,
               forgotten = forgotten + $2",
        )
        .bind(as_of.map(ToSqlx::to_sqlx))
        .bind(forgotten)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Notes why nothing is read.
    pub(crate) async fn trouble(&mut self, why: &str) -> Result<(), Error> {
        let why: String = why.chars().filter(|c| *c != '\0').collect();
        sqlx::query("UPDATE reading SET trouble = $1, looked_at = now()")
            .bind(why)
            .execute(&mut self.database)
            .await?;
        Ok(())
    }

    /// Everything that was in the topics was read: from now on this generation is shown.
    pub(crate) async fn is_ready(&mut self) -> Result<(), Error> {
        if !self.generation.is_ready {
            generations::is_ready(&mut self.database, self.generation.number).await?;
            self.generation.is_ready = true;
        }
        Ok(())
    }

    /// Has a generation made that begins anew: what this one has read is not there any more.
    pub(crate) async fn begin_anew(&mut self) -> Result<(), Error> {
        generations::make_after(&mut self.database, Some(self.generation.number)).await
    }

    /// Whether it is there still.
    pub(crate) async fn is_wanted(&mut self) -> Result<bool, Error> {
        let all = generations::all(&mut self.database).await?;
        Ok(all.iter().any(|it| it.number == self.generation.number))
    }

    /// Forgets days that are past.
    pub(crate) async fn forget(&mut self, retention: Duration) -> Result<(), Error> {
        partitions::forget(&mut self.database, retention).await
    }
}

async fn put_orders(
    database: &mut PgConnection,
    dictionary: &Dictionary,
    orders: &[&Order],
) -> Result<(), Error> {
    if orders.is_empty() {
        return Ok(());
    }
    let time = |at: i64| Timestamp::from_millisecond(at).unwrap_or_default().to_sqlx();
    let (mut ids, mut began, mut moved) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ways, mut open, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    let (mut totals, mut currencies, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for order in orders {
        let said = order.said();
        ids.push(order.id);
        began.push(time(order.began()));
        moved.push(time(order.moved()));
        ways.push(dictionary.way_of(said));
        open.push(!stage(said).is_at_rest);
        reasons.push(order.reason.as_deref());
        totals.push(order.total.map(|total| total.amount));
        currencies.push(order.total.as_ref().map(|total| total.currency.as_str()));
        steps.push(dictionary.encode(order));
    }
    sqlx::query(
        "INSERT INTO orders (id, began, moved, way, open, reason, total, currency, steps)
         SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::int[],
           $5::boolean[], $6::text[], $7::bigint[], $8::text[], $9::bytea[])
         ON CONFLICT (id) DO UPDATE SET began = excluded.began, moved = excluded.moved,
           way = excluded.way, open = excluded.open, reason = excluded.reason,
           total = excluded.total, currency = excluded.currency, steps = excluded.steps",
    )
    .bind(ids)
    .bind(began)
    .bind(moved)
    .bind(ways)
    .bind(open)
    .bind(reasons)
    .bind(totals)
    .bind(currencies)
    .bind(steps)
    .execute(database)
    .await?;
    Ok(())
}

/// As Postgres reads an array.
fn array(durations: &Durations) -> String {
    let counts: Vec<String> = durations.counts().iter().map(ToString::to_string).collect();
    format!("{{{}}}", counts.join(","))
}

async fn put_counts(
    database: &mut PgConnection,
    dictionary: &Dictionary,
    counts: &HashMap<Key, More>,
) -> Result<(), Error> {
    let nothing = Durations::default();
    let (mut hours, mut ways, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    let (mut currencies, mut orders) = (Vec::new(), Vec::new());
    let (mut totals, mut took) = (Vec::new(), Vec::new());
    for (key, more) in counts {
        if more.orders == 0 && more.total == 0 && more.took == nothing {
            continue;
        }
        hours.push(key.hour.to_sqlx());
        ways.push(dictionary.way_of(key.said));
        reasons.push(key.reason.as_str());
        currencies.push(key.currency.as_str());
        orders.push(more.orders);
        totals.push(more.total);
        took.push((more.took != nothing).then(|| array(&more.took)));
    }
    sqlx::query(
        "INSERT INTO counts
         SELECT hour, way, reason, currency, orders, total, took::bigint[]
         FROM unnest($1::timestamptz[], $2::int[], $3::text[], $4::text[], $5::bigint[],
           $6::bigint[], $7::text[]) AS more(hour, way, reason, currency, orders, total, took)
         ON CONFLICT (hour, way, reason, currency) DO UPDATE SET
           orders = counts.orders + excluded.orders, total = counts.total + excluded.total,
           took = added(counts.took, excluded.took)",
    )
    .bind(hours)
    .bind(ways)
    .bind(reasons)
    .bind(currencies)
    .bind(orders)
    .bind(totals)
    .bind(took)
    .execute(database)
    .await?;
    Ok(())
}

async fn put_reactions(
    database: &mut PgConnection,
    dictionary: &Dictionary,
    changes: &Changes,
) -> Result<(), Error> {
    let nothing = Durations::default();
    let (mut hours, mut facts, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for ((hour, fact), more) in changes.reactions.iter().filter(|(_, more)| **more != nothing) {
        hours.push(hour.to_sqlx());
        facts.push(dictionary.number(*fact).map(i16::from));
        took.push(array(more));
    }
    sqlx::query(
        "INSERT INTO reactions SELECT hour, fact, took::bigint[]
         FROM unnest($1::timestamptz[], $2::smallint[], $3::text[]) AS more(hour, fact, took)
         ON CONFLICT (hour, fact) DO UPDATE SET took = added(reactions.took, excluded.took)",
    )
    .bind(hours)
    .bind(facts)
    .bind(took)
    .execute(database)
    .await?;
    Ok(())
}

async fn put_flow(
    database: &mut PgConnection,
    dictionary: &Dictionary,
    changes: &Changes,
) -> Result<(), Error> {
    let (mut minutes, mut facts, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for ((minute, fact), more) in changes.flow.iter().filter(|(_, more)| **more != 0) {
        minutes.push(minute.to_sqlx());
        facts.push(dictionary.number(*fact).map(i16::from));
        events.push(*more);
    }
    sqlx::query(
        "INSERT INTO flow SELECT * FROM unnest($1::timestamptz[], $2::smallint[], $3::bigint[])
         ON CONFLICT (minute, fact) DO UPDATE SET events = flow.events + excluded.events",
    )
    .bind(minutes)
    .bind(facts)
    .bind(events)
    .execute(database)
    .await?;
    Ok(())
}

async fn put_progress(database: &mut PgConnection, progress: &AllProgress) -> Result<(), Error> {
    let (mut topics, mut partitions) = (Vec::new(), Vec::new());
    let (mut next, mut behind) = (Vec::new(), Vec::new());
    for ((topic, partition), at) in progress {
        topics.push(topic.as_str());
        partitions.push(*partition);
        next.push(at.next);
        behind.push(at.behind);
    }
    sqlx::query(
        "INSERT INTO progress SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])
         ON CONFLICT (topic, partition) DO UPDATE SET next = excluded.next, behind = excluded.behind",
    )
    .bind(topics)
    .bind(partitions)
    .bind(next)
    .bind(behind)
    .execute(database)
    .await?;
    Ok(())
}
