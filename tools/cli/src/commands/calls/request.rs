use std::process::ExitCode;

use contracts::operations::{Kind, Subject};

use super::decide::{Order, hand_over, report};
use super::text::{calls_table, number};
use crate::calls::{Filter, OpenCall, chosen};
use crate::command_line::Misused;
use crate::commands::dlq::{Author, Consent, words};
use crate::connections::Connections;
use crate::databases::Databases;
use crate::print::{print, remark};

/// The most calls that one command decides on.
const CALLS_MAX: i64 = 100_000;

/// Why, and by whom.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For the log")]
pub(crate) struct Reason {
    /// Why, for whoever reads the log
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) author: Author,
}

/// How to go about it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How to go about it")]
pub(crate) struct Asked {
    #[command(flatten)]
    consent: Consent,
    /// Only tell what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// As JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

impl Asked {
    /// Asks for a yes. An error where nobody sits there to be asked.
    pub(crate) fn confirmed(&self, question: &str) -> anyhow::Result<bool> {
        self.consent.given(question)
    }
}

/// Calls that something is to be done about.
#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    /// The calls, as the list shows them; or a filter
    #[arg(value_name = "ORDER/STEP")]
    calls: Vec<Subject>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    why: Reason,
    #[command(flatten)]
    asked: Asked,
}

impl Request {
    pub(crate) async fn run(
        &self,
        kind: Kind,
        connections: &Connections,
        databases: &Databases,
    ) -> anyhow::Result<ExitCode> {
        let Self { calls, filter, why, asked } = self;
        if calls.is_empty() == filter.is_empty() {
            let why = "name the calls, or say by a filter such as --step which ones are meant";
            return Err(Misused(why.to_owned()).into());
        }
        let (mut found, missing) = chosen(calls, filter, databases, CALLS_MAX).await?;
        if calls.is_empty() {
            found.retain(|call| can_be(kind, call));
        }
        for call in &missing {
            remark(&format!("{call} is not open"));
        }
        if found.is_empty() {
            print("No call that fits is open. Next: farandole calls list")?;
            return Ok(ExitCode::FAILURE);
        }
        if asked.dry_run {
            let what = format!("Would {} {}.", kind.name(), number(found.len()));
            print(&format!("{}\n\n{what}", calls_table(&found)))?;
            return Ok(ExitCode::SUCCESS);
        }
        let question = format!("{} {}?", capital(kind.name()), number(found.len()));
        if !asked.confirmed(&question)? {
            print("Nothing was done.")?;
            return Ok(ExitCode::FAILURE);
        }
        let names = calls.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let asked_for = if calls.is_empty() { filter.words() } else { names };
        let orders = by_service(&found);
        let began = why.author.begins(kind, asked_for, found.len(), Some(&why.reason));
        let done = hand_over(began, &orders, None, connections, databases).await?;
        let code = report(&done, asked.json)?;
        Ok(if missing.is_empty() { code } else { ExitCode::FAILURE })
    }
}

/// Whether it can be done to a call in this state.
fn can_be(kind: Kind, call: &OpenCall) -> bool {
    match call.held.as_deref() {
        None => matches!(kind, Kind::Retry | Kind::Park),
        Some("parked") => kind == Kind::Unpark,
        Some(_) => kind == Kind::Retry,
    }
}

/// What each service is to do.
pub(super) fn by_service(calls: &[OpenCall]) -> Vec<Order> {
    let mut orders: Vec<Order> = Vec::new();
    for call in calls {
        let subject = call.subject();
        match orders.iter_mut().find(|order| order.service == call.service) {
            Some(order) => order.subjects.push(subject),
            None => orders.push(Order { service: call.service, subjects: vec![subject] }),
        }
    }
    orders
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
