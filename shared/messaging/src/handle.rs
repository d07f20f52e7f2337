use std::sync::Arc;

use kafka::Unread;
use kernel::SagaKey;
use tokio::sync::{mpsc, oneshot};

use crate::after_commit::relay::Relay;
use crate::cause::Cause;
use crate::failure::Failure;
use crate::record::message::{Local, Message, Origin};
use crate::service::Service;
use crate::tables::bundle::{Bundle, BundleId, Outgoing};
use crate::tables::outbox::Outbox;
use crate::tables::states::Row;
use crate::tasks::Tasks;
use crate::transaction::cache::Cache;

/// What a service's HTTP handlers and timers use to take part in the loop.
pub struct Handle<S: Service> {
    pub(crate) locals: mpsc::Sender<Local<S::Input>>,
    pub(crate) outbox: Outbox,
    pub(crate) relay: Arc<Relay>,
    pub(crate) cache: Arc<Cache<S::State>>,
    pub(crate) tasks: Tasks,
    pub(crate) inputs: Arc<Inputs>,
}

/// What the service reads, and as which consumer group.
pub(crate) struct Inputs {
    pub(crate) brokers: String,
    pub(crate) group: String,
    pub(crate) topics: Vec<String>,
}

impl<S: Service> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self {
            locals: self.locals.clone(),
            outbox: self.outbox.clone(),
            relay: self.relay.clone(),
            cache: self.cache.clone(),
            tasks: self.tasks.clone(),
            inputs: self.inputs.clone(),
        }
    }
}

impl<S: Service> Handle<S> {
    /// Puts a command into the next batch, and returns when that is committed.
    pub async fn submit(
        &self,
        saga: SagaKey,
        name: &'static str,
        input: S::Input,
        cause: Cause,
    ) -> Result<(), Failure> {
        let (done, committed) = oneshot::channel();
        let local = Message { saga, input, cause, name, origin: Origin::Command { done } };
        let stopping = || Failure::Infrastructure("the service is stopping".to_owned());
        self.locals.send(local).await.map_err(|_| stopping())?;
        committed.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// For transactions of the service's own that emit events: draft and append there, and
    /// [`publish`](Self::publish) after the commit.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// After the commit: has the loop publish events that a transaction of the service's own has
    /// appended under this number, and know the rows that it has written.
    pub fn publish(
        &self,
        bundle: BundleId,
        events: Vec<Outgoing>,
        rows: impl Iterator<Item = (SagaKey, Row<S::State>)>,
    ) {
        self.cache.put(rows);
        if !events.is_empty() {
            self.relay.hand(Bundle { id: bundle, events });
        }
    }

    /// Whether publishing has fallen so far behind that no new work should be taken in.
    pub fn is_behind(&self) -> bool {
        self.relay.is_behind()
    }

    /// Which sagas the service's topics hold records of that were written until now and are not
    /// processed yet, by whichever instance. A timer that acts on silence must ask this first: what
    /// was said in time may not have been heard yet.
    pub async fn unread(&self) -> Result<Unread, Failure> {
        let inputs = self.inputs.clone();
        let ask = move || kafka::unread(&inputs.brokers, &inputs.group, &inputs.topics);
        let asked = tokio::task::spawn_blocking(ask).await;
        let asked = asked.map_err(|error| Failure::Infrastructure(error.to_string()))?;
        asked.map_err(|error| Failure::Infrastructure(error.to_string()))
    }

    /// Starts something that runs beside the loop until the service stops. The service stops, too,
    /// and says why, if it ends before.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(name, task);
    }
}
