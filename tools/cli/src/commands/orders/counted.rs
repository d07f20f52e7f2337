//! All orders at a time, as the console's read model has them: how many, whose move it is, how they ended, which
//! ways they went.

use std::process::ExitCode;

use choreography::Fact;
use jiff::{SignedDuration, Timestamp};
use projection::{Asked, Board, Row, Store, WayCount, row_as_json, stage};
use serde_json::json;

use crate::age::precise;
use crate::command_line::Misused;
use crate::print::{print, print_json, remark};
use crate::table::table;

/// The console's database.
#[derive(clap::Args)]
pub(crate) struct Database {
    /// The console's database, in which orders are counted and listed
    #[arg(
        long = "console-database-url",
        env = "CONSOLE_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    url: Option<String>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(crate) struct List {
    /// Only those whose move is this service's
    #[arg(long = "move", value_name = "SERVICE")]
    service: Option<String>,
    /// Only those that have ended like this, such as completed
    #[arg(long, value_name = "END")]
    end: Option<String>,
    /// Only those that were cancelled for this reason, such as out_of_stock
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only those that went this way, by its number
    #[arg(long, value_name = "NUMBER")]
    way: Option<i32>,
    /// Only those that are under way
    #[arg(long)]
    open: bool,
    /// Only those that are late: nothing was said of them for five times as long as 99 of 100 take
    #[arg(long)]
    late: bool,
    /// How many, the newest first
    #[arg(long, value_name = "NUMBER", default_value_t = 20,
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    #[command(flatten)]
    database: Database,
}

/// No console has written into its database.
#[derive(Debug, thiserror::Error)]
#[error("there is nothing in the console's database yet: is a console running that has it?")]
pub(crate) struct NothingYet;

/// What the database has, and what it counts.
async fn look(database: &Database) -> anyhow::Result<(Store, Board)> {
    let Some(url) = &database.url else {
        let why = "orders are counted and listed in the console's database: name it in CONSOLE_DATABASE_URL, or \
                   by --console-database-url";
        return Err(Misused(why.to_owned()).into());
    };
    let store = Store::open(url).await?;
    let store = store.ok_or(NothingYet)?;
    let board = Board::look(&store).await?;
    Ok((store, board))
}

/// Tells it, in one of two forms, and what may not be so.
fn tell(
    database: &Database,
    board: &Board,
    json: &serde_json::Value,
    text: &str,
) -> anyhow::Result<ExitCode> {
    if database.json {
        print_json(json)?;
    } else {
        print(text)?;
    }
    if let Some(doubt) = doubt(board) {
        remark(&doubt);
    }
    Ok(ExitCode::SUCCESS)
}

fn doubt(board: &Board) -> Option<String> {
    board.doubt(Timestamp::now()).map(|doubt| doubt.sentence(precise))
}

pub(crate) async fn board(database: &Database) -> anyhow::Result<ExitCode> {
    let (_, board) = look(database).await?;
    tell(database, &board, &board.counts_as_json(doubt(&board).as_deref()), &counts(&board))
}

fn counts(board: &Board) -> String {
    let mut parts = vec![match (board.under_way(), board.late_orders()) {
        (0, _) => "No order is under way.".to_owned(),
        (1, late) => {
            format!("1 order is under way, and {}.", if late == 0 { "not late" } else { "late" })
        }
        (all, 0) => format!("{all} orders are under way, and none is late."),
        (all, late) => format!("{all} orders are under way, {late} of them late."),
    }];
    let waiting = board.waiting();
    if !waiting.is_empty() {
        let rows = waiting.iter().map(|(service, waiting)| {
            let oldest = SignedDuration::try_from_secs_f64(waiting.oldest_s).unwrap_or_default();
            let (orders, late) = (waiting.orders.to_string(), waiting.late.to_string());
            [(*service).to_owned(), orders, late, precise(oldest)]
        });
        parts.push(table(["MOVE", "ORDERS", "LATE", "THE FIRST FOR"], rows));
    }
    let ends = board.ends();
    if ends.is_empty() {
        parts.push("No order has come to its end within a day.".to_owned());
    } else {
        let rows = ends
            .into_iter()
            .map(|(end, reason, orders)| [ending(&end, &reason), orders.to_string()]);
        parts.push(table(["ENDED WITHIN A DAY", "ORDERS"], rows));
    }
    let next = match waiting.iter().max_by_key(|(_, waiting)| (waiting.late, waiting.orders)) {
        Some((service, _)) if *service != "nobody" => {
            format!("farandole orders list --move {service}")
        }
        _ => "farandole orders ways".to_owned(),
    };
    parts.push(format!("Next: {next}"));
    parts.join("\n\n")
}

