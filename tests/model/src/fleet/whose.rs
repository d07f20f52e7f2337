//! Whose move it is, as the tools say by the statuses alone, beside what can happen.

use std::sync::atomic::{AtomicU8, Ordering};

use choreography::{Move, States};
use contracts::{Declared, status_of};
use serde::Serialize;
use serde_json::Value;

use super::vocabulary::Service;

/// Says by an order's statuses whose move it is.
pub type Judge = fn(&States) -> Vec<Move>;

/// Some of the services, as bits.
pub(crate) type Named = u8;

/// The bit of a service.
pub(crate) fn bit(service: Service) -> Named {
    1 << service as usize
}

/// Whose move it is, by the places of an order's states in the machines.
#[derive(Debug)]
pub(crate) struct Whose {
    judge: Judge,
    /// By service.
    statuses: [Statuses; Service::ALL.len()],
    /// By combination of statuses; [`UNASKED`] if the judge was not asked yet.
    named: Vec<AtomicU8>,
}

/// What stands for an answer before the judge was asked: there are fewer services than bits.
const UNASKED: Named = Named::MAX;

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
    /// By what `judge` says, of what the services call their states.
    ///
    /// # Panics
    ///
    /// If a saga waits for a service that the model does not have.
    pub(crate) fn new(judge: Judge, statuses: [Statuses; Service::ALL.len()]) -> Self {
        let missing = missing(declarations::fleet().services());
        assert!(missing.is_empty(), "{}", missing.join("\n"));
        let combinations = statuses.iter().map(|it| it.words.len()).product();
        let named = (0..combinations).map(|_| AtomicU8::new(UNASKED)).collect();
        Self { judge, statuses, named }
    }

    /// The services that are named for an order, by the numbers of its states.
    pub(crate) fn named(&self, states: [usize; Service::ALL.len()]) -> Named {
        let mut combination = 0;
        for (of_service, state) in self.statuses.iter().zip(states) {
            combination = combination * of_service.words.len() + of_service.places[state];
        }
        let known = self.named[combination].load(Ordering::Relaxed);
        if known != UNASKED {
            return known;
        }
        let each = NAMES.into_iter().zip(&self.statuses).zip(states);
        let states = each.fold(States::unseen(), |all, ((name, statuses), state)| {
            all.with(name, statuses.words[statuses.places[state]].clone())
        });
        let named = (self.judge)(&states).iter().fold(0, |all, it| all | bit_of(it.service));
        self.named[combination].store(named, Ordering::Relaxed);
        named
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
