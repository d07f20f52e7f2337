//! The calls of services to the outside that are open, parked or given up.

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::Declared;
use contracts::operations::Subject;
use declarations::fleet;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::database::ask;
use crate::databases::Databases;
use crate::masking;
use crate::{OrderId, Unreadable};

/// The services that call somebody, and the steps that they have calls for.
fn calling() -> Vec<(&'static str, BTreeSet<&'static str>)> {
    let steps = |declared: &'static Declared| -> BTreeSet<&str> {
        declared.statuses.iter().flat_map(|status| &status.calls).map(String::as_str).collect()
    };
    let all = fleet().services().iter().map(|it| (it.service.as_str(), steps(it)));
    all.filter(|(_, steps)| !steps.is_empty()).collect()
}

/// The names of those services.
pub fn services() -> Vec<&'static str> {
    calling().into_iter().map(|(service, _)| service).collect()
}

/// The service that has this call.
pub fn service_of(call: &Subject) -> anyhow::Result<&'static str> {
    let calling = calling();
    let found = calling.iter().find(|(_, steps)| steps.contains(call.step.as_str()));
    let steps = || calling.iter().flat_map(|(_, steps)| steps).copied().collect::<Vec<_>>();
    found
        .map(|(service, _)| *service)
        .ok_or_else(|| anyhow::anyhow!("{call} is no call: the steps are {}", steps().join(", ")))
}

/// Which calls are meant.
#[derive(Debug, Default, Clone, clap::Args)]
#[command(next_help_heading = "Which calls")]
pub struct Filter {
    /// Only those of these services
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(services()))]
    pub service: Vec<String>,
    /// Only those of these steps, such as charge; `mail` is all mails
    #[arg(long, value_name = "STEP")]
    pub step: Vec<String>,
    /// Only those to this destination, such as visa, as the list shows it
    #[arg(long, value_name = "NAME")]
    pub destination: Option<String>,
    /// Only those that have been open for longer, such as 60s, 10m or 2h
    #[arg(long, value_name = "TIME", value_parser = crate::age::parse)]
    pub older_than: Option<Duration>,
    /// Only those that were given up
    #[arg(long, conflicts_with = "parked")]
    pub given_up: bool,
    /// Only those that are parked
    #[arg(long)]
    pub parked: bool,
}

impl Filter {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        let Self { service, step, destination, older_than, given_up, parked } = self;
        service.is_empty()
            && step.is_empty()
            && destination.is_none()
            && older_than.is_none()
            && !given_up
            && !parked
    }

    fn held(&self) -> Option<&'static str> {
        match (self.given_up, self.parked) {
            (true, _) => Some("given_up"),
            (_, true) => Some("parked"),
            _ => None,
        }
    }

    /// The services whose calls it can mean.
    pub fn services(&self) -> Vec<&'static str> {
        let means = |(service, steps): &(&str, BTreeSet<&str>)| {
            let named = self.service.is_empty() || self.service.iter().any(|name| name == service);
            named && steps.iter().any(|step| self.has(step))
        };
        calling().into_iter().filter(means).map(|(service, _)| service).collect()
    }

    /// The steps that it means.
    fn steps(&self) -> Vec<&'static str> {
        let all = calling().into_iter().flat_map(|(_, steps)| steps);
        all.filter(|step| self.has(step)).collect()
    }

    fn has(&self, step: &str) -> bool {
        self.step.is_empty() || self.step.iter().any(|wanted| fits(step, wanted))
    }

    /// As it was written.
    pub fn words(&self) -> String {
        let Self { service, step, destination, older_than, given_up, parked } = self;
        let mut words: Vec<String> =
            service.iter().map(|name| format!("--service {name}")).collect();
        words.extend(step.iter().map(|step| format!("--step {step}")));
        words.extend(destination.iter().map(|name| format!("--destination {name}")));
        words.extend(older_than.iter().map(|age| format!("--older-than {age:?}")));
        words.extend(given_up.then(|| "--given-up".to_owned()));
        words.extend(parked.then(|| "--parked".to_owned()));
        words.join(" ")
    }
}

/// The first word of a step stands for all that begin with it.
fn fits(step: &str, wanted: &str) -> bool {
    step.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// A call whose outcome is not known, or that was given up.
#[derive(Debug, Clone, Serialize)]
pub struct OpenCall {
    /// The service that calls.
    pub service: &'static str,
    /// The order that it is for.
    pub order_id: OrderId,
    /// What it is for, such as `charge`.
    pub step: String,
    /// Who answers; not known before it was put off once.
    pub destination: Option<String>,
    /// `parked`, `given_up`, or none.
    pub held: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// Why the last try had no outcome.
    pub last_error: Option<String>,
    /// When it was decided on; or when it was unparked, if it was.
    pub since: Timestamp,
    /// When somebody looks at it again.
    pub due_at: Timestamp,
    /// What is asked for, as the service has noted it; may hold personal data.
    #[serde(skip)]
    pub effect: Value,
}

impl OpenCall {
    /// By what it is called: order and step.
    pub fn subject(&self) -> Subject {
        Subject { saga: self.order_id, step: self.step.clone() }
    }

    /// The same for who is to see nothing personal: without what its error quotes, since providers may answer
    /// with a name or an address.
    #[must_use]
    pub fn masked(self) -> Self {
        let last_error = self.last_error.as_deref().map(masking::error);
        Self { last_error, ..self }
    }

    /// `open`, `parked` or `given up`.
    pub fn state(&self) -> &'static str {
        match self.held.as_deref() {
            None => "open",
            Some("parked") => "parked",
            Some(_) => "given up",
        }
    }
}

