//! A decision, from the operator to the service: it goes into the log, and what the service has made
//! of it is in that one's database.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use contracts::operations::{Began, Entry, Said, Subject};
use kafka::Publisher;
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::text::shown;
use crate::connections::Connections;
use crate::database::ask;
use crate::databases::Databases;
use crate::print::{print, print_json};
use crate::recovery::Recorder;
use crate::{OrderId, Unreadable};

/// How long a service may take to carry it out before this goes without having seen it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a service is to decide on.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) service: &'static str,
    pub(crate) subjects: Vec<Subject>,
}

/// What has become of a decision, as far as it is known.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Done {
    operation: Uuid,
    applied: Vec<Subject>,
    refused: Vec<Refused>,
    /// Not seen to be carried out in time.
    open: Vec<Subject>,
    /// The services that do not run, of those that have something open.
    not_running: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Refused {
    subject: Subject,
    why: String,
}

/// Writes a decision into the log, and waits for a while until the services have carried it out.
pub(crate) async fn hand_over(
    began: Began,
    orders: &[Order],
    said: Option<&Said>,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<Done> {
    let operation = began.operation;
    // What the services would not read is not written.
    let checked = serde_json::to_vec(&Entry::Began(began.clone()))?;
    Entry::parse(Some(operation.to_string().as_bytes()), Some(&checked))
        .map_err(anyhow::Error::msg)?;
    let topic = connections.topic_prefix.operations();
    // To a topic that is not there Kafka's client would try for long.
    connections.kafka().await?.inspect(std::slice::from_ref(&topic)).await?;
    let publisher = Publisher::new(&connections.kafka_brokers)?;
    let recorder = Recorder::begin(&publisher, topic, began).await?;
    for Order { service, subjects } in orders {
        recorder.decided(service, subjects, said).await?;
    }
    recorder.end("handed over to the services".to_owned()).await?;
    let mut done = Done { operation, ..Done::default() };
    for order in orders {
        let mut database = databases.connect(order.service).await?;
        follow(order, operation, &mut database, &mut done).await?;
    }
    Ok(done)
}

/// Waits until a service has carried it out.
async fn follow(
    Order { service, subjects }: &Order,
    operation: Uuid,
    database: &mut PgConnection,
    done: &mut Done,
) -> Result<(), Unreadable> {
    let deadline = Instant::now() + PATIENCE;
    let closed = loop {
        let closed = decisions(service, database, operation).await?;
        let running = is_running(service, database).await?;
        if !running && closed.len() < subjects.len() {
            done.not_running.push(service);
        }
        if closed.len() >= subjects.len() || !running || Instant::now() > deadline {
            break closed;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    for subject in subjects {
        let is = |(order, step, _): &&(Uuid, String, _)| {
            OrderId(*order) == subject.saga && *step == subject.step
        };
        match closed.iter().find(is) {
            Some((_, _, None)) => done.applied.push(subject.clone()),
            Some((_, _, Some(why))) => {
                done.refused.push(Refused { subject: subject.clone(), why: why.clone() });
            }
            None => done.open.push(subject.clone()),
        }
    }
    Ok(())
}

type Closed = (Uuid, String, Option<String>);

async fn decisions(
    service: &str,
    database: &mut PgConnection,
    operation: Uuid,
) -> Result<Vec<Closed>, Unreadable> {
    let question = sqlx::query_as("SELECT saga, step, refused FROM decisions WHERE operation = $1");
    ask(service, database, question.bind(operation)).await
}

async fn is_running(service: &str, database: &mut PgConnection) -> Result<bool, Unreadable> {
    let select = format!("SELECT count(*) > 0 FROM {} AS live", messaging::LIVE_INSTANCES);
    let rows: Vec<(bool,)> = ask(service, database, sqlx::query_as(AssertSqlSafe(select))).await?;
    Ok(rows.first().is_some_and(|row| row.0))
}

/// Tells what has become of it.
pub(crate) fn report(done: &Done, json: bool) -> anyhow::Result<ExitCode> {
    let Done { operation, applied, refused, open, not_running } = done;
    if json {
        print_json(done)?;
    } else {
        let mut lines = Vec::new();
        if !applied.is_empty() {
            lines.push(format!("{} done.", applied.len()));
        }
        let refused = refused.iter();
        lines.extend(
            refused.map(|one| format!("{} refused: {}", one.subject, shown(&one.why, 500))),
        );
        if !open.is_empty() {
            let why = if not_running.is_empty() {
                "not seen to be done yet: see operations in the service's /health/ready".to_owned()
            } else {
                format!("done when it starts: no {} service runs", not_running.join(" or "))
            };
            lines.push(format!("{} {why}", open.len()));
        }
        lines.push(format!("Operation {operation}. Next: farandole dlq log"));
        print(&lines.join("\n"))?;
    }
    let all = done.refused.is_empty() && open.is_empty();
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
