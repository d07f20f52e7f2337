//! What the loop tells by numbers.

use contracts::{Buckets, Label, Metric, Values};
use kafka::AUTH_FAILURES;
use meter::{CounterMetric, GaugeMetric, HistogramMetric};

const DESTINATION: Label =
    Label::new("destination", Values::Open("who answers the call, such as a card network"));
const PARTITION: Label = Label::new("partition", Values::Open("a partition of the topic"));

// --- taking in

pub(crate) static CONSUMED: CounterMetric<1> = CounterMetric::new(
    "farandole_events_consumed_total",
    "events",
    "Events that were taken in for processing, duplicates among them.",
    &[Label::TYPE_READ],
);
pub(crate) static DELAY: HistogramMetric<1> = HistogramMetric::new(
    "farandole_event_delay_seconds",
    Buckets::LongSeconds,
    "From when an event was written to the log until what follows from it was committed here.",
    &[Label::TYPE_READ],
);
pub(crate) static LATE: CounterMetric<1> = CounterMetric::new(
    "farandole_events_late_total",
    "events",
    "Events for which that took longer than the service declares it may.",
    &[Label::TYPE_READ],
);
pub(crate) static DUPLICATES: CounterMetric<1> = CounterMetric::new(
    "farandole_duplicates_total",
    "events",
    "Events that had been processed before, and were dropped by the inbox.",
    &[Label::TYPE_READ],
);
pub(crate) static IGNORED: CounterMetric<1> = CounterMetric::new(
    "farandole_events_ignored_total",
    "events",
    "Events of types that the service does not read.",
    &[Label::new("type", Values::Open("the event's type; others beyond a hundred types"))],
);
pub(crate) static LAG_RECORDS: GaugeMetric<2> = GaugeMetric::new(
    "farandole_consumer_lag_records",
    "records",
    "Records of a partition of this instance that are not read yet.",
    &[Label::TOPIC_READ, PARTITION],
);
pub(crate) static LAG_SECONDS: GaugeMetric<2> = GaugeMetric::new(
    "farandole_consumer_lag_seconds",
    "seconds",
    "Age of the first record of a partition of this instance that is not read yet, at most.",
    &[Label::TOPIC_READ, PARTITION],
);
pub(crate) static INTAKE_PAUSED: GaugeMetric = GaugeMetric::new(
    "farandole_intake_paused",
    "0 or 1",
    "Whether the service takes in no new events, for too much waits to be published, tried or called.",
    &[],
);
pub(crate) static TOPICS_MADE_ANEW: CounterMetric<1> = CounterMetric::new(
    "farandole_topics_made_anew_total",
    "topics",
    "Topics that turned out to be another one than before.",
    &[Label::TOPIC_READ],
);

// --- batches

pub(crate) static BATCH_SIZE: HistogramMetric = HistogramMetric::new(
    "farandole_batch_size",
    Buckets::Size,
    "Messages that were carried through one transaction.",
    &[],
);
pub(crate) static BATCH_DURATION: HistogramMetric = HistogramMetric::new(
    "farandole_batch_duration_seconds",
    Buckets::Seconds,
    "How long carrying through a batch took.",
    &[],
);
/// Also counted by services that have transactions of their own.
pub static CONFLICTS: CounterMetric = CounterMetric::new(
    "farandole_conflicts_total",
    "transactions",
    "Transactions that were done again, for another instance had come in between.",
    &[],
);

// --- failing

