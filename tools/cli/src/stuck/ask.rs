use sqlx::FromRow;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use crate::unreadable::Unreadable;

/// All rows of a service's database that are about these orders, which are the query's parameter.
pub(super) async fn ask<R: for<'r> FromRow<'r, PgRow> + Send + Unpin>(
    service: &str,
    database: &mut PgConnection,
    query: &'static str,
    orders: &[Uuid],
) -> Result<Vec<R>, Unreadable> {
    let rows = sqlx::query_as(query).bind(orders).fetch_all(database).await;
    rows.map_err(Unreadable::of(service))
}
