use std::collections::{BTreeMap, HashMap, HashSet};

use choreography::{Service, Services, status};
use jiff::Timestamp;
use uuid::Uuid;

use super::ledger::{Ledger, Place, Status};
use super::log::{Event, Log};

/// All that is known of a fleet: its databases, and then its topics.
///
/// The order in which things are read keeps what happens meanwhile from looking wrong. First comes
/// how far topics and groups were, then the databases, then the topics. So each of these holds:
/// what was published at the beginning, the databases have; what a service had done with, its
/// database has; and what a database has, the topics have, or its outbox.
#[derive(Debug)]
pub(crate) struct Books {
    /// In the order of the fleet.
    pub(crate) ledgers: Vec<Ledger>,
    /// Events are in the order of orders, services and numbers, each once.
    pub(crate) log: Log,
    /// Ids in inboxes that are no events of the topics.
    pub(crate) unheard: Vec<(Service, Uuid)>,
}

/// Who has parked or given up which records.
pub(crate) fn aside(ledgers: &[Ledger]) -> HashMap<Place, Services> {
    let mut aside: HashMap<Place, Services> = HashMap::new();
    for ledger in ledgers {
        let places = ledger.parked.iter().map(|parked| &parked.place).chain(&ledger.buried);
        for place in places {
            aside.entry(place.clone()).or_default().add(ledger.service);
        }
    }
    aside
}

impl Books {
    /// Brings databases and topics together. Of the inboxes only what redriven records and dead
    /// letters need is kept.
    pub(crate) fn new(mut ledgers: Vec<Ledger>, mut log: Log) -> Self {
        log.events.sort_unstable_by_key(|event| (event.id, event.arrival));
        // The relay may publish an event again after a crash.
        log.events.dedup_by(|again, first| {
            let same = again.id == first.id;
            if same {
                first.early |= again.early;
                first.passed.join(again.passed);
                first.aside.join(again.aside);
            }
            same
        });
        let others: HashSet<Uuid> =
            log.redriven.iter().map(|one| one.id).chain(log.strangers.iter().copied()).collect();
        // These will be looked up again.
        let asked = log.redriven.iter().map(|one| one.id);
        let asked: HashSet<Uuid> =
            asked.chain(log.letters.iter().flat_map(|letter| letter.ids.clone())).collect();
        let mut unheard = Vec::new();
        for ledger in &mut ledgers {
            let service = ledger.service;
            let unmatched = mark_seen(&mut log.events, service, &ledger.inbox);
            let unmatched = unmatched.into_iter().filter(|id| !others.contains(id));
            unheard.extend(unmatched.filter(|id| log.remembers(*id)).map(|id| (service, id)));
            ledger.inbox.retain(|id| asked.contains(id));
            ledger.inbox.shrink_to_fit();
        }
        log.events.sort_unstable_by_key(|event| {
            (event.order, event.fact.source(), event.sequence, event.arrival)
        });
        log.sums.sort_unstable();
        log.sums.dedup();
        Self { ledgers, log, unheard }
    }

    pub(crate) fn ledger(&self, service: Service) -> &Ledger {
        &self.ledgers[service.place()]
    }

    /// Whether a service's database could not be read.
    pub(crate) fn is_dark(&self, service: Service) -> bool {
        self.ledger(service).dark.is_some()
    }

    /// When a service joined the fleet, and how many older orders there are that it does not know; if
    /// there are any.
    pub(crate) fn joined_late(&self, ledger: &Ledger) -> Option<(Timestamp, usize)> {
        let joined = ledger.joined?;
        let orders = self.ledger(Service::first()).rows.iter().map(|row| row.order);
        let is_known =
            |order: &Uuid| ledger.rows.binary_search_by_key(order, |row| row.order).is_ok();
        let older = orders.filter(|order| ledger.is_older(*order) && !is_known(order)).count();
        (ledger.dark.is_none() && older > 0).then_some((joined, older))
    }

    /// Every order that anybody knows, with what each service and the topics know of it.
    pub(crate) fn orders(&self) -> impl Iterator<Item = OrderPage<'_>> {
        let mut rows: Vec<&[Status]> = self.ledgers.iter().map(|it| it.rows.as_slice()).collect();
        let mut events = self.log.events.as_slice();
        std::iter::from_fn(move || {
            let first_rows = rows.iter().filter_map(|rows| rows.first()).map(|row| row.order);
            let first_event = events.first().map(|event| event.order);
            let order = first_rows.chain(first_event).min()?;
            let mut page = OrderPage { order, rows: vec![None; rows.len()], events: &[] };
            for (row, rows) in page.rows.iter_mut().zip(&mut rows) {
                if let Some((first, rest)) = rows.split_first()
                    && first.order == order
                {
                    (*row, *rows) = (Some(first), rest);
                }
            }
            let count = events.iter().take_while(|event| event.order == order).count();
            (page.events, events) = events.split_at(count);
            Some(page)
        })
    }

    /// How many orders there are, by status.
    pub(crate) fn summary(&self) -> Vec<(String, usize)> {
        let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
        for row in &self.ledger(Service::first()).rows {
            *counts.entry(row.rule).or_default() += 1;
        }
        let named = |(number, count)| (status(Service::first(), number).to_owned(), count);
        let mut named: Vec<(String, usize)> = counts.into_iter().map(named).collect();
        named.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        named
    }
}

/// One order.
#[derive(Debug)]
pub(crate) struct OrderPage<'b> {
    pub(crate) order: Uuid,
    /// In the order of the fleet.
    pub(crate) rows: Vec<Option<&'b Status>>,
    /// By service and number.
    pub(crate) events: &'b [Event],
}

/// Marks the events that are in a service's inbox, and returns the ids that are no events. Both
/// are sorted by id.
fn mark_seen(events: &mut [Event], service: Service, inbox: &[Uuid]) -> Vec<Uuid> {
    let mut unmatched = Vec::new();
    let mut events = events.iter_mut().peekable();
    for id in inbox {
        while events.next_if(|event| event.id < *id).is_some() {}
        match events.peek_mut() {
            Some(event) if event.id == *id => event.seen.add(service),
            _ => unmatched.push(*id),
        }
    }
    unmatched
}
