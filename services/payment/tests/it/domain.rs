use kernel::Decision;
use payment::domain::State::{self, AwaitingOrder, Unseen, Void};
use payment::domain::{Effect, Input};
use testkit::machine::assert_machine;

use crate::{
    CANCELLED, STOCK_RESERVED, amount, charged, decide_payment, declined, placed, refunded,
    told_charged, told_failed, told_refunded,
};

fn awaiting_stock() -> State {
    State::AwaitingStock {
        amount: amount(),
        payment_method: "pm_card_visa".into(),
        channel: "web".into(),
    }
}

fn charging() -> State {
    State::Charging { amount: amount(), cancelled: false }
}

fn charging_cancelled() -> State {
    State::Charging { amount: amount(), cancelled: true }
}

fn paid() -> State {
    State::Charged { charge_id: "ch_1".into(), amount: amount() }
}

fn refunding() -> State {
    State::Refunding { charge_id: "ch_1".into(), amount: amount() }
}

fn paid_back() -> State {
    State::Refunded { charge_id: "ch_1".into(), refund_id: "re_1".into(), amount: amount() }
}

fn failed() -> State {
    State::Failed { reason: "card_declined".into() }
}

fn charge() -> Effect {
    Effect::Charge {
        amount: amount(),
        payment_method: "pm_card_visa".into(),
        channel: "web".into(),
    }
}

fn refund() -> Effect {
    Effect::Refund { charge_id: "ch_1".into(), amount: amount() }
}

fn states() -> [State; 10] {
    [
        Unseen,
        awaiting_stock(),
        AwaitingOrder,
        charging(),
        charging_cancelled(),
        paid(),
        refunding(),
        paid_back(),
        failed(),
        Void,
    ]
}

#[test]
fn what_is_not_in_this_table_is_absorbed() {
    let inputs: [Input; 6] =
        [placed(), STOCK_RESERVED, CANCELLED, charged(), declined(), refunded()];
    let be = Decision::to;
    #[rustfmt::skip]
    let transitions = [
        // given,               when,           then
        (Unseen,                placed(),       be(awaiting_stock())),
        (Unseen,                STOCK_RESERVED, be(AwaitingOrder)),
        (Unseen,                CANCELLED,      be(Void)),

        (awaiting_stock(),      STOCK_RESERVED, be(charging()).perform(charge())),
        (awaiting_stock(),      CANCELLED,      be(Void)),

        (AwaitingOrder,         placed(),       be(charging()).perform(charge())),
        (AwaitingOrder,         CANCELLED,      be(Void)),

        (charging(),            charged(),      be(paid()).emit(told_charged())),
        (charging(),            declined(),     be(failed()).emit(told_failed())),
        (charging(),            CANCELLED,      be(charging_cancelled())),

        (charging_cancelled(),  charged(),      be(refunding()).emit(told_charged()).perform(refund())),
        (charging_cancelled(),  declined(),     be(failed()).emit(told_failed())),

        (paid(),                CANCELLED,      be(refunding()).perform(refund())),

        (refunding(),           refunded(),     be(paid_back()).emit(told_refunded())),
    ];
    assert_machine(&states(), &inputs, &transitions, decide_payment);
}
