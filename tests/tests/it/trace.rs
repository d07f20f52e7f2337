//! One order is one trace, and no log knows who ordered.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use kafka::ReadEvent;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message as _;
use serde_json::json;
use stack::fleet::SERVICES;
use testkit::http::order;
use testkit::{Sandbox, eventually};
use tokio::net::TcpListener;

use crate::test_fleet::{PATIENCE, TestFleet, fresh};

/// A span that a service sent; ids in hexadecimal.
#[derive(Debug, Clone)]
struct Span {
    service: String,
    name: String,
    trace: String,
    id: String,
    parent: String,
    attributes: HashMap<String, String>,
}

/// Takes what services send to a collector.
#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// Starts it, and returns where to send traces.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(collect)).with_state(self.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        endpoint
    }

    /// The spans of a trace so far, by id.
    fn trace(&self, trace: &str) -> HashMap<String, Span> {
        let spans = self.0.lock().unwrap();
        let of_trace = spans.iter().filter(|span| span.trace == trace);
        of_trace.map(|span| (span.id.clone(), span.clone())).collect()
    }
}

async fn collect(State(collector): State<Collector>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    collector.0.lock().unwrap().extend(request.resource_spans.iter().flat_map(spans));
}

fn spans(of_service: &ResourceSpans) -> Vec<Span> {
    let attributes = of_service.resource.iter().flat_map(|resource| &resource.attributes);
    let name = attributes
        .filter(|attribute| attribute.key == "service.name")
        .find_map(|attribute| attribute.value.as_ref()?.value.clone());
    let Some(Attribute::StringValue(service)) = name else { panic!("spans of nobody") };
    let spans = of_service.scope_spans.iter().flat_map(|scope| &scope.spans);
    spans
        .map(|span| Span {
            service: service.clone(),
            name: span.name.clone(),
            trace: hexadecimal(&span.trace_id),
            id: hexadecimal(&span.span_id),
            parent: hexadecimal(&span.parent_span_id),
            attributes: span.attributes.iter().filter_map(text).collect(),
        })
        .collect()
}

