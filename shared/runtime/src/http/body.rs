//! JSON bodies. Every refusal is a [`Problem`].

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use sha2::{Digest as _, Sha256};

use super::HttpLimits;
use super::strict::{Strict, whole};
use super::words::in_plain_words;
use crate::problem::{FieldError, Problem};

/// A JSON body, in a request or an answer.
///
/// A request's is refused with 415 when it doesn't say it is JSON in UTF-8, 413 when it is larger than
/// the limit, 408 when it takes too long to arrive, 400 when it is not JSON, and 422, with a pointer to
/// the place, when it is not a `T`. A struct is an object there, never an array.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        parse(&json_of(request).await?).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A JSON body as [`Json`], with a hash by which a request that comes again is told from another one:
/// of what was sent, whatever its white space and the order of its members. Members that are `null` are
/// as if they were not there. It does not depend on `T`: fields that `T` gets later, with defaults,
/// change the hash of no request that does not have them.
#[derive(Debug, Clone)]
pub struct Hashed<T> {
    /// The body.
    pub body: T,
    /// SHA-256 of what was sent.
    pub hash: Vec<u8>,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Hashed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let json = json_of(request).await?;
        let body = parse(&json)?;
        let sent: Value = parse(&json)?;
        let mut canonical = Vec::with_capacity(json.len());
        write_canonical(&sent, &mut canonical);
        Ok(Self { body, hash: Sha256::digest(&canonical).to_vec() })
    }
}

/// Members by name, whatever the map that holds them, and without those that are null.
fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.iter().filter(|(_, value)| !value.is_null()).collect();
            members.sort_unstable_by_key(|(name, _)| name.as_str());
            out.push(b'{');
            for (name, value) in members {
                out.extend(Value::from(name.as_str()).to_string().bytes());
                out.push(b':');
                write_canonical(value, out);
                out.push(b',');
            }
            out.push(b'}');
        }
        Value::Array(elements) => {
            out.push(b'[');
            for element in elements {
                write_canonical(element, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Value::Number(number) => {
            match number.as_f64().filter(|_| number.is_f64()).and_then(whole) {
                Some(whole) => out.extend(whole.to_string().bytes()),
                None => out.extend(number.to_string().bytes()),
            }
        }
        scalar => out.extend(scalar.to_string().bytes()),
    }
}

/// No body is read, and none is needed; but one that says it is something other than JSON is refused
/// with 415. A web page can have a browser send such a one, or none at all, to another site without
/// asking that site first.
#[derive(Debug, Clone, Copy)]
pub struct NoBody;

impl<S: Send + Sync> FromRequestParts<S> for NoBody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.headers.contains_key(CONTENT_TYPE) {
            expect_json(&parts.headers)?;
        }
        Ok(Self)
    }
}

async fn json_of(request: Request) -> Result<Bytes, Problem> {
    expect_json(request.headers())?;
    read_body(request).await
}

fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter().filter_map(|value| value.to_str().ok());
    let (content_type, further) = (types.next().unwrap_or_default(), types.next());
    let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media_type = parts.next().unwrap_or_default();
    let is_json = media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    if !is_json || further.is_some() {
        return Err(Problem::unsupported_media_type("the body has to be application/json"));
    }
    let mut charsets = parts.filter_map(|part| part.strip_prefix("charset=").map(str::to_owned));
    if !charsets.all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8")) {
        return Err(Problem::unsupported_media_type("JSON has to be in UTF-8 (RFC 8259, 8.1)"));
    }
    if headers.get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
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

/// Reads a JSON body as [`Json`] does.
///
/// # Errors
///
/// 400 when it is not JSON, and 422, with a pointer to the place, when it is not a `T`.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(Strict(&mut json)).map_err(|error| {
        if error.inner().is_data() {
            let detail = in_plain_words(&error.inner().to_string());
            Problem::validation([FieldError::new(pointer(error.path()), detail)])
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

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
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
        let array = refusal("[[1]]");
        assert_eq!(array["errors"][0]["detail"], "is an array, but must be an object");
    }

    #[test]
    fn a_hash_is_of_what_was_said_and_not_of_how() {
        let canonical = |json: &str| {
            let mut out = Vec::new();
            write_canonical(&serde_json::from_str(json).unwrap(), &mut out);
            out
        };
        let one = canonical(r#"{"a": [{"x": 1, "y": "t\u0065a"}], "b": null, "c": {}}"#);
        assert_eq!(one, canonical(r#"{"c":{},"a":[{"y":"tea","x":1.0,"z":null}]}"#));
        for other in [
            r#"{"a": [{"x": 1, "y": "tea"}]}"#,
            r#"{"a": [{"x": 1, "y": "tea"}, null], "c": {}}"#,
            r#"{"a": [{"x": "1", "y": "tea"}], "c": {}}"#,
            r#"{"a": [{"x": 1}, {"y": "tea"}], "c": {}}"#,
        ] {
            assert_ne!(one, canonical(other), "{other}");
        }
    }

    #[test]
    fn json_is_utf_8() {
        let is_json = |content_type: &'static str| {
            let value = HeaderValue::from_static(content_type);
            expect_json(&HeaderMap::from_iter([(CONTENT_TYPE, value)])).is_ok()
        };
        for good in [
            "application/json",
            "Application/JSON ; Charset=UTF-8",
            "application/json; charset=\"utf-8\"; x=y",
            "application/vnd.shop+json",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=utf-16",
            "application/json;charset=\"latin1\"",
            "application/json; charset=utf-8; charset=utf-16",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
