//! The catalogue as one page: a document that can be read as it is, and in which a script finds and
//! answers. As a file it needs no server and asks for nothing; a server that shows it has its script apart, and
//! may say more of each event ([`Shown`]).

mod events;
mod fields;
mod html;
mod impacts;
mod services;

use std::fmt::Write as _;

use contracts::COMPATIBILITY;

use self::html::{code, data, escape, link, table};
use crate::model::Catalogue;
use crate::phrase;
use crate::rules::RULES;
use crate::wire::{DEAD_HEADERS, HEADERS, topics};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");
const HEADER: &str = include_str!("page/header.html");
const HELP: &str = include_str!("page/help.html");

/// Where the page is, and what follows from that.
#[derive(Clone, Copy)]
pub enum Shown<'s> {
    /// In the file `docs/catalogue/index.html`: all is in it, and other documents are beside it.
    InFile,
    /// By a server, which says itself what the page may load.
    Served(Served<'s>),
}

/// What a server has of its own. The page has neither style nor script in it then.
#[derive(Clone, Copy)]
pub struct Served<'s> {
    /// The path of [`style`].
    pub style: &'s str,
    /// The path of [`script`].
    pub script: &'s str,
    /// The path of a picture to know the page by.
    pub icon: &'s str,
    /// The path of the picture of who says what to whom.
    pub map: &'s str,
    /// The way back: a path, and what is there.
    pub back: (&'s str, &'s str),
    /// What is known of an event by now, by its type: text.
    pub lately: &'s (dyn Fn(&str) -> Option<String> + Sync),
}

impl Shown<'_> {
    /// A link to another document, which only the file has beside it.
    fn document(self, file: &str, name: &str) -> String {
        match self {
            Self::InFile => format!("<a class=\"soft\" href=\"../{file}\">{}</a>", escape(name)),
            Self::Served(_) => format!("<span class=\"soft\">{}</span>", escape(name)),
        }
    }

    /// What is known of an event by now.
    fn lately(self, event: &str) -> Option<String> {
        match self {
            Self::InFile => None,
            Self::Served(served) => (served.lately)(event),
        }
    }

    /// What the head has of it.
    fn head(self, catalogue: &Catalogue) -> String {
        match self {
            Self::InFile => format!(
                "<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
                 <link rel=\"icon\" href=\"data:,\">\n<style>\n{}</style>\n",
                style(catalogue)
            ),
            Self::Served(Served { style, icon, .. }) => format!(
                "<link rel=\"icon\" href=\"{icon}\">\n<link rel=\"stylesheet\" href=\"{style}\">\n"
            ),
        }
    }

    /// What is above all else.
    fn header(self) -> String {
        let Self::Served(Served { back: (path, name), .. }) = self else {
            return HEADER.to_owned();
        };
        let back =
            format!("<b>farandole</b><a class=\"back\" href=\"{path}\">{}</a>", escape(name));
        HEADER.replacen("<b>farandole</b>", &back, 1)
    }

    fn script(self) -> String {
        match self {
            Self::InFile => format!("<script>\n{SCRIPT}</script>\n"),
            Self::Served(Served { script, .. }) => format!("<script src=\"{script}\"></script>\n"),
        }
    }

    fn map(self, catalogue: &Catalogue) -> String {
        match self {
            // Within HTML it needs no namespace, and so the page has no address in it.
            Self::InFile => catalogue.map.replace(" xmlns=\"http://www.w3.org/2000/svg\"", ""),
            Self::Served(Served { map, .. }) => format!(
                "<img src=\"{map}\" alt=\"Who says what to whom. The table below says the same.\">"
            ),
        }
    }
}

/// The script of the page, where it is served.
pub fn script() -> &'static str {
    SCRIPT
}

/// The style of the page, where it is served.
pub fn style(catalogue: &Catalogue) -> String {
    let versions = catalogue.events.iter().flat_map(|event| &event.versions);
    let fields = versions.flat_map(|version| &version.fields);
    let deepest = fields.map(|it| it.depth).max().unwrap_or_default();
    let depth = |it| format!(".depth-{it} {{ --depth: {it} }}\n");
    let depths: String = (0..=deepest).map(depth).collect();
    format!("{STYLE}{}{depths}", hues(catalogue))
}

/// The page may ask for nothing but what is in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// How many hues there are for services.
const HUES: usize = 8;

/// The page.
pub fn page(catalogue: &Catalogue, shown: Shown<'_>) -> String {
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Events · Farandole</title>\n\
         {}</head>\n<body>\n{}",
        shown.head(catalogue),
        shown.header(),
    );
    page.push_str("<div class=\"frame\">\n");
    page.push_str(&contents(catalogue));
    page.push_str("<main id=\"main\" tabindex=\"-1\">\n");
    page.push_str(&opening(catalogue, shown));
    page.push_str(&impacts::section(catalogue));
    page.push_str(&rules(shown));
    page.push_str("<section aria-labelledby=\"events\"><h2 id=\"events\">Events</h2>\n");
    for event in &catalogue.events {
        page.push_str(&events::article(catalogue, event, shown));
    }
    page.push_str(
        "</section>\n<section aria-labelledby=\"services\"><h2 id=\"services\">Services</h2>\n",
    );
    for service in &catalogue.services {
        page.push_str(&services::article(catalogue, service, shown));
    }
    page.push_str("</section>\n");
    page.push_str(&fields::section(catalogue));
    page.push_str(&wire(catalogue));
    page.push_str("</main>\n</div>\n");
    page.push_str(HELP);
    page.push_str(&data("impacts", &impacts::data(catalogue)));
    page.push_str(&shown.script());
    page.push_str("</body>\n</html>\n");
    page
}

