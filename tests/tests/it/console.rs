//! The console beside a real fleet: its pages say what is so, hold no dead links, and load nothing from
//! elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use declarations::variable;
use serde_json::{Value, json};
use stack::fleet::SERVICES;
use testkit::http::{Answer, Api, order};
use testkit::{Sandbox, eventually, programs};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::test_fleet::{PATIENCE, TestFleet, fresh};

/// The console beside a fleet.
struct Console {
    _child: Child,
    api: Api,
}

impl Console {
    async fn start(to: &TestFleet) -> Self {
        let address: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(programs().join("farandole-console"));
        command
            .args(["--every", "1s", "--fleet", "<b>test", "--listen", &address.to_string()])
            .env("KAFKA_BROKERS", &to.sandbox.stack.kafka_brokers)
            .env("SCHEMA_REGISTRY_URL", &to.sandbox.stack.schema_registry_url)
            .env("TOPIC_PREFIX", &to.sandbox.prefix)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        for service in SERVICES {
            command.env(variable(service, "URL"), to.fleet.url(service));
            command.env(variable(service, "DATABASE_URL"), to.sandbox.database_url(service));
        }
        let console =
            Self { _child: command.spawn().unwrap(), api: Api::new(format!("http://{address}")) };
        eventually("the console listens", PATIENCE, async || {
            tokio::net::TcpStream::connect(address).await.ok().map(drop)
        })
        .await;
        console
    }

    /// A page, which is as each has to be.
    async fn page(&self, path: &str) -> Answer {
        let page = self.api.get(path).await;
        let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        if header("content-type").starts_with("text/html") {
            is_sound(path, &page.body);
        }
        page
    }

    /// A page once it says this.
    async fn until_says(&self, path: &str, words: &str) -> Answer {
        eventually(&format!("{path} says {words}"), PATIENCE, async || {
            let page = self.page(path).await;
            page.body.contains(words).then_some(page)
        })
        .await
    }
}

/// No script, no style in it, nothing from elsewhere, each id once, one headline, and nothing that came
/// from outside as it came.
fn is_sound(path: &str, html: &str) {
    for never in ["<script>", " style=", "=\"http", "url(", "<b>test", " onclick="] {
        assert!(!html.contains(never), "{path} has {never}: {html}");
    }
    let ids: Vec<&str> = attributes(html, " id=\"").collect();
    let once: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), once.len(), "{path} has an id twice: {ids:?}");
    assert_eq!(html.matches("<script").count(), html.matches("<script src=\"/assets/").count());
    assert_eq!(html.matches("<h1").count(), 1, "{path}");
    assert!(html.contains("<html lang=\"en\">") && html.contains("<title>"), "{path}");
    for of in attributes(html, "aria-labelledby=\"") {
        assert!(once.contains(of), "{path} has nothing called {of}");
    }
}

fn attributes<'h>(html: &'h str, before: &'h str) -> impl Iterator<Item = &'h str> {
    html.split(before).skip(1).filter_map(|rest| rest.split('"').next())
}

