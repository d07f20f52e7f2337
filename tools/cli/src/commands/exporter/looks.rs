//! What is looked at, and how that becomes numbers. What could not be seen is no number: a series that
//! goes on with what it was would say that all is as before.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{anyhow, bail};
use declarations::fleet;
use futures::future::join_all;
use jiff::Timestamp;
use meter::GaugeMetric;

use super::compensations::undoing;
use crate::audit_now;
use crate::connections::Connections;
use crate::dance::{self, Extent};
use crate::databases::Databases;
use crate::instruments::{
    ANSWERS, AUDITED, COMPENSATION_AGE, COMPENSATIONS, DIFFERENCES, GROUP_LAG, GROUP_LAG_SECONDS,
    HANDLED, LETTERS, LETTERS_AGE, LETTERS_BY_TYPE, LETTERS_HANDLED, MEMBERS, OPERATIONS, READY,
    STATES, STUCK, VIOLATIONS,
};
use crate::recovery::{Archive, Kind, OperationLog, State};
use crate::status::{self, Group, Health, Seen};
use crate::story::hanging;
use crate::stuck::{Awaited, Filter, HANGS_AFTER, Stuck};
use crate::{ServiceUrls, services};

/// Orders that were placed longer ago are looked at only if anything of them is open.
const PLACED_WITHIN: Duration = Duration::from_mins(30);
/// The type of a dead letter that names none that its service reads.
const OTHER: &str = "other";

/// Where everything is.
pub(super) struct Fleet<'a> {
    pub(super) urls: &'a ServiceUrls,
    pub(super) connections: &'a Connections,
    pub(super) databases: &'a Databases,
}

/// What is looked at at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Whether services answer, and are ready; and how far their groups are.
    Services,
    Letters,
    Orders,
    Audit,
    Dance,
}

impl Look {
    /// Whether it takes more than a few questions. Who hangs makes a look long that is none.
    pub(super) fn is_work(self) -> bool {
        self != Self::Services
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Letters => "letters",
            Self::Orders => "orders",
            Self::Audit => "audit",
            Self::Dance => "dance",
        }
    }
}

/// Looks, and tells.
pub(super) async fn look(fleet: &Fleet<'_>, look: Look) -> anyhow::Result<()> {
    match look {
        Look::Services => services_and_groups(fleet).await,
        Look::Letters => letters(fleet).await,
        Look::Orders => stuck(fleet).await,
        Look::Audit => audited(fleet).await,
        Look::Dance => differences(fleet).await,
    }
}

/// Tells that what this look is about is not known.
pub(super) fn unknown(look: Look) {
    match look {
        // Each of these is told for itself.
        Look::Services => {}
        Look::Letters => tell_letters(None),
        Look::Orders => tell_stuck(None),
        Look::Audit => VIOLATIONS.of([]).set(f64::NAN),
        Look::Dance => kinds().for_each(|kind| DIFFERENCES.of([&kind]).set(f64::NAN)),
    }
}

async fn services_and_groups(fleet: &Fleet<'_>) -> anyhow::Result<()> {
    let looks = fleet.urls.all().map(|(service, url)| async move {
        let (health, group) =
            tokio::join!(status::health_of(url), status::group(fleet.connections, service));
        tell_health(service, &health);
        tell_group(service, group.known());
        match group {
            Seen::Unknown { unknown } => Some(format!("group {service}: {unknown}")),
            Seen::Known(_) | Seen::NotAsked => None,
        }
    });
    let unseen: Vec<String> = join_all(looks).await.into_iter().flatten().collect();
    if unseen.is_empty() { Ok(()) } else { Err(anyhow!(unseen.join("; "))) }
}

fn tell_health(service: &str, health: &Health) {
    let (answers, ready) = match health {
        Health::Ready { .. } => (1, 1.0),
        Health::NotReady { .. } => (1, 0.0),
        Health::Silent { .. } | Health::Away { .. } | Health::Odd { .. } => (0, f64::NAN),
    };
    ANSWERS.count([service], answers);
    READY.of([service]).set(ready);
}

