//! HTTP, as a client of the fleet speaks it.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

/// Longer than the longest long poll; it turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(70);

/// A service's API.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    http: Client,
}

/// What a service answered, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: String,
}

impl Api {
    /// The one at this base URL.
    pub fn new(base: impl Into<String>) -> Self {
        Self { base: base.into(), http: Client::builder().timeout(PATIENCE).build().unwrap() }
    }

    /// A request to be completed, and sent with [`send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::PUT, path).json(body)).await
    }

    /// POST without a body.
    pub async fn post(&self, path: &str) -> Answer {
        send(self.request(Method::POST, path)).await
    }

    /// Places an order under this idempotency key.
    pub async fn place(&self, key: &str, order: &Value) -> Answer {
        send(self.request(Method::POST, "/orders").header("idempotency-key", key).json(order)).await
    }
}

/// Sends a request, and reads the answer to its end.
pub async fn send(request: RequestBuilder) -> Answer {
    try_send(request).await.unwrap()
}

/// The same for a service that may be away.
pub async fn try_send(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, body: response.text().await? })
}

impl Answer {
    /// The body of an answer that must have this status.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    /// The problem document of an answer that must be this problem; `slug` is the end of its type.
    pub fn problem(&self, status: u16, slug: &str) -> Value {
        let document = self.expect(status);
        assert_eq!(document["type"], format!("urn:farandole:problem:{slug}"), "{document}");
        assert_eq!(document["status"], status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert!(self.header("x-correlation-id").is_some());
        for member in ["title", "detail"] {
            assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{document}");
        }
        document
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The body of an order that goes well, of `pieces` of one SKU.
pub fn order(sku: &str, pieces: u32) -> Value {
    json!({
        "customer_id": "c-42",
        "lines": [{"sku": sku, "quantity": pieces}],
        "payment_method": "pm_card_visa",
        "recipient": {
            "name": "Ada Lovelace",
            "email": "ada@example.org",
            "street": "12 St James's Square",
            "city": "London",
            "postal_code": "SW1Y 4JH",
            "country": "GB",
        },
    })
}
