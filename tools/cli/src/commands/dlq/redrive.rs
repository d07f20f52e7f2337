mod report;
mod work;

use std::collections::{BTreeSet, HashMap};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use kafka::{Admin, AdminError, Publisher};
use serde_json::json;

use self::report::Report;
use self::work::Work;
use super::author::words;
use super::left_out::{left_out, left_out_json};
use super::request::Request;
use super::text::letters;
use crate::commands::exit;
use crate::connections::Connections;
use crate::databases::{Databases, NoDatabase};
use crate::print::{print, print_json};
use crate::recovery::{Archive, Chosen, Kind, Letter, Observer, Recorder, Redriven};
use crate::table::table;

#[derive(clap::Args)]
pub(crate) struct Redrive {
    /// With IDs: also letters that were redriven or discarded before. What was applied is not
    /// applied twice
    #[arg(long, requires = "ids")]
    again: bool,
    /// Put back so many first, the oldest; go on once all of them are applied, and stop if one
    /// fails again
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    canary: Option<u32>,
    /// How many to put back a second
    #[arg(long, value_name = "NUMBER", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long to wait until it is known what became of them (of the canaries, and of all)
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(0..=86_400))]
    outcome_wait: u64,
    /// Why, for whoever reads the log
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reason: Option<String>,
    #[command(flatten)]
    request: Request,
}

pub(crate) async fn run(
    arguments: &Redrive,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let Request { selection, author, .. } = &arguments.request;
    let now = Timestamp::now();
    let wanted = selection.clone();
    let archive =
        Archive::read_payloads(connections, &selection.services(), move |id| wanted.may_mean(id))
            .await?;
    let chosen = selection.choose(&archive, now, arguments.again);
    let how = Redriven { by: &author.by, at: now, reason: arguments.reason.as_deref() };
    let chosen = feasible(chosen, &how, connections).await?;
    if arguments.request.dry_run {
        return plan(arguments, &chosen);
    }
    let count = chosen.letters.len();
    if !arguments.request.confirmed("Redrive", count)? {
        print("Nothing was redriven.")?;
        return Ok(exit::of(true, false));
    }
    let observer = Observer::new(connections, databases, services(&chosen)).await?;
    if let Some(blind) = services(&chosen).into_iter().find(|name| !observer.sees(name))
        && arguments.canary.is_some()
    {
        let variable = Databases::variable(blind);
        let why = format!("a canary is watched in the {blind} service's database: set {variable}");
        return Err(NoDatabase(why).into());
    }
    let report = match count {
        0 => Report::default(),
        _ => redrive(arguments, connections, &chosen, how, observer).await?,
    };
    if arguments.request.json {
        print_json(&report.as_json(&chosen))?;
    } else {
        print(&format!("{}{}", left_out(&chosen), report.as_text()))?;
    }
    let wrong = !chosen.left_out.is_empty() || report.has_failed();
    Ok(exit::of(wrong, report.is_unknown()))
}

/// Leaves out what cannot be put back.
async fn feasible<'a>(
    chosen: Chosen<'a>,
    how: &Redriven<'_>,
    connections: &Connections,
) -> Result<Chosen<'a>, AdminError> {
    let admin = connections.kafka().await?;
    let Chosen { letters: all, mut left_out } = chosen;
    let mut topics: HashMap<String, bool> = HashMap::new();
    let mut letters = Vec::new();
    for letter in all {
        let group = connections.topic_prefix.group(&letter.id.service);
        if let Some(other) = letter.group().filter(|other| *other != group) {
            let why = format!("it failed in the group {other}, and TOPIC_PREFIX says {group}");
            left_out.push((letter.id.clone(), why));
            continue;
        }
        let topic = match letter.redriven(how) {
            Ok(record) => record.topic,
            Err(why) => {
                left_out.push((letter.id.clone(), why.to_owned()));
                continue;
            }
        };
        if !topics.contains_key(&topic) {
            topics.insert(topic.clone(), is_there(&admin, &topic).await?);
        }
        if topics[&topic] {
            letters.push(letter);
        } else {
            left_out.push((letter.id.clone(), format!("its topic {topic} does not exist")));
        }
    }
    Ok(Chosen { letters, left_out })
}

