//! As Avro says that it is read: by apache-avro, which resolves each value onto the reader's schema.

use apache_avro::Schema as Avro;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;

use super::reading::Reading;
use crate::schema::{Schema, Shape, Type};

pub(super) fn read(
    mut bytes: &[u8],
    writer: &Avro,
    avro: &Avro,
    reader: &Schema,
) -> Result<Reading, String> {
    let datum = GenericDatumReader::builder(writer).reader_schema(avro).build();
    let value =
        datum.and_then(|datum| datum.read_value(&mut bytes)).map_err(|error| error.to_string())?;
    if !bytes.is_empty() {
        return Err(format!("{} bytes are left over", bytes.len()));
    }
    reading(value, &reader.root, reader).ok_or_else(|| "it is of no type of the reader".to_owned())
}

/// The value in the form that both ways share. The reader's schema only tells which branch of a union
/// and which record it is; apache-avro has done the rest.
fn reading(value: Value, of: &Type, schema: &Schema) -> Option<Reading> {
    let of = schema.definition(of);
    Some(match value {
        Value::Null => Reading::Null,
        Value::Boolean(value) => Reading::Boolean(value),
        Value::Int(number) | Value::Date(number) | Value::TimeMillis(number) => {
            Reading::Integer(number.into())
        }
        Value::Long(number)
        | Value::TimeMicros(number)
        | Value::TimestampMillis(number)
        | Value::TimestampMicros(number)
        | Value::TimestampNanos(number)
        | Value::LocalTimestampMillis(number)
        | Value::LocalTimestampMicros(number)
        | Value::LocalTimestampNanos(number) => Reading::Integer(number),
        Value::Float(number) => Reading::Float(number.into()),
        Value::Double(number) => Reading::Float(number),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => Reading::Bytes(bytes),
        Value::String(text) | Value::Enum(_, text) => Reading::Text(text),
        Value::Uuid(uuid) if matches!(of.shape, Shape::Fixed(_)) => {
            Reading::Bytes(uuid.as_bytes().to_vec())
        }
        Value::Uuid(uuid) => Reading::Text(uuid.to_string()),
        Value::Decimal(decimal) => {
            let scale = of.logical.as_ref().and_then(|logical| Some(logical.digits?.1));
            let bytes = Vec::<u8>::try_from(&decimal).ok()?;
            match scale {
                Some(scale) => Reading::Text(decimal_text(&bytes, scale)?),
                None => Reading::Bytes(bytes),
            }
        }
        Value::Duration(duration) => Reading::Bytes(<[u8; 12]>::from(duration).to_vec()),
        Value::BigDecimal(number) => Reading::Text(number.to_string()),
        Value::Union(at, value) => match &of.shape {
            Shape::Union(branches) => {
                reading(*value, branches.get(usize::try_from(at).ok()?)?, schema)?
            }
            _ => reading(*value, of, schema)?,
        },
        Value::Array(items) => {
            let Shape::Array(of) = &of.shape else { return None };
            let items = items.into_iter().map(|item| reading(item, of, schema));
            Reading::List(items.collect::<Option<_>>()?)
        }
        Value::Map(entries) => {
            let Shape::Map(of) = &of.shape else { return None };
            let entries =
                entries.into_iter().map(|(name, it)| Some((name, reading(it, of, schema)?)));
            Reading::Members(entries.collect::<Option<_>>()?)
        }
        Value::Record(fields) => {
            let Shape::Record(of) = &of.shape else { return None };
            let fields = fields.into_iter().map(|(name, it)| {
                let field = of.iter().find(|field| field.name == name)?;
                Some((name, reading(it, &field.of, schema)?))
            });
            Reading::Members(fields.collect::<Option<_>>()?)
        }
    })
}

/// An amount as a text, of a number of at most 16 bytes, big-endian, with so many digits behind the
/// point.
fn decimal_text(bytes: &[u8], scale: u64) -> Option<String> {
    let is_negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    // Past what is a number here, only the sign goes on.
    let at = bytes.len().saturating_sub(16);
    let mut whole = [if is_negative { u8::MAX } else { 0 }; 16];
    whole[16 - (bytes.len() - at)..].copy_from_slice(&bytes[at..]);
    let number = i128::from_be_bytes(whole);
    let scale = usize::try_from(scale).ok()?;
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = scale + 1);
    let (before, behind) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    Some(format!("{}{before}{point}{behind}", if number < 0 { "-" } else { "" }))
}
