use shipping::Shipping;
use shipping::events::reads;
use testkit::Conformance;

use crate::{CANCELLED, CONFIRMED, booked, decide_shipment, placed, refused};

#[test]
fn what_it_does_is_what_it_declares() {
    Conformance::<Shipping>::new()
        .reads::<reads::OrderPlaced>("OrderPlaced", placed())
        .reads::<reads::OrderConfirmed>("OrderConfirmed", CONFIRMED)
        .reads::<reads::OrderCancelled>("OrderCancelled", CANCELLED)
        .outcome("book", booked())
        .outcome("book", refused())
        .personal(&["Ada", "London"])
        .for_good(&["created", "failed", "void"])
        .says(&["OrderPlaced", "OrderConfirmed"], &[&["ShipmentCreated"], &["ShipmentFailed"]])
        // Nothing is shipped for an order that was cancelled before it was confirmed.
        .says(&["OrderPlaced", "OrderCancelled"], &[&[]])
        .check(|state, input| Some(decide_shipment(state, input)));
}
