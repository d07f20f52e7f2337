//! `AsyncAPI` documents: one per service, which says what that application sends and receives, and one
//! of the whole fleet.

mod messages;
mod operations;

use contracts::{COMPATIBILITY, Topics};
use serde_json::json;

use crate::model::{Catalogue, Event, Service};
use crate::phrase;
use crate::wire::{Holding, TOPIC_DEFAULTS, Topic, topics};
use crate::yaml::Yaml;

/// The version of the Kafka bindings.
const BINDINGS: &str = "0.5.0";
/// How the schema formats are named.
const AVRO: &str = "application/vnd.apache.avro+json;version=1.9.0";

const HEAD: &str = "# Made by make docs from what the services declare.\n";

/// The document of one service.
pub(crate) fn application(catalogue: &Catalogue, service: &Service) -> String {
    let others = |topic: &Topic| match &topic.holding {
        Holding::Events(of) => {
            *of == service.name || service.reads.iter().any(|read| read.from == *of)
        }
        Holding::DeadLetters(of) => *of == service.name,
        Holding::Operations => true,
    };
    let topics: Vec<Topic> = topics(catalogue).into_iter().filter(others).collect();
    let title = format!("{}, a service of Farandole", service.name);
    let about = format!(
        "{} What it says, what it reads of others and which fields of it, and what that may lead to.",
        phrase::service(service)
    );
    document(catalogue, &title, &about, &topics, &[service])
}

/// The document of the whole fleet, with a tag per service.
pub(crate) fn fleet(catalogue: &Catalogue) -> String {
    let about = "All that the services say to each other, with a tag per service. What each of them \
                 sends and receives is in its own document beside this one, too.";
    let services: Vec<&Service> = catalogue.services.iter().collect();
    document(catalogue, "Farandole, the whole fleet", about, &topics(catalogue), &services)
}

fn document(
    catalogue: &Catalogue,
    title: &str,
    about: &str,
    topics: &[Topic],
    services: &[&Service],
) -> String {
    let events: Vec<&Event> = events_on(catalogue, topics);
    let tags = services.iter().map(|it| tag(&it.name, &phrase::service(it)));
    let document = Yaml::map([
        ("asyncapi", "3.1.0".into()),
        (
            "id",
            format!("urn:farandole:{}", if let [one] = services { &one.name } else { "fleet" })
                .into(),
        ),
        (
            "info",
            Yaml::map([
                ("title", title.into()),
                ("version", env!("CARGO_PKG_VERSION").into()),
                ("description", about.into()),
                ("license", Yaml::map([("name", "Apache-2.0 OR MIT".into())])),
                ("tags", Yaml::List(tags.collect())),
            ]),
        ),
        ("defaultContentType", "application/avro".into()),
        ("servers", servers()),
        ("channels", Yaml::map(topics.iter().map(|it| (it.name.clone(), channel(catalogue, it))))),
        ("operations", Yaml::map(operations::of(services, &events))),
        ("components", Yaml::map([("messages", messages::components(topics, &events))])),
    ]);
    HEAD.to_owned() + &document.text()
}

/// The events on these topics.
fn events_on<'a>(catalogue: &'a Catalogue, topics: &[Topic]) -> Vec<&'a Event> {
    let on = |event: &&Event| {
        topics.iter().any(|it| it.holding == Holding::Events(event.service.clone()))
    };
    catalogue.events.iter().filter(on).collect()
}

fn tag(name: &str, about: &str) -> Yaml {
    Yaml::map([("name", name.into()), ("description", about.into())])
}

fn servers() -> Yaml {
    let variable = |default: &str, about: &str| {
        Yaml::map([("default", Yaml::from(default)), ("description", about.into())])
    };
    let bindings = Yaml::map([
        ("schemaRegistryUrl", "http://registry:8080/apis/ccompat/v7".into()),
        ("schemaRegistryVendor", "confluent".into()),
        ("bindingVersion", BINDINGS.into()),
    ]);
    let brokers = Yaml::map([
        ("host", "{brokers}".into()),
        ("protocol", "kafka".into()),
        ("description", "The brokers, and the schema registry beside them.".into()),
        ("variables", Yaml::map([("brokers", variable("kafka:9092", "What KAFKA_BROKERS says."))])),
        ("bindings", Yaml::map([("kafka", bindings)])),
    ]);
    Yaml::map([("brokers", brokers)])
}

fn channel(catalogue: &Catalogue, topic: &Topic) -> Yaml {
    let mut members = vec![
        ("address", Yaml::from(&topic.name)),
        ("description", Yaml::from(&topic.about)),
        ("servers", Yaml::List(vec![Yaml::reference("#/servers/brokers")])),
        ("messages", messages::of_topic(catalogue, topic)),
        ("bindings", Yaml::map([("kafka", kafka_topic(topic))])),
    ];
    if let Holding::Events(service) = &topic.holding {
        members.push(("x-compatibility", COMPATIBILITY.into()));
        if let Some(service) = catalogue.service(service) {
            members.push(("x-owner", Yaml::from(&service.owner)));
        }
    }
    Yaml::map(members)
}

fn kafka_topic(topic: &Topic) -> Yaml {
    let retention_ms =
        topic.retention.map_or(-1, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX));
    let configuration = Yaml::map([
        ("cleanup.policy", json!(["delete"]).into()),
        ("retention.ms", json!(retention_ms).into()),
    ]);
    Yaml::map([
        ("topic", Yaml::from(&topic.name)),
        ("partitions", json!(topic.partitions).into()),
        ("replicas", json!(TOPIC_DEFAULTS.replication).into()),
        ("topicConfiguration", configuration),
        ("bindingVersion", BINDINGS.into()),
    ])
}

/// The consumer group of a service.
fn group(service: &str) -> String {
    Topics::default().group(service)
}
