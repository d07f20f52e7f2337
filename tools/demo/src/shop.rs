//! What a shop asks of the fleet.

use std::time::Duration;

use anyhow::{Context as _, bail};
use cli::OrderId;
use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::endpoints::Endpoints;

/// A placed order is an answer of milliseconds; a machine that is busy takes longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// How long one question for an order's end waits for it.
const WAIT_S: u64 = 5;

/// The fleet's API as far as we need it.
#[derive(Clone)]
pub(crate) struct Shop {
    client: Client,
    order_url: String,
    inventory_url: String,
}

/// An order, as the order service tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    #[serde(rename = "order_id")]
    pub(crate) id: OrderId,
    pub(crate) status: String,
    pub(crate) cancel_reason: Option<String>,
    pub(crate) placed_at: Timestamp,
    pub(crate) deadline_at: Timestamp,
}

impl Order {
    /// Whether nothing will happen to it any more.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "cancelled")
    }

    /// How it stands, with the reason if it was cancelled.
    pub(crate) fn standing(&self) -> String {
        match &self.cancel_reason {
            Some(reason) => format!("{}: {reason}", self.status),
            None => self.status.clone(),
        }
    }
}

#[derive(Deserialize)]
struct OrderPage {
    orders: Vec<Order>,
}

/// A request to place an order, to be sent once or more often.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Also the customer and the correlation id.
    pub(crate) key: String,
    pub(crate) sku: &'static str,
    pub(crate) quantity: u32,
    pub(crate) payment_method: &'static str,
    pub(crate) country: &'static str,
}

impl Request {
    /// The body of `POST /orders`.
    pub(crate) fn body(&self) -> Value {
        json!({
            "customer_id": self.key,
            "lines": [{"sku": self.sku, "quantity": self.quantity}],
            "payment_method": self.payment_method,
            "recipient": {
                "name": "Mireille Fabre",
                "email": "mireille@example.org",
                "street": "3 place de la Fontaine",
                "city": "Maillane",
                "postal_code": "13910",
                "country": self.country,
            },
        })
    }
}

impl Shop {
    pub(crate) fn new(at: &Endpoints) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(ANSWER_LIMIT).build()?;
        let [order_url, inventory_url] =
            ["order", "inventory"].map(|service| at.services.of(service).to_owned());
        Ok(Self { client, order_url, inventory_url })
    }

    pub(crate) async fn put_product(
        &self,
        sku: &str,
        name: &str,
        cents: i64,
    ) -> anyhow::Result<()> {
        let url = format!("{}/products/{sku}", self.order_url);
        let price = json!({"amount": cents, "currency": "EUR"});
        let body = json!({"name": name, "unit_price": price});
        good(self.client.put(url).json(&body)).await.map(drop)
    }

    pub(crate) async fn put_stock(&self, sku: &str, on_hand: u32) -> anyhow::Result<()> {
        let url = format!("{}/stock/{sku}", self.inventory_url);
        good(self.client.put(url).json(&json!({"on_hand": on_hand}))).await.map(drop)
    }

    pub(crate) async fn place(&self, request: &Request) -> anyhow::Result<Order> {
        let place = self
            .client
            .post(format!("{}/orders", self.order_url))
            .header("Idempotency-Key", &request.key)
            .header("X-Correlation-Id", &request.key)
            .json(&request.body());
        Ok(good(place).await?.json().await?)
    }

    /// The order, as soon as it has ended or after a few seconds.
    pub(crate) async fn wait_for(&self, order: OrderId) -> anyhow::Result<Order> {
        let url = format!("{}/orders/{order}", self.order_url);
        let get = self.client.get(url).header("Prefer", format!("wait={WAIT_S}"));
        Ok(good(get).await?.json().await?)
    }

    /// How many orders a customer has.
    pub(crate) async fn orders_of(&self, customer: &str) -> anyhow::Result<usize> {
        let url = format!("{}/orders", self.order_url);
        let get = self.client.get(url).query(&[("customer_id", customer)]);
        Ok(good(get).await?.json::<OrderPage>().await?.orders.len())
    }

    /// Asks for a cancellation, and returns the answer's status.
    pub(crate) async fn cancel(
        &self,
        order: OrderId,
        correlation_id: &str,
    ) -> anyhow::Result<StatusCode> {
        let url = format!("{}/orders/{order}/cancel", self.order_url);
        let post = self.client.post(&url).header("X-Correlation-Id", correlation_id);
        Ok(post.send().await.with_context(|| format!("no answer from {url}"))?.status())
    }
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

/// Sends a request that is to succeed.
async fn good(request: RequestBuilder) -> anyhow::Result<Response> {
    let response = request.send().await.context("the fleet does not answer")?;
    let (status, url) = (response.status(), response.url().clone());
    if !status.is_success() {
        let body = response.text().await.unwrap_or_default();
        // As the services tell problems (RFC 9457).
        let problem = serde_json::from_str::<Problem>(&body);
        bail!("{url} answers {status}: {}", problem.map_or(body, |problem| problem.detail));
    }
    Ok(response)
}
