//! What the read model tells of all orders: counts, rates, and what is usual.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use choreography::Fact;
use jiff::{SignedDuration, Timestamp};
use projection::{Durations, Late, Minute, Open, Reading, Stage, Store, Way, WayCount, stage};
use serde::Serialize;
use tokio::sync::{Mutex, watch};

use crate::words::{now, spell};

/// How far back is counted what is shown as the present.
pub(crate) const WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// How far back rates are shown.
pub(crate) const RATES: SignedDuration = SignedDuration::from_hours(1);
/// So long it is not asked again whether another generation has taken the place of the one that is shown.
const SURE_FOR: Duration = Duration::from_secs(1);
/// What was counted longer ago is said to be old.
const OLD_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// An order is late when nothing was said of it for so many times what 99 of 100 take; and for
/// [`LATE_AFTER`] at least.
const LATE_TIMES: u32 = 5;
const LATE_AFTER: Duration = Duration::from_secs(2);
/// The same, where nobody knows what is usual.
const LATE_UNKNOWN: Duration = Duration::from_secs(10);

/// The read model, wherever its newest generation is.
pub(crate) struct Model {
    /// The console's own database; `None` if it has none.
    url: Option<String>,
    /// With when it was made sure that this is the one to show.
    store: Mutex<Option<(Instant, Arc<Store>)>>,
    trouble: watch::Receiver<Option<String>>,
}

/// Why there is nothing to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is no database for it.
    NotWanted,
    /// It cannot be had.
    Trouble(String),
}

impl Missing {
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::NotWanted => "Orders are counted and listed only with a database for it: set \
                                CONSOLE_DATABASE_URL to an empty one, and start the console again."
                .to_owned(),
            Self::Trouble(why) => format!("Orders cannot be counted and listed: {why}."),
        }
    }
}

impl Model {
    pub(crate) fn new(url: Option<String>, trouble: watch::Receiver<Option<String>>) -> Self {
        Self { url, store: Mutex::new(None), trouble }
    }

    /// Whether there is a database for it.
    pub(crate) fn is_wanted(&self) -> bool {
        self.url.is_some()
    }

    /// The newest generation.
    pub(crate) async fn store(&self) -> Result<Arc<Store>, Missing> {
        let Some(url) = &self.url else { return Err(Missing::NotWanted) };
        let mut known = self.store.lock().await;
        if let Some((sure, store)) = &mut *known {
            if sure.elapsed() < SURE_FOR {
                return Ok(store.clone());
            }
            if store.is_shown().await.unwrap_or(false) {
                *sure = Instant::now();
                return Ok(store.clone());
            }
        }
        *known = None;
        match Store::open(url).await {
            Ok(Some(store)) => Ok(known.insert((Instant::now(), Arc::new(store))).1.clone()),
            Ok(None) => {
                let why = self.trouble.borrow().clone();
                let why = why.unwrap_or_else(|| "the topics are about to be read".to_owned());
                Err(Missing::Trouble(why))
            }
            Err(error) => Err(Missing::Trouble(error.to_string())),
        }
    }

    /// Looks at all of it that most pages show.
    pub(crate) async fn look(&self) -> Result<Board, Missing> {
        let store = self.store().await?;
        let asking = async {
            let now = Timestamp::now();
            let reading = store.reading().await?;
            let day = store.counts(Some(now - WITHIN)).await?;
            let open = store.open_orders().await?;
            let usual = store.reactions(now - WITHIN).await?;
            let flow = store.flow(now - RATES).await?;
            let mut board = Board { reading, day, open, usual, flow, late: HashMap::new() };
            board.late = store.late(&board.late_after()).await?;
            Ok::<_, projection::Error>(board)
        };
        asking.await.map_err(|error| Missing::Trouble(error.to_string()))
    }
}

/// All orders of the last day, and those that are open.
pub(crate) struct Board {
    pub(crate) reading: Reading,
    pub(crate) day: Vec<WayCount>,
    pub(crate) open: Vec<Open>,
    pub(crate) usual: HashMap<Fact, Durations>,
    pub(crate) flow: Vec<Minute>,
    /// How many are late, by the way that they have gone so far.
    pub(crate) late: HashMap<i32, i64>,
}

/// How many orders wait for a service.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Waiting {
    pub(crate) orders: i64,
    pub(crate) late: i64,
    pub(crate) oldest_s: f64,
    /// How many have waited less than 1 s, 10 s, 1 min, 10 min, and longer.
    pub(crate) ages: [i64; 5],
}

/// Whose move it is after this.
pub(crate) fn mover(stage: &Stage) -> Option<&'static str> {
    stage.moves.first().map(|it| it.service)
}

