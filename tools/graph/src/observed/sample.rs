use jiff::Timestamp;
use uuid::Uuid;

/// An event, as compact as it goes: there may be millions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) saga: Uuid,
    pub(super) id: Uuid,
    /// `None` if the cause is no UUID, as that of a request may be.
    pub(super) cause: Option<Uuid>,
    /// The number of what it is, among those that the services declare.
    pub(super) kind: u16,
    pub(super) sequence: u32,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) at: Option<Timestamp>,
}

/// Events of which causes and numbers are looked at: all of a saga or none, and of all sagas as many as
/// there is room for. What is in it does not depend on the order in which they come.
#[derive(Debug)]
pub(super) struct Sample {
    events: Vec<Event>,
    max: usize,
    /// One saga in 2 to the power of this is looked at.
    level: u32,
}

impl Sample {
    /// Of this many events at most.
    pub(super) fn of(max: usize) -> Self {
        Self { events: Vec::new(), max, level: 0 }
    }

    pub(super) fn add(&mut self, event: Event) {
        if !self.holds(event.saga) {
            return;
        }
        self.events.push(event);
        while self.events.len() > self.max {
            self.level += 1;
            if self.level == u64::BITS {
                // One saga alone has more: somebody writes what no service does.
                self.events.clear();
                return;
            }
            let level = self.level;
            self.events.retain(|event| is_in(event.saga, level));
        }
    }

    /// Whether a saga's events are in it.
    fn holds(&self, saga: Uuid) -> bool {
        is_in(saga, self.level)
    }

    /// One saga in how many is looked at.
    pub(super) fn one_in(&self) -> u64 {
        1_u64.checked_shl(self.level).unwrap_or(u64::MAX)
    }

    /// By saga, emitter's topic and number; each id once, for a relay that died may publish again.
    pub(super) fn into_events(self) -> Vec<Event> {
        let mut events = self.events;
        events.sort_by_key(|it| (it.saga, it.kind, it.sequence, it.id, it.offset));
        events.dedup_by_key(|it| (it.saga, it.kind, it.sequence, it.id));
        events
    }
}

fn is_in(saga: Uuid, level: u32) -> bool {
    // The last bits of an id are random, unlike the first, which are a time.
    let (_, random) = saga.as_u64_pair();
    level < u64::BITS && random.trailing_zeros() >= level
}
