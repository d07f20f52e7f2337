//! Orders that hang, and single orders.

mod counted;
mod find;
mod show;
mod text;
mod undo;

pub(crate) use self::counted::NothingYet;
use std::process::ExitCode;
use std::time::Duration;

use crate::OrderId;
use crate::commands::exit;
use crate::connections::Connections;
use crate::databases::Databases;
use crate::outcomes::{Outcomes, find_causes, outcomes};
use crate::print::{print, print_json, remark};
use crate::story::{connect, hanging};
use crate::stuck::{self, Filter};

/// How far back it is told how many orders lapsed.
const RECENT: Duration = Duration::from_mins(10);

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the orders that hang: whose move it is, what for, since when, and what to do
    ///
    /// It looks at all services' states of each order whose status has not changed for a
    /// while, also of those completed or cancelled, for what follows may hang: a refund, a release,
    /// a message. First it counts what they wait for, then it tells of some, the newest first. It
    /// also lists orders that other services know and the order service does not, and tells how
    /// many have lapsed lately. Nothing is changed. All services' databases are needed, such as
    /// ORDER_DATABASE_URL; without Kafka it can't tell of dead letters, and says so.
    ///
    ///   farandole orders stuck
    ///   farandole orders stuck --older-than 10m --limit 20
    ///   farandole orders stuck --order 019b76da-a800-7000-8000-000000000001
    ///
    /// Exit codes: 0 none hangs; 1 some do; 3 a database cannot be read.
    #[command(verbatim_doc_comment)]
    Stuck(Arguments),
    /// Count all orders: how many are under way, whose move it is, which are late, how they ended
    ///
    /// As the console's read model has them, which follows the topics: `farandole-console` keeps it. Whose
    /// move it is is as the topics tell; `orders stuck` asks the services' databases.
    ///
    ///   farandole orders board
    ///
    /// Exit codes: 0 it is told; 3 the console's database cannot be read, or is empty.
    #[command(verbatim_doc_comment)]
    Board(counted::Database),
    /// List orders, the newest first, of the same
    ///
    ///   farandole orders list --late
    ///   farandole orders list --move payment --limit 50
    ///   farandole orders list --end cancelled --reason out_of_stock
    ///
    /// Exit codes: 0 they are listed; 3 the console's database cannot be read, or is empty.
    #[command(verbatim_doc_comment)]
    List(counted::List),
    /// Tell the ways that orders of the last day went: how many, and how long they took
    ///
    ///   farandole orders ways
    ///
    /// Exit codes: 0 they are told; 3 the console's database cannot be read, or is empty.
    #[command(verbatim_doc_comment)]
    Ways(counted::Database),
    /// Find orders by a customer, by a correlation id, or by the id of an event
    ///
    /// A customer's orders, the newest twenty; those that were placed within the last quarter of an hour by a
    /// request with this correlation id; and the order that an event is of, if its topic still has it. The
    /// order service's database is needed, and Kafka for an event.
    ///
    ///   farandole orders find c-1
    ///   farandole orders find 019b76da-a800-7000-8000-000000000001
    ///
    /// Exit codes: 0 some are found; 1 none is; 3 none is, and it could not be looked everywhere.
    #[command(verbatim_doc_comment)]
    Find(find::Find),
    /// Tell all there is to know of one order: states, queues, calls, dead letters, gaps, events
    ///
    ///   farandole orders show 019b76da-a800-7000-8000-000000000001
    ///
    /// Exit codes: 0 there is such an order; 1 nobody knows it; 3 it could not be looked.
    #[command(verbatim_doc_comment)]
    Show(show::Arguments),
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
    /// How long ago an order was placed at most; older ones are looked at if anything of them is
    /// open
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = crate::age::parse)]
    placed_within: Duration,
    /// Only this order, whatever its age
    #[arg(long, value_name = "ID", conflicts_with_all = ["older_than", "placed_within"])]
    order: Option<OrderId>,
    /// How many orders to tell of, the newest first; the rest is counted
    #[arg(long, value_name = "NUMBER", default_value_t = 5,
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
        Command::Stuck(arguments) => stuck(arguments, connections, databases).await,
        Command::Board(database) => counted::board(&database).await,
        Command::List(list) => counted::list(list).await,
        Command::Ways(database) => counted::ways(&database).await,
        Command::Find(find) => find::run(&find, connections, databases).await,
        Command::Show(arguments) => show::run(arguments, connections, databases).await,
        Command::Undo(undo) => undo::run(&undo, connections, databases).await,
    }
}

async fn stuck(
    arguments: Arguments,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let Arguments { older_than, placed_within, order, limit, json } = arguments;
    let filter = order.map_or(Filter::Late { older_than, placed_within }, Filter::Order);
    let Some(stuck) = hanging(filter, limit.into(), connections, databases).await? else {
        let why = "the order service has no such order; farandole orders show ORDER tells whether \
                   others know it, and farandole orders undo ORDER has them undo what they did";
        return Err(Missing(why).into());
    };
    let lapsed = match filter {
        Filter::Order(_) => None,
        Filter::Late { .. } => lapsed(&mut connect(databases).await?).await,
    };
    if json {
        let mut value = serde_json::to_value(&stuck)?;
        value["lapsed"] = serde_json::to_value(&lapsed)?;
        print_json(&value)?;
    } else {
        print(&text::render(&stuck, lapsed.as_ref(), filter))?;
        for why in &stuck.unknown {
            remark(why);
        }
    }
    let wrong = !stuck.orders.is_empty() || !stuck.groups.is_empty() || !stuck.orphans.is_empty();
    Ok(exit::of(wrong, !stuck.unknown.is_empty()))
}

/// There is no such order.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Missing(&'static str);

/// How many orders have lapsed lately, and what they waited for.
async fn lapsed(databases: &mut stuck::Databases) -> Option<Outcomes> {
    let mut found = outcomes(databases.first(), RECENT).await.ok()?;
    // That they cannot be read hides the causes only.
    let _ = find_causes(&mut found, databases).await;
    (found.timed_out() > 0).then_some(found)
}
