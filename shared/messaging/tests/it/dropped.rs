//! Whatever is cut off in the middle of something, wherever that is, leaves nothing half done.

use std::time::Duration;

use farandole_messaging::{Database, Failure, LoopSettings, Pool, Purpose};
use futures::FutureExt as _;
use futures::future::join_all;

use crate::instance::Instance;
use crate::letter::{new_orders, rounds};
use crate::stage::Stage;

const LIVES: usize = 25;

/// Transactions that were begun and wait for more.
const OPEN: &str = "pg_stat_activity WHERE datname = current_database()
    AND state LIKE 'idle in transaction%'";

/// Each life ends with its runtime: all futures are dropped where they wait, those of the batch at
/// hand among them.
#[tokio::test]
async fn lives_that_are_dropped_in_the_middle_lose_nothing_and_leave_nothing_open() {
    let stage = Stage::set().await;
    let letters = rounds(stage.ids, &new_orders(50), 300);
    stage.send(&letters).await;
    for _ in 0..LIVES {
        live_until_cut_off(&stage).await;
        assert_eq!(stage.count(OPEN).await, 0);
        assert!(stage.count("inbox").await < 15_000, "it was cut off under load");
    }
    let sessions = "pg_stat_activity WHERE datname = current_database()
        AND application_name LIKE 'farandole %'";
    stage.until_count(sessions, 0).await;
    let instance = stage.start_with(named(&stage, 1_000)).await;
    stage.until_done(letters.len()).await;
    instance.stop().await;
    stage.assert_took_effect_once(&letters).await;
}

/// Under a name, so that the next one goes on at once.
fn named(stage: &Stage, batch_max: usize) -> LoopSettings {
    LoopSettings { group_instance_id: Some("the-one".to_owned()), batch_max, ..stage.settings() }
}

/// A life that is cut off a moment after it has begun to do something.
async fn live_until_cut_off(stage: &Stage) {
    let before = stage.count("inbox").await;
    let (database, gateway) = (stage.database.clone(), stage.gateway.address);
    let settings = named(stage, 7);
    let (cut_off, end) = tokio::sync::oneshot::channel::<()>();
    let life = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let _instance = Instance::start(&database, gateway, settings).await.unwrap();
            let _ = end.await;
        });
        runtime.shutdown_timeout(Duration::from_secs(10));
    };
    let life = tokio::task::spawn_blocking(life);
    stage.until_more("inbox", before).await;
    tokio::time::sleep(Duration::from_micros(fastrand::u64(..100_000))).await;
    cut_off.send(()).unwrap();
    life.await.unwrap();
}

/// As when clients of the API go away.
#[tokio::test]
async fn requests_that_are_dropped_in_the_middle_leave_nothing_open() {
    let stage = Stage::set_narrow().await;
    stage.execute("CREATE TABLE marks (number integer PRIMARY KEY)").await;
    let pool = Database::new(&stage.database).unwrap().pool(Purpose::new("requests"), 3);
    let mut made = 0;
    for number in 0..300 {
        let while_waiting = Duration::from_micros(fastrand::u64(..10_000));
        let marked = tokio::time::timeout(while_waiting, mark(&pool, number)).await;
        made += i64::from(marked.is_ok_and(|marked| marked.is_ok()));
        assert_eq!(stage.count(OPEN).await, 0);
    }
    assert!(0 < made && made < 300, "{made} were let to their end");
    assert!(stage.count("marks").await >= made);
    // None of them is in the way of another, and all connections can be had.
    let all = join_all((300..303).map(|number| mark(&pool, number)));
    let all = tokio::time::timeout(Duration::from_secs(5), all).await.unwrap();
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let sessions = "pg_stat_activity WHERE datname = current_database()
        AND application_name = 'farandole requests'";
    stage.until_count(sessions, 3).await;
}

async fn mark(pool: &Pool, number: i32) -> Result<(), Failure> {
    pool.run(|connection| {
        let mark = sqlx::query("INSERT INTO marks SELECT $1 FROM pg_sleep(0.002)").bind(number);
        async move { mark.execute(connection).await.map(|_| ()) }.boxed()
    })
    .await
}
