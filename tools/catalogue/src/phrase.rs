//! Words that the page and its twin have in common.

use std::time::Duration;

use crate::difference::Change;
use crate::model::{Event, Reaction, Service};

/// These with commas, and the last with a word before it: `a, b and c`.
pub(crate) fn enumerate<T: AsRef<str>>(these: &[T], word: &str) -> String {
    match these {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} {word} {}", most.join(", "), last.as_ref())
        }
    }
}

/// One or several of something.
pub(crate) fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// How long something is kept.
pub(crate) fn kept(retention: Option<Duration>) -> String {
    retention.map_or("for ever".to_owned(), |it| {
        let hours = it.as_secs() / 3_600;
        if hours.is_multiple_of(24) {
            count(usize::try_from(hours / 24).unwrap_or_default(), "day", "days")
        } else {
            count(usize::try_from(hours).unwrap_or_default(), "hour", "hours")
        }
    })
}

/// What a service does with an event that it reads.
pub(crate) fn reaction(reaction: &Reaction) -> String {
    let time = reaction.within_s.map(|it| format!(" within {it} s")).unwrap_or_default();
    match reaction.leads_to.as_slice() {
        [] => "takes note of it".to_owned(),
        events => format!("may say {}{time}", enumerate(events, "or")),
    }
}

/// Which fields a service uses of an event.
pub(crate) fn uses(reaction: &Reaction) -> String {
    let paths: Vec<&str> = reaction.uses.iter().map(|it| it.path.as_str()).collect();
    let is_outer = |path: &&&str| {
        paths.iter().any(|it| it.strip_prefix(**path).is_some_and(|it| it.starts_with(['.', '['])))
    };
    let leaves: Vec<&str> = paths.iter().filter(|path| !is_outer(path)).copied().collect();
    if leaves.is_empty() {
        "no field: that it happened is enough".to_owned()
    } else {
        enumerate(&leaves, "and")
    }
}

/// What becomes of an event, in a sentence.
pub(crate) fn fate(event: &Event) -> String {
    let readers: Vec<&str> = event.readers.iter().map(|it| it.service.as_str()).collect();
    let read = match readers.as_slice() {
        [] if event.is_end => "Nobody needs to read it: a story may end with it.".to_owned(),
        [] => "Nobody reads it.".to_owned(),
        readers => format!("Read by {}.", enumerate(readers, "and")),
    };
    match event.undoes.as_slice() {
        [] => read,
        undoes => format!("It undoes {}. {read}", enumerate(undoes, "and")),
    }
}

/// Why an event is said, in a sentence. `link` is how another event is named.
pub(crate) fn cause(event: &Event, link: &dyn Fn(&str) -> String) -> Option<String> {
    let mut causes: Vec<String> = event.follows.iter().map(|it| link(it)).collect();
    if event.is_begin {
        return Some("A story begins with it.".to_owned());
    }
    if causes.is_empty() && !event.is_at_deadline {
        return None;
    }
    if event.is_at_deadline {
        causes.push("when the time is up".to_owned());
    }
    Some(format!("Said on {}.", enumerate(&causes, "or")))
}

/// What a service is, in a sentence.
pub(crate) fn service(service: &Service) -> String {
    let mut about = service.about.chars();
    let about: String =
        about.next().into_iter().flat_map(char::to_uppercase).chain(about).collect();
    format!("{about}.")
}

/// A difference between two versions, in a sentence. `code` is how what a machine reads is marked.
pub(crate) fn change(change: &Change, code: &dyn Fn(&str) -> String) -> String {
    let value = |it: &Option<serde_json::Value>| {
        it.as_ref().map_or("none".to_owned(), |it| code(&it.to_string()))
    };
    match change {
        Change::Added { path, type_text, default: Some(default) } => format!(
            "{} is new: {type_text}, with the default {}.",
            code(path),
            code(&default.to_string())
        ),
        Change::Added { path, type_text, default: None } => {
            format!("{} is new: {type_text}, without a default.", code(path))
        }
        Change::Removed { path } => format!("{} is gone.", code(path)),
        Change::Type { path, was_is: [was, is] } => {
            format!("{} was {was}, and is {is}.", code(path))
        }
        Change::Default { path, was_is: [was, is] } => {
            format!("The default of {} was {}, and is {}.", code(path), value(was), value(is))
        }
        Change::About { path, was_is: [was, is] } => {
            let what = path.as_ref().map_or("the event".to_owned(), |path| code(path));
            format!("What is said of {what} was “{was}”, and is “{is}”.")
        }
        Change::Values { path, added, removed } => {
            let words = [(added, "new"), (removed, "gone")];
            let parts: Vec<String> = words
                .iter()
                .filter(|(values, _)| !values.is_empty())
                .map(|(values, word)| {
                    let values: Vec<String> = values.iter().map(|it| code(it)).collect();
                    format!("{word}: {}", enumerate(&values, "and"))
                })
                .collect();
            format!("Values of {}: {}.", code(path), parts.join("; "))
        }
        Change::Personal { path, is: true } => {
            format!("{} is marked as personal data.", code(path))
        }
        Change::Personal { path, is: false } => {
            format!("{} is marked as personal data no more.", code(path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_times_are_said_in_words() {
        assert_eq!(enumerate::<&str>(&[], "and"), "");
        assert_eq!(enumerate(&["a"], "and"), "a");
        assert_eq!(enumerate(&["a", "b", "c"], "or"), "a, b or c");
        assert_eq!(kept(Some(Duration::from_hours(168))), "7 days");
        assert_eq!(kept(Some(Duration::from_hours(5))), "5 hours");
        assert_eq!(kept(None), "for ever");
    }
}
