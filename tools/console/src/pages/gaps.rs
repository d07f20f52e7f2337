//! Events that services miss: a later one of the same order and service has come.

use askama::Template;
use cli::gaps::{Gap, Verdict};
use uuid::Uuid;

use super::Frame;
use crate::acts::Acknowledged;
use crate::looks::Fleet;
use crate::words::{ago, some};

/// How many are listed.
const LISTED_MAX: usize = 200;

pub(crate) struct GapRow {
    service: &'static str,
    order: String,
    source: String,
    sequence: i32,
    since: String,
    state: &'static str,
    verdict: &'static str,
    /// Where something can be done about it, and what.
    acts: Vec<(String, &'static str)>,
}

fn row(gap: &Gap) -> GapRow {
    let (state, acts) = match gap.verdict {
        Verdict::Waiting => ("open", Vec::new()),
        Verdict::Dead => ("stuck", vec![("/dead-letters".to_owned(), "See to the letter")]),
        Verdict::Lost => ("stuck", vec![(acknowledge(gap), "Take off the list …")]),
    };
    GapRow {
        service: gap.service,
        order: gap.order_id.to_string(),
        source: gap.source.clone(),
        sequence: gap.sequence,
        since: ago(gap.since),
        state,
        verdict: gap.verdict.words(),
        acts,
    }
}

fn acknowledge(gap: &Gap) -> String {
    let (order, sequence) = (gap.order_id.to_string(), gap.sequence.to_string());
    let query = [("order", &*order), ("source", &*gap.source), ("sequence", &*sequence)];
    format!("/gaps/acknowledge?{}", serde_urlencoded::to_string(query).unwrap_or_default())
}

/// What is missed, as the services' databases tell; and whose could not be asked.
pub(crate) fn missed(fleet: &Fleet) -> (Vec<&Gap>, Vec<String>) {
    let (mut gaps, mut unknown) = (Vec::new(), Vec::new());
    for service in &fleet.facts.services {
        let database = service.database.known();
        if let Some(of_service) = database.and_then(|it| it.gaps.known()) {
            gaps.extend(of_service);
        } else if let Some(why) =
            service.database.reason().or(database.and_then(|it| it.gaps.reason()))
        {
            unknown.push(format!("It cannot be seen what {} misses: {why}.", service.name));
        }
    }
    gaps.sort_by_key(|gap: &&Gap| (std::cmp::Reverse(gap.verdict), gap.since));
    (gaps, unknown)
}

#[derive(Template)]
#[template(path = "gaps.html")]
pub(crate) struct GapsPage {
    pub(crate) frame: Frame,
    sentence: String,
    /// Whether something of it does not mend itself.
    needs_somebody: bool,
    rows: Vec<GapRow>,
    unknown: Vec<String>,
}

impl GapsPage {
    pub(crate) fn new(frame: Frame, fleet: Option<&Fleet>) -> Self {
        let Some(fleet) = fleet else {
            let sentence = "Asking the services what they miss …".to_owned();
            let (rows, unknown) = (Vec::new(), Vec::new());
            return Self { frame, sentence, needs_somebody: false, rows, unknown };
        };
        let (gaps, unknown) = missed(fleet);
        let lost = gaps.iter().filter(|gap| gap.verdict == Verdict::Lost).count();
        let needs_somebody = gaps.iter().any(|gap| gap.verdict != Verdict::Waiting);
        let of_these = match (gaps.len(), lost) {
            (_, 0) => String::new(),
            (all, lost) if all == lost => ", and lost".to_owned(),
            (_, lost) => format!(", {lost} of them lost"),
        };
        let sentence = match (gaps.len(), unknown.is_empty()) {
            (0, true) => "No event is missing.".to_owned(),
            (0, false) => "No event is missing, as far as can be seen.".to_owned(),
            (1, _) => format!("1 event is missing{of_these}."),
            (all, _) => format!("{} are missing{of_these}.", some(all, "event")),
        };
        let rows = gaps.into_iter().take(LISTED_MAX).map(row).collect();
        Self { frame, sentence, needs_somebody, rows, unknown }
    }
}

/// A form by which one goes off the list.
#[derive(Template)]
#[template(path = "acknowledge.html")]
pub(crate) struct AcknowledgePage {
    pub(crate) frame: Frame,
    wanted: Acknowledged,
    objection: String,
    forbidden: &'static str,
    operation: Uuid,
}

impl AcknowledgePage {
    pub(crate) fn new(
        frame: Frame,
        wanted: Acknowledged,
        objection: String,
        forbidden: Option<&'static str>,
    ) -> Self {
        // One and the same form is taken once.
        let operation = wanted.operation.unwrap_or_else(Uuid::now_v7);
        Self { frame, wanted, objection, forbidden: forbidden.unwrap_or_default(), operation }
    }
}
