//! What an order takes, counted instead of timed: records, statements, transactions.

use std::time::{Duration, Instant};

use anyhow::ensure;
use load::{Arrivals, Length, Load};
use serde::{Deserialize, Serialize};
use stack::fleet::SERVICES;
use tokio::time::sleep;

use crate::bench::Bench;
use crate::fleet::{Fleet, Setup};
use crate::ground::Ground;
use crate::loads::closed;
use crate::postgres::{execute, told};

/// How many orders are under way at all times.
const AT_ONCE: usize = 500;
/// Nothing was published for so long: the fleet is at rest.
const QUIET: Duration = Duration::from_secs(2);
/// How long coming to rest may take.
const QUIET_LIMIT: Duration = Duration::from_mins(2);

/// Over a closed loop of a fixed number of orders.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Orders that were acknowledged.
    pub(crate) orders: u64,
    /// Orders that are in the order service's database.
    pub(crate) rows: u64,
    /// Records in the topics of events.
    pub(crate) records_per_order: f64,
    /// Statements in the databases, those that begin and end transactions included.
    pub(crate) statements_per_order: f64,
    /// Transactions of several statements that were committed there.
    pub(crate) transactions_per_order: f64,
}

pub(crate) async fn measure(bench: &mut Bench) -> anyhow::Result<Counts> {
    begin_counting(&mut bench.ground).await?;
    let fleet = bench.fleet(Setup::plain("counts")).await?;
    let counts = count(&fleet, bench.scale.counted).await?;
    fleet.close().await?;
    bench.ground.restart_postgres("ALTER SYSTEM RESET shared_preload_libraries").await?;
    let Counts { records_per_order, statements_per_order, transactions_per_order, .. } = counts;
    bench.ground.show.say(&format!(
        "  per order: {records_per_order} records, {statements_per_order:.2} statements, \
         {transactions_per_order:.3} transactions"
    ));
    Ok(counts)
}

/// Has Postgres count statements, which makes it a little slower.
pub(crate) async fn begin_counting(ground: &mut Ground) -> anyhow::Result<()> {
    let library = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'";
    ground.restart_postgres(library).await?;
    let create = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
    execute(ground.postgres(), create).await
}

/// Counts over so many orders. The fleet must be warm, and without work.
pub(crate) async fn count(fleet: &Fleet<'_>, orders: u64) -> anyhow::Result<Counts> {
    until_quiet(fleet).await?;
    let before = Totals::read(fleet).await?;
    let arrivals = Arrivals::Closed(AT_ONCE);
    let load = Load { arrivals, ..closed(Length::Orders(orders)) };
    let phase = fleet.measure("counting", &load).await?.load;
    ensure!(phase.unfinished == 0, "not all orders have ended: {phase:?}");
    until_quiet(fleet).await?;
    let after = Totals::read(fleet).await?;
    #[allow(clippy::cast_precision_loss)] // Far below 2^52.
    let per_order = |before: u64, after: u64| (after - before) as f64 / phase.placed as f64;
    Ok(Counts {
        orders: phase.placed,
        rows: after.rows - before.rows,
        records_per_order: per_order(before.records, after.records),
        statements_per_order: per_order(before.statements, after.statements),
        transactions_per_order: per_order(before.transactions, after.transactions),
    })
}

struct Totals {
    rows: u64,
    records: u64,
    statements: u64,
    transactions: u64,
}

impl Totals {
    async fn read(fleet: &Fleet<'_>) -> anyhow::Result<Self> {
        let databases = SERVICES.map(|service| fleet.database(service)).to_vec();
        let (statements, transactions): (i64, i64) = sqlx::query_as(
            "SELECT coalesce(sum(calls), 0)::bigint,
               coalesce(sum(calls) FILTER (WHERE query = 'COMMIT'), 0)::bigint
             FROM pg_stat_statements JOIN pg_database ON oid = dbid
             WHERE datname = ANY($1)",
        )
        .bind(databases)
        .fetch_one(fleet.ground.postgres())
        .await
        .map_err(told)?;
        Ok(Self {
            rows: fleet.order_rows().await?,
            records: records(fleet).await?,
            statements: statements.unsigned_abs(),
            transactions: transactions.unsigned_abs(),
        })
    }
}

async fn until_quiet(fleet: &Fleet<'_>) -> anyhow::Result<()> {
    let began = Instant::now();
    let (mut last, mut since) = (records(fleet).await?, Instant::now());
    while since.elapsed() < QUIET {
        ensure!(began.elapsed() < QUIET_LIMIT, "events are still published after {QUIET_LIMIT:?}");
        sleep(Duration::from_millis(200)).await;
        let now = records(fleet).await?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(())
}

/// Records that the topics of events hold.
async fn records(fleet: &Fleet<'_>) -> anyhow::Result<u64> {
    let brokers = fleet.ground.stack.kafka_brokers();
    let topics = SERVICES.map(|service| fleet.topics().events(service));
    let windows =
        tokio::task::spawn_blocking(move || kafka::partitions(&brokers, &topics)).await??;
    Ok(windows.iter().map(|window| (window.to - window.from).unsigned_abs()).sum())
}
