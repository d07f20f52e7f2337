//! Whose move it is: what an order's states in all services say is to happen next. Pure.
//!
//! A status says what its service has read, has not read and has said, and which calls it waits for. So
//! it is a service's move to read what another has said and it has not read, and to have its calls
//! answered.

use serde::Serialize;

use crate::facts::{Fact, Facts, Service};
use crate::rules::{Rule, end_of, number, rule};

/// What stands for the state in a service that could not be asked.
pub const UNKNOWN: &str = "unknown";

/// What stands for the state in a service that joined the fleet after the order began: the topics may
/// have forgotten the beginning by then.
pub const NOT_ASKED: &str = "not asked";

/// Where an order is in each of the services, as they call it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States {
    statuses: Vec<String>,
    /// Whether it is not decided although its deadline has passed.
    pub overdue: bool,
}

impl States {
    /// An order that no service has heard of.
    pub fn unseen() -> Self {
        let unseen = |service| unseen(service).to_owned();
        Self { statuses: Service::all().map(unseen).collect(), overdue: false }
    }

    /// The same, with this status in a service. One that the fleet does not have is left out.
    #[must_use]
    pub fn with(mut self, service: &str, status: impl Into<String>) -> Self {
        if let Some(service) = Service::named(service) {
            self.set(service, status.into());
        }
        self
    }

    /// Sets the status in a service.
    pub fn set(&mut self, service: Service, status: String) {
        self.statuses[service.place()] = status;
    }

    /// Takes over what other services than the one that decides say.
    pub fn learn(&mut self, others: Self) {
        let own = self.fate().to_owned();
        self.statuses = others.statuses;
        self.set(Service::first(), own);
    }

    /// The status in a service.
    pub fn status(&self, service: Service) -> &str {
        &self.statuses[service.place()]
    }

    /// The status in the service that decides.
    pub fn fate(&self) -> &str {
        self.status(Service::first())
    }

    /// Whether the service that decides has done so for good.
    pub fn is_decided(&self) -> bool {
        self.rule(Service::first()).is_none_or(|rule| rule.is_final)
    }

    /// Whether a service has heard of the order, as far as that is known.
    pub fn knows(&self, service: Service) -> bool {
        !self.is_unseen(service) && self.status(service) != NOT_ASKED
    }

    /// Whether a service waits for the outcome of a call.
    pub fn calls(&self, service: Service) -> bool {
        self.rule(service).is_some_and(|rule| !rule.calls.is_empty())
    }

    /// Whether a service says that it has not heard of the order.
    pub fn is_unseen(&self, service: Service) -> bool {
        self.status(service) == unseen(service)
    }

    /// What the status says; nothing of one that is unknown.
    pub fn rule(&self, service: Service) -> Option<&'static Rule> {
        number(service, self.status(service)).map(|number| rule(service, number))
    }

    /// The types of events that were said, as far as the statuses tell.
    pub fn said(&self) -> Facts {
        let rules = Service::all().filter_map(|service| self.rule(service));
        let said = rules.map(|rule| rule.has_said);
        said.fold(Facts::NONE, Facts::or).iter().map(Fact::untold).collect()
    }
}

/// What a service calls an order that it has not heard of.
fn unseen(service: Service) -> &'static str {
    service.declared().statuses.first().map_or("unseen", |first| first.status.as_str())
}

/// How an order has ended, and why: the words of the status in the service that decides.
pub fn fate(status: &str) -> (String, Option<String>) {
    let reason = status.split_once(' ').map(|(_, reason)| reason.to_owned());
    (end_of(status).to_owned(), reason)
}

/// What a service is to do next about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The service whose move it is.
    pub service: &'static str,
    /// What it waits for.
    pub awaits: Awaited,
}

/// What a service waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Awaited {
    /// An event that it is to read.
    Event {
        /// The event's type.
        event: &'static str,
        /// The service that emits it.
        from: &'static str,
    },
    /// The outcome of a call to the outside.
    Call {
        /// The step of the call.
        step: &'static str,
    },
    /// Nothing: the order's time is up, and it is to be cancelled.
    Deadline,
    /// Nobody can tell: the states contradict each other.
    Unclear,
}

/// What is to happen next about an order, in the order in which a saga meets the services; nothing if
/// all of them are done with it. Done is also who contradicts another: that is for the audit to say.
pub fn moves(states: &States) -> Vec<Move> {
    let mut moves = Vec::new();
    let first = Service::first();
    if states.overdue {
        moves.push(Move { service: first.name(), awaits: Awaited::Deadline });
    }
    let said = states.said();
    let mut is_held_up = states.overdue;
    for service in Service::all() {
        let awaited = awaited(service, states, said);
        is_held_up |= service.is_awaited() && !awaited.is_empty();
        let service = service.name();
        moves.extend(awaited.into_iter().map(|awaits| Move { service, awaits }));
    }
    let is_known = |service: Service| states.status(service) != UNKNOWN;
    if !states.is_decided()
        && !is_held_up
        && Service::all().filter(|it| it.is_awaited()).all(is_known)
    {
        moves.insert(0, Move { service: first.name(), awaits: Awaited::Unclear });
    }
    moves
}

/// What a service waits for: its calls, and what was said that it has not read, causes first.
fn awaited(service: Service, states: &States, said: Facts) -> Vec<Awaited> {
    let Some(rule) = states.rule(service) else { return Vec::new() };
    let calls = rule.calls.iter().map(|step| Awaited::Call { step });
    let unread = service.declared().consumes.iter().filter(|consumed| {
        let is_it = |fact: &Fact| {
            fact.event_type() == consumed.event && fact.source().name() == consumed.from
        };
        said.and(rule.not_read).iter().any(|fact| is_it(&fact))
    });
    let mut unread: Vec<_> = unread.collect();
    unread.sort_by_key(|consumed| declarations::fleet().depth(&consumed.event));
    let unread = unread.into_iter().map(|it| Awaited::Event { event: &it.event, from: &it.from });
    calls.chain(unread).collect()
}