fn tell_group(service: &str, group: Option<&Group>) {
    let Some(group) = group else {
        for gauge in [&MEMBERS, &GROUP_LAG, &GROUP_LAG_SECONDS] {
            gauge.of([service]).set(f64::NAN);
        }
        return;
    };
    MEMBERS.count([service], group.members as u64);
    GROUP_LAG.count([service], u64::try_from(group.unread).unwrap_or_default());
    GROUP_LAG_SECONDS.of([service]).set(group.unread_since.map_or(0.0, age_s));
}

async fn letters(fleet: &Fleet<'_>) -> anyhow::Result<()> {
    let all: Vec<String> = services().map(str::to_owned).collect();
    let archive = Archive::read(fleet.connections, &all, None).await?;
    tell_letters(Some(&archive));
    Ok(())
}

/// The series of dead letters, and of what was done about them. All that there can be are told each time,
/// so that none stays as it was; without `archive` it is not known.
fn tell_letters(archive: Option<&Archive>) {
    let nothing = if archive.is_some() { 0.0 } else { f64::NAN };
    let (mut open, mut handled) = (BTreeMap::new(), BTreeMap::new());
    let mut oldest: BTreeMap<&str, f64> = services().map(|service| (service, nothing)).collect();
    for declared in fleet().services() {
        let service = declared.service.as_str();
        let types = declared.consumes.iter().map(|it| it.event.as_str()).chain([OTHER]);
        open.extend(types.map(|event| ((service, event), nothing)));
        handled.extend(HANDLED.map(|became| ((service, became), nothing)));
    }
    for (letter, state) in archive.iter().flat_map(|it| it.letters()) {
        let service = letter.id.service.as_str();
        if state.is_open() {
            let named = letter.event_type().map(|event| (service, event));
            let series = named.filter(|it| open.contains_key(it)).unwrap_or((service, OTHER));
            *open.entry(series).or_default() += 1.0;
            let age = oldest.entry(service).or_default();
            *age = age.max(age_s(letter.died_at));
        } else if let Some(became) = became(&state) {
            *handled.entry((service, became)).or_default() += 1.0;
        }
    }
    for (service, age) in oldest {
        let of_service = open.iter().filter(|((of, _), _)| *of == service);
        let letters: f64 = of_service.map(|(_, letters)| letters).sum();
        LETTERS.of([service]).set(letters);
        LETTERS_AGE.of([service]).set(age);
    }
    tell(&LETTERS_BY_TYPE, open);
    tell(&LETTERS_HANDLED, handled);
    tell_operations(archive.map(|it| &it.log));
}

