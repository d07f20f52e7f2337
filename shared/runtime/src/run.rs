use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use messaging::{Database, Engine, Gateway, Handle, Monitor, Pool, Purpose, Service, StartError};
use sqlx::migrate::Migrator;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use utoipa_axum::router::OpenApiRouter;

use crate::database::{self, DatabaseError};
use crate::declaration::{DeclarationPage, instance};
use crate::http::{ApiSlot, Site};
use crate::listen::listen;
use crate::replay::{ReplayArguments, replay};
use crate::self_check::self_check;
use crate::{Health, Settings, Telemetry, shutdown};

/// How long to wait between two attempts to reach the database at start.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a statement of a request may take, in Postgres.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// Connections that a service holds beside those for requests: the loop, the relay, the calls, the
/// sign of life, the housekeeping, and one or two of its own.
const HELD_CONNECTIONS: usize = 7;
/// What a service needs in order to be ready: its dependencies, and its own API, which is there a
/// moment after them.
const PARTS: [&str; 6] = ["postgres", "schema registry", "kafka", "processing", "publishing", API];
const API: &str = "api";

/// A service as a program: what [`run`] needs to know beside what the loop does.
pub trait App: Service + Default {
    /// Who makes the calls to the outside; [`NoGateway`](messaging::NoGateway) if there are none.
    type Gateway: Gateway<Self::Effect, Self::Input>;
    /// The settings that only this service has, of which its gateway is made;
    /// [`NoSettings`](crate::NoSettings) if none.
    type Settings: Args + Clone + Send + Sync + Into<Self::Gateway>;
    /// What requests are answered with: the state of the routes. Often a [`Pool`] is enough. What
    /// else runs beside the loop is started where it is made.
    type Api: From<AppContext<Self>> + Clone + Send + Sync + 'static;

    /// The default port of its HTTP API.
    const PORT: u16;
    /// The longest wait for a batch to fill unless set otherwise, in milliseconds. Longer costs
    /// less, and is right where nobody waits for what the service does.
    const BATCH_LINGER_MS: u64 = 5;
    /// The shortest, also in milliseconds, at low rates.
    const BATCH_LINGER_MIN_MS: u64 = 0;
    /// The service's tables: `sqlx::migrate!()`.
    const MIGRATIONS: Migrator;
    /// The routes of its API, with their description.
    const ROUTES: fn() -> OpenApiRouter<Self::Api>;
}

/// What a service's API is built from.
pub struct AppContext<A: App> {
    /// The service that the loop runs.
    pub service: Arc<A>,
    /// Its settings.
    pub settings: A::Settings,
    /// Its database, for what runs beside the loop and needs a connection of its own.
    pub database: Database,
    /// Connections to it for requests, which come and go.
    pub pool: Pool,
    /// The way into the loop.
    pub handle: Handle<A>,
    /// Cancelled when the service stops.
    pub shutdown: CancellationToken,
}

impl<A: App> From<AppContext<A>> for Pool {
    fn from(context: AppContext<A>) -> Self {
        context.pool
    }
}

#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
struct Cli<S: Args> {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    shared: Settings,
    #[command(flatten)]
    own: S,
}

#[derive(Subcommand, Clone)]
enum Command {
    /// Runs the service (this is the default).
    Serve,
    /// Brings the database up to date and exits; serving does so by itself, too.
    Migrate,
    /// Reads a stretch of the topics again, beside the running service. What was processed is not
    /// processed twice. Exits 1 when a record failed.
    Replay(ReplayArguments),
    /// Asks the service that listens on `HTTP_ADDR`, or on `ADMIN_ADDR` if that is set, whether it is
    /// ready: exits 0 when it is, and 1 with the reason when not. For health checks of containers, which
    /// need no shell then.
    Health,
}

/// The `main` of a service, with what it declares as a file. See [`main!`](crate::main).
pub fn run<A: App>(declaration: &str) -> ExitCode {
    let name = A::declaration().service;
    let cli = parse::<A>(name);
    let runtime = match executor(cli.shared.worker_threads) {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{name}: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match cli.command.unwrap_or(Command::Serve) {
            Command::Serve => serve_until_stopped::<A>(declaration, cli.shared, cli.own).await,
            Command::Migrate => migrate::<A>(&cli.shared).await,
            Command::Replay(arguments) => {
                let stop = shutdown::signals()?;
                replay::<A>(&cli.shared, &arguments, stop).await
            }
            Command::Health => {
                let http = &cli.shared.http;
                match http.admin_address() {
                    Some(address) => self_check(address, "ADMIN_ADDR").await?,
                    None => self_check(http.address(), "HTTP_ADDR").await?,
                }
                println!("ready");
                Ok(())
            }
        }
    });
    // What is still blocking (a consumer that does not close) must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_millis(200));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One thread is not a pool of one: nothing has to be handed over between threads then, which is most
/// of what a wake-up costs.
fn executor(threads: usize) -> io::Result<Runtime> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build()
}

