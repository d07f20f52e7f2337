//! Runs the native stack for a person, or around a command.

#![expect(clippy::doc_markdown, reason = "clap shows the comments as they stand")]

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use farandole_stack::fleet::SERVICES;
use farandole_stack::{Options, PostgresVersion, Serve, Stack};
use rustix::process::{Pid, Signal as Kind, kill_process};
use tokio::process::Command;
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Kafka, the schema registry and Postgres on this machine, without Docker.
///
/// The first start fetches them through mvn and pip (about 300 MB) into FARANDOLE_CACHE; the
/// next ones take a few seconds.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    stack: StackArguments,
}

#[derive(Subcommand)]
enum Action {
    /// Start everything, print the environment to use, stop on Ctrl-C or SIGTERM (the default)
    Run,
    /// Start everything, run a command with the environment set, stop, exit with its code
    ///
    /// The command finds KAFKA_BROKERS and SCHEMA_REGISTRY_URL; the same two plus Postgres's URL
    /// without a database as FARANDOLE_STACK_KAFKA, FARANDOLE_STACK_REGISTRY and
    /// FARANDOLE_STACK_POSTGRES; and where logs may be written as FARANDOLE_STACK_DIRECTORY. What
    /// --only leaves out has no variables.
    Exec {
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Fetch what is missing, and start nothing
    Fetch,
}

#[derive(Args)]
struct StackArguments {
    /// Keep data and logs here between runs [default: a temporary directory, removed at the end]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep fetched programs here [default: $FARANDOLE_CACHE, else /var/cache/farandole for root,
    /// ~/.cache/farandole for others]
    #[arg(long, global = true, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Start these parts alone [default: all]
    #[arg(long, global = true, value_name = "PARTS", value_enum, value_delimiter = ',')]
    only: Vec<Name>,
    /// Postgres's major version, 15 to 18 [default: $FARANDOLE_POSTGRES, else 18]
    #[arg(long, global = true, value_name = "VERSION")]
    postgres_version: Option<PostgresVersion>,
    /// Kafka's port on 127.0.0.1 [default: a free one]
    #[arg(long, global = true, value_name = "PORT", value_parser = port)]
    kafka_port: Option<Serve>,
    /// The schema registry's port on 127.0.0.1 [default: a free one]
    #[arg(long, global = true, value_name = "PORT", value_parser = port)]
    registry_port: Option<Serve>,
    /// Postgres's port on 127.0.0.1 [default: a free one]
    #[arg(long, global = true, value_name = "PORT", value_parser = port)]
    postgres_port: Option<Serve>,
    /// Say nothing but errors and the environment
    #[arg(long, short, global = true)]
    quiet: bool,
}

/// A part, as --only names it.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    Kafka,
    Registry,
    Postgres,
}

fn port(text: &str) -> Result<Serve, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a port is a number from 1 to 65535".to_owned()),
        Ok(port) => Ok(Serve::Port(port)),
    }
}

impl StackArguments {
    fn options(self) -> anyhow::Result<Options> {
        Ok(Options {
            kafka: self.serve(Name::Kafka, self.kafka_port)?,
            registry: self.serve(Name::Registry, self.registry_port)?,
            postgres: self.serve(Name::Postgres, self.postgres_port)?,
            quiet: self.quiet,
            cache: self.cache,
            data: self.data,
            rebalance_delay: false,
            postgres_version: self.postgres_version,
        })
    }

