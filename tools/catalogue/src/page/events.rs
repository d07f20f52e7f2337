//! What the page says of an event.

use std::fmt::Write as _;

use contracts::COMPATIBILITY;
use serde_json::Value;

use super::Shown;
use super::html::{breakable, code, escape, link, table};
use crate::difference::changes;
use crate::fields::Field;
use crate::model::{Catalogue, Event, Version};
use crate::phrase;
use crate::wire::TOPIC_DEFAULTS;

/// A service's name, in its hue, as a link.
pub(super) fn who(service: &str) -> String {
    let name = escape(service);
    format!("<a class=\"who of-{name}\" href=\"#service-{name}\">{}</a>", breakable(service))
}

/// The names of services, with commas.
fn all_who<'a>(services: impl Iterator<Item = &'a str>) -> String {
    services.map(who).collect::<Vec<_>>().join(", ")
}

/// An event in the list of all.
pub(super) fn row(event: &Event) -> String {
    let readers = all_who(event.readers.iter().map(|it| it.service.as_str()));
    let readers =
        if readers.is_empty() { "<span class=soft>nobody</span>".into() } else { readers };
    format!(
        "<tr><th scope=row>{}<td>{}<td>{}<td>{readers}",
        link(&event.id(), &event.name),
        escape(&event.current().about),
        who(&event.service),
    )
}

/// All about an event.
pub(super) fn article(catalogue: &Catalogue, event: &Event, shown: Shown<'_>) -> String {
    let id = escape(&event.id());
    let mut text = format!(
        "<article class=\"of-{service}\" aria-labelledby=\"{id}\"><h3 id=\"{id}\" tabindex=\"-1\">{name} \
         <small>{who}</small></h3>\n<p class=\"sentence\">{about}</p>\n",
        service = escape(&event.service),
        name = breakable(&event.name),
        who = who(&event.service),
        about = escape(&event.current().about),
    );
    if let Some(lately) = shown.lately(&event.name) {
        let _ = writeln!(text, "<p class=\"lately\">{}</p>", escape(&lately));
    }
    text.push_str(&doing(event));
    text.push_str(&facts(event));
    text.push_str(&reactions(catalogue, event));
    text.push_str(&field_table(event));
    text.push_str(&versions(event));
    text.push_str(&example(event.current(), "A real one"));
    for older in event.versions.iter().filter(|it| it.number != event.current().number) {
        if older.example.is_some() {
            text.push_str(&example(older, "One"));
        }
    }
    text + "</article>\n"
}

/// What to do who wants to use it, or to change it.
fn doing(event: &Event) -> String {
    let command = format!("farandole new reaction SERVICE {}/{}", event.service, event.name);
    format!(
        "<p class=\"do\">To read it: {}<span class=\"script\"> · <a href=\"#what-if\" \
         data-ask=\"{}\">If it went, who breaks?</a></span></p>\n",
        code(&command),
        escape(&event.id()),
    )
}

fn facts(event: &Event) -> String {
    let newest = event.versions.last().map_or(event.written, |it| it.number);
    let version = if newest > event.written {
        format!("{}; {newest} is the newest", event.written)
    } else {
        event.written.to_string()
    };
    let links = |events: &[String]| {
        let links = events.iter().map(|it| link(&format!("{}.{it}", event.service), it));
        links.collect::<Vec<_>>().join(", ")
    };
    let mut facts = vec![
        ("owner", escape(&event.owner)),
        ("topic", code(&format!("{}.events", event.service))),
        ("key", "the order’s id".to_owned()),
        ("version", version),
        ("kept", phrase::kept(Some(TOPIC_DEFAULTS.retention))),
        ("compatibility", breakable(COMPATIBILITY)),
    ];
    if !event.undoes.is_empty() {
        facts.push(("undoes", links(&event.undoes)));
    }
    if !event.undone_by.is_empty() {
        facts.push(("undone by", links(&event.undone_by)));
    }
    if let Some(field) = &event.told_apart_by {
        facts.push(("told apart by", code(field)));
    }
    let facts =
        facts.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>"));
    format!("<dl class=\"facts\">{}</dl>\n", facts.collect::<String>())
}

/// What leads to it, and what it leads to.
fn reactions(catalogue: &Catalogue, event: &Event) -> String {
    let to = |name: &str| match catalogue.events.iter().find(|it| it.name == name) {
        Some(event) => link(&event.id(), &event.name),
        None => breakable(name),
    };
    let links = |events: &[String]| {
        let links: Vec<String> = events.iter().map(|it| to(it)).collect();
        phrase::enumerate(&links, "or")
    };
    let mut items = Vec::new();
    if event.readers.is_empty() || !event.undoes.is_empty() {
        items.push(format!("<li>{}", escape(&phrase::fate(event))));
    }
    items.extend(phrase::cause(event, &to).map(|cause| format!("<li>{cause}")));
    for reader in &event.readers {
        let reaction = &reader.reaction;
        let does = match reaction.leads_to.as_slice() {
            [] => "takes note of it".to_owned(),
            events => {
                let time =
                    reaction.within_s.map(|it| format!(", within {it} s")).unwrap_or_default();
                format!("may say {}{time}", links(events))
            }
        };
        items.push(format!("<li>{} {does}.", who(&reader.service)));
    }
    if items.is_empty() {
        String::new()
    } else {
        format!("<ul class=plain>{}</ul>\n", items.concat())
    }
}

