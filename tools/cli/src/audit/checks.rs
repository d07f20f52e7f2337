use choreography::{Fact, Facts, Service, end_of, rule, status};
use contracts::Holds;
use uuid::Uuid;

use super::books::{Books, OrderPage};
use super::ledger::Status;
use super::log::Event;
use super::options::AuditOptions;
use super::report::{AuditReport, Name};
use crate::OrderId;
use crate::gaps::Number;
use crate::outcomes::began_at;

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
            self.check_books(&page);
            self.check_fate(&page);
            for event in page.events {
                self.check_read(event);
            }
            if !self.books.log.remembers(page.order) {
                forgotten += 1;
                continue;
            }
            for service in Service::all() {
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

    /// At rest: the saga is decided, and everyone has done their part.
    fn check_fate(&mut self, page: &OrderPage<'_>) {
        let order = page.order;
        let placed_at = began_at(order);
        let first = Service::first();
        if self.books.is_dark(first) {
            return;
        }
        let Some(row) = page.row(first) else {
            if let Some(service) = Service::all().find(|service| page.row(*service).is_some()) {
                self.report.found(Name::Effects, || {
                    let (name, status) = (service.name(), page.status(service));
                    format!("{name} has order {order} ({status}), which was never placed")
                });
            }
            return;
        };
        let (fate, is_final) = (status(first, row.rule), rule(first, row.rule).is_final);
        if !is_final {
            self.report
                .found_since(Name::Undecided, placed_at, || format!("order {order} is {fate}"));
            return;
        }
        let end = end_of(fate);
        let others = Service::all().filter(|other| *other != first && other.is_awaited());
        let unfit = others.filter(|other| {
            let ledger = self.books.ledger(*other);
            let is_asked = ledger.dark.is_none() && !ledger.is_older(order);
            is_asked && !other.has_settled(end, page.status(*other))
        });
        let unfit: Vec<String> =
            unfit.map(|other| format!("{} {}", other.name(), page.status(other))).collect();
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
                self.report.found_since(Name::Unread, began_at(*id), || {
                    format!("{name} has not read {what} {id} of order {order}")
                });
            }
        }
    }

    /// What a service has said of an order is in the topics, once, in sequence.
    fn check_numbers(&mut self, page: &OrderPage<'_>, service: Service) {
        let (order, source) = (page.order, service.name());
        let never_placed = service.begins() && page.was_never_placed();
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
        let Some(row) = page.row(service) else {
            if read != Facts::NONE && !ledger.is_unknown(order) {
                self.report.found(Name::Effects, || {
                    format!("order {order}: {name} has read {}, and has no state", list(read))
                });
            }
            return;
        };
        let rule = rule(service, row.rule);
        let mut wrong = |check, what: &str, facts: Facts| {
            if facts != Facts::NONE {
                self.report.found(check, || {
                    let status = rule.status;
                    format!("order {order}: {name} is {status}, but {what} {}", list(facts))
                });
            }
        };
        wrong(Name::Effects, "has not read", rule.has_read.without(read));
        wrong(Name::Effects, "has read", rule.not_read.and(read));
        let said = page.said_by(service);
        let check = fates(service).map_or(Name::Effects, Name::Book);
        // What is yet to be published does not say which facts it is about.
        if ledger.unpublished(order).next().is_none() {
            wrong(check, "has not said", rule.has_said.without(said));
        }
        // What else was said of what was never begun here, was said before it lost its memory.
        if !(service.begins() && page.was_never_placed()) {
            wrong(check, "has said", said.without(rule.has_said).without(rule.may_say));
        }
        if !ledger.calls_of(order).eq(rule.calls.iter().map(String::as_str)) {
            self.report.found(Name::Effects, || {
                let status = rule.status;
                let calls: Vec<&str> = ledger.calls_of(order).collect();
                format!("order {order}: {name} is {status}, but intends the calls {calls:?}")
            });
        }
    }
}

impl OrderPage<'_> {
    pub(crate) fn row(&self, service: Service) -> Option<&Status> {
        self.rows[service.place()]
    }

    pub(crate) fn status(&self, service: Service) -> &'static str {
        self.row(service).map_or("–", |row| status(service, row.rule))
    }

    /// Whether an operator had it undone because the service that begins the sagas did not know it.
    pub(crate) fn was_never_placed(&self) -> bool {
        let first = Service::first();
        let undone = first.declared().begins.as_ref().map(|begins| begins.undone.as_str());
        undone == Some(self.status(first))
    }

    /// Whether this was said, as the topics or the status of who says it tell.
    pub(crate) fn was_said(&self, fact: Fact) -> bool {
        let service = fact.source();
        let by_status = self.row(service).map(|row| rule(service, row.rule).has_said);
        by_status.is_some_and(|said| said.has(fact))
            || self.events.iter().any(|event| event.fact == fact)
    }

    fn emitted(&self, service: Service) -> u16 {
        self.row(service).map_or(0, |row| row.emitted)
    }

    /// The facts that a service has taken in.
    fn read_by(&self, service: Service) -> Facts {
        let read = self.events.iter().filter(|event| event.seen.has(service));
        read.map(|event| event.fact.untold()).collect()
    }

    /// The facts that a service has published, up to the moment at which its database was read.
    fn said_by(&self, service: Service) -> Facts {
        let said = self.events.iter().filter(|event| event.fact.source() == service);
        let said = said.filter(|event| event.sequence <= self.emitted(service));
        said.map(|event| event.fact).collect()
    }
}

fn list(facts: Facts) -> String {
    let names: Vec<&str> = facts.iter().map(Fact::name).collect();
    names.join(", ")
}

/// The book of a service that says which of its events are the last.
fn fates(service: Service) -> Option<&'static str> {
    let is_last = |holds: &Holds| matches!(holds, Holds::Last(_));
    let book = service.declared().books.iter().find(|book| book.holds.iter().any(is_last));
    book.map(|book| book.name.as_str())
}

/// An id, or what stands for it.
pub(crate) fn or_unknown(id: Option<Uuid>) -> String {
    id.map_or_else(|| "unknown".to_owned(), |id| id.to_string())
}