fn ending(end: &str, reason: &str) -> String {
    if reason.is_empty() { end.to_owned() } else { format!("{end}: {reason}") }
}

pub(crate) async fn list(arguments: List) -> anyhow::Result<ExitCode> {
    let List { service, end, reason, way, open, late, limit, database } = arguments;
    let (store, board) = look(&database).await?;
    let asked = Asked { service, end, reason, way, is_open: open, is_late: late };
    let ways = if asked.asks_for_ways() { store.ways().await? } else { Vec::new() };
    let rows = store.list(&asked.filter(&ways, Some(&board)), None, limit).await?;
    let orders: Vec<_> = rows.iter().map(row_as_json).collect();
    let json = json!({"as_of": board.reading.as_of, "orders": orders});
    tell(&database, &board, &json, &orders_text(&rows, &board, limit))
}

fn orders_text(rows: &[Row], board: &Board, limit: u16) -> String {
    let [first, ..] = rows else { return "There are no such orders.".to_owned() };
    // Who is behind does not take others to be late.
    let as_of = board.reading.as_of.unwrap_or(first.moved);
    let row = |row: &Row| {
        let stage = stage(row.way.said);
        let waits = if stage.is_at_rest {
            "-".to_owned()
        } else {
            precise(as_of.duration_since(row.moved))
        };
        [
            row.id.to_string(),
            format!("{:.0}", row.began),
            ending(stage.end(), row.reason.as_deref().unwrap_or_default()),
            stage.mover().unwrap_or("-").to_owned(),
            waits,
            row.total.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            row.way.number.to_string(),
        ]
    };
    let header = ["ORDER", "PLACED", "STATUS", "MOVE", "FOR", "TOTAL", "WAY"];
    let table = table(header, rows.iter().map(row));
    let more = if rows.len() == usize::from(limit) { " There may be more: --limit." } else { "" };
    format!("{table}\n\nNext: farandole orders show {}{more}", first.id)
}

pub(crate) async fn ways(database: &Database) -> anyhow::Result<ExitCode> {
    let (_, board) = look(database).await?;
    tell(database, &board, &board.ways_as_json(), &ways_text(&board))
}

fn ways_text(board: &Board) -> String {
    let at_rest: Vec<&WayCount> = board.at_rest().collect();
    let Some(first) = at_rest.first() else {
        return "No order has come to its end within a day.".to_owned();
    };
    let all: i64 = at_rest.iter().map(|count| count.orders).sum();
    let row = |count: &&WayCount| {
        let took = |time| precise(SignedDuration::try_from(time).unwrap_or_default());
        let took = |share| count.took.quantile(share).map_or_else(|| "-".to_owned(), took);
        let events: Vec<&str> = count.way.said.iter().map(Fact::name).collect();
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let share = count.orders as f64 * 100.0 / all.max(1) as f64;
        [
            count.way.number.to_string(),
            count.orders.to_string(),
            format!("{share:.1} %"),
            took(0.5),
            took(0.99),
            ending(stage(count.way.said).end(), &count.reason),
            events.join(", "),
        ]
    };
    let header = ["WAY", "ORDERS", "SHARE", "MEDIAN", "P99", "END", "EVENTS"];
    let table = table(header, at_rest.iter().map(row));
    format!("{table}\n\nNext: farandole orders list --way {}", first.way.number)
}
