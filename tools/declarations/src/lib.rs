//! The services of a fleet, by what they declare: the one list of services that all tools go by.
//!
//! Each service's declaration is in `services/<name>/declaration.json`, written from its code by `make
//! render`. Tools have those of the tree that they were built from, or are given others in a
//! directory, as a file `<name>.json` or `<name>/declaration.json` for each service.

mod rank;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use contracts::Declared;

use self::rank::{Participant, Step, in_order};
pub use self::schemas::{InvalidSchemas, Schema, Schemas};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// How many services a fleet may have: sets of them are bits.
pub const SERVICES_MAX: usize = 32;
/// How many kinds of events it may have.
pub const EVENTS_MAX: usize = 128;

/// Ports on which something else listens beside the services, where all run on one machine.
pub const TAKEN_PORTS: [(u16, &str); 2] = [(8080, "the console"), (8090, "the exporter")];

/// The services of a fleet.
#[derive(Debug, Clone)]
pub struct Fleet {
    services: Vec<Declared>,
    /// Of each event type, how many events there are before it.
    depths: BTreeMap<String, usize>,
}

/// What is wrong with the declarations of a fleet.
#[derive(Debug, thiserror::Error)]
pub enum InvalidFleet {
    /// A file or a directory cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, std::io::Error),
    /// A file is no declaration.
    #[error("{0} is no declaration of a service: {1}")]
    NoDeclaration(String, serde_json::Error),
    /// They don't make a fleet.
    #[error("{0}")]
    Unfit(String),
}

static FLEET: OnceLock<Fleet> = OnceLock::new();

/// The fleet that this process looks at: the one that was given to [`look_at`], or else the one that it
/// was built with.
pub fn fleet() -> &'static Fleet {
    FLEET.get_or_init(Fleet::embedded)
}

/// Has this process look at another fleet than the one that it was built with; once, at start.
pub fn look_at(fleet: Fleet) -> Result<(), InvalidFleet> {
    let late = |_| InvalidFleet::Unfit("this process looks at another fleet already".to_owned());
    FLEET.set(fleet).map_err(late)
}

impl Fleet {
    /// The fleet of the tree that this was built from.
    #[allow(clippy::expect_used, reason = "a test reads what is embedded")]
    pub fn embedded() -> Self {
        let services = EMBEDDED.iter().map(|text| serde_json::from_str(text));
        let services: Result<Vec<Declared>, _> = services.collect();
        Self::new(services.expect("what is embedded is read by a test")).expect("and checked")
    }

    /// The fleet whose declarations are in this directory.
    pub fn read(directory: &Path) -> Result<Self, InvalidFleet> {
        let unreadable = |path: &Path| {
            let path = path.display().to_string();
            move |error| InvalidFleet::Unreadable(path, error)
        };
        let mut services = Vec::new();
        for entry in fs::read_dir(directory).map_err(unreadable(directory))? {
            let path = entry.map_err(unreadable(directory))?.path();
            let file = if path.is_dir() { path.join("declaration.json") } else { path };
            if file.extension() != Some("json".as_ref()) || !file.exists() {
                continue;
            }
            let text = fs::read_to_string(&file).map_err(unreadable(&file))?;
            services.push(
                serde_json::from_str(&text).map_err(|error| {
                    InvalidFleet::NoDeclaration(file.display().to_string(), error)
                })?,
            );
        }
        Self::new(services)
    }

    /// A fleet of these services, in the order in which a saga meets them.
    pub fn new(services: Vec<Declared>) -> Result<Self, InvalidFleet> {
        check(&services).map_err(InvalidFleet::Unfit)?;
        let depths = depths(&services);
        Ok(Self { services: sorted(services), depths })
    }

    /// The services, in the order in which a saga meets them.
    pub fn services(&self) -> &[Declared] {
        &self.services
    }

    /// A port on which two want to listen, and who these are. On machines of their own they may.
    pub fn port_twice(&self) -> Option<(u16, &str, &str)> {
        let services = self.services.iter().map(|it| (it.port, it.service.as_str()));
        let mut taken: BTreeMap<u16, &str> = TAKEN_PORTS.into_iter().collect();
        services
            .into_iter()
            .find_map(|(port, service)| Some((port, taken.insert(port, service)?, service)))
    }

    /// Their names.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.services.iter().map(|service| service.service.as_str())
    }

    /// The service with this name.
    pub fn service(&self, name: &str) -> Option<&Declared> {
        self.services.iter().find(|service| service.service == name)
    }

    /// The service that begins the sagas, and how.
    #[allow(clippy::expect_used, reason = "a fleet is checked to have one")]
    pub fn first(&self) -> (&Declared, &contracts::Begins) {
        let first = self.services.iter().find_map(|it| Some((it, it.begins.as_ref()?)));
        first.expect("one begins")
    }

    /// How many events there are at least before one of this type.
    pub fn depth(&self, event: &str) -> usize {
        self.depths.get(event).copied().unwrap_or_default()
    }
}

/// These services in the order in which a saga meets them, whether or not they make a fleet.
pub fn sorted(services: Vec<Declared>) -> Vec<Declared> {
    let participants: Vec<Participant> = services.iter().map(participant).collect();
    let mut services: Vec<Option<Declared>> = services.into_iter().map(Some).collect();
    in_order(&participants).into_iter().filter_map(|at| services[at].take()).collect()
}

