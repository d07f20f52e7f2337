use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::facts::Health;
use crate::http::{cause, client};

/// What `/health/ready` answers.
#[derive(Deserialize)]
struct Snapshot {
    #[serde(default)]
    components: BTreeMap<String, Component>,
    #[serde(default)]
    details: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Component {
    reason: Option<String>,
}

/// Asks a service whether it is ready.
pub(super) async fn ask(url: &str, within: Duration) -> Health {
    let answer = match client(url, within) {
        Ok(client) => client.get(format!("{url}/health/ready")).send().await,
        Err(error) => Err(error),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return failed(&error, within),
    };
    let status = answer.status();
    if ![StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
        return Health::Odd { reason: format!("answers {status}: something else listens there") };
    }
    match answer.json::<Snapshot>().await {
        Err(error) if error.is_timeout() => failed(&error, within),
        Err(_) => Health::Odd { reason: "does not answer as a service does".to_owned() },
        Ok(Snapshot { details, .. }) if status == StatusCode::OK => Health::Ready { details },
        Ok(Snapshot { components, details }) => {
            let reason = |(name, component): (String, Component)| Some((name, component.reason?));
            Health::NotReady {
                reasons: components.into_iter().filter_map(reason).collect(),
                details,
            }
        }
    }
}

fn failed(error: &reqwest::Error, within: Duration) -> Health {
    if error.is_timeout() {
        return Health::Silent { within_s: within.as_secs_f64() };
    }
    Health::Away { reason: cause(error) }
}
