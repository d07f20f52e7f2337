//! All there is to know of one order, and of those that hang.

use std::time::Duration;

use futures::future::join_all;
use jiff::SignedDuration;
use kafka::AdminError;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::connections::Connections;
use crate::databases::{self, NoDatabase};
use crate::decisions::Decisions;
use crate::masking;
use crate::recovery::OperationLog;
use crate::stuck::{
    About, Databases, DeadLetter, Filter, Found, Letters, Said, Stuck, Where, Work, about, find,
    letters_of, read_letters, said_by,
};
use crate::{OrderId, services};

pub use crate::stuck::EventPlace;

/// How long the topics may take.
const TOPICS_LIMIT: Duration = Duration::from_secs(8);
/// How long after an order's status has changed last others speak of it, as a rule.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(10);

/// What is known of an order.
#[derive(Debug, Clone)]
pub struct Story {
    /// What the databases say.
    pub about: About,
    /// What was said, in the order of time.
    pub events: Vec<Said>,
    /// What could not be processed, with whether it was discarded.
    pub letters: Vec<(DeadLetter, bool)>,
    /// What could not be looked at, and why.
    pub unknown: Vec<String>,
}

/// Looks for all of it: in the databases of all services, and in the topics since the order was placed, or
/// where its events are known to be. An order with a dead letter may have other events beside: those that
/// were put back.
pub async fn story(
    order: OrderId,
    places: Option<Vec<EventPlace>>,
    connections: &Connections,
    databases: &databases::Databases,
) -> anyhow::Result<Story> {
    let mut databases = connect(databases).await?;
    let ((decisions, trouble), letters, about) = tokio::join!(
        decisions(connections),
        letters(connections, order),
        about(&mut databases, order),
    );
    let about = about?;
    let to = about.placed.as_ref().filter(|placed| placed.is_over);
    let to = to.and_then(|placed| placed.since.checked_add(AFTERMATH).ok());
    let has_letters = letters.iter().any(|(_, found)| {
        found.as_ref().is_ok_and(|found| !found.items.is_empty()) || found.is_err()
    });
    let places = places.filter(|places| !places.is_empty() && !has_letters);
    let events = events(connections, order, &places.map_or(Where::UpTo(to), Where::At)).await;
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
    Ok(Story { about, events, letters: letters.collect(), unknown })
}

/// The orders that hang, counted by what they wait for, and of the newest `limit` all there is to know and
/// what to do. `None` if a single order was asked for, and the order service has none of that id.
pub async fn hanging(
    filter: Filter,
    limit: usize,
    connections: &Connections,
    databases: &databases::Databases,
) -> anyhow::Result<Option<Stuck>> {
    let mut databases = connect(databases).await?;
    let (decisions, blind) = decisions(connections).await;
    let Some(mut stuck) = find(&mut databases, filter, &decisions, limit).await? else {
        return Ok(None);
    };
    // Where nothing hangs, nothing was decided on either.
    stuck.unknown.extend(blind.filter(|_| !stuck.orders.is_empty()));
    let blind = dead_letters(connections, &mut stuck, &decisions).await;
    stuck.unknown.extend(blind);
    Ok(Some(stuck))
}

/// Connections to the services' databases, as far as these are there.
pub(crate) async fn connect(databases: &databases::Databases) -> Result<Databases, NoDatabase> {
    let all = services().map(|service| databases.connect(service));
    Databases::new(join_all(all).await)
}

/// What operators have decided, as far as Kafka tells, and why it does not.
pub(crate) async fn decisions(connections: &Connections) -> (Decisions, Option<String>) {
    let read = async {
        connections.kafka().await?;
        OperationLog::read(connections).await
    };
    match read.await {
        Ok(log) => (log.decisions(), None),
        Err(error) => {
            let why = format!("cannot tell what was discarded or acknowledged: {error}");
            (Decisions::default(), Some(why))
        }
    }
}

/// Adds the orders' dead letters, and what to do; or says why that cannot be told. Kafka may be
/// away, which may be why orders hang.
async fn dead_letters(
    connections: &Connections,
    stuck: &mut Stuck,
    decisions: &Decisions,
) -> Option<String> {
    let (mut letters, mut trouble) = (Letters::default(), None);
    if !stuck.orders.is_empty() {
        let (brokers, topics) =
            (connections.kafka_brokers.clone(), connections.topic_prefix.clone());
        let about = stuck.clone();
        let reading = tokio::task::spawn_blocking(move || read_letters(&brokers, &topics, &about));
        let why = match reading.await {
            Ok(Ok(read)) => {
                letters = read;
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        trouble = why.map(|why| format!("cannot tell which events are dead letters: {why}"));
    }
    stuck.advise(&letters, decisions);
    trouble
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

async fn events(connections: &Connections, order: OrderId, places: &Where) -> InTopics<Said> {
    let (brokers, topics) = (&connections.kafka_brokers, &connections.topic_prefix);
    join_all(services().map(|service| {
        let (brokers, topics) = (brokers.clone(), topics.clone());
        let places = places.clone();
        aside(service, move || said_by(&brokers, &topics, service, order, &places))
    }))
    .await
}

/// What was found, with whose topic it was looked for in.
async fn aside<T: Send + 'static>(
    service: &'static str,
    look: impl FnOnce() -> Result<T, AdminError> + Send + 'static,
) -> (&'static str, Result<T, String>) {
    (service, in_time(look).await)
}

/// Has a thread look, for the client blocks; who is late is not waited for.
pub(crate) async fn in_time<T: Send + 'static>(
    look: impl FnOnce() -> Result<T, AdminError> + Send + 'static,
) -> Result<T, String> {
    let (sender, answer) = oneshot::channel();
    std::thread::spawn(move || sender.send(look()));
    match timeout(TOPICS_LIMIT, answer).await {
        Ok(Ok(Ok(found))) => Ok(found),
        Ok(Ok(Err(error))) => Err(error.to_string()),
        _ => Err(format!("Kafka gave no answer within {TOPICS_LIMIT:?}")),
    }
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

impl Story {
    /// Whether anybody knows the order.
    pub fn is_known(&self) -> bool {
        let About { placed, known_by, services, .. } = &self.about;
        placed.is_some()
            || !known_by.is_empty()
            || !services.is_empty()
            || !self.events.is_empty()
            || !self.letters.is_empty()
    }

    /// The same for who is to see nothing personal: without what errors quote, and what headers say as events
    /// have it.
    #[must_use]
    pub fn masked(mut self) -> Self {
        let shown = |text: &mut Option<String>| {
            *text = text.take().map(|it| masking::name(&it).to_owned());
        };
        for Said { event, id, cause, sequence, redriven_for, .. } in &mut self.events {
            [event, id, cause, sequence, redriven_for].into_iter().for_each(shown);
        }
        let letters = self.letters.into_iter();
        self.letters = letters.map(|(letter, discarded)| (letter.masked(), discarded)).collect();
        self.about.services = self.about.services.into_iter().map(Work::masked).collect();
        self
    }

    /// As programs read it.
    pub fn as_json(&self) -> serde_json::Value {
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
}
