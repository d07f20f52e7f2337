//! What would become of whom if a field, or an event, went.

use std::collections::BTreeMap;

use crate::model::{Catalogue, Event, Reaction, Service};

/// Who is hit by the loss of a field or an event, each with why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Impact {
    /// The services that could not go on: they need it.
    pub broken: Vec<(String, String)>,
    /// The services that would do something else, or wait for what never comes.
    pub affected: Vec<(String, String)>,
    /// The services that would not notice.
    pub unaffected: Vec<(String, String)>,
    /// Whether readers of older versions could read the next: whether the registry would take it.
    pub is_refused: bool,
}

/// What would become of each service if the field at this path of an event went; or, without a path,
/// the event.
pub fn impact(catalogue: &Catalogue, event: &Event, path: Option<&str>) -> Impact {
    let mut impact = Impact { is_refused: is_refused(event, path), ..Impact::default() };
    let mut silent = BTreeMap::new();
    for reader in &event.readers {
        if let Some(why) = needs(&reader.reaction, path) {
            impact.broken.push((reader.service.clone(), why));
            hush(catalogue, &reader.service, &reader.reaction.leads_to, &mut silent);
        }
    }
    for service in &catalogue.services {
        if impact.broken.iter().any(|(name, _)| *name == service.name) {
            continue;
        }
        match affected(event, path, service, &silent) {
            Some(why) => impact.affected.push((service.name.clone(), why)),
            None => impact.unaffected.push((service.name.clone(), unaffected(event, service))),
        }
    }
    impact
}

/// A field that some version has without a default cannot go: who reads that version could not read
/// the next.
fn is_refused(event: &Event, path: Option<&str>) -> bool {
    let Some(path) = path else { return false };
    let mut all = event.versions.iter().flat_map(|version| &version.fields);
    all.any(|field| field.path == path && field.default.is_none())
}

/// Why the reader cannot do without it.
fn needs(reaction: &Reaction, path: Option<&str>) -> Option<String> {
    let Some(path) = path else { return Some(format!("It reads {}.", reaction.event)) };
    let used = reaction.uses(path)?;
    // What the service does with it is said at the outermost field: of others, what they are.
    let outermost = path.split(['.', '[', '{']).next().and_then(|name| reaction.uses(name));
    let about = outermost.map_or(&used.about, |it| &it.about);
    let why = format!("It reads it, and has nothing to take for it: {about}");
    used.default.is_none().then_some(why.trim_end_matches([':', ' ']).to_owned())
}

/// Notes all events that nobody would say any more, with the service that breaks. An event that has
/// another reason to be said is noted as well: in that story it never comes.
fn hush(
    catalogue: &Catalogue,
    broken: &str,
    events: &[String],
    silent: &mut BTreeMap<String, String>,
) {
    for event in events {
        if silent.contains_key(event) {
            continue;
        }
        silent.insert(event.clone(), broken.to_owned());
        for service in &catalogue.services {
            for reaction in service.reads.iter().filter(|it| it.event == *event) {
                hush(catalogue, broken, &reaction.leads_to, silent);
            }
        }
    }
}

/// Why a service would do something else.
fn affected(
    event: &Event,
    path: Option<&str>,
    service: &Service,
    silent: &BTreeMap<String, String>,
) -> Option<String> {
    if service.name == event.service {
        return Some(format!("It writes {}: its code changes.", path.unwrap_or(&event.name)));
    }
    let reads = service.reads.iter().find(|it| it.from == event.service && it.event == event.name);
    let used = path.and_then(|path| reads?.uses(path));
    if let Some(default) = used.and_then(|it| it.default.as_ref()) {
        return Some(format!("It would take {default} for it, always, and nobody would notice."));
    }
    let waits = service.reads.iter().find_map(|it| Some((&it.event, silent.get(&it.event)?)));
    waits.map(|(event, broken)| format!("It waits for {event}, and {broken} has stopped."))
}

fn unaffected(event: &Event, service: &Service) -> String {
    let reads = service.reads.iter().any(|it| it.from == event.service && it.event == event.name);
    if reads {
        format!("It reads {}, and not this field.", event.name)
    } else {
        format!("It does not read {}.", event.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::Examples;
    use declarations::{Fleet, Schemas};
    use serde_json::json;

    fn impact_of(path: Option<&str>, change: impl FnOnce(&mut Catalogue)) -> Impact {
        let (fleet, schemas) = (Fleet::embedded(), Schemas::embedded());
        let mut catalogue = Catalogue::of(fleet.services(), &schemas, &Examples::default());
        change(&mut catalogue);
        let placed = catalogue.event("order", "OrderPlaced").unwrap();
        impact(&catalogue, placed, path)
    }

    fn names(these: &[(String, String)]) -> Vec<&str> {
        these.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn who_needs_a_field_breaks_and_who_waits_for_them_waits() {
        let impact = impact_of(Some("total.amount"), |_| {});
        assert!(names(&impact.broken).contains(&"payment"), "{impact:?}");
        let waits = impact.affected.iter().find(|(name, _)| name == "shipping").unwrap();
        assert_eq!(waits.1, "It waits for OrderConfirmed, and payment has stopped.");
        assert!(names(&impact.affected).contains(&"order"), "it writes it: {impact:?}");
        assert!(impact.is_refused);
    }

    #[test]
    fn what_nobody_reads_breaks_nobody() {
        let impact = impact_of(Some("lines[].unit_price.amount"), |_| {});
        assert_eq!(names(&impact.broken), [""; 0]);
        assert!(names(&impact.affected).contains(&"order"), "it writes it: {impact:?}");
        let reads = impact.unaffected.iter().find(|(name, _)| name == "inventory").unwrap();
        assert_eq!(reads.1, "It reads OrderPlaced, and not this field.");
    }

    #[test]
    fn a_default_hides_the_loss() {
        let impact = impact_of(Some("total.amount"), |catalogue| {
            let placed = catalogue.events.iter_mut().find(|it| it.name == "OrderPlaced").unwrap();
            let payment = placed.readers.iter_mut().find(|it| it.service == "payment").unwrap();
            let service = catalogue.services.iter_mut().find(|it| it.name == "payment").unwrap();
            let declared = service.reads.iter_mut().find(|it| it.event == "OrderPlaced").unwrap();
            for reaction in [&mut payment.reaction, declared] {
                let used = reaction.uses.iter_mut().find(|it| it.path == "total.amount").unwrap();
                used.default = Some(json!(0));
            }
        });
        assert_eq!(names(&impact.broken), [""; 0]);
        let payment = impact.affected.iter().find(|(name, _)| name == "payment").unwrap();
        assert_eq!(payment.1, "It would take 0 for it, always, and nobody would notice.");
    }

    #[test]
    fn an_event_that_goes_breaks_its_readers() {
        let impact = impact_of(None, |_| {});
        for reader in ["inventory", "payment", "shipping", "notification"] {
            assert!(names(&impact.broken).contains(&reader), "{reader}: {impact:?}");
        }
        assert!(!names(&impact.broken).contains(&"order"), "who writes it");
    }
}
