//! Orders all the time, so that there is something to see.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::perform::fill;
use crate::shop::Shop;
use crate::story::{STORIES, Story};

/// The pause between two: what makes about three a second.
const PAUSE: Duration = Duration::from_millis(330);
/// Every so manieth goes another way than most.
const ODD: usize = 10;

/// Orders are placed until this is dropped.
pub(super) struct Orders {
    progress: Arc<Mutex<Progress>>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Progress {
    placed: usize,
    /// Why the last one was not taken.
    trouble: Option<String>,
}

impl Orders {
    pub(super) fn begin(shop: Shop) -> Self {
        let progress = Arc::default();
        let placed = Arc::clone(&progress);
        let task = tokio::spawn(async move {
            // What is on the shelves is enough for an hour; whether they can be filled, the orders tell.
            let (_, ()) = tokio::join!(fill(&shop), place(&shop, &placed));
        });
        Self { progress, _task: AbortOnDropHandle::new(task) }
    }

    /// How it goes; in words why not, if it does not.
    pub(super) fn progress(&self) -> Result<String, String> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match &progress.trouble {
            None => Ok(format!("{} placed", progress.placed)),
            Some(why) => Err(format!("{} placed; the next is not taken: {why}", progress.placed)),
        }
    }
}

async fn place(shop: &Shop, progress: &Mutex<Progress>) {
    let run = format!("demo-{}", Uuid::new_v4().simple());
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let tell = |taken: anyhow::Result<()>| {
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.placed += usize::from(taken.is_ok());
        progress.trouble = taken.err().map(|error| format!("{error:#}"));
    };
    for number in 1.. {
        let request = story(number).request(format!("{run}-{number}"));
        // Again under the same key, as a client is to do that had no answer.
        loop {
            ticks.tick().await;
            let taken = shop.place(&request).await.map(drop);
            let is_taken = taken.is_ok();
            tell(taken);
            if is_taken {
                break;
            }
        }
    }
}

/// How an order is to go: well, but for every tenth.
fn story(number: usize) -> &'static Story {
    let mut others = STORIES.iter().skip(1).filter(|story| story.ends_by_itself()).cycle();
    let other = number.is_multiple_of(ODD).then(|| others.nth(number / ODD - 1));
    other.flatten().unwrap_or(&STORIES[0])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn most_go_well_and_none_needs_a_person() {
        let hundred: Vec<&Story> = (1..=100).map(story).collect();
        let well = hundred.iter().filter(|story| story.title == STORIES[0].title).count();
        assert_eq!(well, 90);
        assert!(hundred.iter().all(|story| story.ends_by_itself()));
        let ends: BTreeSet<&str> = hundred.iter().map(|story| story.end).collect();
        assert!(ends.len() > 3, "{ends:?}");
    }
}
