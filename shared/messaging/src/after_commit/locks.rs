//! Tells who holds locks that this service waits for: to the service that looks like a slow server.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::housekeeping::Housekeeping;
use crate::database::APPLICATION;
use crate::failure::Failure;
use crate::instruments::WAITING_FOR_LOCKS;
use crate::service::Monitor;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);
/// Waits end after a while and begin again, so for so long nobody may be seen waiting before all is
/// well again.
const SEEN_FOR: Duration = Duration::from_secs(15);

/// A session that others wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    pid: i32,
    /// What it is, such as `idle in transaction for 155 s, psql, 127.0.0.1`.
    what: String,
    waiting: i64,
}

/// Tells the monitor until `shutdown`.
pub(crate) async fn watch(
    database: Housekeeping,
    monitor: Arc<dyn Monitor>,
    shutdown: CancellationToken,
) {
    let mut seen: Option<(Instant, i32)> = None;
    while shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        // That Postgres is away is told by others.
        let Ok(holders) = holders(&database).await else { continue };
        WAITING_FOR_LOCKS.count([], u64::try_from(waiting(&holders)).unwrap_or_default());
        if let Some(first) = holders.first() {
            let told = told(&holders);
            if seen.is_none_or(|(_, pid)| pid != first.pid) {
                warn!(locks = told, "others hold locks that this service waits for");
            }
            monitor.detail("locks", Some(&told));
            seen = Some((Instant::now(), first.pid));
        } else if seen.is_none_or(|(last, _)| last.elapsed() >= SEEN_FOR) {
            monitor.detail("locks", None);
            seen = None;
        }
    }
}

fn waiting(holders: &[Holder]) -> i64 {
    holders.iter().map(|holder| holder.waiting).sum()
}

fn told(holders: &[Holder]) -> String {
    let each = holders.iter().map(|Holder { pid, what, waiting }| {
        format!(
            "session {pid} ({what}) holds a lock that {waiting} of this service's sessions wait \
             for; SELECT pg_terminate_backend({pid}) ends it"
        )
    });
    each.collect::<Vec<_>>().join("; ")
}

/// Who holds what this service's sessions have waited for for a while, and waits for nobody itself.
/// Not what it does: a statement may hold personal data.
async fn holders(database: &Housekeeping) -> Result<Vec<Holder>, Failure> {
    let pattern = format!("{APPLICATION} %");
    let rows = database
        .session()
        .await
        .run(|connection| {
            sqlx::query!(
                "SELECT holder.pid AS \"pid!\", count(*) AS \"waiting!\",
                   concat_ws(', ',
                     coalesce(holder.state, 'in an unknown state')
                       || coalesce(' for ' || extract(epoch FROM
                         date_trunc('second', now() - holder.xact_start))::bigint || ' s', ''),
                     nullif(holder.application_name, ''), host(holder.client_addr)) AS \"what!\"
                 FROM pg_stat_activity AS waiter, unnest(pg_blocking_pids(waiter.pid)) AS by (pid)
                   JOIN pg_stat_activity AS holder USING (pid)
                 WHERE waiter.datname = current_database() AND waiter.usename = current_user
                   AND waiter.application_name LIKE $1 AND waiter.wait_event_type = 'Lock'
                   AND clock_timestamp() - waiter.query_start > interval '300 milliseconds'
                   AND cardinality(pg_blocking_pids(holder.pid)) = 0
                 GROUP BY holder.pid, holder.state, holder.xact_start, holder.application_name,
                   holder.client_addr
                 ORDER BY 2 DESC, 1 LIMIT 5",
                pattern
            )
            .fetch_all(connection)
            .boxed()
        })
        .await?;
    let holder = |pid, what, waiting| Holder { pid, what, waiting };
    Ok(rows.into_iter().map(|row| holder(row.pid, row.what, row.waiting)).collect())
}
