//! Measures a whole fleet on one machine: how much it carries, how fast, at what cost, and how it
//! takes trouble.

mod ground;
mod measure;
mod meter;
mod results;
mod scale;
mod sections;
mod show;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use tokio::select;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::ground::Ground;
use crate::results::Results;
use crate::scale::Scale;
use crate::sections::{Bench, Section};
use crate::show::Show;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// More than any section takes.
const SECTION_LIMIT: Duration = Duration::from_mins(20);
/// Parts that hang must not keep a person waiting: services have ten seconds by their own rules.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Starts Kafka, the schema registry, Postgres and the services on this machine, measures them, and
/// stops them. After each section all orders must have ended and the audit must be clean.
///
/// The services' programs are expected beside this one: `make bench` builds all of them. Nothing
/// else should run on the machine meanwhile.
///
/// Exit codes: 0 measured; 1 something failed, or the audit found something; 2 wrong usage; 128 + N
/// ended by signal N.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// Measure only these
    #[arg(long, value_name = "SECTION,…", value_delimiter = ',')]
    only: Vec<Section>,
    /// List the sections, and measure nothing
    #[arg(long)]
    list: bool,
    /// Measure shorter and less: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// What to take for the rate that the fleet can hold, in orders a second, instead of finding out
    #[arg(long, value_name = "ORDERS")]
    rate: Option<f64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        Section::ALL.iter().for_each(|section| println!("{section:<14} {}", section.about()));
        return ExitCode::SUCCESS;
    }
    let outcome = select! {
        outcome = bench(&arguments) => outcome,
        // What was started dies as it is dropped.
        kind = asked_to_end() => return ExitCode::from(128 + kind),
    };
    match outcome {
        Ok(results) if results.failed.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("farandole-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn asked_to_end() -> u8 {
    let wait = async |kind| match signal(kind) {
        Ok(mut signals) => _ = signals.recv().await,
        // Then there is nothing to wait for.
        Err(_) => std::future::pending().await,
    };
    select! {
        () = wait(SignalKind::interrupt()) => 2,
        () = wait(SignalKind::terminate()) => 15,
    }
}

async fn bench(arguments: &Arguments) -> anyhow::Result<Results> {
    let scale = if arguments.quick { Scale::QUICK } else { Scale::FULL };
    let ground = Ground::prepare(Show::new()).await?;
    let mut bench = Bench { ground, scale, rate: arguments.rate };
    let mut results = Results::default();
    for section in Section::ALL {
        if !arguments.only.is_empty() && !arguments.only.contains(section) {
            continue;
        }
        let began = Instant::now();
        let measured = timeout(SECTION_LIMIT, section.run(&mut bench, &mut results)).await;
        let measured = measured.with_context(|| format!("it took over {SECTION_LIMIT:?}"));
        let took = began.elapsed().as_secs();
        match measured.and_then(|measured| measured) {
            Ok(()) => {
                bench.ground.show.say(&format!("{section}: done after {took} s, audit clean"))
            }
            Err(error) => {
                bench.ground.show.say(&format!("{section}: failed after {took} s: {error:#}"));
                results.failed.insert(section.to_string(), format!("{error:#}"));
            }
        }
    }
    // What hangs is killed as it is dropped.
    let _ = timeout(STOP_LIMIT, bench.ground.stop()).await;
    println!("{}", serde_json::to_string_pretty(&results)?);
    Ok(results)
}
