use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::after_commit::housekeeping::Housekeeping;
use crate::tables::inbox;

/// How often inbox partitions are made and dropped.
const EVERY: Duration = Duration::from_hours(1);

/// Keeps inbox partitions ahead of time and drops those that are past their retention.
pub(crate) async fn upkeep(
    database: Housekeeping,
    retention: Duration,
    shutdown: CancellationToken,
) {
    while shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let mut session = database.session().await;
        let done = async {
            inbox::prepare(&mut session).await?;
            inbox::forget(&mut session, retention).await
        };
        match done.await {
            Ok(0) => {}
            Ok(partitions) => info!(partitions, "inbox partitions past their retention dropped"),
            Err(failure) => warn!(error = %failure, "inbox upkeep failed, trying again in an hour"),
        }
    }
}
