//! The order service as a program.

runtime::main!(order::Order);
