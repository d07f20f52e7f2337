//! What is told of all orders at a time: counts, rates, what is usual, and what is late.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use choreography::Fact;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::buckets::Durations;
use crate::stage::stage;
use crate::store::{Error, Filter, Late, Minute, Open, Reading, Row, Store, Way, WayCount};

/// How far back is counted what is shown as the present.
pub const WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// How far back rates are shown.
pub const RATES: SignedDuration = SignedDuration::from_hours(1);
/// What was counted longer ago is said to be old.
const OLD_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// An order is late when nothing was said of it for so many times what 99 of 100 take; and for
/// [`LATE_AFTER`] at least.
const LATE_TIMES: u32 = 5;
const LATE_AFTER: Duration = Duration::from_secs(2);
/// The same, where nobody knows what is usual.
const LATE_UNKNOWN: Duration = Duration::from_secs(10);

/// All orders of the last day, and those that are open.
pub struct Board {
    /// How far the topics were read.
    pub reading: Reading,
    /// The orders of the last day, by the way that they went.
    pub day: Vec<WayCount>,
    /// Those that are under way.
    pub open: Vec<Open>,
    /// How long each reaction took within the last day.
    pub usual: HashMap<Fact, Durations>,
    /// What was said in each minute of the last hour.
    pub flow: Vec<Minute>,
    /// How many are late, by the way that they have gone so far.
    pub late: HashMap<i32, i64>,
}

/// How many orders wait for a service.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Waiting {
    /// How many.
    pub orders: i64,
    /// How many of them are late.
    pub late: i64,
    /// For how long the first of them has waited.
    pub oldest_s: f64,
    /// How many have waited less than 1 s, 10 s, 1 min, 10 min, and longer.
    pub ages: [i64; 5],
}

impl Board {
    /// Looks at all of it.
    ///
    /// # Errors
    ///
    /// When the database does not answer in time.
    pub async fn look(store: &Store) -> Result<Self, Error> {
        let now = Timestamp::now();
        let reading = store.reading().await?;
        let day = store.counts(Some(now - WITHIN)).await?;
        let open = store.open_orders().await?;
        let usual = store.reactions(now - WITHIN).await?;
        let flow = store.flow(now - RATES).await?;
        let mut board = Self { reading, day, open, usual, flow, late: HashMap::new() };
        board.late = store.late(&board.late_after()).await?;
        Ok(board)
    }

    /// How many orders are under way.
    pub fn under_way(&self) -> i64 {
        self.open.iter().map(|open| open.orders).sum()
    }

    /// How many of them are late.
    pub fn late_orders(&self) -> i64 {
        self.late.values().sum()
    }

    /// What 99 of 100 take, of the last day, until one of these is said.
    pub fn usual_p99(&self, facts: impl Iterator<Item = Fact>) -> Option<Duration> {
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
    pub fn late_after(&self) -> Vec<Late> {
        let late = |open: &Open| Late { way: open.way.number, after: self.late_at(open.way) };
        self.open.iter().map(late).collect()
    }

    /// The orders that are under way, by whose move it is.
    pub fn waiting(&self) -> BTreeMap<&'static str, Waiting> {
        let mut waiting: BTreeMap<&'static str, Waiting> = BTreeMap::new();
        for open in &self.open {
            let service = stage(open.way.said).mover().unwrap_or("nobody");
            let all = waiting.entry(service).or_default();
            all.orders += open.orders;
            all.late += self.late.get(&open.way.number).copied().unwrap_or_default();
            all.oldest_s = all.oldest_s.max(open.oldest_s);
            all.ages.iter_mut().zip(open.ages).for_each(|(all, more)| *all += more);
        }
        waiting
    }

