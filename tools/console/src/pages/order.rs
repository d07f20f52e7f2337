//! One order: whose move it is, since when, what to do, and how it came to that.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use choreography::{Fact, Service, States, next};
use cli::OrderId;
use cli::story::Story;
use cli::stuck::{About, Awaited, Said, Stuck, Work};
use jiff::{SignedDuration, Timestamp};
use projection::{Order, stage};

use super::{Frame, awaited, percent, short};
use crate::draw::{Awaiting, Expected, Lanes, Moment};
use crate::words::{ago, clock, now, spell};
use projection::Board;

/// A move that takes longer than this is late, unless its service says how long it may take.
const LATE_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// A part of the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Plain(String),
    Late(String),
    Stuck(String),
}

pub(crate) struct StateRow {
    service: &'static str,
    status: String,
    waits: Vec<(&'static str, String)>,
    more: Vec<String>,
}

pub(crate) struct EventRow {
    after: String,
    service: &'static str,
    name: String,
    again: String,
    cause: String,
    place: String,
    /// The page with what it says.
    href: String,
}

/// What the read model tells of an order.
pub(crate) struct Known {
    pub(crate) order: Order,
    pub(crate) board: Arc<Board>,
}

impl Known {
    /// Where its way and others are to be seen.
    fn links(&self) -> Vec<(String, String)> {
        let id = self.order.id;
        let way = self.board.day.iter().find(|count| count.way.said == self.order.said());
        let share = way.and_then(|count| self.board.share(count.way.number));
        let mut links = Vec::new();
        if let (Some(count), Some(share)) = (way, share) {
            #[allow(clippy::cast_possible_truncation, reason = "a share")]
            let share = percent((share * 1_000_000.0) as i64, 1_000_000);
            let way = count.way.number;
            links.push((
                format!("/orders?way={way}"),
                format!("{share} of the last day’s went this way"),
            ));
        }
        links.push((format!("/compare?a={id}"), "Compare with a usual one".to_owned()));
        links
    }

