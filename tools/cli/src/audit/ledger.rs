use std::io;
use std::time::Duration;

use choreography::{Service, number as status_number};
use contracts::Holds;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Error, FromRow, Row as _};
use tokio::time::timeout;
use uuid::Uuid;

use crate::database::{Limits, connect, explain, joined};
use crate::outcomes::began_at;
use crate::state::{self, STATE};
use crate::unreadable::Unreadable;

/// How long the next row may take. They come from indexes, or after sorting what is small.
const ROW_LIMIT: Duration = Duration::from_secs(30);

/// What a service's database says, all of it at one moment.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) service: Service,
    /// Why nothing is known of it, if so: it could not be read.
    pub(crate) dark: Option<String>,
    /// What else could not be read.
    pub(crate) unread: Vec<String>,
    /// Orders whose states hold characters that Postgres cannot tell.
    pub(crate) odd: Vec<Uuid>,
    /// When the service joined the fleet, if that is known.
    pub(crate) joined: Option<Timestamp>,
    /// A status per order, by order.
    pub(crate) rows: Vec<Status>,
    /// Rows whose status this audit does not know, with what they say.
    pub(crate) unknown: Vec<(Uuid, String)>,
    /// The ids of the events whose effect is here, sorted.
    pub(crate) inbox: Vec<Uuid>,
    /// What is older than this id, the inbox may have forgotten.
    pub(crate) inbox_since: Uuid,
    /// Events that may not have been published yet: order and number, sorted.
    pub(crate) outbox: Vec<(Uuid, u16)>,
    /// Calls that are to be made: order and step, sorted; and whether an operator has parked them.
    pub(crate) calls: Vec<(Uuid, String, bool)>,
    /// Records that wait to be tried again.
    pub(crate) parked: Vec<Parked>,
    /// Records that have gone to the dead-letter topic.
    pub(crate) buried: Vec<Place>,
    pub(crate) gaps: Vec<Gap>,
    /// What does not add up in it, by the book that says so.
    pub(crate) imbalances: Vec<(&'static str, String)>,
    /// The books that could not be looked through.
    pub(crate) unchecked: Vec<&'static str>,
}

/// Where a service is with an order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status {
    pub(crate) order: Uuid,
    /// How many events of the order it has emitted.
    pub(crate) emitted: u16,
    /// The number of its status in the service's rules.
    pub(crate) rule: u16,
}

/// Where a record is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// A record in the retry queue.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) place: Place,
    pub(crate) order: Option<Uuid>,
    pub(crate) attempts: i32,
    pub(crate) dead: bool,
    pub(crate) error: Option<String>,
}

/// A number that is missing in an order's stream of events.
#[derive(Debug)]
pub(crate) struct Gap {
    pub(crate) order: Uuid,
    pub(crate) source: String,
    pub(crate) sequence: i32,
    pub(crate) verdict: String,
}

impl Ledger {
    /// Reads a service's database. Nothing can be written meanwhile on this connection. What cannot
    /// be read is said in it.
    pub(crate) async fn read(service: Service, url: &str) -> Self {
        let read = async {
            let mut snapshot = connect(service.name(), url, Limits::TABLES).await?;
            match Self::read_snapshot(service, &mut snapshot).await {
                Ok(mut ledger) => {
                    ledger.read_books(&mut snapshot).await;
                    // That ends the transaction, too.
                    let _ = snapshot.close().await;
                    Ok(ledger)
                }
                Err(error) => Err(explain(service.name(), &mut snapshot, error).await),
            }
        };
        let read: Result<Self, Unreadable> = read.await;
        read.unwrap_or_else(|unreadable| Self {
            dark: Some(unreadable.reason),
            unchecked: balances(service).map(|(name, _)| name).collect(),
            ..Self::empty(service)
        })
    }

