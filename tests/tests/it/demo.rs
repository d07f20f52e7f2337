//! The demo that stays, and its page on which things are broken: the console tells what is broken, the fleet
//! gets over it, and nothing is left of it when the demo ends.

use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::eventually;
use testkit::http::{Answer, Api, send};
use testkit::programs;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// A stack and a fleet start, and all stories are played, on a machine where others do the same.
const UNTIL_IT_STAYS: Duration = Duration::from_mins(6);
/// What is broken takes effect, is looked at, and is over again.
const PATIENCE: Duration = Duration::from_mins(4);
/// By its own rules it stops within twelve seconds, frozen parts or not.
const STOP_LIMIT: Duration = Duration::from_mins(1);

/// The program. It is asked to end, and never killed: that would leave what it has started.
struct Program(Child);

struct Demo {
    program: Program,
    console: Api,
    /// Where everything is, for the command line tool.
    environment: Vec<(String, String)>,
    // What is read no more stops who writes.
    _reading: tokio::task::JoinHandle<()>,
}

impl Demo {
    async fn start() -> Self {
        let mut command = Command::new(programs().join("farandole-demo"));
        command.arg("--free-ports").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut program = Program(command.spawn().unwrap());
        let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
        let guide = timeout(UNTIL_IT_STAYS, guide(&mut lines)).await.expect("it stays");
        let console = guide.iter().find_map(|line| line.strip_suffix("/break")).expect("the page");
        let exports = guide.iter().filter_map(|line| line.strip_prefix("export "));
        let variables = exports.flat_map(str::split_whitespace).filter_map(|it| it.split_once('='));
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            console: Api::new(console.to_owned()),
            environment: environment.collect(),
            program,
            _reading: tokio::spawn(
                async move { while let Ok(Some(_)) = lines.next_line().await {} },
            ),
        }
    }

    /// Sends a form of the page, as a browser does.
    async fn form(&self, experiment: &str, target: &str, end: bool) -> Answer {
        let body = format!("experiment={experiment}&target={target}&end={end}");
        send(self.console.request(Method::POST, "/break").body(body)).await
    }

    async fn does(&self, experiment: &str, target: &str, end: bool) {
        let answer = self.form(experiment, target, end).await;
        assert!(answer.status < 400, "{experiment} {target}: {}", answer.body);
        let what = format!("{experiment} {target} has {}", if end { "ended" } else { "begun" });
        eventually(&what, PATIENCE, async || {
            let now = self.target(experiment, target).await;
            (now["is_changing"] == false && now["since"].is_null() == end).then_some(())
        })
        .await;
    }

    async fn breaks(&self, experiment: &str, target: &str) {
        self.does(experiment, target, false).await;
    }

    async fn mends(&self, experiment: &str, target: &str) {
        self.does(experiment, target, true).await;
    }

    /// How it is with something that can be done, as the page's twin says.
    async fn target(&self, experiment: &str, target: &str) -> Value {
        let list = self.console.get("/break.json").await.expect(200);
        let named = |list: &Value, name: &str| {
            let found = list.as_array().unwrap().iter().find(|it| it["name"] == name);
            found.unwrap_or_else(|| panic!("no {name} in {list}")).clone()
        };
        named(&named(&list["experiments"], experiment)["targets"], target)
    }

    async fn until_says(&self, path: &str, words: &str) {
        eventually(&format!("{path} says {words}"), PATIENCE, async || {
            self.console.get(path).await.body.contains(words).then_some(())
        })
        .await;
    }

    /// What came of something that ends by itself, once it has ended well.
    async fn until_said(&self, experiment: &str, target: &str) {
        let answer = self.form(experiment, target, false).await;
        assert!(answer.status < 400, "{experiment} {target}: {}", answer.body);
        let what = format!("{experiment} {target} is over");
        let said = eventually(&what, PATIENCE, async || {
            let said = self.target(experiment, target).await["said"].clone();
            (!said.is_null()).then_some(said)
        })
        .await;
        assert_eq!(said["is_good"], true, "{said}");
    }

    /// What the command line tool says, once it says that all is well.
    async fn until_well(&self, arguments: &[&str]) -> String {
        eventually(&format!("{arguments:?} says that all is well"), PATIENCE, async || {
            let mut tool = Command::new(programs().join("farandole"));
            tool.args(arguments).envs(self.environment.iter().cloned()).kill_on_drop(true);
            let output = tool.output().await.unwrap();
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        })
        .await
    }
}

impl Program {
    fn interrupt(&self) {
        if let Some(pid) = self.0.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.interrupt();
    }
}

/// What it prints, up to its last line, which says how to end it.
async fn guide(lines: &mut Lines<BufReader<ChildStdout>>) -> Vec<String> {
    let mut guide = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("Ctrl-C") {
            return guide;
        }
        guide.push(line);
    }
    panic!("it has ended: {guide:#?}");
}

#[tokio::test]
async fn what_is_broken_is_told_and_gets_well_again() {
    let mut demo = Demo::start().await;
    demo.until_says("/", "All is well").await;
    demo.until_says("/break", "Nothing is broken").await;
    demo.breaks("orders", "orders").await;
    eventually("orders are placed", PATIENCE, async || {
        let said = demo.target("orders", "orders").await["said"].clone();
        let placed = said["text"].as_str()?.strip_suffix(" placed")?.parse::<u32>().ok()?;
        (said["is_good"] == true && placed > 10).then_some(())
    })
    .await;
    // None of these lets an order's time run out, which would be told for minutes.
    demo.breaks("provider", "notification").await;
    demo.breaks("freeze", "shipping").await;
    demo.until_says("/services/shipping", "shipping has not answered").await;
    demo.until_says("/break", "mail server cut off, shipping frozen").await;
    demo.until_says("/", "notification: calls are held back until the other side answers").await;
    let twice = demo.form("kill", "shipping", false).await;
    assert!(twice.status == 409 && twice.body.contains("shipping is frozen already"), "{twice:?}");
    assert_eq!(demo.form("freeze", "nobody", false).await.status, 404);
    demo.mends("provider", "notification").await;
    demo.mends("freeze", "shipping").await;
    demo.mends("orders", "orders").await;
    demo.until_well(&["status"]).await;

    demo.breaks("stop", "inventory").await;
    demo.breaks("kill", "payment").await;
    demo.until_says("/services/inventory", "inventory is not there").await;
    demo.until_says("/services/payment", "payment is not there").await;
    demo.mends("stop", "inventory").await;
    demo.mends("kill", "payment").await;
    demo.breaks("postgres", "postgres").await;
    demo.until_says("/services/order", "order is not ready: postgres").await;
    demo.mends("postgres", "postgres").await;
    demo.breaks("kafka", "kafka").await;
    demo.until_says("/", "Kafka at 127.0.0.1").await;
    demo.mends("kafka", "kafka").await;
    demo.until_says("/", "All is well").await;

    demo.until_said("story", "4").await;
    demo.until_said("poison", "shipping").await;
    demo.until_says("/dead-letters", "could not process").await;
    let letters = ["--service", "order", "--service", "inventory", "--yes", "--reason", "a test"];
    demo.until_well(&[&["dlq", "discard"][..], &letters].concat()).await;
    demo.until_well(&["status"]).await;
    demo.until_well(&["audit"]).await;

    // It ends as always, whatever is broken.
    demo.breaks("freeze", "order").await;
    demo.breaks("postgres", "postgres").await;
    demo.program.interrupt();
    let ended = timeout(STOP_LIMIT, demo.program.0.wait()).await.expect("it ends").unwrap();
    assert!(ended.success(), "{ended}");
}
