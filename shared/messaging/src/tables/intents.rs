//! The calls to the outside that are intended: on disk before they are made, and until their
//! outcome is committed.
//!
//! A row is a bundle: the calls that one transaction intends, with a bit for each, which is 1 while
//! its outcome is not known. A call that is deferred gets a bundle of its own, so that it has a time
//! of its own to be tried again:
//!
//! ```text
//!  bundle 7  open 111   three calls are intended
//!  bundle 7  open 101   the outcome of the second is committed
//!  bundle 7  open 001   the first is deferred: it is bundle 9 now, open 1, due in 30 s
//!                       the third's outcome is committed: bundle 7 is gone
//! ```
//!
//! A call that an operator has parked, or that was given up, is held: it stays, and is not made.

mod deferral;
mod held;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt as _;
use kernel::{Effect, SagaKey};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Row as _};
use tracing::warn;
use uuid::Uuid;

pub(crate) use self::deferral::{Deferral, defer};
pub(crate) use self::held::{GivenUp, Kept, OpenCall, Turn, find, keep, turn};
use super::bundle::BundleId;
use super::instance;
use super::state_table::StateTable;
use super::statement::{Columns, Found, JsonText, Read, Write};
use super::states::State;
use crate::call::Call;
use crate::cause::Cause;
use crate::database::Session;
use crate::failure::Failure;

/// How long an instance has an intent to itself before it must be renewed, in seconds. An intent
/// that got into nobody's memory, because the answer to its commit was lost, is found when its
/// lease is over.
const LEASE_S: u32 = 10;
/// The longest error text kept, in characters.
const ERROR_LENGTH: usize = 1_000;

/// A call that is in the table.
#[derive(Debug)]
pub(crate) struct Intent<F> {
    pub(crate) id: IntentId,
    pub(crate) call: Call<F>,
    /// Nobody waits for it any more, for its saga has ended.
    pub(crate) abandoned: bool,
}

/// A call's place in the table: the `number`th, from 0, in a bundle of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct IntentId {
    pub(crate) bundle: BundleId,
    number: usize,
    bundled: usize,
}

/// Has intents written, as one row. For the time of a lease this instance has them to itself.
pub(crate) fn append<F: Effect>(
    instance: i32,
    bundle: BundleId,
    calls: Vec<Call<F>>,
    write: &mut Write,
) -> Result<Vec<Intent<F>>, Failure> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let causes = || calls.iter().map(|call| &call.cause);
    let effects = calls.iter().map(|call| JsonText::of(&call.effect));
    let [id, instance, open] =
        [write.bind(bundle.0)?, write.bind(instance)?, write.bind("1".repeat(calls.len()))?];
    let arrays = [
        write.bind(calls.iter().map(|call| call.saga.0).collect::<Vec<Uuid>>())?,
        write.bind(calls.iter().map(|call| call.effect.step()).collect::<Vec<&str>>())?,
        write.bind(effects.collect::<Result<Vec<JsonText>, Failure>>()?)?,
        write.bind(causes().map(|cause| cause.correlation_id.clone()).collect::<Vec<String>>())?,
        write.bind(causes().map(|cause| cause.causation_id.clone()).collect::<Vec<String>>())?,
        write.bind(causes().map(|cause| cause.traceparent.clone()).collect::<Vec<_>>())?,
    ];
    write.part(&format!(
        "INSERT INTO effect_bundles (bundle_id, instance, open, due_at, sagas, steps, effects,
           correlation_ids, causation_ids, traceparents)
         VALUES ({id}, {instance}, {open}::text::bit varying, now() + interval '{LEASE_S} seconds',
           {})",
        arrays.join(", ")
    ));
    let bundled = calls.len();
    let intent = |(number, call)| Intent {
        id: IntentId { bundle, number, bundled },
        call,
        abandoned: false,
    };
    Ok(calls.into_iter().enumerate().map(intent).collect())
}

