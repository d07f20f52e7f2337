//! Counts how often somebody does not let this program in.

use contracts::{Label, Values};
use meter::CounterMetric;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// How often this program was refused, for it could not prove who it is or lacks a right.
pub static AUTH_FAILURES: CounterMetric<1> = CounterMetric::new(
    "farandole_auth_failures_total",
    "times",
    "How often the service was refused, for it could not prove who it is or lacks a right.",
    &[Label::new("to", Values::These(&["kafka", "postgres", "registry"]))],
);

/// Counts an error of a Kafka client if it is such a refusal.
pub fn note_refusal(error: &KafkaError) {
    let refusals = [
        RDKafkaErrorCode::Authentication,
        RDKafkaErrorCode::SaslAuthenticationFailed,
        RDKafkaErrorCode::TopicAuthorizationFailed,
        RDKafkaErrorCode::GroupAuthorizationFailed,
        RDKafkaErrorCode::ClusterAuthorizationFailed,
    ];
    if error.rdkafka_error_code().is_some_and(|code| refusals.contains(&code)) {
        AUTH_FAILURES.of(["kafka"]).increment(1);
    }
}
