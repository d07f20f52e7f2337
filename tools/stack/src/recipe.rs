//! How any part comes to run: fetched if need be, started, and waited for.

use std::path::Path;
use std::time::Instant;

use crate::cache::Cache;
use crate::error::Error;
use crate::options::{Options, Serve};
use crate::part::{Launch, Part};
use crate::ports::{PORT_ATTEMPTS, Ports};
use crate::progress::Progress;

/// How a part is fetched and run; one for each.
pub(crate) trait Recipe: Sized {
    /// For people.
    const NAME: &'static str;

    /// Fetches and prepares what the cache lacks.
    async fn install(options: &Options, cache: &Cache, progress: &Progress) -> Result<Self, Error>;

    /// Prepares data and settings in the run directory. Done again, it keeps the data.
    async fn launch(&self, directory: &Path, ports: Ports) -> Result<Launch, Error>;
}

/// What the parts share as they start.
pub(crate) struct Place<'a> {
    pub(crate) options: &'a Options,
    pub(crate) cache: &'a Cache,
    pub(crate) progress: &'a Progress,
    pub(crate) directory: &'a Path,
}

impl Place<'_> {
    pub(crate) async fn start<R: Recipe>(&self, serve: Serve) -> Result<Part, Error> {
        let (fixed, proxy) = match serve {
            Serve::No => return Ok(Part::new(R::NAME, None)),
            Serve::Port(port) => (Some(port), None),
            Serve::Behind(port) => (None, Some(port)),
            Serve::FreePort => (None, None),
        };
        // Boxed: it happens once, and would make every future that starts a stack larger.
        let recipe = Box::pin(R::install(self.options, self.cache, self.progress)).await?;
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            let mut ports = Ports::pick(fixed)?;
            ports.advertised = proxy.unwrap_or(ports.main);
            let part = Part::new(R::NAME, Some(recipe.launch(self.directory, ports).await?));
            match part.start().await {
                // The part is gone by now: who holds its port is somebody else.
                Err(_) if attempt < PORT_ATTEMPTS && fixed.is_none() && !ports.are_free() => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    let (main, seconds) = (ports.main, began.elapsed().as_secs_f64());
                    let line =
                        format!("{} answers on 127.0.0.1:{main} after {seconds:.1} s", R::NAME);
                    self.progress.say(&line);
                    return Ok(part);
                }
            }
        }
    }
}

pub(crate) async fn fetch<R: Recipe>(
    serve: Serve,
    options: &Options,
    cache: &Cache,
    progress: &Progress,
) -> Result<(), Error> {
    if serve != Serve::No {
        R::install(options, cache, progress).await?;
    }
    Ok(())
}
