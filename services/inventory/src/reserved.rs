//! Tells how much stock is reserved, and since when.
//!
//! There is no index by status, for it would have every change of a reservation write all indexes. So the
//! oldest reservation is found by going through the orders' ids, which grow with time, from where the last
//! look stopped: before that, nothing is reserved. While something is, that is one row; otherwise each order
//! is passed once. What is reserved late, such as after an outage, is behind that place: who decides takes
//! note of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use jiff::Timestamp;
use kernel::least_id;
use messaging::{Failure, Pool};
use runtime::AppContext;
use tracing::{info, warn};
use uuid::Uuid;

use crate::Inventory;
use crate::events::OrderId;
use crate::instruments::{RESERVED, RESERVED_AGE};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(10);
/// Orders that are younger may be reserved for yet: they are looked through anew each time.
const SETTLED_AFTER: Duration = Duration::from_secs(15);
/// How far back it is looked at first: as far as topics go.
const FIRST_LOOK: Duration = Duration::from_hours(7 * 24);
/// The most reservations that are looked through with one statement.
const LOOK_MAX: i64 = 20_000;
/// How long a look may take; then it goes on the next time.
const LOOK_LIMIT: Duration = Duration::from_millis(500);

/// When the earliest of the orders was placed that stock was reserved for since it was asked last, in
/// milliseconds since 1970.
#[derive(Debug)]
pub(crate) struct Earliest(AtomicU64);

impl Default for Earliest {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Earliest {
    pub(crate) fn note(&self, order: OrderId) {
        self.0.fetch_min(placed_ms(order.0), Ordering::Relaxed);
    }

    fn take(&self) -> u64 {
        self.0.swap(u64::MAX, Ordering::Relaxed)
    }
}

/// Looks again and again, beside the loop. It takes a connection of those for requests: one of its own
/// would have nothing to do most of the time.
pub(crate) fn watch(context: &AppContext<Inventory>) {
    let (service, pool) = (context.service.clone(), context.pool.clone());
    let shutdown = context.shutdown.clone();
    context.handle.spawn("the watch over reserved stock", async move {
        // Not known yet.
        RESERVED_AGE.of([]).set(f64::NAN);
        RESERVED.of([]).set(f64::NAN);
        let mut search = Search { reached: least_id(ms_ago(FIRST_LOOK)), late_ms: u64::MAX };
        while shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            search.goes_back_to(service.reserved_for.take(), ms_ago(FIRST_LOOK));
            match search.look(&pool).await {
                Ok(Some(oldest_s)) => RESERVED_AGE.of([]).set(oldest_s),
                Ok(None) => info!("still looking through reservations for the oldest"),
                Err(failure) => {
                    RESERVED_AGE.of([]).set(f64::NAN);
                    warn!(error = %failure, "cannot look for the oldest reservation");
                }
            }
            match pieces(&pool).await {
                Ok(pieces) => RESERVED.count([], pieces.unsigned_abs()),
                Err(failure) => {
                    RESERVED.of([]).set(f64::NAN);
                    warn!(error = %failure, "cannot count reserved pieces");
                }
            }
        }
    });
}

/// The search for the oldest reservation.
struct Search {
    /// Of no order before this anything is reserved.
    reached: Uuid,
    /// What was noted before the last look: it may have been committed after that.
    late_ms: u64,
}

impl Search {
    /// Begins where stock was reserved meanwhile, but no earlier than `first_ms`.
    fn goes_back_to(&mut self, noted_ms: u64, first_ms: u64) {
        let late = least_id(noted_ms.min(self.late_ms).max(first_ms));
        self.reached = self.reached.min(late);
        self.late_ms = noted_ms;
    }

