//! Kafka and the schema registry, for whoever talks to them.
//!
//! A service and a tool configure their clients alike ([`client_config`]) and find errors sorted
//! alike ([`AdminError`]: away, missing, refused). [`Producer`] publishes batches, and is what the
//! loop in `messaging` uses; [`Publisher`] is the same for tools. [`Admin`] and [`set_quotas`] look
//! after topics and clients, [`Registry`] after schemas. Reading without belonging to a consumer
//! group is what standalone consumers do: [`scan()`] reads stretches of topics, [`follow()`] also
//! what comes, [`Tail`] goes on where one left off, [`EventReader`] reads events by their writers' schemas, as [`Payloads`] does; [`committed()`] and
//! [`group()`] tell how far a group is and who is in it, [`groups()`] which there are, [`unread()`] what lies ahead of it. None of
//! them commits anything. Consumers that belong to a group, and what is done with the records, are
//! the business of `messaging`.

mod addresses;
mod client;
mod error;
mod refusals;
mod secret;

mod admin;
mod publisher;
mod quotas;
mod registry;
mod topic;

mod standalone;

mod committed;
mod event_reader;
mod follow;
mod group;
mod payloads;
mod scan;
mod tail;

mod unread;

mod throttle;

pub use addresses::parse_brokers;
pub use admin::{Admin, TopicReport};
pub use client::{Producer, PublishError, Record, client_config, consumer_config, header};
pub use committed::committed;
pub use error::AdminError;
pub use event_reader::{EventReader, EventRecord, ReadError, ReadEvent, ReadFrom};
pub use follow::{Followed, follow};
pub use group::{Group, Member, group, groups};
pub use payloads::{PayloadError, Payloads};
pub use publisher::{PlainRecord, Publisher};
pub use quotas::{ClientQuota, Limit, Quota, quotas, set_quotas};
pub use refusals::{AUTH_FAILURES, note_refusal};
pub use registry::{InvalidRegistryUrl, Registry, RegistryError, RegistrySettings, SchemaVersion};
pub use scan::{Bounds, Header, Scanned, partitions, scan, windows};
pub use secret::Secret;
pub use standalone::Window;
pub use tail::Tail;
pub use throttle::Throttle;
pub use topic::{Topic, TopicPlan};
pub use unread::{Unread, unread};
