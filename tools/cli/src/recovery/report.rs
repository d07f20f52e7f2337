use contracts::operations::LetterId;
use serde_json::{Value, json};

use super::letter::Letter;
use super::outcome::Outcome;
use super::selection::Chosen;
use crate::databases::Databases;
use crate::text::one_line;

/// How many letters that did not go well are named.
const NAMED_MAX: usize = 5;

/// What came of a redrive.
#[derive(Debug, Default)]
pub struct Report {
    outcomes: Vec<(LetterId, Outcome)>,
    refused: Vec<(LetterId, String)>,
    /// Why it did not go on to the end, and how many letters were not touched.
    stopped: Option<(&'static str, usize)>,
}

impl Report {
    pub(super) fn new(outcomes: Vec<(&Letter, Outcome)>, refused: Vec<(LetterId, String)>) -> Self {
        let outcomes = outcomes.into_iter().map(|(letter, it)| (letter.id.clone(), it)).collect();
        Self { outcomes, refused, stopped: None }
    }

    pub(super) fn stopped(self, why: &'static str, untouched: usize) -> Self {
        Self { stopped: Some((why, untouched)), ..self }
    }

    fn count(&self, name: &str) -> usize {
        self.outcomes.iter().filter(|(_, outcome)| outcome.name() == name).count()
    }

    /// Some of what was to be redriven is not applied.
    pub fn has_failed(&self) -> bool {
        let good = |outcome: &Outcome| matches!(outcome, Outcome::Applied | Outcome::Unknown);
        self.outcomes.iter().any(|(_, outcome)| !good(outcome))
            || !self.refused.is_empty()
            || self.stopped.is_some()
    }

    /// Of some nobody can say what became of them.
    pub fn is_unknown(&self) -> bool {
        self.outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Unknown)
    }

    /// Such as `3 redriven: 2 applied, 1 dead again`.
    pub fn sentence(&self) -> String {
        let names = ["applied", "failing again", "dead again", "not yet read", "not checked"];
        let counts = names.map(|name| (name, self.count(name)));
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        let parts: Vec<String> = counts.map(|(name, count)| format!("{count} {name}")).collect();
        let mut sentence = format!("{} redriven", self.outcomes.len());
        if !parts.is_empty() {
            sentence = format!("{sentence}: {}", parts.join(", "));
        }
        if !self.refused.is_empty() {
            sentence = format!("{sentence}; {} refused by Kafka", self.refused.len());
        }
        if let Some((why, untouched)) = self.stopped {
            sentence = format!("stopped, for {why}: {sentence}, {untouched} left as they were");
        }
        sentence
    }

    /// The same, with what did not go well, and what to do now.
    pub fn as_text(&self) -> String {
        if self.outcomes.is_empty() && self.refused.is_empty() {
            return "Nothing to redrive. Next: farandole dlq list".to_owned();
        }
        let refused =
            self.refused.iter().map(|(id, why)| format!("{id} is refused: {}\n", one_line(why)));
        let failed = self.outcomes.iter().filter_map(|(id, outcome)| match outcome {
            Outcome::Failing(error) => {
                Some(format!("{id} is failing again: {}\n", one_line(error)))
            }
            Outcome::DeadAgain(back) => Some(format!("{id} is dead again, as {back}\n")),
            _ => None,
        });
        let named: String = refused.chain(failed).take(NAMED_MAX).collect();
        let mut sentence = self.sentence();
        sentence[..1].make_ascii_uppercase();
        format!("{named}{sentence}. {}", self.next())
    }

    /// What to do now.
    fn next(&self) -> String {
        let back = self.outcomes.iter().find_map(|(_, outcome)| match outcome {
            Outcome::DeadAgain(back) => Some(back),
            _ => None,
        });
        let failing =
            self.outcomes.iter().find(|(_, outcome)| matches!(outcome, Outcome::Failing(_)));
        let unread = self.outcomes.iter().find(|(_, outcome)| *outcome == Outcome::Unread);
        let unknown = self.outcomes.iter().find(|(_, outcome)| *outcome == Outcome::Unknown);
        match (back, failing.or(unread), unknown) {
            (Some(back), _, _) => format!("Next: farandole dlq show {back}"),
            (_, Some((id, _)), _) => format!("Next, in a while: farandole dlq show {id}"),
            (_, _, Some((id, _))) => {
                let variable = Databases::variable(&id.service);
                format!("Next: set {variable}, and farandole dlq show {id}")
            }
            _ => "Next: farandole dlq list".to_owned(),
        }
    }

    /// The same, for programs.
    pub fn as_json(&self, chosen: &Chosen<'_>) -> Value {
        let outcomes: Vec<Value> = self
            .outcomes
            .iter()
            .map(|(id, outcome)| {
                let (error, back) = match outcome {
                    Outcome::Failing(error) => (Some(error), None),
                    Outcome::DeadAgain(back) => (None, Some(back)),
                    _ => (None, None),
                };
                let outcome = outcome.name();
                json!({"letter": id, "outcome": outcome, "error": error, "came_back_as": back})
            })
            .collect();
        let refused: Vec<Value> =
            self.refused.iter().map(|(id, why)| json!({"letter": id, "why": why})).collect();
        json!({
            "summary": self.sentence(),
            "good": !self.has_failed() && !self.is_unknown(),
            "letters": outcomes,
            "refused": refused,
            "stopped": self.stopped.map(|(why, _)| why),
            "left_out": chosen.left_out_as_json(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::letter::tests::letter;
    use super::*;

    #[test]
    fn a_report_says_what_became_of_how_many() {
        let (one, two) = (letter("payment/0/1", &["no"]), letter("payment/0/2", &["no"]));
        let good = Report::new(vec![(&one, Outcome::Applied)], Vec::new());
        assert!(!good.has_failed() && !good.is_unknown());
        assert_eq!(good.as_text(), "1 redriven: 1 applied. Next: farandole dlq list");

        let back = Outcome::DeadAgain("payment/0/3".parse().unwrap());
        let bad = Report::new(vec![(&one, Outcome::Applied), (&two, back)], Vec::new());
        let bad = bad.stopped("a canary failed again", 40);
        assert!(bad.has_failed());
        assert_eq!(
            bad.as_text(),
            "payment/0/2 is dead again, as payment/0/3\nStopped, for a canary failed again: 2 \
             redriven: 1 applied, 1 dead again, 40 left as they were. Next: farandole dlq show \
             payment/0/3"
        );
        let unchecked = Report::new(vec![(&one, Outcome::Unknown)], Vec::new());
        assert!(!unchecked.has_failed() && unchecked.is_unknown());
        assert!(unchecked.as_text().contains("1 not checked. Next: set PAYMENT_DATABASE_URL"));
    }
}
