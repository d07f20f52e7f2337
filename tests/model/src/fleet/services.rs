//! The services as tables, by the functions that decide in production.

use kernel::{Currency, Money, Quantity, Sku, StateMachine as _};
use order::events::OrderId;
use uuid::Uuid;

use super::machine::{Decided, Machine};
use super::mutant::Mutant;
use super::vocabulary::{Answer, Call, Fact, Service, Stimulus};

/// Decisions only copy the order's id into their events, so one stands for all.
const ORDER: OrderId = OrderId(Uuid::from_u128(1));

/// What is decided on instead of a state.
enum Treated<S> {
    /// The state as it is, or as the mutant takes it to be.
    As(S),
    /// Nothing is decided.
    Ignored,
}

/// The events that a service of the model reads.
pub fn reads(service: Service, fact: Fact) -> bool {
    let stimulus = Stimulus::Fact(fact);
    match service {
        Service::Order => order_input(stimulus).is_some(),
        Service::Inventory => inventory_input(stimulus).is_some(),
        Service::Payment => payment_input(stimulus).is_some(),
        Service::Shipping => shipping_input(stimulus).is_some(),
        Service::Notification => notification_input(stimulus).is_some(),
    }
}

pub(crate) fn order(mutant: Option<Mutant>) -> Machine<order::domain::State> {
    use order::domain::{Input, State};

    let treated = |state: &State, input: &Input| match (mutant, state, input) {
        (Some(Mutant::CancelledIsConfirmed), State::Cancelled { .. }, Input::PaymentCharged(_))
        | (Some(Mutant::CompletedIsConfirmed), State::Completed, Input::PaymentCharged(_))
        | (Some(Mutant::ConfirmedTimesOut), State::Confirmed, Input::DeadlinePassed)
        | (Some(Mutant::ConfirmedIsCancelled), State::Confirmed, Input::CancelRequested)
        | (Some(Mutant::CompletedTimesOut), State::Completed, Input::DeadlinePassed)
        | (
            Some(Mutant::CancelledIsCancelled),
            State::Cancelled { .. },
            Input::PaymentFailed(_) | Input::StockReservationFailed(_),
        ) => State::Placed,
        _ => state.clone(),
    };
    Machine::tabulate(
        1,
        State::Placed,
        |state, _, stimulus| {
            let input = order_input(stimulus)?;
            let decision = treated(state, &input).decide(ORDER, &input);
            Some(Decided::of(decision))
        },
        |before, after| {
            let is_final = matches!(before, State::Completed | State::Cancelled { .. });
            is_final && before != after
        },
    )
}

fn order_input(stimulus: Stimulus) -> Option<order::domain::Input> {
    use order::domain::Input;
    use order::events::reads;

    Some(match stimulus {
        Stimulus::Fact(Fact::StockReservationFailed) => {
            Input::StockReservationFailed(reads::StockReservationFailed {})
        }
        Stimulus::Fact(Fact::PaymentCharged) => Input::PaymentCharged(reads::PaymentCharged {}),
        Stimulus::Fact(Fact::PaymentFailed) => Input::PaymentFailed(reads::PaymentFailed {}),
        Stimulus::Fact(Fact::ShipmentCreated) => Input::ShipmentCreated(reads::ShipmentCreated {}),
        Stimulus::Fact(Fact::ShipmentFailed) => Input::ShipmentFailed(reads::ShipmentFailed {}),
        Stimulus::DeadlinePassed => Input::DeadlinePassed,
        Stimulus::CancelRequested => Input::CancelRequested,
        Stimulus::Fact(_) | Stimulus::Outcome(..) | Stimulus::Retried(_) => return None,
    })
}

/// All reservations and the stock they are made from, for orders share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// By order.
    pub(crate) reservations: Vec<inventory::domain::State>,
    /// The one SKU's level.
    pub(crate) stock: inventory::domain::Stock,
    /// Whether a decision named a movement of pieces that were not there.
    pub(crate) impossible: bool,
}

impl Inventory {
    /// The level of the one SKU.
    pub(crate) fn level(&self) -> inventory::domain::Level {
        self.stock.levels().next().map(|(_, level)| level).unwrap_or_default()
    }
}

