//! What running services say of themselves.

use std::time::Duration;

use contracts::Declared;
use declarations::{SERVICES_MAX, is_name};
use futures::future::join_all;

use crate::ServiceUrls;
use crate::http::{cause, client};

/// How long a service may take. All are asked at the same time.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest declaration that is read, in bytes. The fleet's largest has 60 kB.
const BYTES_MAX: usize = 2_000_000;

/// The longest type of an event, in characters; the envelope takes no longer one either.
const TYPE_MAX_CHARS: usize = 100;

/// What was answered.
pub(crate) struct Asked {
    /// What they declare, an entry for each instance.
    pub(crate) running: Vec<Declared>,
    /// Who gave no answer, and why.
    pub(crate) silent: Vec<String>,
}

/// Asks the fleet's services, if their URLs are given, and others.
pub(crate) async fn ask(urls: Option<&ServiceUrls>, also: &[String]) -> Asked {
    let known = urls.into_iter().flat_map(ServiceUrls::all);
    let known = known.map(|(name, url)| (Some(name), url));
    let also = also.iter().map(|url| (None, url.trim_end_matches('/')));
    let all = known.chain(also).take(SERVICES_MAX);
    let answers = join_all(all.map(|(expected, url)| async move {
        let answer = declaration(url).await.and_then(|declared| is_fit(declared, expected));
        answer.map_err(|why| match expected {
            Some(name) => format!("{name} at {url} says nothing of itself: {why}"),
            None => format!("{url} says nothing of itself: {why}"),
        })
    }))
    .await;
    let mut asked = Asked { running: Vec::new(), silent: Vec::new() };
    for answer in answers {
        match answer {
            Ok(declared) => asked.running.push(declared),
            Err(why) => asked.silent.push(why),
        }
    }
    asked
}

async fn declaration(url: &str) -> Result<Declared, String> {
    let client = client(url, PATIENCE).map_err(|error| cause(&error))?;
    let answer = client.get(format!("{url}/declaration")).send().await;
    let mut answer = answer.map_err(|error| cause(&error))?;
    if !answer.status().is_success() {
        return Err(format!("answers {} at /declaration", answer.status()));
    }
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| cause(&error))? {
        text.extend_from_slice(&chunk);
        if text.len() > BYTES_MAX {
            return Err(format!("its declaration has more than {BYTES_MAX} bytes"));
        }
    }
    serde_json::from_slice(&text).map_err(|error| format!("no declaration: {error}"))
}

/// The declaration, if it is that of the service that was asked, and its names can be names.
fn is_fit(declared: Declared, expected: Option<&str>) -> Result<Declared, String> {
    let name = &declared.service;
    if let Some(expected) = expected.filter(|expected| name != expected) {
        return Err(format!("it is the service {name:?}, not {expected}"));
    }
    if !is_name(name) {
        return Err(format!("{name:?} is no service's name"));
    }
    let odd = types(&declared).find(|it| !is_type(it)).map(str::to_owned);
    odd.map_or(Ok(declared), |odd| Err(format!("{odd:?} is no type of an event")))
}

/// All types of events that a declaration names outside of its statuses.
fn types(declared: &Declared) -> impl Iterator<Item = &str> {
    let Declared { consumes, emits, compensates, .. } = declared;
    let read = consumes.iter().flat_map(|it| it.leads_to.iter().chain([&it.event, &it.from]));
    let emitted = emits.iter().map(|it| &it.event);
    let undone = compensates.iter().flat_map(|it| [&it.event, &it.undoes]);
    read.chain(emitted).chain(undone).map(String::as_str)
}

/// Whether this can be the type of an event, which goes into pictures and onto terminals.
fn is_type(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    (1..=TYPE_MAX_CHARS).contains(&text.len()) && text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use contracts::DeclaredEvent;

    use super::*;

    fn event() -> DeclaredEvent {
        serde_json::from_str(r#"{"event": "PointsAwarded"}"#).unwrap()
    }

    #[test]
    fn who_is_another_or_has_no_name_is_not_taken() {
        let declared = |name: &str| Declared { service: name.to_owned(), ..Declared::default() };
        assert!(is_fit(declared("order"), Some("order")).is_ok());
        assert!(is_fit(declared("loyalty"), None).is_ok());
        assert!(is_fit(declared("payment"), Some("order")).unwrap_err().contains("\"payment\""));
        assert!(is_fit(declared("a topic"), None).unwrap_err().contains("no service's name"));
        let mut odd = declared("loyalty");
        odd.emits.push(DeclaredEvent { event: "A --> B\n".to_owned(), ..event() });
        assert!(is_fit(odd, None).unwrap_err().contains("no type of an event"));
    }
}
