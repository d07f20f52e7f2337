//! Commands that run to their end, children that die with us, and signals to whole trees.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{self, Child, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::error::{self, Error};

/// `nobody` on every Linux distribution; the kernel's own overflow id.
pub(crate) const NOBODY: u32 = 65534;

/// A fetch over a slow line is the longest of our commands.
const COMMAND_LIMIT: Duration = Duration::from_mins(20);

pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

pub(crate) fn effective_user() -> u32 {
    geteuid().as_raw()
}

/// Runs a command to its end and returns what it wrote, standard output first.
pub(crate) async fn run(mut command: Command, what: &str) -> Result<String, Error> {
    let failed = |problem: String, output: &[u8]| Error::Command {
        what: what.to_owned(),
        problem,
        output: error::tail(output),
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let runtime = Handle::current();
    let child = on_spawner(move || {
        let _entered = runtime.enter();
        command.spawn()
    })
    .map_err(|problem| failed(problem.to_string(), b""))?;
    let output = timeout(COMMAND_LIMIT, child.wait_with_output())
        .await
        .map_err(|_| failed(format!("still running after {COMMAND_LIMIT:?}"), b""))?
        .map_err(|problem| failed(problem.to_string(), b""))?;
    let text = [output.stdout, output.stderr].concat();
    if !output.status.success() {
        return Err(failed(output.status.to_string(), &text));
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A command for [`run`] that is killed when this process is gone.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    setpriv("KILL", false, program).into()
}

/// The same as the unprivileged user that Postgres wants, if we are root.
pub(crate) fn unprivileged(program: impl AsRef<OsStr>) -> Command {
    setpriv("KILL", true, program).into()
}

/// A command for `program` that gets `signal` once this process is gone; [`run`] or [`spawn`] it.
pub(crate) fn setpriv(
    signal: &str,
    unprivileged: bool,
    program: impl AsRef<OsStr>,
) -> process::Command {
    let mut command = process::Command::new("setpriv");
    // One call for both: setpriv asks for the signal after it changed the user, a change that
    // would take the request back.
    command.args(["--pdeathsig", signal]);
    if unprivileged && is_root() {
        let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
        command.args([&user, &group, "--clear-groups"]);
    }
    command.arg("--").arg(program);
    command
}

type Job = Box<dyn FnOnce() + Send>;

/// The system sends the parent-death signal when the *thread* that spawned ends, not the
/// process: so one thread that never ends spawns every child.
static SPAWNER: LazyLock<Sender<Job>> = LazyLock::new(|| {
    let (jobs, inbox) = channel::<Job>();
    thread::spawn(move || inbox.into_iter().for_each(|job| job()));
    jobs
});

fn on_spawner<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (reply, outcome) = channel();
    // The caller waits below, so somebody takes the reply.
    let job = Box::new(move || drop(reply.send(job())));
    SPAWNER.send(job).map_err(|_| io::Error::other("the spawning thread is gone"))?;
    outcome.recv().map_err(io::Error::other)?
}

/// Starts a child that may outlive the caller's runtime, in a process group of its own: Ctrl-C
/// in a terminal does not reach it, and our orderly stop decides.
pub(crate) fn spawn(mut command: process::Command) -> io::Result<Child> {
    command.stdin(Stdio::null()).process_group(0);
    on_spawner(move || command.spawn())
}

/// A process and all its descendants, parents first. Postgres puts each of its processes into a
/// session of its own, so a process group would not do.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (pid, parent) in processes() {
        children.entry(parent).or_default().push(pid);
    }
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(pid) = tree.get(next) {
        tree.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    tree
}

/// Every living process with its parent.
fn processes() -> impl Iterator<Item = (u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, living_parent(pid)?))
    })
}

/// The parent of a process, or `None` when it is dead, though perhaps not yet reaped.
fn living_parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may contain anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(parent)
}

pub(crate) fn lives(pid: u32) -> bool {
    living_parent(pid).is_some()
}

/// Sends a signal; that the process has just ended is no error.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether this very process, and not a stranger, listens on the port.
pub(crate) fn listens(pid: u32, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let local = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let sockets: Vec<String> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|row| row.len() > 9 && row[1].ends_with(&local) && row[3] == LISTEN)
        .map(|row| format!("socket:[{}]", row[9]))
        .collect();
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets.any(|target| sockets.iter().any(|socket| target.as_os_str() == socket.as_str()))
}
