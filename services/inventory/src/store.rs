use messaging::{CounterTable, Counters, Failure, SharedCounters, StateTable};

use crate::Inventory;
use crate::domain::{Action, Input, Movement, Stock};
use crate::events::Line;
use crate::levels::level;

/// One row per order.
pub(crate) const RESERVATIONS: StateTable = StateTable::new("reservations");

/// The stock: where the pieces of each SKU are. Only reserving takes their levels; what is released or
/// shipped was reserved before.
impl SharedCounters<3> for Inventory {
    type Input = Input;

    const TABLE: CounterTable<3> =
        CounterTable::new("stock", "sku", ["available", "reserved", "shipped"])
            .non_negative(&["available", "reserved"]);

    fn keys(input: &Input) -> impl Iterator<Item = &str> {
        asked_for(input).iter().map(|line| line.sku.as_str())
    }
}

/// What an order asks for, if that is what is decided on.
fn asked_for(input: &Input) -> &[Line] {
    match input {
        Input::OrderPlaced(placed) => &placed.lines,
        Input::ShipmentCreated(_) | Input::OrderCancelled(_) => &[],
    }
}

/// The levels that it takes to decide on this input.
pub(crate) fn stock(counters: &Counters<Inventory, 3>, input: &Input) -> Result<Stock, Failure> {
    let known = asked_for(input).iter().filter_map(|Line { sku, .. }| {
        let [available, reserved, shipped] = counters.get(sku.as_str())?;
        Some(level(available, reserved, shipped).map(|level| (sku.clone(), level)))
    });
    known.collect()
}

/// By how much a movement changes a level.
pub(crate) fn change(movement: &Movement) -> [i64; 3] {
    let pieces = i64::from(movement.quantity.get());
    match movement.action {
        Action::Reserve => [-pieces, pieces, 0],
        Action::Release => [pieces, -pieces, 0],
        Action::Ship => [0, -pieces, pieces],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Level;

    #[test]
    fn a_movement_is_written_as_it_is_decided_on() {
        for action in [Action::Reserve, Action::Release, Action::Ship] {
            let quantity = kernel::Quantity::new(2).unwrap();
            let movement = Movement { action, sku: "tea".parse().unwrap(), quantity };
            let [available, reserved, shipped] = [5, 6, 7];
            let after = Level { available, reserved, shipped }.after(action, quantity).unwrap();
            let before = [available, reserved, shipped].map(u64::cast_signed);
            let [available, reserved, shipped] = change(&movement);
            let written =
                level(before[0] + available, before[1] + reserved, before[2] + shipped).unwrap();
            assert_eq!(written, after, "{action:?}");
        }
    }
}
