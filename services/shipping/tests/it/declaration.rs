use shipping::Shipping;
use testkit::Conformance;

use crate::{CANCELLED, CONFIRMED, booked, decide_shipment, placed, refused};

#[test]
fn what_it_does_is_what_it_declares() {
    Conformance::<Shipping>::new()
        .reads("OrderPlaced", placed())
        .reads("OrderConfirmed", CONFIRMED)
        .reads("OrderCancelled", CANCELLED)
        .outcome("book", booked())
        .outcome("book", refused())
        .personal(&["Ada", "London"])
        .check(|state, input| Some(decide_shipment(state, input)));
}
