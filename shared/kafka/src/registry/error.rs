use std::error::Error as _;

use kernel::error_chain;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;
use thiserror::Error;

use super::settings::Credentials;
use crate::refusals::AUTH_FAILURES;

/// Why the registry did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// It cannot be reached, is in trouble, or does not let anybody in. Trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// It does not have what was asked for.
    #[error("{0} is not in the schema registry; `farandole schemas register` puts it there")]
    Missing(String),
    /// It refuses, such as a schema that is not compatible with those before it.
    #[error("the schema registry refuses {subject}: {reason}")]
    Refused {
        /// The subject, or which schema.
        subject: String,
        /// Its words.
        reason: String,
    },
}

/// How long what somebody else says about an error may be, in characters.
const WORDS_MAX: usize = 2_000;

impl RegistryError {
    /// The registry at this address cannot be used, and why.
    pub(super) fn away(base: &str, why: &str) -> Self {
        Self::Unavailable(format!("the schema registry at {base} {why}"))
    }

    /// An answer that has not all that such an answer has.
    pub(super) fn lacking(part: &str, subject: &str) -> Self {
        Self::Unavailable(format!(
            "the schema registry's answer about {subject} has no {part}; is SCHEMA_REGISTRY_URL \
             the base URL of a Confluent-compatible API?"
        ))
    }
}

/// What went wrong with one call to one address.
pub(super) enum Fault {
    /// An answer that says no.
    Status {
        status: u16,
        /// The registry's own words; without them, something else has answered.
        problem: Option<RawError>,
    },
    /// No answer within the time.
    Silence,
    /// No connection, or half an answer, or one that is none.
    Broken(String),
}

impl From<&reqwest::Error> for Fault {
    fn from(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Silence;
        }
        // The error itself says little more than the URL, which is told anyway.
        Self::Broken(error.source().map_or_else(|| error.to_string(), error_chain))
    }
}

impl From<&SRCError> for Fault {
    /// The client tells the status only as text, and the registry's words as a source.
    fn from(error: &SRCError) -> Self {
        let source = error.source();
        if let Some(transport) = source.and_then(|source| source.downcast_ref::<reqwest::Error>()) {
            return transport.into();
        }
        let problem = source.and_then(|source| source.downcast_ref::<RawError>());
        let told = error.error.split_once("failed with status ").map(|(_, status)| status);
        match told.and_then(|status| status.get(..3)?.parse().ok()) {
            // An error code of 0 is the client's own: it could not read the registry's words.
            Some(status) => {
                Self::Status { status, problem: problem.filter(|it| it.error_code != 0).cloned() }
            }
            None => Self::Broken(error.error.clone()),
        }
    }
}

impl Fault {
    /// What that means for whoever asked for the subject.
    pub(super) fn explain(
        self,
        base: &str,
        credentials: &Credentials,
        subject: &str,
    ) -> RegistryError {
        let (status, problem) = match self {
            Self::Status { status, problem } => (status, problem),
            Self::Silence => {
                return RegistryError::away(base, &silence(super::endpoint::URL_LIMIT));
            }
            Self::Broken(why) => return RegistryError::away(base, &broken(&why)),
        };
        match (status, &problem) {
            (404, Some(problem)) if !is_unknown_path(problem) => {
                RegistryError::Missing(subject.to_owned())
            }
            (404, _) => RegistryError::away(
                base,
                "is not there: no Confluent-compatible API at this address; SCHEMA_REGISTRY_URL \
                 is the API's base, such as http://host:8080/apis/ccompat/v7",
            ),
            (400 | 409 | 422, Some(problem)) => RegistryError::Refused {
                subject: subject.to_owned(),
                reason: shortened(&problem.message),
            },
            (401 | 403, _) => {
                AUTH_FAILURES.of(["registry"]).increment(1);
                RegistryError::away(base, &credentials.refused(status))
            }
            _ => {
                let words = problem.map(|problem| format!(": {}", shortened(&problem.message)));
                let words = words.unwrap_or_default();
                let why = format!("is in trouble, status {status}{words}; see to it, or wait");
                RegistryError::away(base, &why)
            }
        }
    }
}

/// How it is said that a connection or an answer is broken.
fn broken(why: &str) -> String {
    let todo = if why.contains("certificate") {
        "SCHEMA_REGISTRY_CA is for the certificates of the authorities to believe"
    } else {
        "start it, or set SCHEMA_REGISTRY_URL to where it is"
    };
    format!("is not there: {}; {todo}", shortened(why))
}

/// How it is said that no answer came.
pub(super) fn silence(limit: std::time::Duration) -> String {
    format!(
        "is not there: no answer within {} s; see to it, or set SCHEMA_REGISTRY_URL to where it is",
        limit.as_secs_f32()
    )
}

/// Confluent's registry answers so to a path that it does not know; what it knows and does not have
/// has a code of its own, such as 40403.
fn is_unknown_path(problem: &RawError) -> bool {
    problem.error_code == 404 && problem.message.starts_with("HTTP 404")
}

fn shortened(words: &str) -> String {
    words.chars().take(WORDS_MAX).collect()
}