pub(crate) fn inventory(orders: usize, pieces: u32, mutant: Option<Mutant>) -> Machine<Inventory> {
    use inventory::domain::{Input, Level, State, Stock, decide};

    let stock_of = |level: Level| -> Stock { [(sku(), level)].into_iter().collect() };
    let start = Inventory {
        reservations: vec![State::Unseen; orders],
        stock: stock_of(Level { available: u64::from(pieces), ..Level::default() }),
        impossible: false,
    };
    let treated = |state: &State, input: &Input| match (mutant, state, input) {
        (Some(Mutant::VoidReserves), State::Void, Input::OrderPlaced(_))
        | (Some(Mutant::ReservedReserves), State::Reserved { .. }, Input::OrderPlaced(_))
        | (Some(Mutant::RejectedReserves), State::Rejected, Input::OrderPlaced(_)) => State::Unseen,
        (Some(Mutant::ReleasedReleases), State::Released { lines }, Input::OrderCancelled(_)) => {
            State::Reserved { lines: lines.clone() }
        }
        _ => state.clone(),
    };
    Machine::tabulate(
        orders,
        start,
        |before, order, stimulus| {
            let input = inventory_input(stimulus)?;
            let state = treated(&before.reservations[order], &input);
            let stock = match mutant {
                Some(Mutant::ShortReserves) => stock_of(Level { available: 1, ..before.level() }),
                _ => before.stock.clone(),
            };
            let (decision, movements) = decide(ORDER, &state, &stock, &input);
            let mut after = before.clone();
            after.impossible |= movements.iter().any(|moved| after.stock.apply(moved).is_err());
            Some(Decided::of(decision).map(|state| {
                after.reservations[order] = state;
                after
            }))
        },
        |before, after| {
            let is_final = |state: &State| {
                use State::{Rejected, Released, Shipped, Void};
                matches!(state, Rejected | Void | Released { .. } | Shipped { .. })
            };
            let mut both = before.reservations.iter().zip(&after.reservations);
            both.any(|(before, after)| is_final(before) && before != after)
        },
    )
}

fn inventory_input(stimulus: Stimulus) -> Option<inventory::domain::Input> {
    use inventory::domain::Input;
    use inventory::events::{Line, reads};

    Some(match stimulus {
        Stimulus::Fact(Fact::OrderPlaced) => {
            let lines = vec![Line { sku: sku(), quantity: one() }];
            Input::OrderPlaced(reads::OrderPlaced { lines })
        }
        Stimulus::Fact(Fact::ShipmentCreated) => Input::ShipmentCreated(reads::ShipmentCreated {}),
        Stimulus::Fact(Fact::OrderCancelled) => Input::OrderCancelled(reads::OrderCancelled {}),
        _ => return None,
    })
}

pub(crate) fn payment(mutant: Option<Mutant>) -> Machine<payment::domain::State> {
    use payment::domain::{Input, State};

    let awaiting_stock =
        || State::AwaitingStock { amount: price(), payment_method: card(), channel: channel() };
    let treated = |state: &State, input: &Input| {
        Treated::As(match (mutant, state, input) {
            (Some(Mutant::ChargesBeforeStock), State::Unseen, Input::OrderPlaced(_))
            | (Some(Mutant::VoidChargesForOrder), State::Void, Input::OrderPlaced(_)) => {
                State::AwaitingOrder
            }
            (Some(Mutant::VoidChargesForStock), State::Void, Input::StockReserved(_))
            | (Some(Mutant::ChargingCharges), State::Charging { .. }, Input::StockReserved(_))
            | (Some(Mutant::ChargedCharges), State::Charged { .. }, Input::StockReserved(_))
            | (Some(Mutant::FailedCharges), State::Failed { .. }, Input::StockReserved(_)) => {
                awaiting_stock()
            }
            (Some(Mutant::ForgetsStock), State::Unseen, Input::StockReserved(_))
            | (
                Some(Mutant::ForgetsCancellation),
                State::Charging { .. },
                Input::OrderCancelled(_),
            ) => {
                return Treated::Ignored;
            }
            (
                Some(Mutant::KeepsCancelledCharge),
                State::Charging { amount, cancelled: true },
                Input::Charged { .. },
            ) => State::Charging { amount: *amount, cancelled: false },
            (
                Some(Mutant::RefundedRefunds),
                State::Refunded { charge_id, amount, .. },
                Input::OrderCancelled(_),
            )
            | (
                Some(Mutant::RefundingRefunds),
                State::Refunding { charge_id, amount },
                Input::OrderCancelled(_),
            ) => State::Charged { charge_id: charge_id.clone(), amount: *amount },
            _ => state.clone(),
        })
    };
    Machine::tabulate(
        1,
        State::Unseen,
        |state, _, stimulus| {
            let input = payment_input(stimulus)?;
            let Treated::As(state) = treated(state, &input) else { return None };
            let decision = state.decide(ORDER, &input);
            Some(Decided::of(decision))
        },
        |before, after| {
            use State::{Failed, Refunded, Void};
            matches!(before, Void | Failed { .. } | Refunded { .. }) && before != after
        },
    )
}

