//! What others would say of a change, to compare the rules with: a registry, and what really happens to
//! values.

use apache_avro::Schema as Avro;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

use crate::decoding::Written;
use crate::schema::Schema;

/// What a registry that goes by Avro's rules says of a next version, with `FULL_TRANSITIVE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    /// It is taken.
    Takes,
    /// It is refused.
    Refuses,
}

/// What apache-avro's rules say of two versions, both ways.
pub fn registry(old: &str, new: &str) -> Registry {
    let (Ok(old), Ok(new)) = (Avro::parse_str(old), Avro::parse_str(new)) else {
        return Registry::Refuses;
    };
    match SchemaCompatibility::mutual_read(&old, &new) {
        Ok(Compatibility::Full) => Registry::Takes,
        Ok(Compatibility::Partial) | Err(_) => Registry::Refuses,
    }
}

/// What happens to the values of a version where a service reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// All are read, and as Avro says.
    Read,
    /// Some are read as something else than Avro says.
    Mistaken,
    /// Some cannot be read.
    Lost,
}

/// What happens to values of `writer` where they are read with `reader`, or why that cannot be known.
pub fn fate(writer: &str, reader: &str) -> Result<Fate, String> {
    let schema = Schema::parse(reader)?;
    let outcomes = Written::new(writer)?.read(&schema, reader)?;
    let of = |outcome: &crate::decoding::Outcome| match (&outcome.avro, &outcome.service) {
        (_, Err(_)) => Fate::Lost,
        (Ok(avro), Ok(service)) if avro.difference(service).is_none() => Fate::Read,
        _ => Fate::Mistaken,
    };
    let fates: Vec<Fate> = outcomes.iter().map(of).collect();
    let worst = [Fate::Lost, Fate::Mistaken].into_iter().find(|fate| fates.contains(fate));
    Ok(worst.unwrap_or(Fate::Read))
}
