//! The catalogue of events of a fleet, whoever its services are.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use catalogue::{Catalogue, Examples, files};
use declarations::Schemas;

use crate::ServiceUrls;
use crate::commands::exit;
use crate::dance;
use crate::print::{print, remark};
use crate::running::{Asked, ask};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to write it; what is there under the same names is replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Take what the services declare that run, instead of what the tool was built with
    #[arg(long)]
    running: bool,
    /// Ask this service for its declaration, too: one that the tool was not built with, in whatever
    /// language it is
    #[arg(long, value_name = "URL")]
    also: Vec<String>,
    #[command(flatten, next_help_heading = "Services")]
    urls: ServiceUrls,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { out, running: as_they_run, also, urls } = arguments;
    let Asked { running, silent } = ask(as_they_run.then_some(&urls), &also).await;
    for why in &silent {
        remark(why);
    }
    let services = dance::services(as_they_run, &running);
    let catalogue = Catalogue::of(&services, &Schemas::embedded(), &Examples::default());
    let files = files(&catalogue);
    for (path, text) in &files {
        let path = out.join(path);
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(&out))?;
            fs::write(&path, text)
        };
        write().with_context(|| format!("{} cannot be written", path.display()))?;
    }
    print(&format!(
        "{} files are written. Next: open {}",
        files.len(),
        out.join("docs/catalogue/index.html").display()
    ))?;
    Ok(exit::of(false, !silent.is_empty()))
}
