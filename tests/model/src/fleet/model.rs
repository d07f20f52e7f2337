use std::fmt;

use stateright::{Model, Property};

use super::bounds::Bounds;
use super::machine::{Machine, StateId, Step, Table};
use super::mutant::Mutant;
use super::properties;
use super::services::{self, Inventory};
use super::vocabulary::{Answer, Call, Fact, Service, Set, Stimulus};
use super::whose::{Judges, Statuses, Whose};
use super::world::{Action, Order, Record, World};
use crate::Telling;

/// The fleet, as the checker explores it.
#[derive(Debug)]
pub struct Fleet {
    pub(crate) bounds: Bounds,
    mutant: Option<Mutant>,
    pub(crate) order: Machine<order::domain::State>,
    pub(crate) inventory: Machine<Inventory>,
    pub(crate) payment: Machine<payment::domain::State>,
    pub(crate) shipping: Machine<shipping::domain::State>,
    pub(crate) notification: Machine<notification::domain::State>,
    /// By service.
    pub(crate) reads: [Set<Fact>; Service::ALL.len()],
    pub(crate) whose: Whose,
}

impl Fleet {
    /// The fleet as it is.
    pub fn new(bounds: Bounds) -> Self {
        Self::build(bounds, None, Judges::default())
    }

    /// The fleet as it is, with other judges of whose move it is.
    pub fn judged_by(bounds: Bounds, judges: Judges) -> Self {
        Self::build(bounds, None, judges)
    }

    /// The fleet without one of its guards.
    pub fn without_guard(bounds: Bounds, mutant: Mutant) -> Self {
        Self::build(bounds, Some(mutant), Judges::default())
    }

    fn build(bounds: Bounds, mutant: Option<Mutant>, judges: Judges) -> Self {
        let order = services::order(mutant);
        let inventory = services::inventory(bounds.orders, bounds.pieces, mutant);
        let payment = services::payment(mutant);
        let shipping = services::shipping(mutant);
        let notification = services::notification(mutant);
        let reservations = inventory.states().iter().flat_map(|state| &state.reservations);
        let statuses = [
            Statuses::of(Service::Order, order.states()),
            Statuses::of(Service::Inventory, reservations),
            Statuses::of(Service::Payment, payment.states()),
            Statuses::of(Service::Shipping, shipping.states()),
            Statuses::of(Service::Notification, notification.states()),
        ];
        let whose = Whose::new(judges, statuses);
        let reads = Service::ALL.map(|service| {
            Fact::ALL.into_iter().filter(|fact| services::reads(service, *fact)).collect()
        });
        Self { bounds, mutant, order, inventory, payment, shipping, notification, reads, whose }
    }