    fn empty(service: Service) -> Self {
        Self {
            service,
            dark: None,
            unread: Vec::new(),
            odd: Vec::new(),
            joined: None,
            rows: Vec::new(),
            unknown: Vec::new(),
            inbox: Vec::new(),
            inbox_since: Uuid::nil(),
            outbox: Vec::new(),
            calls: Vec::new(),
            parked: Vec::new(),
            buried: Vec::new(),
            gaps: Vec::new(),
            imbalances: Vec::new(),
            unchecked: Vec::new(),
        }
    }

    async fn read_snapshot(service: Service, snapshot: &mut PgConnection) -> Result<Self, Error> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        sqlx::raw_sql(begin).execute(&mut *snapshot).await?;
        let Statuses { known: rows, unknown, odd } = statuses(snapshot, service).await?;
        let mut inbox = all(snapshot, INBOX, |(id,)| id).await?;
        inbox.sort_unstable();
        Ok(Self {
            rows,
            unknown,
            odd,
            inbox,
            joined: Some(joined(snapshot).await?),
            inbox_since: inbox_since(snapshot).await?,
            outbox: all(snapshot, OUTBOX, |(order, sequence)| (order, number(sequence))).await?,
            calls: all(snapshot, CALLS, |call| call).await?,
            parked: all(snapshot, PARKED, parked).await?,
            buried: all(snapshot, BURIED, place).await?,
            gaps: all(snapshot, GAPS, gap).await?,
            ..Self::empty(service)
        })
    }

    /// The last to be read, for the transaction ends where it fails.
    async fn read_books(&mut self, snapshot: &mut PgConnection) {
        for (name, query) in balances(self.service) {
            let query = query.replace("{state}", STATE);
            let rows = sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut *snapshot);
            match next(rows).await {
                Ok(lines) => self.imbalances.extend(lines.into_iter().map(|line| (name, line))),
                Err(error) => {
                    let service = self.service.name();
                    let Unreadable { reason, .. } = explain(service, snapshot, error).await;
                    self.unread.push(format!("{service}: {name}: {reason}"));
                    self.unchecked.push(name);
                }
            }
        }
    }

    /// Whether the order's status is one that this audit does not know.
    pub(crate) fn is_unknown(&self, order: Uuid) -> bool {
        self.unknown.iter().any(|(other, _)| *other == order)
    }

    /// Whether the order is older than the service.
    pub(crate) fn is_older(&self, order: Uuid) -> bool {
        self.joined.zip(began_at(order)).is_some_and(|(joined, began)| began < joined)
    }

    /// The numbers of an order's events that may not have been published yet.
    pub(crate) fn unpublished(&self, order: Uuid) -> impl Iterator<Item = u16> {
        let from = self.outbox.partition_point(|(other, _)| *other < order);
        let of_order = self.outbox[from..].iter().take_while(move |(other, _)| *other == order);
        of_order.map(|(_, sequence)| *sequence)
    }

    /// The steps of an order's calls that are to be made.
    pub(crate) fn calls_of(&self, order: Uuid) -> impl Iterator<Item = &str> {
        let from = self.calls.partition_point(|(other, ..)| *other < order);
        let of_order = self.calls[from..].iter().take_while(move |(other, ..)| *other == order);
        of_order.map(|(_, step, _)| step.as_str())
    }
}

/// The books of a service that its database can tell alone, with the queries.
fn balances(service: Service) -> impl Iterator<Item = (&'static str, &'static String)> {
    service.declared().books.iter().flat_map(|book| {
        book.holds.iter().filter_map(move |holds| match holds {
            Holds::NoRow(query) => Some((book.name.as_str(), query)),
            _ => None,
        })
    })
}

/// The smallest id of the days for which the inbox has partitions.
async fn inbox_since(snapshot: &mut PgConnection) -> Result<Uuid, Error> {
    let oldest: Option<i64> = sqlx::query_scalar(
        "SELECT (1000 * extract(epoch FROM to_date(min(right(inhrelid::regclass::text, 8)),
           'YYYYMMDD')))::bigint
         FROM pg_inherits WHERE inhparent = 'inbox'::regclass
           AND inhrelid::regclass::text ~ '^inbox_[0-9]{8}$'",
    )
    .fetch_one(snapshot)
    .await?;
    let milliseconds = oldest.unwrap_or(0);
    Ok(kernel::least_id(milliseconds.unsigned_abs()))
}

