use jiff::Timestamp;
use kernel::{Currency, Money, Quantity};
use order::events::{CancelReason, Channel, Event, Line, OrderPlaced, Recipient};

use crate::ORDER;

pub(crate) fn placed() -> OrderPlaced {
    let currency: Currency = "EUR".parse().unwrap();
    let line = |sku: &str, pieces, amount| Line {
        sku: sku.parse().unwrap(),
        quantity: Quantity::new(pieces).unwrap(),
        unit_price: Money { amount, currency },
    };
    OrderPlaced {
        order_id: ORDER,
        customer_id: "customer-1".into(),
        lines: vec![line("tea", 2, 450), line("pot", 1, 3_000)],
        total: Money { amount: 3_900, currency },
        payment_method: "pm_card_visa".into(),
        recipient: Recipient {
            name: "Ada Lovelace".into(),
            email: "ada@example.org".into(),
            street: "12 St James's Square".into(),
            city: "London".into(),
            postal_code: "SW1Y 4JH".into(),
            country: "GB".into(),
        },
        placed_at: Timestamp::from_millisecond(1_767_225_600_123).unwrap(),
        channel: Channel::Phone,
    }
}

#[test]
fn the_reasons_have_the_names_the_schema_documents() {
    let names = [
        "out_of_stock",
        "payment_failed",
        "shipment_failed",
        "timed_out",
        "customer_request",
        "never_placed",
    ];
    assert_eq!(serde_json::to_value(CancelReason::ALL).unwrap(), serde_json::json!(names));
}

#[test]
fn the_channels_have_the_names_the_schema_documents() {
    let names = Channel::ALL.map(Channel::as_str);
    assert_eq!(names, ["web", "app", "phone", "shop"]);
    assert_eq!(serde_json::to_value(Channel::ALL).unwrap(), serde_json::json!(names));
    assert_eq!(names.map(|name| name.parse::<Channel>().unwrap()), Channel::ALL);
    assert!("fax".parse::<Channel>().is_err());
}

#[test]
fn personal_data_does_not_show_in_logs() {
    let shown = format!("{:?}", Event::from(placed()));
    assert!(shown.contains("Recipient { .. }"), "{shown}");
    assert!(!shown.contains("Ada") && !shown.contains("ada@"), "{shown}");
}
