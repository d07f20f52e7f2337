//! The beginnings of what people add to the fleet: a service, a reaction to an event, an event, a version
//! of one. What is written compiles, passes its tests and takes part, and is the author's from then on.
//!
//! Nothing is written before everything is known: [`Changes`] are collected first.

mod changes;
mod event;
mod names;
mod reaction;
mod rust;
mod service;
mod specification;
mod templates;
mod version;

pub use changes::Changes;
pub use event::{NewEvent, new_event};
pub use names::{EventRef, Field, InvalidName};
pub use reaction::{NewReaction, new_reaction};
pub use service::{NewService, new_service};
pub use version::{NewVersion, new_version};

use std::path::{Path, PathBuf};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// No tree of Farandole is here or above.
    #[error(
        "{} is in no tree with services/ and schemas/: run this in a clone of the project",
        .0.display()
    )]
    NoTree(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// It cannot be done like this; why, and what to do.
    #[error("{0}")]
    Refused(String),
}

/// The tree of sources that is changed.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The tree that this directory is in.
    pub fn of(directory: &Path) -> Result<Self, ScaffoldError> {
        let is_root = |path: &&Path| {
            ["services", "schemas", "Cargo.toml"].iter().all(|part| path.join(part).exists())
        };
        let root = directory.ancestors().find(is_root);
        let root = root.ok_or_else(|| ScaffoldError::NoTree(directory.to_owned()))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Its root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The newest version of an event's schema that is there.
    fn newest(&self, event: &EventRef) -> Option<u32> {
        let is_there = |version: &u32| self.root.join(event.schema(*version)).exists();
        (1..=u32::from(u16::MAX)).take_while(is_there).last()
    }

    /// The event, if it has a schema.
    fn check(&self, event: &EventRef) -> Result<(), ScaffoldError> {
        if self.newest(event).is_some() {
            return Ok(());
        }
        Err(ScaffoldError::Refused(format!(
            "{event} is no event: {} is not there",
            event.schema(1)
        )))
    }

    fn has_service(&self, service: &str) -> bool {
        self.root.join("services").join(service).join("Cargo.toml").exists()
    }
}
