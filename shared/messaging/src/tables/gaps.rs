//! Numbers that are missing in sagas' streams of events.

use contracts::operations::Number;
use futures::FutureExt as _;
use kernel::SagaKey;
use uuid::Uuid;

use super::statement::{Columns, Read, Write};
use crate::database::Session;
use crate::failure::Failure;

/// A number in a saga's stream of events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Numbered {
    pub(crate) saga: SagaKey,
    pub(crate) source: String,
    pub(crate) sequence: u32,
    pub(crate) partition: i32,
}

/// Has numbers written down that are missing.
pub(crate) fn notice(missing: &[Numbered], write: &mut Write) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    let [sagas, sources, sequences] = columns(missing, write)?;
    let partitions = missing.iter().map(|one| one.partition).collect::<Vec<i32>>();
    let partitions = write.bind(partitions)?;
    write.part(&format!(
        "INSERT INTO gaps (saga, source, sequence, partition)
         SELECT unnest({sagas}), unnest({sources}), unnest({sequences}), unnest({partitions})
         ON CONFLICT DO NOTHING"
    ));
    Ok(())
}

/// Has numbers struck out: they have come, or are none of this service's business.
pub(crate) fn close(come: &[Numbered], write: &mut Write) -> Result<(), Failure> {
    if come.is_empty() {
        return Ok(());
    }
    let [sagas, sources, sequences] = columns(come, write)?;
    write.part(&format!(
        "DELETE FROM gaps WHERE (saga, source, sequence) IN (
           SELECT unnest({sagas}), unnest({sources}), unnest({sequences}))"
    ));
    Ok(())
}

/// Notes that an event stays missing, and takes it for acknowledged if it is known to be missing.
pub(crate) async fn acknowledge(
    session: &mut Session,
    Number { saga, source, sequence }: &Number,
) -> Result<(), Failure> {
    session
        .run(|connection| {
            sqlx::query!(
                "WITH noted AS (INSERT INTO acknowledged VALUES ($1, $2, $3) ON CONFLICT DO NOTHING)
                 UPDATE gaps SET verdict = 'acknowledged'
                 WHERE saga = $1 AND source = $2 AND sequence = $3
                   AND verdict IN ('lost', 'dead')",
                saga.0,
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
    Number { saga, source, sequence }: &Number,
) -> Result<(), Failure> {
    session
        .run(|connection| {
            sqlx::query!(
                "WITH noted AS (DELETE FROM acknowledged
                   WHERE saga = $1 AND source = $2 AND sequence = $3)
                 UPDATE gaps SET verdict = 'waiting', checked_at = NULL
                 WHERE saga = $1 AND source = $2 AND sequence = $3
                   AND verdict = 'acknowledged'",
                saga.0,
                source,
                sequence
            )
            .execute(connection)
            .boxed()
        })
        .await?;
    Ok(())
}

/// Has it read which of these sagas have a number missing. Returns the part.
pub(crate) fn read(sagas: &[Uuid], read: &mut Read) -> Result<usize, Failure> {
    let sagas = read.bind(sagas)?;
    let columns = Columns { id: "saga", ..Columns::default() };
    Ok(read.part(columns, &format!("FROM {}", of(&sagas))))
}

/// The condition that none of these sagas has a number missing.
pub(crate) fn none(sagas: &str) -> String {
    format!("NOT EXISTS (SELECT FROM {})", of(sagas))
}

/// Nearly always there is none, and then there is nothing to search for.
fn of(sagas: &str) -> String {
    format!("gaps WHERE EXISTS (SELECT FROM gaps) AND saga = ANY({sagas})")
}

fn columns(numbers: &[Numbered], write: &mut Write) -> Result<[String; 3], Failure> {
    Ok([
        write.bind(numbers.iter().map(|one| one.saga.0).collect::<Vec<Uuid>>())?,
        write.bind(numbers.iter().map(|one| one.source.as_str()).collect::<Vec<&str>>())?,
        write.bind(numbers.iter().map(|one| one.sequence.cast_signed()).collect::<Vec<i32>>())?,
    ])
}
