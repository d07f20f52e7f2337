//! Keeps one generation up.

use std::time::{Duration, Instant};

use choreography::Service;
use jiff::Timestamp;
use kafka::{Payloads, Tail, Window};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::batch::Known;
use super::{Settings, Trouble};
use crate::event::{Arrived, Event};
use crate::store::{AllProgress, Error, Opened, WRITE_LIMIT, Writer};

/// How many records are taken at once.
const BATCH_MAX: usize = 20_000;
/// How long it is waited for more of them.
const GATHER: Duration = Duration::from_millis(300);
/// How soon it is noticed that there is nothing more.
const POLL: Duration = Duration::from_millis(100);
/// How often it is written that there was nothing.
const BEAT: Duration = Duration::from_secs(1);
/// Where the topics end is asked again if it takes so long to come there.
const ENDS_OLD: Duration = Duration::from_secs(30);
/// The pause after something went wrong, and before it is looked whether another has ended.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the topics are opened anew, for they may have got partitions; and days that are past
/// forgotten.
const RENEW: Duration = Duration::from_mins(5);

/// One who keeps a generation up.
pub(super) struct Keeper {
    settings: Settings,
    number: i32,
    stop: CancellationToken,
}

impl Keeper {
    pub(super) fn new(settings: Settings, number: i32, stop: CancellationToken) -> Self {
        Self { settings, number, stop }
    }

    /// Reads and writes until it is told to stop, or the generation is not wanted any more. Blocks.
    pub(super) fn keep(&self, runtime: &Handle) {
        while !self.stop.is_cancelled() {
            let opening = Writer::open(&self.settings.database_url, self.number);
            match within(runtime, opening) {
                Ok(Opened::Ours(mut writer)) => loop {
                    match self.project(&mut writer, runtime) {
                        Ok(true) if !self.stop.is_cancelled() => {}
                        Ok(_) => return,
                        // It was removed in the meantime.
                        Err(_) if within(runtime, writer.is_wanted()).is_ok_and(|it| !it) => return,
                        Err(trouble) => {
                            tracing::warn!(error = %trouble, generation = self.number, "not read");
                            let why = trouble.to_string();
                            let noted = within(runtime, writer.trouble(&why));
                            self.rest(runtime);
                            if noted.is_err() || matches!(trouble, Trouble::Database(_)) {
                                break;
                            }
                        }
                    }
                },
                Ok(Opened::AnOthers) => {}
                Ok(Opened::Gone) => return,
                Err(error) => tracing::warn!(%error, "the read model cannot be written"),
            }
            self.rest(runtime);
        }
    }

    fn rest(&self, runtime: &Handle) {
        let _ = runtime.block_on(tokio::time::timeout(PAUSE, self.stop.cancelled()));
    }

    /// Reads on for some minutes. Tells whether it is to go on.
    fn project(&self, writer: &mut Writer, runtime: &Handle) -> Result<bool, Trouble> {
        let Settings { brokers, registry, topics, retention, .. } = &self.settings;
        if !within(runtime, writer.is_wanted())? {
            return Ok(false);
        }
        within(runtime, writer.forget(*retention))?;
        let names: Vec<String> = Service::all()
            .filter(|service| !service.declared().emits.is_empty())
            .map(|service| topics.events(service.name()))
            .collect();
        let mut progress = within(runtime, writer.progress())?;
        let next =
            |topic: &str, partition| progress.get(&(topic.to_owned(), partition)).map(|at| at.next);
        let opening = Timestamp::now();
        let tail = Tail::open(brokers, &names, GATHER, next)?;
        if is_another(tail.held(), &progress) {
            within(runtime, writer.begin_anew())?;
            let why = "the topics hold less than was read of them: they were made anew, and are read again";
            return Err(Trouble::BrokenOff(why.to_owned()));
        }
        let forgotten = begin(tail.held(), &mut progress);
        let mut payloads = Payloads::new(registry.clone());
        let mut known = Known::default();
        let mut ends = Ends::at_opening(tail.held(), opening);
        let (opened, mut beat) = (Instant::now(), None::<Instant>);
        let mut forgotten = Some(forgotten);
        while !self.stop.is_cancelled() && opened.elapsed() < RENEW {
            let arrived = gather(&tail, &mut progress)?;
            let as_of = ends.reached(&progress);
            let is_quiet = arrived.is_empty() && forgotten.is_none();
            if is_quiet && beat.is_some_and(|beat| beat.elapsed() < BEAT) {
                continue;
            }
            beat = Some(Instant::now());
            if ends.age() > BEAT && (as_of.is_some() || ends.age() > ENDS_OLD) {
                ends = Ends::now(&tail)?;
                ends.note(&mut progress);
            }
            within(runtime, async {
                let mut events = Vec::with_capacity(arrived.len());
                for one in arrived {
                    events.push(one.read(&mut payloads).await?);
                }
                let forgotten = forgotten.take().unwrap_or_default();
                write(writer, &mut known, events, &progress, forgotten, as_of).await?;
                if as_of.is_some() {
                    writer.is_ready().await?;
                }
                Ok::<_, Trouble>(())
            })?;
        }
        Ok(true)
    }
}

/// Waits for it, though not for a database that has stopped: that does not keep to its own limits.
fn within<T, E: Into<Trouble>>(
    runtime: &Handle,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble> {
    let work = async { tokio::time::timeout(WRITE_LIMIT, work).await };
    match runtime.block_on(work) {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Error::Silent(WRITE_LIMIT).into()),
    }
}

