use inventory::Inventory;
use inventory::domain::decide;
use testkit::Conformance;

use crate::{CANCELLED, ORDER, SHIPPED, line, on_hand, placed};

#[test]
fn what_it_does_is_what_it_declares() {
    let stock = on_hand(&[("tea", 9)]);
    Conformance::<Inventory>::new()
        .reads("OrderPlaced", placed(vec![line("tea", 1)]))
        .reads("OrderPlaced", placed(vec![line("unicorn", 1)]))
        .reads("ShipmentCreated", SHIPPED)
        .reads("OrderCancelled", CANCELLED)
        .check(|state, input| Some(decide(ORDER, state, &stock, input).0));
}
