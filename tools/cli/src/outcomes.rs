//! How orders have ended lately, and what those waited for whose time was up.

use std::collections::BTreeMap;
use std::time::Duration;

use choreography::{Fact, Facts, Service, number, rule};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::database::ask;
use crate::state::statuses;
use crate::stuck::{Databases, States, Wanted, elsewhere};
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
    /// How many of them because their time was up.
    #[serde(skip)]
    pub lapses: i64,
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
        self.lapses
    }
}

/// When an order was placed, as its id tells, if it is a `UUIDv7`.
pub(crate) fn began_at(order: Uuid) -> Option<Timestamp> {
    let (seconds, nanoseconds) = order.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, nanoseconds.cast_signed()).ok()
}

/// The smallest id that an order may have that was placed then or later: ids begin with the time.
pub fn first_id(at: Timestamp) -> Uuid {
    let at = at.checked_sub(CLOCKS_DIFFER).unwrap_or(Timestamp::UNIX_EPOCH);
    kernel::least_id(at.as_millisecond().max(0).unsigned_abs())
}

/// Status, how many, the newest of them, and when the last ended.
type EndedRow = (String, i64, Vec<Uuid>, jiff_sqlx::Timestamp);

/// How orders have ended lately, as the database of the service that decides tells.
pub async fn outcomes(first: &mut PgConnection, within: Duration) -> Result<Outcomes, Unreadable> {
    let service = Service::first();
    // Orders that ended within this time were placed a deadline earlier at the most, or shipped.
    let deadline: Vec<(Option<f64>,)> = ask(
        service.name(),
        first,
        sqlx::query_as(AssertSqlSafe(format!(
            "SELECT max(extract(epoch FROM deadline_at - placed_at))::float8
             FROM (SELECT deadline_at, placed_at FROM {} ORDER BY saga DESC LIMIT 100) AS l",
            service.declared().table
        ))),
    )
    .await?;
    let deadline = deadline.first().and_then(|row| row.0).unwrap_or(0.0).clamp(0.0, 86_400.0);
    let back = within + Duration::from_secs_f64(deadline);
    let now = Timestamp::now();
    let from = now.checked_sub(SignedDuration::try_from(back).unwrap_or_default()).unwrap_or(now);
    let told = statuses(service.declared(), &["updated_at"]);
    let rows: Vec<EndedRow> = ask(
        service.name(),
        first,
        sqlx::query_as(AssertSqlSafe(format!(
            "SELECT status, count(*), (array_agg(saga ORDER BY saga DESC))[1:$3], max(updated_at)
             FROM {told} WHERE saga >= $1 AND updated_at >= now() - $2 * interval '1 second'
             GROUP BY 1"
        )))
        .bind(first_id(from))
        .bind(within.as_secs_f64())
        .bind(SAMPLE),
    )
    .await?;
    let timed_out = service.declared().begins.as_ref().map(|begins| begins.timed_out.as_str());
    let mut outcomes = Outcomes { within_s: within.as_secs(), ..Outcomes::default() };
    for (status, count, newest, last) in rows {
        let number = number(service, &status);
        if !number.is_some_and(|number| rule(service, number).is_final) {
            continue;
        }
        if Some(status.as_str()) == timed_out {
            (outcomes.lapsed, outcomes.last_lapse) = (newest, Some(last.to_jiff()));
            outcomes.lapses = count;
        }
        match status.split_once(' ') {
            Some((_, reason)) => *outcomes.cancelled.entry(reason.to_owned()).or_default() += count,
            None => outcomes.completed += count,
        }
    }
    Ok(outcomes)
}

/// Adds what the orders waited for whose time was up, by what the others know of them now. That a
/// service cannot be read hides the causes.
pub async fn find_causes(
    outcomes: &mut Outcomes,
    databases: &mut Databases,
) -> Result<(), Unreadable> {
    let mut blind = Vec::new();
    let wanted = Wanted::These(&outcomes.lapsed);
    let known = elsewhere(databases, &wanted, &mut blind).await;
    if let Some(why) = blind.into_iter().next() {
        return Err(Unreadable { service: Service::first().name().to_owned(), reason: why });
    }
    let mut causes: BTreeMap<String, usize> = BTreeMap::new();
    for order in &outcomes.lapsed {
        let states = known.get(order).cloned().unwrap_or_else(States::unseen);
        *causes.entry(waited_for(&states)).or_default() += 1;
    }
    let mut causes: Vec<(String, usize)> = causes.into_iter().collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    outcomes.lapsed_waiting_for = causes;
    Ok(())
}

/// What an order waited for when its time was up, by what the services know of it afterwards: for the
/// first service, in the order in which a saga meets them, that had all it needs and has said nothing;
/// for one that somebody outside owes an answer, for that.
fn waited_for(states: &States) -> String {
    let first = Service::first();
    let begins = first.declared().begins.as_ref().map(|begins| begins.event.as_str());
    let has_said =
        |service: Service| states.rule(service).is_some_and(|rule| rule.has_said != Facts::NONE);
    let said = states.said();
    let was_said = |event: &str| {
        Some(event) == begins || Fact::of_type(event).is_some_and(|fact| said.has(fact))
    };
    let mut others = Service::all().filter(|it| *it != first && it.is_awaited());
    let late = others.find(|service| !has_said(*service) && could_answer(*service, was_said));
    let Some(late) = late else { return first.name().to_owned() };
    match states.rule(late).and_then(|rule| rule.calls.first()) {
        Some(step) => format!("{}'s call {step}", late.name()),
        None => late.name().to_owned(),
    }
}

/// Whether all was said that leads a service to one of its events.
fn could_answer(service: Service, was_said: impl Fn(&str) -> bool) -> bool {
    let declared = service.declared();
    declared.emits.iter().any(|emitted| {
        let leads = declared.consumes.iter().filter(|it| it.leads_to.contains(&emitted.event));
        let mut causes = leads.peekable();
        let undoes = declared.compensates.iter().any(|it| it.event == emitted.event);
        !undoes && causes.peek().is_some() && causes.all(|cause| was_said(&cause.event))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_afterwards_tell_who_was_late() {
        for (inventory, payment, late) in [
            ("unseen", "unseen", "inventory"),
            ("void", "void", "inventory"),
            ("released", "void", "payment"),
            ("reserved", "awaiting_stock", "payment"),
            ("released", "charging", "payment's call charge"),
            ("released", "charging cancelled", "payment's call charge"),
            ("released", "refunded", "order"),
            ("rejected", "void", "order"),
        ] {
            let states = States::unseen().with("inventory", inventory).with("payment", payment);
            let states = states.with("order", "cancelled timed_out");
            assert_eq!(waited_for(&states), late, "{inventory} {payment}");
        }
    }

    #[test]
    fn ids_of_orders_begin_with_the_time() {
        let now = Timestamp::now();
        assert!(first_id(now) < Uuid::now_v7());
        assert!(first_id(now.checked_add(SignedDuration::from_mins(6)).unwrap()) > Uuid::now_v7());
    }
}
