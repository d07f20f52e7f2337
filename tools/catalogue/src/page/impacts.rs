//! “If this went, who breaks?” for every event and field: what the script answers with.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::html::{breakable, escape};
use crate::impact::{Impact, impact};
use crate::model::{Catalogue, Event, Service};

/// Where the question is asked. Without a script the table of fields has the answer, too.
pub(super) fn section(catalogue: &Catalogue) -> String {
    let mut choices = String::new();
    for event in &catalogue.events {
        let id = event.id();
        let _ = write!(
            choices,
            "<optgroup label=\"{name}\"><option value=\"{id}\">all of {name}",
            name = escape(&event.name),
            id = escape(&id),
        );
        for field in &event.current().fields {
            let value = format!("{id}.{}", field.anchor());
            let _ = write!(
                choices,
                "<option value=\"{}\">{}.{}",
                escape(&value),
                escape(&event.name),
                escape(&field.path)
            );
        }
        choices.push_str("</optgroup>\n");
    }
    let service = |it: &Service| {
        format!(
            "<li class=\"of-{name}\" data-service=\"{name}\"><span class=who>{shown}</span> \
             <span class=verdict></span>",
            name = escape(&it.name),
            shown = breakable(&it.name)
        )
    };
    let services: Vec<String> = catalogue.services.iter().map(service).collect();
    format!(
        "<section aria-labelledby=\"what-if\"><h2 id=\"what-if\">If this went, who breaks?</h2>\n\
         <noscript><p>A script answers this. Without one: who has a ● at a field breaks when it \
         goes, and who waits for what they would have said waits in vain.</p></noscript>\n\
         <form class=\"script sheet asks\"><label for=\"gone\">If this were gone:</label> \
         <select id=\"gone\"><option value=\"\">choose an event or a field</option>\n{choices}\
         </select><div aria-live=polite><p class=\"sentence\" id=\"verdict\">Nothing is chosen.\
         </p><ul class=\"plain verdicts\" id=\"verdicts\" hidden>{services}</ul></div></form>\
         </section>\n",
        services = services.concat()
    )
}

/// The answers, by what would go: whether the registry refuses, and of each service how it is hit, and
/// why. Those that would not notice are not there, but for those that read the event.
pub(super) fn data(catalogue: &Catalogue) -> Value {
    let mut all = Map::new();
    for event in &catalogue.events {
        all.insert(event.id(), answer(&impact(catalogue, event, None)));
        for field in &event.current().fields {
            let impact = impact(catalogue, event, Some(&field.path));
            all.insert(key(event, &field.anchor()), answer(&impact));
        }
    }
    Value::Object(all)
}

fn key(event: &Event, anchor: &str) -> String {
    format!("{}.{anchor}", event.id())
}

fn answer(impact: &Impact) -> Value {
    let mut services = Map::new();
    for (letter, these) in
        [("b", &impact.broken), ("a", &impact.affected), ("u", &impact.unaffected)]
    {
        for (service, why) in these {
            services.insert(service.clone(), json!([letter, why]));
        }
    }
    json!({"refused": impact.is_refused, "services": services})
}
