//! The pages: each is a function of what was seen, and has a twin in JSON and one on the command line.

pub(crate) mod acts;
pub(crate) mod books;
pub(crate) mod calls;
pub(crate) mod compare;
pub(crate) mod content;
pub(crate) mod dance;
pub(crate) mod events;
pub(crate) mod experiments;
pub(crate) mod gaps;
pub(crate) mod letters;
pub(crate) mod now;
pub(crate) mod order;
pub(crate) mod orders;
pub(crate) mod query;
pub(crate) mod said;
pub(crate) mod services;
pub(crate) mod ways;

use crate::looks::{Glance, Looks};
use crate::words::{ago, clock, now};

/// The pages that are always at hand, by their paths.
pub(crate) const PAGES: [(&str, &str); 10] = [
    ("/", "Now"),
    ("/orders", "Orders"),
    ("/ways", "Ways"),
    ("/dance", "Dance"),
    (events::PATH, "Events"),
    ("/services", "Services"),
    ("/dead-letters", "Dead letters"),
    ("/gaps", "Missing"),
    ("/calls", "Calls"),
    ("/audit", "Books"),
];

/// What was seen longer ago than this is old, and said to be, in seconds: looks rest for up to three
/// minutes.
const OLD_AFTER_S: i64 = 300;

/// What stands around each page.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) fleet: String,
    pub(crate) version: &'static str,
    /// The path of the page among [`PAGES`] that it belongs to.
    pub(crate) page: &'static str,
    /// How many dead letters are open, without those that are silenced.
    pub(crate) letters: usize,
    /// How many events are missing.
    pub(crate) gaps: usize,
    /// How many orders hang.
    pub(crate) hanging: usize,
    /// In how many ways the dance differs from what is declared.
    pub(crate) differences: usize,
    pub(crate) as_of: String,
    /// What could not be looked at of late.
    pub(crate) troubles: Vec<String>,
    /// The command that tells the same.
    pub(crate) command: String,
    /// Where the same is as JSON.
    pub(crate) json: String,
    /// The query by which the page is kept up to date; empty if it is not.
    pub(crate) live: String,
    /// Whether there is a page on which the fleet is broken.
    pub(crate) is_demo: bool,
}

impl Frame {
    /// Of a page by what was looked at in the background.
    pub(crate) fn new(fleet: &str, looks: &Looks, page: &'static str, command: &str) -> Self {
        let (of_fleet, hanging) = (looks.fleet.borrow(), looks.hanging.borrow());
        let (letters, dance) = (looks.letters.borrow(), looks.dance.borrow());
        let mut troubles = Vec::new();
        troubles.extend(trouble(&of_fleet, "how the services are"));
        troubles.extend(trouble(&hanging, "which orders hang"));
        troubles.extend(trouble(&letters, "dead letters"));
        // A page that has no counts at all says so itself.
        let board = looks.board.borrow();
        troubles
            .extend(trouble(&board, "how many orders there are").filter(|_| board.seen.is_some()));
        troubles.extend(trouble(&looks.calls.borrow(), "which calls are open"));
        troubles.extend(dance.trouble.as_ref().map(|why| {
            format!("It cannot be seen in what the dance differs from what is declared: {why}.")
        }));
        Self {
            fleet: fleet.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            page,
            letters: letters.seen.as_ref().map_or(0, |archive| archive.loud(now())),
            gaps: of_fleet.seen.as_ref().map_or(0, |fleet| gaps::missed(fleet).0.len()),
            hanging: hanging.seen.as_ref().map_or(0, |stuck| stuck.all()),
            differences: dance.seen.as_ref().map_or(0, |differences| differences.len()),
            as_of: match of_fleet.seen {
                Some(_) => format!("{} · {} ago", clock(of_fleet.at), ago(of_fleet.at)),
                None => String::new(),
            },
            troubles,
            command: command.to_owned(),
            json: if page == "/" { "/now.json".to_owned() } else { format!("{page}.json") },
            live: String::new(),
            is_demo: false,
        }
    }

    /// The same, of a page that is kept up to date.
    pub(crate) fn kept_up(self, address: &str) -> Self {
        let live = serde_urlencoded::to_string([("view", address)]).unwrap_or_default();
        Self { live, ..self }
    }

    /// The same, of a demo's fleet or of another.
    pub(crate) fn of_demo(self, is_demo: bool) -> Self {
        Self { is_demo, ..self }
    }

    /// Whether the page is kept up to date.
    pub(crate) fn is_live(&self) -> bool {
        !self.live.is_empty()
    }

    /// The same, with another twin in JSON; empty if there is none.
    pub(crate) fn with_json(self, json: impl Into<String>) -> Self {
        Self { json: json.into(), ..self }
    }
}

/// What is to be said of a look that has failed, or has not come for long.
fn trouble<T>(glance: &Glance<T>, what: &str) -> Option<String> {
    let since = match glance.seen {
        Some(_) => format!("this is of {} ago", ago(glance.at)),
        None => "nothing is known yet".to_owned(),
    };
    if let Some(why) = &glance.trouble {
        return Some(format!("It cannot be seen {what}: {why}. So {since}."));
    }
    let age = now().duration_since(glance.at).as_secs();
    (age > OLD_AFTER_S).then(|| format!("It takes long to see {what}: {since}."))
}

/// The last characters of an id, by which people tell it apart.
pub(crate) fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(6)..).unwrap_or(id)
}

/// A share, such as `12 %`, `0.8 %`, `under 0.1 %`.
pub(crate) fn percent(part: i64, of: i64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    let share = part as f64 * 100.0 / of.max(1) as f64;
    match share {
        _ if part == of => "100 %".to_owned(),
        share if share < 0.1 => "under 0.1 %".to_owned(),
        share if (10.0..=99.0).contains(&share) => format!("{share:.0} %"),
        // Never told as more than it is: 99.97 of 100 are not all.
        share => format!("{:.1} %", (share * 10.0).floor() / 10.0),
    }
}

/// What a service waits for, in words.
pub(crate) fn awaited(awaits: &cli::stuck::Awaited) -> String {
    use cli::stuck::Awaited;
    match awaits {
        Awaited::Event { event, from } => format!("to read {event} from {from}"),
        Awaited::Call { step } => format!("the answer to its call {step}"),
        Awaited::Deadline => "to cancel it: its time is up".to_owned(),
        Awaited::Unclear => "nothing that can be seen: the states contradict each other".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_told_as_more_than_it_is() {
        for (part, of, expected) in [
            (1, 10_000, "under 0.1 %"),
            (8, 1_000, "0.8 %"),
            (33, 1_000, "3.3 %"),
            (839, 1_000, "84 %"),
            (9_997, 10_000, "99.9 %"),
            (7, 7, "100 %"),
        ] {
            assert_eq!(percent(part, of), expected, "{part} of {of}");
        }
    }
}
