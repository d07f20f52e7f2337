//! What a running service needs around its message loop: telemetry, health, HTTP basics, shutdown.
//!
//! Nothing here knows what the service does. Every wait has a limit, every refusal says why, and
//! no body, name or e-mail address is ever logged.

pub mod database;
mod declaration;
pub mod health;
pub mod http;
mod listen;
pub mod problem;
mod replay;
mod run;
mod self_check;
mod settings;
pub mod shutdown;
mod simulation;
pub mod telemetry;
mod trace;

pub use declaration::DeclarationPage;
pub use health::Health;
pub use problem::{FieldError, Problem};
pub use run::{App, AppContext, run};
pub use self_check::self_check;
pub use settings::{NoSettings, Settings};
pub use simulation::Simulation;
pub use sqlx::migrate::Migrator;
pub use telemetry::Telemetry;

#[doc(hidden)]
pub use mimalloc::MiMalloc;

/// The `main` of a service, by its [`App`], with the allocator that all services have. What the service
/// declares, `declaration.json` of the package, is part of the program.
#[macro_export]
macro_rules! main {
    ($app:ty) => {
        #[global_allocator]
        static ALLOCATOR: $crate::MiMalloc = $crate::MiMalloc;

        fn main() -> std::process::ExitCode {
            $crate::run::<$app>(include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/declaration.json"
            )))
        }
    };
}
