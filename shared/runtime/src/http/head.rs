//! What the head of a request must be, whatever it asks for.

use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONNECTION, HOST, HeaderValue, ORIGIN, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::HttpLimits;
use crate::problem::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What [`check`] goes by.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) limits: HttpLimits,
    pub(super) hosts: AllowedHosts,
}

/// The names under which a service may be asked for; all, if none is named. A web page whose own name
/// is made to lead to the service (DNS rebinding) asks under that name.
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts(Option<Arc<[String]>>);

impl FromStr for AllowedHosts {
    type Err = String;

    /// Names or addresses without ports, comma-separated; the empty text allows all.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let names = text.split(',').map(|name| match name_of(name.trim()) {
            Some(host) if host == name.trim() => Ok(host.to_ascii_lowercase()),
            _ => Err(format!("{name:?} is not a host's name or address, without a port")),
        });
        Ok(Self(Some(names.collect::<Result<_, _>>()?)))
    }
}

impl AllowedHosts {
    fn allow(&self, host: &str) -> bool {
        let is = |allowed: &String| allowed.eq_ignore_ascii_case(host);
        self.0.as_ref().is_none_or(|hosts| hosts.iter().any(is))
    }
}

/// Refuses requests that no well-behaved client sends to this service, before anything else is done.
pub(super) async fn check(State(rules): State<Rules>, request: Request, next: Next) -> Response {
    if let Err(problem) = verdict(&request, &rules) {
        let mut response = problem.into_response();
        // A body whose length is in doubt is not waited for.
        if request.headers().contains_key(TRANSFER_ENCODING) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        return response;
    }
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        let allowed = HeaderValue::from_static("GET,HEAD,POST,PUT");
        return (StatusCode::NO_CONTENT, [(ALLOW, allowed)]).into_response();
    }
    next.run(request).await
}

fn verdict(request: &Request, rules: &Rules) -> Result<(), Problem> {
    let (headers, limits) = (request.headers(), &rules.limits);
    fits(request, limits)?;
    transfer_encoding(headers)?;
    let host = host(request)?;
    let is_probe = request.uri().path().starts_with("/health/");
    if !is_probe && host.is_some_and(|host| !rules.hosts.allow(host)) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected-request",
            "Misdirected request",
            "this service is not known under the name in Host (HTTP_ALLOWED_HOSTS)",
        ));
    }
    if !request.method().is_safe() && is_from_another_site(headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "cross-site-request",
            "Cross-site request",
            "a web page of another site may not change anything here",
        ));
    }
    Ok(())
}

/// hyper reads a little more than what is allowed, so that what is past it gets an answer that says so.
fn fits(request: &Request, limits: &HttpLimits) -> Result<(), Problem> {
    let uri = request.uri().to_string().len();
    if uri > limits.uri_bytes {
        let detail = format!("the URI has {uri} bytes; it may have {}", limits.uri_bytes);
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "uri-too-long", "URI too long", detail));
    }
    let headers = request.headers();
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    if headers.len() > limits.headers || bytes.sum::<usize>() > limits.header_bytes {
        return Err(Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers-too-large",
            "Header fields too large",
            format!(
                "a request may have {} headers of {} bytes together",
                limits.headers, limits.header_bytes
            ),
        ));
    }
    Ok(())
}

/// RFC 9112, 6.1: hyper undoes `chunked` alone, so that has to be all there is.
fn transfer_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next();
    if codings.next().is_some() {
        return Err(Problem::bad_request("there are several Transfer-Encodings; send one"));
    }
    match coding {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Err(Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "transfer-encoding-unknown",
            "Unknown transfer encoding",
            "the only Transfer-Encoding that is understood here is chunked",
        )),
        _ => Ok(()),
    }
}

/// The name that the request is for. RFC 9112, 3.2: exactly one Host, but in HTTP/1.0.
fn host(request: &Request) -> Result<Option<&str>, Problem> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, further) = (hosts.next(), hosts.next());
    let named = match (host, further) {
        (None, _) if request.version() < Version::HTTP_11 => return Ok(request.uri().host()),
        (None, _) => return Err(Problem::bad_request("the header Host is missing")),
        (Some(host), None) => host.to_str().ok().and_then(name_of),
        (Some(_), Some(_)) => {
            return Err(Problem::bad_request("there are several headers Host; send one"));
        }
    };
    let named = named.ok_or_else(|| {
        Problem::bad_request("the header Host has to be a name or an address, and maybe a port")
    })?;
    // In absolute form, the target says it, whatever Host says.
    Ok(Some(request.uri().host().unwrap_or(named)))
}

