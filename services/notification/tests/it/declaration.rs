use notification::Notification;
use notification::events::Outcome::{Cancelled, Completed, Confirmed};
use testkit::Conformance;

use crate::{CANCELLED, COMPLETED, CONFIRMED, decide_messages, given_up, placed, retried, sent};

#[test]
fn what_it_does_is_what_it_declares() {
    let mut conformance = Conformance::<Notification>::new()
        .reads("OrderPlaced", placed())
        .reads("OrderConfirmed", CONFIRMED)
        .reads("OrderCompleted", COMPLETED)
        .reads("OrderCancelled", CANCELLED)
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
