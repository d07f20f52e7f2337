use inventory::events::{
    Event, Shortage, ShortageReason, StockReleased, StockReservationFailed, StockReserved, reads,
};
use testkit::schemas::{Reads, assert_writes};

use crate::{ORDER, line};

#[test]
fn what_is_written_is_what_the_schemas_say() {
    let lines = vec![line("tea", 2), line("pot", 1)];
    let shortage = |sku: &str, reason| Shortage {
        sku: sku.parse().unwrap(),
        requested: 3,
        available: 0,
        reason,
    };
    let shortages =
        vec![shortage("tea", ShortageReason::Short), shortage("pot", ShortageReason::UnknownSku)];
    let events = [
        Event::StockReserved(StockReserved { order_id: ORDER, lines: lines.clone() }),
        Event::StockReservationFailed(StockReservationFailed { order_id: ORDER, shortages }),
        Event::StockReleased(StockReleased { order_id: ORDER, lines }),
    ];
    assert_writes("inventory", &events);
}

#[test]
fn the_reasons_have_the_names_the_schema_documents() {
    let reasons = [ShortageReason::Short, ShortageReason::UnknownSku];
    let names = ["short", "unknown_sku"];
    assert_eq!(serde_json::to_value(reasons).unwrap(), serde_json::json!(names));
}

#[test]
fn what_is_read_is_what_others_write() {
    Reads::of("inventory")
        .event::<reads::OrderPlaced>("OrderPlaced")
        .event::<reads::ShipmentCreated>("ShipmentCreated")
        .event::<reads::OrderCancelled>("OrderCancelled")
        .and_nothing_else();
}

#[test]
fn an_order_of_nothing_is_not_read() {
    let read = |count: usize| {
        let lines = vec![serde_json::json!({"sku": "tea", "quantity": 1}); count];
        serde_json::from_value::<reads::OrderPlaced>(serde_json::json!({ "lines": lines }))
    };
    assert!(read(1).is_ok() && read(100).is_ok());
    for count in [0, 101] {
        assert!(read(count).unwrap_err().to_string().contains("not 1 to 100"), "{count}");
    }
}
