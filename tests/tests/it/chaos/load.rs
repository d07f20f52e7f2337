//! Customers: orders of all outcomes, requests repeated, orders cancelled.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, Api, order, try_send};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const ORDERS_PER_SECOND: u32 = 20;
/// Longer than all that may be away together.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long a customer waits for an answer before asking again.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Orders at a steady rate, each sent until it is acknowledged, as a client with an idempotency
/// key may.
pub(crate) struct Load {
    stop: CancellationToken,
    apis: Apis,
    placed: Arc<Mutex<Placed>>,
    sending: JoinHandle<()>,
}

/// Where the order service can be reached; instances come and go.
type Apis = Arc<Mutex<Vec<Api>>>;

/// What the customers know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placed {
    pub(crate) acknowledged: HashSet<Uuid>,
    /// Those that are paid with a provider that never answers.
    pub(crate) unknowable: HashSet<Uuid>,
    /// Requests that were sent again after their answer.
    pub(crate) repeated: usize,
    /// Orders that their customers cancelled in time.
    pub(crate) cancelled: usize,
    /// Requests that were not answered, or asked to come again.
    pub(crate) unanswered: usize,
}

impl Load {
    pub(crate) fn start(api: Api) -> Self {
        let (stop, placed) = (CancellationToken::new(), Arc::default());
        let apis = Arc::new(Mutex::new(vec![api]));
        let sending = tokio::spawn(send_all(apis.clone(), stop.clone(), Arc::clone(&placed)));
        Self { stop, apis, placed, sending }
    }

    /// One more instance to send to, or one less.
    pub(crate) fn with_instance(&self, api: Api) {
        self.apis.lock().unwrap().push(api);
    }

    pub(crate) fn without_instance(&self) {
        self.apis.lock().unwrap().truncate(1);
    }

    /// Ends the load, and waits until every customer has an answer.
    pub(crate) async fn stop(self) -> Placed {
        self.stop.cancel();
        self.sending.await.unwrap();
        self.placed.lock().unwrap().clone()
    }
}

async fn send_all(apis: Apis, stop: CancellationToken, placed: Arc<Mutex<Placed>>) {
    let mut customers = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / ORDERS_PER_SECOND);
    for number in 0.. {
        if stop.run_until_cancelled(ticks.tick()).await.is_none() {
            break;
        }
        let customer = Customer { number, apis: apis.clone(), placed: placed.clone() };
        customers.spawn(customer.order());
        while let Some(done) = customers.try_join_next() {
            done.unwrap();
        }
    }
    customers.join_all().await;
}

struct Customer {
    number: usize,
    apis: Apis,
    placed: Arc<Mutex<Placed>>,
}

impl Customer {
    async fn order(self) {
        let wish = wish(self.number);
        let order = self.place(&wish).await;
        {
            let mut placed = self.placed.lock().unwrap();
            placed.acknowledged.insert(order);
            if wish["payment_method"] == "pm_sim_down" {
                placed.unknowable.insert(order);
            }
        }
        if self.number.is_multiple_of(7) {
            assert_eq!(self.place(&wish).await, order, "the same request is the same order");
            self.placed.lock().unwrap().repeated += 1;
        }
        if self.number.is_multiple_of(11) {
            let answer = self.insist(|api| api.request(Method::POST, &cancel(order))).await;
            self.placed.lock().unwrap().cancelled += usize::from(answer.status == 200);
        }
    }

    async fn place(&self, wish: &Value) -> Uuid {
        let key = format!("order-{}", self.number);
        let request = |api: &Api| {
            api.request(Method::POST, "/orders").header("idempotency-key", &key).json(wish)
        };
        loop {
            let answer = self.insist(request).await;
            // The same request as before may still be running.
            if answer.status == 201 {
                return answer.expect(201)["order_id"].as_str().unwrap().parse().unwrap();
            }
            assert_eq!(answer.status, 409, "{}", answer.body);
        }
    }

    /// Sends a request until it is answered with something definite.
    async fn insist(&self, request: impl Fn(&Api) -> reqwest::RequestBuilder) -> Answer {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "order {} gets no answer", self.number);
            let api = fastrand::choice(self.apis.lock().unwrap().iter()).unwrap().clone();
            let answer = try_send(request(&api).timeout(ANSWER_LIMIT)).await;
            if let Some(answer) = answer.ok().filter(|answer| answer.status < 500) {
                return answer;
            }
            self.placed.lock().unwrap().unanswered += 1;
            sleep(Duration::from_millis(200)).await;
        }
    }
}

fn cancel(order: Uuid) -> String {
    format!("/orders/{order}/cancel")
}

/// What the customer of this number orders.
fn wish(number: usize) -> Value {
    let mut wish = order("plenty", 1 + u32::try_from(number % 3).unwrap());
    match number % 40 {
        0 => wish["payment_method"] = json!("pm_sim_down"),
        1..8 => wish["payment_method"] = json!("pm_card_visa_chargeDeclined"),
        8..16 => wish["payment_method"] = json!("pm_sim_flaky"),
        16..22 => wish["recipient"]["country"] = json!("XX"),
        22..30 => wish["lines"][0]["sku"] = json!("scarce"),
        30 => wish["recipient"]["email"] = json!("undeliverable@example.org"),
        _ => {}
    }
    wish
}
