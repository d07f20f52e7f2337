use std::time::Duration;

use kernel::error_chain;
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// How long the registry may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The schema registry, by its Confluent-compatible API.
#[derive(Debug, Clone)]
pub struct Registry {
    base: String,
    http: Client,
}

/// Why the registry did not do what it was asked.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// It cannot be reached, or is in trouble. Trying again may help.
    #[error("the schema registry at {url} is not there: {reason}")]
    Unavailable {
        /// What was asked.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// It does not have what was asked for.
    #[error("{0} is not in the schema registry")]
    Missing(String),
    /// It refuses, such as a schema that is not compatible with those before it.
    #[error("the schema registry refuses {subject}: {reason}")]
    Refused {
        /// The subject.
        subject: String,
        /// Its words.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Id {
    id: i32,
}

/// A schema as one version of a subject.
#[derive(Debug, Clone, Deserialize)]
pub struct SchemaVersion {
    /// The schema's id, as payloads name it.
    pub id: i32,
    /// Its version in the subject.
    pub version: i32,
    /// Its text.
    pub schema: String,
}

#[derive(Deserialize)]
struct Text {
    schema: String,
}

#[derive(Deserialize)]
struct Compatibility {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

/// What the registry says when it does not do what it was asked.
#[derive(Deserialize)]
struct Problem {
    message: String,
}

impl Registry {
    /// For the registry at this base URL. Nothing is connected yet.
    pub fn new(base: &str) -> Result<Self, RegistryError> {
        let http = Client::builder().timeout(TIMEOUT).build().map_err(|error| {
            RegistryError::Unavailable { url: base.to_owned(), reason: error_chain(&error) }
        })?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http })
    }

    /// Whether a schema registry answers here, within this long.
    pub async fn answers(&self, within: Duration) -> Result<(), RegistryError> {
        let question = self.call::<Compatibility>(Method::GET, "config", "its configuration", None);
        match tokio::time::timeout(within, question).await {
            Ok(answer) => answer.map(|_| ()),
            Err(_) => Err(RegistryError::Unavailable {
                url: self.base.clone(),
                reason: format!("no answer within {} s", within.as_secs_f32()),
            }),
        }
    }

    /// The id under which exactly this schema is registered for the subject.
    pub async fn id_of(&self, subject: &str, schema: &str) -> Result<i32, RegistryError> {
        let body = json!({ "schema": schema });
        let path = format!("subjects/{subject}");
        self.call::<Id>(Method::POST, &path, subject, Some(body)).await.map(|found| found.id)
    }

    /// The newest schema of the subject.
    pub async fn latest(&self, subject: &str) -> Result<SchemaVersion, RegistryError> {
        let path = format!("subjects/{subject}/versions/latest");
        self.call(Method::GET, &path, subject, None).await
    }

    /// The schema that is this version of the subject; the first is 1.
    pub async fn version(
        &self,
        subject: &str,
        version: u32,
    ) -> Result<SchemaVersion, RegistryError> {
        let path = format!("subjects/{subject}/versions/{version}");
        self.call(Method::GET, &path, subject, None).await
    }

    /// The text of the schema with this id.
    pub async fn schema(&self, id: i32) -> Result<String, RegistryError> {
        let path = format!("schemas/ids/{id}");
        let found: Text = self.call(Method::GET, &path, &format!("schema id {id}"), None).await?;
        Ok(found.schema)
    }

    /// Registers a schema as the subject's next version, or finds it there. Returns its id.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<i32, RegistryError> {
        let body = json!({ "schema": schema });
        let path = format!("subjects/{subject}/versions");
        self.call::<Id>(Method::POST, &path, subject, Some(body)).await.map(|found| found.id)
    }

    /// What a next version of the subject must be compatible with, be it set for the subject or
    /// for all.
    pub async fn compatibility(&self, subject: &str) -> Result<String, RegistryError> {
        let path = format!("config/{subject}?defaultToGlobal=true");
        self.call::<Compatibility>(Method::GET, &path, subject, None).await.map(|set| set.level)
    }

    /// Sets what a next version of the subject must be compatible with, such as
    /// `FULL_TRANSITIVE`. The subject need not have a version yet.
    pub async fn set_compatibility(&self, subject: &str, level: &str) -> Result<(), RegistryError> {
        let body = json!({ "compatibility": level });
        let path = format!("config/{subject}");
        self.call::<Value>(Method::PUT, &path, subject, Some(body)).await.map(|_| ())
    }

    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        path: &str,
        subject: &str,
        body: Option<Value>,
    ) -> Result<T, RegistryError> {
        let url = format!("{}/{path}", self.base);
        let unavailable = |reason: String| RegistryError::Unavailable { url: url.clone(), reason };
        let broken = |error: reqwest::Error| unavailable(error_chain(&error.without_url()));
        let mut request = self.http.request(method, &url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(broken)?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map_err(broken);
        }
        let text = response.text().await.unwrap_or_default();
        let problem: Option<Problem> = serde_json::from_str(&text).ok();
        match (status, problem) {
            (StatusCode::NOT_FOUND, Some(_)) => Err(RegistryError::Missing(subject.to_owned())),
            (StatusCode::NOT_FOUND, None) => {
                Err(unavailable("no Confluent-compatible API at this address".to_owned()))
            }
            (
                StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST,
                problem,
            ) => Err(RegistryError::Refused {
                subject: subject.to_owned(),
                reason: problem.map_or(text, |problem| problem.message),
            }),
            (_, problem) => {
                let reason = problem.map_or(text, |problem| problem.message);
                Err(unavailable(format!("{status}: {reason}")))
            }
        }
    }
}
