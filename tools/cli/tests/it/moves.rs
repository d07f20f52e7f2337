use farandole_cli::stuck::{Awaited, States, moves};

/// An order's states, in the services' own words.
fn given(order: &str, inventory: &str, payment: &str, shipping: &str) -> States {
    let or_unseen = |state: &str| if state == "–" { "unseen" } else { state }.to_owned();
    States {
        inventory: or_unseen(inventory),
        payment: or_unseen(payment),
        shipping: or_unseen(shipping),
        // Of the messages, other tests tell.
        messages: ["sent", "sent", "sent"].map(str::to_owned),
        ..States::new(order)
    }
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
    check(&[
        (["placed", "–", "–", "–"], &["inventory: OrderPlaced", "payment: OrderPlaced"]),
        (["placed", "–", "awaiting_stock", "–"], &["inventory: OrderPlaced"]),
        (["placed", "reserved", "–", "–"], &["payment: OrderPlaced", "payment: StockReserved"]),
        (["placed", "reserved", "awaiting_stock", "–"], &["payment: StockReserved"]),
        (["placed", "reserved", "awaiting_order", "–"], &["payment: OrderPlaced"]),
        (["placed", "reserved", "charging", "awaiting_confirmation"], &["payment: charge"]),
        (["placed", "reserved", "charged", "–"], &["order: PaymentCharged"]),
        (["placed", "reserved", "failed", "–"], &["order: PaymentFailed"]),
        (["placed", "rejected", "awaiting_stock", "–"], &["order: StockReservationFailed"]),
        (["placed", "void", "void", "–"], &["order: unclear"]),
    ]);
}

#[test]
fn once_the_deadline_has_passed_it_is_the_order_services_move() {
    let states = given("placed", "reserved", "charging", "–");
    let states = States { overdue: true, ..states };
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
        (["cancelled", "released", "refunded", "void"], &[]),
        (["cancelled", "rejected", "void", "void"], &[]),
        (["cancelled", "released", "failed", "failed"], &[]),
        (
            ["cancelled", "–", "–", "–"],
            &["inventory: OrderCancelled", "payment: OrderCancelled", "shipping: OrderCancelled"],
        ),
        (["cancelled", "reserved", "void", "void"], &["inventory: OrderCancelled"]),
        (["cancelled", "rejected", "awaiting_stock", "void"], &["payment: OrderCancelled"]),
        (["cancelled", "released", "charged", "failed"], &["payment: OrderCancelled"]),
        (
            ["cancelled", "released", "charging", "void"],
            &["payment: charge", "payment: OrderCancelled"],
        ),
        (["cancelled", "released", "refunding", "failed"], &["payment: refund"]),
        (["cancelled", "released", "void", "awaiting_confirmation"], &["shipping: OrderCancelled"]),
    ]);
}

#[test]
fn a_charge_of_a_cancelled_order_is_followed_to_its_end() {
    let states = given("cancelled", "released", "charging", "void");
    assert_eq!(then(&States { refund_follows: true, ..states }), ["payment: charge"]);
}

#[test]
fn the_customer_is_to_be_told_the_last_word() {
    let told = |messages: [&str; 3]| {
        let states = given("completed", "shipped", "charged", "created");
        then(&States { messages: messages.map(str::to_owned), ..states })
    };
    let nothing: [&str; 0] = [];
    assert_eq!(told(["sent", "failed", "unseen"]), nothing);
    assert_eq!(told(["unseen", "sent", "unseen"]), nothing, "it is too late for the first");
    assert_eq!(told(["sent", "unseen", "unseen"]), ["notification: OrderCompleted"]);
    assert_eq!(told(["sent", "sending", "unseen"]), ["notification: mail-completed"]);
    assert_eq!(told(["waiting", "waiting", "unseen"]), ["notification: OrderPlaced"], "once");
}
