//! A fleet for tests: five services as they have been. Here it stays as it is, so that a service more, or a
//! reaction, changes no answer that tests know.

use contracts::Declared;
use declarations::Fleet;

/// The declarations, without what no graph asks for.
const SERVICES: &str = include_str!("fixture.json");

/// The fleet, in the order in which a saga meets the services.
pub(crate) fn fleet() -> Fleet {
    let services: Vec<Declared> = serde_json::from_str(SERVICES).unwrap();
    Fleet::new(services).unwrap()
}
