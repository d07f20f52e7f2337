//! An open-loop load generator: orders arrive on schedule, whatever the fleet does, and each is
//! followed to its end. Latency counts from when an order was meant to arrive, so a fleet that
//! stalls cannot hide it by slowing the generator down (Tene, "How NOT to Measure Latency").

mod arrivals;
mod client;
mod follow;
mod ledger;
mod mix;
mod preload;
mod run;
mod shop;
mod target;

pub use arrivals::Arrivals;
pub use ledger::{Latency, Phase};
pub use mix::{Mix, Outcome};
pub use preload::Preload;
pub use run::{Length, Load, Progress, Stage, run};
pub use shop::open_shop;
pub use target::Target;
