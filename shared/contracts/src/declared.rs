//! A declaration as data, for those who don't know the service's types: what is in
//! `services/<name>/declaration.json`, rendered from the code and held equal to it by a test, and what a
//! running service answers at `GET /declaration`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::DeclaredMetric;

/// What a service declares, as JSON.
///
/// Events are named by their types, and those that are told apart by a field as `Type:value`, such as
/// `CustomerNotified:confirmed`. A service in another language declares `service`, `consumes` and
/// `emits`, and of the rest what it has; members that are not known here are passed over, for who looks
/// may be older than the service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Its name: of its topic, its consumer group, its database.
    pub service: String,
    /// The version of the program. Only a running service says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Which of its instances this is. Only a running service says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What it does, in a few words.
    #[serde(default)]
    pub about: String,
    /// Who answers for it: a team, by the name under which it is found.
    #[serde(default)]
    pub owner: String,
    /// The default port of its HTTP API.
    #[serde(default)]
    pub port: u16,
    /// The paths of its HTTP API, without those that all services have.
    #[serde(default)]
    pub paths: Vec<String>,
    /// The table of its states.
    #[serde(default)]
    pub table: String,
    /// The members of a state that make its status. See [`status_of`].
    #[serde(default)]
    pub status: Vec<String>,
    /// What it reads.
    pub consumes: Vec<DeclaredConsumption>,
    /// What it writes.
    pub emits: Vec<DeclaredEvent>,
    /// Which of its events undo which of its others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compensates: Vec<DeclaredCompensation>,
    /// Whether, and how, it begins the sagas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<Begins>,
    /// By how a saga may end, the statuses in which its part has ended, too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settles: BTreeMap<String, Vec<String>>,
    /// What must add up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub books: Vec<Book>,
    /// What it tells by numbers, beside what any service does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<DeclaredMetric>,
    /// The statuses that its part of a saga can have. The first is that of a saga that it has never
    /// heard of.
    #[serde(default)]
    pub statuses: Vec<DeclaredStatus>,
}

/// An event type that a service reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredConsumption {
    /// Its type.
    pub event: String,
    /// Who emits it.
    pub from: String,
    /// What it may lead the service to emit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leads_to: Vec<String>,
    /// How long that may take, in seconds, before it is late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_s: Option<u32>,
    /// Whether nobody waits for what it leads to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_linger: bool,
    /// The reader's schema: the fields that the service uses.
    #[serde(default)]
    pub schema: Value,
}

/// An event type that a service writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredEvent {
    /// Its type.
    pub event: String,
    /// The version of the schema that it is written with: of `schemas/<service>/<event>.v<N>.avsc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Whether the story may end here: nobody needs to read it.
    #[serde(default, rename = "end", skip_serializing_if = "std::ops::Not::not")]
    pub is_end: bool,
    /// The schema's id in the registry. Only a running service says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_id: Option<i32>,
    /// The schema. A running service says it, and who has no files in `schemas/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// The field by which its events are told apart, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_apart_by: Option<String>,
}

/// That one event undoes another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredCompensation {
    /// Such as `PaymentRefunded`.
    pub event: String,
    /// Such as `PaymentCharged`.
    pub undoes: String,
}

/// What is true of a saga of which a service has written down this status: what it has read and
/// emitted by then, and what it has asked of others, for all of these belong to the same transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredStatus {
    /// The status.
    pub status: String,
    /// The types that it has read for sure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub has_read: Vec<String>,
    /// The types that it has not read for sure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<String>,
    /// The events that it has emitted for sure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub has_said: Vec<String>,
    /// The events that it may have emitted, beside those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may_say: Vec<String>,
    /// The steps of the calls whose outcomes it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<String>,
    /// Whether nothing changes it any more.
    #[serde(default, rename = "final", skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
}

/// How a service begins sagas. Its table of states also has the columns `placed_at`, `updated_at`
/// (when the status changed last) and `deadline_at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begins {
    /// The event by which a saga begins.
    pub event: String,
    /// The status in which the time that a saga has for its first part runs, until its deadline.
    pub until_deadline: String,
    /// The status of a saga whose time was up.
    pub timed_out: String,
    /// The status of a saga that it has never begun, and that an operator had undone.
    pub undone: String,
}

impl Begins {
    /// Sagas begin by `event`.
    pub fn by(event: &str) -> Self {
        let none = String::new;
        Self { event: event.to_owned(), until_deadline: none(), timed_out: none(), undone: none() }
    }

    /// In the status `until_deadline` a saga has until its deadline, and is `timed_out` afterwards.
    #[must_use]
    pub fn within_a_deadline(mut self, until_deadline: &str, timed_out: &str) -> Self {
        (self.until_deadline, self.timed_out) = (until_deadline.to_owned(), timed_out.to_owned());
        self
    }

    /// A saga that was never begun and that an operator had undone has this status.
    #[must_use]
    pub fn undone_as(mut self, undone: &str) -> Self {
        undone.clone_into(&mut self.undone);
        self
    }
}

