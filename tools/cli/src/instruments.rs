//! What `farandole exporter` tells by numbers: what is seen of a fleet from outside.

use contracts::{Label, Metric, Values};
use meter::GaugeMetric;

const SERVICE: Label = Label::new("service", Values::Open("the service"));
const EVENT: Label = Label::new("event", Values::Open("the type of the event that undoes another"));
const AWAITS: Label =
    Label::new("awaits", Values::Open("an event's type, a call such as call charge, or deadline"));
const KIND: Label = Label::new(
    "kind",
    Values::These(&["D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10", "D11", "D12"]),
);
const TYPE: Label = Label::new(
    "type",
    Values::Open("a type that the service reads; other for what names none of these"),
);
const BECAME: Label = Label::new("became", Values::These(&HANDLED));
/// What became of a dead letter that somebody has seen to.
pub const HANDLED: [&str; 3] = ["redriven", "came_back", "discarded"];
const OPERATION: Label = Label::new(
    "kind",
    Values::Open("what is done, such as redrive or discard, as farandole dlq log has it"),
);
const STATE: Label = Label::new("state", Values::These(&STATES));
/// Whether an operation has ended.
pub const STATES: [&str; 2] = ["ended", "open"];
const LOOK: Label = Label::new("look", Values::These(&LOOKS));
/// What is looked at, each for itself.
pub const LOOKS: [&str; 5] = ["services", "letters", "orders", "audit", "dance"];

/// See its help, as of all here.
pub static ANSWERS: GaugeMetric<1> = GaugeMetric::new(
    "farandole_service_answers",
    "0 or 1",
    "Whether a service answers when it is asked how it is.",
    &[SERVICE],
);
/// Not known of a service that does not answer.
pub static READY: GaugeMetric<1> = GaugeMetric::new(
    "farandole_service_ready",
    "0 or 1",
    "Whether a service says that it is ready.",
    &[SERVICE],
);
/// As the brokers see it.
pub static MEMBERS: GaugeMetric<1> = GaugeMetric::new(
    "farandole_group_members",
    "members",
    "Members of a service's consumer group, as the brokers tell.",
    &[SERVICE],
);
/// As the brokers see it.
pub static GROUP_LAG: GaugeMetric<1> = GaugeMetric::new(
    "farandole_group_lag_records",
    "records",
    "Records that a service's consumer group has not read, as the brokers tell.",
    &[SERVICE],
);
/// As the brokers see it.
pub static GROUP_LAG_SECONDS: GaugeMetric<1> = GaugeMetric::new(
    "farandole_group_lag_seconds",
    "seconds",
    "How long ago the first of these was written.",
    &[SERVICE],
);
/// Without those that were redriven or discarded.
pub static LETTERS: GaugeMetric<1> = GaugeMetric::new(
    "farandole_dead_letters_open",
    "letters",
    "Dead letters of a service that nobody has seen to.",
    &[SERVICE],
);
/// Of the open ones.
pub static LETTERS_AGE: GaugeMetric<1> = GaugeMetric::new(
    "farandole_dead_letters_open_age_seconds",
    "seconds",
    "How long ago the oldest of these died.",
    &[SERVICE],
);
/// Of the open ones. What they failed with is text, and of texts there may be ever more.
pub static LETTERS_BY_TYPE: GaugeMetric<2> = GaugeMetric::new(
    "farandole_dead_letters_open_by_type",
    "letters",
    "The same by the event's type. By their causes farandole dlq list has them: these are no labels, for \
     there may be ever more of them.",
    &[SERVICE, TYPE],
);
/// Those that are not open.
pub static LETTERS_HANDLED: GaugeMetric<2> = GaugeMetric::new(
    "farandole_dead_letters_handled",
    "letters",
    "Dead letters of a service that somebody has seen to, as far back as their topic goes: put back, put \
     back and dead again, or discarded.",
    &[SERVICE, BECAME],
);
/// As `farandole dlq log` tells.
pub static OPERATIONS: GaugeMetric<2> = GaugeMetric::new(
    "farandole_operations_logged",
    "operations",
    "What operators have done, of all time; open is what goes on, or was interrupted.",
    &[OPERATION, STATE],
);
/// As `farandole orders stuck` tells.
pub static STUCK: GaugeMetric<2> = GaugeMetric::new(
    "farandole_orders_stuck",
    "orders",
    "Orders that have not changed for a minute, by whose move it is and what for.",
    &[SERVICE, AWAITS],
);
/// Of the stuck ones.
pub static COMPENSATIONS: GaugeMetric<1> = GaugeMetric::new(
    "farandole_compensations_open",
    "orders",
    "Of these, orders that something is yet to be undone for, by the event that will say so.",
    &[EVENT],
);
/// Of the stuck ones.
pub static COMPENSATION_AGE: GaugeMetric<1> = GaugeMetric::new(
    "farandole_compensation_age_seconds",
    "seconds",
    "How long ago the status of the oldest of these changed last.",
    &[EVENT],
);
/// Exit code 1 of `farandole audit`.
pub static VIOLATIONS: GaugeMetric = GaugeMetric::new(
    "farandole_audit_violations",
    "violations",
    "What does not add up, though it must always, as the last audit found.",
    &[],
);
/// When the last audit could judge.
pub static AUDITED: GaugeMetric = GaugeMetric::new(
    "farandole_audit_last_success_timestamp_seconds",
    "seconds since 1970",
    "When an audit was done last that could see everything.",
    &[],
);
/// As `farandole graph --observed` tells, without those that are accepted.
pub static DIFFERENCES: GaugeMetric<1> = GaugeMetric::new(
    "farandole_dance_differences",
    "differences",
    "In what the topics differ from what the services declare, by kind.",
    &[KIND],
);
/// Its own.
pub static LOOK_SUCCESS: GaugeMetric<1> = GaugeMetric::new(
    "farandole_look_success",
    "0 or 1",
    "Whether the last look of this kind saw all it was to see.",
    &[LOOK],
);
/// Its own.
pub static LOOK_DURATION: GaugeMetric<1> = GaugeMetric::new(
    "farandole_look_duration_seconds",
    "seconds",
    "How long the last look of this kind took.",
    &[LOOK],
);

/// The definitions.
pub fn instruments() -> Vec<Metric> {
    vec![
        ANSWERS.metric(),
        READY.metric(),
        MEMBERS.metric(),
        GROUP_LAG.metric(),
        GROUP_LAG_SECONDS.metric(),
        LETTERS.metric(),
        LETTERS_AGE.metric(),
        LETTERS_BY_TYPE.metric(),
        LETTERS_HANDLED.metric(),
        OPERATIONS.metric(),
        STUCK.metric(),
        COMPENSATIONS.metric(),
        COMPENSATION_AGE.metric(),
        VIOLATIONS.metric(),
        AUDITED.metric(),
        DIFFERENCES.metric(),
        LOOK_SUCCESS.metric(),
        LOOK_DURATION.metric(),
    ]
}
