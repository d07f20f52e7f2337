//! What operators have decided, as far as this service has dealt with it.

use contracts::operations::Subject;
use futures::FutureExt as _;
use uuid::Uuid;

use super::statement::{Write, storable};
use crate::database::Session;
use crate::failure::Failure;

/// The longest reason kept, in characters.
const REASON_LENGTH: usize = 1_000;

/// What was decided, in which operation, on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OperatorDecision {
    pub(crate) operation: Uuid,
    pub(crate) subject: Subject,
}

/// Has it noted that these were carried out, each for the first time.
pub(crate) fn take_note(decisions: &[OperatorDecision], write: &mut Write) -> Result<(), Failure> {
    if decisions.is_empty() {
        return Ok(());
    }
    let subjects = || decisions.iter().map(|one| &one.subject);
    let operations =
        write.bind(decisions.iter().map(|one| one.operation).collect::<Vec<Uuid>>())?;
    let sagas = write.bind(subjects().map(|one| one.saga.0).collect::<Vec<Uuid>>())?;
    let steps = write.bind(subjects().map(|one| one.step.as_str()).collect::<Vec<&str>>())?;
    write.part(&format!(
        "INSERT INTO decisions (operation, saga, step)
         SELECT unnest({operations}), unnest({sagas}), unnest({steps})"
    ));
    Ok(())
}

/// Notes what has become of a decision, unless that is noted already.
pub(crate) async fn close(
    session: &mut Session,
    OperatorDecision { operation, subject }: &OperatorDecision,
    refused: Option<&str>,
) -> Result<(), Failure> {
    let refused = refused.map(|reason| storable(reason, REASON_LENGTH));
    session
        .run(|connection| {
            sqlx::query!(
                "INSERT INTO decisions (operation, saga, step, refused)
                 VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                operation,
                subject.saga.0,
                subject.step,
                refused.as_deref()
            )
            .execute(connection)
            .boxed()
        })
        .await?;
    Ok(())
}

/// Whether it was dealt with.
pub(crate) async fn is_closed(
    session: &mut Session,
    OperatorDecision { operation, subject }: &OperatorDecision,
) -> Result<bool, Failure> {
    session
        .run(|connection| {
            sqlx::query_scalar!(
                "SELECT EXISTS (SELECT FROM decisions
                   WHERE operation = $1 AND saga = $2 AND step = $3) AS \"closed!\"",
                operation,
                subject.saga.0,
                subject.step
            )
            .fetch_one(connection)
            .boxed()
        })
        .await
}
