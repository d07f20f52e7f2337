//! What a request must be to be taken.

use kernel::iso::is_country;
use kernel::text::{check_email, check_text};
use kernel::{Quantity, Sku};
use runtime::{FieldError, Problem};

use super::place::PlaceOrder;

/// An order with more lines than this is more likely a mistake, and would not fit the body limit
/// for long.
const LINES_MAX: usize = 100;

/// Checks what is sent to `POST /orders`, as far as that goes without the catalogue: JSON bytes in, and
/// 400 or 422 with the places that are wrong.
///
/// # Errors
///
/// If it is no order.
pub fn check_body(json: &[u8]) -> Result<(), Problem> {
    check(&runtime::http::parse(json)?).map(drop)
}

/// Checks all of a body, so that a client hears of all its mistakes at once.
pub(super) fn check(body: &PlaceOrder) -> Result<Vec<(Sku, Quantity)>, Problem> {
    let recipient = &body.recipient;
    let mut errors = Vec::new();
    for (pointer, value, max) in [
        ("/customer_id", &body.customer_id, 64),
        ("/payment_method", &body.payment_method, 100),
        ("/recipient/name", &recipient.name, 200),
        ("/recipient/street", &recipient.street, 200),
        ("/recipient/city", &recipient.city, 100),
        ("/recipient/postal_code", &recipient.postal_code, 20),
    ] {
        // Some countries have no postal codes.
        let may_be_empty = pointer == "/recipient/postal_code" && value.is_empty();
        if let (false, Err(error)) = (may_be_empty, check_text(value, max)) {
            errors.push(FieldError::new(pointer, error.to_string()));
        }
    }
    if let Err(error) = check_email(&recipient.email) {
        errors.push(FieldError::new("/recipient/email", error.to_string()));
    }
    if !is_country(&recipient.country) {
        let detail = "is not a country: one of ISO 3166-1 in two upper-case letters is, such as FR";
        errors.push(FieldError::new("/recipient/country", detail));
    }
    let lines = lines(body, &mut errors);
    if errors.is_empty() { Ok(lines) } else { Err(Problem::validation(errors)) }
}

fn lines(body: &PlaceOrder, errors: &mut Vec<FieldError>) -> Vec<(Sku, Quantity)> {
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
    lines
}
