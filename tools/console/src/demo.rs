//! The demo whose fleet this is: it tells what can be broken, and breaks it.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::{Method, StatusCode};
use cli::http::cause;
use jiff::Timestamp;
use reqwest::Client;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// It answers at once, whatever is broken.
const LIMIT: Duration = Duration::from_secs(3);

/// It is asked on its socket, whatever the host is called.
const URL: &str = "http://demo/experiments";

/// Where it is asked.
pub(crate) struct Demo(Client);

/// Something that can be done, and how it is with each of its targets.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Experiment {
    pub(crate) name: String,
    pub(crate) title: String,
    /// What the fleet does about it, and what one will see.
    pub(crate) about: String,
    /// What begins it, before the target's label.
    pub(crate) begin: String,
    /// What ends it; empty if it ends by itself.
    pub(crate) end: String,
    /// How its target is meanwhile.
    pub(crate) state: String,
    /// The pages to look at.
    pub(crate) look: Vec<String>,
    pub(crate) targets: Vec<Target>,
}

/// What it can be done to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// What people call it.
    pub(crate) label: String,
    pub(crate) about: String,
    /// Since when it is done to this target, if it is.
    pub(crate) since: Option<Timestamp>,
    /// When it ends by itself.
    pub(crate) until: Option<Timestamp>,
    /// Whether it is about to begin or to end.
    pub(crate) is_changing: bool,
    /// How the target is because of something else.
    pub(crate) otherwise: Option<String>,
    pub(crate) said: Option<Said>,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) is_good: bool,
    pub(crate) order: Option<Uuid>,
}

#[derive(Deserialize)]
struct List {
    experiments: Vec<Experiment>,
}

#[derive(Deserialize)]
struct Refused {
    why: String,
}

/// What is to be done, as a form says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    pub(crate) experiment: String,
    pub(crate) target: String,
    /// Whether it is to be ended.
    pub(crate) end: bool,
}

impl Demo {
    /// The one that listens on this socket.
    pub(crate) fn at(socket: &Path) -> anyhow::Result<Self> {
        let client = Client::builder().unix_socket(socket).timeout(LIMIT).no_proxy();
        Ok(Self(client.tls_certs_only([]).build().context("cannot ask the demo")?))
    }

    /// What can be done; in words why that is not known.
    pub(crate) async fn list(&self) -> Result<Vec<Experiment>, String> {
        let list = async { self.0.get(URL).send().await?.error_for_status()?.json().await };
        let List { experiments } = list.await.map_err(|error: reqwest::Error| away(&error))?;
        Ok(experiments)
    }

    /// Begins or ends it, which goes on beside; a status and, in words, why not.
    pub(crate) async fn act(&self, wanted: &Wanted) -> Result<(), (StatusCode, String)> {
        let method = if wanted.end { Method::DELETE } else { Method::POST };
        let which = [("name", &wanted.experiment), ("target", &wanted.target)];
        let unknown = |error: reqwest::Error| (StatusCode::SERVICE_UNAVAILABLE, away(&error));
        let request = self.0.request(method, URL).query(&which);
        let answer = request.send().await.map_err(unknown)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let Refused { why } = answer.json().await.map_err(unknown)?;
        Err((status, why))
    }
}

fn away(error: &reqwest::Error) -> String {
    format!("the demo does not answer ({}): it may have ended", cause(error))
}
