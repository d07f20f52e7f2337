//! Dead letters: what there is, why, and what is to be done about it.

mod author;
mod discard;
mod left_out;
mod list;
mod log;
mod redrive;
mod request;
mod show;
mod text;

use std::process::ExitCode;

pub(crate) use self::author::{Author, words};
pub(crate) use self::request::Consent;
use crate::connections::Connections;
use crate::databases::Databases;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the dead letters that are open, by service and cause
    ///
    /// A letter is open until it was redriven or discarded. Causes are compared without ids and
    /// numbers, so that what failed alike is counted together. Exit codes: 0 they are listed; 3 Kafka
    /// or a topic is not there.
    ///
    ///   farandole dlq list
    ///   farandole dlq list --service payment --newer-than 1h --group-by none
    #[command(verbatim_doc_comment)]
    List(list::List),
    /// Show all there is to know about one: headers, payload, errors, history
    ///
    /// The payload is decoded by the schema that wrote it, and personal data redacted. With the
    /// service's database, such as PAYMENT_DATABASE_URL, it tells whether the event took effect.
    ///
    ///   farandole dlq show payment/0/17
    #[command(verbatim_doc_comment)]
    Show(show::Show),
    /// Put letters back to where they came from, for the one service that could not process them
    ///
    /// The service processes each once more, and once only: however often and by whomever it is
    /// redriven. Each is noted in the log when it was put back, so after an interruption the same
    /// command goes on with those that are still open. With the services' databases, such as
    /// PAYMENT_DATABASE_URL, it tells what became of them; a canary needs them.
    ///
    ///   farandole dlq redrive --service payment --cause "schema id" --dry-run
    ///   farandole dlq redrive --service payment --cause "schema id" --canary 3
    ///   farandole dlq redrive payment/0/17
    ///
    /// Exit codes: 0 all that was redriven is applied; 1 something failed again, was left out, or is
    /// not yet read; 3 of some it could not be seen what became of them.
    #[command(verbatim_doc_comment)]
    Redrive(redrive::Redrive),
    /// Decide that letters stay dead
    ///
    /// Nothing is deleted: the log says so, and they are open no more. Nothing else complains of
    /// their events any more either, such as gaps and the audit. undiscard takes it back.
    ///
    ///   farandole dlq discard payment/0/17 --reason "test order"
    #[command(verbatim_doc_comment)]
    Discard(discard::Discard),
    /// Take a discard back: the letters are open again
    ///
    ///   farandole dlq undiscard payment/0/17 --reason "it was no test"
    #[command(verbatim_doc_comment)]
    Undiscard(discard::Undiscard),
    /// Say of letters that are open that they are known: nobody is called for them until there is one more
    ///
    /// They stay open. `farandole status` and the console are silent about letters of one service and cause
    /// once all that are open are silenced; one more of them, or one that is put back and fails again, ends
    /// that. What Prometheus counts stays as it is: alerts are silenced in Alertmanager.
    ///
    ///   farandole dlq silence --service payment --cause "schema id" --reason "mended on Monday"
    #[command(verbatim_doc_comment)]
    Silence(discard::Discard),
    /// End a silence
    ///
    ///   farandole dlq unsilence --service payment --cause "schema id" --reason "it is Monday"
    #[command(verbatim_doc_comment)]
    Unsilence(discard::Undiscard),
    /// Tell who did what about dead letters and lost events, when, why, and what came of it
    Log(log::Log),
}

pub(crate) async fn run(
    command: Command,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(list) => list::run(list, connections).await,
        Command::Show(show) => show::run(&show, connections, databases).await,
        Command::Redrive(redrive) => redrive::run(&redrive, connections, databases).await,
        Command::Discard(discard) => discard::run(&discard, connections).await,
        Command::Undiscard(undiscard) => discard::take_back(&undiscard, connections).await,
        Command::Silence(silence) => discard::silence(&silence, connections).await,
        Command::Unsilence(unsilence) => discard::speak(&unsilence, connections).await,
        Command::Log(log) => log::run(&log, connections).await,
    }
}
