//! The console beside a real fleet: its pages say what is so, hold no dead links, and load nothing from
//! elsewhere.

mod contents;
mod owed;

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use contracts::DeclaredMetric;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testkit::http::{Answer, Api, order, send};
use testkit::raw::{RawRecord, publish};
use testkit::{Sandbox, eventually};
use tokio::process::Child;
use uuid::Uuid;

use crate::metrics::{Page, is_well_formed};
use crate::test_fleet::{PATIENCE, TestFleet, fresh};

/// Brokers and databases are looked at for a twentieth of the time: on a busy machine, where a look takes
/// seconds, it may be minutes to the next.
pub(crate) const UNTIL_LOOKED: Duration = Duration::from_mins(4);

/// The console beside a fleet.
pub(crate) struct Console {
    child: Arc<Child>,
    address: SocketAddr,
    api: Api,
    /// Who looks, as a proxy says.
    user: Option<&'static str>,
}

impl Console {
    pub(crate) async fn start(to: &TestFleet) -> Self {
        Self::with(to, &[]).await
    }

    /// The same, with more settings.
    pub(crate) async fn with(to: &TestFleet, settings: &[&str]) -> Self {
        let address: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = to.command_with_urls("farandole-console");
        command
            .args(["--every", "1s", "--fleet", "<b>test", "--listen", &address.to_string()])
            .args(settings)
            .env("CONSOLE_DATABASE_URL", to.sandbox.database("console").await)
            .stdout(Stdio::null());
        let child = Arc::new(command.spawn().unwrap());
        let console =
            Self { child, address, api: Api::new(format!("http://{address}")), user: None };
        eventually("the console listens", PATIENCE, async || {
            tokio::net::TcpStream::connect(address).await.ok().map(drop)
        })
        .await;
        console
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same, as somebody sees it.
    fn seen_by(&self, user: &'static str) -> Self {
        let api = Api::new(format!("http://{}", self.address));
        Self { child: self.child.clone(), api, user: Some(user), ..*self }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.api.request(method, path);
        self.user.into_iter().fold(request, |request, user| request.header("x-user", user))
    }

    /// A page, which is as each has to be.
    pub(crate) async fn page(&self, path: &str) -> Answer {
        let page = send(self.request(Method::GET, path)).await;
        let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        if header("content-type").starts_with("text/html") {
            is_sound(path, &page.body);
        }
        page
    }

    /// A page once it says this.
    pub(crate) async fn until_says(&self, path: &str, words: &str) -> Answer {
        eventually(&format!("{path} says {words}"), UNTIL_LOOKED, async || {
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
    let (scripts, data) = (
        html.matches("<script").count(),
        html.matches("<script type=\"application/json\"").count(),
    );
    assert_eq!(scripts - data, html.matches("<script src=\"/assets/").count(), "{path}");
    assert_eq!(html.matches("<h1").count(), 1, "{path}");
    assert!(html.contains("<html lang=\"en\">") && html.contains("<title>"), "{path}");
    for of in attributes(html, "aria-labelledby=\"") {
        assert!(once.contains(of), "{path} has nothing called {of}");
    }
}

pub(crate) fn attributes<'h>(html: &'h str, before: &'h str) -> impl Iterator<Item = &'h str> {
    html.split(before).skip(1).filter_map(|rest| rest.split('"').next())
}

/// Every page that is linked from the first, from there on; each is shown to `check`.
pub(crate) async fn every_page(
    console: &Console,
    check: &impl Fn(&str, &Answer),
) -> BTreeSet<String> {
    let mut open = vec!["/".to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let page = console.page(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        check(&path, &page);
        if page.headers["content-type"] == "application/json" {
            serde_json::from_str::<Value>(&page.body).unwrap();
        }
        let links = attributes(&page.body, " href=\"").filter(|href| href.starts_with('/'));
        let links = links.filter(|href| !href.starts_with("/assets/"));
        let links = links.map(|href| href.replace("&#38;", "&").replace("&amp;", "&"));
        open.extend(links.map(|href| href.split('#').next().unwrap_or_default().to_owned()));
    }
    seen
}

/// What the tool says of a fleet, with the console's database.
async fn told(fleet: &TestFleet, arguments: &[&str]) -> String {
    let mut tool = fleet.command_with_urls("farandole");
    tool.env("CONSOLE_DATABASE_URL", fleet.sandbox.database("console").await);
    let run = tool.args(arguments).stdout(Stdio::piped()).output().await.unwrap();
    assert!(run.status.success(), "{arguments:?}: {run:?}");
    String::from_utf8(run.stdout).unwrap()
}

async fn a_terminal_tells_the_same(
    fleet: &TestFleet,
    console: &Console,
    hanging: Uuid,
    good: Uuid,
) {
    let (hanging, good) = (hanging.to_string(), good.to_string());
    eventually("all but one order are at rest", UNTIL_LOOKED, async || {
        let board = told(fleet, &["orders", "board"]).await;
        (board.contains("1 order is under way") && board.contains("payment  1")).then_some(())
    })
    .await;
    let list = told(fleet, &["orders", "list", "--move", "payment"]).await;
    assert!(list.contains(&hanging) && !list.contains(&good), "{list}");
    assert!(told(fleet, &["orders", "list", "--end", "completed"]).await.contains(&good));
    eventually("both tell the same ways", UNTIL_LOOKED, async || {
        let ways = told(fleet, &["orders", "ways", "--json"]).await;
        let ways: Value = serde_json::from_str(&ways).unwrap();
        (ways["ways"] == console.page("/ways.json").await.expect(200)["ways"]).then_some(())
    })
    .await;
    assert!(told(fleet, &["orders", "ways"]).await.contains("completed  OrderPlaced"));
}

/// An event of it, its request, its customer.
async fn what_people_know_leads_to_it(
    fleet: &TestFleet,
    console: &Console,
    hanging: Uuid,
    good: Uuid,
) {
    let events = fleet.events_of(good).await;
    let (hanging, good) = (hanging.to_string(), good.to_string());
    let mut envelopes = events.iter().map(|event| &event.envelope);
    let placed = envelopes.find(|it| it.event_type == "OrderPlaced").unwrap();
    let event = console.api.get(&format!("/go?q={}", placed.id)).await;
    assert!(event.body.contains("OrderPlaced") && event.body.contains(&good), "{}", event.body);
    let request = console.api.get(&format!("/go?q={}", placed.correlation_id)).await;
    assert!(request.status == 200 && request.body.contains(&good[30..]), "{}", request.body);
    let customer = console.page("/go?q=c-42").await;
    assert!(customer.body.contains("Several orders are found"), "{}", customer.body);
    assert!(customer.body.contains(&good) && customer.body.contains(&hanging), "{}", customer.body);
    let found = told(fleet, &["orders", "find", &placed.id.to_string()]).await;
    assert!(found.contains(&good) && found.contains("order.events"), "{found}");
    assert!(told(fleet, &["orders", "find", "c-42"]).await.contains(&hanging));
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

    // All orders: whose move it is, how they ended, the ways that they went; two of them compared.
    let board = console.until_says("/orders?move=payment", &hanging.to_string()).await;
    assert!(board.body.contains("payment’s move") && !board.body.contains(&good.to_string()));
    let list = console.until_says("/orders", &good.to_string()).await;
    assert!(list.body.contains("completed") && list.body.contains("2.50 EUR"), "{}", list.body);
    let ways = console.until_says("/ways", "went one way").await;
    assert!(ways.body.contains("PaymentCharged"), "{}", ways.body);
    let two = console.page(&format!("/compare?a={hanging}")).await;
    assert!(two.body.contains("They went apart"), "{}", two.body);
    assert_eq!(console.page("/compare?a=nobody").await.status, 404);
    let end = good.to_string().split_off(30);
    let found = console.api.get(&format!("/go?q={end}")).await;
    assert!(found.body.contains(&format!("<b>{end}</b>")), "{}", found.body);

    a_terminal_tells_the_same(&fleet, &console, hanging, good).await;
    what_people_know_leads_to_it(&fleet, &console, hanging, good).await;

    // Each event, with how often it was said; and for machines.
    console.until_says("/events/", " within the last hour, ").await;
    for (file, status) in [("payment.yaml", 200), ("fleet.yaml", 200), ("nobody.yaml", 404)] {
        assert_eq!(
            console.page(&format!("/events/asyncapi/{file}")).await.status,
            status,
            "{file}"
        );
    }

    // As a container asks it.
    eventually("it says that it is ready", UNTIL_LOOKED, async || {
        let mut ask = fleet.command_with_urls("farandole-console");
        ask.args(["--listen", &console.address.to_string(), "health"]).stdout(Stdio::piped());
        let answer = ask.output().await.unwrap();
        (answer.status.success() && answer.stdout == b"ready\n").then_some(())
    })
    .await;

    let pages = every_page(&console, &|_, _| ()).await;
    for expected in
        ["/orders", "/ways", "/events/", "/dead-letters", "/services/payment", "/now.json"]
    {
        assert!(pages.contains(expected), "{pages:?}");
    }
    assert!(!pages.contains("/break"), "only a demo's fleet is broken here");
    assert_eq!(console.page("/break").await.status, 404);
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

#[tokio::test]
async fn it_is_told_how_old_what_is_shown_is_also_where_it_cannot_be_asked_for() {
    let fleet = TestFleet::start(Sandbox::new(), &[]).await;
    let listed = projection::instruments::instruments();
    let listed: Vec<DeclaredMetric> = listed.iter().map(DeclaredMetric::from).collect();
    let lag = async |console: &Console| {
        Page::of(&console.api).await.value("farandole_console_lag_seconds", &[]).unwrap()
    };
    let console = Console::start(&fleet).await;
    eventually("it has read the topics", UNTIL_LOOKED, async || {
        let page = Page::of(&console.api).await;
        (page.value("farandole_console_unread_records", &[])? < 1.0).then_some(())
    })
    .await;
    let page = Page::of(&console.api).await;
    assert_eq!(page.differences(&listed), [""; 0]);
    is_well_formed("console", &console.api).await;
    eventually("it keeps up", UNTIL_LOOKED, async || (lag(&console).await < 5.0).then_some(()))
        .await;

    // Who can ask nobody does not say that all is as it was.
    let nowhere = Console::with(&fleet, &["--database-url", "postgres://127.0.0.1:1/none"]).await;
    let age = lag(&nowhere).await;
    eventually("it gets older", PATIENCE, async || (lag(&nowhere).await > age + 2.0).then_some(()))
        .await;
}

/// A form, as a browser sends it.
async fn send_form(console: &Console, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let mut request = console.api.request(Method::POST, "/act").body(form(fields));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request).await
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://x/").unwrap();
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap().to_owned()
}

/// Records that inventory cannot read.
pub(crate) async fn poison(fleet: &TestFleet, count: usize) {
    for _ in 0..count {
        let record = RawRecord {
            topic: fleet.sandbox.topics.events("shipping"),
            partition: 0,
            key: Some(Uuid::now_v7().to_string().into_bytes()),
            payload: Some(b"poison".to_vec()),
            headers: vec![(b"ce_type".to_vec(), Some(b"ShipmentCreated".to_vec()))],
        };
        publish(&fleet.sandbox.stack.kafka_brokers, &record).await.unwrap();
    }
}

/// Another address of this machine is no proxy, whatever it says of itself; how the console is, it may ask.
async fn strangers_are_not_believed(console: &Console) {
    let stranger = reqwest::Client::builder().local_address(IpAddr::from([127, 0, 0, 2]));
    let stranger = stranger.no_proxy().build().unwrap();
    for (path, status) in
        [("/", 403), ("/orders.json", 403), ("/health/live", 200), ("/metrics", 200)]
    {
        let request = stranger.get(format!("{}{path}", console.url())).header("x-user", "ada");
        assert_eq!(request.send().await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test]
async fn an_operator_puts_letters_back_and_nobody_else_does() {
    let fleet = TestFleet::start(Sandbox::new(), &[]).await;
    let by_proxy =
        ["--user-header", "x-user", "--proxies", "127.0.0.1", "--operators", "ada,grace"];
    let console = Console::with(&fleet, &by_proxy).await;
    let (ada, bob) = (("x-user", "ada"), ("x-user", "bob"));
    let get = async |path: &str, headers: &[(&str, &str)]| {
        let mut request = console.api.request(Method::GET, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request).await
    };
    assert_eq!(get("/", &[]).await.status, 401);
    assert_eq!(
        get("/", &[bob, ada]).await.status,
        401,
        "the proxy says who it is, and says it once"
    );
    assert_eq!(get("/", &[bob, ("host", "elsewhere.example")]).await.status, 421);
    assert_eq!(get("/health/live", &[]).await.status, 200);
    strangers_are_not_believed(&console).await;
    eventually("it is ready", UNTIL_LOOKED, async || {
        (get("/health/ready", &[]).await.status == 200).then_some(())
    })
    .await;

    poison(&fleet, 3).await;
    let letters = eventually("the letters are told of", UNTIL_LOOKED, async || {
        let page = get("/dead-letters", &[bob]).await;
        page.body.contains("3 open of 3").then_some(page)
    })
    .await;
    let links = attributes(&letters.body, " href=\"").map(|href| href.replace("&#38;", "&"));
    let link = links.filter(|href| href.starts_with("/act?do=redrive")).collect::<Vec<_>>();
    let form = get(&link[0], &[bob]).await;
    assert!(
        form.status == 200 && form.body.contains("3 letters would be put back"),
        "{}",
        form.body
    );
    assert!(form.body.contains("disabled") && form.body.contains("role operator"), "{}", form.body);
    is_sound("/act", &form.body);
    let address = reqwest::Url::parse(&format!("http://x{}", link[0])).unwrap();
    let cause = address.query_pairs().find(|(name, _)| name == "cause").unwrap().1.into_owned();

    let operation = Uuid::now_v7().to_string();
    let fields = |seen: &'static str, reason: &'static str| {
        vec![
            ("do", "redrive"),
            ("service", "inventory"),
            ("cause", cause.as_str()),
            ("operation", operation.as_str()),
            ("seen", seen),
            ("canary", "1"),
            ("rate", "50"),
            ("reason", reason),
        ]
    };
    // What is known calls nobody, and stays open.
    let own = [ada, ("sec-fetch-site", "same-origin")];
    for (what, says) in
        [("silence", "3 more are silenced"), ("unsilence", "6 dead letters are open")]
    {
        let known = [("do", what), ("operation", &*Uuid::now_v7().to_string())];
        let known: Vec<(&str, &str)> = fields("3", "it is known")
            .into_iter()
            .filter(|(name, _)| !matches!(*name, "do" | "operation"))
            .chain(known)
            .collect();
        assert_eq!(send_form(&console, &known, &[bob]).await.status, 403);
        let sent = send_form(&console, &known, &own).await;
        assert!(sent.status < 400, "{}", sent.body);
        eventually(says, UNTIL_LOOKED, async || {
            get("/dead-letters", &[bob]).await.body.contains(says).then_some(())
        })
        .await;
    }

    let mended = fields("3", "it is mended");
    assert_eq!(send_form(&console, &mended, &[bob]).await.status, 403);
    let foreign = [ada, ("sec-fetch-site", "cross-site")];
    assert_eq!(send_form(&console, &mended, &foreign).await.status, 403);
    for (form, why) in [(fields("2", "it is mended"), "look again"), (fields("3", ""), "Say why")] {
        let refused = send_form(&console, &form, &[ada]).await;
        assert!(refused.status == 422 && refused.body.contains(why), "{}", refused.body);
    }
    let (log, _) = fleet.tool(&["dlq", "log", "--json"]).await;
    assert!(!log.contains("redrive"), "what is refused is not noted as done: {log}");

    // It stops at the first that fails again; and the same form once more does nothing.
    for _ in 0..2 {
        let sent = send_form(&console, &mended, &own).await;
        assert!(sent.status < 400, "{}", sent.body);
    }
    let path = format!("/operations/{operation}");
    let page = eventually("it has ended", UNTIL_LOOKED, async || {
        let page = get(&path, &[bob]).await;
        page.body.contains("a canary failed again").then_some(page)
    })
    .await;
    // It may be about to be tried once more, or have been given up by then.
    assert!(page.body.contains(" again, 2 left as they were"), "{}", page.body);
    let log: Value = serde_json::from_str(&fleet.tool(&["dlq", "log", "--json"]).await.0).unwrap();
    let log = log.to_string();
    assert_eq!(log.matches("\"redrive\"").count(), 1, "{log}");
    assert!(log.contains("\"ada\"") && log.contains("it is mended"), "{log}");
}

#[tokio::test]
async fn a_letter_stays_dead_and_is_opened_again() {
    let fleet = TestFleet::start(Sandbox::new(), &[]).await;
    let console = Console::start(&fleet).await;
    poison(&fleet, 1).await;
    let id = eventually("the letter is told of", UNTIL_LOOKED, async || {
        let letters = console.api.get("/dead-letters.json").await.expect(200);
        letters["letters"][0]["letter"].as_str().map(str::to_owned)
    })
    .await;
    for (what, words) in [("discard", "1 discarded"), ("undiscard", "1 open again")] {
        let operation = Uuid::now_v7().to_string();
        let form = [
            ("do", what),
            ("letter", &*id),
            ("operation", &*operation),
            ("seen", "1"),
            ("reason", "a test"),
        ];
        eventually("its turn comes", UNTIL_LOOKED, async || {
            (send_form(&console, &form, &[]).await.status < 400).then_some(())
        })
        .await;
        console.until_says(&format!("/operations/{operation}"), words).await;
    }
}

#[tokio::test]
async fn only_operators_break_things_and_a_demo_that_has_gone_is_told() {
    let fleet = TestFleet::start(Sandbox::new(), &[]).await;
    let demo = ["--demo", "/nowhere/demo.sock", "--user-header", "x-user", "--operators", "ada"];
    let console = Console::with(&fleet, &demo).await;
    let (ada, bob) = (("x-user", "ada"), ("x-user", "bob"));
    let send_to = async |method, headers: &[(&str, &str)]| {
        let request = console.api.request(method, "/break").body("experiment=kill&target=order");
        let add = |request: reqwest::RequestBuilder, (name, value): &(&str, &str)| {
            request.header(*name, *value)
        };
        send(headers.iter().fold(request, add)).await
    };
    let page = send_to(Method::GET, &[bob]).await;
    is_sound("/break", &page.body);
    assert!(page.status == 200 && page.body.contains("does not answer"), "{}", page.body);
    assert!(page.body.contains("<a href=\"/break\" aria-current"), "{}", page.body);
    let foreign = [ada, ("sec-fetch-site", "cross-site")];
    for (headers, status) in [(&[bob][..], 403), (&foreign, 403), (&[ada], 503)] {
        assert_eq!(send_to(Method::POST, headers).await.status, status, "{headers:?}");
    }
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
