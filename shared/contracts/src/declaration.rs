use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::declared::{Begins, Book};
use crate::{CodecError, Metric, WriterSchema};

/// What a service writes: an enum with one variant per type, serialized untagged. [`events!`](crate::events)
/// defines one.
pub trait Event: Serialize + Send + Sync + 'static {
    /// The `ce_type`, such as `OrderPlaced`.
    fn event_type(&self) -> &'static str;
}

/// Defines what a service writes: an enum with a variant per event type, each of which holds the type
/// of that name, and the [`Event`] trait for it.
///
/// ```
/// # use serde::Serialize;
/// # #[derive(Debug, Clone, PartialEq, Eq, Serialize)] pub struct DoorOpened {}
/// # #[derive(Debug, Clone, PartialEq, Eq, Serialize)] pub struct DoorClosed {}
/// farandole_contracts::events! {
///     /// A fact the porter writes.
///     pub enum Event { DoorOpened, DoorClosed }
/// }
/// let event = Event::from(DoorOpened {});
/// assert_eq!(farandole_contracts::Event::event_type(&event), "DoorOpened");
/// ```
#[macro_export]
macro_rules! events {
    ($(#[$meta:meta])* $visibility:vis enum $name:ident { $($event:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, ::serde::Serialize)]
        #[serde(untagged)]
        $visibility enum $name {
            $(
                #[doc = concat!("See [`", stringify!($event), "`].")]
                $event($event),
            )+
        }

        impl $crate::Event for $name {
            fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$event(_) => stringify!($event),)+
                }
            }
        }

        $(
            impl From<$event> for $name {
                fn from(event: $event) -> Self {
                    Self::$event(event)
                }
            }
        )+
    };
}

/// One event type that a service reads, by the service that emits it: `consumes!("order",
/// OrderPlaced)` is decoded as `reads::OrderPlaced` by the reader schema in `reads/OrderPlaced.avsc`
/// of the crate, and becomes `Input::OrderPlaced`.
#[macro_export]
macro_rules! consumes {
    ($from:literal, $event:ident) => {
        $crate::Consumes::new::<reads::$event>(
            $from,
            stringify!($event),
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/reads/",
                stringify!($event),
                ".avsc"
            )),
            Input::$event,
        )
    };
}

/// One event type that a service writes, by the newest version of its schema: `emits!("order",
/// OrderPlaced, 1)` is written by `schemas/order/OrderPlaced.v1.avsc` of the workspace.
#[macro_export]
macro_rules! emits {
    ($service:literal, $event:ident, $version:literal) => {
        $crate::Emits::new(
            stringify!($event),
            $version,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../schemas/",
                $service,
                "/",
                stringify!($event),
                ".v",
                $version,
                ".avsc"
            )),
        )
    };
}

/// All that a service says about itself to the others, as data: checked against `schemas/` by
/// tests, and resolved against the registry at start. [`Declared`](crate::Declared) is its form for
/// tools.
pub struct Declaration<I> {
    /// The service's name: of its topic, its consumer group, its database.
    pub service: &'static str,
    /// What it does, in a few words, for people.
    pub about: &'static str,
    /// Who answers for it: a team, by the name under which it is found.
    pub owner: &'static str,
    /// What it reads, and what each may lead it to emit.
    pub consumes: Vec<Consumes<I>>,
    /// What it writes.
    pub emits: Vec<Emits>,
    /// Which of its events undo which of its others.
    pub compensates: Vec<Compensates>,
    /// Which members of a state make its status, in this order: each a path of names in the state's
    /// JSON, such as `messages.confirmed.status`. See [`status_of`](crate::status_of).
    pub status: &'static [&'static str],
    /// By how a saga may end, such as `completed`, the statuses in which this service's part has
    /// ended, too. Nothing here stands for a service whose part nobody waits for.
    pub settles: &'static [(&'static str, &'static [&'static str])],
    /// That this service begins the sagas, and decides how each ends. One of a fleet does.
    pub begins: Option<Begins>,
    /// What must add up, beside what must of any service.
    pub books: Vec<Book>,
    /// What it tells by numbers, beside what any service does.
    pub metrics: Vec<Metric>,
}

