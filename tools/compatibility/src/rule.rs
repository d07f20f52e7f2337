//! The rules, by their numbers. What each means stands here once: for the findings, for what other
//! tools show of them, and for the table in docs/contracts.md.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Somebody in the fleet, or the registry, does not take it.
    Broken,
    /// Nobody in the fleet is hurt as far as can be seen; others may be, who read the topics, too.
    Risky,
    /// Worth knowing.
    Note,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Risky => "risky",
            Self::Note => "note",
        }
    }
}

macro_rules! rules {
    ($($rule:ident $verdict:literal $title:literal $mend:literal;)+) => {
        /// A rule, by its number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "Rule::title says it")]
        pub enum Rule { $($rule,)+ }

        impl Rule {
            /// All that are checked here.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)+];

            /// Its number, such as `R03`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$rule => stringify!($rule),)+ }
            }

            /// The verdicts that it may lead to, in words.
            pub fn verdicts(self) -> &'static str {
                match self { $(Self::$rule => $verdict,)+ }
            }

            /// What it finds.
            pub fn title(self) -> &'static str {
                match self { $(Self::$rule => $title,)+ }
            }

            /// How that is mended.
            pub fn mend(self) -> &'static str {
                match self { $(Self::$rule => $mend,)+ }
            }
        }
    };
}

rules! {
    R01 "broken" "a field is added without a default"
        "give the new field a default";
    R02 "broken" "a field is removed that had no default"
        "keep the field; first take it out of the readers, and release a version in which it has a default";
    R03 "broken, risky" "a field is removed that a reader names: with its default it is read as that"
        "keep the field; take it out of the readers first, deploy them, and remove it then";
    R04 "broken, risky" "a field is renamed"
        "keep both: add the new field with a default, write both, move the readers, remove the old one";
    R05 "broken" "a field's type is changed, be it by promotion"
        "keep the type; add a field of another name with the new one";
    R06 "broken" "a field may be null that never was, or no longer"
        "keep the type; add a field of another name";
    R07 "broken" "a union has a branch more or less"
        "keep the union; add a field of another name";
    R08 "risky" "a union's branches are in another order, or a value fits several of them"
        "keep the order; do not mix number types in a union";
    R09 "broken" "a default is not of the union's first branch"
        "put the branch that the default is of first, or give another default";
    R10 "broken, risky" "a default's value differs: two readers see two values"
        "keep the default of the released version";
    R11 "broken" "an enum has a symbol more or less"
        "keep the symbols; add a string field with farandole.values";
    R12 "note" "an enum is used"
        "prefer a string with farandole.values, of which more may come";
    R13 "risky, note" "a field's vocabulary (farandole.values) has a word less, or more"
        "keep the word in the list as long as events with it are in the topics";
    R14 "risky" "an enum's symbols are in another order"
        "keep the order, and put new ones at the end";
    R15 "broken, risky" "a record, an enum or a fixed has another name or namespace"
        "keep the name; a new record name is a new event, which is emitted beside the old one";
    R16 "broken" "a type within a union has another name: branches are found by it"
        "keep the name";
    R17 "broken" "a fixed has another size, or a decimal other digits"
        "keep them; add a field of another name";
    R18 "broken, risky" "the bytes are the same and mean something else (logical type)"
        "keep the logical type; add a field of another name";
    R19 "risky" "one type name with different fields in two events, or another unit in a doc"
        "give the other type a name of its own; keep the unit, or add a field of another name";
    R20 "broken" "a reader schema cannot read a version"
        "give the reader's field a default, or the type that was written";
    R21 "broken" "Avro reads one value and the service another"
        "do not rely on aliases, defaults of enums or the order of branches: the services decode by the writer's names";
    R23 "risky" "a reader schema relies on an alias, the default of an enum, or a promotion"
        "name the field and its type as the writer does";
    R30 "broken" "a released file is edited or gone, a version is skipped, or a name is not its path's"
        "restore the file, and add a next version";
    R31 "broken, risky" "an event type is gone that is read, or may be in the topics"
        "restore its schemas: events of it are in the topics, and dead letters may be";
    R32 "broken" "an event has another topic, source or key"
        "leave it with the service that has emitted it, and its key as it is";
    R33 "broken" "an event is read that nobody emits, or one led to or undone that is another's"
        "name an event that is emitted, or take it out of the declaration";
    R34 "risky, note" "nobody has read an event, or fields, for two releases"
        "think of removing it, if nobody else reads the topic";
    R35 "broken" "the registry does not guard a subject, or has deleted versions of it"
        "run farandole schemas register; restore the versions that events in the topics name";
    R36 "broken, risky" "a field may hold personal data and does not say so, or is newly read by a service"
        "say farandole.personal at the field; ask its owner before reading it";
    R37 "note" "a doc or an owner is missing"
        "say what it is, with its unit, and who answers for it";
    R40 "broken, note" "an accepted finding has expired, or is not there any more"
        "mend what was accepted, or give it another date; take out what is not there any more";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// The rules that are checked.
#[derive(Debug, Clone)]
pub struct Rules(BTreeSet<Rule>);

impl Rules {
    /// All rules.
    pub fn all() -> Self {
        Self(Rule::ALL.iter().copied().collect())
    }

    /// These but one, to see what it is for.
    #[must_use]
    pub fn without(mut self, rule: Rule) -> Self {
        self.0.remove(&rule);
        self
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        self.0.contains(&rule)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::all()
    }
}
