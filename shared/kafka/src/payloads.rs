use std::collections::HashMap;

use contracts::{WriterSchema, frame_schema_id};
use serde_json::Value;
use thiserror::Error;

use crate::registry::{Registry, RegistryError};

/// Why a payload says nothing.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// It can never be decoded, or its schema is not registered.
    #[error("{0}")]
    Garbage(String),
    /// Its schema is needed, and the registry does not give it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Reads payloads by the schemas that they were written with, each of which is fetched once.
#[derive(Debug)]
pub struct Payloads {
    registry: Registry,
    /// By id, those that were met; or why one cannot be read.
    known: HashMap<i32, Result<WriterSchema, String>>,
}

impl Payloads {
    /// Whose schemas are in this registry.
    pub fn new(registry: Registry) -> Self {
        Self { registry, known: HashMap::new() }
    }

    /// The fields by name. Logical types stay as Avro has them: a UUID is text, a time is a number of
    /// milliseconds.
    pub async fn read(&mut self, payload: Option<&[u8]>) -> Result<Value, PayloadError> {
        let garbage = |error: &dyn ToString| PayloadError::Garbage(error.to_string());
        let payload = payload.ok_or_else(|| garbage(&"the record has no payload"))?;
        let id = frame_schema_id(payload).map_err(|error| garbage(&error))?;
        let writer = self.writer(id).await?;
        writer.decode(payload).map_err(|error| garbage(&error))
    }

    async fn writer(&mut self, id: i32) -> Result<&WriterSchema, PayloadError> {
        if !self.known.contains_key(&id) {
            let writer = match self.registry.schema(id).await {
                Ok(text) => {
                    WriterSchema::parse(&text).map_err(|error| format!("schema id {id}: {error}"))
                }
                // It may be registered later.
                Err(error @ RegistryError::Missing(_)) => {
                    return Err(PayloadError::Garbage(error.to_string()));
                }
                Err(error) => return Err(error.into()),
            };
            self.known.insert(id, writer);
        }
        match &self.known[&id] {
            Ok(writer) => Ok(writer),
            Err(why) => Err(PayloadError::Garbage(why.clone())),
        }
    }
}
