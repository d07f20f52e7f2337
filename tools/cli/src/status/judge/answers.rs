//! Whether the services answer, are ready, and are those that are meant.

use super::{Verdict, some};
use crate::age::ago;
use crate::database;
use crate::status::{Facts, Group, Health, Service};

/// What all have in common is said once.
pub(super) fn nobody_answers(facts: &Facts) -> bool {
    let answers =
        |service: &Service| !matches!(service.health, Health::Silent { .. } | Health::Away { .. });
    !facts.services.iter().any(answers)
}

/// Whether it answers and is ready, and whether somebody reads for it.
pub(super) fn answer(service: &Service, verdict: &mut Verdict) {
    let name = service.name;
    let reads = service.group.known().map(reading).unwrap_or_default();
    match &service.health {
        Health::Ready { .. } => {}
        Health::NotReady { reasons, .. } => {
            let reasons: Vec<String> =
                reasons.iter().map(|(part, reason)| format!("{part}: {reason}")).collect();
            let what = format!("is not ready ({}){reads}", reasons.join("; "));
            let locked = verdict.findings.iter().any(|one| one.service == Some(name));
            let refused = what.contains("SQLSTATE");
            let next = if locked {
                "what holds its database up is named above"
            } else if refused {
                "Postgres is there, and refuses what the service writes: has somebody added a trigger \
                 or a constraint? (docs/operations.md, \"Records fail, and the error is none of ours\")"
            } else {
                "bring back what it names; the service then goes on by itself (docs/operations.md, \
                 \"A service is not ready\")"
            };
            verdict.finds(name, what, &[next]);
        }
        Health::Silent { within_s } => {
            let what = format!(
                "takes connections at {}, but does not answer within {within_s} s: its process is \
                 stopped or hangs{reads}",
                service.url
            );
            let look = format!(
                "ps -o pid,stat,etime -C {name}: T in STAT is a stopped process, kill -CONT PID"
            );
            let end = "otherwise kill -9 and start it again, which is safe at every moment";
            verdict.finds(name, what, &[&look, end]);
        }
        Health::Away { reason } => {
            let what = format!("nobody answers at {} ({reason}){reads}", service.url);
            let start = "start it; its last line in the log says why it ended".to_string();
            let set =
                format!("if it listens elsewhere, set {}", declarations::variable(name, "URL"));
            verdict.finds(name, what, &[&start, &set]);
        }
        Health::Odd { reason } => {
            let set =
                format!("set {} to where the service listens", declarations::variable(name, "URL"));
            verdict.finds(name, format!("{} {reason}{reads}", service.url), &[&set]);
        }
    }
}

/// Of a group without members.
fn reading(group: &Group) -> String {
    match (group.members, group.unread_since) {
        (0, Some(since)) => format!(
            "; nobody reads for it, and {} from {since:.0} on wait, for {}",
            some(group.unread, "record"),
            ago(since)
        ),
        (0, None) => "; nobody reads for it".to_owned(),
        _ => String::new(),
    }
}

/// A service that is ready has a member in its group, and a sign of life in its database; otherwise
/// what is looked at belongs to another fleet, as a rule for all services alike.
pub(super) fn misaddressed(facts: &Facts, verdict: &mut Verdict) {
    let ready = |service: &&Service| matches!(service.health, Health::Ready { .. });
    let alone = |service: &&Service| service.group.known().is_some_and(|it| it.members == 0);
    let alone: Vec<&Service> = facts.services.iter().filter(ready).filter(alone).collect();
    if !alone.is_empty() {
        let groups = alone.iter().filter_map(|service| service.group.known());
        let unread: i64 = groups.map(|group| group.unread).sum();
        let wait = if unread == 0 {
            String::new()
        } else {
            format!(", and {} to read", some(unread, "record"))
        };
        let what = format!("{} ready, but nobody is in the consumer group{wait}", names(&alone));
        verdict.finds(None, what, &["is TOPIC_PREFIX the services'? otherwise restart them"]);
    }
    let dead = |service: &&Service| {
        let instances = service.database.known().and_then(|it| it.instances.known());
        instances == Some(&0)
    };
    let dead: Vec<&Service> = facts.services.iter().filter(ready).filter(dead).collect();
    if !dead.is_empty() {
        let variables: Vec<String> =
            dead.iter().map(|service| database::variable(service.name)).collect();
        let what = format!(
            "{} ready, but no instance is alive in what {} names",
            names(&dead),
            variables.join(", ")
        );
        let next = "do these databases, and the services that answer, belong to one fleet? otherwise \
                    restart them";
        verdict.finds(None, what, &[next]);
    }
}

/// Such as `order, payment: say that they are`.
fn names(services: &[&Service]) -> String {
    let names: Vec<&str> = services.iter().map(|service| service.name).collect();
    let say = if names.len() == 1 { "says that it is" } else { "say that they are" };
    format!("{}: {say}", names.join(", "))
}
