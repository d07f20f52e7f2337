//! What a text from outside may be: one line that a person can read, whole.
//!
//! Names and addresses come in all scripts, so the rule is by what it refuses: characters that cannot be
//! seen, that turn the direction of what follows, or that end a line. They would make two texts look the
//! same, or one look like another, in a mail, on a label, or in an operator's terminal. Two kinds of
//! invisible characters are part of writing, and pass where they are: variation selectors after the
//! character whose form they choose, and joiners (U+200C, U+200D) within Arabic, Indic and similar words,
//! and emoji.
//!
//! [`pattern`] is the same rule as a regular expression, for a schema. Both are made from the same tables.

use std::fmt::Write as _;

use thiserror::Error;

type Range = (char, char);

/// Controls, invisible fillers, direction marks, line and paragraph separators, the byte order mark,
/// tags, and what is not a character. (`Cc`, most of `Cf`, and the blank ones of `Lo` in Unicode.)
const REFUSED: [Range; 24] = [
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200b}'),
    ('\u{200e}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fdd0}', '\u{fdef}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{fffe}', '\u{ffff}'),
    ('\u{13430}', '\u{1345f}'),
    ('\u{1bca0}', '\u{1bcaf}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{1fffe}', '\u{1ffff}'),
    ('\u{e0000}', '\u{e00ff}'),
    ('\u{e01f0}', '\u{e0fff}'),
];

/// Spaces of all widths: fine within a text, but not all of it.
const BLANK: [Range; 8] = [
    (' ', ' '),
    ('\u{a0}', '\u{a0}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{2000}', '\u{200a}'),
    ('\u{202f}', '\u{202f}'),
    ('\u{205f}', '\u{205f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3000}', '\u{3000}'),
];

/// They choose a form of the character before them.
const SELECTORS: [Range; 4] = [
    ('\u{180b}', '\u{180d}'),
    ('\u{180f}', '\u{180f}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{e0100}', '\u{e01ef}'),
];

/// They join or part the characters on either side.
const JOINERS: [Range; 1] = [('\u{200c}', '\u{200d}')];

/// Where joiners are part of writing: Arabic to Sinhala, Myanmar, Khmer, Mongolian, what is written like
/// these, and emoji.
const JOINED: [Range; 10] = [
    ('\u{620}', '\u{dff}'),
    ('\u{1000}', '\u{109f}'),
    ('\u{1780}', '\u{17b3}'),
    ('\u{17b6}', '\u{17ff}'),
    ('\u{1820}', '\u{18af}'),
    ('\u{1a20}', '\u{1c4f}'),
    ('\u{2600}', '\u{27bf}'),
    ('\u{a840}', '\u{abff}'),
    ('\u{11000}', '\u{11fff}'),
    ('\u{1f000}', '\u{1faff}'),
];

/// The selector that makes an emoji of a character; a joiner may follow it.
const EMOJI_SELECTOR: char = '\u{fe0f}';

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidText {
    /// Nothing can be seen of it.
    #[error("must not be empty")]
    Empty,
    /// It has more characters than it may.
    #[error("must be at most {0} characters")]
    TooLong(usize),
    /// It has a character that cannot be seen, or does more than to be seen.
    #[error("must not have control characters or invisible ones, such as its U+{:04X}", u32::from(*.0))]
    Unreadable(char),
}

/// What is wrong with an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "is not one e-mail address: name@domain is, in ASCII and without spaces, commas, quotes or angle \
     brackets (domains such as bücher.example as xn--bcher-kva.example)"
)]
pub struct InvalidEmail;

/// The most characters of an e-mail address: what fits into SMTP's path (RFC 5321, 4.5.3.1.3).
pub const EMAIL_MAX: usize = 254;

/// Says what is wrong with a text of at most `max` characters.
pub fn check_text(text: &str, max: usize) -> Result<(), InvalidText> {
    let (mut before, mut visible, mut count) = ([None; 2], false, 0);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        count += 1;
        let fits = if is_in(&JOINERS, character) {
            let joined = |side: Option<char>| side.is_some_and(|side| is_in(&JOINED, side));
            let after_emoji = before[0] == Some(EMOJI_SELECTOR) && joined(before[1]);
            (joined(before[0]) || after_emoji) && joined(characters.peek().copied())
        } else if is_in(&SELECTORS, character) {
            before[0].is_some_and(is_plain)
        } else {
            !is_in(&REFUSED, character)
        };
        if !fits {
            return Err(InvalidText::Unreadable(character));
        }
        visible |= is_plain(character);
        before = [Some(character), before[0]];
    }
    if !visible {
        Err(InvalidText::Empty)
    } else if count > max {
        Err(InvalidText::TooLong(max))
    } else {
        Ok(())
    }
}

/// Says whether a text is one e-mail address: what HTML takes for one in a form
/// (`<input type="email">`), which leaves out what RFC 5322 has for mail programs: comments, quoted
/// names, and several addresses in one.
pub fn check_email(text: &str) -> Result<(), InvalidEmail> {
    let is_atom = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        (1..=63).contains(&bytes.len())
            && ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
            && bytes.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_address = text.len() <= EMAIL_MAX
        && text.split_once('@').is_some_and(|(name, domain)| {
            (1..=64).contains(&name.len())
                && name.bytes().all(is_atom)
                && domain.split('.').all(is_label)
        });
    if is_address { Ok(()) } else { Err(InvalidEmail) }
}

/// What [`check_email`] takes, but for the length, as a regular expression.
pub const EMAIL_PATTERN: &str = "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@\
    [A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\
    (?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$";

