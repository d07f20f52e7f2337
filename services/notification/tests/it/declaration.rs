use notification::Notification;
use notification::events::Outcome::{Cancelled, Completed, Confirmed};
use notification::events::reads;
use testkit::Conformance;

use crate::{CANCELLED, COMPLETED, CONFIRMED, decide_messages, given_up, placed, retried, sent};

#[test]
fn what_it_does_is_what_it_declares() {
    let mut conformance = Conformance::<Notification>::new()
        .reads::<reads::OrderPlaced>("OrderPlaced", placed())
        .reads::<reads::OrderConfirmed>("OrderConfirmed", CONFIRMED)
        .reads::<reads::OrderCompleted>("OrderCompleted", COMPLETED)
        .reads::<reads::OrderCancelled>("OrderCancelled", CANCELLED)
        .personal(&["Ada", "ada@"]);
    for (step, outcome) in [
        ("mail-confirmed", Confirmed),
        ("mail-completed", Completed),
        ("mail-cancelled", Cancelled),
    ] {
        conformance = conformance
            .outcome(step, sent(outcome))
            .outcome(step, given_up(outcome))
            .command(retried(outcome));
    }
    conformance.check(|state, input| Some(decide_messages(state, input)));
}
