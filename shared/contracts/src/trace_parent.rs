use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The flags that the standard has defined so far, sampled and random; others are sent as zero.
const KNOWN_FLAGS: u8 = 0b11;

/// A place in a trace, as the header `traceparent` carries it from service to service (W3C Trace
/// Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

/// Text that is not a `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "not a traceparent: it is 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, neither id zero"
)]
pub struct InvalidTraceParent;

impl TraceParent {
    /// Of these ids, neither of which may be 0, and the standard's flags; those that it has not
    /// defined are dropped.
    pub fn new(trace_id: u128, span_id: u64, flags: u8) -> Result<Self, InvalidTraceParent> {
        if trace_id == 0 || span_id == 0 {
            return Err(InvalidTraceParent);
        }
        Ok(Self { trace_id, span_id, flags: flags & KNOWN_FLAGS })
    }

    /// The trace's id; never 0.
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// The id of the span that caused what follows; never 0.
    pub fn span_id(&self) -> u64 {
        self.span_id
    }

    /// The standard's flags.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether the caller records the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    /// Strict, as the standard is: lower case, no white space, and nothing after the flags but in
    /// versions yet to come.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut fields = text.split('-');
        let mut field = |digits| hexadecimal(fields.next(), digits).ok_or(InvalidTraceParent);
        let version = field(2)?;
        let trace_id = field(32)?;
        let span_id = u64::try_from(field(16)?).map_err(|_| InvalidTraceParent)?;
        let flags = u8::try_from(field(2)?).map_err(|_| InvalidTraceParent)?;
        let has_more = fields.next().is_some();
        if version == 0xff || (version == 0 && has_more) {
            return Err(InvalidTraceParent);
        }
        Self::new(trace_id, span_id, flags)
    }
}

fn hexadecimal(field: Option<&str>, digits: usize) -> Option<u128> {
    let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let field = field.filter(|text| text.len() == digits && text.bytes().all(is_digit))?;
    u128::from_str_radix(field, 16).ok()
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_read_is_written_again() {
        let parent: TraceParent = EXAMPLE.parse().unwrap();
        assert_eq!(parent.to_string(), EXAMPLE);
        assert_eq!(parent.span_id(), 0x00f0_67aa_0ba9_02b7);
        assert!(parent.is_sampled());
        let again = TraceParent::new(parent.trace_id(), parent.span_id(), parent.flags());
        assert_eq!(again, Ok(parent));
    }

    #[test]
    fn later_versions_may_say_more_and_unknown_flags_are_dropped() {
        let later = EXAMPLE.replacen("00-", "cc-", 1) + "-more";
        assert_eq!(later.parse::<TraceParent>().unwrap().to_string(), EXAMPLE);
        let flags = EXAMPLE.replace("-01", "-fd");
        assert_eq!(flags.parse::<TraceParent>().unwrap().to_string(), EXAMPLE);
    }

    #[test]
    fn the_rest_is_refused() {
        for bad in [
            "",
            "00",
            "00-0-0-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(InvalidTraceParent), "{bad:?}");
        }
    }
}
