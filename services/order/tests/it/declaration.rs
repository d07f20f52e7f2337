use messaging::Service as _;
use order::Order;
use order::domain::{Input, State};
use order::events::{Event, reads};
use testkit::Conformance;

use crate::schemas::placed;
use crate::{CHARGED, DECLINED, ORDER, REFUSED, SHIPPED, STOCK_FAILED};

#[test]
fn what_it_does_is_what_it_declares() {
    let service = Order::default();
    Conformance::<Order>::new()
        .begins(State::Placed, [Event::from(placed())])
        .reads::<reads::StockReservationFailed>("StockReservationFailed", STOCK_FAILED)
        .reads::<reads::PaymentCharged>("PaymentCharged", CHARGED)
        .reads::<reads::PaymentFailed>("PaymentFailed", DECLINED)
        .reads::<reads::ShipmentCreated>("ShipmentCreated", SHIPPED)
        .reads::<reads::ShipmentFailed>("ShipmentFailed", REFUSED)
        .command(Input::DeadlinePassed)
        .command(Input::CancelRequested)
        .command(Input::Undone)
        .check(|state, input| service.decide(ORDER, state, input, &mut ()).ok());
}
