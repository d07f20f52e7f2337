//! What the catalogue knows: services, events, and who reads which of their fields.

use contracts::Declared;
use declarations::{Schema, Schemas};
use graph::Graph;
use serde_json::Value;

use crate::examples::{Example, Examples};
use crate::fields::{Field, fields};

/// What services say to each other.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// The services, in the order in which a saga meets them.
    pub services: Vec<Service>,
    /// Their events, those of a service together, in the order in which it declares them.
    pub events: Vec<Event>,
    /// A drawing of who says what to whom, as SVG.
    pub map: String,
}

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name: of its topic and its consumer group, too.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// What it does, in a few words.
    pub about: String,
    /// The default port of its API.
    pub port: u16,
    /// The paths of its API.
    pub paths: Vec<String>,
    /// The types of its events.
    pub emits: Vec<String>,
    /// What it reads.
    pub reads: Vec<Reaction>,
    /// Which of its events undo which.
    pub undoes: Vec<(String, String)>,
    /// The event by which it begins sagas, if it does.
    pub begins: Option<String>,
}

/// That a service reads an event.
#[derive(Debug, Clone)]
pub struct Reaction {
    /// The event's type.
    pub event: String,
    /// Who emits it.
    pub from: String,
    /// What it may lead the service to emit.
    pub leads_to: Vec<String>,
    /// How long that may take, in seconds.
    pub within_s: Option<u32>,
    /// The fields that the service uses, by its reader's schema.
    pub uses: Vec<Use>,
}

/// That a service uses a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The field's path; see [`Field::path`].
    pub path: String,
    /// What it takes where the field is not written.
    pub default: Option<Value>,
    /// What it is to the reader.
    pub about: String,
}

/// A type of events.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its type, such as `OrderPlaced`.
    pub name: String,
    /// Who emits it.
    pub service: String,
    /// Who answers for it: the service's owner.
    pub owner: String,
    /// The version that is written now.
    pub written: u32,
    /// All versions, oldest first; one at least.
    pub versions: Vec<Version>,
    /// Who reads it.
    pub readers: Vec<Reader>,
    /// Whether the story may end with it: nobody needs to read it.
    pub is_end: bool,
    /// The events of the same service that it undoes.
    pub undoes: Vec<String>,
    /// The events of the same service that undo it.
    pub undone_by: Vec<String>,
    /// What leads to it, of what its service reads.
    pub follows: Vec<String>,
    /// Whether a saga begins with it.
    pub is_begin: bool,
    /// Whether its service also says it when the time that a saga has is up.
    pub is_at_deadline: bool,
    /// The field by which its events are told apart, if they are.
    pub told_apart_by: Option<String>,
}

/// Who reads an event.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The service.
    pub service: String,
    /// How it reads it.
    pub reaction: Reaction,
}

/// A version of an event's schema.
#[derive(Debug, Clone)]
pub struct Version {
    /// From 1.
    pub number: u32,
    /// What the event says, in a sentence.
    pub about: String,
    /// Its fields, each before those within it.
    pub fields: Vec<Field>,
    /// The schema.
    pub schema: Value,
    /// A real event of this version, if one was recorded.
    pub example: Option<Example>,
}

impl Catalogue {
    /// The catalogue of these services. Events that are declared and have no schema yet are left out, and
    /// so are schemas of events that nobody declares: both are for other checks to find.
    pub fn of(declared: &[Declared], schemas: &Schemas, examples: &Examples) -> Self {
        let services: Vec<Service> = declared.iter().map(Service::of).collect();
        let mut events = Vec::new();
        for declared in declared {
            for emitted in &declared.emits {
                let versions = schemas.versions(&declared.service, &emitted.event);
                let version = |it: &Schema| {
                    let schema = serde_json::from_str(&it.text).unwrap_or_default();
                    let example = examples.find(&it.service, &it.event_type, it.version);
                    Version::of(it.version, &schema, example.cloned())
                };
                let mut versions: Vec<Version> = versions.iter().map(version).collect();
                // A service in another language may have no files here, and say its schema itself.
                if let (true, Some(schema)) = (versions.is_empty(), &emitted.schema) {
                    versions.push(Version::of(emitted.version.unwrap_or(1), schema, None));
                }
                let Some(newest) = versions.last() else { continue };
                let written = emitted.version.unwrap_or(newest.number);
                events.push(Event::of(declared, &emitted.event, versions, written, &services));
            }
        }
        Self { services, events, map: Graph::of(declared).svg() }
    }

