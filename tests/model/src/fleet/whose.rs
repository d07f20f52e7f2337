//! Whose move it is, as the tools say by the statuses alone, and by the topics alone.

use std::sync::atomic::{AtomicU8, Ordering};

use choreography::{Facts, Move, States, moves};
use contracts::{Declared, status_of};
use serde::Serialize;
use serde_json::Value;

use super::model::Fleet;
use super::vocabulary::{Call, Fact, Service, Set, Stimulus};
use super::world::{Order, World};

/// Who says whose move it is.
#[derive(Debug, Clone, Copy)]
pub struct Judges {
    /// By an order's statuses.
    pub by_statuses: fn(&States) -> Vec<Move>,
    /// By what was said of it.
    pub by_log: fn(Facts) -> Vec<Move>,
}

impl Default for Judges {
    /// Those that the tools ask.
    fn default() -> Self {
        Self { by_statuses: moves, by_log: |said| moves(&States::by_log(said)) }
    }
}

/// Some of the services, as bits.
pub(crate) type Named = u8;

/// The bit of a service.
pub(crate) fn bit(service: Service) -> Named {
    1 << service as usize
}

/// Whose move it is, by the places of an order's states in the machines, and by the log.
#[derive(Debug)]
pub(crate) struct Whose {
    judges: Judges,
    /// By service.
    statuses: [Statuses; Service::ALL.len()],
    /// By combination of statuses.
    by_statuses: Answers,
    /// By place among all sets of facts.
    by_log: Answers,
    /// The tools' own, by the model's.
    facts: [choreography::Fact; Fact::ALL.len()],
}

/// What a judge has said; each is asked once.
#[derive(Debug)]
struct Answers(Vec<AtomicU8>);

impl Answers {
    /// What stands for an answer before the judge was asked: there are fewer services than bits.
    const UNASKED: Named = Named::MAX;

    fn new(questions: usize) -> Self {
        Self((0..questions).map(|_| AtomicU8::new(Self::UNASKED)).collect())
    }

    fn get(&self, question: usize, ask: impl FnOnce() -> Vec<Move>) -> Named {
        let known = self.0[question].load(Ordering::Relaxed);
        if known != Self::UNASKED {
            return known;
        }
        let named = ask().iter().fold(0, |all, it| all | bit_of(it.service));
        self.0[question].store(named, Ordering::Relaxed);
        named
    }
}

/// What a service calls its states.
#[derive(Debug, Default)]
pub(crate) struct Statuses {
    words: Vec<String>,
    /// By state.
    places: Vec<usize>,
}

impl Statuses {
    /// What the service calls these states.
    pub(crate) fn of<'s, S: Serialize + 's>(
        service: Service,
        states: impl IntoIterator<Item = &'s S>,
    ) -> Self {
        let declared = declarations::fleet().service(NAMES[service as usize]);
        let paths = declared.into_iter().flat_map(|it| &it.status).map(String::as_str);
        let paths: Vec<&str> = paths.collect();
        let mut statuses = Self::default();
        for state in states {
            let state: Value = serde_json::to_value(state).unwrap_or_default();
            let word = status_of(&state, &paths);
            let known = statuses.words.iter().position(|known| *known == word);
            let place = known.unwrap_or_else(|| {
                statuses.words.push(word);
                statuses.words.len() - 1
            });
            statuses.places.push(place);
        }
        statuses
    }
}

impl Whose {
    /// By what `judges` say, of what the services call their states.
    ///
    /// # Panics
    ///
    /// If a saga waits for a service that the model does not have, or an event that it has is not declared.
    pub(crate) fn new(judges: Judges, statuses: [Statuses; Service::ALL.len()]) -> Self {
        let missing = missing(declarations::fleet().services());
        assert!(missing.is_empty(), "{}", missing.join("\n"));
        let by_statuses = Answers::new(statuses.iter().map(|it| it.words.len()).product());
        let by_log = Answers::new(1 << Fact::ALL.len());
        let facts = Fact::ALL.map(|fact| {
            let name = fact.name();
            choreography::Fact::named(&name).unwrap_or_else(|| panic!("nobody declares {name:?}"))
        });
        Self { judges, statuses, by_statuses, by_log, facts }
    }

    /// The services that are named for an order, by the numbers of its states.
    pub(crate) fn by_statuses(&self, states: [usize; Service::ALL.len()]) -> Named {
        let mut combination = 0;
        for (of_service, state) in self.statuses.iter().zip(states) {
            combination = combination * of_service.words.len() + of_service.places[state];
        }
        self.by_statuses.get(combination, || {
            let each = NAMES.into_iter().zip(&self.statuses).zip(states);
            let states = each.fold(States::unseen(), |all, ((name, statuses), state)| {
                all.with(name, statuses.words[statuses.places[state]].clone())
            });
            (self.judges.by_statuses)(&states)
        })
    }

    /// The services that are named for an order, by what is in the log.
    pub(crate) fn by_log(&self, log: Set<Fact>) -> Named {
        self.by_log.get(log.index(), || {
            let said = log.iter().map(|fact| self.facts[fact as usize]).collect();
            (self.judges.by_log)(said)
        })
    }
}

/// What a service may say of an order although, by what was said before, nothing was to come from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untold {
    /// The order is cancelled, and inventory reads first that it was placed: it reserves, or says that it
    /// cannot. Had it read of the cancellation first, it would have said nothing.
    Reservation,
    /// The order is cancelled, and the outcome of its charge is told. Had payment read of the cancellation
    /// before the charge was begun, it would have said nothing.
    Charge,
    /// An operator has a mail sent again that was given up, which is told only by what becomes of it.
    MailAgain,
}

