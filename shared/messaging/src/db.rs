use std::ops::Deref;

use deadpool_postgres::{Client, ClientWrapper};
use futures::FutureExt as _;

use crate::Failure;

/// A transaction. What is done by it happens at its [commit](Db::commit), or not at all.
///
/// Statements that don't need each other's results may be awaited together; they are then on their
/// way together, in the order in which they are polled first.
pub struct Db<'c> {
    client: &'c Client,
    over: bool,
}

impl<'c> Db<'c> {
    /// A transaction that is not open yet: the first statement must be [`Db::open`].
    pub fn new(client: &'c Client) -> Self {
        Self { client, over: false }
    }

    /// A transaction that is open.
    pub async fn begin(client: &'c Client) -> Result<Self, Failure> {
        let db = Self::new(client);
        db.open().await?;
        Ok(db)
    }

    /// Opens the transaction. To be awaited together with its first statements, and polled before
    /// them, which saves waiting for this alone.
    pub async fn open(&self) -> Result<(), Failure> {
        Ok(self.client.batch_execute("BEGIN").await?)
    }

    /// Makes all of it happen. All statements must have succeeded: Postgres takes this for a
    /// rollback otherwise, without saying so. On an error it may have happened or not.
    pub async fn commit(mut self) -> Result<(), Failure> {
        self.client.batch_execute("COMMIT").await?;
        self.over = true;
        Ok(())
    }
}

impl Deref for Db<'_> {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        self.client
    }
}

impl Drop for Db<'_> {
    fn drop(&mut self) {
        if !self.over {
            // Polled once, it is on its way, before whatever the connection is used for next.
            let _ = self.client.batch_execute("ROLLBACK").now_or_never();
        }
    }
}
