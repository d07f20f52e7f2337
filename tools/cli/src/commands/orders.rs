//! Orders that hang.

mod text;
mod undo;

use std::process::ExitCode;
use std::time::Duration;

use farandole_cli::stuck::{self, Filter, Letters, Stuck, find, read_letters};
use kernel::OrderId;

use crate::connections::Connections;
use crate::databases::Databases;
use crate::print::print;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the orders that hang: whose move it is, what for, since when, and what to do
    ///
    /// It looks at all five services' states of each order whose status has not changed for a
    /// while, also of those completed or cancelled, for what follows may hang: a refund, a release,
    /// a message. Nothing is changed. All five databases are needed, such as ORDER_DATABASE_URL;
    /// without Kafka it can't tell of dead letters, and says so.
    ///
    ///   farandole orders stuck
    ///   farandole orders stuck --older-than 10m --limit 5
    ///   farandole orders stuck --order 019b76da-a800-7000-8000-000000000001
    ///
    /// Exit codes: 0 none hangs; 1 some do; 3 a database cannot be read.
    #[command(verbatim_doc_comment)]
    Stuck(Arguments),
    /// Have everybody undo what they did for an order that the order service does not know
    ///
    /// Such as one that somebody else announced, or that a restored backup has lost: its stock is
    /// reserved and its card charged, and nobody decides its fate. The order service then says that
    /// it is cancelled, and never places it; pieces are released, and charges refunded. An order
    /// that it knows is cancelled by POST /orders/ORDER/cancel instead.
    ///
    ///   farandole orders undo ORDER --reason "lost with the backup of Tuesday, INC-4"
    #[command(verbatim_doc_comment)]
    Undo(undo::Undo),
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long an order's status must not have changed, such as 60s, 10m or 2h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::age::parse)]
    older_than: Duration,
    /// Only this order, whatever its age
    #[arg(long, value_name = "ID", conflicts_with = "older_than")]
    order: Option<OrderId>,
    /// How many orders to tell of, the oldest first; of the rest only their number is told
    #[arg(long, value_name = "NUMBER", default_value_t = 20,
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    command: Command,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Stuck(arguments) => list(arguments, connections, databases).await,
        Command::Undo(undo) => undo::run(&undo, connections, databases).await,
    }
}

async fn list(
    Arguments { older_than, order, limit, json }: Arguments,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let mut databases = stuck::Databases {
        order: databases.connect("order").await?,
        inventory: databases.connect("inventory").await?,
        payment: databases.connect("payment").await?,
        shipping: databases.connect("shipping").await?,
        notification: databases.connect("notification").await?,
    };
    let filter = order.map_or(Filter::OlderThan(older_than), Filter::Order);
    let Some(mut stuck) = find(&mut databases, filter, limit.into()).await? else {
        anyhow::bail!(
            "there is no such order in the order service's database; if other services have done \
             work for it, farandole orders undo has them undo that"
        );
    };
    let letters = dead_letters(connections, &stuck).await;
    stuck.advise(&letters);
    if json {
        print(&serde_json::to_string_pretty(&stuck)?)?;
    } else {
        print(&text::render(&stuck, filter))?;
    }
    Ok(if stuck.orders.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The orders' dead letters; none while Kafka is away, which may be why orders hang.
async fn dead_letters(connections: &Connections, stuck: &Stuck) -> Letters {
    if stuck.orders.is_empty() {
        return Letters::default();
    }
    let (brokers, topics) = (connections.kafka_brokers.clone(), connections.topic_prefix.clone());
    let stuck = stuck.clone();
    let reading = tokio::task::spawn_blocking(move || read_letters(&brokers, &topics, &stuck));
    let trouble = match reading.await {
        Ok(Ok(letters)) => return letters,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    eprintln!("cannot tell which events are dead letters: {trouble}");
    Letters::default()
}
