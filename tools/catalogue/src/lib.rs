//! The catalogue of events: what services say to each other, for people and for machines.
//!
//! All of it follows from what there is: the services' declarations, the schemas in `schemas/`, the wire
//! as [`contracts`] has it, and one real event of each type and version (`docs/catalogue/examples.json`).
//! [`Catalogue::of`] puts that together, and [`files`] makes the files of it: a page that needs no
//! server, its twin in Markdown, `AsyncAPI` documents, and what Backstage reads. Pure: who calls it reads
//! and writes.

mod asyncapi;
mod backstage;
mod difference;
mod examples;
mod fields;
mod impact;
mod markdown;
mod model;
mod page;
mod phrase;
mod rules;
mod wire;
mod yaml;

pub use self::difference::{Change, changes};
pub use self::examples::{Example, Examples, InvalidExamples};
pub use self::fields::{Field, fields};
pub use self::impact::{Impact, impact};
pub use self::model::{Catalogue, Event, Reaction, Reader, Service, Use, Version};
pub use self::page::{Served, Shown, page, script, style};
pub use self::wire::{
    Form, HEADERS, Header, Holding, TOPIC_DEFAULTS, Topic, TopicDefaults, topics,
};

/// The examples, from the root of the tree.
pub const EXAMPLES: &str = "docs/catalogue/examples.json";

/// The `AsyncAPI` document of a service, or of the fleet, in YAML; `None` if there is no such service.
pub fn asyncapi(catalogue: &Catalogue, name: &str) -> Option<String> {
    if name == "fleet" {
        return Some(asyncapi::fleet(catalogue));
    }
    let service = catalogue.services.iter().find(|it| it.name == name)?;
    Some(asyncapi::application(catalogue, service))
}

/// All files of the catalogue: their paths from the root of the tree, and what is in them.
pub fn files(catalogue: &Catalogue) -> Vec<(String, String)> {
    let mut files = vec![
        ("docs/catalogue/index.html".to_owned(), page(catalogue, Shown::InFile)),
        ("docs/catalogue/README.md".to_owned(), markdown::markdown(catalogue)),
        ("docs/catalogue/asyncapi/fleet.yaml".to_owned(), asyncapi::fleet(catalogue)),
        ("catalog-info.yaml".to_owned(), backstage::catalog_info(catalogue)),
    ];
    files.extend(catalogue.services.iter().map(|service| {
        let path = format!("docs/catalogue/asyncapi/{}.yaml", service.name);
        (path, asyncapi::application(catalogue, service))
    }));
    files
}
