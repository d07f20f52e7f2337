//! What can be done, and what one will see.

use std::time::Duration;

use declarations::SERVICES;
use serde::Serialize;

use crate::story::STORIES;

/// After this long a fault is mended by itself.
const FAULT_LIMIT: Duration = Duration::from_mins(5);
/// After this long no more orders are placed.
const ORDERS_LIMIT: Duration = Duration::from_hours(1);

/// The providers that are simulated: whose service, what people call it, and the setting that says how many
/// of a hundred calls fail.
const PROVIDERS: [(&str, &str, &str); 3] = [
    ("payment", "payment provider", "SIM_PAYMENT_ERROR_PERCENT"),
    ("shipping", "carrier", "SIM_CARRIER_ERROR_PERCENT"),
    ("notification", "mail server", "SIM_MAIL_ERROR_PERCENT"),
];

/// The setting by which all calls to the provider of this service fail.
pub(super) fn provider_setting(service: &str) -> Option<&'static str> {
    let of_service = PROVIDERS.iter().find(|(of, _, _)| *of == service);
    of_service.map(|(_, _, setting)| *setting)
}

/// What can be done, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Orders,
    Provider,
    Freeze,
    Kill,
    Stop,
    Kafka,
    Postgres,
    Poison,
    Story,
}

/// What people read of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Words {
    pub(super) name: &'static str,
    title: &'static str,
    /// What the fleet does about it, and what one will see.
    about: &'static str,
    /// What begins it, before the target's label.
    begin: &'static str,
    /// What ends it, before the target's label; empty if it ends by itself.
    end: &'static str,
    /// How its target is meanwhile.
    pub(super) state: &'static str,
    /// The console's pages to look at.
    look: &'static [&'static str],
}

const KINDS: [(Kind, Words); 9] = [
    (
        Kind::Orders,
        Words {
            name: "orders",
            title: "Orders all the time",
            about: "Three a second, so that there is something to see; every tenth goes another way than \
                    most. One that is not taken is sent again with the same key: none is lost, and none is \
                    placed twice.",
            begin: "Place",
            end: "No more",
            state: "being placed",
            look: &["/orders", "/ways"],
        },
    ),
    (
        Kind::Provider,
        Words {
            name: "provider",
            title: "A provider that does not answer",
            about: "Its service is started again, and each of its calls fails. After some failures the \
                    circuit opens; a call is made again, under the same key, until its outcome is known. \
                    Orders that are not paid for within 8 s are cancelled, and what is charged after that \
                    is refunded. What waits for the carrier or a mail waits until it is back.",
            begin: "Cut off the",
            end: "Bring back the",
            state: "cut off",
            look: &["/", "/orders", "/services"],
        },
    ),
    (
        Kind::Freeze,
        Words {
            name: "freeze",
            title: "A service that hangs",
            about: "Its process stands still (SIGSTOP): connections stay open, and nobody answers. Within \
                    seconds that is told. Its events wait in Kafka and orders wait at its move; the others \
                    go on. Then it goes on where it was.",
            begin: "Freeze",
            end: "Let go",
            state: "frozen",
            look: &["/", "/orders"],
        },
    ),
    (
        Kind::Kill,
        Words {
            name: "kill",
            title: "A service that dies",
            about: "As in a power cut (SIGKILL), at any point of its work. Started again, it goes on from \
                    what it had committed: it publishes what it had decided, and makes the calls that it \
                    had intended. What comes twice because of that has its effect once.",
            begin: "Kill",
            end: "Start",
            state: "killed",
            look: &["/", "/orders"],
        },
    ),
    (
        Kind::Stop,
        Words {
            name: "stop",
            title: "A service that is stopped",
            about: "In order (SIGTERM), as for an upgrade: it finishes what it is at, and takes nothing \
                    new. No service waits for another’s answer, so the others go on.",
            begin: "Stop",
            end: "Start",
            state: "stopped",
            look: &["/", "/orders"],
        },
    ),
    (
        Kind::Kafka,
        Words {
            name: "kafka",
            title: "A broker that hangs",
            about: "Who has something to publish says that it is not ready, and why. Orders are taken all \
                    the same: what was decided waits in the outbox, and is published when the broker is \
                    back; orders whose time is up by then are cancelled, and what was done is undone.",
            begin: "Freeze",
            end: "Let go",
            state: "frozen",
            look: &["/", "/services"],
        },
    ),
    (
        Kind::Postgres,
        Words {
            name: "postgres",
            title: "Databases that hang",
            about: "One Postgres has the databases of all services here, and the console’s. No order is \
                    taken and no event is processed; the services say why, and the console says what it \
                    cannot see. Afterwards they go on by themselves.",
            begin: "Freeze",
            end: "Let go",
            state: "frozen",
            look: &["/", "/services"],
        },
    ),
    (
        Kind::Poison,
        Words {
            name: "poison",
            title: "A record that nobody can read",
            about: "It is no event. Whoever reads that topic keeps it as a dead letter, and goes on; no \
                    order waits for it. That needs a person: put back, it fails again, so leave it dead.",
            begin: "Publish into",
            end: "",
            state: "being published",
            look: &["/dead-letters"],
        },
    ),
    (
        Kind::Story,
        Words {
            name: "story",
            title: "A story, once more",
            about: "An order that goes one way, as when this began. While something is broken it may go \
                    another; what comes of it is told here.",
            begin: "Play:",
            end: "",
            state: "being played",
            look: &["/orders"],
        },
    ),
];

