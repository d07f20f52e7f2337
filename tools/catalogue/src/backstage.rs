//! `catalog-info.yaml`: the services and what they offer, as Backstage's catalogue reads them.

use crate::model::{Catalogue, Service};
use crate::phrase;
use crate::yaml::Yaml;

/// What all services belong to.
const SYSTEM: &str = "farandole";

/// The file: the system, and of each service its component and its API.
pub(crate) fn catalog_info(catalogue: &Catalogue) -> String {
    let mut entities = vec![system(catalogue)];
    for service in &catalogue.services {
        entities.push(component(catalogue, service));
        entities.push(api(service));
    }
    let head = "# Made by make docs from what the services declare.\n";
    entities.iter().fold(head.to_owned(), |text, entity| text + "---\n" + &entity.text())
}

fn system(catalogue: &Catalogue) -> Yaml {
    let first = catalogue.services.iter().find(|it| it.begins.is_some());
    let owner = first.or(catalogue.services.first()).map_or("", |it| &it.owner);
    let about = "A fleet of services that fulfil orders by choreography: each reacts to events.";
    entity(
        "System",
        &metadata(SYSTEM, about, &[("Catalogue of events", "docs/catalogue/README.md")]),
        vec![("owner", name(owner).into())],
    )
}

fn component(catalogue: &Catalogue, service: &Service) -> Yaml {
    let mut from: Vec<String> = Vec::new();
    for reaction in service.reads.iter().filter(|it| catalogue.service(&it.from).is_some()) {
        let api = api_name(&reaction.from);
        if !from.contains(&api) {
            from.push(api);
        }
    }
    let runbook = ("Runbook", "docs/operations.md");
    entity(
        "Component",
        &metadata(&name(&service.name), &phrase::service(service), &[runbook]),
        vec![
            ("type", "service".into()),
            ("lifecycle", lifecycle().into()),
            ("owner", name(&service.owner).into()),
            ("system", SYSTEM.into()),
            ("providesApis", Yaml::list([api_name(&service.name)])),
            ("consumesApis", Yaml::list(from)),
        ],
    )
}

fn api(service: &Service) -> Yaml {
    let about = format!("What {} says and reads, and by which schemas.", service.name);
    let file = format!("./docs/catalogue/asyncapi/{}.yaml", service.name);
    entity(
        "API",
        &metadata(&api_name(&service.name), &about, &[]),
        vec![
            ("type", "asyncapi".into()),
            ("lifecycle", lifecycle().into()),
            ("owner", name(&service.owner).into()),
            ("system", SYSTEM.into()),
            ("definition", Yaml::map([("$text", file.into())])),
        ],
    )
}

fn entity(kind: &str, metadata: &Yaml, spec: Vec<(&str, Yaml)>) -> Yaml {
    Yaml::map([
        ("apiVersion", "backstage.io/v1alpha1".into()),
        ("kind", kind.into()),
        ("metadata", metadata.clone()),
        ("spec", Yaml::map(spec)),
    ])
}

fn metadata(name: &str, about: &str, documents: &[(&str, &str)]) -> Yaml {
    let mut members: Vec<(&str, Yaml)> = vec![("name", name.into()), ("description", about.into())];
    if !documents.is_empty() {
        // Links must be addresses, which the tree's files have only once somebody hosts them.
        let documents = documents.iter().map(|(title, file)| {
            let key = format!("farandole/{}", title.to_lowercase().replace(' ', "-"));
            (key, Yaml::from(*file))
        });
        members.push(("annotations", Yaml::map(documents)));
    }
    Yaml::map(members)
}

fn api_name(service: &str) -> String {
    format!("{}-events", name(service))
}

/// Before version 1, Backstage calls it experimental.
fn lifecycle() -> &'static str {
    if env!("CARGO_PKG_VERSION").starts_with("0.") { "experimental" } else { "production" }
}

/// A name as Backstage takes it: letters, digits, and `-`, `_` or `.` between.
fn name(text: &str) -> String {
    let letters = text.to_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let words = letters.split(|c| !allowed(c)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::Examples;
    use declarations::{Fleet, Schemas};
    use serde_json::Value;

    #[test]
    fn names_are_such_as_backstage_takes() {
        assert_eq!(name("customer care"), "customer-care");
        assert_eq!(name("Team \"A & B\""), "team-a-b");
    }

    #[test]
    fn each_service_is_a_component_with_an_api_of_its_own() {
        let (fleet, schemas) = (Fleet::embedded(), Schemas::embedded());
        let catalogue = Catalogue::of(fleet.services(), &schemas, &Examples::default());
        let text = catalog_info(&catalogue);
        let entities: Vec<Value> =
            text.split("---\n").skip(1).map(|it| serde_saphyr::from_str(it).unwrap()).collect();
        assert_eq!(entities.len(), 1 + 2 * catalogue.services.len());
        let payment = entities
            .iter()
            .find(|it| it["kind"] == "Component" && it["metadata"]["name"] == "payment");
        let spec = &payment.unwrap()["spec"];
        assert_eq!(spec["consumesApis"], serde_json::json!(["order-events", "inventory-events"]));
        assert_eq!(spec["owner"], "payments");
        for consumed in spec["consumesApis"].as_array().unwrap() {
            assert!(entities.iter().any(|it| it["metadata"]["name"] == *consumed));
        }
    }
}
