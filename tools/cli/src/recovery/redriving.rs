//! Putting dead letters back, and seeing what becomes of them.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use contracts::operations::LetterId;
use kafka::{Admin, AdminError, PlainRecord, Publisher, Throttle};
use tokio::time::{Instant, sleep};

use super::letter::{Letter, Redriven};
use super::operations::{Began, Handled, Kind, Recorder};
use super::outcome::{Observer, Outcome};
use super::report::Report;
use super::selection::Chosen;
use crate::connections::Connections;
use crate::databases::{Databases, NoDatabase};

/// How often the services are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// The most records published at once: so many may have to be published again after a crash.
const AT_ONCE_MAX: usize = 500;

/// How letters are put back.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// So many first, the oldest; it goes on once all of them are applied.
    pub canary: Option<u32>,
    /// How many in a second.
    pub rate: u32,
    /// How long it is waited until it is known what became of them: of the canaries, and of all.
    pub patience: Duration,
}

/// What a redrive is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Letters are put back.
    PuttingBack,
    /// It is waited until it is known what became of the first.
    WatchingCanaries,
    /// It is waited until it is known what became of all.
    AwaitingOutcomes,
}

impl Phase {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::PuttingBack => "putting back",
            Self::WatchingCanaries => "watching the canaries",
            Self::AwaitingOutcomes => "waiting for outcomes",
        }
    }
}

/// Leaves out what cannot be put back.
pub async fn feasible<'a>(
    chosen: Chosen<'a>,
    how: &Redriven<'_>,
    connections: &Connections,
) -> Result<Chosen<'a>, AdminError> {
    let admin = connections.kafka().await?;
    let Chosen { letters: all, mut left_out } = chosen;
    let mut topics: HashMap<String, bool> = HashMap::new();
    let mut letters = Vec::new();
    for letter in all {
        let group = connections.topic_prefix.group(&letter.id.service);
        if let Some(other) = letter.group().filter(|other| *other != group) {
            let why = format!("it failed in the group {other}, and TOPIC_PREFIX says {group}");
            left_out.push((letter.id.clone(), why));
            continue;
        }
        let topic = match letter.redriven(how) {
            Ok(record) => record.topic,
            Err(why) => {
                left_out.push((letter.id.clone(), why.to_owned()));
                continue;
            }
        };
        if !topics.contains_key(&topic) {
            topics.insert(topic.clone(), is_there(&admin, &topic).await?);
        }
        if topics[&topic] {
            letters.push(letter);
        } else {
            left_out.push((letter.id.clone(), format!("its topic {topic} does not exist")));
        }
    }
    Ok(Chosen { letters, left_out })
}

