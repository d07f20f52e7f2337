use kernel::error_chain;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

/// The oldest Kafka on which topics have all settings that they are created with. Brokers tell no
/// client their version, but which settings their topics have.
pub(crate) const OLDEST_KAFKA: &str = "3.6";

/// Why Kafka did not do what it was asked.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Kafka is away. Trying again may help.
    #[error("Kafka at {brokers} is not there: {reason}")]
    Unavailable {
        /// What was asked.
        brokers: String,
        /// What went wrong.
        reason: String,
    },
    /// A topic is not there.
    #[error("topic {0} does not exist")]
    Missing(String),
    /// The brokers lack what the topics need.
    #[error(
        "Kafka at {brokers} is older than {OLDEST_KAFKA} (its topics have no {setting}): upgrade the \
         brokers, or set KAFKA_BROKERS to others"
    )]
    TooOld {
        /// What was asked.
        brokers: String,
        /// The setting of topics that is not there.
        setting: &'static str,
    },
    /// Kafka refuses.
    #[error("Kafka refuses: {0}")]
    Refused(String),
    /// Kafka is there, and what it gives cannot be read. Trying again does not help.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// Whether an error of reading stays however often it is tried: the client cannot undo a compression
/// that it was built without, or may not read the topic.
pub(crate) fn stays(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotImplemented
                | RDKafkaErrorCode::BadCompression
                | RDKafkaErrorCode::InvalidMessage
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::UnsupportedCompressionType
        )
    )
}

/// Tells a Kafka that is away from one that refuses.
pub(crate) fn sort(brokers: &str, error: &KafkaError) -> AdminError {
    let code = match error {
        // Of this one the client's own method does not tell.
        KafkaError::AdminOp(code) => Some(*code),
        _ => error.rdkafka_error_code(),
    };
    match code {
        Some(
            RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::TimedOutQueue,
        ) => AdminError::Unavailable { brokers: brokers.to_owned(), reason: error_chain(error) },
        _ => AdminError::Refused(error_chain(error)),
    }
}

/// An error of a question that Kafka only leaves unanswered when it is away.
pub(crate) fn away(brokers: &str) -> impl Fn(KafkaError) -> AdminError {
    |error| unavailable(brokers, error_chain(&error))
}

pub(crate) fn unavailable(brokers: &str, reason: String) -> AdminError {
    AdminError::Unavailable { brokers: brokers.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_connection_is_no_refusal() {
        let sorted = |code| sort("broker", &KafkaError::AdminOp(code));
        let broken = sorted(RDKafkaErrorCode::BrokerTransportFailure);
        assert!(matches!(broken, AdminError::Unavailable { .. }), "{broken}");
        let refused = sorted(RDKafkaErrorCode::TopicAuthorizationFailed);
        assert!(matches!(refused, AdminError::Refused(_)), "{refused}");
    }
}
