//! Decides which call to the outside goes next.
//!
//! Calls stand in lanes, one for each step and destination, so that one that does not answer keeps
//! nobody else waiting:
//!
//! - A lane has at most half of the slots that the other lanes leave free. So it takes many that hang
//!   to take all of them: seven for 64 slots.
//! - First tries go before repetitions.
//! - A lane has a circuit breaker. While that is open, nothing of the lane goes but a probe, which
//!   is a call that somebody waits for: a first try and a repetition in turns, for either may be of
//!   the kind that is never answered.
//! - Calls that nobody waits for any more, for their sagas have ended, stand in a lane of their own
//!   with a few slots, and say nothing about whether the destination answers.
//! - A lane holds so many calls; the others stay in the table.
//!
//! Pure, so that the model checker runs what production runs: the clock is given.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::breaker::Breaker;

/// The most calls that wait in a lane.
const WAITING_MAX: usize = 2_000;
/// The most while its circuit is open: those that follow the probe.
const WAITING_BEHIND_CIRCUIT: usize = 64;
/// The most lanes. What comes to more destinations shares one lane per step.
const LANES_MAX: usize = 64;
/// The share of the slots that calls have which nobody waits for: one in so many, and one at least.
const ABANDONED_SHARE: usize = 16;

/// What a call stands in line with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// The step, such as `charge`.
    pub step: &'static str,
    /// Who answers.
    pub destination: String,
    /// Nobody waits for these calls.
    pub abandoned: bool,
}

/// Calls that wait and calls that are made, by their keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dispatcher<K> {
    slots: usize,
    running: usize,
    lanes: BTreeMap<Lane, Queue<K>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Queue<K> {
    first_tries: VecDeque<K>,
    repetitions: VecDeque<K>,
    running: usize,
    breaker: Breaker,
    /// The next probe is a repetition, if one waits.
    probes_again: bool,
}

impl<K> Queue<K> {
    fn new() -> Self {
        Self {
            first_tries: VecDeque::new(),
            repetitions: VecDeque::new(),
            running: 0,
            breaker: Breaker::new(),
            probes_again: false,
        }
    }

    fn waiting(&self) -> usize {
        self.first_tries.len() + self.repetitions.len()
    }

    /// Takes out the call that goes next.
    fn pop(&mut self) -> Option<K> {
        let repetition = !self.breaker.is_closed() && self.probes_again;
        self.probes_again = !repetition;
        let (first, second) = if repetition {
            (&mut self.repetitions, &mut self.first_tries)
        } else {
            (&mut self.first_tries, &mut self.repetitions)
        };
        first.pop_front().or_else(|| second.pop_front())
    }
}

impl<K> Dispatcher<K> {
    /// With so many calls at once, in all.
    pub fn new(slots: usize) -> Self {
        Self { slots: slots.max(1), running: 0, lanes: BTreeMap::new() }
    }

    /// The lane for a call; when there are too many destinations, one that they share.
    pub fn lane(&mut self, lane: Lane) -> Lane {
        if self.lanes.len() >= LANES_MAX {
            let idle = |queue: &Queue<K>| queue.running + queue.waiting() == 0;
            self.lanes.retain(|_, queue| !idle(queue) || !queue.breaker.is_closed());
        }
        if self.lanes.len() < LANES_MAX || self.lanes.contains_key(&lane) {
            return lane;
        }
        Lane { destination: "others".to_owned(), ..lane }
    }

    /// Has a call wait in its lane. Gives it back if the lane is full.
    pub fn wait(&mut self, lane: &Lane, key: K, tried_before: bool) -> Result<(), K> {
        let queue = self.lanes.entry(lane.clone()).or_insert_with(Queue::new);
        let max = if queue.breaker.is_closed() { WAITING_MAX } else { WAITING_BEHIND_CIRCUIT };
        if queue.waiting() >= max {
            return Err(key);
        }
        let waiting = if tried_before { &mut queue.repetitions } else { &mut queue.first_tries };
        waiting.push_back(key);
        Ok(())
    }

    /// Takes a call out of its lane that is not to be made any more.
    pub fn forget(&mut self, lane: &Lane, key: &K)
    where
        K: PartialEq,
    {
        if let Some(queue) = self.lanes.get_mut(lane) {
            queue.first_tries.retain(|waiting| waiting != key);
            queue.repetitions.retain(|waiting| waiting != key);
        }
    }

