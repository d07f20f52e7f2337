//! What single steps cost: writing and reading an event and its headers, and deciding on a batch
//! of a thousand.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
// A panic tells what does not fit.
#![allow(clippy::unwrap_used)]

mod decide;
mod wire;

use criterion::{criterion_group, criterion_main};

criterion_group!(micro, wire::encode, wire::decode, wire::headers, decide::batches);
criterion_main!(micro);
