//! Notices that a topic is another one than before: it was deleted and made anew, a disk was lost, or
//! the cluster is another one. Offsets begin again then, and what the old topic held is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::after_commit::housekeeping::Housekeeping;
use crate::failure::Failure;
use crate::instruments::TOPICS_MADE_ANEW;
use crate::service::Monitor;
use crate::tables::statement::Write;

/// How often it is written down where the topics end.
const EVERY: Duration = Duration::from_secs(10);

/// Where the topics' partitions end, as far as this instance knows: an end never goes back while a
/// topic is the same.
#[derive(Debug, Default)]
pub(crate) struct Ends(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By topic and partition.
    known: HashMap<(String, i32), i64>,
    /// Which have moved since they were written down.
    moved: HashMap<(String, i32), i64>,
}

impl Ends {
    /// Takes note of an end. Says where it was if it has gone back.
    pub(crate) fn note(&self, topic: &str, partition: i32, end: i64) -> Option<i64> {
        let mut state = self.lock();
        let place = (topic.to_owned(), partition);
        let before = state.known.insert(place.clone(), end);
        if before != Some(end) {
            state.moved.insert(place, end);
        }
        before.filter(|before| end < *before)
    }

    /// What was written down in an earlier life of this service. What is known better stays; returns
    /// where that is less: the place, where it ended and where it ends.
    fn remember(
        &self,
        written: impl Iterator<Item = ((String, i32), i64)>,
    ) -> Vec<((String, i32), i64, i64)> {
        let mut state = self.lock();
        let mut gone_back = Vec::new();
        for (place, before) in written {
            let end = *state.known.entry(place.clone()).or_insert(before);
            if end < before {
                gone_back.push((place, before, end));
            }
        }
        gone_back
    }

    /// Writes down those that have moved.
    pub(crate) async fn write_down(&self, database: &Housekeeping) -> Result<(), Failure> {
        let moved = self.lock().moved.clone();
        write(database, &moved).await?;
        self.lock().moved.retain(|place, end| moved.get(place) != Some(end));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what was written down, and keeps it up to date until `shutdown`.
pub(crate) async fn watch(
    ends: Arc<Ends>,
    database: Housekeeping,
    monitor: Arc<dyn Monitor>,
    shutdown: CancellationToken,
) {
    let mut is_read = false;
    loop {
        let done = async {
            if !is_read {
                for ((topic, partition), before, end) in
                    ends.remember(written(&database).await?.into_iter())
                {
                    tell_anew(&topic, partition, before, end, &*monitor);
                }
                is_read = true;
            }
            ends.write_down(&database).await
        };
        if let Err(failure) = done.await {
            warn!(error = %failure, "cannot write down where the topics end, trying again");
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}

/// Tells that a topic's end has gone back.
pub(crate) fn tell_anew(topic: &str, partition: i32, before: i64, end: i64, monitor: &dyn Monitor) {
    TOPICS_MADE_ANEW.of([topic]).increment(1);
    error!(
        topic,
        partition,
        before,
        end,
        "the topic is another one than before: it has been made anew, Kafka has lost a disk, or the \
         cluster is another one; what it held is gone, and it is read from its beginning"
    );
    let told = format!(
        "{topic} is another topic than before: partition {partition} ended at {before} and ends at \
         {end} now"
    );
    monitor.detail("topics", Some(&told));
}

async fn written(database: &Housekeeping) -> Result<Vec<((String, i32), i64)>, Failure> {
    let rows = database
        .session()
        .await
        .run(|connection| {
            sqlx::query!("SELECT topic, partition, log_end FROM topic_ends")
                .fetch_all(connection)
                .boxed()
        })
        .await?;
    Ok(rows.into_iter().map(|row| ((row.topic, row.partition), row.log_end)).collect())
}

async fn write(
    database: &Housekeeping,
    moved: &HashMap<(String, i32), i64>,
) -> Result<(), Failure> {
    if moved.is_empty() {
        return Ok(());
    }
    let mut write = Write::default();
    let (mut topics, mut partitions, mut log_ends) = (Vec::new(), Vec::new(), Vec::new());
    for ((topic, partition), end) in moved {
        topics.push(topic.as_str());
        partitions.push(*partition);
        log_ends.push(*end);
    }
    let (topics, partitions) = (write.bind(topics)?, write.bind(partitions)?);
    let log_ends = write.bind(log_ends)?;
    write.part(&format!(
        "INSERT INTO topic_ends (topic, partition, log_end)
         SELECT unnest({topics}), unnest({partitions}), unnest({log_ends})
         ON CONFLICT (topic, partition) DO UPDATE SET log_end = excluded.log_end"
    ));
    write.run(&mut *database.session().await).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_goes_back_is_another_topics() {
        let ends = Ends::default();
        let place = |partition| ("t".to_owned(), partition);
        assert_eq!(ends.note("t", 2, 4), None, "before what was written is known");
        let gone_back = ends.remember([(place(0), 9), (place(2), 7)].into_iter());
        assert_eq!(gone_back, [(place(2), 7, 4)]);
        assert_eq!(ends.note("t", 0, 9), None);
        assert_eq!(ends.note("t", 0, 12), None);
        assert_eq!(ends.note("t", 1, 3), None, "not known before");
        assert_eq!(ends.note("t", 0, 2), Some(12));
        assert_eq!(ends.note("t", 0, 3), None, "told once");
        assert_eq!(ends.lock().moved.len(), 3);
    }
}
