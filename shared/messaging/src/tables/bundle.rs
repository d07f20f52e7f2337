use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contracts::Envelope;

use crate::never::never;

/// A transaction's number: the instance's in the upper half, then its own. An instance's grow with
/// time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BundleId(pub i64);

/// An event that is to be published.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Its headers.
    pub envelope: Envelope,
    /// Its framed bytes.
    pub payload: Vec<u8>,
    /// The bundle with the saga's event before this one, if that is another.
    pub(crate) follows: Option<BundleId>,
}

/// The events of one transaction, as they are in the outbox: one row.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) id: BundleId,
    pub(crate) events: Vec<Outgoing>,
}

/// An event that is in the outbox.
#[derive(Debug)]
pub(crate) struct Bundled {
    pub(crate) event: Outgoing,
    row: Arc<BundleRow>,
}

#[derive(Debug)]
struct BundleRow {
    id: BundleId,
    unpublished: AtomicUsize,
}

impl Bundle {
    /// The events one by one, each of which knows its row.
    pub(crate) fn into_events(self) -> impl Iterator<Item = Bundled> {
        let unpublished = AtomicUsize::new(self.events.len());
        let row = Arc::new(BundleRow { id: self.id, unpublished });
        self.events.into_iter().map(move |event| Bundled { event, row: row.clone() })
    }
}

impl Bundled {
    pub(crate) fn bundle(&self) -> BundleId {
        self.row.id
    }

    /// Takes note that the event is in the log. Returns the row's id if all of its events are, and
    /// it may go.
    pub(crate) fn published(&self) -> Option<BundleId> {
        let left = self.row.unpublished.fetch_sub(1, Ordering::Relaxed);
        if left == 0 {
            never("a row was to be deleted with events that are not in the log");
        }
        (left == 1).then_some(self.row.id)
    }
}
