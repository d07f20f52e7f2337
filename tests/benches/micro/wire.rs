//! Writing and reading an `OrderPlaced`, the largest event, and its headers.

use std::hint::black_box;

use contracts::{Encoder, Envelope, WriterSchema};
use criterion::Criterion;
use jiff::Timestamp;
use kernel::{Money, Quantity};
use order::events::{Channel, Line, OrderId, OrderPlaced, Recipient};
use serde::de::DeserializeOwned;
use uuid::Uuid;

const SCHEMA: &str = include_str!("../../../schemas/order/OrderPlaced.v2.avsc");

pub(crate) fn encode(criterion: &mut Criterion) {
    let encoder = Encoder::new(1, SCHEMA).unwrap();
    let placed = order_placed();
    criterion.bench_function("encode OrderPlaced", |bencher| {
        bencher.iter(|| encoder.encode(black_box(&placed)).unwrap());
    });
}

/// By the writer's schema into what each service reads of it.
pub(crate) fn decode(criterion: &mut Criterion) {
    one::<inventory::events::reads::OrderPlaced>(criterion, "inventory");
    one::<payment::events::reads::OrderPlaced>(criterion, "payment");
    one::<shipping::events::reads::OrderPlaced>(criterion, "shipping");
    one::<notification::events::reads::OrderPlaced>(criterion, "notification");
}

fn one<T: DeserializeOwned>(criterion: &mut Criterion, reader: &str) {
    let payload = Encoder::new(1, SCHEMA).unwrap().encode(&order_placed()).unwrap();
    let schema = WriterSchema::parse(SCHEMA).unwrap();
    criterion.bench_function(&format!("decode OrderPlaced, {reader}"), |bencher| {
        bencher.iter(|| schema.decode::<T>(black_box(&payload)).unwrap());
    });
}

pub(crate) fn headers(criterion: &mut Criterion) {
    let envelope = envelope();
    criterion.bench_function("headers, written", |bencher| {
        bencher.iter(|| black_box(&envelope).headers());
    });
    let headers = envelope.headers();
    criterion.bench_function("headers, read", |bencher| {
        bencher.iter(|| {
            let headers = black_box(&headers).iter();
            Envelope::parse(headers.map(|(name, value)| (*name, Some(value.as_bytes())))).unwrap()
        });
    });
}

fn order_placed() -> OrderPlaced {
    let price = Money { amount: 499, currency: "EUR".parse().unwrap() };
    let quantity = Quantity::new(2).unwrap();
    OrderPlaced {
        order_id: OrderId(Uuid::now_v7()),
        customer_id: "c-4711".to_owned(),
        lines: vec![Line { sku: "tambourin".parse().unwrap(), quantity, unit_price: price }],
        total: price.times(quantity).unwrap(),
        payment_method: "pm_card_visa".to_owned(),
        recipient: Recipient {
            name: "Mireille Fabre".to_owned(),
            email: "mireille@example.org".to_owned(),
            street: "3 place de la Fontaine".to_owned(),
            city: "Maillane".to_owned(),
            postal_code: "13910".to_owned(),
            country: "FR".to_owned(),
        },
        placed_at: Timestamp::now(),
        channel: Channel::Web,
    }
}

fn envelope() -> Envelope {
    let order = Uuid::now_v7();
    Envelope {
        id: Uuid::now_v7(),
        event_type: "OrderPlaced".to_owned(),
        source: "/order".to_owned(),
        saga: OrderId(order),
        time: Timestamp::now(),
        sequence: 1,
        correlation_id: Uuid::now_v7().to_string(),
        causation_id: Uuid::now_v7().to_string(),
        traceparent: Some(format!("00-{}-0123456789abcdef-01", order.simple())),
    }
}
