//! Which connection has to go when there are too many.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// The connections that are not at work. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// In the order in which they have to go.
    seats: BTreeMap<Place, CancellationToken>,
    /// Counts what has happened: a later number is a later time.
    clock: u64,
}

/// Who has never sent a request goes before who has; of these, who has waited for longest goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    has_worked: bool,
    since: u64,
}

/// A connection's seat. It is waiting, or at work on a request.
#[derive(Debug, Clone)]
pub(super) struct Seat(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    seats: Seats,
    place: Mutex<Option<Place>>,
    given_up: CancellationToken,
}

impl Seats {
    /// A seat for a new connection, which has sent nothing yet.
    pub(super) fn take(&self) -> Seat {
        let seat = Seat(Arc::new(Inner {
            seats: self.clone(),
            place: Mutex::default(),
            given_up: CancellationToken::new(),
        }));
        seat.0.wait(false);
        seat
    }

    /// Has one of the waiting connections go, if there are any.
    pub(super) fn free_one(&self) {
        if let Some((_, given_up)) = self.lock().seats.pop_first() {
            given_up.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// A request has come; it is being worked on until what is returned is dropped.
    pub(super) fn work(&self) -> Work {
        self.0.stop_waiting();
        Work(self.clone())
    }

    /// Completes when this connection has to go.
    pub(super) async fn given_up(&self) {
        self.0.given_up.cancelled().await;
    }

    /// Whether a request has ever come.
    pub(super) fn has_worked(&self) -> bool {
        self.0.place().is_none_or(|place| place.has_worked)
    }
}

/// A connection's request under way.
#[derive(Debug)]
pub(super) struct Work(Seat);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.0.wait(true);
    }
}

impl Inner {
    fn wait(&self, has_worked: bool) {
        let mut waiting = self.seats.lock();
        waiting.clock += 1;
        let place = Place { has_worked, since: waiting.clock };
        // One that has to go has gone from here for good.
        if !self.given_up.is_cancelled() {
            waiting.seats.insert(place, self.given_up.clone());
        }
        drop(waiting);
        *self.place() = Some(place);
    }

    fn stop_waiting(&self) {
        let place = self.place().take();
        if let Some(place) = place {
            self.seats.lock().seats.remove(&place);
        }
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Option<Place>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop_waiting();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_said_nothing_for_longest_goes_first() {
        let seats = Seats::default();
        let [idle, silent, newer, busy] = [(); 4].map(|()| seats.take());
        let working = busy.work();
        drop(idle.work());
        for next in [&silent, &newer, &idle] {
            assert!(!next.0.given_up.is_cancelled());
            seats.free_one();
            assert!(next.0.given_up.is_cancelled());
        }
        assert!(!silent.has_worked() && idle.has_worked());
        seats.free_one();
        assert!(!busy.0.given_up.is_cancelled(), "it is at work");
        drop(working);
        drop(busy);
        assert!(seats.lock().seats.is_empty());
    }
}
