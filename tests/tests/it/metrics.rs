//! What a fleet tells by numbers is what docs/metrics.md lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Stdio;

use contracts::{DeclaredMetric, MetricKind};
use declarations::fleet;
use serde_json::json;
use stack::fleet::SERVICES;
use testkit::http::Api;
use testkit::raw::{RawRecord, publish};
use testkit::{Sandbox, eventually};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use uuid::Uuid;

use crate::test_fleet::{PATIENCE, TestFleet, shared};

/// A page of metrics: by name the kind, and the series with their labels.
#[derive(Debug, Default)]
pub(crate) struct Page {
    kinds: BTreeMap<String, String>,
    series: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Page {
    pub(crate) async fn of(api: &Api) -> Self {
        Self::parse(&api.get("/metrics").await.body)
    }

    fn parse(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                page.kinds.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| {
                    let (name, value) = label.split_once("=\"")?;
                    Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
                });
                page.series.push((name.to_owned(), labels.collect(), value.parse().unwrap()));
            }
        }
        page
    }

    /// The value of the one series with these labels.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |all: &BTreeMap<String, String>| {
            labels.iter().all(|(name, value)| all.get(*name).is_some_and(|it| it == value))
        };
        let mut found = self.series.iter().filter(|(it, all, _)| it == name && fits(all));
        found.next().map(|(_, _, value)| *value)
    }

    /// In what the page differs from the list.
    pub(crate) fn differences(&self, listed: &[DeclaredMetric]) -> Vec<String> {
        let mut wrong = Vec::new();
        let ours = self.kinds.iter().filter(|(name, _)| name.starts_with("farandole_"));
        for (name, kind) in ours {
            let Some(metric) = listed.iter().find(|metric| metric.name == *name) else {
                wrong.push(format!("{name} is told and not listed"));
                continue;
            };
            let told = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Histogram => "histogram",
            };
            if kind != told {
                wrong.push(format!("{name} is told as a {kind}"));
            }
        }
        for (name, labels, _) in
            self.series.iter().filter(|(name, ..)| name.starts_with("farandole_"))
        {
            let of_histogram =
                ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it));
            let metric = listed
                .iter()
                .find(|it| it.name == *name || of_histogram.is_some_and(|of| of == it.name));
            let Some(metric) = metric else { continue };
            let wanted: BTreeSet<&str> = metric.labels.iter().map(|it| it.name.as_str()).collect();
            let has: BTreeSet<&str> =
                labels.keys().map(String::as_str).filter(|it| *it != "le").collect();
            if wanted != has {
                wrong.push(format!("{name} has the labels {has:?}, and is listed with {wanted:?}"));
            }
        }
        wrong
    }
}

/// Prometheus' own tool has nothing to say against names, units and helps.
pub(crate) async fn is_well_formed(who: &str, api: &Api) {
    let page = api.get("/metrics").await.body;
    let promtool = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    let mut check = Command::new(promtool);
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut check = check.stderr(Stdio::piped()).spawn().expect("tools/prerequisites prometheus");
    let mut stdin = check.stdin.take().unwrap();
    stdin.write_all(page.as_bytes()).await.unwrap();
    drop(stdin);
    let output = check.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{who}: {said}");
}

fn listed(service: &str) -> Vec<DeclaredMetric> {
    let all = runtime::telemetry::instruments();
    let own = fleet().service(service).unwrap().metrics.iter().cloned();
    all.iter().map(DeclaredMetric::from).chain(own).collect()
}

