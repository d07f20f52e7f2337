use std::time::Duration;

use deadpool_postgres::Pool;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::Failure;

/// First key of the advisory locks that instances hold ("FARO"); the second is their number.
const LOCK_CLASS: i32 = 0x4641_524F;

/// How often an instance looks whether the connection that holds its lock is still there. Until
/// it is back, others may publish its rows a second time, which the readers' inboxes drop.
const CHECK: Duration = Duration::from_secs(1);

/// SQL for the numbers of the instances of this service that are alive.
pub const LIVE: &str = "(SELECT objid::bigint::integer FROM pg_locks
      WHERE locktype = 'advisory' AND classid = 1178686031 AND objsubid = 2 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

/// Takes a number for this instance and keeps a lock on it until the end of its `life`: the sign of life by
/// which the others tell whose rows have been left behind.
pub(crate) async fn enlist(pool: &Pool, life: CancellationToken) -> Result<i32, Failure> {
    let client = pool.get().await?;
    let row = client.query_one("SELECT nextval('instance_numbers')::integer", &[]).await?;
    let number = row.get(0);
    drop(client);
    let lock = hold(pool, number).await?;
    tokio::spawn(keep(pool.clone(), number, lock, life));
    Ok(number)
}

async fn hold(pool: &Pool, number: i32) -> Result<deadpool_postgres::ClientWrapper, Failure> {
    // Out of the pool: the lock lives as long as this one connection.
    let client = deadpool_postgres::Object::take(pool.get().await?);
    client.execute("SELECT pg_try_advisory_lock($1, $2)", &[&LOCK_CLASS, &number]).await?;
    Ok(client)
}

async fn keep(
    pool: Pool,
    number: i32,
    mut lock: deadpool_postgres::ClientWrapper,
    life: CancellationToken,
) {
    while life.run_until_cancelled(tokio::time::sleep(CHECK)).await.is_some() {
        if alive(&lock).await {
            continue;
        }
        match hold(&pool, number).await {
            Ok(again) => lock = again,
            Err(failure) => warn!(%failure, number, "cannot renew this instance's sign of life"),
        }
    }
}

async fn alive(client: &Client) -> bool {
    !client.is_closed() && client.simple_query("").await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_names_the_lock_class() {
        assert!(LIVE.contains(&format!("classid = {LOCK_CLASS} ")));
    }
}
