use payment::Payment;
use payment::events::reads;
use testkit::Conformance;

use crate::{CANCELLED, STOCK_RESERVED, charged, decide_payment, declined, placed, refunded};

#[test]
fn what_it_does_is_what_it_declares() {
    Conformance::<Payment>::new()
        .reads::<reads::OrderPlaced>("OrderPlaced", placed())
        .reads::<reads::StockReserved>("StockReserved", STOCK_RESERVED)
        .reads::<reads::OrderCancelled>("OrderCancelled", CANCELLED)
        .outcome("charge", charged())
        .outcome("charge", declined())
        .outcome("refund", refunded())
        .for_good(&["refunded", "failed", "void"])
        .says(&["OrderPlaced", "StockReserved"], &[&["PaymentCharged"], &["PaymentFailed"]])
        // Without stock nothing is charged; and whenever the cancellation comes, nobody has paid in the end.
        .says(&["OrderPlaced", "OrderCancelled"], &[&[]])
        .says(
            &["OrderPlaced", "StockReserved", "OrderCancelled"],
            &[&[], &["PaymentFailed"], &["PaymentCharged", "PaymentRefunded"]],
        )
        .check(|state, input| Some(decide_payment(state, input)));
}
