//! The service under test: it keeps the numbers that a saga was told, in the order in which it
//! was told them, and tells the world each of them.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use contracts::operations::Said;
use contracts::{Consumes, Declaration, Emits};
use farandole_messaging::{Call, CallError, Failure, Gateway, Service, StateTable};
use kernel::{Decision, SagaKey};
use serde::{Deserialize, Serialize};

use crate::gateway;

/// Who emits what the service reads: two, because a saga's events come through several topics.
pub(crate) const UPSTREAM: &str = "upstream";
pub(crate) const SIDESTREAM: &str = "sidestream";
pub(crate) const TALLY: &str = "tally";

pub(crate) const ADDED: &str = r#"{"type":"record","name":"farandole.upstream.Added","fields":[
    {"name":"number","type":"long"}, {"name":"action","type":"string"}]}"#;
pub(crate) const INSERTED: &str = r#"{"type":"record","name":"farandole.sidestream.Inserted",
    "fields":[{"name":"number","type":"long"}, {"name":"action","type":"string"}]}"#;
pub(crate) const COUNTED: &str = r#"{"type":"record","name":"farandole.tally.Counted","fields":[
    {"name":"number","type":"long"}]}"#;
pub(crate) const ANSWERED: &str = r#"{"type":"record","name":"farandole.tally.Answered","fields":[
    {"name":"answer","type":"string"}]}"#;

/// The check stands for all constraints that a message can violate.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS tallies (
    saga uuid PRIMARY KEY, version int NOT NULL, emitted int NOT NULL,
    last_bundle bigint, seen json NOT NULL, state json NOT NULL CHECK (NOT state::jsonb -> 'numbers' @> '[666]'))";

/// Where [`Action::AskElsewhere`] asks.
pub(crate) const ELSEWHERE: &str = "elsewhere";

/// What the service says of a call that is given up and kept, of an answer that it cannot take, and
/// of a saga that was undone.
pub(crate) const KEPT: &str = "kept";
pub(crate) const NONSENSE: &str = "nonsense";
pub(crate) const UNDONE: &str = "undone";

/// After so many tries a call marked [`Action::AskFewTimes`] is given up.
pub(crate) const FEW_TIMES: u32 = 4;

/// What is to happen with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// Keep it.
    Count,
    /// Keep it, and ask the gateway about it.
    Ask,
    /// The same, but not for ever.
    AskFewTimes,
    /// The same, at another [destination](ELSEWHERE).
    AskElsewhere,
    /// The same, and the first try panics.
    AskClumsily,
    /// The same, but not for ever, and then the call is kept.
    AskOrKeep,
    /// The same, and the answer is none that can be decided on.
    AskInVain,
    /// Keep it unless [`Tally::refusing`].
    Refuse,
    Panic,
}

/// What an upstream says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Added {
    pub(crate) number: i64,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) enum Input {
    Added(Added),
    Answered(String),
    /// An operator has it ask again.
    AskAgain(Ask),
    /// An operator has the saga undone.
    Undone,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Event {
    Counted { number: i64 },
    Answered { answer: String },
}

impl contracts::Event for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Counted { .. } => "Counted",
            Self::Answered { .. } => "Answered",
        }
    }
}

/// A question to the gateway, and how to ask it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ask(Action);

impl kernel::Effect for Ask {
    fn step(&self) -> &'static str {
        "ask"
    }
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) numbers: Vec<i64>,
    pub(crate) answers: Vec<String>,
}

pub(crate) struct Tally {
    /// Whom to ask.
    pub(crate) gateway: SocketAddr,
    /// While this is set, deciding on [`Action::Refuse`] fails.
    pub(crate) refusing: AtomicBool,
}

impl Service for Tally {
    type Input = Input;
    type Event = Event;
    type Effect = Ask;
    type State = State;
    type Shared = ();

    const STATES: StateTable = StateTable::new("tallies");

