//! What the console costs, and how fast it is: beside a fleet under load, and with very many orders in its database.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use declarations::variable;
use jiff::{SignedDuration, Timestamp};
use kafka::Registry;
use load::Load;
use projection::{Filter, Projector, Settings, Store, put_copies};
use serde::{Deserialize, Serialize};
use stack::Part;
use stack::fleet::{SERVICES, console};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::bench::Bench;
use crate::fleet::{Fleet, Setup};
use crate::loads::open;
use crate::measure::Measured;
use crate::meter::{Meter, Reading};
use crate::postgres::execute;

/// The name under which its process is listed.
const CONSOLE: &str = "console";
/// How many look at the board at once.
const VIEWERS: usize = 100;
/// How long the read model may take to have read all that the topics hold.
const READ_LIMIT: Duration = Duration::from_mins(5);
/// How long a page may take.
const PAGE_LIMIT: Duration = Duration::from_secs(30);
/// How many days the copies are spread over: all but one of those that are kept.
const DAYS: i64 = 29;
/// How many orders' own pages are asked for; these look into topics and databases.
const ORDERS: u16 = 20;

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Console {
    /// Orders a second, while it is beside a fleet.
    pub(crate) rate: f64,
    /// Microseconds of CPU time per order of all but the console and the load generator, without it and with it,
    /// a number per turn.
    pub(crate) fleet_without_us: Vec<f64>,
    pub(crate) fleet_with_us: Vec<f64>,
    /// The same of the console, all of it.
    pub(crate) own_us: f64,
    /// The same of one without a database, which projects nothing.
    pub(crate) looking_us: f64,
    /// Resident at the end of that, in MiB.
    pub(crate) memory_mib: f64,
    /// Percent of one core, when nobody looks: without orders, and at the rate.
    pub(crate) idle_percent: f64,
    pub(crate) busy_percent: f64,
    /// The same with so many who look at the board, kept up to date.
    pub(crate) viewers: usize,
    pub(crate) viewers_idle_percent: f64,
    pub(crate) viewers_busy_percent: f64,
    /// Orders that the read model was made anew of, and how long that took.
    pub(crate) rebuilt_orders: u64,
    pub(crate) rebuild_s: f64,
    /// Orders in its database while pages are asked for.
    pub(crate) held_orders: i64,
    pub(crate) pages: Vec<Asked>,
}

/// How long a page took.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) page: String,
    /// Whether it is made of what databases and topics say when it is asked for.
    pub(crate) looks_into_topics: bool,
    pub(crate) times: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Console> {
    let fleet = bench.fleet(Setup::plain("console")).await?;
    let rate = (bench.rate(&fleet).await? * 0.5).round();
    let beside = Beside::prepare(&fleet).await?;
    let load = open(rate, bench.scale.settle, bench.scale.sample);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let mut looking = Vec::new();
    for _ in 0..2 {
        beside.stop().await;
        without.push(fleet.measure("without the console", &load).await?);
        beside.looking.start().await?;
        looking.push(beside.measure("with a console that has no database", &load).await?);
        beside.stop().await;
        beside.start().await?;
        with.push(beside.measure("with the console", &load).await?);
    }
    sleep(bench.scale.settle).await;
    let idle_percent = beside.percent(bench.scale.sample, "the console, without orders").await?;
    let mut viewers = Viewers::look(&beside.address(), "/orders").await?;
    let viewers_idle_percent =
        beside.percent(bench.scale.sample, "with viewers, without orders").await?;
    let viewed = beside.measure("with viewers", &load).await?;
    viewers.all_look()?;
    drop(viewers);

    beside.stop().await;
    let rebuilt_orders = fleet.order_rows().await?;
    let rebuild_s = beside.rebuild().await?;

    fleet.ground.show.message("putting orders into the console's database");
    let held_orders = put_copies(&beside.url, bench.scale.held, DAYS).await?;
    let pages = beside.pages(bench.scale.asked).await?;
    beside.close().await?;
    fleet.close().await?;

    let busy = with.last().context("there is a turn")?;
    let (_, busy_percent) = own(busy);
    let own_us = mean(&with);
    let looking_us = mean(&looking);
    let result = Console {
        rate,
        fleet_without_us: without.iter().map(|it| it.cpu_us_fleet).collect(),
        fleet_with_us: with.iter().map(|it| it.cpu_us_fleet - own(it).0).collect(),
        own_us,
        looking_us,
        memory_mib: busy.memory_mib.get(CONSOLE).copied().unwrap_or_default(),
        idle_percent,
        busy_percent,
        viewers: VIEWERS,
        viewers_idle_percent,
        viewers_busy_percent: own(&viewed).1,
        rebuilt_orders,
        rebuild_s,
        held_orders,
        pages,
    };
    bench.ground.show.say(&format!(
        "  {rate}/s: console {:.0} µs/order ({:.0} without a database), {:.0} MiB; made anew of {rebuilt_orders} \
         orders in {rebuild_s:.1} s",
        result.own_us, result.looking_us, result.memory_mib
    ));
    for it in &result.pages {
        bench
            .ground
            .show
            .say(&format!("  {}: p50 {:.1} ms, p99 {:.1} ms", it.page, it.p50_ms, it.p99_ms));
    }
    Ok(result)
}

