//! Errors as problem documents (RFC 9457).

use std::fmt;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Every `type` begins with this. Types are part of the API: they stay as they are.
const TYPE_PREFIX: &str = "urn:farandole:problem:";

/// Why a request was not answered as asked: a problem document (RFC 9457), whose `type` is stable.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// Which kind of problem this is.
    #[serde(rename = "type", serialize_with = "with_type_prefix")]
    #[schema(value_type = String, example = "urn:farandole:problem:not-found")]
    slug: &'static str,
    /// The kind of problem in words, the same for every occurrence.
    title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "as_number")]
    #[schema(value_type = u16, minimum = 400, maximum = 599, example = 404)]
    status: StatusCode,
    /// What was wrong this time, and what would be right.
    detail: String,
    /// What is wrong with the body, with the type `validation`: as much as could be seen at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// Further members, depending on the type.
    #[serde(flatten)]
    #[schema(ignore)]
    extensions: Map<String, Value>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

/// One thing wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where, as a JSON pointer (RFC 6901); empty for the body as a whole.
    #[schema(example = "/lines/0/sku")]
    pub pointer: String,
    /// What is wrong there, and what would be right.
    pub detail: String,
}

impl FieldError {
    /// `detail` is wrong at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

impl Problem {
    /// A problem of the type `urn:farandole:problem:<slug>`.
    pub fn new(
        status: StatusCode,
        slug: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            slug,
            title,
            status,
            detail: detail.into(),
            errors: Vec::new(),
            extensions: Map::new(),
            retry_after_s: None,
        }
    }

    /// Adds a member beyond those of the standard.
    #[must_use]
    pub fn with_extension(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.into(), value.into());
        self
    }

    /// Tells the client to come back after that many seconds.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// 400: a header, a path or a query is not as it has to be.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request", detail)
    }

    /// 400: the body is not JSON at all.
    pub fn malformed_body(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed-body", "Malformed body", detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// 405: there is such a thing, but this cannot be done with it.
    pub fn method_not_allowed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "Method not allowed",
            detail,
        )
    }

    /// 408: the client was too slow. It may send the request again.
    pub fn request_timeout(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", "Request timeout", detail)
    }

    /// 409: the request is fine, the state of things is not. The slug says which conflict.
    pub fn conflict(slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, slug, title, detail)
    }

    /// 412: what the request has to be true of (RFC 9110, 13.1) is not as it says.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition-failed",
            "Precondition failed",
            detail,
        )
    }

    /// 413: the body is larger than we read.
    pub fn payload_too_large(limit_bytes: usize) -> Self {
        let detail = format!("the body is larger than {limit_bytes} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", "Payload too large", detail)
    }

    /// 415: the body is in a format we do not read.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "Unsupported media type",
            detail,
        )
    }

    /// 422: the body is JSON, but not what is wanted. The member `errors` says where and why.
    pub fn validation(errors: impl IntoIterator<Item = FieldError>) -> Self {
        Self {
            errors: errors.into_iter().collect(),
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "validation",
                "Invalid body",
                "the body has invalid values; see errors",
            )
        }
    }

    /// 429, with `Retry-After`: this client has asked for too much.
    pub fn too_many_requests(detail: impl Into<String>, retry_after_s: u32) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", detail)
            .with_retry_after(retry_after_s)
    }

    /// 500: our fault. `cause` goes to the log, next to the correlation id; the client gets only
    /// that id. No personal data in it.
    pub fn internal(cause: &impl fmt::Display) -> Self {
        tracing::error!(error = %cause, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            "this is our fault; report it with the response's x-correlation-id",
        )
    }

    /// 503, with `Retry-After`: the same request may well succeed later.
    pub fn unavailable(detail: impl Into<String>, retry_after_s: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable", detail)
            .with_retry_after(retry_after_s)
    }

    /// 503: what is to be changed changes faster than it can be read and written over.
    pub fn changing() -> Self {
        Self::unavailable("it changes too fast at the moment", 1)
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn with_type_prefix<S: Serializer>(slug: &&'static str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{TYPE_PREFIX}{slug}"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn as_number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl From<messaging::Failure> for Problem {
    /// What a client hears of a failure behind the API.
    fn from(failure: messaging::Failure) -> Self {
        use messaging::Failure::{Infrastructure, Locked, TooSlow};

        match failure {
            Infrastructure(reason) | TooSlow(reason) | Locked(reason) => {
                tracing::warn!(reason, "a request could not be served");
                Self::unavailable("the database cannot be reached at the moment", 1)
            }
            failure => Self::internal(&failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_a_document_of_the_standard() {
        let problem = Problem::conflict("order-confirmed", "Order confirmed", "too late to cancel")
            .with_extension("order_status", "confirmed");
        assert_eq!(
            serde_json::to_value(&problem).unwrap(),
            serde_json::json!({
                "type": "urn:farandole:problem:order-confirmed",
                "title": "Order confirmed",
                "status": 409,
                "detail": "too late to cancel",
                "order_status": "confirmed",
            })
        );
    }

    #[test]
    fn retry_after_is_a_header() {
        let response = Problem::unavailable("starting", 2).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn every_invalid_field_is_named() {
        let problem = Problem::validation([FieldError::new("/lines/0/sku", "is empty")]);
        let document = serde_json::to_value(&problem).unwrap();
        assert_eq!(document["errors"][0]["pointer"], "/lines/0/sku");
        assert_eq!(document["status"], 422);
    }
}