#[tokio::test]
async fn what_services_tell_is_what_is_listed_and_there_from_the_start() {
    let fleet_of_all = shared().await;
    for service in SERVICES {
        let listed = listed(service);
        let page = Page::of(&fleet_of_all.api(service)).await;
        assert_eq!(page.differences(&listed), [""; 0], "{service}");
        let open = |metric: &&DeclaredMetric| metric.labels.iter().any(|label| label.is_open);
        let declared = fleet().service(service).unwrap();
        let calls = declared.statuses.iter().any(|status| !status.calls.is_empty());
        for metric in listed.iter().filter(|metric| !open(metric)) {
            let of_calls = metric.labels.iter().any(|label| label.name == "step");
            assert!(
                page.kinds.contains_key(&metric.name) || of_calls && !calls,
                "{service} does not tell {}",
                metric.name
            );
        }
        // What has not happened yet is there, with 0: the first dead letter is a change.
        let topic = fleet_of_all.sandbox.topics.events(&declared.consumes[0].from);
        let letters = page.value("farandole_dead_letters_total", &[("topic", &topic)]);
        assert!(letters.is_some(), "{service}");
        assert_eq!(page.value("farandole_ready", &[("part", "all")]), Some(1.0), "{service}");
        is_well_formed(service, &fleet_of_all.api(service)).await;
        assert!(page.value("farandole_clock_offset_seconds", &[]).unwrap().abs() < 1.0);
    }
}

/// The labels that Prometheus and the rules add, or that are those of a histogram.
const OTHER_LABELS: [&str; 5] = ["job", "instance", "le", "__name__", "alertname"];

#[test]
fn rules_and_dashboards_ask_for_what_there_is() {
    let all = runtime::telemetry::instruments();
    let outside = cli::instruments::instruments();
    let console = projection::instruments::instruments();
    let shared = all.iter().chain(&outside).chain(&console).map(DeclaredMetric::from);
    let own = fleet().services().iter().flat_map(|service| service.metrics.iter().cloned());
    let listed: Vec<DeclaredMetric> = shared.chain(own).collect();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/observability");
    let (mut asked, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for part in ["rules", "grafana/dashboards"] {
        for entry in fs::read_dir(directory.join(part)).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.extension().is_some_and(|it| it == "yml" || it == "json") {
                let text = fs::read_to_string(&path).unwrap().replace("\\\"", "\"");
                for found in text.match_indices("farandole_").map(|(at, _)| &text[at..]) {
                    let (name, selector) = selector(found);
                    wrong.extend(wrongs(name, selector, &listed, &mut asked));
                }
            }
        }
    }
    assert_eq!(wrong, BTreeSet::new());
    let unused: Vec<&str> =
        listed.iter().map(|it| it.name.as_str()).filter(|it| !asked.contains(*it)).collect();
    assert_eq!(unused, UNUSED, "each metric is watched or shown, or said not to be");
}

/// What neither a rule nor a dashboard asks for: for who looks closer.
const UNUSED: [&str; 5] = [
    "farandole_events_ignored_total",
    "farandole_look_duration_seconds",
    "farandole_console_unread_records",
    "farandole_console_forgotten_records",
    "farandole_place_batch_size",
];

/// A metric's name at the beginning of a text, and what it is to be like.
fn selector(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    (name, inside.map_or("", |(inside, _)| inside))
}

/// What is wrong with such a question; takes note of the metric.
fn wrongs(
    name: &str,
    selector: &str,
    listed: &[DeclaredMetric],
    asked: &mut BTreeSet<String>,
) -> Vec<String> {
    let whole = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
    let metric = listed.iter().find(|it| it.name == name || whole == Some(&it.name));
    let Some(metric) = metric else { return vec![format!("there is no {name}")] };
    asked.insert(metric.name.clone());
    let mut wrong = Vec::new();
    for matcher in selector.split(", ").flat_map(|it| it.split("\",")).filter(|it| !it.is_empty()) {
        let end = matcher.find(['=', '!']).unwrap_or(matcher.len());
        let (label, value) = matcher.split_at(end);
        let (label, value) = (label.trim(), value.trim_start_matches(['=', '~', '!']));
        if OTHER_LABELS.contains(&label) {
            continue;
        }
        let Some(known) = metric.labels.iter().find(|it| it.name == label) else {
            wrong.push(format!("{name} has no label {label:?}"));
            continue;
        };
        let values: Vec<&str> = known.values.split(", ").collect();
        let is_closed = !known.is_open && !known.values.starts_with("the ");
        let is_plain =
            |it: &&str| it.chars().all(|c| c.is_ascii_alphanumeric() || "_- ".contains(c));
        for value in value.trim_matches(['"', '\'']).split('|').filter(is_plain) {
            if is_closed && !values.contains(&value) {
                wrong.push(format!("{name}: {label} is never {value:?}"));
            }
        }
    }
    wrong
}

