use std::fmt;

use kernel::text::{InvalidText, check_text};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The longest text in an event, in characters. The longest that the API takes has 254.
const MAX_TEXT_CHARS: usize = 4_096;

/// A value of whatever shape whose texts, map keys included, are what the API takes as texts, or
/// empty. Nothing is kept of it.
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
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<CleanTexts, E> {
        // Most are, and the tables need not be asked.
        let is_plain = |b: u8| matches!(b, b' '..=b'~');
        if text.len() <= MAX_TEXT_CHARS && text.bytes().all(is_plain) {
            return Ok(CleanTexts);
        }
        match check_text(text, MAX_TEXT_CHARS) {
            Ok(()) | Err(InvalidText::Empty) => Ok(CleanTexts),
            Err(wrong) => Err(E::custom(format_args!("a text {wrong}"))),
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
