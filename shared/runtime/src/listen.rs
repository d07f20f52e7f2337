//! The listeners of a service: one, or one more for probes and metrics.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::Settings;
use crate::http::{HttpLimits, Site, serve};
use crate::telemetry::Metrics;

/// Open connections for probes and metrics, where they have a listener of their own: a few of each kind
/// of who asks, and some that hang.
const ADMIN_CONNECTIONS: usize = 64;

/// Opens the listeners, or the one, and serves them until the service stops; what is returned ends then.
pub(crate) async fn listen(
    settings: &Settings,
    site: Site,
    metrics: Metrics,
    stop: &CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let (address, limits) = (settings.http.address(), site.limits);
    let listener = bind(address, "HTTP_ADDR").await?;
    info!(address = %listener.local_addr()?, version = env!("CARGO_PKG_VERSION"), "listening");
    let (router, admin) = match settings.http.admin_address() {
        None => (site.whole(metrics), None),
        Some(address) => {
            let listener = bind(address, "ADMIN_ADDR").await?;
            let limits = HttpLimits { connections: ADMIN_CONNECTIONS, ..HttpLimits::default() };
            let router = site.probes(metrics, limits);
            let admin = serve(listener, router, stop.clone(), limits);
            (site.public(), Some(tokio::spawn(admin)))
        }
    };
    let public = tokio::spawn(serve(listener, router, stop.clone(), limits));
    Ok(async move {
        let _ = public.await;
        if let Some(admin) = admin {
            let _ = admin.await;
        }
    })
}

async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} ({setting})"))
}
