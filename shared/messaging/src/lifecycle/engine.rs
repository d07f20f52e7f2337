use std::sync::Arc;
use std::time::Duration;

use kafka::Producer;
use kernel::error_chain;
use rdkafka::error::KafkaError;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::start::{Start, StartError, check_types, sources};
use super::upkeep::upkeep;
use crate::after_commit::backlog::Backlog;
use crate::after_commit::dead_letters::DeadLetterMover;
use crate::after_commit::effects::{Effects, EffectsWorker};
use crate::after_commit::gap_repair::GapRepairer;
use crate::after_commit::housekeeping::Housekeeping;
use crate::after_commit::operations::OperationsFollower;
use crate::after_commit::relay::{Outlet, Relay, RelayWorker};
use crate::after_commit::{locks, outputs};
use crate::call::Gateway;
use crate::database::{Database, Purpose};
use crate::failure::Failure;
use crate::handle::{Handle, Inputs};
use crate::intake::consumer_loop::ConsumerLoop;
use crate::intake::delays::Delays;
use crate::intake::ends::{self, Ends};
use crate::intake::group::join;
use crate::record::skipped::Skipped;
use crate::service::{Monitor, Service};
use crate::settings::LoopSettings;
use crate::tables::outbox::Outbox;
use crate::tasks::Tasks;
use crate::transaction::batch::Processor;
use crate::transaction::cache::Cache;

/// Outcomes and commands that may wait for the loop; a full queue holds up whoever brings more.
const LOCALS_MAX: usize = 4_096;
/// How long the relay may take at shutdown to publish what is in memory. The rest is in the table.
const FLUSH_LIMIT: Duration = Duration::from_secs(4);
/// How long it may take then to write down where the topics end.
const NOTE_LIMIT: Duration = Duration::from_secs(1);

/// A service's loop with all that runs beside it, ready to run.
pub struct Engine<S: Service> {
    consumer_loop: ConsumerLoop<S>,
    tasks: Tasks,
    housekeeping: Housekeeping,
    schema_ids: Vec<(&'static str, i32)>,
    relay_stop: CancellationToken,
    relay_done: CancellationToken,
    /// While this is here the others leave this instance's rows alone.
    life: DropGuard,
}

impl<S: Service> Engine<S> {
    /// Connects everything; `gateway` makes the calls that the service decides on. Waits for Postgres, the registry and Kafka as long as they are away,
    /// telling the monitor why; fails when they are there but don't have what is needed.
    pub async fn start<G: Gateway<S::Effect, S::Input>>(
        service: Arc<S>,
        gateway: Arc<G>,
        database: &Database,
        settings: LoopSettings,
        monitor: Arc<dyn Monitor>,
        shutdown: CancellationToken,
    ) -> Result<(Handle<S>, Self), StartError> {
        let declaration = S::declaration();
        let name = declaration.service;
        let topics = settings.topics.clone();
        let start = Start { database, settings: &settings, monitor: &monitor, shutdown: &shutdown };
        let sign = start.postgres().await?;
        let delays = Delays::new(&declaration.consumes);
        let (encoders, readers) = start.registry(declaration).await?;
        check_types(&settings, &readers)?;
        let readers = Arc::new(readers);
        let sources = sources(&readers, &topics);
        start.kafka(&sources, name).await?;

        let client = |error: KafkaError| StartError::Client(error_chain(&error));
        let ends = Arc::new(Ends::default());
        let consumer =
            join(&settings, &sources, name, monitor.clone(), ends.clone()).map_err(client)?;
        let producer =
            Arc::new(Producer::new(&settings.kafka_brokers, &topics.group(name)).map_err(client)?);
        let schema_ids = encoders.iter().map(|(event, it)| (*event, it.id())).collect();
        let outbox = Outbox::new(name, sign.number(), encoders);
        let (locals_in, locals) = mpsc::channel(LOCALS_MAX);
        let session = database.session(Purpose::new("loop"));
        let (skipped, cache) = (Arc::new(Skipped::default()), Arc::new(Cache::new()));
        let consumer_loop = ConsumerLoop {
            processor: Processor::new(service, session, outbox.clone(), skipped, cache.clone()),
            readers,
            sources,
            ends,
            consumer: Arc::new(consumer),
            locals,
            relay: Arc::new(Relay::new()),
            backlog: Arc::new(Backlog::new(settings.backlog_max)),
            effects: Arc::new(Effects::new()),
            dead: Arc::new(Notify::new()),
            settings,
            monitor: monitor.clone(),
            shutdown: shutdown.clone(),
            unfinished: 0,
            taken: 0,
            locked_since: None,
            delays,
        };
        let tasks = Tasks::new(shutdown);
        let relay = consumer_loop.relay.clone();
        let inputs = Arc::new(Inputs {
            brokers: consumer_loop.settings.kafka_brokers.clone(),
            group: topics.group(name),
            topics: consumer_loop.sources.clone(),
        });
        let handle =
            Handle { locals: locals_in, outbox, relay, cache, tasks: tasks.clone(), inputs };
        let life = CancellationToken::new();
        let housekeeping = Housekeeping::new(database);
        let engine = Self {
            consumer_loop,
            tasks,
            housekeeping,
            schema_ids,
            relay_stop: CancellationToken::new(),
            relay_done: CancellationToken::new(),
            life: life.clone().drop_guard(),
        };
        engine.start_tasks(&handle, database, producer, sign.keep(life, tell_of(monitor)));
        engine.start_calls(&handle, database, gateway);
        Ok((handle, engine))
    }

