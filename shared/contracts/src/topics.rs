use std::str::FromStr;

use thiserror::Error;

/// What the registry is to ask of a next version of any event: that it can be read as every other, and the
/// other way round. Services are deployed in any order, and topics hold events of all versions.
pub const COMPATIBILITY: &str = "FULL_TRANSITIVE";

/// The names of topics, subjects and consumer groups. A prefix lets several fleets share one
/// cluster and one registry; by default there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics {
    prefix: String,
}

/// A prefix that Kafka would not take as part of a topic's name.
#[derive(Debug, Clone, Error)]
#[error("{0:?} is not a topic prefix: up to 100 letters, digits, '.', '_' or '-'")]
pub struct InvalidPrefix(String);

impl Topics {
    /// The topic of a service's events, such as `order.events`.
    pub fn events(&self, service: &str) -> String {
        format!("{}{service}.events", self.prefix)
    }

    /// Where a service's consumer group puts what it could not process.
    pub fn dead_letters(&self, service: &str) -> String {
        format!("{}{service}.dead-letters", self.prefix)
    }

    /// The log of what operators did, such as to dead letters. It has one partition.
    pub fn operations(&self) -> String {
        format!("{}farandole.operations", self.prefix)
    }

    /// The consumer group of a service.
    pub fn group(&self, service: &str) -> String {
        format!("{}{service}", self.prefix)
    }

    /// The registry's subject of one event type: `TopicRecordNameStrategy`, so that one topic
    /// holds several types, each with a compatibility of its own.
    pub fn subject(&self, service: &str, event_type: &str) -> String {
        format!("{}-farandole.{service}.{event_type}", self.events(service))
    }
}

impl FromStr for Topics {
    type Err = InvalidPrefix;

    fn from_str(prefix: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if prefix.len() <= 100 && prefix.bytes().all(allowed) {
            Ok(Self { prefix: prefix.to_owned() })
        } else {
            Err(InvalidPrefix(prefix.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_prefix() {
        let topics = Topics::default();
        assert_eq!(topics.events("order"), "order.events");
        assert_eq!(
            topics.subject("order", "OrderPlaced"),
            "order.events-farandole.order.OrderPlaced"
        );
        let topics: Topics = "blue.".parse().unwrap();
        assert_eq!(topics.dead_letters("payment"), "blue.payment.dead-letters");
        assert_eq!(topics.operations(), "blue.farandole.operations");
        assert_eq!(topics.group("payment"), "blue.payment");
        assert!("a b".parse::<Topics>().is_err());
    }
}
