use std::collections::HashMap;
use std::sync::LazyLock;

use contracts::DeclaredStatus;

use crate::facts::{Fact, Facts, Service};

/// What must be true of a saga of which a service has written down a status: the inbox, the
/// intents and the events belong to the same transactions as the status.
#[derive(Debug)]
pub struct Rule {
    /// The status.
    pub status: &'static str,
    /// Types of events that it has read.
    pub has_read: Facts,
    /// Types of events that it has not.
    pub not_read: Facts,
    /// Facts that it has said.
    pub has_said: Facts,
    /// Facts that it may have said, beside those.
    pub may_say: Facts,
    /// The calls that it intends, sorted.
    pub calls: &'static [String],
    /// Whether nothing changes it any more.
    pub is_final: bool,
}

/// A service's rules, and their numbers.
type Rules = (Vec<Rule>, HashMap<&'static str, u16>);

/// By service.
static RULES: LazyLock<Vec<Rules>> = LazyLock::new(|| {
    let of = |service: Service| {
        let rules: Vec<Rule> = service.declared().statuses.iter().map(Rule::new).collect();
        let numbers = rules.iter().map(|rule| rule.status).zip(0..).collect();
        (rules, numbers)
    };
    Service::all().map(of).collect()
});

impl Rule {
    fn new(declared: &'static DeclaredStatus) -> Self {
        let facts = |names: &[String]| names.iter().filter_map(|name| Fact::named(name)).collect();
        Self {
            status: &declared.status,
            has_read: facts(&declared.has_read),
            not_read: facts(&declared.not_read),
            has_said: facts(&declared.has_said),
            may_say: facts(&declared.may_say),
            calls: &declared.calls,
            is_final: declared.is_final,
        }
    }
}

impl Service {
    /// What each of its statuses means.
    pub fn rules(self) -> impl Iterator<Item = &'static Rule> {
        RULES[self.place()].0.iter()
    }
}

/// The number of a status in a service's rules; `None` if it is none of them.
pub fn number(service: Service, status: &str) -> Option<u16> {
    RULES[service.place()].1.get(status).copied()
}

/// The status with this number.
pub fn status(service: Service, number: u16) -> &'static str {
    rule(service, number).status
}

/// What must be true of a saga with the status with this number.
pub fn rule(service: Service, number: u16) -> &'static Rule {
    &RULES[service.place()].0[usize::from(number)]
}

/// How a saga has ended whose part in the service that decides has this status: its first word, such as
/// `cancelled` of `cancelled timed_out`.
pub fn end_of(status: &str) -> &str {
    status.split(' ').next().unwrap_or(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_again_and_its_facts_are_known() {
        for service in Service::all() {
            for declared in &service.declared().statuses {
                let number = number(service, &declared.status).unwrap();
                assert_eq!(status(service, number), declared.status);
                let rule = rule(service, number);
                for (facts, names) in [
                    (rule.has_read, &declared.has_read),
                    (rule.not_read, &declared.not_read),
                    (rule.has_said, &declared.has_said),
                    (rule.may_say, &declared.may_say),
                ] {
                    let mut known: Vec<&str> = facts.iter().map(Fact::name).collect();
                    known.sort_unstable();
                    assert_eq!(known, *names, "{} {}", service.name(), declared.status);
                }
            }
            assert_eq!(number(service, "melted"), None);
        }
    }
}
