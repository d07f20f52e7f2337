use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::error::{Context, Error, tail_of};
use crate::probe::Probe;
use crate::{ports, process};

/// Three to five seconds are usual; a machine busy with a build takes longer.
const START_LIMIT: Duration = Duration::from_mins(1);
/// After this long, a part that was asked to stop is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Only a process that hangs in the kernel outlives SIGKILL for that long.
const KILL_LIMIT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);
/// How often running parts are looked at.
const WATCH: Duration = Duration::from_millis(500);

/// How to run a part.
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) port: u16,
    pub(crate) probe: Probe,
    /// Asks for an orderly end.
    pub(crate) stop_signal: Signal,
    /// What the part gets when we are gone, by name without SIG.
    pub(crate) orphan_signal: &'static str,
    pub(crate) unprivileged: bool,
}

/// Kafka, the registry, Postgres or a service, each to be stopped, killed and paused for itself. The port
/// and the data stay the same from one start to the next. A dropped part is killed.
pub struct Part {
    name: &'static str,
    launch: Option<Launch>,
    started: Mutex<Option<Started>>,
}

/// A part's process.
struct Started {
    child: Child,
    /// Whether it was told to end; it has not ended by itself, then.
    is_to_end: bool,
}

impl Part {
    pub(crate) fn new(name: &'static str, launch: Option<Launch>) -> Self {
        Self { name, launch, started: Mutex::new(None) }
    }

    /// The name for people.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the part is in this stack at all, and not left out by `Serve::No`.
    pub fn is_served(&self) -> bool {
        self.launch.is_some()
    }

    /// The port on 127.0.0.1 for clients; 0 for a part left out by `Serve::No`.
    pub fn port(&self) -> u16 {
        self.launch.as_ref().map_or(0, |launch| launch.port)
    }

    /// The part's log, which all its starts append to; `None` for a part left out.
    pub fn log(&self) -> Option<&Path> {
        self.launch.as_ref().map(|launch| launch.log.as_path())
    }

    /// The ids of the part's living processes, the main one first; empty when it is stopped.
    pub fn pids(&self) -> Vec<u32> {
        match self.started().as_ref().map(|started| started.child.id()) {
            Some(pid) if process::lives(pid) => process::tree(pid),
            _ => Vec::new(),
        }
    }

    /// Starts the part if it is not running, on the data it had, and waits until it answers.
    ///
    /// After an error (the port is taken, the part ended by itself, no answer within a minute)
    /// the part is stopped.
    pub async fn start(&self) -> Result<(), Error> {
        let launch = self.launch.as_ref().ok_or(Error::NotServed(self.name))?;
        self.start_without_waiting()?;
        let ready = self.until_ready(launch).await;
        if ready.is_err() {
            self.kill_now();
        }
        ready
    }

    /// Starts the part and does not wait for its answer: for one that cannot be ready yet.
    pub fn start_without_waiting(&self) -> Result<(), Error> {
        let launch = self.launch.as_ref().ok_or(Error::NotServed(self.name))?;
        if self.pids().is_empty() {
            if !ports::is_free(launch.port) {
                return Err(Error::PortTaken { part: self.name, port: launch.port });
            }
            let child = launch.spawn()?;
            *self.started() = Some(Started { child, is_to_end: false });
        }
        Ok(())
    }

