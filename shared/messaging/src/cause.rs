/// Where something came from, to be handed on to what it causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The id of the event or request.
    pub causation_id: String,
    /// Follows one request through the whole fleet.
    pub correlation_id: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
}