    /// The event of this type from this service.
    pub fn event(&self, service: &str, name: &str) -> Option<&Event> {
        self.events.iter().find(|it| it.service == service && it.name == name)
    }

    /// The service of this name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|it| it.name == name)
    }

    /// The events of a service.
    pub fn events_of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |it| it.service == service)
    }

    /// The services that read anything from this one, and what.
    pub fn readers_of(&self, service: &str) -> impl Iterator<Item = (&Service, Vec<&Reaction>)> {
        self.services.iter().filter_map(move |reader| {
            let reads: Vec<&Reaction> =
                reader.reads.iter().filter(|it| it.from == service).collect();
            (!reads.is_empty()).then_some((reader, reads))
        })
    }
}

impl Service {
    fn of(declared: &Declared) -> Self {
        let undoes = declared.compensates.iter();
        Self {
            name: declared.service.clone(),
            owner: declared.owner.clone(),
            about: declared.about.clone(),
            port: declared.port,
            paths: declared.paths.clone(),
            emits: declared.emits.iter().map(|it| it.event.clone()).collect(),
            reads: declared.consumes.iter().map(Reaction::of).collect(),
            undoes: undoes.map(|it| (it.event.clone(), it.undoes.clone())).collect(),
            begins: declared.begins.as_ref().map(|it| it.event.clone()),
        }
    }
}

impl Reaction {
    fn of(consumed: &contracts::DeclaredConsumption) -> Self {
        let uses = fields(&consumed.schema).into_iter();
        Self {
            event: consumed.event.clone(),
            from: consumed.from.clone(),
            leads_to: consumed.leads_to.clone(),
            within_s: consumed.within_s,
            uses: uses
                .map(|it| Use { path: it.path, default: it.default, about: it.about })
                .collect(),
        }
    }

    /// How it uses the field at this path, if it does.
    pub fn uses(&self, path: &str) -> Option<&Use> {
        self.uses.iter().find(|it| it.path == path)
    }
}

impl Event {
    fn of(
        declared: &Declared,
        name: &str,
        versions: Vec<Version>,
        written: u32,
        services: &[Service],
    ) -> Self {
        let reader = |service: &Service| {
            let mut reads = service.reads.iter();
            let reaction = reads.find(|it| it.from == declared.service && it.event == name)?;
            Some(Reader { service: service.name.clone(), reaction: reaction.clone() })
        };
        let emitted = declared.emits.iter().find(|it| it.event == name);
        let undoes = declared.compensates.iter();
        let follows = declared.consumes.iter().filter(|it| it.leads_to.iter().any(|to| to == name));
        Self {
            name: name.to_owned(),
            service: declared.service.clone(),
            owner: declared.owner.clone(),
            written,
            versions,
            readers: services.iter().filter_map(reader).collect(),
            is_end: emitted.is_some_and(|it| it.is_end),
            undoes: undoes
                .clone()
                .filter(|it| it.event == name)
                .map(|it| it.undoes.clone())
                .collect(),
            undone_by: undoes.filter(|it| it.undoes == name).map(|it| it.event.clone()).collect(),
            follows: follows.map(|it| it.event.clone()).collect(),
            is_begin: declared.begins.as_ref().is_some_and(|it| it.event == name),
            is_at_deadline: is_at_deadline(declared, name),
            told_apart_by: emitted.and_then(|it| it.told_apart_by.clone()),
        }
    }

    /// The version that is written now.
    #[allow(clippy::expect_used, reason = "an event without versions is left out")]
    pub fn current(&self) -> &Version {
        let written = self.versions.iter().find(|it| it.number == self.written);
        written.or(self.versions.last()).expect("an event has a version")
    }

    /// The first version that has the field at this path.
    pub fn since(&self, path: &str) -> u32 {
        let has = |version: &&Version| version.fields.iter().any(|field| field.path == path);
        self.versions.iter().find(has).map_or(self.written, |version| version.number)
    }

    /// What it is called where there are several services: in links, and in `AsyncAPI`.
    pub fn id(&self) -> String {
        format!("{}.{}", self.service, self.name)
    }

    /// What it may lead to: who reads it, and what they may say because of it.
    pub fn leads_to(&self) -> impl Iterator<Item = (&str, &Reaction)> {
        self.readers.iter().map(|it| (it.service.as_str(), &it.reaction))
    }

