//! The books that services keep, as far as events tell.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use choreography::{Fact, Service};
use contracts::Holds;

use super::books::OrderPage;
use super::checks::Auditor;
use super::log::{Event, Sum};
use super::report::Name;

/// What a book says of the events of a saga.
enum Check {
    /// Of each of these there is one at most.
    Once(Vec<Fact>),
    NotBoth(Fact, Fact),
    /// The first comes after none of the others.
    NotAfter(Fact, Vec<Fact>),
    Last(Vec<Fact>),
    /// The amounts of the first are no more than those of the second.
    NoMoreThan(Fact, Fact),
}

impl Check {
    /// `None` for what the databases tell. That the events exist, the fleet was checked for.
    fn new(holds: &Holds) -> Option<Self> {
        let all = |names: &[String]| names.iter().filter_map(|name| Fact::named(name)).collect();
        Some(match holds {
            Holds::NoRow(_) => return None,
            Holds::Once { event, .. } => {
                let fact = Fact::named(event)?;
                let apart = fact.wanted().apart.is_some();
                let each = fact.of_its_type().filter(|fact| fact.value().is_some() == apart);
                Self::Once(each.collect())
            }
            Holds::NotBoth(one, other) => Self::NotBoth(Fact::named(one)?, Fact::named(other)?),
            Holds::NotAfter { event, after } => Self::NotAfter(Fact::named(event)?, all(after)),
            Holds::Last(ends) => Self::Last(all(ends)),
            Holds::NoMoreThan { event, than, .. } => {
                Self::NoMoreThan(Fact::named(event)?, Fact::named(than)?)
            }
        })
    }
}

/// All books of the fleet, each check with the name of its book: looked up once, for there are millions
/// of sagas.
static BOOKS: LazyLock<Vec<(&str, Check)>> = LazyLock::new(|| {
    let books = Service::all().flat_map(|service| &service.declared().books);
    let holds = books.flat_map(|book| book.holds.iter().map(|holds| (book.name.as_str(), holds)));
    holds.filter_map(|(book, holds)| Some((book, Check::new(holds)?))).collect()
});

impl Auditor<'_> {
    /// What happens once at most, what excludes what, and what is the last.
    pub(crate) fn check_books(&mut self, page: &OrderPage<'_>) {
        let order = page.order;
        for (book, check) in BOOKS.iter() {
            let wrong = match check {
                Check::Once(facts) => several(page, facts),
                Check::NotBoth(one, other) => both(page, *one, *other),
                Check::NotAfter(fact, after) => late(page, *fact, after),
                Check::Last(ends) => after_the_end(page, ends),
                Check::NoMoreThan(..) => None,
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
            let is_amount = field == "amount";
            let needs = |(_, check): &&(&str, Check)| match check {
                Check::Once(facts) => !is_amount && facts.iter().any(|it| it.untold() == *fact),
                Check::NoMoreThan(one, other) => is_amount && [one, other].contains(&fact),
                _ => false,
            };
            let own = || fact.source().declared().books.first().map(|book| book.name.as_str());
            let book = BOOKS.iter().find(needs).map(|(book, _)| *book).or_else(own);
            let check = book.map_or(Name::Effects, Name::Book);
            self.report.found(check, || {
                format!("order {order}: the {field} of {what} {event} cannot be read")
            });
        }
    }

    /// What is no more than something else, per saga and currency.
    pub(crate) fn check_sums(&mut self) {
        for (book, check) in BOOKS.iter() {
            let Check::NoMoreThan(event, than) = *check else { continue };
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
fn several(page: &OrderPage<'_>, facts: &[Fact]) -> Option<String> {
    facts.iter().find_map(|fact| {
        let said = page.events.iter().filter(|event| event.fact == *fact);
        let times = said.map(|event| event.call).collect::<BTreeSet<u32>>().len();
        let about = || fact.value().map(|value| format!(": {value}")).unwrap_or_default();
        (times > 1).then(|| format!("{times} times {}{}", fact.event_type(), about()))
    })
}

fn both(page: &OrderPage<'_>, one: Fact, other: Fact) -> Option<String> {
    let both = page.was_said(one) && page.was_said(other);
    both.then(|| format!("there is {}, and {}", one.name(), other.name()))
}

fn late(page: &OrderPage<'_>, fact: Fact, after: &[Fact]) -> Option<String> {
    let first = page.events.iter().filter(|event| after.contains(&event.fact));
    let first = first.min_by_key(|event| event.sequence)?;
    let is_late = |event: &Event| event.fact == fact && event.sequence > first.sequence;
    let is_late = page.events.iter().any(is_late);
    is_late.then(|| format!("{} comes after {}", fact.name(), first.fact.name()))
}

fn after_the_end(page: &OrderPage<'_>, ends: &[Fact]) -> Option<String> {
    let end = page.events.iter().find(|event| ends.contains(&event.fact))?;
    let follows =
        |event: &&Event| event.fact.source() == end.fact.source() && event.sequence > end.sequence;
    let after = page.events.iter().find(follows)?;
    // What was said of what was never begun here, was said by somebody else, or before.
    if page.was_never_placed() {
        return None;
    }
    Some(format!("{} ({}) follows {}", after.fact.event_type(), after.id, end.fact.event_type()))
}
