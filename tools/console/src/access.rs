//! Who may see the console, and who may do something with it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode};

use crate::proxies::Proxies;

/// What a browser says of where a request comes from (Fetch Metadata, 2.4).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How people are told apart, as it was set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    /// The header in which a proxy says who somebody is; `None` if whoever is on this machine may do all.
    pub(crate) user_header: Option<HeaderName>,
    /// From where that proxy calls; if there are none, whoever calls is believed.
    pub(crate) proxies: Arc<Proxies>,
    /// Who may do something, where people are told apart.
    pub(crate) operators: Vec<String>,
    /// Who may see what is personal, where people are told apart.
    pub(crate) privacy: Vec<String>,
    /// The names by which browsers may reach it, beside this machine's own.
    pub(crate) hosts: Vec<String>,
    /// Whether nobody may do anything.
    pub(crate) read_only: bool,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

impl Access {
    /// Whether a request may see anything.
    ///
    /// A page from elsewhere can have a name of its own lead here, and would then be of the same origin (DNS
    /// rebinding): so the name is checked, also of what only reads.
    pub(crate) async fn admit(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<(), Refused> {
        if !self.proxies.is_empty() && !self.proxies.has(peer).await {
            return Err(Refused {
                status: StatusCode::FORBIDDEN,
                why: "The console answers its proxies alone (CONSOLE_PROXIES), and this comes from none of them.",
            });
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = name_of(host);
        let is_own = name == "localhost" || name.parse().is_ok_and(is_loopback);
        if !is_own && !self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name)) {
            return Err(Refused {
                status: StatusCode::MISDIRECTED_REQUEST,
                why: "The console is not known by this name: it is to be in CONSOLE_HOSTS.",
            });
        }
        if self.user_header.is_some() && self.user(headers).is_none() {
            return Err(Refused {
                status: StatusCode::UNAUTHORIZED,
                why: "The proxy in front has not said who this is.",
            });
        }
        Ok(())
    }

    /// Who it is, as the proxy says.
    fn user<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let mut said = headers.get_all(self.user_header.as_ref()?).iter();
        // Somebody may send one beside the proxy's.
        let (one, other) = (said.next()?, said.next());
        one.to_str().ok().map(str::trim).filter(|user| !user.is_empty() && other.is_none())
    }

    /// Who does something, as it is noted in the log; or why that may not be.
    pub(crate) fn operator(&self, headers: &HeaderMap) -> Result<String, &'static str> {
        self.one_of(&self.operators, headers, "this needs the role operator (CONSOLE_OPERATORS)")
    }

    /// Who looks at what is personal, as it is noted in the log; or why that may not be.
    pub(crate) fn privacy(&self, headers: &HeaderMap) -> Result<String, &'static str> {
        self.one_of(&self.privacy, headers, "this needs the role privacy (CONSOLE_PRIVACY)")
    }

    /// Who it is, if that is one of these or if nobody is told apart.
    fn one_of(
        &self,
        role: &[String],
        headers: &HeaderMap,
        needs: &'static str,
    ) -> Result<String, &'static str> {
        if self.read_only {
            return Err("this console is set to only show (CONSOLE_READ_ONLY)");
        }
        match (&self.user_header, self.user(headers)) {
            (None, _) => Ok(format!("{}, by the console", cli::recovery::me())),
            (Some(_), Some(user)) if role.iter().any(|name| name == user) => Ok(user.to_owned()),
            (Some(_), _) => Err(needs),
        }
    }

    /// Who has sent a form that does something, as it is noted in the log; or why it is not done.
    pub(crate) fn sender(&self, headers: &HeaderMap) -> Result<String, &'static str> {
        Self::own_form(headers)?;
        self.operator(headers)
    }

    /// That a form comes from one of the console's own pages; or why nothing is done about it.
    pub(crate) fn own_form(headers: &HeaderMap) -> Result<(), &'static str> {
        let why = "the form did not come from a page of this console";
        if Self::is_own_form(headers) { Ok(()) } else { Err(why) }
    }

    /// Whether a request that does something comes from one of the console's own pages, or from a program.
    fn is_own_form(headers: &HeaderMap) -> bool {
        let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
        match (text(&FETCH_SITE), text(&ORIGIN), text(&HOST)) {
            (Some(site), _, _) => site == "same-origin",
            (None, Some(origin), Some(host)) => {
                let origin = origin.split_once("://").map_or("", |(_, origin)| origin);
                origin.eq_ignore_ascii_case(host)
            }
            // Browsers say where a form comes from.
            (None, None, _) => true,
            _ => false,
        }
    }
}

fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(address: std::net::IpAddr) -> bool {
    address.is_loopback()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    fn here() -> SocketAddr {
        "127.0.0.1:1".parse().unwrap()
    }

    #[tokio::test]
    async fn it_answers_to_its_own_names_only() {
        let access = Access { hosts: vec!["console.example".to_owned()], ..Access::default() };
        for host in
            ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "Console.example", "127.9.9.9"]
        {
            assert!(access.admit(here(), &headers(&[("host", host)])).await.is_ok(), "{host}");
        }
        for host in
            ["evil.example:8080", "", "localhost.evil.example", "10.0.0.1:8080", "[fe80::1]"]
        {
            let refused = access.admit(here(), &headers(&[("host", host)])).await.unwrap_err();
            assert_eq!(refused.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        }
    }

    #[tokio::test]
    async fn who_it_is_says_the_proxy_alone() {
        let access = Access {
            user_header: Some(HeaderName::from_static("x-user")),
            operators: vec!["ada".to_owned()],
            privacy: vec!["eve".to_owned()],
            ..Access::default()
        };
        let of = |users: &[&'static str]| {
            let users = users.iter().map(|user| ("x-user", *user));
            headers(&users.chain([("host", "localhost")]).collect::<Vec<_>>())
        };
        for user in ["ada", "bob"] {
            assert!(access.admit(here(), &of(&[user])).await.is_ok(), "{user}");
        }
        let behind = Arc::new(Proxies::new(vec!["10.0.0.7".parse().unwrap()]));
        let behind = Access { proxies: behind, ..access.clone() };
        let proxy = "10.0.0.7:1".parse().unwrap();
        assert!(behind.admit(proxy, &of(&["ada"])).await.is_ok());
        let refused = behind.admit(proxy, &of(&[])).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let refused = behind.admit(here(), &of(&["ada"])).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        for odd in [&[][..], &[""], &["bob", "ada"]] {
            let refused = access.admit(here(), &of(odd)).await.unwrap_err();
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{odd:?}");
            assert!(access.operator(&of(odd)).is_err(), "{odd:?}");
        }
        assert_eq!(access.operator(&of(&["ada"])).unwrap(), "ada");
        assert!(access.operator(&of(&["bob"])).unwrap_err().contains("role operator"));
        assert_eq!(access.privacy(&of(&["eve"])).unwrap(), "eve");
        for user in ["ada", "bob"] {
            assert!(access.privacy(&of(&[user])).unwrap_err().contains("role privacy"), "{user}");
        }
        assert!(access.operator(&of(&["eve"])).is_err() && access.privacy(&of(&[])).is_err());
        let read_only = Access { read_only: true, ..access };
        assert!(read_only.operator(&of(&["ada"])).is_err());
        assert!(read_only.privacy(&of(&["eve"])).is_err());
        for role in [Access::operator, Access::privacy] {
            assert!(role(&Access::default(), &headers(&[])).unwrap().contains("by the console"));
        }
    }

    #[test]
    fn no_other_page_can_have_something_done() {
        for (own, all) in [
            (true, &[("sec-fetch-site", "same-origin"), ("host", "localhost:8080")][..]),
            (false, &[("sec-fetch-site", "cross-site"), ("host", "localhost:8080")]),
            (false, &[("sec-fetch-site", "same-site"), ("host", "localhost:8080")]),
            (false, &[("sec-fetch-site", "none"), ("host", "localhost:8080")]),
            (true, &[("origin", "http://localhost:8080"), ("host", "localhost:8080")]),
            (false, &[("origin", "http://localhost:9999"), ("host", "localhost:8080")]),
            (false, &[("origin", "null"), ("host", "localhost:8080")]),
            (true, &[("host", "localhost:8080")]),
        ] {
            assert_eq!(Access::is_own_form(&headers(all)), own, "{all:?}");
        }
    }
}
