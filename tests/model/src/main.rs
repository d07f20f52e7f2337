//! Checks the model within larger bounds than the tests do.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use farandole_model::{Bounds, Fleet, Report};
use stateright::{Checker, Model};

/// The smaller ones first: what they find is easier to read.
const BOUNDS: [Bounds; 4] = [
    Bounds::ONE_ORDER,
    Bounds::TWO_ORDERS,
    Bounds::TWO_PIECES_WITH_MAILS,
    Bounds::TWO_ORDERS_WITH_MAILS,
];
/// How often to say how far it is.
const EVERY: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let all_hold = BOUNDS.into_iter().all(|bounds| {
        let report = check(bounds);
        report.failures.is_empty()
    });
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check(bounds: Bounds) -> Report {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let checker = Fleet::new(bounds).checker().threads(threads).spawn_bfs();
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
    report
}
