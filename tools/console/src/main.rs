//! The console: the dance in a browser. The fleet does not know of it. It reads; what an operator has done
//! here is done by the tools' library, as on the command line.

mod access;
mod acts;
mod demo;
mod draw;
#[cfg(test)]
mod golden;
mod live;
mod looks;
mod model;
mod numbers;
mod pages;
mod proxies;
mod settings;
mod site;
mod words;

use std::process::ExitCode;

use clap::Parser as _;
use cli::given_fleet;

use crate::settings::{Command, Settings};

fn main() -> ExitCode {
    if let Err(error) = given_fleet() {
        eprintln!("console: {error}");
        return ExitCode::FAILURE;
    }
    let settings = Settings::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("console: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match settings.command {
            Some(Command::Health) => {
                runtime::self_check(settings.listen, "CONSOLE_ADDR").await?;
                println!("ready");
                Ok(())
            }
            None => Box::pin(site::run(settings)).await,
        }
    });
    // Questions that nobody waits for any more are not waited for.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("console: {error:#}");
            ExitCode::FAILURE
        }
    }
}
