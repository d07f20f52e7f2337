mod quotas;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use contracts::Topics;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use kafka::{Admin, AdminError, Topic, TopicPlan, TopicReport};
use serde_json::{Value, json};

use crate::commands::exit;
use crate::connections::Connections;
use crate::print::{print, print_json};
use crate::table::table;
use crate::{TopicShape, check_topics, create_topics};

const DAY: Duration = Duration::from_hours(24);

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create each service's topics, its events and its dead letters, and the log of operations
    ///
    /// A topic that is there is never changed, so this can be run at every deployment; one that
    /// differs is reported. Dead letters, and what operators did about them, are kept for ever.
    /// Quotas that hold the services back are shown.
    ///
    /// Exit codes: 0 all is as planned; 1 something is missing, differs, or was refused; 3 Kafka is
    /// not there.
    Create(Create),
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// Only report; exit with 1 if anything is missing or different, or a quota is set that is not
    /// asked for
    #[arg(long)]
    check: bool,
    /// Partitions of each topic; the same for all, since an order must meet the same instance
    /// whichever topic its events come through [default: as many as the topics have that are there,
    /// else 3]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..=1_000))]
    partitions: Option<i32>,
    /// Copies of each partition; 3 on a cluster that is to survive a broker
    #[arg(long, value_name = "NUMBER", default_value_t = 1,
          value_parser = clap::value_parser!(i32).range(1..=100))]
    replication: i32,
    /// How long events are kept, such as 7d or 12h; the services' INBOX_RETENTION_S must be longer
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = retention)]
    retention: Duration,
    #[command(flatten)]
    quotas: quotas::Arguments,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

fn retention(text: &str) -> Result<Duration, String> {
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .and_then(Duration::try_from)
        .ok()
        .filter(|kept| !kept.is_zero() && *kept <= 3650 * DAY)
        .ok_or_else(|| "expected a time such as 7d or 12h, up to 3650d".to_owned())
}

pub(crate) async fn run(command: Command, connections: &Connections) -> anyhow::Result<ExitCode> {
    let Command::Create(create) = command;
    let Create { check, partitions, replication, retention, quotas, json } = create;
    quotas.consent(check)?;
    let admin = connections.kafka().await?;
    let topics = &connections.topic_prefix;
    let mut shape = TopicShape { replication, retention, ..TopicShape::default() };
    shape.partitions = match partitions {
        Some(partitions) => partitions,
        None => there(&check_topics(&admin, topics, &shape).await?).unwrap_or(shape.partitions),
    };
    let reports = if check {
        check_topics(&admin, topics, &shape).await?
    } else {
        create_topics(&admin, topics, &shape).await?
    };
    let found = if check {
        quotas.find(connections).await
    } else {
        quotas.set(connections).await?;
        quotas.find_set(connections).await
    };
    let good =
        |report: &TopicReport| matches!(report, TopicReport::Created | TopicReport::AsPlanned);
    let all_good = reports.iter().all(|(_, report)| good(report)) && found.as_asked;
    if json {
        let topics: Vec<Value> = reports.iter().map(as_json).collect();
        print_json(&json!({"good": all_good, "topics": topics, "quotas": found.as_json()}))?;
    } else {
        let rows = table(["TOPIC", "STATE", "PLANNED", "FOUND"], reports.iter().map(row));
        let quotas = found.as_text(check);
        print(&format!("{rows}\n\n{}{quotas}", summary(&reports)))?;
    }
    Ok(exit::of(!all_good, false))
}

