use kernel::Decision;
use order::domain::Input::{CancelRequested, DeadlinePassed, Undone};
use order::domain::State::{self, Completed, Confirmed, Placed, ShippedAhead, Unseen};
use order::events::CancelReason::{
    self, CustomerRequest, NeverPlaced, OutOfStock, PaymentFailed, ShipmentFailed, TimedOut,
};
use testkit::machine::assert_machine;

use crate::{
    CHARGED, COMPLETED, CONFIRMED, DECLINED, INPUTS, REFUSED, SHIPPED, STOCK_FAILED, cancelled,
    decide_order,
};

#[test]
fn what_is_not_in_this_table_is_absorbed() {
    let states = [
        Unseen,
        Placed,
        ShippedAhead,
        Confirmed,
        Completed,
        State::Cancelled { reason: OutOfStock },
        State::Cancelled { reason: PaymentFailed },
        State::Cancelled { reason: ShipmentFailed },
        State::Cancelled { reason: TimedOut },
        State::Cancelled { reason: CustomerRequest },
        State::Cancelled { reason: NeverPlaced },
    ];
    let be = Decision::to;
    let cancel = |reason: CancelReason| be(State::Cancelled { reason }).emit(cancelled(reason));
    #[rustfmt::skip]
    let transitions = [
        // given,      when,            then
        (Unseen,       Undone,          cancel(NeverPlaced)),

        (Placed,       CHARGED,         be(Confirmed).emit(CONFIRMED)),
        (Placed,       SHIPPED,         be(ShippedAhead)),
        (Placed,       STOCK_FAILED,    cancel(OutOfStock)),
        (Placed,       DECLINED,        cancel(PaymentFailed)),
        (Placed,       REFUSED,         cancel(ShipmentFailed)),
        (Placed,       DeadlinePassed,  cancel(TimedOut)),
        (Placed,       CancelRequested, cancel(CustomerRequest)),

        (ShippedAhead, CHARGED,         be(Completed).emit(CONFIRMED).emit(COMPLETED)),
        (ShippedAhead, STOCK_FAILED,    cancel(OutOfStock)),
        (ShippedAhead, DECLINED,        cancel(PaymentFailed)),

        (Confirmed,    SHIPPED,         be(Completed).emit(COMPLETED)),
        (Confirmed,    REFUSED,         cancel(ShipmentFailed)),
    ];
    assert_machine(&states, &INPUTS, &transitions, decide_order);
}

#[test]
fn the_stored_state_is_read_back() {
    for state in [Unseen, ShippedAhead, State::Cancelled { reason: TimedOut }] {
        let stored = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&stored).unwrap(), state);
    }
}
