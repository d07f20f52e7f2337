use payment::events::reads;

#[test]
fn an_order_that_says_no_channel_came_from_the_web() {
    let order = serde_json::json!({
        "total": {"amount": 1, "currency": "EUR"}, "payment_method": "pm"
    });
    assert_eq!(serde_json::from_value::<reads::OrderPlaced>(order).unwrap().channel, "web");
}

#[test]
fn a_total_that_no_order_has_is_not_read() {
    let read = |amount: i64| {
        serde_json::from_value::<reads::OrderPlaced>(serde_json::json!({
            "total": {"amount": amount, "currency": "EUR"}, "payment_method": "pm"
        }))
    };
    for amount in [1, (1 << 53) - 1] {
        assert_eq!(read(amount).unwrap().total.amount, amount);
    }
    for amount in [0, -1, -5_000, i64::MIN, 1 << 53, i64::MAX] {
        assert!(read(amount).unwrap_err().to_string().contains("the total is"), "{amount}");
    }
}
