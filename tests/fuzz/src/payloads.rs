use std::sync::OnceLock;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use contracts::{Consumes, WriterSchema, frame_schema_id};
use declarations::Schemas;
use inventory::Inventory;
use messaging::Service;
use notification::Notification;
use order::Order;
use payment::Payment;
use shipping::Shipping;

/// The bytes before an event's fields: what frames them.
const FRAME_BYTES: usize = 5;

type Takes = Box<dyn Fn(&WriterSchema, &[u8]) -> bool + Send + Sync>;

/// One event type as one service reads it.
struct Reader {
    event: &'static str,
    schema: &'static str,
    /// Whether the service takes the payload.
    takes: Takes,
    parsed: Schema,
}

/// One version of one event's schema.
struct Writer {
    event: String,
    schema: WriterSchema,
    parsed: Schema,
}

fn readers() -> &'static [Reader] {
    static READERS: OnceLock<Vec<Reader>> = OnceLock::new();
    READERS.get_or_init(|| {
        let mut all = of::<Order>();
        all.extend(of::<Inventory>());
        all.extend(of::<Payment>());
        all.extend(of::<Shipping>());
        all.extend(of::<Notification>());
        all
    })
}

fn of<S: Service>() -> Vec<Reader> {
    let read = |consumes: Consumes<S::Input>| {
        let (event, schema) = (consumes.event_type, consumes.reader_schema);
        let takes =
            move |writer: &WriterSchema, payload: &[u8]| consumes.decode(writer, payload).is_ok();
        Reader { event, schema, takes: Box::new(takes), parsed: parsed(schema) }
    };
    S::declaration().consumes.into_iter().map(read).collect()
}

fn writers() -> &'static [Writer] {
    static WRITERS: OnceLock<Vec<Writer>> = OnceLock::new();
    WRITERS.get_or_init(|| {
        let schemas = Schemas::embedded();
        let writer = |it: &declarations::Schema| Writer {
            event: it.event_type.clone(),
            schema: known(WriterSchema::parse(&it.text)),
            parsed: parsed(&it.text),
        };
        schemas.by_event().flatten().map(writer).collect()
    })
}

/// With UUIDs as texts: whether a text that nobody reads is one is looked at by some implementations
/// only.
fn parsed(schema: &str) -> Schema {
    known(Schema::parse_str(&schema.replace(r#""logicalType": "uuid""#, r#""text": true"#)))
}

/// A schema of ours.
fn known<T, E: std::fmt::Display>(schema: Result<T, E>) -> T {
    match schema {
        Ok(schema) => schema,
        Err(error) => panic!("the tree's own schemas are valid: {error}"),
    }
}

/// A payload: the first byte chooses the schema that it says has written it.
pub(crate) fn payloads(data: &[u8]) {
    let Some((choice, payload)) = data.split_first() else { return };
    let writers = writers();
    let writer = &writers[usize::from(*choice) % writers.len()];
    for reader in readers().iter().filter(|reader| reader.event == writer.event) {
        if !(reader.takes)(&writer.schema, payload) {
            continue;
        }
        assert!(frame_schema_id(payload).is_ok(), "it is framed");
        // Another implementation understands it, too, by Avro's own rules.
        let mut rest = &payload[FRAME_BYTES..];
        let read = GenericDatumReader::builder(&writer.parsed)
            .maybe_reader_schema(Some(&reader.parsed))
            .build()
            .and_then(|datum| datum.read_value(&mut rest));
        assert!(read.is_ok() && rest.is_empty(), "{}: {read:?}, {} left", reader.event, rest.len());
    }
}

/// A schema, as a registry may answer.
pub(crate) fn schemas(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(writer) = WriterSchema::parse(text) else { return };
    for reader in readers() {
        // Whether it can be read is found out in the time of a request, and without a panic.
        let _ = writer.check_readable_as(reader.schema);
    }
}