/// Reads the settings; the defaults that differ from service to service are filled in here.
fn parse<A: App>(name: &'static str) -> Cli<A::Settings> {
    let address = format!("127.0.0.1:{}", A::PORT);
    let database = format!("postgres://{name}:{name}@localhost:5432/{name}");
    let (linger, linger_min) = (A::BATCH_LINGER_MS.to_string(), A::BATCH_LINGER_MIN_MS.to_string());
    let command = Cli::<A::Settings>::command()
        .name(name)
        .about(format!("The {name} service of Farandole"))
        .mut_arg("batch_linger_ms", |arg| arg.default_value(linger).required(false))
        .mut_arg("batch_linger_min_ms", |arg| arg.default_value(linger_min).required(false))
        .mut_arg("http_addr", |arg| arg.default_value(address).required(false))
        .mut_arg("database_url", |arg| arg.default_value(database).required(false));
    let matches = command.get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

async fn migrate<A: App>(settings: &Settings) -> anyhow::Result<()> {
    database::migrate(&settings.database(), A::MIGRATIONS).await?;
    println!("the database is up to date");
    Ok(())
}

async fn serve_until_stopped<A: App>(
    text: &str,
    settings: Settings,
    own: A::Settings,
) -> anyhow::Result<()> {
    let declaration = A::declaration();
    let telemetry = Telemetry::init(declaration.service, &declaration.metrics)?;
    let instance = instance(settings.kafka_group_instance_id.as_deref());
    let declaration = DeclarationPage::new(&declaration, text, instance)?;
    let openapi = (A::ROUTES)().into_openapi();
    telemetry.begin(&declaration.known_values(&settings.messaging().topics), &openapi);
    let stop = shutdown::signals()?;
    let health = Health::new(PARTS);
    let slot = ApiSlot::default();
    let site = Site {
        api: slot.clone(),
        health: health.clone(),
        declaration: declaration.clone(),
        openapi,
        limits: settings.http.limits(),
        hosts: settings.http.allowed_hosts(),
    };
    let http = listen(&settings, site, telemetry.metrics(), &stop).await?;
    let done = run_service::<A>(&settings, own, &health, &declaration, &slot, &stop).await;
    if let Err(error) = &done {
        error!(error = format!("{error:#}"), "stopping");
    }
    stop.cancel();
    http.await;
    telemetry.shutdown().await;
    done
}

/// Brings up what the service depends on, then runs its loop until it is to stop.
async fn run_service<A: App>(
    settings: &Settings,
    own: A::Settings,
    health: &Health,
    declaration: &DeclarationPage,
    slot: &ApiSlot,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    if !migrated::<A>(settings, health, stop).await? {
        return Ok(());
    }
    let database = settings.database();
    let (service, gateway) = (Arc::new(A::default()), Arc::new(own.clone().into()));
    let monitor = Arc::new(Reporting { health: health.clone(), circuits: Mutex::default() });
    let (to, stopped) = (settings.messaging(), stop.clone());
    let started = Engine::start(service.clone(), gateway, &database, to, monitor, stopped).await;
    let (handle, engine) = match started {
        Ok(started) => started,
        Err(StartError::Stopped) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    declaration.set_ids(engine.schema_ids());
    let requests = settings.database_pool_max.saturating_sub(HELD_CONNECTIONS).max(2);
    let pool = database.pool(Purpose::new("requests").limited_to(REQUEST_LIMIT), requests);
    let context =
        AppContext { service, settings: own, database, pool, handle, shutdown: stop.clone() };
    let (routes, _) = (A::ROUTES)().split_for_parts();
    slot.install(routes.with_state(context.into()));
    health.set_ready(API);
    engine.run().await.map_err(anyhow::Error::msg)
}

/// Migrates as soon as Postgres is there; false if the service is to stop before that.
async fn migrated<A: App>(
    settings: &Settings,
    health: &Health,
    stop: &CancellationToken,
) -> anyhow::Result<bool> {
    loop {
        match database::migrate(&settings.database(), A::MIGRATIONS).await {
            Ok(()) => return Ok(true),
            Err(error @ DatabaseError::Unavailable(_)) => {
                warn!(%error, "waiting for the database");
                health.set_not_ready("postgres", error.to_string());
                health.beat();
            }
            Err(error) => return Err(error.into()),
        }
        if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
            return Ok(false);
        }
    }
}

/// Lets the loop's reports show in the service's health.
struct Reporting {
    health: Health,
    /// The circuit breakers' states, by step and destination.
    circuits: Mutex<BTreeMap<String, &'static str>>,
}

impl Monitor for Reporting {
    fn up(&self, part: &'static str) {
        self.health.set_ready(part);
    }

    fn down(&self, part: &'static str, reason: &str) {
        self.health.set_not_ready(part, reason);
    }

    fn beat(&self) {
        self.health.beat();
    }

    fn circuit(&self, step: &'static str, destination: &str, state: &'static str) {
        let name = match destination {
            "" => step.to_owned(),
            destination => format!("{step}/{destination}"),
        };
        let mut circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        if circuits.insert(name.clone(), state) != Some(state) {
            info!(circuit = name, state, "circuit breaker");
            self.health.set_detail("circuits", serde_json::json!(*circuits));
        }
    }

    fn detail(&self, name: &'static str, what: Option<&str>) {
        self.health.set_detail(name, what.unwrap_or("none"));
    }

    fn operations(&self, trouble: Option<&str>) {
        let known = trouble.unwrap_or("followed");
        self.health.set_detail("operations", known);
    }

    fn intake(&self, held_up: Option<&'static str>) {
        self.health.set_detail("intake", held_up.unwrap_or("running"));
    }
}
