//! The load generator against a fleet: it counts what there is to count.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use load::{Arrivals, Length, Load, Mix, Phase, Preload, Stage, Target, open_shop, run};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use testkit::{Sandbox, programs};
use tokio::process::Command;

use crate::test_fleet::{PATIENCE, TestFleet, shared};

fn target(fleet: &TestFleet) -> Target {
    Target {
        order_urls: vec![fleet.fleet.url("order")],
        inventory_url: fleet.fleet.url("inventory"),
        kafka_brokers: fleet.sandbox.stack.kafka_brokers.clone(),
        topics: fleet.sandbox.topics.clone(),
    }
}

fn load(arrivals: Arrivals, length: Length) -> Load {
    let mix =
        Mix { declined: 20.0, refused: 10.0, out_of_stock: 10.0, flaky: 5.0, skus: 10, skew: 1.0 };
    Load { arrivals, mix, warm_up: Duration::ZERO, length, patience: PATIENCE, connections: 16 }
}

fn assert_all_ended(phase: &Phase) {
    assert_eq!(phase.placed, phase.offered, "{phase:?}");
    assert_eq!(phase.completed + phase.cancelled, phase.placed, "{phase:?}");
    assert_eq!((phase.unfinished, phase.broken, phase.refused.len()), (0, 0, 0), "{phase:?}");
    assert!(0.0 < phase.post.p50 && phase.post.p50 <= phase.end.max, "{phase:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_loop_of_so_many_orders_is_followed_to_its_end() {
    let target = target(shared().await);
    let load = load(Arrivals::Closed(20), Length::Orders(300));
    open_shop(&target, &load.mix).await.unwrap();
    let (mut stages, mut most) = (Vec::new(), 0);
    let phase = run(&target, &load, async |progress| {
        stages.push(progress.stage);
        most = most.max(progress.under_way);
    })
    .await
    .unwrap();
    assert_eq!(phase.offered, 300);
    assert_all_ended(&phase);
    assert!(phase.completed > 100 && phase.cancelled > 50, "{phase:?}");
    assert!(most <= 20, "{most} were under way");
    stages.dedup();
    assert_eq!((stages[0], stages.contains(&Stage::End)), (Stage::Begin, true), "{stages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_offers_its_rate() {
    let target = target(shared().await);
    let load = load(Arrivals::Even(100.0), Length::Time(Duration::from_secs(2)));
    open_shop(&target, &load.mix).await.unwrap();
    let phase = run(&target, &load, async |_| {}).await.unwrap();
    assert_all_ended(&phase);
    let per_second = f64::from(u32::try_from(phase.offered).unwrap()) / phase.seconds;
    assert!((90.0..110.0).contains(&per_second), "{phase:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_measures_one_rate_after_the_other() {
    let fleet = shared().await;
    let results = std::env::temp_dir().join(format!("{}load.json", fleet.sandbox.prefix));
    let Target { order_urls, inventory_url, kafka_brokers, .. } = target(fleet);
    let output = Command::new(programs().join("farandole-load"))
        .args(["--steps", "20,40", "--duration", "1", "--warm-up", "0.5", "--skus", "5", "--json"])
        .arg(&results)
        .env("ORDER_URL", &order_urls[0])
        .env("INVENTORY_URL", inventory_url)
        .env("KAFKA_BROKERS", kafka_brokers)
        .env("TOPIC_PREFIX", &fleet.sandbox.prefix)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(&results).unwrap();
    fs::remove_file(&results).unwrap();
    let phases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let offered = phases.iter().map(|phase| phase["offered_per_second"].as_f64().unwrap());
    assert_eq!(offered.collect::<Vec<_>>(), [20.0, 40.0]);
    assert!(phases.iter().all(|phase| phase["unfinished"] == 0), "{text}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table.lines().count(), 4, "two lines of heading, and one for each rate: {table}");
}

#[tokio::test]
async fn orders_that_were_put_in_are_taken_out_again() {
    let fleet = TestFleet::start(Sandbox::new(), &[]).await;
    let preload = Preload::now();
    for declared in declarations::fleet().services() {
        let url = fleet.sandbox.database_url(&declared.service);
        let counts = async || -> [i64; 2] {
            let pool = Sandbox::pool(&url);
            let count = async |table: &str| {
                let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
                sqlx::query_scalar(count).fetch_one(&pool).await.unwrap()
            };
            [count(&declared.table).await, count("inbox").await]
        };
        let before = counts().await;
        preload.fill(&declared.service, &url, 0..20).await.unwrap();
        assert_eq!(counts().await[0], before[0] + 20, "{}", declared.service);
        preload.remove(&declared.service, &url).await.unwrap();
        assert_eq!(counts().await, before, "{}", declared.service);
    }
}
