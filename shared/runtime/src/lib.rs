//! What a running service needs around its message loop: health, problems, shutdown.

pub mod health;
pub mod problem;
pub mod shutdown;

pub use health::Health;
pub use problem::Problem;
