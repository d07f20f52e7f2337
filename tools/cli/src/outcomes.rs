//! How orders have ended lately, and what those waited for whose time was up.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::database::ask;
use crate::state::state;
use crate::unreadable::Unreadable;

/// How much clocks may differ.
pub(crate) const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);
/// Of so many orders whose time was up it is looked up what they waited for.
const SAMPLE: i64 = 500;

/// How many orders have come to an end within some time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Within which time, in seconds.
    pub within_s: u64,
    /// How many were completed.
    pub completed: i64,
    /// How many were cancelled, by the reason.
    pub cancelled: BTreeMap<String, i64>,
    /// The latest of those that were cancelled because their time was up.
    #[serde(skip)]
    pub lapsed: Vec<Uuid>,
    /// When the last of those was cancelled.
    pub last_lapse: Option<Timestamp>,
    /// What those waited for, with how many did; the most frequent first.
    pub lapsed_waiting_for: Vec<(String, usize)>,
}

impl Outcomes {
    /// How many were cancelled because their time was up.
    pub fn timed_out(&self) -> i64 {
        self.cancelled.get("timed_out").copied().unwrap_or(0)
    }
}

/// The smallest id that an order may have that was placed then or later: ids begin with the time.
pub fn first_id(at: Timestamp) -> Uuid {
    let at = at.checked_sub(CLOCKS_DIFFER).unwrap_or(Timestamp::UNIX_EPOCH);
    let milliseconds = u128::from(at.as_millisecond().max(0).unsigned_abs());
    Uuid::from_u128(milliseconds << 80)
}

/// Status, reason, how many, those that lapsed, and when the last did.
type EndedRow = (String, Option<String>, i64, Vec<Uuid>, jiff_sqlx::Timestamp);

/// How orders have ended lately, as the order service's database tells.
pub async fn outcomes(order: &mut PgConnection, within: Duration) -> Result<Outcomes, Unreadable> {
    // Orders that ended within this time were placed a deadline earlier at the most, or shipped.
    let deadline: Vec<(Option<f64>,)> = ask(
        "order",
        order,
        sqlx::query_as(
            "SELECT max(extract(epoch FROM deadline_at - placed_at))::float8
             FROM (SELECT deadline_at, placed_at FROM orders ORDER BY saga DESC LIMIT 100) AS l",
        ),
    )
    .await?;
    let deadline = deadline.first().and_then(|row| row.0).unwrap_or(0.0).clamp(0.0, 86_400.0);
    let back = within + Duration::from_secs_f64(deadline);
    let now = Timestamp::now();
    let from = now.checked_sub(SignedDuration::try_from(back).unwrap_or_default()).unwrap_or(now);
    let rows: Vec<EndedRow> = ask(
        "order",
        order,
        sqlx::query_as(
            "SELECT status, cancel_reason, count(*),
               coalesce((array_agg(saga ORDER BY saga DESC)
                 FILTER (WHERE cancel_reason = 'timed_out'))[1:$3], '{}'), max(updated_at)
             FROM orders WHERE saga >= $1 AND status IN ('completed', 'cancelled')
               AND updated_at >= now() - $2 * interval '1 second'
             GROUP BY 1, 2",
        )
        .bind(first_id(from))
        .bind(within.as_secs_f64())
        .bind(SAMPLE),
    )
    .await?;
    let mut outcomes = Outcomes { within_s: within.as_secs(), ..Outcomes::default() };
    for (status, reason, count, lapsed, last) in rows {
        if reason.as_deref() == Some("timed_out") {
            outcomes.last_lapse = Some(last.to_jiff());
        }
        match reason {
            Some(reason) => *outcomes.cancelled.entry(reason).or_default() += count,
            None if status == "completed" => outcomes.completed += count,
            None => {}
        }
        outcomes.lapsed.extend(lapsed);
    }
    Ok(outcomes)
}

/// Adds what the orders waited for whose time was up, by what the others know of them now.
pub async fn find_causes(
    outcomes: &mut Outcomes,
    inventory: &mut PgConnection,
    payment: &mut PgConnection,
) -> Result<(), Unreadable> {
    type Statuses = Vec<(Uuid, Option<String>)>;
    if outcomes.lapsed.is_empty() {
        return Ok(());
    }
    let reserved: Statuses = ask(
        "inventory",
        inventory,
        sqlx::query_as(concat!(
            "SELECT saga, ",
            state!(),
            "->>'status' FROM reservations WHERE saga = ANY($1)"
        ))
        .bind(&outcomes.lapsed),
    )
    .await?;
    let paid: Statuses = ask(
        "payment",
        payment,
        sqlx::query_as(concat!(
            "SELECT saga, ",
            state!(),
            "->>'status' FROM payments WHERE saga = ANY($1)"
        ))
        .bind(&outcomes.lapsed),
    )
    .await?;
    let by_order = |statuses: Statuses| -> BTreeMap<Uuid, String> {
        statuses.into_iter().filter_map(|(order, status)| Some((order, status?))).collect()
    };
    let (reserved, paid) = (by_order(reserved), by_order(paid));
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    for order in &outcomes.lapsed {
        let status = |of: &BTreeMap<Uuid, String>| of.get(order).cloned().unwrap_or_default();
        *causes.entry(waited_for(&status(&reserved), &status(&paid))).or_default() += 1;
    }
    let mut causes: Vec<(String, usize)> =
        causes.into_iter().map(|(cause, count)| (cause.to_owned(), count)).collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    outcomes.lapsed_waiting_for = causes;
    Ok(())
}

/// What an order waited for when its time was up, by what the inventory and the payment service
/// know of it afterwards. Nothing stands for an order that a service has not heard of.
fn waited_for(inventory: &str, payment: &str) -> &'static str {
    match (inventory, payment) {
        // A void marker: the cancellation came before the order did.
        ("" | "void" | "shipped_ahead", _) => "inventory",
        ("rejected", _) | (_, "failed" | "charged" | "refunding" | "refunded") => "order",
        (_, "charging") => "the payment provider",
        _ => "payment",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_afterwards_tell_who_was_late() {
        for (inventory, payment, late) in [
            ("", "", "inventory"),
            ("void", "void", "inventory"),
            ("released", "void", "payment"),
            ("reserved", "awaiting_stock", "payment"),
            ("released", "charging", "the payment provider"),
            ("released", "refunded", "order"),
            ("rejected", "void", "order"),
        ] {
            assert_eq!(waited_for(inventory, payment), late, "{inventory} {payment}");
        }
    }

    #[test]
    fn ids_of_orders_begin_with_the_time() {
        let now = Timestamp::now();
        assert!(first_id(now) < Uuid::now_v7());
        assert!(first_id(now.checked_add(SignedDuration::from_mins(6)).unwrap()) > Uuid::now_v7());
    }
}
