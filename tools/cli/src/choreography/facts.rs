use std::sync::LazyLock;

use contracts::{Declared, Holds, Topics};
use declarations::fleet;

/// A service, by its place in the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Service(u8);

impl Service {
    /// All of the fleet, in the order in which a saga meets them.
    pub(crate) fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..fleet().services().len()).map(Self::at)
    }

    #[allow(clippy::cast_possible_truncation, reason = "a fleet is checked to be small")]
    fn at(place: usize) -> Self {
        Self(place as u8)
    }

    /// The one that begins the sagas.
    pub(crate) fn first() -> Self {
        Self::all().find(|service| service.begins()).unwrap_or(Self(0))
    }

    /// The service with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().find(|service| service.name() == name)
    }

    pub(crate) fn declared(self) -> &'static Declared {
        &fleet().services()[self.place()]
    }

    pub(crate) fn name(self) -> &'static str {
        &self.declared().service
    }

    pub(crate) fn place(self) -> usize {
        usize::from(self.0)
    }

    /// Whether it begins the sagas, and decides how they end.
    pub(crate) fn begins(self) -> bool {
        self.declared().begins.is_some()
    }

    /// Whether a saga waits for it: of others, nobody does.
    pub(crate) fn is_awaited(self) -> bool {
        self.begins() || !self.declared().settles.is_empty()
    }

    /// Whether a saga that ends like this has ended here in this status.
    pub(crate) fn has_settled(self, end: &str, status: &str) -> bool {
        let settled = self.declared().settles.get(end);
        settled.is_some_and(|settled| settled.iter().any(|one| one == status))
    }

    pub(crate) fn of_group(topics: &Topics, group: &str) -> Option<Self> {
        Self::all().find(|service| topics.group(service.name()) == group)
    }
}

/// Some of the services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Services(u32);

impl Services {
    pub(crate) fn has(self, service: Service) -> bool {
        self.0 & (1 << service.0) != 0
    }

    pub(crate) fn add(&mut self, service: Service) {
        self.0 |= 1 << service.0;
    }

    pub(crate) fn join(&mut self, others: Self) {
        self.0 |= others.0;
    }

    pub(crate) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Service> {
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
pub(crate) struct Fact(u8);

/// What is to be read of an event's payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The field by which its events are told apart.
    pub(crate) apart: Option<String>,
    /// The field with the provider's id of what it tells of.
    pub(crate) id: Option<String>,
    /// Whether its amount is added up.
    pub(crate) amount: bool,
}

impl Wanted {
    pub(crate) fn is_nothing(&self) -> bool {
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
    pub(crate) fn of_type(event_type: &str) -> Option<Self> {
        Self::all().find(|fact| fact.row().event_type == event_type)
    }

    /// A fact by its name in declarations, such as `OrderPlaced` or `CustomerNotified:confirmed`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().find(|fact| fact.row().name == name)
    }

    /// Those of the same type.
    pub(crate) fn of_its_type(self) -> impl Iterator<Item = Self> {
        let of_type = self.row().of_type;
        Self::all().filter(move |other| other.row().of_type == of_type)
    }

    /// This fact, with the value of the field that tells it apart.
    pub(crate) fn told_apart(self, value: &str) -> Option<Self> {
        Self::named(&format!("{}:{value}", self.event_type()))
    }

    /// What it says beside its type.
    pub(crate) fn value(self) -> Option<&'static str> {
        self.row().name.split_once(':').map(|(_, value)| value)
    }

    pub(crate) fn name(self) -> &'static str {
        &self.row().name
    }

    pub(crate) fn event_type(self) -> &'static str {
        self.row().event_type
    }

    pub(crate) fn source(self) -> Service {
        self.row().source
    }

    pub(crate) fn readers(self) -> Services {
        self.row().readers
    }

    pub(crate) fn wanted(self) -> &'static Wanted {
        &self.row().wanted
    }

    /// The fact that says nothing but its type.
    pub(crate) fn untold(self) -> Self {
        self.row().of_type
    }
}

/// Some of the facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts(u128);

impl Facts {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn has(self, fact: Fact) -> bool {
        self.0 & (1 << fact.0) != 0
    }

    pub(crate) fn with(self, fact: Fact) -> Self {
        Self(self.0 | 1 << fact.0)
    }

    pub(crate) fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    pub(crate) fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub(crate) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Fact> {
        Fact::all().filter(move |fact| self.has(*fact))
    }
}

impl FromIterator<Fact> for Facts {
    fn from_iter<T: IntoIterator<Item = Fact>>(facts: T) -> Self {
        facts.into_iter().fold(Self::NONE, Self::with)
    }
}
