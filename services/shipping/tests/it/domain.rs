use kernel::Decision;
use shipping::domain::Effect;
use shipping::domain::State::{self, AwaitingOrder, Booking, Unseen, Void};
use testkit::machine::assert_machine;

use crate::{
    CANCELLED, CONFIRMED, booked, decide_shipment, placed, recipient, refused, shipment,
    told_created, told_failed,
};

fn awaiting_confirmation() -> State {
    State::AwaitingConfirmation { recipient: recipient() }
}

fn created() -> State {
    State::Created(shipment())
}

fn failed() -> State {
    State::Failed { reason: "destination_not_served".into() }
}

fn book() -> Effect {
    Effect::Book { recipient: recipient() }
}

fn states() -> [State; 7] {
    [Unseen, awaiting_confirmation(), AwaitingOrder, Booking, created(), failed(), Void]
}

#[test]
fn what_is_not_in_this_table_is_absorbed() {
    let inputs = [placed(), CONFIRMED, CANCELLED, booked(), refused()];
    let be = Decision::to;
    #[rustfmt::skip]
    let transitions = [
        // given,                  when,      then
        (Unseen,                   placed(),  be(awaiting_confirmation())),
        (Unseen,                   CONFIRMED, be(AwaitingOrder)),
        (Unseen,                   CANCELLED, be(Void)),

        (awaiting_confirmation(),  CONFIRMED, be(Booking).perform(book())),
        (awaiting_confirmation(),  CANCELLED, be(Void)),

        (AwaitingOrder,            placed(),  be(Booking).perform(book())),
        (AwaitingOrder,            CANCELLED, be(Void)),

        (Booking,                  booked(),  be(created()).emit(told_created())),
        (Booking,                  refused(), be(failed()).emit(told_failed())),
    ];
    assert_machine(&states(), &inputs, &transitions, decide_shipment);
}
