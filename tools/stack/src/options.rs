use std::path::PathBuf;

/// What to start, and where. The default: everything, on free ports, nothing kept.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Say nothing on standard error.
    pub quiet: bool,
    /// Where fetched programs are kept. Default: the variable `FARANDOLE_CACHE`, else
    /// `/var/cache/farandole` for root, else `$XDG_CACHE_HOME/farandole` or `~/.cache/farandole`.
    pub cache: Option<PathBuf>,
    /// Where data and logs are kept. Default: a temporary directory, removed with the stack.
    pub data: Option<PathBuf>,
    /// Whether and where Kafka listens.
    pub kafka: Serve,
    /// Whether and where the schema registry listens.
    pub registry: Serve,
    /// Whether and where Postgres listens.
    pub postgres: Serve,
}

/// Whether and where a part listens, always on 127.0.0.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serve {
    /// On a port that is free; it stays the same for the life of the stack.
    #[default]
    FreePort,
    /// On this port.
    Port(u16),
    /// On a port that is free, and clients come through this one, where somebody leads them to
    /// it: Kafka sends its clients there.
    Behind(u16),
    /// The part is neither fetched nor started.
    No,
}
