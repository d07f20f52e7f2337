//! The catalogue in Markdown: the page's twin, for who reads in the tree, and for machines.

use std::fmt::Write as _;

use contracts::COMPATIBILITY;

use crate::difference::changes;
use crate::fields::Field;
use crate::model::{Catalogue, Event, Service, Version};
use crate::phrase;
use crate::rules::RULES;
use crate::wire::{HEADERS, topics};

const HEAD: &str = "\
# The catalogue of events

<!-- Made by make docs from what the services declare, schemas/ and examples.json. -->

What the services say to each other, who answers for it, and who reads which field. [index.html](index.html)
is the same as a page that needs no server, with a search, and with what would break if a field went.
[asyncapi/](asyncapi) has it as AsyncAPI 3.1, a file per service and [one of all](asyncapi/fleet.yaml). How
events and services are added is in [extending.md](../extending.md), and who says what to whom in
[choreography.md](../choreography.md).

";

/// The document.
pub(crate) fn markdown(catalogue: &Catalogue) -> String {
    let mut text = HEAD.to_owned();
    overview(catalogue, &mut text);
    rules(&mut text);
    text.push_str("\n## Events\n");
    for event in &catalogue.events {
        of_event(event, &mut text);
    }
    text.push_str("\n## Services\n");
    for service in &catalogue.services {
        of_service(service, &mut text);
    }
    wire(catalogue, &mut text);
    text
}

fn overview(catalogue: &Catalogue, text: &mut String) {
    text.push_str("| event | says | emitted by | read by |\n|---|---|---|---|\n");
    for event in &catalogue.events {
        let readers: Vec<&str> = event.readers.iter().map(|it| it.service.as_str()).collect();
        let _ = writeln!(
            text,
            "| [{name}](#{anchor}) | {about} | {service} | {readers} |",
            name = event.name,
            anchor = event.name.to_lowercase(),
            about = cell(&event.current().about),
            service = event.service,
            readers = readers.join(", "),
        );
    }
}

fn rules(text: &mut String) {
    text.push_str("\n## Rules for who reads events\n\n");
    for rule in &RULES {
        // The headings of guarantees.md are links by their whole text; its top is near enough.
        let guarantee = rule.guarantee.map(|it| format!(" ([{it}](../guarantees.md))"));
        let guarantee = guarantee.unwrap_or_default();
        let _ = writeln!(text, "- **{}.** {}{guarantee}", rule.title, rule.text);
    }
}

fn of_event(event: &Event, text: &mut String) {
    let current = event.current();
    let _ = write!(text, "\n### {}\n\n{} {}\n\n", event.name, current.about, phrase::fate(event));
    let _ = writeln!(
        text,
        "Emitted by {}, owned by {}; topic `{}.events`, key the order's id, {}.",
        event.service,
        event.owner,
        event.service,
        written(event),
    );
    if let Some(cause) = phrase::cause(event, &str::to_owned) {
        let _ = writeln!(text, "{cause}");
    }
    if !event.readers.is_empty() {
        text.push('\n');
        for reader in &event.readers {
            let (service, reaction) = (&reader.service, &reader.reaction);
            let _ = writeln!(
                text,
                "- **{service}** {}. It uses {}.",
                phrase::reaction(reaction),
                phrase::uses(reaction)
            );
        }
    }
    field_table(event, text);
    differences(event, text);
    example(current, text);
}

fn written(event: &Event) -> String {
    let newest = event.versions.last().map_or(event.written, |it| it.number);
    let more = if newest > event.written { ", and not yet the newest" } else { "" };
    format!("version {}{more}", event.written)
}

fn field_table(event: &Event, text: &mut String) {
    text.push_str("\n| field | type | means | since |");
    for reader in &event.readers {
        let _ = write!(text, " {} |", reader.service);
    }
    text.push_str("\n|---|---|---|---|");
    text.push_str(&":-:|".repeat(event.readers.len()));
    text.push('\n');
    for field in &event.current().fields {
        let _ = write!(
            text,
            "| `{}` | {} | {} | v{} |",
            field.path,
            cell(&field.type_text),
            cell(&meaning(event, field)),
            event.since(&field.path)
        );
        for reader in &event.readers {
            let reads = reader.reaction.uses(&field.path).is_some();
            let _ = write!(text, " {} |", if reads { "●" } else { "·" });
        }
        text.push('\n');
    }
}

/// What there is to say of a field.
fn meaning(event: &Event, field: &Field) -> String {
    let mut meaning = vec![field.about.clone()];
    if let Some(default) = &field.default {
        meaning.push(format!("Default `{default}`."));
    }
    if !field.values.is_empty() {
        meaning.push(format!("Today: `{}`.", field.values.join("`, `")));
    }
    if field.is_personal {
        meaning.push("**Personal data.**".to_owned());
    }
    if !event.readers.is_empty() && event.users(&field.path).next().is_none() {
        meaning.push("Nobody reads it.".to_owned());
    }
    meaning.retain(|it| !it.is_empty());
    meaning.join(" ")
}

fn differences(event: &Event, text: &mut String) {
    let code = |it: &str| format!("`{it}`");
    for pair in event.versions.windows(2) {
        let [older, newer] = pair else { continue };
        let _ = write!(text, "\nFrom v{} to v{}:\n\n", older.number, newer.number);
        for change in changes(older, newer) {
            let _ = writeln!(text, "- {}", phrase::change(&change, &code));
        }
    }
}

fn example(version: &Version, text: &mut String) {
    let Some(example) = &version.example else {
        text.push_str("\nNo example is recorded yet.\n");
        return;
    };
    let json = serde_json::to_string_pretty(&example.value).unwrap_or_default();
    let _ = write!(text, "\n```json\n{json}\n```\n");
}

fn of_service(service: &Service, text: &mut String) {
    let _ = write!(text, "\n### {}\n\n{}\n\n", service.name, phrase::service(service));
    let _ = writeln!(
        text,
        "Owned by {}; port {}; [asyncapi/{name}.yaml](asyncapi/{name}.yaml).\n",
        service.owner,
        service.port,
        name = service.name
    );
    let _ = writeln!(text, "- Says {}.", phrase::enumerate(&service.emits, "and"));
    for reaction in &service.reads {
        let _ = writeln!(text, "- On {}, it {}.", reaction.event, phrase::reaction(reaction));
    }
    for (event, undone) in &service.undoes {
        let _ = writeln!(text, "- {event} undoes {undone}.");
    }
    if !service.paths.is_empty() {
        let _ = writeln!(text, "- Paths: `{}`.", service.paths.join("`, `"));
    }
}

fn wire(catalogue: &Catalogue, text: &mut String) {
    let _ = write!(
        text,
        "\n## On the wire\n\nEach event's schema is a subject of its own in the registry, with the \
         compatibility {COMPATIBILITY}. The value is `0x00`, the schema's id in four bytes, and Avro.\n\n\
         | header | what |\n|---|---|\n"
    );
    for header in &HEADERS {
        let _ = writeln!(text, "| `{}` | {} |", header.name, header.about);
    }
    text.push_str("\n| topic | holds | partitions | kept |\n|---|---|--:|---|\n");
    for topic in topics(catalogue) {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            topic.name,
            topic.about,
            topic.partitions,
            phrase::kept(topic.retention)
        );
    }
}

/// A text as a cell of a table has it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