/// The topics that are not as planned, and what is wrong with each. How many copies there are and how
/// long events are kept is as it is with most of them: who made them knows.
pub(crate) async fn unfit(
    admin: &Admin,
    topics: &Topics,
) -> Result<Vec<(String, String)>, AdminError> {
    let mut shape = TopicShape::default();
    let reports = check_topics(admin, topics, &shape).await?;
    let events = reports.iter().filter(|(plan, _)| plan.retention.is_some());
    let found: Vec<Topic> = events
        .filter_map(|(plan, report)| match report {
            TopicReport::AsPlanned => Some(plan.topic()),
            TopicReport::Differs(topic) => Some(topic.clone()),
            TopicReport::Created | TopicReport::Missing => None,
        })
        .collect();
    let number = |found: usize| i32::try_from(found).ok();
    let most = most(found.iter().filter_map(|it| number(it.partitions)));
    shape.partitions = most.unwrap_or(shape.partitions);
    let most = self::most(found.iter().filter_map(|it| number(it.replication)));
    shape.replication = most.unwrap_or(shape.replication);
    let most = self::most(found.iter().filter_map(|it| it.retention));
    shape.retention = most.unwrap_or(shape.retention);
    let reports = check_topics(admin, topics, &shape).await?;
    let is_wrong = |(_, report): &&(TopicPlan, TopicReport)| {
        matches!(report, TopicReport::Missing | TopicReport::Differs(_))
    };
    let what = |report: &(TopicPlan, TopicReport)| {
        let [topic, state, planned, found] = row(report);
        let what = match state.as_str() {
            "missing" => format!("The topic {topic} is missing."),
            _ => format!("The topic {topic} has {found}, and is to have {planned}."),
        };
        (topic, what)
    };
    Ok(reports.iter().filter(is_wrong).map(what).collect())
}

/// What is there most often; of two as often, the larger.
fn most<T: Ord>(all: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    all.for_each(|it| *counts.entry(it).or_default() += 1);
    counts.into_iter().max_by_key(|(_, times)| *times).map(|(it, _)| it)
}

/// How many partitions the events' topics have that are there: what most of them have.
fn there(reports: &[(TopicPlan, TopicReport)]) -> Option<i32> {
    let events = reports.iter().filter(|(plan, _)| plan.retention.is_some());
    let partitions = most(events.filter_map(|(plan, report)| match report {
        TopicReport::AsPlanned => Some(plan.topic().partitions),
        TopicReport::Differs(topic) => Some(topic.partitions),
        TopicReport::Created | TopicReport::Missing => None,
    }))?;
    i32::try_from(partitions).ok()
}

fn as_json(report: &(TopicPlan, TopicReport)) -> Value {
    let [topic, state, planned, found] = row(report);
    json!({"topic": topic, "state": state, "planned": planned, "found": found})
}

fn row((plan, report): &(TopicPlan, TopicReport)) -> [String; 4] {
    let topic = plan.topic();
    let mut planned = describe(&topic);
    let (state, found) = match report {
        TopicReport::Created => ("created", planned.clone()),
        TopicReport::AsPlanned => ("as planned", planned.clone()),
        TopicReport::Missing => ("missing", "-".to_owned()),
        TopicReport::Differs(other) => {
            let mut found = describe(other);
            let differences = other.differences(&topic);
            for (name, is, should) in differences.filter(|(name, ..)| *name != "retention.ms") {
                planned = format!("{planned}, {name}={should}");
                found = format!("{found}, {name}={is}");
            }
            ("differs", found)
        }
    };
    [plan.name.clone(), state.to_owned(), planned, found]
}

fn describe(topic: &Topic) -> String {
    let kept = match topic.retention {
        None => "ever".to_owned(),
        Some(kept) if kept.as_secs() % DAY.as_secs() == 0 => {
            format!("{}d", kept.as_secs() / DAY.as_secs())
        }
        Some(kept) => {
            format!("{:#}", SignedDuration::try_from(kept).unwrap_or(SignedDuration::MAX))
        }
    };
    let partitions = if topic.partitions == 1 { "partition" } else { "partitions" };
    format!("{} {partitions} × {}, kept for {kept}", topic.partitions, topic.replication)
}

fn summary(reports: &[(TopicPlan, TopicReport)]) -> String {
    let count = |wanted: fn(&TopicReport) -> bool| {
        reports.iter().filter(|(_, report)| wanted(report)).count()
    };
    let all = reports.len();
    let differing = count(|report| matches!(report, TopicReport::Differs(_)));
    let missing = count(|report| *report == TopicReport::Missing);
    let created = count(|report| *report == TopicReport::Created);
    if differing > 0 {
        format!(
            "{differing} of {all} topics differ and were left alone, {missing} are missing. Next: \
             change them with Kafka's own tools, or give --partitions, --replication and \
             --retention as they are."
        )
    } else if missing > 0 {
        format!("{missing} of {all} topics are missing. Next: farandole topics create")
    } else {
        format!("All {all} topics are there, {created} of them new. Next: start the services.")
    }
}
