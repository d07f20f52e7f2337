use std::collections::BTreeSet;

use contracts::{Declared, DeclaredConsumption, DeclaredEvent};

use crate::type_of;

/// Who says what to whom.
#[derive(Debug, Clone, Copy)]
pub struct Graph<'a> {
    services: &'a [Declared],
}

impl<'a> Graph<'a> {
    /// The graph of these services. Drawings have them in this order.
    pub fn of(services: &'a [Declared]) -> Self {
        Self { services }
    }

    /// The services.
    pub fn services(self) -> &'a [Declared] {
        self.services
    }

    /// The service with this name.
    pub fn service(self, name: &str) -> Option<&'a Declared> {
        self.services.iter().find(|it| it.service == name)
    }

    /// What is emitted, and by whom.
    pub fn emitted(self) -> impl Iterator<Item = (&'a Declared, &'a DeclaredEvent)> {
        self.services.iter().flat_map(|it| it.emits.iter().map(move |event| (it, event)))
    }

    /// What is read, and by whom.
    pub fn read(self) -> impl Iterator<Item = (&'a Declared, &'a DeclaredConsumption)> {
        self.services.iter().flat_map(|it| it.consumes.iter().map(move |read| (it, read)))
    }

    /// Who emits events of this type: the first, if there are several.
    pub fn emitter(self, event: &str) -> Option<&'a Declared> {
        self.services.iter().find(|it| emits(it, event))
    }

    /// Who reads events of this type from this service, and what it says of that.
    pub fn readers<'e>(
        self,
        from: &'e str,
        event: &'e str,
    ) -> impl Iterator<Item = (&'a Declared, &'a DeclaredConsumption)> + use<'a, 'e> {
        self.read().filter(move |(_, read)| read.event == event && read.from == from)
    }

    /// What an event may lead to at once, and who emits that.
    pub(crate) fn effects<'e>(
        self,
        event: &'e str,
    ) -> impl Iterator<Item = (&'a Declared, &'a str)> + use<'a, 'e> {
        let reads = self.read().filter(move |(_, read)| read.event == event);
        reads.flat_map(|(it, read)| read.leads_to.iter().map(move |led| (it, type_of(led))))
    }

    /// Whether an event may lead to the other one, over others.
    pub(crate) fn leads_to(self, from: &str, to: &str) -> bool {
        let mut seen = BTreeSet::from([from]);
        let mut ahead = vec![from];
        while let Some(event) = ahead.pop() {
            for (_, led) in self.effects(event) {
                if led == to {
                    return true;
                }
                if seen.insert(led) {
                    ahead.push(led);
                }
            }
        }
        false
    }
}

/// Whether a service emits events of this type.
pub(crate) fn emits(service: &Declared, event: &str) -> bool {
    service.emits.iter().any(|it| it.event == event)
}

/// Whether a service reads events of this type.
pub(crate) fn reads(service: &Declared, event: &str) -> bool {
    service.consumes.iter().any(|it| it.event == event)
}