async fn is_there(admin: &Admin, topic: &str) -> Result<bool, AdminError> {
    match admin.inspect(&[topic.to_owned()]).await {
        Ok(_) => Ok(true),
        Err(AdminError::Missing(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts these letters back, which are [`feasible`], and says what became of them. All of it is in the log;
/// `tell` hears how far it is: the phase, and how many were put back.
pub async fn redrive(
    connections: &Connections,
    databases: &Databases,
    chosen: &Chosen<'_>,
    began: Began,
    manner: Manner,
    tell: &dyn Fn(Phase, usize),
) -> anyhow::Result<Report> {
    let observer = Observer::new(connections, databases, chosen.services()).await?;
    if let Some(blind) = chosen.services().into_iter().find(|name| !observer.sees(name))
        && manner.canary.is_some()
    {
        let variable = Databases::variable(blind);
        let why = format!("a canary is watched in the {blind} service's database: set {variable}");
        return Err(NoDatabase(why).into());
    }
    if chosen.letters.is_empty() {
        return Ok(Report::default());
    }
    let publisher = Publisher::new(&connections.kafka_brokers)?;
    let (by, reason) = (began.by.clone(), began.reason.clone());
    let how = Redriven { by: &by, at: began.at, reason: reason.as_deref() };
    let topic = connections.topic_prefix.operations();
    let recorder = Recorder::begin(&publisher, topic, began).await?;
    let throttle = Throttle::new(NonZeroU32::new(manner.rate));
    let (publisher, recorder_of) = (&publisher, &recorder);
    let mut work = Work {
        publisher,
        recorder: recorder_of,
        observer,
        how,
        throttle,
        tell,
        put_back: 0,
        refused: Vec::new(),
    };
    let result = work.run(&chosen.letters, manner).await;
    let outcome = match &result {
        Ok(report) => report.sentence(),
        Err(error) => format!("broken off: {error:#}"),
    };
    // Should this fail as well, the log says that the operation was interrupted, and it was.
    let ended = recorder.end(outcome).await;
    let report = result?;
    ended?;
    Ok(report)
}

/// Notes in the log that this was done to these letters; that is all there is to do.
pub async fn note(
    connections: &Connections,
    chosen: &Chosen<'_>,
    began: Began,
) -> Result<(), AdminError> {
    let outcome = noted(began.kind);
    let publisher = Publisher::new(&connections.kafka_brokers)?;
    let topic = connections.topic_prefix.operations();
    let recorder = Recorder::begin(&publisher, topic, began).await?;
    let handled: Vec<Handled> = chosen.letters.iter().map(|letter| letter.handled()).collect();
    recorder.done(&handled).await?;
    recorder.end(outcome.to_owned()).await
}

/// What letters are once it is [`note`]d that this was done to them.
pub fn noted(kind: Kind) -> &'static str {
    match kind {
        Kind::Discard => "discarded",
        Kind::Undiscard => "open again",
        Kind::Silence => "silenced",
        Kind::Unsilence => "silenced no more",
        kind => kind.name(),
    }
}

/// A redrive under way.
struct Work<'a> {
    publisher: &'a Publisher,
    recorder: &'a Recorder<'a>,
    observer: Observer<'a>,
    how: Redriven<'a>,
    throttle: Throttle,
    tell: &'a dyn Fn(Phase, usize),
    put_back: usize,
    refused: Vec<(LetterId, String)>,
}

impl Work<'_> {
    /// Puts all letters back, canaries first, and tells what became of them.
    async fn run(&mut self, letters: &[&Letter], manner: Manner) -> anyhow::Result<Report> {
        let Manner { canary, patience, .. } = manner;
        let (first, rest) = letters.split_at(letters.len().min(canary.unwrap_or(0) as usize));
        if !first.is_empty() {
            self.put_back(first).await?;
            (self.tell)(Phase::WatchingCanaries, self.put_back);
            let outcomes = self.watch(first, patience, Outcome::is_failure).await?;
            let failed = outcomes.iter().any(|(_, outcome)| outcome.is_failure());
            if failed || outcomes.iter().any(|(_, outcome)| *outcome != Outcome::Applied) {
                let why = if failed { "a canary failed again" } else { "a canary is not yet read" };
                let refused = std::mem::take(&mut self.refused);
                return Ok(Report::new(outcomes, refused).stopped(why, rest.len()));
            }
        }
        self.put_back(rest).await?;
        (self.tell)(Phase::AwaitingOutcomes, self.put_back);
        let outcomes = self.watch(letters, patience, |_| false).await?;
        Ok(Report::new(outcomes, std::mem::take(&mut self.refused)))
    }

    async fn put_back(&mut self, letters: &[&Letter]) -> Result<(), AdminError> {
        for part in letters.chunks(self.throttle.batch(AT_ONCE_MAX)) {
            self.throttle.wait(part.len()).await;
            let done = self.put_back_at_once(part).await?;
            // Only now: what is published without being noted is harmless, the other way round it
            // would be lost.
            self.recorder.done(&done).await?;
            self.put_back += part.len();
            (self.tell)(Phase::PuttingBack, self.put_back);
        }
        Ok(())
    }

    /// Puts letters back, all at once or, if Kafka refuses one of them, one by one. Returns those
    /// that Kafka has.
    async fn put_back_at_once(&mut self, letters: &[&Letter]) -> Result<Vec<Handled>, AdminError> {
        let records: Vec<(&Letter, PlainRecord)> = letters
            .iter()
            .filter_map(|letter| Some((*letter, letter.redriven(&self.how).ok()?)))
            .collect();
        let all: Vec<PlainRecord> = records.iter().map(|(_, record)| record.clone()).collect();
        match self.publisher.publish_all(&all).await {
            Ok(()) => return Ok(records.iter().map(|(letter, _)| letter.handled()).collect()),
            Err(AdminError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        let mut done = Vec::new();
        for (letter, record) in records {
            match self.publisher.publish_all(&[record]).await {
                Ok(()) => done.push(letter.handled()),
                Err(AdminError::Refused(why)) => self.refused.push((letter.id.clone(), why)),
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Waits until it is known of all letters what became of them, or `enough` holds for one.
    async fn watch<'l>(
        &mut self,
        letters: &[&'l Letter],
        patience: Duration,
        enough: impl Fn(&Outcome) -> bool,
    ) -> anyhow::Result<Vec<(&'l Letter, Outcome)>> {
        let deadline = Instant::now() + patience;
        let mut settled: Vec<(&Letter, Outcome)> = Vec::new();
        let refused = |letter: &Letter| self.refused.iter().any(|(id, _)| *id == letter.id);
        let mut pending: Vec<&Letter> =
            letters.iter().copied().filter(|letter| !refused(letter)).collect();
        loop {
            let mut outcomes = self.observer.look(&pending).await?;
            let now = pending.iter().map(|letter| {
                let outcome = outcomes.remove(&letter.redrive_id());
                (*letter, outcome.unwrap_or(Outcome::Unread))
            });
            // What is failing may still be applied, or die.
            let (open, known): (Vec<_>, Vec<_>) = now
                .partition(|(_, outcome)| matches!(outcome, Outcome::Unread | Outcome::Failing(_)));
            let over = open.iter().all(|(_, outcome)| *outcome != Outcome::Unread)
                || open.iter().chain(&known).any(|(_, outcome)| enough(outcome))
                || Instant::now() >= deadline;
            settled.extend(known);
            if over {
                settled.extend(open);
                return Ok(settled);
            }
            pending = open.into_iter().map(|(letter, _)| letter).collect();
            sleep(LOOK_EVERY).await;
        }
    }
}
