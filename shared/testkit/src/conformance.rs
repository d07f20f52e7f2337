//! Whether a service does what it declares, found out by trying every order of things.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::fs;

use contracts::{
    Declaration, Declared, DeclaredCompensation, DeclaredConsumption, DeclaredEvent,
    DeclaredMetric, DeclaredStatus, status_of,
};
use kernel::Decision;
use messaging::DecisionOf;
use runtime::App;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::schemas::{
    assert_no_others, assert_reads, assert_writes, newest, personal_fields, root,
};

/// The variable that has what is committed written anew, instead of compared.
const RENDER: &str = "FARANDOLE_RENDER";
/// How many situations a service's part of a saga may have. One with more has states that hold more
/// than where it is.
const SITUATIONS_MAX: usize = 200_000;

/// Samples of everything that can happen to a saga in a service, with which its state machine is
/// driven through every order of them, each any number of times.
///
/// [`check`](Self::check) finds out of each status what the service must have read and emitted by then,
/// and which calls it waits for; holds that against what it declares; and against
/// `services/<name>/declaration.json`, from which the tools know the service. On the way, whatever is
/// stored is read back, no call is made twice, and what is personal shows in no log; every event that is
/// emitted is what the newest schema in `schemas/<name>/` says; and the types that are read have the
/// fields of their schemas in `reads/`, and read whatever any version of the writer's schemas can write.
#[must_use = "end with check()"]
pub struct Conformance<S: App> {
    starts: Vec<(S::State, Vec<S::Event>)>,
    inputs: Vec<(Cause, S::Input)>,
    personal: Vec<&'static str>,
    for_good: Vec<&'static str>,
    outcomes: Vec<Outcomes>,
    /// Event types whose reader was held against its schema.
    readers: BTreeSet<&'static str>,
}

/// What may have been said once these events, and no others, were read.
struct Outcomes {
    read: BTreeSet<&'static str>,
    said: Vec<BTreeSet<String>>,
}

/// Where an input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// An event of this type was read.
    Event(&'static str),
    /// The call of this step has an outcome.
    Outcome(&'static str),
    /// Time has passed, or somebody asks for it.
    Command,
}

/// All that can be different about a saga in a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Situation {
    /// The state, as it is stored.
    state: String,
    read: BTreeSet<&'static str>,
    said: BTreeSet<String>,
    /// Of what was said, what was said more than once.
    said_again: BTreeSet<String>,
    /// The calls that are open, each with the event that led to it.
    calls: BTreeMap<&'static str, Option<&'static str>>,
    /// Calls that were intended, open or not.
    called: BTreeSet<&'static str>,
}

impl<S: App> Default for Conformance<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: App> Conformance<S> {
    /// Of a saga that the service has never heard of.
    pub fn new() -> Self {
        let starts = vec![(S::State::default(), Vec::new())];
        Self {
            starts,
            inputs: Vec::new(),
            personal: Vec::new(),
            for_good: Vec::new(),
            outcomes: Vec::new(),
            readers: BTreeSet::new(),
        }
    }

    /// The saga may also begin here, with these events.
    pub fn begins(mut self, state: S::State, events: impl Into<Vec<S::Event>>) -> Self {
        self.starts.push((state, events.into()));
        self
    }