/// Whether what was read is not what is there: topics that were deleted and made again begin at 0.
fn is_another(held: &[Window], progress: &AllProgress) -> bool {
    held.iter().any(|window| {
        let at = progress.get(&(window.topic.clone(), window.partition));
        at.is_some_and(|at| at.next > window.to)
    })
}

/// Notes how far behind each partition is. Returns how many records were forgotten before they were read.
fn begin(held: &[Window], progress: &mut AllProgress) -> i64 {
    let mut forgotten = 0;
    for window in held {
        let at = progress.entry((window.topic.clone(), window.partition)).or_default();
        forgotten += (window.from - at.next).max(0);
        at.next = at.next.max(window.from);
        at.behind = window.to - at.next;
    }
    forgotten
}

/// Where the topics ended at a time.
struct Ends {
    asked: Instant,
    at: Timestamp,
    windows: Vec<Window>,
}

impl Ends {
    /// Those that the topics had when they were opened, a moment ago.
    fn at_opening(held: &[Window], at: Timestamp) -> Self {
        Self { asked: Instant::now(), at, windows: held.to_vec() }
    }

    fn now(tail: &Tail) -> Result<Self, Trouble> {
        let (asked, at) = (Instant::now(), Timestamp::now());
        Ok(Self { asked, at, windows: tail.holds_now()? })
    }

    fn age(&self) -> Duration {
        self.asked.elapsed()
    }

    /// The time, once all that was there then was read.
    fn reached(&self, progress: &AllProgress) -> Option<Timestamp> {
        let is_read = |window: &Window| {
            let at = progress.get(&(window.topic.clone(), window.partition));
            at.is_some_and(|at| at.next >= window.to)
        };
        self.windows.iter().all(is_read).then_some(self.at)
    }

    /// Notes how far behind each partition is.
    fn note(&self, progress: &mut AllProgress) {
        for Window { topic, partition, to, .. } in &self.windows {
            if let Some(at) = progress.get_mut(&(topic.clone(), *partition)) {
                at.behind = (to - at.next).max(0);
            }
        }
    }
}

/// The records that come within a moment, a batch at most.
fn gather(tail: &Tail, progress: &mut AllProgress) -> Result<Vec<Arrived>, Trouble> {
    let mut arrived = Vec::new();
    let (began, mut taken) = (Instant::now(), 0);
    let mut place = (String::new(), -1);
    while taken < BATCH_MAX && began.elapsed() < GATHER {
        let there = tail.poll(POLL, |record| {
            if place.0 != record.topic || place.1 != record.partition {
                place = (record.topic.to_owned(), record.partition);
            }
            if let Some(at) = progress.get_mut(&place) {
                at.next = record.offset + 1;
                at.behind = (at.behind - 1).max(0);
            }
            arrived.extend(Arrived::of(record));
        })?;
        if !there {
            break;
        }
        taken += 1;
    }
    Ok(arrived)
}

async fn write(
    writer: &mut Writer,
    known: &mut Known,
    events: Vec<Event>,
    progress: &AllProgress,
    forgotten: i64,
    as_of: Option<Timestamp>,
) -> Result<(), Trouble> {
    let missing = known.missing(&events);
    if !missing.is_empty() {
        known.learn(writer.orders(&missing).await?);
    }
    let (orders, changes) = known.fold(events);
    let rows: Vec<_> = orders.iter().collect();
    writer.write(&rows, &changes, progress, forgotten, as_of).await?;
    known.learn(orders);
    known.shrink();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(partition: i32, from: i64, to: i64) -> Window {
        Window { topic: "order.events".to_owned(), partition, from, to }
    }

    fn set(progress: &mut AllProgress, partition: i32, next: i64) {
        progress.entry(("order.events".to_owned(), partition)).or_default().next = next;
    }

    #[test]
    fn a_time_is_reached_once_every_partition_was_read_to_where_it_ended_then() {
        let at = Timestamp::now();
        let ends = Ends::at_opening(&[window(0, 0, 3), window(1, 0, 0), window(2, 5, 9)], at);
        let mut progress = AllProgress::new();
        assert_eq!(ends.reached(&progress), None, "of these partitions nothing is known");
        for (partition, next) in [(0, 3), (1, 0), (2, 8)] {
            set(&mut progress, partition, next);
            assert_eq!(ends.reached(&progress), None, "{progress:?}");
        }
        ends.note(&mut progress);
        let behind = || progress.values().map(|at| at.behind).collect::<Vec<_>>();
        assert_eq!(behind(), [0, 0, 1]);
        set(&mut progress, 2, 9);
        assert_eq!(ends.reached(&progress), Some(at));
    }

    #[test]
    fn it_goes_on_where_it_was_and_what_was_forgotten_meanwhile_is_counted() {
        let mut progress = AllProgress::new();
        set(&mut progress, 0, 4);
        set(&mut progress, 1, 4);
        let held = [window(0, 1, 9), window(1, 7, 9), window(2, 2, 5)];
        assert!(!is_another(&held, &progress));
        assert_eq!(begin(&held, &mut progress), 3 + 2, "those before 7, and before 2");
        let next: Vec<i64> = progress.values().map(|at| at.next).collect();
        let behind: Vec<i64> = progress.values().map(|at| at.behind).collect();
        assert_eq!((next, behind), (vec![4, 7, 2], vec![5, 2, 3]));
    }

    #[test]
    fn topics_that_were_made_anew_are_seen_to_be_others() {
        let mut progress = AllProgress::new();
        set(&mut progress, 0, 4);
        assert!(!is_another(&[window(0, 0, 4)], &progress));
        assert!(is_another(&[window(0, 0, 3)], &progress));
    }
}