/// Has intents closed, now that their outcomes are being committed. That one is closed already is
/// a [`Failure::Conflict`].
pub(crate) fn settle(
    intents: impl Iterator<Item = IntentId>,
    write: &mut Write,
) -> Result<(), Failure> {
    let masks = masks(intents);
    if masks.is_empty() {
        return Ok(());
    }
    let bundles = write.bind(masks.keys().map(|bundle| bundle.0).collect::<Vec<i64>>())?;
    let count = write.bind(i64::try_from(masks.len()).unwrap_or(i64::MAX))?;
    let all_whole = masks.values().all(|mask| !mask.contains('0'));
    let done = write.bind(masks.into_values().collect::<Vec<String>>())?;
    let done = format!("({done}::text[])[array_position({bundles}, bundle_id)]::bit varying");
    let taken = write.part(&format!(
        "DELETE FROM effect_bundles WHERE bundle_id = ANY({bundles}) AND open = {done} RETURNING 1"
    ));
    if all_whole {
        write.only_if(format!("(SELECT count(*) FROM {taken}) = {count}"));
        return Ok(());
    }
    let closed = write.part(&format!(
        "UPDATE effect_bundles SET open = open & ~{done}
         WHERE bundle_id = ANY({bundles}) AND open <> {done} AND open & {done} = {done}
         RETURNING 1"
    ));
    write.only_if(format!(
        "(SELECT count(*) FROM {taken}) + (SELECT count(*) FROM {closed}) = {count}"
    ));
    Ok(())
}

/// For each bundle a bit string with 1 for each of these intents.
fn masks(intents: impl Iterator<Item = IntentId>) -> BTreeMap<BundleId, String> {
    let mut masks: BTreeMap<BundleId, Vec<u8>> = BTreeMap::new();
    for IntentId { bundle, number, bundled } in intents {
        let mask = masks.entry(bundle).or_insert_with(|| vec![b'0'; bundled]);
        if let Some(bit) = mask.get_mut(number) {
            *bit = b'1';
        }
    }
    let text = |mask: Vec<u8>| mask.into_iter().map(char::from).collect();
    masks.into_iter().map(|(bundle, mask)| (bundle, text(mask))).collect()
}

/// Has it read which calls of these bundles are open. Returns the part.
pub(crate) fn read(
    intents: impl Iterator<Item = IntentId>,
    read: &mut Read,
) -> Result<usize, Failure> {
    let mut bundles: Vec<i64> = intents.map(|intent| intent.bundle.0).collect();
    bundles.sort_unstable();
    bundles.dedup();
    let bundles = read.bind(bundles)?;
    let columns =
        Columns { text: "open::text", numbers: ["bundle_id", "", ""], ..Columns::default() };
    Ok(read.part(columns, &format!("FROM effect_bundles WHERE bundle_id = ANY({bundles})")))
}

/// The open calls that a row which was [read](read()) says.
pub(crate) fn open(found: &Found) -> Result<impl Iterator<Item = IntentId>, Failure> {
    let bundle = BundleId(found.number(0)?);
    let bits = found.text()?.to_owned().into_bytes();
    let bundled = bits.len();
    let open = bits.into_iter().enumerate().filter(|(_, bit)| *bit == b'1');
    Ok(open.map(move |(number, _)| IntentId { bundle, number, bundled }))
}

/// What is to be claimed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) instance: i32,
    /// So many calls at most, and what more the last one's bundle has.
    pub(crate) max: usize,
    /// Bundles that are being worked on here.
    pub(crate) except: &'a [i64],
}

