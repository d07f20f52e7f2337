//! The table of objectives.

use declarations::Fleet;

/// What is promised: of all that is counted, no larger share than the budget is bad, over 28 days.
#[derive(Debug, Clone, Copy)]
pub struct Objective {
    /// Its name, in labels.
    pub name: &'static str,
    /// The service that it is about; `None` if each has it for itself.
    pub service: Option<&'static str>,
    /// What is promised, as a sentence.
    pub promise: &'static str,
    /// Why it is counted so, where that is not plain.
    pub why: &'static str,
    /// The share that is to be good, in percent. As a text: it is written as people write it.
    pub percent: &'static str,
    /// The budget: the share that may be bad, from 0 to 1.
    pub budget: &'static str,
    /// How it is counted.
    pub sli: Sli,
    /// Whether messages to customers that are late are explained by what keeps only those.
    pub tells_customers: bool,
}

/// How good and bad are counted. In queries, `WINDOW` stands for the window.
#[derive(Debug, Clone, Copy)]
pub enum Sli {
    /// By what has happened in the window.
    Events {
        /// How many were bad.
        bad: &'static str,
        /// How many there were.
        total: &'static str,
        /// How many are bad by now and have not ended, so that `bad` and `total` do not have them yet.
        open: Option<&'static str>,
    },
    /// By how long it was so: the share of samples of this that are 1 and not 0, per service.
    Time {
        /// What is sampled, with a label `service`.
        bad: &'static str,
    },
}

impl Objective {
    /// Whether this fleet has the service that it is about.
    pub(crate) fn is_of(&self, fleet: &Fleet) -> bool {
        self.service.is_none_or(|service| fleet.service(service).is_some())
    }
}

