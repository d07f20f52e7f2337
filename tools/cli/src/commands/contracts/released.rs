//! What the registry has.

use compatibility::{Before, Contracts, Subject, Tree};
use kafka::RegistryError;

use crate::connections::Connections;

/// Looks up all events of the tree in the registry. What is not registered yet is not released.
pub(super) async fn look(
    connections: &Connections,
    contracts: &mut Contracts,
) -> anyhow::Result<()> {
    let registry = connections.registry().await?;
    let mut tree = Tree::default();
    for (service, event, _) in contracts.tree.events() {
        let subject = connections.topic_prefix.subject(service, event);
        let all = match registry.versions(&subject, true).await {
            Ok(all) => all,
            Err(RegistryError::Missing(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let live = match registry.versions(&subject, false).await {
            Err(RegistryError::Missing(_)) => Vec::new(),
            live => live?,
        };
        for version in &live {
            let found = registry.version(&subject, *version).await?;
            tree.add_writer(service, event, *version, &found.schema);
        }
        contracts.subjects.push(Subject {
            service: service.to_owned(),
            event: event.to_owned(),
            compatibility: registry.compatibility(&subject).await?,
            deleted: all.into_iter().filter(|version| !live.contains(version)).collect(),
        });
    }
    contracts.before = Some(Before { of: "the registry".to_owned(), tree, has_readers: false });
    Ok(())
}
