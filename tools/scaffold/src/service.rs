use std::collections::BTreeSet;

use declarations::{TAKEN_PORTS, fleet};

use crate::names::{EventRef, constant, event_name, pascal, sentence, service_name, snake};
use crate::specification;
use crate::templates::fill;
use crate::{Changes, ScaffoldError, Tree};

/// A service that is to be.
#[derive(Debug, Clone)]
pub struct NewService {
    /// Its name.
    pub service: String,
    /// What it does, in a few words.
    pub about: Option<String>,
    /// What it reads: one or more events. It says its own when all of them have come.
    pub reads: Vec<EventRef>,
    /// What it says: one or more types of events.
    pub emits: Vec<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The default port of its API; by default, the next one that is free.
    pub port: Option<u16>,
}

/// A service that reads some events, says its own once all of them have come, and tells how it stands
/// with an order.
pub fn new_service(tree: &Tree, new: &NewService) -> Result<Changes, ScaffoldError> {
    let refuse = |why: String| Err(ScaffoldError::Refused(why));
    let NewService { service, about, owner, reads, emits, port } = new;
    let invalid = |error: crate::InvalidName| ScaffoldError::Refused(error.to_string());
    let service = service_name(service).map_err(invalid)?;
    for event in emits {
        event_name(event).map_err(invalid)?;
    }
    if tree.has_service(&service) {
        return refuse(format!("there is a service {service} already"));
    }
    if reads.is_empty() || emits.is_empty() {
        return refuse("a service reads and says something: give --reads and --emits".to_owned());
    }
    for event in reads {
        tree.check(event)?;
    }
    let mut events: Vec<&String> = reads.iter().map(|event| &event.event).chain(emits).collect();
    events.sort_unstable();
    if events.windows(2).any(|pair| pair[0] == pair[1]) {
        return refuse("two of these events have the same name".to_owned());
    }
    if [about, owner].into_iter().flatten().any(|it| it.contains(['"', '\\', '`', '{', '\n'])) {
        return refuse(
            "what it does, and whose it is, is said in plain words, on one line".to_owned(),
        );
    }
    let others = TAKEN_PORTS.iter().map(|(port, _)| *port);
    let taken: BTreeSet<u16> = fleet().services().iter().map(|it| it.port).chain(others).collect();
    let next = (8081..=u16::MAX).find(|port| !taken.contains(port)).unwrap_or(8081);
    let port = port.unwrap_or(next);
    if taken.contains(&port) {
        return refuse(format!("the port {port} is somebody else's"));
    }
    let draft = Draft {
        about: about.clone().unwrap_or_else(|| format!("answers what {} says", reads[0].service)),
        owner: owner.clone().unwrap_or_else(|| service.clone()),
        table: format!("{service}_states"),
        service,
        reads: reads.clone(),
        emits: emits.clone(),
        port,
    };
    draft.write(tree)
}

struct Draft {
    service: String,
    about: String,
    owner: String,
    table: String,
    reads: Vec<EventRef>,
    emits: Vec<String>,
    port: u16,
}

impl Draft {
    fn write(&self, tree: &Tree) -> Result<Changes, ScaffoldError> {
        let mut changes = Changes::default();
        let values = self.values();
        let values: Vec<(&str, &str)> =
            values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let folder = format!("services/{}", self.service);
        let is_one = self.reads.len() == 1;
        let either = |one: &'static str, many: &'static str| if is_one { one } else { many };
        for (path, template) in [
            ("Cargo.toml", include_str!("templates/Cargo.toml.txt")),
            ("src/main.rs", include_str!("templates/main.rs.txt")),
            ("src/lib.rs", include_str!("templates/lib.rs.txt")),
            ("src/events.rs", include_str!("templates/events.rs.txt")),
            ("src/http.rs", include_str!("templates/http.rs.txt")),
            (
                "src/domain.rs",
                either(
                    include_str!("templates/domain_one.rs.txt"),
                    include_str!("templates/domain_many.rs.txt"),
                ),
            ),
            ("tests/it/main.rs", include_str!("templates/tests_main.rs.txt")),
            ("tests/it/declaration.rs", include_str!("templates/tests_declaration.rs.txt")),
            (
                "tests/it/domain.rs",
                either(
                    include_str!("templates/tests_domain_one.rs.txt"),
                    include_str!("templates/tests_domain_many.rs.txt"),
                ),
            ),
        ] {
            changes.create(tree, &format!("{folder}/{path}"), fill(template, &values))?;
        }
        // Complete once the service's code has been asked: make render.
        let declaration =
            format!("{{ \"service\": {:?}, \"consumes\": [], \"emits\": [] }}\n", self.service);
        changes.create(tree, &format!("{folder}/declaration.json"), declaration)?;
        let migration = fill(include_str!("templates/migration.sql.txt"), &values);
        changes.create(tree, &format!("{folder}/migrations/1_{}.sql", self.table), migration)?;
        for event in &self.reads {
            add_reader_schema(&mut changes, tree, &self.service, event)?;
        }
        for event in &self.emits {
            let event = EventRef { service: self.service.clone(), event: event.clone() };
            add_schema(&mut changes, tree, &event)?;
        }
        Ok(changes)
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        let Self { service, about, owner, table, port, .. } = self;
        let mut values = vec![
            ("service", service.clone()),
            ("crate", service.clone()),
            ("Service", pascal(service)),
            ("about", about.clone()),
            ("owner", owner.clone()),
            ("table", table.clone()),
            ("port", port.to_string()),
        ];
        values.extend(self.of_reads());
        values.extend(self.of_emits());
        values
    }

