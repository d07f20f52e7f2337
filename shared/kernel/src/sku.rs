use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Names a thing that can be stocked and sold: 1 to 64 of `A–Z a–z 0–9 . _ -`, so that it stands
/// unescaped in a URL's path; but not `.` or `..`, which mean something else there (RFC 3986, 5.2.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sku(String);

/// Text that is not a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a SKU: 1 to 64 letters, digits, '.', '_' or '-' are, but not '.' or '..'")]
pub struct InvalidSku(String);

impl Sku {
    /// What a SKU is, as a regular expression.
    pub const PATTERN: &str = r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$";

    /// The SKU as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sku {
    type Error = InvalidSku;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let is_dots = matches!(text.as_str(), "." | "..");
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) && !is_dots {
            Ok(Self(text))
        } else {
            Err(InvalidSku(text.chars().take(80).collect()))
        }
    }
}

impl FromStr for Sku {
    type Err = InvalidSku;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl From<Sku> for String {
    fn from(sku: Sku) -> Self {
        sku.0
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The most pieces one order line may ask for; small enough that no sum of an order's lines
/// overflows, large enough for any real order.
pub const MAX_QUANTITY: u32 = 1_000_000;

/// A number of pieces, 1 to [`MAX_QUANTITY`]. An Avro `int` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct Quantity(u32);

/// A number that is not a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not a quantity: 1 to {MAX_QUANTITY} is")]
pub struct InvalidQuantity(i64);

impl Quantity {
    /// `pieces`, if it is 1 to [`MAX_QUANTITY`].
    pub fn new(pieces: u32) -> Result<Self, InvalidQuantity> {
        if (1..=MAX_QUANTITY).contains(&pieces) {
            Ok(Self(pieces))
        } else {
            Err(InvalidQuantity(i64::from(pieces)))
        }
    }

    /// The number of pieces.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i32> for Quantity {
    type Error = InvalidQuantity;

    fn try_from(pieces: i32) -> Result<Self, Self::Error> {
        u32::try_from(pieces).map_err(|_| InvalidQuantity(i64::from(pieces))).and_then(Self::new)
    }
}

impl From<Quantity> for i32 {
    fn from(quantity: Quantity) -> Self {
        // At most MAX_QUANTITY, which fits.
        i32::try_from(quantity.0).unwrap_or(i32::MAX)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skus_stand_in_a_path() {
        for good in ["tea-01.B_2", "...", ".a", "-", &"x".repeat(64)] {
            assert!(good.parse::<Sku>().is_ok(), "{good:?}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "ü", &"x".repeat(65)] {
            assert!(bad.parse::<Sku>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn quantities_are_positive_and_bounded() {
        assert!(serde_json::from_str::<Quantity>("1").is_ok());
        for bad in ["0", "-1", "1000001", "1.5", "4294967297"] {
            assert!(serde_json::from_str::<Quantity>(bad).is_err(), "{bad}");
        }
    }
}
