use std::collections::BTreeMap;
use std::time::Duration;

use declarations::fleet;
use futures::future::join_all;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::facts::{Calls, Database, Facts, Group, Health, Letters, Outbox, Seen, Service};
use super::health;
use crate::connections::Connections;
use crate::database::{Limits, ask, connect};
use crate::databases::Databases;
use crate::decisions::Decisions;
use crate::gaps::gaps;
use crate::masking;
use crate::outcomes::{Outcomes, find_causes, outcomes};
use crate::recovery::{Archive, Condition};
use crate::retries::{Queue, queue};
use crate::sessions::sessions;
use crate::{ServiceUrls, Unreadable, followed, services, sources, stuck};

/// How long a service or the brokers may take. All are asked at the same time.
const GLANCE: Duration = Duration::from_millis(1_500);
/// How long all of it may take.
const WHOLE: Duration = Duration::from_millis(1_800);
/// How far back it is told how orders ended.
const RECENT: Duration = Duration::from_mins(10);
/// How many missing numbers are looked at, of each service.
const GAPS_MAX: i64 = 1_000;

/// Looks at everything at once, for two seconds at most.
pub async fn look(urls: &ServiceUrls, connections: &Connections, databases: &Databases) -> Facts {
    let looks = join_all(urls.all().map(|(name, url)| async move {
        let (health, group, database) = tokio::join!(
            health::ask(url, GLANCE),
            group(connections, name),
            in_time(database(databases, name)),
        );
        Service { name, url: url.to_owned(), health, group, database }
    }));
    let (mut looked_at, orders, archive, quotas) = tokio::join!(
        looks,
        in_time(orders(databases)),
        in_time(archive(connections)),
        in_time(held_back(connections)),
    );
    let decisions = archive.known().map(|archive| archive.log.decisions()).unwrap_or_default();
    forget(&mut looked_at, &decisions);
    let not_given = |service: &&str| databases.url(service).is_err();
    Facts {
        services: looked_at,
        orders,
        dead_letters: archive.map(|archive| letters(&archive)),
        quotas,
        databases_not_given: services().filter(not_given).collect(),
    }
}

/// Leaves out the missing numbers that somebody has seen to.
fn forget(services: &mut [Service], decisions: &Decisions) {
    for service in services {
        if let Seen::Known(Database { gaps: Seen::Known(gaps), .. }) = &mut service.database {
            gaps.retain(|gap| !decisions.settle_gap(gap));
        }
    }
}

/// How a service is, as far as it says so.
pub async fn health_of(url: &str) -> Health {
    health::ask(url, GLANCE).await
}

async fn in_time<T>(look: impl Future<Output = Seen<T>>) -> Seen<T> {
    timeout(WHOLE, look).await.unwrap_or_else(|_| Seen::unknown(&"no answer within two seconds"))
}

/// A service's consumer group, which the brokers know.
pub async fn group(connections: &Connections, service: &str) -> Seen<Group> {
    let brokers = connections.kafka_brokers.clone();
    let topics = &connections.topic_prefix;
    let read: Vec<String> = sources(service).into_iter().map(|name| topics.events(name)).collect();
    let name = topics.group(service);
    // The client blocks. Who asks does not wait for a thread that is late.
    let (sender, answer) = oneshot::channel();
    std::thread::spawn(move || sender.send(kafka::group(&brokers, &name, &read, GLANCE)));
    let group = match timeout(WHOLE, answer).await {
        Ok(Ok(Ok(group))) => group,
        Ok(Ok(Err(error))) => return Seen::unknown(&error),
        Ok(Err(_)) | Err(_) => return Seen::unknown(&"Kafka gave no answer within two seconds"),
    };
    let kafka::Group { state, members, unread, unread_since } = group;
    Seen::Known(Group { state, members: members.len(), unread, unread_since })
}

/// The services that Kafka holds back by a quota, with how many bytes a second they may produce.
async fn held_back(connections: &Connections) -> Seen<BTreeMap<&'static str, f64>> {
    let topics = &connections.topic_prefix;
    let clients: Vec<String> = services().map(|service| topics.group(service)).collect();
    let found = kafka::quotas(&connections.kafka_brokers, &clients).await;
    Seen::from(found).map(|found| {
        let limited = |service: &'static str| {
            let group = topics.group(service);
            let own = found.iter().find(|quota| quota.client.as_ref() == Some(&group));
            let any = found.iter().find(|quota| quota.client.is_none());
            Some((service, own.or(any)?.producer_bytes?))
        };
        services().filter_map(limited).collect()
    })
}

async fn archive(connections: &Connections) -> Seen<Archive> {
    let all: Vec<String> = services().map(str::to_owned).collect();
    Archive::read_masked(connections, &all).await.into()
}

