//! What is looked at again and again, so that a page is answered at once: by what was seen last, which says
//! when that was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use cli::calls::{self, OpenCall};
use cli::connections::Connections;
use cli::dance::{Extent, differences};
use cli::databases::Databases;
use cli::looking::{Pace, keep_looking};
use cli::recovery::Archive;
use cli::status::{Facts, Verdict, judge, look};
use cli::stuck::{Filter, HANGS_AFTER, Stuck};
use cli::{AuditReport, ServiceUrls, audit_now, masking, services, story};
use graph::Difference;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{Notify, watch};

use crate::model::Model;
use projection::Board;

/// Orders that were placed longer ago are looked at only if anything of them is open.
const PLACED_WITHIN: Duration = Duration::from_hours(24);
/// How many orders that hang are told of one by one.
const HANGING_MAX: usize = 50;
/// No look may take longer, whatever hangs.
const LIMIT: Duration = Duration::from_mins(2);
/// A look that gives the databases or the brokers work takes no more than this share of the time, unless
/// that made it too rare.
const SHARE: u32 = 20;
/// The longest rest between two looks.
const REST_MAX: Duration = Duration::from_mins(3);
/// How often it is looked how many orders there are.
const COUNTED_EVERY: Duration = Duration::from_secs(1);
/// How much rarer than the services' health the rest is looked at.
const RARER: u32 = 3;
/// How much rarer the topics are held against the declarations.
const MUCH_RARER: u32 = 60;

/// How many calls of each service are told of one by one.
const CALLS_MAX: i64 = 100;
/// How long an audit may take, which reads all that the topics hold.
const AUDIT_LIMIT: Duration = Duration::from_mins(10);

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) urls: ServiceUrls,
    pub(crate) connections: Connections,
    pub(crate) databases: Databases,
}

/// What was seen, and when. What could not be seen is told with what was before.
#[derive(Debug)]
pub(crate) struct Glance<T> {
    pub(crate) seen: Option<Arc<T>>,
    pub(crate) at: Timestamp,
    /// Why the last look saw nothing.
    pub(crate) trouble: Option<String>,
}

impl<T> Clone for Glance<T> {
    fn clone(&self) -> Self {
        Self { seen: self.seen.clone(), at: self.at, trouble: self.trouble.clone() }
    }
}

impl<T> Glance<T> {
    fn nothing_yet() -> Self {
        Self { seen: None, at: Timestamp::now(), trouble: None }
    }

    fn after(&self, seen: Result<T, String>) -> Self {
        match seen {
            Ok(seen) => Self { seen: Some(Arc::new(seen)), at: Timestamp::now(), trouble: None },
            Err(trouble) => Self { seen: self.seen.clone(), at: self.at, trouble: Some(trouble) },
        }
    }
}

/// How the fleet is.
pub(crate) struct Fleet {
    pub(crate) facts: Facts,
    pub(crate) verdict: Verdict,
}

/// Calls to the outside that are open, parked or given up.
#[derive(Debug, Serialize)]
pub(crate) struct OpenCalls {
    /// The oldest of each service.
    pub(crate) calls: Vec<OpenCall>,
    /// How many there are beside.
    pub(crate) more: usize,
    /// Which services' calls could not be seen, and why.
    pub(crate) unknown: Vec<String>,
}

/// Audits, when they are asked for.
#[derive(Default)]
pub(crate) struct Audits {
    asked: Notify,
    under_way: AtomicBool,
}

impl Audits {
    /// Has one begin, unless one is under way.
    pub(crate) fn ask(&self) {
        if !self.is_under_way() {
            self.asked.notify_one();
        }
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.load(Ordering::Relaxed)
    }
}

/// What was seen last.
#[derive(Clone)]
pub(crate) struct Looks {
    pub(crate) board: watch::Receiver<Glance<Board>>,
    pub(crate) fleet: watch::Receiver<Glance<Fleet>>,
    pub(crate) hanging: watch::Receiver<Glance<Stuck>>,
    pub(crate) letters: watch::Receiver<Glance<Archive>>,
    pub(crate) dance: watch::Receiver<Glance<Vec<Difference>>>,
    pub(crate) calls: watch::Receiver<Glance<OpenCalls>>,
    pub(crate) audit: watch::Receiver<Glance<AuditReport>>,
    pub(crate) audits: Arc<Audits>,
}

