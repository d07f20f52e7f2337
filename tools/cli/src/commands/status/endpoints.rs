use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use declarations::fleet;
use farandole_cli::services;

/// Where the services listen: a flag per service, and a variable of the same name.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints(BTreeMap<&'static str, String>);

/// Such as `ORDER_URL`.
fn variable(service: &str) -> String {
    format!("{}_URL", service.to_uppercase().replace('-', "_"))
}

impl Args for Endpoints {
    fn augment_args(command: Command) -> Command {
        let flags = fleet().services().iter().map(|declared| {
            let variable = variable(&declared.service);
            Arg::new(variable.clone())
                .long(variable.to_lowercase().replace('_', "-"))
                .env(variable)
                .help(format!("The {} service", declared.service))
                .value_name("URL")
                .hide_env_values(true)
                .default_value(format!("http://localhost:{}", declared.port))
        });
        command.next_help_heading("Services").args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Endpoints {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let url = |service| Some((service, matches.get_one::<String>(&variable(service))?.clone()));
        Ok(Self(services().filter_map(url).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Endpoints {
    /// Each service with its URL, without a slash at the end.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        services().filter_map(|service| Some((service, self.0.get(service)?.trim_end_matches('/'))))
    }
}