impl<I> Declaration<I> {
    /// A service that reads and writes nothing, to be completed: `Declaration { consumes, emits,
    /// ..Declaration::of("shipping", "books the parcel", "logistics") }`. The last is its owner.
    pub fn of(service: &'static str, about: &'static str, owner: &'static str) -> Self {
        Self {
            service,
            about,
            owner,
            consumes: Vec::new(),
            emits: Vec::new(),
            compensates: Vec::new(),
            status: &["status"],
            settles: &[],
            begins: None,
            books: Vec::new(),
            metrics: Vec::new(),
        }
    }
}

type Decode<I> = Box<dyn Fn(&WriterSchema, &[u8]) -> Result<I, CodecError> + Send + Sync>;

/// One event type that a service reads.
pub struct Consumes<I> {
    /// The `ce_type`.
    pub event_type: &'static str,
    /// Who emits it.
    pub from: &'static str,
    /// The reader schema: only the fields used.
    pub reader_schema: &'static str,
    /// What it may lead this service to emit, now or once more has arrived.
    pub leads_to: &'static [&'static str],
    /// How long that may take, in seconds, before it is late.
    pub within_s: Option<u32>,
    /// Whether it may wait a moment for something more urgent, and share a transaction with it.
    pub may_linger: bool,
    decode: Decode<I>,
}

impl<I: 'static> Consumes<I> {
    /// Reads `event_type` of service `from` as `T`, which becomes an input by `input`.
    pub fn new<T: DeserializeOwned + 'static>(
        from: &'static str,
        event_type: &'static str,
        reader_schema: &'static str,
        input: fn(T) -> I,
    ) -> Self {
        let decode: Decode<I> = Box::new(move |writer, payload| writer.decode(payload).map(input));
        Self {
            event_type,
            from,
            reader_schema,
            leads_to: &[],
            within_s: None,
            may_linger: false,
            decode,
        }
    }

    /// Names the events that this one may lead to.
    #[must_use]
    pub fn leads_to(mut self, events: &'static [&'static str]) -> Self {
        self.leads_to = events;
        self
    }

    /// Says how long it may take, in seconds, until what it leads to is said: later is late. Nothing
    /// fails by that; who looks after the fleet is told.
    #[must_use]
    pub fn within_s(mut self, seconds: u32) -> Self {
        self.within_s = Some(seconds);
        self
    }

    /// Says that nobody waits for what it leads to, as a rule because that takes another event,
    /// too: it is only remembered. At low rates it then waits a moment for that other event.
    #[must_use]
    pub fn may_linger(mut self) -> Self {
        self.may_linger = true;
        self
    }

    /// The input that a framed payload is, by the schema that wrote it.
    pub fn decode(&self, writer: &WriterSchema, payload: &[u8]) -> Result<I, CodecError> {
        (self.decode)(writer, payload)
    }
}

/// One event type that a service writes.
#[derive(Debug, Clone, Copy)]
pub struct Emits {
    /// The `ce_type`.
    pub event_type: &'static str,
    /// The schema it is written with: the newest version in `schemas/`.
    pub schema: &'static str,
    /// That version, from 1.
    pub version: u32,
    /// The field by which events of this type are told apart where one of each may be written: an
    /// enum.
    pub told_apart_by: Option<&'static str>,
    /// Whether the story may end here: nobody needs to read it.
    pub is_end: bool,
}

impl Emits {
    /// An event type, by its schema. See [`emits!`](crate::emits).
    pub const fn new(event_type: &'static str, version: u32, schema: &'static str) -> Self {
        Self { event_type, schema, version, told_apart_by: None, is_end: false }
    }

    /// Says that the story may end here: nobody needs to read it.
    #[must_use]
    pub const fn ends(mut self) -> Self {
        self.is_end = true;
        self
    }

    /// Says that what is written once at most is one event of this type *for each value* of this
    /// field.
    #[must_use]
    pub const fn told_apart_by(mut self, field: &'static str) -> Self {
        self.told_apart_by = Some(field);
        self
    }
}

/// `event` undoes `undoes`; both are the same service's.
#[derive(Debug, Clone, Copy)]
pub struct Compensates {
    /// Such as `PaymentRefunded`.
    pub event: &'static str,
    /// Such as `PaymentCharged`.
    pub undoes: &'static str,
}
