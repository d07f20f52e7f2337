use std::process::ExitCode;

use contracts::operations::{Kind, Subject};

use crate::OrderId;
use crate::commands::calls::{Asked, Order, Reason, hand_over, report};
use crate::connections::Connections;
use crate::database::ask;
use crate::databases::Databases;
use crate::print::print;

#[derive(clap::Args)]
pub(crate) struct Undo {
    /// The order
    #[arg(value_name = "ORDER")]
    order: OrderId,
    #[command(flatten)]
    why: Reason,
    #[command(flatten)]
    asked: Asked,
}

pub(crate) async fn run(
    Undo { order, why, asked }: &Undo,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let mut database = databases.connect("order").await?;
    let question = sqlx::query_as("SELECT status FROM orders WHERE saga = $1").bind(order.0);
    let known: Vec<(String,)> = ask("order", &mut database, question).await?;
    drop(database);
    if let Some((status,)) = known.into_iter().next() {
        print(&format!(
            "The order service knows order {order}: it is {status}. One that is placed is cancelled \
             by POST /orders/{order}/cancel."
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    if asked.dry_run {
        print(&format!("Would have order {order} undone."))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !asked.confirmed(&format!("Undo order {order}?"))? {
        print("Nothing was done.")?;
        return Ok(ExitCode::FAILURE);
    }
    let subjects = vec![Subject { saga: *order, step: String::new() }];
    let orders = [Order { service: "order", subjects }];
    let began = why.author.begins(Kind::Undo, order.to_string(), 1, Some(&why.reason));
    report(&hand_over(began, &orders, None, connections, databases).await?, asked.json)
}