    /// The services that use the field at this path.
    pub fn users<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        let users = self.readers.iter().filter(move |it| it.reaction.uses(path).is_some());
        users.map(|it| it.service.as_str())
    }
}

impl Version {
    /// A version with this schema.
    pub fn of(number: u32, schema: &Value, example: Option<Example>) -> Self {
        Self {
            number,
            about: schema["doc"].as_str().unwrap_or_default().to_owned(),
            fields: fields(schema),
            schema: schema.clone(),
            example,
        }
    }

    /// The paths of the fields that hold personal data, without those within them.
    pub fn personal(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = Vec::new();
        for field in self.fields.iter().filter(|it| it.is_personal) {
            let within = |outer: &&str| field.path.starts_with(&format!("{outer}."));
            if !paths.iter().any(within) {
                paths.push(&field.path);
            }
        }
        paths
    }
}

/// Whether a service says this event in the status of a saga whose time was up.
fn is_at_deadline(declared: &Declared, event: &str) -> bool {
    let Some(begins) = &declared.begins else { return false };
    let mut late = declared.statuses.iter().filter(|it| it.status == begins.timed_out);
    begins.event != event && late.any(|it| it.has_said.iter().any(|said| said == event))
}

#[cfg(test)]
mod tests {
    use declarations::Fleet;

    use super::*;
    use serde_json::json;

    fn catalogue() -> Catalogue {
        Catalogue::of(Fleet::embedded().services(), &Schemas::embedded(), &Examples::default())
    }

    #[test]
    fn every_declared_event_is_there_with_its_readers() {
        let catalogue = catalogue();
        let declared: usize =
            declarations::fleet().services().iter().map(|it| it.emits.len()).sum();
        assert_eq!(catalogue.events.len(), declared);
        for event in &catalogue.events {
            assert_ne!(event.current().about, "", "{} says what it is", event.id());
            assert!(!event.readers.is_empty() || event.is_end, "{} is read, or an end", event.id());
        }
        let reads: usize = catalogue.services.iter().map(|it| it.reads.len()).sum();
        let readers: usize = catalogue.events.iter().map(|it| it.readers.len()).sum();
        assert_eq!(reads, readers);
    }

    #[test]
    fn a_field_is_known_with_who_uses_it() {
        let catalogue = catalogue();
        let placed = catalogue.event("order", "OrderPlaced").unwrap();
        assert!(placed.users("lines[].sku").any(|it| it == "inventory"));
        assert!(placed.users("total.amount").any(|it| it == "payment"));
        assert!(placed.users("total.amount").all(|it| it != "inventory"));
        assert_eq!(placed.current().personal(), ["recipient"]);
        let refunded = catalogue.event("payment", "PaymentRefunded").unwrap();
        assert_eq!(refunded.undoes, ["PaymentCharged"]);
        assert_eq!(refunded.follows, ["OrderPlaced", "StockReserved", "OrderCancelled"]);
        assert!(placed.is_begin && !placed.is_at_deadline);
        assert!(catalogue.event("order", "OrderCancelled").unwrap().is_at_deadline);
    }

    #[test]
    fn a_service_without_files_says_its_schema_itself() {
        let mut services = Fleet::embedded().services().to_vec();
        let shipping = services.iter_mut().find(|it| it.service == "shipping").unwrap();
        shipping.emits[0].event = "ShipmentSeen".to_owned();
        let seen = |services: &[Declared]| {
            let catalogue = Catalogue::of(services, &Schemas::embedded(), &Examples::default());
            catalogue.event("shipping", "ShipmentSeen").map(|it| it.current().about.clone())
        };
        assert_eq!(seen(&services), None);
        let shipping = services.iter_mut().find(|it| it.service == "shipping").unwrap();
        shipping.emits[0].schema =
            Some(json!({"type": "record", "name": "ShipmentSeen", "doc": "Seen."}));
        assert_eq!(seen(&services).as_deref(), Some("Seen."));
    }

    #[test]
    fn what_readers_use_is_in_the_events() {
        for event in &catalogue().events {
            for reader in &event.readers {
                for used in reader.reaction.uses.iter().filter(|it| it.default.is_none()) {
                    let mut fields = event.current().fields.iter();
                    let there = fields.any(|field| field.path == used.path);
                    assert!(there, "{} uses {} of {}", reader.service, used.path, event.id());
                }
            }
        }
    }
}
