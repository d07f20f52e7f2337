use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use super::author::words;
use super::left_out::left_out;
use super::request::Request;
use super::text::letters;
use crate::commands::exit;
use crate::connections::Connections;
use crate::print::{print, print_json};
use crate::recovery::{Archive, Chosen, Kind, note, noted};

/// What is noted of letters for a reason.
#[derive(clap::Args)]
pub(crate) struct Discard {
    /// Why, for whoever reads the log
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reason: String,
    #[command(flatten)]
    request: Request,
}

/// What takes it back.
#[derive(clap::Args)]
pub(crate) struct Undiscard {
    /// Why, for whoever reads the log
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reason: Option<String>,
    #[command(flatten)]
    request: Request,
}

pub(crate) async fn run(
    arguments: &Discard,
    connections: &Connections,
) -> anyhow::Result<ExitCode> {
    let act = Act { kind: Kind::Discard, verb: "Discard" };
    of_open(&act, &arguments.request, Some(&arguments.reason), connections).await
}

pub(crate) async fn silence(
    arguments: &Discard,
    connections: &Connections,
) -> anyhow::Result<ExitCode> {
    let act = Act { kind: Kind::Silence, verb: "Silence" };
    of_open(&act, &arguments.request, Some(&arguments.reason), connections).await
}

pub(crate) async fn speak(
    arguments: &Undiscard,
    connections: &Connections,
) -> anyhow::Result<ExitCode> {
    let act = Act { kind: Kind::Unsilence, verb: "End the silence of" };
    of_open(&act, &arguments.request, arguments.reason.as_deref(), connections).await
}

/// Does it to those that are open.
async fn of_open(
    act: &Act,
    request: &Request,
    reason: Option<&str>,
    connections: &Connections,
) -> anyhow::Result<ExitCode> {
    let archive = Archive::read(connections, &request.selection.services(), None).await?;
    let chosen = request.selection.choose(&archive, Timestamp::now(), false);
    act.carry_out(request, chosen, reason, connections).await
}

pub(crate) async fn take_back(
    arguments: &Undiscard,
    connections: &Connections,
) -> anyhow::Result<ExitCode> {
    let Undiscard { reason, request } = arguments;
    let archive = Archive::read(connections, &request.selection.services(), None).await?;
    let chosen = request.selection.choose_discarded(&archive, Timestamp::now());
    let act = Act { kind: Kind::Undiscard, verb: "Take back" };
    act.carry_out(request, chosen, reason.as_deref(), connections).await
}

/// Something that is done about letters by noting it in the log.
struct Act {
    kind: Kind,
    verb: &'static str,
}

impl Act {
    async fn carry_out(
        &self,
        request: &Request,
        chosen: Chosen<'_>,
        reason: Option<&str>,
        connections: &Connections,
    ) -> anyhow::Result<ExitCode> {
        let count = chosen.letters.len();
        let dry = request.dry_run;
        if !dry && !request.confirmed(self.verb, count)? {
            print("Nothing was done.")?;
            return Ok(exit::of(true, false));
        }
        if !dry && count > 0 {
            let began = request.begins(self.kind, count, reason);
            note(connections, &chosen, began).await?;
        }
        if request.json {
            let ids: Vec<_> = chosen.letters.iter().map(|letter| &letter.id).collect();
            let left_out = chosen.left_out_as_json();
            print_json(
                &json!({"dry_run": dry, noted(self.kind): count, "letters": ids, "left_out": left_out}),
            )?;
        } else {
            print(&self.text(&chosen, dry))?;
        }
        Ok(exit::of(!chosen.left_out.is_empty(), false))
    }

    fn text(&self, chosen: &Chosen<'_>, dry: bool) -> String {
        let some = letters(chosen.letters.len());
        let said = match chosen.letters.as_slice() {
            [] => "Nothing fits. Next: farandole dlq list --all".to_owned(),
            [first, ..] if dry => format!(
                "{some} would be {}, such as {}. Next: the same without --dry-run",
                noted(self.kind),
                first.id
            ),
            [first, ..] => {
                let back = match self.kind {
                    Kind::Discard | Kind::Silence => {
                        let undo = format!("un{}", self.kind.name());
                        format!("; to take it back: farandole dlq {undo} {}", first.id)
                    }
                    _ => String::new(),
                };
                let noted = noted(self.kind);
                format!("{some} {noted}; nothing was deleted. Next: farandole dlq log{back}")
            }
        };
        format!("{}{said}", left_out(chosen))
    }
}
