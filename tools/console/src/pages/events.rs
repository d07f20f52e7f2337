//! The catalogue of events, with what is known of each by now.

use std::sync::LazyLock;

use catalogue::{Catalogue, Examples, Served, Shown, page, style};
use declarations::{Schemas, fleet};
use projection::Board;

use crate::words::{clock, now, some};

/// Where it is; documents for machines are below.
pub(crate) const PATH: &str = "/events/";

/// It follows from what this was built with, or from what it was given, and does not change.
pub(crate) static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let examples = include_str!("../../../../docs/catalogue/examples.json");
    // Of services that are not ours there are none.
    let examples = Examples::parse(examples).unwrap_or_default();
    Catalogue::of(fleet().services(), &Schemas::embedded(), &examples)
});

/// How the page looks.
pub(crate) static STYLE: LazyLock<String> = LazyLock::new(|| style(&CATALOGUE));

/// The page.
pub(crate) fn events(board: Option<&Board>) -> String {
    let shown = Shown::Served(Served {
        style: "/assets/events.css",
        script: "/assets/events.js",
        icon: "/assets/icon.svg",
        map: "/dance.svg",
        back: ("/", "← Console"),
        lately: &|event| lately(board?, event),
    });
    page(&CATALOGUE, shown)
}

/// How often it was said of late.
fn lately(board: &Board, event: &str) -> Option<String> {
    let rates = board.per_minute(event, now());
    let times = |number: i64| some(usize::try_from(number).unwrap_or_default(), "time");
    let (hour, minute) = (rates.iter().sum(), rates.iter().rev().nth(1).copied()?);
    let as_of = board.reading.as_of.map(|at| format!(", as of {}", clock(at))).unwrap_or_default();
    Some(match hour {
        0 => format!("Not said within the last hour{as_of}."),
        _ => format!(
            "Said {} within the last hour, {} in the last minute{as_of}.",
            times(hour),
            times(minute)
        ),
    })
}