    fn serve(&self, name: Name, port: Option<Serve>) -> anyhow::Result<Serve> {
        if self.only.is_empty() || self.only.contains(&name) {
            return Ok(port.unwrap_or_default());
        }
        ensure!(port.is_none(), "--only leaves out a part that a port is given for: drop either");
        Ok(Serve::No)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    act(arguments).await.unwrap_or_else(|error| {
        eprintln!("farandole-stack: {error:#}");
        ExitCode::FAILURE
    })
}

async fn act(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let options = arguments.stack.options()?;
    match arguments.action.unwrap_or(Action::Run) {
        Action::Run => run(options).await,
        Action::Exec { command } => exec(options, &command).await,
        Action::Fetch => fetch(options).await,
    }
}

async fn fetch(options: Options) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    select! {
        fetched = Stack::fetch(&options) => fetched?,
        kind = signals.next() => return Ok(ended_by(kind)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let stack = select! {
        stack = Stack::start(options) => stack?,
        kind = signals.next() => return Ok(ended_by(kind)),
    };
    if stack.postgres.is_served() {
        for service in SERVICES {
            stack.create_database(service).await?;
        }
    }
    print_environment(&stack);
    eprintln!("data and logs are in {}; stop with Ctrl-C", stack.directory().display());
    let broken = select! {
        error = stack.until_broken() => Some(error),
        _ = signals.next() => None,
    };
    stack.stop().await;
    broken.map_or(Ok(ExitCode::SUCCESS), |error| Err(error.into()))
}

fn print_environment(stack: &Stack) {
    if stack.kafka.is_served() {
        println!("export KAFKA_BROKERS={}", stack.kafka_brokers());
    }
    if stack.registry.is_served() {
        println!("export SCHEMA_REGISTRY_URL={}", stack.schema_registry_url());
    }
    if stack.postgres.is_served() {
        let order = stack.postgres_url("order");
        println!("export DATABASE_URL={order}  # the order service's; each has its own:");
        for service in SERVICES {
            let url = stack.postgres_url(service);
            println!("export {}={url}", declarations::variable(service, "DATABASE_URL"));
        }
    }
}

async fn exec(options: Options, command: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let version = options.postgres_version;
    let stack = select! {
        stack = Stack::start(options) => stack?,
        kind = signals.next() => return Ok(ended_by(kind)),
    };
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]).envs(environment(&stack));
    if let Some(version) = version {
        // For a command, such as a test, that starts another stack of its own.
        child.env("FARANDOLE_POSTGRES", version.as_str());
    }
    let outcome = around(child, &mut signals).await;
    stack.stop().await;
    outcome
}

/// What a command finds in its environment, of the parts that were started.
fn environment(stack: &Stack) -> Vec<(&'static str, OsString)> {
    let mut variables = vec![("FARANDOLE_STACK_DIRECTORY", stack.directory().into())];
    if stack.kafka.is_served() {
        let brokers = OsString::from(stack.kafka_brokers());
        variables.push(("KAFKA_BROKERS", brokers.clone()));
        variables.push(("FARANDOLE_STACK_KAFKA", brokers));
    }
    if stack.registry.is_served() {
        let url = OsString::from(stack.schema_registry_url());
        variables.push(("SCHEMA_REGISTRY_URL", url.clone()));
        variables.push(("FARANDOLE_STACK_REGISTRY", url));
    }
    if stack.postgres.is_served() {
        variables.push(("FARANDOLE_STACK_POSTGRES", stack.connections().postgres_server.into()));
    }
    variables
}

/// Runs the command to its end.
async fn around(mut command: Command, signals: &mut Signals) -> anyhow::Result<ExitCode> {
    let name = command.as_std().get_program().to_owned();
    let mut child = command.spawn().with_context(|| format!("cannot run {}", name.display()))?;
    loop {
        select! {
            status = child.wait() => {
                let status = status?;
                let code = status.code().or(status.signal().map(|signal| 128 + signal));
                return Ok(exit_code(code.unwrap_or(1)));
            }
            kind = signals.next() => pass_on(kind, child.id()),
        }
    }
}

/// Ctrl-C reaches the command by itself, since it shares our terminal's process group.
fn pass_on(kind: Kind, child: Option<u32>) {
    let child = child.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let (Some(child), true) = (child, kind != Kind::INT) {
        // It may have ended just now, and that is what we wait for anyway.
        let _ = kill_process(child, kind);
    }
}

fn ended_by(kind: Kind) -> ExitCode {
    exit_code(128 + kind.as_raw())
}

fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The signals that ask us to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Kind {
        select! {
            _ = self.interrupt.recv() => Kind::INT,
            _ = self.terminate.recv() => Kind::TERM,
            _ = self.hang_up.recv() => Kind::HUP,
        }
    }
}
