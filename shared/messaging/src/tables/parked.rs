use std::time::Duration;

use jiff::Timestamp;
use kafka::Scanned;
use kernel::SagaKey;
use rdkafka::message::Headers as _;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::statement::storable;
use crate::failure::Failure;

/// A record as it was read, kept whole: it may have to go to the dead-letter topic as it came.
#[derive(Debug, Clone)]
pub(crate) struct Parked {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// When it was written, in milliseconds since 1970; -1 if it does not say. With its place this
    /// tells it from all other records, also when a topic is made anew.
    pub(crate) written_ms: i64,
    pub(crate) saga: Option<SagaKey>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) payload: Option<Vec<u8>>,
    /// How many bytes the payload has, if they are too many to be kept.
    pub(crate) cut: Option<i64>,
    pub(crate) attempts: u32,
    /// When it failed first, by the database's clock, and how long ago that was when the row was
    /// read. A record that is not in the queue has neither.
    pub(crate) first_failed_at: Option<Timestamp>,
    pub(crate) age: Duration,
    pub(crate) last_failed_at: Option<Timestamp>,
    pub(crate) errors: Vec<String>,
}

/// The columns that a [`Parked`] is read from.
pub(crate) const COLUMNS: &str = "topic, partition, record_offset, written_ms, saga, key, header_names, \
     header_values, payload, payload_cut, attempts, first_failed_at, last_failed_at, errors, \
     coalesce(extract(epoch FROM now() - first_failed_at), 0)::float8 AS age_s";

/// The most that is kept of a payload, in bytes: thirty times what an event can have.
const KEPT_MAX: usize = 8 * 1024 * 1024;
/// What stands for the time of a record that does not say when it was written.
const NOT_SAID: i64 = -1;

/// The most errors kept of one record: the first and the latest tell most.
const ERRORS_MAX: usize = 20;
/// The longest error text kept, in characters.
const ERROR_LENGTH: usize = 1_000;

impl Parked {
    pub(crate) fn from_record(record: &impl rdkafka::Message, saga: Option<SagaKey>) -> Self {
        let headers = record.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                .collect()
        });
        Self { saga, headers, ..Self::without_headers(record) }
    }

    /// A record of unknown saga whose headers cannot be read.
    pub(crate) fn without_headers(record: &impl rdkafka::Message) -> Self {
        let key = record.key().map(<[u8]>::to_vec);
        let written_ms = record.timestamp().to_millis().unwrap_or(NOT_SAID);
        let place = (record.topic(), record.partition(), record.offset());
        Self::new(place, written_ms, key, record.payload())
    }

    /// A record that a scan came by.
    pub(crate) fn from_scanned(record: &Scanned<'_>, saga: Option<SagaKey>) -> Self {
        let headers = record.headers.iter().flatten();
        let key = record.key.map(<[u8]>::to_vec);
        let written_ms = record.timestamp.map_or(NOT_SAID, Timestamp::as_millisecond);
        let place = (record.topic, record.partition, record.offset);
        Self {
            saga,
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
            ..Self::new(place, written_ms, key, record.payload)
        }
    }

    fn new(
        (topic, partition, offset): (&str, i32, i64),
        written_ms: i64,
        key: Option<Vec<u8>>,
        payload: Option<&[u8]>,
    ) -> Self {
        // A record that is small on the wire can be huge once it is decompressed.
        let length = payload.map_or(0, <[u8]>::len);
        let kept = payload.map(|payload| payload[..length.min(KEPT_MAX)].to_vec());
        let cut = (length > KEPT_MAX).then(|| i64::try_from(length).unwrap_or(i64::MAX));
        Self {
            topic: topic.to_owned(),
            partition,
            offset,
            written_ms,
            saga: None,
            key,
            headers: Vec::new(),
            payload: kept,
            cut,
            attempts: 0,
            first_failed_at: None,
            age: Duration::ZERO,
            last_failed_at: None,
            errors: Vec::new(),
        }
    }

    pub(crate) fn from_row(row: &PgRow) -> Result<Self, Failure> {
        let names: Vec<String> = row.try_get("header_names")?;
        let values: Vec<Option<Vec<u8>>> = row.try_get("header_values")?;
        let time = |column| -> Result<Option<Timestamp>, Failure> {
            let time: Option<jiff_sqlx::Timestamp> = row.try_get(column)?;
            Ok(time.map(jiff_sqlx::Timestamp::to_jiff))
        };
        let age_s: f64 = row.try_get("age_s")?;
        Ok(Self {
            topic: row.try_get("topic")?,
            partition: row.try_get("partition")?,
            offset: row.try_get("record_offset")?,
            written_ms: row.try_get("written_ms")?,
            saga: row.try_get::<Option<Uuid>, _>("saga")?.map(SagaKey),
            key: row.try_get("key")?,
            headers: names.into_iter().zip(values).collect(),
            payload: row.try_get("payload")?,
            cut: row.try_get("payload_cut")?,
            attempts: row.try_get::<i32, _>("attempts")?.unsigned_abs(),
            first_failed_at: time("first_failed_at")?,
            age: Duration::try_from_secs_f64(age_s).unwrap_or_default(),
            last_failed_at: time("last_failed_at")?,
            errors: row.try_get("errors")?,
        })
    }

    /// The record after one more failed try.
    #[must_use]
    pub(crate) fn failed(mut self, error: &str) -> Self {
        self.attempts += 1;
        if self.errors.len() == ERRORS_MAX {
            self.errors.remove(1);
        }
        self.errors.push(storable(error, ERROR_LENGTH).into_owned());
        self
    }

    /// The record with nothing in its texts that a database might not take, whatever its encoding.
    #[must_use]
    pub(crate) fn in_ascii(mut self) -> Self {
        let ascii = |text: &str| -> String {
            text.chars().map(|c| if c.is_ascii() && c != '\0' { c } else { '?' }).collect()
        };
        self.errors.iter_mut().for_each(|error| *error = ascii(error));
        self.headers.iter_mut().for_each(|(name, _)| *name = ascii(name));
        self
    }

    /// The record's headers, for decoding.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}