    fn declaration() -> Declaration<Input> {
        Declaration {
            consumes: vec![
                Consumes::new::<Added>(UPSTREAM, "Added", ADDED, Input::Added),
                Consumes::new::<Added>(SIDESTREAM, "Inserted", INSERTED, Input::Added).may_linger(),
            ],
            emits: vec![Emits::new("Counted", 1, COUNTED), Emits::new("Answered", 1, ANSWERED)],
            ..Declaration::of(TALLY, "counts", "tests")
        }
    }

    fn decide(
        &self,
        _: SagaKey,
        state: &State,
        input: &Input,
        (): &mut (),
    ) -> Result<Decision<State, Event, Ask>, Failure> {
        let mut decision = Decision::to(state.clone());
        match input {
            Input::Added(added) => {
                let refusing = self.refusing.load(Ordering::SeqCst);
                match added.action {
                    // No text of Postgres's can hold the last character.
                    Action::Refuse if refusing => {
                        return Err(Failure::Poison(format!("{} is refused\0", added.number)));
                    }
                    Action::Panic => panic!("{} is too much", added.number),
                    Action::Count | Action::Refuse => {}
                    ask => decision = decision.perform(Ask(ask)),
                }
                decision.state.numbers.push(added.number);
                Ok(decision.emit(Event::Counted { number: added.number }))
            }
            Input::Answered(answer) if answer == NONSENSE => {
                Err(Failure::Poison(format!("what is {NONSENSE}?")))
            }
            Input::AskAgain(ask) => Ok(decision.perform(ask.clone())),
            Input::Undone if decision.state.answers.iter().any(|one| one == UNDONE) => Ok(decision),
            Input::Undone if !decision.state.numbers.is_empty() => {
                Err(Failure::Poison("the saga is known".to_owned()))
            }
            Input::Undone => {
                decision.state.answers.push(UNDONE.to_owned());
                Ok(decision.emit(Event::Answered { answer: UNDONE.to_owned() }))
            }
            Input::Answered(answer) => {
                decision.state.answers.push(answer.clone());
                Ok(decision.emit(Event::Answered { answer: answer.clone() }))
            }
        }
    }

    fn undo() -> Option<Input> {
        Some(Input::Undone)
    }
}

impl Gateway<Ask, Input> for Tally {
    async fn perform(&self, call: &Call<Ask>) -> Result<Input, CallError> {
        assert!(call.effect.0 != Action::AskClumsily || call.attempts > 0, "butterfingers");
        if call.effect.0 == Action::AskInVain {
            return Ok(Input::Answered(NONSENSE.to_owned()));
        }
        let (key, destination) = (call.idempotency_key(), Gateway::destination(self, call));
        gateway::ask(self.gateway, &key, &destination).await.map(Input::Answered)
    }

    fn destination(&self, call: &Call<Ask>) -> Cow<'static, str> {
        Cow::Borrowed(if call.effect.0 == Action::AskElsewhere { ELSEWHERE } else { "" })
    }

    fn give_up(&self, call: &Call<Ask>) -> Option<Input> {
        let word = match call.effect.0 {
            Action::AskFewTimes => "given up",
            Action::AskOrKeep => KEPT,
            _ => return None,
        };
        (call.attempts >= FEW_TIMES).then(|| Input::Answered(word.to_owned()))
    }

    fn gives_up(&self, outcome: &Input) -> bool {
        matches!(outcome, Input::Answered(answer) if answer == KEPT)
    }

    fn again(&self, effect: &Ask) -> Option<Input> {
        Some(Input::AskAgain(effect.clone()))
    }

    fn said(&self, _: &Ask, said: &Said) -> Result<Input, String> {
        match said.outcome.as_str() {
            "answered" => Ok(Input::Answered(said.detail("id")?)),
            "panic" => panic!("a joke"),
            _ => Err(said.is_none_of("answered --id ANSWER")),
        }
    }
}
