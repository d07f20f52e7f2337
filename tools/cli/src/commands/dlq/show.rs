use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::anyhow;
use contracts::dead_letter_headers as dead;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::text::{ago, hex_dump, shortened};
use crate::connections::Connections;
use crate::databases::Databases;
use crate::print::{one_line, print, print_json};
use crate::record::{Content, decode, hex};
use crate::recovery::{Archive, Letter, LetterId, Observer, Outcome, State, letter_id};
use crate::{Unreadable, reader};

/// How much of a payload that cannot be decoded is shown, in bytes: the frame, and a few fields.
const HEAD: usize = 64;
/// How much of a header's value is shown, in characters.
const HEADER_WIDTH: usize = 200;
/// Where a further line of a value begins.
const INDENT: &str = "\n           ";

#[derive(clap::Args)]
pub(crate) struct Show {
    /// The letter, such as payment/0/17
    #[arg(value_name = "ID", value_parser = letter_id)]
    id: LetterId,
    /// All bytes of the payload as they are; they may hold personal data
    #[arg(long)]
    raw: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What is known of a letter beside itself.
struct Findings<'a> {
    letter: &'a Letter,
    state: State<'a>,
    payload: Result<Value, String>,
    /// Whether the service's inbox has the event by its own id; `None` if nobody can say.
    event_seen: Option<bool>,
    /// If it was redriven.
    outcome: Option<Outcome>,
}

