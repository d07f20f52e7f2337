//! What is wrong with a value, in the words of JSON instead of those of the program.

/// Longer values are cut where an error repeats them.
const VALUE_MAX: usize = 60;

/// The text of an error of serde's, which has no other form, in plain words; what is not known here stays
/// as it is.
pub(super) fn in_plain_words(error: &str) -> String {
    let error = error.rfind(" at line ").map_or(error, |place| &error[..place]);
    let ill = ["invalid type: ", "invalid value: "].iter().find_map(|it| error.strip_prefix(it));
    if let Some((found, wanted)) = ill.and_then(|ill| ill.rsplit_once(", expected ")) {
        return format!("is {}, but must be {}", plain_value(found), plain_type(wanted));
    }
    let unknown = error.strip_prefix("unknown variant ");
    if let Some((value, possible)) = unknown.and_then(|it| it.split_once(", expected ")) {
        let value = shortened(value);
        return format!("is {value}, but must be {possible}");
    }
    shortened(error)
}

fn plain_value(found: &str) -> String {
    let value = match found {
        "sequence" => return "an array".to_owned(),
        "map" => return "an object".to_owned(),
        "unit value" => return "null".to_owned(),
        found => found
            .strip_prefix("string ")
            .or_else(|| found.strip_prefix("integer "))
            .or_else(|| found.strip_prefix("floating point "))
            .or_else(|| found.strip_prefix("boolean "))
            .unwrap_or(found),
    };
    shortened(value.trim_matches('`'))
}

fn plain_type(wanted: &str) -> String {
    let whole = |least: i128, most: i128| format!("a whole number from {least} to {most}");
    match wanted {
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" | "usize" => whole(0, u64::MAX.into()),
        "i8" => whole(i8::MIN.into(), i8::MAX.into()),
        "i16" => whole(i16::MIN.into(), i16::MAX.into()),
        "i32" => whole(i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" => whole(i64::MIN.into(), i64::MAX.into()),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "an object".to_owned(),
        "string or map" => "a string".to_owned(),
        wanted if wanted.starts_with("struct ") => "an object".to_owned(),
        wanted => wanted.to_owned(),
    }
}

fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let mut start: String = characters.by_ref().take(VALUE_MAX).collect();
    if characters.next().is_some() {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_in_plain_words() {
        let whole = "a whole number from 0 to 4294967295";
        for (error, plain) in [
            (
                "invalid type: integer `-1`, expected u32 at line 1 column 2",
                format!("is -1, but must be {whole}"),
            ),
            (
                "invalid type: floating point `1.5`, expected u32",
                format!("is 1.5, but must be {whole}"),
            ),
            (
                "invalid type: string \"a, expected b\", expected u32",
                format!("is \"a, expected b\", but must be {whole}"),
            ),
            (
                "invalid type: null, expected struct PlaceOrder",
                "is null, but must be an object".to_owned(),
            ),
            (
                "invalid type: sequence, expected a string",
                "is an array, but must be a string".to_owned(),
            ),
            (
                "invalid type: map, expected a boolean",
                "is an object, but must be true or false".to_owned(),
            ),
            ("missing field `sku` at line 3 column 4", "missing field `sku`".to_owned()),
            (
                "unknown variant `lost`, expected `a` or `b`",
                "is `lost`, but must be `a` or `b`".to_owned(),
            ),
        ] {
            assert_eq!(in_plain_words(error), plain);
        }
        let long =
            in_plain_words(&format!("invalid type: string {:?}, expected a map", "x".repeat(999)));
        assert!(long.ends_with("…, but must be an object") && long.len() < 120, "{long}");
    }
}