    /// Takes out a call that is to be made now, if there is one: of the lane that has the fewest
    /// under way.
    pub fn next(&mut self, now: Duration) -> Option<(Lane, K)> {
        let (slots, running) = (self.slots, self.running);
        if running >= slots {
            return None;
        }
        let may_go = |lane: &Lane, queue: &Queue<K>| {
            let others = running - queue.running;
            let share = if lane.abandoned {
                (slots / ABANDONED_SHARE).max(1)
            } else {
                (slots - others).div_ceil(2)
            };
            queue.waiting() > 0
                && queue.running < share
                && (lane.abandoned || queue.breaker.may_go(now))
        };
        let lanes = self.lanes.iter_mut().filter(|(lane, queue)| may_go(lane, queue));
        let (lane, queue) = lanes.min_by_key(|(lane, queue)| (lane.abandoned, queue.running))?;
        let key = queue.pop()?;
        queue.running += 1;
        if !lane.abandoned {
            queue.breaker.goes(now);
        }
        self.running += 1;
        Some((lane.clone(), key))
    }

    /// Takes note of a call's end. What repetitions come to says more about themselves than about
    /// the destination: only an outcome that is known counts then.
    pub fn ended(&mut self, lane: &Lane, known: bool, tried_before: bool, now: Duration) {
        self.running = self.running.saturating_sub(1);
        let Some(queue) = self.lanes.get_mut(lane) else { return };
        queue.running = queue.running.saturating_sub(1);
        if !lane.abandoned && (known || !tried_before || !queue.breaker.is_closed()) {
            queue.breaker.record(known, now);
        }
        if queue.running == 0 && queue.waiting() == 0 && queue.breaker.is_idle(now) {
            self.lanes.remove(lane);
        }
    }

    /// When a call may go that may not now, if no other ends before that: when a circuit lets a
    /// probe through.
    pub fn next_probe(&self) -> Option<Duration> {
        let lanes =
            self.lanes.iter().filter(|(lane, queue)| !lane.abandoned && queue.waiting() > 0);
        lanes.filter_map(|(_, queue)| queue.breaker.blocked_until()).min()
    }

    /// The state of each lane's circuit: `closed`, `half-open` or `open`.
    pub fn circuits(&self) -> impl Iterator<Item = (&Lane, &'static str)> {
        let living = self.lanes.iter().filter(|(lane, _)| !lane.abandoned);
        living.map(|(lane, queue)| (lane, queue.breaker.state()))
    }

