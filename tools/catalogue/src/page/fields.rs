//! All fields by name: which events have one, and who reads it.

use std::collections::{BTreeMap, BTreeSet};

use super::events::who;
use super::html::{breakable, code, escape, link, table};
use crate::fields::Field;
use crate::model::{Catalogue, Event};

/// The fields of all events, by their names.
pub(super) fn section(catalogue: &Catalogue) -> String {
    let mut by_name: BTreeMap<&str, Vec<(&Event, &Field)>> = BTreeMap::new();
    for event in &catalogue.events {
        for field in &event.current().fields {
            by_name.entry(&field.name).or_default().push((event, field));
        }
    }
    let rows: Vec<String> = by_name.iter().map(|(name, all)| row(name, all)).collect();
    format!(
        "<section aria-labelledby=\"fields\"><h2 id=\"fields\">Fields</h2>\n<p>The same name means the \
         same thing, unless it says otherwise here.</p>\n<div class=\"sheet\">{}</div></section>\n",
        table(
            "by-name",
            "Fields by name",
            &["field", "means", "unit or form", "in", "read by"],
            &rows
        )
    )
}

fn row(name: &str, all: &[(&Event, &Field)]) -> String {
    let distinct = |of: &dyn Fn(&Field) -> String| -> Vec<String> {
        let texts: BTreeSet<String> = all.iter().map(|(_, field)| of(field)).collect();
        texts.into_iter().filter(|it| !it.is_empty()).collect()
    };
    let meanings = distinct(&|it| it.about.clone());
    let units = distinct(&|it| it.unit().unwrap_or_else(|| it.type_text.clone()));
    let places: Vec<String> = all
        .iter()
        .map(|(event, field)| {
            let to = format!("{}.{}", event.id(), field.anchor());
            let place = if field.path == field.name {
                event.name.clone()
            } else {
                format!("{}.{}", event.name, field.path)
            };
            link(&to, &place)
        })
        .collect();
    let users: BTreeSet<&str> =
        all.iter().flat_map(|(event, field)| event.users(&field.path)).collect();
    let users: Vec<String> = users.into_iter().map(who).collect();
    let meaning: Vec<String> = meanings.iter().map(|it| escape(it)).collect();
    let units: Vec<String> = units.iter().map(|it| breakable(it)).collect();
    format!(
        "<tr id=\"field-{id}\" tabindex=-1><th scope=row>{}<td>{}<td>{}<td>{}<td>{}",
        code(name),
        meaning.join("<br>"),
        units.join("<br>"),
        places.join("<br>"),
        if users.is_empty() {
            "<span class=soft>nobody</span>".to_owned()
        } else {
            users.join(", ")
        },
        id = escape(name),
    )
}