/// To what it can be done.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Target {
    pub(super) name: String,
    /// What people call it.
    label: &'static str,
    about: &'static str,
}

impl Kind {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(kind, _)| *kind)
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.words().name == name)
    }

    pub(super) fn words(self) -> Words {
        KINDS[self as usize].1
    }

    pub(super) fn targets(self) -> Vec<Target> {
        let target = |name: &str, label, about| Target { name: name.to_owned(), label, about };
        match self {
            Self::Orders => vec![target("orders", "orders", "")],
            Self::Provider => {
                PROVIDERS.map(|(service, label, _)| target(service, label, "")).to_vec()
            }
            Self::Freeze | Self::Kill | Self::Stop => {
                SERVICES.map(|service| target(service, service, "")).to_vec()
            }
            Self::Kafka => vec![target("kafka", "Kafka", "")],
            Self::Postgres => vec![target("postgres", "Postgres", "")],
            Self::Poison => vec![target("shipping", "shipping.events", "")],
            Self::Story => {
                let stories = (1..).zip(&STORIES);
                let each = stories.map(|(number, story): (usize, _)| {
                    target(&number.to_string(), story.title, story.because)
                });
                each.chain([target("all", "all of them", "They are told in the terminal.")])
                    .collect()
            }
        }
    }

    /// After how long it ends by itself, if somebody must end it.
    pub(super) fn limit(self) -> Option<Duration> {
        match self {
            Self::Orders => Some(ORDERS_LIMIT),
            Self::Poison | Self::Story => None,
            _ => Some(FAULT_LIMIT),
        }
    }

    /// What it is done to. Of all that is done to the same there is one at a time.
    pub(super) fn part(self, target: &str) -> String {
        match self {
            Self::Poison | Self::Story => format!("{} {target}", self.words().name),
            _ => target.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_its_words_and_targets_by_names_of_their_own() {
        for (place, kind) in Kind::all().enumerate() {
            assert_eq!(kind as usize, place, "the table is in the order of the kinds");
            assert_eq!(Kind::of(kind.words().name), Some(kind));
            // What somebody must end says how, and ends by itself after a while.
            assert_eq!(kind.limit().is_some(), !kind.words().end.is_empty(), "{kind:?}");
            let targets = kind.targets();
            let names: BTreeSet<&str> = targets.iter().map(|it| it.name.as_str()).collect();
            assert!(!names.is_empty() && names.len() == targets.len(), "{kind:?}");
        }
    }

    #[test]
    fn what_is_done_to_one_service_is_done_to_one_part() {
        assert_eq!(Kind::Freeze.part("payment"), Kind::Provider.part("payment"));
        assert_eq!(Kind::Kill.part("payment"), Kind::Stop.part("payment"));
        assert_ne!(Kind::Freeze.part("payment"), Kind::Freeze.part("shipping"));
        assert_ne!(Kind::Poison.part("shipping"), Kind::Freeze.part("shipping"));
        assert_ne!(Kind::Story.part("1"), Kind::Story.part("2"));
    }
}
