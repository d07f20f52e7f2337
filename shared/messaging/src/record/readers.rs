use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use contracts::{
    CodecError, Consumes, Envelope, REDRIVE, TARGET_GROUP, Topics, WriterSchema, frame_schema_id,
    headers,
};
use kafka::{Registry, RegistryError};
use kernel::SagaKey;
use thiserror::Error;
use uuid::Uuid;

use super::ignored::Ignored;
use super::message::ReadRecord;
use crate::instruments::SCHEMA_VIOLATIONS;
use crate::service::Monitor;

/// Reads records into inputs: skips what is not for this service, checks that it is the owner's who
/// speaks, resolves the writer's schema onto the reader's, decodes.
///
/// This is the one place where what comes from Kafka is judged; the retry queue, replays and the
/// search for missing events come by here, too.
pub(crate) struct Readers<I> {
    group: String,
    /// The topic of each service that says something to this one.
    topics: HashMap<&'static str, String>,
    by_type: HashMap<&'static str, Consumes<I>>,
    registry: Registry,
    monitor: Arc<dyn Monitor>,
    ignored: Ignored,
    /// Per event type and schema id: the schema, once found readable; or why it is not.
    schemas: Mutex<HashMap<(&'static str, i32), Writer>>,
}

type Writer = Result<Arc<WriterSchema>, String>;

/// Why a record gives no input.
#[derive(Debug, Error)]
pub(crate) enum Unreadable {
    /// It can never be decoded.
    #[error("{0}")]
    Garbage(String),
    /// The registry does not have its schema, which may be registered late.
    #[error("{reason}")]
    NotYet { saga: SagaKey, reason: String },
    /// The registry is needed and away.
    #[error("{0}")]
    RegistryAway(String),
}

impl<I: 'static> Readers<I> {
    pub(crate) fn new(
        service: &str,
        topics: &Topics,
        consumes: Vec<Consumes<I>>,
        registry: Registry,
        monitor: Arc<dyn Monitor>,
    ) -> Self {
        let group = topics.group(service);
        let topics = consumes.iter().map(|one| (one.from, topics.events(one.from))).collect();
        let by_type = consumes.into_iter().map(|one| (one.event_type, one)).collect();
        let (ignored, schemas) = (Ignored::default(), Mutex::default());
        Self { group, topics, by_type, registry, monitor, ignored, schemas }
    }

    pub(crate) fn consumed(&self) -> impl Iterator<Item = &Consumes<I>> {
        self.by_type.values()
    }

    /// Whether a record should be processed now, and not together with whatever comes next.
    pub(crate) fn is_urgent<'a>(
        &self,
        mut all: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> bool {
        let event_type = all.find(|(name, _)| *name == headers::TYPE).map(|(_, value)| value);
        event_type.and_then(text).is_none_or(|event_type| {
            self.by_type.get(event_type).is_some_and(|consumes| !consumes.may_linger)
        })
    }

    /// Whether a record is for this service at all, judged by two headers. Types that are not are
    /// counted.
    pub(crate) fn concerns<'a>(
        &self,
        mut all: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> bool {
        let mut known_or_untyped = true;
        all.all(|(name, value)| {
            if name == headers::TYPE
                && let Some(event_type) = text(value)
                && !self.by_type.contains_key(event_type)
            {
                known_or_untyped = false;
                self.ignored.count(event_type);
            }
            known_or_untyped && (name != TARGET_GROUP || value == Some(self.group.as_bytes()))
        })
    }

