use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use clap::{Parser, Subcommand};
use cli::ServiceUrls;
use cli::age;
use cli::connections::Connections;
use cli::databases::Databases;

use crate::pages::content::Payloads;
use crate::proxies::Proxy;

#[expect(clippy::doc_markdown, reason = "clap shows the comment as it stands")]
/// Shows a Farandole fleet in a browser: whose move it is, what hangs, and what to do
///
/// It reads the services' health and databases, and the topics; it joins no consumer group, and the fleet
/// does not know of it. What it writes is a database of its own, and what operators have it do: put dead
/// letters back, and discard them. The services are those that this was built with, or those
/// whose declarations are in the directory FARANDOLE_DECLARATIONS.
#[derive(Debug, Parser)]
#[command(name = "console", version, max_term_width = 100)]
pub(crate) struct Settings {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Where to listen. Others than who is on this machine come through a proxy in front that knows them: an
    /// address that can be reached from elsewhere needs --user-header and --proxies
    #[arg(long, env = "CONSOLE_ADDR", value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// What the fleet is called, such as production; it stands on every page
    #[arg(long, env = "CONSOLE_FLEET", value_name = "NAME", default_value = "")]
    pub(crate) fleet: String,
    /// How often the services are asked how they are, such as 5s; orders that hang, and dead letters, are
    /// looked for a third as often
    #[arg(long, env = "CONSOLE_EVERY", value_name = "TIME", default_value = "5s",
          value_parser = age::parse)]
    pub(crate) every: Duration,
    /// How often the books are audited, such as 1h; 0s for only when somebody asks for it. That reads all that
    /// the topics hold, and needs about 1 kB of memory per order
    #[arg(long, env = "CONSOLE_AUDIT_EVERY", value_name = "TIME", default_value = "0s",
          value_parser = age::parse)]
    pub(crate) audit_every: Duration,
    /// A database of the console's own, in which orders are counted and listed; whatever is in it is made
    /// from the topics. Without one there is no board, no list and no ways
    #[arg(
        long = "database-url",
        env = "CONSOLE_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(crate) database_url: Option<String>,
    /// For how long orders are kept there, such as 30d; those that are under way are kept on
    #[arg(long, env = "CONSOLE_RETENTION", value_name = "TIME", default_value = "30d",
          value_parser = age::parse)]
    pub(crate) retention: Duration,
    /// Make what is in the database anew from the topics, beside what is there, and show that from then on
    #[arg(long)]
    pub(crate) rebuild: bool,
    /// The header in which the proxy in front says who somebody is, such as X-Forwarded-User. The proxy must
    /// set it itself, and take away what others send. Without one, whoever is on this machine may do all
    #[arg(long, env = "CONSOLE_USER_HEADER", value_name = "NAME")]
    pub(crate) user_header: Option<HeaderName>,
    /// From where that proxy calls: addresses, or names of hosts. Nobody else is answered, but for how the
    /// console is (/health/…, /metrics)
    #[arg(
        long,
        env = "CONSOLE_PROXIES",
        value_name = "HOST,…",
        value_delimiter = ',',
        requires = "user_header"
    )]
    pub(crate) proxies: Vec<Proxy>,
    /// Who may put letters back and discard them, where a proxy says who somebody is; all others look
    #[arg(long, env = "CONSOLE_OPERATORS", value_name = "USER,…", value_delimiter = ',')]
    pub(crate) operators: Vec<String>,
    /// How much is shown of what events and dead letters say. Masked is without what their schemas say is
    /// personal; full is all of it, to everybody who can see the console
    #[arg(long, env = "CONSOLE_PAYLOADS", value_name = "HOW", value_enum,
          default_value_t = Payloads::Masked)]
    pub(crate) payloads: Payloads,
    /// Who may have what is masked shown, of one event or letter at a time, with a reason that is noted in
    /// the log; where a proxy says who somebody is
    #[arg(long, env = "CONSOLE_PRIVACY", value_name = "USER,…", value_delimiter = ',')]
    pub(crate) privacy: Vec<String>,
    /// By which names browsers reach it, beside localhost: those of the proxy in front
    #[arg(long, env = "CONSOLE_HOSTS", value_name = "HOST,…", value_delimiter = ',')]
    pub(crate) hosts: Vec<String>,
    /// The socket on which a demo listens that lets its fleet be broken: there is a page for that, then
    #[arg(long, env = "CONSOLE_DEMO", value_name = "PATH")]
    pub(crate) demo: Option<PathBuf>,
    /// Only show; nobody can do anything here
    #[arg(long, env = "CONSOLE_READ_ONLY")]
    pub(crate) read_only: bool,
    #[command(flatten)]
    pub(crate) connections: Connections,
    #[command(flatten)]
    pub(crate) databases: Databases,
    #[command(flatten, next_help_heading = "Services")]
    pub(crate) urls: ServiceUrls,
}

/// What else it does than to serve.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Command {
    /// Asks the console that listens there (--listen) whether it is ready: exits 0 when it is, and 1 with the
    /// reason when not. For health checks of containers
    Health,
}

impl Settings {
    /// Whether people can be told apart, if they can be elsewhere; or what is missing for that.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_told_apart = self.user_header.is_some() && !self.proxies.is_empty();
        if self.listen.ip().to_canonical().is_loopback() || is_told_apart {
            return Ok(());
        }
        Err(format!(
            "{} can be reached from elsewhere, and the console asks nobody who they are: listen on \
             127.0.0.1, or let a proxy be in front that knows its users, and name the header in which it \
             says who somebody is (CONSOLE_USER_HEADER), and from where it calls (CONSOLE_PROXIES)",
            self.listen.ip()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_be_elsewhere_must_be_told_apart() {
        let settings = |rest: &[&str]| {
            let given = ["console", "--kafka-brokers", "k:1"].iter().chain(rest);
            Settings::try_parse_from(given).map_err(|error| error.to_string())
        };
        let check = |rest: &[&str]| settings(rest).and_then(|it| it.check());
        for address in ["127.0.0.1:8080", "127.3.2.1:1", "[::1]:8080", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(check(&["--listen", address]), Ok(()), "{address}");
        }
        for address in ["0.0.0.0:8080", "192.0.2.1:8080", "[::]:8080", "[::ffff:10.0.0.1]:1"] {
            let named = ["--listen", address, "--user-header", "x-user"];
            assert!(check(&named[..2]).unwrap_err().contains("CONSOLE_PROXIES"), "{address}");
            assert!(check(&named).unwrap_err().contains("CONSOLE_PROXIES"), "{address}");
            assert_eq!(check(&[&named[..], &["--proxies", "proxy"]].concat()), Ok(()), "{address}");
        }
        assert!(check(&["--proxies", "proxy"]).unwrap_err().contains("--user-header"));
        assert!(check(&["--user-header", "x-user", "--proxies", ""]).is_err());
        assert!(check(&["--listen", "8080"]).is_err());
    }
}
