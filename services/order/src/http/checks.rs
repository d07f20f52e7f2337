//! What a request must be to be taken.

use axum::http::{HeaderMap, HeaderName, StatusCode};
use kernel::{Quantity, Sku};
use runtime::{FieldError, Problem};

use super::PlaceOrder;

/// An order with more lines than this is more likely a mistake, and would not fit the body limit
/// for long.
const LINES_MAX: usize = 100;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = keys.next().ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "idempotency-key-missing",
            "The header Idempotency-Key is missing",
            "send a header Idempotency-Key with a value of its own for each order, such as a \
             UUID, so that an order sent twice is placed once",
        )
    })?;
    if keys.next().is_some() {
        return Err(Problem::bad_request("there are several Idempotency-Keys; send one"));
    }
    key.to_str()
        .ok()
        .filter(|text| {
            (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        })
        .map(str::to_owned)
        .ok_or_else(|| {
            Problem::bad_request("the Idempotency-Key must be 1 to 255 visible ASCII characters")
        })
}

/// Checks all of a body, so that a client hears of all its mistakes at once.
pub(super) fn check(body: &PlaceOrder) -> Result<Vec<(Sku, Quantity)>, Problem> {
    let mut errors = Vec::new();
    let mut text = |pointer: &str, value: &str, max: usize| {
        if let Err(detail) = check_text(value, max) {
            errors.push(FieldError::new(pointer, detail));
        }
    };
    text("/customer_id", &body.customer_id, 64);
    text("/payment_method", &body.payment_method, 100);
    text("/recipient/name", &body.recipient.name, 200);
    text("/recipient/email", &body.recipient.email, 254);
    text("/recipient/street", &body.recipient.street, 200);
    text("/recipient/city", &body.recipient.city, 100);
    text("/recipient/postal_code", &body.recipient.postal_code, 20);
    if !body.recipient.email.split_once('@').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()) {
        errors.push(FieldError::new("/recipient/email", "is not an e-mail address"));
    }
    let country = body.recipient.country.as_bytes();
    if country.len() != 2 || !country.iter().all(u8::is_ascii_uppercase) {
        let detail = "is not a country: two upper-case letters are, such as FR (ISO 3166-1)";
        errors.push(FieldError::new("/recipient/country", detail));
    }
    if body.lines.is_empty() || body.lines.len() > LINES_MAX {
        errors.push(FieldError::new("/lines", format!("must be 1 to {LINES_MAX} lines")));
    }
    let mut lines = Vec::with_capacity(body.lines.len());
    for (at, line) in body.lines.iter().enumerate() {
        let sku = line.sku.parse::<Sku>();
        let quantity = Quantity::new(line.quantity);
        if let Err(error) = &sku {
            errors.push(FieldError::new(format!("/lines/{at}/sku"), error.to_string()));
        }
        if let Err(error) = &quantity {
            errors.push(FieldError::new(format!("/lines/{at}/quantity"), error.to_string()));
        }
        lines.extend(sku.ok().zip(quantity.ok()));
    }
    if errors.is_empty() { Ok(lines) } else { Err(Problem::validation(errors)) }
}

pub(super) fn check_text(value: &str, max: usize) -> Result<(), String> {
    if value.trim().is_empty() {
        Err("must not be empty".to_owned())
    } else if value.chars().count() > max {
        Err(format!("must be at most {max} characters"))
    } else if value.chars().any(char::is_control) {
        Err("must not have control characters".to_owned())
    } else {
        Ok(())
    }
}
