//! What must have been said before something can be, and what excludes what. All of it follows from
//! the statuses that the services declare: what is true of a saga by the time it has one.

use std::collections::BTreeSet;

use contracts::{Declared, DeclaredStatus};

use crate::{Graph, type_of};

/// Types of events.
pub(crate) type Events<'a> = BTreeSet<&'a str>;

/// The types that a service has said for sure in a status.
pub(crate) fn said(status: &DeclaredStatus) -> Events<'_> {
    status.has_said.iter().map(|kind| type_of(kind)).collect()
}

/// The types that a service has said in a status, or may have.
pub(crate) fn sayable(status: &DeclaredStatus) -> Events<'_> {
    status.has_said.iter().chain(&status.may_say).map(|kind| type_of(kind)).collect()
}

/// The types that a service has read for sure in a status.
pub(crate) fn read(status: &DeclaredStatus) -> Events<'_> {
    status.has_read.iter().map(String::as_str).collect()
}

impl<'a> Graph<'a> {
    /// These events, and all that have been said for sure when they have, by anybody.
    pub(crate) fn with_all_before(self, events: impl IntoIterator<Item = &'a str>) -> Events<'a> {
        let mut all: Events<'a> = events.into_iter().collect();
        let mut ahead: Vec<&str> = all.iter().copied().collect();
        while let Some(event) = ahead.pop() {
            for before in self.just_before(event) {
                if all.insert(before) {
                    ahead.push(before);
                }
            }
        }
        all
    }

    /// What the emitter of an event has read and said in all statuses in which it has said that.
    fn just_before(self, event: &str) -> Events<'a> {
        let Some(emitter) = self.emitter(event) else { return Events::new() };
        let having_said = || emitter.statuses.iter().filter(|it| said(it).contains(event));
        let facts = having_said().map(|it| &read(it) | &said(it));
        facts.reduce(|all, facts| &all & &facts).unwrap_or_default()
    }

    /// Whether all of these may be said of one saga.
    pub(crate) fn go_together(self, events: &Events<'a>) -> bool {
        self.services().iter().all(|service| {
            let own: Events<'_> =
                events.iter().copied().filter(|event| speaks_of(service, event)).collect();
            own.is_empty() || service.statuses.iter().any(|status| own.is_subset(&sayable(status)))
        })
    }

    /// Whether a saga may have this status in this service when these have been said of it.
    pub(crate) fn may_be(
        self,
        service: &'a Declared,
        status: &'a DeclaredStatus,
        events: &Events<'a>,
    ) -> bool {
        let all = &self.with_all_before(read(status)) | events;
        let own: Events<'_> =
            all.iter().copied().filter(|event| speaks_of(service, event)).collect();
        own.is_subset(&sayable(status)) && self.go_together(&all)
    }
}

/// Whether a service's statuses tell whether it has said this. Who declares no statuses excludes
/// nothing.
fn speaks_of(service: &Declared, event: &str) -> bool {
    service.statuses.iter().any(|status| sayable(status).contains(event))
}