    /// The services that take part.
    pub(crate) fn services(&self) -> &'static [Service] {
        let all = &Service::ALL;
        if self.bounds.mails { all } else { &all[..all.len() - 1] }
    }

    fn table(&self, service: Service) -> &Table {
        match service {
            Service::Order => self.order.table(),
            Service::Inventory => self.inventory.table(),
            Service::Payment => self.payment.table(),
            Service::Shipping => self.shipping.table(),
            Service::Notification => self.notification.table(),
        }
    }

    /// What the four machines that deal in goods and money provide for and no run has needed yet,
    /// as state and stimulus. (Notification's states are combinations of messages, most of which
    /// no order's end can bring together.)
    pub fn unneeded(&self) -> Vec<String> {
        let row = |state: &dyn fmt::Debug, stimulus| format!("{state:?} × {stimulus:?}");
        let order = self.order.unused().map(|(state, _, it)| row(state, it));
        let inventory =
            self.inventory.unused().map(|(state, at, it)| row(&state.reservations[at], it));
        let payment = self.payment.unused().map(|(state, _, it)| row(state, it));
        let shipping = self.shipping.unused().map(|(state, _, it)| row(state, it));
        order
            .map(|row| format!("order: {row}"))
            .chain(inventory.map(|row| format!("inventory: {row}")))
            .chain(payment.map(|row| format!("payment: {row}")))
            .chain(shipping.map(|row| format!("shipping: {row}")))
            .collect()
    }

    /// The services that can come back to a state they have left.
    pub fn going_back(&self) -> Vec<Service> {
        let goes_back = |service: &Service| !self.table(*service).only_goes_forward();
        Service::ALL.into_iter().filter(goes_back).collect()
    }

    /// Whether nothing is left that will happen by itself: no event to be delivered for the first
    /// time, no call to be made or concluded. The deadline, the customer and an operator's redrive
    /// may come to the rescue; nothing may rely on them.
    pub(crate) fn is_still(&self, world: &World) -> bool {
        !self.next(world).into_iter().any(|action| match action {
            Action::Deliver(order, service, fact) => {
                !world.orders[order].inbox[service as usize].contains(fact)
            }
            Action::Call(..) | Action::Conclude(..) => true,
            _ => false,
        })
    }

    /// Whether an event that was delivered would change something if it came again.
    pub(crate) fn has_more_for_again(&self, world: &World) -> bool {
        self.next(world).into_iter().any(|action| match action {
            Action::Deliver(order, service, fact) => {
                world.orders[order].inbox[service as usize].contains(fact)
            }
            _ => false,
        })
    }

    fn next(&self, world: &World) -> Vec<Action> {
        let mut actions = Vec::new();
        self.actions(world, &mut actions);
        actions
    }

    /// What a stimulus would do now.
    pub(crate) fn step(
        &self,
        world: &World,
        order: usize,
        service: Service,
        it: Stimulus,
    ) -> Option<&Step> {
        let (state, at) = place(world, order, service);
        self.table(service).step(state, at, it)
    }

    fn deliveries(&self, world: &World, order: usize, actions: &mut Vec<Action>) {
        let Order { log, inbox, stale, .. } = &world.orders[order];
        for &service in self.services() {
            for fact in log.intersection(self.reads[service as usize]).iter() {
                let is_new = !inbox[service as usize].contains(fact);
                if is_new || self.step(world, order, service, Stimulus::Fact(fact)).is_some() {
                    actions.push(Action::Deliver(order, service, fact));
                }
                match self.mutant {
                    Some(Mutant::InboxApart | Mutant::EventsApart | Mutant::CallsApart)
                        if is_new =>
                    {
                        actions.push(Action::Tear(order, service, fact));
                    }
                    Some(Mutant::Overwrites(whose))
                        if is_new && whose == service && stale.is_some() =>
                    {
                        actions.push(Action::Overwrite(order, service, fact));
                    }
                    _ => {}
                }
            }
        }
    }

    fn calls(&self, world: &World, order: usize, actions: &mut Vec<Action>) {
        let Order { intents, .. } = &world.orders[order];
        for call in intents.iter() {
            let record = world.orders[order].record(call);
            let has_own_key = self.mutant == Some(Mutant::FreshKey(call));
            if record == Record::Unknown || has_own_key && record != Record::DoneAgain {
                let answers = call.answers().iter();
                actions.extend(answers.map(|answer| Action::Call(order, call, *answer)));
            }
            if record != Record::Unknown {
                actions.push(Action::Conclude(order, call));
            }
            if self.is_given_up(call) {
                actions.push(Action::GiveUp(order, call));
            }
        }
        if self.bounds.retries {
            let given_up = world.orders[order].given_up.iter();
            actions.extend(given_up.map(|call| Action::Retry(order, call)));
        }
    }

    /// Whether a call whose outcome stays unknown is given up. Money is followed to its end.
    fn is_given_up(&self, call: Call) -> bool {
        Call::MAILS.contains(&call)
            || call == Call::Charge && self.mutant == Some(Mutant::GivesUpCharge)
    }

    /// One transaction of a service: its inbox or its intent, its state, its events and its calls.
    fn commit(&self, world: &mut World, order: usize, service: Service, stimulus: Stimulus) {
        let (state, at) = place(world, order, service);
        match stimulus {
            Stimulus::Fact(fact) => world.orders[order].inbox[service as usize].insert(fact),
            Stimulus::Outcome(call, answer) => {
                let Order { intents, given_up, .. } = &mut world.orders[order];
                intents.remove(call);
                if self.bounds.retries && answer == Answer::No && Call::MAILS.contains(&call) {
                    given_up.insert(call);
                }
            }
            Stimulus::Retried(call) => world.orders[order].given_up.remove(call),
            Stimulus::DeadlinePassed | Stimulus::CancelRequested => {}
        }
        if let Some(step) = self.table(service).take(state, at, stimulus) {
            let repeated = world.call_repeated;
            self.write(world, order, service, step);
            if matches!(stimulus, Stimulus::Retried(_)) {
                // It was given up: under the same key it may be made again.
                world.call_repeated = repeated;
            }
        }
    }

    fn write(&self, world: &mut World, order: usize, service: Service, step: &Step) {
        let (before, _) = place(world, order, service);
        world.final_changed |= step.leaves_final;
        match service {
            Service::Order => world.orders[order].row = step.state,
            Service::Inventory => world.inventory = step.state,
            Service::Payment => world.orders[order].payment = step.state,
            Service::Shipping => world.orders[order].shipping = step.state,
            Service::Notification => world.orders[order].notification = step.state,
        }
        let changed = &mut world.orders[order];
        world.call_repeated |= step.calls.iter().any(|call| changed.knows(call));
        changed.log = changed.log.union(step.facts);
        changed.intents = changed.intents.union(step.calls);
        if self.mutant == Some(Mutant::Overwrites(service)) {
            changed.stale = Some(before);
        }
        self.settle(world, service);
    }

    /// Takes for delivered what makes no difference any more, so that worlds which differ in
    /// nothing else are one. To a row that can go back, it may still make one.
    fn settle(&self, world: &mut World, service: Service) {
        if matches!(self.mutant, Some(Mutant::Overwrites(_))) {
            return;
        }
        for order in 0..world.orders.len() {
            let (state, at) = place(world, order, service);
            let settled = self.table(service).settled(state, at);
            let inbox = &mut world.orders[order].inbox[service as usize];
            *inbox = inbox.union(settled);
        }
    }

    /// A crash comes between two things that belong together.
    fn tear(&self, world: &mut World, order: usize, service: Service, fact: Fact) {
        let (state, at) = place(world, order, service);
        world.orders[order].inbox[service as usize].insert(fact);
        let step = self.table(service).step(state, at, Stimulus::Fact(fact));
        if let (Some(step), true) = (step, self.mutant != Some(Mutant::InboxApart)) {
            let mut torn = step.clone();
            if self.mutant == Some(Mutant::EventsApart) {
                torn.facts = Set::empty();
            } else {
                torn.calls = Set::empty();
            }
            self.write(world, order, service, &torn);
        }
    }

    /// Another instance writes what it has decided on a row that is no longer so.
    fn overwrite(&self, world: &mut World, order: usize, service: Service, fact: Fact) {
        let Some(stale) = world.orders[order].stale else { return };
        world.orders[order].inbox[service as usize].insert(fact);
        let (_, at) = place(world, order, service);
        if let Some(step) = self.table(service).step(stale, at, Stimulus::Fact(fact)) {
            self.write(world, order, service, step);
        }
    }
}

