//! Instances of the service: in this process, or in one of their own that can be killed.

use std::collections::{BTreeSet, HashMap};
use std::env;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farandole_messaging::{
    Database, Engine, Gateway, Handle, LoopSettings, Monitor, Service, StartError,
};
use serde::{Deserialize, Serialize};
use testkit::eventually;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::stage::PATIENCE;
use crate::tally::Tally;

/// What an instance says about how it is.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    parts: Mutex<HashMap<&'static str, Result<(), String>>>,
    /// All that was said against parts, also if it was soon over.
    complaints: Mutex<Vec<(&'static str, String)>>,
    /// The destinations whose circuit was open at some time, with the step.
    broken: Mutex<BTreeSet<(&'static str, String)>>,
    /// All details that were told, by name.
    details: Mutex<Vec<(&'static str, String)>>,
    beats: AtomicUsize,
    held_up: AtomicBool,
    /// Whether decisions are heard of, or why not.
    operations: Mutex<Option<Result<(), String>>>,
}

impl Monitor for Reports {
    fn up(&self, part: &'static str) {
        self.parts.lock().unwrap().insert(part, Ok(()));
    }

    fn down(&self, part: &'static str, reason: &str) {
        self.complaints.lock().unwrap().push((part, reason.to_owned()));
        self.parts.lock().unwrap().insert(part, Err(reason.to_owned()));
    }

    fn beat(&self) {
        self.beats.fetch_add(1, Ordering::SeqCst);
    }

    fn circuit(&self, step: &'static str, destination: &str, state: &'static str) {
        if state == "open" {
            self.broken.lock().unwrap().insert((step, destination.to_owned()));
        }
    }

    fn detail(&self, name: &'static str, what: Option<&str>) {
        let mut details = self.details.lock().unwrap();
        details.extend(what.map(|what| (name, what.to_owned())));
    }

    fn operations(&self, trouble: Option<&str>) {
        let heard = trouble.map_or(Ok(()), |trouble| Err(trouble.to_owned()));
        *self.operations.lock().unwrap() = Some(heard);
    }

    fn intake(&self, held_up: Option<&'static str>) {
        self.held_up.store(held_up.is_some(), Ordering::SeqCst);
    }
}

impl Reports {
    /// Waits until the part is said to work.
    pub(crate) async fn until_up(&self, part: &'static str) {
        let up = || async { self.parts.lock().unwrap().get(part)?.as_ref().ok().copied() };
        eventually(&format!("{part} is up"), PATIENCE, up).await;
    }

    /// Waits until the part is said not to work, and returns the reason.
    pub(crate) async fn until_down(&self, part: &'static str) -> String {
        let down = || async { self.parts.lock().unwrap().get(part)?.clone().err() };
        eventually(&format!("{part} is down"), PATIENCE, down).await
    }

    /// Whether this was ever said against the part.
    pub(crate) fn has_complained(&self, part: &str, of: &str) -> bool {
        let complaints = self.complaints.lock().unwrap();
        complaints.iter().any(|(about, reason)| *about == part && reason.contains(of))
    }

    /// Waits until a detail is told that says this.
    pub(crate) async fn until_told(&self, name: &'static str, part: &str) -> String {
        let told = || async {
            let details = self.details.lock().unwrap();
            let fits = |one: &&(&str, String)| one.0 == name && one.1.contains(part);
            details.iter().rev().find(fits).map(|(_, said)| said.clone())
        };
        eventually(&format!("{name} says {part}"), PATIENCE, told).await
    }

    /// Waits until a circuit has opened, and returns all that have, with their steps.
    pub(crate) async fn until_broken(&self) -> BTreeSet<(&'static str, String)> {
        let broken =
            || async { Some(self.broken.lock().unwrap().clone()).filter(|it| !it.is_empty()) };
        eventually("a circuit opens", PATIENCE, broken).await
    }

    /// Waits until decisions are heard of.
    pub(crate) async fn until_heard(&self) {
        let heard = || async { self.operations.lock().unwrap().clone()?.ok() };
        eventually("decisions are heard of", PATIENCE, heard).await;
    }

    /// Waits until they are not, and returns why.
    pub(crate) async fn until_not_heard(&self) -> String {
        let not = || async { self.operations.lock().unwrap().clone()?.err() };
        eventually("decisions are not heard of", PATIENCE, not).await
    }

    /// Waits until events are held up, or taken in again.
    pub(crate) async fn until_intake(&self, held_up: bool) {
        let so = || async { (self.held_up.load(Ordering::SeqCst) == held_up).then_some(()) };
        eventually(&format!("intake is held up: {held_up}"), PATIENCE, so).await;
    }

    /// Waits until the loop has turned once more.
    pub(crate) async fn until_turned(&self) {
        let before = self.beats.load(Ordering::SeqCst);
        let turned = || async { (self.beats.load(Ordering::SeqCst) > before + 1).then_some(()) };
        eventually("the loop turns", PATIENCE, turned).await;
    }
}

/// An instance in this process.
pub(crate) struct Instance<S: Service = Tally> {
    pub(crate) service: Arc<S>,
    pub(crate) handle: Handle<S>,
    pub(crate) reports: Arc<Reports>,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), String>>,
}

impl Instance {
    pub(crate) async fn start(
        database: &str,
        gateway: SocketAddr,
        settings: LoopSettings,
    ) -> Result<Self, StartError> {
        let reports = Arc::<Reports>::default();
        Self::start_with(database, gateway, settings, reports).await
    }

    /// Reports to the given place already while starting.
    pub(crate) async fn start_with(
        database: &str,
        gateway: SocketAddr,
        settings: LoopSettings,
        reports: Arc<Reports>,
    ) -> Result<Self, StartError> {
        let service = Arc::new(Tally { gateway, refusing: AtomicBool::new(true) });
        Self::of(service.clone(), service, database, settings, reports).await
    }

    /// From now on the service decides on what it has refused.
    pub(crate) fn relent(&self) {
        self.service.refusing.store(false, Ordering::SeqCst);
    }
}

impl<S: Service> Instance<S> {
    /// Of any service.
    pub(crate) async fn of<G: Gateway<S::Effect, S::Input>>(
        service: Arc<S>,
        gateway: Arc<G>,
        database: &str,
        settings: LoopSettings,
        reports: Arc<Reports>,
    ) -> Result<Self, StartError> {
        let shutdown = CancellationToken::new();
        let database = Database::new(database).unwrap();
        let (monitor, stop) = (reports.clone(), shutdown.clone());
        let started =
            Engine::start(service.clone(), gateway, &database, settings, monitor, stop).await;
        let (handle, engine) = started?;
        let running = tokio::spawn(engine.run());
        Ok(Self { service, handle, reports, shutdown, running })
    }

    /// Waits until it ends by itself, and returns why.
    pub(crate) async fn until_ended(self) -> String {
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        ended.expect("it ends").unwrap().unwrap_err()
    }

    /// Stops as on SIGTERM; that may take ten seconds.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        let stopped = tokio::time::timeout(Duration::from_secs(10), self.running).await;
        stopped.expect("it stops within ten seconds").unwrap().unwrap();
    }
}

