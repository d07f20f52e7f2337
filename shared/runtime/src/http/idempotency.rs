//! Requests that may be sent twice and are carried out once (the header `Idempotency-Key`,
//! draft-ietf-httpapi-idempotency-key-header).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::problem::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The longest key.
const KEY_MAX: usize = 255;

/// What a request is known by when it comes again: 1 to 255 visible ASCII characters. As a string of
/// structured fields, in quotes, as the draft has it, or bare, it is the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub String);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let key = keys.next().ok_or_else(missing)?;
        if keys.next().is_some() {
            return Err(Problem::bad_request("there are several Idempotency-Keys; send one"));
        }
        key.to_str().ok().and_then(key_of).map(Self).ok_or_else(|| {
            Problem::bad_request("the Idempotency-Key must be 1 to 255 visible ASCII characters")
        })
    }
}

fn missing() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "idempotency-key-missing",
        "The header Idempotency-Key is missing",
        "send a header Idempotency-Key with a value of its own for each request, such as a UUID, so \
         that one that is sent twice is carried out once",
    )
}

fn key_of(value: &str) -> Option<String> {
    let key = match value.strip_prefix('"') {
        Some(quoted) => unquoted(quoted)?,
        None => value.to_owned(),
    };
    let fits = (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(key)
}

/// The rest of a string of structured fields (RFC 9651, 3.3.3), without its first quote.
fn unquoted(quoted: &str) -> Option<String> {
    let mut key = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(key),
            '\\' => key.push(characters.next().filter(|next| matches!(next, '"' | '\\'))?),
            character => key.push(character),
        }
    }
}

/// Says of an answer that it was given before, to the same request.
#[must_use]
pub fn replayed(mut answer: Response) -> Response {
    answer.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    answer
}

impl Problem {
    /// 422: the key came with another request before.
    pub fn idempotency_key_reused() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "The key was used for another request",
            "this Idempotency-Key came with another request before; use a new key for a new one",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_bare_keys_are_one() {
        let longest = "k".repeat(255);
        for (value, key) in [
            ("att-1", "att-1"),
            ("\"att-1\"", "att-1"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r"a\b", r"a\b"),
            (&longest, &longest),
            (&format!("\"{longest}\""), &longest),
        ] {
            assert_eq!(key_of(value).as_deref(), Some(key), "{value}");
        }
        let too_long = "k".repeat(256);
        for value in [
            "",
            "\"",
            "\"\"",
            "\"a",
            "\"a\"b",
            "\"a\";p",
            r#""a\b""#,
            "two words",
            "\"two words\"",
            &too_long,
        ] {
            assert_eq!(key_of(value), None, "{value}");
        }
    }
}