    /// What 99 of 100 take until what comes next is said.
    fn usual(&self) -> Option<(String, String)> {
        let next = stage(self.order.said()).next;
        let usual = SignedDuration::try_from(self.board.usual_p99(next.iter())?).ok()?;
        let names: Vec<&str> = next.iter().map(Fact::event_type).collect();
        Some((format!("99 of 100 take less than {}", spell(usual)), names.join(" or ")))
    }
}

#[derive(Template)]
#[template(path = "order.html")]
pub(crate) struct OrderPage {
    pub(crate) frame: Frame,
    head: String,
    short: String,
    sentence: Vec<Part>,
    is_stuck: bool,
    is_late: bool,
    advice: Vec<(&'static str, String)>,
    facts: Vec<(&'static str, String, String)>,
    links: Vec<(String, String)>,
    picture: String,
    states: Vec<StateRow>,
    events: Vec<EventRow>,
    letters: Vec<(String, String, String, bool)>,
    unknown: Vec<String>,
}

impl OrderPage {
    /// `stuck` is what is to be done about the order, as far as that could be seen.
    pub(crate) fn new(
        frame: Frame,
        story: &Story,
        stuck: Option<&Stuck>,
        known: Option<&Known>,
    ) -> Self {
        let About { order_id, placed, .. } = &story.about;
        let id = order_id.to_string();
        let events = by_cause(&story.events);
        let last = events.iter().filter_map(|said| at(said)).max();
        let since = last.or(placed.as_ref().map(|placed| placed.since));
        let works = works(story, stuck);
        let known_by = known_by(&story.about);
        let states = states_of(&known_by);
        let awaiting = awaiting(&works, since);
        let is_stuck = !story.letters.iter().all(|(_, discarded)| *discarded)
            || works.iter().any(|work| !work.missing.is_empty());
        let advice: Vec<(&'static str, String)> = works
            .iter()
            .flat_map(|work| work.next.iter().map(|next| (work.service, next.clone())))
            .collect();
        let mut facts = Vec::new();
        if let Some(placed) = placed {
            let age = format!("{} ago", ago(placed.placed_at));
            facts.push(("placed", clock(placed.placed_at), age));
            let reason = placed.cancel_reason.as_ref().map(|reason| reason.replace('_', " "));
            facts.push(("fate", placed.status.clone(), reason.unwrap_or_default()));
            facts.push(("unchanged for", ago(placed.since), String::new()));
        }
        if let Some(last) = last {
            facts.push(("last event", clock(last), format!("{} ago", ago(last))));
        }
        if let Some(total) = known.and_then(|known| known.order.total.as_ref()) {
            facts.push(("total", total.to_string(), String::new()));
        }
        if let Some((usual, events)) = known.and_then(Known::usual) {
            facts.push(("usually", usual, format!("until {events}")));
        }
        Self {
            frame,
            links: known.map(Known::links).unwrap_or_default(),
            sentence: sentence(story, &works, since),
            is_stuck,
            is_late: awaiting.iter().any(|(_, awaiting)| awaiting.late),
            advice,
            facts,
            picture: picture(&events, &states, &awaiting),
            states: state_rows(&known_by, &works),
            events: event_rows(&id, &events),
            letters: story.letters.iter().map(letter_row).collect(),
            unknown: story.unknown.clone(),
            short: short(&id).to_owned(),
            head: id[..id.len() - short(&id).len()].to_owned(),
        }
    }
}

/// When it happened: by the clock of its service, or else when Kafka took it.
fn at(said: &Said) -> Option<Timestamp> {
    said.time.or(said.at)
}

/// By cause, and not by clock alone: whatever the clocks say, an effect comes after what it follows from.
fn by_cause(events: &[Said]) -> Vec<&Said> {
    let caused = |said: &Said| {
        let cause = said.cause.as_deref()?;
        events.iter().find(|other| other.id.as_deref() == Some(cause))
    };
    // Its own time or that of the latest it goes back to, and how many those are. An id may be forged, and
    // go back to itself.
    let place = |said: &&Said| {
        let before = std::iter::successors(Some(*said), |said| caused(said)).take(events.len());
        let times = before.map(at).collect::<Vec<_>>();
        (times.iter().max().copied(), times.len())
    };
    let mut sorted: Vec<&Said> = events.iter().collect();
    sorted.sort_by_cached_key(place);
    sorted
}

/// What each service has to do: with advice where there is any.
fn works(story: &Story, stuck: Option<&Stuck>) -> Vec<Work> {
    let order: OrderId = story.about.order_id;
    let advised = stuck.and_then(|stuck| stuck.orders.iter().find(|it| it.order_id == order));
    match advised {
        Some(advised) => advised.services.clone(),
        None => story.about.services.clone(),
    }
}

/// What each service that knows the order calls its state, also the one that decides.
fn known_by(about: &About) -> Vec<(&'static str, String)> {
    let decides = about.placed.as_ref().map(|placed| {
        let reason = placed.cancel_reason.as_ref().map(|reason| format!(" {reason}"));
        (Service::first().name(), format!("{}{}", placed.status, reason.unwrap_or_default()))
    });
    decides.into_iter().chain(about.known_by.iter().cloned()).collect()
}

fn states_of(known_by: &[(&'static str, String)]) -> States {
    known_by
        .iter()
        .fold(States::unseen(), |all, (service, status)| all.with(service, status.clone()))
}

/// How it stands with a work of a service, in words, and whether that is for a person to see to.
fn trouble(work: &Work) -> Option<(String, bool)> {
    if let Some(parked) = &work.parked {
        let event = parked.event.as_deref().unwrap_or("a record without a type");
        let error = parked.last_error.as_deref().unwrap_or("no error is recorded");
        let again = if parked.dead {
            "and has given it up".to_owned()
        } else {
            format!("and tries again at {}", clock(parked.due_at))
        };
        let times = parked.attempts;
        return Some((
            format!("it could not process {event}, {times} times so far ({error}), {again}"),
            parked.dead,
        ));
    }
    if let Some(gap) = work.missing.first() {
        return Some((format!("an event of {} is missing", gap.source), true));
    }
    let call = work.calls.first()?;
    let why = call.last_error.as_ref().map(|error| format!(": {error}"));
    Some(if call.parked {
        (format!("its call {} is parked by an operator", call.step), true)
    } else if call.attempts == 0 {
        (format!("it makes its call {}", call.step), false)
    } else {
        (
            format!(
                "its call {} had no answer {} times{}; it calls again at {}",
                call.step,
                call.attempts,
                why.unwrap_or_default(),
                clock(call.due_at)
            ),
            false,
        )
    })
}

fn sentence(story: &Story, works: &[Work], since: Option<Timestamp>) -> Vec<Part> {
    let plain = |text: &str| Part::Plain(text.to_owned());
    let movers: Vec<&Work> = works.iter().filter(|work| !work.awaits.is_empty()).collect();
    let Some(placed) = &story.about.placed else {
        return if story.is_known() {
            vec![
                Part::Stuck("The service that begins orders does not know this one".to_owned()),
                plain(", and others do: it was placed in another fleet, or is lost with a backup."),
            ]
        } else {
            vec![plain("Nobody knows this order, and no topic holds an event of it.")]
        };
    };
    let ended = || {
        let reason = placed.cancel_reason.as_ref().map(|it| format!(": {}", it.replace('_', " ")));
        let mut fate = placed.status.clone();
        fate[..1].make_ascii_uppercase();
        format!("{fate}{}", reason.unwrap_or_default())
    };
    let Some(first) = movers.first() else {
        return match (placed.is_over, placed.status.as_str()) {
            (true, "cancelled") => vec![plain(&format!("{}. Everything is undone.", ended()))],
            (true, _) => vec![plain(&format!("{}, and nobody has anything left to do.", ended()))],
            (false, _) => {
                vec![plain("Nobody has anything to do: it waits for nothing that can be seen.")]
            }
        };
    };
    let mut parts = Vec::new();
    if placed.is_over {
        parts.push(plain(&format!("{}. ", ended())));
    }
    let waited = since.map(|since| now().duration_since(since));
    let (why, is_for_a_person) = trouble(first).unwrap_or_else(|| {
        let waits: Vec<String> = first.awaits.iter().map(awaited).collect();
        (format!("it is {}", waits.join(", and ")), false)
    });
    let mut whose = format!("{}’s move", first.service);
    if let Some(waited) = waited {
        whose = format!("{whose}, for {}", spell(waited));
    }
    parts.push(plain(if placed.is_over { "It is still " } else { "It is " }));
    let is_late = waited.is_some_and(|waited| waited > may_take(first));
    parts.push(match (is_for_a_person, is_late) {
        (true, _) => Part::Stuck(whose),
        (false, true) => Part::Late(whose),
        (false, false) => Part::Plain(whose),
    });
    let others: Vec<&str> = movers[1..].iter().map(|work| work.service).collect();
    let others = match others.as_slice() {
        [] => String::new(),
        _ => format!(" Also {}’s.", others.join("’s and ")),
    };
    parts.push(Part::Plain(format!(": {why}.{others}")));
    parts
}

/// How long the move may take, as the service declares.
fn may_take(work: &Work) -> SignedDuration {
    let Some(declared) = declarations::fleet().service(work.service) else { return LATE_AFTER };
    let events: Vec<&str> = work
        .awaits
        .iter()
        .filter_map(|awaits| match awaits {
            Awaited::Event { event, .. } => Some(*event),
            _ => None,
        })
        .collect();
    let of = |it: &&contracts::DeclaredConsumption| {
        events.is_empty() || events.contains(&it.event.as_str())
    };
    let longest = declared.consumes.iter().filter(of).filter_map(|it| it.within_s).max();
    let longest = longest.map(|seconds| SignedDuration::from_secs(i64::from(seconds)));
    longest.map_or(LATE_AFTER, |longest| longest.max(LATE_AFTER))
}

fn awaiting(works: &[Work], since: Option<Timestamp>) -> Vec<(Service, Awaiting)> {
    let waited = since.map(|since| now().duration_since(since));
    let movers = works.iter().filter(|work| !work.awaits.is_empty());
    let of = |work: &Work| {
        let service = Service::named(work.service)?;
        let calls = work.calls.first().filter(|call| call.attempts > 0);
        let what = match (work.awaits.first(), calls) {
            (_, Some(call)) => format!("call {}, tried {} times", call.step, call.attempts),
            (Some(Awaited::Call { step }), None) => format!("call {step}"),
            (Some(Awaited::Event { event, .. }), None) => format!("to read {event}"),
            (Some(Awaited::Deadline), None) => "its time is up".to_owned(),
            _ => "unclear".to_owned(),
        };
        let late = waited.is_some_and(|waited| waited > may_take(work));
        Some((service, Awaiting { service: service.place(), what, late }))
    };
    movers.filter_map(of).collect()
}

/// The dots lead to the rows of the table, so both have the events in the same order.
fn picture(events: &[&Said], states: &States, awaiting: &[(Service, Awaiting)]) -> String {
    let Some(first) = events.iter().filter_map(|said| at(said)).min() else {
        return String::new();
    };
    let fleet = declarations::fleet();
    let place = |cause: &str| events.iter().position(|said| said.id.as_deref() == Some(cause));
    let undone = |said: &Said| {
        let declared = fleet.service(said.service)?;
        let undoes =
            declared.compensates.iter().find(|it| Some(&it.event) == said.event.as_ref())?;
        events.iter().position(|other| {
            other.service == said.service && other.event.as_ref() == Some(&undoes.undoes)
        })
    };
    let lane = |service| fleet.names().position(|name| name == service);
    let moments = events.iter().map(|said| Moment {
        service: lane(said.service).unwrap_or_default(),
        event: said.event.clone().unwrap_or_else(|| "without a type".to_owned()),
        at: at(said).unwrap_or(first).duration_since(first),
        cause: said.cause.as_deref().and_then(place),
        undoes: undone(said),
    });
    let expected = awaiting.iter().flat_map(|(service, _)| {
        next(states, *service)
            .iter()
            .map(|fact| Expected { service: service.place(), event: fact.event_type().to_owned() })
    });
    let lanes = Lanes {
        services: fleet.names().collect(),
        moments: moments.collect(),
        expected: expected.collect(),
        awaiting: awaiting.iter().map(|(_, awaiting)| awaiting.clone()).collect(),
        now: now().duration_since(first),
    };
    lanes.svg()
}

fn state_rows(known_by: &[(&'static str, String)], works: &[Work]) -> Vec<StateRow> {
    let row = |service: &'static str| {
        let status = known_by.iter().find(|(known, _)| *known == service);
        let work = works.iter().find(|work| work.service == service);
        let state = |work: &Work| match trouble(work) {
            Some((_, true)) => "stuck",
            _ => "late",
        };
        let waits = work
            .iter()
            .flat_map(|work| work.awaits.iter().map(|awaits| (state(work), awaited(awaits))));
        let mut more = Vec::new();
        if let Some(work) = work {
            more.extend(trouble(work).map(|(what, _)| what));
            more.extend(
                work.unpublished.iter().map(|event| format!("{event} is yet to be published")),
            );
            if work.instances == Some(0) {
                more.push("no instance of it is alive".to_owned());
            }
        }
        StateRow {
            service,
            status: status.map_or_else(
                || "has not heard of it".to_owned(),
                |(_, it)| crate::words::status(service, it),
            ),
            waits: waits.collect(),
            more,
        }
    };
    declarations::fleet().names().map(row).collect()
}

fn event_rows(order: &str, events: &[&Said]) -> Vec<EventRow> {
    let first = events.iter().filter_map(|said| at(said)).min();
    let names: BTreeMap<&str, &str> = events
        .iter()
        .filter_map(|said| Some((said.id.as_deref()?, said.event.as_deref()?)))
        .collect();
    let row = |said: &&Said| {
        let after = match (at(said), first) {
            (Some(at), Some(first)) => spell(at.duration_since(first)),
            _ => "–".to_owned(),
        };
        let cause = match said.cause.as_deref() {
            Some(cause) => {
                names.get(cause).map_or_else(|| "a request".to_owned(), |it| (*it).to_owned())
            }
            None => "–".to_owned(),
        };
        let (topic, partition, offset) = &said.place;
        let again = said.redriven_for.as_ref().map(|group| format!("put back for {group}"));
        EventRow {
            after,
            service: said.service,
            name: said.event.clone().unwrap_or_else(|| "without a type".to_owned()),
            again: again.unwrap_or_default(),
            cause,
            place: format!("{topic}/{partition}/{offset}"),
            href: format!("/orders/{order}/events/{}/{partition}/{offset}", said.service),
        }
    };
    events.iter().map(row).collect()
}

fn letter_row(
    (letter, discarded): &(cli::stuck::DeadLetter, bool),
) -> (String, String, String, bool) {
    (
        letter.id.clone(),
        letter.event.clone().unwrap_or_else(|| "a record without a type".to_owned()),
        letter.last_error.clone().unwrap_or_else(|| "no error is recorded".to_owned()),
        *discarded,
    )
}

#[cfg(test)]
mod tests {
    use cli::stuck::{Parked, PendingCall, Placed};

    use super::*;

    fn ago_s(seconds: i64) -> Timestamp {
        now() - SignedDuration::from_secs(seconds)
    }

    fn story(status: &str, reason: Option<&str>, services: Vec<Work>) -> Story {
        let placed = Placed {
            status: status.to_owned(),
            cancel_reason: reason.map(str::to_owned),
            is_over: ["completed", "cancelled"].contains(&status),
            placed_at: ago_s(252),
            since: ago_s(252),
        };
        let about = About {
            order_id: "019b76da-a800-7000-8000-000000000001".parse().unwrap(),
            placed: Some(placed),
            known_by: vec![("inventory", "reserved".to_owned())],
            services,
            unknown: Vec::new(),
        };
        Story { about, events: Vec::new(), letters: Vec::new(), unknown: Vec::new() }
    }

    fn call(attempts: i32, parked: bool) -> PendingCall {
        PendingCall {
            step: "charge".to_owned(),
            attempts,
            last_error: Some("no answer within 5 s".to_owned()),
            parked,
            due_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            since: ago_s(252),
        }
    }

    fn charging(attempts: i32, parked: bool) -> Work {
        Work {
            service: "payment",
            awaits: vec![Awaited::Call { step: "charge" }],
            calls: vec![call(attempts, parked)],
            ..Work::default()
        }
    }

    fn said(story: &Story) -> (String, Vec<&'static str>) {
        let parts =
            sentence(story, &story.about.services, story.about.placed.as_ref().map(|it| it.since));
        let kind = |part: &Part| match part {
            Part::Plain(_) => None,
            Part::Late(_) => Some("late"),
            Part::Stuck(_) => Some("stuck"),
        };
        let words = parts.iter().map(|part| match part {
            Part::Plain(text) | Part::Late(text) | Part::Stuck(text) => text.as_str(),
        });
        (words.collect(), parts.iter().filter_map(kind).collect())
    }

    #[test]
    fn the_sentence_says_whose_move_it_is_and_whether_a_person_is_needed() {
        let to_read = Work {
            service: "inventory",
            awaits: vec![Awaited::Event { event: "OrderPlaced", from: "order" }],
            ..Work::default()
        };
        let parked = Parked {
            event: Some("StockReserved".to_owned()),
            attempts: 5,
            due_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            first_failed_at: None,
            last_error: Some("schema id 41 is unknown".to_owned()),
            dead: true,
            behind: 0,
        };
        let dead = Work { parked: Some(parked), ..charging(0, false) };
        for (story, expected, kinds) in [
            (
                story("completed", None, vec![]),
                "Completed, and nobody has anything left to do.",
                &[][..],
            ),
            (
                story("cancelled", Some("payment_failed"), vec![]),
                "Cancelled: payment failed. Everything is undone.",
                &[],
            ),
            (
                story("placed", None, vec![charging(8, false)]),
                "It is payment’s move, for 4 min 12 s: its call charge had no answer 8 times: no answer \
                 within 5 s; it calls again at 2026-01-02 03:04:05.",
                &["late"],
            ),
            (
                story("placed", None, vec![charging(8, true)]),
                "It is payment’s move, for 4 min 12 s: its call charge is parked by an operator.",
                &["stuck"],
            ),
            (
                story("placed", None, vec![dead]),
                "It is payment’s move, for 4 min 12 s: it could not process StockReserved, 5 times so far \
                 (schema id 41 is unknown), and has given it up.",
                &["stuck"],
            ),
            (
                story("placed", None, vec![to_read, charging(0, false)]),
                "It is inventory’s move, for 4 min 12 s: it is to read OrderPlaced from order. Also \
                 payment’s.",
                &["late"],
            ),
        ] {
            assert_eq!(said(&story), (expected.to_owned(), kinds.to_vec()));
        }
    }

    fn event(id: &str, cause: &str, at_s: i64) -> Said {
        Said {
            at: None,
            event: Some(id.to_owned()),
            service: "order",
            time: Some(Timestamp::from_second(at_s).unwrap()),
            id: Some(id.to_owned()),
            cause: Some(cause.to_owned()),
            sequence: None,
            place: ("order.events".to_owned(), 0, 0),
            redriven_for: None,
        }
    }

    #[test]
    fn an_effect_comes_after_its_cause_whatever_the_clocks_say() {
        // The second's clock is behind, and the last two go back to each other.
        let events = [
            event("third", "second", 12),
            event("second", "first", 3),
            event("first", "request", 10),
            event("one", "other", 40),
            event("other", "one", 40),
        ];
        let sorted: Vec<_> = by_cause(&events).iter().map(|it| it.id.clone().unwrap()).collect();
        assert_eq!(sorted, ["first", "second", "third", "one", "other"]);
        let svg = picture(&by_cause(&events), &States::unseen(), &[]);
        for (at, row) in event_rows("", &by_cause(&events)).iter().enumerate() {
            let of = svg.split(&format!("href=\"#e{at}\"")).nth(1).unwrap();
            assert!(of.starts_with(&format!("><title>{},", row.name)), "{at} {}", row.name);
        }
    }

    #[test]
    fn who_is_within_its_time_is_not_late() {
        let mut story = story("placed", None, vec![charging(1, false)]);
        story.about.placed.as_mut().unwrap().since = ago_s(30);
        assert_eq!(said(&story).1, [""; 0], "payment may take a minute");
    }

    #[test]
    fn an_order_that_only_others_know_is_for_a_person() {
        let mut story = story("placed", None, vec![]);
        story.about.placed = None;
        assert_eq!(said(&story).1, ["stuck"]);
        story.about.known_by.clear();
        assert_eq!(said(&story).0, "Nobody knows this order, and no topic holds an event of it.");
    }
}
