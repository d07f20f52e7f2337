use std::time::Duration;

use kernel::error_chain;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, ClientBuilder, Method, Response};
use schema_registry_converter::async_impl::schema_registry::{SrSettings, perform_sr_call};
use schema_registry_converter::schema_registry_common::{RawError, RawRegisteredSchema, SrCall};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{Fault, RegistryError};
use super::settings::{BaseUrl, Credentials, RegistrySettings};

/// How long one address may take to answer.
pub(super) const URL_LIMIT: Duration = Duration::from_secs(5);

/// What stands in a path as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A subject as part of a path. The client itself only encodes slashes.
pub(super) fn encoded(subject: &str) -> String {
    utf8_percent_encode(subject, UNRESERVED).to_string()
}

/// One address of the registry.
pub(super) struct Endpoint {
    pub(super) base: String,
    credentials: Credentials,
    /// For schemas.
    client: SrSettings,
    /// For what the client has no calls for.
    http: Client,
}

/// What next versions must be compatible with.
#[derive(Deserialize)]
pub(super) struct Compatibility {
    /// It has one name where it is asked for and another where it is set.
    #[serde(rename = "compatibilityLevel", alias = "compatibility")]
    pub(super) level: String,
}

impl Endpoint {
    pub(super) fn new(url: &BaseUrl, settings: &RegistrySettings) -> Result<Self, RegistryError> {
        let base = url.base.clone();
        let credentials = settings.credentials(url);
        let mut client = SrSettings::new_builder(base.clone());
        client.set_timeout(URL_LIMIT);
        match &credentials {
            Credentials::None => {}
            Credentials::Basic { user, password } => {
                client.set_basic_authorization(user, password.as_deref());
            }
            Credentials::Token(token) => {
                client.set_token_authorization(token);
            }
        }
        let unusable = |error: &dyn std::error::Error| {
            let why = format!(
                "cannot be asked: {}; install the system's certificates, or set SCHEMA_REGISTRY_CA",
                error_chain(error)
            );
            RegistryError::away(&base, &why)
        };
        let client = client.build_with(transport(url, settings));
        let client = client.map_err(|error| unusable(&error))?;
        let http = transport(url, settings).build().map_err(|error| unusable(&error))?;
        Ok(Self { base, credentials, client, http })
    }

    /// Asks for a schema, or sends one.
    pub(super) async fn find(
        &self,
        call: SrCall<'_>,
        subject: &str,
    ) -> Result<RawRegisteredSchema, RegistryError> {
        let found = perform_sr_call(&self.client, call).await;
        found.map_err(|error| Fault::from(&error).explain(&self.base, &self.credentials, subject))
    }

    /// Asks for what is set about the subject, or sets it.
    pub(super) async fn config(
        &self,
        method: Method,
        path: &str,
        subject: &str,
        body: Option<&Value>,
    ) -> Result<Compatibility, RegistryError> {
        let answer = self.request(method, path, body).await;
        answer.map_err(|fault| fault.explain(&self.base, &self.credentials, subject))
    }

    /// Asks for the numbers of the subject's versions.
    pub(super) async fn versions(
        &self,
        path: &str,
        subject: &str,
    ) -> Result<Vec<u32>, RegistryError> {
        let answer = self.request(Method::GET, path, None).await;
        answer.map_err(|fault| fault.explain(&self.base, &self.credentials, subject))
    }

    async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Fault> {
        let request = self.http.request(method, format!("{}/{path}", self.base));
        let request = match &self.credentials {
            Credentials::None => request,
            Credentials::Basic { user, password } => request.basic_auth(user, password.as_ref()),
            Credentials::Token(token) => request.bearer_auth(token),
        };
        let request = if let Some(body) = body { request.json(body) } else { request };
        let response = request.send().await.map_err(|error| Fault::from(&error))?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        response.json().await.map_err(|error| Fault::from(&error))
    }
}

async fn refusal(response: Response) -> Fault {
    let status = response.status().as_u16();
    Fault::Status { status, problem: response.json::<RawError>().await.ok() }
}

/// The system's certificates are only looked for where they are needed.
fn transport(url: &BaseUrl, settings: &RegistrySettings) -> ClientBuilder {
    let builder = Client::builder().timeout(URL_LIMIT);
    match settings.authorities() {
        Some(authorities) => builder.tls_certs_only(authorities.iter().cloned()),
        None if url.is_encrypted() => builder,
        None => builder.tls_certs_only([]),
    }
}