/// The name or address in `host[:port]` (RFC 3986, 3.2.2 and 3.2.3), if that is what it is.
fn name_of(authority: &str) -> Option<&str> {
    let length = match authority.strip_prefix('[') {
        Some(address) => {
            let end = address.find(']')?;
            address[..end].parse::<Ipv6Addr>().ok()?;
            end + 2
        }
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, port) = authority.split_at(length);
    let is_port = port.strip_prefix(':').is_none_or(|digits| {
        digits.bytes().all(|b| b.is_ascii_digit())
            && (digits.is_empty() || digits.parse::<u16>().is_ok())
    });
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&b);
    let fits = name.starts_with('[') || name.bytes().all(is_name);
    (!name.is_empty() && fits && is_port && (port.is_empty() || port.starts_with(':')))
        .then_some(name)
}

/// Whether a browser sends this on behalf of a page of another site. There are no cookies to misuse
/// here, but a page may reach what its reader reaches and its maker does not. Other clients than
/// browsers send neither header.
fn is_from_another_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    headers.get(ORIGIN).is_some_and(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.map(|(_, host)| host) != host
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let request = Request::builder().method(method).uri("/orders");
        let request =
            headers.iter().fold(request, |request, (name, it)| request.header(*name, *it));
        request.body(Body::empty()).unwrap()
    }

    fn status(method: &str, hosts: &str, headers: &[(&str, &str)]) -> u16 {
        let rules = Rules { limits: HttpLimits::default(), hosts: hosts.parse().unwrap() };
        verdict(&request(method, headers), &rules).map_or_else(|it| it.status().as_u16(), |()| 200)
    }

    #[test]
    fn a_host_is_one_name_or_address() {
        for host in ["a", "a.example:8081", "127.0.0.1:8081", "[::1]:8081", "order_1", "a:"] {
            assert_eq!(status("GET", "", &[("host", host)]), 200, "{host}");
        }
        for host in [
            "",
            "a b",
            "a@b",
            "a b@c/..\\",
            "a/b",
            "a:b",
            "a:99999",
            ":80",
            "[::1",
            "[a]",
            "[::1]x",
        ] {
            assert_eq!(status("GET", "", &[("host", host)]), 400, "{host}");
        }
        assert_eq!(status("GET", "", &[]), 400);
        assert_eq!(status("GET", "", &[("host", "a"), ("host", "a")]), 400);
    }

    #[test]
    fn a_service_may_have_names_of_its_own() {
        let hosts = "shop.example,127.0.0.1,[::1]";
        for host in ["shop.example", "SHOP.example:8081", "127.0.0.1:1", "[::1]"] {
            assert_eq!(status("GET", hosts, &[("host", host)]), 200, "{host}");
        }
        assert_eq!(status("GET", hosts, &[("host", "evil.example")]), 421);
        for bad in ["a:80", "a b", "a,,b", "http://a"] {
            assert!(bad.parse::<AllowedHosts>().is_err(), "{bad}");
        }
    }

    #[test]
    fn chunked_is_the_only_coding() {
        let coded = |codings: &[&str]| {
            let mut headers = vec![("host", "a")];
            headers.extend(codings.iter().map(|coding| ("transfer-encoding", *coding)));
            status("POST", "", &headers)
        };
        assert_eq!(coded(&["chunked"]), 200);
        assert_eq!(coded(&["Chunked"]), 200);
        assert_eq!(coded(&["gzip, chunked"]), 501);
        assert_eq!(coded(&["chunked, chunked"]), 501);
        assert_eq!(coded(&["chunked", "chunked"]), 400);
    }

    #[test]
    fn another_sites_pages_change_nothing() {
        for (method, headers, expected) in [
            ("POST", &[("sec-fetch-site", "cross-site")][..], 403),
            ("PUT", &[("sec-fetch-site", "same-site")], 403),
            ("POST", &[("sec-fetch-site", "same-origin"), ("origin", "http://b")], 200),
            ("POST", &[("sec-fetch-site", "none")], 200),
            ("GET", &[("sec-fetch-site", "cross-site")], 200),
            ("POST", &[("origin", "http://evil.example")], 403),
            ("POST", &[("origin", "null")], 403),
            ("POST", &[("origin", "http://a:8081")], 200),
            ("POST", &[], 200),
        ] {
            let headers = [&[("host", "a:8081")][..], headers].concat();
            assert_eq!(status(method, "", &headers), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn a_head_has_limits() {
        let long = "x".repeat(17 * 1024);
        assert_eq!(status("GET", "", &[("host", "a"), ("x", &long)]), 431);
        let mut many = vec![("x", "y"); 100];
        many.push(("host", "a"));
        assert_eq!(status("GET", "", &many), 431);
        assert_eq!(status("GET", "", &many[1..]), 200);
    }
}
