//! Who may depend on whom.

use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// A package of the workspace, or a dependency of one, by its place: `services/order`, or `serde`
/// for what is not ours.
type Place = String;

/// `from` depends on `on`.
#[derive(Debug, Clone)]
struct Arrow {
    from: Place,
    on: Place,
    /// Only in tests.
    dev: bool,
}

fn arrow(from: &str, on: &str) -> Arrow {
    Arrow { from: from.to_owned(), on: on.to_owned(), dev: false }
}

fn arrows() -> Vec<Arrow> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let root = metadata.workspace_root.as_std_path();
    let place = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    let mut arrows = Vec::new();
    for package in &metadata.packages {
        let from = place(package.manifest_path.parent().unwrap().as_std_path());
        arrows.extend(package.dependencies.iter().map(|dependency| {
            let ours = dependency.path.as_ref().map(|path| place(path.as_std_path()));
            Arrow {
                from: from.clone(),
                on: ours.unwrap_or_else(|| dependency.name.clone()),
                dev: dependency.kind == DependencyKind::Development,
            }
        }));
    }
    arrows
}

/// The libraries, lowest first: each may depend on those before it.
const LAYERS: [&str; 6] = [
    "shared/kernel",
    "shared/contracts",
    "shared/meter",
    "shared/kafka",
    "shared/messaging",
    "shared/runtime",
];
const TESTKIT: &str = "shared/testkit";

/// Arrows between our own packages that point the wrong way.
fn wrong_ways(arrows: &[Arrow]) -> Vec<String> {
    let ours = |place: &str| place.contains('/');
    let wrong = |Arrow { from, on, dev }: &&Arrow| {
        let layer = |place: &str| LAYERS.iter().position(|layer| *layer == place);
        let allowed = match from.split_once('/') {
            _ if *dev && on == TESTKIT => true,
            Some(("services", _)) => layer(on).is_some(),
            Some(("shared", "testkit")) => layer(on).is_some() || on == "tools/stack",
            Some(("shared", _)) => layer(on) < layer(from) && layer(on).is_some(),
            Some(("tools", _)) => layer(on).is_some() || on.starts_with("tools/"),
            // The tests of what spans services need all of it.
            _ => true,
        };
        ours(on) && !allowed
    };
    arrows.iter().filter(wrong).map(|Arrow { from, on, .. }| format!("{from} → {on}")).collect()
}

/// What speaks to Kafka and the registry, with the packages that may name it. Messaging needs the
/// types of a consumer that belongs to a group.
const CLIENTS: [(&str, &[&str]); 2] = [
    ("rdkafka", &["shared/kafka", "shared/messaging", "shared/testkit"]),
    ("schema_registry_converter", &["shared/kafka"]),
];

/// Packages that name such a client and may not.
fn clients_elsewhere(arrows: &[Arrow]) -> Vec<String> {
    let elsewhere = |it: &&Arrow| {
        let client = CLIENTS.iter().find(|(client, _)| it.on.starts_with(client));
        client.is_some_and(|(_, may)| !may.contains(&it.from.as_str()))
    };
    let elsewhere = arrows.iter().filter(elsewhere);
    elsewhere.map(|Arrow { from, on, .. }| format!("{from} → {on}")).collect()
}

/// What does I/O, and so has no place in the pure layers.
const IMPURE: [&str; 9] =
    ["axum", "hyper", "metrics", "opentelemetry", "reqwest", "sqlx", "tokio", "tower", "tracing"];

/// What must hold whatever happens, in a model checker. It runs the pure parts of crates that do
/// more than that; itself it does no I/O, and so names nothing that does.
const MODEL: &str = "tests/model";

/// What is held against declarations, wherever they come from, and whoever has read the topics.
const GRAPH: &str = "tools/graph";

/// Whose move it is, which the model checks.
const CHOREOGRAPHY: &str = "tools/choreography";

/// Dependencies of kernel, contracts, the graph, the choreography and the model that are not pure.
fn impurities(arrows: &[Arrow]) -> Vec<String> {
    let impure =
        |on: &str| IMPURE.iter().any(|name| on == *name || on.starts_with(&format!("{name}-")));
    let is_pure =
        |place: &str| LAYERS[..2].contains(&place) || [MODEL, GRAPH, CHOREOGRAPHY].contains(&place);
    arrows
        .iter()
        .filter(|it| is_pure(&it.from))
        .filter(|it| impure(&it.on))
        .map(|Arrow { from, on, .. }| format!("{from} → {on}"))
        .collect()
}

#[test]
fn every_arrow_points_the_right_way() {
    let arrows = arrows();
    assert!(arrows.iter().any(|it| it.from == "services/order" && it.on == "shared/runtime"));
    assert_eq!(wrong_ways(&arrows), [""; 0]);
}

#[test]
fn an_arrow_that_points_the_wrong_way_is_seen() {
    for (from, on) in [
        ("services/order", "services/payment"),
        ("services/order", "tools/stack"),
        ("services/order", TESTKIT),
        ("shared/kernel", "shared/contracts"),
        ("shared/contracts", "shared/kafka"),
        ("shared/kafka", "shared/messaging"),
        ("shared/messaging", "shared/runtime"),
        ("shared/runtime", TESTKIT),
        ("shared/runtime", "services/order"),
        (TESTKIT, "services/order"),
        ("tools/stack", "services/order"),
        ("tools/stack", MODEL),
        ("services/order", MODEL),
    ] {
        let mut arrows = arrows();
        arrows.push(arrow(from, on));
        assert_eq!(wrong_ways(&arrows), [format!("{from} → {on}")]);
    }
    let in_tests = Arrow { dev: true, ..arrow("services/order", "services/payment") };
    assert_eq!(wrong_ways(&[in_tests]).len(), 1, "not even tests couple services");
}

#[test]
fn only_kafka_and_messaging_name_the_clients() {
    assert_eq!(clients_elsewhere(&arrows()), [""; 0]);
    let planted = [
        arrow("shared/runtime", "rdkafka"),
        arrow("services/order", "rdkafka-sys"),
        arrow("shared/messaging", "schema_registry_converter"),
    ];
    assert_eq!(clients_elsewhere(&planted).len(), planted.len());
}

#[test]
fn kernel_contracts_and_the_model_are_pure() {
    let arrows = arrows();
    assert!(arrows.iter().any(|it| it.from == MODEL && it.on == "services/order"));
    assert_eq!(impurities(&arrows), [""; 0]);
    let planted = [
        arrow("shared/kernel", "tokio"),
        arrow("shared/contracts", "sqlx"),
        arrow("shared/contracts", "tokio-util"),
        arrow(MODEL, "reqwest"),
    ];
    assert_eq!(impurities(&planted).len(), planted.len());
}
