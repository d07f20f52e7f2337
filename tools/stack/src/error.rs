use std::path::{Path, PathBuf};
use std::{fs, io};

/// Lines of a log or of a command's output that an error repeats: enough for a stack trace's head.
const TAIL_LINES: usize = 20;

/// Why the stack, or a part of it, is not there. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Programs that fetch or run the parts are missing, and we may not install them.
    #[error(
        "{programs} not found: install {packages} (on Debian: sudo apt-get install {packages})"
    )]
    MissingPrograms {
        /// The programs looked for in `PATH`.
        programs: String,
        /// The Debian packages that bring them.
        packages: String,
    },
    /// There is no build of a part for this processor.
    #[error("there is no Postgres build for {0}: use an x86_64 or aarch64 Linux")]
    Architecture(&'static str),
    /// There is no such major version of Postgres, or none that is fetched.
    #[error("there is no Postgres {0:?} here: choose 15, 16, 17 or 18 (FARANDOLE_POSTGRES)")]
    UnknownVersion(String),
    /// A command that fetches or prepares a part failed.
    #[error(
        "{what} failed: {problem}\n{output}\nOnce the cause is gone, try again: what was complete is kept."
    )]
    Command {
        /// What the command was to do.
        what: String,
        /// How it ended.
        problem: String,
        /// The last lines it wrote.
        output: String,
    },
    /// A part did not start, or stopped by itself.
    #[error("{part} {problem}. The end of {}:\n{tail}", log.display())]
    Part {
        /// The part's name.
        part: &'static str,
        /// What happened, and what to do.
        problem: String,
        /// Its log; gone already if the data was temporary.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The part was left out of this stack by [`Serve::No`](crate::Serve::No).
    #[error("{0} is not part of this stack: do not set it to Serve::No")]
    NotServed(&'static str),
    /// A service's program is not there.
    #[error("{} is not there: run `cargo build --workspace` first", .0.display())]
    NotBuilt(PathBuf),
    /// Another program listens on a part's port.
    #[error(
        "{part} cannot use port {port}: another program has it; stop that, or choose another port"
    )]
    PortTaken {
        /// The part's name.
        part: &'static str,
        /// The port on 127.0.0.1.
        port: u16,
    },
    /// No free port was found.
    #[error("no free port found on 127.0.0.1: stop something that listens there, or fix the ports")]
    NoFreePort,
    /// Somebody else holds a lock for too long, or for good.
    #[error("{} is in use by another farandole-stack: wait for it to end, or choose another directory", .0.display())]
    InUse(PathBuf),
    /// Postgres never runs as root, and the user it runs as cannot get to its files.
    #[error("Postgres refuses to run as root and the user nobody may not enter {}: chmod o+x it, or choose another directory for the cache (FARANDOLE_CACHE), the data (--data) or temporary files (TMPDIR)", .0.display())]
    Unreachable(PathBuf),
    /// A database statement of our own failed.
    #[error("Postgres failed to {action}: {reason}")]
    Database {
        /// What was to be done.
        action: String,
        /// The driver's or the server's reason.
        reason: sqlx::Error,
    },
    /// A file or directory could not be used.
    #[error("cannot {action} {}: {reason}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
}

/// Names the file and the action that an I/O error lacks.
pub(crate) trait Context<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|reason| Error::Io { action, path: path.to_owned(), reason })
    }
}

/// The last lines of a log; empty when it cannot be read, since it only adorns another error.
pub(crate) fn tail_of(log: &Path) -> String {
    tail(&fs::read(log).unwrap_or_default())
}

pub(crate) fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
