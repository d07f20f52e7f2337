//! Findings that somebody has accepted for a while.

use crate::check::Contracts;
use crate::finding::Finding;
use crate::rule::{Rule, Verdict};
use crate::tree::{ACCEPTED, Accepted};

/// Makes notes of the findings that are accepted, and adds what is wrong with the list.
pub(crate) fn accept(contracts: &Contracts, findings: &mut Vec<Finding>) {
    for entry in contracts.tree.accepted.iter().filter(|it| it.is_of_contracts()) {
        let is_expired = entry.until < contracts.today;
        let mut matched = false;
        for finding in findings.iter_mut() {
            if finding.rule.id() != entry.rule || finding.path != entry.path {
                continue;
            }
            matched = true;
            if !is_expired {
                finding.verdict = Verdict::Note;
                finding.accepted = Some(format!("{} (until {})", entry.reason, entry.until));
            }
        }
        let about = format!("{} {}", entry.rule, entry.path);
        if is_expired {
            let what = format!("expired on {}", entry.until);
            let why = "what was accepted for a while is still there, or its entry is";
            findings.push(finding(contracts, entry, Verdict::Broken, &about, what, why));
        } else if !matched {
            let why = "an entry that matches nothing would hide the next finding of its kind";
            let what = "matches nothing".to_owned();
            findings.push(finding(contracts, entry, Verdict::Note, &about, what, why));
        }
    }
}

fn finding(
    contracts: &Contracts,
    entry: &Accepted,
    verdict: Verdict,
    about: &str,
    what: String,
    why: &str,
) -> Finding {
    Finding {
        rule: Rule::R40,
        verdict,
        path: format!("{ACCEPTED}: {about}"),
        what,
        why: why.to_owned(),
        mend: Rule::R40.mend().to_owned(),
        paste: None,
        place: contracts.tree.place_of(entry),
        users: Vec::new(),
        accepted: None,
    }
}