    /// An event of this type may be read, as a `T`. Where it matters what it says, give several.
    pub fn reads<T>(mut self, event: &'static str, input: S::Input) -> Self
    where
        T: DeserializeOwned + PartialEq + Debug,
    {
        if self.readers.insert(event) {
            assert_reads::<T>(S::declaration().service, event);
        }
        self.inputs.push((Cause::Event(event), input));
        self
    }

    /// The call of this step may have this outcome.
    pub fn outcome(mut self, step: &'static str, input: S::Input) -> Self {
        self.inputs.push((Cause::Outcome(step), input));
        self
    }

    /// This may be asked for at any time, or be due.
    pub fn command(mut self, input: S::Input) -> Self {
        self.inputs.push((Cause::Command, input));
        self
    }

    /// The samples hold these, which are personal data: what is logged must not, and neither must what is
    /// stored once nothing changes it any more. Needed of who reads a field that its writer says is
    /// personal.
    pub fn personal(mut self, words: &[&'static str]) -> Self {
        self.personal.extend(words);
        self
    }

    /// Nothing that happens in these statuses changes anything: no state, no event, no call.
    pub fn for_good(mut self, statuses: &[&'static str]) -> Self {
        self.for_good.extend(statuses);
        self
    }

    /// Once these events were read and no others, in whatever order and however often, and no call is
    /// open, the service has said one of these sets of events, each event once. `&[]` is nothing.
    pub fn says(mut self, read: &[&'static str], said: &[&[&str]]) -> Self {
        let of = |said: &&[&str]| said.iter().map(|event| (*event).to_owned()).collect();
        let read = read.iter().copied().collect();
        self.outcomes.push(Outcomes { read, said: said.iter().map(of).collect() });
        self
    }

    /// Checks all of it. `decide` decides on one input; `None` stands for one that it cannot process.
    pub fn check(self, mut decide: impl FnMut(&S::State, &S::Input) -> Option<DecisionOf<S>>)
    where
        S::Input: Debug,
        S::State: Debug,
    {
        self.inputs.iter().for_each(|(_, input)| self.assert_discreet(input));
        let declaration = S::declaration();
        let mut found = Exploration::new(&declaration, &S::State::default());
        let mut open = VecDeque::new();
        for (state, events) in &self.starts {
            let situation = Situation {
                state: stored(state),
                read: BTreeSet::new(),
                said: events.iter().map(|event| found.says(event)).collect(),
                said_again: BTreeSet::new(),
                calls: BTreeMap::new(),
                called: BTreeSet::new(),
            };
            if found.meets(&situation) {
                open.push_back((situation, state.clone()));
            }
        }
        while let Some((at, state)) = open.pop_front() {
            self.assert_discreet(&state);
            assert!(read_back::<S::State>(&state) == state, "is not read back: {}", at.state);
            let is_for_good = self.for_good.contains(&found.status(&at.state).as_str());
            for (cause, input) in &self.inputs {
                let Some(decision) = decide(&state, input) else { continue };
                for effect in &decision.effects {
                    self.assert_discreet(effect);
                    let back = stored(&read_back::<S::Effect>(effect));
                    assert_eq!(back, stored(effect), "a call is read back as another");
                }
                let next = found.step(&at, *cause, &decision);
                let changes = next.state != at.state
                    || !decision.events.is_empty()
                    || !decision.effects.is_empty();
                assert!(
                    !(is_for_good && changes),
                    "{} is said to be for good, and {input:?} changes something: then it is {}, {:?} is \
                     said and {:?} called",
                    at.state,
                    next.state,
                    decision.events.iter().map(contracts::Event::event_type).collect::<Vec<_>>(),
                    decision.effects.iter().map(kernel::Effect::step).collect::<Vec<_>>()
                );
                if found.meets(&next) {
                    open.push_back((next, decision.state));
                }
            }
        }
        self.outcomes.iter().for_each(|expected| found.assert_outcomes(expected));
        self.assert_forgotten(&declaration, &found);
        found.assert_declared(&declaration);
        let declared = found.declared::<S>(&declaration);
        compare(&declared);
    }

    /// Whoever reads what is personal says what of the samples is, and holds none of it once nothing
    /// changes any more.
    fn assert_forgotten(&self, declaration: &Declaration<S::Input>, found: &Exploration) {
        let service = declaration.service;
        for it in &declaration.consumes {
            let fields = personal_fields(it.from, it.event_type, it.reader_schema);
            assert!(
                fields.is_empty() || !self.personal.is_empty(),
                "{service} reads {} of {}, which is personal: say by personal(&[…]) which words in the \
                 samples are, so that it is seen whether they are logged, or kept for ever",
                fields.join(" and "),
                it.event_type
            );
        }
        for Situation { state, .. } in &found.situations {
            let status = found.status(state);
            let kept = self.personal.iter().find(|word| state.contains(**word));
            assert!(
                found.changing.contains(&status) || kept.is_none(),
                "nothing changes {status} any more, and it still holds {kept:?}, which is personal: \
                 {state}"
            );
        }
    }

    fn assert_discreet(&self, logged: &impl Debug) {
        if self.personal.is_empty() {
            return;
        }
        let shown = format!("{logged:?}");
        for word in &self.personal {
            assert!(!shown.contains(word), "its Debug shows {word:?}, which is personal: {shown}");
        }
    }
}

fn stored(state: &impl Serialize) -> String {
    serde_json::to_string(state).unwrap()
}

/// What the database gives back of it.
fn read_back<T: Serialize + DeserializeOwned>(it: &T) -> T {
    let stored = stored(it);
    serde_json::from_str(&stored)
        .unwrap_or_else(|error| panic!("cannot be read back: {error}: {stored}"))
}

/// What is found on the way.
struct Exploration {
    service: &'static str,
    paths: &'static [&'static str],
    consumed: BTreeSet<&'static str>,
    leads_to: BTreeMap<&'static str, &'static [&'static str]>,
    begins_by: Option<String>,
    told_apart_by: BTreeMap<&'static str, &'static str>,
    situations: BTreeSet<Situation>,
    /// That of a saga that the service has never heard of.
    unseen: String,
    /// Statuses that something changes.
    changing: BTreeSet<String>,
    /// The events that were held against their schemas.
    written: BTreeSet<String>,
    /// Which events were seen to lead to which.
    led: BTreeSet<(&'static str, String)>,
}

impl Exploration {
    fn new<I>(declaration: &Declaration<I>, unseen: &impl Serialize) -> Self {
        let unseen = serde_json::to_value(unseen).unwrap();
        let unseen = status_of(&unseen, declaration.status);
        let consumes = &declaration.consumes;
        let apart = |it: &contracts::Emits| Some((it.event_type, it.told_apart_by?));
        Self {
            service: declaration.service,
            paths: declaration.status,
            consumed: consumes.iter().map(|it| it.event_type).collect(),
            leads_to: consumes.iter().map(|it| (it.event_type, it.leads_to)).collect(),
            begins_by: declaration.begins.as_ref().map(|begins| begins.event.clone()),
            told_apart_by: declaration.emits.iter().filter_map(apart).collect(),
            situations: BTreeSet::new(),
            unseen,
            changing: BTreeSet::new(),
            written: BTreeSet::new(),
            led: BTreeSet::new(),
        }
    }

    /// An event as tools name it.
    fn fact(&self, event: &impl contracts::Event) -> String {
        let event_type = event.event_type();
        let Some(field) = self.told_apart_by.get(event_type) else {
            return event_type.to_owned();
        };
        let value = &serde_json::to_value(event).unwrap()[field];
        let value = value.as_str().unwrap_or_else(|| {
            panic!("{event_type} is told apart by {field}, which is no text: {value}")
        });
        format!("{event_type}:{value}")
    }

    /// The same, and that it is what its schema says.
    fn says(&mut self, event: &impl contracts::Event) -> String {
        if self.written.insert(stored(event)) {
            assert_writes(self.service, event);
        }
        self.fact(event)
    }

    /// Whether it is new.
    fn meets(&mut self, situation: &Situation) -> bool {
        assert!(
            self.situations.len() < SITUATIONS_MAX,
            "{} has more than {SITUATIONS_MAX} situations: keep counts and texts that grow out of its \
             states",
            self.service
        );
        self.situations.insert(situation.clone())
    }

    /// What a decision makes of a situation.
    fn step<St: Serialize, E: contracts::Event, F: kernel::Effect>(
        &mut self,
        at: &Situation,
        cause: Cause,
        decision: &Decision<St, E, F>,
    ) -> Situation {
        let mut next = Situation { state: stored(&decision.state), ..at.clone() };
        // That which what is said or called now follows from; nothing, if that is a command.
        let because = match cause {
            Cause::Event(event) => Some(event),
            Cause::Outcome(step) => at.calls.get(step).copied().flatten(),
            Cause::Command => None,
        };
        match cause {
            Cause::Event(event) => {
                assert!(self.consumed.contains(event), "{event} is not in what it consumes");
                next.read.insert(event);
            }
            Cause::Outcome(step) => {
                next.calls.remove(step);
            }
            Cause::Command => {}
        }
        for event in &decision.events {
            let event_type = event.event_type();
            let leads = |by: &&&'static str| self.leads_to[**by].contains(&event_type);
            let by: Vec<&'static str> = match &because {
                Some(event) => Some(event).into_iter().filter(leads).copied().collect(),
                None => next.read.iter().filter(leads).copied().collect(),
            };
            assert!(
                !by.is_empty() || cause == Cause::Command,
                "{event_type} is emitted by {cause:?} in {}, and {} is not said to lead to it: add it to \
                 its leads_to(…)",
                at.state,
                because.unwrap_or("nothing that was read")
            );
            self.led.extend(by.into_iter().map(|by| (by, event_type.to_owned())));
            let fact = self.says(event);
            if !next.said.insert(fact.clone()) {
                next.said_again.insert(fact);
            }
        }
        for effect in &decision.effects {
            let step = effect.step();
            let is_new = next.called.insert(step);
            assert!(
                next.calls.insert(step, because).is_none() && (is_new || cause == Cause::Command),
                "{step} is called for twice: {cause:?} in {}. The saga and the step are the key by which \
                 a call that comes again is known: give the second a step of its own",
                at.state
            );
        }
        if next.state != at.state {
            self.changing.insert(self.status(&at.state));
        }
        next
    }

    fn status(&self, state: &str) -> String {
        let state: Value = serde_json::from_str(state).unwrap();
        status_of(&state, self.paths)
    }

    /// Holds what was found against what may be said.
    fn assert_outcomes(&self, expected: &Outcomes) {
        let at_rest = |it: &&Situation| it.read == expected.read && it.calls.is_empty();
        let mut found = self.situations.iter().filter(at_rest).peekable();
        assert!(found.peek().is_some(), "no order of these samples reads {:?}", expected.read);
        let mut ever = BTreeSet::new();
        for Situation { state, read, said, said_again, .. } in found {
            assert!(
                expected.said.contains(said) && said_again.is_empty(),
                "after {read:?} it may be {state} with {said:?} said, of which more than once: \
                 {said_again:?}"
            );
            ever.insert(said);
        }
        let never = expected.said.iter().find(|said| !ever.contains(said));
        assert!(never.is_none(), "after {:?}, {never:?} is never what was said", expected.read);
    }

    /// Holds what is declared against what was found.
    fn assert_declared<I>(&self, declaration: &Declaration<I>) {
        let service = self.service;
        let said: BTreeSet<&str> =
            self.situations.iter().flat_map(|it| &it.said).map(|fact| type_of(fact)).collect();
        for emitted in &declaration.emits {
            let event = emitted.event_type;
            assert!(
                newest(service, event).as_deref() == Some(emitted.schema),
                "{service} declares {event} by an older version than the newest in schemas/: name that \
                 in emits!({service:?}, {event}, …)"
            );
            assert!(
                said.contains(event),
                "{service} says that it emits {event}, and no order of these samples leads to it"
            );
        }
        let read: BTreeSet<&str> =
            self.situations.iter().flat_map(|it| &it.read).copied().collect();
        for consumed in &self.consumed {
            assert!(
                read.contains(consumed),
                "give a sample of {consumed}, by reads::<reads::{consumed}>({consumed:?}, …)"
            );
        }
        assert_no_others(service, &said, &read);
        for (event, leads_to) in &self.leads_to {
            for led in *leads_to {
                assert!(
                    self.led.contains(&(event, (*led).to_owned())),
                    "{service} says that {event} may lead to {led}, and in no order of these samples \
                     it does"
                );
            }
        }
        for it in &declaration.consumes {
            assert!(
                it.leads_to.is_empty() || it.may_linger || it.within_s.is_some(),
                "say by within_s(…) how long it may take after {} until {service} says {:?}",
                it.event_type,
                it.leads_to
            );
        }
        let statuses: BTreeSet<String> =
            self.situations.iter().map(|it| self.status(&it.state)).collect();
        let named = declaration.settles.iter().flat_map(|(_, statuses)| *statuses).copied();
        let begins = declaration.begins.iter();
        let of_begins = begins.flat_map(|it| [&it.until_deadline, &it.timed_out, &it.undone]);
        let of_begins = of_begins.map(String::as_str).filter(|status| !status.is_empty());
        for status in named.chain(of_begins) {
            assert!(
                statuses.contains(status),
                "{service} has no status {status:?} in any order of these samples: {statuses:?}"
            );
        }
        if let Some(begins_by) = &self.begins_by {
            assert!(said.contains(begins_by.as_str()), "give the state it begins in, by begins(…)");
        }
    }

    fn declared<S: App>(&self, declaration: &Declaration<S::Input>) -> Declared {
        let Declaration { service, about, owner, consumes, emits, compensates, status, .. } =
            declaration;
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let settles = declaration.settles.iter();
        Declared {
            service: (*service).to_owned(),
            version: None,
            instance: None,
            about: (*about).to_owned(),
            owner: (*owner).to_owned(),
            port: S::PORT,
            paths: (S::ROUTES)().into_openapi().paths.paths.into_keys().collect(),
            table: S::STATES.name().to_owned(),
            status: owned(status),
            consumes: consumes
                .iter()
                .map(|it| DeclaredConsumption {
                    event: it.event_type.to_owned(),
                    from: it.from.to_owned(),
                    leads_to: owned(it.leads_to),
                    within_s: it.within_s,
                    may_linger: it.may_linger,
                    schema: serde_json::from_str(it.reader_schema).unwrap(),
                })
                .collect(),
            emits: emits
                .iter()
                .map(|it| DeclaredEvent {
                    event: it.event_type.to_owned(),
                    version: Some(it.version),
                    is_end: it.is_end,
                    schema_id: None,
                    schema: None,
                    told_apart_by: it.told_apart_by.map(str::to_owned),
                })
                .collect(),
            compensates: compensates
                .iter()
                .map(|it| DeclaredCompensation {
                    event: it.event.to_owned(),
                    undoes: it.undoes.to_owned(),
                })
                .collect(),
            begins: declaration.begins.clone(),
            settles: settles.map(|(end, statuses)| ((*end).to_owned(), owned(statuses))).collect(),
            books: declaration.books.clone(),
            metrics: declaration.metrics.iter().map(DeclaredMetric::from).collect(),
            statuses: self.statuses(),
        }
    }

    fn statuses(&self) -> Vec<DeclaredStatus> {
        let mut by_status: BTreeMap<String, Vec<&Situation>> = BTreeMap::new();
        for situation in &self.situations {
            by_status.entry(self.status(&situation.state)).or_default().push(situation);
        }
        let mut statuses: Vec<DeclaredStatus> = by_status
            .into_iter()
            .map(|(status, situations)| self.declared_status(status, &situations))
            .collect();
        statuses.sort_by_key(|it| (it.status != self.unseen, it.is_final, it.status.clone()));
        statuses
    }

    fn declared_status(&self, status: String, situations: &[&Situation]) -> DeclaredStatus {
        let calls_of = |it: &Situation| it.calls.keys().copied().collect::<Vec<_>>();
        let calls = calls_of(situations[0]);
        let differs = situations.iter().find(|it| calls_of(it) != calls);
        assert!(
            differs.is_none(),
            "in the status {status:?} {} waits now for {calls:?} and now for {:?}: tell the two apart \
             by a member of the state, and name that in the declaration's `status`",
            self.service,
            differs.map(|it| calls_of(it))
        );
        let all = |of: fn(&Situation) -> BTreeSet<String>| -> (Vec<String>, BTreeSet<String>) {
            let sets: Vec<BTreeSet<String>> = situations.iter().map(|it| of(it)).collect();
            let ever: BTreeSet<String> = sets.iter().flatten().cloned().collect();
            let is_always = |one: &&String| sets.iter().all(|set| set.contains(*one));
            (ever.iter().filter(is_always).cloned().collect(), ever)
        };
        let (has_read, ever_read) = all(|it| it.read.iter().map(|it| (*it).to_owned()).collect());
        let (has_said, ever_said) = all(|it| it.said.clone());
        let not_read = self.consumed.iter().filter(|event| !ever_read.contains(**event));
        DeclaredStatus {
            not_read: not_read.map(|event| (*event).to_owned()).collect(),
            may_say: ever_said.into_iter().filter(|it| !has_said.contains(it)).collect(),
            has_read,
            has_said,
            calls: calls.into_iter().map(str::to_owned).collect(),
            is_final: !self.changing.contains(&status),
            status,
        }
    }
}

fn type_of(fact: &str) -> &str {
    fact.split_once(':').map_or(fact, |(event_type, _)| event_type)
}

/// The same JSON, with what is in a list on one line.
fn a_line_each(pretty: &str) -> String {
    let (mut lines, mut item) = (String::new(), None::<Vec<&str>>);
    for line in pretty.lines() {
        match (&mut item, line) {
            (None, "    {") => item = Some(vec!["{"]),
            (None, line) => lines.extend([line, "\n"]),
            (Some(parts), line) => {
                parts.push(line.trim_start());
                if line.starts_with("    }") {
                    lines.extend(["    ", &parts.join(" "), "\n"]);
                    item = None;
                }
            }
        }
    }
    lines
}

/// Holds what is committed against what the code says.
fn compare(declared: &Declared) {
    let service = &declared.service;
    let path = root().join("services").join(service).join("declaration.json");
    let rendered = a_line_each(&serde_json::to_string_pretty(declared).unwrap());
    if std::env::var_os(RENDER).is_some() {
        return fs::write(&path, rendered).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let first = committed.lines().zip(rendered.lines()).position(|(a, b)| a != b);
    let line = first.unwrap_or(committed.lines().count().min(rendered.lines().count()));
    assert!(
        committed == rendered,
        "services/{service}/declaration.json is not what the code says, from line {} on, which is to \
         be {:?}: run make render, and commit what it changes",
        line + 1,
        rendered.lines().nth(line).unwrap_or_default()
    );
}