/// The number of the state that a service has for an order, and the order's place in it.
fn place(world: &World, order: usize, service: Service) -> (StateId, usize) {
    let of = &world.orders[order];
    match service {
        Service::Order => (of.row, 0),
        Service::Inventory => (world.inventory, order),
        Service::Payment => (of.payment, 0),
        Service::Shipping => (of.shipping, 0),
        Service::Notification => (of.notification, 0),
    }
}

impl Model for Fleet {
    type State = World;
    type Action = Action;

    /// All orders are placed. That one is placed later than others is no different from its
    /// `OrderPlaced` being delivered later.
    fn init_states(&self) -> Vec<World> {
        let order = Order {
            row: 0,
            payment: 0,
            shipping: 0,
            notification: 0,
            log: [Fact::OrderPlaced].into_iter().collect(),
            inbox: [Set::empty(); Service::ALL.len()],
            intents: Set::empty(),
            given_up: Set::empty(),
            providers: [Record::Unknown; Call::ALL.len()],
            stale: None,
        };
        let orders = vec![order; self.bounds.orders];
        let mut world = World {
            inventory: 0,
            orders,
            final_changed: false,
            call_repeated: false,
            heard_old_news: false,
        };
        for service in Service::ALL {
            self.settle(&mut world, service);
        }
        vec![world]
    }

    /// What can happen next and changes something.
    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for order in 0..world.orders.len() {
            self.deliveries(world, order, actions);
            self.calls(world, order, actions);
            let does = |it| self.step(world, order, Service::Order, it).is_some();
            if does(Stimulus::DeadlinePassed) {
                actions.push(Action::PassDeadline(order));
            }
            if does(Stimulus::CancelRequested) {
                actions.push(Action::RequestCancel(order));
            }
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match action {
            Action::Deliver(order, service, fact) => {
                self.commit(&mut world, order, service, Stimulus::Fact(fact));
            }
            Action::PassDeadline(order) => {
                self.commit(&mut world, order, Service::Order, Stimulus::DeadlinePassed);
            }
            Action::RequestCancel(order) => {
                self.commit(&mut world, order, Service::Order, Stimulus::CancelRequested);
            }
            Action::Call(order, call, answer) => {
                let changed = &mut world.orders[order];
                let old_news = answer == Answer::Yes && changed.is_old_news(call);
                let record = &mut changed.providers[call as usize];
                *record = record.then(answer);
                world.heard_old_news |= old_news;
            }
            Action::Conclude(order, call) => {
                let answer = world.orders[order].record(call).answer()?;
                let outcome = Stimulus::Outcome(call, answer);
                self.commit(&mut world, order, call.service(), outcome);
            }
            Action::GiveUp(order, call) => {
                let outcome = Stimulus::Outcome(call, Answer::No);
                self.commit(&mut world, order, call.service(), outcome);
            }
            Action::Retry(order, call) => {
                self.commit(&mut world, order, call.service(), Stimulus::Retried(call));
            }
            Action::Tear(order, service, fact) => self.tear(&mut world, order, service, fact),
            Action::Overwrite(order, service, fact) => {
                self.overwrite(&mut world, order, service, fact);
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self.bounds)
    }
}

impl Telling for Fleet {
    fn bounds(&self) -> String {
        self.bounds.to_string()
    }

    fn describe(&self, world: &World) -> String {
        let orders = world.orders.iter().map(|order| {
            format!(
                "  order: {:?}, payment: {:?}, shipment: {:?}, {:?}, intents: {:?}, providers: {:?}\n",
                self.order.state(order.row),
                self.payment.state(order.payment),
                self.shipping.state(order.shipping),
                self.notification.state(order.notification),
                order.intents,
                order.providers,
            )
        });
        orders.chain([format!("  {:?}", self.inventory.state(world.inventory))]).collect()
    }
}
