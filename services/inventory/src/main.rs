//! The inventory service as a program.

runtime::main!(inventory::Inventory);
