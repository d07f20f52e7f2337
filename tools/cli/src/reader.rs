//! Reading all events of all services, by their schemas.

use contracts::Topics;
use kafka::{EventReader, ReadError, ReadFrom, Registry};
use serde_json::Value;

use crate::masking::MASK;
use crate::services;

/// Opens the events of all services. See [`EventReader::next`].
pub async fn open(
    brokers: &str,
    registry: Registry,
    topics: &Topics,
    from: ReadFrom,
) -> Result<EventReader, ReadError> {
    let names = services().map(|name| topics.events(name)).collect();
    EventReader::open(brokers, registry, names, from).await
}

/// Replaces personal data, which is in fields named `recipient` and nowhere else.
pub fn redact(payload: &mut Value) {
    match payload {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "recipient" {
                    *value = Value::from(MASK);
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn recipients_are_redacted_wherever_they_are() {
        let mut payload =
            json!({"total": 5, "recipient": {"name": "Ada"}, "parts": [{"recipient": "Ada"}]});
        redact(&mut payload);
        assert_eq!(
            payload,
            json!({"total": 5, "recipient": "(redacted)", "parts": [{"recipient": "(redacted)"}]})
        );
    }
}