    /// What follows from the events that it reads.
    fn of_reads(&self) -> Vec<(&'static str, String)> {
        let Self { reads, emits, .. } = self;
        let events: Vec<&str> = reads.iter().map(|event| event.event.as_str()).collect();
        let names: Vec<String> = events.iter().map(|event| snake(event)).collect();
        let constants: Vec<String> = events.iter().map(|event| constant(event)).collect();
        let reversed: Vec<String> = constants.iter().rev().cloned().collect();
        let each = |line: fn(&str) -> String| events.iter().map(|event| line(event)).collect();
        let tuple = |of: fn(&String) -> String| {
            let parts: Vec<String> = names.iter().map(of).collect();
            format!("({})", parts.join(", "))
        };
        let members: Vec<String> = names.iter().map(|name| format!(", {name:?}")).collect();
        let status = format!("\n            status: &[\"status\"{}],", members.concat());
        let leads_to: Vec<String> = emits.iter().map(|event| format!("{event:?}")).collect();
        let leads_to = leads_to.join(", ");
        let consumes = reads.iter().map(|EventRef { service, event }| {
            format!("consumes!({service:?}, {event}).leads_to(&[{leads_to}]).within_s(60)")
        });
        let is_one = reads.len() == 1;
        let not_done =
            if is_one { "Stored::Unseen" } else { "Stored::Unseen | Stored::Awaiting { .. }" };
        vec![
            ("status", if is_one { String::new() } else { status }),
            ("not_done", not_done.to_owned()),
            ("first", events[0].to_owned()),
            ("first_const", constants[0].clone()),
            ("consumes", consumes.collect::<Vec<_>>().join(", ")),
            ("read_types", each(read_type)),
            ("inputs", each(input)),
            ("flags", each(flag)),
            ("names", names.join(", ")),
            ("mut_names", tuple(|name| format!("mut {name}"))),
            ("falses", tuple(|_| "false".to_owned())),
            ("copies", tuple(|name| format!("*{name}"))),
            ("all", names.join(" && ")),
            ("arms", each(arm)),
            ("input_names", constants.join(", ")),
            ("input_names_reversed", reversed.join(", ")),
            ("input_consts", each(input_constant)),
            (
                "reads_calls",
                each(|event| {
                    let name = constant(event);
                    format!("        .reads::<reads::{event}>({event:?}, {name})\n")
                }),
            ),
        ]
    }

    /// What follows from the events that it says.
    fn of_emits(&self) -> Vec<(&'static str, String)> {
        let Self { service, emits, .. } = self;
        let told: Vec<String> =
            emits.iter().map(|event| format!("told_{}", snake(event))).collect();
        let calls: Vec<String> = told.iter().map(|name| format!("{name}()")).collect();
        let each = |line: fn(&str) -> String| emits.iter().map(|event| line(event)).collect();
        let declared: Vec<String> =
            emits.iter().map(|event| format!("emits!({service:?}, {event}, 1).ends()")).collect();
        vec![
            ("events", emits.join(", ")),
            ("emits", declared.join(", ")),
            ("event_types", each(event_type)),
            ("emit_all", each(|event| format!(".emit({event} {{ order_id }})"))),
            ("emit_told", each(|event| format!(".emit(told_{}())", snake(event)))),
            ("told", each(told_function)),
            ("told_names", told.join(", ")),
            ("told_calls", calls.join(", ")),
        ]
    }
}

/// That an event has come, in the state.
fn flag(event: &str) -> String {
    let name = snake(event);
    format!("        /// Whether `{event}` has come.\n        {name}: bool,\n")
}

/// The transition that takes note of it.
fn arm(event: &str) -> String {
    format!("            Input::{event}(_) => {} = true,\n", snake(event))
}

/// The schema of a new event, and its row in the specification.
pub(crate) fn add_schema(
    changes: &mut Changes,
    tree: &Tree,
    event: &EventRef,
) -> Result<(), ScaffoldError> {
    let schema = fill(
        include_str!("templates/schema.avsc.txt"),
        &[
            ("Event", &event.event),
            ("service", &event.service),
            ("event_doc", &sentence(&event.event)),
        ],
    );
    changes.create(tree, &event.schema(1), schema)?;
    changes.edit(tree, specification::PATH, |text| Ok(specification::with_event(text, event)))
}

/// The schema by which a service reads an event, and the reader in the specification.
pub(crate) fn add_reader_schema(
    changes: &mut Changes,
    tree: &Tree,
    service: &str,
    event: &EventRef,
) -> Result<(), ScaffoldError> {
    let schema = fill(
        include_str!("templates/reads.avsc.txt"),
        &[("Event", &event.event), ("service", service), ("from", &event.service)],
    );
    changes.create(tree, &format!("services/{service}/reads/{}.avsc", event.event), schema)?;
    changes.edit(tree, specification::PATH, |text| specification::with_reader(text, event, service))
}

/// The type of an event that is written.
pub(crate) fn event_type(event: &str) -> String {
    let template = include_str!("templates/event_type.txt");
    fill(template, &[("Event", event), ("event_doc", &sentence(event))])
}

/// The type of an event that is read.
pub(crate) fn read_type(event: &str) -> String {
    fill(include_str!("templates/read_type.txt"), &[("Event", event)])
}

/// The input that an event is.
pub(crate) fn input(event: &str) -> String {
    format!("    /// `{event}` was read.\n    {event}(reads::{event}),\n")
}

/// The input that tests hand over.
pub(crate) fn input_constant(event: &str) -> String {
    let name = constant(event);
    format!("const {name}: Input = Input::{event}(reads::{event} {{}});\n")
}

/// The event that tests expect.
fn told_function(event: &str) -> String {
    let name = snake(event);
    format!("fn told_{name}() -> Event {{\n    Event::from({event} {{ order_id: ORDER }})\n}}\n\n")
}
