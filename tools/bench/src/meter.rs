//! What a fleet uses: CPU time and memory by process, bytes in the log of Postgres and in Kafka's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use sqlx::PgPool;
use stack::fleet::SERVICES;

use crate::postgres::told;

/// Linux tells CPU time in hundredths of a second, whatever the kernel's own tick (time(7)).
const MICROS_PER_TICK: u64 = 10_000;
/// The name under which this program's own share is listed.
pub(crate) const LOAD: &str = "load generator";

/// The processes of a fleet that use CPU time, in the order in which they are shown.
pub(crate) fn processes() -> Vec<&'static str> {
    SERVICES.into_iter().chain(["Kafka", "Postgres"]).collect()
}

/// What had been used at a moment, since the processes were started.
pub(crate) struct Reading {
    pub(crate) at: Instant,
    /// Microseconds by process.
    pub(crate) cpu_us: BTreeMap<String, u64>,
    /// Bytes by process.
    pub(crate) memory: BTreeMap<String, u64>,
    /// Bytes that Postgres had written ahead.
    pub(crate) wal_bytes: u64,
    /// Transactions that the fleet's databases had committed. They are told up to a second late.
    pub(crate) commits: u64,
    /// Bytes in the fleet's topics.
    pub(crate) kafka_bytes: u64,
}

/// Where to look.
pub(crate) struct Meter<'m> {
    /// The processes, by the name under which they are added up, each with its descendants.
    pub(crate) processes: Vec<(&'static str, Vec<u32>)>,
    pub(crate) postgres: &'m PgPool,
    /// Where Kafka keeps its partitions.
    pub(crate) kafka: &'m Path,
    /// With this begin the fleet's topics and databases.
    pub(crate) prefix: &'m str,
}

impl Meter<'_> {
    pub(crate) async fn read(&self) -> anyhow::Result<Reading> {
        let (mut cpu_us, mut memory) = (BTreeMap::new(), BTreeMap::new());
        let own = (LOAD, vec![std::process::id()]);
        for (name, pids) in self.processes.iter().chain([&own]) {
            let (cpu, bytes) = usage(pids);
            *cpu_us.entry((*name).to_owned()).or_default() += cpu;
            *memory.entry((*name).to_owned()).or_default() += bytes;
        }
        let (wal_bytes, commits): (i64, i64) = sqlx::query_as(
            "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint, (SELECT
               coalesce(sum(xact_commit), 0)::bigint FROM pg_stat_database
               WHERE starts_with(datname, $1))",
        )
        .bind(self.prefix)
        .fetch_one(self.postgres)
        .await
        .map_err(told)?;
        Ok(Reading {
            at: Instant::now(),
            cpu_us,
            memory,
            wal_bytes: wal_bytes.unsigned_abs(),
            commits: commits.unsigned_abs(),
            kafka_bytes: segment_bytes(self.kafka, self.prefix)?,
        })
    }
}

/// CPU time in microseconds and resident bytes of a process tree, the main one first. What those
/// used that have ended is with their parent.
fn usage(pids: &[u32]) -> (u64, u64) {
    let mut total = (0, 0);
    for (at, pid) in pids.iter().enumerate() {
        // One that has just ended is its parent's.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let (ticks, ticks_of_ended) = ticks(&stat).unwrap_or_default();
        total.0 += MICROS_PER_TICK * (ticks + if at == 0 { ticks_of_ended } else { 0 });
        total.1 += resident(*pid).unwrap_or_default();
    }
    total
}

/// The process's own ticks, and those of its children that have ended (proc(5), fields 14 to 17).
fn ticks(stat: &str) -> Option<(u64, u64)> {
    // The program's name, in parentheses, may contain anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<u64> =
        fields.split(' ').skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    let [user, system, ended_user, ended_system] = fields[..] else { return None };
    Some((user + system, ended_user + ended_system))
}

/// Without memory that is shared with other processes, which is Postgres's buffers.
fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some(1024 * (kilobytes("RssAnon:")? + kilobytes("RssFile:")?))
}

/// The sizes of the segments of all topics with this prefix.
fn segment_bytes(kafka: &Path, prefix: &str) -> anyhow::Result<u64> {
    let mut bytes = 0;
    let entries =
        fs::read_dir(kafka).with_context(|| format!("cannot read {}", kafka.display()))?;
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        for file in fs::read_dir(entry.path())? {
            let file = file?;
            if file.path().extension().is_some_and(|extension| extension == "log") {
                bytes += file.metadata()?.len();
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_times_behind_a_name_with_spaces() {
        let stat = "42 (a ) name) S 1 42 42 0 -1 4194304 9 9 0 0 250 50 7 3 20 0 1 0 5";
        assert_eq!(ticks(stat), Some((300, 10)));
        assert_eq!(ticks("nonsense"), None);
    }

    #[test]
    fn sees_this_process() {
        let (_, bytes) = usage(&[std::process::id()]);
        assert!(bytes > 100_000, "{bytes}");
    }
}
