//! Who says what to whom: as it is declared, and in what the topics differ from that.

use askama::Template;
use graph::{Difference, Graph};
use jiff::Timestamp;

use super::Frame;
use super::events::PATH;
use crate::words::{clock, some};

pub(crate) struct DifferenceRow {
    rule: String,
    state: &'static str,
    what: String,
    times: String,
    since: String,
    next: String,
    places: String,
}

#[derive(Template)]
#[template(path = "dance.html")]
pub(crate) struct DancePage {
    pub(crate) frame: Frame,
    sentence: String,
    wrong: usize,
    differences: Vec<DifferenceRow>,
    /// The type, who says it, who reads it, and what it undoes.
    events: Vec<(String, String, String, String)>,
    /// Where all that is known of events is.
    catalogue: &'static str,
}

impl DancePage {
    pub(crate) fn new(frame: Frame, seen: Option<(&[Difference], Timestamp)>) -> Self {
        let wrong = seen.map_or(0, |(differences, _)| differences.len());
        let sentence = match (seen, wrong) {
            (None, _) => "Holding the topics against what the services declare …".to_owned(),
            (Some((_, at)), 0) => {
                format!("The services dance as they declare, as of {}.", clock(at))
            }
            (Some(_), _) => {
                format!("The dance differs from what is declared: {}.", some(wrong, "difference"))
            }
        };
        let services = declarations::fleet().services();
        let graph = Graph::of(services);
        let events = graph.emitted().map(|(service, emitted)| {
            let readers: Vec<&str> = graph
                .read()
                .filter(|(_, read)| read.event == emitted.event && read.from == service.service)
                .map(|(reader, _)| reader.service.as_str())
                .collect();
            let undoes = service.compensates.iter().find(|it| it.event == emitted.event);
            (
                emitted.event.clone(),
                service.service.clone(),
                readers.join(", "),
                undoes.map(|it| it.undoes.clone()).unwrap_or_default(),
            )
        });
        let mut events: Vec<_> = events.collect();
        events.sort_by_key(|(event, ..)| declarations::fleet().depth(event));
        let rows = seen.map(|(differences, _)| differences).unwrap_or_default();
        Self {
            frame,
            sentence,
            wrong,
            differences: rows.iter().map(row).collect(),
            events,
            catalogue: PATH,
        }
    }
}

/// The picture.
pub(crate) fn picture() -> String {
    Graph::of(declarations::fleet().services()).svg()
}

fn row(difference: &Difference) -> DifferenceRow {
    let places: Vec<String> = difference
        .examples
        .iter()
        .map(|it| format!("{}/{}/{}", it.topic, it.partition, it.offset))
        .collect();
    let times = usize::try_from(difference.times).unwrap_or(usize::MAX);
    DifferenceRow {
        rule: difference.rule.name(),
        state: if difference.is_wrong() { "stuck" } else { "open" },
        what: difference.what.clone(),
        times: some(times, "time"),
        since: difference.since.map(clock).unwrap_or_default(),
        next: difference.mend.clone(),
        places: places.join("  "),
    }
}
