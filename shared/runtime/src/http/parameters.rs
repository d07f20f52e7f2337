//! Parameters in paths and queries. Every refusal is a [`Problem`].

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::words::in_plain_words;
use crate::problem::Problem;

/// The parameters in a route's path; 400 when they are not a `T`.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path(value) =
            axum::extract::Path::from_request_parts(parts, state).await.map_err(path_problem)?;
        Ok(Self(value))
    }
}

fn path_problem(rejection: PathRejection) -> Problem {
    if rejection.status() == StatusCode::INTERNAL_SERVER_ERROR {
        return Problem::internal(&rejection);
    }
    let PathRejection::FailedToDeserializePathParams(error) = rejection else {
        return Problem::bad_request("the path does not fit");
    };
    Problem::bad_request(match error.into_kind() {
        ErrorKind::Message(message) | ErrorKind::DeserializeError { message, .. } => message,
        ErrorKind::ParseError { value, .. }
        | ErrorKind::ParseErrorAtKey { value, .. }
        | ErrorKind::ParseErrorAtIndex { value, .. } => {
            format!("{value:?} is not what belongs into this path")
        }
        ErrorKind::InvalidUtf8InPathParam { .. } => "the path is not in UTF-8".to_owned(),
        _ => "the path does not fit".to_owned(),
    })
}

/// The parameters after the question mark; 400 when they are not a `T`, come twice, or are not UTF-8
/// in percent-encoding. Those of `T` are best types that say in [`FromStr`] what would be right, by way
/// of [`Parsed`].
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let is_utf8 = percent_decode_str(query).decode_utf8().is_ok();
        if !is_utf8 || !is_percent_encoded(query) {
            let detail = "the query has to be UTF-8 in percent-encoding (RFC 3986, 2.1)";
            return Err(Problem::bad_request(detail));
        }
        let parameters =
            serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(parameters).map(Self).map_err(|error| {
            let detail = in_plain_words(&error.inner().to_string());
            let detail = detail.replacen(" field `", " parameter `", 1);
            Problem::bad_request(match error.path().to_string().as_str() {
                "." => detail,
                parameter if detail.starts_with("is ") => format!("{parameter} {detail}"),
                parameter => format!("{parameter}: {detail}"),
            })
        })
    }
}

/// Whether each `%` has two hexadecimal digits after it.
fn is_percent_encoded(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit))
}

/// A parameter that is read by its [`FromStr`], whose error says what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed<T>(pub T);

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A UUID as the services write it, in lower case with hyphens: of all its spellings one, so that a
/// thing has one URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub Uuid);

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = text.parse::<Uuid>().ok().filter(|id| id.to_string() == text);
        id.map(Self).ok_or_else(|| {
            let start: String = text.chars().take(40).collect();
            format!(
                "{start:?} is not an id: a UUID in lower case with hyphens is, such as \
                 018f0000-0000-7000-8000-000000000000"
            )
        })
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Parsed::deserialize(deserializer).map(|Parsed(id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = "018f0000-0000-7000-8000-00000000000a";
        assert_eq!(id.parse::<Id>().unwrap().0.to_string(), id);
        for other in [
            id.to_uppercase(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
            format!("{id} "),
            "42".to_owned(),
            String::new(),
        ] {
            assert!(other.parse::<Id>().is_err(), "{other}");
        }
    }
}
