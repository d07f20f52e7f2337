use std::sync::Arc;

use kernel::OrderId;
use tokio::sync::{mpsc, oneshot};

use crate::message::{Cause, Local, Message, Origin};
use crate::relay::Relay;
use crate::{Bundle, Failure, Outbox, Service};

/// What a service's HTTP handlers and timers use to take part in the loop.
pub struct Handle<S: Service> {
    pub(crate) locals: mpsc::Sender<Local<S::Input>>,
    pub(crate) outbox: Outbox,
    pub(crate) relay: Arc<Relay>,
}

impl<S: Service> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self { locals: self.locals.clone(), outbox: self.outbox.clone(), relay: self.relay.clone() }
    }
}

impl<S: Service> Handle<S> {
    /// Puts a command into the next batch, and returns when that is committed.
    pub async fn submit(
        &self,
        order: OrderId,
        name: &'static str,
        input: S::Input,
        cause: Cause,
    ) -> Result<(), Failure> {
        let (done, committed) = oneshot::channel();
        let local = Message { order, input, cause, name, origin: Origin::Command { done } };
        let stopping = || Failure::Infrastructure("the service is stopping".to_owned());
        self.locals.send(local).await.map_err(|_| stopping())?;
        committed.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// For transactions of the service's own that emit events: draft and append there, and
    /// [`publish`](Self::publish) after the commit.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Hands committed events to the relay.
    pub fn publish(&self, bundle: Bundle) {
        self.relay.hand(bundle);
    }

    /// Whether publishing has fallen so far behind that no new work should be taken in.
    pub fn is_behind(&self) -> bool {
        self.relay.is_behind()
    }
}
