//! Calls that are to be tried again later.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ERROR_LENGTH, IntentId, masks};
use crate::database::Session;
use crate::failure::Failure;
use crate::tables::bundle::BundleId;
use crate::tables::outbox::Outbox;
use crate::tables::statement::{Write, storable};

/// The longest destination kept, in characters.
const DESTINATION_LENGTH: usize = 200;

/// A call that is to be tried again later, and why.
#[derive(Debug, Clone)]
pub(crate) struct Deferral {
    pub(crate) id: IntentId,
    /// How often it was tried; the table keeps the greatest number. `None` if it was tried once
    /// more than the table says.
    pub(crate) attempts: Option<u32>,
    pub(crate) wait: Duration,
    pub(crate) error: String,
    /// Who answers, if that is known here.
    pub(crate) destination: Option<String>,
}

impl Deferral {
    /// Of a call that is to be alone in its row, and as it is otherwise.
    pub(crate) fn alone(id: IntentId) -> Self {
        let error = String::new();
        Self { id, attempts: Some(0), wait: Duration::ZERO, error, destination: None }
    }

    /// Of a call whose outcome could not be taken, so that it is to be made again.
    pub(crate) fn refused(id: IntentId, wait: Duration, error: String) -> Self {
        Self { id, attempts: None, wait, error, destination: None }
    }
}

/// Writes down when calls are to be tried again, how often they were, and what was wrong. Each gets
/// a bundle of its own, unless it has one.
pub(crate) async fn defer(
    session: &mut Session,
    outbox: &Outbox,
    calls: Vec<Deferral>,
) -> Result<(), Failure> {
    let (alone, others): (Vec<Deferral>, Vec<Deferral>) =
        calls.into_iter().partition(|call| call.id.bundled == 1);
    defer_bundles(session, alone).await?;
    let mut bundles: BTreeMap<BundleId, Vec<Deferral>> = BTreeMap::new();
    for call in others {
        bundles.entry(call.id.bundle).or_default().push(call);
    }
    for calls in bundles.into_values() {
        split(session, outbox, calls).await?;
    }
    Ok(())
}

async fn defer_bundles(session: &mut Session, calls: Vec<Deferral>) -> Result<(), Failure> {
    if calls.is_empty() {
        return Ok(());
    }
    let mut write = Write::default();
    let bundles = calls.iter().map(|call| call.id.bundle.0).collect::<Vec<i64>>();
    let bundles = write.bind(bundles)?;
    let Reasons { waits, attempts, errors, destinations } = Reasons::of(&calls, &mut write)?;
    let of = |column: &str| format!("({column})[array_position({bundles}, bundle_id)]");
    write.part(&format!(
        "UPDATE effect_bundles SET due_at = now() + {} * interval '1 second',
           attempts = greatest(attempts, coalesce({}, attempts + 1)), last_error = {},
           destination = coalesce({}, destination)
         WHERE bundle_id = ANY({bundles})",
        of(&waits),
        of(&attempts),
        of(&errors),
        of(&destinations)
    ));
    write.run(session).await
}

/// Takes calls out of their bundle.
async fn split(
    session: &mut Session,
    outbox: &Outbox,
    calls: Vec<Deferral>,
) -> Result<(), Failure> {
    let mut write = Write::default();
    for (bundle, mask) in masks(calls.iter().map(|call| call.id)) {
        let (bundle, mask) = (write.bind(bundle.0)?, write.bind(mask)?);
        let mask = format!("{mask}::text::bit varying");
        let numbers = calls.iter().map(|call| i32::try_from(call.id.number).unwrap_or(i32::MAX));
        let numbers = write.bind(numbers.collect::<Vec<i32>>())?;
        let own = write.bind(calls.iter().map(|_| outbox.next_bundle().0).collect::<Vec<i64>>())?;
        let Reasons { waits, attempts, errors, destinations } = Reasons::of(&calls, &mut write)?;
        let emptied = write.part(&format!(
            "DELETE FROM effect_bundles WHERE bundle_id = {bundle} AND open = {mask} RETURNING *"
        ));
        let kept = write.part(&format!(
            "UPDATE effect_bundles SET open = open & ~{mask}
             WHERE bundle_id = {bundle} AND open <> {mask} AND open & {mask} = {mask} RETURNING *"
        ));
        // When somebody else has come in between neither has a row, and its lease will end.
        write.part(&format!(
            "INSERT INTO effect_bundles (bundle_id, instance, open, due_at, attempts, last_error,
               destination, created_at, sagas, steps, effects, correlation_ids, causation_ids,
               traceparents)
             SELECT own, instance, B'1', now() + wait * interval '1 second',
               greatest(bundle.attempts, coalesce(call.attempts, bundle.attempts + 1)), error,
               coalesce(call.destination, bundle.destination), created_at,
               sagas[at:at], steps[at:at], effects[at:at], correlation_ids[at:at],
               causation_ids[at:at], traceparents[at:at]
             FROM (SELECT * FROM {emptied} UNION ALL SELECT * FROM {kept}) AS bundle,
               (SELECT unnest({numbers}) + 1 AS at, unnest({own}) AS own, unnest({waits}) AS wait,
                  unnest({attempts}) AS attempts, unnest({errors}) AS error,
                  unnest({destinations}) AS destination) AS call"
        ));
    }
    write.run(session).await
}

/// What is written down of deferred calls, as arrays.
struct Reasons {
    waits: String,
    attempts: String,
    errors: String,
    destinations: String,
}

impl Reasons {
    fn of(calls: &[Deferral], write: &mut Write) -> Result<Self, Failure> {
        let waits = calls.iter().map(|call| call.wait.as_secs_f64());
        let attempts = calls.iter().map(|call| call.attempts.map(u32::cast_signed));
        let destinations = calls.iter().map(|call| {
            let text = call.destination.as_deref()?;
            Some(storable(text, DESTINATION_LENGTH).into_owned())
        });
        let errors = calls.iter().map(|call| storable(&call.error, ERROR_LENGTH).into_owned());
        Ok(Self {
            waits: write.bind(waits.collect::<Vec<f64>>())?,
            attempts: write.bind(attempts.collect::<Vec<Option<i32>>>())?,
            destinations: write.bind(destinations.collect::<Vec<Option<String>>>())?,
            errors: write.bind(errors.collect::<Vec<String>>())?,
        })
    }
}
