use shipping::events::reads;
use testkit::schemas::{Reads, assert_writes};

use crate::{told_created, told_failed};

#[test]
fn what_is_written_is_what_the_schemas_say() {
    assert_writes("shipping", &[told_created(), told_failed()]);
}

#[test]
fn what_is_read_is_what_others_write() {
    Reads::of("shipping")
        .event::<reads::OrderPlaced>("OrderPlaced")
        .event::<reads::OrderConfirmed>("OrderConfirmed")
        .event::<reads::OrderCancelled>("OrderCancelled")
        .and_nothing_else();
}
