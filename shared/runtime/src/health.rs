//! Whether the service lives, and whether it can do its work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

/// A loop that has not come round for this long is stuck, and the process is better restarted.
/// Far above the longest honest pause: a batch, or a back-off while a dependency is away.
const HEARTBEAT_LIMIT: Duration = Duration::from_mins(1);

/// The service's health, shared by everyone who knows a part of it. Clones are one and the same.
#[derive(Debug, Clone)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    heartbeat_limit: Duration,
}

#[derive(Debug)]
struct State {
    components: BTreeMap<&'static str, Component>,
    details: BTreeMap<&'static str, Value>,
    last_beat: Option<Instant>,
}

/// Whether one component does its part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", content = "reason", rename_all = "snake_case")]
pub enum Component {
    /// It works.
    Ready,
    /// It doesn't, for this reason, which anybody who can reach the service may read.
    NotReady(String),
}

/// All that is known at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// Whether every component is ready.
    pub ready: bool,
    /// The components by name.
    pub components: BTreeMap<&'static str, Component>,
    /// What else is worth knowing; it never makes the service unready.
    pub details: BTreeMap<&'static str, Value>,
}

impl Health {
    /// A service that needs `components`, all of them not ready yet.
    pub fn new(components: impl IntoIterator<Item = &'static str>) -> Self {
        Self::with_heartbeat_limit(components, HEARTBEAT_LIMIT)
    }

    /// Like [`Health::new`], alive as long as no two beats lie further apart than `limit`.
    pub fn with_heartbeat_limit(
        components: impl IntoIterator<Item = &'static str>,
        limit: Duration,
    ) -> Self {
        let starting = || Component::NotReady("starting".to_owned());
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                components: components.into_iter().map(|name| (name, starting())).collect(),
                details: BTreeMap::new(),
                last_beat: None,
            }),
            heartbeat_limit: limit,
        }))
    }

    /// `component` works. A component not known before is known from now on.
    pub fn set_ready(&self, component: &'static str) {
        if self.set(component, Component::Ready) {
            tracing::info!(part = component, "ready");
        }
    }

    /// `component` doesn't work. `reason` is shown to anybody: no secrets, no personal data.
    pub fn set_not_ready(&self, component: &'static str, reason: impl Into<String>) {
        let reason = reason.into();
        if self.set(component, Component::NotReady(reason.clone())) {
            tracing::warn!(part = component, reason, "not ready");
        }
    }

    /// Something worth knowing about `name`, such as a circuit breaker's state, in the place of
    /// what was said of it before.
    pub fn set_detail(&self, name: &'static str, value: impl Into<Value>) {
        self.state().details.insert(name, value.into());
    }

    /// Whether every component is ready.
    pub fn is_ready(&self) -> bool {
        self.state().is_ready()
    }

    /// All that is known now.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        Snapshot {
            ready: state.is_ready(),
            components: state.components.clone(),
            details: state.details.clone(),
        }
    }

    /// The service's loop came round once more.
    pub fn beat(&self) {
        self.state().last_beat = Some(Instant::now());
    }

    /// Whether the loop came round lately. One that has not begun counts as alive: it waits for
    /// its dependencies, and a restart would not bring them back.
    pub fn is_live(&self) -> bool {
        self.state().last_beat.is_none_or(|beat| beat.elapsed() < self.0.heartbeat_limit)
    }

    /// Whether that was news.
    fn set(&self, name: &'static str, component: Component) -> bool {
        self.state().components.insert(name, component.clone()) != Some(component)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single insert, so a panic elsewhere leaves nothing half done.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_ready(&self) -> bool {
        self.components.values().all(|component| *component == Component::Ready)
    }
}

impl Snapshot {
    /// What is not ready, and why, in one line; empty when all is ready.
    pub fn reasons(&self) -> String {
        let reasons = self.components.iter().filter_map(|(name, component)| match component {
            Component::Ready => None,
            Component::NotReady(reason) => Some(format!("{name}: {reason}")),
        });
        reasons.collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_component_is() {
        let health = Health::new(["kafka", "postgres"]);
        assert_eq!(health.snapshot().reasons(), "kafka: starting; postgres: starting");

        health.set_ready("kafka");
        health.set_not_ready("postgres", "connection refused");
        health.set_detail("carrier", "open");
        assert!(!health.is_ready());
        assert_eq!(
            serde_json::to_value(health.snapshot()).unwrap(),
            serde_json::json!({
                "ready": false,
                "components": {
                    "kafka": {"status": "ready"},
                    "postgres": {"status": "not_ready", "reason": "connection refused"},
                },
                "details": {"carrier": "open"},
            })
        );

        health.set_ready("postgres");
        assert!(health.is_ready());
        assert_eq!(health.snapshot().reasons(), "");
    }

    #[test]
    fn a_change_is_news_once() {
        let health = Health::new(["kafka"]);
        assert!(health.set("kafka", Component::Ready));
        assert!(!health.set("kafka", Component::Ready));
        assert!(health.set("kafka", Component::NotReady("away".to_owned())));
    }

    #[test]
    fn a_loop_that_never_began_is_alive_and_one_that_stopped_is_not() {
        let health = Health::with_heartbeat_limit([], Duration::ZERO);
        assert!(health.is_live());
        health.beat();
        assert!(!health.is_live());
        assert!(Health::new([]).is_live());
    }
}
