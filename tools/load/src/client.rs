use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

use crate::mix::{Draw, Outcome};
use crate::shop::{SOLD_OUT, sku};

/// A placed order is an answer of milliseconds; after this long it counts as not answered.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// One connection to the order service, kept open, opened again when it broke.
pub(crate) struct Connection {
    authority: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// How a request to place an order ended.
pub(crate) enum Placed {
    /// With an order.
    Order(Uuid),
    /// The fleet told to come again, or refused.
    Refused(StatusCode),
    /// There was no answer.
    Broken,
}

impl Connection {
    /// To this base URL; connects when it is first used.
    pub(crate) fn new(base_url: &str) -> anyhow::Result<Self> {
        let authority = base_url
            .strip_prefix("http://")
            .ok_or_else(|| anyhow!("{base_url} does not begin with http://"))?;
        Ok(Self { authority: authority.trim_end_matches('/').to_owned(), sender: None })
    }

    /// Sends one order.
    pub(crate) async fn place(&mut self, draw: Draw) -> Placed {
        if let Ok(Ok(placed)) = timeout(ANSWER_LIMIT, self.ask(draw)).await {
            placed
        } else {
            self.sender = None;
            Placed::Broken
        }
    }

    async fn ask(&mut self, draw: Draw) -> anyhow::Result<Placed> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await?,
        };
        let request = Request::post("/orders")
            .header("host", &self.authority)
            .header("content-type", "application/json")
            // Clients' keys are random as a rule, which costs an index more than keys that grow.
            .header("idempotency-key", Uuid::new_v4().to_string())
            .body(Full::new(body(draw)))?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        self.sender = Some(sender);
        if status != StatusCode::CREATED {
            return Ok(Placed::Refused(status));
        }
        Ok(Placed::Order(order_id(&body).context("an answer without an order id")?))
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn body(draw: Draw) -> Bytes {
    let (payment_method, country) = match draw.outcome {
        Outcome::Completed | Outcome::OutOfStock => ("pm_card_visa", "FR"),
        Outcome::Declined => ("pm_card_visa_chargeDeclined", "FR"),
        Outcome::Refused => ("pm_card_visa", "XX"),
        Outcome::Flaky => ("pm_sim_flaky", "FR"),
    };
    let sku = if draw.outcome == Outcome::OutOfStock { SOLD_OUT.to_owned() } else { sku(draw.sku) };
    let mut body = String::with_capacity(320);
    let customer = fastrand::u32(..100_000);
    // Writing to a string does not fail.
    let _ = write!(
        body,
        r#"{{"customer_id":"c-{customer}","lines":[{{"sku":"{sku}","quantity":1}}],"payment_method":"{payment_method}","recipient":{{"name":"Mireille Fabre","email":"mireille@example.org","street":"3 place de la Fontaine","city":"Maillane","postal_code":"13910","country":"{country}"}}}}"#
    );
    Bytes::from(body)
}

/// The answer's order id, without parsing all of it.
fn order_id(body: &[u8]) -> Option<Uuid> {
    const NAME: &[u8] = br#""order_id":""#;
    let at = body.windows(NAME.len()).position(|part| part == NAME)? + NAME.len();
    Uuid::try_parse_ascii(body.get(at..at + 36)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_json_and_the_answers_id_is_found() {
        let draw = Draw { outcome: Outcome::Refused, sku: 7 };
        let body: serde_json::Value = serde_json::from_slice(&body(draw)).unwrap();
        assert_eq!(body["lines"][0]["sku"], "load-7");
        assert_eq!(body["recipient"]["country"], "XX");
        let id = Uuid::now_v7();
        let answer = format!(r#"{{"order_id":"{id}","status":"placed"}}"#);
        assert_eq!(order_id(answer.as_bytes()), Some(id));
        assert_eq!(order_id(b"{}"), None);
    }
}
