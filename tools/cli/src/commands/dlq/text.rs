//! How things are said to people.

use jiff::Timestamp;

/// How long ago something was, in its largest unit.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    let (count, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3_600 => (seconds / 60, "min"),
        3_600..172_800 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("{count} {unit} ago")
}

/// `1 dead letter`, `2 dead letters`.
pub(crate) fn letters(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} dead letter{plural}")
}

/// At most so many characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Bytes as people look at them: offset, hexadecimal and, if wanted, what of it is text.
pub(crate) fn hex_dump(bytes: &[u8], with_text: bool) -> String {
    let lines = bytes.chunks(16).zip((0..).step_by(16)).map(|(line, offset)| {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        if !with_text {
            return format!("{offset:08x}  {}", hex.join(" "));
        }
        let text: String = line.iter().map(|byte| printable(*byte)).collect();
        format!("{offset:08x}  {:<47}  {text}", hex.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn printable(byte: u8) -> char {
    if byte.is_ascii_graphic() || byte == b' ' { byte.into() } else { '.' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_their_largest_unit() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let said = |seconds: i64| ago(Timestamp::from_second(1_000_000 - seconds).unwrap(), now);
        let expected = ["0 s ago", "59 s ago", "1 min ago", "47 h ago", "2 d ago", "0 s ago"];
        assert_eq!([0, 59, 60, 172_799, 172_800, -5].map(said), expected);
    }

    #[test]
    fn bytes_are_dumped_in_lines_of_sixteen() {
        let dump = hex_dump(b"\0\0\0\0\x2aa text of more than a line", true);
        assert_eq!(
            dump.lines().next().unwrap(),
            "00000000  00 00 00 00 2a 61 20 74 65 78 74 20 6f 66 20 6d  ....*a text of m"
        );
        assert!(dump.ends_with("ore than a line"), "{dump}");
        assert_eq!(hex_dump(b"ab", false), "00000000  61 62");
        assert_eq!(shortened("größer", 3), "grö…");
    }
}
