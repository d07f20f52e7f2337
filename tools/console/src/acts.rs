//! What operators do here: as they do it on the command line, by the same library, and in the same log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cli::gaps::{Number, acknowledged};
use cli::recovery::{
    Archive, Began, Chosen, Kind, LetterId, Manner, Phase, Redriven, Selection, feasible,
    letter_id, note, noted, redrive,
};
use cli::{OrderId, masking};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::looks::Places;

/// How many operations are remembered that were begun here.
const REMEMBERED_MAX: usize = 200;
/// How long it is waited until it is known what became of letters.
const PATIENCE: Duration = Duration::from_mins(2);
/// How many letters make it worth to be asked once more.
pub(crate) const MANY: usize = 100;
/// The highest rate that can be asked for, in letters a second.
const RATE_MAX: u32 = 1_000;

/// What is to be done, about which letters. All of it stands in the address or the form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    /// `redrive`, `discard`, `undiscard`, `silence` or `unsilence`.
    #[serde(rename = "do")]
    pub(crate) what: String,
    /// One letter, by its id.
    pub(crate) letter: Option<String>,
    /// Or those of a service that failed for this cause.
    pub(crate) service: Option<String>,
    pub(crate) cause: Option<String>,
    /// By what it is known if it is sent twice.
    pub(crate) operation: Option<Uuid>,
    /// How many letters were shown when it was decided.
    pub(crate) seen: Option<usize>,
    /// Typed by who means so many.
    pub(crate) confirm: Option<String>,
    pub(crate) canary: Option<u32>,
    pub(crate) rate: Option<u32>,
    pub(crate) reason: String,
}

impl Wanted {
    /// What it is called in the log.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self.what.as_str() {
            "redrive" => Some(Kind::Redrive),
            "discard" => Some(Kind::Discard),
            "undiscard" => Some(Kind::Undiscard),
            "silence" => Some(Kind::Silence),
            "unsilence" => Some(Kind::Unsilence),
            _ => None,
        }
    }

    /// The letters that are meant; `None` if it does not say which.
    pub(crate) fn selection(&self) -> Option<Selection> {
        match (&self.letter, &self.service, &self.cause) {
            (Some(letter), None, None) => Some(Selection::of(vec![letter_id(letter).ok()?])),
            (None, Some(service), Some(cause)) if !cause.trim().is_empty() => {
                declarations::fleet().service(service)?;
                Some(Selection::of_cause(service, cause))
            }
            _ => None,
        }
    }

    /// The same on a command line.
    pub(crate) fn command(&self) -> String {
        let words = self.selection().map(|selection| selection.words()).unwrap_or_default();
        let how = match self.kind() {
            Some(Kind::Redrive) => " --canary 3",
            _ => " --reason '…'",
        };
        format!("farandole dlq {} {words}{how}", self.what)
    }
}

/// What would be done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) letters: usize,
    /// To which topic, for which group, how many, of which types.
    pub(crate) targets: Vec<(String, String, usize, String)>,
    pub(crate) orders: usize,
    pub(crate) left_out: Vec<(String, String)>,
}

impl Plan {
    fn of(chosen: &Chosen<'_>) -> Self {
        let targets = chosen.targets().into_iter().map(|target| {
            let types = target.types.iter().map(|it| it.map_or("no type", masking::name));
            let types = types.collect::<Vec<&str>>().join(", ");
            let name = |text: &str| masking::name(text).to_owned();
            (name(&target.topic), name(&target.group), target.letters, types)
        });
        let mut orders: Vec<_> = chosen.letters.iter().filter_map(|it| it.order()).collect();
        orders.sort_unstable_by_key(|order| order.0);
        orders.dedup();
        Self {
            letters: chosen.letters.len(),
            targets: targets.collect(),
            orders: orders.len(),
            left_out: chosen
                .left_out
                .iter()
                .map(|(id, why)| (id.to_string(), why.clone()))
                .collect(),
        }
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Progress {
    /// What it is at; empty once it has ended.
    pub(crate) phase: &'static str,
    pub(crate) put_back: usize,
    /// What came of it.
    pub(crate) outcome: Option<Ending>,
}

/// What came of an operation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ending {
    pub(crate) sentence: String,
    /// Whether all of it went well.
    pub(crate) is_good: bool,
}

/// An operation that was begun here.
#[derive(Clone)]
pub(crate) struct Doing {
    pub(crate) began: Began,
    pub(crate) services: Vec<String>,
    progress: Arc<Mutex<Progress>>,
}

impl Doing {
    fn new(began: Began, services: Vec<String>) -> Self {
        let phase = if began.kind == Kind::Acknowledge {
            "being noted"
        } else {
            Phase::PuttingBack.words()
        };
        let progress = Progress { phase, put_back: 0, outcome: None };
        Self { began, services, progress: Arc::new(Mutex::new(progress)) }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The operations that were begun here, the newest last.
#[derive(Default)]
pub(crate) struct Acts(Mutex<VecDeque<Doing>>);

impl Acts {
    /// One of them.
    pub(crate) fn find(&self, operation: Uuid) -> Option<Doing> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|doing| doing.began.operation == operation).cloned()
    }

