//! One look at everything, from outside.

mod text;

use std::process::ExitCode;

use serde_json::json;

use crate::ServiceUrls;
use crate::commands::exit;
use crate::connections::Connections;
use crate::databases::Databases;
use crate::print::{print_json, print_lines};
use crate::status::{judge, look};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
    #[command(flatten, next_help_heading = "Services")]
    urls: ServiceUrls,
}

pub(crate) async fn run(
    arguments: Arguments,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let facts = look(&arguments.urls, connections, databases).await;
    let verdict = judge(&facts);
    if arguments.json {
        print_json(&json!({
            "well": verdict.is_well(),
            "summary": verdict.summary(),
            "findings": verdict.findings,
            "unknown": verdict.unknown,
            "facts": facts,
        }))?;
    } else {
        print_lines(&text::render(&facts, &verdict))?;
    }
    Ok(exit::of(!verdict.is_well(), !verdict.unknown.is_empty()))
}
