use std::collections::BTreeMap;

use choreography::Awaited;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::states::note;
use crate::OrderId;
use crate::database::ask;
use crate::gaps::Gap;
use crate::masking;
use crate::unreadable::Unreadable;

/// What a service has to do with an order that is stuck.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Work {
    /// The service.
    pub service: &'static str,
    /// How many instances of it are alive; `None` if that could not be seen.
    pub instances: Option<i64>,
    /// What it waits for, if it is its move.
    pub awaits: Vec<Awaited>,
    /// The types of events that it has committed and not yet published.
    pub unpublished: Vec<String>,
    /// The event that it could not process and tries again.
    pub parked: Option<Parked>,
    /// Calls whose outcome is not known.
    pub calls: Vec<PendingCall>,
    /// Numbers that are missing in the order's streams.
    pub missing: Vec<Gap>,
    /// Dead letters with an event that it waits for.
    pub dead_letters: Vec<DeadLetter>,
    /// What to do.
    pub next: Vec<String>,
}

impl Work {
    /// The same for who is to see nothing personal: without what errors quote.
    #[must_use]
    pub fn masked(mut self) -> Self {
        let shown =
            |error: &mut Option<String>| *error = error.take().map(|it| masking::error(&it));
        if let Some(parked) = &mut self.parked {
            shown(&mut parked.last_error);
            parked.event = parked.event.take().map(|it| masking::name(&it).to_owned());
        }
        self.calls.iter_mut().for_each(|call| shown(&mut call.last_error));
        self.dead_letters = self.dead_letters.into_iter().map(DeadLetter::masked).collect();
        self
    }
}

/// An event in the retry queue.
#[derive(Debug, Clone, Serialize)]
pub struct Parked {
    /// Its type, if it has one.
    pub event: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried again.
    pub due_at: Timestamp,
    /// Since when it fails.
    pub first_failed_at: Option<Timestamp>,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// Whether it was given up, and goes to the dead letters.
    pub dead: bool,
    /// How many more of the order's events wait behind it.
    pub behind: i64,
}

/// A call to the outside whose outcome is not known.
#[derive(Debug, Clone, Serialize)]
pub struct PendingCall {
    /// Its step.
    pub step: String,
    /// How often it was made, as far as it is written down.
    pub attempts: i32,
    /// Why the last one had no outcome.
    pub last_error: Option<String>,
    /// Whether an operator has parked it: it is not made until that is taken back.
    pub parked: bool,
    /// When somebody looks at it again.
    pub due_at: Timestamp,
    /// When it was decided on.
    pub since: Timestamp,
}

/// An event that was given up. Its error is without what it quotes, and what the event says.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// As `farandole dlq` names it: `payment/0/17`.
    pub id: String,
    /// Its type, if it has one.
    pub event: Option<String>,
    /// Why it failed last.
    pub last_error: Option<String>,
}

impl DeadLetter {
    /// The same for who is to see nothing personal.
    #[must_use]
    pub fn masked(self) -> Self {
        Self { event: self.event.map(|it| masking::name(&it).to_owned()), ..self }
    }
}

/// What a service has to do with these orders, but for what it waits for. What cannot be read is
/// left out, and why is added to `blind`.
pub(super) async fn of(
    service: &'static str,
    database: &mut PgConnection,
    orders: &[Uuid],
    blind: &mut Vec<String>,
) -> BTreeMap<OrderId, Work> {
    let work = |order: &Uuid| (OrderId(*order), Work { service, ..Work::default() });
    let mut all: BTreeMap<OrderId, Work> = orders.iter().map(work).collect();
    if let Err(error) = fill(service, database, orders, &mut all).await {
        note(blind, &error);
    }
    all
}

async fn fill(
    service: &'static str,
    database: &mut PgConnection,
    orders: &[Uuid],
    all: &mut BTreeMap<OrderId, Work>,
) -> Result<(), Unreadable> {
    let instances = format!("SELECT count(*) FROM {} AS live", messaging::LIVE_INSTANCES);
    let rows: Vec<(i64,)> =
        ask(service, database, sqlx::query_as(AssertSqlSafe(instances))).await?;
    let instances = rows.first().map(|row| row.0);
    for work in all.values_mut() {
        work.instances = instances;
    }
    for (order, event) in about(service, database, UNPUBLISHED, orders).await? {
        let Some(work) = all.get_mut(&OrderId(order)) else { continue };
        work.unpublished.push(event);
    }
    for row in about(service, database, PARKED, orders).await? {
        let (order, parked) = parked(row);
        let Some(work) = all.get_mut(&order) else { continue };
        work.parked = Some(parked);
    }
    for row in about(service, database, CALLS, orders).await? {
        let (order, call) = call(row);
        let Some(work) = all.get_mut(&order) else { continue };
        work.calls.push(call);
    }
    for row in about(service, database, MISSING, orders).await? {
        let gap = Gap::new(service, row);
        let Some(work) = all.get_mut(&gap.order_id) else { continue };
        work.missing.push(gap);
    }
    Ok(())
}

