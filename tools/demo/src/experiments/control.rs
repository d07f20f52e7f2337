//! What can be done, over HTTP on a Unix domain socket. No web page can reach that, wherever it is from, and
//! no other user may.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use anyhow::Context as _;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use axum::{Router, serve};
use serde::Deserialize;
use serde_json::json;
use tokio::net::UnixListener;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::Experiments;
use super::kind::Kind;
use crate::local::Local;

/// How often it is looked what has lasted for as long as it may.
const WATCH: Duration = Duration::from_secs(1);

/// Listens until it is dropped; then nothing is frozen any more.
pub(crate) struct Control {
    socket: PathBuf,
    experiments: Arc<Experiments>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl Control {
    pub(crate) fn start(local: Arc<Local>) -> anyhow::Result<Self> {
        let socket = local.directory().join("demo.sock");
        let listener = listen(&socket).with_context(|| {
            format!("cannot listen on {}: a shorter --data may do", socket.display())
        })?;
        let experiments = Arc::new(Experiments::new(local)?);
        let router = router(Arc::clone(&experiments));
        let serving = tokio::spawn(async move {
            if let Err(error) = serve(listener, router).await {
                eprintln!("nothing can be broken any more: {error}");
            }
        });
        let watched = Arc::clone(&experiments);
        let watching = tokio::spawn(async move {
            loop {
                sleep(WATCH).await;
                watched.end_overdue();
            }
        });
        let tasks = [serving, watching].map(AbortOnDropHandle::new);
        Ok(Self { socket, experiments, _tasks: tasks })
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.experiments.let_go();
    }
}

fn listen(socket: &Path) -> io::Result<UnixListener> {
    // Left by a demo before, where data is kept.
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn router(experiments: Arc<Experiments>) -> Router {
    Router::new().route("/experiments", get(list).post(begin).delete(end)).with_state(experiments)
}

/// Which of them, and what it is done to.
#[derive(Debug, Deserialize)]
struct Wanted {
    name: String,
    target: String,
}

async fn list(State(experiments): State<Arc<Experiments>>) -> Response {
    Json(json!({"experiments": experiments.list()})).into_response()
}

async fn begin(
    State(experiments): State<Arc<Experiments>>,
    Query(wanted): Query<Wanted>,
) -> Response {
    answer(wanted, |kind, target| experiments.begin(kind, target))
}

async fn end(
    State(experiments): State<Arc<Experiments>>,
    Query(wanted): Query<Wanted>,
) -> Response {
    answer(wanted, |kind, target| experiments.end(kind, target))
}

fn answer(
    Wanted { name, target }: Wanted,
    act: impl FnOnce(Kind, String) -> Result<(), String>,
) -> Response {
    let kind = Kind::of(&name).filter(|kind| kind.targets().iter().any(|it| it.name == target));
    let refused =
        |status: StatusCode, why: String| (status, Json(json!({"why": why}))).into_response();
    match kind.map(|kind| act(kind, target)) {
        None => refused(StatusCode::NOT_FOUND, "there is no such thing to do".to_owned()),
        Some(Err(why)) => refused(StatusCode::CONFLICT, why),
        // It goes on; the list tells how far it is.
        Some(Ok(())) => StatusCode::ACCEPTED.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_for_its_user_alone_also_where_one_was_left() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("demo.sock");
        for _ in 0..2 {
            drop(listen(&socket).unwrap());
            let mode = fs::metadata(&socket).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
