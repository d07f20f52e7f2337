//! Who may say who somebody is: the proxies in front, by where they call from.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::{Mutex, RwLock};
use tokio::time::{Instant, timeout};

/// How long a name service may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(2);
/// Strangers may call as often as they like; names are looked up no more often than this.
const LOOKUP_PAUSE: Duration = Duration::from_secs(1);

/// A proxy as it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proxy {
    Address(IpAddr),
    /// Containers have names that stay, and addresses that do not.
    Name(String),
}

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Self::Address(address.to_canonical())),
            Err(_)
                if text.contains(|c: char| c.is_ascii_alphabetic())
                    && text.chars().all(is_part) =>
            {
                Ok(Self::Name(text.to_owned()))
            }
            Err(_) => {
                Err("expected an address or a name of a host, such as 10.0.0.7 or proxy".into())
            }
        }
    }
}

/// All of them, with the addresses that the names led to last.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    addresses: Vec<IpAddr>,
    names: Vec<String>,
    /// Where the names led to. Never held while one is looked up: who is known does not wait for strangers.
    found: RwLock<HashSet<IpAddr>>,
    /// When names were looked up last; held by who does so.
    looked_up: Mutex<Option<Instant>>,
}

impl Proxies {
    pub(crate) fn new(proxies: Vec<Proxy>) -> Self {
        let mut all = Self::default();
        for proxy in proxies {
            match proxy {
                Proxy::Address(address) => all.addresses.push(address),
                Proxy::Name(name) => all.names.push(name),
            }
        }
        all
    }

    /// Whether nobody was set: then it does not matter who calls.
    pub(crate) fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.names.is_empty()
    }

    /// Whether it is one of them that calls from this address. A name is looked up again once somebody calls
    /// from an address that nothing led to so far; an address that was a proxy's stays one until then.
    pub(crate) async fn has(&self, peer: SocketAddr) -> bool {
        let peer = peer.ip().to_canonical();
        if self.addresses.contains(&peer) {
            return true;
        }
        if self.names.is_empty() {
            return false;
        }
        if self.found.read().await.contains(&peer) {
            return true;
        }
        let mut looked_up = self.looked_up.lock().await;
        if looked_up.is_none_or(|at| at.elapsed() >= LOOKUP_PAUSE) {
            let found = self.look_up().await;
            *self.found.write().await = found;
            *looked_up = Some(Instant::now());
        }
        self.found.read().await.contains(&peer)
    }

    async fn look_up(&self) -> HashSet<IpAddr> {
        let mut addresses = HashSet::new();
        for name in &self.names {
            match timeout(LOOKUP_LIMIT, lookup_host((name.as_str(), 0))).await {
                Ok(Ok(found)) => addresses.extend(found.map(|it| it.ip().to_canonical())),
                Ok(Err(error)) => eprintln!("console: the proxy {name} is not found: {error}"),
                Err(_) => eprintln!("console: the name service does not answer for {name}"),
            }
        }
        addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(texts: &[&str]) -> Proxies {
        Proxies::new(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn a_proxy_is_an_address_or_a_name() {
        assert_eq!("::ffff:10.0.0.7".parse(), Ok(Proxy::Address([10, 0, 0, 7].into())));
        assert_eq!("proxy.example".parse(), Ok(Proxy::Name("proxy.example".into())));
        for odd in ["", "10.0.0.0/8", "10.0.0.256", "proxy:8080", "two words", "*"] {
            assert!(odd.parse::<Proxy>().is_err(), "{odd}");
        }
    }

    #[tokio::test]
    async fn it_is_known_by_where_it_calls_from() {
        let by_address = proxies(&["10.0.0.7", "fd00::7"]);
        for (peer, is_one) in [
            ("10.0.0.7:1", true),
            ("[::ffff:10.0.0.7]:1", true),
            ("[fd00::7]:1", true),
            ("10.0.0.8:1", false),
            ("127.0.0.1:1", false),
        ] {
            assert_eq!(by_address.has(peer.parse().unwrap()).await, is_one, "{peer}");
        }
        let by_name = proxies(&["localhost", "nobody.invalid"]);
        assert!(by_name.has("127.0.0.1:1".parse().unwrap()).await);
        assert!(!by_name.has("10.0.0.7:1".parse().unwrap()).await);
        assert!(!proxies(&[]).has("127.0.0.1:1".parse().unwrap()).await);
    }
}