fn payment_input(stimulus: Stimulus) -> Option<payment::domain::Input> {
    use payment::domain::Input;
    use payment::events::reads;

    Some(match stimulus {
        Stimulus::Fact(Fact::OrderPlaced) => Input::OrderPlaced(reads::OrderPlaced {
            total: price(),
            payment_method: card(),
            channel: channel(),
        }),
        Stimulus::Fact(Fact::StockReserved) => Input::StockReserved(reads::StockReserved {}),
        Stimulus::Fact(Fact::OrderCancelled) => Input::OrderCancelled(reads::OrderCancelled {}),
        Stimulus::Outcome(Call::Charge, Answer::Yes) => {
            Input::Charged { charge_id: "ch_1".to_owned() }
        }
        Stimulus::Outcome(Call::Charge, Answer::No) => {
            Input::Declined { reason: "card_declined".to_owned() }
        }
        Stimulus::Outcome(Call::Refund, Answer::Yes) => {
            Input::Refunded { refund_id: "re_1".to_owned() }
        }
        _ => return None,
    })
}

pub(crate) fn shipping(mutant: Option<Mutant>) -> Machine<shipping::domain::State> {
    use shipping::domain::{Input, State};

    let treated = |state: &State, input: &Input| {
        Treated::As(match (mutant, state, input) {
            (Some(Mutant::BooksUnconfirmed), State::Unseen, Input::OrderPlaced(_)) => {
                State::AwaitingOrder
            }
            (Some(Mutant::VoidWaits), State::Void, Input::OrderPlaced(_)) => State::Unseen,
            (Some(Mutant::BookingBooks), State::Booking, Input::OrderConfirmed(_))
            | (Some(Mutant::CreatedBooks), State::Created { .. }, Input::OrderConfirmed(_)) => {
                State::AwaitingConfirmation { recipient: shipping_recipient() }
            }
            (Some(Mutant::ForgetsConfirmation), State::Unseen, Input::OrderConfirmed(_)) => {
                return Treated::Ignored;
            }
            _ => state.clone(),
        })
    };
    Machine::tabulate(
        1,
        State::Unseen,
        |state, _, stimulus| {
            let input = shipping_input(stimulus)?;
            let Treated::As(state) = treated(state, &input) else { return None };
            let decision = state.decide(ORDER, &input);
            Some(Decided::of(decision))
        },
        |before, after| {
            use State::{Created, Failed, Void};
            matches!(before, Void | Created { .. } | Failed { .. }) && before != after
        },
    )
}

fn shipping_input(stimulus: Stimulus) -> Option<shipping::domain::Input> {
    use shipping::domain::{Input, Shipment};
    use shipping::events::reads;

    Some(match stimulus {
        Stimulus::Fact(Fact::OrderPlaced) => {
            Input::OrderPlaced(reads::OrderPlaced { recipient: shipping_recipient() })
        }
        Stimulus::Fact(Fact::OrderConfirmed) => Input::OrderConfirmed(reads::OrderConfirmed {}),
        Stimulus::Fact(Fact::OrderCancelled) => Input::OrderCancelled(reads::OrderCancelled {}),
        Stimulus::Outcome(Call::Book, Answer::Yes) => Input::Booked(Shipment {
            shipment_id: "sh_1".to_owned(),
            carrier: "sim".to_owned(),
            tracking_number: "1".to_owned(),
        }),
        Stimulus::Outcome(Call::Book, Answer::No) => {
            Input::Refused { reason: "destination_not_served".to_owned() }
        }
        _ => return None,
    })
}

