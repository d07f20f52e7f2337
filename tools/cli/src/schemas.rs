use contracts::{COMPATIBILITY, Topics};
use declarations::{Schema, Schemas};
use kafka::{Registry, RegistryError};

/// What was found or done for one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaReport {
    /// The registry's subject.
    pub subject: String,
    /// The schema's version there.
    pub version: u32,
    /// What was found or done.
    pub state: SchemaState,
}

/// What was found or done for one schema, with the id by which payloads name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// It was missing and is registered now.
    Registered(i32),
    /// It has been registered before.
    AlreadyThere(i32),
    /// It is not there.
    Missing,
    /// Another schema stands in its place; nothing is registered for this subject.
    Differs(i32),
    /// It is there, but its subject takes next versions that not everybody could read.
    Unguarded {
        /// Its id.
        id: i32,
        /// The subject's compatibility, where it should be `FULL_TRANSITIVE`.
        compatibility: String,
    },
    /// The registry refuses it, in these words. Later versions were not tried.
    Refused(String),
}

impl SchemaState {
    /// Whether services can rely on it.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Registered(_) | Self::AlreadyThere(_))
    }
}

/// Compares the schemas with what is registered; changes nothing.
pub async fn check_schemas(
    registry: &Registry,
    topics: &Topics,
    schemas: &Schemas,
) -> Result<Vec<SchemaReport>, RegistryError> {
    let mut reports = Vec::new();
    for versions in schemas.by_event() {
        let mut found = look(registry, topics, versions).await?;
        for report in &mut found {
            let SchemaState::AlreadyThere(id) = report.state else { continue };
            let compatibility = registry.compatibility(&report.subject).await?;
            if compatibility != COMPATIBILITY {
                report.state = SchemaState::Unguarded { id, compatibility };
            }
        }
        reports.extend(found);
    }
    Ok(reports)
}

/// Registers what is missing, each event's versions in order and guarded by its subject's
/// compatibility. Doing it again changes nothing. What the registry refuses is in the reports.
pub async fn register_schemas(
    registry: &Registry,
    topics: &Topics,
    schemas: &Schemas,
) -> Result<Vec<SchemaReport>, RegistryError> {
    let mut reports = Vec::new();
    for versions in schemas.by_event() {
        reports.extend(register_event(registry, topics, versions).await?);
    }
    Ok(reports)
}

async fn register_event(
    registry: &Registry,
    topics: &Topics,
    versions: &[Schema],
) -> Result<Vec<SchemaReport>, RegistryError> {
    let mut reports = look(registry, topics, versions).await?;
    // A released schema was edited, here or there: whatever follows it cannot be trusted.
    if reports.iter().any(|report| matches!(report.state, SchemaState::Differs(_))) {
        return Ok(reports);
    }
    for (schema, report) in versions.iter().zip(&mut reports) {
        // A repetition costs little; a subject without versions takes it as well.
        registry.set_compatibility(&report.subject, COMPATIBILITY).await?;
        if report.state != SchemaState::Missing {
            continue;
        }
        match registry.register(&report.subject, &schema.text).await {
            Ok(id) => report.state = SchemaState::Registered(id),
            Err(RegistryError::Refused { reason, .. }) => {
                report.state = SchemaState::Refused(reason);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(reports)
}

/// How the versions of one event stand.
async fn look(
    registry: &Registry,
    topics: &Topics,
    versions: &[Schema],
) -> Result<Vec<SchemaReport>, RegistryError> {
    let mut reports = Vec::new();
    for schema in versions {
        let subject = topics.subject(&schema.service, &schema.event_type);
        let state = match registry.id_of(&subject, &schema.text).await {
            Ok(id) => SchemaState::AlreadyThere(id),
            Err(RegistryError::Missing(_)) => {
                match registry.version(&subject, schema.version).await {
                    Ok(other) => SchemaState::Differs(other.id),
                    Err(RegistryError::Missing(_)) => SchemaState::Missing,
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        reports.push(SchemaReport { subject, version: schema.version, state });
    }
    Ok(reports)
}
