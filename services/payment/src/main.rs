//! The payment service as a program.

runtime::main!(payment::Payment);
