//! The console in a real browser: people find what they look for and do what is to be done without scripts,
//! and by keyboard alone; pages go on by themselves; and each kind of page is sound, narrow and wide, light
//! and dark. `make console-look` runs this alone, and leaves pictures in target/console-pictures.

mod driver;
mod look;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::http::order;
use testkit::{Sandbox, eventually};
use uuid::Uuid;

use self::driver::{Browser, Driver};
use self::look::{Fault, look_at};
use crate::console::{Console, UNTIL_LOOKED, attributes, every_page, poison};
use crate::test_fleet::{TestFleet, fresh};

/// A page that is on the screen is told of news within seconds; here others run beside.
const UNTIL_SHOWN: Duration = Duration::from_mins(1);
/// More stops than any page has before its content.
const STOPS_MAX: usize = 60;
/// What the scripts and styles of a page may come to, compressed.
const WEIGHT_MAX: u64 = 60_000;
/// More kinds of pages than there are.
const KINDS_MAX: usize = 40;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// In one test, for a fleet and a browser take seconds to start.
#[tokio::test]
async fn people_find_their_way() {
    let stage = Stage::set().await;
    stage.letters_are_put_back_without_scripts().await;
    stage.all_is_reached_by_keyboard().await;
    stage.a_page_goes_on_and_rests().await;
    stage.who_only_looks_is_told_so().await;
    stage.each_kind_of_page_is_sound().await;
}

/// A fleet to which things have happened, its console, and who starts browsers.
struct Stage {
    fleet: TestFleet,
    console: Console,
    driver: Driver,
    /// Orders, by what became of them.
    completed: Uuid,
    refused: Uuid,
    waiting: Uuid,
}

impl Stage {
    async fn set() -> Self {
        let driver = Driver::start().await;
        let fleet = TestFleet::start(Sandbox::new(), &[("RETRY_BASE_MS", "50")]).await;
        let console = Console::start(&fleet).await;
        let sku = fresh("sku");
        fleet.sell(&sku, 10).await;
        let completed = order(&sku, 1);
        let (mut refused, mut waiting) = (completed.clone(), completed.clone());
        waiting["payment_method"] = json!("pm_sim_down");
        refused["recipient"]["country"] = json!("XX");
        let waiting = fleet.place(&fresh("waiting"), &waiting).await;
        let refused = fleet.place(&fresh("refused"), &refused).await;
        let completed = fleet.place(&fresh("completed"), &completed).await;
        for ended in [completed, refused] {
            fleet.settled(ended).await;
        }
        console.until_says("/orders", &completed.to_string()).await;
        poison(&fleet, 3).await;
        eventually("the letters are told of", UNTIL_LOOKED, async || {
            let letters = console.page("/dead-letters.json").await.expect(200);
            let letters = letters["letters"].as_array()?.iter();
            let of_inventory = letters
                .filter(|it| it["letter"].as_str().is_some_and(|id| id.starts_with("inventory/")));
            (of_inventory.count() == 3).then_some(())
        })
        .await;
        Self { fleet, console, driver, completed, refused, waiting }
    }

    async fn browser(&self) -> Browser {
        self.driver.browser(&self.console.url()).await
    }

    /// From the first page on, by links and a form; what came of it is there once the page is loaded again.
    async fn letters_are_put_back_without_scripts(&self) {
        let browser = self.browser().await.without_scripts().await;
        browser.open("/").await;
        browser.click("nav a[href='/dead-letters']").await;
        browser.until_at("/dead-letters").await;
        browser.click("section[aria-label^='inventory: '] a[href*='do=redrive']").await;
        browser.until_at("/act?do=redrive").await;
        browser.until_says("h1", "3 letters would be put back", UNTIL_SHOWN).await;
        browser.fill("#canary", "1").await;
        browser.fill("#reason", "it is mended").await;
        browser.click("main form button").await;
        browser.until_at("/operations/").await;
        eventually("what came of it is told", UNTIL_LOOKED, async || {
            browser.reload().await;
            browser.text("h1").await.filter(|told| told.contains("a canary failed again"))
        })
        .await;
        let facts = browser.text("dl.facts").await.unwrap();
        assert!(facts.contains("it is mended") && facts.contains("by the console"), "{facts}");
        browser.close().await;
    }

