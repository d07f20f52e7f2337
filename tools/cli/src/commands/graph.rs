//! Who says what to whom.

mod text;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use declarations::Schemas;
use graph::{Difference, Finding, Graph, Observed};
use jiff::Zoned;
use serde_json::json;

use crate::ServiceUrls;
use crate::age;
use crate::commands::exit;
use crate::connections::Connections;
use crate::dance::{Extent, accepted, observe, services};
use crate::print::{print, print_json, print_lines, remark};
use crate::running::{Asked, ask};

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Arguments {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// As JSON, for programs: the same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Exit with 1 if anything is wrong
    #[arg(long)]
    check: bool,
    /// Go by what the running services say of themselves, at GET /declaration
    #[arg(long)]
    running: bool,
    /// A service that the tool was not built with, or another instance of one; can be given often
    #[arg(long, value_name = "URL")]
    also: Vec<String>,
    /// Read the topics of events, and tell in what they differ from what is declared
    #[arg(long)]
    observed: bool,
    /// Read no more than this many records of each topic, the newest
    #[arg(long, requires = "observed", value_name = "NUMBER", default_value_t = 1_000_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Read only what is no older than this, such as 2h or 7d
    #[arg(long, requires = "observed", value_name = "TIME", value_parser = age::parse)]
    since: Option<Duration>,
    /// Where it says which differences are accepted, as contracts/accepted.toml does [default: what was
    /// there when this was built]
    #[arg(long, requires = "observed", value_name = "FILE")]
    accepted: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Services")]
    urls: ServiceUrls,
}

/// How a graph is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people: what leads to what, and findings
    Text,
    /// A flowchart in Mermaid's language
    Mermaid,
    /// For Graphviz
    Dot,
    /// Everything, for programs
    Json,
    /// A picture
    Svg,
}

pub(crate) async fn run(
    arguments: Arguments,
    connections: &Connections,
) -> anyhow::Result<ExitCode> {
    let accepted = accepted::read(arguments.accepted.as_deref())?;
    let urls = arguments.running.then_some(&arguments.urls);
    let Asked { running, silent } = ask(urls, &arguments.also).await;
    for why in &silent {
        remark(why);
    }
    if !silent.is_empty() {
        remark(
            "Of these the tool takes what it knows of them, and leaves out whom it does not know.",
        );
    }
    let services = services(arguments.running, &running);
    let graph = Graph::of(&services);
    let mut findings = graph.findings();
    findings.extend(without_counterpart(graph));
    let observed = if arguments.observed {
        let extent = Extent { limit: arguments.limit, since: arguments.since };
        let mut observed = observe(extent, &services, running, connections).await?;
        accepted::accept(&accepted, &mut observed, Zoned::now().date());
        Some(observed)
    } else {
        None
    };
    show(&arguments, graph, &findings, observed.as_ref())?;
    let is_wrong = findings.iter().any(Finding::is_wrong)
        || observed.iter().flat_map(|it| &it.differences).any(Difference::is_wrong);
    Ok(exit::of(arguments.check && is_wrong, !silent.is_empty()))
}

/// Events without a schema, and schemas without an event, of the services of which the tool has any.
fn without_counterpart(graph: Graph<'_>) -> Vec<Finding> {
    let schemas = Schemas::embedded();
    let events = schemas.by_event().filter_map(|versions| versions.first());
    let events: BTreeSet<(String, String)> = events
        .filter(|it| graph.service(&it.service).is_some())
        .map(|it| (it.service.clone(), it.event_type.clone()))
        .collect();
    let is_known = |it: &Finding| events.iter().any(|(service, _)| *service == it.service);
    graph.without_counterpart(&events).into_iter().filter(is_known).collect()
}

fn show(
    arguments: &Arguments,
    graph: Graph<'_>,
    findings: &[Finding],
    observed: Option<&Observed>,
) -> anyhow::Result<()> {
    let format = if arguments.json { Format::Json } else { arguments.format };
    match format {
        Format::Text => {
            print(&text::graph(graph))?;
            print_lines(&text::findings(findings, observed))?;
        }
        Format::Json => {
            let mut whole = graph.json(findings);
            whole["observed"] = json!(observed);
            print_json(&whole)?;
        }
        Format::Mermaid => print(graph.mermaid().trim_end())?,
        Format::Dot => print(graph.dot().trim_end())?,
        Format::Svg => print(graph.svg().trim_end())?,
    }
    // A picture has no place for them.
    if !matches!(format, Format::Text | Format::Json) {
        for finding in findings {
            remark(&finding.to_string());
        }
        for difference in observed.iter().flat_map(|it| &it.differences) {
            remark(&difference.to_string());
        }
    }
    Ok(())
}