impl Board {
    /// How many orders are under way.
    pub(crate) fn under_way(&self) -> i64 {
        self.open.iter().map(|open| open.orders).sum()
    }

    /// How many of them are late.
    pub(crate) fn late_orders(&self) -> i64 {
        self.late.values().sum()
    }

    /// What 99 of 100 take, of the last day, until one of these is said.
    pub(crate) fn usual_p99(&self, facts: impl Iterator<Item = Fact>) -> Option<Duration> {
        facts.filter_map(|fact| self.usual.get(&fact)?.quantile(0.99)).max()
    }

    /// When an order that has gone this way is late.
    fn late_at(&self, way: Way) -> Duration {
        match self.usual_p99(stage(way.said).next.iter()) {
            Some(usual) => (usual * LATE_TIMES).max(LATE_AFTER),
            None => LATE_UNKNOWN,
        }
    }

    /// When each of those that are under way is late.
    pub(crate) fn late_after(&self) -> Vec<Late> {
        let late = |open: &Open| Late { way: open.way.number, after: self.late_at(open.way) };
        self.open.iter().map(late).collect()
    }

    /// The orders that are under way, by whose move it is.
    pub(crate) fn waiting(&self) -> BTreeMap<&'static str, Waiting> {
        let mut waiting: BTreeMap<&'static str, Waiting> = BTreeMap::new();
        for open in &self.open {
            let service = mover(&stage(open.way.said)).unwrap_or("nobody");
            let all = waiting.entry(service).or_default();
            all.orders += open.orders;
            all.late += self.late.get(&open.way.number).copied().unwrap_or_default();
            all.oldest_s = all.oldest_s.max(open.oldest_s);
            all.ages.iter_mut().zip(open.ages).for_each(|(all, more)| *all += more);
        }
        waiting
    }

    /// The orders of the last day that are at rest, by how and why they ended; the most frequent first.
    pub(crate) fn ends(&self) -> Vec<(String, String, i64)> {
        let mut ends: BTreeMap<(String, String), i64> = BTreeMap::new();
        for count in self.at_rest() {
            let end = stage(count.way.said).end().to_owned();
            *ends.entry((end, count.reason.clone())).or_default() += count.orders;
        }
        let mut ends: Vec<_> =
            ends.into_iter().map(|((end, reason), orders)| (end, reason, orders)).collect();
        ends.sort_by_key(|(_, _, orders)| -orders);
        ends
    }

    /// The ways of orders of the last day that are at rest.
    pub(crate) fn at_rest(&self) -> impl Iterator<Item = &WayCount> {
        self.day.iter().filter(|count| stage(count.way.said).is_at_rest)
    }

    /// The share of a way among the orders of the last day that are at rest.
    pub(crate) fn share(&self, way: i32) -> Option<f64> {
        let of = |counts: &mut dyn Iterator<Item = &WayCount>| -> i64 {
            counts.map(|count| count.orders).sum()
        };
        let all = of(&mut self.at_rest());
        let own = of(&mut self.at_rest().filter(|count| count.way.number == way));
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        (own > 0).then(|| own as f64 / all as f64)
    }

    /// Events of this type in each minute of the last hour, the newest last.
    pub(crate) fn per_minute(&self, event: &str) -> Vec<i64> {
        let minutes = usize::try_from(RATES.as_mins()).unwrap_or_default();
        let mut rates = vec![0; minutes];
        let now = now();
        for minute in self.flow.iter().filter(|it| it.fact.event_type() == event) {
            let age = now.duration_since(minute.minute).as_mins();
            if let Some(at) = usize::try_from(age).ok().and_then(|age| minutes.checked_sub(age + 1))
            {
                rates[at] += minute.events;
            }
        }
        rates
    }

    /// Why what is told may not be so; if it may be.
    pub(crate) fn doubt(&self) -> Option<String> {
        self.doubt_after(OLD_AFTER)
    }

    /// The same, if what is older than this is old.
    pub(crate) fn doubt_after(&self, old: SignedDuration) -> Option<String> {
        let Reading { as_of, trouble, read, behind, is_ready, .. } = &self.reading;
        if let Some(why) = trouble {
            return Some(format!("The topics are not read at the moment: {why}."));
        }
        if !is_ready {
            let all = (read + behind).max(1);
            return Some(format!(
                "The topics are being read from their beginning: {} %. Counts grow until then.",
                read * 100 / all
            ));
        }
        let age = as_of.map(|at| now().duration_since(at))?;
        (age > old).then(|| format!("What is counted here is of {} ago.", spell(age)))
    }
}
