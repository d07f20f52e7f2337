//! What the program is called with, and what it answers with when something goes wrong.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use compatibility::InvalidTree;
use declarations::{Fleet, look_at};
use kafka::{AdminError, ReadError, RegistryError};
use scaffold::ScaffoldError;

use crate::commands::exit::{BLIND, USAGE, WRONG};
use crate::commands::{
    audit, calls, catalogue, contracts, databases as making, dlq, events, exporter, gaps, graph,
    help, new, orders, retries, schemas, status, topics,
};
use crate::connections::Connections;
use crate::databases::{Databases, NoDatabase};
use crate::print::remark;
use crate::{AuditError, InvalidSchemas, Unreadable};

/// Prepares and watches a Farandole fleet.
///
/// When something seems wrong, one look at everything, and what to do:
///
///   farandole status
///
/// Then, in more detail, what hangs and why, what fails, what was given up, what is missing, all
/// about one order, and whether everything adds up:
///
///   farandole orders stuck
///   farandole retries list
///   farandole dlq list
///   farandole gaps
///   farandole orders show ORDER
///   farandole audit
///
/// Before the services are started for the first time, and again with each new release:
///
///   farandole databases create
///   farandole schemas register
///   farandole topics create
///
/// Before an event is changed, whom that would break:
///
///   farandole contracts check
///
/// Where Kafka, the registry, the services and their databases are is told by the environment or
/// by flags: --help of each command lists them. The services are those that this was built with, or
/// those whose declarations are in the directory FARANDOLE_DECLARATIONS: NAME/declaration.json or
/// NAME.json for each service of the fleet.
///
/// Exit codes, of all commands: 0 all is well, or done; 1 something is wrong, was found, or was
/// refused; 2 wrong usage; 3 it could not be looked (something is away, locked, or not what it
/// should be), or the output could not be written; 4 the fleet is not at rest (audit).
#[derive(Parser)]
#[command(name = "farandole", version, verbatim_doc_comment, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connections: Connections,
    #[command(flatten)]
    databases: Databases,
}

