//! The order service as a process, by its API.

mod contract;
mod deadlines;
mod idempotency;
mod lists;
mod placing;
mod slow;
mod starting;
mod waiting;

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::http::{Api, order};
use testkit::{Part, Sandbox, api};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// For what takes a second or two, on a machine that is busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The service that all tests share which don't need one to themselves.
pub(crate) struct Shop {
    sandbox: Sandbox,
    service: Part,
}

pub(crate) async fn shop() -> &'static Shop {
    static SHOP: OnceCell<Shop> = OnceCell::const_new();
    SHOP.get_or_init(|| async {
        let sandbox = Sandbox::new();
        sandbox.prepare_fleet().await;
        let service = sandbox.service("order", 1, &[]).await;
        service.start().await.unwrap();
        stock_catalogue(&api(&service)).await;
        Shop { sandbox, service }
    })
    .await
}

impl Shop {
    pub(crate) fn api(&self) -> Api {
        api(&self.service)
    }

    /// Connections are a test's own: they end with its runtime.
    pub(crate) fn database(&self) -> PgPool {
        Sandbox::pool(&self.sandbox.database_url("order"))
    }
}

/// Puts for sale: tea at 4.50 €, cups at 12.00 €, pens at $3.00.
pub(crate) async fn stock_catalogue(api: &Api) {
    for (sku, amount, currency) in [("tea", 450, "EUR"), ("cup", 1200, "EUR"), ("pen", 300, "USD")]
    {
        let product = product(amount, currency);
        api.put(&format!("/products/{sku}"), &product).await.expect(201);
    }
}

pub(crate) fn product(amount: i64, currency: &str) -> Value {
    json!({"name": "Something", "unit_price": {"amount": amount, "currency": currency}})
}

/// A text that no other test has.
pub(crate) fn fresh(what: &str) -> String {
    format!("{what}-{}", Uuid::new_v4().simple())
}

/// An order of tea by this customer.
pub(crate) fn order_of(customer: &str) -> Value {
    let mut order = order("tea", 2);
    order["customer_id"] = json!(customer);
    order
}

/// Places an order of tea, and returns it.
pub(crate) async fn placed(api: &Api) -> Value {
    api.place(&fresh("key"), &order("tea", 2)).await.expect(201)
}

/// The path of an order.
pub(crate) fn path_of(order: &Value) -> String {
    format!("/orders/{}", order["order_id"].as_str().unwrap())
}

/// How many orders this customer has in the table.
pub(crate) async fn count(database: &PgPool, customer: &str) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM orders WHERE customer_id = $1");
    count.bind(customer).fetch_one(database).await.unwrap()
}