pub(crate) fn notification(mutant: Option<Mutant>) -> Machine<notification::domain::State> {
    use notification::domain::{Address, Input, Message, State};
    use notification::events::Outcome;

    let treated = |state: &State, input: &Input| {
        let mut state = state.clone();
        match (mutant, input) {
            (Some(Mutant::ForgetsNews), Input::OrderConfirmed(_) | Input::OrderCancelled(_))
                if state.address == Address::Unseen =>
            {
                return Treated::Ignored;
            }
            (Some(Mutant::TellsAgain), Input::OrderConfirmed(_)) => {
                state.messages.remove(&Outcome::Confirmed);
            }
            (Some(Mutant::TellsOldNews), Input::OrderConfirmed(_))
                if state.address != Address::Forgotten =>
            {
                state.messages.retain(|outcome, _| *outcome == Outcome::Confirmed);
            }
            (Some(Mutant::RetriesOldNews), Input::Retried { .. }) => {
                state.messages.retain(|outcome, _| *outcome == Outcome::Confirmed);
            }
            (Some(Mutant::TellsMeanwhile), Input::OrderCompleted(_) | Input::OrderCancelled(_)) => {
                state.messages.retain(|_, message| *message != Message::Sending);
            }
            (Some(Mutant::RemembersRecipient), Input::OrderPlaced(_))
                if state.address == Address::Forgotten =>
            {
                state = State::default();
            }
            _ => {}
        }
        Treated::As(state)
    };
    Machine::tabulate(
        1,
        State::default(),
        |state, _, stimulus| {
            let input = notification_input(stimulus)?;
            let Treated::As(state) = treated(state, &input) else { return None };
            let decision = state.decide(ORDER, &input);
            Some(Decided::of(decision))
        },
        |before, after| {
            let is_final =
                |message: &Message| matches!(message, Message::Sent { .. } | Message::Overtaken);
            let mut messages = before.messages.iter();
            let recipient_is_back =
                before.address == Address::Forgotten && after.address != Address::Forgotten;
            recipient_is_back
                || messages.any(|(outcome, message)| {
                    is_final(message) && after.messages.get(outcome) != Some(message)
                })
        },
    )
}

/// What a mail tells.
fn told_by(call: Call) -> Option<notification::events::Outcome> {
    use notification::events::Outcome;

    match call {
        Call::MailConfirmed => Some(Outcome::Confirmed),
        Call::MailCompleted => Some(Outcome::Completed),
        Call::MailCancelled => Some(Outcome::Cancelled),
        _ => None,
    }
}

fn addressee() -> notification::events::reads::Recipient {
    let (name, email) = ("Ada".to_owned(), "ada@example.org".to_owned());
    notification::events::reads::Recipient { name, email }
}

fn notification_input(stimulus: Stimulus) -> Option<notification::domain::Input> {
    use notification::domain::Input;
    use notification::events::reads;

    Some(match stimulus {
        Stimulus::Fact(Fact::OrderPlaced) => {
            Input::OrderPlaced(reads::OrderPlaced { recipient: addressee() })
        }
        Stimulus::Fact(Fact::OrderConfirmed) => Input::OrderConfirmed(reads::OrderConfirmed {}),
        Stimulus::Fact(Fact::OrderCompleted) => Input::OrderCompleted(reads::OrderCompleted {}),
        Stimulus::Fact(Fact::OrderCancelled) => Input::OrderCancelled(reads::OrderCancelled {}),
        Stimulus::Retried(call) => {
            Input::Retried { outcome: told_by(call)?, recipient: addressee() }
        }
        Stimulus::Outcome(call, answer) => {
            let outcome = told_by(call)?;
            match answer {
                Answer::Yes => Input::Sent { outcome, message_id: "m_1".to_owned() },
                Answer::No => Input::GivenUp { outcome, reason: "address_rejected".to_owned() },
            }
        }
        _ => return None,
    })
}

fn shipping_recipient() -> shipping::events::reads::Recipient {
    let text = ToOwned::to_owned;
    shipping::events::reads::Recipient {
        name: text("Ada"),
        street: text("1 Rue de la Paix"),
        city: text("Paris"),
        postal_code: text("75002"),
        country: text("FR"),
    }
}

fn card() -> String {
    "pm_card_visa".to_owned()
}

fn channel() -> String {
    "web".to_owned()
}

fn price() -> Money {
    Money { amount: 24_000, currency: constant("EUR".parse::<Currency>()) }
}

fn sku() -> Sku {
    constant("tambourin".parse())
}

fn one() -> Quantity {
    constant(Quantity::new(1))
}

/// A value that is written here and known to be right.
fn constant<T, E: std::fmt::Debug>(value: Result<T, E>) -> T {
    value.unwrap_or_else(|error| unreachable!("{error:?}"))
}
