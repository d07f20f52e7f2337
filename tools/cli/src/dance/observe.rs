//! Reading the topics, and asking who else reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use contracts::{Declared, Topics};
use graph::{Graph, Observed, Observer, ReaderGroup, Reading, SchemaIds, Seen, Surroundings};
use jiff::Timestamp;
use kafka::{AdminError, Bounds, Scanned, Window, committed, groups, partitions, scan, windows};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::commands::{schemas, topics as topics_command};
use crate::connections::Connections;
use crate::print::remark;
use crate::progress::Progress;
use crate::{SchemaReport, SchemaState, Schemas, check_schemas};

/// How long the brokers may take to say which groups there are, and how far one is.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of how many groups it is asked what they read, each with a question of its own.
const GROUPS_MAX: usize = 200;
/// How many decisions of operators are remembered.
const DECISIONS_MAX: usize = 1_000_000;

/// How much of the topics is read.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// The most records of each, the newest.
    pub limit: u32,
    /// How long ago they were written, at most.
    pub since: Option<Duration>,
}

impl Extent {
    /// As much as may be read again and again: the newest records of the last hour.
    pub const RECENT: Self = Self { limit: 200_000, since: Some(Duration::from_hours(1)) };
}

/// Holds what the topics have against what these services declare. `running` are those that were asked.
pub(crate) async fn observe(
    extent: Extent,
    services: &[Declared],
    running: Vec<Declared>,
    connections: &Connections,
) -> anyhow::Result<Observed> {
    let registry = connections.registry().await?;
    let admin = connections.kafka().await?;
    let topics = connections.topic_prefix.clone();
    let schemas = check_schemas(&registry, &topics, &Schemas::embedded()).await?;
    let mut unfit = topics_command::unfit(&admin, &topics).await?;
    unfit.extend(schemas.iter().filter_map(schemas::unfit));
    let there = there(services, &topics, &admin).await?;
    let look = Look {
        brokers: connections.kafka_brokers.clone(),
        ids: ids(services, &topics, &schemas),
        services: services.to_vec(),
        limit: i64::from(extent.limit),
        since: extent.since.and_then(|since| Timestamp::now().checked_sub(since).ok()),
        topics,
        running,
        unfit,
        there,
    };
    let observed = spawn_blocking(move || look.look()).await??;
    Ok(observed)
}

