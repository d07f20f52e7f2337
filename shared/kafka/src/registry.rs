//! The schema registry, by its Confluent-compatible API.

mod endpoint;
mod endpoints;
mod error;
mod fetches;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use reqwest::Method;
use schema_registry_converter::schema_registry_common::{RawRegisteredSchema, SrCall};
use serde_json::json;

use self::endpoint::encoded;
use self::endpoints::Endpoints;
pub use self::error::RegistryError;
use self::fetches::Fetches;
pub use self::settings::{InvalidRegistryUrl, RegistrySettings};

/// The schema registry. A call asks the addresses that are set one after the other, beginning with
/// the one that answered last, until one is there; each may take 5 s, and the call 10 s. Clones
/// share their connections and what they know.
#[derive(Clone)]
pub struct Registry {
    endpoints: Arc<Endpoints>,
    /// The texts of schemas by id.
    schemas: Arc<Fetches>,
}

/// A schema as one version of a subject.
#[derive(Debug, Clone)]
pub struct SchemaVersion {
    /// The schema's id, as payloads name it.
    pub id: i32,
    /// Its version in the subject.
    pub version: i32,
    /// Its text.
    pub schema: String,
}

impl Registry {
    /// For the registry that the settings name. Nothing is connected yet.
    pub fn new(settings: &RegistrySettings) -> Result<Self, RegistryError> {
        let endpoints = Arc::new(Endpoints::new(settings)?);
        Ok(Self { endpoints, schemas: Arc::default() })
    }

    /// Whether a schema registry answers here, within this long.
    pub async fn answers(&self, within: Duration) -> Result<(), RegistryError> {
        let question = self
            .endpoints
            .ask(|endpoint| endpoint.config(Method::GET, "config", "its configuration", None));
        match tokio::time::timeout(within, question).await {
            Ok(answer) => answer.map(|_| ()),
            Err(_) => Err(self.endpoints.silent(within)),
        }
    }

    /// The id under which exactly this schema is registered for the subject.
    pub async fn id_of(&self, subject: &str, schema: &str) -> Result<i32, RegistryError> {
        let body = avro(schema);
        let found = self.find(SrCall::PostForVersion(&encoded(subject), &body), subject).await?;
        number(found.id, "id", subject)
    }

    /// The version that exactly this schema is of the subject.
    pub async fn version_of(&self, subject: &str, schema: &str) -> Result<i32, RegistryError> {
        let body = avro(schema);
        let found = self.find(SrCall::PostForVersion(&encoded(subject), &body), subject).await?;
        number(found.version, "version", subject)
    }

    /// The newest schema of the subject.
    pub async fn latest(&self, subject: &str) -> Result<SchemaVersion, RegistryError> {
        let found = self.find(SrCall::GetLatest(&encoded(subject)), subject).await?;
        version_of(found, subject)
    }

    /// The schema that is this version of the subject; the first is 1.
    pub async fn version(
        &self,
        subject: &str,
        version: u32,
    ) -> Result<SchemaVersion, RegistryError> {
        let call = SrCall::GetBySubjectAndVersion(&encoded(subject), version);
        let found = self.find(call, subject).await?;
        version_of(found, subject)
    }

    /// The numbers of the subject's versions, with those that are deleted or without. A version is deleted
    /// softly: it is not listed any more, and next versions are not compared with it.
    pub async fn versions(
        &self,
        subject: &str,
        with_deleted: bool,
    ) -> Result<Vec<u32>, RegistryError> {
        let path = format!("subjects/{}/versions?deleted={with_deleted}", encoded(subject));
        self.endpoints.ask(|endpoint| endpoint.versions(&path, subject)).await
    }

    /// The text of the schema with this id. It never changes, so the registry is asked for it once,
    /// however many want it at the same time; who comes while it is being asked gets that answer.
    /// An error is not remembered: what is missing may be registered later.
    pub async fn schema(&self, id: i32) -> Result<Arc<str>, RegistryError> {
        let name = format!("schema id {id}");
        let Ok(number) = u32::try_from(id) else {
            let reason = "no id is negative".to_owned();
            return Err(RegistryError::Refused { subject: name, reason });
        };
        let endpoints = self.endpoints.clone();
        let fetch = async move {
            let call = SrCall::GetById(number);
            let found = endpoints.ask(|endpoint| endpoint.find(call, &name)).await?;
            Ok(Arc::from(text(found.schema, &name)?))
        };
        self.schemas.get(id, fetch.boxed()).await
    }

    /// Registers a schema as the subject's next version, or finds it there. Returns its id.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<i32, RegistryError> {
        let body = avro(schema);
        let found = self.find(SrCall::PostNew(&encoded(subject), &body), subject).await?;
        number(found.id, "id", subject)
    }

    /// What a next version of the subject must be compatible with, be it set for the subject or
    /// for all.
    pub async fn compatibility(&self, subject: &str) -> Result<String, RegistryError> {
        let path = format!("config/{}?defaultToGlobal=true", encoded(subject));
        let set = self.endpoints.ask(|endpoint| endpoint.config(Method::GET, &path, subject, None));
        Ok(set.await?.level)
    }

    /// Sets what a next version of the subject must be compatible with, such as
    /// `FULL_TRANSITIVE`. The subject need not have a version yet.
    pub async fn set_compatibility(&self, subject: &str, level: &str) -> Result<(), RegistryError> {
        let body = json!({ "compatibility": level });
        let path = format!("config/{}", encoded(subject));
        let set = self
            .endpoints
            .ask(|endpoint| endpoint.config(Method::PUT, &path, subject, Some(&body)));
        set.await.map(|_| ())
    }

    async fn find(
        &self,
        call: SrCall<'_>,
        subject: &str,
    ) -> Result<RawRegisteredSchema, RegistryError> {
        self.endpoints.ask(|endpoint| endpoint.find(call, subject)).await
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({})", self.endpoints)
    }
}

/// The body by which a schema is sent.
fn avro(schema: &str) -> String {
    json!({ "schema": schema }).to_string()
}

fn version_of(found: RawRegisteredSchema, subject: &str) -> Result<SchemaVersion, RegistryError> {
    Ok(SchemaVersion {
        id: number(found.id, "id", subject)?,
        version: number(found.version, "version", subject)?,
        schema: text(found.schema, subject)?,
    })
}

fn number(found: Option<u32>, name: &str, subject: &str) -> Result<i32, RegistryError> {
    let number = found.and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| RegistryError::lacking(name, subject))
}

fn text(found: Option<String>, subject: &str) -> Result<String, RegistryError> {
    found.ok_or_else(|| RegistryError::lacking("schema", subject))
}
