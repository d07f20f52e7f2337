use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use deadpool_postgres::Pool;
use jiff::Timestamp;
use kernel::OrderId;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use tracing::warn;
use uuid::Uuid;

use crate::retry::storable;
use crate::service::Effect;
use crate::{BundleId, Call, Cause, Db, Failure, Outbox, instance};

/// How long an instance has an intent to itself before it must be renewed. An intent that got into
/// nobody's memory, because the answer to its commit was lost, is found when its lease is over.
const LEASE: Duration = Duration::from_secs(10);

/// A call that is in the table.
#[derive(Debug)]
pub(crate) struct Intent<F> {
    pub(crate) id: IntentId,
    pub(crate) call: Call<F>,
}

/// A call's place in the table: the `number`th, from 0, in a bundle of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct IntentId {
    bundle: BundleId,
    number: usize,
    bundled: usize,
}

/// Writes intents, as one row. For the time of a lease this instance has them to itself.
pub(crate) async fn append<F: Effect>(
    db: &Db<'_>,
    instance: i32,
    bundle: BundleId,
    calls: Vec<Call<F>>,
) -> Result<Vec<Intent<F>>, Failure> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let insert = db
        .prepare_cached(
            "INSERT INTO effect_bundles (bundle_id, instance, open, due_at, order_ids, steps,
               effects, correlation_ids, causation_ids, traceparents)
             VALUES ($1, $2, $3::text::bit varying, $4, $5, $6, $7, $8, $9, $10)",
        )
        .await?;
    let open = "1".repeat(calls.len());
    let until = after(LEASE);
    let orders: Vec<Uuid> = calls.iter().map(|call| call.order.0).collect();
    let steps: Vec<&str> = calls.iter().map(|call| call.effect.step()).collect();
    let effects: Vec<Json<&F>> = calls.iter().map(|call| Json(&call.effect)).collect();
    let correlations: Vec<&str> =
        calls.iter().map(|call| call.cause.correlation_id.as_str()).collect();
    let causations: Vec<&str> = calls.iter().map(|call| call.cause.causation_id.as_str()).collect();
    let traces: Vec<Option<&str>> =
        calls.iter().map(|call| call.cause.traceparent.as_deref()).collect();
    db.execute(
        &insert,
        &[
            &bundle.0,
            &instance,
            &open,
            &until,
            &orders,
            &steps,
            &effects,
            &correlations,
            &causations,
            &traces,
        ],
    )
    .await?;
    let bundled = calls.len();
    let numbered = calls.into_iter().enumerate();
    Ok(numbered
        .map(|(number, call)| Intent { id: IntentId { bundle, number, bundled }, call })
        .collect())
}

/// What has come of settling intents.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Those that were open until now. The others' outcomes have been committed already.
    pub(crate) new: HashSet<IntentId>,
    /// The bundles that are still in the table, with nothing open in them.
    pub(crate) done: Vec<BundleId>,
}

/// Closes intents, now that their outcomes are being committed. A bundle of which all outcomes are
/// here goes at once, which is what happens to nearly all while providers are quick.
pub(crate) async fn settle(
    db: &Db<'_>,
    intents: impl Iterator<Item = IntentId>,
) -> Result<Settled, Failure> {
    let mut bundles: BTreeMap<BundleId, (usize, BTreeSet<usize>)> = BTreeMap::new();
    for IntentId { bundle, number, bundled } in intents {
        bundles.entry(bundle).or_insert_with(|| (bundled, BTreeSet::new())).1.insert(number);
    }
    let (whole, parts): (Vec<_>, Vec<_>) =
        bundles.iter().partition(|(_, (bundled, numbers))| numbers.len() == *bundled);
    let (whole, parts) = tokio::try_join!(biased; take(db, &whole), close(db, &parts))?;
    let mut settled = Settled::default();
    for row in whole.iter().chain(&parts) {
        let bundle = BundleId(row.get(0));
        let was_open: &str = row.get(1);
        let Some((size, numbers)) = bundles.get(&bundle) else { continue };
        let open = numbers.iter().filter(|number| was_open.as_bytes().get(**number) == Some(&b'1'));
        settled.new.extend(open.map(|number| IntentId { bundle, number: *number, bundled: *size }));
    }
    let done = parts.iter().filter(|row| row.get(2)).map(|row| BundleId(row.get(0)));
    settled.done.extend(done);
    Ok(settled)
}

