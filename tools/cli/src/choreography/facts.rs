use contracts::Topics;

/// The services, in the order in which an order comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Service {
    Order,
    Inventory,
    Payment,
    Shipping,
    Notification,
}

impl Service {
    pub(crate) const ALL: [Self; 5] =
        [Self::Order, Self::Inventory, Self::Payment, Self::Shipping, Self::Notification];

    pub(crate) fn name(self) -> &'static str {
        ["order", "inventory", "payment", "shipping", "notification"][self as usize]
    }

    pub(crate) fn of_group(topics: &Topics, group: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| topics.group(service.name()) == group)
    }

    /// The facts that it reads.
    pub(crate) fn reads(self) -> impl Iterator<Item = Fact> {
        Fact::ALL.into_iter().filter(move |fact| fact.readers().has(self))
    }
}

// They fit into their sets.
const _: () = assert!(Service::ALL.len() <= u8::BITS as usize, "let Services have more bits");
const _: () = assert!(Fact::ALL.len() <= u32::BITS as usize, "let Facts have more bits");

/// Some of the services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Services(u8);

impl Services {
    pub(crate) fn of(services: &[Service]) -> Self {
        Self(services.iter().fold(0, |bits, service| bits | 1 << *service as u8))
    }

    pub(crate) fn has(self, service: Service) -> bool {
        self.0 & (1 << service as u8) != 0
    }

    pub(crate) fn add(&mut self, service: Service) {
        self.0 |= 1 << service as u8;
    }

    pub(crate) fn join(&mut self, others: Self) {
        self.0 |= others.0;
    }

    pub(crate) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Service> {
        Service::ALL.into_iter().filter(move |service| self.has(*service))
    }
}

/// What an event says happened: its type, and of a message to the customer what it was about, if
/// that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fact {
    Placed,
    Confirmed,
    Completed,
    Cancelled,
    Reserved,
    NotReserved,
    Released,
    Charged,
    Declined,
    Refunded,
    Shipped,
    NotShipped,
    ToldSomething,
    ToldConfirmed,
    ToldCompleted,
    ToldCancelled,
    NotToldSomething,
    NotToldConfirmed,
    NotToldCompleted,
    NotToldCancelled,
}

/// One kind of event: its type, who emits it, who reads it.
type Row = (&'static str, Service, &'static [Service]);

/// In the order of [`Fact`]. A test of the whole workspace holds this equal to what the services
/// declare.
const CHOREOGRAPHY: [Row; 20] = {
    use Service::{Inventory, Notification, Order, Payment, Shipping};
    [
        ("OrderPlaced", Order, &[Inventory, Payment, Shipping, Notification]),
        ("OrderConfirmed", Order, &[Shipping, Notification]),
        ("OrderCompleted", Order, &[Notification]),
        ("OrderCancelled", Order, &[Inventory, Payment, Shipping, Notification]),
        ("StockReserved", Inventory, &[Payment]),
        ("StockReservationFailed", Inventory, &[Order]),
        ("StockReleased", Inventory, &[]),
        ("PaymentCharged", Payment, &[Order]),
        ("PaymentFailed", Payment, &[Order]),
        ("PaymentRefunded", Payment, &[]),
        ("ShipmentCreated", Shipping, &[Order, Inventory]),
        ("ShipmentFailed", Shipping, &[Order]),
        ("CustomerNotified", Notification, &[]),
        ("CustomerNotified", Notification, &[]),
        ("CustomerNotified", Notification, &[]),
        ("CustomerNotified", Notification, &[]),
        ("NotificationFailed", Notification, &[]),
        ("NotificationFailed", Notification, &[]),
        ("NotificationFailed", Notification, &[]),
        ("NotificationFailed", Notification, &[]),
    ]
};

/// What a message to the customer is about, in the order of the facts about it.
pub(crate) const OUTCOMES: [&str; 3] = ["confirmed", "completed", "cancelled"];

impl Fact {
    pub(crate) const ALL: [Self; 20] = [
        Self::Placed,
        Self::Confirmed,
        Self::Completed,
        Self::Cancelled,
        Self::Reserved,
        Self::NotReserved,
        Self::Released,
        Self::Charged,
        Self::Declined,
        Self::Refunded,
        Self::Shipped,
        Self::NotShipped,
        Self::ToldSomething,
        Self::ToldConfirmed,
        Self::ToldCompleted,
        Self::ToldCancelled,
        Self::NotToldSomething,
        Self::NotToldConfirmed,
        Self::NotToldCompleted,
        Self::NotToldCancelled,
    ];

    /// That a message about the outcome with this number was handed over.
    pub(crate) const TOLD: [Self; 3] =
        [Self::ToldConfirmed, Self::ToldCompleted, Self::ToldCancelled];
    /// That it was given up.
    pub(crate) const NOT_TOLD: [Self; 3] =
        [Self::NotToldConfirmed, Self::NotToldCompleted, Self::NotToldCancelled];

    /// The first fact that an event of this type may state: of a message, the one that does not say
    /// what it was about.
    pub(crate) fn of_type(event_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.event_type() == event_type)
    }

    pub(crate) fn event_type(self) -> &'static str {
        CHOREOGRAPHY[self as usize].0
    }

    pub(crate) fn source(self) -> Service {
        CHOREOGRAPHY[self as usize].1
    }

    pub(crate) fn readers(self) -> Services {
        Services::of(CHOREOGRAPHY[self as usize].2)
    }
}

/// Some of the facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts(u32);

impl Facts {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn of(facts: &[Fact]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < facts.len() {
            bits |= 1 << facts[at] as u32;
            at += 1;
        }
        Self(bits)
    }

    pub(crate) fn has(self, fact: Fact) -> bool {
        self.0 & (1 << fact as u32) != 0
    }

    pub(crate) fn add(&mut self, fact: Fact) {
        self.0 |= 1 << fact as u32;
    }

    pub(crate) fn with(self, fact: Fact) -> Self {
        Self(self.0 | 1 << fact as u32)
    }

    pub(crate) fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    pub(crate) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Fact> {
        Fact::ALL.into_iter().filter(move |fact| self.has(*fact))
    }
}
