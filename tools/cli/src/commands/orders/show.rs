//! All there is to know of one order.

use std::process::ExitCode;
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use kafka::AdminError;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::text::of_service;
use super::{connect, decisions};
use crate::age::ago;
use crate::commands::exit;
use crate::connections::Connections;
use crate::databases::Databases;
use crate::print::{one_line, print, print_json};
use crate::stuck::{About, DeadLetter, Found, Said, about, letters_of, said_by};
use crate::{OrderId, services};

/// How long the topics may take.
const TOPICS_LIMIT: Duration = Duration::from_secs(8);
/// How long after an order's status has changed last others speak of it, as a rule.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(10);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The order
    #[arg(value_name = "ORDER")]
    order: OrderId,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// What was found.
struct Findings {
    about: About,
    events: Vec<Said>,
    /// With whether it was discarded.
    letters: Vec<(DeadLetter, bool)>,
    unknown: Vec<String>,
}

pub(super) async fn run(
    Arguments { order, json }: Arguments,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let mut databases = connect(databases).await?;
    let ((decisions, trouble), letters, about) = tokio::join!(
        decisions(connections),
        letters(connections, order),
        about(&mut databases, order),
    );
    let about = about?;
    let to = about.placed.as_ref().filter(|placed| placed.is_over);
    let to = to.and_then(|placed| placed.since.checked_add(AFTERMATH).ok());
    let events = events(connections, order, to).await;
    let mut unknown = about.unknown.clone();
    unknown.extend(trouble);
    let mut letters = gather(letters, "dead letters", &mut unknown);
    letters.sort_by(|a, b| a.id.cmp(&b.id));
    let mut events = gather(events, "events", &mut unknown);
    events.sort_by_key(|said| said.at);
    let letters = letters.into_iter().map(|letter| {
        let discarded = decisions.has_discarded(&letter.id);
        (letter, discarded)
    });
    let letters = letters.collect();
    let findings = Findings { about, events, letters, unknown };
    if json {
        print_json(&findings.as_json())?;
    } else {
        print(&findings.as_text())?;
    }
    Ok(exit::of(!findings.is_known(), !findings.unknown.is_empty()))
}

type InTopics<T> = Vec<(&'static str, Result<Found<T>, String>)>;

async fn letters(connections: &Connections, order: OrderId) -> InTopics<DeadLetter> {
    let (brokers, topics) = (&connections.kafka_brokers, &connections.topic_prefix);
    join_all(services().map(|service| {
        let (brokers, topics) = (brokers.clone(), topics.clone());
        aside(service, move || letters_of(&brokers, &topics, service, order))
    }))
    .await
}

async fn events(
    connections: &Connections,
    order: OrderId,
    to: Option<Timestamp>,
) -> InTopics<Said> {
    let (brokers, topics) = (&connections.kafka_brokers, &connections.topic_prefix);
    join_all(services().map(|service| {
        let (brokers, topics) = (brokers.clone(), topics.clone());
        aside(service, move || said_by(&brokers, &topics, service, order, to))
    }))
    .await
}

/// Has a thread look, for the client blocks; who is late is not waited for.
async fn aside<T: Send + 'static>(
    service: &'static str,
    look: impl FnOnce() -> Result<T, AdminError> + Send + 'static,
) -> (&'static str, Result<T, String>) {
    let (sender, answer) = oneshot::channel();
    std::thread::spawn(move || sender.send(look()));
    let found = match timeout(TOPICS_LIMIT, answer).await {
        Ok(Ok(Ok(found))) => Ok(found),
        Ok(Ok(Err(error))) => Err(error.to_string()),
        _ => Err(format!("Kafka gave no answer within {TOPICS_LIMIT:?}")),
    };
    (service, found)
}

