//! What the services declare: who reads what, and what each leads to.

use contracts::Declared;

use super::{Contracts, Found};
use crate::finding::{Finding, Place, User};
use crate::rule::{Rule, Verdict};

pub(super) fn check(contracts: &Contracts, found: &mut Found<'_>) {
    let all = &contracts.tree.declared;
    for declared in all {
        for (path, what) in unfounded(contracts, all, declared) {
            let why = "the fleet waits for an event that never comes, or claims another's";
            found.push(finding(contracts, declared, Rule::R33, Verdict::Broken, path, what, why));
        }
        if declared.owner.trim().is_empty() {
            let path = declared.service.clone();
            let what = "it has no owner".to_owned();
            let why = "nobody can be asked before its events change";
            found.push(finding(contracts, declared, Rule::R37, Verdict::Note, path, what, why));
        }
    }
    for reader in &contracts.tree.readers {
        let mut events = contracts.tree.writers.iter();
        if !events.any(|it| it.service == reader.from && it.event == reader.event) {
            let place = reader.source.place("");
            let user =
                User { service: reader.service.clone(), place: place.clone(), uses: String::new() };
            found.push(Finding {
                rule: Rule::R33,
                verdict: Verdict::Broken,
                path: reader.path(&""),
                what: "it has no schema".to_owned(),
                why: "nobody can write what it reads".to_owned(),
                mend: Rule::R33.mend().to_owned(),
                paste: None,
                place,
                users: vec![user],
                accepted: None,
            });
        }
    }
}

fn emits(declared: &Declared, event: &str) -> bool {
    let event = event.split(':').next().unwrap_or(event);
    declared.emits.iter().any(|emitted| emitted.event == event)
}

/// What a service says of events that are not there, or not its own.
fn unfounded(
    contracts: &Contracts,
    all: &[Declared],
    declared: &Declared,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let service = &declared.service;
    for consumed in &declared.consumes {
        let (from, event) = (&consumed.from, &consumed.event);
        if !all.iter().any(|it| it.service == *from && emits(it, event)) {
            let path = format!("{service} reads {from}/{event}");
            found.push((path, format!("{from} does not emit {event}")));
        }
        for led in consumed.leads_to.iter().filter(|led| !emits(declared, led)) {
            let path = format!("{service} reads {from}/{event}");
            found.push((path, format!("it leads to {led}, which {service} does not emit")));
        }
    }
    for it in &declared.compensates {
        for foreign in [&it.event, &it.undoes].into_iter().filter(|event| !emits(declared, event)) {
            let path = format!("{service} undoes {} by {}", it.undoes, it.event);
            found.push((path, format!("{foreign} is not its own")));
        }
    }
    for emitted in &declared.emits {
        let mut versions = contracts.tree.writers.iter();
        if !versions.any(|it| it.service == *service && it.event == emitted.event) {
            let path = format!("{service}/{}", emitted.event);
            found.push((path, "it is emitted, and has no schema".to_owned()));
        }
    }
    found
}

fn finding(
    contracts: &Contracts,
    declared: &Declared,
    rule: Rule,
    verdict: Verdict,
    path: String,
    what: String,
    why: &str,
) -> Finding {
    let file = format!("services/{}/declaration.json", declared.service);
    Finding {
        rule,
        verdict,
        path,
        what,
        why: why.to_owned(),
        mend: rule.mend().to_owned(),
        paste: None,
        place: contracts.tree.has_files.then_some(Place { file, line: 1 }),
        users: Vec::new(),
        accepted: None,
    }
}
