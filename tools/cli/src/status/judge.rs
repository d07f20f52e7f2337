//! What is wrong, by what was seen. Pure but for the clock.

mod answers;
mod fleet;
mod work;

use std::time::Duration;

pub(crate) use fleet::waited;
use jiff::Timestamp;
use serde::Serialize;

use super::facts::Facts;

/// What is younger than this is under way.
const UNDER_WAY: Duration = Duration::from_secs(30);

/// What is to be made of what was seen.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What needs a person, what is likely to be the cause of the rest first.
    pub findings: Vec<Finding>,
    /// What is worth knowing.
    pub notes: Vec<String>,
    /// What could not be seen, and why.
    pub unknown: Vec<String>,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The service that it is about, if it is about one.
    pub service: Option<&'static str>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub next: Vec<String>,
}

impl Finding {
    /// With whose it is.
    pub fn sentence(&self) -> String {
        match self.service {
            Some(service) => format!("{service}: {}", self.what),
            None => self.what.clone(),
        }
    }
}

impl Verdict {
    /// Whether nothing was found.
    pub fn is_well(&self) -> bool {
        self.findings.is_empty()
    }

    /// One sentence for all of it.
    pub fn summary(&self) -> String {
        match (self.findings.as_slice(), self.unknown.len()) {
            ([], 0) => "All is well: the services are ready and up to date.".to_owned(),
            ([], _) => {
                "Nothing is wrong as far as can be seen, but not all can be seen.".to_owned()
            }
            ([one], _) => format!("Something is wrong: {}.", one.sentence()),
            ([first, more @ ..], _) => {
                format!("Something is wrong: {}; and {} more.", first.sentence(), more.len())
            }
        }
    }

    fn finds(&mut self, service: impl Into<Option<&'static str>>, what: String, next: &[&str]) {
        let next = next.iter().map(ToString::to_string).collect();
        self.findings.push(Finding { service: service.into(), what, next });
    }

    fn notes(&mut self, service: &str, what: &str) {
        self.notes.push(format!("{service}: {what}"));
    }

    /// Takes note of what could not be seen; that all services share it is said once.
    fn cannot_see(&mut self, what: &str, service: &str, reason: &str) {
        let of_all = format!("{what}: {reason}");
        let mine = format!("{service}'s {of_all}");
        if let Some(other) = self.unknown.iter_mut().find(|other| other.ends_with(&of_all)) {
            *other = format!("several services' {of_all}");
        } else {
            self.unknown.push(mine);
        }
    }
}

/// What is wrong, by these facts.
pub fn judge(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::default();
    for service in &facts.services {
        work::locks(service, &mut verdict);
    }
    if answers::nobody_answers(facts) {
        let addresses: Vec<&str> =
            facts.services.iter().map(|service| service.url.as_str()).collect();
        let what = format!("none of the services answers ({})", addresses.join(", "));
        verdict.finds(None, what, &[
            "is this the machine, and are these the ports? ORDER_URL and so on say where they listen",
            "is the machine, or the network, up and not overloaded? uptime; then start the services",
        ]);
    } else {
        for service in &facts.services {
            answers::answer(service, &mut verdict);
        }
    }
    answers::misaddressed(facts, &mut verdict);
    for service in &facts.services {
        let quotas = facts.quotas.known();
        work::work(service, quotas.and_then(|all| all.get(service.name).copied()), &mut verdict);
    }
    fleet::orders(facts, &mut verdict);
    fleet::letters(&facts.dead_letters, &mut verdict);
    for service in &facts.services {
        work::gaps(service, &mut verdict);
        work::calls(service, &mut verdict);
        work::held(service, &mut verdict);
        work::circuits(service, &mut verdict);
    }
    fleet::unknown(facts, &mut verdict);
    verdict
}

fn old(since: Option<Timestamp>, limit: Duration) -> bool {
    since.is_some_and(|since| Timestamp::now().duration_since(since).unsigned_abs() > limit)
}

/// `1 event`, `2 events`.
fn some(count: i64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