type Row = (
    Uuid,
    String,
    Option<String>,
    Option<String>,
    i32,
    Option<String>,
    jiff_sqlx::Timestamp,
    jiff_sqlx::Timestamp,
    Json<Value>,
    i64,
);

const CALLS: &str = "SELECT saga, step, destination, held, attempts, nullif(last_error, ''),
    created_at, due_at, effect, count(*) OVER () FROM effects";

/// The calls of a service that are meant, the oldest first, so many at most; and how many there are.
pub async fn calls(
    service: &'static str,
    database: &mut PgConnection,
    filter: &Filter,
    limit: i64,
) -> Result<(Vec<OpenCall>, i64), Unreadable> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{CALLS} WHERE step = ANY($1) AND ($2::text IS NULL OR held = $2)
           AND ($3::text IS NULL OR destination = $3)
           AND ($4::float8 IS NULL OR created_at < now() - $4 * interval '1 second')
         ORDER BY created_at, saga, step LIMIT $5"
    ));
    let question = sqlx::query_as(sql)
        .bind(filter.steps())
        .bind(filter.held())
        .bind(filter.destination.clone())
        .bind(filter.older_than.map(|age| age.as_secs_f64()))
        .bind(limit);
    let rows: Vec<Row> = ask(service, database, question).await?;
    let all = rows.first().map_or(0, |row| row.9);
    Ok((rows.into_iter().map(|row| call(service, row)).collect(), all))
}

/// One call, if it is open.
pub async fn call_of(
    service: &'static str,
    database: &mut PgConnection,
    wanted: &Subject,
) -> Result<Option<OpenCall>, Unreadable> {
    let sql = sqlx::AssertSqlSafe(format!("{CALLS} WHERE saga = $1 AND step = $2"));
    let question = sqlx::query_as(sql).bind(wanted.saga.0).bind(wanted.step.clone());
    let rows: Vec<Row> = ask(service, database, question).await?;
    Ok(rows.into_iter().next().map(|row| call(service, row)))
}

fn call(service: &'static str, row: Row) -> OpenCall {
    let (order, step, destination, held, attempts, last_error, since, due_at, Json(effect), _) =
        row;
    OpenCall {
        service,
        order_id: OrderId(order),
        step,
        destination: destination.filter(|name| !name.is_empty()),
        held,
        attempts,
        last_error,
        since: since.to_jiff(),
        due_at: due_at.to_jiff(),
        effect,
    }
}

/// All calls that are meant, by their names or by a filter.
pub async fn chosen(
    named: &[Subject],
    filter: &Filter,
    databases: &Databases,
    limit: i64,
) -> anyhow::Result<(Vec<OpenCall>, Vec<Subject>)> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    if named.is_empty() {
        for service in filter.services() {
            let mut database = databases.connect(service).await?;
            found.extend(calls(service, &mut database, filter, limit).await?.0);
        }
        return Ok((found, missing));
    }
    for wanted in named {
        let service = service_of(wanted)?;
        let mut database = databases.connect(service).await?;
        match call_of(service, &mut database, wanted).await? {
            Some(call) => found.push(call),
            None => missing.push(wanted.clone()),
        }
    }
    Ok((found, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_means_the_services_that_have_the_steps() {
        let filter = |step: &str| Filter { step: vec![step.to_owned()], ..Filter::default() };
        assert_eq!(Filter::default().services(), services());
        assert_eq!(filter("refund").services(), ["payment"]);
        assert_eq!(filter("mail").services(), ["notification"]);
        assert_eq!(filter("mail").steps().len(), 3);
        assert_eq!(filter("mail-cancelled").steps(), ["mail-cancelled"]);
        assert_eq!(filter("melt").services(), [""; 0]);
        assert_eq!(filter("ma").services(), [""; 0], "a word, not its beginning");
        assert_eq!(Filter { parked: true, ..filter("book") }.words(), "--step book --parked");
    }

    #[test]
    fn a_masked_call_does_not_tell_what_a_provider_quotes() {
        let call = OpenCall {
            service: "shipping",
            order_id: OrderId(Uuid::nil()),
            step: "book".to_owned(),
            destination: None,
            held: None,
            attempts: 1,
            last_error: Some("no street \"12 Ada Lane\" is known".to_owned()),
            since: Timestamp::UNIX_EPOCH,
            due_at: Timestamp::UNIX_EPOCH,
            effect: Value::Null,
        };
        let told = serde_json::to_string(&call.masked()).unwrap();
        assert!(!told.contains("Ada") && told.contains("is known"), "{told}");
    }

    #[test]
    fn each_step_is_a_services() {
        let call = |step: &str| format!("{}/{step}", Uuid::nil()).parse::<Subject>().unwrap();
        assert_eq!(service_of(&call("charge")).unwrap(), "payment");
        assert_eq!(service_of(&call("mail-completed")).unwrap(), "notification");
        assert!(service_of(&call("melt")).unwrap_err().to_string().contains("refund, book"));
    }
}
