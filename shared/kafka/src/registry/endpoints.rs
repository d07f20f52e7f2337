use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::endpoint::Endpoint;
use super::error::{RegistryError, silence};
use super::settings::RegistrySettings;

/// How long a call may take, however many addresses there are.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The addresses of one registry.
pub(super) struct Endpoints {
    /// At least one.
    all: Vec<Endpoint>,
    /// Which of them answered last.
    last: AtomicUsize,
}

impl Endpoints {
    pub(super) fn new(settings: &RegistrySettings) -> Result<Self, RegistryError> {
        let all = settings.urls().iter().map(|url| Endpoint::new(url, settings));
        Ok(Self { all: all.collect::<Result<_, _>>()?, last: AtomicUsize::new(0) })
    }

    /// Asks one after the other until one is there, whatever it answers.
    pub(super) async fn ask<'s, T, F>(
        &'s self,
        question: impl Fn(&'s Endpoint) -> F,
    ) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        match tokio::time::timeout(CALL_LIMIT, self.ask_each(question)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.silent(CALL_LIMIT)),
        }
    }

    async fn ask_each<'s, T, F>(
        &'s self,
        question: impl Fn(&'s Endpoint) -> F,
    ) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let last = self.last.load(Ordering::Relaxed);
        let mut reasons = Vec::new();
        for at in (last..self.all.len()).chain(0..last) {
            match question(&self.all[at]).await {
                Err(RegistryError::Unavailable(reason)) => reasons.push(reason),
                answer => {
                    self.last.store(at, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(RegistryError::Unavailable(reasons.join("; ")))
    }

    /// That none answered within this long.
    pub(super) fn silent(&self, within: Duration) -> RegistryError {
        RegistryError::away(&self.to_string(), &silence(within))
    }
}

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bases: Vec<&str> = self.all.iter().map(|endpoint| endpoint.base.as_str()).collect();
        f.write_str(&bases.join(", "))
    }
}
