//! What one can do to a fleet that runs, to see what it does about it.

mod control;
mod kind;
mod orders;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use cli::OrderId;
use jiff::Timestamp;
use kafka::Publisher;
use serde::Serialize;
use stack::Part;
use tokio::time::timeout;
use uuid::Uuid;

pub(crate) use self::control::Control;
use self::kind::{Kind, Target, Words, provider_setting};
use self::orders::Orders;
use crate::journal::Journal;
use crate::local::Local;
use crate::perform::perform;
use crate::play::play;
use crate::shop::Shop;
use crate::story::STORIES;

/// How long the stories may take, whatever hangs meanwhile.
const STORY_LIMIT: Duration = Duration::from_mins(2);

/// What is done to the fleet now, and what came of what was done.
pub(crate) struct Experiments {
    local: Arc<Local>,
    shop: Shop,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By what it is done to.
    running: BTreeMap<String, Running>,
    said: BTreeMap<(Kind, String), Said>,
    orders: Option<Orders>,
    /// What runs in a service's place, with a provider that does not answer.
    substitutes: BTreeMap<String, Part>,
}

#[derive(Debug, Clone)]
struct Running {
    kind: Kind,
    target: String,
    since: Timestamp,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Beginning,
    /// It lasts until it is ended, or until then.
    Lasting(Option<Timestamp>),
    Ending,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
struct Said {
    text: String,
    is_good: bool,
    /// The order that it is about.
    order: Option<OrderId>,
}

impl Said {
    fn of(outcome: Result<String, String>) -> Self {
        let is_good = outcome.is_ok();
        Self { text: outcome.unwrap_or_else(|why| why), is_good, order: None }
    }
}

/// Something that can be done, and how it is with each of its targets.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    words: Words,
    targets: Vec<ListedTarget>,
}

#[derive(Serialize)]
struct ListedTarget {
    #[serde(flatten)]
    target: Target,
    /// Since when it is done to this target, if it is.
    since: Option<Timestamp>,
    /// When it ends by itself.
    until: Option<Timestamp>,
    /// Whether it is about to begin or to end.
    is_changing: bool,
    /// How the target is because of something else.
    otherwise: Option<&'static str>,
    said: Option<Said>,
}

