//! Nothing to use: this crate holds the tests of what spans services, in `tests/it`.