/// All rows that are about these orders, which are the query's parameter.
async fn about<R: for<'r> FromRow<'r, PgRow> + Send + Unpin>(
    service: &str,
    database: &mut PgConnection,
    query: &'static str,
    orders: &[Uuid],
) -> Result<Vec<R>, Unreadable> {
    ask(service, database, sqlx::query_as(query).bind(orders.to_vec())).await
}

/// Orders with smaller ids than this about which anything is open, the newest first.
pub(super) async fn open_before(
    service: &str,
    database: &mut PgConnection,
    bound: Uuid,
    limit: i64,
) -> Result<Vec<Uuid>, Unreadable> {
    let question = sqlx::query_as(
        "SELECT DISTINCT saga FROM (
           SELECT saga FROM effects WHERE held IS NULL
           UNION ALL SELECT saga FROM outbox
           UNION ALL SELECT saga FROM retry_queue
           UNION ALL SELECT saga FROM gaps WHERE verdict IN ('waiting', 'lost', 'dead')) AS open
         WHERE saga < $1 ORDER BY saga DESC LIMIT $2",
    );
    let rows: Vec<(Uuid,)> = ask(service, database, question.bind(bound).bind(limit)).await?;
    Ok(rows.into_iter().map(|(order,)| order).collect())
}

const UNPUBLISHED: &str = "SELECT saga, event_type FROM outbox WHERE saga = ANY($1)
     ORDER BY saga, sequence";
const MISSING: &str = "SELECT saga, source, sequence, noticed_at, verdict FROM gaps
     WHERE saga = ANY($1) AND verdict IN ('waiting', 'lost', 'dead')
     ORDER BY saga, source, sequence";
/// The first of each order, for the others wait behind it.
const PARKED: &str = "SELECT DISTINCT ON (saga) saga,
       header_values[array_position(header_names, 'ce_type')], attempts, due_at, first_failed_at,
       errors[array_length(errors, 1)], dead, count(*) OVER (PARTITION BY saga) - 1
     FROM retry_queue WHERE saga = ANY($1) ORDER BY saga, dead, id";

type ParkedRow = (
    Uuid,
    Option<Vec<u8>>,
    i32,
    jiff_sqlx::Timestamp,
    Option<jiff_sqlx::Timestamp>,
    Option<String>,
    bool,
    i64,
);

fn parked(
    (order, event, attempts, due_at, first_failed_at, last_error, dead, behind): ParkedRow,
) -> (OrderId, Parked) {
    let parked = Parked {
        event: event.as_deref().map(text),
        attempts,
        due_at: due_at.to_jiff(),
        first_failed_at: first_failed_at.map(jiff_sqlx::Timestamp::to_jiff),
        last_error,
        dead,
        behind,
    };
    (OrderId(order), parked)
}

const CALLS: &str = "SELECT saga, step, attempts, last_error, due_at, created_at,
       held IS NOT DISTINCT FROM 'parked' FROM effects
     WHERE saga = ANY($1) AND held IS DISTINCT FROM 'given_up' ORDER BY saga, created_at";

type CallRow =
    (Uuid, String, i32, Option<String>, jiff_sqlx::Timestamp, jiff_sqlx::Timestamp, bool);

fn call(row: CallRow) -> (OrderId, PendingCall) {
    let (order, step, attempts, last_error, due_at, since, parked) = row;
    let (due_at, since) = (due_at.to_jiff(), since.to_jiff());
    (OrderId(order), PendingCall { step, attempts, last_error, parked, due_at, since })
}

/// The calls that operators have parked: order and step.
pub(super) async fn parked_calls(
    service: &str,
    database: &mut PgConnection,
) -> Result<Vec<(Uuid, String)>, Unreadable> {
    let question = sqlx::query_as("SELECT saga, step FROM effects WHERE held = 'parked'");
    ask(service, database, question).await
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Work {
    /// Whether anything of the order is open there.
    pub(super) fn is_open(&self) -> bool {
        let Self { unpublished, parked, calls, missing, .. } = self;
        !unpublished.is_empty() || parked.is_some() || !calls.is_empty() || !missing.is_empty()
    }
}
