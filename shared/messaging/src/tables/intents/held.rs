//! Calls that are held: parked by an operator, or given up.

use std::time::Duration;

use futures::FutureExt as _;
use kernel::{Effect, SagaKey};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::{CALL, ERROR_LENGTH, IntentId, id_from, rest_from};
use crate::call::Call;
use crate::cause::Cause;
use crate::database::Session;
use crate::failure::Failure;
use crate::tables::bundle::BundleId;
use crate::tables::statement::{JsonText, Write, storable};

/// What is kept of a call that is given up.
#[derive(Debug, Clone)]
pub(crate) struct GivenUp {
    step: &'static str,
    effect: JsonText,
    attempts: u32,
    age: Duration,
    error: String,
}

impl GivenUp {
    pub(crate) fn of<F: Effect>(call: &Call<F>, error: String) -> Result<Self, Failure> {
        let (step, effect) = (call.effect.step(), JsonText::of(&call.effect)?);
        Ok(Self { step, effect, attempts: call.attempts + 1, age: call.age, error })
    }
}

/// A call that is given up, and the bundle of its own that it gets.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) bundle: BundleId,
    pub(crate) saga: SagaKey,
    pub(crate) call: GivenUp,
    pub(crate) cause: Cause,
}

/// Has calls kept that are given up, each as a row of its own.
pub(crate) fn keep(instance: i32, kept: &[Kept], write: &mut Write) -> Result<(), Failure> {
    if kept.is_empty() {
        return Ok(());
    }
    let calls = || kept.iter().map(|one| &one.call);
    let causes = || kept.iter().map(|one| &one.cause);
    let instance = write.bind(instance)?;
    let columns = [
        write.bind(kept.iter().map(|one| one.bundle.0).collect::<Vec<i64>>())?,
        write.bind(kept.iter().map(|one| one.saga.0).collect::<Vec<Uuid>>())?,
        write.bind(calls().map(|call| call.step).collect::<Vec<&str>>())?,
        write.bind(calls().map(|call| call.effect.clone()).collect::<Vec<JsonText>>())?,
        write.bind(calls().map(|call| call.attempts.cast_signed()).collect::<Vec<i32>>())?,
        write.bind(calls().map(|call| call.age.as_secs_f64()).collect::<Vec<f64>>())?,
        write.bind(
            calls()
                .map(|call| storable(&call.error, ERROR_LENGTH).into_owned())
                .collect::<Vec<String>>(),
        )?,
        write.bind(causes().map(|cause| cause.correlation_id.clone()).collect::<Vec<String>>())?,
        write.bind(causes().map(|cause| cause.causation_id.clone()).collect::<Vec<String>>())?,
        write.bind(causes().map(|cause| cause.traceparent.clone()).collect::<Vec<_>>())?,
    ];
    let columns = columns.map(|column| format!("unnest({column})")).join(", ");
    write.part(&format!(
        "INSERT INTO effect_bundles (bundle_id, instance, open, due_at, held, attempts, last_error,
           created_at, sagas, steps, effects, correlation_ids, causation_ids, traceparents)
         SELECT bundle, {instance}, B'1', now(), 'given_up', attempts, error,
           now() - age * interval '1 second', ARRAY[saga], ARRAY[step], ARRAY[effect],
           ARRAY[correlation], ARRAY[causation], ARRAY[trace]
         FROM (SELECT {columns}) AS kept (bundle, saga, step, effect, attempts, age, error,
           correlation, causation, trace)"
    ));
    Ok(())
}

/// A call that is open, as an operator's decision finds it.
#[derive(Debug)]
pub(crate) struct OpenCall<F> {
    pub(crate) id: IntentId,
    pub(crate) effect: F,
    pub(crate) cause: Cause,
    /// `parked` or `given_up`, if it is held.
    pub(crate) held: Option<String>,
}

impl<F> OpenCall<F> {
    /// Whether its row is its own.
    pub(crate) fn is_alone(&self) -> bool {
        self.id.bundled == 1
    }
}

/// The open call of this saga and step. One that cannot be read is a [`Failure::Poison`].
pub(crate) async fn find<F: Effect>(
    session: &mut Session,
    saga: SagaKey,
    step: &str,
) -> Result<Option<OpenCall<F>>, Failure> {
    let select = format!("SELECT {CALL}, held FROM effects WHERE saga = $1 AND step = $2");
    let step = step.to_owned();
    let row = session
        .run(|connection| {
            let query = sqlx::query(AssertSqlSafe(select)).bind(saga.0).bind(step);
            async move { query.fetch_optional(connection).await }.boxed()
        })
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (id, held) = (id_from(&row)?, row.try_get("held")?);
    let (_, _, cause) = rest_from(&row)?;
    let Json(effect) = row.try_get("effect")?;
    Ok(Some(OpenCall { id, effect, cause, held }))
}

/// What becomes of a call by an operator's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is made no more until somebody says otherwise.
    Park,
    /// It is made again; how long it has been tried counts from now on.
    Unpark,
    /// It is made now.
    Now,
}

/// Has a call that is alone in its row take a turn, unless another has come before: that is a
/// [`Failure::Conflict`].
pub(crate) fn turn(intent: IntentId, turn: Turn, write: &mut Write) -> Result<(), Failure> {
    let bundle = write.bind(intent.bundle.0)?;
    let (change, condition) = match turn {
        Turn::Park => ("held = 'parked'", "held IS NULL"),
        Turn::Unpark => ("held = NULL, due_at = now(), created_at = now()", "held = 'parked'"),
        Turn::Now => ("due_at = now()", "held IS NULL"),
    };
    write.part_of(
        1,
        &format!("UPDATE effect_bundles SET {change} WHERE bundle_id = {bundle} AND {condition}"),
    )
}
