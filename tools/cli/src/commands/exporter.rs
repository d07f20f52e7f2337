//! Tells Prometheus what is seen of a fleet from outside: of a service that hangs, what it exports itself
//! tells nothing.

mod compensations;
mod looks;
mod page;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use runtime::http::{HttpLimits, serve};
use runtime::shutdown;
use runtime::telemetry::Metrics;
use tokio::net::TcpListener;

use self::looks::{Fleet, Look};
use crate::ServiceUrls;
use crate::connections::Connections;
use crate::databases::Databases;
use crate::instruments::{LOOK_DURATION, LOOK_SUCCESS, instruments};
use crate::looking::{Pace, keep_looking};
use crate::print::remark;

/// A look that gives the databases or the brokers work takes no more than this share of the time: after
/// one that took a second it rests for twenty.
const SHARE: u32 = 20;
/// No look may take longer, whatever hangs.
const LOOK_LIMIT: Duration = Duration::from_mins(5);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where Prometheus finds it, at /metrics
    #[arg(
        long,
        env = "EXPORTER_ADDR",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8090",
        hide_env_values = true
    )]
    listen: SocketAddr,
    /// How often services, groups and dead letters are looked at, such as 15s; orders a quarter as often
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = crate::age::parse)]
    every: Duration,
    /// How often the fleet is audited, and the topics held against the declarations; 0s for never
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = crate::age::parse)]
    audit_every: Duration,
    #[command(flatten, next_help_heading = "Services")]
    urls: ServiceUrls,
}

pub(crate) async fn run(
    arguments: Arguments,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let metrics = Metrics::install(&instruments())?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {} (--listen)", arguments.listen))?;
    remark(&format!("http://{}/metrics tells of the fleet", listener.local_addr()?));
    let fleet = Fleet { urls: &arguments.urls, connections, databases };
    let (often, audit) = (arguments.every, arguments.audit_every);
    let stop = shutdown::signals()?;
    tokio::select! {
        () = serve(listener, page::page(metrics), stop, HttpLimits::default()) => {}
        () = look(&fleet, Look::Services, often) => {}
        () = look(&fleet, Look::Letters, often) => {}
        () = look(&fleet, Look::Orders, 4 * often) => {}
        () = look(&fleet, Look::Audit, audit), if !audit.is_zero() => {}
        () = look(&fleet, Look::Dance, audit), if !audit.is_zero() => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Looks again and again, so often at most, and tells how that went.
async fn look(fleet: &Fleet<'_>, look: Look, every: Duration) {
    let rest = if look.is_work() { SHARE } else { 0 };
    let pace = Pace { every, limit: LOOK_LIMIT, rest, rest_max: Duration::MAX };
    let mut told = None;
    let tell = |seen: Result<(), String>, took: Duration| {
        let trouble = seen.err();
        if trouble.is_some() {
            looks::unknown(look);
        }
        LOOK_SUCCESS.count([look.name()], u64::from(trouble.is_none()));
        LOOK_DURATION.of([look.name()]).set(took.as_secs_f64());
        // The same is told once.
        if trouble != told {
            match &trouble {
                Some(why) => remark(&format!("{} cannot be looked at: {why}", look.name())),
                None => remark(&format!("{} can be looked at again", look.name())),
            }
            told = trouble;
        }
    };
    keep_looking(pace, async || looks::look(fleet, look).await, tell).await;
}
