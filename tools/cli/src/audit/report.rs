use std::fmt;

use contracts::Book;
use declarations::fleet;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::text::one_line;

/// What began less long ago is under way, and not listed.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(5);

/// What an audit looks at: what must hold of any service, and the books that services keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Effects,
    Numbers,
    Undecided,
    Unsettled,
    Outbox,
    Calls,
    Retries,
    Unread,
    Gaps,
    DeadLetters,
    /// The book with this name.
    Book(&'static str),
}

/// One thing that must hold, and what does not.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name, for machines.
    pub name: &'static str,
    /// What must hold.
    pub rule: &'static str,
    /// Whether it must hold always, or only while nothing is in flight.
    pub always: bool,
    /// What to do where it does not.
    pub next: &'static str,
    /// How often it does not.
    pub count: usize,
    /// The first of those cases.
    pub lines: Vec<String>,
    /// How many cases are so young that they are under way, and not worth a line.
    pub young: usize,
    /// Whether it could not be checked, or not all of it.
    pub unchecked: bool,
}

/// In the order of [`Name`], but for the books: name, rule, whether it holds always, what to do next.
const CHECKS: [(&str, &str, bool, &str); 10] = [
    ("I7-effects", "what was read, and it alone, has had its effect", true, EVENTS),
    ("numbers", "each order's events are all there, numbered from 1, in sequence", true, EVENTS),
    ("orders", "every order is completed or cancelled", false, "farandole orders stuck"),
    (
        "settled",
        "the services agree on how each order ended, and a refund followed a charge",
        false,
        EVENTS,
    ),
    ("outbox", "all events are published", false, "farandole status"),
    ("calls", "no call to the outside is open", false, "farandole orders stuck"),
    ("retries", "no record waits to be tried again", false, "farandole retries list"),
    ("unread", "every service has read all that concerns it", false, "farandole status"),
    ("gaps", "no event is missed", false, "farandole gaps"),
    ("dead-letters", "no dead letter is open", false, "farandole dlq list"),
];

const EVENTS: &str = "farandole orders show ORDER";

/// What an audit found.
#[derive(Debug, Clone)]
pub struct AuditReport {
    /// Everything that was looked at.
    pub checks: Vec<Check>,
    /// What else is to be known, such as what could not be judged.
    pub notes: Vec<String>,
    /// How many orders there are, by how they are, most frequent first.
    pub orders: Vec<(String, usize)>,
    /// How many events the topics hold.
    pub events: usize,
    /// What could not be looked at, and why: nothing is said of it.
    pub unknown: Vec<String>,
    /// How many lines are kept of each check.
    limit: usize,
}

impl AuditReport {
    pub(crate) fn new(limit: usize) -> Self {
        let check = |(name, rule, always, next)| {
            let lines = Vec::new();
            Check { name, rule, always, next, count: 0, lines, young: 0, unchecked: false }
        };
        let books = fleet().services().iter().flat_map(|service| &service.books);
        let of = |book: &'static Book| {
            let next = book.next.as_deref().unwrap_or(EVENTS);
            (book.name.as_str(), book.rule.as_str(), true, next)
        };
        let mut books: Vec<_> = books.map(of).collect();
        books.sort_unstable();
        let checks = books.into_iter().chain(CHECKS).map(check).collect();
        let (notes, orders, unknown) = (Vec::new(), Vec::new(), Vec::new());
        Self { checks, notes, orders, events: 0, unknown, limit }
    }

    pub(crate) fn found(&mut self, name: Name, line: impl FnOnce() -> String) {
        let limit = self.limit;
        let Some(check) = self.check(name) else { return };
        check.count += 1;
        if check.lines.len() < limit {
            check.lines.push(line());
        }
    }

    fn check(&mut self, name: Name) -> Option<&mut Check> {
        let name = name.text();
        self.checks.iter_mut().find(|check| check.name == name)
    }

    /// Says that a check was not made, or not of everything.
    pub(crate) fn unchecked(&mut self, name: Name) {
        if let Some(check) = self.check(name) {
            check.unchecked = true;
        }
    }

    /// Of what began then: what is young is counted, and not listed.
    pub(crate) fn found_since(
        &mut self,
        name: Name,
        since: Option<Timestamp>,
        line: impl FnOnce() -> String,
    ) {
        if since.is_some_and(|since| Timestamp::now().duration_since(since) < UNDER_WAY) {
            let Some(check) = self.check(name) else { return };
            (check.count, check.young) = (check.count + 1, check.young + 1);
        } else {
            self.found(name, line);
        }
    }

    /// Leaves out what only holds at rest.
    pub(crate) fn only_invariants(&mut self) {
        self.checks.retain(|check| check.always);
    }

    /// What is never all right, one line each, led by the check's name.
    pub fn violations(&self) -> Vec<String> {
        self.lines(true)
    }

    /// What is all right only while something is in flight.
    pub fn not_at_rest(&self) -> Vec<String> {
        self.lines(false)
    }

    fn lines(&self, always: bool) -> Vec<String> {
        let checks = self.checks.iter().filter(|check| check.always == always);
        checks.flat_map(Check::named_lines).collect()
    }

    /// For machines.
    pub fn to_json(&self) -> Value {
        let of = |always: bool| {
            let checks = self.checks.iter().filter(|check| check.always == always);
            checks.map(Check::to_json).collect::<Vec<_>>()
        };
        let orders: serde_json::Map<String, Value> =
            self.orders.iter().map(|(status, count)| (status.clone(), json!(count))).collect();
        json!({
            "orders": orders,
            "events": self.events,
            "invariants": of(true),
            "at_rest": of(false),
            "notes": self.notes,
            "unknown": self.unknown,
        })
    }
}

