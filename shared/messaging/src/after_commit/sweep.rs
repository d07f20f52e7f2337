//! How the relay finds rows in the outbox.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::FutureExt as _;
use sqlx::{AssertSqlSafe, Row as _};

use super::resequencer::Whose;
use crate::database::Session;
use crate::failure::Failure;
use crate::tables::bundle::{Bundle, BundleId};
use crate::tables::instance;
use crate::tables::outbox::{self, Outbox};

/// The most rows of a page, whatever they hold.
const ROWS_MAX: i64 = 2_000;

/// A page of the rows that are an instance's to publish: its own, and those of instances that are
/// gone.
pub(crate) struct Page {
    /// The oldest first.
    pub(crate) bundles: Vec<BundleId>,
    /// The last one of all that were looked at.
    pub(crate) last: Option<BundleId>,
    /// Whether there is no further page.
    pub(crate) is_last: bool,
}

/// The rows after a bundle, up to so many events and what more the last row has. By the primary
/// key, so that all pages together cost no more than the table has rows.
pub(crate) async fn page(
    session: &mut Session,
    instance: i32,
    after: Option<BundleId>,
    older_than: Duration,
    events_max: usize,
) -> Result<Page, Failure> {
    let sql = format!(
        "SELECT bundle_id, cardinality(sequences)::bigint FROM outbox_bundles
         WHERE bundle_id > $1 AND committed_at <= now() - $2 * interval '1 second'
           AND (instance = $3 OR instance NOT IN {})
         ORDER BY bundle_id LIMIT {ROWS_MAX}",
        instance::LIVE
    );
    let after = after.map_or(i64::MIN, |bundle| bundle.0);
    let seconds = older_than.as_secs_f64();
    let rows = session
        .run(|connection| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(after).bind(seconds).bind(instance);
            async move { query.fetch_all(connection).await }.boxed()
        })
        .await?;
    let all = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let (mut bundles, mut events) = (Vec::new(), 0);
    for row in &rows {
        if events >= events_max {
            break;
        }
        bundles.push(BundleId(row.try_get(0)?));
        events += usize::try_from(row.try_get::<i64, _>(1)?).unwrap_or_default();
    }
    let is_last = all < ROWS_MAX && bundles.len() == rows.len();
    Ok(Page { last: bundles.last().copied(), bundles, is_last })
}

/// Which of these rows are there, and whose they are.
pub(crate) async fn whose(
    session: &mut Session,
    instance: i32,
    bundles: &BTreeSet<BundleId>,
) -> Result<BTreeMap<BundleId, Whose>, Failure> {
    let sql = format!(
        "SELECT bundle_id, instance = $1 OR instance NOT IN {} FROM outbox_bundles
         WHERE bundle_id = ANY($2)",
        instance::LIVE
    );
    let bundles: Vec<i64> = bundles.iter().map(|bundle| bundle.0).collect();
    let rows = session
        .run(|connection| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(instance).bind(bundles);
            async move { query.fetch_all(connection).await }.boxed()
        })
        .await?;
    let whose = |ours| if ours { Whose::Ours } else { Whose::Another };
    rows.iter().map(|row| Ok((BundleId(row.try_get(0)?), whose(row.try_get(1)?)))).collect()
}

/// Makes these rows the instance's, unless another has been quicker, and reads them.
pub(crate) async fn take_left(
    session: &mut Session,
    outbox: &Outbox,
    bundles: &[BundleId],
) -> Result<Vec<Bundle>, Failure> {
    let condition = format!("(instance = $1 OR instance NOT IN {})", instance::LIVE);
    take(session, outbox, bundles, &condition).await
}

/// Makes these rows the instance's, whosever they are, and reads them.
pub(crate) async fn take_over(
    session: &mut Session,
    outbox: &Outbox,
    bundles: &[BundleId],
) -> Result<Vec<Bundle>, Failure> {
    take(session, outbox, bundles, "true").await
}

async fn take(
    session: &mut Session,
    outbox: &Outbox,
    bundles: &[BundleId],
    condition: &str,
) -> Result<Vec<Bundle>, Failure> {
    // Rows that are the instance's already are only read.
    let columns = outbox::COLUMNS;
    let sql = format!(
        "WITH taken AS (
           UPDATE outbox_bundles SET instance = $1
           WHERE bundle_id = ANY($2) AND instance <> $1 AND {condition} RETURNING {columns})
         SELECT {columns} FROM taken
         UNION ALL SELECT {columns} FROM outbox_bundles
         WHERE bundle_id = ANY($2) AND instance = $1"
    );
    let (instance, ids) = (outbox.instance(), bundles.iter().map(|bundle| bundle.0).collect());
    let rows = session
        .run(|connection| {
            let ids: Vec<i64> = ids;
            let query = sqlx::query(AssertSqlSafe(sql)).bind(instance).bind(ids);
            async move { query.fetch_all(connection).await }.boxed()
        })
        .await?;
    rows.iter().map(|row| outbox::from_row(outbox.source(), row)).collect()
}