    /// The input that a record of `topic` is.
    pub(crate) async fn read<'a>(
        &self,
        topic: &str,
        all: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
    ) -> Result<ReadRecord<I>, Unreadable> {
        let garbage = |error: &dyn ToString| Unreadable::Garbage(error.to_string());
        let mut redrive = None;
        let all = all.inspect(|(name, value)| {
            if *name == REDRIVE {
                redrive = Some(value.unwrap_or_default());
            }
        });
        let envelope = Envelope::parse(all).map_err(|error| garbage(&error))?;
        let redrive = redrive.map(Uuid::try_parse_ascii).transpose();
        let redrive = redrive.map_err(|error| garbage(&format!("header {REDRIVE}: {error}")))?;
        if key != Some(envelope.saga.to_string().as_bytes()) {
            return Err(garbage(&"the record's key is not the saga id in ce_subject"));
        }
        let consumes = self
            .by_type
            .get(envelope.event_type.as_str())
            .ok_or_else(|| garbage(&"the event type is not one that this service consumes"))?;
        self.check_owner(consumes, topic, &envelope.source).map_err(Unreadable::Garbage)?;
        let input = self.decode(consumes, payload, envelope.saga).await.inspect_err(|why| {
            if matches!(why, Unreadable::Garbage(_)) {
                SCHEMA_VIOLATIONS.of([consumes.event_type]).increment(1);
            }
        })?;
        Ok(ReadRecord { envelope, redrive, event_type: consumes.event_type, input })
    }

    async fn decode(
        &self,
        consumes: &Consumes<I>,
        payload: Option<&[u8]>,
        saga: SagaKey,
    ) -> Result<I, Unreadable> {
        let garbage = |error: &dyn ToString| Unreadable::Garbage(error.to_string());
        let payload = payload.ok_or_else(|| garbage(&"the record has no payload"))?;
        let id = frame_schema_id(payload).map_err(|error| garbage(&error))?;
        let writer = match self.known(consumes.event_type, id) {
            Some(writer) => writer,
            None => self.resolve(consumes, id, saga).await?,
        };
        let writer = writer.map_err(Unreadable::Garbage)?;
        consumes.decode(&writer, payload).map_err(|error| garbage(&error))
    }

    /// An event is said by the service that owns its type, in that service's topic; whoever may
    /// write into another's can't speak for the owner.
    fn check_owner(&self, consumes: &Consumes<I>, topic: &str, source: &str) -> Result<(), String> {
        let (event_type, owner) = (consumes.event_type, consumes.from);
        let owners = &self.topics[owner];
        if topic != owners {
            Err(format!("{event_type} is for {owner} to say, in {owners}; this one is in {topic}"))
        } else if source.strip_prefix('/') != Some(owner) {
            Err(format!("{event_type} is for {owner} to say; ce_source of this one is {source:?}"))
        } else {
            Ok(())
        }
    }

    fn known(&self, event_type: &'static str, id: i32) -> Option<Writer> {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner).get(&(event_type, id)).cloned()
    }

    /// Asks the registry for a schema seen for the first time, and remembers the answer. That the
    /// registry does not have it is not remembered: it may be registered late.
    async fn resolve(
        &self,
        consumes: &Consumes<I>,
        id: i32,
        saga: SagaKey,
    ) -> Result<Writer, Unreadable> {
        let answer = self.registry.schema(id).await;
        if let Err(error @ RegistryError::Unavailable(_)) = answer {
            return Err(Unreadable::RegistryAway(error.to_string()));
        }
        self.monitor.up("schema registry");
        match answer {
            Ok(text) => Ok(self.learn(consumes, id, &text)),
            Err(RegistryError::Missing(schema)) => {
                let reason = format!("{schema} is not in the schema registry");
                Err(Unreadable::NotYet { saga, reason })
            }
            Err(error) => Err(Unreadable::Garbage(error.to_string())),
        }
    }

    /// Checks once whether what this schema writes can be read here.
    pub(crate) fn learn(&self, consumes: &Consumes<I>, id: i32, text: &str) -> Writer {
        let writer = readable(consumes, text).map_err(|error| error.to_string());
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        schemas.insert((consumes.event_type, id), writer.clone());
        writer
    }
}

fn readable<I: 'static>(
    consumes: &Consumes<I>,
    text: &str,
) -> Result<Arc<WriterSchema>, CodecError> {
    let writer = WriterSchema::parse(text)?;
    writer.check_readable_as(consumes.reader_schema)?;
    Ok(Arc::new(writer))
}

fn text(value: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(value?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Monitor for Nobody {
        fn up(&self, _: &'static str) {}
        fn down(&self, _: &'static str, _: &str) {}
        fn beat(&self) {}
    }

    fn readers(prefix: &str, consumes: Vec<Consumes<()>>) -> Readers<()> {
        let registry = Registry::new(&"http://localhost:1".parse().unwrap()).unwrap();
        Readers::new("shipping", &prefix.parse().unwrap(), consumes, registry, Arc::new(Nobody))
    }

    #[test]
    fn only_the_owner_of_a_type_speaks() {
        let consumes = vec![Consumes::new::<()>("payment", "PaymentCharged", "", |()| ())];
        let readers = readers("blue.", consumes);
        let check =
            |topic, source| readers.check_owner(&readers.by_type["PaymentCharged"], topic, source);
        check("blue.payment.events", "/payment").unwrap();
        for (topic, source) in [
            ("blue.inventory.events", "/payment"),
            ("blue.inventory.events", "/inventory"),
            ("payment.events", "/payment"),
            ("blue.payment.events", "/inventory"),
            ("blue.payment.events", "payment"),
            ("blue.payment.events", "/payments"),
        ] {
            let error = check(topic, source).unwrap_err();
            assert!(error.contains("PaymentCharged is for payment to say"), "{error}");
        }
    }

    #[test]
    fn what_is_only_remembered_or_for_others_is_not_urgent() {
        let consumes = vec![
            Consumes::new::<()>("order", "OrderConfirmed", "", |()| ()),
            Consumes::new::<()>("order", "OrderPlaced", "", |()| ()).may_linger(),
        ];
        let readers = readers("", consumes);
        let urgent =
            |value| readers.is_urgent([("other", None), (headers::TYPE, value)].into_iter());
        assert!(urgent(Some(b"OrderConfirmed")));
        assert!(!urgent(Some(b"OrderPlaced")));
        assert!(!urgent(Some(b"OrderCompleted")), "not for this service");
        assert!(urgent(None) && urgent(Some(b"\xff")), "what is broken is looked at");
        assert!(readers.is_urgent(std::iter::empty()));
    }
}
