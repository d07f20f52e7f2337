//! The books that services keep, as far as events tell.

use std::collections::BTreeSet;

use contracts::Holds;

use super::books::OrderPage;
use super::checks::Auditor;
use super::log::{Event, Sum};
use super::report::Name;
use crate::choreography::{Fact, Service};

/// All books of the fleet, each check with the name of its book.
fn books() -> impl Iterator<Item = (&'static str, &'static Holds)> {
    let books = Service::all().flat_map(|service| &service.declared().books);
    books.flat_map(|book| book.holds.iter().map(|holds| (book.name.as_str(), holds)))
}

impl Auditor<'_> {
    /// What happens once at most, what excludes what, and what is the last.
    pub(crate) fn check_books(&mut self, page: &OrderPage<'_>) {
        let order = page.order;
        for (book, holds) in books() {
            let wrong = match holds {
                Holds::Once { event, .. } => several(page, event),
                Holds::NotBoth(one, other) => both(page, one, other),
                Holds::NotAfter { event, after } => late(page, event, after),
                Holds::Last(ends) => after_the_end(page, ends),
                Holds::NoRow(_) | Holds::NoMoreThan { .. } => None,
            };
            if let Some(wrong) = wrong {
                self.report.found(Name::Book(book), || format!("order {order}: {wrong}"));
            }
        }
    }

    /// What the books need of an event can be read.
    pub(crate) fn check_legible(&mut self) {
        for (order, event, fact, field) in &self.books.log.illegible {
            let what = fact.event_type();
            let needs = |(_, holds): &(&str, &Holds)| match holds {
                Holds::Once { event, .. } => event == what && field != "amount",
                Holds::NoMoreThan { event, than, .. } => {
                    (event == what || than == what) && field == "amount"
                }
                _ => false,
            };
            let own = || fact.source().declared().books.first().map(|book| book.name.as_str());
            let book = books().find(needs).map(|(book, _)| book).or_else(own);
            let check = book.map_or(Name::Effects, Name::Book);
            self.report.found(check, || {
                format!("order {order}: the {field} of {what} {event} cannot be read")
            });
        }
    }

    /// What is no more than something else, per saga and currency.
    pub(crate) fn check_sums(&mut self) {
        for (book, holds) in books() {
            let Holds::NoMoreThan { event, than, .. } = holds else { continue };
            let (Some(event), Some(than)) = (Fact::of_type(event), Fact::of_type(than)) else {
                continue;
            };
            for sums in self.books.log.sums.chunk_by(|a, b| a.order == b.order) {
                let order = sums[0].order;
                if !self.books.log.remembers(order) {
                    continue;
                }
                let total = |fact: Fact, currency: [u8; 3]| -> i64 {
                    let of = |sum: &&Sum| sum.fact == fact && sum.currency == currency;
                    sums.iter().filter(of).map(|sum| sum.amount).sum()
                };
                for sum in sums.iter().filter(|sum| sum.fact == event) {
                    let currency = sum.currency;
                    let (is, at_most) = (total(event, currency), total(than, currency));
                    if is > at_most {
                        self.report.found(Name::Book(book), || {
                            let currency = String::from_utf8_lossy(&currency);
                            let (event, than) = (event.event_type(), than.event_type());
                            format!(
                                "order {order}: {event} of {is} {currency} in all, {than} of \
                                 {at_most} (minor units)"
                            )
                        });
                        break;
                    }
                }
            }
        }
    }
}

/// An event that is there more than once. What was said again of the same call, by a service whose
/// database was restored, was done once; that it was said twice is for the numbers to tell.
fn several(page: &OrderPage<'_>, event: &str) -> Option<String> {
    let apart = Fact::of_type(event)?.wanted().apart.is_some();
    let facts = Fact::of_type(event)?.of_its_type().filter(|fact| fact.value().is_some() == apart);
    facts.into_iter().find_map(|fact| {
        let said = page.events.iter().filter(|event| event.fact == fact);
        let times = said.map(|event| event.call).collect::<BTreeSet<u32>>().len();
        let about = fact.value().map(|value| format!(": {value}")).unwrap_or_default();
        (times > 1).then(|| format!("{times} times {event}{about}"))
    })
}

fn both(page: &OrderPage<'_>, one: &str, other: &str) -> Option<String> {
    let was_said = |name| Fact::named(name).is_some_and(|fact| page.was_said(fact));
    (was_said(one) && was_said(other)).then(|| format!("there is {one}, and {other}"))
}

fn late(page: &OrderPage<'_>, event: &str, after: &[String]) -> Option<String> {
    let fact = Fact::named(event)?;
    let after: Vec<Fact> = after.iter().filter_map(|name| Fact::named(name)).collect();
    let first = page.events.iter().filter(|event| after.contains(&event.fact));
    let first = first.min_by_key(|event| event.sequence)?;
    let is_late = |event: &Event| event.fact == fact && event.sequence > first.sequence;
    page.events.iter().any(is_late).then(|| format!("{event} comes after {}", first.fact.name()))
}

fn after_the_end(page: &OrderPage<'_>, ends: &[String]) -> Option<String> {
    if page.was_never_placed() {
        return None;
    }
    let ends: Vec<Fact> = ends.iter().filter_map(|name| Fact::named(name)).collect();
    let end = page.events.iter().find(|event| ends.contains(&event.fact))?;
    let follows =
        |event: &&Event| event.fact.source() == end.fact.source() && event.sequence > end.sequence;
    let after = page.events.iter().find(follows)?;
    Some(format!("{} ({}) follows {}", after.fact.event_type(), after.id, end.fact.event_type()))
}