    /// Takes one in, unless another is under way that is about the same service.
    fn begin(&self, doing: &Doing) -> Result<(), String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_under_way = |other: &&Doing| {
            other.progress().outcome.is_none()
                && other.services.iter().any(|service| doing.services.contains(service))
        };
        if let Some(other) = all.iter().find(is_under_way) {
            let by = &other.began.by;
            return Err(format!("{by} is at these letters already: wait until that has ended"));
        }
        let is_over = |other: &Doing| other.progress().outcome.is_some();
        if let Some(oldest) = all.iter().position(is_over).filter(|_| all.len() >= REMEMBERED_MAX) {
            all.remove(oldest);
        }
        all.push_back(doing.clone());
        Ok(())
    }
}

/// Chooses the letters that are meant.
fn choose<'a>(wanted: &Wanted, selection: &Selection, archive: &'a Archive) -> Chosen<'a> {
    let now = Timestamp::now();
    match wanted.kind() {
        Some(Kind::Undiscard) => selection.choose_discarded(archive, now),
        _ => selection.choose(archive, now, false),
    }
}

/// Reads what is meant, with payloads, and leaves out what cannot be put back.
async fn with_chosen<T>(
    places: &Places,
    wanted: &Wanted,
    by: &str,
    then: impl AsyncFnOnce(Chosen<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let selection =
        wanted.selection().ok_or_else(|| anyhow::anyhow!("it is not said which letters"))?;
    let connections = &places.connections;
    let meant = selection.clone();
    let is_redrive = wanted.kind() == Some(Kind::Redrive);
    let archive =
        Archive::read_payloads(connections, &selection.services(), move |id: &LetterId| {
            is_redrive && meant.may_mean(id)
        })
        .await?;
    let mut chosen = choose(wanted, &selection, &archive);
    if is_redrive {
        let reason = Some(wanted.reason.as_str()).filter(|reason| !reason.is_empty());
        let how = Redriven { by, at: Timestamp::now(), reason };
        chosen = feasible(chosen, &how, connections).await?;
    }
    then(chosen).await
}

/// Runs on a thread of its own: what it is made of is not to be moved between threads.
async fn aside<T: Send + 'static>(
    work: impl AsyncFnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    spawn_blocking(move || Handle::current().block_on(work())).await?
}

