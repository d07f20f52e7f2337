//! What the operator's tool calls the services' states is what they call them themselves.

use cli::stuck::{States, moves};
use serde::de::DeserializeOwned;
use serde_json::{from_value, json};

/// No service calls a state like this.
const NO_STATUS: &str = "no such status";

/// All statuses of a state, as it is stored: serde lists them when it is given another one.
fn statuses<S: DeserializeOwned>() -> Vec<String> {
    let error = from_value::<S>(json!({ "status": NO_STATUS })).err().unwrap().to_string();
    let (_, expected) = error.split_once("expected one of").unwrap();
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A place where a status goes.
type Slot = fn(&mut States) -> &mut String;

const SLOTS: [Slot; 5] = [
    |states| &mut states.order,
    |states| &mut states.inventory,
    |states| &mut states.payment,
    |states| &mut states.shipping,
    |states| &mut states.messages[0],
];

/// Everything that five services can be in together; the other messages are as the first.
fn all(statuses: &[Vec<String>; 5]) -> Vec<States> {
    let mut all = vec![States::new(NO_STATUS)];
    for (slot, statuses) in SLOTS.iter().zip(statuses) {
        let with = |states: &States, status: &String| {
            let mut states = states.clone();
            slot(&mut states).clone_from(status);
            states
        };
        all = all.iter().flat_map(|it| statuses.iter().map(|one| with(it, one))).collect();
    }
    all
}

/// A status that makes no difference to whose move it is, whatever the others are in, is either one
/// with which a service is done, or misspelt.
#[test]
fn the_tool_knows_every_status_with_which_a_service_is_not_done() {
    let statuses = [
        statuses::<order::domain::State>(),
        statuses::<inventory::domain::State>(),
        statuses::<payment::domain::State>(),
        statuses::<shipping::domain::State>(),
        statuses::<notification::domain::Message>(),
    ];
    let all = all(&statuses);
    let makes_a_difference = |slot: Slot, status: &String| {
        all.iter().any(|states| {
            let mut without = states.clone();
            let of = slot(&mut without);
            *of == *status && {
                NO_STATUS.clone_into(of);
                moves(&without) != moves(states)
            }
        })
    };
    let ignored: Vec<Vec<&str>> = SLOTS
        .into_iter()
        .zip(&statuses)
        .map(|(slot, statuses)| {
            let ignored = statuses.iter().filter(|status| !makes_a_difference(slot, status));
            ignored.map(String::as_str).collect()
        })
        .collect();
    let done: [&[&str]; 5] = [
        // It is never stored.
        &["unseen"],
        &["void", "released"],
        &["refunded", "void"],
        &["void"],
        &["sent", "failed", "overtaken"],
    ];
    assert_eq!(ignored, done);
}
