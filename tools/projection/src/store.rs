//! The database: what the projector writes, and what pages ask.

mod asked;
mod copies;
mod dictionary;
mod generations;
mod partitions;
mod written;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};
use thiserror::Error;
use tokio::sync::RwLock;

pub use self::asked::{Cursor, Filter, Late, Minute, Open, Reading, Row, Way, WayCount};
pub use self::copies::put_copies;
use self::dictionary::Dictionary;
pub use self::generations::Generation;
pub(crate) use self::written::{AllProgress, Opened, Writer};

/// How many questions of pages are asked at once.
const READERS: u32 = 4;
/// How long a page waits for its turn.
const TURN_LIMIT: Duration = Duration::from_secs(3);
/// How long one question of a page may take, and how long one of the projector.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);
pub(crate) const WRITE_LIMIT: Duration = Duration::from_mins(2);
/// How long an answer is waited for, whatever the server was told: one that has stopped does not keep to its
/// own limits. Longer than a turn and a question may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Why the read model cannot be had.
#[derive(Debug, Error)]
pub enum Error {
    /// The database does not do what it is to.
    #[error("the console's database: {0}")]
    Database(#[from] sqlx::Error),
    /// A row is not as the projector writes it.
    #[error("the console's database has a row that cannot be read: {0}")]
    Damaged(String),
    /// No answer.
    #[error("the console's database gave no answer within {0:?}")]
    Silent(Duration),
}

/// A generation of the read model, for who shows it.
pub struct Store {
    pool: PgPool,
    generation: Generation,
    dictionary: RwLock<Dictionary>,
}

impl Store {
    /// The newest generation that is ready, or else that which is being made; `None` if there is none, for
    /// no projector was here yet.
    pub async fn open(url: &str) -> Result<Option<Self>, Error> {
        let mut database = connect(url, None, QUESTION_LIMIT).await?;
        let shown = limited(generations::shown(&mut database)).await?;
        let Some(generation) = shown else { return Ok(None) };
        let options = options(url, Some(generation.number), QUESTION_LIMIT)?;
        let pool = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(TURN_LIMIT)
            .connect_lazy_with(options);
        Ok(Some(Self { pool, generation, dictionary: RwLock::default() }))
    }

    /// Whether this is still the one to show, as it was when it was opened.
    pub async fn is_shown(&self) -> Result<bool, Error> {
        let asking = async { generations::shown(&mut *self.pool.acquire().await?).await };
        Ok(limited(asking).await? == Some(self.generation))
    }

    /// Which it is, as of when it was opened.
    pub fn generation(&self) -> Generation {
        self.generation
    }
}

/// The generations that a projector is to keep up. Makes the first one, and removes those that are shown no
/// more.
pub(crate) async fn kept_up(url: &str) -> Result<Vec<Generation>, Error> {
    let mut database = connect(url, None, QUESTION_LIMIT).await?;
    let generations = limited(generations::kept_up(&mut database)).await?;
    // It waits for whoever reads one of them still, and that may take too long: so another time.
    if let Err(error) = limited(generations::remove_replaced(&mut database)).await {
        tracing::info!(%error, "what is shown no more is not removed yet");
    }
    Ok(generations)
}

/// Has one made after the newest.
pub(crate) async fn rebuild(url: &str) -> Result<(), Error> {
    let mut database = connect(url, None, QUESTION_LIMIT).await?;
    let all = limited(generations::kept_up(&mut database)).await?;
    let last = all.last().map(|it| it.number);
    limited(generations::make_after(&mut database, last)).await
}

/// An answer, or an error after some seconds.
async fn limited<T, E>(asking: impl Future<Output = Result<T, E>>) -> Result<T, Error>
where
    Error: From<E>,
{
    let answer = tokio::time::timeout(ANSWER_LIMIT, asking).await;
    Ok(answer.map_err(|_| Error::Silent(ANSWER_LIMIT))??)
}

/// A connection in which names are those of a generation's tables.
async fn connect(
    url: &str,
    generation: Option<i32>,
    limit: Duration,
) -> Result<PgConnection, Error> {
    let options = options(url, generation, limit)?;
    let connecting = PgConnection::connect_with(&options);
    Ok(tokio::time::timeout(limit, connecting).await.map_err(|_| Error::Silent(limit))??)
}

fn options(
    url: &str,
    generation: Option<i32>,
    limit: Duration,
) -> Result<PgConnectOptions, sqlx::Error> {
    let path = generation.map_or_else(|| "public".to_owned(), schema);
    let limit = limit.as_millis().to_string();
    let options = PgConnectOptions::from_str(url)?;
    Ok(options.application_name("farandole console").options([
        ("search_path", path.as_str()),
        ("statement_timeout", limit.as_str()),
        ("lock_timeout", "5000"),
        ("timezone", "UTC"),
    ]))
}

/// The Postgres schema that a generation is in.
fn schema(generation: i32) -> String {
    format!("generation_{generation}")
}
