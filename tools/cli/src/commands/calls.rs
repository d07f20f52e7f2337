//! The calls to the outside: those that are open, and what is to become of them.

mod decide;
mod list;
mod request;
mod settle;
mod show;
mod text;

use std::process::ExitCode;

use contracts::operations::Kind;

pub(crate) use self::decide::{Order, hand_over, report};
pub(crate) use self::request::{Asked, Reason};
use crate::connections::Connections;
use crate::databases::Databases;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the calls that are open, parked or given up
    ///
    /// A call is open until its outcome is known: it is made again and again, under one key. It only
    /// looks. The databases of payment, shipping and notification are needed, such as
    /// PAYMENT_DATABASE_URL; with --service or --step only of those named.
    ///
    ///   farandole calls list
    ///   farandole calls list --given-up
    ///   farandole calls list --step charge --destination visa --older-than 10m
    ///
    /// Exit codes: 0 none that fits; 1 some are listed; 3 a database cannot be read.
    #[command(verbatim_doc_comment)]
    List(list::List),
    /// Show all there is to know about one, and what was decided on it
    ///
    ///   farandole calls show ORDER/charge
    #[command(verbatim_doc_comment)]
    Show(show::Show),
    /// Have calls made now, also those that were given up
    ///
    /// One that waits for its next try need not wait any more; its circuit may still hold it back. A
    /// mail that was given up is sent again, unless the customer was told something later meanwhile.
    /// The key is the same as before, so a provider that has done it does not do it twice.
    ///
    ///   farandole calls retry --given-up --reason "the mail server is back"
    ///   farandole calls retry ORDER/refund --reason "INC-1"
    #[command(verbatim_doc_comment)]
    Retry(request::Request),
    /// Have calls made no more, until they are unparked
    ///
    /// For a provider that must not be called, or a call that never ends. What is parked is listed,
    /// and counts for no alarm. A try that is being made is not broken off.
    ///
    ///   farandole calls park --step charge --destination visa --reason "they charge twice, INC-2"
    #[command(verbatim_doc_comment)]
    Park(request::Request),
    /// Have calls made again that were parked
    ///
    ///   farandole calls unpark --parked --reason "mended, INC-2"
    #[command(verbatim_doc_comment)]
    Unpark(request::Request),
    /// Say what has become of a call, in the provider's place
    ///
    /// The service takes it as if the provider had answered, and calls no more. Ask the provider
    /// first, for the key ORDER/STEP: what is said here is what the books will say.
    ///
    ///   charge          charged --id CHARGE, declined --because REASON
    ///   refund          refunded --id REFUND
    ///   book            booked --id SHIPMENT --carrier NAME --tracking-number NUMBER,
    ///                   refused --because REASON
    ///   mail-…          sent --id MESSAGE_ID, given-up --because REASON
    ///
    ///   farandole calls settle ORDER/charge --outcome declined --because never_made --reason "INC-3"
    #[command(verbatim_doc_comment)]
    Settle(settle::Settle),
}

pub(crate) async fn run(
    command: Command,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(list) => list::run(&list, databases).await,
        Command::Show(show) => show::run(&show, connections, databases).await,
        Command::Retry(request) => request.run(Kind::Retry, connections, databases).await,
        Command::Park(request) => request.run(Kind::Park, connections, databases).await,
        Command::Unpark(request) => request.run(Kind::Unpark, connections, databases).await,
        Command::Settle(settle) => settle::run(&settle, connections, databases).await,
    }
}