    /// No pointer: an order is found, pages are gone to, a form is filled in and sent. Wherever the focus
    /// is, it is seen.
    async fn all_is_reached_by_keyboard(&self) {
        let browser = self.browser().await;
        browser.open("/").await;
        browser.press("/").await;
        assert_eq!(focus(&browser).await["name"], "q");
        let id = self.completed.to_string();
        browser.press(&format!("{}{ENTER}", &id[id.len() - 6..])).await;
        browser.until_at(&format!("/orders/{id}")).await;

        browser.press("gd").await;
        browser.until_at("/dead-letters").await;
        assert_eq!(next_stop(&browser).await["name"], "To the content");
        let mut stops = Vec::new();
        while stops.last().is_none_or(|stop: &Value| stop["name"] != "Put back …") {
            assert!(stops.len() < STOPS_MAX, "it is not reached: {stops:?}");
            stops.push(next_stop(&browser).await);
        }
        browser.press(ENTER).await;
        browser.until_at("/act?do=redrive").await;

        // From the first link right to the content, in the order in which it is read: a table that may be
        // wider than the window, and what can be filled in.
        next_stop(&browser).await;
        browser.press(ENTER).await;
        for (stop, typed) in [
            ("letters", ""),
            ("canary", "1"),
            ("rate", ""),
            ("reason", "it is still mended"),
            ("Put back", ENTER),
        ] {
            let name = &next_stop(&browser).await["name"];
            assert!(name.as_str().unwrap().starts_with(stop), "{stop}: {name}");
            browser.press(typed).await;
        }
        browser.until_at("/operations/").await;
        browser.until_says("h1", "a canary failed again", UNTIL_LOOKED).await;
        browser.close().await;
    }

    /// What happens comes to the screen by itself, and takes nothing from who types; unless the page is told
    /// to rest.
    async fn a_page_goes_on_and_rests(&self) {
        const NEEDS: &str = "section[aria-labelledby=person]";
        let browser = self.browser().await;
        browser.open("/").await;
        let news = "window.news = 0; document.addEventListener('htmx:sse:before:message', () => window.news++)";
        browser.run(news).await;
        let until_news = async || {
            let before = browser.run("return window.news").await.as_u64().unwrap();
            eventually("there is news", UNTIL_SHOWN, async || {
                (browser.run("return window.news").await.as_u64()? > before).then_some(())
            })
            .await;
        };

        // Also what is in the parts that change keeps the focus.
        for link in ["nav a[href='/orders']", "main a[href='/services/order']"] {
            browser.run(&format!("document.querySelector(\"{link}\").focus()")).await;
            until_news().await;
            until_news().await;
            let kept = format!("return document.activeElement.matches(\"{link}\")");
            assert_eq!(browser.run(&kept).await, true, "{link} has lost the focus");
        }

        browser.press("/half an ord").await;
        self.fleet.fleet.service("shipping").kill().await;
        browser.until_says(NEEDS, "shipping: ", UNTIL_SHOWN).await;
        let field = focus(&browser).await;
        assert_eq!((&field["name"], &field["value"]), (&json!("q"), &json!("half an ord")));

        browser.press(&format!("{ESCAPE}p")).await;
        browser.until_says("#pause", "Go on", UNTIL_SHOWN).await;
        self.fleet.fleet.service("shipping").start().await.unwrap();
        // By its own words: that nothing is said against it may be since nobody answers on a busy machine.
        self.console.until_says("/services/shipping", "shipping is ready.").await;
        until_news().await;
        let told = browser.text(NEEDS).await.unwrap();
        assert!(told.contains("shipping: "), "a page that rests stays as it is: {told}");

        browser.press("p").await;
        browser.until_says("#pause", "Pause", UNTIL_SHOWN).await;
        eventually("the page goes on", UNTIL_LOOKED, async || {
            let told = browser.text(NEEDS).await.unwrap_or_default();
            (!told.contains("shipping: ")).then_some(())
        })
        .await;

        let weight = browser.run(WEIGHT).await.as_u64().unwrap();
        assert!((1..WEIGHT_MAX).contains(&weight), "scripts and styles come to {weight} bytes");
        browser.close().await;
    }

