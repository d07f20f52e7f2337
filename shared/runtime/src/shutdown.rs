//! When to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that SIGTERM or SIGINT cancels, once. Who is impatient sends a second one: it ends the
/// process at once, with the exit code shells give to a process ended by that signal (143, 130).
///
/// # Errors
/// When the signals cannot be listened for.
///
/// # Panics
/// Outside a tokio runtime.
pub fn signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        let name = next(&mut terminate, &mut interrupt).await.name;
        tracing::info!(signal = name, "stopping; a second signal ends the process at once");
        stop.cancel();
        let second = next(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = second.name, "ending at once");
        std::process::exit(second.exit_code);
    });
    Ok(token)
}

struct Received {
    name: &'static str,
    exit_code: i32,
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> Received {
    tokio::select! {
        _ = terminate.recv() => Received { name: "SIGTERM", exit_code: 143 },
        _ = interrupt.recv() => Received { name: "SIGINT", exit_code: 130 },
    }
}
