use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use farandole_cli::{SERVICES, database};
use sqlx::PgConnection;

/// Where the services' databases are, by service, as far as anybody has said. The tool only reads
/// them. There is one flag per service, and a variable of the same name.
#[derive(Debug)]
pub(crate) struct Databases(BTreeMap<&'static str, String>);

impl Args for Databases {
    fn augment_args(command: Command) -> Command {
        let flag = |service: &'static str| {
            let variable = Self::variable(service);
            Arg::new(variable.clone())
                .long(variable.to_lowercase().replace('_', "-"))
                .env(variable)
                .help(format!("The {service} service's database"))
                .value_name("URL")
                .hide_env_values(true)
                .global(true)
        };
        command.next_help_heading("Databases").args(SERVICES.map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Databases {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let url = |service| matches.get_one::<String>(&Self::variable(service));
        let given = |service| Some((service, url(service)?.clone()));
        Ok(Self(SERVICES.into_iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A service's database is needed, and nobody has said where it is, or it is away.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoDatabase(pub(crate) String);

impl Databases {
    /// A connection to a service's database on which nothing can be written.
    pub(crate) async fn connect(&self, service: &str) -> Result<PgConnection, NoDatabase> {
        database::connect(self.url(service)?).await.map_err(|error| {
            let (variable, reason) = (Self::variable(service), database::reason(&error));
            NoDatabase(format!("the {service} service's database ({variable}): {reason}"))
        })
    }

    /// The same, or `None` if nobody has said where that database is.
    pub(crate) async fn connect_if_given(
        &self,
        service: &str,
    ) -> Result<Option<PgConnection>, NoDatabase> {
        if self.url(service).is_err() {
            return Ok(None);
        }
        self.connect(service).await.map(Some)
    }

    /// The variable that says where a service's database is.
    pub(crate) fn variable(service: &str) -> String {
        format!("{}_DATABASE_URL", service.to_uppercase())
    }

    /// Where a service's database is.
    pub(crate) fn url(&self, service: &str) -> Result<&String, NoDatabase> {
        let variable = Self::variable(service);
        self.0.get(service).ok_or_else(|| {
            NoDatabase(format!("the {service} service's database is needed: set {variable}"))
        })
    }
}
