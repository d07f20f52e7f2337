use payment::events::{Event, reads};
use testkit::schemas::{Reads, assert_writes};

use crate::{told_charged, told_failed, told_refunded};

#[test]
fn what_is_written_is_what_the_schemas_say() {
    let events = [told_charged(), told_failed(), told_refunded()];
    assert_writes("payment", &events, Event::event_type);
}

#[test]
fn what_is_read_is_what_others_write() {
    Reads::of("payment")
        .event::<reads::OrderPlaced>("OrderPlaced")
        .event::<reads::StockReserved>("StockReserved")
        .event::<reads::OrderCancelled>("OrderCancelled")
        .and_nothing_else();
}
