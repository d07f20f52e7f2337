//! The notification service as a program.

runtime::main!(notification::Notification);