/// What a process of its own is told, as JSON in an environment variable.
#[derive(Serialize, Deserialize)]
struct Sagas {
    brokers: String,
    registry: String,
    prefix: String,
    database: String,
    gateway: SocketAddr,
    group_instance_id: Option<String>,
    batch_max: usize,
}

const ORDERS: &str = "FARANDOLE_TEST_INSTANCE";

/// An instance in a process of its own.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(
        prefix: &str,
        database: &str,
        gateway: SocketAddr,
        settings: LoopSettings,
    ) -> Self {
        let sagas = Sagas {
            brokers: settings.kafka_brokers,
            registry: settings.schema_registry.to_string(),
            prefix: prefix.to_owned(),
            database: database.to_owned(),
            gateway,
            group_instance_id: settings.group_instance_id,
            batch_max: settings.batch_max,
        };
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "instance::a_process_of_its_own", "--quiet"])
            .env(ORDERS, serde_json::to_string(&sagas).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self(child)
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.0.kill().await.unwrap();
    }

    /// Stops as on SIGTERM.
    pub(crate) async fn stop(mut self) {
        self.0.stdin.take().unwrap().write_all(b"stop\n").await.unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.0.wait()).await;
        assert!(ended.expect("it stops").unwrap().success());
    }
}

/// No test by itself: what [`Process::start`] runs.
#[test]
fn a_process_of_its_own() {
    let Ok(sagas) = env::var(ORDERS) else { return };
    let sagas: Sagas = serde_json::from_str(&sagas).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || match std::io::stdin().lock().lines().next() {
        Some(Ok(_)) => stop.send(()),
        // Whoever started this process is gone.
        _ => std::process::exit(1),
    });
    runtime.block_on(async {
        let settings = LoopSettings {
            group_instance_id: sagas.group_instance_id,
            batch_max: sagas.batch_max,
            ..crate::stage::settings(sagas.brokers, &sagas.registry, sagas.prefix.parse().unwrap())
        };
        let instance = Instance::start(&sagas.database, sagas.gateway, settings).await.unwrap();
        stopped.await.unwrap();
        instance.stop().await;
    });
}
