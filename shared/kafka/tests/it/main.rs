//! What looks at Kafka from outside, on the real one.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod fake;

mod quotas;
mod registry;
mod scan;

use std::time::Duration;

/// No test should come near it on an idle machine; it turns a hang into a failure.
const PATIENCE: Duration = Duration::from_mins(1);
