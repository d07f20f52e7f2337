//! Checks the models within larger bounds than the tests do.

use std::hash::Hash;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use farandole_model::effects::{self, Effects};
use farandole_model::fleet::{self, Fleet};
use farandole_model::relay::{self, Relay};
use farandole_model::{Report, Telling};
use stateright::Checker;

/// How often to say how far it is.
const EVERY: Duration = Duration::from_secs(10);

/// The smaller ones first: what they find is easier to read.
fn main() -> ExitCode {
    let all_holds = relay::Bounds::SMALL.into_iter().all(|bounds| holds(Relay::new(bounds)))
        && relay::Bounds::LARGE.into_iter().all(|bounds| holds(Relay::new(bounds)))
        && effects::Bounds::SMALL.into_iter().all(|bounds| holds(Effects::new(bounds)))
        && effects::Bounds::LARGE.into_iter().all(|bounds| holds(Effects::new(bounds)))
        && fleet::Bounds::ALL.into_iter().all(|bounds| holds(Fleet::new(bounds)));
    if all_holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether all holds in a model.
fn holds<M>(model: M) -> bool
where
    M: Telling<State: Hash + Send + Sync, Action: Send + Sync> + Send + Sync + 'static,
{
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let checker = model.checker().threads(threads).spawn_bfs();
    let mut told = began;
    while !checker.is_done() {
        thread::sleep(Duration::from_millis(20));
        if told.elapsed() >= EVERY {
            told = Instant::now();
            println!("  {} worlds, depth {} …", checker.unique_state_count(), checker.max_depth());
        }
    }
    let report = Report::of(&checker.join());
    println!("{report} ({:.1} s)", began.elapsed().as_secs_f64());
    report.failures.is_empty()
}
