//! What can be done to a demo's fleet, and how it is with that.

use askama::Template;
use jiff::Timestamp;

use super::{Frame, PAGES};
use crate::demo::{Experiment, Target};
use crate::words::{ago, spell};

#[derive(Template)]
#[template(path = "experiments.html")]
pub(crate) struct ExperimentsPage {
    pub(crate) frame: Frame,
    sentence: String,
    /// Why it is not known what can be done.
    trouble: String,
    experiments: Vec<Shown>,
}

/// An experiment as it is shown.
struct Shown {
    is: Experiment,
    /// The pages to look at, with their names.
    look: Vec<(String, &'static str)>,
    rows: Vec<Row>,
    /// Whether there is something to say of each target.
    is_long: bool,
}

/// A target, with its button.
struct Row {
    name: String,
    about: String,
    button: String,
    is_end: bool,
    /// Why the button does nothing now; empty if it does.
    disabled: String,
    /// How it is, if there is anything to say.
    state: &'static str,
    words: String,
    order: String,
}

impl ExperimentsPage {
    pub(crate) fn new(frame: Frame, list: Result<Vec<Experiment>, String>) -> Self {
        let (list, trouble) = match list {
            Ok(list) => (list, String::new()),
            Err(why) => (Vec::new(), format!("It is not known what can be broken: {why}.")),
        };
        Self {
            frame,
            sentence: sentence(&list),
            trouble,
            experiments: list.into_iter().map(shown).collect(),
        }
    }
}

/// What is under way.
fn sentence(list: &[Experiment]) -> String {
    let lasting = list.iter().filter(|it| !it.end.is_empty());
    let under_way = lasting.flat_map(|experiment| {
        let targets = experiment.targets.iter().filter(|target| target.since.is_some());
        targets.map(|target| format!("{} {}", target.label, experiment.state))
    });
    let under_way: Vec<String> = under_way.collect();
    match under_way.as_slice() {
        [] => "Nothing is broken. What would you like to see the fleet cope with?".to_owned(),
        these => format!("Now: {}.", these.join(", ")),
    }
}

fn shown(mut is: Experiment) -> Shown {
    let targets = std::mem::take(&mut is.targets);
    let rows: Vec<Row> = targets.into_iter().map(|target| row(&is, target)).collect();
    let named = |path: &String| PAGES.iter().find(|(own, _)| own == path);
    let look = is.look.iter().filter_map(named).map(|(path, name)| ((*path).to_owned(), *name));
    let is_long = rows.iter().all(|row| !row.about.is_empty());
    Shown { look: look.collect(), rows, is_long, is }
}

fn row(of: &Experiment, target: Target) -> Row {
    let Target { name, label, about, since, until, is_changing, otherwise, said } = target;
    let is_end = since.is_some() && !of.end.is_empty();
    let button = format!("{} {label}", if is_end { &of.end } else { &of.begin });
    let disabled = match (since, is_changing, &otherwise) {
        (_, _, Some(state)) => format!("{label}: {state}"),
        (_, true, _) => "in a moment".to_owned(),
        _ => String::new(),
    };
    let lasts = since.map(|since| {
        let itself = until.map(|until| Timestamp::now().duration_until(until));
        let itself = itself.map(|left| format!(", ends by itself in {}", spell(left)));
        format!("{} for {}{}", of.state, ago(since), itself.unwrap_or_default())
    });
    let order = said.as_ref().and_then(|said| said.order).map(|id| id.to_string());
    let state = match &said {
        Some(said) if said.is_good && lasts.is_none() => "good",
        Some(said) if !said.is_good => "stuck",
        _ => "late",
    };
    let words = lasts.into_iter().chain(said.map(|said| said.text)).collect::<Vec<_>>().join(": ");
    let order = order.unwrap_or_default();
    Row { name, about, button, is_end, disabled, state, words, order }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;
    use crate::demo::Said;

    fn experiment(end: &str, target: Target) -> Experiment {
        Experiment {
            name: "freeze".to_owned(),
            title: "A service that hangs".to_owned(),
            about: String::new(),
            begin: "Freeze".to_owned(),
            end: end.to_owned(),
            state: "frozen".to_owned(),
            look: vec!["/orders".to_owned(), "/nowhere".to_owned()],
            targets: vec![target],
        }
    }

    fn idle() -> Target {
        Target {
            name: "payment".to_owned(),
            label: "payment".to_owned(),
            about: String::new(),
            since: None,
            until: None,
            is_changing: false,
            otherwise: None,
            said: None,
        }
    }

    #[test]
    fn a_button_begins_ends_or_says_why_not() {
        let row = |end, target| shown(experiment(end, target)).rows.remove(0);
        let now = Timestamp::now();
        let begin = row("Let go", idle());
        assert!(!begin.is_end && begin.button == "Freeze payment" && begin.disabled.is_empty());
        assert!(begin.words.is_empty());

        let until = Some(now + 2.hours());
        let end = row("Let go", Target { since: Some(now), until, ..idle() });
        assert!(end.is_end && end.button == "Let go payment" && end.disabled.is_empty());
        assert!(end.words.contains("frozen for") && end.words.contains("by itself in 1 h 59 min"));

        let changing = row("Let go", Target { since: Some(now), is_changing: true, ..idle() });
        assert!(!changing.disabled.is_empty());
        let killed = row("Let go", Target { otherwise: Some("killed".to_owned()), ..idle() });
        assert!(!killed.is_end && killed.disabled.contains("killed"));

        // What ends by itself has no button that ends it.
        let playing = row("", Target { since: Some(now), is_changing: true, ..idle() });
        assert!(!playing.is_end && !playing.disabled.is_empty());
        let said = Said { text: "it ended as cancelled".to_owned(), is_good: false, order: None };
        let told = row("", Target { said: Some(said), ..idle() });
        assert!(told.state == "stuck" && told.words == "it ended as cancelled");
    }

    #[test]
    fn the_sentence_names_what_lasts_and_no_more() {
        let frozen = || Target { since: Some(Timestamp::now()), ..idle() };
        assert_eq!(sentence(&[experiment("Let go", frozen())]), "Now: payment frozen.");
        assert!(sentence(&[experiment("Let go", idle())]).starts_with("Nothing is broken"));
        assert!(sentence(&[experiment("", frozen())]).starts_with("Nothing is broken"));
        let shown = shown(experiment("", idle()));
        assert_eq!(shown.look, [("/orders".to_owned(), "Orders")], "no link leads nowhere");
    }
}
