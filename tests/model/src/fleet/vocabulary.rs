use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

use contracts::Event;

/// A service of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Decides an order's fate.
    Order,
    /// Reserves.
    Inventory,
    /// Charges and refunds.
    Payment,
    /// Books the parcel.
    Shipping,
    /// Tells the customer.
    Notification,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Order, Self::Inventory, Self::Payment, Self::Shipping, Self::Notification];
}

/// What an event says. The last eight nobody reads: they change nothing for any service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the events, and of what tells them apart")]
pub enum Fact {
    OrderPlaced,
    StockReserved,
    StockReservationFailed,
    PaymentCharged,
    PaymentFailed,
    OrderConfirmed,
    ShipmentCreated,
    ShipmentFailed,
    OrderCompleted,
    OrderCancelled,
    StockReleased,
    PaymentRefunded,
    CustomerNotifiedConfirmed,
    CustomerNotifiedCompleted,
    CustomerNotifiedCancelled,
    NotificationFailedConfirmed,
    NotificationFailedCompleted,
    NotificationFailedCancelled,
}

impl Fact {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::OrderPlaced,
        Self::StockReserved,
        Self::StockReservationFailed,
        Self::PaymentCharged,
        Self::PaymentFailed,
        Self::OrderConfirmed,
        Self::ShipmentCreated,
        Self::ShipmentFailed,
        Self::OrderCompleted,
        Self::OrderCancelled,
        Self::StockReleased,
        Self::PaymentRefunded,
        Self::CustomerNotifiedConfirmed,
        Self::CustomerNotifiedCompleted,
        Self::CustomerNotifiedCancelled,
        Self::NotificationFailedConfirmed,
        Self::NotificationFailedCompleted,
        Self::NotificationFailedCancelled,
    ];

    /// As declarations and the tools name it.
    pub fn name(self) -> String {
        match self {
            Self::CustomerNotifiedConfirmed => "CustomerNotified:confirmed".to_owned(),
            Self::CustomerNotifiedCompleted => "CustomerNotified:completed".to_owned(),
            Self::CustomerNotifiedCancelled => "CustomerNotified:cancelled".to_owned(),
            Self::NotificationFailedConfirmed => "NotificationFailed:confirmed".to_owned(),
            Self::NotificationFailedCompleted => "NotificationFailed:completed".to_owned(),
            Self::NotificationFailedCancelled => "NotificationFailed:cancelled".to_owned(),
            _ => format!("{self:?}"),
        }
    }

    /// What an event says. One that the model doesn't know is to be put into it.
    pub(crate) fn of(event: &impl Event) -> Self {
        let of_type = choreography::Fact::of_type(event.event_type());
        let field = of_type.and_then(|it| it.wanted().apart.as_deref());
        let value = field.and_then(|field| {
            let event = serde_json::to_value(event).ok()?;
            event[field].as_str().map(ToOwned::to_owned)
        });
        let name = match value {
            Some(value) => format!("{}:{value}", event.event_type()),
            None => event.event_type().to_owned(),
        };
        let known = Self::ALL.into_iter().find(|fact| fact.name() == name);
        known.unwrap_or_else(|| panic!("the model doesn't know the event {name:?}"))
    }
}

/// A call to the outside: a step that an order makes once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// The payment provider takes the money.
    Charge,
    /// The payment provider gives it back.
    Refund,
    /// The carrier takes the parcel.
    Book,
    /// The mail server tells that the order is paid.
    MailConfirmed,
    /// The mail server tells that the parcel is on its way.
    MailCompleted,
    /// The mail server tells that the order will not come.
    MailCancelled,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Charge,
        Self::Refund,
        Self::Book,
        Self::MailConfirmed,
        Self::MailCompleted,
        Self::MailCancelled,
    ];
    /// Those to the mail server.
    pub const MAILS: [Self; 3] = [Self::MailConfirmed, Self::MailCompleted, Self::MailCancelled];

    /// The step's name; with the order's id it is the call's idempotency key.
    pub fn step(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Book => "book",
            Self::MailConfirmed => "mail-confirmed",
            Self::MailCompleted => "mail-completed",
            Self::MailCancelled => "mail-cancelled",
        }
    }

    /// The call of this step. One that the model doesn't know is to be put into it.
    pub(crate) fn of_step(step: &str) -> Self {
        let known = Self::ALL.into_iter().find(|call| call.step() == step);
        known.unwrap_or_else(|| panic!("the model doesn't know the step {step:?}"))
    }

    /// Who makes it.
    pub fn service(self) -> Service {
        match self {
            Self::Charge | Self::Refund => Service::Payment,
            Self::Book => Service::Shipping,
            Self::MailConfirmed | Self::MailCompleted | Self::MailCancelled => {
                Service::Notification
            }
        }
    }

    /// Whether it was said that it was given up.
    pub(crate) fn was_given_up(self, log: Set<Fact>) -> bool {
        match self {
            Self::MailConfirmed => log.contains(Fact::NotificationFailedConfirmed),
            Self::MailCompleted => log.contains(Fact::NotificationFailedCompleted),
            Self::MailCancelled => log.contains(Fact::NotificationFailedCancelled),
            Self::Charge | Self::Refund | Self::Book => false,
        }
    }

    /// What may come of it. A refund is asked for until it is granted.
    pub fn answers(self) -> &'static [Answer] {
        if self == Self::Refund { &[Answer::Yes] } else { &[Answer::Yes, Answer::No] }
    }
}

