use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use reqwest::header::HeaderValue;
use reqwest::{Certificate, Client, Url};
use thiserror::Error;

use crate::secret::Secret;

/// Where the registry is and how to get in, as flags and as environment variables. Neither
/// passwords nor tokens are ever shown.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connections")]
#[group(skip)]
pub struct RegistrySettings {
    /// The schema registry's base URL (Confluent-compatible API), http or https. Where there are
    /// several instances of it, theirs, comma-separated. A user and password in a URL, as in
    /// `https://user:password@host`, are sent as basic authentication.
    #[arg(id = "schema_registry_url", long = "schema-registry-url",
          env = "SCHEMA_REGISTRY_URL", value_name = "URL,…", global = true, hide_env_values = true,
          default_value = "http://localhost:8080/apis/ccompat/v7",
          value_parser = Secret(BaseUrls::parse))]
    urls: BaseUrls,
    /// A bearer token for the schema registry, sent instead of a user and password.
    #[arg(id = "schema_registry_token", long = "schema-registry-token",
          env = "SCHEMA_REGISTRY_TOKEN", value_name = "TOKEN", global = true,
          hide_env_values = true, value_parser = Secret(Token::parse))]
    token: Option<Token>,
    /// A PEM file with the certificates of the authorities that the schema registry's is to be of.
    /// By default these are the system's. It is read once, at start.
    #[arg(id = "schema_registry_ca", long = "schema-registry-ca",
          env = "SCHEMA_REGISTRY_CA", value_name = "FILE", global = true,
          value_parser = Authorities::read)]
    authorities: Option<Authorities>,
}

impl FromStr for RegistrySettings {
    type Err = InvalidRegistryUrl;

    /// Of the URLs alone, with the system's certificates.
    fn from_str(urls: &str) -> Result<Self, InvalidRegistryUrl> {
        Ok(Self {
            urls: BaseUrls::parse(urls).map_err(InvalidRegistryUrl)?,
            token: None,
            authorities: None,
        })
    }
}

/// Text that is not the registry's URL, or not several of them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the schema registry's URL is not valid: {0}")]
pub struct InvalidRegistryUrl(String);

impl fmt::Display for RegistrySettings {
    /// The URLs, without users and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bases: Vec<&str> = self.urls().iter().map(|url| url.base.as_str()).collect();
        f.write_str(&bases.join(","))
    }
}

impl RegistrySettings {
    /// At least one.
    pub(super) fn urls(&self) -> &[BaseUrl] {
        &self.urls.0
    }

    /// What gets in at this address.
    pub(super) fn credentials(&self, url: &BaseUrl) -> Credentials {
        let token = self.token.as_ref();
        token.map_or_else(
            || url.credentials.clone(),
            |Token(token)| Credentials::Token(token.clone()),
        )
    }

    /// The only authorities to be believed, if not the system's.
    pub(super) fn authorities(&self) -> Option<&[Certificate]> {
        self.authorities.as_ref().map(|Authorities(all)| all.as_slice())
    }
}

/// What is sent for the registry to let somebody in.
#[derive(Clone)]
pub(super) enum Credentials {
    None,
    Basic { user: String, password: Option<String> },
    Token(String),
}

impl Credentials {
    /// That they do not do, and what to do about that.
    pub(super) fn refused(&self, status: u16) -> String {
        match self {
            Self::None => format!(
                "wants to know who asks, status {status}: put a user and password into \
                 SCHEMA_REGISTRY_URL, or set SCHEMA_REGISTRY_TOKEN"
            ),
            Self::Basic { .. } => format!(
                "does not allow that to the user in SCHEMA_REGISTRY_URL, status {status}: correct \
                 the user or the password there, or the registry's permissions"
            ),
            Self::Token(_) => format!(
                "does not allow that by the token in SCHEMA_REGISTRY_TOKEN, status {status}: renew \
                 the token, or correct the registry's permissions"
            ),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::None) { "none" } else { "…" })
    }
}

/// One address: what paths are put after, without a slash at its end, and without secrets.
#[derive(Debug, Clone)]
pub(super) struct BaseUrl {
    pub(super) base: String,
    credentials: Credentials,
}

impl BaseUrl {
    pub(super) fn is_encrypted(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// Says what is wrong, and nothing of what the text is.
    fn parse(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("its scheme is another".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("nothing may come after the path".to_owned());
        }
        let credentials = credentials(&url)?;
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            return Err("it has no host".to_owned());
        }
        Ok(Self { base: url.as_str().trim_end_matches('/').to_owned(), credentials })
    }
}

fn credentials(url: &Url) -> Result<Credentials, String> {
    let decoded = |text| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(Into::into).map_err(|_| "the user or the password is not UTF-8".to_owned())
    };
    if url.username().is_empty() && url.password().is_none() {
        return Ok(Credentials::None);
    }
    let password = url.password().map(decoded).transpose()?;
    Ok(Credentials::Basic { user: decoded(url.username())?, password })
}

/// The addresses of one registry; at least one.
#[derive(Debug, Clone)]
struct BaseUrls(Vec<BaseUrl>);

impl BaseUrls {
    fn parse(text: &str) -> Result<Self, String> {
        let all = text.split(',').map(|one| BaseUrl::parse(one.trim()));
        let all: Result<_, String> = all.collect();
        all.map(Self).map_err(|error| {
            format!(
                "{}: {error}; expected http://host:port/path or https://…, several separated by \
                 commas, with what is special in a user or password percent-encoded",
                redacted(text)
            )
        })
    }
}

/// What can be shown of text that is no list of URLs: not what stands before an `@`, nor what
/// stands after a `?` or `#`, for there are the secrets.
fn redacted(text: &str) -> String {
    let shown = match text.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => text.to_owned(),
    };
    match shown.find(['?', '#']) {
        Some(at) => format!("{}…", &shown[..at]),
        None => shown,
    }
}

/// A bearer token.
#[derive(Clone)]
struct Token(String);

impl Token {
    fn parse(text: &str) -> Result<Self, String> {
        let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_token && HeaderValue::from_str(text).is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err("…: expected a token of visible ASCII characters, without spaces".to_owned())
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Certificates of authorities.
#[derive(Debug, Clone)]
struct Authorities(Vec<Certificate>);

impl Authorities {
    fn read(path: &str) -> Result<Self, String> {
        let expected = "expected a file with certificates in PEM";
        let pem = std::fs::read(path).map_err(|error| format!("{error}; {expected}"))?;
        let all = Certificate::from_pem_bundle(&pem).ok().filter(|all| !all.is_empty());
        let all = all.ok_or_else(|| format!("there is no certificate in it; {expected}"))?;
        match Client::builder().tls_certs_only(all.iter().cloned()).build() {
            Ok(_) => Ok(Self(all)),
            Err(error) => Err(format!("{}; {expected}", kernel::error_chain(&error))),
        }
    }
}
