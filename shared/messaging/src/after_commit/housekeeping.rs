use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use crate::database::{Database, Purpose, Session};

/// The connection that those share who have something to do now and then: for one statement at a
/// time, each of which is limited.
#[derive(Debug, Clone)]
pub(crate) struct Housekeeping(Arc<Mutex<Session>>);

impl Housekeeping {
    pub(crate) fn new(database: &Database) -> Self {
        Self(Arc::new(Mutex::new(database.session(Purpose::new("housekeeping")))))
    }

    /// The connection, as soon as the others are done with it.
    pub(crate) async fn session(&self) -> MutexGuard<'_, Session> {
        self.0.lock().await
    }
}
