use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use declarations::{fleet, variable};

use crate::services;

/// Where the services listen: a flag per service, and a variable of the same name.
#[derive(Debug, Clone)]
pub struct ServiceUrls(BTreeMap<&'static str, String>);

impl Args for ServiceUrls {
    fn augment_args(command: Command) -> Command {
        let flags = fleet().services().iter().map(|declared| {
            let variable = variable(&declared.service, "URL");
            Arg::new(variable.clone())
                .long(variable.to_lowercase().replace('_', "-"))
                .env(variable)
                .help(format!("The {} service", declared.service))
                .value_name("URL")
                .hide_env_values(true)
                .default_value(format!("http://localhost:{}", declared.port))
        });
        command.args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServiceUrls {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let url = |service| {
            let url = matches.get_one::<String>(&variable(service, "URL"))?;
            Some((service, url.clone()))
        };
        Ok(Self(services().filter_map(url).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl FromIterator<(&'static str, String)> for ServiceUrls {
    fn from_iter<I: IntoIterator<Item = (&'static str, String)>>(urls: I) -> Self {
        Self(urls.into_iter().collect())
    }
}

impl ServiceUrls {
    /// The URL of one of them, without a slash at the end.
    pub fn of(&self, service: &str) -> &str {
        self.0[service].trim_end_matches('/')
    }

    /// Each service with its URL, without a slash at the end.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        services().filter_map(|service| Some((service, self.0.get(service)?.trim_end_matches('/'))))
    }
}
