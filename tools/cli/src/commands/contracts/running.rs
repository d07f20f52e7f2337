//! What running services declare.

use std::error::Error as _;
use std::iter::successors;
use std::time::Duration;

use contracts::Declared;
use farandole_cli::ServiceUrls;
use futures::future::join_all;
use reqwest::Client;

/// How long a service may take. All are asked at the same time.
const WITHIN: Duration = Duration::from_secs(2);

/// The largest declaration that is read, in bytes. The largest of the fleet has 20,000.
const DECLARATION_MAX: usize = 1024 * 1024;

/// What each service declares, and of those that say nothing why.
pub(super) async fn ask(urls: &ServiceUrls) -> (Vec<Declared>, Vec<String>) {
    let answers = join_all(urls.all().map(|(service, url)| async move {
        let answer = declaration(url).await;
        answer.map_err(|why| format!("{service} at {url} says nothing of itself: {why}"))
    }));
    let (mut declared, mut silent) = (Vec::new(), Vec::new());
    for answer in answers.await {
        match answer {
            Ok(one) => declared.push(one),
            Err(why) => silent.push(why),
        }
    }
    (declared, silent)
}

async fn declaration(url: &str) -> Result<Declared, String> {
    // Whatever proxy the environment names is for the way out.
    let mut client = Client::builder().timeout(WITHIN).no_proxy();
    if !url.starts_with("https:") {
        client = client.tls_certs_only([]);
    }
    let chain = |error: reqwest::Error| last_cause(&error);
    let client = client.build().map_err(chain)?;
    let mut answer = client.get(format!("{url}/declaration")).send().await.map_err(chain)?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(chain)? {
        body.extend_from_slice(&chunk);
        if body.len() > DECLARATION_MAX {
            return Err(format!("its declaration has more than {DECLARATION_MAX} bytes"));
        }
    }
    serde_json::from_slice(&body).map_err(|error| format!("that is no declaration: {error}"))
}

/// The last cause says it: connection refused, no such host.
fn last_cause(error: &reqwest::Error) -> String {
    let causes = successors(error.source(), |&cause| cause.source());
    causes.last().map_or_else(|| error.to_string(), ToString::to_string)
}