    /// The ids of the schemas with which each type of event is written.
    pub fn schema_ids(&self) -> impl Iterator<Item = (&'static str, i32)> {
        self.schema_ids.iter().copied()
    }

    /// Starts what runs beside the loop.
    fn start_tasks(
        &self,
        handle: &Handle<S>,
        database: &Database,
        producer: Arc<Producer>,
        living: impl Future<Output = ()> + Send + 'static,
    ) {
        let turning = &self.consumer_loop;
        let (settings, shutdown) = (&turning.settings, &turning.shutdown);
        let (topics, name) = (&settings.topics, S::declaration().service);
        let housekeeping = self.housekeeping.clone();

        self.tasks.spawn("the sign of life", living);
        let outlet = Outlet {
            producer: producer.clone(),
            topic: topics.events(name),
            linger: settings.batch_linger,
            rate: settings.publish_rate,
        };
        let session = database.session(Purpose::new("relay").may_be_undone());
        let relay = RelayWorker::new(turning.relay.clone(), session, handle.outbox.clone(), outlet);
        let (stop, done) = (self.relay_stop.clone(), self.relay_done.clone());
        self.tasks.spawn("the relay", async move {
            relay.run(stop).await;
            done.cancel();
        });
        let outputs = outputs::watch(
            turning.relay.clone(),
            producer.clone(),
            turning.monitor.clone(),
            shutdown.clone(),
        );
        self.tasks.spawn("the watch over outputs", outputs);
        let mover = DeadLetterMover {
            database: housekeeping.clone(),
            producer,
            topic: topics.dead_letters(name),
            group: topics.group(name),
            wake: turning.dead.clone(),
        };
        self.tasks.spawn("the mover of dead letters", mover.run(shutdown.clone()));
        let repairer = GapRepairer {
            database: housekeeping.clone(),
            brokers: settings.kafka_brokers.clone(),
            topics: topics.clone(),
            readers: turning.readers.clone(),
            skipped: turning.processor.skipped.clone(),
            grace: settings.gap_grace,
        };
        self.tasks.spawn("the repair of gaps", repairer.run(shutdown.clone()));
        let backlog = turning.backlog.clone().watch(housekeeping.clone(), shutdown.clone());
        self.tasks.spawn("the watch over backlogs", backlog);
        let ends = ends::watch(
            turning.ends.clone(),
            housekeeping.clone(),
            turning.monitor.clone(),
            shutdown.clone(),
        );
        self.tasks.spawn("the watch over topics", ends);
        let locks = locks::watch(housekeeping.clone(), turning.monitor.clone(), shutdown.clone());
        self.tasks.spawn("the watch over locks", locks);
        let upkeep = upkeep(housekeeping, settings.inbox_retention, shutdown.clone());
        self.tasks.spawn("the upkeep of the inbox", upkeep);
    }

    /// Starts what makes calls to the outside, and what follows operators' decisions about them.
    fn start_calls<G: Gateway<S::Effect, S::Input>>(
        &self,
        handle: &Handle<S>,
        database: &Database,
        gateway: Arc<G>,
    ) {
        let turning = &self.consumer_loop;
        let (settings, shutdown) = (&turning.settings, &turning.shutdown);
        let effects = EffectsWorker::new(
            turning.effects.clone(),
            (turning.processor.service.clone(), gateway.clone()),
            database.session(Purpose::new("effects")),
            handle.outbox.clone(),
            settings,
            turning.monitor.clone(),
            handle.locals.clone(),
        );
        self.tasks.spawn("the calls to the outside", effects.run(shutdown.clone()));
        let operations = OperationsFollower::<S, G> {
            gateway,
            database: self.housekeeping.clone(),
            outbox: handle.outbox.clone(),
            effects: turning.effects.clone(),
            locals: handle.locals.clone(),
            brokers: settings.kafka_brokers.clone(),
            topic: settings.topics.operations(),
            monitor: turning.monitor.clone(),
        };
        self.tasks.spawn("the follower of decisions", operations.run(shutdown.clone()));
    }

    /// Runs until shutdown: finishes the batch, flushes the relay, leaves the group. Fails when
    /// Kafka fences this consumer for good, or when something that runs beside the loop ends.
    pub async fn run(mut self) -> Result<(), String> {
        let end = tokio::select! {
            end = self.consumer_loop.run() => end,
            why = self.tasks.ended() => Err(why),
        };
        info!("stopping: the batch is done, publishing what is left");
        self.relay_stop.cancel();
        if tokio::time::timeout(FLUSH_LIMIT, self.relay_done.cancelled()).await.is_err() {
            warn!("not all events could be published in time; they go out at the next start");
        }
        let noted = self.consumer_loop.ends.write_down(&self.housekeeping);
        if !matches!(tokio::time::timeout(NOTE_LIMIT, noted).await, Ok(Ok(()))) {
            info!("where the topics end could not be written down; what was known before stays");
        }
        drop(self.life);
        self.tasks.abort();
        self.consumer_loop.close().await;
        end
    }
}

/// Tells whether Postgres answers: an idle service would not notice otherwise.
fn tell_of(monitor: Arc<dyn Monitor>) -> impl Fn(Result<(), &Failure>) + Send {
    move |answer| match answer {
        Ok(()) => monitor.up("postgres"),
        Err(failure) => monitor.down("postgres", &failure.to_string()),
    }
}
