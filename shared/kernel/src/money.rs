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

/// As people write it: `9.98 EUR`, `998 JPY`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { amount, currency } = self;
        let digits = currency.minor_digits();
        let unit = 10_u64.pow(digits);
        let (whole, minor) = (amount.unsigned_abs() / unit, amount.unsigned_abs() % unit);
        let sign = if *amount < 0 { "-" } else { "" };
        match usize::try_from(digits) {
            Ok(digits) if digits > 0 => {
                write!(f, "{sign}{whole}.{minor:0digits$} {}", currency.as_str())
            }
            _ => write!(f, "{sign}{whole} {}", currency.as_str()),
        }
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

    /// How many decimal digits its minor unit stands for (ISO 4217): 100 minor units are 1 EUR, but
    /// 100 JPY, and 0.100 KWD. Two for codes that are not on the list.
    pub fn minor_digits(&self) -> u32 {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF"
            | "UGX" | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            "CLF" | "UYW" => 4,
            _ => 2,
        }
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
    fn money_has_as_many_digits_as_its_currency() {
        let shown =
            |amount, code: &str| Money { amount, currency: code.parse().unwrap() }.to_string();
        assert_eq!(shown(998, "EUR"), "9.98 EUR");
        assert_eq!(shown(5, "EUR"), "0.05 EUR");
        assert_eq!(shown(998, "JPY"), "998 JPY");
        assert_eq!(shown(-12_345, "KWD"), "-12.345 KWD");
        assert_eq!(shown(10_001, "CLF"), "1.0001 CLF");
        assert_eq!(shown(i64::MIN, "USD"), "-92233720368547758.08 USD");
        // Of a currency that was withdrawn.
        assert_eq!(shown(1, "DEM"), "0.01 DEM");
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
