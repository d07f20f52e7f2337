//! Text that comes from outside, as it may be shown.
//!
//! Control characters, characters that turn the direction of text, and those that cannot be seen are
//! shown by their numbers, so that none can do more to a terminal than be read on it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// On one line, whatever is in it.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| true, in_text)
}

/// On the lines on which it is.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n', in_text)
}

/// JSON that says the same. Outside of its strings there are line ends only, and those stay.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n', in_json)
}

/// The text with what is not shown as it is put in another way, as far as that is `forbidden`.
fn escaped(
    text: &str,
    forbidden: impl Fn(char) -> bool,
    put: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    let harmful = |c: char| (c.is_control() || is_invisible(c)) && forbidden(c);
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmful(c) { put(c, &mut out) } else { out.push(c) }
    }
    Cow::Owned(out)
}

fn in_text(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => out.extend(c.escape_unicode()),
    }
}

fn in_json(c: char, out: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// Characters that turn the direction of text, end lines, or are not seen: what Unicode calls
/// default ignorable code points (UAX #44), the separators U+2028 and U+2029, and the marks for
/// annotations.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_by_its_number() {
        let hostile = "a\u{1b}[31m\u{7}\u{202e}b\u{200b}\u{85}\u{7f}\u{feff}\u{e0041}\r\n\tc";
        assert_eq!(
            one_line(hostile),
            "a\\u{1b}[31m\\u{7}\\u{202e}b\\u{200b}\\u{85}\\u{7f}\\u{feff}\\u{e0041}\\r\\n\\tc"
        );
        assert_eq!(one_line("größer als 5 €, 日本"), "größer als 5 €, 日本");
        assert_eq!(lines("a\nb\u{202e}"), "a\nb\\u{202e}");
    }

    #[test]
    fn json_stays_json() {
        let hostile = "\u{1b}\u{202e}\u{7f}\u{e0041}\n";
        let text = serde_json::to_string(hostile).unwrap();
        let shown = json(&text);
        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), hostile);
    }
}