    /// How many calls are under way.
    pub fn running(&self) -> usize {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn lane(destination: &str) -> Lane {
        Lane { step: "charge", destination: destination.to_owned(), abandoned: false }
    }

    fn started(dispatcher: &mut Dispatcher<u32>) -> Vec<(String, u32)> {
        std::iter::from_fn(|| dispatcher.next(NOW))
            .map(|(lane, key)| (lane.destination, key))
            .collect()
    }

    #[test]
    fn a_lane_that_hangs_leaves_half_of_the_slots_to_the_others() {
        let mut dispatcher = Dispatcher::new(8);
        (0..20).for_each(|key| dispatcher.wait(&lane("hangs"), key, false).unwrap());
        assert_eq!(started(&mut dispatcher).len(), 4);
        (20..40).for_each(|key| dispatcher.wait(&lane("hangs, too"), key, false).unwrap());
        assert_eq!(started(&mut dispatcher).len(), 2, "half of what is left");
        dispatcher.wait(&lane("answers"), 99, false).unwrap();
        assert_eq!(started(&mut dispatcher), [("answers".to_owned(), 99)]);
    }

    #[test]
    fn it_takes_seven_lanes_that_hang_to_take_64_slots() {
        let mut dispatcher = Dispatcher::new(64);
        let mut hang = |destination: &str| {
            (0..64).for_each(|key| dispatcher.wait(&lane(destination), key, false).unwrap());
            started(&mut dispatcher).len()
        };
        let taken = ["a", "b", "c", "d", "e", "f", "g", "h"].map(&mut hang);
        assert_eq!(taken, [32, 16, 8, 4, 2, 1, 1, 0]);
    }

    #[test]
    fn first_tries_go_before_repetitions() {
        let mut dispatcher = Dispatcher::new(2);
        dispatcher.wait(&lane("a"), 1, true).unwrap();
        dispatcher.wait(&lane("a"), 2, false).unwrap();
        assert_eq!(started(&mut dispatcher), [("a".to_owned(), 2)]);
        dispatcher.ended(&lane("a"), true, false, NOW);
        assert_eq!(started(&mut dispatcher), [("a".to_owned(), 1)]);
    }

    #[test]
    fn what_is_forgotten_is_not_made() {
        let mut dispatcher = Dispatcher::new(8);
        for (key, tried_before) in [(1, false), (2, true), (3, false)] {
            dispatcher.wait(&lane("a"), key, tried_before).unwrap();
        }
        dispatcher.forget(&lane("a"), &1);
        dispatcher.forget(&lane("a"), &2);
        dispatcher.forget(&lane("b"), &3);
        assert_eq!(started(&mut dispatcher), [("a".to_owned(), 3)]);
    }

    #[test]
    fn what_nobody_waits_for_has_few_slots_and_goes_last() {
        let mut dispatcher = Dispatcher::new(32);
        let abandoned = Lane { abandoned: true, ..lane("a") };
        (0..20).for_each(|key| dispatcher.wait(&abandoned, key, true).unwrap());
        dispatcher.wait(&lane("a"), 99, false).unwrap();
        let started = started(&mut dispatcher);
        assert_eq!(started[0].1, 99);
        assert_eq!(started.len(), 1 + 32 / ABANDONED_SHARE);
    }

    #[test]
    fn an_open_circuit_holds_up_its_own_lane_and_few_wait_there() {
        let mut dispatcher = Dispatcher::new(64);
        for key in 0..20 {
            dispatcher.wait(&lane("down"), key, false).unwrap();
            dispatcher.next(NOW).unwrap();
            dispatcher.ended(&lane("down"), false, false, NOW);
        }
        for _ in 0..WAITING_BEHIND_CIRCUIT {
            dispatcher.wait(&lane("down"), 1, false).unwrap();
        }
        assert_eq!(dispatcher.wait(&lane("down"), 7, false), Err(7), "it stays in the table");
        assert_eq!(started(&mut dispatcher), []);
        let probe_at = dispatcher.next_probe().unwrap();
        assert!(dispatcher.next(probe_at).is_some(), "one call probes");
        assert!(dispatcher.next(probe_at).is_none(), "the others wait for it");
        dispatcher.wait(&lane("up"), 99, false).unwrap();
        assert_eq!(dispatcher.next(NOW).unwrap().1, 99);
    }

    #[test]
    fn first_tries_and_repetitions_probe_in_turns() {
        let mut dispatcher = Dispatcher::new(64);
        for _ in 0..20 {
            dispatcher.wait(&lane("down"), 0, false).unwrap();
            dispatcher.next(NOW).unwrap();
            dispatcher.ended(&lane("down"), false, false, NOW);
        }
        for key in 0..2 {
            dispatcher.wait(&lane("down"), key, false).unwrap();
            dispatcher.wait(&lane("down"), 10 + key, true).unwrap();
        }
        let mut probe = || {
            let at = dispatcher.next_probe().unwrap();
            let (lane, key) = dispatcher.next(at).unwrap();
            dispatcher.ended(&lane, false, key >= 10, at);
            key
        };
        let probed: Vec<u32> = std::iter::repeat_with(&mut probe).take(4).collect();
        let repeated = |key: &u32| *key >= 10;
        assert_eq!(probed.iter().filter(|key| repeated(key)).count(), 2);
        assert!(probed.windows(2).all(|two| repeated(&two[0]) != repeated(&two[1])), "{probed:?}");
    }

    #[test]
    fn too_many_destinations_share_a_lane() {
        let mut dispatcher = Dispatcher::new(1);
        for number in 0..2 * LANES_MAX {
            let lane = dispatcher.lane(lane(&number.to_string()));
            dispatcher.wait(&lane, 1, false).unwrap();
        }
        assert!(dispatcher.lanes.len() <= LANES_MAX + 1);
    }
}
