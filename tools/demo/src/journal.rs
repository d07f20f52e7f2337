//! All events of the fleet from now on, by order.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use cli::OrderId;
use kafka::{EventReader, ReadEvent, ReadFrom, Registry};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::endpoints::Endpoints;

const OPEN_LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_secs(1);

type Events = HashMap<OrderId, Vec<ReadEvent>>;

/// What was read so far. Reading goes on in the background until the last clone is gone.
#[derive(Clone)]
pub(crate) struct Journal(watch::Receiver<Events>);

impl Journal {
    pub(crate) async fn open(at: &Endpoints) -> anyhow::Result<Self> {
        let registry = Registry::new(&at.schema_registry_url.parse()?)?;
        let open = cli::reader::open(&at.kafka_brokers, registry, &at.topic_prefix, ReadFrom::Now);
        let reader = timeout(OPEN_LIMIT, open)
            .await
            .context("Kafka does not say what the topics hold")?
            .context("cannot read the events (KAFKA_BROKERS and SCHEMA_REGISTRY_URL say where)")?;
        let (sender, events) = watch::channel(Events::new());
        tokio::spawn(read(reader, sender));
        Ok(Self(events))
    }

    /// The events of an order, as they came.
    pub(crate) fn of(&self, order: OrderId) -> Vec<ReadEvent> {
        self.0.borrow().get(&order).cloned().unwrap_or_default()
    }

    /// Waits until an order's events are what `wanted` wants; false when that takes longer than
    /// `limit`.
    pub(crate) async fn until(
        &self,
        order: OrderId,
        limit: Duration,
        wanted: impl Fn(&[ReadEvent]) -> bool,
    ) -> bool {
        let mut events = self.0.clone();
        let wanted = |all: &Events| wanted(all.get(&order).map_or(&[], Vec::as_slice));
        matches!(timeout(limit, events.wait_for(wanted)).await, Ok(Ok(_)))
    }
}

async fn read(mut reader: EventReader, sender: watch::Sender<Events>) {
    while !sender.is_closed() {
        match reader.next(PAUSE).await {
            Ok(Some(record)) => {
                let Ok(event) = record.event else { continue };
                sender.send_modify(|all| all.entry(event.envelope.saga).or_default().push(event));
            }
            Ok(None) => {}
            // What is missing because of this is reported where it is missed.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
