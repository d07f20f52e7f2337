//! Extractors whose every refusal is a [`Problem`].

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::HttpLimits;
use crate::problem::{FieldError, Problem};

/// A JSON body, in a request or an answer.
///
/// A request's is refused with 415 when it doesn't say it is JSON, 413 when it is larger than the
/// limit, 408 when it takes too long to arrive, 400 when it is not JSON, and 422, with a pointer to
/// the place, when it is not a `T`.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        expect_json(request.headers())?;
        let body = read_body(request).await?;
        parse(&body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    let is_json = media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    if !is_json {
        return Err(Problem::unsupported_media_type("the body has to be application/json"));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Problem::unsupported_media_type("the body must not be compressed"));
    }
    Ok(())
}

async fn read_body(request: Request) -> Result<Bytes, Problem> {
    let limits = request.extensions().get::<HttpLimits>().copied().unwrap_or_default();
    let reading = Limited::new(request.into_body(), limits.body_bytes).collect();
    match tokio::time::timeout(limits.body_read_timeout, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::payload_too_large(limits.body_bytes))
        }
        Ok(Err(_)) => Err(Problem::malformed_body("the body broke off")),
        Err(_) => {
            let limit = limits.body_read_timeout;
            let detail = format!("the body did not arrive within {limit:?}");
            Err(Problem::request_timeout(detail))
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        if error.inner().is_data() {
            Problem::validation([FieldError::new(pointer(error.path()), error.inner().to_string())])
        } else {
            Problem::malformed_body(error.inner().to_string())
        }
    })?;
    json.end().map_err(|error| Problem::malformed_body(error.to_string()))?;
    Ok(value)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let name = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { variant } => variant.clone(),
            // Where serde looked ahead it cannot say where it was: the place is that of the parent.
            Segment::Unknown => break,
        };
        pointer.push('/');
        pointer.push_str(&name);
    }
    pointer
}

/// The parameters in a route's path; 400 when they are not a `T`.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let refused = |rejection: PathRejection| {
            if rejection.status() == StatusCode::INTERNAL_SERVER_ERROR {
                Problem::internal(&rejection)
            } else {
                Problem::bad_request(rejection.body_text())
            }
        };
        let axum::extract::Path(value) =
            axum::extract::Path::from_request_parts(parts, state).await.map_err(refused)?;
        Ok(Self(value))
    }
}

/// The parameters after the question mark; 400 when they are not a `T`.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let refused = |rejection: QueryRejection| Problem::bad_request(rejection.body_text());
        let axum::extract::Query(value) =
            axum::extract::Query::from_request_parts(parts, state).await.map_err(refused)?;
        Ok(Self(value))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[serde(rename = "a/b")]
        #[expect(dead_code, reason = "only read into")]
        lines: Vec<u32>,
    }

    fn refusal(body: &str) -> serde_json::Value {
        serde_json::to_value(parse::<Order>(body.as_bytes()).unwrap_err()).unwrap()
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for body in ["", "{", r#"{"a/b":[1,]}"#, r#"{"a/b":[1]} x"#, "\u{feff}{}"] {
            assert_eq!(refusal(body)["status"], 400, "{body}");
        }
        let detail = refusal("{\n  oops");
        assert!(detail["detail"].as_str().unwrap().contains("line 2 column 3"), "{detail}");
    }

    #[test]
    fn what_is_json_but_not_wanted_is_pointed_at() {
        let problem = refusal(r#"{"a/b":[1,-2]}"#);
        assert_eq!(problem["status"], 422);
        assert_eq!(problem["errors"][0]["pointer"], "/a~1b/1");
        assert_eq!(refusal("{}")["errors"][0]["pointer"], "");
        assert_eq!(refusal(r#"{"a/b":[],"c":1}"#)["errors"][0]["pointer"], "/c");
    }
}
