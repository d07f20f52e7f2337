use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use contracts::Envelope;
use kafka::{AdminError, EventRecord, ReadError, ReadEvent, ReadFrom};
use serde_json::json;

use crate::connections::Connections;
use crate::print::{is_over, one_line, print, print_json_line, remark};
use crate::{OrderId, reader};

/// How long records that are known to be there may take to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a reader with nothing to read looks around.
const PAUSE: Duration = Duration::from_secs(1);

const STALLED: &str = "the topics hold more events, but none came for 30 s; look at the brokers";

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Print every event as it comes, one per line: time, service, type, order, sequence, payload
    ///
    /// This only looks on: it joins no consumer group. Personal data is redacted. Events come in
    /// order per order and service, but not across services.
    Tail(Tail),
}

#[derive(clap::Args)]
pub(crate) struct Tail {
    /// Only this order's events
    #[arg(long, value_name = "ID")]
    order: Option<OrderId>,
    /// Begin with the oldest event that is kept, instead of the next one
    #[arg(long)]
    from_start: bool,
    /// End after the newest event there was at the start, instead of waiting for more
    #[arg(long, requires = "from_start")]
    no_follow: bool,
    /// Each event as a JSON object on a line
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: Command, connections: &Connections) -> anyhow::Result<ExitCode> {
    let Command::Tail(Tail { order, from_start, no_follow, json }) = command;
    let registry = connections.registry().await?;
    connections.kafka().await?;
    let from = if from_start { ReadFrom::Beginning } else { ReadFrom::Now };
    let topics = &connections.topic_prefix;
    let mut events = reader::open(&connections.kafka_brokers, registry, topics, from).await?;
    let mut last = Instant::now();
    while !(no_follow && events.caught_up()) {
        let trouble = match events.next(PAUSE).await {
            Ok(Some(record)) => {
                last = Instant::now();
                if let Some(line) = line(record, order, json) {
                    if json { print_json_line(&line)? } else { print(&line)? }
                }
                // Whoever reads may have seen enough, such as `head`.
                if is_over() {
                    break;
                }
                continue;
            }
            Ok(None) => None,
            // That does not pass.
            Err(error @ ReadError::Kafka(AdminError::Unreadable(_))) => return Err(error.into()),
            Err(error) => Some(error),
        };
        if no_follow && last.elapsed() > PATIENCE {
            return Err(trouble.map_or_else(|| anyhow!(STALLED), anyhow::Error::from));
        }
        // Brokers restart, and are found again.
        if let Some(error) = trouble {
            remark(&format!("waiting: {error}"));
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A record's line, unless it is another order's.
fn line(record: EventRecord, order: Option<OrderId>, json: bool) -> Option<String> {
    let EventRecord { topic, partition, offset, event } = record;
    match event {
        Ok(ReadEvent { envelope, mut payload }) => {
            if order.is_some_and(|wanted| wanted != envelope.saga) {
                return None;
            }
            reader::redact(&mut payload);
            let Envelope { id, time, source, event_type, saga: order, sequence, .. } = envelope;
            if json {
                let event = json!({
                    "id": id, "time": time, "source": source, "type": event_type,
                    "order_id": order, "sequence": sequence, "payload": payload,
                    "topic": topic, "partition": partition, "offset": offset,
                });
                return Some(event.to_string());
            }
            let (service, event_type) = (one_line(&source), one_line(&event_type));
            let service = service.trim_start_matches('/');
            Some(format!("{time:.3} {service:<12} {event_type:<22} {order} {sequence} {payload}"))
        }
        Err(_) if order.is_some() => None,
        Err(reason) if json => Some(
            json!({"topic": topic, "partition": partition, "offset": offset, "unreadable": reason})
                .to_string(),
        ),
        Err(reason) => {
            Some(format!("unreadable: {topic} {partition} at {offset}: {}", one_line(&reason)))
        }
    }
}
