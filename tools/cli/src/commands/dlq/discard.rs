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
use crate::recovery::{Archive, Chosen, Kind, note};

#[derive(clap::Args)]
pub(crate) struct Discard {
    /// Why they are to stay dead, for whoever reads the log
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reason: String,
    #[command(flatten)]
    request: Request,
}

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
    let Discard { reason, request } = arguments;
    let archive = Archive::read(connections, &request.selection.services(), None).await?;
    let chosen = request.selection.choose(&archive, Timestamp::now(), false);
    let act = Act { kind: Kind::Discard, verb: "Discard", done: "discarded" };
    act.carry_out(request, chosen, Some(reason), connections).await
}

pub(crate) async fn take_back(
    arguments: &Undiscard,
    connections: &Connections,
) -> anyhow::Result<ExitCode> {
    let Undiscard { reason, request } = arguments;
    let archive = Archive::read(connections, &request.selection.services(), None).await?;
    let chosen = request.selection.choose_discarded(&archive, Timestamp::now());
    let act = Act { kind: Kind::Undiscard, verb: "Take back", done: "open again" };
    act.carry_out(request, chosen, reason.as_deref(), connections).await
}

/// Something that is done about letters by noting it in the log.
struct Act {
    kind: Kind,
    verb: &'static str,
    /// What they are then.
    done: &'static str,
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
            note(connections, &chosen, began, self.done).await?;
        }
        if request.json {
            let ids: Vec<_> = chosen.letters.iter().map(|letter| &letter.id).collect();
            let left_out = chosen.left_out_as_json();
            print_json(
                &json!({"dry_run": dry, self.done: count, "letters": ids, "left_out": left_out}),
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
                self.done, first.id
            ),
            [first, ..] => {
                let back = match self.kind {
                    Kind::Discard => {
                        format!("; to take it back: farandole dlq undiscard {}", first.id)
                    }
                    _ => String::new(),
                };
                format!("{some} {}; nothing was deleted. Next: farandole dlq log{back}", self.done)
            }
        };
        format!("{}{said}", left_out(chosen))
    }
}
