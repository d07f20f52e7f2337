//! The header `Prefer` (RFC 7240, section 2).

use axum::http::{HeaderMap, HeaderName};

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The value of a preference, if the client has it: that of the first one of this name, whatever its
/// case, in all headers `Prefer`. Parameters are passed over. One without a value has an empty one, and
/// what comes after something that cannot be read is not looked at.
pub(super) fn preference(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(preferences).find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, it)| it)
}

fn preferences(value: &str) -> Vec<(String, String)> {
    let (mut rest, mut found) = (value, Vec::new());
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((preference, mut after)) = pair(rest) else { return found };
        found.push(preference);
        while let Some(parameter) = after.strip_prefix(';') {
            let parameter = parameter.trim_start_matches([' ', '\t']);
            after = match pair(parameter) {
                Some((_, after)) => after,
                None if parameter.is_empty() || parameter.starts_with([';', ',']) => parameter,
                None => return found,
            };
        }
        if !after.is_empty() && !after.starts_with(',') {
            return found;
        }
        rest = after;
    }
}

/// `token [ "=" word ]`, where a word is a token or a quoted string; and what comes after it.
fn pair(text: &str) -> Option<((String, String), &str)> {
    let (name, rest) = token(text)?;
    let rest = rest.trim_start_matches([' ', '\t']);
    let Some(value) = rest.strip_prefix('=') else {
        return Some(((name.to_owned(), String::new()), rest));
    };
    let value = value.trim_start_matches([' ', '\t']);
    let (value, rest) = match value.strip_prefix('"') {
        Some(quoted) => unquoted(quoted)?,
        None => token(value).map(|(value, rest)| (value.to_owned(), rest))?,
    };
    Some(((name.to_owned(), value), rest.trim_start_matches([' ', '\t'])))
}

/// RFC 9110, 5.6.2.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    if end == 0 { None } else { Some(text.split_at(end)) }
}

/// The rest of a quoted string after its first quote (RFC 9110, 5.6.4).
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, &quoted[at + 1..])),
            (_, '\\') => value.push(characters.next()?.1),
            (_, character) => value.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn wait(values: &[&'static str]) -> Option<String> {
        let values = values.iter().map(|value| (PREFER, HeaderValue::from_static(value)));
        preference(&values.collect(), "wait")
    }

    #[test]
    fn a_preference_is_found_however_it_is_written() {
        for value in [
            "wait=3",
            "Wait=3",
            "wait = 3",
            "wait=\"3\"",
            "WAIT\t=\t\"\\3\"",
            "respond-async, wait=3",
            "handling=lenient;x=\"a, wait=4; b\" ; y, wait=3;z",
            ", ,wait=3, wait=4",
            "foo=\"x, wait=4, y\",wait=3",
            "a;;b=1;,wait=3",
        ] {
            assert_eq!(wait(&[value]).as_deref(), Some("3"), "{value}");
        }
        assert_eq!(wait(&["respond-async", "wait=3"]).as_deref(), Some("3"));
        assert_eq!(wait(&["wait"]).as_deref(), Some(""));
    }

    #[test]
    fn what_is_no_preference_is_none() {
        for value in [
            "",
            "wait-=3",
            "handling=lenient; wait=3",
            "foo=\"x, wait=3, y\"",
            "foo=\"wait=3",
            "=wait=3",
            "a b, wait=3",
        ] {
            assert_eq!(wait(&[value]), None, "{value}");
        }
    }
}
