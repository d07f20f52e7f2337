//! The messages to the customer of an order: at most one per outcome, one after the other, and
//! never an earlier outcome after a later one. Each goes Waiting → Sending → Sent | Failed. What
//! waits when later news comes is Overtaken, and not told; what is being told is waited for.
//!
//! Pure and total: any input in any state, in any order, any number of times. The recipient is
//! personal data, and forgotten once the last word was said: a terminal outcome's message is
//! settled and no other is under way. A message that was given up has its recipient in the call
//! that an operator may have made again.

use std::collections::BTreeMap;

use kernel::{Decision, StateMachine};
use serde::{Deserialize, Serialize};

use crate::events::reads::{self, Recipient};
use crate::events::{CustomerNotified, Event, NotificationFailed, OrderId, Outcome};

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
    /// It is due, but not known to whom, or another is being sent.
    Waiting,
    /// The mail server has been asked, and its answer is not known.
    Sending,
    /// The mail server has it, for good.
    Sent {
        /// The mail's `Message-ID`.
        message_id: String,
    },
    /// Given up, unless an operator has it sent after all.
    Failed {
        /// Why.
        reason: String,
    },
    /// Later news came before this was told, so it is not told any more, for good.
    Overtaken,
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
    /// An operator has a message sent that was given up.
    Retried {
        /// What it tells.
        outcome: Outcome,
        /// Whom it is for.
        recipient: Recipient,
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

impl kernel::Effect for Effect {
    fn step(&self) -> &'static str {
        let Self::Mail { outcome, .. } = self;
        match outcome {
            Outcome::Confirmed => "mail-confirmed",
            Outcome::Completed => "mail-completed",
            Outcome::Cancelled => "mail-cancelled",
        }
    }
}

impl StateMachine for State {
    type Input = Input;
    type Event = Event;
    type Effect = Effect;

    /// What `input` does to the messages of `order_id` in this state.
    fn decide(&self, order_id: OrderId, input: &Input) -> Decision<Self, Event, Effect> {
        let state = self.clone();
        match input.clone() {
            Input::OrderPlaced(reads::OrderPlaced { recipient }) => address(state, recipient),
            Input::OrderConfirmed(_) => tell(state, Outcome::Confirmed),
            Input::OrderCompleted(_) => tell(state, Outcome::Completed),
            Input::OrderCancelled(_) => tell(state, Outcome::Cancelled),
            Input::Sent { outcome, message_id } => {
                let notified =
                    CustomerNotified { order_id, outcome, message_id: message_id.clone() };
                sent(state, outcome, message_id, Event::CustomerNotified(notified))
            }
            Input::GivenUp { outcome, reason } => {
                let failed = NotificationFailed { order_id, outcome, reason: reason.clone() };
                given_up(state, outcome, reason, Event::NotificationFailed(failed))
            }
            Input::Retried { outcome, recipient } => again(state, outcome, recipient),
        }
    }
}

/// Whom to write to is known: what has waited for it is sent.
fn address(mut state: State, recipient: Recipient) -> Decision<State, Event, Effect> {
    if state.address != Address::Unseen {
        return Decision::to(state);
    }
    state.address = Address::Known(recipient);
    go_on(state)
}

/// The customer is to be told, unless that was done, the last word was said, or it is no news any
/// more.
fn tell(mut state: State, outcome: Outcome) -> Decision<State, Event, Effect> {
    if state.messages.contains_key(&outcome) || state.address == Address::Forgotten {
        return Decision::to(state);
    }
    let message = if outcome == Outcome::Confirmed && state.has_ended() {
        Message::Overtaken
    } else {
        for earlier in state.messages.values_mut().filter(|it| **it == Message::Waiting) {
            *earlier = Message::Overtaken;
        }
        Message::Waiting
    };
    state.messages.insert(outcome, message);
    go_on(state)
}

/// The mail server has taken a message; or an operator knows that the customer was told.
fn sent(
    mut state: State,
    outcome: Outcome,
    message_id: String,
    event: Event,
) -> Decision<State, Event, Effect> {
    match state.messages.get(&outcome) {
        Some(Message::Sending | Message::Failed { .. }) => {
            state.messages.insert(outcome, Message::Sent { message_id });
            go_on(state).emit(event)
        }
        _ => Decision::to(state),
    }
}

fn given_up(
    mut state: State,
    outcome: Outcome,
    reason: String,
    event: Event,
) -> Decision<State, Event, Effect> {
    if state.messages.get(&outcome) != Some(&Message::Sending) {
        return Decision::to(state);
    }
    state.messages.insert(outcome, Message::Failed { reason });
    go_on(state).emit(event)
}

/// What was given up is sent after all, unless there is later news.
fn again(
    mut state: State,
    outcome: Outcome,
    recipient: Recipient,
) -> Decision<State, Event, Effect> {
    if !matches!(state.messages.get(&outcome), Some(Message::Failed { .. })) {
        return Decision::to(state);
    }
    let is_later = |other: &Outcome| *other != outcome && *other != Outcome::Confirmed;
    if state.messages.keys().any(is_later) {
        state.messages.insert(outcome, Message::Overtaken);
        return Decision::to(state);
    }
    state.messages.insert(outcome, Message::Sending);
    Decision::to(state).perform(Effect::Mail { outcome, recipient })
}

/// Sends what waits, if it is known to whom and nothing else is being sent; forgets the recipient
/// when nothing more will be.
fn go_on(mut state: State) -> Decision<State, Event, Effect> {
    if state.messages.values().any(|message| *message == Message::Sending) {
        return Decision::to(state);
    }
    let Address::Known(recipient) = state.address.clone() else { return Decision::to(state) };
    let waiting = state.messages.iter_mut().find(|(_, it)| **it == Message::Waiting);
    if let Some((outcome, message)) = waiting {
        *message = Message::Sending;
        let effect = Effect::Mail { outcome: *outcome, recipient };
        return Decision::to(state).perform(effect);
    }
    if state.has_ended() {
        state.address = Address::Forgotten;
    }
    Decision::to(state)
}

impl State {
    /// Whether a terminal outcome is known.
    fn has_ended(&self) -> bool {
        self.messages.keys().any(|outcome| *outcome != Outcome::Confirmed)
    }
}
