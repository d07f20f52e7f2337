use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use uuid::Uuid;

use super::difference::Rule;
use super::observer::Observer;
use super::sample::Event;
use super::surroundings::Surroundings;
use crate::checks::own_accord;
use crate::type_of;

/// What led to what: whether it is declared; and what is declared and was not seen.
pub(super) fn causes(observer: &mut Observer<'_>, events: &[Event], around: &Surroundings<'_>) {
    let own_accord = own_accord(observer.graph);
    let kinds: HashMap<Uuid, u16> = events.iter().map(|it| (it.id, it.kind)).collect();
    let mut seen: BTreeSet<(u16, u16)> = BTreeSet::new();
    for event in events {
        let (service, effect) = observer.kinds[usize::from(event.kind)];
        let Some(cause) = event.cause.and_then(|id| kinds.get(&id)) else {
            let is_stranger = event.cause.is_some_and(|id| observer.strangers.contains(&id));
            let is_known = is_stranger || around.may_have_caused(event);
            if !own_accord.contains(effect) && !is_known {
                let what = format!("{service} says {effect}, and no topic has its cause.");
                observer.tell(event, around, (Rule::Causeless, what));
            }
            continue;
        };
        seen.insert((*cause, event.kind));
        let (from, cause) = observer.kinds[usize::from(*cause)];
        let own = from == service && own_accord.contains(effect);
        if !own && !is_declared(observer, (from, cause), (service, effect)) {
            let what = format!("{cause} led {service} to {effect}, which it does not declare.");
            observer.tell(event, around, (Rule::UndeclaredEffect, what));
        }
    }
    if !events.is_empty() {
        unseen(observer, &seen);
    }
}

fn is_declared(
    observer: &Observer<'_>,
    (from, cause): (&str, &str),
    (service, effect): (&str, &str),
) -> bool {
    let mut readers = observer.graph.readers(from, cause);
    readers.any(|(reader, read)| {
        reader.service == service && read.leads_to.iter().any(|led| type_of(led) == effect)
    })
}

fn unseen(observer: &mut Observer<'_>, seen: &BTreeSet<(u16, u16)>) {
    let kinds = &observer.kinds;
    let was_seen = |cause: (&str, &str), effect: (&str, &str)| {
        let is_it = |(c, e): &(u16, u16)| {
            (kinds[usize::from(*c)], kinds[usize::from(*e)]) == (cause, effect)
        };
        seen.iter().any(is_it)
    };
    for (reader, read) in observer.graph.read() {
        let (name, event) = (reader.service.as_str(), read.event.as_str());
        let led = read.leads_to.iter().map(|led| type_of(led));
        let unseen: Vec<&str> =
            led.filter(|led| !was_seen((&read.from, event), (name, led))).collect();
        if !unseen.is_empty() {
            let unseen = unseen.join(" or ");
            let what = format!("{event} has not led {name} to {unseen}, as far as was looked.");
            let path = format!("{name} reads {}/{event}", read.from);
            observer.tally.state(Rule::UnseenEffect, &path, what, None);
        }
    }
}

/// When an id was made, if it tells.
pub(super) fn made_at(id: Uuid) -> Option<Timestamp> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
}