async fn is_there(admin: &Admin, topic: &str) -> Result<bool, AdminError> {
    match admin.inspect(&[topic.to_owned()]).await {
        Ok(_) => Ok(true),
        Err(AdminError::Missing(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn services<'a>(chosen: &Chosen<'a>) -> BTreeSet<&'a str> {
    chosen.letters.iter().map(|letter| letter.id.service.as_str()).collect()
}

/// Says what would be done.
fn plan(arguments: &Redrive, chosen: &Chosen<'_>) -> anyhow::Result<ExitCode> {
    let mut targets: HashMap<(String, String), Vec<&Letter>> = HashMap::new();
    for letter in &chosen.letters {
        let group = letter.group().unwrap_or_default().to_owned();
        let topic = letter.source().map(|source| source.topic).unwrap_or_default();
        targets.entry((group, topic)).or_default().push(letter);
    }
    let mut targets: Vec<_> = targets.into_iter().collect();
    targets.sort_by(|(a, _), (b, _)| a.cmp(b));
    let count = chosen.letters.len();
    if arguments.request.json {
        let targets: Vec<serde_json::Value> = targets
            .iter()
            .map(|((group, topic), letters)| {
                json!({"group": group, "topic": topic, "letters": letters.len()})
            })
            .collect();
        let left_out = left_out_json(chosen);
        let plan = json!({"letters": count, "targets": targets, "left_out": left_out});
        print_json(&plan)?;
        return Ok(ExitCode::SUCCESS);
    }
    if count > 0 {
        let row = |((group, topic), letters): &((String, String), Vec<&Letter>)| {
            [letters.len().to_string(), topic.clone(), group.clone(), types(letters)]
        };
        let header = ["LETTERS", "TO TOPIC", "FOR GROUP", "TYPES"];
        print(&format!("{}\n", table(header, targets.iter().map(row))))?;
    }
    let canaries = arguments.canary.map_or_else(String::new, |canaries| {
        format!(", {} of them first", count.min(canaries as usize))
    });
    let seconds = count.div_ceil(arguments.rate as usize);
    print(&format!(
        "{}{} would be redriven{canaries}, in about {seconds} s. Next: the same without --dry-run",
        left_out(chosen),
        letters(count)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn types(letters: &[&Letter]) -> String {
    let types: BTreeSet<&str> =
        letters.iter().map(|letter| letter.event_type().unwrap_or("-")).collect();
    types.into_iter().collect::<Vec<_>>().join(",")
}

/// Puts the letters back, and says what became of them. All of it is in the log.
async fn redrive(
    arguments: &Redrive,
    connections: &Connections,
    chosen: &Chosen<'_>,
    how: Redriven<'_>,
    observer: Observer<'_>,
) -> anyhow::Result<Report> {
    let Redrive { request, reason, .. } = arguments;
    let publisher = Publisher::new(&connections.kafka_brokers)?;
    let topic = connections.topic_prefix.operations();
    let count = chosen.letters.len();
    let began = request.begins(Kind::Redrive, count, reason.as_deref());
    let recorder = Recorder::begin(&publisher, topic, began).await?;
    let mut work = Work::new(&publisher, &recorder, observer, how, arguments.rate, count);
    let patience = Duration::from_secs(arguments.outcome_wait);
    let result = work.run(&chosen.letters, arguments.canary, patience).await;
    let outcome = match &result {
        Ok(report) => report.sentence(),
        Err(error) => format!("broken off: {error:#}"),
    };
    // Should this fail as well, the log says that the operation was interrupted, and it was.
    let ended = recorder.end(outcome).await;
    let report = result?;
    ended?;
    Ok(report)
}
