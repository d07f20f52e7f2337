use notification::events::{Outcome, reads};
use testkit::schemas::{Reads, assert_writes};

use crate::{told_failed, told_sent};

#[test]
fn what_is_written_is_what_the_schemas_say() {
    let events = [told_sent(Outcome::Confirmed), told_failed(Outcome::Cancelled)];
    assert_writes("notification", &events);
}

#[test]
fn the_outcomes_have_the_names_the_schema_documents() {
    let outcomes = [Outcome::Confirmed, Outcome::Completed, Outcome::Cancelled];
    let names = ["confirmed", "completed", "cancelled"];
    assert_eq!(serde_json::to_value(outcomes).unwrap(), serde_json::json!(names));
}

#[test]
fn what_is_read_is_what_others_write() {
    Reads::of("notification")
        .event::<reads::OrderPlaced>("OrderPlaced")
        .event::<reads::OrderConfirmed>("OrderConfirmed")
        .event::<reads::OrderCompleted>("OrderCompleted")
        .event::<reads::OrderCancelled>("OrderCancelled")
        .and_nothing_else();
}
