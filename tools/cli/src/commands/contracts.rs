//! What a change of an event breaks, and for whom.

mod can_deploy;
mod directory;
mod released;
mod revision;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use compatibility::{Contracts, RELEASED, Report, Tree, render};
use declarations::{Schemas, fleet};
use jiff::Zoned;
use jiff::civil::Date;

use crate::ServiceUrls;
use crate::command_line::Misused;
use crate::commands::exit;
use crate::connections::Connections;
use crate::print::{print, print_json, remark};
use crate::running::{Asked, ask};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Check every version of every event against every other, and against who reads it
    ///
    /// Values of each version are read in two ways, as Avro says and as the services do. Each finding
    /// says its rule, who reads what is concerned, how to mend it, and how to accept it for a while in
    /// contracts/accepted.toml. What is broken for nobody in the fleet, and would be for others who read
    /// the topics, is risky.
    ///
    /// With --against git:REV the files of that revision are the released ones; with --registry those
    /// that are registered; with --running what running services read and write is checked, too. Nothing
    /// is changed.
    ///
    ///   farandole contracts check
    ///   farandole contracts check --against git:origin/main --format markdown
    ///
    /// Exit codes: 0 nothing is broken; 1 something is; 2 the tree is not one; 3 it could not be looked:
    /// the revision, the registry or a service is not there.
    #[command(verbatim_doc_comment)]
    Check(Check),
    /// Say whether a service can be deployed beside what topics hold and what runs
    ///
    /// The readers of this version are held against the schemas by which the events were written that are
    /// in topics and dead letters now, and against what running services write; what this version writes,
    /// against what running services read. Where something does not go together, the pair is named, and
    /// what has to be deployed first.
    ///
    ///   farandole contracts can-deploy --service payment
    ///
    /// Exit codes: 0 yes; 1 no; 2 there is no such service; 3 it could not be looked: Kafka, the registry
    /// or a service is not there.
    #[command(verbatim_doc_comment)]
    CanDeploy(can_deploy::CanDeploy),
    /// List the schemas of the tree as released: from now on they are not to be edited
    ///
    /// Those that are not in schemas/released.json yet are added, and those that are stay as they are.
    /// Nothing is released while something is broken.
    ///
    /// Exit codes: 0 all are listed; 1 something is broken; 2 the tree is not one.
    Release(Release),
}

#[derive(clap::Args)]
pub(crate) struct Check {
    /// The tree, a directory with schemas/ and services/ [default: this one, or what is built in]
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Compare with the tree of a revision, such as git:origin/main
    #[arg(long, value_name = "git:REV", conflicts_with = "registry")]
    against: Option<Against>,
    /// Compare with what the registry has, deleted versions included
    #[arg(long)]
    registry: bool,
    /// Check what running services read and write, too, as they declare it
    #[arg(long)]
    running: bool,
    /// How to tell what was found
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Tell the notes as well, as text
    #[arg(long)]
    notes: bool,
    #[command(flatten, next_help_heading = "Services")]
    urls: ServiceUrls,
}

#[derive(clap::Args)]
pub(crate) struct Release {
    /// The tree, a directory with schemas/ and services/ [default: this one]
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    tree: PathBuf,
}

/// With what to compare.
#[derive(Debug, Clone)]
struct Against(String);

impl FromStr for Against {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("git", revision)) if !revision.is_empty() => Ok(Self(revision.to_owned())),
            _ => Err("expected git:REV, such as git:origin/main".to_owned()),
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// For programs
    Json,
    /// For code hosts and editors, version 2.1.0
    Sarif,
    /// For a comment on a pull request
    Markdown,
}

/// Something that is to be looked at is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unseen(String);

pub(crate) async fn run(command: Command, connections: &Connections) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(check) => run_check(check, connections).await,
        Command::CanDeploy(can_deploy) => can_deploy::run(can_deploy, connections).await,
        Command::Release(release) => run_release(&release.tree),
    }
}

/// The tree that is meant: the one that is named, or else this directory, if it is one.
fn tree_of(named: Option<&Path>) -> Option<&Path> {
    let here = Path::new(".");
    named.or_else(|| directory::is_tree(here).then_some(here))
}

async fn run_check(check: Check, connections: &Connections) -> anyhow::Result<ExitCode> {
    let directory = tree_of(check.tree.as_deref());
    let tree = match directory {
        Some(directory) => directory::read(directory)?,
        None => Tree::embedded(),
    };
    let mut contracts = Contracts::of(tree, today());
    if let Some(Against(revision)) = &check.against {
        let Some(directory) = directory else {
            let why =
                "--against compares the tree of a directory; this is none: name one with --tree";
            return Err(Misused(why.to_owned()).into());
        };
        contracts.before = Some(revision::read(directory, revision)?);
    }
    if check.registry {
        released::look(connections, &mut contracts).await?;
    }
    let mut is_blind = false;
    if check.running {
        let Asked { running, silent } = ask(Some(&check.urls), &[]).await;
        for why in &silent {
            remark(why);
        }
        is_blind = !silent.is_empty();
        contracts.running = running;
    }
    let report = contracts.check();
    tell(&report, check.format, check.notes)?;
    Ok(exit::of(report.is_broken(), is_blind))
}

fn tell(report: &Report, format: Format, with_notes: bool) -> anyhow::Result<()> {
    match format {
        Format::Text => print(&render::text(report, with_notes))?,
        Format::Json => print_json(report)?,
        Format::Sarif => print_json(&render::sarif(report))?,
        Format::Markdown => print(&render::markdown(report))?,
    }
    Ok(())
}

fn run_release(directory: &Path) -> anyhow::Result<ExitCode> {
    let tree = directory::read(directory)?;
    let (released, new) = tree.release();
    let report = Contracts::of(tree, today()).check();
    if report.is_broken() {
        print(&render::text(&report, false))?;
        remark("Nothing is released: see above.");
        return Ok(exit::of(true, false));
    }
    if !new.is_empty() {
        let text = serde_json::to_string_pretty(&released)? + "\n";
        std::fs::write(directory.join(RELEASED), text)?;
    }
    let all = released.len();
    print(&format!(
        "{all} schemas are released, {} of them now. Next: commit {RELEASED}",
        new.len()
    ))?;
    Ok(exit::of(false, false))
}

fn today() -> Date {
    Zoned::now().date()
}

/// What is broken about these schemas by themselves, as a text; nothing if nothing is. They need not be
/// all that the fleet has. What was accepted when this was built stays accepted: a registration is not
/// to fail by the calendar.
pub(crate) fn broken(schemas: &Schemas) -> Option<String> {
    let tree = Tree::of_schemas_alone(schemas, fleet());
    let report = Contracts::of(tree, Date::MIN).check();
    report.is_broken().then(|| render::text(&report, false))
}
