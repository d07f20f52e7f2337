//! The page, as a browser without a network would have it.

use std::collections::BTreeSet;

use declarations::{Fleet, Schemas};
use farandole_catalogue::{Catalogue, Examples, files};

use crate::support::{catalogue, file};

const PAGE: &str = "docs/catalogue/index.html";

/// The values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let begin = format!(" {attribute}=\"");
    page.split(&begin).skip(1).filter_map(|it| it.split('"').next()).collect()
}

#[test]
fn it_asks_for_nothing_and_stays_small() {
    let page = file(&catalogue(), PAGE);
    assert!(page.len() < 300_000, "{} bytes", page.len());
    for address in ["http:", "https:", "url(", "@import", " src=", "fetch(", "XMLHttpRequest"] {
        assert!(!page.contains(address), "{address}");
    }
}

#[test]
fn every_link_leads_somewhere_and_no_id_is_there_twice() {
    let page = file(&catalogue(), PAGE);
    let ids = values(&page, "id");
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    let mut twice = ids.clone();
    twice.sort_unstable();
    twice.dedup_by(|a, b| a != b);
    assert_eq!(ids.len(), distinct.len(), "{twice:?}");
    let files: Vec<String> = files(&catalogue()).into_iter().map(|(path, _)| path).collect();
    let documents = ["../guarantees.md", "../operations.md"];
    for link in values(&page, "href") {
        let known = match link.strip_prefix('#') {
            Some(id) => distinct.contains(id),
            None => {
                link == "data:,"
                    || documents.contains(&link)
                    || files.contains(&format!("docs/catalogue/{link}"))
            }
        };
        assert!(known, "{link}");
    }
}

#[test]
fn a_field_has_a_link_of_its_own() {
    let page = file(&catalogue(), PAGE);
    for id in ["payment.PaymentCharged.amount", "order.OrderPlaced.lines.unit_price.amount"] {
        assert!(page.contains(&format!("<tr id=\"{id}\"")), "{id}");
    }
}

#[test]
fn what_declarations_and_schemas_say_is_text_and_no_html() {
    let mut services = Fleet::embedded().services().to_vec();
    services[0].about = "<script>alert(1)</script> | \"takes\" & gives".to_owned();
    services[0].owner = "<b>orders</b>".to_owned();
    let fleet = Fleet::new(services).unwrap();
    let catalogue = Catalogue::of(fleet.services(), &Schemas::embedded(), &Examples::default());
    for (path, text) in files(&catalogue) {
        let html = !path.ends_with("html")
            || !text.contains("<script>alert") && !text.contains("<b>orders");
        assert!(html, "{path}");
    }
}

#[test]
fn a_fleet_with_one_more_service_has_it_in_all_files() {
    let mut services = Fleet::embedded().services().to_vec();
    let mut applause = services.iter().find(|it| it.service == "notification").unwrap().clone();
    (applause.service, applause.table) = ("applause".to_owned(), "applause".to_owned());
    // It has declared events, and no schemas yet.
    services.push(applause);
    let fleet = Fleet::new(services).unwrap();
    let catalogue = Catalogue::of(fleet.services(), &Schemas::embedded(), &Examples::default());
    let files = files(&catalogue);
    assert!(files.iter().any(|(path, _)| path == "docs/catalogue/asyncapi/applause.yaml"));
    for (path, text) in files.iter().filter(|(path, _)| !path.contains("asyncapi/")) {
        assert!(text.contains("applause"), "{path}");
    }
    let page = file(&catalogue, PAGE);
    assert!(page.contains("No example is recorded yet"));
}
