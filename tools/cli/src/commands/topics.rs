use std::process::ExitCode;
use std::time::Duration;

use farandole_cli::{TopicShape, check_topics, clients, create_topics};
use jiff::{SignedDuration, Span, SpanRelativeTo};
use kafka::{Quota, Topic, TopicPlan, TopicReport, set_quotas};

use crate::connections::Connections;
use crate::table::table;

const DAY: Duration = Duration::from_hours(24);

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create each service's topics, its events and its dead letters, and the log of operations
    ///
    /// A topic that is there is never changed, so this can be run at every deployment; one that
    /// differs is reported. Dead letters, and what operators did about them, are kept for ever.
    Create(Create),
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// Only report; exit with 1 if anything is missing or different
    #[arg(long)]
    check: bool,
    /// Partitions of each topic; the same for all, since an order must meet the same instance
    /// whichever topic its events come through
    #[arg(long, value_name = "NUMBER", default_value_t = 3,
          value_parser = clap::value_parser!(i32).range(1..=1_000))]
    partitions: i32,
    /// Copies of each partition; 3 on a cluster that is to survive a broker
    #[arg(long, value_name = "NUMBER", default_value_t = 1,
          value_parser = clap::value_parser!(i32).range(1..=100))]
    replication: i32,
    /// How long events are kept, such as 7d or 12h; the services' INBOX_RETENTION_S must be longer
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = retention)]
    retention: Duration,
    /// Hold each service to producing so many bytes a second to each broker, by a Kafka quota for
    /// its client id; by default quotas are left as they are
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1_024..))]
    producer_byte_rate: Option<u32>,
    /// The same for consuming
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1_024..))]
    consumer_byte_rate: Option<u32>,
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
    let Create { check, partitions, replication, retention, .. } = create;
    let quota = Quota {
        producer_bytes: create.producer_byte_rate,
        consumer_bytes: create.consumer_byte_rate,
    };
    let shape = TopicShape { partitions, replication, retention };
    let admin = connections.kafka().await?;
    let topics = &connections.topic_prefix;
    let reports = if check {
        check_topics(&admin, topics, &shape).await?
    } else {
        create_topics(&admin, topics, &shape).await?
    };
    println!("{}", table(["TOPIC", "STATE", "PLANNED", "FOUND"], reports.iter().map(row)));
    if quota != Quota::default() && !check {
        let clients = clients(topics);
        set_quotas(&connections.kafka_brokers, &clients, quota).await?;
        println!("\nQuotas are set for the client ids {}.", clients.join(", "));
    }
    println!("\n{}", summary(&reports));
    let good =
        |report: &TopicReport| matches!(report, TopicReport::Created | TopicReport::AsPlanned);
    let all_good = reports.iter().all(|(_, report)| good(report));
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn row((plan, report): &(TopicPlan, TopicReport)) -> [String; 4] {
    let planned = describe(&plan.topic());
    let (state, found) = match report {
        TopicReport::Created => ("created", planned.clone()),
        TopicReport::AsPlanned => ("as planned", planned.clone()),
        TopicReport::Missing => ("missing", "-".to_owned()),
        TopicReport::Differs(topic) => ("differs", describe(topic)),
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