#[derive(Subcommand)]
enum Command {
    /// One look at everything: is the fleet well, and if not, what is wrong and what to do
    ///
    /// It asks the services whether they are ready, the brokers who reads and how far, and the
    /// databases what is to be published, tried again, called and found, who has locked what, and
    /// how orders have ended; all at once, for two seconds at most, also when nothing answers.
    /// Nothing is changed.
    ///
    /// Exit codes: 0 all is well; 1 something is wrong; 3 nothing is wrong as far as can be seen,
    /// but not everything can be seen.
    Status(status::Arguments),
    /// The events' schemas in the registry
    #[command(subcommand)]
    Schemas(schemas::Command),
    /// What a change of an event breaks, and for whom
    #[command(subcommand)]
    Contracts(contracts::Command),
    /// The topics in Kafka
    #[command(subcommand)]
    Topics(topics::Command),
    /// The services' databases and roles in Postgres
    #[command(subcommand)]
    Databases(making::Command),
    /// Check what must hold, always and at rest, over databases, topics and dead letters
    ///
    /// It can be run at any time, also under load: it only reads, and joins no consumer group. It
    /// holds about 1 kB of memory per order. What cannot be read, such as a locked table, it says
    /// after some seconds, and goes on with the rest.
    ///
    /// Exit codes: 0 all holds; 1 something is violated; 3 nothing is violated as far as can be
    /// seen; 4 nothing is violated, but something is under way, or a dead letter is open.
    Audit(audit::Command),
    /// The events in the topics
    #[command(subcommand)]
    Events(events::Command),
    /// Dead letters: what services could not process
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// What services could not process, and try again
    #[command(subcommand)]
    Retries(retries::Command),
    /// The orders that hang, and all there is to know of one
    #[command(subcommand)]
    Orders(orders::Command),
    /// The calls to the outside: charges, refunds, bookings and mails
    #[command(subcommand)]
    Calls(calls::Command),
    /// Tell Prometheus what is seen of the fleet from outside
    ///
    /// It runs until it is ended, and answers at /metrics with what the other commands would tell:
    /// whether services answer and are ready, who reads and how far, dead letters that are open, orders
    /// that hang, whether everything adds up, and in what the topics differ from what is declared. It only
    /// reads, and rests twenty times as long as reading took. An audit takes about 1 kB of memory per
    /// order: --audit-every 0s leaves it out.
    ///
    ///   farandole exporter --listen 0.0.0.0:8090
    ///
    /// Exit codes: 0 it was ended by SIGTERM or SIGINT; 1 it cannot listen there.
    #[command(verbatim_doc_comment)]
    Exporter(exporter::Arguments),
    /// List the events that services have noticed to be missing
    ///
    /// An order's events are numbered by each service that emits them. A service that reads a later
    /// one without the one before notices, searches the topic and repairs what it finds; here is
    /// what it has not found. The databases are needed, such as PAYMENT_DATABASE_URL; with --service
    /// only of those named. Nothing is changed. What was acknowledged, and what was discarded as a
    /// dead letter, is not listed.
    ///
    /// Exit codes: 0 nothing is missing; 1 something is; 3 a database cannot be read.
    Gaps(gaps::Arguments),
    /// Who says what to whom: checked, drawn, and held against what is seen
    ///
    /// Without more, it goes by the declarations of the fleet, and needs no fleet that runs. It looks
    /// for events that nobody reads or emits, cycles, failures that lead to no compensation, and waits
    /// without an end. With --observed it reads the topics of events and tells in what they differ
    /// from what is declared, D1 to D12. Nothing is changed.
    ///
    ///   farandole graph --format svg > dance.svg
    ///   farandole graph --check --running --also http://loyalty:8099
    ///   farandole graph --check --observed --since 1d
    ///
    /// Exit codes: 0 what was asked for was printed, and with --check nothing is wrong; 1 with --check,
    /// something is wrong; 3 nothing is wrong as far as can be seen, but something gave no answer.
    #[command(verbatim_doc_comment)]
    Graph(graph::Arguments),
    /// Write the catalogue of events: a page, Markdown, AsyncAPI and Backstage
    ///
    /// Each event with its fields, who reads which of them, and how its versions differ. It goes by the
    /// declarations of the fleet, and needs no fleet that runs; with --running and --also by what running
    /// services declare, whatever language they are in.
    ///
    ///   farandole catalogue --out events --running --also http://reviews:8090
    ///
    /// Exit codes: 0 it is written; 2 wrong usage; 3 it is written without somebody who gave no answer.
    #[command(verbatim_doc_comment)]
    Catalogue(catalogue::Arguments),
    /// Write the beginning of a service, a reaction, an event or a version into the sources
    ///
    /// For developers, in a clone of the project. Nothing is written unless all of it can be, and it
    /// is yours from then on.
    #[command(subcommand)]
    New(new::Command),
    /// Print what a shell needs to complete command lines: source <(farandole completions bash)
    Completions(help::Completions),
    /// Write man pages into a directory
    Man(help::Man),
}

/// Where the declarations of another fleet are than the one that this was built with.
const DECLARATIONS: &str = "FARANDOLE_DECLARATIONS";

/// Has this process look at the fleet whose declarations are in the directory `FARANDOLE_DECLARATIONS`, if
/// that is set.
pub fn given_fleet() -> anyhow::Result<()> {
    let Some(directory) = std::env::var_os(DECLARATIONS) else { return Ok(()) };
    let given = Fleet::read(Path::new(&directory)).and_then(look_at);
    given.with_context(|| DECLARATIONS.to_owned())
}

