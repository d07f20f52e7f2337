//! The fleet of this tree.

use std::fs;
use std::path::Path;

use compatibility::{Contracts, Tree, Verdict};

use crate::kit::TODAY;

#[test]
fn the_fleet_that_is_built_in_breaks_nobody() {
    let report = Contracts::of(Tree::embedded(), TODAY).check();
    let broken: Vec<_> =
        report.findings.iter().filter(|finding| finding.verdict == Verdict::Broken).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(report.events > 10 && report.pairs > 10 && report.values > 500, "{report:?}");
}

#[test]
fn a_field_of_the_fleet_that_is_read_is_not_removed_unseen() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |file: &str| (file.to_owned(), fs::read_to_string(root.join(file)).unwrap());
    let v1 = read("schemas/payment/PaymentCharged.v1.avsc");
    let mut schema: serde_json::Value = serde_json::from_str(&v1.1).unwrap();
    schema["fields"].as_array_mut().unwrap().retain(|field| field["name"] != "amount");
    let v2 = ("schemas/payment/PaymentCharged.v2.avsc".to_owned(), schema.to_string());
    let report = Contracts::of(Tree::of_files(vec![v1, v2]).unwrap(), TODAY).check();
    let removed = report.findings.iter().find(|it| it.path == "payment/PaymentCharged.v2.amount");
    assert_eq!(removed.unwrap().rule.id(), "R02");
}
