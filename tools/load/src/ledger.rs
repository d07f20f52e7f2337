use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    Cancelled,
}

/// Latencies in milliseconds. All zero when there was none.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// 90 of 100 were faster.
    pub p90: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
    /// 999 of 1,000 were faster.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

/// What happened in a stretch of time, by when orders were meant to arrive.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Phase {
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Orders a second that were meant to arrive.
    pub offered_per_second: f64,
    /// Orders that were meant to arrive.
    pub offered: u64,
    /// Orders that the fleet took.
    pub placed: u64,
    /// Requests that it refused, by HTTP status.
    pub refused: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub broken: u64,
    /// Orders of this stretch that were completed.
    pub completed: u64,
    /// Orders of this stretch that were cancelled.
    pub cancelled: u64,
    /// Orders of this stretch whose end was not seen.
    pub unfinished: u64,
    /// Orders, of whatever stretch, that ended in it.
    pub ended: u64,
    /// The same, a second.
    pub ended_per_second: f64,
    /// Orders under way at its beginning and at its end.
    pub under_way: (u64, u64),
    /// The longest time in which no order ended, in milliseconds.
    pub longest_pause_ms: f64,
    /// From the intended arrival to the answer of `POST /orders`.
    pub post: Latency,
    /// From the intended arrival to when the end was seen in the topic.
    pub end: Latency,
}

impl Phase {
    fn unanswered(&self) -> u64 {
        let refused: u64 = self.refused.values().sum();
        self.offered.saturating_sub(self.placed + refused + self.broken)
    }

    fn unfinished(&self) -> u64 {
        (self.placed + self.unanswered()).saturating_sub(self.completed + self.cancelled)
    }
}

/// Who has arrived and who has ended.
#[derive(Default)]
pub(crate) struct Ledger {
    books: Mutex<Books>,
    /// Offered, and neither refused, broken nor ended.
    open: AtomicUsize,
    /// Fewer are open than before.
    one_less: Notify,
}

#[derive(Default)]
struct Books {
    /// Orders under way: when each was meant to arrive.
    open: HashMap<Uuid, Instant>,
    /// Ends seen before the answer to the request.
    early: HashMap<Uuid, (End, Instant)>,
    stretch: Option<Stretch>,
}

/// The stretch that is measured.
struct Stretch {
    begin: Instant,
    end: Option<Instant>,
    open_at_begin: u64,
    open_at_end: u64,
    last_end: Instant,
    longest_pause: Duration,
    phase: Phase,
    post: Histogram<u64>,
    whole: Histogram<u64>,
}

/// Microseconds, up to an hour, to three digits.
fn histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants that fit")]
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("good bounds")
}

impl Stretch {
    fn has(&self, intended: Instant) -> bool {
        intended >= self.begin && self.end.is_none_or(|end| intended < end)
    }
}

impl Ledger {
    /// Begins a stretch that is measured.
    pub(crate) fn begin(&self) {
        let mut books = self.books();
        let begin = Instant::now();
        books.stretch = Some(Stretch {
            begin,
            end: None,
            open_at_begin: books.open.len() as u64,
            open_at_end: 0,
            last_end: begin,
            longest_pause: Duration::ZERO,
            phase: Phase::default(),
            post: histogram(),
            whole: histogram(),
        });
    }

    /// Ends the stretch: what arrives from now on is not counted, what has arrived still is.
    pub(crate) fn end(&self) {
        let mut books = self.books();
        let open = books.open.len() as u64;
        if let Some(stretch) = &mut books.stretch {
            let now = Instant::now();
            stretch.end = Some(now);
            stretch.open_at_end = open;
            stretch.longest_pause = stretch.longest_pause.max(now - stretch.last_end);
        }
    }

    /// Orders of the stretch that are still under way.
    pub(crate) fn unfinished(&self) -> u64 {
        self.books().stretch.as_ref().map_or(0, |stretch| stretch.phase.unfinished())
    }

    /// Requests of the stretch that are still without an answer.
    pub(crate) fn unanswered(&self) -> u64 {
        self.books().stretch.as_ref().map_or(0, |stretch| stretch.phase.unanswered())
    }

    /// Orders under way.
    pub(crate) fn under_way(&self) -> usize {
        self.books().open.len()
    }

    /// Waits until fewer than so many orders are open.
    pub(crate) async fn room(&self, at_once: usize) {
        while self.open.load(Ordering::Acquire) >= at_once {
            self.one_less.notified().await;
        }
    }

    fn close_one(&self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
        self.one_less.notify_one();
    }

    /// Orders offered, placed and ended in the stretch so far.
    pub(crate) fn so_far(&self) -> (u64, u64, u64) {
        self.books().stretch.as_ref().map_or((0, 0, 0), |stretch| {
            (stretch.phase.offered, stretch.phase.placed, stretch.phase.ended)
        })
    }

