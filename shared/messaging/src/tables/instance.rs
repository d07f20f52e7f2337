//! Which instances of the service are alive, as all of them see it: each holds a lock on its number
//! while it lives.

use std::time::Duration;

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::database::{Database, Purpose, Session};
use crate::failure::Failure;

/// First key of the advisory locks that instances hold ("FARO"); the second is their number.
const LOCK_CLASS: i32 = 0x4641_524F;

/// How often an instance looks whether it holds its lock still. Until it does again, others may
/// publish its rows a second time, which the readers' inboxes drop.
const CHECK: Duration = Duration::from_secs(1);

/// How long the server may take to answer that. It has nothing to do but to answer, so a server
/// that takes longer is away.
const CHECK_LIMIT: Duration = Duration::from_secs(5);

/// SQL for the numbers of the instances of this service that are alive.
pub const LIVE: &str = "(SELECT objid::bigint::integer FROM pg_locks
      WHERE locktype = 'advisory' AND classid = 1178686031 AND objsubid = 2 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

/// The sign of life by which the others tell whose rows have been left behind.
pub(crate) struct SignOfLife {
    number: i32,
    /// The lock lives as long as this one connection.
    session: Session,
}

impl SignOfLife {
    /// Takes a number for this instance and a lock on it.
    pub(crate) async fn take(database: &Database) -> Result<Self, Failure> {
        let mut session = database.session(Purpose::new("sign of life").limited_to(CHECK_LIMIT));
        let number = session
            .run(|connection| {
                sqlx::query_scalar!("SELECT nextval('instance_numbers')::integer AS \"number!\"")
                    .fetch_one(connection)
                    .boxed()
            })
            .await?;
        let mut sign = Self { number, session };
        sign.renew().await?;
        Ok(sign)
    }

    /// This instance's number.
    pub(crate) fn number(&self) -> i32 {
        self.number
    }

    /// Looks again and again whether this instance has its lock, and takes it again if not, until
    /// the end of its `life`. `tell` is told whether Postgres answers.
    pub(crate) async fn keep(
        mut self,
        life: CancellationToken,
        tell: impl Fn(Result<(), &Failure>),
    ) {
        while life.run_until_cancelled(tokio::time::sleep(CHECK)).await.is_some() {
            match self.renew().await {
                Ok(true) => tell(Ok(())),
                Ok(false) => {
                    tell(Ok(()));
                    warn!(
                        number = self.number,
                        "this instance's sign of life is taken, as a rule by a connection of its \
                         own that the server has not given up yet; until it has, others may \
                         publish its events a second time"
                    );
                    self.session.close();
                }
                Err(failure) => {
                    warn!(
                        error = %failure, number = self.number,
                        "cannot renew this instance's sign of life; others may publish its events \
                         a second time meanwhile"
                    );
                    tell(Err(&failure));
                }
            }
        }
    }

    /// Whether this connection has the lock, which it takes if it is free.
    async fn renew(&mut self) -> Result<bool, Failure> {
        let number = self.number;
        self.session
            .run(|connection| {
                // A session may take a lock many times over; it is gone with the connection.
                sqlx::query_scalar!(
                    "SELECT CASE WHEN EXISTS (SELECT FROM pg_locks
                         WHERE locktype = 'advisory' AND classid = $1::integer::oid
                           AND objid = $2::integer::oid AND objsubid = 2
                           AND granted AND pid = pg_backend_pid())
                       THEN true ELSE pg_try_advisory_lock($1, $2) END AS \"held!\"",
                    LOCK_CLASS,
                    number
                )
                .fetch_one(connection)
                .boxed()
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_names_the_lock_class() {
        assert!(LIVE.contains(&format!("classid = {LOCK_CLASS} ")));
    }
}