/// What would be done, if nothing came in between.
pub(crate) async fn plan(places: Arc<Places>, wanted: Wanted) -> anyhow::Result<Plan> {
    aside(async move || {
        with_chosen(&places, &wanted, "nobody", async |chosen: Chosen<'_>| Ok(Plan::of(&chosen)))
            .await
    })
    .await
}

/// What of a form does not hold; in words for who has filled it in.
pub(crate) fn objection(wanted: &Wanted, plan: &Plan) -> Option<String> {
    let seen = wanted.seen.unwrap_or_default();
    if plan.letters == 0 {
        return Some("No letter of these is there any more to do this to.".to_owned());
    }
    if plan.letters != seen {
        return Some(format!(
            "There were {seen} letters, and now there are {}: look again.",
            plan.letters
        ));
    }
    if wanted.reason.trim().is_empty() {
        return Some("Say why, for whoever reads the log.".to_owned());
    }
    let typed = wanted.confirm.as_deref().unwrap_or_default().trim();
    if plan.letters > MANY && typed != plan.letters.to_string() {
        return Some(format!("These are many: type {} to say that they are meant.", plan.letters));
    }
    if wanted.rate.is_some_and(|rate| rate == 0 || rate > RATE_MAX) {
        return Some(format!("The rate is 1 to {RATE_MAX} letters a second."));
    }
    None
}

/// Begins, and goes on beside. Returns the operation's id; in words why not.
pub(crate) fn begin(
    acts: &Arc<Acts>,
    places: Arc<Places>,
    wanted: Wanted,
    by: String,
    plan: &Plan,
) -> Result<Uuid, String> {
    let (Some(kind), Some(selection)) = (wanted.kind(), wanted.selection()) else {
        return Err("it is not said what is to be done to which letters".to_owned());
    };
    let operation = wanted.operation.unwrap_or_else(Uuid::now_v7);
    if acts.find(operation).is_some() {
        return Ok(operation);
    }
    let began = Began {
        operation,
        kind,
        at: Timestamp::now(),
        by: by.clone(),
        reason: Some(wanted.reason.trim().to_owned()),
        asked_for: selection.words(),
        letters: plan.letters,
    };
    let doing = Doing::new(began.clone(), selection.services());
    acts.begin(&doing)?;
    let told = doing.clone();
    go_on(doing, async move || {
        with_chosen(&places, &wanted, &by, async |chosen: Chosen<'_>| {
            carry_out(&places, &wanted, began, &chosen, &told).await
        })
        .await
    });
    Ok(operation)
}

/// Does it beside, and tells what came of it.
fn go_on(doing: Doing, work: impl AsyncFnOnce() -> anyhow::Result<Ending> + Send + 'static) {
    tokio::spawn(async move {
        let ending = aside(work).await.unwrap_or_else(|error| Ending {
            sentence: format!("broken off: {error:#}"),
            is_good: false,
        });
        doing.tell(|progress| {
            progress.phase = "";
            progress.outcome = Some(ending);
        });
    });
}

/// An event that never will come, and why it need not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Acknowledged {
    /// The order.
    pub(crate) order: Uuid,
    /// Who was to say it, as the list has it: `/payment`.
    pub(crate) source: String,
    /// The event's number.
    pub(crate) sequence: i32,
    /// By what it is known if it is sent twice.
    pub(crate) operation: Option<Uuid>,
    pub(crate) reason: String,
}

impl Acknowledged {
    /// Whether it names an event.
    pub(crate) fn is_one(&self) -> bool {
        !self.order.is_nil() && self.source.starts_with('/') && self.sequence > 0
    }

    pub(crate) fn number(&self) -> Number {
        let Self { order, source, sequence, .. } = self;
        Number { saga: OrderId(*order), source: source.clone(), sequence: *sequence }
    }

    /// Takes note of it, beside. Returns the operation's id; in words why not.
    pub(crate) fn begin(
        self,
        acts: &Acts,
        places: Arc<Places>,
        by: String,
    ) -> Result<Uuid, String> {
        let operation = self.operation.unwrap_or_else(Uuid::now_v7);
        if acts.find(operation).is_some() {
            return Ok(operation);
        }
        let number = self.number();
        let began = Began {
            operation,
            kind: Kind::Acknowledge,
            at: Timestamp::now(),
            by,
            reason: Some(self.reason.trim().to_owned()),
            asked_for: number.to_string(),
            letters: 1,
        };
        let doing = Doing::new(began.clone(), Vec::new());
        acts.begin(&doing)?;
        let told = doing.clone();
        go_on(doing, async move || {
            let Places { connections, databases, .. } = &*places;
            let is_good = acknowledged(&number, began, connections, databases).await?;
            told.tell(|progress| progress.put_back = usize::from(is_good));
            let sentence = if is_good {
                "it is off the list"
            } else {
                "nothing is done: no service has found it to be lost, or has given it up"
            };
            Ok(Ending { sentence: sentence.to_owned(), is_good })
        });
        Ok(operation)
    }
}

