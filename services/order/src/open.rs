//! Counts the orders that are not decided.
//!
//! There is no index by status, for it would have every change of an order write all indexes. So each look
//! goes on where the last one stopped: orders that were placed meanwhile are looked through once, by their
//! ids, which grow with time, and those that are found open are remembered, and looked at again by their
//! ids until they are decided.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use jiff::Timestamp;
use messaging::{Failure, Session};
use tracing::{info, warn};
use uuid::Uuid;

use crate::instruments::{OPEN, OPEN_AGE, OPEN_LATE, OPEN_VALUE, OVERDUE, STAGES};

/// How often they are counted.
const EVERY: Duration = Duration::from_secs(10);
/// Younger orders may not be on disk yet, or are decided in a moment: they are looked through anew each
/// time. Longer than a request may take.
const SETTLED_AFTER: Duration = Duration::from_secs(15);
/// How far the first look goes back: as far as topics do.
const FIRST_LOOK: Duration = Duration::from_hours(7 * 24);
/// The most orders that are looked through with one statement.
const LOOK_MAX: i64 = 20_000;
/// The most that are remembered. Of more, the rest is looked through each time.
const REMEMBERED_MAX: usize = 50_000;
/// How long a look may take; then it goes on the next time.
const LOOK_LIMIT: Duration = Duration::from_millis(500);
/// An order that is not decided by then is late, in seconds.
const LATE_S: f64 = 10.0;

/// The orders that are not decided, as far as was looked.
pub(crate) struct OpenOrders {
    next: Instant,
    /// All up to this id was looked through.
    reached: Uuid,
    /// The open ones among these.
    remembered: Vec<Uuid>,
    /// The currencies that were told of, for the stages.
    told: BTreeSet<(String, String)>,
}

/// What there is of open orders.
#[derive(Debug, Default)]
struct Sum {
    orders: u64,
    late: u64,
    overdue: u64,
    oldest_s: f64,
    /// By currency.
    value: BTreeMap<String, i64>,
}

/// An open order.
struct Found {
    id: Uuid,
    stage: String,
    age_s: f64,
    overdue: bool,
    total: i64,
    currency: String,
}

impl OpenOrders {
    pub(crate) fn new() -> Self {
        Self {
            next: Instant::now(),
            reached: least_id(FIRST_LOOK),
            remembered: Vec::new(),
            told: BTreeSet::new(),
        }
    }

    /// Counts them, if it is time for that, and tells.
    pub(crate) async fn look(&mut self, session: &mut Session) {
        if Instant::now() < self.next {
            return;
        }
        match self.count(session).await {
            Ok(Some(sums)) => self.tell(&sums),
            Ok(None) => info!("still looking through orders for those that are open"),
            Err(failure) => warn!(error = %failure, "cannot count open orders, trying again"),
        }
        self.next = Instant::now() + EVERY;
    }

    /// By stage; nothing if there is more to be looked through before they can be told.
    async fn count(
        &mut self,
        session: &mut Session,
    ) -> Result<Option<BTreeMap<String, Sum>>, Failure> {
        let began = Instant::now();
        let mut found = open_among(session, &self.remembered).await?;
        self.remembered = found.iter().map(|order| order.id).collect();
        let settled = least_id(SETTLED_AFTER);
        while self.reached < settled && self.remembered.len() < REMEMBERED_MAX {
            if began.elapsed() >= LOOK_LIMIT {
                return Ok(None);
            }
            let (reached, open) = look_through(session, self.reached, settled).await?;
            self.remembered.extend(open.iter().map(|order| order.id));
            found.extend(open);
            self.reached = reached;
        }
        let mut after = self.reached;
        let now = Uuid::max();
        while after < now {
            let (reached, open) = look_through(session, after, now).await?;
            found.extend(open);
            after = reached;
            if began.elapsed() >= 4 * LOOK_LIMIT {
                break;
            }
        }
        Ok(Some(sums(found)))
    }

    fn tell(&mut self, sums: &BTreeMap<String, Sum>) {
        let nothing = Sum::default();
        for stage in STAGES {
            let sum = sums.get(stage).unwrap_or(&nothing);
            OPEN.count([stage], sum.orders);
            OPEN_AGE.of([stage]).set(sum.oldest_s);
        }
        OPEN_LATE.count([], sums.values().map(|sum| sum.late).sum());
        OVERDUE.count([], sums.values().map(|sum| sum.overdue).sum());
        for (stage, currency) in &self.told {
            OPEN_VALUE.count([stage, currency], 0);
        }
        for (stage, sum) in sums {
            for (currency, value) in &sum.value {
                OPEN_VALUE.count([stage, currency], u64::try_from(*value).unwrap_or_default());
                self.told.insert((stage.clone(), currency.clone()));
            }
        }
    }
}

