//! Which event says that something is undone, by what it waits for.

use contracts::Declared;
use declarations::Fleet;

use crate::stuck::Awaited;

/// The event by which this service says that it has undone something, if it waits for `awaited` in order
/// to do that.
pub(super) fn undoing(fleet: &Fleet, service: &str, awaited: &Awaited) -> Option<String> {
    let declared = fleet.service(service)?;
    match awaited {
        Awaited::Event { event, .. } => compensation(declared, event),
        Awaited::Call { step } => {
            let calling =
                || declared.statuses.iter().filter(|it| it.calls.iter().any(|call| call == step));
            // Only what undoes is called for in no status but such as follow a failure.
            declared.consumes.iter().find_map(|consumed| {
                let follows = calling().all(|status| status.has_read.contains(&consumed.event));
                if follows { compensation(declared, &consumed.event) } else { None }
            })
        }
        Awaited::Deadline | Awaited::Unclear => None,
    }
}

/// What this event leads the service to say, if that does nothing but undo.
fn compensation(declared: &Declared, event: &str) -> Option<String> {
    let consumed = declared.consumes.iter().find(|it| it.event == event)?;
    let undoes = |led: &&String| declared.compensates.iter().any(|it| it.event == **led);
    let first = consumed.leads_to.first()?;
    consumed.leads_to.iter().all(|led| undoes(&led)).then(|| first.clone())
}

#[cfg(test)]
mod tests {
    use declarations::fleet;

    use super::*;

    #[test]
    fn what_undoes_is_told_from_what_does() {
        let cancelled = Awaited::Event { event: "OrderCancelled", from: "order" };
        let placed = Awaited::Event { event: "OrderPlaced", from: "order" };
        let call = |step| Awaited::Call { step };
        for (service, awaited, expected) in [
            ("payment", cancelled, Some("PaymentRefunded")),
            ("inventory", cancelled, Some("StockReleased")),
            ("payment", call("refund"), Some("PaymentRefunded")),
            ("payment", call("charge"), None),
            ("shipping", call("book"), None),
            ("payment", placed, None),
            ("notification", cancelled, None),
            ("order", Awaited::Deadline, None),
        ] {
            let found = undoing(fleet(), service, &awaited);
            assert_eq!(found.as_deref(), expected, "{service} {awaited:?}");
        }
    }
}