pub(crate) static RETRIES: CounterMetric = CounterMetric::new(
    "farandole_retries_total",
    "records",
    "Records that failed and were put into the retry queue, each time counted.",
    &[],
);
pub(crate) static RETRY_QUEUE_RECORDS: GaugeMetric = GaugeMetric::new(
    "farandole_retry_queue_records",
    "records",
    "Records that failed, or wait behind such a one, and are tried again.",
    &[],
);
pub(crate) static RETRY_QUEUE_AGE: GaugeMetric = GaugeMetric::new(
    "farandole_retry_queue_age_seconds",
    "seconds",
    "How long ago the oldest record in the retry queue failed first.",
    &[],
);
pub(crate) static DEAD_LETTERS: CounterMetric<1> = CounterMetric::new(
    "farandole_dead_letters_total",
    "records",
    "Records that were given up, by the topic that they were read from.",
    &[Label::TOPIC_READ],
);
pub(crate) static SCHEMA_VIOLATIONS: CounterMetric<1> = CounterMetric::new(
    "farandole_schema_violations_total",
    "events",
    "Events that don't follow their schema, or have one that cannot be read; each is a dead letter.",
    &[Label::TYPE_READ],
);
pub(crate) static GAPS: GaugeMetric<1> = GaugeMetric::new(
    "farandole_gaps",
    "events",
    "Events that are missing in sagas' streams, by what is known of them.",
    &[Label::new("verdict", Values::These(&["waiting", "lost", "dead", "acknowledged"]))],
);
pub(crate) static GAPS_SETTLED: CounterMetric<1> = CounterMetric::new(
    "farandole_gaps_total",
    "events",
    "Events that were missing, by how that turned out.",
    &[Label::new("outcome", Values::These(&GAP_OUTCOMES))],
);
/// How a gap may turn out.
const GAP_OUTCOMES: [&str; 7] =
    ["repaired", "lost", "dead", "waiting", "seen", "not_ours", "older_than_the_service"];
pub(crate) static BROKEN_INVARIANTS: CounterMetric = CounterMetric::new(
    "farandole_broken_invariants_total",
    "times",
    "What cannot happen, and did: a bug; the log says which.",
    &[],
);

// --- publishing

pub(crate) static PUBLISHED: CounterMetric<1> = CounterMetric::new(
    "farandole_events_published_total",
    "events",
    "Events that the log has acknowledged.",
    &[Label::TYPE_WRITTEN],
);
pub(crate) static REFUSED: CounterMetric<1> = CounterMetric::new(
    "farandole_events_refused_total",
    "events",
    "Events that Kafka did not take, such as for their size; each try is counted.",
    &[Label::TYPE_WRITTEN],
);
pub(crate) static SAGAS_REFUSED: GaugeMetric = GaugeMetric::new(
    "farandole_sagas_with_refused_events",
    "sagas",
    "Sagas whose next event Kafka does not take.",
    &[],
);
pub(crate) static OUTBOX_BACKLOG: GaugeMetric = GaugeMetric::new(
    "farandole_outbox_backlog",
    "events",
    "Events that are decided and not known to be in the log yet.",
    &[],
);
pub(crate) static OUTBOX_AGE: GaugeMetric = GaugeMetric::new(
    "farandole_outbox_age_seconds",
    "seconds",
    "How long the oldest of these has waited.",
    &[],
);
pub(crate) static THROTTLE: GaugeMetric = GaugeMetric::new(
    "farandole_publish_throttle_seconds",
    "seconds",
    "How long the brokers make a request wait because of a quota.",
    &[],
);

// --- calls to the outside

