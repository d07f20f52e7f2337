//! Whose move it is: what an order's five states say is to happen next. Pure.

use serde::Serialize;

/// What the states say of an order that a service has not heard of.
const UNSEEN: &str = "unseen";
/// What stands for the state in a service that could not be asked.
pub(super) const UNKNOWN: &str = "unknown";

/// Where an order is in each of the services, as they call it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States {
    /// In the order service.
    pub order: String,
    /// Whether it is not decided although its deadline has passed.
    pub overdue: bool,
    /// In the inventory service.
    pub inventory: String,
    /// In the payment service.
    pub payment: String,
    /// While it charges: whether the payment service knows that the order is cancelled.
    pub refund_follows: bool,
    /// In the shipping service.
    pub shipping: String,
    /// The messages to the customer: confirmed, completed, cancelled.
    pub messages: [String; 3],
}

impl States {
    /// An order that no other service has heard of.
    pub fn new(order: impl Into<String>) -> Self {
        let unseen = || UNSEEN.to_owned();
        Self {
            order: order.into(),
            overdue: false,
            inventory: unseen(),
            payment: unseen(),
            refund_follows: false,
            shipping: unseen(),
            messages: [unseen(), unseen(), unseen()],
        }
    }
}

/// What a service is to do next about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The service whose move it is.
    pub service: &'static str,
    /// What it waits for.
    pub awaits: Awaited,
}

/// What a service waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Awaited {
    /// An event that it is to read.
    Event {
        /// The event's type.
        event: &'static str,
        /// The service that emits it.
        from: &'static str,
    },
    /// The outcome of a call to the outside.
    Call {
        /// The step of the call.
        step: &'static str,
    },
    /// Nothing: the order's time is up, and it is to be cancelled.
    Deadline,
    /// Nobody can tell: the states contradict each other.
    Unclear,
}

const fn event(event: &'static str, from: &'static str) -> Awaited {
    Awaited::Event { event, from }
}

const ORDER_PLACED: Awaited = event("OrderPlaced", "order");
const ORDER_CONFIRMED: Awaited = event("OrderConfirmed", "order");
const ORDER_COMPLETED: Awaited = event("OrderCompleted", "order");
const ORDER_CANCELLED: Awaited = event("OrderCancelled", "order");
const STOCK_RESERVED: Awaited = event("StockReserved", "inventory");
const STOCK_RESERVATION_FAILED: Awaited = event("StockReservationFailed", "inventory");
const PAYMENT_CHARGED: Awaited = event("PaymentCharged", "payment");
const PAYMENT_FAILED: Awaited = event("PaymentFailed", "payment");
const SHIPMENT_CREATED: Awaited = event("ShipmentCreated", "shipping");
const SHIPMENT_FAILED: Awaited = event("ShipmentFailed", "shipping");

const fn call(step: &'static str) -> Awaited {
    Awaited::Call { step }
}

/// What is to happen next about an order, in the order in which it matters; nothing if all five
/// services are done with it. Done is also who contradicts another: that is for the audit to say.
pub fn moves(states: &States) -> Vec<Move> {
    let mut moves = Moves::default();
    match states.order.as_str() {
        "placed" => placed(states, &mut moves),
        "shipped_ahead" => {
            moves.add("order", &[PAYMENT_CHARGED]);
            ship(states, &mut moves);
        }
        "confirmed" => confirmed(states, &mut moves),
        "completed" => ship(states, &mut moves),
        "cancelled" => undo(states, &mut moves),
        _ => {}
    }
    let terminal = ["completed", "cancelled"].contains(&states.order.as_str());
    let States { inventory, payment, shipping, .. } = states;
    let is_known = [inventory, payment, shipping].iter().all(|state| *state != UNKNOWN);
    if !terminal && moves.0.is_empty() && is_known {
        moves.add("order", &[Awaited::Unclear]);
    }
    tell(states, &mut moves);
    moves.0
}

#[derive(Default)]
struct Moves(Vec<Move>);

impl Moves {
    fn add(&mut self, service: &'static str, awaited: &[Awaited]) {
        for awaits in awaited {
            let one = Move { service, awaits: *awaits };
            if !self.0.contains(&one) {
                self.0.push(one);
            }
        }
    }
}