/// Of each event that these services emit or lead to, how long the longest chain of causes before it is.
/// Events of a cycle have no such length; theirs is bounded.
pub fn depths(services: &[Declared]) -> BTreeMap<String, usize> {
    let participants: Vec<Participant> = services.iter().map(participant).collect();
    let depths = rank::depths(&participants).into_iter();
    depths.map(|(event, depth)| (event.to_owned(), depth)).collect()
}

/// The variable of a service for something that each has, such as `PAYMENT_DATABASE_URL`.
pub fn variable(service: &str, what: &str) -> String {
    format!("{}_{what}", service.to_uppercase().replace('-', "_"))
}

/// The types of events that may be named with what tells them apart.
fn types(kinds: &[String]) -> Vec<String> {
    kinds.iter().map(|kind| kind.split(':').next().unwrap_or(kind).to_owned()).collect()
}

fn participant(declared: &Declared) -> Participant {
    let consumes = declared.consumes.iter();
    Participant {
        name: declared.service.clone(),
        emits: declared.emits.iter().map(|it| it.event.clone()).collect(),
        undoing: declared.compensates.iter().map(|it| it.event.clone()).collect(),
        consumes: consumes
            .map(|it| Step { event: it.event.clone(), leads_to: types(&it.leads_to) })
            .collect(),
    }
}

/// Whether this goes into SQL, topics and variables as it is, as a service's name does.
pub fn is_name(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_word)
}

fn check(services: &[Declared]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    let mut tables = BTreeSet::new();
    for Declared { service, table, status, statuses, .. } in services {
        if !is_name(service) || !names.insert(service) {
            return Err(format!("{service:?} is no service's name, or is there twice"));
        }
        let members = || status.iter().flat_map(|path| path.split('.'));
        if !is_name(table) || !members().all(is_name) {
            return Err(format!("{service}'s table or a member of its status has no plain name"));
        }
        if !tables.insert(table) {
            return Err(format!(
                "two services have a table {table}: databases are told apart by it"
            ));
        }
        if statuses.is_empty() {
            return Err(format!("{service} has no statuses: make render finds them out"));
        }
    }
    let begin = services.iter().filter(|it| it.begins.is_some()).count();
    if begin != 1 {
        return Err(format!("one service is to begin the sagas, and {begin} do"));
    }
    let events = events(services);
    if services.len() > SERVICES_MAX || events.len() > EVENTS_MAX {
        return Err(format!(
            "a fleet has {SERVICES_MAX} services and {EVENTS_MAX} kinds of events at most"
        ));
    }
    for Declared { service, books, .. } in services {
        let holds = books.iter().flat_map(|book| book.holds.iter().map(move |it| (book, it)));
        for (book, event) in holds.flat_map(|(book, it)| it.events().map(move |it| (book, it))) {
            if !events.contains(event) {
                let book = &book.name;
                return Err(format!(
                    "{service}'s book {book} is about {event}, which nobody emits"
                ));
            }
        }
    }
    Ok(())
}

/// The kinds of events of a fleet: their types, and what those are that are told apart.
fn events(services: &[Declared]) -> BTreeSet<&str> {
    let types = services.iter().flat_map(|it| &it.emits).map(|emitted| emitted.event.as_str());
    let statuses = services.iter().flat_map(|it| &it.statuses);
    let said = statuses.flat_map(|it| it.has_said.iter().chain(&it.may_say));
    types.chain(said.map(String::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_there_twice_is_found() {
        let mut fleet = Fleet::embedded();
        assert_eq!(fleet.port_twice(), None);
        fleet.services[1].port = fleet.services[0].port;
        let (port, one, other) = fleet.port_twice().unwrap();
        assert_eq!((port, one, other), (8081, "order", fleet.services[1].service.as_str()));
        fleet.services[1].port = 8080;
        assert_eq!(fleet.port_twice().unwrap().1, "the console");
    }

    #[test]
    fn what_is_embedded_is_a_fleet_in_order() {
        let fleet = Fleet::embedded();
        assert!(fleet.names().eq(SERVICES));
        let (first, begins) = fleet.first();
        assert_eq!(first.service, SERVICES[0], "a saga begins with who begins it");
        assert_eq!(fleet.depth(&begins.event), 0);
    }

    #[test]
    fn what_is_no_fleet_is_refused() {
        let services = Fleet::embedded().services;
        let refused = |change: &dyn Fn(&mut Vec<Declared>)| {
            let mut services = services.clone();
            change(&mut services);
            Fleet::new(services).unwrap_err().to_string()
        };
        assert!(refused(&|it| it[0].begins = None).contains("begin"));
        assert!(refused(&|it| it[1].service = it[0].service.clone()).contains("twice"));
        assert!(refused(&|it| it[1].table = it[0].table.clone()).contains("table"));
        assert!(refused(&|it| it[1].table = "a; DROP".to_owned()).contains("plain name"));
        assert!(refused(&|it| it[1].statuses.clear()).contains("statuses"));
        let misspelt = |it: &mut Vec<Declared>| {
            it[0].books[0].holds = vec![contracts::Holds::last(&["OrderCompleted", "OrderEnded"])];
        };
        assert!(refused(&misspelt).contains("OrderEnded, which nobody emits"));
        let many = |it: &mut Vec<Declared>| {
            let say = |at: usize| format!("{}:{at}", it[0].emits[0].event);
            it[0].statuses[0].may_say = (0..EVENTS_MAX).map(say).collect();
        };
        assert!(refused(&many).contains("kinds of events"));
    }
}
