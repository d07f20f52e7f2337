//! What the order service tells by numbers, beside what any service does.

use contracts::{Buckets, Label, Metric, Values};
use jiff::Timestamp;
use meter::{Counter, CounterMetric, GaugeMetric, Histogram, HistogramMetric};

use crate::domain::State;
use crate::events::{CancelReason, OrderId};

const CURRENCY: Label = Label::new("currency", Values::Open("ISO 4217 code"));
const OUTCOME: Label = Label::new("outcome", Values::These(&[COMPLETED, CANCELLED]));
const REASON: Label =
    Label::new("reason", Values::Open("why it was cancelled; none if it was completed"));
const STAGE: Label = Label::new("stage", Values::These(&STAGES));
/// The statuses of orders that are not decided.
pub(crate) const STAGES: [&str; 3] = ["placed", "shipped_ahead", "confirmed"];
const COMPLETED: &str = "completed";
const CANCELLED: &str = "cancelled";
const NONE: &str = "none";

pub(crate) static PLACED: CounterMetric =
    CounterMetric::new("farandole_orders_placed_total", "orders", "Orders that were placed.", &[]);
pub(crate) static PLACED_VALUE: CounterMetric<1> = CounterMetric::new(
    "farandole_order_value_minor_total",
    "minor units",
    "What was ordered, in minor units of the currency, such as cents.",
    &[CURRENCY],
);
static ENDED: CounterMetric<2> = CounterMetric::new(
    "farandole_orders_total",
    "orders",
    "Orders that were completed or cancelled.",
    &[OUTCOME, REASON],
);
static DURATION: HistogramMetric<1> = HistogramMetric::new(
    "farandole_order_duration_seconds",
    Buckets::LongSeconds,
    "From when an order was placed until it was completed or cancelled.",
    &[OUTCOME],
);
static CONFIRMATION: HistogramMetric = HistogramMetric::new(
    "farandole_order_confirmation_seconds",
    Buckets::LongSeconds,
    "From when an order was placed until it was confirmed.",
    &[],
);
pub(crate) static OPEN: GaugeMetric<1> = GaugeMetric::new(
    "farandole_orders_open",
    "orders",
    "Orders that are neither completed nor cancelled. All instances tell the same.",
    &[STAGE],
);
pub(crate) static OPEN_AGE: GaugeMetric<1> = GaugeMetric::new(
    "farandole_orders_open_age_seconds",
    "seconds",
    "How long ago the oldest of these was placed.",
    &[STAGE],
);
pub(crate) static OPEN_LATE: GaugeMetric = GaugeMetric::new(
    "farandole_orders_open_late",
    "orders",
    "Orders that are not decided ten seconds after they were placed.",
    &[],
);
pub(crate) static OPEN_VALUE: GaugeMetric<2> = GaugeMetric::new(
    "farandole_orders_open_value_minor",
    "minor units",
    "What orders that are not decided are worth; confirmed ones are paid for.",
    &[STAGE, CURRENCY],
);
pub(crate) static OVERDUE: GaugeMetric = GaugeMetric::new(
    "farandole_orders_overdue",
    "orders",
    "Orders that are not paid for, not cancelled, and past their deadline.",
    &[],
);
static PLACE_BATCH_SIZE: HistogramMetric = HistogramMetric::new(
    "farandole_place_batch_size",
    Buckets::Size,
    "Orders that were placed in one transaction.",
    &[],
);

/// The definitions.
pub(crate) fn instruments() -> Vec<Metric> {
    vec![
        PLACED.metric(),
        PLACED_VALUE.metric(),
        ENDED.metric(),
        DURATION.metric(),
        CONFIRMATION.metric(),
        OPEN.metric(),
        OPEN_AGE.metric(),
        OPEN_LATE.metric(),
        OPEN_VALUE.metric(),
        OVERDUE.metric(),
        PLACE_BATCH_SIZE.metric(),
    ]
}

/// Counts how many requests share a transaction.
pub(crate) fn count_batch(requests: usize) {
    PLACE_BATCH_SIZE.of([]).record(f64::from(u32::try_from(requests).unwrap_or(u32::MAX)));
}

/// The series that count how orders end. All of them are there from the start: there are fewer than an
/// outcome for each reason.
#[derive(Debug)]
pub(crate) struct Ends {
    confirmed_after: Histogram,
    completed: Counter,
    completed_after: Histogram,
    cancelled: [(CancelReason, Counter); CancelReason::ALL.len()],
    cancelled_after: Histogram,
}

impl Default for Ends {
    fn default() -> Self {
        Self {
            confirmed_after: CONFIRMATION.of([]),
            completed: ENDED.of([COMPLETED, NONE]),
            completed_after: DURATION.of([COMPLETED]),
            cancelled: CancelReason::ALL
                .map(|reason| (reason, ENDED.of([CANCELLED, reason.as_str()]))),
            cancelled_after: DURATION.of([CANCELLED]),
        }
    }
}

impl Ends {
    /// Counts what a change of an order's state comes to. The order's id says when it was placed.
    pub(crate) fn count(&self, order: OrderId, before: &State, now: &State) {
        let is_confirmed = |state| matches!(state, &State::Confirmed | &State::Completed);
        if is_confirmed(now) && !is_confirmed(before) {
            self.confirmed_after.record(age_s(order));
        }
        match now {
            State::Completed => {
                self.completed.increment(1);
                self.completed_after.record(age_s(order));
            }
            State::Cancelled { reason } => {
                let counted = self.cancelled.iter().find(|(counted, _)| counted == reason);
                if let Some((_, counter)) = counted {
                    counter.increment(1);
                }
                // What was never placed here took no time.
                if *before != State::Unseen {
                    self.cancelled_after.record(age_s(order));
                }
            }
            State::Unseen | State::Placed | State::ShippedAhead | State::Confirmed => {}
        }
    }
}

/// How long ago an order was placed, in seconds: its id is a `UUIDv7`, made then.
fn age_s(order: OrderId) -> f64 {
    let Some((seconds, nanoseconds)) = order.0.get_timestamp().map(|time| time.to_unix()) else {
        return 0.0;
    };
    let placed = i64::try_from(seconds).unwrap_or(i64::MAX);
    let nanoseconds = i32::try_from(nanoseconds).unwrap_or_default();
    let placed = Timestamp::new(placed, nanoseconds).unwrap_or_default();
    Timestamp::now().duration_since(placed).as_secs_f64().max(0.0)
}