fn placed(states: &States, moves: &mut Moves) {
    if states.overdue {
        moves.add("order", &[Awaited::Deadline]);
    }
    match (states.inventory.as_str(), states.payment.as_str()) {
        (_, "charging") => moves.add("payment", &[call("charge")]),
        (_, "charged") => moves.add("order", &[PAYMENT_CHARGED]),
        (_, "failed") => moves.add("order", &[PAYMENT_FAILED]),
        ("rejected", _) => moves.add("order", &[STOCK_RESERVATION_FAILED]),
        (inventory, payment) => {
            if ["unseen", "shipped_ahead"].contains(&inventory) {
                moves.add("inventory", &[ORDER_PLACED]);
            }
            if ["unseen", "awaiting_order"].contains(&payment) {
                moves.add("payment", &[ORDER_PLACED]);
            }
            let reserved = ["reserved", "shipped"].contains(&inventory);
            if reserved && ["unseen", "awaiting_stock"].contains(&payment) {
                moves.add("payment", &[STOCK_RESERVED]);
            }
        }
    }
}

fn confirmed(states: &States, moves: &mut Moves) {
    match states.shipping.as_str() {
        "unseen" => moves.add("shipping", &[ORDER_PLACED, ORDER_CONFIRMED]),
        "awaiting_order" => moves.add("shipping", &[ORDER_PLACED]),
        "awaiting_confirmation" => moves.add("shipping", &[ORDER_CONFIRMED]),
        "booking" => moves.add("shipping", &[call("book")]),
        "failed" => moves.add("order", &[SHIPMENT_FAILED]),
        "created" => {
            moves.add("order", &[SHIPMENT_CREATED]);
            ship(states, moves);
        }
        _ => {}
    }
}

/// The parcel is on its way: its pieces are to leave the stock.
fn ship(states: &States, moves: &mut Moves) {
    match states.inventory.as_str() {
        "unseen" => moves.add("inventory", &[ORDER_PLACED, SHIPMENT_CREATED]),
        "shipped_ahead" => moves.add("inventory", &[ORDER_PLACED]),
        "reserved" => moves.add("inventory", &[SHIPMENT_CREATED]),
        _ => {}
    }
}

/// The order is cancelled: all that was done is to be undone.
fn undo(states: &States, moves: &mut Moves) {
    if ["unseen", "reserved"].contains(&states.inventory.as_str()) {
        moves.add("inventory", &[ORDER_CANCELLED]);
    }
    match states.payment.as_str() {
        "unseen" | "awaiting_stock" | "awaiting_order" | "charged" => {
            moves.add("payment", &[ORDER_CANCELLED]);
        }
        "charging" if states.refund_follows => moves.add("payment", &[call("charge")]),
        "charging" => moves.add("payment", &[call("charge"), ORDER_CANCELLED]),
        "refunding" => moves.add("payment", &[call("refund")]),
        _ => {}
    }
    match states.shipping.as_str() {
        "unseen" | "awaiting_confirmation" | "awaiting_order" => {
            moves.add("shipping", &[ORDER_CANCELLED]);
        }
        "booking" => moves.add("shipping", &[call("book")]),
        _ => {}
    }
}

/// The customer is to be told. A confirmation that was never heard of is not missed once the last
/// word was said.
fn tell(states: &States, moves: &mut Moves) {
    let messages = [
        ("confirmed", "mail-confirmed", ORDER_CONFIRMED),
        ("completed", "mail-completed", ORDER_COMPLETED),
        ("cancelled", "mail-cancelled", ORDER_CANCELLED),
    ];
    for ((outcome, step, told_by), message) in messages.into_iter().zip(&states.messages) {
        match message.as_str() {
            UNSEEN if states.order == outcome => moves.add("notification", &[told_by]),
            // It waits for the one that is being sent.
            "waiting" if states.messages.iter().any(|other| other == "sending") => {}
            "waiting" => moves.add("notification", &[ORDER_PLACED]),
            "sending" => moves.add("notification", &[call(step)]),
            _ => {}
        }
    }
}
