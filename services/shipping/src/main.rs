//! The shipping service as a program.

runtime::main!(shipping::Shipping);