/// What was found in all topics. What could not be seen is said once.
fn gather<T>(found: InTopics<T>, what: &str, unknown: &mut Vec<String>) -> Vec<T> {
    let mut items = Vec::new();
    for (service, found) in found {
        match found {
            Ok(found) => {
                if !found.complete {
                    unknown
                        .push(format!("{service}'s later {what}: there are too many to look at"));
                }
                items.extend(found.items);
            }
            Err(why) => {
                let why = format!("{what}: {why}");
                if !unknown.contains(&why) {
                    unknown.push(why);
                }
            }
        }
    }
    items
}

impl Findings {
    /// Whether anybody knows the order.
    fn is_known(&self) -> bool {
        let About { placed, known_by, services, .. } = &self.about;
        placed.is_some()
            || !known_by.is_empty()
            || !services.is_empty()
            || !self.events.is_empty()
            || !self.letters.is_empty()
    }

    fn as_json(&self) -> serde_json::Value {
        let letters: Vec<_> = self
            .letters
            .iter()
            .map(|(letter, discarded)| json!({"letter": letter, "discarded": discarded}))
            .collect();
        json!({
            "order_id": self.about.order_id,
            "placed": self.about.placed,
            "orphan": self.is_known() && self.about.placed.is_none(),
            "known_by": self.about.known_by.iter().cloned()
                .collect::<std::collections::BTreeMap<_, _>>(),
            "open": self.about.services,
            "dead_letters": letters,
            "events": self.events,
            "unknown": self.unknown,
        })
    }

    fn as_text(&self) -> String {
        let mut lines = self.head();
        let known_by = self.about.known_by.iter();
        lines.extend(known_by.map(|(service, status)| format!("  {service:<12} {status}")));
        let mut part = |title: &str, items: Vec<String>| {
            if !items.is_empty() {
                lines.extend([String::new(), format!("{title}:")]);
                lines.extend(items);
            }
        };
        part("Open", self.about.services.iter().flat_map(of_service).collect());
        part("Dead letters", self.letters.iter().map(letter).collect());
        part("Events", self.events.iter().map(event).collect());
        part("Not seen", self.unknown.iter().map(|why| format!("  {why}")).collect());
        if self.about.placed.is_none() && self.is_known() {
            lines.push(String::new());
            lines.extend(ORPHANED.map(str::to_owned));
        }
        let lines: Vec<_> = lines.iter().map(|line| one_line(line)).collect();
        lines.join("\n")
    }

    fn head(&self) -> Vec<String> {
        let id = self.about.order_id;
        let Some(placed) = &self.about.placed else {
            return vec![if self.is_known() {
                format!("{id} is unknown to the order service, and others know it: an orphan.")
            } else {
                format!("Nobody knows order {id}.")
            }];
        };
        let reason = placed.cancel_reason.as_ref().map(|reason| format!(": {reason}"));
        vec![format!(
            "{id} {}{} for {}, placed at {:.0}",
            placed.status,
            reason.unwrap_or_default(),
            ago(placed.since),
            placed.placed_at
        )]
    }
}

/// How an order may come to be without the order service.
const ORPHANED: [&str; 2] = [
    "Next: it was placed in another fleet, or the order service's database was restored from a backup,",
    "  or somebody else writes events (docs/operations.md, \"Restoring a database\")",
];

fn letter((letter, discarded): &(DeadLetter, bool)) -> String {
    let event = letter.event.as_deref().unwrap_or("a record without a type");
    let error = letter.last_error.as_deref().unwrap_or("no error is recorded");
    let state = if *discarded { " (discarded)" } else { "" };
    format!("  {} {event}{state}: {error}", letter.id)
}

fn event(said: &Said) -> String {
    let at = said.at.map_or_else(|| "-".to_owned(), |at| format!("{at:.3}"));
    let event = said.event.as_deref().unwrap_or("a record without a type");
    let sequence = said.sequence.as_deref().unwrap_or("-");
    let (topic, partition, offset) = &said.place;
    let again = said.redriven_for.as_ref().map(|group| format!(", put back for {group}"));
    format!(
        "  {at} {:<12} {event:<22} {sequence:<3} {topic} {partition} at {offset}{}",
        said.service,
        again.unwrap_or_default()
    )
}