type Part<'b> = (&'b BundleId, &'b (usize, BTreeSet<usize>));

async fn take(db: &Db<'_>, bundles: &[Part<'_>]) -> Result<Vec<Row>, Failure> {
    if bundles.is_empty() {
        return Ok(Vec::new());
    }
    let delete = db
        .prepare_cached(
            "DELETE FROM effect_bundles WHERE bundle_id = ANY($1)
             RETURNING bundle_id, open::text",
        )
        .await?;
    let ids: Vec<i64> = bundles.iter().map(|(bundle, _)| bundle.0).collect();
    Ok(db.query(&delete, &[&ids]).await?)
}

async fn close(db: &Db<'_>, bundles: &[Part<'_>]) -> Result<Vec<Row>, Failure> {
    if bundles.is_empty() {
        return Ok(Vec::new());
    }
    let update = db
        .prepare_cached(
            "UPDATE effect_bundles SET open = effect_bundles.open & others::bit varying
             FROM unnest($1::bigint[], $2::text[]) AS done (bundle_id, others)
             WHERE effect_bundles.bundle_id = done.bundle_id
             RETURNING effect_bundles.bundle_id, old.open::text, position(B'1' IN new.open) = 0",
        )
        .await?;
    let ids: Vec<i64> = bundles.iter().map(|(bundle, _)| bundle.0).collect();
    let others: Vec<String> = bundles
        .iter()
        .map(|(_, (bundled, numbers))| {
            (0..*bundled).map(|number| if numbers.contains(&number) { '0' } else { '1' }).collect()
        })
        .collect();
    Ok(db.query(&update, &[&ids, &others]).await?)
}

/// Takes off the table what has nothing open in it.
pub(crate) async fn remove(db: &Db<'_>, bundles: &[BundleId]) -> Result<(), Failure> {
    if bundles.is_empty() {
        return Ok(());
    }
    let delete = db.prepare_cached("DELETE FROM effect_bundles WHERE bundle_id = ANY($1)").await?;
    let ids: Vec<i64> = bundles.iter().map(|bundle| bundle.0).collect();
    db.execute(&delete, &[&ids]).await?;
    Ok(())
}

/// Fetches intents that are due, and those of instances that are gone: so many at most, and what more
/// the last one's bundle has.
pub(crate) async fn claim<F: Effect>(
    pool: &Pool,
    instance: i32,
    max: usize,
) -> Result<Vec<Intent<F>>, Failure> {
    let client = pool.get().await?;
    let due = format!("(due_at <= now() OR instance NOT IN {})", instance::LIVE);
    let update = client
        .prepare_cached(&format!(
            "WITH claimed AS (
             UPDATE effect_bundles SET instance = $1, due_at = $2 WHERE bundle_id IN (
               SELECT bundle_id FROM effect_bundles
               WHERE {due} AND bundle_id IN (
                 SELECT bundle_id FROM (
                   SELECT bundle_id, length(open), sum(length(open)) OVER oldest_first
                   FROM effect_bundles WHERE {due}
                   WINDOW oldest_first AS (ORDER BY due_at, bundle_id)
                 ) AS bundle (bundle_id, own, so_far) WHERE so_far - own < $3)
               FOR UPDATE SKIP LOCKED)
             RETURNING bundle_id)
             SELECT bundle_id, number, bundled, order_id, step, effect, attempts, correlation_id,
               causation_id, traceparent
             FROM effects WHERE bundle_id IN (SELECT bundle_id FROM claimed)"
        ))
        .await?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let rows = client.query(&update, &[&instance, &after(LEASE), &max]).await?;
    Ok(rows.iter().filter_map(intent_from).collect())
}

