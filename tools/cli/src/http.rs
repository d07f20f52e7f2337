//! Asking services.

use std::error::Error as _;
use std::iter::successors;
use std::time::Duration;

use reqwest::Client;

/// What asks a service at this URL, for this long at most.
pub(crate) fn client(url: &str, within: Duration) -> reqwest::Result<Client> {
    // Whatever proxy the environment names is for the way out; and the system's certificates need
    // not be read for what is not encrypted.
    let mut client = Client::builder().timeout(within).no_proxy();
    if !url.starts_with("https:") {
        client = client.tls_certs_only([]);
    }
    client.build()
}

/// Why there was no answer. The last cause says it: connection refused, no such host.
pub fn cause(error: &reqwest::Error) -> String {
    let causes = successors(error.source(), |&cause| cause.source());
    causes.last().map_or_else(|| error.to_string(), ToString::to_string)
}
