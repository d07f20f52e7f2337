use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use contracts::headers;
use kafka::{AdminError, Followed, ReadFrom, Scanned, follow};
use uuid::Uuid;

use crate::ledger::{End, Ledger};

/// Watches the order service's topic and enters each order's end into the ledger, until dropped.
pub(crate) struct Follower {
    stop: Arc<AtomicBool>,
}

impl Follower {
    /// Returns when nothing that happens from now on is missed.
    pub(crate) async fn start(
        brokers: String,
        topic: String,
        ledger: Arc<Ledger>,
    ) -> Result<Self, AdminError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let stopped = stop.clone();
        let following = tokio::task::spawn_blocking(move || {
            let begun = || {
                let _ = ready.send(());
            };
            follow(&brokers, &topic, ReadFrom::Now, &stopped, begun, |followed| {
                if let Followed::Record(record) = followed
                    && let Some((order, end)) = end_of(&record)
                {
                    ledger.ended(order, end, Instant::now());
                }
            })
        });
        tokio::select! {
            _ = is_ready => Ok(Self { stop }),
            ended = following => match ended {
                Ok(Err(error)) => Err(error),
                _ => Ok(Self { stop }),
            },
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn end_of(record: &Scanned<'_>) -> Option<(Uuid, End)> {
    let end = match record.header(headers::TYPE)? {
        b"OrderCompleted" => End::Completed,
        b"OrderCancelled" => End::Cancelled,
        _ => return None,
    };
    Some((Uuid::try_parse_ascii(record.key?).ok()?, end))
}
