//! The messages to the customer of an order: at most one per outcome. Each goes Waiting →
//! Sending → Sent | Failed, and waits only for the recipient, who may come last.
//!
//! Pure and total: any input in any state, in any order, any number of times. The recipient is
//! personal data, and forgotten once the last word was said: a terminal outcome's message is
//! settled and no other is under way.

use std::collections::BTreeMap;

use kernel::{Decision, OrderId};
use serde::{Deserialize, Serialize};

use crate::events::reads::{self, Recipient};
use crate::events::{CustomerNotified, Event, NotificationFailed, Outcome};

/// What is known of an order and its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Whom to write to.
    pub address: Address,
    /// The messages, of those outcomes that came.
    pub messages: BTreeMap<Outcome, Message>,
}

/// Whether it is known whom to write to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// The order was not seen yet.
    #[default]
    Unseen,
    /// It is known, and may be needed.
    Known(Recipient),
    /// The last word was said: no message follows, and a late duplicate of the order doesn't
    /// bring the recipient back.
    Forgotten,
}

/// Where a message is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Message {
    /// It is due, but not known to whom.
    Waiting,
    /// The mail server has been asked, and its answer is not known.
    Sending,
    /// The mail server has it, for good.
    Sent {
        /// The mail's `Message-ID`.
        message_id: String,
    },
    /// Given up, for good.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What may happen to an order's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A customer has placed the order.
    OrderPlaced(reads::OrderPlaced),
    /// The order is paid.
    OrderConfirmed(reads::OrderConfirmed),
    /// The order is paid and its parcel is on its way.
    OrderCompleted(reads::OrderCompleted),
    /// The order will not be fulfilled.
    OrderCancelled(reads::OrderCancelled),
    /// The mail server has taken a message.
    Sent {
        /// What the message tells.
        outcome: Outcome,
        /// The mail's `Message-ID`.
        message_id: String,
    },
    /// A message was given up.
    GivenUp {
        /// What the message would have told.
        outcome: Outcome,
        /// Why, such as `address_rejected`.
        reason: String,
    },
}

/// A call to the mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Send a message; the outcome is [`Input::Sent`] or [`Input::GivenUp`].
    Mail {
        /// What it tells.
        outcome: Outcome,
        /// Whom it is for.
        recipient: Recipient,
    },
}

impl Effect {
    /// The name of the step, once per order; the idempotency key is derived from the two.
    pub fn step(&self) -> &'static str {
        let Self::Mail { outcome, .. } = self;
        match outcome {
            Outcome::Confirmed => "mail-confirmed",
            Outcome::Completed => "mail-completed",
            Outcome::Cancelled => "mail-cancelled",
        }
    }
}

/// What `input` does to the messages of `order_id` in `state`.
pub fn decide(order_id: OrderId, state: &State, input: &Input) -> Decision<State, Event, Effect> {
    let state = state.clone();
    match input.clone() {
        Input::OrderPlaced(reads::OrderPlaced { recipient }) => address(state, recipient),
        Input::OrderConfirmed(_) => tell(state, Outcome::Confirmed),
        Input::OrderCompleted(_) => tell(state, Outcome::Completed),
        Input::OrderCancelled(_) => tell(state, Outcome::Cancelled),
        Input::Sent { outcome, message_id } => {
            let notified = CustomerNotified { order_id, outcome, message_id: message_id.clone() };
            let sent = Message::Sent { message_id };
            settle(state, outcome, sent, Event::CustomerNotified(notified))
        }
        Input::GivenUp { outcome, reason } => {
            let failed = NotificationFailed { order_id, outcome, reason: reason.clone() };
            let given_up = Message::Failed { reason };
            settle(state, outcome, given_up, Event::NotificationFailed(failed))
        }
    }
}

/// Whom to write to is known: what has waited for it is sent.
fn address(mut state: State, recipient: Recipient) -> Decision<State, Event, Effect> {
    if state.address != Address::Unseen {
        return Decision::silent(state);
    }
    let mut effects = Vec::new();
    for (outcome, message) in &mut state.messages {
        *message = Message::Sending;
        effects.push(Effect::Mail { outcome: *outcome, recipient: recipient.clone() });
    }
    state.address = Address::Known(recipient);
    Decision { effects, ..Decision::silent(state) }
}

/// The customer is to be told, unless that was done or the last word was said.
fn tell(mut state: State, outcome: Outcome) -> Decision<State, Event, Effect> {
    if state.messages.contains_key(&outcome) {
        return Decision::silent(state);
    }
    match state.address.clone() {
        Address::Unseen => {
            state.messages.insert(outcome, Message::Waiting);
            Decision::silent(state)
        }
        Address::Known(recipient) => {
            state.messages.insert(outcome, Message::Sending);
            Decision::silent(state).perform(Effect::Mail { outcome, recipient })
        }
        Address::Forgotten => Decision::silent(state),
    }
}

/// A message has come to its end.
fn settle(
    mut state: State,
    outcome: Outcome,
    end: Message,
    event: Event,
) -> Decision<State, Event, Effect> {
    if state.messages.get(&outcome) != Some(&Message::Sending) {
        return Decision::silent(state);
    }
    state.messages.insert(outcome, end);
    if state.last_word_was_said() {
        state.address = Address::Forgotten;
    }
    Decision::silent(state).emit(event)
}

impl State {
    fn last_word_was_said(&self) -> bool {
        let settled = |m: &Message| matches!(m, Message::Sent { .. } | Message::Failed { .. });
        let terminal = |outcome: &Outcome| *outcome != Outcome::Confirmed;
        self.messages.keys().any(terminal) && self.messages.values().all(settled)
    }
}