/// Each service has a hue: that of its place.
fn hues(catalogue: &Catalogue) -> String {
    let hue =
        |(at, name): (usize, &str)| format!(".of-{name} {{ --hue: var(--hue-{}) }}\n", at % HUES);
    let names = catalogue.services.iter().map(|it| it.name.as_str());
    names.enumerate().map(hue).collect::<Vec<_>>().concat()
}

/// What is beside the page: all events and services.
fn contents(catalogue: &Catalogue) -> String {
    let mut text = "<nav class=\"contents\" aria-label=\"Events and services\">\n".to_owned();
    for service in &catalogue.services {
        let name = escape(&service.name);
        let _ = write!(
            text,
            "<p class=\"of-{name}\"><a class=\"who\" href=\"#service-{name}\">{name}</a></p><ul>"
        );
        for event in catalogue.events_of(&service.name) {
            let _ = write!(text, "<li>{}", link(&event.id(), &event.name));
        }
        text.push_str("</ul>\n");
    }
    text + "</nav>\n"
}

fn opening(catalogue: &Catalogue, shown: Shown<'_>) -> String {
    let read = catalogue.events.iter().filter(|it| !it.readers.is_empty()).count();
    let ends = catalogue.events.iter().filter(|it| it.readers.is_empty()).count();
    let mut text = format!(
        "<section><h1 id=\"top\">Events</h1>\n<p class=\"sentence\">\
         {services} tell each other {events}: {read} are read by somebody, and with {ends} a story \
         may end.</p>\n<p class=\"do\"><b>What to do.</b> To use an event, read its fields and the \
         <a href=\"#rules\">rules</a>, then <code>farandole new reaction</code>. Before you change \
         one, look at <a href=\"#what-if\">what would break</a>. <span class=\"script\">Press \
         <kbd>/</kbd> to find a field by its name, <kbd>?</kbd> for all keys.</span></p>\n",
        services = phrase::count(catalogue.services.len(), "service", "services"),
        events = phrase::count(catalogue.events.len(), "kind of fact", "kinds of facts"),
    );
    let _ = writeln!(text, "<figure class=\"map\">{}</figure>", shown.map(catalogue));
    let rows: Vec<String> = catalogue.events.iter().map(events::row).collect();
    text.push_str("<div class=\"sheet\">");
    text.push_str(&table(
        "all",
        "All events, and who reads them",
        &["event", "says", "emitted by", "read by"],
        &rows,
    ));
    text + "</div></section>\n"
}

fn rules(shown: Shown<'_>) -> String {
    let mut text =
        "<section aria-labelledby=\"rules\"><h2 id=\"rules\">Rules for who reads events</h2>\n\
                    <dl class=\"sheet rules\">\n"
            .to_owned();
    for rule in &RULES {
        let guarantee =
            rule.guarantee.map(|it| format!(" {}", shown.document("guarantees.md", it)));
        let _ = writeln!(
            text,
            "<div><dt>{}</dt><dd>{}{}</dd></div>",
            escape(rule.title),
            escape(rule.text),
            guarantee.unwrap_or_default()
        );
    }
    text + "</dl></section>\n"
}

fn wire(catalogue: &Catalogue) -> String {
    let header =
        |name: &str, about: &str| format!("<tr><th scope=row>{}<td>{}", code(name), escape(about));
    let headers: Vec<String> = HEADERS.iter().map(|it| header(it.name, it.about)).collect();
    let dead: Vec<String> = DEAD_HEADERS.iter().map(|(name, about)| header(name, about)).collect();
    let topic = |it: &crate::wire::Topic| {
        format!(
            "<tr><th scope=row>{}<td>{}<td class=num>{}<td>{}",
            code(&it.name),
            escape(&it.about),
            it.partitions,
            phrase::kept(it.retention)
        )
    };
    let topics: Vec<String> = topics(catalogue).iter().map(topic).collect();
    format!(
        "<section aria-labelledby=\"wire\"><h2 id=\"wire\">On the wire</h2>\n\
         <p>Each service has a topic, and each type of events a subject of its own in the registry \
         (TopicRecordNameStrategy) with the compatibility {COMPATIBILITY}. The key is the order's id \
         as text. The value is a zero byte, the schema's id in four bytes, and Avro.</p>\n\
         <div class=\"sheet\">{}</div>\n<div class=\"sheet\">{}</div>\n\
         <div class=\"sheet\">{}</div></section>\n",
        table("topics", "Topics", &["topic", "holds", "partitions", "kept"], &topics),
        table("plain-rows", "Headers of every event", &["header", "what"], &headers),
        table("plain-rows", "What dead letters have besides", &["header", "what"], &dead),
    )
}