/// The open dead letters by service and cause, the most first; without those that are silenced.
fn letters(archive: &Archive) -> Vec<Letters> {
    let groups = archive.groups(Timestamp::now()).into_iter();
    let groups = groups.filter(|group| group.condition != Condition::Silent);
    let letters = groups.filter_map(|group| {
        let mut open = group.letters.iter().filter(|(_, state)| state.is_open());
        let newest = open.next_back()?.0.died_at;
        Some(Letters {
            open: group.open(),
            service: group.service.to_owned(),
            cause: group.cause,
            newest,
        })
    });
    let mut found: Vec<Letters> = letters.collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.open));
    found
}

async fn glance(databases: &Databases, service: &str) -> Result<PgConnection, String> {
    let url = databases.url(service).map_err(|error| error.to_string())?;
    connect(service, url, Limits::GLANCE).await.map_err(|error| error.reason)
}

/// What a service's database tells. What is locked there does not hide the rest.
async fn database(databases: &Databases, service: &'static str) -> Seen<Database> {
    if databases.url(service).is_err() {
        return Seen::NotAsked;
    }
    let mut connection = match glance(databases, service).await {
        Ok(connection) => connection,
        Err(reason) => return Seen::unknown(&reason),
    };
    let db = &mut connection;
    // Who is in the way comes first: it tells most, and takes no lock.
    let sessions = sessions(db).await.map_err(|error| crate::database::reason(&error));
    Seen::Known(Database {
        sessions: sessions.into(),
        instances: because(instances(service, db).await),
        outbox: because(outbox(service, db).await),
        calls: because(calls(service, db).await),
        held: because(held(service, db).await),
        retries: because(queue(service, db).await.map(Queue::masked)),
        gaps: because(gaps(service, db, &Decisions::default(), GAPS_MAX).await.map(|it| it.0)),
    })
}

fn because<T>(result: Result<T, Unreadable>) -> Seen<T> {
    result.map_err(|error| error.reason).into()
}

async fn instances(service: &str, database: &mut PgConnection) -> Result<i64, Unreadable> {
    let count = format!("SELECT count(*) FROM {} AS live", messaging::LIVE_INSTANCES);
    let rows: Vec<(i64,)> = ask(service, database, sqlx::query_as(AssertSqlSafe(count))).await?;
    Ok(rows.first().map_or(0, |row| row.0))
}

async fn outbox(service: &str, database: &mut PgConnection) -> Result<Outbox, Unreadable> {
    let question = sqlx::query_as(
        "SELECT coalesce(sum(cardinality(event_ids)), 0)::bigint, min(committed_at)
         FROM outbox_bundles",
    );
    let rows: Vec<(i64, Option<jiff_sqlx::Timestamp>)> = ask(service, database, question).await?;
    let (events, since) = rows.into_iter().next().unwrap_or_default();
    Ok(Outbox { events, since: since.map(jiff_sqlx::Timestamp::to_jiff) })
}

type CallsRow = (String, i64, i64, Option<jiff_sqlx::Timestamp>, Option<String>);

/// Open calls by step, without those that are parked or given up. Some are followed to their ends
/// although their order waits for them no more.
async fn calls(service: &str, database: &mut PgConnection) -> Result<Vec<Calls>, Unreadable> {
    let question = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT step, count(*), count(*) FILTER (WHERE followed),
           min(created_at) FILTER (WHERE NOT followed),
           (array_agg(last_error ORDER BY created_at DESC)
             FILTER (WHERE last_error IS NOT NULL AND NOT followed))[1]
         FROM (SELECT step, created_at, last_error, {} AS followed
           FROM effects WHERE held IS NULL) AS open GROUP BY 1 ORDER BY 1",
        followed(service)
    )));
    let rows: Vec<CallsRow> = ask(service, database, question).await?;
    let calls = |(step, open, followed, since, last_error): CallsRow| {
        let since = since.map(jiff_sqlx::Timestamp::to_jiff);
        let last_error = last_error.map(|error| masking::error(&error));
        Calls { step, open, followed, since, last_error }
    };
    Ok(rows.into_iter().map(calls).collect())
}

/// Calls that are not made, by why: parked or given up.
async fn held(
    service: &str,
    database: &mut PgConnection,
) -> Result<BTreeMap<String, i64>, Unreadable> {
    let question =
        sqlx::query_as("SELECT held, count(*) FROM effects WHERE held IS NOT NULL GROUP BY 1");
    let rows: Vec<(String, i64)> = ask(service, database, question).await?;
    Ok(rows.into_iter().collect())
}

/// How orders ended lately, and what those waited for whose time was up.
async fn orders(databases: &Databases) -> Seen<Outcomes> {
    let first = &fleet().first().0.service;
    if databases.url(first).is_err() {
        return Seen::NotAsked;
    }
    let look = async {
        let mut database = glance(databases, first).await?;
        let mut found = outcomes(&mut database, RECENT).await.map_err(|error| error.reason)?;
        if found.timed_out() > 0 {
            let all = join_all(services().map(|service| glance(databases, service))).await;
            // That they are away hides the causes only.
            if let Ok(mut all) = stuck::Databases::new(all) {
                let _ = find_causes(&mut found, &mut all).await;
            }
        }
        Ok::<_, String>(found)
    };
    look.await.into()
}
