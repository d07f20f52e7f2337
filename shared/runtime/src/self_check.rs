//! `<service> health`: asks the service of this environment whether it is ready.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::StatusCode;
use serde_json::Value;

/// How long the answer may take: it is made from memory, so a service that needs longer is ill.
const LIMIT: Duration = Duration::from_secs(3);

/// Asks a program of ours whether it is ready, for container health checks without a shell. `setting` is where
/// the address comes from.
///
/// # Errors
///
/// What is not ready, and why; or that nobody answers on `address` within three seconds.
pub async fn self_check(address: SocketAddr, setting: &str) -> anyhow::Result<()> {
    let address = over_loopback(address);
    // Whatever proxy the environment names is for the way out, and so are the system's certificates.
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().tls_certs_only([]).build()?;
    let answer = client
        .get(format!("http://{address}/health/ready"))
        .send()
        .await
        .with_context(|| format!("no service answers on {address} ({setting})"))?;
    match answer.status() {
        StatusCode::OK => Ok(()),
        StatusCode::SERVICE_UNAVAILABLE => {
            let snapshot: Value = answer.json().await.context("the answer cannot be read")?;
            bail!("not ready: {}", reasons(&snapshot))
        }
        status => {
            bail!("{address} ({setting}) answers {status}: does something else listen there?")
        }
    }
}

/// A service that listens on all addresses is asked on the one that is always there.
fn over_loopback(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// What is not ready and why, as one line.
fn reasons(snapshot: &Value) -> String {
    let components = snapshot["components"].as_object().into_iter().flatten();
    let reasons = components.filter_map(|(name, component)| {
        component["reason"].as_str().map(|reason| format!("{name}: {reason}"))
    });
    reasons.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::Health;
    use crate::http::{HttpLimits, health_router, serve};

    /// A service with this health, that listens on all addresses.
    async fn listen(health: Health) -> SocketAddr {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = health_router(health);
        tokio::spawn(serve(listener, router, CancellationToken::new(), HttpLimits::default()));
        address
    }

    #[tokio::test]
    async fn a_service_is_ready_once_all_its_parts_are() {
        let health = Health::new(["kafka", "postgres"]);
        let address = listen(health.clone()).await;
        health.set_ready("kafka");
        health.set_not_ready("postgres", "connection refused");
        let error = self_check(address, "HTTP_ADDR").await.unwrap_err();
        assert_eq!(error.to_string(), "not ready: postgres: connection refused");

        health.set_ready("postgres");
        self_check(address, "HTTP_ADDR").await.unwrap();
    }

    #[tokio::test]
    async fn where_nobody_listens_nobody_is_ready() {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = self_check(nobody, "HTTP_ADDR").await.unwrap_err();
        assert!(error.to_string().contains(&format!("{nobody} (HTTP_ADDR)")), "{error}");
    }
}
