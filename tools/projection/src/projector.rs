//! Reads the topics, and writes what follows.

mod batch;
mod keeper;

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::Topics;
use kafka::{AdminError, PayloadError, Registry, RegistryError};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use self::keeper::Keeper;
use crate::store::{Error, kept_up};

/// How often it is looked which generations there are.
const LOOK: Duration = Duration::from_secs(2);

/// Where a projector reads, and what it writes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The brokers.
    pub brokers: String,
    /// The registry, for what events say.
    pub registry: Registry,
    /// What the topics are called.
    pub topics: Topics,
    /// The console's database.
    pub database_url: String,
    /// For how long orders are kept, by days. Those that are open are kept on.
    pub retention: Duration,
}

/// Why nothing is read at the moment. It is tried again.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Kafka(#[from] AdminError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Database(#[from] Error),
    #[error("{0}")]
    BrokenOff(String),
}

impl From<PayloadError> for Trouble {
    fn from(error: PayloadError) -> Self {
        match error {
            PayloadError::Registry(error) => Self::Registry(error),
            PayloadError::Garbage(why) => Self::BrokenOff(why),
        }
    }
}

/// Keeps the read model up: the generation that is shown, and one that is made anew beside it. Of several
/// projectors on a database, one writes, and another takes over when that ends.
pub struct Projector {
    settings: Settings,
    trouble: watch::Sender<Option<String>>,
}

impl Projector {
    /// With these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings, trouble: watch::Sender::default() }
    }

    /// Why the database cannot be written, as it goes. What keeps the topics from being read stands in the
    /// database: [`Reading`](crate::Reading).
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    /// Has a generation made anew from the topics, which takes the place of the one that is shown once it has
    /// come to where they end.
    pub async fn rebuild(&self) -> Result<(), Error> {
        crate::store::rebuild(&self.settings.database_url).await
    }

    /// Projects until it is told to stop. What is away is waited for.
    pub async fn run(self, stop: CancellationToken) {
        let mut keepers: BTreeMap<i32, JoinHandle<()>> = BTreeMap::new();
        while !stop.is_cancelled() {
            keepers.retain(|_, keeper| !keeper.is_finished());
            match kept_up(&self.settings.database_url).await {
                Ok(generations) => {
                    self.trouble.send_replace(None);
                    for generation in generations {
                        keepers.entry(generation.number).or_insert_with(|| {
                            let keeper =
                                Keeper::new(self.settings.clone(), generation.number, stop.clone());
                            // The Kafka client blocks.
                            let runtime = Handle::current();
                            spawn_blocking(move || keeper.keep(&runtime))
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the read model cannot be kept up");
                    self.trouble.send_replace(Some(error.to_string()));
                }
            }
            let _ = tokio::time::timeout(LOOK, stop.cancelled()).await;
        }
        for (_, keeper) in keepers {
            let _ = keeper.await;
        }
    }
}
