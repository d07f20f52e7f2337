//! What a running service says of itself at `GET /declaration`.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use contracts::{Declaration, Declared, Topics};
use meter::KnownValues;

/// The service's declaration, with what only a running service knows: its version, which instance it
/// is, the schemas that it writes with and, once the registry has told them, their ids. Clones are one
/// and the same.
#[derive(Debug, Clone, Default)]
pub struct DeclarationPage {
    declared: Arc<RwLock<Declared>>,
}

impl DeclarationPage {
    /// Of a service with this declaration, whose form as a file is `text`.
    ///
    /// # Errors
    ///
    /// If the file is no declaration, or another service's.
    pub fn new<I>(
        declaration: &Declaration<I>,
        text: &str,
        instance: String,
    ) -> anyhow::Result<Self> {
        let service = declaration.service;
        let mut declared: Declared = serde_json::from_str(text)
            .with_context(|| format!("the declaration of {service} cannot be read"))?;
        anyhow::ensure!(
            declared.service == service,
            "this is the service {service}, and its declaration is that of {}",
            declared.service
        );
        declared.version = Some(env!("CARGO_PKG_VERSION").to_owned());
        declared.instance = Some(instance);
        for emitted in &mut declared.emits {
            let written = declaration.emits.iter().find(|it| it.event_type == emitted.event);
            let schema = written.map(|it| serde_json::from_str(it.schema));
            emitted.schema = schema.transpose().context("a schema is no JSON")?;
        }
        Ok(Self { declared: Arc::new(RwLock::new(declared)) })
    }

    /// Takes note of the ids by which the registry knows the schemas of the events of these types.
    pub fn set_ids<'a>(&self, ids: impl IntoIterator<Item = (&'a str, i32)>) {
        let mut declared = self.declared.write().unwrap_or_else(PoisonError::into_inner);
        for (event, id) in ids {
            for emitted in declared.emits.iter_mut().filter(|it| it.event == event) {
                emitted.schema_id = Some(id);
            }
        }
    }

    /// What is known of the labels that its metrics may have; its topics are called so.
    pub(crate) fn known_values(&self, topics: &Topics) -> KnownValues {
        let declared = self.declared.read().unwrap_or_else(PoisonError::into_inner);
        let unique = |names: &mut dyn Iterator<Item = String>| -> Vec<String> {
            names.collect::<BTreeSet<_>>().into_iter().collect()
        };
        let consumes = || declared.consumes.iter();
        let steps = declared.statuses.iter().flat_map(|status| &status.calls);
        KnownValues {
            types_read: unique(&mut consumes().map(|read| read.event.clone())),
            types_written: unique(&mut declared.emits.iter().map(|it| it.event.clone())),
            topics_read: unique(&mut consumes().map(|read| topics.events(&read.from))),
            steps: unique(&mut steps.cloned()),
        }
    }

    fn render(&self) -> Response {
        let declared = self.declared.read().unwrap_or_else(PoisonError::into_inner);
        let json = serde_json::to_vec(&*declared).unwrap_or_default();
        ([(CONTENT_TYPE, "application/json")], Bytes::from(json)).into_response()
    }

    /// Its route.
    pub(crate) fn routes(self) -> Router {
        Router::new().route("/declaration", get(|| async move { self.render() }))
    }
}

/// By which name an instance is known: the one it is set to have in its consumer group, or else its
/// host's and its process's.
pub(crate) fn instance(set: Option<&str>) -> String {
    set.map_or_else(
        || {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
            format!("{host}/{}", std::process::id())
        },
        str::to_owned,
    )
}
