use farandole_cli::stuck::{Awaited, States, moves};

/// An order's states, in the services' own words; `–` is what has not heard of it. Of the messages,
/// other tests tell: here the customer knows all there is to know.
fn given(order: &str, inventory: &str, payment: &str, shipping: &str) -> States {
    let told = match order.split(' ').next() {
        Some("confirmed") => "known sent",
        Some("completed") => "forgotten sent sent",
        Some("cancelled") => "forgotten - - sent",
        _ => "known",
    };
    let or_unseen = |status: &str| if status == "–" { "unseen" } else { status }.to_owned();
    States::unseen()
        .with("order", order)
        .with("inventory", or_unseen(inventory))
        .with("payment", or_unseen(payment))
        .with("shipping", or_unseen(shipping))
        .with("notification", told)
}

fn then(states: &States) -> Vec<String> {
    let words = |awaits| match awaits {
        Awaited::Event { event, .. } => event,
        Awaited::Call { step } => step,
        Awaited::Deadline => "deadline",
        Awaited::Unclear => "unclear",
    };
    moves(states).into_iter().map(|it| format!("{}: {}", it.service, words(it.awaits))).collect()
}

/// Given the order, inventory, payment and shipping, whose move is it?
type Case = ([&'static str; 4], &'static [&'static str]);

#[track_caller]
fn check(cases: &[Case]) {
    for ([order, inventory, payment, shipping], expected) in cases {
        let states = given(order, inventory, payment, shipping);
        assert_eq!(then(&states), *expected, "{states:?}");
    }
}

#[test]
fn an_order_is_placed_until_its_payment_is_heard_of() {
    const READY: &str = "awaiting_confirmation";
    check(&[
        (["placed", "–", "–", READY], &["inventory: OrderPlaced", "payment: OrderPlaced"]),
        (["placed", "–", "awaiting_stock", READY], &["inventory: OrderPlaced"]),
        (
            ["placed", "–", "awaiting_stock", "–"],
            &["inventory: OrderPlaced", "shipping: OrderPlaced"],
        ),
        (["placed", "reserved", "–", READY], &["payment: OrderPlaced", "payment: StockReserved"]),
        (["placed", "reserved", "awaiting_stock", READY], &["payment: StockReserved"]),
        (["placed", "reserved", "awaiting_order", READY], &["payment: OrderPlaced"]),
        (["placed", "reserved", "charging", READY], &["payment: charge"]),
        (["placed", "reserved", "charged", READY], &["order: PaymentCharged"]),
        (["placed", "reserved", "failed", READY], &["order: PaymentFailed"]),
        (["placed", "rejected", "awaiting_stock", READY], &["order: StockReservationFailed"]),
        (["placed", "void", "void", READY], &["order: unclear"]),
        (["placed", "unknown", "void", READY], &[]),
    ]);
}

#[test]
fn once_the_deadline_has_passed_it_is_the_order_services_move() {
    let states = given("placed", "reserved", "charging", "–");
    let mut states = states.with("shipping", "awaiting_confirmation");
    states.overdue = true;
    assert_eq!(then(&states), ["order: deadline", "payment: charge"]);
}

#[test]
fn a_confirmed_order_waits_for_its_parcel() {
    check(&[
        (
            ["confirmed", "reserved", "charged", "–"],
            &["shipping: OrderPlaced", "shipping: OrderConfirmed"],
        ),
        (
            ["confirmed", "reserved", "charged", "awaiting_confirmation"],
            &["shipping: OrderConfirmed"],
        ),
        (["confirmed", "reserved", "charged", "awaiting_order"], &["shipping: OrderPlaced"]),
        (["confirmed", "reserved", "charged", "booking"], &["shipping: book"]),
        (
            ["confirmed", "reserved", "charged", "created"],
            &["order: ShipmentCreated", "inventory: ShipmentCreated"],
        ),
        (["confirmed", "shipped", "charged", "created"], &["order: ShipmentCreated"]),
        (["confirmed", "reserved", "charged", "failed"], &["order: ShipmentFailed"]),
        (["confirmed", "reserved", "charged", "void"], &["order: unclear"]),
        (["shipped_ahead", "shipped", "charged", "created"], &["order: PaymentCharged"]),
    ]);
}

#[test]
fn a_completed_order_leaves_the_stock() {
    check(&[
        (["completed", "shipped", "charged", "created"], &[]),
        (["completed", "reserved", "charged", "created"], &["inventory: ShipmentCreated"]),
        (["completed", "shipped_ahead", "charged", "created"], &["inventory: OrderPlaced"]),
    ]);
}

#[test]
fn a_cancelled_order_is_undone_by_everyone() {
    check(&[
        (["cancelled out_of_stock", "released", "refunded", "void"], &[]),
        (["cancelled out_of_stock", "rejected", "void", "void"], &[]),
        (["cancelled out_of_stock", "released", "failed", "failed"], &[]),
        (
            ["cancelled out_of_stock", "–", "void", "–"],
            &[
                "inventory: OrderPlaced",
                "inventory: OrderCancelled",
                "shipping: OrderPlaced",
                "shipping: OrderCancelled",
            ],
        ),
        (["cancelled out_of_stock", "reserved", "void", "void"], &["inventory: OrderCancelled"]),
        (
            ["cancelled out_of_stock", "rejected", "awaiting_stock", "void"],
            &["payment: OrderCancelled"],
        ),
        (["cancelled out_of_stock", "released", "charged", "failed"], &["payment: OrderCancelled"]),
        (
            ["cancelled out_of_stock", "released", "charging", "void"],
            &["payment: charge", "payment: OrderCancelled"],
        ),
        (["cancelled out_of_stock", "released", "refunding", "failed"], &["payment: refund"]),
        (
            ["cancelled out_of_stock", "released", "void", "awaiting_confirmation"],
            &["shipping: OrderCancelled"],
        ),
    ]);
}

#[test]
fn a_charge_of_a_cancelled_order_is_followed_to_its_end() {
    let states = given("cancelled timed_out", "released", "charging cancelled", "void");
    assert_eq!(then(&states), ["payment: charge"]);
}

#[test]
fn the_customer_is_to_be_told_the_last_word() {
    let told = |messages: &str| {
        let states = given("completed", "shipped", "charged", "created");
        then(&states.with("notification", messages))
    };
    let nothing: [&str; 0] = [];
    assert_eq!(told("forgotten sent failed"), nothing);
    assert_eq!(told("forgotten - sent"), nothing, "it is too late for the first");
    assert_eq!(told("known sent"), ["notification: OrderCompleted"]);
    assert_eq!(told("known sent sending"), ["notification: mail-completed"]);
    assert_eq!(told("unseen overtaken waiting"), ["notification: OrderPlaced"], "once");
}
