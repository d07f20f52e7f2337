use std::collections::HashMap;

use contracts::REDRIVE;
use contracts::operations::LetterId;
use jiff::{SignedDuration, Timestamp};
use kafka::Bounds;
use sqlx::PgConnection;
use uuid::Uuid;

use super::archive::letters;
use super::letter::Letter;
use crate::Unreadable;
use crate::connections::Connections;
use crate::database::ask;
use crate::databases::Databases;

/// How much clocks may differ between here and the services.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// What became of a redriven letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its effect is in the service's database.
    Applied,
    /// It has failed again, and will be tried again.
    Failing(String),
    /// It has become a dead letter again: this one.
    DeadAgain(LetterId),
    /// The service has not come to it: it is away, is behind, or an earlier event of the same
    /// order is failing.
    Unread,
    /// Nobody has said where the service's database is.
    Unknown,
}

impl Outcome {
    /// A word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Failing(_) => "failing again",
            Self::DeadAgain(_) => "dead again",
            Self::Unread => "not yet read",
            Self::Unknown => "not checked",
        }
    }

    /// Whether it has failed again.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failing(_) | Self::DeadAgain(_))
    }
}

/// Sees what becomes of redriven letters, in the databases and in the dead-letter topics.
pub struct Observer<'a> {
    connections: &'a Connections,
    databases: HashMap<String, PgConnection>,
    /// What comes back comes after this.
    since: Timestamp,
}

impl<'a> Observer<'a> {
    /// Connects to the services' databases, as far as they are given.
    pub async fn new(
        connections: &'a Connections,
        given: &Databases,
        services: impl IntoIterator<Item = &str>,
    ) -> anyhow::Result<Self> {
        let now = Timestamp::now();
        let since = now.checked_sub(CLOCKS_DIFFER).unwrap_or(now);
        let mut databases = HashMap::new();
        for service in services {
            if let Some(database) = given.connect_if_given(service).await? {
                databases.insert(service.to_owned(), database);
            }
        }
        Ok(Self { connections, databases, since })
    }

    /// Whether the database of a service can be looked into.
    pub fn sees(&self, service: &str) -> bool {
        self.databases.contains_key(service)
    }

    /// Which of these ids a service's inbox has; `None` if its database is not given.
    pub async fn seen(
        &mut self,
        service: &str,
        ids: &[Uuid],
    ) -> Result<Option<Vec<Uuid>>, Unreadable> {
        let Some(database) = self.databases.get_mut(service) else { return Ok(None) };
        seen(service, database, ids).await.map(Some)
    }

    /// What became of letters that were redriven, by their redrive ids.
    ///
    /// A record goes from the retry queue into the dead-letter topic before it leaves the queue,
    /// so that in this order one of the looks meets it.
    pub async fn look(&mut self, letters: &[&Letter]) -> anyhow::Result<HashMap<Uuid, Outcome>> {
        let mut outcomes: HashMap<Uuid, Outcome> = letters
            .iter()
            .map(|letter| {
                let blind = !self.sees(&letter.id.service);
                (letter.redrive_id(), if blind { Outcome::Unknown } else { Outcome::Unread })
            })
            .collect();
        for (service, database) in &mut self.databases {
            let of_service = letters.iter().filter(|letter| letter.id.service == *service);
            let ids: Vec<Uuid> = of_service.map(|letter| letter.redrive_id()).collect();
            let applied = seen(service, database, &ids).await?;
            outcomes.extend(applied.into_iter().map(|id| (id, Outcome::Applied)));
            for (id, outcome) in failing(service, database, &ids).await? {
                if let Some(is @ Outcome::Unread) = outcomes.get_mut(&id) {
                    *is = outcome;
                }
            }
        }
        if outcomes.values().any(|is| matches!(is, Outcome::Unread | Outcome::Unknown)) {
            self.find_dead(letters, &mut outcomes).await?;
        }
        Ok(outcomes)
    }

    async fn find_dead(
        &self,
        redriven: &[&Letter],
        outcomes: &mut HashMap<Uuid, Outcome>,
    ) -> anyhow::Result<()> {
        let mut services: Vec<String> =
            redriven.iter().map(|letter| letter.id.service.clone()).collect();
        services.sort_unstable();
        services.dedup();
        let bounds = Bounds::Times { from: Some(self.since), to: None };
        for letter in letters(self.connections, &services, bounds, |letter, _| letter).await? {
            let found = letter.came_back_from().and_then(|redrive| outcomes.get_mut(&redrive));
            if let Some(outcome @ (Outcome::Unread | Outcome::Unknown)) = found {
                *outcome = Outcome::DeadAgain(letter.id);
            }
        }
        Ok(())
    }
}

/// Which of these ids the inbox has.
async fn seen(
    service: &str,
    database: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, Unreadable> {
    let question = sqlx::query_as(
        "SELECT event_id FROM inbox WHERE event_id = ANY($1)
         UNION ALL SELECT redrive_id FROM redriven WHERE redrive_id = ANY($1)",
    );
    let rows: Vec<(Uuid,)> = ask(service, database, question.bind(ids.to_vec())).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The redrives that are in the retry queue because they failed.
async fn failing(
    service: &str,
    database: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, Outcome)>, Unreadable> {
    let wanted: Vec<Vec<u8>> = ids.iter().map(|id| id.to_string().into_bytes()).collect();
    // A record without attempts has not failed: it waits behind another one of its order.
    let question = sqlx::query_as(
        "SELECT redrive, errors[cardinality(errors)] FROM (
           SELECT header_values[array_position(header_names, $1)] AS redrive, errors
           FROM retry_queue WHERE $1 = ANY(header_names) AND attempts > 0) AS redriven
         WHERE redrive = ANY($2)",
    );
    let rows: Vec<(Vec<u8>, Option<String>)> =
        ask(service, database, question.bind(REDRIVE).bind(wanted)).await?;
    let failure = |(id, error): (Vec<u8>, Option<String>)| {
        Some((Uuid::try_parse_ascii(&id).ok()?, Outcome::Failing(error.unwrap_or_default())))
    };
    Ok(rows.into_iter().filter_map(failure).collect())
}
