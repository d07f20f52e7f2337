//! Conditional requests (RFC 9110, section 13): read again only what has changed, and change only what
//! one has seen.

use axum::extract::FromRequestParts;
use axum::http::header::{CACHE_CONTROL, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Json;
use crate::problem::Problem;

/// What a representation may be kept for: to be asked about.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// Names one state of a thing (a strong entity tag): the same for the same representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag(String);

impl EntityTag {
    /// That of a representation.
    pub fn of(representation: &impl Serialize) -> Self {
        // What is answered can be written as JSON.
        let json = serde_json::to_vec(representation).unwrap_or_default();
        let digest = Sha256::digest(&json);
        Self(digest[..12].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("\"{}\"", self.0)).ok()
    }
}

/// An answer with its entity tag.
#[derive(Debug, Clone)]
pub struct Tagged<T>(pub StatusCode, pub T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = EntityTag::of(&self.1);
        with_tag((self.0, Json(self.1)).into_response(), &tag)
    }
}

fn with_tag(mut response: Response, tag: &EntityTag) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, REVALIDATE);
    response.headers_mut().extend(tag.header().map(|tag| (ETAG, tag)));
    response
}

/// What a request has to be true of the thing that it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

/// The thing that a request is about, as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Current<'t> {
    /// There is none.
    Missing,
    /// There is one, which has no entity tag.
    Untagged,
    /// There is one with this entity tag.
    Tagged(&'t EntityTag),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    These(Vec<Tag>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    is_weak: bool,
    opaque: String,
}

impl Tags {
    /// By strong comparison, weak tags match nothing.
    fn match_strongly(&self, current: Current<'_>) -> bool {
        self.matches(current, |tag, current| !tag.is_weak && tag.opaque == current.0)
    }

    fn match_weakly(&self, current: Current<'_>) -> bool {
        self.matches(current, |tag, current| tag.opaque == current.0)
    }

    fn matches(&self, current: Current<'_>, same: fn(&Tag, &EntityTag) -> bool) -> bool {
        match (self, current) {
            (_, Current::Missing) => false,
            (Self::Any, _) => true,
            (Self::These(_), Current::Untagged) => false,
            (Self::These(tags), Current::Tagged(current)) => {
                tags.iter().any(|tag| same(tag, current))
            }
        }
    }
}

impl Preconditions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what is `current` may be changed; 412 if not.
    pub fn check(&self, current: Current<'_>) -> Result<(), Problem> {
        let as_seen = self.if_match.as_ref().is_none_or(|tags| tags.match_strongly(current));
        let unseen = !self.if_none_match.as_ref().is_some_and(|tags| tags.match_weakly(current));
        match (as_seen, unseen) {
            (true, true) => Ok(()),
            (false, _) => Err(Problem::precondition_failed(match current {
                Current::Missing => "If-Match: there is no such thing",
                Current::Untagged => "If-Match: what this changes has no entity tag",
                Current::Tagged(_) => "If-Match: it has changed since; get it again",
            })),
            (true, false) => {
                Err(Problem::precondition_failed("If-None-Match: it is there, and as named"))
            }
        }
    }

    /// [`Preconditions::check`] of what is there as clients see it, or of nothing. To be called again with
    /// what is there then, when that has changed before it could be written over.
    pub fn check_seen(&self, seen: Option<&impl Serialize>) -> Result<(), Problem> {
        let tag = seen.map(EntityTag::of);
        self.check(tag.as_ref().map_or(Current::Missing, Current::Tagged))
    }

    /// Answers with what is there: 304 when the client has it already, 412 when it is not what the client
    /// wants to see.
    pub fn answer<T: Serialize>(&self, body: T) -> Result<Response, Problem> {
        let tag = EntityTag::of(&body);
        let current = Current::Tagged(&tag);
        Self { if_match: self.if_match.clone(), if_none_match: None }.check(current)?;
        if self.if_none_match.as_ref().is_some_and(|tags| tags.match_weakly(current)) {
            return Ok(with_tag(StatusCode::NOT_MODIFIED.into_response(), &tag));
        }
        Ok(Tagged(StatusCode::OK, body).into_response())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self {
            if_match: tags(&parts.headers, &IF_MATCH)?,
            if_none_match: tags(&parts.headers, &IF_NONE_MATCH)?,
        })
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let values: Option<Vec<&str>> =
        headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
    let tags = match values.as_deref() {
        Some([]) => return Ok(None),
        Some(["*"]) => Some(Tags::Any),
        Some(values) => tag_list(&values.join(",")).map(Tags::These),
        None => None,
    };
    tags.map(Some).ok_or_else(|| {
        let detail =
            format!("{name} has to be * or entity tags, such as \"1a2b\", comma-separated");
        Problem::bad_request(detail)
    })
}