/// Every page that is linked from the first, from there on.
async fn every_page(console: &Console) -> BTreeSet<String> {
    let mut open = vec!["/".to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let page = console.page(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        if page.headers["content-type"] == "application/json" {
            serde_json::from_str::<Value>(&page.body).unwrap();
        }
        let links = attributes(&page.body, " href=\"").filter(|href| href.starts_with('/'));
        let links = links.filter(|href| !href.starts_with("/assets/"));
        open.extend(links.map(str::to_owned));
    }
    seen
}

#[tokio::test]
async fn the_pages_say_what_is_so() {
    let fleet = TestFleet::start(Sandbox::new(), &[("RETRY_BASE_MS", "50")]).await;
    let console = Console::start(&fleet).await;
    console.until_says("/", "All is well").await;
    let sku = fresh("sku");
    fleet.sell(&sku, 10).await;

    let good = fleet.place(&fresh("good"), &order(&sku, 1)).await;
    assert_eq!(fleet.settled(good).await["status"], "completed");
    let path = format!("/orders/{good}");
    let page = console.until_says(&path, "nobody has anything left to do").await;
    for event in ["OrderPlaced", "StockReserved", "PaymentCharged", "OrderConfirmed"] {
        assert!(page.body.contains(event), "{event}");
    }

    // Whose move it is, and what may follow.
    let mut hanging = order(&sku, 1);
    hanging["payment_method"] = json!("pm_sim_down");
    let hanging = fleet.place(&fresh("hanging"), &hanging).await;
    let path = format!("/orders/{hanging}");
    let page = console.until_says(&path, "its call charge had no answer").await;
    assert!(page.body.contains("payment’s move"), "{}", page.body);
    let expected = page.body.split("class=\"next\"").nth(1).expect("what may come next is drawn");
    assert!(expected.contains("PaymentCharged"), "{expected}");
    assert!(!page.body.contains("PaymentRefunded"), "what cannot follow is not drawn");

    // Nobody has heard of this one; and that is no order's id.
    let unknown = console.page(&format!("/orders/{}", Uuid::now_v7())).await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("Nobody knows this order"), "{}", unknown.body);
    let odd = console.page("/orders/%3Cb%3Etest").await;
    assert!(odd.status == 404 && odd.body.contains("no order’s id"), "{}", odd.body);

    // It is found by its id.
    let found = console.api.get(&format!("/go?q={good}")).await;
    assert!(found.status == 200 && found.body.contains("nobody has anything left to do"));
    let nothing = console.page("/go?q=%3Cb%3Etest").await;
    assert!(nothing.body.contains("Nothing is found"), "{}", nothing.body);

    let pages = every_page(&console).await;
    for expected in ["/orders", "/dead-letters", "/services/payment", "/now.json"] {
        assert!(pages.contains(expected), "{pages:?}");
    }
}

#[tokio::test]
async fn what_stops_is_told_within_seconds_and_the_rest_stays() {
    let fleet = TestFleet::start(Sandbox::new(), &[]).await;
    let console = Console::start(&fleet).await;
    console.until_says("/", "All is well").await;
    fleet.fleet.service("shipping").kill().await;
    // Ten seconds on a machine of its own; here others run beside.
    let told = tokio::time::timeout(Duration::from_secs(30), async {
        console.until_says("/", "shipping</a>: ").await
    });
    let page = told.await.expect("it is told within seconds");
    assert!(page.body.contains("Something is wrong"), "{}", page.body);
    let service = console.page("/services/shipping").await;
    assert!(service.body.contains("shipping is not there"), "{}", service.body);
    fleet.fleet.service("shipping").start().await.unwrap();
    console.until_says("/", "All is well").await;
}

/// Of the alerts in the rules that ship, with any service where one is named by a label.
fn addresses_in_alerts() -> BTreeSet<String> {
    let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/observability");
    let files = ["rules", "optional"].map(|part| fs::read_dir(format!("{deploy}/{part}")).unwrap());
    let files = files.into_iter().flatten().map(|entry| entry.unwrap().path());
    let texts = files.filter(|it| it.is_file()).map(|it| fs::read_to_string(it).unwrap());
    let lines = texts.flat_map(|it| it.lines().map(str::to_owned).collect::<Vec<_>>());
    let urls = lines.filter_map(|line| {
        let url = line.trim().strip_prefix("console_url: \"http://localhost:8080")?;
        let path = url.strip_suffix('"')?;
        Some(
            path.split_once("{{").map_or(path.to_owned(), |(before, _)| format!("{before}payment")),
        )
    });
    urls.collect()
}

#[tokio::test]
async fn where_alerts_lead_to_there_is_a_page() {
    let fleet = TestFleet::start(Sandbox::new(), &[]).await;
    let console = Console::start(&fleet).await;
    console.until_says("/", "All is well").await;
    let addresses = addresses_in_alerts();
    for expected in ["/", "/orders", "/dead-letters", "/dance", "/services/payment"] {
        assert!(addresses.contains(expected), "{addresses:?}");
    }
    for path in addresses {
        let page = console.page(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
    }
}