#[test]
fn a_question_for_what_is_not_there_is_noticed() {
    let listed = listed("order");
    let wrong = |text: &str| {
        let (name, selector) = selector(text);
        wrongs(name, selector, &listed, &mut BTreeSet::new()).len()
    };
    for (text, expected) in [
        ("farandole_gaps{verdict=\"lost\"} > 0", 0),
        ("farandole_gaps{job=\"order\", verdict=~\"lost|dead\"}", 0),
        ("farandole_event_delay_seconds_bucket{le=\"1\"}", 0),
        ("farandole_gap{verdict=\"lost\"}", 1),
        ("farandole_gaps{verdict=\"lots\"}", 1),
        ("farandole_gaps{outcome=\"lost\"}", 1),
    ] {
        assert_eq!(wrong(text), expected, "{text}");
    }
}

#[tokio::test]
async fn from_outside_it_is_seen_what_a_service_that_hangs_cannot_tell() {
    let fleet_of_all = TestFleet::start(Sandbox::new(), &[]).await;
    let exporter = Exporter::start(&fleet_of_all).await;
    let of = |service: &'static str| [("service", service)];
    let until = async |what: &str, name: &str, labels: &[(&str, &str)], expected: f64| {
        eventually(what, PATIENCE, async || {
            let value = exporter.page().await.value(name, labels)?;
            (value.to_bits() == expected.to_bits()).then_some(())
        })
        .await;
    };
    until("all is looked at", "farandole_look_success", &[("look", "dance")], 1.0).await;
    let listed: Vec<DeclaredMetric> =
        cli::instruments::instruments().iter().map(DeclaredMetric::from).collect();
    let page = exporter.page().await;
    assert_eq!(page.differences(&listed), [""; 0]);
    for metric in &listed {
        assert!(page.kinds.contains_key(&metric.name), "{} is not told", metric.name);
    }
    is_well_formed("exporter", &exporter.api).await;
    // The one order that was completed while the fleet was started is counted once, whatever else was.
    let order = Page::of(&fleet_of_all.api("order")).await;
    let counted = |name, labels: &[(&str, &str)]| order.value(name, labels).unwrap();
    let completed = [("outcome", "completed")];
    assert_eq!(counted("farandole_orders_total", &completed).to_bits(), 1_f64.to_bits());
    let durations = counted("farandole_order_duration_seconds_count", &completed);
    assert_eq!(durations.to_bits(), 1_f64.to_bits());
    assert!(counted("farandole_order_confirmation_seconds_count", &[]) >= 1.0);
    assert!(counted("farandole_orders_placed_total", &[]) >= 1.0);
    let payment = Page::of(&fleet_of_all.api("payment")).await;
    let charged = [("outcome", "charged")];
    assert!(payment.value("farandole_payments_total", &charged).unwrap() >= 1.0);
    assert!(payment.value("farandole_payments_minor_total", &charged).unwrap() >= 250.0);
    until("shipping is a member", "farandole_group_members", &of("shipping"), 1.0).await;
    until("nothing is violated", "farandole_audit_violations", &[], 0.0).await;

    let shipping = fleet_of_all.fleet.service("shipping");
    shipping.pause();
    fleet_of_all.place("unshipped", &testkit::http::order("rehearsal", 1)).await;
    until("shipping is silent", "farandole_service_answers", &of("shipping"), 0.0).await;
    eventually("its group falls behind", PATIENCE, async || {
        let lag = exporter.page().await.value("farandole_group_lag_seconds", &of("shipping"))?;
        (lag > 1.0).then_some(())
    })
    .await;
    shipping.resume();
    until("it answers again", "farandole_service_answers", &of("shipping"), 1.0).await;
    until("it has caught up", "farandole_group_lag_records", &of("shipping"), 0.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn what_waits_among_the_dead_letters_and_what_became_of_the_others_is_told() {
    let fleet = TestFleet::start(Sandbox::new(), &[]).await;
    let exporter = Exporter::start(&fleet).await;
    let until = async |what: &str, name: &str, labels: &[(&str, &str)], expected: f64| {
        eventually(what, PATIENCE, async || {
            let value = exporter.page().await.value(name, labels)?;
            (value.to_bits() == expected.to_bits()).then_some(())
        })
        .await;
    };
    let open = "farandole_dead_letters_open_by_type";
    let shipment = [("service", "inventory"), ("type", "ShipmentCreated")];
    until("nothing is open", open, &shipment, 0.0).await;
    for headers in [vec![(b"ce_type".to_vec(), Some(b"ShipmentCreated".to_vec()))], Vec::new()] {
        let poison = RawRecord {
            topic: fleet.sandbox.topics.events("shipping"),
            partition: 0,
            key: Some(Uuid::now_v7().to_string().into_bytes()),
            payload: Some(b"poison".to_vec()),
            headers,
        };
        publish(&fleet.sandbox.stack.kafka_brokers, &poison).await.unwrap();
    }
    until("one names its type", open, &shipment, 1.0).await;
    let other = [("service", "inventory"), ("type", "other")];
    until("one names none", open, &other, 1.0).await;
    let all = [("service", "inventory")];
    until("together they are two", "farandole_dead_letters_open", &all, 2.0).await;

    let with_reason = ["--service", "inventory", "--yes", "--reason", "a test"];
    let (said, code) = fleet.tool(&[["dlq", "redrive"].as_slice(), &with_reason].concat()).await;
    assert_eq!(code, 1, "neither can be processed: {said}");
    let handled = "farandole_dead_letters_handled";
    let became = |became| [("service", "inventory"), ("became", became)];
    until("one was put back, and is dead again", handled, &became("came_back"), 1.0).await;
    fleet.tool_does(&[["dlq", "discard"].as_slice(), &with_reason].concat()).await;
    until("both stay dead", handled, &became("discarded"), 2.0).await;
    until("nothing is open any more", "farandole_dead_letters_open", &all, 0.0).await;
    let discards = [("kind", "discard"), ("state", "ended")];
    until("that was an operation", "farandole_operations_logged", &discards, 1.0).await;
    exporter.stop().await;
}

#[tokio::test]
async fn it_is_told_how_much_stock_is_reserved_and_since_when() {
    let fleet = TestFleet::start(Sandbox::new(), &[("ORDER_DEADLINE_S", "600")]).await;
    let api = fleet.api("inventory");
    let reserved = async |pieces: f64, age_s: RangeInclusive<f64>| {
        eventually(&format!("{pieces} pieces are reserved"), PATIENCE, async || {
            let page = Page::of(&api).await;
            let value = |name| page.value(name, &[]).unwrap();
            let is_so_much = value("farandole_stock_reserved_pieces").to_bits() == pieces.to_bits();
            let is_so_old = age_s.contains(&value("farandole_stock_reserved_age_seconds"));
            (is_so_much && is_so_old).then_some(())
        })
        .await;
    };
    let mut unpaid = testkit::http::order("rehearsal", 3);
    unpaid["payment_method"] = json!("pm_sim_down");
    let first = fleet.place("first", &unpaid).await;
    reserved(3.0, 0.1..=60.0).await;
    let second = fleet.place("second", &unpaid).await;
    reserved(6.0, 10.0..=120.0).await;
    for order in [first, second] {
        fleet.api("order").post(&format!("/orders/{order}/cancel")).await.expect(200);
    }
    reserved(0.0, 0.0..=0.0).await;
}

/// `farandole exporter` beside a fleet.
pub(crate) struct Exporter {
    child: tokio::process::Child,
    api: Api,
    address: SocketAddr,
}

impl Exporter {
    pub(crate) async fn start(to: &TestFleet) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = to.command_with_urls("farandole");
        command
            .args(["exporter", "--every", "1s", "--audit-every", "5s", "--listen"])
            .arg(address.to_string())
            .stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let api = Api::new(format!("http://{address}"));
        let exporter = Self { child, api, address };
        eventually("the exporter listens", PATIENCE, async || {
            tokio::net::TcpStream::connect(address).await.ok().map(drop)
        })
        .await;
        exporter
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    async fn page(&self) -> Page {
        Page::of(&self.api).await
    }

    /// Ends it, as an operator does.
    pub(crate) async fn stop(mut self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap().try_into().unwrap());
        rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().await.unwrap().success());
    }
}