pub(crate) static EFFECTS: CounterMetric<2> = CounterMetric::new(
    "farandole_effects_total",
    "calls",
    "Tries of calls to the outside, by whether their outcome is known.",
    &[Label::STEP, OUTCOME],
);
pub(crate) static EFFECT_DURATION: HistogramMetric<2> = HistogramMetric::new(
    "farandole_effect_duration_seconds",
    Buckets::Seconds,
    "How long a try of a call took.",
    &[Label::STEP, OUTCOME],
);
const OUTCOME: Label = Label::new("outcome", Values::These(&["known", "unknown"]));
pub(crate) static EFFECT_COMPLETION: HistogramMetric<1> = HistogramMetric::new(
    "farandole_effect_completion_seconds",
    Buckets::LongSeconds,
    "From when a call was decided on until its outcome was known, with all tries.",
    &[Label::STEP],
);
pub(crate) static EFFECTS_PENDING: GaugeMetric<1> = GaugeMetric::new(
    "farandole_effects_pending",
    "calls",
    "Calls whose outcome is not known, without those that are held.",
    &[Label::STEP],
);
pub(crate) static EFFECTS_AGE: GaugeMetric<1> = GaugeMetric::new(
    "farandole_effects_age_seconds",
    "seconds",
    "How long ago the oldest of these was decided on.",
    &[Label::STEP],
);
pub(crate) static EFFECTS_HELD: GaugeMetric<2> = GaugeMetric::new(
    "farandole_effects_held",
    "calls",
    "Calls that are not made: parked by an operator, or given up.",
    &[Label::STEP, Label::new("held", Values::These(&["parked", "given_up"]))],
);
pub(crate) static CIRCUIT_STATE: GaugeMetric<2> = GaugeMetric::new(
    "farandole_effect_circuit_state",
    "state",
    "The circuit breaker of calls to a destination: 0 closed, 1 half-open, 2 open.",
    &[Label::STEP, DESTINATION],
);
pub(crate) static OUTCOMES_REFUSED: CounterMetric<1> = CounterMetric::new(
    "farandole_outcomes_refused_total",
    "calls",
    "Outcomes of calls that the service could not take; the call is made again.",
    &[Label::STEP],
);

// --- what else the service depends on

pub(crate) static OPERATIONS_READABLE: GaugeMetric = GaugeMetric::new(
    "farandole_operations_readable",
    "0 or 1",
    "Whether the service hears of what operators decide.",
    &[],
);
pub(crate) static OPERATIONS: CounterMetric<1> = CounterMetric::new(
    "farandole_operations_total",
    "decisions",
    "What operators decided, by what became of it; ignored is what is not for this service.",
    &[Label::new("outcome", Values::These(&["applied", "refused", "ignored", "unreadable"]))],
);
pub(crate) static WAITING_FOR_LOCKS: GaugeMetric = GaugeMetric::new(
    "farandole_sessions_waiting_for_locks",
    "sessions",
    "Sessions of the service in Postgres that wait for locks of others.",
    &[],
);
pub(crate) static CLOCK_OFFSET: GaugeMetric = GaugeMetric::new(
    "farandole_clock_offset_seconds",
    "seconds",
    "How far the clock of this service is ahead of its database server's.",
    &[],
);

/// The definitions of all that the loop tells by numbers.
pub fn instruments() -> Vec<Metric> {
    vec![
        CONSUMED.metric(),
        DELAY.metric(),
        LATE.metric(),
        DUPLICATES.metric(),
        IGNORED.metric(),
        LAG_RECORDS.metric(),
        LAG_SECONDS.metric(),
        INTAKE_PAUSED.metric(),
        TOPICS_MADE_ANEW.metric(),
        BATCH_SIZE.metric(),
        BATCH_DURATION.metric(),
        CONFLICTS.metric(),
        RETRIES.metric(),
        RETRY_QUEUE_RECORDS.metric(),
        RETRY_QUEUE_AGE.metric(),
        DEAD_LETTERS.metric(),
        SCHEMA_VIOLATIONS.metric(),
        GAPS.metric(),
        GAPS_SETTLED.metric(),
        BROKEN_INVARIANTS.metric(),
        AUTH_FAILURES.metric(),
        PUBLISHED.metric(),
        REFUSED.metric(),
        SAGAS_REFUSED.metric(),
        OUTBOX_BACKLOG.metric(),
        OUTBOX_AGE.metric(),
        THROTTLE.metric(),
        EFFECTS.metric(),
        EFFECT_DURATION.metric(),
        EFFECT_COMPLETION.metric(),
        EFFECTS_PENDING.metric(),
        EFFECTS_AGE.metric(),
        EFFECTS_HELD.metric(),
        CIRCUIT_STATE.metric(),
        OUTCOMES_REFUSED.metric(),
        OPERATIONS_READABLE.metric(),
        OPERATIONS.metric(),
        WAITING_FOR_LOCKS.metric(),
        CLOCK_OFFSET.metric(),
    ]
}
