use uuid::Uuid;

/// How many hexadecimal digits in a row are taken for an id.
const HEX_ID: usize = 8;
/// The length of a UUID as text.
const UUID: usize = 36;

/// An error's text without what differs from one record to the next: UUIDs and other ids, and
/// numbers. Errors that are alike then have the same text.
pub fn normalised(error: &str) -> String {
    let mut rest = error;
    let mut out = String::with_capacity(error.len());
    while let Some(first) = rest.chars().next() {
        let (read, put) = if !is_word(first) {
            (first.len_utf8(), None)
        } else if let Some(uuid) = rest.get(..UUID).filter(|text| Uuid::try_parse(text).is_ok()) {
            (uuid.len(), Some("<id>".to_owned()))
        } else {
            let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            (word.len(), general(word))
        };
        let (taken, left) = rest.split_at(read);
        out.push_str(put.as_deref().unwrap_or(taken));
        rest = left;
    }
    out
}

/// What stands for a word; `None` for itself.
fn general(word: &str) -> Option<String> {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let is_hex = digits.len() >= HEX_ID && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
    match () {
        () if unit.is_empty() => Some("<n>".to_owned()),
        () if is_hex && digits.bytes().any(|byte| byte.is_ascii_digit()) => Some("<id>".to_owned()),
        // A number with its unit, such as 20s.
        () if unit.len() < word.len() => Some(format!("<n>{unit}")),
        () => None,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_records_is_taken_out() {
        for (error, expected) in [
            ("schema id 2130706433 is not there", "schema id <n> is not there"),
            (
                "order 0198c0de-0000-7000-8000-0123456789ab: no answer in 20s, 1.5 MB",
                "order <id>: no answer in <n>s, <n>.<n> MB",
            ),
            ("commit 9fceb02d0ae598e9 is gone", "commit <id> is gone"),
            ("at 0x7f, 0x7fffdeadbeef00", "at <n>x7f, <id>"),
            ("header ce_id is missing", "header ce_id is missing"),
            ("the defaced façade is an i64", "the defaced façade is an i64"),
            ("„Größe“ 3", "„Größe“ <n>"),
            ("", ""),
        ] {
            assert_eq!(normalised(error), expected);
        }
    }
}
