//! Checks over whole tables: what is under way, and what was parked.

use std::collections::HashSet;

use choreography::{Service, status};

use super::books::Books;
use super::checks::{Auditor, or_unknown};
use super::ledger::{Ledger, Place};
use super::log::Letter;
use super::report::Name;
use crate::OrderId;
use crate::gaps::Number;
use crate::outcomes::began_at;

impl Auditor<'_> {
    /// What does not add up within a database, and what is under way there.
    pub(crate) fn check_tables(&mut self) {
        for ledger in &self.books.ledgers {
            let name = ledger.service.name();
            for (book, line) in &ledger.imbalances {
                self.report.found(Name::Book(book), || line.clone());
            }
            for (order, status) in &ledger.unknown {
                self.report.found(Name::Effects, || {
                    format!("order {order}: {name} is {status}, which is no known status")
                });
            }
            for (order, sequence) in &ledger.outbox {
                self.report.found_since(Name::Outbox, began_at(*order), || {
                    format!("{name} has not published event {sequence} of order {order}")
                });
            }
            for parked in &ledger.parked {
                self.report.found(Name::Retries, || {
                    let Place { topic, partition, offset } = &parked.place;
                    let order = or_unknown(parked.order);
                    if parked.dead {
                        return format!(
                            "{name} has given up {topic} {partition} at {offset}, order {order}, \
                             which is on its way to the dead letters: {}",
                            parked.error.as_deref().unwrap_or("no error is recorded")
                        );
                    }
                    let why = match (&parked.error, parked.attempts) {
                        (Some(error), _) => format!(": {error}"),
                        (None, 0) => ", which waits behind another one of its order".to_owned(),
                        (None, _) => String::new(),
                    };
                    format!(
                        "{name} tries {topic} {partition} at {offset} again, order {order}, after \
                         {} attempts{why}",
                        parked.attempts
                    )
                });
            }
            self.check_calls(ledger);
            self.check_gaps(ledger);
        }
    }

    fn check_calls(&mut self, ledger: &Ledger) {
        let name = ledger.service.name();
        let knows = |order| ledger.rows.binary_search_by_key(&order, |row| row.order);
        // Those that an operator has parked wait for the operator.
        for (order, step, _) in ledger.calls.iter().filter(|(.., parked)| !parked) {
            let row = knows(*order).ok().map(|at| &ledger.rows[at]);
            // The part is settled with the call open: what comes of it is yet to be known.
            let is_settled = |status| {
                ledger
                    .service
                    .declared()
                    .settles
                    .keys()
                    .any(|end| ledger.service.has_settled(end, status))
            };
            let unknowable = row.is_some_and(|row| is_settled(status(ledger.service, row.rule)));
            if !(unknowable && self.options.allow_pending_effects) {
                self.report.found_since(Name::Calls, began_at(*order), || {
                    let why = if unknowable { "; the order is cancelled" } else { "" };
                    format!("{name} has the call {step} of order {order} open{why}")
                });
            }
        }
    }

    fn check_gaps(&mut self, ledger: &Ledger) {
        let name = ledger.service.name();
        for gap in &ledger.gaps {
            let lost = gap.verdict == "lost";
            let number = Number {
                saga: OrderId(gap.order),
                source: gap.source.clone(),
                sequence: gap.sequence,
            };
            let is_settled =
                gap.verdict != "waiting" && self.options.decisions.settle(name, &number);
            if gap.verdict == "acknowledged" || is_settled {
                continue;
            }
            self.report.found(if lost { Name::Numbers } else { Name::Gaps }, || {
                format!(
                    "{name} misses event {} of {} of order {}: {}",
                    gap.sequence, gap.source, gap.order, gap.verdict
                )
            });
        }
    }

    /// I7, from the inboxes' side, and of records that came for one service.
    pub(crate) fn check_inboxes(&mut self) {
        for (service, id) in &self.books.unheard {
            self.report.found(Name::Effects, || {
                format!("{}'s inbox has {id}, which is no event of the topics", service.name())
            });
        }
        for redriven in self.books.log.redriven.iter().filter(|one| !one.aside) {
            let (ledger, order) = (self.books.ledger(redriven.service), redriven.order);
            let name = redriven.service.name();
            if ledger.dark.is_some() {
                continue;
            }
            if ledger.inbox.binary_search(&redriven.id).is_ok() {
                continue;
            }
            let check = if redriven.passed { Name::Effects } else { Name::Unread };
            self.report.found(check, || {
                let what = if redriven.passed { "has done without" } else { "has not read" };
                format!("{name} {what} the redriven letter {} of order {order}", redriven.id)
            });
        }
    }

    /// What is in the dead-letter topics is what was given up, and not settled since.
    pub(crate) fn check_letters(&mut self) {
        let books = self.books;
        let letters = &books.log.letters;
        let places: HashSet<(Option<Service>, &Place)> = letters
            .iter()
            .filter_map(|letter| Some((letter.service, letter.place.as_ref()?)))
            .collect();
        for ledger in &self.books.ledgers {
            for place in &ledger.buried {
                if !places.contains(&(Some(ledger.service), place)) {
                    self.report.found(Name::Effects, || {
                        let Place { topic, partition, offset } = place;
                        let name = ledger.service.name();
                        format!(
                            "{name} gave up {topic} {partition} at {offset}, and it is no dead \
                             letter"
                        )
                    });
                }
            }
        }
        if self.books.log.unreadable > 0 {
            self.report.notes.push(format!(
                "{} records of the events' topics are no events that this audit knows",
                self.books.log.unreadable
            ));
        }
        if self.options.allow_dead_letters {
            return;
        }
        let settled = &self.options.settled_letters;
        let seen_to = |Letter { topic, partition, offset, .. }: &Letter| {
            settled.contains(&(topic.clone(), *partition, *offset))
        };
        for letter in letters.iter().filter(|one| !is_settled(books, one) && !seen_to(one)) {
            let Letter { topic, partition, offset, fact, order, .. } = letter;
            self.report.found(Name::DeadLetters, || {
                format!("{topic} {partition} at {offset}: {fact} of order {order}")
            });
        }
    }
}

/// Whether the event came through after all.
fn is_settled(books: &Books, letter: &Letter) -> bool {
    let Some(service) = letter.service else { return false };
    let inbox = &books.ledger(service).inbox;
    letter.ids.iter().any(|id| inbox.binary_search(id).is_ok())
}
