use inventory::domain::State::{self, Rejected, ShippedAhead, Unseen, Void};
use inventory::domain::{Action, Impossible, Input, Level, Movement, Stock, decide};
use inventory::events::{
    Event, Line, Shortage, ShortageReason, StockReleased, StockReservationFailed, StockReserved,
};
use kernel::{Decision, Quantity};
use testkit::machine::assert_machine;

use crate::{CANCELLED, ORDER, SHIPPED, line, on_hand, placed};

/// Movements stand where other services have effects, so that one table shows both.
fn decide_with(stock: &Stock, state: &State, input: &Input) -> Decision<State, Event, Movement> {
    let (Decision { state, events, .. }, movements) = decide(ORDER, state, stock, input);
    Decision { state, events, effects: movements }
}

fn lines() -> Vec<Line> {
    vec![line("pot", 1), line("tea", 2)]
}

fn too_many() -> Vec<Line> {
    vec![line("pot", 1), line("tea", 3), line("unicorn", 1)]
}

fn reserved() -> State {
    State::Reserved { lines: lines() }
}

fn released() -> State {
    State::Released { lines: lines() }
}

fn shipped() -> State {
    State::Shipped { lines: lines() }
}

fn told_reserved() -> Event {
    Event::StockReserved(StockReserved { order_id: ORDER, lines: lines() })
}

fn told_released() -> Event {
    Event::StockReleased(StockReleased { order_id: ORDER, lines: lines() })
}

fn told_short() -> Event {
    let short = Shortage {
        sku: "tea".parse().unwrap(),
        requested: 3,
        available: 2,
        reason: ShortageReason::Short,
    };
    let unknown = Shortage {
        sku: "unicorn".parse().unwrap(),
        requested: 1,
        available: 0,
        reason: ShortageReason::UnknownSku,
    };
    let shortages = vec![short, unknown];
    Event::StockReservationFailed(StockReservationFailed { order_id: ORDER, shortages })
}

fn moving(action: Action) -> Vec<Movement> {
    let movement = |Line { sku, quantity }| Movement { action, sku, quantity };
    lines().into_iter().map(movement).collect()
}

#[test]
fn what_is_not_in_this_table_is_absorbed() {
    let states = [Unseen, ShippedAhead, reserved(), Rejected, Void, released(), shipped()];
    let order = || placed(lines());
    let large_order = || placed(too_many());
    let inputs = [order(), large_order(), SHIPPED, CANCELLED];
    let be = Decision::to;
    let moves = |decision: Decision<_, _, _>, actions: &[Action]| Decision {
        effects: actions.iter().copied().flat_map(moving).collect(),
        ..decision
    };
    let reserve = Action::Reserve;
    #[rustfmt::skip]
    let transitions = [
        // given,       when,          then
        (Unseen,        order(),       moves(be(reserved()).emit(told_reserved()), &[reserve])),
        (Unseen,        large_order(), be(Rejected).emit(told_short())),
        (Unseen,        SHIPPED,       be(ShippedAhead)),
        (Unseen,        CANCELLED,     be(Void)),

        (ShippedAhead,  order(),       moves(be(shipped()).emit(told_reserved()), &[reserve, Action::Ship])),
        (ShippedAhead,  large_order(), be(Rejected).emit(told_short())),

        (reserved(),    SHIPPED,       moves(be(shipped()), &[Action::Ship])),
        (reserved(),    CANCELLED,     moves(be(released()).emit(told_released()), &[Action::Release])),
    ];
    let stock = on_hand(&[("pot", 1), ("tea", 2)]);
    assert_machine(&states, &inputs, &transitions, |state, input| {
        decide_with(&stock, state, input)
    });
}

#[test]
fn lines_of_one_sku_add_up() {
    let stock = on_hand(&[("tea", 4)]);
    let order = |pieces: [u32; 2]| placed(pieces.map(|pieces| line("tea", pieces)).to_vec());

    let enough = decide_with(&stock, &Unseen, &order([2, 2]));
    assert_eq!(enough.state, State::Reserved { lines: vec![line("tea", 2); 2] });

    let short = decide_with(&stock, &Unseen, &order([2, 3]));
    assert_eq!(short.state, Rejected);
    let Event::StockReservationFailed(failed) = &short.events[0] else { panic!("{short:?}") };
    assert_eq!((failed.shortages[0].requested, failed.shortages.len()), (5, 1));
}

#[test]
fn pieces_move_and_the_sum_stays() {
    let level = Level { available: 5, reserved: 3, shipped: 2 };
    let after = |action, pieces| level.after(action, Quantity::new(pieces).unwrap());
    let levels = |available, reserved, shipped| Ok(Level { available, reserved, shipped });
    assert_eq!(after(Action::Reserve, 5), levels(0, 8, 2));
    assert_eq!(after(Action::Release, 3), levels(8, 0, 2));
    assert_eq!(after(Action::Ship, 3), levels(5, 0, 5));
    assert_eq!(after(Action::Reserve, 6), Err(Impossible));
    assert_eq!(after(Action::Release, 4), Err(Impossible));
    assert_eq!(after(Action::Ship, 4), Err(Impossible));
}

#[test]
fn pieces_of_an_unknown_sku_cannot_move() {
    let before = on_hand(&[("pot", 1)]);
    let mut stock = before.clone();
    for movement in moving(Action::Release) {
        assert_eq!(stock.apply(&movement), Err(Impossible));
    }
    assert_eq!(stock, before);
}

#[test]
fn the_stored_state_is_read_back() {
    for state in [Unseen, Void, reserved(), shipped()] {
        let stored = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&stored).unwrap(), state);
    }
}
