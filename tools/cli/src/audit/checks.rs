use std::collections::BTreeSet;

use uuid::Uuid;

use super::books::{Books, OrderPage};
use super::facts::{Fact, Facts, Service};
use super::ledger::Status;
use super::log::{Event, time_of};
use super::options::AuditOptions;
use super::report::{AuditReport, Name};
use super::rules;
use crate::OrderId;
use crate::gaps::Number;

/// The status of an order that an operator had undone because the order service did not know it.
const NEVER_PLACED: &str = "never_placed";

/// Looks through the books, and writes down what does not hold.
pub(crate) struct Auditor<'a> {
    pub(crate) books: &'a Books,
    pub(crate) options: &'a AuditOptions,
    pub(crate) report: &'a mut AuditReport,
}

impl Auditor<'_> {
    /// What is to be seen of one order at a time.
    pub(crate) fn check_orders(&mut self) {
        let mut forgotten = 0_usize;
        for page in self.books.orders() {
            self.check_facts(&page);
            self.check_fate(&page);
            for event in page.events {
                self.check_read(event);
            }
            if !self.books.log.remembers(page.order) {
                forgotten += 1;
                continue;
            }
            for service in Service::ALL {
                self.check_numbers(&page, service);
                self.check_rule(&page, service);
            }
        }
        if let Some(horizon) = self.books.log.horizon {
            self.report.notes.push(format!(
                "the topics have forgotten events from before {horizon:.0}; {forgotten} orders are \
                 older, and were judged by the databases alone"
            ));
        }
    }

    /// I2, I4, I5: what happens once at most, and what excludes what.
    fn check_facts(&mut self, page: &OrderPage<'_>) {
        let order = page.order;
        // What was said again of the same call, by a service whose database was restored, was done
        // once; that it was said twice is for the numbers to tell.
        let times = |wanted: &[Fact]| {
            let said = page.events.iter().filter(|event| wanted.contains(&event.fact));
            said.map(|event| event.call).collect::<BTreeSet<u32>>().len()
        };
        let charges = times(&[Fact::Charged]);
        if charges > 1 {
            self.report
                .found(Name::Charges, || format!("order {order} was charged {charges} times"));
        }
        for (at, outcome) in super::facts::OUTCOMES.iter().enumerate() {
            let told = times(&[Fact::TOLD[at]]);
            if told > 1 {
                self.report.found(Name::Messages, || {
                    format!("the customer of order {order} was told {told} times: {outcome}")
                });
            }
        }
        let [confirmed, ends @ ..] = Fact::TOLD;
        let told = |fact: Fact| page.events.iter().filter(move |event| event.fact == fact);
        let end = ends.into_iter().flat_map(told).map(|event| event.sequence).min();
        if end.is_some_and(|end| told(confirmed).any(|event| event.sequence > end)) {
            self.report.found(Name::Messages, || {
                format!("the customer of order {order} was told of the confirmation after the end")
            });
        }
        let shipped = page.is(Service::Shipping, "created") || times(&[Fact::Shipped]) > 0;
        let cancelled = page.is_cancelled() || times(&[Fact::Cancelled]) > 0;
        if shipped && cancelled {
            self.report.found(Name::Shipments, || {
                format!("order {order} is cancelled, and there is a shipment")
            });
        }
        if page.is(Service::Order, NEVER_PLACED) {
            return;
        }
        let ends: Vec<&Event> = page
            .events
            .iter()
            .filter(|event| matches!(event.fact, Fact::Completed | Fact::Cancelled))
            .collect();
        let after_end = |event: &Event| {
            event.fact.source() == Service::Order
                && ends.first().is_some_and(|end| event.sequence > end.sequence)
        };
        if let Some(after) = page.events.iter().find(|event| after_end(event)) {
            let (id, end) = (after.id, ends[0].fact.event_type());
            self.report.found(Name::Fates, || {
                format!("order {order}: {} ({id}) follows {end}", after.fact.event_type())
            });
        }
    }

    /// At rest: the order is decided, and everyone has done their part.
    fn check_fate(&mut self, page: &OrderPage<'_>) {
        let order = page.order;
        let placed_at = time_of(order);
        let status = |service: Service| page.status(service);
        if self.books.is_dark(Service::Order) {
            return;
        }
        let Some(row) = page.rows[Service::Order as usize] else {
            let knows = |service: &Service| page.rows[*service as usize].is_some();
            if let Some(service) = Service::ALL.into_iter().find(knows) {
                self.report.found(Name::Effects, || {
                    let (name, status) = (service.name(), status(service));
                    format!("{name} has order {order} ({status}), which was never placed")
                });
            }
            return;
        };
        let fate = rules::status(Service::Order, row.rule);
        let fits: [&[&str]; 3] = match fate.as_str() {
            "placed" | "shipped_ahead" | "confirmed" => {
                self.report
                    .found_since(Name::Undecided, placed_at, || format!("order {order} is {fate}"));
                return;
            }
            "completed" => [&["shipped"], &["charged"], &["created"]],
            // What came of a charge that is under way is yet to be known.
            _ => [
                &["rejected", "released", "void"],
                &["void", "failed", "refunded", "charging_cancelled"],
                &["void", "failed"],
            ],
        };
        let others = [Service::Inventory, Service::Payment, Service::Shipping];
        let unfit = others.into_iter().zip(fits).filter(|(service, fits)| {
            let now = status(*service);
            !fits.contains(&now.as_str()) && !self.books.is_dark(*service)
        });
        let unfit: Vec<String> =
            unfit.map(|(service, _)| format!("{} {}", service.name(), status(service))).collect();
        if !unfit.is_empty() {
            self.report.found_since(Name::Unsettled, placed_at, || {
                format!("order {order} is {fate}, but: {}", unfit.join(", "))
            });
        }
    }

    /// I7: who has done with an event has it in the inbox, or has set it aside.
    fn check_read(&mut self, event: &Event) {
        let missing = event.fact.readers().without(event.aside).without(event.seen);
        for service in missing.iter() {
            let Event { order, id, .. } = event;
            let what = event.fact.event_type();
            let name = service.name();
            if id < &self.books.ledger(service).inbox_since || self.books.is_dark(service) {
                continue;
            }
            if event.passed.has(service) {
                self.report.found(Name::Effects, || {
                    format!("{name} has done with {what} {id} of order {order} without its effect")
                });
            } else {
                self.report.found_since(Name::Unread, time_of(*id), || {
                    format!("{name} has not read {what} {id} of order {order}")
                });
            }
        }
    }

    /// What a service has said of an order is in the topics, once, in sequence.
    fn check_numbers(&mut self, page: &OrderPage<'_>, service: Service) {
        let (order, source) = (page.order, service.name());
        let never_placed = service == Service::Order && page.is(service, NEVER_PLACED);
        let is_unknown = self.books.ledger(service).is_unknown(order);
        if is_unknown || never_placed || self.books.is_dark(service) {
            return;
        }
        let emitted = page.emitted(service);
        let said = || page.events.iter().filter(|event| event.fact.source() == service);
        for number in 1..=emitted {
            let unpublished = || self.books.ledger(service).unpublished(order);
            if !said().any(|event| event.sequence == number)
                && !unpublished().any(|other| other == number)
                && !self.is_acknowledged(order, &format!("/{source}"), number.into())
            {
                self.report.found(Name::Numbers, || {
                    format!("order {order}: {source}'s event {number} of {emitted} is lost")
                });
            }
        }
        for pair in said().zip(said().skip(1)) {
            let (Event { sequence, id, arrival, .. }, next) = pair;
            if *sequence == next.sequence {
                self.report.found(Name::Numbers, || {
                    format!("order {order}: {source} has two events {sequence}: {id}, {}", next.id)
                });
            } else if *arrival > next.arrival {
                self.report.found(Name::Numbers, || {
                    format!("order {order}: {source}'s event {sequence} comes after a later one")
                });
            }
        }
        if let Some(event) = said().find(|event| event.early && event.sequence > emitted) {
            self.report.found(Name::Numbers, || {
                format!(
                    "order {order}: {source} knows of {emitted} events, but event {} is there: {} \
                     {}",
                    event.sequence,
                    event.fact.event_type(),
                    event.id
                )
            });
        }
    }

    /// Whether an operator knows that this event is lost for good.
    pub(crate) fn is_acknowledged(&self, order: Uuid, source: &str, sequence: i32) -> bool {
        let (saga, source) = (OrderId(order), source.to_owned());
        self.options.decisions.acknowledges(&Number { saga, source, sequence })
    }

    /// I6, I7: the status fits what was read, what was said, and which calls are intended.
    fn check_rule(&mut self, page: &OrderPage<'_>, service: Service) {
        let ledger = self.books.ledger(service);
        if page.order < ledger.inbox_since || ledger.dark.is_some() {
            return;
        }
        let (order, name) = (page.order, service.name());
        let read = page.read_by(service);
        let Some(row) = page.rows[service as usize] else {
            if read != Facts::NONE && !ledger.is_unknown(order) {
                self.report.found(Name::Effects, || {
                    format!("order {order}: {name} has read {}, and has no state", list(read))
                });
            }
            return;
        };
        let rule = rules::of(service, row.rule);
        let mut wrong = |check, what: &str, facts: Facts| {
            if facts != Facts::NONE {
                self.report.found(check, || {
                    let status = rules::status(service, row.rule);
                    format!("order {order}: {name} is {status}, but {what} {}", list(facts))
                });
            }
        };
        wrong(Name::Effects, "has not read", rule.has_read.without(read));
        wrong(Name::Effects, "has read", rule.not_read.and(read));
        let said = page.said_by(service);
        let check = if service == Service::Order { Name::Fates } else { Name::Effects };
        // What is yet to be published does not say which facts it is about.
        if ledger.unpublished(order).next().is_none() {
            wrong(check, "has not said", rule.has_said.without(said));
        }
        wrong(check, "has said", said.without(rule.has_said).without(rule.may_say));
        let mut intended: Vec<&str> = rules::calls(service, row.rule).collect();
        intended.sort_unstable();
        if !ledger.calls_of(order).eq(intended.iter().copied()) {
            self.report.found(Name::Effects, || {
                let status = rules::status(service, row.rule);
                let calls: Vec<&str> = ledger.calls_of(order).collect();
                format!("order {order}: {name} is {status}, but intends the calls {calls:?}")
            });
        }
    }

    /// I3, I5: what matters of an event can be read.
    pub(crate) fn check_legible(&mut self) {
        for (order, event, fact) in &self.books.log.illegible {
            let (check, part) = match fact.source() {
                Service::Notification => (Name::Messages, "the outcome"),
                _ => (Name::Refunds, "the amount"),
            };
            let what = fact.event_type();
            self.report
                .found(check, || format!("order {order}: {part} of {what} {event} cannot be read"));
        }
    }

    /// I3, per order and currency.
    pub(crate) fn check_sums(&mut self) {
        for sums in self.books.log.sums.chunk_by(|a, b| a.order == b.order) {
            let order = sums[0].order;
            if !self.books.log.remembers(order) {
                continue;
            }
            let total = |refund: bool, currency: [u8; 3]| -> i64 {
                let sums = sums.iter().filter(|sum| sum.refund == refund);
                sums.filter(|sum| sum.currency == currency).map(|sum| sum.amount).sum()
            };
            for refund in sums.iter().filter(|sum| sum.refund) {
                let currency = refund.currency;
                let (charged, refunded) = (total(false, currency), total(true, currency));
                if refunded > charged {
                    self.report.found(Name::Refunds, || {
                        let currency = String::from_utf8_lossy(&currency);
                        format!(
                            "order {order}: {refunded} {currency} refunded, {charged} charged \
                             (minor units)"
                        )
                    });
                    break;
                }
            }
        }
    }
}