async fn carry_out(
    places: &Places,
    wanted: &Wanted,
    began: Began,
    chosen: &Chosen<'_>,
    told: &Doing,
) -> anyhow::Result<Ending> {
    let Places { connections, databases, .. } = places;
    match began.kind {
        Kind::Redrive => {
            let canary = wanted.canary.filter(|canary| *canary > 0);
            let rate = wanted.rate.unwrap_or(50).clamp(1, RATE_MAX);
            let manner = Manner { canary, rate, patience: PATIENCE };
            let tell = |phase: Phase, put_back| {
                told.tell(|progress| {
                    (progress.phase, progress.put_back) = (phase.words(), put_back);
                });
            };
            let report = redrive(connections, databases, chosen, began, manner, &tell).await?;
            let is_good = !report.has_failed() && !report.is_unknown();
            Ok(Ending { sentence: report.sentence(), is_good })
        }
        kind => {
            let count = chosen.letters.len();
            note(connections, chosen, began).await?;
            told.tell(|progress| progress.put_back = count);
            Ok(Ending { sentence: format!("{count} {}", noted(kind)), is_good: true })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_held_against_what_is_there() {
        let wanted = |seen, reason: &str, confirm: Option<&str>| Wanted {
            seen: Some(seen),
            reason: reason.to_owned(),
            confirm: confirm.map(str::to_owned),
            rate: Some(50),
            ..Wanted::default()
        };
        let plan = |letters| Plan { letters, ..Plan::default() };
        assert_eq!(objection(&wanted(3, "mended", None), &plan(3)), None);
        assert_eq!(objection(&wanted(200, "mended", Some("200")), &plan(200)), None);
        for (form, letters, expected) in [
            (wanted(3, "mended", None), 0, "No letter"),
            (wanted(3, "mended", None), 5, "look again"),
            (wanted(3, " ", None), 3, "Say why"),
            (wanted(200, "mended", None), 200, "type 200"),
            (wanted(200, "mended", Some("20")), 200, "type 200"),
            (Wanted { rate: Some(0), ..wanted(1, "x", None) }, 1, "The rate"),
        ] {
            let objection = objection(&form, &plan(letters)).unwrap();
            assert!(objection.contains(expected), "{objection}");
        }
    }

    #[test]
    fn what_is_meant_is_said_and_never_all() {
        let of = |letter: Option<&str>, service: Option<&str>, cause: Option<&str>| Wanted {
            what: "redrive".to_owned(),
            letter: letter.map(str::to_owned),
            service: service.map(str::to_owned),
            cause: cause.map(str::to_owned),
            ..Wanted::default()
        };
        assert!(of(Some("payment/0/17"), None, None).selection().is_some());
        let cause = of(None, Some("payment"), Some("it is odd"));
        assert_eq!(
            cause.command(),
            "farandole dlq redrive --service payment --cause 'it is odd' --canary 3"
        );
        for nothing in [
            of(None, None, None),
            of(None, Some("payment"), None),
            of(None, Some("payment"), Some(" ")),
            of(None, None, Some("odd")),
            of(None, Some("nobody"), Some("odd")),
            of(Some("payment"), None, None),
            of(Some("payment/0/17"), Some("payment"), Some("odd")),
        ] {
            assert!(nothing.selection().is_none(), "{nothing:?}");
        }
    }

    #[test]
    fn two_are_not_at_the_same_letters() {
        let doing = |services: &[&str]| Doing {
            began: Began {
                operation: Uuid::now_v7(),
                kind: Kind::Redrive,
                at: Timestamp::now(),
                by: "ada".to_owned(),
                reason: None,
                asked_for: String::new(),
                letters: 1,
            },
            services: services.iter().map(|it| (*it).to_owned()).collect(),
            progress: Arc::new(Mutex::new(Progress { phase: "", put_back: 0, outcome: None })),
        };
        let acts = Acts::default();
        let first = doing(&["payment"]);
        acts.begin(&first).unwrap();
        assert!(acts.begin(&doing(&["payment"])).unwrap_err().contains("ada is at these"));
        acts.begin(&doing(&["order"])).unwrap();
        let ending = Ending { sentence: String::new(), is_good: true };
        first.tell(|progress| progress.outcome = Some(ending));
        acts.begin(&doing(&["payment"])).unwrap();
        assert!(acts.find(first.began.operation).is_some());
    }
}