    /// How many seconds ago the order was placed that has had stock reserved for the longest, 0 if none
    /// has; nothing if there is more to be looked through.
    async fn look(&mut self, pool: &Pool) -> Result<Option<f64>, Failure> {
        let began = Instant::now();
        let settled = least_id(ms_ago(SETTLED_AFTER));
        let mut from = Some(self.reached);
        while let Some(place) = from {
            if began.elapsed() >= LOOK_LIMIT {
                return Ok(None);
            }
            let found = look_through(pool, place).await?;
            let passed = found.oldest.or(found.next).unwrap_or(settled);
            self.reached = self.reached.max(passed.min(settled));
            if let Some(oldest) = found.oldest {
                return Ok(Some(age_s(oldest)));
            }
            from = found.next;
        }
        Ok(Some(0.0))
    }
}

/// What was found among some reservations.
struct Found {
    /// The first order that something is reserved for.
    oldest: Option<Uuid>,
    /// Where to go on, if there is none and there are more.
    next: Option<Uuid>,
}

async fn look_through(pool: &Pool, from: Uuid) -> Result<Found, Failure> {
    pool.run(|connection| {
        sqlx::query_as!(
            Found,
            "SELECT oldest, CASE WHEN oldest IS NULL THEN (
                 SELECT saga FROM reservations WHERE saga >= $1 ORDER BY saga OFFSET $2 LIMIT 1)
               END AS next
             FROM (SELECT (
                 SELECT saga FROM (
                   SELECT saga, state FROM reservations WHERE saga >= $1 ORDER BY saga LIMIT $2) AS page
                 WHERE state->>'status' = 'reserved' ORDER BY saga LIMIT 1) AS oldest
               OFFSET 0) AS found",
            from,
            LOOK_MAX
        )
        .fetch_one(connection)
        .boxed()
    })
    .await
}

/// The pieces that are reserved, of all SKUs.
async fn pieces(pool: &Pool) -> Result<i64, Failure> {
    pool.run(|connection| {
        sqlx::query_scalar!("SELECT coalesce(sum(reserved), 0)::bigint AS \"pieces!\" FROM stock")
            .fetch_one(connection)
            .boxed()
    })
    .await
}

/// When an order was placed, in milliseconds since 1970: its id is a `UUIDv7`, made then.
fn placed_ms(id: Uuid) -> u64 {
    u64::try_from(id.as_u128() >> 80).unwrap_or_default()
}

/// What time it was so long ago, in milliseconds since 1970.
fn ms_ago(ago: Duration) -> u64 {
    let then = (Timestamp::now() - ago).as_millisecond();
    u64::try_from(then).unwrap_or_default()
}

fn age_s(order: Uuid) -> f64 {
    let age_ms = ms_ago(Duration::ZERO).saturating_sub(placed_ms(order));
    Duration::from_millis(age_ms).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_not_before_the_least_of_its_time() {
        let id = Uuid::now_v7();
        assert!(least_id(placed_ms(id)) <= id && id < least_id(placed_ms(id) + 1));
        assert!(age_s(id) < 60.0);
    }

    #[test]
    fn what_is_reserved_late_is_looked_for_twice() {
        // Not known yet.
        RESERVED_AGE.of([]).set(f64::NAN);
        RESERVED.of([]).set(f64::NAN);
        let mut search = Search { reached: least_id(9_000), late_ms: u64::MAX };
        let mut goes_back_to = |noted_ms| {
            search.goes_back_to(noted_ms, 2_000);
            let reached = placed_ms(search.reached);
            // The look finds nothing, and goes on.
            search.reached = least_id(9_000);
            reached
        };
        assert_eq!(goes_back_to(u64::MAX), 9_000, "nothing was");
        assert_eq!(goes_back_to(5_000), 5_000);
        assert_eq!(goes_back_to(u64::MAX), 5_000, "it may have been committed after that");
        assert_eq!(goes_back_to(u64::MAX), 9_000);
        assert_eq!(goes_back_to(1_000), 2_000, "topics do not go further back");
    }

    #[test]
    fn the_earliest_is_told_once() {
        let earliest = Earliest::default();
        for ms in [7, 5, 6] {
            earliest.note(kernel::SagaKey(least_id(ms)));
        }
        assert_eq!((earliest.take(), earliest.take()), (5, u64::MAX));
    }
}
