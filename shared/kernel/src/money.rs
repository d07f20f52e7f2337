use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Quantity;
use crate::iso::CURRENCIES;

/// An amount in a currency's minor units (cents for EUR). Never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Minor units; negative amounts do not occur in orders, but are representable.
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: Currency,
}

impl Money {
    /// The price of `quantity` pieces at this unit price.
    pub fn times(self, quantity: Quantity) -> Result<Self, Overflow> {
        let amount = self.amount.checked_mul(i64::from(quantity.get())).ok_or(Overflow)?;
        Ok(Self { amount, ..self })
    }

    /// The sum, if both are in one currency and it can be represented.
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        if self.currency != other.currency {
            return Err(Overflow);
        }
        let amount = self.amount.checked_add(other.amount).ok_or(Overflow)?;
        Ok(Self { amount, ..self })
    }
}

/// A sum that cannot be represented: past 2^63 minor units, or across currencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the sum is past what an amount can hold, or mixes currencies")]
pub struct Overflow;

/// Three upper-case letters, ISO 4217. The alphabet is checked, not the list of currencies: what was
/// stored in one that has been withdrawn has to stay readable. New prices are held to the list by
/// [`Currency::is_current`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Text that is not an ISO 4217 code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a currency: three upper-case letters are, such as EUR (ISO 4217)")]
pub struct InvalidCurrency(String);

impl Currency {
    /// The code, such as `EUR`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// Whether something can be priced in it today, by [`CURRENCIES`].
    pub fn is_current(&self) -> bool {
        CURRENCIES.binary_search(&self.as_str()).is_ok()
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(InvalidCurrency(text.chars().take(16).collect())),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidCurrency;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        assert_eq!("EUR".parse::<Currency>().unwrap().as_str(), "EUR");
        for bad in ["", "eur", "EU", "EURO", "E1R", "ÄÖ"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad:?}");
        }
        let is_current = |code: &str| code.parse::<Currency>().unwrap().is_current();
        assert!(["EUR", "JPY", "USD", "XAF", "ZWG"].into_iter().all(is_current));
        assert!(!["AAA", "DEM", "XAU", "XTS", "XXX", "ZZZ"].into_iter().any(is_current));
    }

    #[test]
    fn sums_refuse_overflow_and_mixed_currencies() {
        let euro = |amount| Money { amount, currency: "EUR".parse().unwrap() };
        assert_eq!(euro(250).times(Quantity::new(3).unwrap()), Ok(euro(750)));
        assert_eq!(euro(i64::MAX).plus(euro(1)), Err(Overflow));
        assert_eq!(euro(i64::MAX).times(Quantity::new(2).unwrap()), Err(Overflow));
        let dollar = Money { amount: 1, currency: "USD".parse().unwrap() };
        assert_eq!(euro(1).plus(dollar), Err(Overflow));
    }
}
