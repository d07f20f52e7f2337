use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use runtime::Problem;
use runtime::http::PeerAddress;

/// After so many requests, clients that have been quiet are forgotten.
const FORGET_EVERY: usize = 10_000;

/// Holds each client to a rate of orders: so many a second, and as many at once after a silence
/// (GCRA). A client is an address; of IPv6 the first half, which is what one household has.
#[derive(Clone)]
pub(crate) struct ClientRate {
    limiter: Option<Arc<DefaultKeyedRateLimiter<IpAddr>>>,
    requests: Arc<AtomicUsize>,
    /// The header in which a proxy says whose request it is.
    header: Option<HeaderName>,
}

impl ClientRate {
    /// `per_second` is zero for no limit.
    pub(crate) fn new(per_second: u32, header: Option<HeaderName>) -> Self {
        let quota = NonZeroU32::new(per_second).map(Quota::per_second);
        let limiter = quota.map(|quota| Arc::new(DefaultKeyedRateLimiter::keyed(quota)));
        Self { limiter, requests: Arc::default(), header }
    }

    /// Whether a request may go on; otherwise how long its client is to wait.
    pub(crate) fn check(&self, request: &Parts) -> Result<(), Problem> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.requests.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            limiter.retain_recent();
        }
        let Some(client) = self.client(request) else { return Ok(()) };
        limiter.check_key(&client).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            Problem::too_many_requests("this client places orders faster than it may", seconds)
        })
    }

    fn client(&self, request: &Parts) -> Option<IpAddr> {
        let named = self.header.as_ref().and_then(|name| named(&request.headers, name));
        let peer = || request.extensions.get::<PeerAddress>().map(|PeerAddress(peer)| peer.ip());
        named.or_else(peer).map(household)
    }
}

/// The last address in a header such as `x-forwarded-for`: the proxy has put it there; those
/// before it are what the client says.
fn named(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let last = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    let address = last.rsplit(',').next()?.trim();
    let bare = || address.parse::<IpAddr>().ok();
    bare().or_else(|| address.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn request(forwarded_for: &[&str]) -> Parts {
        let peer = PeerAddress("192.0.2.1:5000".parse().unwrap());
        let request = Request::builder().extension(peer);
        let request = forwarded_for
            .iter()
            .fold(request, |request, value| request.header("x-forwarded-for", *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn each_client_has_its_own_rate() {
        let rate = ClientRate::new(2, Some(HeaderName::from_static("x-forwarded-for")));
        let check = |from: &[&str]| rate.check(&request(from)).is_ok();
        assert!(check(&["203.0.113.9"]) && check(&["203.0.113.9"]));
        assert!(!check(&["203.0.113.9"]), "two at once, not three");
        assert!(!check(&["198.51.100.7, 203.0.113.9"]), "whatever the client says before");
        assert!(!check(&["198.51.100.7", "203.0.113.9:4711"]));
        assert!(check(&["198.51.100.7"]) && check(&[]) && check(&["nonsense"]));
        assert!(!check(&[]), "without a usable header it is the peer");
        assert!(check(&["2001:db8::1"]) && check(&["2001:db8::2"]));
        assert!(!check(&["2001:db8::3"]), "one household");
        let refused = rate.check(&request(&[])).unwrap_err();
        assert_eq!(refused.status(), 429);
    }

    #[test]
    fn without_a_limit_all_may() {
        let rate = ClientRate::new(0, None);
        assert!((0..1_000).all(|_| rate.check(&request(&[])).is_ok()));
    }
}
