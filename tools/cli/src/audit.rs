//! The audit: what must always hold, and what must hold at rest, checked over the services' databases,
//! the topics and the dead letters. It writes nowhere and joins no group.
//!
//! It can be run under load: things are read in an order in which later ones can only know more
//! (see [`books`]), so what happens meanwhile never looks wrong. A database that cannot be read, such
//! as for a lock, hides what it knows and no more. It needs about 1 kB of memory per order.

mod balances;
mod books;
mod checks;
mod error;
mod ledger;
mod log;
mod now;
mod options;
mod report;
mod rest;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use choreography::Service;
use contracts::Topics;
use jiff::SignedDuration;
use kafka::{Admin, Payloads, Registry};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use self::books::Books;
use self::checks::Auditor;
pub use self::error::AuditError;
use self::ledger::Ledger;
use self::log::{Before, Log, Scribe};
pub use self::now::audit_now;
pub(crate) use self::now::prepared;
pub use self::options::AuditOptions;
use self::report::Name;
pub use self::report::{AuditReport, Check};

/// Where a fleet is.
#[derive(Clone)]
pub struct AuditTargets {
    /// Kafka's brokers.
    pub kafka_brokers: String,
    /// The registry, for the schemas of some events.
    pub registry: Registry,
    /// The names of topics and groups.
    pub topics: Topics,
    /// By service, the URL of its database.
    pub database_urls: HashMap<String, String>,
}

/// Audits a fleet once. Takes about half a minute per million orders.
pub async fn audit(
    targets: &AuditTargets,
    options: &AuditOptions,
) -> Result<AuditReport, AuditError> {
    let before = {
        let (brokers, topics) = (targets.kafka_brokers.clone(), targets.topics.clone());
        blocking(move || Before::ask(&brokers, &topics)).await?
    };
    let ledgers = ledgers(targets).await?;
    let (mut log, ledgers) = log(targets, before, ledgers).await?;
    log.horizon = log.horizon.max(options.topics_since);
    let options = options.clone();
    blocking(move || Ok(look_through(&Books::new(ledgers, log), &options))).await
}

/// Audits a fleet again and again until it is at rest, or something is wrong that rest would not
/// mend, or this long has passed. `progress` is shown every report but the last.
pub async fn audit_at_rest(
    targets: &AuditTargets,
    options: &AuditOptions,
    within: Duration,
    mut progress: impl FnMut(&AuditReport),
) -> Result<AuditReport, AuditError> {
    let deadline = Instant::now() + within;
    loop {
        let began = Instant::now();
        let report = audit(targets, options).await?;
        let at_rest = report.not_at_rest().is_empty();
        // Not to load the fleet that is to come to rest more than half of the time.
        let pause = began.elapsed().max(Duration::from_millis(500));
        if at_rest || !report.violations().is_empty() || Instant::now() + pause > deadline {
            return Ok(report);
        }
        progress(&report);
        tokio::time::sleep(pause).await;
    }
}

/// Reads the databases. That of the service that begins the sagas is the last, so that it has every
/// one that another has.
async fn ledgers(targets: &AuditTargets) -> Result<Vec<Ledger>, AuditError> {
    let mut ledgers = Vec::new();
    for service in in_reading_order() {
        let missing = || AuditError::Database {
            service: service.name(),
            reason: "nobody has said where it is".to_owned(),
        };
        let url = targets.database_urls.get(service.name()).ok_or_else(missing)?;
        ledgers.push(Ledger::read(service, url).await);
    }
    ledgers.sort_by_key(|ledger| ledger.service);
    Ok(ledgers)
}

fn in_reading_order() -> impl Iterator<Item = Service> {
    let others = Service::all().filter(|service| !service.begins());
    others.chain([Service::first()])
}

/// Reads the topics.
async fn log(
    targets: &AuditTargets,
    before: Before,
    ledgers: Vec<Ledger>,
) -> Result<(Log, Vec<Ledger>), AuditError> {
    let AuditTargets { kafka_brokers, registry, topics, .. } = targets.clone();
    let found = Admin::new(&kafka_brokers)?.inspect(&log::event_topics(&topics)).await?;
    let retention = found.into_values().filter_map(|topic| topic.retention).min();
    let runtime = Handle::current();
    blocking(move || {
        let scribe = Scribe {
            brokers: &kafka_brokers,
            topics: &topics,
            before: &before,
            aside: &books::aside(&ledgers),
            retention: retention.and_then(|kept| SignedDuration::try_from(kept).ok()),
            payloads: Payloads::new(registry),
            runtime,
        };
        Ok((scribe.read()?, ledgers))
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AuditError> + Send + 'static,
) -> Result<T, AuditError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(AuditError::BrokenOff(error.to_string())))
}

fn look_through(books: &Books, options: &AuditOptions) -> AuditReport {
    let mut report = AuditReport::new(options.lines);
    report.orders = books.summary();
    report.events = books.log.events.len();
    for ledger in &books.ledgers {
        let name = ledger.service.name();
        report.unknown.extend(ledger.dark.iter().map(|why| format!("{name}: {why}")));
        ledger.unchecked.iter().for_each(|book| report.unchecked(Name::Book(book)));
        report.unknown.extend(ledger.unread.iter().cloned());
        report.notes.extend(books.joined_late(ledger).map(|(joined, older)| {
            format!(
                "{name}'s database was made at {joined:.0}; of {older} older orders it knows nothing, \
                 and is not asked about them"
            )
        }));
        report.notes.extend(ledger.odd.iter().take(options.lines).map(|order| {
            format!(
                "order {order}: {name}'s state holds characters that Postgres cannot tell, such as \
                 U+0000; it was read without them"
            )
        }));
    }
    let mut auditor = Auditor { books, options, report: &mut report };
    auditor.check_orders();
    auditor.check_legible();
    auditor.check_sums();
    auditor.check_tables();
    auditor.check_inboxes();
    auditor.check_letters();
    if options.invariants_only {
        report.only_invariants();
    }
    report
}
