//! What a check has found.

use serde::Serialize;

use crate::rule::{Rule, Verdict};

/// Something that a check has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule that is broken.
    pub rule: Rule,
    /// How bad it is. What is accepted is a note.
    pub verdict: Verdict,
    /// What it is about, such as `order/OrderPlaced.v2.total` or `payment reads order/OrderPlaced`.
    /// It is what an entry of the accepted findings names.
    pub path: String,
    /// In a few words, what is the matter.
    pub what: String,
    /// Why that is bad, in a sentence.
    pub why: String,
    /// How to mend it.
    pub mend: String,
    /// What to write instead, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paste: Option<String>,
    /// Where it is, in the tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Who is hurt by it.
    pub users: Vec<User>,
    /// Why it is accepted, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

impl Finding {
    /// What is to be put into the file of accepted findings to accept this one.
    pub fn acceptance(&self) -> String {
        format!(
            "[[accepted]]\nrule = \"{}\"\npath = \"{}\"\nreason = \"\"  # why that is all right\n\
             until = \"\"  # a day, such as 2027-01-31, on which it is to be gone",
            self.rule,
            self.path.replace('\\', "\\\\").replace('"', "\\\"")
        )
    }
}

/// A line of a file of the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// From the root of the tree.
    pub file: String,
    /// From 1.
    pub line: u32,
}

/// A service that reads something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct User {
    /// Its name; of a running instance also which it is.
    pub service: String,
    /// Where its reader schema names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What it uses it for, in its own words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uses: String,
}