fn tag_list(mut rest: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return if tags.is_empty() { None } else { Some(tags) };
        }
        let (is_weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let (opaque, after) = tag.strip_prefix('"')?.split_once('"')?;
        if !opaque.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        tags.push(Tag { is_weak, opaque: opaque.to_owned() });
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preconditions(headers: &[(&'static str, &'static str)]) -> Result<Preconditions, Problem> {
        let headers: HeaderMap = headers
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Ok(Preconditions {
            if_match: tags(&headers, &IF_MATCH)?,
            if_none_match: tags(&headers, &IF_NONE_MATCH)?,
        })
    }

    #[test]
    fn a_change_is_made_to_what_was_seen() {
        let tag = EntityTag("a".to_owned());
        let there = Current::Tagged(&tag);
        for (name, value, current, is_met) in [
            ("if-match", "\"a\"", there, true),
            ("if-match", "\"b\" , \"a\"", there, true),
            ("if-match", "*", there, true),
            ("if-match", "*", Current::Untagged, true),
            ("if-match", "\"b\"", there, false),
            ("if-match", "W/\"a\"", there, false),
            ("if-match", "\"a\"", Current::Untagged, false),
            ("if-match", "\"a\"", Current::Missing, false),
            ("if-match", "*", Current::Missing, false),
            ("if-none-match", "*", Current::Missing, true),
            ("if-none-match", "\"a\"", Current::Missing, true),
            ("if-none-match", "\"b\"", there, true),
            ("if-none-match", "*", there, false),
            ("if-none-match", "*", Current::Untagged, false),
            ("if-none-match", "\"a\"", there, false),
            ("if-none-match", "W/\"a\"", there, false),
        ] {
            let outcome = preconditions(&[(name, value)]).unwrap().check(current);
            assert_eq!(outcome.is_ok(), is_met, "{name}: {value} of {current:?}");
        }
        assert!(preconditions(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_entity_tag_is_refused() {
        for value in ["", "a", "\"a", "a\"", "\"a\" \"b\"", "\"a\";q=1", "*, \"a\"", "w/\"a\"", ","]
        {
            assert!(preconditions(&[("if-match", value)]).is_err(), "{value}");
        }
    }

    #[test]
    fn what_a_client_has_is_not_sent_again() {
        let tag = EntityTag::of(&"tea");
        let answer = |name, value: String| {
            let value: &'static str = value.leak();
            preconditions(&[(name, value)]).unwrap().answer("tea").map(|answer| answer.status())
        };
        assert_eq!(answer("if-none-match", format!("\"{}\"", tag.0)).unwrap(), 304);
        assert_eq!(answer("if-none-match", format!("W/\"{}\"", tag.0)).unwrap(), 304);
        assert_eq!(answer("if-none-match", "\"x\"".to_owned()).unwrap(), 200);
        assert_eq!(answer("if-match", "\"x\"".to_owned()).unwrap_err().status(), 412);
        assert_ne!(EntityTag::of(&"cup"), tag);
    }
}
