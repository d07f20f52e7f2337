//! Numbers that are missing in orders' streams of events.

use contracts::operations::Number;
use futures::FutureExt as _;
use kernel::OrderId;
use uuid::Uuid;

use super::statement::{Columns, Read, Write};
use crate::database::Session;
use crate::failure::Failure;

/// A number in an order's stream of events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Numbered {
    pub(crate) order: OrderId,
    pub(crate) source: String,
    pub(crate) sequence: u32,
    pub(crate) partition: i32,
}

/// Has numbers written down that are missing.
pub(crate) fn notice(missing: &[Numbered], write: &mut Write) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    let [orders, sources, sequences] = columns(missing, write)?;
    let partitions = missing.iter().map(|one| one.partition).collect::<Vec<i32>>();
    let partitions = write.bind(partitions)?;
    write.part(&format!(
        "INSERT INTO gaps (order_id, source, sequence, partition)
         SELECT unnest({orders}), unnest({sources}), unnest({sequences}), unnest({partitions})
         ON CONFLICT DO NOTHING"
    ));
    Ok(())
}

/// Has numbers struck out: they have come, or are none of this service's business.
pub(crate) fn close(come: &[Numbered], write: &mut Write) -> Result<(), Failure> {
    if come.is_empty() {
        return Ok(());
    }
    let [orders, sources, sequences] = columns(come, write)?;
    write.part(&format!(
        "DELETE FROM gaps WHERE (order_id, source, sequence) IN (
           SELECT unnest({orders}), unnest({sources}), unnest({sequences}))"
    ));
    Ok(())
}

/// Notes that an event stays missing, and takes it for acknowledged if it is known to be missing.
pub(crate) async fn acknowledge(
    session: &mut Session,
    Number { order_id, source, sequence }: &Number,
) -> Result<(), Failure> {
    session
        .run(|connection| {
            sqlx::query!(
                "WITH noted AS (INSERT INTO acknowledged VALUES ($1, $2, $3) ON CONFLICT DO NOTHING)
                 UPDATE gaps SET verdict = 'acknowledged'
                 WHERE order_id = $1 AND source = $2 AND sequence = $3
                   AND verdict IN ('lost', 'dead')",
                order_id.0,
                source,
                sequence
            )
            .execute(connection)
            .boxed()
        })
        .await?;
    Ok(())
}

/// Notes that an event is missed after all: a discard was taken back. What has become of it is looked
/// for again.
pub(crate) async fn miss(
    session: &mut Session,
    Number { order_id, source, sequence }: &Number,
) -> Result<(), Failure> {
    session
        .run(|connection| {
            sqlx::query!(
                "WITH noted AS (DELETE FROM acknowledged
                   WHERE order_id = $1 AND source = $2 AND sequence = $3)
                 UPDATE gaps SET verdict = 'waiting', checked_at = NULL
                 WHERE order_id = $1 AND source = $2 AND sequence = $3
                   AND verdict = 'acknowledged'",
                order_id.0,
                source,
                sequence
            )
            .execute(connection)
            .boxed()
        })
        .await?;
    Ok(())
}

/// Has it read which of these orders have a number missing. Returns the part.
pub(crate) fn read(orders: &[Uuid], read: &mut Read) -> Result<usize, Failure> {
    let orders = read.bind(orders)?;
    let columns = Columns { id: "order_id", ..Columns::default() };
    Ok(read.part(columns, &format!("FROM {}", of(&orders))))
}

/// The condition that none of these orders has a number missing.
pub(crate) fn none(orders: &str) -> String {
    format!("NOT EXISTS (SELECT FROM {})", of(orders))
}

/// Nearly always there is none, and then there is nothing to search for.
fn of(orders: &str) -> String {
    format!("gaps WHERE EXISTS (SELECT FROM gaps) AND order_id = ANY({orders})")
}

fn columns(numbers: &[Numbered], write: &mut Write) -> Result<[String; 3], Failure> {
    Ok([
        write.bind(numbers.iter().map(|one| one.order.0).collect::<Vec<Uuid>>())?,
        write.bind(numbers.iter().map(|one| one.source.as_str()).collect::<Vec<&str>>())?,
        write.bind(numbers.iter().map(|one| one.sequence.cast_signed()).collect::<Vec<i32>>())?,
    ])
}
