//! What was found, as texts.

use compatibility::{Report, Rule, Rules, render};
use serde_json::{Value, json};

use crate::kit::{Question, d, f, files, thing};

fn report(before: bool) -> Report {
    let total = || d("total", "long", json!(0));
    let versions = [thing(&[f("id", "string"), total()]), thing(&[f("id", "string")])];
    let now = files(&versions, Some(&thing(&[total()])));
    let before = before.then(|| files(&versions[..1], Some(&thing(&[total()]))));
    Question { now, before, more: |_| {} }.report(Rules::all())
}

#[test]
fn a_finding_says_who_where_why_and_how_to_mend_or_accept_it() {
    let text = render::text(&report(false), false);
    for part in [
        "broken  R03  shop/Thing.v2.total: removed",
        "at schemas/shop/Thing.v2.avsc:",
        "desk reads it at services/desk/reads/Thing.avsc:3 (What total says.)",
        "Avro would allow it",
        "mend: keep the field",
        r#"{"default":0,"doc":"What total says.","name":"total","type":"long"}"#,
        "contracts/accepted.toml",
        "path = \"shop/Thing.v2.total\"",
        "✘ 1 broken, 0 risky, 0 notes",
        "1 event, 2 versions",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn markdown_says_it_in_a_table_with_the_order_to_deploy_in() {
    let text = render::markdown(&report(true));
    for part in [
        "### ✘ Event contracts: 1 broken",
        "| broken | R03 | `shop/Thing.v2.total` | removed: ",
        "desk services/desk/reads/Thing.avsc:3",
        "```json",
        "**Deploy in this order**",
        "1. `farandole schemas register` (shop/Thing.v2)",
        "2. who reads it, if changed: desk",
        "3. who writes it: shop",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn what_schemas_say_is_no_markup() {
    let hostile = "x | y <script> `z` @team ``` [a](b)\n# h";
    let versions =
        [thing(&[d("n", "string", json!("a"))]), thing(&[d("n", "string", json!(hostile))])];
    let question = Question { now: files(&versions, None), before: None, more: |_| {} };
    let text = render::markdown(&question.report(Rules::all()));
    let row = text.lines().find(|line| line.starts_with("| risky | R10")).unwrap();
    assert_eq!(row.matches('|').count(), 6, "{row}");
    for part in ["<script>", "@team", "[a](b)"] {
        assert!(!row.contains(part), "{row}");
    }
}

/// Checks the parts of SARIF 2.1.0 that hosts insist on.
#[test]
fn sarif_has_what_code_hosts_need() {
    let sarif = render::sarif(&report(false));
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), Rule::ALL.len());
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], rules[index]["id"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        let location = &result["locations"][0]["physicalLocation"];
        assert!(location["artifactLocation"]["uri"].as_str().unwrap().contains("/Thing."));
        assert!(location["region"]["startLine"].as_u64().unwrap() >= 1);
    }
    let result = results.iter().find(|result| result["ruleId"] == "R03").unwrap();
    let related = &result["relatedLocations"][0]["physicalLocation"];
    assert_eq!(related["artifactLocation"]["uri"], "services/desk/reads/Thing.avsc");
    assert_eq!(related["region"]["startLine"], 3);
    let json: Value = serde_json::to_value(report(false)).unwrap();
    assert_eq!(json["findings"][0]["rule"], "R03");
}
