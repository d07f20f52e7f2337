use std::sync::LazyLock;

use contracts::{Declared, Holds, Topics};
use declarations::fleet;

/// A service, by its place in the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service(u8);

impl Service {
    /// All of the fleet, in the order in which a saga meets them.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..fleet().services().len()).map(Self::at)
    }

    #[allow(clippy::cast_possible_truncation, reason = "a fleet is checked to be small")]
    fn at(place: usize) -> Self {
        Self(place as u8)
    }

    /// The one that begins the sagas.
    pub fn first() -> Self {
        Self::all().find(|service| service.begins()).unwrap_or(Self(0))
    }

    /// The service with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|service| service.name() == name)
    }

    /// What it declares.
    pub fn declared(self) -> &'static Declared {
        &fleet().services()[self.place()]
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        &self.declared().service
    }

    /// Its place in the fleet, from 0.
    pub fn place(self) -> usize {
        usize::from(self.0)
    }

    /// Whether it begins the sagas, and decides how they end.
    pub fn begins(self) -> bool {
        self.declared().begins.is_some()
    }

    /// Whether a saga waits for it: of others, nobody does.
    pub fn is_awaited(self) -> bool {
        self.begins() || !self.declared().settles.is_empty()
    }

    /// Whether a saga that ends like this has ended here in this status.
    pub fn has_settled(self, end: &str, status: &str) -> bool {
        let settled = self.declared().settles.get(end);
        settled.is_some_and(|settled| settled.iter().any(|one| one == status))
    }

    /// The one with this consumer group.
    pub fn of_group(topics: &Topics, group: &str) -> Option<Self> {
        Self::all().find(|service| topics.group(service.name()) == group)
    }
}

/// Some of the services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Services(u32);

impl Services {
    /// Whether it is one of them.
    pub fn has(self, service: Service) -> bool {
        self.0 & (1 << service.0) != 0
    }

    /// Makes it one of them.
    pub fn add(&mut self, service: Service) {
        self.0 |= 1 << service.0;
    }

    /// Makes all of these some of them.
    pub fn join(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// They, but for these.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// One after the other, in the order of the fleet.
    pub fn iter(self) -> impl Iterator<Item = Service> {
        Service::all().filter(move |service| self.has(*service))
    }
}

impl FromIterator<Service> for Services {
    fn from_iter<T: IntoIterator<Item = Service>>(services: T) -> Self {
        let mut all = Self::default();
        services.into_iter().for_each(|service| all.add(service));
        all
    }
}

/// What an event says happened: its type, and of one that is told apart by a field, the field's value,
/// if that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fact(u8);

/// What is to be read of an event's payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The field by which its events are told apart.
    pub apart: Option<String>,
    /// The field with the provider's id of what it tells of.
    pub id: Option<String>,
    /// Whether its amount is added up.
    pub amount: bool,
}

impl Wanted {
    /// Whether the payload need not be read.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug)]
struct Row {
    /// As a declaration names it.
    name: String,
    event_type: &'static str,
    /// The first fact of its type, which says nothing but that.
    of_type: Fact,
    source: Service,
    readers: Services,
    wanted: Wanted,
}

/// All facts of the fleet. Those of a type follow each other.
static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let mut table = Vec::new();
    for source in Service::all() {
        let Declared { emits, statuses, .. } = source.declared();
        for emitted in emits {
            let event_type = emitted.event.as_str();
            let prefix = format!("{event_type}:");
            let said = statuses.iter().flat_map(|it| it.has_said.iter().chain(&it.may_say));
            let mut names: Vec<String> =
                said.filter(|name| name.starts_with(&prefix)).cloned().collect();
            names.sort_unstable();
            names.dedup();
            let reads = |service: &Service| {
                let consumes = &service.declared().consumes;
                consumes.iter().any(|it| it.event == event_type && it.from == source.name())
            };
            let readers: Services = Service::all().filter(reads).collect();
            let of_type = Fact::at(table.len());
            let wanted = wanted(event_type, emitted.told_apart_by.as_ref());
            for name in std::iter::once(event_type.to_owned()).chain(names) {
                let wanted = wanted.clone();
                table.push(Row { name, event_type, of_type, source, readers, wanted });
            }
        }
    }
    table
});

/// What the books of the fleet need of events of a type.
fn wanted(event_type: &str, apart: Option<&String>) -> Wanted {
    let mut wanted = Wanted { apart: apart.cloned(), ..Wanted::default() };
    let books = Service::all().flat_map(|service| &service.declared().books);
    for holds in books.flat_map(|book| &book.holds) {
        match holds {
            Holds::Once { event, by } if event == event_type => wanted.id = Some(by.clone()),
            Holds::NoMoreThan { event, by, than, than_by } => {
                for (event, by) in [(event, by), (than, than_by)] {
                    if event == event_type {
                        (wanted.id, wanted.amount) = (Some(by.clone()), true);
                    }
                }
            }
            _ => {}
        }
    }
    wanted
}

impl Fact {
    #[allow(clippy::cast_possible_truncation, reason = "a fleet is checked to have few")]
    fn at(place: usize) -> Self {
        Self(place as u8)
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..TABLE.len()).map(Self::at)
    }

    fn row(self) -> &'static Row {
        &TABLE[usize::from(self.0)]
    }

    /// The fact that says nothing but an event's type.
    pub fn of_type(event_type: &str) -> Option<Self> {
        Self::all().find(|fact| fact.row().event_type == event_type)
    }

    /// A fact by its name in declarations, such as `OrderPlaced` or `CustomerNotified:confirmed`.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|fact| fact.row().name == name)
    }

    /// Those of the same type.
    pub fn of_its_type(self) -> impl Iterator<Item = Self> {
        let of_type = self.row().of_type;
        Self::all().filter(move |other| other.row().of_type == of_type)
    }

    /// This fact, with the value of the field that tells it apart.
    pub fn told_apart(self, value: &str) -> Option<Self> {
        Self::named(&format!("{}:{value}", self.event_type()))
    }

    /// What it says beside its type.
    pub fn value(self) -> Option<&'static str> {
        self.row().name.split_once(':').map(|(_, value)| value)
    }

    /// As a declaration names it.
    pub fn name(self) -> &'static str {
        &self.row().name
    }

    /// The type of the event that says it.
    pub fn event_type(self) -> &'static str {
        self.row().event_type
    }

    /// The service that says it.
    pub fn source(self) -> Service {
        self.row().source
    }

    /// The services that read it.
    pub fn readers(self) -> Services {
        self.row().readers
    }

    /// What is to be read of its payload.
    pub fn wanted(self) -> &'static Wanted {
        &self.row().wanted
    }

    /// The fact that says nothing but its type.
    #[must_use]
    pub fn untold(self) -> Self {
        self.row().of_type
    }
}

/// Some of the facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Facts(u128);

impl Facts {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Whether it is one of them.
    pub fn has(self, fact: Fact) -> bool {
        self.0 & (1 << fact.0) != 0
    }

    /// They, and this one.
    #[must_use]
    pub fn with(self, fact: Fact) -> Self {
        Self(self.0 | 1 << fact.0)
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Those that are in either.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// They, but for these.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Fact> {
        Fact::all().filter(move |fact| self.has(*fact))
    }
}

impl FromIterator<Fact> for Facts {
    fn from_iter<T: IntoIterator<Item = Fact>>(facts: T) -> Self {
        facts.into_iter().fold(Self::NONE, Self::with)
    }
}