/// What [`check_text`] takes, but for the length, as a regular expression in the dialect of JSON schema
/// (ECMA-262, with Unicode).
pub fn pattern() -> String {
    let ranges =
        |tables: &[&[Range]]| tables.iter().copied().flatten().copied().fold(String::new(), class);
    let plain = ranges(&[&REFUSED, &BLANK, &SELECTORS, &JOINERS]);
    let (blank, selectors) = (ranges(&[&BLANK]), ranges(&[&SELECTORS]));
    let (joiners, joined) = (ranges(&[&JOINERS]), ranges(&[&JOINED]));
    let emoji = class(String::new(), (EMOJI_SELECTOR, EMOJI_SELECTOR));
    // What is neither blank nor refused can only begin with a plain character.
    format!(
        "^[{blank}]*(?=[^{plain}])\
         (?:[{joined}]{emoji}?[{joiners}](?=[{joined}])|[^{plain}][{selectors}]?|[{blank}])*$"
    )
}

/// Adds a range to a regular expression's class. Escapes reach as far as four digits in every dialect;
/// what is beyond stands for itself.
fn class(class: String, (first, last): Range) -> String {
    let class = character(class, first);
    if first == last { class } else { character(class + "-", last) }
}

fn character(mut class: String, character: char) -> String {
    match u32::from(character) {
        code @ ..=0xffff => {
            // A string takes whatever is written to it.
            let _ = write!(class, "\\u{code:04x}");
        }
        _ => class.push(character),
    }
    class
}

fn is_plain(character: char) -> bool {
    ![&REFUSED[..], &BLANK, &SELECTORS, &JOINERS].iter().any(|table| is_in(table, character))
}

fn is_in(table: &[Range], character: char) -> bool {
    table.iter().any(|&(first, last)| (first..=last).contains(&character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_all_scripts_pass() {
        for name in [
            "Ada Lovelace",
            "Zoë O’Connor-Łukasiewicz",
            "Nguyễn Thị Minh Khai",
            "Владимир Набоков",
            "Οδυσσέας Ελύτης",
            "أحمد زويل",
            "علی\u{200c}رضا", // Persian parts a name's halves by U+200C
            "שמואל יוסף עגנון",
            "अमृता प्रीतम",
            "ක්\u{200d}රිස්ටි", // Sinhala joins letters by U+200D
            "ආචාර්ය ශ්\u{200d}රී",
            "ဒေါ်အောင်ဆန်းစုကြည်",
            "ព្រះបាទ នរោត្តម",
            "ទ្រី",
            "ᠮᠣᠩᠭᠣᠯ\u{180b}",
            "สุนทรภู่",
            "葛\u{e0100}飾北斎", // the form of a character, by a variation selector
            "김 소월",
            "毛泽东　先生",
            "Tea ❤\u{fe0f} 👩\u{200d}🔬 ⛹\u{fe0f}\u{200d}♀\u{fe0f}",
            "12 St James's Square, 3º Esq. №5",
        ] {
            assert_eq!(check_text(name, 200), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let refused = "\0\t\n\r\u{1b}\u{7f}\u{85}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200c}\
            \u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2064}\u{2066}\u{2069}\u{3164}\
            \u{feff}\u{ffa0}\u{fff9}\u{fffe}\u{e0001}\u{e0041}";
        for character in refused.chars() {
            let unreadable = Err(InvalidText::Unreadable(character));
            for text in [
                format!("A{character}b"),
                format!("{character}"),
                format!("{character}Ada"),
                format!("Ada{character}"),
                format!("زا {character}"),
            ] {
                assert_eq!(check_text(&text, 200), unreadable, "{text:?}");
            }
        }
        for text in
            ["\u{fe0f}A", " \u{fe0f}", "A\u{fe0f}\u{fe0f}", "ا\u{200c}\u{200c}ا", "ا\u{200d}b"]
        {
            assert!(matches!(check_text(text, 9), Err(InvalidText::Unreadable(_))), "{text:?}");
        }
    }

    #[test]
    fn what_is_empty_or_long_is_refused() {
        for text in ["", " ", "\u{a0}\u{3000}\u{2800}"] {
            assert_eq!(check_text(text, 9), Err(InvalidText::Empty), "{text:?}");
        }
        assert_eq!(check_text("äöü", 3), Ok(()));
        assert_eq!(check_text("äöüß", 3), Err(InvalidText::TooLong(3)));
    }

    #[test]
    fn an_address_is_one() {
        let longest_label = "x".repeat(63);
        for address in [
            "ada@example.org",
            "a.b+c@mail.example.co.uk",
            "o'connor_1@x",
            "..@xn--bcher-kva.example",
            &format!("a@{longest_label}.org"),
        ] {
            assert_eq!(check_email(address), Ok(()), "{address}");
        }
        for none in [
            "",
            "@",
            " @ ",
            "ada",
            "ada@",
            "@x.org",
            "a@@x",
            "a@b@c",
            "a@x.org,b@x.org",
            "a@x.org;b@x.org",
            "N <a@x.org>",
            "<script>@x",
            "a b@x.org",
            " a@x.org",
            "a@x.org ",
            "a@x.org\u{200b}",
            "a@x\u{2028}.org",
            "a\u{ff0c}b@x.org",
            "a\u{ff20}x.org",
            "\"a b\"@x.org",
            "a@x..org",
            "a@.x",
            "a@x.",
            "a@-x.org",
            "a@x-.org",
            "a@x_y.org",
            "a@[127.0.0.1]",
            "a@x.org\r\nBcc: b@x.org",
            "é@x.org",
            &format!("{}@x.org", "a".repeat(65)),
            &format!("a@{longest_label}x.org"),
            &format!("a@{}x", "x.".repeat(130)),
        ] {
            assert_eq!(check_email(none), Err(InvalidEmail), "{none:?}");
        }
    }
}