/// Fetches intents that are due, and those of instances that are gone, unless they were put off;
/// those that have not been tried yet first. `is_abandoned` judges by the state of the call's saga.
pub(crate) async fn claim<F: Effect, S: State>(
    session: &mut Session,
    states: StateTable,
    Claim { instance, max, except }: Claim<'_>,
    is_abandoned: impl Fn(&S, &F) -> bool,
) -> Result<Vec<Intent<F>>, Failure> {
    let due = format!(
        "(due_at <= now() OR attempts = 0 AND instance NOT IN {}) AND held IS NULL
         AND bundle_id <> ALL($3)",
        instance::LIVE
    );
    let sql = format!(
        "WITH claimed AS (
         UPDATE effect_bundles SET instance = $1, due_at = now() + interval '{LEASE_S} seconds'
         WHERE bundle_id IN (
           SELECT bundle_id FROM effect_bundles
           WHERE {due} AND bundle_id IN (
             SELECT bundle_id FROM (
               SELECT bundle_id, length(open), sum(length(open)) OVER first_tries_first
               FROM effect_bundles WHERE {due}
               WINDOW first_tries_first AS (ORDER BY attempts > 0, due_at, bundle_id)
             ) AS bundle (bundle_id, own, so_far) WHERE so_far - own < $2)
           FOR UPDATE SKIP LOCKED)
         RETURNING bundle_id)
         SELECT {CALL},
           (SELECT state FROM {} AS known WHERE known.saga = effects.saga) AS state
         FROM effects WHERE bundle_id IN (SELECT bundle_id FROM claimed)
         ORDER BY attempts > 0, due_at",
        states.name()
    );
    let (max, except) = (i64::try_from(max).unwrap_or(i64::MAX), except.to_vec());
    let rows = session
        .run(|connection| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(instance).bind(max).bind(except);
            async move { query.fetch_all(connection).await }.boxed()
        })
        .await?;
    let mut intents = Vec::with_capacity(rows.len());
    for row in &rows {
        intents.extend(intent_from(row, &is_abandoned)?);
    }
    Ok(intents)
}

fn intent_from<F: Effect, S: State>(
    row: &PgRow,
    is_abandoned: impl Fn(&S, &F) -> bool,
) -> Result<Option<Intent<F>>, Failure> {
    let (id, saga) = (id_from(row)?, SagaKey(row.try_get("saga")?));
    let effect: F = match row.try_get("effect") {
        Ok(Json(effect)) => effect,
        Err(error) => {
            // A newer version's, perhaps: it stays in the table for one that understands it.
            let step: String = row.try_get("step")?;
            warn!(%saga, step, %error, "an intended call cannot be read");
            return Ok(None);
        }
    };
    // A state that does not read says nothing of the call.
    let state = row.try_get::<Option<Json<S>>, _>("state").ok().flatten();
    let abandoned = state.is_some_and(|Json(state)| is_abandoned(&state, &effect));
    let (attempts, age, cause) = rest_from(row)?;
    Ok(Some(Intent { id, call: Call { saga, effect, attempts, age, cause }, abandoned }))
}

/// What a call is read from.
const CALL: &str = "bundle_id, number, bundled, saga, step, effect, attempts, correlation_id,
    causation_id, traceparent, extract(epoch FROM now() - created_at)::float8 AS age";

fn id_from(row: &PgRow) -> Result<IntentId, Failure> {
    let place = |column| -> Result<usize, Failure> {
        Ok(usize::try_from(row.try_get::<i32, _>(column)?).unwrap_or_default())
    };
    Ok(IntentId {
        bundle: BundleId(row.try_get("bundle_id")?),
        number: place("number")?,
        bundled: place("bundled")?,
    })
}

fn rest_from(row: &PgRow) -> Result<(u32, Duration, Cause), Failure> {
    let cause = Cause {
        correlation_id: row.try_get("correlation_id")?,
        causation_id: row.try_get("causation_id")?,
        traceparent: row.try_get("traceparent")?,
    };
    let age = Duration::try_from_secs_f64(row.try_get("age")?).unwrap_or_default();
    Ok((row.try_get::<i32, _>("attempts")?.unsigned_abs(), age, cause))
}

/// Keeps the leases of bundles that take longer than one.
pub(crate) async fn renew(
    session: &mut Session,
    instance: i32,
    bundles: Vec<i64>,
) -> Result<(), Failure> {
    session
        .run(|connection| {
            let update = sqlx::query(AssertSqlSafe(format!(
                "UPDATE effect_bundles SET due_at = now() + interval '{LEASE_S} seconds'
                 WHERE bundle_id = ANY($1) AND instance = $2"
            )));
            let update = update.bind(bundles).bind(instance);
            async move { update.execute(connection).await.map(|_| ()) }.boxed()
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_a_bit_for_each_call() {
        let intent =
            |bundle, number, bundled| IntentId { bundle: BundleId(bundle), number, bundled };
        let masks = masks([intent(7, 0, 3), intent(7, 2, 3), intent(9, 0, 1)].into_iter());
        assert_eq!(masks[&BundleId(7)], "101");
        assert_eq!(masks[&BundleId(9)], "1");
    }
}