fn text(attribute: &KeyValue) -> Option<(String, String)> {
    match attribute.value.as_ref()?.value.as_ref()? {
        Attribute::StringValue(value) => Some((attribute.key.clone(), value.clone())),
        _ => None,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[tokio::test]
async fn an_order_is_one_trace_and_its_recipient_is_in_no_log() {
    let collector = Collector::default();
    let endpoint = collector.start().await;
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        // Logs that tell as much as they can must keep this secret, too.
        ("RUST_LOG", "debug"),
    ];
    let fleet = TestFleet::start(Sandbox::new(), &environment).await;
    let secrets =
        [("name", "Zenobia Quux"), ("email", "zq@secret.example"), ("street", "9 Xyzzy Row")];
    let sku = fresh("traced");
    let mut body = order(&sku, 1);
    for (field, secret) in secrets {
        body["recipient"][field] = json!(secret);
    }
    fleet.sell(&sku, 10).await;
    let id = fleet.place(&sku, &body).await;
    let events = eventually("the customer is told of both", PATIENCE, async || {
        let events = fleet.events_of(id).await;
        let told = events.iter().filter(|it| it.envelope.event_type == "CustomerNotified").count();
        (told == 2).then_some(events)
    })
    .await;

    let places: Vec<(&str, String, String)> = events
        .iter()
        .map(|event| {
            let traceparent = event.envelope.traceparent.as_deref().unwrap();
            let fields: Vec<&str> = traceparent.split('-').collect();
            (event.envelope.event_type.as_str(), fields[1].to_owned(), fields[2].to_owned())
        })
        .collect();
    let traces: BTreeSet<&String> = places.iter().map(|(_, trace, _)| trace).collect();
    let [trace] = Vec::from_iter(traces)[..] else { panic!("several traces: {places:?}") };
    for (event_type, _, span) in &places {
        eventually(&format!("{event_type} leads back to the request"), PATIENCE, async || {
            leads_to_request(&collector.trace(trace), span).then_some(())
        })
        .await;
    }
    let services: BTreeSet<String> =
        collector.trace(trace).into_values().map(|span| span.service).collect();
    assert_eq!(services.len(), SERVICES.len(), "{services:?}");

    follow_the_conventions(&collector, trace, &events).await;

    for (service, part) in fleet.fleet.services() {
        let log = fs::read_to_string(part.log().unwrap()).unwrap();
        assert!(log.contains(r#""level":"DEBUG""#), "{service} keeps its log to itself");
        for (field, secret) in secrets {
            let line = log.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{service} logs the {field}: {}", line.unwrap_or_default());
        }
        names_its_fields_as_all_do(service, &log);
        tells_of_each_event(service, &log, &events);
    }
}

/// Each event was sent and, by who reads it, processed, under the names that OpenTelemetry has for that.
///
/// The span of a send is not the one that the event names, and each service sends its spans when it likes: what an
/// event leads back to may have arrived before.
async fn follow_the_conventions(collector: &Collector, trace: &str, events: &[ReadEvent]) {
    for event in events {
        let sent = span_of(collector, trace, event, "send").await;
        let topic = &sent.attributes["messaging.destination.name"];
        assert_eq!(sent.name, format!("send {topic}"));
        assert_eq!(sent.attributes["messaging.system"], "kafka");
        assert_eq!(sent.attributes["cloudevents.event_type"], event.envelope.event_type);
        let declared = declarations::fleet().services().iter();
        let mut readers = declared.flat_map(|it| &it.consumes);
        if readers.any(|it| it.event == event.envelope.event_type) {
            let processed = span_of(collector, trace, event, "process").await;
            assert_eq!(processed.name, format!("process {topic}"));
            assert!(processed.attributes.contains_key("messaging.consumer.group.name"));
        }
    }
}

/// The span of what was done with an event; waits until its service has sent it.
async fn span_of(collector: &Collector, trace: &str, event: &ReadEvent, operation: &str) -> Span {
    let id = event.envelope.id.to_string();
    let what = format!("{} has a span of its {operation}", event.envelope.event_type);
    eventually(&what, PATIENCE, async || {
        collector.trace(trace).into_values().find(|span| {
            let is =
                |name: &str, value: &str| span.attributes.get(name).is_some_and(|it| it == value);
            is("messaging.message.id", &id) && is("messaging.operation.name", operation)
        })
    })
    .await
}

/// The names of fields in log lines of ours: one name for one thing.
const FIELDS: &[&str] = &[
    // Of every line, and of the request that it belongs to.
    "timestamp",
    "level",
    "message",
    "target",
    "span",
    // docs/operations.md has the most frequent.
    "address",
    "attempt",
    "attempts",
    "before",
    "bundle_id",
    "bundles",
    "bytes",
    "causation_id",
    "circuit",
    "code",
    "connections",
    "consumer",
    "correlation_id",
    "end",
    "error",
    "event_id",
    "events",
    "key",
    "kind",
    "locks",
    "number",
    "offset",
    "operation",
    "orders",
    "others",
    "part",
    "partition",
    "partitions",
    "place",
    "producer",
    "reason",
    "records",
    "refused",
    "saga",
    "sequence",
    "signal",
    "source",
    "state",
    "step",
    "subject",
    "topic",
    "type",
    "version",
    "what",
];

fn names_its_fields_as_all_do(service: &str, log: &str) {
    let ours = |line: &serde_json::Map<String, serde_json::Value>| {
        let target = line["target"].as_str().unwrap_or_default();
        target == "events"
            || target.starts_with("farandole")
            || SERVICES.contains(&target.split("::").next().unwrap_or_default())
    };
    let mut unknown = BTreeSet::new();
    for line in log.lines() {
        let line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        if ours(&line) {
            unknown.extend(
                line.into_iter()
                    .map(|(name, _)| name)
                    .filter(|name| !FIELDS.contains(&name.as_str())),
            );
        }
    }
    assert!(unknown.is_empty(), "{service} logs {unknown:?}: is there a name for these?");
}

/// At a level of their own, events that are published and consumed are told of with all it takes to find them.
fn tells_of_each_event(service: &str, log: &str, events: &[ReadEvent]) {
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["target"] == "events")
        .collect();
    let consumes = &declarations::fleet().service(service).unwrap().consumes;
    for event in events {
        let envelope = &event.envelope;
        let line = |message: &str, who: &str| {
            lines.iter().any(|line| {
                line["message"] == message
                    && line["event_id"] == envelope.id.to_string()
                    && line["type"] == envelope.event_type
                    && line["correlation_id"] == envelope.correlation_id
                    && line["saga"] == envelope.saga.to_string()
                    && line[who] == service
            })
        };
        if envelope.source == format!("/{service}") {
            assert!(line("published", "producer"), "{service} does not tell of {envelope:?}");
        }
        if consumes.iter().any(|it| it.event == envelope.event_type) {
            assert!(line("consumed", "consumer"), "{service} does not tell of {envelope:?}");
        }
    }
}

/// Whether the parents of a span go back to the POST without a gap.
fn leads_to_request(spans: &HashMap<String, Span>, span: &str) -> bool {
    let mut at = spans.get(span);
    for _ in 0..spans.len() {
        match at {
            Some(span) if span.parent.is_empty() => return span.name == "POST /orders",
            Some(span) => at = spans.get(&span.parent),
            None => return false,
        }
    }
    false
}
