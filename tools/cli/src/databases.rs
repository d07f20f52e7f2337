//! Where the services' databases are.

use std::collections::BTreeMap;

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use crate::database::{self, Limits, variable};
use crate::{Unreadable, services};

/// Where the services' databases are, by service, as far as anybody has said. The tool only reads
/// them. There is one flag per service, and a variable of the same name.
#[derive(Debug)]
pub struct Databases(BTreeMap<&'static str, String>);

impl Args for Databases {
    fn augment_args(command: Command) -> Command {
        let flag = |service: &'static str| {
            let variable = variable(service);
            Arg::new(variable.clone())
                .long(variable.to_lowercase().replace('_', "-"))
                .env(variable)
                .help(format!("The {service} service's database"))
                .value_name("URL")
                .hide_env_values(true)
                .hide_short_help(true)
                .global(true)
        };
        command.next_help_heading("Databases").args(services().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Databases {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut urls = BTreeMap::new();
        for service in services() {
            let Some(url) = matches.get_one::<String>(&variable(service)) else { continue };
            check(service, url)?;
            urls.insert(service, url.clone());
        }
        Ok(Self(urls))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What is wrong with a URL, without showing it: it may hold a password.
fn check(service: &str, url: &str) -> Result<(), clap::Error> {
    let reason = match url.parse::<PgConnectOptions>() {
        _ if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) => {
            "it does not begin with postgres://".to_owned()
        }
        Ok(_) => return Ok(()),
        Err(error) => database::reason(&error),
    };
    let message = format!(
        "{} is no database's URL: {reason}\n\nExpected postgres://user:password@host:port/database\n",
        variable(service)
    );
    Err(clap::Error::raw(ErrorKind::ValueValidation, message))
}

/// A service's database is needed, and nobody has said where it is, or it is away.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoDatabase(pub String);

impl From<Unreadable> for NoDatabase {
    fn from(unreadable: Unreadable) -> Self {
        Self(unreadable.to_string())
    }
}

impl Databases {
    /// A connection to a service's database on which nothing can be written, and for questions that
    /// are answered soon.
    pub async fn connect(&self, service: &str) -> Result<PgConnection, NoDatabase> {
        Ok(database::connect(service, self.url(service)?, Limits::QUESTION).await?)
    }

    /// The same, or `None` if nobody has said where that database is.
    pub async fn connect_if_given(
        &self,
        service: &str,
    ) -> Result<Option<PgConnection>, NoDatabase> {
        if self.url(service).is_err() {
            return Ok(None);
        }
        self.connect(service).await.map(Some)
    }

    /// The variable that says where a service's database is.
    pub fn variable(service: &str) -> String {
        variable(service)
    }

    /// Where a service's database is.
    pub fn url(&self, service: &str) -> Result<&String, NoDatabase> {
        let variable = variable(service);
        self.0.get(service).ok_or_else(|| {
            NoDatabase(format!("the {service} service's database is needed: set {variable}"))
        })
    }
}
