use std::process::ExitCode;

use jiff::Timestamp;
use kafka::Publisher;
use serde_json::json;

use super::archive::Archive;
use super::left_out::{left_out, left_out_json};
use super::operations::{Handled, Kind, Recorder};
use super::request::Request;
use super::text::{letters, print};
use crate::connections::Connections;

#[derive(clap::Args)]
pub(crate) struct Discard {
    /// Why they are to stay dead, for whoever reads the log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    request: Request,
}

pub(crate) async fn run(
    arguments: &Discard,
    connections: &Connections,
) -> anyhow::Result<ExitCode> {
    let Discard { reason, request } = arguments;
    let archive = Archive::read(connections, &request.selection.services(), None).await?;
    let chosen = request.selection.choose(&archive, Timestamp::now(), false);
    let count = chosen.letters.len();
    if !request.confirmed("Discard", count)? {
        print("Nothing was discarded.")?;
        return Ok(ExitCode::FAILURE);
    }
    if count > 0 {
        let publisher = Publisher::new(&connections.kafka_brokers)?;
        let topic = connections.topic_prefix.operations();
        let began = request.begins(Kind::Discard, count, Some(reason));
        let recorder = Recorder::begin(&publisher, topic, began).await?;
        let handled: Vec<Handled> = chosen.letters.iter().map(|letter| letter.handled()).collect();
        recorder.done(&handled).await?;
        recorder.end("discarded".to_owned()).await?;
    }
    if request.json {
        print(&json!({"discarded": count, "left_out": left_out_json(&chosen)}).to_string())?;
    } else {
        let done = match count {
            0 => "Nothing was discarded.".to_owned(),
            _ => format!("{} discarded; nothing was deleted.", letters(count)),
        };
        print(&format!("{}{done} Next: farandole dlq log", left_out(&chosen)))?;
    }
    let all = chosen.left_out.is_empty();
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
