//! The payment of an order: Awaiting → Charging → Charged | Failed; Charged → Refunding →
//! Refunded. Cancelled while Awaiting, it is Void; cancelled while Charging, the charge is
//! followed to its known end, and refunded if it succeeded.
//!
//! Pure and total: any input in any state, in any order, any number of times.

use kernel::{Decision, Money, StateMachine};
use serde::{Deserialize, Serialize};

use crate::events::{Event, OrderId, PaymentCharged, PaymentFailed, PaymentRefunded, reads};

/// Where an order's payment is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// Nothing is known of the order.
    #[default]
    Unseen,
    /// What to charge is known; charged it is once the stock is reserved.
    AwaitingStock {
        /// What to charge.
        amount: Money,
        /// How the customer pays.
        payment_method: String,
        /// Where the order came from.
        #[serde(default = "reads::web")]
        channel: String,
    },
    /// The stock is reserved; what to charge isn't known yet.
    AwaitingOrder,
    /// The provider has been asked for the charge, and its answer is not known.
    Charging {
        /// What to charge.
        amount: Money,
        /// Whether the order was cancelled meanwhile, so that a charge is to be refunded.
        cancelled: bool,
    },
    /// The customer has paid.
    Charged {
        /// The provider's id of the charge.
        charge_id: String,
        /// What was charged.
        amount: Money,
    },
    /// The customer has paid for an order that was cancelled, and is to get it back.
    Refunding {
        /// The provider's id of the charge.
        charge_id: String,
        /// What was charged.
        amount: Money,
    },
    /// The customer has the money back, for good.
    Refunded {
        /// The provider's id of the charge.
        charge_id: String,
        /// The provider's id of the refund.
        refund_id: String,
        /// What was paid back.
        amount: Money,
    },
    /// The charge was declined, for good.
    Failed {
        /// Why.
        reason: String,
    },
    /// Cancelled before anything was charged: a void marker, so that late events charge nothing.
    Void,
}

/// What may happen to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A customer has placed the order.
    OrderPlaced(reads::OrderPlaced),
    /// All lines of the order are reserved.
    StockReserved(reads::StockReserved),
    /// The order will not be fulfilled.
    OrderCancelled(reads::OrderCancelled),
    /// The provider has confirmed the charge.
    Charged {
        /// The provider's id of the charge.
        charge_id: String,
    },
    /// The provider has declined the charge, for good.
    Declined {
        /// Why, such as `card_declined`.
        reason: String,
    },
    /// The provider has confirmed the refund.
    Refunded {
        /// The provider's id of the refund.
        refund_id: String,
    },
}

/// A call to the payment provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Take the money; the outcome is [`Input::Charged`] or [`Input::Declined`].
    Charge {
        /// How much.
        amount: Money,
        /// From where, as the provider names it.
        payment_method: String,
        /// Where the order came from: who orders by phone is not there to authenticate a payment.
        #[serde(default = "reads::web")]
        channel: String,
    },
    /// Give it back; the outcome is [`Input::Refunded`], however long it takes.
    Refund {
        /// The provider's id of the charge.
        charge_id: String,
        /// How much.
        amount: Money,
    },
}

impl kernel::Effect for Effect {
    fn step(&self) -> &'static str {
        match self {
            Self::Charge { .. } => "charge",
            Self::Refund { .. } => "refund",
        }
    }
}

impl StateMachine for State {
    type Input = Input;
    type Event = Event;
    type Effect = Effect;

    /// What `input` does to the payment of `order_id` in this state.
    fn decide(&self, order_id: OrderId, input: &Input) -> Decision<Self, Event, Effect> {
        match (self.clone(), input.clone()) {
            (State::Unseen, Input::OrderPlaced(order)) => {
                let reads::OrderPlaced { total, payment_method, channel } = order;
                Decision::to(State::AwaitingStock { amount: total, payment_method, channel })
            }
            (State::Unseen, Input::StockReserved(_)) => Decision::to(State::AwaitingOrder),
            (State::AwaitingStock { amount, payment_method, channel }, Input::StockReserved(_)) => {
                charge(amount, payment_method, channel)
            }
            (State::AwaitingOrder, Input::OrderPlaced(order)) => {
                charge(order.total, order.payment_method, order.channel)
            }

            (
                State::Unseen | State::AwaitingStock { .. } | State::AwaitingOrder,
                Input::OrderCancelled(_),
            ) => Decision::to(State::Void),
            (State::Charging { amount, .. }, Input::OrderCancelled(_)) => {
                Decision::to(State::Charging { amount, cancelled: true })
            }
            (State::Charged { charge_id, amount }, Input::OrderCancelled(_)) => {
                refund(charge_id, amount)
            }

            (State::Charging { amount, cancelled }, Input::Charged { charge_id }) => {
                let charged = PaymentCharged { order_id, charge_id: charge_id.clone(), amount };
                let decision = if cancelled {
                    refund(charge_id, amount)
                } else {
                    Decision::to(State::Charged { charge_id, amount })
                };
                decision.emit(charged)
            }
            (State::Charging { .. }, Input::Declined { reason }) => {
                Decision::to(State::Failed { reason: reason.clone() })
                    .emit(PaymentFailed { order_id, reason })
            }
            (State::Refunding { charge_id, amount }, Input::Refunded { refund_id }) => {
                let refunded = PaymentRefunded {
                    order_id,
                    charge_id: charge_id.clone(),
                    refund_id: refund_id.clone(),
                    amount,
                };
                Decision::to(State::Refunded { charge_id, refund_id, amount }).emit(refunded)
            }
            (state, _) => Decision::to(state),
        }
    }

    /// A cancelled order waits for no charge.
    fn is_abandoned(&self, effect: &Effect) -> bool {
        matches!((self, effect), (Self::Charging { cancelled: true, .. }, Effect::Charge { .. }))
    }
}

fn charge(
    amount: Money,
    payment_method: String,
    channel: String,
) -> Decision<State, Event, Effect> {
    Decision::to(State::Charging { amount, cancelled: false }).perform(Effect::Charge {
        amount,
        payment_method,
        channel,
    })
}

fn refund(charge_id: String, amount: Money) -> Decision<State, Event, Effect> {
    Decision::to(State::Refunding { charge_id: charge_id.clone(), amount })
        .perform(Effect::Refund { charge_id, amount })
}