impl Name {
    fn text(self) -> &'static str {
        let at = match self {
            Self::Effects => 0,
            Self::Numbers => 1,
            Self::Undecided => 2,
            Self::Unsettled => 3,
            Self::Outbox => 4,
            Self::Calls => 5,
            Self::Retries => 6,
            Self::Unread => 7,
            Self::Gaps => 8,
            Self::DeadLetters => 9,
            Self::Book(name) => return name,
        };
        CHECKS[at].0
    }
}

impl Check {
    fn named_lines(&self) -> impl Iterator<Item = String> {
        let lines = self.lines.iter().map(|line| format!("{}: {line}", self.name));
        lines.chain(self.more().map(|more| format!("{}: {more}", self.name)))
    }

    fn more(&self) -> Option<String> {
        let more = self.count - self.lines.len() - self.young;
        let more = (more > 0).then(|| format!("{more} more; --all lists them"));
        let (young, seconds) = (self.young, UNDER_WAY.as_secs());
        let young = (young > 0).then(|| format!("{young} that began less than {seconds} s ago"));
        let parts: Vec<String> = [more, young].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("and {}", parts.join(", and ")))
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "rule": self.rule,
            "count": self.count,
            "young": self.young,
            "unchecked": self.unchecked,
            "lines": self.lines,
            "next": self.next,
        })
    }
}

/// A line per check, and below it what does not hold.
impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: usize = self.orders.iter().map(|(_, count)| count).sum();
        let how: Vec<String> =
            self.orders.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let how = if how.is_empty() { String::new() } else { format!(" ({})", how.join(", ")) };
        writeln!(f, "{total} orders{how}, {} events", self.events)?;
        for (always, heading) in [(true, "Always:"), (false, "At rest:")] {
            if !self.checks.iter().any(|check| check.always == always) {
                continue;
            }
            writeln!(f, "\n{heading}")?;
            for check in self.checks.iter().filter(|check| check.always == always) {
                write!(f, "{check}")?;
            }
        }
        for note in &self.notes {
            writeln!(f, "\nNote: {}", one_line(note))?;
        }
        for unknown in &self.unknown {
            writeln!(f, "\nNot checked: {}", one_line(unknown))?;
        }
        Ok(())
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = match (self.count, self.always) {
            (0, _) if self.unchecked => "not checked".to_owned(),
            (count, false) if count > 0 && count == self.young => format!("{count} under way"),
            (0, _) => "ok".to_owned(),
            (1, true) => "1 violation".to_owned(),
            (count, true) => format!("{count} violations"),
            (count, false) => format!("{count} open"),
        };
        writeln!(f, "  {:<13} {result:<14} {}", self.name, self.rule)?;
        for line in self.lines.iter().cloned().chain(self.more()) {
            writeln!(f, "      {}", one_line(&line))?;
        }
        if self.count > self.young {
            writeln!(f, "      next: {}", self.next)?;
        }
        Ok(())
    }
}
