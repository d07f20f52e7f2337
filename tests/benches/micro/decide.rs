//! Each service's decision, a thousand times: as often as in a full batch. The input is that which
//! has the most to answer.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use kernel::{Currency, Money, Quantity, Sku, StateMachine as _};
use order::events::OrderId;
use uuid::Uuid;

const BATCH: usize = 1_000;

pub(crate) fn batches(criterion: &mut Criterion) {
    let orders: Vec<OrderId> = (0..BATCH).map(|_| OrderId(Uuid::now_v7())).collect();
    let mut group = criterion.benchmark_group("decide on 1,000");
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut bench = |service: &str, decide: &dyn Fn(OrderId)| {
        group.bench_function(BenchmarkId::from_parameter(service), |bencher| {
            bencher.iter(|| orders.iter().for_each(|order| decide(*order)));
        });
    };
    bench("order", &order());
    bench("inventory", &inventory());
    bench("payment", &payment());
    bench("shipping", &shipping());
    bench("notification", &notification());
    group.finish();
}

fn order() -> impl Fn(OrderId) {
    use order::domain::{Input, State};
    let input = Input::PaymentCharged(order::events::reads::PaymentCharged {});
    move |order| _ = black_box(State::Placed.decide(order, black_box(&input)))
}

fn inventory() -> impl Fn(OrderId) {
    use inventory::domain::{Input, Level, State, Stock, decide};
    use inventory::events::{Line, reads};
    let sku: Sku = "tambourin".parse().unwrap();
    let level = Level { available: 1_000_000, ..Level::default() };
    let stock: Stock = [(sku.clone(), level)].into_iter().collect();
    let lines = vec![Line { sku, quantity: Quantity::new(2).unwrap() }];
    let input = Input::OrderPlaced(reads::OrderPlaced { lines });
    move |order| _ = black_box(decide(order, &State::Unseen, &stock, black_box(&input)))
}

fn payment() -> impl Fn(OrderId) {
    use payment::domain::{Input, State};
    let currency: Currency = "EUR".parse().unwrap();
    let state = State::AwaitingStock {
        amount: Money { amount: 998, currency },
        payment_method: "pm_card_visa".to_owned(),
        channel: "web".to_owned(),
    };
    let input = Input::StockReserved(payment::events::reads::StockReserved {});
    move |order| _ = black_box(black_box(&state).decide(order, &input))
}

fn shipping() -> impl Fn(OrderId) {
    use shipping::domain::{Input, State};
    let recipient = shipping::events::reads::Recipient {
        name: "Mireille Fabre".to_owned(),
        street: "3 place de la Fontaine".to_owned(),
        city: "Maillane".to_owned(),
        postal_code: "13910".to_owned(),
        country: "FR".to_owned(),
    };
    let state = State::AwaitingConfirmation { recipient };
    let input = Input::OrderConfirmed(shipping::events::reads::OrderConfirmed {});
    move |order| _ = black_box(black_box(&state).decide(order, &input))
}

fn notification() -> impl Fn(OrderId) {
    use notification::domain::{Input, State};
    use notification::events::reads::{OrderConfirmed, OrderPlaced, Recipient};
    let recipient =
        Recipient { name: "Mireille Fabre".to_owned(), email: "mireille@example.org".to_owned() };
    let placed = Input::OrderPlaced(OrderPlaced { recipient });
    let state = State::default().decide(OrderId(Uuid::nil()), &placed).state;
    let input = Input::OrderConfirmed(OrderConfirmed {});
    move |order| _ = black_box(black_box(&state).decide(order, &input))
}