fn intent_from<F: Effect>(row: &Row) -> Option<Intent<F>> {
    let place = |column| usize::try_from(row.get::<_, i32>(column)).unwrap_or_default();
    let id = IntentId {
        bundle: BundleId(row.get("bundle_id")),
        number: place("number"),
        bundled: place("bundled"),
    };
    let order = OrderId(row.get("order_id"));
    match row.try_get::<_, Json<F>>("effect") {
        Ok(Json(effect)) => Some(Intent {
            id,
            call: Call {
                order,
                effect,
                attempts: row.get::<_, i32>("attempts").unsigned_abs(),
                cause: Cause {
                    correlation_id: row.get("correlation_id"),
                    causation_id: row.get("causation_id"),
                    traceparent: row.get("traceparent"),
                },
            },
        }),
        Err(error) => {
            // A newer version's, perhaps: it stays in the table for one that understands it.
            let step: String = row.get("step");
            warn!(%order, step, %error, "an intended call cannot be read");
            None
        }
    }
}

/// Why a call is to be tried again later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PutOff<'a> {
    /// How often it was tried; the table keeps the greatest number.
    pub(crate) attempts: u32,
    pub(crate) wait: Duration,
    pub(crate) error: &'a str,
}

/// Writes down when a call is to be tried again, how often it was, and what was wrong. It gets a
/// bundle of its own, unless it has one.
pub(crate) async fn put_off(
    pool: &Pool,
    outbox: &Outbox,
    IntentId { bundle, number, bundled }: IntentId,
    PutOff { attempts, wait, error }: PutOff<'_>,
) -> Result<(), Failure> {
    let client = pool.get().await?;
    let (due, attempts, error) = (after(wait), attempts.cast_signed(), storable(error));
    if bundled == 1 {
        let update = client
            .prepare_cached(
                "UPDATE effect_bundles SET due_at = $2, attempts = greatest(attempts, $3),
                   last_error = $4
                 WHERE bundle_id = $1",
            )
            .await?;
        client.execute(&update, &[&bundle.0, &due, &attempts, &error]).await?;
        return Ok(());
    }
    let db = Db::begin(&client).await?;
    let own = outbox.next_bundle();
    let place = i32::try_from(number).unwrap_or(i32::MAX);
    let insert = db
        .prepare_cached(
            "WITH old AS (
             UPDATE effect_bundles SET open = set_bit(open, $2, 0)
             WHERE bundle_id = $1 AND get_bit(open, $2) = 1 RETURNING *)
             INSERT INTO effect_bundles (bundle_id, instance, open, due_at, attempts, last_error,
               created_at, order_ids, steps, effects, correlation_ids, causation_ids, traceparents)
             SELECT $3, instance, B'1', $4, greatest(attempts, $5), $6,
               created_at, order_ids[$2+1:$2+1], steps[$2+1:$2+1], effects[$2+1:$2+1],
               correlation_ids[$2+1:$2+1], causation_ids[$2+1:$2+1], traceparents[$2+1:$2+1]
             FROM old",
        )
        .await?;
    db.execute(&insert, &[&bundle.0, &place, &own.0, &due, &attempts, &error]).await?;
    let delete = db
        .prepare_cached(
            "DELETE FROM effect_bundles WHERE bundle_id = $1 AND position(B'1' IN open) = 0",
        )
        .await?;
    db.execute(&delete, &[&bundle.0]).await?;
    db.commit().await?;
    Ok(())
}

fn after(wait: Duration) -> Timestamp {
    let now = Timestamp::now();
    now.checked_add(wait).unwrap_or(now)
}
