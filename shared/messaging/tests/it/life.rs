//! The sign by which the others tell that an instance lives.

use std::time::{Duration, Instant};

use crate::stage::{LOCK_CLASS, Stage};

/// How soon an instance has its lock again.
const WITHIN: Duration = Duration::from_secs(3);

#[tokio::test]
async fn an_instance_that_lost_its_lock_takes_it_again() {
    let stage = Stage::set_narrow().await;
    let instance = stage.start().await;
    let number = stage.last_instance().await;
    let holder = |whose: &str| {
        format!(
            "pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted
               AND datname = current_database() AND classid = {LOCK_CLASS} AND objid = {number}
               AND application_name {whose}"
        )
    };
    let (own, another) = (holder("= 'farandole sign of life'"), holder("NOT LIKE 'farandole %'"));
    stage.until_count(&own, 1).await;

    let mut thief = stage.pool.acquire().await.unwrap();
    let lock = sqlx::query("SELECT pg_advisory_lock($1, $2)").bind(LOCK_CLASS).bind(number);
    let taking = async { lock.execute(&mut *thief).await.unwrap() };
    let losing = async {
        let waits = "pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        stage.until_count(waits, 1).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'farandole sign of life'";
        stage.execute(end).await;
    };
    tokio::join!(taking, losing);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((stage.count(&own).await, stage.count(&another).await), (0, 1));

    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut *thief).await.unwrap();
    let since = Instant::now();
    stage.until_count(&own, 1).await;
    assert!(since.elapsed() < WITHIN, "{:?}", since.elapsed());
    instance.stop().await;
}
