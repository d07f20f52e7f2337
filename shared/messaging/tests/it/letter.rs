//! Records on their way to the service.

use contracts::{Encoder, Envelope, headers};
use farandole_messaging::Cause;
use jiff::Timestamp;
use kernel::SagaKey;
use uuid::Uuid;

use crate::tally::{ADDED, Action, Added, INSERTED, SIDESTREAM, UPSTREAM};

/// The ids under which the registry has what upstreams write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SchemaIds {
    pub(crate) added: i32,
    pub(crate) inserted: i32,
}

/// A record, and what it says. Tests spoil it as they like.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) saga: SagaKey,
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    /// Whose topic it goes to.
    pub(crate) from: &'static str,
    pub(crate) key: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) payload: Vec<u8>,
}

impl Letter {
    pub(crate) fn new(ids: SchemaIds, saga: SagaKey, number: i64, action: Action) -> Self {
        Self::from(UPSTREAM, "Added", Encoder::new(ids.added, ADDED), saga, number, action)
    }

    /// Through the other topic.
    pub(crate) fn aside(ids: SchemaIds, saga: SagaKey, number: i64) -> Self {
        Self::aside_with(ids, saga, number, Action::Count)
    }

    pub(crate) fn aside_with(ids: SchemaIds, saga: SagaKey, number: i64, action: Action) -> Self {
        let encoder = Encoder::new(ids.inserted, INSERTED);
        Self::from(SIDESTREAM, "Inserted", encoder, saga, number, action)
    }

    fn from(
        from: &'static str,
        event_type: &str,
        encoder: Result<Encoder, contracts::CodecError>,
        saga: SagaKey,
        number: i64,
        action: Action,
    ) -> Self {
        let envelope = Envelope {
            id: Uuid::now_v7(),
            event_type: event_type.to_owned(),
            source: format!("/{from}"),
            saga,
            time: Timestamp::now(),
            sequence: 1,
            correlation_id: format!("correlation of {saga}"),
            causation_id: "a test".to_owned(),
            traceparent: None,
        };
        let headers = envelope.headers().into_iter();
        Self {
            saga,
            id: envelope.id,
            number,
            from,
            key: saga.to_string().into_bytes(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).collect(),
            payload: encoder.unwrap().encode(&Added { number, action }).unwrap(),
        }
    }

    /// For a command that says the same.
    pub(crate) fn cause(&self) -> Cause {
        Cause {
            causation_id: self.id.to_string(),
            correlation_id: "a test".to_owned(),
            traceparent: None,
        }
    }

    /// As the saga's event with this number from its source.
    pub(crate) fn with_sequence(self, sequence: i64) -> Self {
        self.with_header(headers::SEQUENCE, Some(&sequence.to_string()))
    }

    /// Replaces, adds or, with `None`, removes a header.
    pub(crate) fn with_header(mut self, name: &str, value: Option<&str>) -> Self {
        self.headers.retain(|(there, _)| there != name);
        self.headers.extend(value.map(|value| (name.to_owned(), value.as_bytes().to_vec())));
        self
    }
}

pub(crate) fn new_orders(count: usize) -> Vec<SagaKey> {
    (0..count).map(|_| SagaKey(Uuid::now_v7())).collect()
}

/// The numbers 1, 2, … `each` for every one of the sagas, all sagas in turn.
pub(crate) fn rounds(ids: SchemaIds, sagas: &[SagaKey], each: i64) -> Vec<Letter> {
    (1..=each)
        .flat_map(|number| {
            sagas.iter().map(move |saga| Letter::new(ids, *saga, number, Action::Count))
        })
        .collect()
}
