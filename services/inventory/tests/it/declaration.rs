use inventory::Inventory;
use inventory::domain::decide;
use inventory::events::reads;
use testkit::Conformance;

use crate::{CANCELLED, ORDER, SHIPPED, line, on_hand, placed};

#[test]
fn what_it_does_is_what_it_declares() {
    let stock = on_hand(&[("tea", 9)]);
    Conformance::<Inventory>::new()
        .reads::<reads::OrderPlaced>("OrderPlaced", placed(vec![line("tea", 1)]))
        .reads::<reads::OrderPlaced>("OrderPlaced", placed(vec![line("unicorn", 1)]))
        .reads::<reads::OrderPlaced>("OrderPlaced", placed(vec![line("tea", 10)]))
        .reads::<reads::ShipmentCreated>("ShipmentCreated", SHIPPED)
        .reads::<reads::OrderCancelled>("OrderCancelled", CANCELLED)
        .check(|state, input| Some(decide(ORDER, state, &stock, input).0));
}
