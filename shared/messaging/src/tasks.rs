use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::failure::panic_text;

/// What runs beside the loop. None of it may end before the service does: what it was there for
/// would go undone, and nobody would notice.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    shutdown: CancellationToken,
    ended: watch::Sender<Option<String>>,
    running: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Tasks {
    /// Tasks that may end once `shutdown` is cancelled.
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self { shutdown, ended: watch::Sender::new(None), running: Arc::default() }
    }

    /// Starts one.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let (shutdown, ended) = (self.shutdown.clone(), self.ended.clone());
        let watched = async move {
            let result = AssertUnwindSafe(task).catch_unwind().await;
            if shutdown.is_cancelled() {
                return;
            }
            let why = match result {
                Ok(()) => "it ended".to_owned(),
                Err(panic) => panic_text(panic.as_ref()),
            };
            let _ = ended.send(Some(format!("{name} is not running any more: {why}")));
        };
        let handle = tokio::spawn(watched).abort_handle();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }

    /// Returns when one has ended that should not have, and says which.
    pub(crate) async fn ended(&self) -> String {
        let mut ended = self.ended.subscribe();
        let why = ended.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        match why {
            Some(why) => why,
            // The sender is here.
            None => std::future::pending().await,
        }
    }

    /// Ends all of them.
    pub(crate) fn abort(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.drain(..).for_each(|task| task.abort());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_is_noticed_unless_the_service_stops() {
        let shutdown = CancellationToken::new();
        let tasks = Tasks::new(shutdown.clone());
        tasks.spawn("the keeper", async { panic!("out of sheep") });
        let why = tasks.ended().await;
        assert_eq!(why, "the keeper is not running any more: it panicked: out of sheep");

        let tasks = Tasks::new(shutdown.clone());
        tasks.spawn("the guard", std::future::pending());
        shutdown.cancel();
        tasks.spawn("the late one", async {});
        tokio::task::yield_now().await;
        assert!(tasks.ended().now_or_never().is_none());
        tasks.abort();
    }
}