    /// The orders of the last day that are at rest, by how and why they ended; the most frequent first.
    pub fn ends(&self) -> Vec<(String, String, i64)> {
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
    pub fn at_rest(&self) -> impl Iterator<Item = &WayCount> {
        self.day.iter().filter(|count| stage(count.way.said).is_at_rest)
    }

    /// The share of a way among the orders of the last day that are at rest.
    pub fn share(&self, way: i32) -> Option<f64> {
        let of = |counts: &mut dyn Iterator<Item = &WayCount>| -> i64 {
            counts.map(|count| count.orders).sum()
        };
        let all = of(&mut self.at_rest());
        let own = of(&mut self.at_rest().filter(|count| count.way.number == way));
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        (own > 0).then(|| own as f64 / all as f64)
    }

    /// Events of this type in each minute of the hour before `now`, the newest last.
    pub fn per_minute(&self, event: &str, now: Timestamp) -> Vec<i64> {
        let minutes = usize::try_from(RATES.as_mins()).unwrap_or_default();
        let mut rates = vec![0; minutes];
        for minute in self.flow.iter().filter(|it| it.fact.event_type() == event) {
            let age = now.duration_since(minute.minute).as_mins();
            if let Some(at) = usize::try_from(age).ok().and_then(|age| minutes.checked_sub(age + 1))
            {
                rates[at] += minute.events;
            }
        }
        rates
    }

    /// Why what is told may not be so, as of `now`; if it may be.
    pub fn doubt(&self, now: Timestamp) -> Option<Doubt> {
        self.doubt_after(OLD_AFTER, now)
    }

    /// The same, if what is older than this is old.
    pub fn doubt_after(&self, old: SignedDuration, now: Timestamp) -> Option<Doubt> {
        let Reading { as_of, trouble, read, behind, is_ready, .. } = &self.reading;
        if let Some(why) = trouble {
            return Some(Doubt::NotRead(why.clone()));
        }
        if !is_ready {
            let all = (read + behind).max(1);
            return Some(Doubt::FromBeginning { percent: read * 100 / all });
        }
        let age = as_of.map(|at| now.duration_since(at))?;
        (age > old).then_some(Doubt::Old(age))
    }

    /// How many orders there are, for programs.
    pub fn counts_as_json(&self, doubt: Option<&str>) -> Value {
        json!({
            "as_of": self.reading.as_of,
            "doubt": doubt,
            "under_way": self.under_way(),
            "late": self.late_orders(),
            "waiting": self.waiting(),
            "ended_within_a_day": self.ends(),
        })
    }

    /// The ways that orders went, for programs. Durations are in milliseconds.
    pub fn ways_as_json(&self) -> Value {
        let ways = self.at_rest().map(|count| {
            let at = |share| count.took.quantile(share).map(|it| it.as_millis());
            json!({
                "way": count.way.number,
                "events": count.way.said.iter().map(Fact::name).collect::<Vec<_>>(),
                "end": stage(count.way.said).end(),
                "reason": count.reason,
                "orders": count.orders,
                "totals": count.totals,
                "median_ms": at(0.5),
                "p99_ms": at(0.99),
            })
        });
        let ways: Vec<Value> = ways.collect();
        json!({"as_of": self.reading.as_of, "within_s": WITHIN.as_secs(), "ways": ways})
    }
}

/// Why what is told may not be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The topics cannot be read, for this reason.
    NotRead(String),
    /// The topics are being read from their beginning, and so much of them was.
    FromBeginning {
        /// Of all that they hold.
        percent: i64,
    },
    /// It is that old.
    Old(SignedDuration),
}

impl Doubt {
    /// A sentence, with durations as `spell` has them.
    pub fn sentence(&self, spell: impl Fn(SignedDuration) -> String) -> String {
        match self {
            Self::NotRead(why) => format!("The topics are not read at the moment: {why}."),
            Self::FromBeginning { percent } => format!(
                "The topics are being read from their beginning: {percent} %. Counts grow until then."
            ),
            Self::Old(age) => format!("What is counted here is of {} ago.", spell(*age)),
        }
    }
}

/// Which orders are asked for; all of it must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Those whose move is this service's.
    pub service: Option<String>,
    /// Those that have ended like this.
    pub end: Option<String>,
    /// For this reason.
    pub reason: Option<String>,
    /// Those that went this way.
    pub way: Option<i32>,
    /// Those that are under way.
    pub is_open: bool,
    /// Those that are late.
    pub is_late: bool,
}

impl Asked {
    /// Whether ways are chosen by what they mean, for which all have to be known.
    pub fn asks_for_ways(&self) -> bool {
        self.way.is_some() || self.service.is_some() || self.end.is_some()
    }

    /// What the store is asked.
    pub fn filter(&self, ways: &[Way], board: Option<&Board>) -> Filter {
        let is_it = |way: &&Way| {
            let stage = stage(way.said);
            self.way.is_none_or(|number| number == way.number)
                && self.service.as_deref().is_none_or(|service| stage.mover() == Some(service))
                && self.end.as_deref().is_none_or(|end| stage.end() == end)
        };
        let ways = || ways.iter().filter(is_it).map(|way| way.number).collect();
        Filter {
            ways: self.asks_for_ways().then(ways),
            is_open: self.is_open || self.is_late || self.service.is_some(),
            reason: self.reason.clone(),
            late: self.is_late.then(|| board.map(Board::late_after).unwrap_or_default()),
            upto: None,
            newer: None,
        }
    }
}

/// An order in a list, for programs.
pub fn row_as_json(row: &Row) -> Value {
    let stage = stage(row.way.said);
    json!({
        "order_id": row.id,
        "placed_at": row.began,
        "moved_at": row.moved,
        "stage": stage.end(),
        "reason": row.reason,
        "is_at_rest": stage.is_at_rest,
        "moves": stage.moves.iter().map(|it| json!({"service": it.service, "awaits": it.awaits}))
            .collect::<Vec<_>>(),
        "way": row.way.number,
        "total": row.total.as_ref().map(ToString::to_string),
    })
}
