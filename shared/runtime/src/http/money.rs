use kernel::{Currency, Money};
use serde::Serialize;
use utoipa::ToSchema;

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct MoneyBody {
    /// Minor units of the currency, such as cents.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 450)]
    amount: i64,
    /// The currency's code in ISO 4217; one in which something was priced at some time.
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: Currency,
}

impl From<Money> for MoneyBody {
    fn from(money: Money) -> Self {
        Self { amount: money.amount, currency: money.currency }
    }
}
