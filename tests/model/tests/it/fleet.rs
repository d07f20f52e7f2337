use std::collections::BTreeSet;

use choreography::{Awaited, Fact, Facts, Move, States, moves};
use farandole_model::Report;
use farandole_model::fleet::properties::{LOG_NAMES, LOG_OVERLOOKS, WHOSE_MOVE};
use farandole_model::fleet::{Bounds, Fleet, Judges, Mutant};
use stateright::{Checker, HasDiscoveries, Model};

/// Explores all of it, and returns what no run has needed.
fn assert_all_holds(bounds: Bounds) -> BTreeSet<String> {
    let checker = Fleet::new(bounds).checker().spawn_bfs().join();
    let report = Report::of(&checker);
    println!("{report}");
    assert!(report.failures.is_empty(), "{report}");
    checker.model().unneeded().into_iter().collect()
}

/// What is listed here at the end are guards against what cannot come: `ShipmentCreated` has causes
/// that inventory and order have seen before, and a confirmed order's shipment is booked.
#[test]
fn all_holds_in_every_world_that_can_be_reached() {
    let alone = assert_all_holds(Bounds::ONE_ORDER);
    let together = assert_all_holds(Bounds::TWO_ORDERS);
    let unneeded: Vec<&str> = alone.intersection(&together).map(String::as_str).collect();
    assert_eq!(
        unneeded,
        [
            "inventory: ShippedAhead × Fact(OrderPlaced)",
            "inventory: Unseen × Fact(ShipmentCreated)",
            "order: Placed × Fact(ShipmentCreated)",
            "order: Placed × Fact(ShipmentFailed)",
            "order: ShippedAhead × Fact(PaymentCharged)",
            "order: ShippedAhead × Fact(PaymentFailed)",
            "order: ShippedAhead × Fact(StockReservationFailed)",
            "shipping: AwaitingOrder × Fact(OrderCancelled)",
        ]
    );
}

/// With I7, and with inboxes that only fill: no step can be taken twice, so every run ends.
#[test]
fn no_machine_goes_back() {
    assert_eq!(Fleet::new(Bounds::TWO_ORDERS_WITH_MAILS).going_back(), []);
}

/// A check that finds nothing may be blind. This one sees what each guard is for.
#[test]
fn no_guard_can_be_removed_unseen() {
    for mutant in Mutant::ALL {
        let broken = HasDiscoveries::AllOf([mutant.breaks()].into());
        let fleet = Fleet::without_guard(mutant.bounds(), mutant);
        let checker = fleet.checker().finish_when(broken).spawn_bfs().join();
        let found = checker.discovery(mutant.breaks());
        assert!(found.is_some(), "{mutant:?} breaks nothing: not {:?}", mutant.breaks());
        let steps = found.map_or(0, |path| path.into_actions().len());
        println!("{mutant:?}: {} ({steps} steps)", mutant.breaks());
    }
}

type ByStatuses = fn(&States) -> Vec<Move>;
type ByLog = fn(Facts) -> Vec<Move>;

/// Whether this property is seen not to hold with these judges.
fn is_seen(broken: &'static str, judges: Judges) -> bool {
    let fleet = Fleet::judged_by(Bounds::ONE_ORDER, judges);
    let found = HasDiscoveries::AllOf([broken].into());
    fleet.checker().finish_when(found).spawn_bfs().join().discovery(broken).is_some()
}

fn is_call(it: &Move) -> bool {
    matches!(it.awaits, Awaited::Call { .. })
}

/// Nor is the one who says whose move it is believed: any of these is seen to be wrong.
#[test]
fn a_judge_who_is_wrong_is_seen() {
    let judges: [(&str, ByStatuses); 4] = [
        ("overlooks calls", |states| moves(states).into_iter().filter(|it| !is_call(it)).collect()),
        ("overlooks events", |states| moves(states).into_iter().filter(is_call).collect()),
        ("overlooks who is last", |states| {
            let mut named = moves(states);
            named.pop();
            named
        }),
        ("always waits for payment", |states| {
            let payment = Move { service: "payment", awaits: Awaited::Unclear };
            moves(states).into_iter().chain([payment]).collect()
        }),
    ];
    for (how, by_statuses) in judges {
        let judges = Judges { by_statuses, ..Judges::default() };
        assert!(is_seen(WHOSE_MOVE, judges), "one who {how} is not seen");
    }
}

fn by_log(said: Facts) -> Vec<Move> {
    moves(&States::by_log(said))
}

fn fact(name: &str) -> Fact {
    Fact::named(name).unwrap()
}

/// The same of the one who knows only what was said. The first ones take what is open for done, the others
/// take what is done for open.
#[test]
fn a_judge_who_misreads_the_log_is_seen() {
    let judges: [(&str, &str, ByLog); 8] = [
        ("forgets that a refund is due", LOG_OVERLOOKS, |said| {
            let refund = Awaited::Call { step: "refund" };
            by_log(said).into_iter().filter(|it| it.awaits != refund).collect()
        }),
        ("takes what is cancelled for at rest though stock is reserved", LOG_OVERLOOKS, |said| {
            let held = |it: &Move| it.service == "inventory" && said.has(fact("OrderCancelled"));
            by_log(said).into_iter().filter(|it| !held(it)).collect()
        }),
        ("takes calls for answered", LOG_OVERLOOKS, |said| {
            by_log(said).into_iter().filter(|it| !is_call(it)).collect()
        }),
        ("takes a completed order for told", LOG_OVERLOOKS, |said| {
            if said.has(fact("OrderCompleted")) { Vec::new() } else { by_log(said) }
        }),
        ("names who has spoken instead of who is to read it", LOG_NAMES, |said| {
            let spoken = |mut it: Move| {
                if let Awaited::Event { from, .. } = it.awaits {
                    it.service = from;
                }
                it
            };
            by_log(said).into_iter().map(spoken).collect()
        }),
        ("ignores that the order was cancelled", LOG_NAMES, |said| {
            by_log(said.without([fact("OrderCancelled")].into_iter().collect()))
        }),
        ("waits for a mail that was given up", LOG_NAMES, |said| {
            by_log(said.iter().filter(|it| it.event_type() != "NotificationFailed").collect())
        }),
        ("waits for a charge that may be open", LOG_NAMES, |said| {
            let may_be_open = said.has(fact("StockReserved"))
                && !said.has(fact("PaymentCharged"))
                && !said.has(fact("PaymentFailed"));
            let charge = Move { service: "payment", awaits: Awaited::Call { step: "charge" } };
            by_log(said).into_iter().chain(may_be_open.then_some(charge)).collect()
        }),
    ];
    for (how, broken, by_log) in judges {
        let judges = Judges { by_log, ..Judges::default() };
        assert!(is_seen(broken, judges), "one who {how} is not seen");
    }
}
