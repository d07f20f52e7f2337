//! A browser as its users have it, but without a window: Chromium, driven by the protocol for that.

use std::fmt::Debug;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use testkit::eventually;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Nothing that a browser is told to do takes that long, also on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A container has no user namespaces for the sandbox, and little shared memory. By a pipe, and not a port,
/// browsers notice that their driver is gone, and end.
const ARGUMENTS: [&str; 5] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--remote-debugging-pipe",
];

/// Starts browsers. It ends when this is dropped, and they with it.
pub(super) struct Driver {
    url: String,
    _child: Child,
    /// What it says may not come to stand in a full pipe.
    _said: Lines<BufReader<ChildStdout>>,
    /// The browsers' profiles.
    _directory: TempDir,
}

impl Driver {
    /// On a port that it takes by itself.
    pub(super) async fn start() -> Self {
        let program = std::env::var_os("CHROMEDRIVER").map_or("chromedriver".into(), PathBuf::from);
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(&program)
            .arg("--port=0")
            .env("TMPDIR", directory.path())
            .env("HOME", directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{} cannot be run ({error}), and the console is tried with it: run \
                     tools/prerequisites chromium, install Chromium with ChromeDriver, or set CHROMEDRIVER",
                    program.display()
                )
            });
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = async {
            while let Some(line) = said.next_line().await.unwrap() {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
            panic!("ChromeDriver has ended, and not said on which port it listens")
        };
        let port = timeout(LIMIT, port).await.expect("ChromeDriver says where it listens");
        let url = format!("http://127.0.0.1:{port}");
        Self { url, _child: child, _said: said, _directory: directory }
    }

    /// A new browser, that nobody has used before, for what is at this base URL.
    pub(super) async fn browser(&self, base: &str) -> Browser {
        let limit = LIMIT.as_millis();
        let capabilities = Map::from_iter([
            ("timeouts".to_owned(), json!({"script": limit, "pageLoad": limit})),
            ("goog:chromeOptions".to_owned(), json!({"args": ARGUMENTS})),
        ]);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connect = builder.capabilities(capabilities).connect(&self.url);
        let client = timeout(LIMIT, connect).await.expect("a browser starts").unwrap();
        Browser { client, base: base.to_owned() }
    }
}

/// A browser with one page.
pub(super) struct Browser {
    client: Client,
    base: String,
}

/// A command of Chromium's own protocol, where the common one has none.
#[derive(Debug)]
struct Own {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(
        &self,
        base: &Url,
        session: Option<&str>,
    ) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({"cmd": self.command, "params": self.parameters});
        (Method::POST, Some(body.to_string()))
    }
}

async fn within<T>(what: &str, doing: impl Future<Output = Result<T, CmdError>>) -> T {
    let done = timeout(LIMIT, doing).await.unwrap_or_else(|late| panic!("{what}: {late}"));
    done.unwrap_or_else(|error| panic!("{what}: {error}"))
}

impl Browser {
    async fn own(&self, command: &'static str, parameters: Value) {
        within(command, self.client.issue_cmd(Own { command, parameters })).await;
    }

    /// Lets no page run a script.
    pub(super) async fn without_scripts(self) -> Self {
        self.own("Emulation.setScriptExecutionDisabled", json!({"value": true})).await;
        self
    }

    /// Sends a header with every request, as a proxy before the console would.
    pub(super) async fn with_header(self, name: &str, value: &str) -> Self {
        self.own("Network.enable", json!({})).await;
        self.own("Network.setExtraHTTPHeaders", json!({"headers": {name: value}})).await;
        self
    }

    /// How large the window is, in pixels.
    pub(super) async fn size(&self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.own("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Has the user prefer the light theme, or the dark one.
    pub(super) async fn theme(&self, theme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": theme}]);
        self.own("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    /// Goes to an address of the console, as if it were typed.
    pub(super) async fn open(&self, address: &str) {
        within(address, self.client.goto(&format!("{}{address}", self.base))).await;
    }

    pub(super) async fn reload(&self) {
        within("to load again", self.client.refresh()).await;
    }

    /// The address that is open.
    pub(super) async fn address(&self) -> String {
        let url = within("the address", self.client.current_url()).await;
        url.as_str().strip_prefix(&self.base).unwrap_or(url.as_str()).to_owned()
    }

    /// Waits until an address is open that begins like this.
    pub(super) async fn until_at(&self, address: &str) {
        eventually(&format!("{address} is open"), LIMIT, async || {
            self.address().await.starts_with(address).then_some(())
        })
        .await;
    }

    async fn element(&self, selector: &str) -> Element {
        let search = Locator::Css(selector);
        within(selector, self.client.wait().at_most(LIMIT).for_element(search)).await
    }

    /// Clicks at what a CSS selector finds.
    pub(super) async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        within(selector, element.click()).await;
    }

    /// Has this stand in a field instead of what stands there.
    pub(super) async fn fill(&self, selector: &str, text: &str) {
        let field = self.element(selector).await;
        within(selector, field.clear()).await;
        within(selector, field.send_keys(text)).await;
    }

    /// The text of what a CSS selector finds, as it can be read; `None` while there is no such thing.
    pub(super) async fn text(&self, selector: &str) -> Option<String> {
        let text = async { self.client.find(Locator::Css(selector)).await?.text().await };
        timeout(LIMIT, text).await.expect("a text is read").ok()
    }

    /// Waits until that text contains this.
    pub(super) async fn until_says(&self, selector: &str, words: &str, limit: Duration) {
        eventually(&format!("{selector} says {words}"), limit, async || {
            self.text(selector).await.filter(|text| text.contains(words))
        })
        .await;
    }

    /// Presses these keys one after the other, wherever the focus is.
    pub(super) async fn press(&self, keys: &str) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for value in keys.chars() {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        within(keys, self.client.perform_actions(actions)).await;
    }

    /// What a script says that runs in the page, also where the page itself may run none. It may wait for
    /// a promise.
    pub(super) async fn run(&self, script: &str) -> Value {
        within("a script", self.client.execute(script, Vec::new())).await
    }

    /// What can be seen, as PNG.
    pub(super) async fn picture(&self) -> Vec<u8> {
        within("a picture", self.client.screenshot()).await
    }

    pub(super) async fn close(self) {
        within("to close", self.client.close()).await;
    }
}