impl OrderPage<'_> {
    fn row(&self, service: Service) -> Option<&Status> {
        self.rows[service as usize]
    }

    fn status(&self, service: Service) -> String {
        let named = |row: &Status| rules::status(service, row.rule);
        self.row(service).map_or_else(|| "–".to_owned(), named)
    }

    fn is(&self, service: Service, status: &str) -> bool {
        self.row(service).is_some_and(|row| rules::number(service, status) == Some(row.rule))
    }

    /// A cancelled order's status is its reason.
    fn is_cancelled(&self) -> bool {
        let rule = |row: &Status| rules::of(Service::Order, row.rule);
        self.row(Service::Order).is_some_and(|row| rule(row).has_said.has(Fact::Cancelled))
    }

    fn emitted(&self, service: Service) -> u16 {
        self.row(service).map_or(0, |row| row.emitted)
    }

    /// The facts that a service has taken in.
    fn read_by(&self, service: Service) -> Facts {
        let read = self.events.iter().filter(|event| event.seen.has(service));
        read.fold(Facts::NONE, |facts, event| facts.with(event.fact))
    }

    /// The facts that a service has published, up to the moment at which its database was read.
    fn said_by(&self, service: Service) -> Facts {
        let said = self.events.iter().filter(|event| event.fact.source() == service);
        let said = said.filter(|event| event.sequence <= self.emitted(service));
        said.fold(Facts::NONE, |facts, event| facts.with(event.fact))
    }
}

fn list(facts: Facts) -> String {
    let names: Vec<&str> = facts.iter().map(Fact::event_type).collect();
    names.join(", ")
}

/// An id, or what stands for it.
pub(crate) fn or_unknown(id: Option<Uuid>) -> String {
    id.map_or_else(|| "unknown".to_owned(), |id| id.to_string())
}
