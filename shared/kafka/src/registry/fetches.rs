use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};

use super::error::RegistryError;

/// How many texts are remembered; a fleet has some tens. When there are more, all are forgotten.
const KNOWN_MAX: usize = 1_000;

type Text = Result<Arc<str>, RegistryError>;
pub(super) type Fetch = BoxFuture<'static, Text>;

/// The texts of schemas by id, each fetched by one at a time.
#[derive(Default)]
pub(super) struct Fetches(Mutex<State>);

#[derive(Default)]
struct State {
    known: HashMap<i32, Arc<str>>,
    /// What is being fetched, as long as somebody waits for it.
    under_way: HashMap<i32, WeakShared<Fetch>>,
}

impl Fetches {
    /// The text, if it is known; else what the fetch brings that is under way, or this new one.
    pub(super) async fn get(&self, id: i32, fetch: Fetch) -> Text {
        let looked = self.state().look(id, fetch);
        let fetched = match looked {
            Ok(known) => return Ok(known),
            Err(under_way) => under_way.await,
        };
        if let Ok(text) = &fetched {
            self.state().learn(id, text.clone());
        }
        fetched
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look(&mut self, id: i32, fetch: Fetch) -> Result<Arc<str>, Shared<Fetch>> {
        if let Some(text) = self.known.get(&id) {
            return Ok(text.clone());
        }
        let under_way = self.under_way.get(&id).and_then(WeakShared::upgrade);
        // One that has its answer is not joined: an error is for those who waited for it.
        if let Some(under_way) = under_way.filter(|fetch| fetch.peek().is_none()) {
            return Err(under_way);
        }
        self.under_way.retain(|_, fetch| fetch.upgrade().is_some());
        let new = fetch.shared();
        self.under_way.extend(new.downgrade().map(|weak| (id, weak)));
        Err(new)
    }

    fn learn(&mut self, id: i32, text: Arc<str>) {
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(id, text);
    }
}
