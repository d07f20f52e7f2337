use std::collections::HashMap;
use std::time::Duration;

use messaging::RetryPolicy;

/// What differs in the retries of single event types: of each, names and numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct RetryByType(Vec<(String, Vec<(String, u64)>)>);

impl RetryByType {
    /// The policies of these types, where all else is as in `default`.
    pub(super) fn over(&self, default: RetryPolicy) -> HashMap<String, RetryPolicy> {
        let policy = |changes: &[(String, u64)]| {
            changes.iter().fold(default, |policy, (name, number)| {
                change(policy, name, *number).unwrap_or(policy)
            })
        };
        self.0.iter().map(|(event_type, changes)| (event_type.clone(), policy(changes))).collect()
    }
}

/// A policy with one number changed; `None` if there is none of that name, or it cannot be this.
fn change(policy: RetryPolicy, name: &str, number: u64) -> Option<RetryPolicy> {
    match name {
        "max_attempts" => {
            let max_attempts = u32::try_from(number).ok().filter(|tries| *tries > 0)?;
            Some(RetryPolicy { max_attempts, ..policy })
        }
        "base_ms" => Some(RetryPolicy { base: Duration::from_millis(number), ..policy }),
        "cap_ms" => Some(RetryPolicy { cap: Duration::from_millis(number), ..policy }),
        "max_age_s" => Some(RetryPolicy { max_age: Duration::from_secs(number), ..policy }),
        _ => None,
    }
}

pub(super) fn retry_by_type(text: &str) -> Result<RetryByType, String> {
    let shape = "expected such as OrderPlaced:max_attempts=10,base_ms=100;PaymentCharged:cap_ms=\
                 5000,max_age_s=600";
    let any = RetryPolicy {
        max_attempts: 1,
        base: Duration::ZERO,
        cap: Duration::ZERO,
        max_age: Duration::ZERO,
    };
    let number = |text: &str| {
        let (name, number) = text.split_once('=')?;
        let number = number.trim().parse().ok()?;
        change(any, name.trim(), number).map(|_| (name.trim().to_owned(), number))
    };
    let one = |text: &str| {
        let (event_type, changes) = text.split_once(':')?;
        let changes: Option<Vec<_>> = changes.split(',').map(number).collect();
        Some((event_type.trim().to_owned(), changes?))
    };
    let all = text.split(';').map(str::trim).filter(|text| !text.is_empty());
    all.map(|text| one(text).ok_or_else(|| format!("{text:?}; {shape}")))
        .collect::<Result<_, _>>()
        .map(RetryByType)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_differs_in_what_is_said_of_it_and_in_nothing_else() {
        let second = Duration::from_secs(1);
        let default =
            RetryPolicy { max_attempts: 5, base: second, cap: 30 * second, max_age: 60 * second };
        let parsed =
            retry_by_type("OrderPlaced:max_attempts=10, base_ms=100; PaymentCharged:max_age_s=1;");
        let policies = parsed.unwrap().over(default);
        let placed = RetryPolicy { max_attempts: 10, base: Duration::from_millis(100), ..default };
        assert_eq!(policies["OrderPlaced"], placed);
        assert_eq!(policies["PaymentCharged"], RetryPolicy { max_age: second, ..default });
        assert_eq!(policies.len(), 2);
        assert!(retry_by_type("").unwrap().over(default).is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_would_be_right() {
        for wrong in ["OrderPlaced", "A:tries=3", "A:max_attempts=0", "A:cap_ms=soon", "A:"] {
            let error = retry_by_type(wrong).unwrap_err();
            assert!(error.contains(wrong) && error.contains("max_attempts=10"), "{error}");
        }
    }
}