    /// Behind a proxy that knows its users, with one who is no operator.
    async fn who_only_looks_is_told_so(&self) {
        let by_proxy = ["--user-header", "x-user", "--operators", "ada"];
        let console = Console::with(&self.fleet, &by_proxy).await;
        let letters = self.console.page("/dead-letters").await;
        let mut links = attributes(&letters.body, " href=\"");
        let form = links.find(|link| link.starts_with("/act?do=redrive")).unwrap();
        let form = form.replace("&#38;", "&");
        for (user, may) in [("bob", false), ("ada", true)] {
            let browser = self.driver.browser(&console.url()).await;
            let browser = browser.with_header("x-user", user).await;
            browser.open(&form).await;
            let disabled =
                browser.run("return document.querySelector('main button').disabled").await;
            assert_eq!(disabled, !may, "{user}");
            let told = browser.text("main").await.unwrap();
            assert_eq!(told.contains("role operator (CONSOLE_OPERATORS)"), !may, "{user}: {told}");
            browser.close().await;
        }
    }

    async fn each_kind_of_page_is_sound(&self) {
        self.console.until_says("/orders", "unchanged for a minute").await;
        let mut pages: BTreeMap<String, String> = BTreeMap::new();
        for address in every_page(&self.console, &|_, _| ()).await {
            if !address.contains(".json") {
                pages.entry(kind(&address)).or_insert(address);
            }
        }
        for (name, address) in [
            ("orders-completed", format!("/orders/{}", self.completed)),
            ("orders-refused", format!("/orders/{}", self.refused)),
            ("orders-waiting", format!("/orders/{}", self.waiting)),
            ("compare", format!("/compare?a={}", self.refused)),
            ("nothing-found", "/go?q=nothing".to_owned()),
            ("no-such-page", "/no-such-page".to_owned()),
        ] {
            pages.insert(name.to_owned(), address);
        }
        for expected in ["now", "act-discard", "act-redrive", "operations-one", "services-one"] {
            assert!(pages.contains_key(expected), "{pages:?}");
        }
        assert!(pages.len() < KINDS_MAX, "that are many: {pages:?}");

        let browser = self.browser().await;
        let mut faults: Vec<Fault> = Vec::new();
        for (name, address) in &pages {
            faults.extend(look_at(&browser, name, address).await);
        }
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
        browser.close().await;
    }
}

/// What kind of page is at an address: by the first part of its path, whether it is about one thing, and what
/// is asked of it.
fn kind(address: &str) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut parts = path.split('/').skip(1);
    let first = parts.next().filter(|first| !first.is_empty()).unwrap_or("now");
    let one = if parts.next().is_some() { "-one" } else { "" };
    let asked = match query.split('&').next() {
        Some("") | None => String::new(),
        Some(part) => {
            part.strip_prefix("do=").map_or("-asked".to_owned(), |what| format!("-{what}"))
        }
    };
    format!("{first}{one}{asked}")
}

/// What has the focus: its name or else its text, what is in it, and whether it is seen that it has.
async fn focus(browser: &Browser) -> Value {
    browser
        .run(
            "const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
             const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
             const within = box.left >= 0 && box.right <= innerWidth && box.top >= 0 && box.bottom <= innerHeight;
             return {name: it.name || it.textContent.trim(), value: it.value, seen: outlined && within}",
        )
        .await
}

/// Where the next press of the tabulator leads to.
async fn next_stop(browser: &Browser) -> Value {
    browser.press(TAB).await;
    let stop = focus(browser).await;
    assert_eq!(stop["seen"], true, "it is to be seen where the focus is: {stop}");
    stop
}

/// What the scripts and styles that a page has loaded come to, compressed.
const WEIGHT: &str = "
    const parts = document.querySelectorAll('script[src], link[rel=stylesheet]');
    const packed = async (part) => {
        const body = (await fetch(part.src || part.href)).body;
        const all = await new Response(body.pipeThrough(new CompressionStream('gzip'))).arrayBuffer();
        return all.byteLength;
    };
    return Promise.all([...parts].map(packed)).then((sizes) => sizes.reduce((a, b) => a + b, 0))";
