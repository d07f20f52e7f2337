use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

/// The longest text in an event, in bytes. The longest that the API takes is 254 characters.
const MAX_TEXT_BYTES: usize = 4_096;

/// A value of whatever shape whose texts, map keys included, are short and without control
/// characters, as the API wants them. Nothing is kept of it.
pub(super) struct CleanTexts;

impl<'de> Deserialize<'de> for CleanTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Check)
    }
}

struct Check;

impl<'de> Visitor<'de> for Check {
    type Value = CleanTexts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "text of up to {MAX_TEXT_BYTES} bytes without control characters")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<CleanTexts, E> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(E::invalid_length(text.len(), &self));
        }
        match text.chars().find(|c| c.is_control()) {
            Some(control) => Err(E::invalid_value(Unexpected::Char(control), &self)),
            None => Ok(CleanTexts),
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<CleanTexts, E> {
        Ok(CleanTexts)
    }

    fn visit_i64<E>(self, _: i64) -> Result<CleanTexts, E> {
        Ok(CleanTexts)
    }

    fn visit_u64<E>(self, _: u64) -> Result<CleanTexts, E> {
        Ok(CleanTexts)
    }

    fn visit_f64<E>(self, _: f64) -> Result<CleanTexts, E> {
        Ok(CleanTexts)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<CleanTexts, E> {
        Ok(CleanTexts)
    }

    fn visit_unit<E>(self) -> Result<CleanTexts, E> {
        Ok(CleanTexts)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<CleanTexts, A::Error> {
        while items.next_element::<CleanTexts>()?.is_some() {}
        Ok(CleanTexts)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<CleanTexts, A::Error> {
        while entries.next_entry::<CleanTexts, CleanTexts>()?.is_some() {}
        Ok(CleanTexts)
    }
}
