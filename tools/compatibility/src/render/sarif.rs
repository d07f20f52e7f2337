use serde_json::{Value as Json, json};

use crate::check::Report;
use crate::finding::{Finding, Place};
use crate::rule::{Rule, Verdict};
use crate::tree::ACCEPTED;

/// As SARIF 2.1.0, which code hosts and editors show at the lines.
pub fn sarif(report: &Report) -> Json {
    let rules: Vec<Json> = Rule::ALL
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id(),
                "shortDescription": {"text": rule.title()},
                "help": {"text": rule.mend()},
            })
        })
        .collect();
    let results: Vec<Json> = report.findings.iter().map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "farandole contracts check",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &Finding) -> Json {
    let level = match finding.verdict {
        Verdict::Broken => "error",
        Verdict::Risky => "warning",
        Verdict::Note => "note",
    };
    let Finding { rule, path, what, why, mend, .. } = finding;
    let rule_index = Rule::ALL.iter().position(|known| known == rule).unwrap_or_default();
    let related: Vec<Json> = finding
        .users
        .iter()
        .filter_map(|user| {
            let mut location = location(user.place.as_ref()?, None);
            let text = format!("{} reads it", user.service);
            location.as_object_mut()?.insert("message".to_owned(), json!({"text": text}));
            Some(location)
        })
        .collect();
    let mut result = json!({
        "ruleId": rule.id(),
        "ruleIndex": rule_index,
        "level": level,
        "message": {"text": format!("{path}: {what}: {why}. Mend: {mend}.")},
        "locations": [place(finding)],
        "relatedLocations": related,
        "partialFingerprints": {"contract/v1": format!("{rule} {path}")},
    });
    if let (Some(reason), Some(members)) = (&finding.accepted, result.as_object_mut()) {
        let suppression = json!([{"kind": "external", "justification": reason}]);
        members.insert("suppressions".to_owned(), suppression);
    }
    result
}

/// Where it is; of what is in no file, the file in which it could be accepted.
fn place(finding: &Finding) -> Json {
    let user = finding.users.iter().find_map(|user| user.place.as_ref());
    match finding.place.as_ref().or(user) {
        Some(place) => location(place, Some(&finding.path)),
        None => location(&Place { file: ACCEPTED.to_owned(), line: 1 }, Some(&finding.path)),
    }
}

fn location(place: &Place, name: Option<&str>) -> Json {
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": place.file, "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": place.line},
        },
    });
    if let (Some(name), Some(members)) = (name, location.as_object_mut()) {
        members.insert("logicalLocations".to_owned(), json!([{"fullyQualifiedName": name}]));
    }
    location
}