fn field_table(event: &Event) -> String {
    let current = event.current();
    if current.fields.is_empty() {
        return "<p class=soft>It has no fields: that it happened is all.</p>\n".to_owned();
    }
    let mut heads: Vec<String> = vec!["field".to_owned(), "since".to_owned()];
    heads.extend(
        event
            .readers
            .iter()
            .map(|it| format!("<span class=\"who of-{0}\">{0}</span>", escape(&it.service))),
    );
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let rows: Vec<String> = current.fields.iter().map(|it| field_row(event, it)).collect();
    let about = if event.readers.is_empty() {
        format!("Fields of {}", event.name)
    } else {
        format!(
            "Fields of {}, and who reads them: ● reads it, ◐ with a default, · does not",
            event.name
        )
    };
    format!("<div class=\"sheet fields\">{}</div>\n", table("by-service", &about, &heads, &rows))
}

fn field_row(event: &Event, field: &Field) -> String {
    let id = format!("{}.{}", event.id(), field.anchor());
    let mut about = escape(&field.about);
    if let Some(default) = &field.default {
        let _ = write!(about, " Default {}.", code(&default.to_string()));
    }
    if !field.values.is_empty() {
        let values: Vec<String> = field.values.iter().map(|it| code(it)).collect();
        let more = if field.about.contains("more may come") { "" } else { "; more may come" };
        let _ = write!(about, " Today {}{more}.", values.join(", "));
    }
    let mut marks = String::new();
    if field.is_personal {
        marks.push_str(" <em class=personal>personal</em>");
    }
    if !event.readers.is_empty() && event.users(&field.path).next().is_none() {
        marks.push_str(" <em class=unread>nobody reads it</em>");
    }
    let cells = event.readers.iter().map(|reader| {
        let (sign, word) = match reader.reaction.uses(&field.path) {
            None => ("·", "does not read it"),
            Some(used) if used.default.is_some() => ("◐", "reads it, with a default"),
            Some(_) => ("●", "reads it"),
        };
        let service = escape(&reader.service);
        format!(
            "<td class=\"reads of-{service}\"><span aria-hidden=true>{sign}</span>\
             <span class=hidden>{word}</span>"
        )
    });
    format!(
        "<tr id=\"{id}\" tabindex=-1><th scope=row class=depth-{depth}>\
         <a href=\"#{id}\" class=path>{path}</a> <span class=type>{kind}</span>{marks}<p>{about}</p><td class=soft>v{since}{cells}",
        id = escape(&id),
        depth = field.depth,
        path = code(&field.path),
        kind = breakable(&field.type_text),
        since = event.since(&field.path),
        cells = cells.collect::<String>(),
    )
}

/// The differences between any two versions: of neighbours first.
fn versions(event: &Event) -> String {
    let all = &event.versions;
    if all.len() < 2 {
        return String::new();
    }
    let neighbours = all.windows(2).map(|pair| (&pair[0], &pair[1]));
    let others = all
        .iter()
        .enumerate()
        .flat_map(|(at, older)| all.iter().skip(at + 2).map(move |newer| (older, newer)));
    let pairs = neighbours.chain(others).map(|(older, newer)| {
        let changes = changes(older, newer);
        let items = changes.iter().map(|it| format!("<li>{}", phrase::change(it, &code)));
        let items: String = items.collect();
        let items = if items.is_empty() { "<li>Nothing.".to_owned() } else { items };
        format!(
            "<details{open}><summary>From version {} to version {}</summary><ul>{items}</ul></details>\n",
            older.number,
            newer.number,
            open = if newer.number == older.number + 1 { " open" } else { "" },
        )
    });
    format!("<h4>Versions</h4>\n{}", pairs.collect::<String>())
}

fn example(version: &Version, title: &str) -> String {
    let Some(example) = &version.example else {
        return "<p class=soft>No example is recorded yet: <code>make examples</code> does.</p>\n"
            .into();
    };
    let rows: Vec<String> = example
        .headers
        .iter()
        .map(|(name, value)| format!("<tr><th scope=row>{}<td>{}", code(name), code(value)))
        .collect();
    format!(
        "<details class=example><summary>{title}, of version {}</summary>\n\
         <pre tabindex=0 aria-label=\"Its fields as JSON\">{}</pre>\n{}\n<p class=soft>Its bytes:</p>\
         <pre class=hex tabindex=0 aria-label=\"Its bytes in hexadecimal\">{}</pre></details>\n",
        version.number,
        json(&example.value),
        table("plain-rows", "Its headers", &["header", "value"], &rows),
        hex(&example.hex),
    )
}

fn json(value: &Value) -> String {
    escape(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// Bytes in pairs of digits: the zero byte and the schema's id stand out.
fn hex(hex: &str) -> String {
    let pairs: Vec<&str> =
        (0..hex.len() / 2).filter_map(|at| hex.get(at * 2..at * 2 + 2)).collect();
    let (frame, value) = pairs.split_at(pairs.len().min(5));
    format!(
        "<b title=\"a zero byte, and the schema’s id\">{}</b> {}",
        frame.join(" "),
        value.join(" ")
    )
}
