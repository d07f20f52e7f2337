//! A Prometheus with the rules as they are shipped, but for the time that they take.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use stack::fleet::SERVICES;
use tempfile::TempDir;
use testkit::eventually;
use testkit::http::Api;
use tokio::process::{Child, Command};

use super::PATIENCE;
use crate::test_fleet::TestFleet;

/// How much faster.
const FASTER: f64 = 10.0;
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/observability/rules");

/// Prometheus beside a fleet; it ends when this is dropped.
pub(super) struct Prometheus {
    api: Api,
    _child: Child,
    _directory: TempDir,
}

impl Prometheus {
    pub(super) async fn start(fleet: &TestFleet, exporter: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        write_rules(directory.path());
        write_configuration(directory.path(), fleet, exporter, port);
        let program = std::env::var_os("PROMETHEUS").map_or("prometheus".into(), PathBuf::from);
        let child = Command::new(&program)
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{} cannot be run ({error}), and the alerts are tried with it: run \
                     tools/prerequisites prometheus, install Prometheus, or set PROMETHEUS",
                    program.display()
                )
            });
        let api = Api::new(format!("http://127.0.0.1:{port}"));
        eventually("Prometheus listens", PATIENCE, async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop)
        })
        .await;
        Self { api, _child: child, _directory: directory }
    }

    /// Waits until every service and the exporter have been looked at, and the exporter has seen
    /// everything.
    pub(super) async fn until_it_has_looked(&self) {
        for (query, value) in [("sum(up)", SERVICES.len() + 2), ("sum(farandole_look_success)", 5)]
        {
            eventually(query, PATIENCE, async || {
                let answer = self.api.get(&format!("/api/v1/query?query={query}")).await;
                let answer: Value = serde_json::from_str(&answer.body).ok()?;
                let found = answer["data"]["result"][0]["value"][1].as_str()?;
                (found == value.to_string()).then_some(())
            })
            .await;
        }
    }

    /// The alerts that fire, with the service that each names, if it names one.
    pub(super) async fn firing(&self) -> BTreeSet<(String, String)> {
        let answer = self.api.get("/api/v1/alerts").await.expect(200);
        let alerts = answer["data"]["alerts"].as_array().unwrap();
        let firing = alerts
            .iter()
            .filter(|alert| alert["state"] == "firing" && alert["labels"]["severity"] != "info");
        let text = |alert: &Value, label: &str| {
            alert["labels"][label].as_str().unwrap_or_default().to_owned()
        };
        firing.map(|alert| (text(alert, "alertname"), text(alert, "service"))).collect()
    }
}

fn write_configuration(directory: &Path, fleet: &TestFleet, exporter: SocketAddr, port: u16) {
    let mut jobs = String::new();
    let mut job = |name: &str, target: &str| {
        let _ =
            writeln!(jobs, "- job_name: {name}\n  static_configs: [{{ targets: [\"{target}\"] }}]");
    };
    for service in SERVICES {
        let url = fleet.fleet.url(service);
        job(service, url.trim_start_matches("http://"));
    }
    job("exporter", &exporter.to_string());
    job("prometheus", &format!("127.0.0.1:{port}"));
    let text = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
         rule_files: [\"rules/*.yml\"]\nscrape_configs:\n{jobs}"
    );
    fs::write(directory.join("prometheus.yml"), text).unwrap();
}

fn write_rules(directory: &Path) {
    let rules = directory.join("rules");
    fs::create_dir(&rules).unwrap();
    for entry in fs::read_dir(RULES).unwrap().map(Result::unwrap) {
        if entry.path().extension().is_some_and(|it| it == "yml") {
            let text = fs::read_to_string(entry.path()).unwrap();
            let text: String = text.lines().map(|line| faster(line) + "\n").collect();
            fs::write(rules.join(entry.file_name()), text).unwrap();
        }
    }
}

/// A line of a rule that takes a tenth of the time: how long something is so, how far back is looked, and
/// how many seconds are too many.
fn faster(line: &str) -> String {
    let is_threshold = line.contains("_seconds:max");
    let mut text = String::new();
    let (mut rest, mut depth) = (line, 0_i32);
    while let Some(first) = rest.chars().next() {
        depth += i32::from(first == '[') - i32::from(first == ']');
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 || text.ends_with(|c: char| c.is_ascii_alphanumeric() || "_.".contains(c)) {
            text.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().unwrap();
        let unit = after.chars().next().and_then(|unit| {
            [('s', 1.0), ('m', 60.0), ('h', 3_600.0), ('d', 86_400.0), ('w', 604_800.0)]
                .into_iter()
                .find_map(|(it, seconds)| (it == unit).then_some(seconds))
        });
        let is_time = depth > 0 || text.ends_with("for: ") || text.ends_with("offset ");
        let is_age = text.ends_with("process_start_time_seconds < ") || is_threshold;
        match unit {
            Some(seconds) if is_time => {
                let _ = write!(text, "{}s", (number * seconds / FASTER).ceil());
                rest = &after[1..];
            }
            None if is_age && text.ends_with(|c| " (".contains(c)) => {
                let _ = write!(text, "{}", number / FASTER);
                rest = after;
            }
            _ => {
                text.push_str(&rest[..digits]);
                rest = after;
            }
        }
    }
    text
}

#[test]
fn a_faster_rule_takes_a_tenth_of_the_time() {
    for (line, expected) in [
        ("for: 5m", "for: 30s"),
        ("increase(x_total[15m] offset 1w) > 5", "increase(x_total[90s] offset 60480s) > 5"),
        ("quantile_over_time(0.75, y[7d:1h])", "quantile_over_time(0.75, y[60480s:360s])"),
        (
            r#"- { record: "a:lag_seconds:max", expr: 60 }"#,
            r#"- { record: "a:lag_seconds:max", expr: 6 }"#,
        ),
        (
            "(time() - process_start_time_seconds < 900)",
            "(time() - process_start_time_seconds < 90)",
        ),
        ("farandole:dead:increase15m > 20", "farandole:dead:increase15m > 20"),
    ] {
        assert_eq!(faster(line), expected);
    }
}