/// Something of a service that must add up, which the audit checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// Its name in reports, such as `I2-charges`.
    pub name: String,
    /// What must hold, in a sentence.
    pub rule: String,
    /// How that is checked.
    pub holds: Vec<Holds>,
    /// What to do where it does not hold; by default, to look at what was said about the saga.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Book {
    /// A rule, and how it is checked.
    pub fn new(name: &str, rule: &str, holds: impl Into<Vec<Holds>>) -> Self {
        Self { name: name.to_owned(), rule: rule.to_owned(), holds: holds.into(), next: None }
    }

    /// What to do where it does not hold.
    #[must_use]
    pub fn next(mut self, next: &str) -> Self {
        self.next = Some(next.to_owned());
        self
    }
}

/// A check of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Holds {
    /// This query of the service's database returns no row. Each is a text that says what is wrong.
    /// `{state}` in it stands for the column `state`, in a form that can be taken apart whatever
    /// characters it holds.
    NoRow(String),
    /// Of a saga there is one such event at most, for each value of the field that tells them apart.
    /// The same again, by this field, which is a provider's id, was said twice and done once.
    Once {
        /// The event's type.
        event: String,
        /// The field that has the provider's id.
        by: String,
    },
    /// Of a saga, the sums of the `amount` fields of these events, which are money, are no more than
    /// those of the others, per currency.
    NoMoreThan {
        /// The events' type.
        event: String,
        /// The field that has the provider's id.
        by: String,
        /// The type of the others.
        than: String,
        /// The field of theirs that has the provider's id.
        than_by: String,
    },
    /// A saga does not have both of these.
    NotBoth(String, String),
    /// No event comes after any of the others.
    NotAfter {
        /// The event.
        event: String,
        /// The others.
        after: Vec<String>,
    },
    /// After one of these the service says nothing more about the saga.
    Last(Vec<String>),
}

impl Holds {
    /// The events that it is about.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        let events: Vec<&String> = match self {
            Self::NoRow(_) => Vec::new(),
            Self::Once { event, .. } => vec![event],
            Self::NoMoreThan { event, than, .. } => vec![event, than],
            Self::NotBoth(one, other) => vec![one, other],
            Self::NotAfter { event, after } => after.iter().chain([event]).collect(),
            Self::Last(events) => events.iter().collect(),
        };
        events.into_iter().map(String::as_str)
    }

    /// Of a saga there is one such event at most. See [`Holds::Once`].
    pub fn once(event: &str, by: &str) -> Self {
        Self::Once { event: event.to_owned(), by: by.to_owned() }
    }

    /// The sum of these amounts is no more than that of the others. Each is an event's type, and the
    /// field that has the provider's id. See [`Holds::NoMoreThan`].
    pub fn no_more_than([event, by]: [&str; 2], [than, than_by]: [&str; 2]) -> Self {
        let [event, by, than, than_by] = [event, by, than, than_by].map(str::to_owned);
        Self::NoMoreThan { event, by, than, than_by }
    }

    /// A saga does not have both. See [`Holds::NotBoth`].
    pub fn not_both(one: &str, other: &str) -> Self {
        Self::NotBoth(one.to_owned(), other.to_owned())
    }

    /// No such event comes after any of the others. See [`Holds::NotAfter`].
    pub fn not_after(event: &str, after: &[&str]) -> Self {
        let after = after.iter().map(|event| (*event).to_owned()).collect();
        Self::NotAfter { event: event.to_owned(), after }
    }

    /// After one of these nothing more is said. See [`Holds::Last`].
    pub fn last(events: &[&str]) -> Self {
        Self::Last(events.iter().map(|event| (*event).to_owned()).collect())
    }
}

/// What stands for a part of a status that is not there.
const NOTHING: &str = "-";

/// The status of a state, by the members that make it: their values, with a space between. A text
/// stands for itself, a number for its digits, `true` for the member's name and an object for its first
/// member's name; `-` for what is not there, which is left out at the end.
///
/// ```
/// # use farandole_contracts::status_of;
/// let state = serde_json::json!({"status": "charging", "cancelled": true});
/// assert_eq!(status_of(&state, &["status", "cancelled"]), "charging cancelled");
/// let state = serde_json::json!({"address": {"known": {}}, "messages": {"late": {"status": "sent"}}});
/// let paths = ["address", "messages.early.status", "messages.late.status", "messages.last.status"];
/// assert_eq!(status_of(&state, &paths), "known - sent");
/// ```
pub fn status_of<P: AsRef<str>>(state: &Value, paths: &[P]) -> String {
    let mut parts: Vec<String> = paths.iter().map(|path| part(state, path.as_ref())).collect();
    while parts.last().is_some_and(|part| part == NOTHING) {
        parts.pop();
    }
    if parts.is_empty() { NOTHING.to_owned() } else { parts.join(" ") }
}

fn part(state: &Value, path: &str) -> String {
    let value = path.split('.').try_fold(state, |value, name| value.get(name));
    let name = || path.rsplit('.').next().unwrap_or(path).to_owned();
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(true)) => name(),
        Some(Value::Object(members)) => {
            members.keys().next().cloned().unwrap_or_else(|| NOTHING.to_owned())
        }
        _ => NOTHING.to_owned(),
    }
}