/// What the console used: microseconds per order, and percent of one core.
fn own(measured: &Measured) -> (f64, f64) {
    let us = measured.cpu_us.get(CONSOLE).copied().unwrap_or_default();
    (us, us * measured.load.ended_per_second / 10_000.0)
}

/// Microseconds of the console's per order, of several turns.
#[allow(clippy::cast_precision_loss)] // A few turns.
fn mean(turns: &[Measured]) -> f64 {
    turns.iter().map(|turn| own(turn).0).sum::<f64>() / turns.len() as f64
}

/// The console beside a fleet.
struct Beside<'f> {
    fleet: &'f Fleet<'f>,
    part: Part,
    /// One that has no database, and so projects nothing.
    looking: Part,
    /// Its database.
    url: String,
}

impl<'f> Beside<'f> {
    /// With an empty database; it is not started yet.
    async fn prepare(fleet: &'f Fleet<'f>) -> anyhow::Result<Self> {
        let to = fleet.ground.stack.connections();
        let database = fleet.database(CONSOLE);
        to.create_database(&database).await?;
        let urls = SERVICES.into_iter().flat_map(|service| {
            let port = fleet.parts(service).next().map(Part::port).unwrap_or_default();
            [
                (variable(service, "URL"), format!("http://127.0.0.1:{port}")),
                (variable(service, "DATABASE_URL"), fleet.database_url(service)),
            ]
        });
        let urls: Vec<_> = urls.collect();
        let url = to.postgres_url(&database);
        let own = ("CONSOLE_DATABASE_URL".to_owned(), url.clone());
        let part = console(&to, &fleet.options([&urls[..], &[own]].concat()))?;
        let looking = console(&to, &fleet.options(urls))?;
        Ok(Self { fleet, part, looking, url })
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.part.port())
    }

    fn processes(&self) -> [(&'static str, Vec<u32>); 1] {
        [(CONSOLE, [self.part.pids(), self.looking.pids()].concat())]
    }

    /// Starts it, and waits until its read model has read all that the topics hold, in a generation after this one.
    async fn start_after(&self, generation: i32) -> anyhow::Result<()> {
        let began = Timestamp::now();
        self.part.start_without_waiting()?;
        let read = async {
            loop {
                if let Some(store) = Store::open(&self.url).await.ok().flatten()
                    && store.generation().number > generation
                    && let Ok(reading) = store.reading().await
                    && reading.is_ready
                    && reading.as_of.is_some_and(|at| at > began)
                {
                    return;
                }
                sleep(Duration::from_millis(250)).await;
            }
        };
        timeout(READ_LIMIT, read)
            .await
            .with_context(|| format!("the console has not read the topics within {READ_LIMIT:?}"))
    }

    async fn start(&self) -> anyhow::Result<()> {
        self.start_after(0).await
    }

    async fn measure(&self, what: &str, load: &Load) -> anyhow::Result<Measured> {
        self.fleet.measure_with(what, load, &self.processes()).await
    }

    /// Percent of one core, over a time.
    async fn percent(&self, time: Duration, what: &str) -> anyhow::Result<f64> {
        self.fleet.ground.show.message(what);
        let meter = Meter { processes: self.processes().into(), ..self.fleet.meter() };
        let begin = meter.read().await?;
        sleep(time).await;
        let end = meter.read().await?;
        let used = |reading: &Reading| reading.cpu_us.get(CONSOLE).copied().unwrap_or_default();
        #[allow(clippy::cast_precision_loss)] // Microseconds, far below 2^52.
        let used = used(&end).saturating_sub(used(&begin)) as f64;
        Ok(used / ((end.at - begin.at).as_secs_f64() * 10_000.0))
    }

    async fn store(&self) -> anyhow::Result<Store> {
        Store::open(&self.url).await?.context("the console has written nothing")
    }

    /// Has the read model made anew from the topics; tells the seconds until it is shown.
    async fn rebuild(&self) -> anyhow::Result<f64> {
        let before = self.store().await?.generation().number;
        let stack = &self.fleet.ground.stack;
        let projector = Projector::new(Settings {
            brokers: stack.kafka_brokers(),
            registry: Registry::new(&stack.schema_registry_url().parse()?)?,
            topics: self.fleet.topics().clone(),
            database_url: self.url.clone(),
            retention: Duration::from_hours(30 * 24),
        });
        projector.rebuild().await?;
        self.fleet.ground.show.message("making the read model anew");
        let began = Instant::now();
        self.start_after(before).await?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// Asks for each kind of page so many times, one after the other.
    async fn pages(&self, times: usize) -> anyhow::Result<Vec<Asked>> {
        let store = self.store().await?;
        let newest = store.list(&Filter::default(), None, ORDERS).await?;
        let deep = Filter { upto: Some(least_id(DAYS / 2)), ..Filter::default() };
        let deep = store.list(&deep, None, 1).await?.first().context("there are no copies")?.id;
        let way = newest.first().context("there are no orders")?.way.number;
        let pages = [
            "/".to_owned(),
            "/orders".to_owned(),
            format!("/orders?after={deep}"),
            "/orders?end=cancelled".to_owned(),
            "/orders?reason=out_of_stock".to_owned(),
            "/orders?only=late".to_owned(),
            format!("/orders?way={way}"),
            "/ways".to_owned(),
            "/services".to_owned(),
            "/events/".to_owned(),
        ];
        let mut all = Vec::new();
        for page in pages {
            self.fleet.ground.show.message(&format!("asking for {page}"));
            let name = page.replace(&deep.to_string(), "ID");
            all.push(self.ask(name, vec![page; times], false).await?);
        }
        let own = newest.iter().map(|row| format!("/orders/{}", row.id)).collect();
        all.push(self.ask("/orders/ID".to_owned(), own, true).await?);
        Ok(all)
    }

    async fn ask(
        &self,
        page: String,
        pages: Vec<String>,
        looks_into_topics: bool,
    ) -> anyhow::Result<Asked> {
        // The first of a kind may have to look what it shows up.
        get(&self.address(), &pages[0]).await?;
        let mut took = Vec::new();
        for page in &pages {
            let began = Instant::now();
            get(&self.address(), page).await?;
            took.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        took.sort_by(f64::total_cmp);
        let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
        Ok(Asked {
            page,
            looks_into_topics,
            times: took.len(),
            p50_ms: at(50),
            p99_ms: at(99),
            max_ms: at(100),
        })
    }

    async fn stop(&self) {
        self.part.stop().await;
        self.looking.stop().await;
    }

    /// Stops it, and removes its database.
    async fn close(self) -> anyhow::Result<()> {
        self.stop().await;
        let statement = format!("DROP DATABASE \"{}\" WITH (FORCE)", self.fleet.database(CONSOLE));
        execute(self.fleet.ground.postgres(), &statement).await
    }
}

/// The least id that an order of so many days ago has.
fn least_id(days: i64) -> Uuid {
    let at = Timestamp::now() - SignedDuration::from_hours(24 * days);
    kernel::least_id(at.as_millisecond().unsigned_abs())
}

/// Connections that are told what a page shows, again and again.
struct Viewers(JoinSet<()>);

impl Viewers {
    async fn look(address: &str, page: &str) -> anyhow::Result<Self> {
        let mut viewers = JoinSet::new();
        for _ in 0..VIEWERS {
            let mut connection = request(address, &format!("/live?view={page}")).await?;
            let mut first = [0; 12];
            timeout(PAGE_LIMIT, connection.read_exact(&mut first)).await??;
            ensure!(&first == b"HTTP/1.1 200", "a page is not kept up to date");
            viewers.spawn(async move {
                let mut news = vec![0; 65_536];
                while connection.read(&mut news).await.is_ok_and(|read| read > 0) {}
            });
        }
        Ok(Self(viewers))
    }

    /// That none was turned away meanwhile.
    fn all_look(&mut self) -> anyhow::Result<()> {
        ensure!(self.0.try_join_next().is_none(), "somebody who looks was turned away");
        Ok(())
    }
}

async fn request(address: &str, path: &str) -> anyhow::Result<TcpStream> {
    let mut connection = timeout(PAGE_LIMIT, TcpStream::connect(address)).await??;
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).await?;
    Ok(connection)
}

async fn get(address: &str, path: &str) -> anyhow::Result<()> {
    let mut connection = request(address, path).await?;
    let mut answer = Vec::new();
    timeout(PAGE_LIMIT, connection.read_to_end(&mut answer))
        .await
        .with_context(|| format!("{path} took over {PAGE_LIMIT:?}"))??;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{path} is not answered");
    Ok(())
}
