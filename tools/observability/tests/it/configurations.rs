//! The configurations that ship.

use crate::files::root;
use crate::tools::{amtool, promtool, said};

#[test]
fn prometheus_takes_its_configurations_and_the_rules_that_they_load() {
    for file in ["prometheus.yml", "native.yml"] {
        let output = promtool(&root().join("deploy/observability"), &["check", "config", file]);
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("rules/objectives.yml"), "{file} loads the rules: {said}");
    }
}

#[test]
fn alertmanager_takes_its_configuration() {
    let directory = root().join("deploy/observability");
    let output = amtool(&directory, &["check-config", "alertmanager.yml"]);
    assert!(output.status.success(), "{}", said(&output));
}

/// Where an alert goes: to a person, to the list of the week, or to what watches the watchers.
#[test]
fn alerts_are_routed_by_severity() {
    for (labels, receiver) in [
        ("alertname=ServiceGone severity=page service=payment", "page"),
        ("alertname=DeadLetters severity=ticket service=payment", "ticket"),
        ("alertname=Watchdog severity=info", "dead-mans-switch"),
        ("alertname=Other severity=info", "nobody"),
    ] {
        let mut arguments = vec!["config", "routes", "test", "--config.file=alertmanager.yml"];
        arguments.extend(labels.split(' '));
        let output = amtool(&root().join("deploy/observability"), &arguments);
        let routed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(routed.trim(), receiver, "{labels}: {}", said(&output));
    }
}
