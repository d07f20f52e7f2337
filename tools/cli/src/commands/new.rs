//! Writes the beginnings of services, events and versions into a tree of sources.

use std::path::PathBuf;
use std::process::{Command as Process, ExitCode};

use anyhow::Context as _;
use scaffold::{
    Changes, EventRef, Field, NewEvent, NewReaction, NewService, NewVersion, ScaffoldError, Tree,
};

use crate::print::{print, remark};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// A service that reads some events, and says its own once all of them have come
    ///
    /// It compiles, has tests and an HTTP API, takes part in the demo, and is in every list and in
    /// docker-compose.yml.
    ///
    ///   farandole new service loyalty --reads order/OrderPlaced,order/OrderCompleted \
    ///     --emits PointsAwarded --about "awards points"
    #[command(verbatim_doc_comment)]
    Service(Service),
    /// Another event that a service reads; it is absorbed until you say what follows from it
    ///
    ///   farandole new reaction loyalty order/OrderCancelled
    #[command(verbatim_doc_comment)]
    Reaction(Reaction),
    /// Another event that a service says, when it reads one that it has absorbed so far
    ///
    ///   farandole new event loyalty/PointsRevoked --on OrderCancelled
    #[command(verbatim_doc_comment)]
    Event(Event),
    /// The next version of an event, with a field more; who reads it goes on as before
    ///
    ///   farandole new version loyalty/PointsAwarded --field channel:string=web
    #[command(verbatim_doc_comment)]
    Version(Version),
}

#[derive(clap::Args)]
pub(crate) struct Service {
    /// Its name, in small letters
    #[arg(value_name = "NAME")]
    name: String,
    /// What it reads: it says its own when all of these have come
    #[arg(long, value_name = "SERVICE/EVENT,…", value_delimiter = ',', required = true)]
    reads: Vec<EventRef>,
    /// What it says
    #[arg(long, value_name = "EVENT,…", value_delimiter = ',', required = true)]
    emits: Vec<String>,
    /// What it does, in a few words
    #[arg(long, value_name = "TEXT")]
    about: Option<String>,
    /// Who answers for it: a team, by the name under which it is found [default: NAME]
    #[arg(long, value_name = "TEAM")]
    owner: Option<String>,
    /// The default port of its API [default: the next that is free]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    #[command(flatten)]
    how: How,
}

#[derive(clap::Args)]
pub(crate) struct Reaction {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,
    /// What it is to read
    #[arg(value_name = "FROM/EVENT")]
    reads: EventRef,
    #[command(flatten)]
    how: How,
}

#[derive(clap::Args)]
pub(crate) struct Event {
    /// The event, by the service that says it
    #[arg(value_name = "SERVICE/EVENT")]
    says: EventRef,
    /// The event that it answers
    #[arg(long, value_name = "EVENT")]
    on: String,
    #[command(flatten)]
    how: How,
}

#[derive(clap::Args)]
pub(crate) struct Version {
    /// The event, by the service that says it
    #[arg(value_name = "SERVICE/EVENT")]
    event: EventRef,
    /// A field more, with what it is for those that were written before
    #[arg(long, value_name = "NAME:TYPE=DEFAULT")]
    field: Option<Field>,
    #[command(flatten)]
    how: How,
}

/// How it is done.
#[derive(clap::Args)]
struct How {
    /// The tree of sources [default: the one that this directory is in]
    #[arg(long, value_name = "DIRECTORY")]
    tree: Option<PathBuf>,
    /// Only say which files would be written
    #[arg(long)]
    dry_run: bool,
    /// Don't format, compile and render afterwards: make render is left to you
    #[arg(long)]
    no_render: bool,
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Service(Service { name, reads, emits, about, owner, port, how }) => {
            let service = NewService { service: name, about, owner, reads, emits, port };
            finish(&how, |tree| scaffold::new_service(tree, &service))
        }
        Command::Reaction(Reaction { service, reads, how }) => {
            let reaction = NewReaction { service, reads };
            finish(&how, |tree| scaffold::new_reaction(tree, &reaction))
        }
        Command::Event(Event { says, on, how }) => {
            let event = NewEvent { event: says, on };
            finish(&how, |tree| scaffold::new_event(tree, &event))
        }
        Command::Version(Version { event, field, how }) => {
            let version = NewVersion { event, field };
            finish(&how, |tree| scaffold::new_version(tree, &version))
        }
    }
}

fn finish(
    how: &How,
    make: impl FnOnce(&Tree) -> Result<Changes, ScaffoldError>,
) -> anyhow::Result<ExitCode> {
    let here = match &how.tree {
        Some(directory) => {
            directory.canonicalize().with_context(|| directory.display().to_string())?
        }
        None => std::env::current_dir()?,
    };
    let tree = Tree::of(&here)?;
    let changes = make(&tree)?;
    let line = |(path, is_new)| format!("{} {path}", if is_new { "+" } else { "~" });
    print(&changes.paths().map(line).collect::<Vec<_>>().join("\n"))?;
    if how.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    changes.write(&tree)?;
    if how.no_render {
        remark("Next: cargo fmt --all, and make render");
        return Ok(ExitCode::SUCCESS);
    }
    for words in [["cargo", "fmt", "--all"].as_slice(), &["make", "render"]] {
        remark(&format!("{} …", words.join(" ")));
        let status = Process::new(words[0]).args(&words[1..]).current_dir(tree.root()).status();
        let status = status.with_context(|| words.join(" "))?;
        if !status.success() {
            anyhow::bail!(
                "{} failed; what was written is there, and git diff shows it",
                words.join(" ")
            );
        }
    }
    // A reaction is none: the catalogue has an example of each version of each event.
    let has_event = changes.paths().any(|(path, is_new)| is_new && path.starts_with("schemas/"));
    let examples = if has_event { "make examples, " } else { "" };
    remark(&format!(
        "Next: git diff, {examples}make quick, and make demo; docs/extending.md goes on from here"
    ));
    Ok(ExitCode::SUCCESS)
}
