//! Values of a version, read in both ways: as Avro resolves them onto the reader's schema, and as the
//! services decode them, by the writer's schema straight into a type with the reader's fields.

mod as_avro;
mod as_services;
mod reading;

use apache_avro::Schema as Avro;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use contracts::generated_values;

pub use self::reading::Reading;
use crate::schema::Schema;

/// Values that a version can write, each with its bytes.
pub(crate) struct Written {
    avro: Avro,
    fast: serde_avro_fast::Schema,
    values: Vec<(Value, Vec<u8>)>,
}

/// What the two ways make of a value.
pub(crate) struct Outcome {
    /// The value, in a few words.
    pub(crate) of: String,
    /// What Avro's resolution makes of it, or why it does not.
    pub(crate) avro: Result<Reading, String>,
    /// What a service makes of it, or where and why it does not.
    pub(crate) service: Result<Reading, (String, String)>,
}

impl Written {
    /// The values of the schema with this text, or why there are none.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let avro = Avro::parse_str(text).map_err(|error| error.to_string())?;
        let fast: serde_avro_fast::Schema = text
            .parse()
            .map_err(|error: serde_avro_fast::schema::SchemaError| error.to_string())?;
        let datum =
            GenericDatumWriter::builder(&avro).build().map_err(|error| error.to_string())?;
        let write = |value: Value| {
            let bytes =
                datum.write_value_to_vec(value.clone()).map_err(|error| error.to_string())?;
            Ok::<_, String>((value, bytes))
        };
        let generated = generated_values(&avro);
        if generated.is_empty() {
            return Err("no value of it ends".to_owned());
        }
        let values = generated.into_iter().map(|it| write(it.value)).collect::<Result<_, _>>()?;
        Ok(Self { avro, fast, values })
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// What is made of each value with this reader schema, which has this text.
    pub(crate) fn read(&self, reader: &Schema, text: &str) -> Result<Vec<Outcome>, String> {
        let avro = Avro::parse_str(text).map_err(|error| error.to_string())?;
        let outcome = |(value, bytes): &(Value, Vec<u8>)| Outcome {
            of: shortened(value),
            avro: as_avro::read(bytes, &self.avro, &avro, reader),
            service: as_services::read(bytes, &self.fast, reader),
        };
        Ok(self.values.iter().map(outcome).collect())
    }
}

/// The longest value that is told, in characters.
const TOLD_MAX: usize = 160;

fn shortened(value: &Value) -> String {
    let text = match serde_json::Value::try_from(value.clone()) {
        Ok(json) => json.to_string(),
        Err(_) => format!("{value:?}"),
    };
    if text.chars().count() <= TOLD_MAX {
        return text;
    }
    text.chars().take(TOLD_MAX).chain(['…']).collect()
}
