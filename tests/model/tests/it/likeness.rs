use std::collections::BTreeSet;

use farandole_model::fleet::{Fact, Service, reads};

/// The events that a service says it consumes.
fn consumed<S: messaging::Service>() -> BTreeSet<String> {
    S::declaration().consumes.iter().map(|consumed| consumed.event_type.to_owned()).collect()
}

#[test]
fn the_services_read_in_the_model_what_they_read() {
    for (service, consumed) in [
        (Service::Order, consumed::<order::Order>()),
        (Service::Inventory, consumed::<inventory::Inventory>()),
        (Service::Payment, consumed::<payment::Payment>()),
        (Service::Shipping, consumed::<shipping::Shipping>()),
        (Service::Notification, consumed::<notification::Notification>()),
    ] {
        let in_the_model = Fact::ALL.into_iter().filter(|fact| reads(service, *fact));
        let in_the_model: BTreeSet<String> = in_the_model.map(|fact| format!("{fact:?}")).collect();
        assert_eq!(in_the_model, consumed, "{service:?}");
    }
}