/// Looks until it is dropped.
pub(crate) fn start(
    places: Arc<Places>,
    model: Arc<Model>,
    every: Duration,
    audit_every: Duration,
) -> (Looks, impl Future<Output = ()>) {
    let (board_in, board) = watch::channel(Glance::nothing_yet());
    let (fleet_in, fleet) = watch::channel(Glance::nothing_yet());
    let (hanging_in, hanging) = watch::channel(Glance::nothing_yet());
    let (letters_in, letters) = watch::channel(Glance::nothing_yet());
    let (dance_in, dance) = watch::channel(Glance::nothing_yet());
    let (calls_in, calls) = watch::channel(Glance::nothing_yet());
    let (audit_in, audit) = watch::channel(Glance::nothing_yet());
    let audits = Arc::<Audits>::default();
    let asked = audits.clone();
    let looking = async move {
        let counting = async || model.look().await.map_err(|missing| anyhow!(missing.sentence()));
        tokio::join!(
            look_for(board_in, COUNTED_EVERY, 1, counting),
            look_for(fleet_in, every, 0, async || Ok(fleet_of(&places).await)),
            look_for(hanging_in, every * RARER, SHARE, async || hanging_of(&places).await),
            look_for(letters_in, every * RARER, SHARE, async || letters_of(&places).await),
            look_for(dance_in, every * MUCH_RARER, SHARE, async || dance_of(&places).await),
            look_for(calls_in, every * RARER, SHARE, async || calls_of(&places).await),
            keep_auditing(audit_in, audit_every, &asked, &places),
        );
    };
    (Looks { board, fleet, hanging, letters, dance, calls, audit, audits }, looking)
}

/// Audits so often, if that is not never, and whenever it is asked for.
async fn keep_auditing(
    to: watch::Sender<Glance<AuditReport>>,
    every: Duration,
    audits: &Audits,
    places: &Places,
) {
    if every.is_zero() {
        audits.asked.notified().await;
    }
    let every = if every.is_zero() { Duration::MAX } else { every };
    let pace = Pace { every, limit: AUDIT_LIMIT, rest: SHARE, rest_max: every };
    let look = async || {
        audits.under_way.store(true, Ordering::Relaxed);
        // Whoever waits for it sees that it is under way.
        to.send_modify(|_| {});
        let mut report = audit_now(&places.connections, &places.databases).await?;
        // What waits to be tried again is told with its error, which may quote what an event says.
        let lines = report.checks.iter_mut().flat_map(|check| &mut check.lines);
        lines.for_each(|line| *line = masking::error(line));
        Ok(report)
    };
    let tell = |seen, _| {
        audits.under_way.store(false, Ordering::Relaxed);
        to.send_modify(|glance| *glance = glance.after(seen));
    };
    loop {
        tokio::select! {
            () = keep_looking(pace, &look, tell) => {}
            () = audits.asked.notified() => {}
        }
    }
}

async fn look_for<T>(
    to: watch::Sender<Glance<T>>,
    every: Duration,
    rest: u32,
    look: impl AsyncFn() -> anyhow::Result<T>,
) {
    let pace = Pace { every, limit: LIMIT, rest, rest_max: REST_MAX };
    let tell = |seen, _| to.send_modify(|glance| *glance = glance.after(seen));
    keep_looking(pace, look, tell).await;
}

async fn fleet_of(places: &Places) -> Fleet {
    let facts = look(&places.urls, &places.connections, &places.databases).await;
    let verdict = judge(&facts);
    Fleet { facts, verdict }
}

async fn hanging_of(places: &Places) -> anyhow::Result<Stuck> {
    let filter = Filter::Late { older_than: HANGS_AFTER, placed_within: PLACED_WITHIN };
    let found = story::hanging(filter, HANGING_MAX, &places.connections, &places.databases).await?;
    Ok(found.unwrap_or_default().masked())
}

async fn letters_of(places: &Places) -> anyhow::Result<Archive> {
    let all: Vec<String> = services().map(str::to_owned).collect();
    Ok(Archive::read_masked(&places.connections, &all).await?)
}

async fn calls_of(places: &Places) -> anyhow::Result<OpenCalls> {
    let mut found = OpenCalls { calls: Vec::new(), more: 0, unknown: Vec::new() };
    for service in calls::services() {
        let read = async {
            let mut database = places.databases.connect(service).await?;
            let filter = calls::Filter::default();
            anyhow::Ok(calls::calls(service, &mut database, &filter, CALLS_MAX).await?)
        };
        match read.await {
            Ok((of_service, all)) => {
                found.more += usize::try_from(all)? - of_service.len();
                found.calls.extend(of_service.into_iter().map(OpenCall::masked));
            }
            Err(error) => found.unknown.push(format!("{error:#}")),
        }
    }
    Ok(found)
}

async fn dance_of(places: &Places) -> anyhow::Result<Vec<Difference>> {
    differences(Extent::RECENT, &places.urls, &places.connections).await
}
