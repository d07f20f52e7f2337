use inventory::domain::{Input, Level, State, Stock, decide};
use inventory::events::{Event, Line, OrderId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use testkit::machine::{Draw, Settled, settle};
use uuid::Uuid;

use crate::{CANCELLED, SHIPPED, line, on_hand, placed};

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    vec(any::<Draw>(), 0..40)
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = (select(vec!["pot", "tea", "unicorn"]), 1..4_u32).prop_map(|(s, n)| line(s, n));
    vec(line, 1..4)
}

fn stock() -> impl Strategy<Value = Stock> {
    (0..8_u64, 0..8_u64).prop_map(|(pot, tea)| on_hand(&[("pot", pot), ("tea", tea)]))
}

/// How an order ends for everyone: its parcel leaves, it is cancelled, or it is still under way.
fn ending() -> impl Strategy<Value = Option<Input>> {
    select(vec![Some(SHIPPED), Some(CANCELLED), None])
}

fn sum(level: Level) -> u64 {
    level.available + level.reserved + level.shipped
}

fn run(stock: &mut Stock, inputs: Vec<Input>, draws: &[Draw]) -> Settled<State, Event> {
    let order_id = OrderId(Uuid::from_u128(1));
    let decide = |state: &State, input: &Input| {
        let (decision, movements) = decide(order_id, state, stock, input);
        for movement in movements {
            stock.apply(&movement).unwrap();
        }
        decision
    };
    settle(State::Unseen, inputs, draws, decide, |effect| match *effect {})
}

fn pieces<'a>(lines: impl IntoIterator<Item = &'a Line>) -> u64 {
    lines.into_iter().map(|line| u64::from(line.quantity.get())).sum()
}

fn told(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(contracts::Event::event_type).collect()
}

proptest! {
    #[test]
    fn any_order_of_arrival_ends_the_same(
        lines in lines(),
        stock in stock(),
        ending in ending(),
        draws in draws(),
    ) {
        let mut left = stock.clone();
        let order = placed(lines.clone());
        let enough = {
            let state = run(&mut stock.clone(), vec![order.clone()], &[]).state;
            state == State::Reserved { lines: lines.clone() }
        };
        let inputs = ending.clone().into_iter().chain([order]).collect();
        let Settled { state, events, .. } = run(&mut left, inputs, &draws);

        match ending {
            None if enough => {
                prop_assert_eq!(state, State::Reserved { lines });
                prop_assert_eq!(told(&events), ["StockReserved"]);
            }
            Some(SHIPPED) if enough => {
                prop_assert_eq!(state, State::Shipped { lines });
                prop_assert_eq!(told(&events), ["StockReserved"]);
            }
            // The void marker came first, or the order did and was undone or rejected.
            Some(CANCELLED) => {
                prop_assert_eq!(&left, &stock, "no reservation without a live order");
                match state {
                    State::Void => prop_assert!(events.is_empty()),
                    State::Released { .. } => {
                        prop_assert!(enough);
                        prop_assert_eq!(told(&events), ["StockReserved", "StockReleased"]);
                    }
                    State::Rejected => {
                        prop_assert!(!enough);
                        prop_assert_eq!(told(&events), ["StockReservationFailed"]);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            _ => {
                prop_assert_eq!(state, State::Rejected);
                prop_assert_eq!(told(&events), ["StockReservationFailed"]);
                prop_assert_eq!(&left, &stock, "all lines together or none at all");
            }
        }
    }

    /// I1, over many orders that share the stock: the sum of each level stays, and what is
    /// reserved is what the live reservations hold.
    #[test]
    fn no_piece_is_made_or_lost(
        orders in vec((lines(), ending(), draws()), 1..6),
        stock in stock(),
    ) {
        let mut left = stock.clone();
        let (mut reserved, mut shipped) = (0, 0);
        for (lines, ending, draws) in orders {
            let inputs = ending.into_iter().chain([placed(lines)]).collect();
            match run(&mut left, inputs, &draws).state {
                State::Reserved { lines } => reserved += pieces(&lines),
                State::Shipped { lines } => shipped += pieces(&lines),
                _ => {}
            }
        }
        for ((sku, before), (same, after)) in stock.levels().zip(left.levels()) {
            prop_assert_eq!((sku, sum(before)), (same, sum(after)));
        }
        prop_assert_eq!(left.levels().map(|(_, level)| level.reserved).sum::<u64>(), reserved);
        prop_assert_eq!(left.levels().map(|(_, level)| level.shipped).sum::<u64>(), shipped);
    }

    /// I6, and I1 again, whatever comes in whatever order.
    #[test]
    fn terminal_states_never_change(
        inputs in vec(prop_oneof![lines().prop_map(placed), Just(SHIPPED), Just(CANCELLED)], 0..8),
        stock in stock(),
    ) {
        let (mut left, mut last) = (stock, State::Unseen);
        for input in &inputs {
            let (decision, movements) = decide(OrderId(Uuid::nil()), &last, &left, input);
            let settled = matches!(
                last,
                State::Rejected | State::Void | State::Released { .. } | State::Shipped { .. }
            );
            if settled {
                prop_assert_eq!(&decision.state, &last);
                prop_assert!(decision.events.is_empty() && movements.is_empty());
            }
            for movement in &movements {
                prop_assert!(left.apply(movement).is_ok());
            }
            last = decision.state;
        }
    }
}
