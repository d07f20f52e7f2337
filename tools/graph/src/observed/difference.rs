use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::Verdict;

/// How many examples of a difference are kept.
const EXAMPLES_MAX: usize = 3;
/// How many differences are told apart. Whoever can write to the topics could make any number.
const APART_MAX: usize = 500;

/// In what the fleet differs from what it declares, by names that stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A type is in a topic whose owner does not declare it.
    UndeclaredType,
    /// Somebody else than the owner writes to a topic.
    ForeignSource,
    /// An event led to another one, and nobody declares that.
    UndeclaredEffect,
    /// A declared type has not been seen for a long time.
    UnseenType,
    /// A declared effect was never seen.
    UnseenEffect,
    /// A group reads a topic, and no service declares that.
    UndeclaredReader,
    /// A declared reader does not read, or does not come further.
    SilentReader,
    /// An event is written by a schema that is none of its versions.
    UnknownSchema,
    /// Instances of a service declare differently.
    DifferingInstances,
    /// A header is not as it is to be.
    BrokenHeader,
    /// An event has no cause, or one that is in no topic.
    Causeless,
    /// A topic or a subject is not set as it is to be.
    Unfit,
}

impl Rule {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 12] = [
        Self::UndeclaredType,
        Self::ForeignSource,
        Self::UndeclaredEffect,
        Self::UnseenType,
        Self::UnseenEffect,
        Self::UndeclaredReader,
        Self::SilentReader,
        Self::UnknownSchema,
        Self::DifferingInstances,
        Self::BrokenHeader,
        Self::Causeless,
        Self::Unfit,
    ];

    /// Its name, `D1` to `D12`.
    pub fn name(self) -> String {
        let at = Self::ALL.iter().position(|rule| *rule == self).unwrap_or_default();
        format!("D{}", at + 1)
    }

    fn verdict(self) -> Verdict {
        match self {
            // What has not happened may yet happen.
            Self::UnseenType | Self::UnseenEffect => Verdict::Note,
            _ => Verdict::Wrong,
        }
    }

    fn mend(self) -> &'static str {
        match self {
            Self::UndeclaredType => {
                "Declare it in the service that emits it, with a schema; or find out who writes there."
            }
            Self::ForeignSource => {
                "Find out who it is, and take the permission to write to this topic away."
            }
            Self::UndeclaredEffect => {
                "Declare that the one leads to the other, or find out why the service reacts to it."
            }
            Self::UnseenType => "If it never happens any more, take it out of the declaration.",
            Self::UnseenEffect => "If it cannot happen any more, take it out of what leads to it.",
            Self::UndeclaredReader => {
                "Find out whose it is; a service that reads is to declare it, and a group that nobody \
                 needs any more is to be deleted."
            }
            Self::SilentReader => "Look at the service: farandole status",
            Self::UnknownSchema => {
                "Find the schema in the registry by this id: farandole schemas register --check"
            }
            Self::DifferingInstances => "Wait for a deployment to end, or end it.",
            Self::BrokenHeader => "Look at the record, and at who wrote it: farandole events tail",
            Self::Causeless => "Look at who wrote it: farandole orders show ORDER",
            Self::Unfit => "farandole topics create --check, farandole schemas register --check",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// A difference between what is declared and what is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Of which kind it is.
    pub rule: Rule,
    /// How bad it is.
    pub verdict: Verdict,
    /// What it is about, in a form that stays: `service/Event`, a group, or a topic.
    pub path: String,
    /// What is different, in a sentence.
    pub what: String,
    /// Since when, as far as it was looked.
    pub since: Option<Timestamp>,
    /// How often.
    pub times: u64,
    /// Where, for some.
    pub examples: Vec<Example>,
    /// What to do.
    pub mend: String,
    /// Why it is accepted, if it is; then it is a note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

impl Difference {
    /// Makes a note of it, for somebody expects it.
    pub fn accept(&mut self, why: String) {
        (self.verdict, self.accepted) = (Verdict::Note, Some(why));
    }

    /// Whether it is more than good to know.
    pub fn is_wrong(&self) -> bool {
        self.verdict == Verdict::Wrong
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// A record in which a difference shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its topic.
    pub topic: String,
    /// Its partition there.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The event's id, if it has one.
    pub id: Option<Uuid>,
}

/// The differences that were found, each with how often.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<(Rule, String, String), Tallied>);

#[derive(Debug, Default)]
struct Tallied {
    since: Option<Timestamp>,
    times: u64,
    examples: Vec<Example>,
}

impl Tally {
    /// Takes note that something differs, here and at this time.
    pub(super) fn add(
        &mut self,
        (rule, path, what): (Rule, &str, String),
        at: Option<Timestamp>,
        example: impl FnOnce() -> Option<Example>,
    ) {
        let mut key = (rule, path.to_owned(), what);
        if self.0.len() >= APART_MAX && !self.0.contains_key(&key) {
            key = (rule, "more".to_owned(), "There are more of this kind.".to_owned());
        }
        let tallied = self.0.entry(key).or_default();
        tallied.times += 1;
        tallied.since = [tallied.since, at].into_iter().flatten().min();
        if tallied.examples.len() < EXAMPLES_MAX {
            tallied.examples.extend(example());
        }
    }

    /// Takes note of something that is not in a record.
    pub(super) fn state(&mut self, rule: Rule, path: &str, what: String, since: Option<Timestamp>) {
        self.add((rule, path, what), since, || None);
    }

    /// All that was found, by rule.
    pub(super) fn differences(self) -> Vec<Difference> {
        let difference = |((rule, path, what), tallied): ((Rule, String, String), Tallied)| {
            let Tallied { since, times, examples } = tallied;
            let (verdict, mend) = (rule.verdict(), rule.mend().to_owned());
            let accepted = None;
            Difference { rule, verdict, path, what, since, times, examples, mend, accepted }
        };
        self.0.into_iter().map(difference).collect()
    }
}
