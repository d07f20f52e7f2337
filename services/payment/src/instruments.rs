//! What the payment service tells by numbers, beside what any service does.

use contracts::{Label, Metric, Values};
use kernel::Money;
use meter::{Counter, CounterMetric};

use crate::domain::State;

const CHARGED: &str = "charged";
const DECLINED: &str = "declined";
const REFUNDED: &str = "refunded";

static PAYMENTS: CounterMetric<1> = CounterMetric::new(
    "farandole_payments_total",
    "payments",
    "Payments that were charged, declined or refunded.",
    &[Label::new("outcome", Values::These(&[CHARGED, DECLINED, REFUNDED]))],
);
static VALUE: CounterMetric<2> = CounterMetric::new(
    "farandole_payments_minor_total",
    "minor units",
    "What was charged and refunded, in minor units of the currency, such as cents.",
    &[
        Label::new("currency", Values::Open("ISO 4217 code")),
        Label::new("outcome", Values::These(&[CHARGED, REFUNDED])),
    ],
);

/// The definitions.
pub(crate) fn instruments() -> Vec<Metric> {
    vec![PAYMENTS.metric(), VALUE.metric()]
}

/// The series that count what becomes of payments.
#[derive(Debug)]
pub(crate) struct Ends {
    charged: Counter,
    declined: Counter,
    refunded: Counter,
}

impl Default for Ends {
    fn default() -> Self {
        let [charged, declined, refunded] =
            [CHARGED, DECLINED, REFUNDED].map(|outcome| PAYMENTS.of([outcome]));
        Self { charged, declined, refunded }
    }
}

impl Ends {
    /// Counts what a change of a payment's state comes to.
    pub(crate) fn count(&self, before: &State, now: &State) {
        let charged = |state: &State| match state {
            State::Charged { amount, .. }
            | State::Refunding { amount, .. }
            | State::Refunded { amount, .. } => Some(*amount),
            _ => None,
        };
        if let (None, Some(amount)) = (charged(before), charged(now)) {
            self.charged.increment(1);
            count_value(CHARGED, amount);
        }
        match now {
            State::Refunded { amount, .. } => {
                self.refunded.increment(1);
                count_value(REFUNDED, *amount);
            }
            State::Failed { .. } => self.declined.increment(1),
            _ => {}
        }
    }
}

fn count_value(outcome: &str, amount: Money) {
    let value = u64::try_from(amount.amount).unwrap_or_default();
    VALUE.of([amount.currency.as_str(), outcome]).increment(value);
}
