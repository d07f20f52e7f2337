use std::fmt::{self, Write};

use stateright::{Checker, Expectation, Model, Path};

/// A model that can tell of itself.
pub trait Telling: Model<State: Clone + PartialEq, Action: fmt::Debug + Clone + PartialEq> {
    /// How much of the world is in it.
    fn bounds(&self) -> String;

    /// Where everything is, in full.
    fn describe(&self, world: &Self::State) -> String;
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was in the model.
    pub bounds: String,
    /// How many different worlds were looked at.
    pub worlds: usize,
    /// How many ways lead from one to another.
    pub steps: usize,
    /// The most steps from the beginning to any of them, by the shortest way found.
    pub depth: usize,
    /// What does not hold, each with the way there; what should be reached and isn't.
    pub failures: Vec<String>,
}

impl Report {
    /// Of a check that is done.
    pub fn of<M: Telling>(checker: &impl Checker<M>) -> Self {
        let (model, found) = (checker.model(), checker.discoveries());
        let failure = |expectation: Expectation, name: &'static str| match expectation {
            Expectation::Sometimes => {
                (!found.contains_key(name)).then(|| format!("never reached: {name}"))
            }
            Expectation::Always | Expectation::Eventually => {
                found.get(name).map(|path| format!("broken: {name}\n{}", story(model, path)))
            }
        };
        let properties = model.properties().into_iter();
        Self {
            bounds: model.bounds(),
            worlds: checker.unique_state_count(),
            steps: checker.state_count(),
            depth: checker.max_depth(),
            failures: properties.filter_map(|it| failure(it.expectation, it.name)).collect(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bounds, worlds, steps, depth, failures } = self;
        write!(f, "{bounds}: {worlds} worlds, {steps} steps, depth {depth}: ")?;
        if failures.is_empty() {
            write!(f, "all holds")
        } else {
            failures.iter().try_for_each(|failure| write!(f, "\n{failure}"))
        }
    }
}

/// What has happened, step by step, and where that has led.
fn story<M: Telling>(model: &M, path: &Path<M::State, M::Action>) -> String {
    let mut text = String::new();
    for action in path.clone().into_actions() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {action:?}");
    }
    let _ = write!(text, "{}", model.describe(path.last_state()));
    text
}
