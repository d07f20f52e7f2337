//! What may be said next.

use crate::facts::{Fact, Facts, Service};
use crate::moves::States;

/// The types of events that a service may say about an order when it makes its move, as far as the statuses
/// tell: those that follow from what it is to read, or, while it waits for a call, from what it has read;
/// that it has not said; and that, by its statuses, need nothing else of its own to be said before.
pub fn next(states: &States, service: Service) -> Facts {
    let Some(now) = states.rule(service).filter(|rule| !rule.is_final) else { return Facts::NONE };
    let unread = states.said().and(now.not_read);
    let causes = if now.calls.is_empty() { unread } else { unread.or(now.has_read) };
    let has_cause = |event: &str| Fact::of_type(event).is_some_and(|fact| causes.has(fact));
    let consumed = service.declared().consumes.iter().filter(|it| has_cause(&it.event));
    let follows = consumed.flat_map(|it| &it.leads_to).filter_map(|event| Fact::of_type(event));
    let types = |facts: Facts| -> Facts { facts.iter().map(Fact::untold).collect() };
    let said = types(now.has_said);
    let is_possible = |fact: &Fact| {
        service.rules().any(|then| {
            let (always, ever) = (types(then.has_said), types(then.has_said.or(then.may_say)));
            let own = Facts::NONE.with(*fact);
            ever.has(*fact)
                && always.without(said).without(own) == Facts::NONE
                && said.without(ever) == Facts::NONE
        })
    };
    follows.filter(|fact| !said.has(*fact)).filter(is_possible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said_next(service: &str, statuses: &[(&str, &str)]) -> Vec<&'static str> {
        let states =
            statuses.iter().fold(States::unseen(), |all, (name, status)| all.with(name, *status));
        next(&states, Service::named(service).unwrap()).iter().map(Fact::name).collect()
    }

    #[test]
    fn what_may_follow_is_neither_what_was_said_nor_what_needs_more() {
        let placed = ("order", "placed");
        for (service, statuses, expected) in [
            ("inventory", &[placed][..], &["StockReserved", "StockReservationFailed"][..]),
            (
                "payment",
                &[placed, ("inventory", "reserved"), ("payment", "charging")],
                &["PaymentCharged", "PaymentFailed"],
            ),
            ("payment", &[placed, ("inventory", "reserved"), ("payment", "charged")], &[]),
            (
                "payment",
                &[("order", "cancelled timed_out"), ("payment", "charged")],
                &["PaymentRefunded"],
            ),
            (
                "order",
                &[placed, ("inventory", "reserved"), ("payment", "charged")],
                &["OrderConfirmed"],
            ),
            (
                "shipping",
                &[("order", "confirmed"), ("shipping", "booking")],
                &["ShipmentCreated", "ShipmentFailed"],
            ),
            ("shipping", &[("order", "completed"), ("shipping", "created")], &[]),
            (
                "inventory",
                &[("order", "cancelled payment_failed"), ("inventory", "reserved")],
                &["StockReleased"],
            ),
        ] {
            assert_eq!(said_next(service, statuses), expected, "{service} {statuses:?}");
        }
    }
}
