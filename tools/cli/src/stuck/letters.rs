use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use choreography::Awaited;
use contracts::{Topics, headers};
use kafka::{AdminError, Bounds, Scanned, scan, windows};

use super::order::{Stuck, StuckOrder};
use super::work::{DeadLetter, text};
use crate::OrderId;
use crate::decisions::Decisions;
use crate::masking;

/// The header with the errors of a dead letter, oldest first, as a JSON array.
const ERRORS: &str = "farandole_dead_errors";

/// The dead letters of orders that hang, by service and order.
#[derive(Debug, Default)]
pub struct Letters(BTreeMap<(String, OrderId), Vec<DeadLetter>>);

impl Letters {
    /// Adds to what is to be done about an order the dead letters with an awaited event: the
    /// newest of each event, for the others were redriven.
    /// Those that were discarded are not to be redriven.
    pub(super) fn join(&self, order: &mut StuckOrder, decisions: &Decisions) {
        for work in &mut order.services {
            let key = (work.service.to_owned(), order.order_id);
            let awaited = |letter: &&DeadLetter| {
                letter.event.as_ref().is_none_or(|there| {
                    let is = |one: &Awaited| matches!(one, Awaited::Event { event, .. } if event == there);
                    work.awaits.iter().any(is)
                })
            };
            let letters = self.0.get(&key).into_iter().flatten();
            let letters = letters.filter(|letter| !decisions.has_discarded(&letter.id));
            let letters = letters.filter(awaited);
            let newest: BTreeMap<_, _> = letters.map(|letter| (&letter.event, letter)).collect();
            work.dead_letters = newest.into_values().cloned().collect();
        }
    }
}

/// Reads the dead letters of these orders, of the services that wait for an event, from when the
/// oldest order was placed.
///
/// Blocks for as long as it takes to read them.
pub fn read(brokers: &str, topics: &Topics, stuck: &Stuck) -> Result<Letters, AdminError> {
    let mut letters = Letters::default();
    let orders: BTreeSet<String> =
        stuck.orders.iter().map(|order| order.order_id.to_string()).collect();
    let waits = |awaited: &Awaited| matches!(awaited, Awaited::Event { .. });
    let works = stuck.orders.iter().flat_map(|order| &order.services);
    let services: BTreeMap<String, &str> = works
        .filter(|work| work.awaits.iter().any(waits))
        .map(|work| (topics.dead_letters(work.service), work.service))
        .collect();
    if services.is_empty() {
        return Ok(letters);
    }
    let from = stuck.orders.iter().map(|order| order.placed_at).min();
    let names: Vec<String> = services.keys().cloned().collect();
    let windows = windows(brokers, &names, Bounds::Times { from, to: None })?;
    scan(brokers, &windows, |record| {
        let order = record.key.map(text).filter(|key| orders.contains(key));
        if let Some(order) = order.and_then(|order| order.parse().ok()) {
            let service = services[record.topic];
            let of_order = letters.0.entry((service.to_owned(), order)).or_default();
            of_order.push(letter(service, record));
        }
        ControlFlow::Continue(())
    })?;
    Ok(letters)
}

pub(super) fn letter(service: &str, record: &Scanned<'_>) -> DeadLetter {
    let errors: Option<Vec<String>> =
        record.header(ERRORS).and_then(|errors| serde_json::from_slice(errors).ok());
    DeadLetter {
        id: format!("{service}/{}/{}", record.partition, record.offset),
        event: record.header(headers::TYPE).map(text),
        last_error: errors.and_then(|mut errors| errors.pop()).map(|error| {
            // Here what the letter says is at hand, and nowhere after.
            masking::error_about(&error, record.payload.unwrap_or_default())
        }),
    }
}
