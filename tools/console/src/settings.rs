use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use clap::Parser;
use cli::ServiceUrls;
use cli::age;
use cli::connections::Connections;
use cli::databases::Databases;

use crate::pages::content::Payloads;

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
    /// Where to listen: on this machine only, since nobody is asked who they are. Whom others are to reach
    /// is for a proxy in front that knows them
    #[arg(long, env = "CONSOLE_ADDR", value_name = "HOST:PORT", default_value = "127.0.0.1:8080",
          value_parser = loopback)]
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

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "expected an address such as 127.0.0.1:8080".to_owned())?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!(
        "{} can be reached from elsewhere, and the console asks nobody who they are: listen on \
         127.0.0.1, and let a proxy that knows its users be in front",
        address.ip()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_on_this_machine_only() {
        for address in ["127.0.0.1:8080", "127.3.2.1:1", "[::1]:8080"] {
            assert!(loopback(address).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:8080", "192.0.2.1:8080", "[::]:8080", "[::ffff:10.0.0.1]:1"] {
            assert!(loopback(address).unwrap_err().contains("proxy"), "{address}");
        }
        assert!(loopback("8080").is_err());
    }
}