/// The objectives that have a budget. That nothing is lost has none: it is an invariant, which has alerts
/// of its own (`EventLost`, `AuditViolated`, `InvariantBroken`).
///
/// Bounds of histograms are matched with and without `.0`: Prometheus writes them so from version 3 on.
pub const OBJECTIVES: [Objective; 7] = [
    Objective {
        name: "orders-taken",
        service: Some("order"),
        promise: "POST /orders is answered by anything but 5xx",
        why: "What the client did wrong (4xx) is the client's; 503 counts as bad.",
        percent: "99.9",
        budget: "0.001",
        sli: Sli::Events {
            bad: "sum(increase(farandole_http_requests_total{job=\"order\", method=\"POST\", route=\"/orders\", status=~\"5..\"}[WINDOW])) or vector(0)",
            total: "sum(increase(farandole_http_requests_total{job=\"order\", method=\"POST\", route=\"/orders\"}[WINDOW]))",
            open: None,
        },
        tells_customers: false,
    },
    Objective {
        name: "orders-taken-quickly",
        service: Some("order"),
        promise: "POST /orders is answered within 0.25 s",
        why: "",
        percent: "99",
        budget: "0.01",
        sli: Sli::Events {
            bad: "sum(increase(farandole_http_request_duration_seconds_count{job=\"order\", method=\"POST\", route=\"/orders\"}[WINDOW])) - sum(increase(farandole_http_request_duration_seconds_bucket{job=\"order\", method=\"POST\", route=\"/orders\", le=\"0.25\"}[WINDOW]))",
            total: "sum(increase(farandole_http_request_duration_seconds_count{job=\"order\", method=\"POST\", route=\"/orders\"}[WINDOW]))",
            open: None,
        },
        tells_customers: false,
    },
    Objective {
        name: "orders-decided",
        service: Some("order"),
        promise: "An order is completed or cancelled within 10 s",
        why: "A histogram never sees what does not end: those that are open for more than 10 s count as \
              bad, too. At every moment an order is either open or has ended, so none is counted twice.",
        percent: "99.5",
        budget: "0.005",
        sli: Sli::Events {
            bad: "sum(increase(farandole_order_duration_seconds_count[WINDOW])) - sum(increase(farandole_order_duration_seconds_bucket{le=~\"10([.]0)?\"}[WINDOW]))",
            total: "sum(increase(farandole_order_duration_seconds_count[WINDOW]))",
            open: Some("max(farandole_orders_open_late)"),
        },
        tells_customers: false,
    },
    Objective {
        name: "orders-end-well",
        service: Some("order"),
        promise: "An order that could be completed is",
        why: "Left out is what is the customer's, or the shelf's: cancelled for out_of_stock, \
              payment_failed or customer_request.",
        percent: "99",
        budget: "0.01",
        sli: Sli::Events {
            bad: "sum(increase(farandole_orders_total{outcome=\"cancelled\", reason!~\"out_of_stock|payment_failed|customer_request\"}[WINDOW]))",
            total: "sum(increase(farandole_orders_total{reason!~\"out_of_stock|payment_failed|customer_request\"}[WINDOW]))",
            open: None,
        },
        tells_customers: false,
    },
    Objective {
        name: "refunds-in-time",
        service: Some("payment"),
        promise: "A refund is known to be done within 15 minutes",
        why: "One that is open for longer counts as bad, too. Only the age of the oldest is known; those \
              that are as old were open all the time since, so there are no more than were open at any \
              moment of the last 15 minutes.",
        percent: "99.9",
        budget: "0.001",
        sli: Sli::Events {
            bad: "sum(increase(farandole_effect_completion_seconds_count{step=\"refund\"}[WINDOW])) - sum(increase(farandole_effect_completion_seconds_bucket{step=\"refund\", le=~\"900([.]0)?\"}[WINDOW]))",
            total: "sum(increase(farandole_effect_completion_seconds_count{step=\"refund\"}[WINDOW]))",
            open: Some(
                "max(min_over_time(farandole_effects_pending{step=\"refund\"}[15m])) * (max(farandole_effects_age_seconds{step=\"refund\"}) > bool 900)",
            ),
        },
        tells_customers: false,
    },
    Objective {
        name: "customers-told",
        service: Some("notification"),
        promise: "A customer is told of an outcome within 60 s",
        why: "30 s until the notification service has heard of it, and 30 s until the mail is sent: what \
              keeps both is within 60 s. A mail that is open for longer counts as bad, as refunds do.",
        percent: "99",
        budget: "0.01",
        sli: Sli::Events {
            bad: "sum(increase(farandole_event_delay_seconds_count{job=\"notification\", type=~\"Order(Confirmed|Completed|Cancelled)\"}[WINDOW])) - sum(increase(farandole_event_delay_seconds_bucket{job=\"notification\", type=~\"Order(Confirmed|Completed|Cancelled)\", le=~\"30([.]0)?\"}[WINDOW])) + sum(increase(farandole_effect_completion_seconds_count{step=~\"mail-.*\"}[WINDOW])) - sum(increase(farandole_effect_completion_seconds_bucket{step=~\"mail-.*\", le=~\"30([.]0)?\"}[WINDOW]))",
            total: "sum(increase(farandole_event_delay_seconds_count{job=\"notification\", type=~\"Order(Confirmed|Completed|Cancelled)\"}[WINDOW]))",
            open: Some(
                "sum(max by (step) (min_over_time(farandole_effects_pending{step=~\"mail-.*\"}[1m])) * (max by (step) (farandole_effects_age_seconds{step=~\"mail-.*\"}) > bool 30))",
            ),
        },
        tells_customers: true,
    },
    Objective {
        name: "services-in-time",
        service: None,
        promise: "A service has read all that is older than 10 s",
        why: "By time, per service: the share of moments at which it had not, or did not answer.",
        percent: "99.9",
        budget: "0.001",
        sli: Sli::Time { bad: "objective:late" },
        tells_customers: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_what_is_left_of_the_share() {
        for Objective { name, percent, budget, .. } in OBJECTIVES {
            let (percent, budget): (f64, f64) = (percent.parse().unwrap(), budget.parse().unwrap());
            assert!((100.0 - percent - 100.0 * budget).abs() < 1e-9, "{name}");
        }
    }
}
