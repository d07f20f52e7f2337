use inventory::events::{ShortageReason, reads};

#[test]
fn the_reasons_have_the_names_the_schema_documents() {
    let reasons = [ShortageReason::Short, ShortageReason::UnknownSku];
    let names = ["short", "unknown_sku"];
    assert_eq!(serde_json::to_value(reasons).unwrap(), serde_json::json!(names));
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
