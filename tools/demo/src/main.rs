//! Starts a whole fleet and shows, order by order, how the services dance.

mod beside;
mod endpoints;
mod experiments;
mod guide;
mod journal;
mod local;
mod perform;
mod play;
mod shop;
mod signals;
mod story;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::select;
use tokio::time::timeout;

use crate::beside::Beside;
use crate::endpoints::Endpoints;
use crate::experiments::Control;
use crate::local::Local;
use crate::perform::{Score, perform};
use crate::signals::{Interrupted, Signals};

/// Parts that hang must not keep a person waiting: services have ten seconds by their own rules.
const STOP_LIMIT: Duration = Duration::from_secs(12);

/// Starts Kafka, the schema registry, Postgres and the services on this machine, places one
/// order for each way an order can go, shows what each service did about it, and leaves the fleet
/// running for you to try.
///
/// The services' programs are expected beside this one: `make demo` builds all of them.
///
/// Exit codes: 0 every order ended as expected; 1 one did not, or the fleet could not run; 2 wrong
/// usage; 128 + N ended by signal N.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// Use free ports, stop everything after the stories, and end with `N passed, N failed`
    #[arg(long, conflicts_with = "attach")]
    smoke: bool,
    /// Play the stories against a fleet that is running, and start and stop nothing
    #[arg(long)]
    attach: bool,
    /// Let the services and the console listen on free ports instead of their own
    #[arg(long, conflicts_with = "attach")]
    free_ports: bool,
    /// Keep data and logs here [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR", conflicts_with = "attach")]
    data: Option<PathBuf>,
    #[command(flatten)]
    endpoints: Endpoints,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let smoke = arguments.smoke;
    let played = if arguments.attach {
        attached(&arguments.endpoints).await
    } else {
        Box::pin(own(arguments)).await
    };
    let score = match played {
        Ok(score) => score,
        Err(error) => {
            if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
                return interrupted.exit_code();
            }
            eprintln!("farandole-demo: {error:#}");
            Score::nothing_passed()
        }
    };
    if smoke {
        println!("{score}");
    }
    if score.is_perfect() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// On a fleet that somebody else runs.
async fn attached(endpoints: &Endpoints) -> anyhow::Result<Score> {
    let mut signals = Signals::new()?;
    let score = select! {
        score = attach(endpoints) => score?,
        interrupted = signals.next() => return Err(interrupted.into()),
    };
    println!("{score}");
    Ok(score)
}

async fn attach(endpoints: &Endpoints) -> anyhow::Result<Score> {
    endpoints.until_ready().await?;
    perform(endpoints).await
}

/// On a fleet that lives as long as this function.
async fn own(arguments: Arguments) -> anyhow::Result<Score> {
    let mut signals = Signals::new()?;
    let free_ports = arguments.free_ports || arguments.smoke;
    let local = select! {
        local = Local::start(arguments.data, free_ports) => Arc::new(local?),
        interrupted = signals.next() => return Err(interrupted.into()),
    };
    let played = play_and_stay(&local, &mut signals, !arguments.smoke).await;
    eprintln!("stopping the fleet");
    // Too late, or when asked a second time, we kill what is left: dropping does that.
    select! {
        _ = timeout(STOP_LIMIT, local.stop()) => {}
        _ = signals.next() => {}
    }
    played
}

async fn play_and_stay(
    local: &Arc<Local>,
    signals: &mut Signals,
    stay: bool,
) -> anyhow::Result<Score> {
    let endpoints = local.endpoints();
    let score = select! {
        score = perform(&endpoints) => score?,
        error = local.until_broken() => return Err(error.into()),
        interrupted = signals.next() => return Err(interrupted.into()),
    };
    if !score.is_perfect() {
        eprintln!("\nthe services' last words (--data DIR keeps all logs):\n{}", local.logs());
    }
    if stay {
        local.park_charges(&score.hanging).await;
        println!("{score}\n");
        let control = Control::start(Arc::clone(local))?;
        let beside = Beside::start(local, control.socket()).await?;
        guide::print(local, &beside);
        select! {
            error = local.until_broken() => return Err(error.into()),
            _ = signals.next() => {}
        }
    }
    Ok(score)
}
