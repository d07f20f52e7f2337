//! What others may send, made up: headers, payloads, schemas, request bodies and entries of the
//! operators' log, as bytes that a fuzzer chooses. Nothing of it may bring a service down, and what is
//! accepted has to be what it seems.
//!
//! The targets are plain functions. `make fuzz` gives them to LLVM's fuzzer, which sees what their code
//! does with a byte; the tests feed them what is in `corpus/`, and variations of it.

mod bodies;
mod headers;
mod payloads;

/// A target: it panics if something is wrong with how these bytes are taken.
pub type Target = fn(&[u8]);

/// All targets, by the names of their folders in `corpus/`.
pub const TARGETS: [(&str, Target); 5] = [
    ("bodies", bodies::bodies),
    ("entries", bodies::entries),
    ("headers", headers::headers),
    ("payloads", payloads::payloads),
    ("schemas", payloads::schemas),
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}