    pub(crate) fn offered(&self, intended: Instant) {
        self.open.fetch_add(1, Ordering::AcqRel);
        self.note(intended, |stretch| stretch.phase.offered += 1);
    }

    pub(crate) fn placed(&self, order: Uuid, intended: Instant, answered: Instant) {
        self.note(intended, |stretch| {
            stretch.phase.placed += 1;
            stretch.post.saturating_record(micros(answered - intended));
        });
        let mut books = self.books();
        match books.early.remove(&order) {
            None => _ = books.open.insert(order, intended),
            Some((end, at)) => {
                books.close(intended, end, at);
                drop(books);
                self.close_one();
            }
        }
    }

    pub(crate) fn refused(&self, intended: Instant, status: u16) {
        self.note(intended, |stretch| *stretch.phase.refused.entry(status).or_default() += 1);
        self.close_one();
    }

    pub(crate) fn broken(&self, intended: Instant) {
        self.note(intended, |stretch| stretch.phase.broken += 1);
        self.close_one();
    }

    /// An order's end was seen. It may be another generator's.
    pub(crate) fn ended(&self, order: Uuid, end: End, at: Instant) {
        let mut books = self.books();
        match books.open.remove(&order) {
            Some(intended) => {
                books.close(intended, end, at);
                drop(books);
                self.close_one();
            }
            // The answer to its request may be on its way. Others' orders must not pile up here.
            None if books.early.len() < 100_000 => _ = books.early.insert(order, (end, at)),
            None => books.early.clear(),
        }
    }

    /// What happened in the stretch.
    pub(crate) fn phase(&self, offered_per_second: f64) -> Phase {
        let books = self.books();
        let Some(stretch) = &books.stretch else { return Phase::default() };
        let seconds = (stretch.end.unwrap_or_else(Instant::now) - stretch.begin).as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // Counts are far below 2^52.
        let ended = stretch.phase.ended as f64;
        Phase {
            seconds,
            offered_per_second,
            unfinished: stretch.phase.unfinished(),
            ended_per_second: ended / seconds,
            under_way: (stretch.open_at_begin, stretch.open_at_end),
            longest_pause_ms: stretch.longest_pause.as_secs_f64() * 1_000.0,
            post: latency(&stretch.post),
            end: latency(&stretch.whole),
            ..stretch.phase.clone()
        }
    }

    fn note(&self, intended: Instant, note: impl FnOnce(&mut Stretch)) {
        if let Some(stretch) = &mut self.books().stretch
            && stretch.has(intended)
        {
            note(stretch);
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn close(&mut self, intended: Instant, end: End, at: Instant) {
        let Some(stretch) = &mut self.stretch else { return };
        if stretch.end.is_none_or(|end| at < end) && at >= stretch.begin {
            stretch.phase.ended += 1;
            stretch.longest_pause = stretch.longest_pause.max(at - stretch.last_end);
            stretch.last_end = at;
        }
        if stretch.has(intended) {
            stretch.whole.saturating_record(micros(at - intended));
            match end {
                End::Completed => stretch.phase.completed += 1,
                End::Cancelled => stretch.phase.cancelled += 1,
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn latency(histogram: &Histogram<u64>) -> Latency {
    #[allow(clippy::cast_precision_loss)] // Microseconds of at most an hour.
    let milliseconds = |micros: u64| micros as f64 / 1_000.0;
    let at = |quantile| milliseconds(histogram.value_at_quantile(quantile));
    if histogram.is_empty() {
        return Latency::default();
    }
    Latency {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: milliseconds(histogram.max()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_arrives_in_the_stretch_whenever_it_ends() {
        let ledger = Ledger::default();
        let [before, within, early, lost] = [(); 4].map(|()| Uuid::now_v7());
        let arrive = |order| {
            let now = Instant::now();
            ledger.offered(now);
            ledger.placed(order, now, now);
        };
        arrive(before);
        ledger.begin();
        arrive(within);
        arrive(lost);
        ledger.ended(before, End::Completed, Instant::now());
        ledger.ended(early, End::Cancelled, Instant::now());
        arrive(early);
        ledger.refused(Instant::now(), 503);
        ledger.end();
        ledger.ended(within, End::Completed, Instant::now());
        let phase = ledger.phase(3.0);
        assert_eq!((phase.offered, phase.placed, phase.refused[&503]), (3, 3, 1));
        assert_eq!((phase.completed, phase.cancelled, phase.unfinished), (1, 1, 1));
        assert_eq!(phase.under_way, (1, 2));
        assert!((phase.ended_per_second * phase.seconds - 2.0).abs() < 1e-6);
    }
}
