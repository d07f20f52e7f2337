use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use contracts::TraceParent;
use messaging::Cause;
use uuid::Uuid;

use super::CorrelationId;

/// What a request causes carries this: the correlation id, an id of the request, and the trace
/// that it is part of.
#[derive(Debug, Clone)]
pub struct RequestCause(pub Cause);

impl<S: Send + Sync> FromRequestParts<S> for RequestCause {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let request_id = Uuid::now_v7();
        let correlation_id = parts
            .extensions
            .get::<CorrelationId>()
            .map_or_else(|| request_id.to_string(), |CorrelationId(id)| id.clone());
        // Without a trace one begins here, not sampled, so that events always carry a context.
        let begin = || TraceParent::new(Uuid::new_v4().as_u128(), fastrand::u64(1..), 0).ok();
        let traceparent = parts.extensions.get::<TraceParent>().copied().or_else(begin);
        Ok(Self(Cause {
            causation_id: request_id.to_string(),
            correlation_id,
            traceparent: traceparent.map(|parent| parent.to_string()),
        }))
    }
}
