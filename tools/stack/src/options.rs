use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Error;

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
    /// Whether a consumer group that begins waits three seconds for more members, as clusters do by
    /// default. Without, the services join at once, which hides what happens meanwhile.
    pub rebalance_delay: bool,
    /// Whether and where the schema registry listens.
    pub registry: Serve,
    /// Whether and where Postgres listens.
    pub postgres: Serve,
    /// Which Postgres. Default: the variable `FARANDOLE_POSTGRES`, else 18.
    pub postgres_version: Option<PostgresVersion>,
}

/// A major version of Postgres. The stack runs one release of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PostgresVersion {
    /// The oldest that the services run on.
    V15,
    /// 16.
    V16,
    /// 17.
    V17,
    /// The newest, and what is measured.
    #[default]
    V18,
}

impl PostgresVersion {
    /// The number, as the variable `FARANDOLE_POSTGRES` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V15 => "15",
            Self::V16 => "16",
            Self::V17 => "17",
            Self::V18 => "18",
        }
    }
}

impl FromStr for PostgresVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Self::V15, Self::V16, Self::V17, Self::V18];
        let found = all.into_iter().find(|version| version.as_str() == text);
        found.ok_or_else(|| Error::UnknownVersion(text.to_owned()))
    }
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
