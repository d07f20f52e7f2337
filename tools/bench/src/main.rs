//! Measures a whole fleet on one machine: how much it carries, how fast, at what cost, and how it
//! takes trouble.

mod bench;
mod build;
mod charts;
mod check;
mod comparison;
mod fleet;
mod ground;
mod loads;
mod machine;
mod measure;
mod meter;
mod postgres;
mod report;
mod results;
mod scale;
mod sections;
mod show;

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum as _};
use tokio::select;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::bench::Bench;
use crate::build::Build;
use crate::comparison::Comparison;
use crate::ground::Ground;
use crate::machine::Machine;
use crate::results::Results;
use crate::scale::Scale;
use crate::sections::Section;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A check takes a minute and a half; a slow machine may take twice as long.
const CHECK_LIMIT: Duration = Duration::from_mins(3);
/// Parts that hang must not keep a person waiting: services have ten seconds by their own rules.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Starts Kafka, the schema registry, Postgres and the services on this machine, measures them, and
/// stops them. After each section all orders must have ended and the audit must be clean.
///
/// The services' programs, and `farandole`, are expected beside this one: `make bench` builds all of
/// them. Nothing else should run on the machine meanwhile.
///
///   farandole-bench --only rate,latency
///   farandole-bench --against ../before/target/release --rates 50,1800,max
///
/// Exit codes: 0 measured; 1 something failed, or the audit found something; 2 wrong usage; 128 + N
/// ended by signal N.
#[derive(Parser)]
#[command(
    version,
    verbatim_doc_comment,
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    measure: Measure,
    #[command(flatten)]
    fleet: FleetArguments,
    #[command(flatten)]
    comparison: Comparison,
}

#[derive(Subcommand)]
enum Action {
    /// Within three minutes: whether batches still do what they are for, by ratios and counts
    Check(FleetArguments),
}

#[derive(Args)]
struct Measure {
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
    /// Write performance/results.json and performance/*.svg there, and the tables into performance.md
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Keep what was measured before of the sections that are not measured now
    #[arg(long, requires = "out")]
    add: bool,
}

#[derive(Args)]
struct FleetArguments {
    /// A variable for all services, such as `BATCH_LINGER_MS=5`; may be repeated
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    environment: Vec<(String, String)>,
    /// Where the programs are that are measured [default: beside this one]
    #[arg(long, value_name = "DIR", value_parser = Build::parse)]
    programs: Option<Build>,
    /// Keep data and logs in this directory [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl FleetArguments {
    /// Starts the stack for it.
    async fn ground(self) -> anyhow::Result<Ground> {
        let Self { environment, programs, data } = self;
        Ground::prepare(data, programs.map_or_else(Build::own, Ok)?, environment).await
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { action, measure, fleet, comparison } = Arguments::parse();
    if measure.only.contains(&Section::Against) && comparison.against.is_none() {
        let why = "the section against needs --against, the build to compare with";
        Arguments::command().error(ErrorKind::MissingRequiredArgument, why).exit();
    }
    if measure.list {
        for section in Section::value_variants() {
            println!("{section:<10} {}", section.about());
        }
        return ExitCode::SUCCESS;
    }
    let work = async {
        match action {
            Some(Action::Check(fleet)) => Box::pin(check(fleet)).await,
            None => Box::pin(bench(measure, fleet, comparison)).await,
        }
    };
    let outcome = select! {
        outcome = work => outcome,
        // What was started dies as it is dropped.
        kind = asked_to_end() => return ExitCode::from(128 + kind),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
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

/// Whether all holds.
async fn check(fleet: FleetArguments) -> anyhow::Result<bool> {
    let checked = async {
        let mut ground = fleet.ground().await?;
        let holds = check::check(&mut ground).await?;
        // What hangs is killed as it is dropped.
        let _ = timeout(STOP_LIMIT, ground.stop()).await;
        Ok(holds)
    };
    let checked = timeout(CHECK_LIMIT, Box::pin(checked)).await;
    checked.with_context(|| format!("it took over {CHECK_LIMIT:?}"))?
}

/// Whether all could be measured.
async fn bench(
    measure: Measure,
    fleet: FleetArguments,
    comparison: Comparison,
) -> anyhow::Result<bool> {
    let Measure { only, quick, rate, out, add, .. } = measure;
    let scale = if quick { Scale::QUICK } else { Scale::FULL };
    let ground = fleet.ground().await?;
    let machine = Machine::look(ground.postgres(), &ground.build).await?;
    let compares = comparison.against.is_some();
    let wanted = |section: Section| {
        let by_itself = (section == Section::Against) == compares;
        if only.is_empty() { by_itself } else { only.contains(&section) }
    };
    let stack_is_warm = Cell::new(false);
    let mut bench = Bench { ground, scale, comparison, rate, stack_is_warm };
    let before = match &out {
        Some(directory) if add => report::read(directory)?,
        _ => Results::default(),
    };
    // An earlier one is not for sections that are measured after a new one.
    let earlier = before.rate.as_ref().filter(|_| !wanted(Section::Rate));
    bench.rate = rate.or(earlier.map(|rate| rate.held.load.offered_per_second));
    let mut results = Results { machine, ..before };
    for section in Section::value_variants() {
        if wanted(*section) {
            run(*section, &mut bench, &mut results).await;
            // What was measured stays measured, whatever comes after it.
            if let Some(directory) = &out {
                report::write(directory, &results)?;
            }
        }
    }
    // What hangs is killed as it is dropped.
    let _ = timeout(STOP_LIMIT, bench.ground.stop()).await;
    println!("{}", report::text(&results));
    Ok(results.failed.is_empty())
}

async fn run(section: Section, bench: &mut Bench, results: &mut Results) {
    let began = Instant::now();
    let limit = section.limit(bench);
    let measured = timeout(limit, section.run(bench, results)).await;
    let measured = measured.with_context(|| format!("it took over {limit:?}"));
    let took = began.elapsed().as_secs();
    results.failed.remove(&section.to_string());
    let line = match measured.and_then(|measured| measured) {
        Ok(()) => {
            let Machine { commit, at, .. } = &results.machine;
            results.done.insert(section.to_string(), format!("{at} ({commit})"));
            format!("{section}: done after {took} s, the audit found nothing")
        }
        Err(error) => {
            results.failed.insert(section.to_string(), format!("{error:#}"));
            format!("{section}: failed after {took} s: {error:#}")
        }
    };
    bench.ground.show.say(&line);
}