/// What comes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is done.
    Yes,
    /// It is refused, for good.
    No,
}

/// Something that happens to an order in one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stimulus {
    /// An event is delivered.
    Fact(Fact),
    /// The outcome of a call comes in.
    Outcome(Call, Answer),
    /// An operator has a call made again that was given up.
    Retried(Call),
    /// The order has waited for its payment as long as it may.
    DeadlinePassed,
    /// The customer wants to cancel.
    CancelRequested,
}

impl Stimulus {
    /// How many there are.
    pub(crate) const COUNT: usize = Fact::ALL.len() + 3 * Call::ALL.len() + 2;

    /// All of them, in the order of their [`index`](Self::index).
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let facts = Fact::ALL.into_iter().map(Self::Fact);
        let outcomes = Call::ALL
            .into_iter()
            .flat_map(|call| [Answer::Yes, Answer::No].map(|answer| Self::Outcome(call, answer)));
        let retried = Call::ALL.into_iter().map(Self::Retried);
        let rest = [Self::DeadlinePassed, Self::CancelRequested];
        facts.chain(outcomes).chain(retried).chain(rest)
    }

    /// Its place among [`all`](Self::all).
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Fact(fact) => fact as usize,
            Self::Outcome(call, answer) => Fact::ALL.len() + 2 * call as usize + answer as usize,
            Self::Retried(call) => Fact::ALL.len() + 2 * Call::ALL.len() + call as usize,
            Self::DeadlinePassed => Self::COUNT - 2,
            Self::CancelRequested => Self::COUNT - 1,
        }
    }
}

/// What a [`Set`] can hold: at most 32 different values.
pub(crate) trait Member: Copy + fmt::Debug + 'static {
    /// All values.
    const ALL: &'static [Self];

    /// The value's place among all.
    fn index(self) -> usize;
}

impl Member for Fact {
    const ALL: &'static [Self] = &Self::ALL;

    fn index(self) -> usize {
        self as usize
    }
}

impl Member for Call {
    const ALL: &'static [Self] = &Self::ALL;

    fn index(self) -> usize {
        self as usize
    }
}

/// A set in four bytes: millions of them are in memory at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Set<T>(u32, PhantomData<T>);

impl<T: Member> Set<T> {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self(0, PhantomData)
    }

    /// Everything.
    pub(crate) fn full() -> Self {
        T::ALL.iter().copied().collect()
    }

    /// Whether `member` is in it.
    pub(crate) fn contains(self, member: T) -> bool {
        self.0 & (1 << member.index()) != 0
    }

    /// Puts `member` in.
    pub(crate) fn insert(&mut self, member: T) {
        self.0 |= 1 << member.index();
    }

    /// Takes `member` out.
    pub(crate) fn remove(&mut self, member: T) {
        self.0 &= !(1 << member.index());
    }

    /// What is in either.
    #[must_use]
    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0, PhantomData)
    }

    /// What is in it and not in the other.
    #[must_use]
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0, PhantomData)
    }

    /// What is in both.
    #[must_use]
    pub(crate) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0, PhantomData)
    }

    /// Its place among all sets.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in it.
    pub(crate) fn iter(self) -> impl Iterator<Item = T> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let first = T::ALL.get(rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(*first)
        })
    }
}

impl<T: Member> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Self {
        let mut set = Self::empty();
        members.into_iter().for_each(|member| set.insert(member));
        set
    }
}

impl<T: Member> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