/// What became of a letter that is not open; nothing of a copy, for another stands for it.
fn became(state: &State<'_>) -> Option<&'static str> {
    match state {
        State::Redriven { came_back: None, .. } => Some("redriven"),
        State::Redriven { came_back: Some(_), .. } => Some("came_back"),
        State::Discarded(_) => Some("discarded"),
        State::Open | State::CopyOf(_) => None,
    }
}

/// The series of what operators have done, likewise.
fn tell_operations(log: Option<&OperationLog>) {
    let nothing = if log.is_some() { 0.0 } else { f64::NAN };
    let states = |kind: Kind| STATES.map(|state| ((kind.name(), state), nothing));
    let mut series: BTreeMap<(&str, &str), f64> = Kind::ALL.into_iter().flat_map(states).collect();
    for operation in log.iter().flat_map(|it| it.operations()) {
        let [ended, open] = STATES;
        let state = if operation.ended.is_some() { ended } else { open };
        *series.entry((operation.began.kind.name(), state)).or_default() += 1.0;
    }
    tell(&OPERATIONS, series);
}

fn tell(gauge: &GaugeMetric<2>, series: BTreeMap<(&str, &str), f64>) {
    for ((one, other), value) in series {
        gauge.of([one, other]).set(value);
    }
}

async fn stuck(fleet: &Fleet<'_>) -> anyhow::Result<()> {
    let filter = Filter::Late { older_than: HANGS_AFTER, placed_within: PLACED_WITHIN };
    let found = hanging(filter, 0, fleet.connections, fleet.databases).await?;
    let stuck = found.unwrap_or_default();
    tell_stuck(Some(&stuck));
    if stuck.unknown.is_empty() { Ok(()) } else { bail!(stuck.unknown.join("; ")) }
}

/// The series of orders that hang, and of what is to be undone for them. All that there can be are told
/// each time, so that none stays as it was; without `found` it is not known.
fn tell_stuck(found: Option<&Stuck>) {
    let mut stuck: BTreeMap<(&str, String), f64> = BTreeMap::new();
    let mut open: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let nothing = if found.is_some() { 0.0 } else { f64::NAN };
    for declared in fleet().services() {
        let events = declared.consumes.iter().map(|it| it.event.clone());
        let calls =
            declared.statuses.iter().flat_map(|it| &it.calls).map(|it| format!("call {it}"));
        let others =
            declared.begins.iter().flat_map(|_| ["deadline", "unclear"].map(str::to_owned));
        for awaits in events.chain(calls).chain(others) {
            stuck.insert((&declared.service, awaits), nothing);
        }
        for undoing in &declared.compensates {
            open.insert(undoing.event.clone(), (nothing, nothing));
        }
    }
    for group in found.iter().flat_map(|found| &found.groups) {
        #[expect(clippy::cast_precision_loss, reason = "orders are far below 2^52")]
        let orders = group.orders as f64;
        *stuck.entry((group.service, awaits(&group.awaits))).or_default() += orders;
        if let Some(event) = undoing(fleet(), group.service, &group.awaits) {
            let (sum, oldest) = open.entry(event).or_default();
            (*sum, *oldest) = (*sum + orders, oldest.max(age_s(group.since)));
        }
    }
    for ((service, awaits), orders) in stuck {
        STUCK.of([service, &awaits]).set(orders);
    }
    for (event, (orders, oldest)) in open {
        COMPENSATIONS.of([&event]).set(orders);
        COMPENSATION_AGE.of([&event]).set(oldest);
    }
}

fn awaits(awaited: &Awaited) -> String {
    match awaited {
        Awaited::Event { event, .. } => (*event).to_owned(),
        Awaited::Call { step } => format!("call {step}"),
        Awaited::Deadline => "deadline".to_owned(),
        Awaited::Unclear => "unclear".to_owned(),
    }
}

async fn audited(fleet: &Fleet<'_>) -> anyhow::Result<()> {
    let report = audit_now(fleet.connections, fleet.databases).await?;
    let violations: usize =
        report.checks.iter().filter(|check| check.always).map(|check| check.count).sum();
    VIOLATIONS.count([], violations as u64);
    if !report.unknown.is_empty() {
        // What was seen to be violated is.
        bail!(report.unknown.join("; "));
    }
    AUDITED.of([]).set(Timestamp::now().as_duration().as_secs_f64());
    Ok(())
}

async fn differences(fleet: &Fleet<'_>) -> anyhow::Result<()> {
    let found = dance::differences(Extent::RECENT, fleet.urls, fleet.connections).await?;
    for kind in kinds() {
        let of_kind = found.iter().filter(|difference| difference.rule.name() == kind);
        DIFFERENCES.count([&kind], of_kind.count() as u64);
    }
    Ok(())
}

fn kinds() -> impl Iterator<Item = String> {
    graph::Rule::ALL.into_iter().map(graph::Rule::name)
}

/// How long ago that was, in seconds.
fn age_s(then: Timestamp) -> f64 {
    Timestamp::now().duration_since(then).as_secs_f64().max(0.0)
}
