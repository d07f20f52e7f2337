//! What the read model tells of all orders: counts, rates, and what is usual.

use std::sync::Arc;
use std::time::{Duration, Instant};

use projection::{Board, Store};
use tokio::sync::{Mutex, watch};

/// So long it is not asked again whether another generation has taken the place of the one that is shown.
const SURE_FOR: Duration = Duration::from_secs(1);

/// The read model, wherever its newest generation is.
pub(crate) struct Model {
    /// The console's own database; `None` if it has none.
    url: Option<String>,
    /// With when it was made sure that this is the one to show.
    store: Mutex<Option<(Instant, Arc<Store>)>>,
    trouble: watch::Receiver<Option<String>>,
}

/// Why there is nothing to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is no database for it.
    NotWanted,
    /// It cannot be had.
    Trouble(String),
}

impl Missing {
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::NotWanted => "Orders are counted and listed only with a database for it: set \
                                CONSOLE_DATABASE_URL to an empty one, and start the console again."
                .to_owned(),
            Self::Trouble(why) => format!("Orders cannot be counted and listed: {why}."),
        }
    }
}

impl Model {
    pub(crate) fn new(url: Option<String>, trouble: watch::Receiver<Option<String>>) -> Self {
        Self { url, store: Mutex::new(None), trouble }
    }

    /// Whether there is a database for it.
    pub(crate) fn is_wanted(&self) -> bool {
        self.url.is_some()
    }

    /// The newest generation.
    pub(crate) async fn store(&self) -> Result<Arc<Store>, Missing> {
        let Some(url) = &self.url else { return Err(Missing::NotWanted) };
        let mut known = self.store.lock().await;
        if let Some((sure, store)) = &mut *known {
            if sure.elapsed() < SURE_FOR {
                return Ok(store.clone());
            }
            if store.is_shown().await.unwrap_or(false) {
                *sure = Instant::now();
                return Ok(store.clone());
            }
        }
        *known = None;
        match Store::open(url).await {
            Ok(Some(store)) => Ok(known.insert((Instant::now(), Arc::new(store))).1.clone()),
            Ok(None) => {
                let why = self.trouble.borrow().clone();
                let why = why.unwrap_or_else(|| "the topics are about to be read".to_owned());
                Err(Missing::Trouble(why))
            }
            Err(error) => Err(Missing::Trouble(error.to_string())),
        }
    }

    /// Looks at all of it that most pages show.
    pub(crate) async fn look(&self) -> Result<Board, Missing> {
        let store = self.store().await?;
        Board::look(&store).await.map_err(|error| Missing::Trouble(error.to_string()))
    }
}