/// Does what the command line says, and returns the program's exit code.
pub fn main() -> ExitCode {
    if let Err(error) = given_fleet() {
        remark(&format!("error: {error:#}"));
        return ExitCode::from(USAGE);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(mut error) => return say(&mut error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    let result = runtime.block_on(run(arguments));
    // Questions that nobody waits for any more are not waited for.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| complain(&error))
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { command, connections, databases } = arguments;
    match command {
        Command::Status(arguments) => status::run(arguments, &connections, &databases).await,
        Command::Audit(command) => audit::run(command, &connections, &databases).await,
        Command::Schemas(command) => schemas::run(command, &connections).await,
        Command::Contracts(command) => contracts::run(command, &connections).await,
        Command::Topics(command) => topics::run(command, &connections).await,
        Command::Databases(command) => making::run(command, &connections).await,
        Command::Events(command) => events::run(command, &connections).await,
        Command::Dlq(command) => dlq::run(command, &connections, &databases).await,
        Command::Retries(command) => retries::run(command, &databases).await,
        Command::Orders(command) => orders::run(command, &connections, &databases).await,
        Command::Calls(command) => calls::run(command, &connections, &databases).await,
        Command::Exporter(arguments) => {
            Box::pin(exporter::run(arguments, &connections, &databases)).await
        }
        Command::Gaps(arguments) => gaps::run(arguments, &connections, &databases).await,
        Command::Graph(arguments) => graph::run(arguments, &connections).await,
        Command::Catalogue(arguments) => catalogue::run(arguments).await,
        Command::New(command) => new::run(command),
        Command::Completions(arguments) => help::completions(&arguments),
        Command::Man(arguments) => help::man(&arguments),
    }
}

/// Prints help, the version, or what is wrong with the command line.
fn say(error: &mut clap::Error) -> ExitCode {
    help::tidy(error);
    let code = u8::try_from(error.exit_code()).unwrap_or(USAGE);
    match error.print() {
        Err(broken) if !error.use_stderr() && broken.kind() != io::ErrorKind::BrokenPipe => {
            remark(&format!("error: the output cannot be written: {broken}"));
            ExitCode::from(BLIND)
        }
        _ => ExitCode::from(code),
    }
}

/// Says what went wrong.
fn complain(error: &anyhow::Error) -> ExitCode {
    remark(&format!("error: {error:#}"));
    let (code, advice) = classify(error);
    if let Some(advice) = advice {
        remark(advice);
    }
    ExitCode::from(code)
}

/// The exit code for an error, and what to do about it.
fn classify(error: &anyhow::Error) -> (u8, Option<&'static str>) {
    let audit = error.downcast_ref::<AuditError>();
    let kafka = error.downcast_ref::<AdminError>().or(match (error.downcast_ref(), audit) {
        (Some(ReadError::Kafka(kafka)), _) | (_, Some(AuditError::Kafka(kafka))) => Some(kafka),
        _ => None,
    });
    let registry = error.downcast_ref().or(match audit {
        Some(AuditError::Registry(registry)) => Some(registry),
        _ => None,
    });
    let registry_away = matches!(registry, Some(RegistryError::Unavailable(_)))
        || matches!(error.downcast_ref(), Some(ReadError::RegistryAway(_)));
    match kafka {
        Some(AdminError::Unavailable { .. }) => {
            (BLIND, Some("Start it, or set KAFKA_BROKERS to where it is; --wait 60 waits for it."))
        }
        Some(AdminError::Unreadable(_)) => (
            BLIND,
            Some(
                "Kafka is there. The tool and the services must know the topics' compression, and be \
                  allowed to read them.",
            ),
        ),
        Some(AdminError::TooOld { .. }) => (BLIND, None),
        Some(AdminError::Missing(_)) => {
            (BLIND, Some("Is TOPIC_PREFIX the services'? Run `farandole topics create` if it is."))
        }
        _ if registry_away => (BLIND, Some("--wait 60 waits for it.")),
        _ if error.is::<InvalidSchemas>() || error.is::<InvalidTree>() => (USAGE, None),
        _ if error.is::<Misused>() => (USAGE, None),
        _ if error.is::<projection::Error>() || error.is::<orders::NothingYet>() => (BLIND, None),
        _ if error.is::<contracts::Unseen>() => (BLIND, None),
        _ if error.is::<making::Away>() => (BLIND, Some("--wait 60 waits for it.")),
        _ if error.is::<NoDatabase>() || error.is::<Unreadable>() => (BLIND, None),
        _ if error.is::<ScaffoldError>() => (USAGE, None),
        _ if error.is::<io::Error>() => (BLIND, None),
        _ => (WRONG, None),
    }
}

/// The command cannot be run like this.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misused(pub(crate) String);
