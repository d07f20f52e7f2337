//! What an application sends and receives.

use contracts::Topics;
use serde_json::{Value, json};

use super::{BINDINGS, group, messages};
use crate::model::{Event, Reaction, Service};
use crate::phrase;
use crate::yaml::Yaml;

/// The operations of these services, by names that say whose they are.
pub(super) fn of(services: &[&Service], events: &[&Event]) -> Vec<(String, Yaml)> {
    let mut all = Vec::new();
    for service in services {
        for event in events.iter().filter(|it| it.service == service.name) {
            all.push((format!("{}.says.{}", service.name, event.name), send(service, event)));
        }
        for reaction in &service.reads {
            let is_it = |it: &&&Event| it.service == reaction.from && it.name == reaction.event;
            if let Some(event) = events.iter().find(is_it) {
                let name = format!("{}.reads.{}", service.name, event.name);
                all.push((name, receive(service, event, reaction)));
            }
        }
        all.push((format!("{}.gives-up", service.name), give_up(service)));
        all.push((format!("{}.follows-operators", service.name), follow_operators(service)));
    }
    all
}

fn operation(
    action: &str,
    (topic, messages): (&str, Vec<String>),
    summary: String,
    service: &Service,
    more: Vec<(&str, Yaml)>,
) -> Yaml {
    let messages =
        messages.iter().map(|it| Yaml::reference(&format!("#/channels/{topic}/messages/{it}")));
    let bindings: Value = if action == "receive" {
        json!({
            "groupId": {"type": "string", "const": group(&service.name)},
            "clientId": {"type": "string", "const": group(&service.name)},
            "bindingVersion": BINDINGS,
        })
    } else {
        json!({
            "clientId": {"type": "string", "const": group(&service.name)},
            "bindingVersion": BINDINGS,
        })
    };
    let mut members = vec![
        ("action", action.into()),
        ("channel", Yaml::reference(&format!("#/channels/{topic}"))),
        ("summary", summary.into()),
        ("tags", Yaml::List(vec![Yaml::map([("name", Yaml::from(&service.name))])])),
        ("messages", Yaml::List(messages.collect())),
        ("bindings", Yaml::map([("kafka", bindings.into())])),
        ("x-owner", Yaml::from(&service.owner)),
    ];
    members.extend(more);
    Yaml::map(members)
}

/// A service says an event: by the version that it writes.
fn send(service: &Service, event: &Event) -> Yaml {
    let leads: Vec<(String, Yaml)> = event
        .leads_to()
        .map(|(reader, reaction)| (reader.to_owned(), Yaml::list(reaction.leads_to.clone())))
        .collect();
    let mut more = vec![("x-leads-to", Yaml::Map(leads))];
    if !event.undoes.is_empty() {
        more.push(("x-compensates", Yaml::list(&event.undoes)));
    }
    let topic = Topics::default().events(&service.name);
    let summary = event.current().about.clone();
    operation("send", (&topic, vec![messages::key(event, event.current())]), summary, service, more)
}

/// A service reads an event: in any version, and of it the fields that it uses.
fn receive(service: &Service, event: &Event, reaction: &Reaction) -> Yaml {
    let reads = reaction.uses.iter().map(|used| {
        let mut members = vec![("field", Yaml::from(&used.path)), ("for", (&used.about).into())];
        if let Some(default) = &used.default {
            members.push(("default", default.clone().into()));
        }
        Yaml::map(members)
    });
    let mut more = vec![
        ("x-farandole-reads", Yaml::List(reads.collect())),
        ("x-leads-to", Yaml::list(&reaction.leads_to)),
    ];
    if let Some(within_s) = reaction.within_s {
        more.push(("x-within-s", json!(within_s).into()));
    }
    let led_to = |event: &&String| reaction.leads_to.contains(event);
    let undone: Vec<&String> =
        service.undoes.iter().filter(|(event, _)| led_to(&event)).map(|(_, it)| it).collect();
    if !undone.is_empty() {
        more.push(("x-compensates", Yaml::list(undone)));
    }
    let topic = Topics::default().events(&event.service);
    let versions = event.versions.iter().rev().map(|it| messages::key(event, it)).collect();
    let summary = format!("On {}, {} {}.", event.name, service.name, phrase::reaction(reaction));
    operation("receive", (&topic, versions), summary, service, more)
}

fn give_up(service: &Service) -> Yaml {
    let topic = Topics::default().dead_letters(&service.name);
    let summary = format!("What {} could not process is kept as a dead letter.", service.name);
    let message = messages::DEAD_LETTER.to_owned();
    operation("send", (&topic, vec![message]), summary, service, Vec::new())
}

/// The log of operations is followed outside of the group, by each instance from the beginning.
fn follow_operators(service: &Service) -> Yaml {
    let topic = Topics::default().operations();
    let summary =
        format!("{} carries out what operators decide about its calls and orders.", service.name);
    let message = messages::OPERATION.to_owned();
    operation("receive", (&topic, vec![message]), summary, service, Vec::new())
}