fn sums(found: Vec<Found>) -> BTreeMap<String, Sum> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for order in found {
        let sum = sums.entry(order.stage).or_default();
        sum.orders += 1;
        sum.late += u64::from(order.age_s > LATE_S);
        sum.overdue += u64::from(order.overdue);
        sum.oldest_s = sum.oldest_s.max(order.age_s);
        let value = sum.value.entry(order.currency).or_default();
        *value = value.saturating_add(order.total);
    }
    sums
}

/// The least id that an order can have which was placed so long ago.
fn least_id(ago: Duration) -> Uuid {
    let then = (Timestamp::now() - ago).as_millisecond();
    kernel::least_id(u64::try_from(then).unwrap_or_default())
}

/// Those of these orders that are open.
async fn open_among(session: &mut Session, ids: &[Uuid]) -> Result<Vec<Found>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = ids.to_vec();
    let rows = session
        .run(|connection| {
            async move {
                sqlx::query_as!(
                    Found,
                    "SELECT saga AS id, status AS \"stage!\", total, currency,
                       extract(epoch FROM now() - placed_at)::float8 AS \"age_s!\",
                       (status = 'placed' AND deadline_at < now()) AS \"overdue!\"
                     FROM orders WHERE saga = ANY($1)
                       AND status IN ('placed', 'shipped_ahead', 'confirmed')",
                    &ids
                )
                .fetch_all(connection)
                .await
            }
            .boxed()
        })
        .await?;
    Ok(rows)
}

/// Looks through orders after an id and before another, not too many of them: the last that was looked at,
/// or the end if that was all, and those that are open.
async fn look_through(
    session: &mut Session,
    after: Uuid,
    before: Uuid,
) -> Result<(Uuid, Vec<Found>), Failure> {
    let rows = session
        .run(|connection| {
            sqlx::query!(
                "WITH seen AS MATERIALIZED (
                   SELECT saga, status, total, currency, placed_at, deadline_at FROM orders
                   WHERE saga > $1 AND saga < $2 ORDER BY saga LIMIT $3),
                 edge AS (SELECT count(*) AS seen, (array_agg(saga ORDER BY saga DESC))[1] AS edge
                   FROM seen)
                 SELECT edge.seen AS \"seen!\", edge.edge, saga AS \"saga?\", status AS \"status?\",
                   total AS \"total?\", currency AS \"currency?\",
                   extract(epoch FROM now() - placed_at)::float8 AS age_s,
                   (status = 'placed' AND deadline_at < now()) AS overdue
                 FROM edge LEFT JOIN seen ON status IN ('placed', 'shipped_ahead', 'confirmed')",
                after,
                before,
                LOOK_MAX
            )
            .fetch_all(connection)
            .boxed()
        })
        .await?;
    let reached =
        rows.first().filter(|row| row.seen == LOOK_MAX).and_then(|row| row.edge).unwrap_or(before);
    let open = rows.into_iter().filter_map(|row| {
        Some(Found {
            id: row.saga?,
            stage: row.status?,
            age_s: row.age_s?,
            overdue: row.overdue?,
            total: row.total?,
            currency: row.currency?,
        })
    });
    Ok((reached, open.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_time_is_between_those_of_before_and_after() {
        let of = |ago: u64| {
            let then = (Timestamp::now() - Duration::from_secs(ago)).as_second();
            let then = u64::try_from(then).unwrap();
            Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, then, 999_999_999))
        };
        let least = least_id(Duration::from_mins(1));
        assert!(of(62) < least && least < of(58));
    }

    #[test]
    fn what_is_open_is_summed_by_stage() {
        let found = |stage: &str, age_s: f64, overdue, total| Found {
            id: Uuid::now_v7(),
            stage: stage.to_owned(),
            age_s,
            overdue,
            total,
            currency: "EUR".to_owned(),
        };
        let sums = sums(vec![
            found("placed", 11.0, true, 100),
            found("placed", 1.0, false, i64::MAX),
            found("confirmed", 2.0, false, 7),
        ]);
        let placed = &sums["placed"];
        assert_eq!((placed.orders, placed.late, placed.overdue), (2, 1, 1));
        assert!((placed.oldest_s - 11.0).abs() < f64::EPSILON);
        assert_eq!(placed.value["EUR"], i64::MAX, "too much is as much as can be told");
        assert_eq!(sums["confirmed"].value["EUR"], 7);
    }
}