pub(crate) async fn run(
    arguments: &Show,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let service = &arguments.id.service;
    let wanted = arguments.id.clone();
    let archive =
        Archive::read_payloads(connections, std::slice::from_ref(service), move |id| *id == wanted)
            .await?;
    let (letter, state) = archive.find(&arguments.id).ok_or_else(|| {
        anyhow!(
            "there is no dead letter {}; farandole dlq list shows those there are",
            arguments.id
        )
    })?;
    let mut observer = Observer::new(connections, databases, [service.as_str()]).await?;
    let findings = Findings {
        letter,
        state,
        payload: payload(letter, connections).await,
        event_seen: event_seen(letter, &mut observer).await?,
        outcome: outcome(letter, state, &mut observer).await?,
    };
    if arguments.json {
        print_json(&findings.as_json(arguments.raw))?;
    } else {
        print(&findings.as_text(arguments.raw))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The payload by the schema that wrote it, without personal data.
async fn payload(letter: &Letter, connections: &Connections) -> Result<Value, String> {
    let registry = connections.registry().await.map_err(|error| error.to_string())?;
    let Content { mut fields, .. } = decode(letter.payload.as_deref(), &registry).await?;
    reader::redact(&mut fields);
    Ok(fields)
}

async fn event_seen(
    letter: &Letter,
    observer: &mut Observer<'_>,
) -> Result<Option<bool>, Unreadable> {
    let Some(event) = letter.event_id() else { return Ok(None) };
    let seen = observer.seen(&letter.id.service, &[event]).await?;
    Ok(seen.map(|seen| !seen.is_empty()))
}

async fn outcome(
    letter: &Letter,
    state: State<'_>,
    observer: &mut Observer<'_>,
) -> anyhow::Result<Option<Outcome>> {
    match state {
        State::Redriven { came_back: Some(id), .. } => Ok(Some(Outcome::DeadAgain(id.clone()))),
        State::Redriven { came_back: None, .. } => {
            Ok(observer.look(&[letter]).await?.remove(&letter.redrive_id()))
        }
        _ => Ok(None),
    }
}

impl Findings<'_> {
    fn as_text(&self, raw: bool) -> String {
        let letter = self.letter;
        let now = Timestamp::now();
        let mut lines = vec![
            one_line(&format!("{}: {}, {}", letter.id, self.state.name(), self.cause())).into(),
            line("died", &format!("{} ({})", letter.died_at, ago(letter.died_at, now))),
            line("source", &letter.source().map_or_else(unknown, |source| source.to_string())),
            line("group", letter.group().unwrap_or("unknown")),
            line("tried", &self.tried()),
        ];
        let errors = letter.errors();
        lines.extend(errors.iter().zip(1..).map(|(error, at)| {
            line(if at == 1 { "errors" } else { "" }, &format!("{at}. {error}"))
        }));
        lines.push(line("key", &letter.key.as_deref().map_or_else(none, text)));
        lines.extend(letter.own_headers().enumerate().map(|(at, (name, value))| {
            let value = value.as_deref().map_or_else(none, text);
            let label = if at == 0 { "headers" } else { "" };
            line(label, &format!("{name}: {}", shortened(&value, HEADER_WIDTH)))
        }));
        lines.push(self.payload_text(raw));
        lines.extend(letter.history().iter().zip(1..).map(|(round, at)| {
            line(if at == 1 { "history" } else { "" }, &format!("{at}. {}", round_text(round)))
        }));
        lines.push(line("since", &self.since()));
        lines.push(format!("\n{}", self.next()));
        lines.join("\n")
    }

    fn cause(&self) -> String {
        let event = self.letter.event_type().unwrap_or("record of no type");
        let order = self.letter.order().map_or_else(String::new, |id| format!(" of order {id}"));
        format!("{event}{order}")
    }

    fn tried(&self) -> String {
        let header = |name| self.letter.header(name).unwrap_or("?");
        let times = match self.letter.attempts() {
            None => "an unknown number of times".to_owned(),
            Some(1) => "once".to_owned(),
            Some(attempts) => format!("{attempts} times"),
        };
        let (first, last) = (header(dead::FIRST_FAILED_AT), header(dead::LAST_FAILED_AT));
        format!("{times}, failed first at {first}, last at {last}")
    }

    fn payload_text(&self, raw: bool) -> String {
        let bytes = self.letter.payload.as_deref().unwrap_or_default();
        // What is foreign in it is on one line already: in JSON's strings, or as numbers.
        let indented =
            |text: String| format!("  {:<8} {}", "payload", text.trim_end().replace('\n', INDENT));
        if raw {
            return indented(format!("{} bytes\n{}", bytes.len(), hex_dump(bytes, true)));
        }
        match &self.payload {
            Ok(value) => indented(format!("{value:#}")),
            Err(reason) => {
                let head = hex_dump(&bytes[..bytes.len().min(HEAD)], false);
                let reason = one_line(reason);
                indented(format!("{} bytes, cannot be decoded: {reason}\n{head}", bytes.len()))
            }
        }
    }

    /// What happened since it died.
    fn since(&self) -> String {
        let mut said = match self.state {
            State::Open => "nothing was done about it".to_owned(),
            State::CopyOf(first) => format!("it is a copy of {first}"),
            State::Redriven { act: None, .. } => {
                "redriven; the log does not say by whom".to_owned()
            }
            State::Redriven { act: Some(act), .. } | State::Discarded(act) => {
                let began = &act.operation.began;
                let why = began.reason.as_deref().unwrap_or("no reason given");
                format!("{} by {} at {:.0}: {why}", self.state.name(), began.by, act.at)
            }
        };
        let _ = match &self.outcome {
            None => Ok(()),
            Some(Outcome::Failing(error)) => write!(said, "; failing again: {error}"),
            Some(Outcome::DeadAgain(id)) => write!(said, "; it came back as {id}"),
            Some(outcome) => write!(said, "; {}", outcome.name()),
        };
        let _ = match self.event_seen {
            None => Ok(()),
            Some(true) => write!(said, "; the inbox has the event by its own id"),
            Some(false) => write!(said, "; the inbox does not have the event"),
        };
        said
    }

    fn next(&self) -> String {
        let id = &self.letter.id;
        match (&self.state, &self.outcome) {
            (State::Open, _) => format!(
                "Next, once its cause is gone: farandole dlq redrive {id}\n  or, if it is to stay \
                 dead: farandole dlq discard {id} --reason …"
            ),
            (State::CopyOf(first), _) => format!("Next: farandole dlq show {first}"),
            (_, Some(Outcome::DeadAgain(back))) => format!("Next: farandole dlq show {back}"),
            (_, Some(Outcome::Unknown)) => {
                format!("Set {} to see what became of it.", Databases::variable(&id.service))
            }
            (_, Some(Outcome::Failing(_))) => {
                "The service goes on trying. Next, in a while: the same again".to_owned()
            }
            (_, Some(Outcome::Unread)) => format!(
                "Next: see that the {} service runs, and whether an earlier event of the order is \
                 failing",
                id.service
            ),
            _ => "Nothing is left to do about it. What was done: farandole dlq log".to_owned(),
        }
    }

    fn as_json(&self, raw: bool) -> Value {
        let letter = self.letter;
        let headers: Vec<Value> = letter
            .own_headers()
            .map(|(name, value)| json!({"name": name, "value": value.as_deref().map(text)}))
            .collect();
        let bytes = letter.payload.as_deref().unwrap_or_default();
        let shown = if raw { bytes } else { &bytes[..bytes.len().min(HEAD)] };
        let act = match self.state {
            State::Redriven { act, .. } => act,
            State::Discarded(act) => Some(act),
            _ => None,
        };
        let act = act.map(|act| {
            let began = &act.operation.began;
            json!({"at": act.at, "by": began.by, "reason": began.reason, "kind": began.kind})
        });
        json!({
            "letter": letter.id,
            "state": self.state.name(),
            "type": letter.event_type(),
            "event_id": letter.event_id(),
            "order_id": letter.order(),
            "died_at": letter.died_at,
            "source": letter.source(),
            "group": letter.group(),
            "attempts": letter.attempts(),
            "first_failed_at": letter.header(dead::FIRST_FAILED_AT),
            "last_failed_at": letter.header(dead::LAST_FAILED_AT),
            "cause": letter.cause(),
            "errors": letter.errors(),
            "key": letter.key.as_deref().map(text),
            "headers": headers,
            "payload": self.payload.as_ref().ok(),
            "payload_error": self.payload.as_ref().err(),
            "payload_bytes": bytes.len(),
            "payload_hex": (raw || self.payload.is_err()).then(|| hex(shown)),
            "history": letter.history(),
            "act": act,
            "outcome": self.outcome.as_ref().map(Outcome::name),
            "event_in_inbox": self.event_seen,
            "redrive_id": letter.redrive_id(),
        })
    }
}

/// An earlier round, in a line.
fn round_text(round: &Value) -> String {
    let said = |name: &str| round[name].as_str().unwrap_or("?");
    let errors = round["errors"].as_array();
    let error = errors.and_then(|all| all.last()).and_then(Value::as_str).unwrap_or("?");
    let why = round["reason"].as_str().map_or_else(String::new, |why| format!(" ({why})"));
    format!(
        "as {}, tried {} times, last error: {error}; redriven by {} at {}{why}",
        said("dead_letter"),
        round["attempts"],
        said("redriven_by"),
        said("redriven_at"),
    )
}

/// A line, whatever the value is.
fn line(label: &str, value: &str) -> String {
    format!("  {label:<8} {}", one_line(value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn none() -> String {
    "(none)".to_owned()
}

fn unknown() -> String {
    "unknown".to_owned()
}
