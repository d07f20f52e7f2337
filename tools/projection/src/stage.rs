//! What the facts that were said of an order come to.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use choreography::{Fact, Facts, Move, Service, States, end_of, moves, next};

/// How many sets of facts are remembered. Orders take a few dozen ways; whoever publishes nonsense may have
/// them take any.
const REMEMBERED_MAX: usize = 20_000;

/// Where an order is that these facts were said of, as far as the topics tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The status that the service which decides has of it then, such as `placed` or `cancelled timed_out`.
    pub fate: String,
    /// Whose move it is; nobody's, of an order at rest.
    pub moves: Vec<Move>,
    /// What may be said next.
    pub next: Facts,
    /// Whether nothing is to come any more.
    pub is_at_rest: bool,
}

impl Stage {
    fn of(said: Facts) -> Self {
        let states = States::by_log(said);
        let moves = moves(&states);
        let to_move = moves.iter().filter_map(|it| Service::named(it.service));
        let next = to_move.map(|service| next(&states, service)).fold(Facts::NONE, Facts::or);
        let is_at_rest = states.is_decided() && moves.is_empty();
        Self { fate: states.fate().to_owned(), moves, next, is_at_rest }
    }

    /// The service whose move it is; the first, if it is several'.
    pub fn mover(&self) -> Option<&'static str> {
        self.moves.first().map(|it| it.service)
    }

    /// The first word of its fate, such as `cancelled`.
    pub fn end(&self) -> &str {
        end_of(&self.fate)
    }
}

static REMEMBERED: LazyLock<Mutex<HashMap<Facts, Arc<Stage>>>> = LazyLock::new(Mutex::default);

/// The stage of an order of which these facts were said.
pub fn stage(said: Facts) -> Arc<Stage> {
    let mut remembered = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stage) = remembered.get(&said) {
        return stage.clone();
    }
    let stage = Arc::new(Stage::of(said));
    if remembered.len() < REMEMBERED_MAX {
        remembered.insert(said, stage.clone());
    }
    stage
}

/// The facts that may lead their reader to say this one.
pub fn reaction_to(fact: Fact) -> Facts {
    let consumes = fact.source().declared().consumes.iter();
    let leads = consumes.filter(|it| it.leads_to.iter().any(|event| event == fact.event_type()));
    leads.filter_map(|it| Fact::of_type(&it.event)).flat_map(Fact::of_its_type).collect()
}
