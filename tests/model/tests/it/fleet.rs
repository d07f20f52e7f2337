use std::collections::BTreeSet;

use choreography::{Awaited, Move, moves};
use farandole_model::Report;
use farandole_model::fleet::properties::WHOSE_MOVE;
use farandole_model::fleet::{Bounds, Fleet, Judge, Mutant};
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

/// Nor is the one who says whose move it is believed: any of these is seen to be wrong.
#[test]
fn a_judge_who_is_wrong_is_seen() {
    let judges: [(&str, Judge); 4] = [
        ("overlooks calls", |states| {
            moves(states)
                .into_iter()
                .filter(|it| !matches!(it.awaits, Awaited::Call { .. }))
                .collect()
        }),
        ("overlooks events", |states| {
            moves(states)
                .into_iter()
                .filter(|it| matches!(it.awaits, Awaited::Call { .. }))
                .collect()
        }),
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
    for (how, judge) in judges {
        let broken = HasDiscoveries::AllOf([WHOSE_MOVE].into());
        let fleet = Fleet::judged_by(Bounds::ONE_ORDER, judge);
        let checker = fleet.checker().finish_when(broken).spawn_bfs().join();
        assert!(checker.discovery(WHOSE_MOVE).is_some(), "one who {how} is not seen");
    }
}
