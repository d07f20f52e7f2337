//! What the topics alone tell of an order. Pure.

use contracts::headers;
use uuid::Uuid;

use crate::facts::{Fact, Facts, Service};
use crate::moves::States;
use crate::rules::Rule;

/// What an event's headers say, as far as its place in the dance goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Essentials {
    /// The order.
    pub order: Uuid,
    /// The event's id.
    pub id: Uuid,
    /// The how manyth of its service about this order it is, from 1.
    pub sequence: u16,
    /// Its type.
    pub fact: Fact,
}

impl Essentials {
    /// Of a record with these headers; `None` if it is no event that a service of this fleet says.
    pub fn of<'h>(header: impl Fn(&str) -> Option<&'h [u8]>) -> Option<Self> {
        let text = |name: &str| std::str::from_utf8(header(name)?).ok();
        let uuid = |name: &str| Uuid::try_parse_ascii(header(name)?).ok();
        let sequence = text(headers::SEQUENCE)?.parse().ok()?;
        let fact = Fact::of_type(text(headers::TYPE)?)?;
        let is_known = text(headers::SOURCE)?.strip_prefix('/') == Some(fact.source().name());
        is_known.then_some(())?;
        Some(Self { order: uuid(headers::SUBJECT)?, id: uuid(headers::ID)?, sequence, fact })
    }
}

impl States {
    /// Where an order is in each service once these facts were said, taking it that each has read what it
    /// can have read.
    ///
    /// Topics do not tell what a service has read. Where a service may as well be done as wait for a call,
    /// it is taken to be done: only its database tells.
    ///
    /// So whoever has a move by this has something to do, and whoever has none says nothing more before
    /// another does, but for what the model checker lists, and holds to be all (tests/model).
    pub fn by_log(said: Facts) -> Self {
        let mut states = Self::unseen();
        let types: Facts = said.iter().map(Fact::untold).collect();
        for service in Service::all() {
            let own: Facts = said.iter().filter(|fact| fact.source() == service).collect();
            let fitting = service.rules().filter(|rule| fits(rule, own, types));
            let best = fitting.min_by_key(|rule| {
                let unread = types.and(rule.not_read).iter().count();
                (unread, !rule.is_final, rule.calls.len())
            });
            if let Some(rule) = best {
                states.set(service, rule.status.to_owned());
            }
        }
        states
    }
}

/// Whether a service that has said `own`, of all these types, may have this status.
fn fits(rule: &Rule, own: Facts, types: Facts) -> bool {
    rule.has_said.without(own) == Facts::NONE
        && own.without(rule.has_said.or(rule.may_say)) == Facts::NONE
        && rule.has_read.without(types) == Facts::NONE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moves::{Awaited, moves};

    fn facts(names: &[&str]) -> Facts {
        names.iter().map(|name| Fact::named(name).unwrap()).collect()
    }

    /// Who takes part in the stories here. Another service of the fleet may have to do as well.
    const PARTS: [&str; 5] = ["order", "inventory", "payment", "shipping", "notification"];

    /// Whose move it is once these were said, and how the one that decides calls it.
    fn after(names: &[&str]) -> (String, Vec<String>) {
        let states = States::by_log(facts(names));
        let moves = moves(&states).into_iter().filter(|it| PARTS.contains(&it.service));
        let moves = moves.map(|it| match it.awaits {
            Awaited::Event { event, .. } => format!("{}: {event}", it.service),
            Awaited::Call { step } => format!("{} calls {step}", it.service),
            Awaited::Deadline | Awaited::Unclear => format!("{}: {:?}", it.service, it.awaits),
        });
        (states.fate().to_owned(), moves.collect())
    }

    #[test]
    fn the_topics_tell_whose_move_it_is() {
        let mut said = vec!["OrderPlaced"];
        for (next, fate, awaited) in [
            (None, "placed", &["inventory: OrderPlaced"][..]),
            (Some("StockReserved"), "placed", &["payment calls charge"]),
            (Some("PaymentCharged"), "placed", &["order: PaymentCharged"]),
            (
                Some("OrderConfirmed"),
                "confirmed",
                &["shipping calls book", "notification calls mail-confirmed"],
            ),
            (Some("CustomerNotified:confirmed"), "confirmed", &["shipping calls book"]),
            (Some("ShipmentCreated"), "confirmed", &["order: ShipmentCreated"]),
            (Some("OrderCompleted"), "completed", &["notification calls mail-completed"]),
            (Some("CustomerNotified:completed"), "completed", &[]),
        ] {
            said.extend(next);
            assert_eq!(
                after(&said),
                (fate.to_owned(), awaited.iter().map(|it| (*it).to_owned()).collect()),
                "{said:?}"
            );
        }
    }

    #[test]
    fn what_failed_is_undone_before_it_is_at_rest() {
        let refused = [
            "OrderPlaced",
            "StockReserved",
            "PaymentCharged",
            "OrderConfirmed",
            "CustomerNotified:confirmed",
            "ShipmentFailed",
            "OrderCancelled",
            "CustomerNotified:cancelled",
        ];
        let (fate, open) = after(&refused);
        assert!(fate.starts_with("cancelled"), "{fate}");
        assert_eq!(open, ["inventory: OrderCancelled", "payment calls refund"]);
        let undone = [&refused[..], &["StockReleased", "PaymentRefunded"]].concat();
        assert_eq!(after(&undone).1, [""; 0]);
    }

    #[test]
    fn a_call_that_may_be_open_is_taken_to_be_over() {
        // The charge may still be under way; or payment has read of the cancellation first.
        let (_, open) = after(&["OrderPlaced", "StockReserved", "OrderCancelled", "StockReleased"]);
        assert_eq!(open, ["notification calls mail-cancelled"]);
    }
}
