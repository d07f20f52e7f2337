//! A service whose sagas share counters: what is on its shelves, the points of its customers, and sums
//! by any key.

use std::collections::BTreeMap;

use contracts::{Consumes, Declaration, Emits, Encoder};
use farandole_messaging::{
    CounterTable, Counters, DecisionOf, Failure, Service, SharedCounters, StateTable,
};
use kernel::{Decision, NoEffect, SagaKey};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::letter::{Letter, SchemaIds};
use crate::tally::{ADDED, Action, COUNTED, Event, TALLY, UPSTREAM};

/// Beside the tallies.
pub(crate) const TABLES: &str = "
    CREATE TABLE shelves (sku text PRIMARY KEY,
        free bigint NOT NULL CHECK (free >= 0), taken bigint NOT NULL);
    CREATE TABLE points (customer text PRIMARY KEY, balance bigint NOT NULL);
    CREATE TABLE sums (key text PRIMARY KEY, times bigint NOT NULL, total bigint NOT NULL,
        even bigint NOT NULL, odd bigint NOT NULL)";

/// What is to happen with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Deed {
    /// It is added to the sums of these keys.
    Sum,
    /// So many pieces are taken from each of these shelves, if all have them.
    Take,
    /// They are taken without looking.
    TakeBlindly,
    /// It is added to the points of these customers.
    Earn,
    /// So many points are spent by each of these customers who has them.
    Spend,
    /// The sums of these keys are looked at.
    Look,
    /// Taken, earned and summed.
    All,
}

#[derive(Debug)]
pub(crate) struct Input {
    number: i64,
    deed: Deed,
    keys: Vec<String>,
}

/// What the upstream says: the action is a deed, and the keys it is done to.
#[derive(Deserialize)]
struct Said {
    number: i64,
    action: String,
}

impl From<Said> for Input {
    fn from(Said { number, action }: Said) -> Self {
        let mut words = action.split(' ').map(str::to_owned);
        let deed = serde_json::from_value(words.next().into()).unwrap();
        Self { number, deed, keys: words.collect() }
    }
}

impl Input {
    /// The keys, if this is one of the deeds that need to look at them.
    fn keys_of(&self, deeds: &[Deed]) -> impl Iterator<Item = &str> {
        let needed = deeds.contains(&self.deed);
        self.keys.iter().filter(move |_| needed).map(String::as_str)
    }
}

pub(crate) fn letter<K: AsRef<str>>(
    ids: SchemaIds,
    saga: SagaKey,
    deed: Deed,
    number: i64,
    keys: &[K],
) -> Letter {
    let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    let said = json!({"number": number, "action": format!("{deed:?} {}", keys.join(" "))});
    let payload = Encoder::new(ids.added, ADDED).unwrap().encode(&said).unwrap();
    Letter { payload, ..Letter::new(ids, saga, number, Action::Count) }
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// How many pieces the saga has taken.
    pub(crate) taken: BTreeMap<String, i64>,
    /// How often it was refused.
    pub(crate) refused: u32,
    /// The sums that it has seen.
    pub(crate) seen: BTreeMap<String, [i64; 4]>,
}

pub(crate) struct Shelves;

impl SharedCounters<2> for Shelves {
    type Input = Input;
    const TABLE: CounterTable<2> =
        CounterTable::new("shelves", "sku", ["free", "taken"]).non_negative(&["free"]);

    fn keys(input: &Input) -> impl Iterator<Item = &str> {
        input.keys_of(&[Deed::Take, Deed::All])
    }
}

pub(crate) struct Points;

impl SharedCounters<1> for Points {
    type Input = Input;
    const TABLE: CounterTable<1> =
        CounterTable::new("points", "customer", ["balance"]).non_negative(&["balance"]).upserting();

    fn keys(input: &Input) -> impl Iterator<Item = &str> {
        input.keys_of(&[Deed::Spend])
    }
}

pub(crate) struct Sums;

impl SharedCounters<4> for Sums {
    type Input = Input;
    const TABLE: CounterTable<4> =
        CounterTable::new("sums", "key", ["times", "total", "even", "odd"]).upserting();

    fn keys(input: &Input) -> impl Iterator<Item = &str> {
        input.keys_of(&[Deed::Look])
    }
}

/// How a number changes the sums.
pub(crate) fn summed(number: i64) -> [i64; 4] {
    [1, number, i64::from(number % 2 == 0), number % 2]
}

pub(crate) struct Shop;

impl Service for Shop {
    type Input = Input;
    type Event = Event;
    type Effect = NoEffect;
    type State = State;
    type Shared = ((Counters<Shelves, 2>, Counters<Points, 1>), Counters<Sums, 4>);

    const STATES: StateTable = StateTable::new("tallies");

    fn declaration() -> Declaration<Input> {
        Declaration {
            consumes: vec![Consumes::new::<Said>(UPSTREAM, "Added", ADDED, Input::from)],
            emits: vec![Emits::new("Counted", 1, COUNTED)],
            ..Declaration::of(TALLY, "counts what sagas share", "tests")
        }
    }

    fn decide(
        &self,
        _: SagaKey,
        state: &State,
        Input { number, deed, keys }: &Input,
        ((shelves, points), sums): &mut Self::Shared,
    ) -> Result<DecisionOf<Self>, Failure> {
        let mut state = state.clone();
        let number = *number;
        let can_be_taken = match deed {
            Deed::Take | Deed::All => {
                keys.iter().all(|key| shelves.get(key).is_some_and(|[free, _]| free >= number))
            }
            _ => *deed == Deed::TakeBlindly,
        };
        state.refused += u32::from(*deed == Deed::Take && !can_be_taken);
        for key in keys {
            if can_be_taken {
                shelves.add(key, [-number, number])?;
                *state.taken.entry(key.clone()).or_default() += number;
            }
            if matches!(deed, Deed::Earn | Deed::All) {
                points.add(key, [number])?;
            }
            if matches!(deed, Deed::Sum | Deed::All) {
                sums.add(key, summed(number))?;
            }
            match deed {
                Deed::Spend if points.get(key).unwrap() < [number] => state.refused += 1,
                Deed::Spend => points.add(key, [-number])?,
                Deed::Look => _ = state.seen.insert(key.clone(), sums.get(key).unwrap()),
                _ => {}
            }
        }
        Ok(Decision::to(state).emit(Event::Counted { number }))
    }
}