impl Experiments {
    fn new(local: Arc<Local>) -> anyhow::Result<Self> {
        let shop = Shop::new(&local.endpoints())?;
        Ok(Self { local, shop, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> Vec<Listed> {
        let state = self.state();
        let listed = |kind: Kind| Listed {
            words: kind.words(),
            targets: kind.targets().into_iter().map(|it| state.listed(kind, it)).collect(),
        };
        Kind::all().map(listed).collect()
    }

    /// Begins it, and goes on beside; in words why not.
    fn begin(self: &Arc<Self>, kind: Kind, target: String) -> Result<(), String> {
        self.state().take(kind, &target)?;
        let own = Arc::clone(self);
        tokio::spawn(async move {
            let begun = own.do_to(kind, &target).await.map_err(|error| format!("{error:#}"));
            own.state().begun(kind, &target, begun);
        });
        Ok(())
    }

    /// Ends it, and goes on beside; in words why not.
    fn end(self: &Arc<Self>, kind: Kind, target: String) -> Result<(), String> {
        self.state().release(kind, &target)?;
        let own = Arc::clone(self);
        tokio::spawn(async move {
            let ended = own.undo(kind, &target).await.map_err(|error| format!("{error:#}"));
            own.state().ended(kind, &target, ended);
        });
        Ok(())
    }

    /// Ends what has lasted for as long as it may.
    fn end_overdue(self: &Arc<Self>) {
        let overdue = self.state().overdue(Timestamp::now());
        for Running { kind, target, .. } in overdue {
            // Somebody may have ended it in between.
            let _ = self.end(kind, target);
        }
    }

    /// Leaves nothing frozen, so that everything can be stopped in order.
    fn let_go(&self) {
        let mut state = self.state();
        state.orders = None;
        self.local.parts().for_each(Part::resume);
        state.substitutes.clear();
    }

    /// Does it. What is told is what came of it, once it is over by itself.
    async fn do_to(&self, kind: Kind, target: &str) -> anyhow::Result<Option<Said>> {
        let local = &self.local;
        match kind {
            Kind::Orders => {
                self.state().orders = Some(Orders::begin(self.shop.clone()));
            }
            Kind::Provider => {
                let setting = provider_setting(target).context("it has no such provider")?;
                let part = local.part(target)?;
                let substitute = local.substitute(part, (setting, "100"))?;
                part.stop().await;
                if let Err(error) = substitute.start_without_waiting() {
                    part.start_without_waiting()?;
                    return Err(error.into());
                }
                self.state().substitutes.insert(target.to_owned(), substitute);
            }
            Kind::Freeze | Kind::Kafka | Kind::Postgres => local.part(target)?.pause(),
            Kind::Kill => local.part(target)?.kill().await,
            Kind::Stop => local.part(target)?.stop().await,
            Kind::Poison => return Ok(Some(self.poison(target).await?)),
            Kind::Story => {
                let played = timeout(STORY_LIMIT, self.play(target)).await;
                return Ok(Some(played.with_context(|| format!("it took over {STORY_LIMIT:?}"))??));
            }
        }
        Ok(None)
    }

    async fn undo(&self, kind: Kind, target: &str) -> anyhow::Result<()> {
        let local = &self.local;
        match kind {
            Kind::Orders => self.state().orders = None,
            Kind::Provider => {
                let substitute = self.state().substitutes.remove(target);
                if let Some(substitute) = substitute {
                    substitute.stop().await;
                }
                local.part(target)?.start_without_waiting()?;
            }
            Kind::Freeze | Kind::Kafka | Kind::Postgres => local.part(target)?.resume(),
            Kind::Kill | Kind::Stop => local.part(target)?.start_without_waiting()?,
            Kind::Poison | Kind::Story => {}
        }
        Ok(())
    }

    async fn poison(&self, service: &str) -> anyhow::Result<Said> {
        let at = self.local.endpoints();
        let topic = at.topic_prefix.events(service);
        let key = Uuid::now_v7().to_string();
        let publisher = Publisher::new(&at.kafka_brokers)?;
        publisher.publish(&topic, key.as_bytes(), b"poison", &[]).await?;
        Ok(Said::of(Ok("published: see who could not read it".to_owned())))
    }

    async fn play(&self, target: &str) -> anyhow::Result<Said> {
        let at = self.local.endpoints();
        if target == "all" {
            let score = perform(&at).await?;
            self.local.park_charges(&score.hanging).await;
            let text = score.to_string();
            return Ok(Said { text, is_good: score.is_perfect(), order: None });
        }
        let number = target.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let Some(story) = number.and_then(|number| STORIES.get(number)) else {
            bail!("there is no such story");
        };
        let journal = Journal::open(&at).await?;
        let run = format!("demo-{}", Uuid::new_v4().simple());
        let played = play(&self.shop, &journal, story, run).await;
        self.local.park_charges(played.hangs().as_slice()).await;
        let events = played.order.map(|order| journal.of(order)).unwrap_or_default();
        let outcome = played.verdict(&events);
        let outcome = outcome.map(|()| format!("as expected: {}", story.end));
        Ok(Said { order: played.order, ..Said::of(outcome) })
    }
}

impl State {
    fn listed(&self, kind: Kind, target: Target) -> ListedTarget {
        let running = self.running.get(&kind.part(&target.name));
        let (own, other) = match running {
            Some(running) if running.kind == kind => (Some(running), None),
            other => (None, other),
        };
        let said = match (&self.orders, kind) {
            (Some(orders), Kind::Orders) => Some(Said::of(orders.progress())),
            _ => self.said.get(&(kind, target.name.clone())).cloned(),
        };
        ListedTarget {
            since: own.map(|own| own.since),
            until: own.and_then(|own| match own.phase {
                Phase::Lasting(until) => until,
                _ => None,
            }),
            is_changing: own.is_some_and(|own| !matches!(own.phase, Phase::Lasting(_))),
            otherwise: other.map(|other| other.kind.words().state),
            said,
            target,
        }
    }

    /// Takes what it is done to, unless something is done to that already.
    fn take(&mut self, kind: Kind, target: &str) -> Result<(), String> {
        let part = kind.part(target);
        if let Some(other) = self.running.get(&part) {
            let state = other.kind.words().state;
            return Err(format!(
                "{target} is {state} already: wait until that has ended, or end it"
            ));
        }
        self.said.remove(&(kind, target.to_owned()));
        let (target, since) = (target.to_owned(), Timestamp::now());
        self.running.insert(part, Running { kind, target, since, phase: Phase::Beginning });
        Ok(())
    }

    fn begun(&mut self, kind: Kind, target: &str, begun: Result<Option<Said>, String>) {
        let part = kind.part(target);
        let said = match (begun, self.running.get_mut(&part), kind.limit()) {
            (Ok(None), Some(running), Some(limit)) => {
                running.phase = Phase::Lasting(Timestamp::now().checked_add(limit).ok());
                return;
            }
            (Ok(said), _, _) => said,
            (Err(why), _, _) => Some(Said::of(Err(why))),
        };
        self.running.remove(&part);
        self.said.extend(said.map(|said| ((kind, target.to_owned()), said)));
    }

    /// Marks it as being ended, if it lasts.
    fn release(&mut self, kind: Kind, target: &str) -> Result<(), String> {
        let state = kind.words().state;
        match self.running.get_mut(&kind.part(target)) {
            Some(running) if running.kind == kind => match running.phase {
                Phase::Lasting(_) => {
                    running.phase = Phase::Ending;
                    Ok(())
                }
                _ => Err(format!("{target} is changing: look again in a moment")),
            },
            _ => Err(format!("{target} is not {state}: there is nothing to end")),
        }
    }

    fn ended(&mut self, kind: Kind, target: &str, ended: Result<(), String>) {
        let part = kind.part(target);
        match ended {
            Ok(()) => {
                self.running.remove(&part);
            }
            Err(why) => {
                if let Some(running) = self.running.get_mut(&part) {
                    // Somebody may try again; it does not by itself.
                    running.phase = Phase::Lasting(None);
                }
                self.said.insert((kind, target.to_owned()), Said::of(Err(why)));
            }
        }
    }

    fn overdue(&self, now: Timestamp) -> Vec<Running> {
        let is_overdue =
            |it: &&Running| matches!(it.phase, Phase::Lasting(Some(until)) if until <= now);
        self.running.values().filter(is_overdue).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasting(kind: Kind, target: &str) -> State {
        let mut state = State::default();
        state.take(kind, target).unwrap();
        state.begun(kind, target, Ok(None));
        state
    }

    #[test]
    fn one_thing_at_a_time_is_done_to_a_part() {
        let mut state = lasting(Kind::Freeze, "payment");
        for kind in [Kind::Freeze, Kind::Kill, Kind::Stop, Kind::Provider] {
            let why = state.take(kind, "payment").unwrap_err();
            assert!(why.contains("payment is frozen"), "{why}");
        }
        state.take(Kind::Kill, "shipping").unwrap();
        assert!(state.take(Kind::Stop, "shipping").unwrap_err().contains("killed"), "as it begins");
        assert!(state.release(Kind::Kill, "payment").is_err(), "it is not killed");
        state.release(Kind::Freeze, "payment").unwrap();
        assert!(state.release(Kind::Freeze, "payment").is_err(), "it ends once");
        assert!(state.take(Kind::Kill, "payment").is_err(), "it has not ended yet");
        state.ended(Kind::Freeze, "payment", Ok(()));
        state.take(Kind::Kill, "payment").unwrap();
    }

    #[test]
    fn what_somebody_must_end_ends_by_itself_after_a_while() {
        for kind in Kind::all().filter(|kind| kind.limit().is_some()) {
            let target = kind.targets().remove(0).name;
            let state = lasting(kind, &target);
            let limit = kind.limit().unwrap();
            let now = Timestamp::now();
            assert!(state.overdue(now + limit / 2).is_empty(), "{kind:?}");
            assert_eq!(state.overdue(now + limit * 2).len(), 1, "{kind:?}");
        }
    }

    #[test]
    fn what_did_not_begin_leaves_nothing_but_why() {
        let mut state = State::default();
        state.take(Kind::Provider, "payment").unwrap();
        state.begun(Kind::Provider, "payment", Err("the port is taken".to_owned()));
        assert!(state.running.is_empty());
        let said = &state.said[&(Kind::Provider, "payment".to_owned())];
        assert!(!said.is_good && said.text == "the port is taken");
    }

    #[test]
    fn what_could_not_be_ended_can_be_ended_again() {
        let mut state = lasting(Kind::Kill, "order");
        state.release(Kind::Kill, "order").unwrap();
        state.ended(Kind::Kill, "order", Err("the port is taken".to_owned()));
        assert!(state.overdue(Timestamp::MAX).is_empty(), "but not by itself, again and again");
        state.release(Kind::Kill, "order").unwrap();
    }

    #[test]
    fn what_is_over_by_itself_is_told_until_it_is_done_again() {
        let mut state = State::default();
        for _ in 0..2 {
            state.take(Kind::Story, "4").unwrap();
            assert!(state.take(Kind::Story, "4").is_err());
            assert!(state.said.is_empty());
            state.begun(Kind::Story, "4", Ok(Some(Said::of(Ok("as expected".to_owned())))));
            assert_eq!(state.said.len(), 1);
        }
        assert!(state.running.is_empty());
    }
}