impl Fleet {
    /// Whether those whose move it is by the statuses of an order are just those for whom something is
    /// there to be done that changes anything.
    pub(crate) fn names_whose_move_it_is(&self, world: &World, order: usize) -> bool {
        self.by_statuses(world, order) == self.busy(world, order)
    }

    /// Whether those whose move it is by what was said of an order are so by its statuses, too.
    pub(crate) fn log_names_whom_statuses_name(&self, world: &World, order: usize) -> bool {
        let named = self.taking_part(self.whose.by_log(world.orders[order].log));
        named & !self.by_statuses(world, order) == 0
    }

    fn by_statuses(&self, world: &World, order: usize) -> Named {
        let Order { row, payment, shipping, notification, .. } = &world.orders[order];
        let reservation = usize::from(world.inventory) * self.bounds.orders + order;
        let [row, payment, shipping, notification] =
            [row, payment, shipping, notification].map(|state| usize::from(*state));
        let states = [row, reservation, payment, shipping, notification];
        self.taking_part(self.whose.by_statuses(states))
    }

    /// What those may say next whose move it is not by what was said of an order; `None` of what the log
    /// could have told. What they read and say nothing about leaves the log as it is: what they say after that
    /// is asked for in the world to which it leads.
    pub(crate) fn overlooked(&self, world: &World) -> impl Iterator<Item = Option<Untold>> {
        (0..world.orders.len()).flat_map(move |order| {
            let log = world.orders[order].log;
            let named = self.whose.by_log(log);
            let others = self.services().iter().filter(move |it| named & bit(**it) == 0);
            others.flat_map(move |&service| {
                let says = move |it: &Stimulus| {
                    self.step(world, order, service, *it).is_some_and(|it| !it.facts.is_empty())
                };
                let said = self.due(world, order, service).filter(says);
                said.map(move |stimulus| Untold::of(service, stimulus, log))
            })
        })
    }

    /// Those for whom something is there to be done about an order that changes anything.
    fn busy(&self, world: &World, order: usize) -> Named {
        let is_busy = |service: &&Service| {
            let mut due = self.due(world, order, **service);
            due.any(|it| self.step(world, order, **service, it).is_some())
        };
        self.services().iter().filter(is_busy).fold(0, |all, service| all | bit(*service))
    }

    /// What is to come to a service: an event that it reads for the first time, or what may become of a call.
    fn due(&self, world: &World, order: usize, service: Service) -> impl Iterator<Item = Stimulus> {
        let Order { log, inbox, intents, .. } = &world.orders[order];
        let place = service as usize;
        let unread = log.intersection(self.reads[place]).without(inbox[place]);
        let calls = intents.iter().filter(move |call| call.service() == service);
        let outcomes = calls.flat_map(|call| {
            call.answers().iter().map(move |answer| Stimulus::Outcome(call, *answer))
        });
        unread.iter().map(Stimulus::Fact).chain(outcomes)
    }

    /// Those of `named` that take part.
    fn taking_part(&self, named: Named) -> Named {
        named & self.services().iter().fold(0, |all, service| all | bit(*service))
    }
}

impl Untold {
    /// Why the log could not tell that a service says something on this.
    fn of(service: Service, stimulus: Stimulus, log: Set<Fact>) -> Option<Self> {
        let is_cancelled = log.contains(Fact::OrderCancelled);
        match (service, stimulus) {
            (Service::Inventory, Stimulus::Fact(Fact::OrderPlaced)) if is_cancelled => {
                Some(Self::Reservation)
            }
            (Service::Payment, Stimulus::Outcome(Call::Charge, _)) if is_cancelled => {
                Some(Self::Charge)
            }
            (Service::Notification, Stimulus::Outcome(call, _)) if call.was_given_up(log) => {
                Some(Self::MailAgain)
            }
            _ => None,
        }
    }
}

/// The services' names, in the order of [`Service::ALL`].
const NAMES: [&str; Service::ALL.len()] =
    ["order", "inventory", "payment", "shipping", "notification"];

/// None for a service that the model does not have: no saga waits for it, so nothing here depends on it.
fn bit_of(name: &str) -> Named {
    let place = NAMES.iter().position(|known| *known == name);
    place.map_or(0, |place| 1 << place)
}

/// Of the services that a saga waits for and that the model does not have: what to add, and where.
fn missing(services: &[Declared]) -> Vec<String> {
    let is_missing =
        |it: &&Declared| !it.settles.is_empty() && !NAMES.contains(&it.service.as_str());
    let told = |it: &Declared| {
        format!(
            "a saga waits for {0} (it declares `settles`), and the model does not have it. In \
             tests/model/src/fleet, add {0} to Service and the events that it emits to Fact \
             (vocabulary.rs), and to NAMES (whose.rs); its table (services.rs) to Fleet (model.rs), \
             and its state to Order (world.rs); and how it ends to is_closed (properties.rs)",
            it.service
        )
    };
    services.iter().filter(is_missing).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_settles_is_to_be_in_the_model() {
        let [mut other, mut known] = [Declared::default(), Declared::default()];
        "other".clone_into(&mut other.service);
        NAMES[0].clone_into(&mut known.service);
        known.settles.insert("completed".to_owned(), vec!["done".to_owned()]);
        assert_eq!(missing(&[other.clone(), known.clone()]), [""; 0]);
        assert_eq!(bit_of("other"), 0);

        other.settles.clone_from(&known.settles);
        let told = missing(&[other, known]);
        assert!(told.len() == 1 && told[0].starts_with("a saga waits for other"), "{told:?}");
    }
}