/// The topics of events that are there, with the services whose they are, and how long each keeps them.
async fn there(
    services: &[Declared],
    topics: &Topics,
    admin: &kafka::Admin,
) -> Result<BTreeMap<String, (String, Option<Duration>)>, AdminError> {
    let mut there = BTreeMap::new();
    for service in services.iter().filter(|it| !it.emits.is_empty()) {
        let name = topics.events(&service.service);
        match admin.inspect(std::slice::from_ref(&name)).await {
            Ok(mut found) => {
                let kept = found.remove(&name).and_then(|topic| topic.retention);
                there.insert(name, (service.service.clone(), kept));
            }
            // It is told of as one that is missing.
            Err(AdminError::Missing(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(there)
}

/// By which ids the events' schemas go: those of the tree, and what running services say.
fn ids(services: &[Declared], topics: &Topics, schemas: &[SchemaReport]) -> SchemaIds {
    let mut ids = SchemaIds::new();
    for service in services {
        for emitted in &service.emits {
            let subject = topics.subject(&service.service, &emitted.event);
            let registered = schemas.iter().filter(|it| it.subject == subject);
            let known = registered.filter_map(|it| match it.state {
                SchemaState::Registered(id)
                | SchemaState::AlreadyThere(id)
                | SchemaState::Unguarded { id, .. } => Some(id),
                SchemaState::Missing | SchemaState::Differs(_) | SchemaState::Refused(_) => None,
            });
            let known: Vec<i32> = known.chain(emitted.schema_id).collect();
            if !known.is_empty() {
                ids.insert((service.service.clone(), emitted.event.clone()), known);
            }
        }
    }
    ids
}

/// What is looked at, and how far.
struct Look {
    brokers: String,
    topics: Topics,
    services: Vec<Declared>,
    running: Vec<Declared>,
    ids: SchemaIds,
    unfit: Vec<(String, String)>,
    there: BTreeMap<String, (String, Option<Duration>)>,
    limit: i64,
    since: Option<Timestamp>,
}

impl Look {
    /// Looks. Blocks.
    fn look(self) -> Result<Observed, AdminError> {
        let names: Vec<String> = self.there.keys().cloned().collect();
        let whole = partitions(&self.brokers, &names)?;
        let mut progress = Progress::of(&whole);
        let mut observer = Observer::new(Graph::of(&self.services), &self.ids);
        let mut horizons = Horizons::of(&whole);
        let windows = self.windows(&names, &whole)?;
        scan(&self.brokers, &windows, |record| {
            progress.tell();
            horizons.see(record);
            if let Some((owner, _)) = self.there.get(record.topic) {
                observer.take(&seen(owner, record));
            }
            ControlFlow::Continue(())
        })?;
        let now = Timestamp::now();
        let around = Surroundings {
            now,
            readings: self.readings(&horizons, &whole, &windows, now),
            groups: self.groups(&names)?,
            running: &self.running,
            decisions: self.decisions()?,
            unfit: self.unfit,
            topics: self.topics,
        };
        Ok(observer.finish(&around))
    }

    /// What is to be read: the newest of each topic, up to the limits.
    fn windows(&self, names: &[String], whole: &[Window]) -> Result<Vec<Window>, AdminError> {
        let bounds = self
            .since
            .map_or(Bounds::Everything, |since| Bounds::Times { from: Some(since), to: None });
        let mut windows = windows(&self.brokers, names, bounds)?;
        for window in &mut windows {
            let siblings = whole.iter().filter(|it| it.topic == window.topic).count().max(1);
            let share = self.limit / i64::try_from(siblings).unwrap_or(i64::MAX);
            window.from = window.from.max(window.to - share.max(1));
        }
        Ok(windows)
    }

    /// How much was read of each topic.
    fn readings(
        &self,
        horizons: &Horizons,
        whole: &[Window],
        windows: &[Window],
        now: Timestamp,
    ) -> BTreeMap<String, Reading> {
        let reading = |topic: &String, kept: Option<Duration>| {
            let of_topic = || whole.iter().filter(|it| it.topic == *topic);
            if of_topic().all(|it| it.to == 0) {
                return Reading::Empty;
            }
            // What was forgotten, or was not to be read, is older than the first that was read. Where
            // nothing was read, it is older than what the topic keeps, or than what was asked for.
            let kept = kept.and_then(|kept| now.checked_sub(kept).ok()).unwrap_or(now);
            let first = |it: &Window| match windows.iter().find(|read| same(read, it)) {
                Some(read) if read.from == 0 => None,
                Some(read) => Some(horizons.first(read).unwrap_or(now)),
                None if it.to == 0 => None,
                None => Some(self.since.unwrap_or(kept)),
            };
            of_topic().filter_map(first).max().map_or(Reading::Whole, Reading::Since)
        };
        let there = self.there.iter();
        there.map(|(topic, (owner, kept))| (owner.clone(), reading(topic, *kept))).collect()
    }

    /// The groups that have read something of these topics; those of the services first.
    fn groups(&self, names: &[String]) -> Result<Vec<ReaderGroup>, AdminError> {
        let own: BTreeSet<String> =
            self.services.iter().map(|it| self.topics.group(&it.service)).collect();
        let mut all = groups(&self.brokers, PATIENCE)?;
        all.sort_by_key(|name| !own.contains(name));
        if all.len() > GROUPS_MAX {
            let more = all.len() - GROUPS_MAX;
            remark(&format!("{more} consumer groups were not asked what they read"));
            all.truncate(GROUPS_MAX);
        }
        let mut found = Vec::new();
        for name in all {
            let committed = committed(&self.brokers, &name, names)?;
            let owner = |topic: &String| self.there.get(topic).map(|(owner, _)| owner.clone());
            let reads: BTreeSet<String> =
                committed.keys().filter_map(|(topic, _)| owner(topic)).collect();
            if reads.is_empty() {
                continue;
            }
            let read: Vec<String> = reads.iter().map(|from| self.topics.events(from)).collect();
            let (unread, unread_since) = if own.contains(&name) {
                let group = kafka::group(&self.brokers, &name, &read, PATIENCE)?;
                (group.unread, group.unread_since)
            } else {
                (0, None)
            };
            found.push(ReaderGroup { name, reads, unread, unread_since });
        }
        Ok(found)
    }

    /// The ids of what operators have decided, by which what they led to names its cause.
    fn decisions(&self) -> Result<BTreeSet<Uuid>, AdminError> {
        let log = [self.topics.operations()];
        let windows = match windows(&self.brokers, &log, Bounds::Everything) {
            Err(AdminError::Missing(_)) => return Ok(BTreeSet::new()),
            found => found?,
        };
        let mut decisions = BTreeSet::new();
        scan(&self.brokers, &windows, |record| {
            let id = record.key.and_then(|key| Uuid::try_parse_ascii(key).ok());
            decisions.extend(id);
            if decisions.len() < DECISIONS_MAX {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        Ok(decisions)
    }
}

fn same(one: &Window, other: &Window) -> bool {
    (&one.topic, one.partition) == (&other.topic, other.partition)
}

fn seen<'r>(owner: &'r str, record: &'r Scanned<'_>) -> Seen<'r> {
    Seen {
        owner,
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        at: record.timestamp,
        key: record.key,
        payload: record.payload,
        headers: record.headers.as_deref(),
    }
}

/// When the first record of each partition was produced, of those that were read.
struct Horizons(BTreeMap<String, Vec<Option<Timestamp>>>);

impl Horizons {
    fn of(whole: &[Window]) -> Self {
        let mut all: BTreeMap<String, Vec<Option<Timestamp>>> = BTreeMap::new();
        for Window { topic, partition, .. } in whole {
            let places = all.entry(topic.clone()).or_default();
            let wanted = usize::try_from(*partition).unwrap_or_default() + 1;
            places.resize(wanted.max(places.len()), None);
        }
        Self(all)
    }

    fn see(&mut self, record: &Scanned<'_>) {
        let place = usize::try_from(record.partition).ok();
        let places = self.0.get_mut(record.topic);
        if let Some(first) = places.and_then(|places| places.get_mut(place?)) {
            *first = first.or(record.timestamp);
        }
    }

    fn first(&self, window: &Window) -> Option<Timestamp> {
        let place = usize::try_from(window.partition).ok()?;
        *self.0.get(&window.topic)?.get(place)?
    }
}