    async fn until_ready(&self, launch: &Launch) -> Result<(), Error> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            self.check()?;
            let pid = self.pids().first().copied().unwrap_or_default();
            if process::listens(pid, launch.port) && launch.probe.answers(launch.port).await {
                return Ok(());
            }
            sleep(POLL).await;
        }
        Err(self.failed(launch, format!("gave no answer within {START_LIMIT:?} (give the machine more room, or see what the log says)")))
    }

    /// An error when the part ended although nobody stopped it.
    fn check(&self) -> Result<(), Error> {
        let status = self.started().as_mut().filter(|it| !it.is_to_end).and_then(exit_status);
        match (status, &self.launch) {
            (Some(status), Some(launch)) => {
                Err(self.failed(launch, format!("stopped by itself ({status}); its log says why")))
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, launch: &Launch, problem: String) -> Error {
        let log = launch.log.clone();
        Error::Part { part: self.name, problem, tail: tail_of(&log), log }
    }

    /// Waits until the part has ended by itself, and tells how; `None` when nobody started it.
    pub async fn until_ended(&self) -> Option<ExitStatus> {
        loop {
            // Polled, as below.
            match self.started().as_mut().map(exit_status) {
                Some(None) => {}
                ended => return ended.flatten(),
            }
            sleep(POLL).await;
        }
    }

    /// Stops the part in an orderly way, paused or not; kills it when that takes over 10 s.
    pub async fn stop(&self) {
        let Some(launch) = &self.launch else { return };
        let Some(&pid) = self.pids().first() else { return };
        self.is_to_end();
        process::signal(pid, launch.stop_signal);
        self.resume();
        let deadline = Instant::now() + STOP_LIMIT;
        // Polled, because a task that waits for the child would tie the part to one runtime.
        while self.started().as_mut().is_some_and(|it| exit_status(it).is_none())
            && Instant::now() < deadline
        {
            sleep(POLL).await;
        }
        self.kill_now();
    }

    /// Kills all the part's processes at once, as a power cut would, and waits until they are gone.
    #[expect(clippy::unused_async, reason = "symmetrical to stop and start")]
    pub async fn kill(&self) {
        self.kill_now();
    }

    /// Freezes all the part's processes: connections stay open and nobody answers.
    pub fn pause(&self) {
        // The parent first, so that it starts no process that we would miss.
        if let Some(&root) = self.pids().first() {
            process::signal(root, Signal::STOP);
        }
        for pid in self.pids() {
            process::signal(pid, Signal::STOP);
        }
    }

    /// Lets a paused part go on.
    pub fn resume(&self) {
        for pid in self.pids() {
            process::signal(pid, Signal::CONT);
        }
    }

    /// Blocks for the few milliseconds that the system needs to take a killed process down.
    fn kill_now(&self) {
        self.pause();
        let pids = self.pids();
        if !pids.is_empty() {
            self.is_to_end();
        }
        for &pid in &pids {
            process::signal(pid, Signal::KILL);
        }
        if let Some(mut started) = self.started().take() {
            let deadline = Instant::now() + KILL_LIMIT;
            while (exit_status(&mut started).is_none()
                || pids.iter().any(|&pid| process::lives(pid)))
                && Instant::now() < deadline
            {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn is_to_end(&self) {
        if let Some(started) = self.started().as_mut() {
            started.is_to_end = true;
        }
    }

    fn started(&self) -> MutexGuard<'_, Option<Started>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.kill_now();
    }
}

impl Launch {
    fn spawn(&self) -> Result<Child, Error> {
        let log = &self.log;
        let output = File::options().create(true).append(true).open(log).context("open", log)?;
        let errors = output.try_clone().context("open", log)?;
        let mut command = process::setpriv(self.orphan_signal, self.unprivileged, &self.program);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(&self.arguments).current_dir(&self.directory).stdout(output).stderr(errors);
        process::spawn(command).context("start", &self.program)
    }
}

/// Waits until one of the parts has ended although nobody stopped it.
pub(crate) async fn until_broken<'a>(parts: impl IntoIterator<Item = &'a Part> + Clone) -> Error {
    loop {
        for part in parts.clone() {
            if let Err(error) = part.check() {
                return error;
            }
        }
        sleep(WATCH).await;
    }
}

/// How the child ended, if it did. A child that cannot be asked counts as running.
fn exit_status(started: &mut Started) -> Option<ExitStatus> {
    started.child.try_wait().ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn part(program: &str, argument: &str, log: &Path) -> Part {
        let launch = Launch {
            program: PathBuf::from(program),
            arguments: vec![argument.into()],
            environment: Vec::new(),
            directory: PathBuf::from("/"),
            log: log.to_owned(),
            port: 0,
            probe: Probe::Service,
            stop_signal: Signal::TERM,
            orphan_signal: "KILL",
            unprivileged: false,
        };
        Part::new("sleep", Some(launch))
    }

    #[tokio::test]
    async fn what_was_told_to_end_has_not_ended_by_itself() {
        let directory = tempfile::tempdir().unwrap();
        let part = Arc::new(part("sleep", "600", &directory.path().join("log")));
        let ends = Arc::new(AtomicBool::new(false));
        // Asked without pause: there is a moment between the end of a process and its being noticed.
        let watch = thread::spawn({
            let (part, ends) = (part.clone(), ends.clone());
            move || {
                while !ends.load(Ordering::Relaxed) {
                    if let Err(error) = part.check() {
                        return Some(error.to_string());
                    }
                }
                None
            }
        });
        for _ in 0..10 {
            part.start_without_waiting().unwrap();
            part.stop().await;
            part.start_without_waiting().unwrap();
            part.kill().await;
        }
        ends.store(true, Ordering::Relaxed);
        assert_eq!(watch.join().unwrap(), None);
    }

    #[tokio::test]
    async fn what_ends_by_itself_is_told_also_after_it_was_stopped_once() {
        let directory = tempfile::tempdir().unwrap();
        let part = part("sleep", "0.2", &directory.path().join("log"));
        part.start_without_waiting().unwrap();
        part.stop().await;
        part.start_without_waiting().unwrap();
        let error = tokio::time::timeout(START_LIMIT, until_broken([&part])).await.unwrap();
        assert!(error.to_string().contains("stopped by itself"), "{error}");
    }
}
