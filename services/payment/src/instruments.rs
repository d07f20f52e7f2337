//! What the payment service tells by numbers, beside what any service does.

use contracts::{Label, Metric, Values};
use kernel::Money;
use meter::CounterMetric;

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

/// Counts what a change of a payment's state comes to.
pub(crate) fn count_change(before: &State, now: &State) {
    let charged = |state: &State| match state {
        State::Charged { amount, .. }
        | State::Refunding { amount, .. }
        | State::Refunded { amount, .. } => Some(*amount),
        _ => None,
    };
    if let (None, Some(amount)) = (charged(before), charged(now)) {
        count(CHARGED, &amount);
    }
    match (before, now) {
        (State::Refunded { .. }, _) => {}
        (_, State::Refunded { amount, .. }) => count(REFUNDED, amount),
        (_, State::Failed { .. }) => PAYMENTS.of([DECLINED]).increment(1),
        _ => {}
    }
}

fn count(outcome: &str, amount: &Money) {
    PAYMENTS.of([outcome]).increment(1);
    let value = u64::try_from(amount.amount).unwrap_or_default();
    VALUE.of([amount.currency.as_str(), outcome]).increment(value);
}
