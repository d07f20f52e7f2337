//! What the page says of a service.

use std::fmt::Write as _;

use super::Shown;
use super::events::who;
use super::html::{breakable, code, escape, link};
use crate::model::{Catalogue, Reaction, Service};
use crate::phrase;

/// All about a service.
pub(super) fn article(catalogue: &Catalogue, service: &Service, shown: Shown<'_>) -> String {
    let name = escape(&service.name);
    let mut text = format!(
        "<article class=\"of-{name}\" aria-labelledby=\"service-{name}\">\
         <h3 id=\"service-{name}\" tabindex=\"-1\" class=\"who\">{}</h3>\n<p class=\"sentence\">{}</p>\n",
        breakable(&service.name),
        escape(&phrase::service(service)),
    );
    text.push_str(&facts(service, shown));
    text.push_str("<div class=\"cols\"><div><h4>Says</h4><ul class=plain>");
    for event in &service.emits {
        let id = format!("{name}.{event}");
        let undoes =
            service.undoes.iter().filter(|(it, _)| it == event).map(|(_, undone)| {
                format!(" <span class=soft>undoes {}</span>", breakable(undone))
            });
        let begins = if service.begins.as_ref() == Some(event) {
            " <span class=soft>a story begins with it</span>"
        } else {
            ""
        };
        let _ = write!(text, "<li>{}{}{begins}", link(&id, event), undoes.collect::<String>());
    }
    text.push_str("</ul></div><div><h4>Reads</h4><ul class=plain>");
    for reaction in &service.reads {
        text.push_str(&read(reaction));
    }
    text.push_str("</ul></div></div>\n");
    let readers: Vec<String> =
        catalogue.readers_of(&service.name).map(|(reader, _)| who(&reader.name)).collect();
    if !readers.is_empty() {
        let _ = writeln!(text, "<p class=soft>Who listens to it: {}.</p>", readers.join(", "));
    }
    text + "</article>\n"
}

fn facts(service: &Service, shown: Shown<'_>) -> String {
    let paths: Vec<String> = service.paths.iter().map(|it| code(it)).collect();
    let runbook = shown.document("operations.md", "runbook");
    let file = format!("asyncapi/{}.yaml", escape(&service.name));
    format!(
        "<dl class=\"facts\"><div><dt>owner</dt><dd>{}</dd></div><div><dt>port</dt><dd>{}</dd></div>\
         <div><dt>consumer group</dt><dd>{}</dd></div><div><dt>paths</dt><dd>{}</dd></div>\
         <div><dt>elsewhere</dt><dd><a href=\"{file}\">AsyncAPI</a> · \
         {runbook}</dd></div></dl>\n",
        escape(&service.owner),
        service.port,
        code(&service.name),
        if paths.is_empty() { "none".to_owned() } else { paths.join(" ") },
    )
}

fn read(reaction: &Reaction) -> String {
    let id = format!("{}.{}", reaction.from, reaction.event);
    format!(
        "<li>{} <span class=soft>of {}:</span> it {}. <span class=soft>Uses {}.</span>",
        link(&id, &reaction.event),
        escape(&reaction.from),
        breakable(&phrase::reaction(reaction)),
        breakable(&phrase::uses(reaction)),
    )
}
