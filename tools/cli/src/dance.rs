//! In what the topics differ from what the services declare.

pub(crate) mod accepted;
mod observe;

use contracts::Declared;
use declarations::{fleet, sorted};
use graph::Difference;
use jiff::Zoned;

pub use self::observe::Extent;
pub(crate) use self::observe::observe;
use crate::ServiceUrls;
use crate::connections::Connections;
use crate::running::ask;

/// In what the topics differ from what the running services declare, without what is accepted and what
/// is only good to know.
pub async fn differences(
    extent: Extent,
    urls: &ServiceUrls,
    connections: &Connections,
) -> anyhow::Result<Vec<Difference>> {
    let accepted = accepted::read(None)?;
    let running = ask(Some(urls), &[]).await.running;
    let services = services(true, &running);
    let mut observed = observe(extent, &services, running, connections).await?;
    accepted::accept(&accepted, &mut observed, Zoned::now().date());
    observed.differences.retain(Difference::is_wrong);
    Ok(observed.differences)
}

/// The services of the graph: those of the fleet, as they run or as the tool knows them, and others.
pub(crate) fn services(as_they_run: bool, running: &[Declared]) -> Vec<Declared> {
    let instance = |name: &str| running.iter().find(|it| it.service == name);
    let mut services: Vec<Declared> = fleet().services().to_vec();
    if as_they_run {
        for service in &mut services {
            if let Some(instance) = instance(&service.service) {
                instance.clone_into(service);
            }
        }
    }
    for other in running {
        if !services.iter().any(|it| it.service == other.service) {
            services.push(other.clone());
        }
    }
    sorted(services)
}
