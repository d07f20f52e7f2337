use std::collections::HashMap;
use std::process::ExitCode;

use contracts::operations::Subject;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::text::shown;
use crate::Unreadable;
use crate::age::{ago, within};
use crate::calls::{OpenCall, call_of, service_of};
use crate::connections::Connections;
use crate::database::ask;
use crate::databases::Databases;
use crate::print::{print, print_json, remark};
use crate::recovery::OperationLog;

/// How much is shown of a text, in characters.
const WIDTH: usize = 1_000;

#[derive(clap::Args)]
pub(crate) struct Show {
    /// The call, as the list shows it
    #[arg(value_name = "ORDER/STEP")]
    call: Subject,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// What an operator has decided on it.
#[derive(Debug, Serialize)]
struct Decision {
    operation: Uuid,
    at: Timestamp,
    /// Why it was not carried out.
    refused: Option<String>,
    /// What, by whom, and why, if the log tells.
    kind: Option<&'static str>,
    by: Option<String>,
    reason: Option<String>,
}

pub(crate) async fn run(
    Show { call: wanted, json }: &Show,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let service = service_of(wanted)?;
    let mut database = databases.connect(service).await?;
    let call = call_of(service, &mut database, wanted).await?;
    let mut decisions = decisions(service, &mut database, wanted).await?;
    explain(&mut decisions, connections).await;
    if *json {
        let effect = call.as_ref().map(|call| redacted(&call.effect));
        let all = json!({ "call": call, "effect": effect, "decisions": decisions });
        print_json(&all)?;
    } else {
        print(&render(wanted, service, call.as_ref(), &decisions))?;
    }
    Ok(if call.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was decided on the call, oldest first.
async fn decisions(
    service: &str,
    database: &mut PgConnection,
    call: &Subject,
) -> Result<Vec<Decision>, Unreadable> {
    let question = sqlx::query_as(
        "SELECT operation, decided_at, refused FROM decisions
         WHERE saga = $1 AND step = $2 ORDER BY decided_at LIMIT 100",
    );
    let question = question.bind(call.saga.0).bind(call.step.clone());
    let rows: Vec<(Uuid, jiff_sqlx::Timestamp, Option<String>)> =
        ask(service, database, question).await?;
    let decision = |(operation, at, refused): (Uuid, jiff_sqlx::Timestamp, Option<String>)| {
        Decision { operation, at: at.to_jiff(), refused, kind: None, by: None, reason: None }
    };
    Ok(rows.into_iter().map(decision).collect())
}

/// Adds what the log tells. A call can be shown without Kafka, too.
async fn explain(decisions: &mut [Decision], connections: &Connections) {
    if decisions.is_empty() {
        return;
    }
    let reading = async {
        connections.kafka().await?;
        OperationLog::read(connections).await
    };
    match reading.await {
        Ok(log) => {
            let all = log.operations().iter().map(|one| (one.began.operation, &one.began));
            let by_id: HashMap<Uuid, _> = all.collect();
            for decision in decisions {
                if let Some(began) = by_id.get(&decision.operation) {
                    decision.kind = Some(began.kind.name());
                    decision.by = Some(began.by.clone());
                    decision.reason.clone_from(&began.reason);
                }
            }
        }
        Err(error) => remark(&format!("who decided on it, and why, is not known: {error}")),
    }
}

fn render(
    wanted: &Subject,
    service: &str,
    call: Option<&OpenCall>,
    decisions: &[Decision],
) -> String {
    let mut lines = vec![format!("call         {wanted}"), format!("service      {service}")];
    match call {
        None => {
            lines.push("state        not open: its outcome is known, or there is none".to_owned());
        }
        Some(call) => {
            let OpenCall { attempts, since, due_at, held, .. } = call;
            lines.push(format!("state        {}", call.state()));
            lines.extend(
                call.destination.iter().map(|it| format!("destination  {}", shown(it, WIDTH))),
            );
            lines.push(format!("tries        {attempts}"));
            lines.push(format!("since        {since:.0}, for {}", ago(*since)));
            if held.is_none() {
                lines.push(format!("next try     {}", within(*due_at)));
            }
            let error = call.last_error.iter();
            lines.extend(error.map(|it| format!("last error   {}", shown(it, WIDTH))));
            lines.push(format!(
                "asks for     {}",
                shown(&redacted(&call.effect).to_string(), WIDTH)
            ));
        }
    }
    lines.extend(decisions.iter().map(|decision| {
        let Decision { at, refused, kind, by, reason, .. } = decision;
        let text = |it: &Option<String>| shown(it.as_deref().unwrap_or("–"), WIDTH);
        let (kind, by, reason) = (kind.unwrap_or("decided"), text(by), text(reason));
        let fate = refused
            .as_deref()
            .map_or_else(String::new, |why| format!("; refused: {}", shown(why, WIDTH)));
        format!("decision     {at:.0}  {kind} by {by}: {reason}{fate}")
    }));
    lines.join("\n")
}

/// What the call asks for, without personal data: that is in objects.
fn redacted(effect: &Value) -> Value {
    let Value::Object(fields) = effect else { return Value::Null };
    let field = |(name, value): (&String, &Value)| {
        let harmless = matches!(name.as_str(), "amount") || !value.is_object();
        let value = if harmless { value.clone() } else { Value::String("(redacted)".to_owned()) };
        (name.clone(), value)
    };
    Value::Object(fields.iter().map(field).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_data_does_not_show() {
        let effect = json!({"effect": "mail", "outcome": "cancelled",
            "recipient": {"name": "Ada", "email": "ada@example.org"}});
        let shown = redacted(&effect).to_string();
        assert!(shown.contains("cancelled") && !shown.contains("ada@"), "{shown}");
        let charge = json!({"effect": "charge", "amount": {"amount": 450, "currency": "EUR"}});
        assert_eq!(redacted(&charge), charge);
    }
}