/// With the redrives that have passed; their ids are no events'.
const INBOX: &str = "SELECT event_id FROM inbox UNION ALL SELECT redrive_id FROM redriven";
const OUTBOX: &str = "SELECT saga, sequence FROM outbox ORDER BY saga, sequence";
/// Without those that were given up: nothing waits for them.
const CALLS: &str = "SELECT saga, step, held IS NOT DISTINCT FROM 'parked'
    FROM effects WHERE held IS DISTINCT FROM 'given_up'
    ORDER BY saga, step COLLATE \"C\"";
const PARKED: &str = "SELECT topic, partition, record_offset, saga, attempts, dead,
       errors[cardinality(errors)] FROM retry_queue";
const BURIED: &str = "SELECT topic, partition, record_offset FROM dead_lettered";
const GAPS: &str = "SELECT saga, source, sequence, verdict FROM gaps
     WHERE verdict IN ('waiting', 'lost', 'dead') ORDER BY saga";

#[derive(Default)]
struct Statuses {
    known: Vec<Status>,
    unknown: Vec<(Uuid, String)>,
    odd: Vec<Uuid>,
}

async fn statuses(snapshot: &mut PgConnection, service: Service) -> Result<Statuses, Error> {
    let mut found = Statuses::default();
    let told = state::statuses(service.declared(), &["emitted"]);
    let query = format!("SELECT saga, emitted, status, odd FROM {told}");
    let mut rows = sqlx::query(AssertSqlSafe(query)).fetch(snapshot);
    while let Some(row) = next(rows.try_next()).await? {
        let (order, emitted) = (row.try_get(0)?, number(row.try_get(1)?));
        let text = row.try_get::<Option<&str>, _>(2)?.unwrap_or("nothing");
        match status_number(service, text) {
            Some(rule) => found.known.push(Status { order, emitted, rule }),
            None => found.unknown.push((order, text.to_owned())),
        }
        if row.try_get::<bool, _>(3)? {
            found.odd.push(order);
        }
    }
    found.known.shrink_to_fit();
    found.known.sort_unstable_by_key(|row| row.order);
    Ok(found)
}

/// The next row, unless it takes too long.
async fn next<T>(row: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(ROW_LIMIT, row).await.unwrap_or_else(|_| {
        let why = format!("no answer for {ROW_LIMIT:?}");
        Err(Error::Io(io::Error::new(io::ErrorKind::TimedOut, why)))
    })
}

/// All rows of a query, one by one, so that they are held in memory once.
async fn all<R, T>(
    snapshot: &mut PgConnection,
    query: &'static str,
    read: impl Fn(R) -> T,
) -> Result<Vec<T>, Error>
where
    R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let mut found = Vec::new();
    let mut rows = sqlx::query_as(query).fetch(snapshot);
    while let Some(row) = next(rows.try_next()).await? {
        found.push(read(row));
    }
    found.shrink_to_fit();
    Ok(found)
}

/// An order has a handful of events; whatever is beyond that stands for too many.
fn number(sequence: i32) -> u16 {
    u16::try_from(sequence).unwrap_or(u16::MAX)
}

fn place((topic, partition, offset): (String, i32, i64)) -> Place {
    Place { topic, partition, offset }
}

type ParkedRow = (String, i32, i64, Option<Uuid>, i32, bool, Option<String>);

fn parked((topic, partition, offset, order, attempts, dead, error): ParkedRow) -> Parked {
    Parked { place: Place { topic, partition, offset }, order, attempts, dead, error }
}

fn gap((order, source, sequence, verdict): (Uuid, String, i32, String)) -> Gap {
    Gap { order, source, sequence, verdict }
}
