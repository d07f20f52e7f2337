//! What must hold.

use order::domain::State as Row;
use order::events::CancelReason;
use stateright::Property;

use super::bounds::Bounds;
use super::model::Fleet;
use super::vocabulary::Call;
use super::whose::Untold;
use super::world::{Order, Record, World};

/// I1.
pub const PIECES_ADD_UP: &str = "I1: available + reserved + shipped is what was put on hand";
/// I2.
pub const ONE_CHARGE: &str = "I2: at most one charge per order";
/// I3.
pub const REFUNDS_WITHIN_CHARGES: &str = "I3: no more refunds than charges";
/// I4.
pub const NO_SHIPMENT_IF_CANCELLED: &str = "I4: no shipment for a cancelled order";
/// I5.
pub const ONE_MESSAGE: &str = "I5: at most one message per order and outcome";
/// I5, in order.
pub const NO_OLD_NEWS: &str = "a customer never hears an earlier outcome after a later one";
/// I6.
pub const FINAL_STAYS: &str = "I6: what is final never changes";
/// What the idempotency keys, of order and step, rely on.
pub const EACH_CALL_ONCE: &str = "an order intends each call once";
/// I7, as far as it means something here: an event has its effect once, even past the inbox.
pub const ONE_EFFECT: &str = "I7: what was delivered changes nothing when it comes again";
/// At rest. Together with [`ONE_EFFECT`], and machines that only go forward, this says that every
/// run ends, and how: no step can be taken twice.
pub const ENDS_AT_REST: &str = "where nothing more happens by itself, the books are closed";

/// What the tools say of an order, by its statuses alone.
pub const WHOSE_MOVE: &str =
    "whose move it is: just those who have something to do that changes anything";

/// What the console says of an order, by what was said of it alone. So none at rest is shown as under way
/// for ever.
pub const LOG_NAMES: &str = "whose move it is by the log: nobody who has nothing to do";
/// The same. So of one that is shown at rest, nothing more comes but what is listed ([`Untold`]).
pub const LOG_OVERLOOKS: &str =
    "whose move it is by the log: who is not named says nothing more, but what the log cannot tell";

/// Everything that is checked within these bounds.
pub(crate) fn all(bounds: Bounds) -> Vec<Property<Fleet>> {
    let mut properties = vec![
        Property::always(PIECES_ADD_UP, pieces_add_up),
        Property::always(ONE_CHARGE, |_, world| never_again(world, &[Call::Charge])),
        Property::always(REFUNDS_WITHIN_CHARGES, |_, world| {
            let above =
                |order: &Order| order.was_done(Call::Refund) && !order.was_done(Call::Charge);
            never_again(world, &[Call::Refund]) && !world.orders.iter().any(above)
        }),
        Property::always(NO_SHIPMENT_IF_CANCELLED, |fleet, world| {
            !fleet.any(world, |it, _| it.was_done(Call::Book) && fleet.cancelled(it).is_some())
        }),
        Property::always(ONE_MESSAGE, |_, world| never_again(world, &Call::MAILS)),
        Property::always(NO_OLD_NEWS, |_, world: &World| !world.heard_old_news),
        Property::always(FINAL_STAYS, |_, world: &World| !world.final_changed),
        Property::always(EACH_CALL_ONCE, |_, world: &World| !world.call_repeated),
        Property::always(ONE_EFFECT, |fleet, world| !fleet.has_more_for_again(world)),
        Property::always(ENDS_AT_REST, |fleet, world| {
            !fleet.is_still(world) || fleet.is_at_rest(world)
        }),
        Property::always(WHOSE_MOVE, |fleet: &Fleet, world: &World| {
            (0..world.orders.len()).all(|order| fleet.names_whose_move_it_is(world, order))
        }),
        Property::always(LOG_NAMES, |fleet: &Fleet, world: &World| {
            (0..world.orders.len()).all(|order| fleet.log_names_whom_statuses_name(world, order))
        }),
        Property::always(LOG_OVERLOOKS, |fleet: &Fleet, world: &World| {
            fleet.overlooked(world).all(|untold| untold.is_some())
        }),
    ];
    properties.extend(what_the_log_cannot_tell(bounds));
    properties.extend(ways_to_end());
    if bounds.is_short() {
        properties.extend(ways_to_end_in_want());
    }
    if bounds.mails {
        properties.extend(ways_to_tell());
    }
    properties
}

/// I1, and that the levels are those of the reservations.
fn pieces_add_up(fleet: &Fleet, world: &World) -> bool {
    use inventory::domain::State;

    let inventory = fleet.inventory.state(world.inventory);
    let level = inventory.level();
    let reservations = &inventory.reservations;
    let count =
        |is: fn(&State) -> bool| reservations.iter().filter(|state| is(state)).count() as u64;
    !inventory.impossible
        && level.available + level.reserved + level.shipped == u64::from(fleet.bounds.pieces)
        && level.reserved == count(|state| matches!(state, State::Reserved { .. }))
        && level.shipped == count(|state| matches!(state, State::Shipped { .. }))
}

fn never_again(world: &World, calls: &[Call]) -> bool {
    let again = |order: &Order| calls.iter().any(|call| order.record(*call) == Record::DoneAgain);
    !world.orders.iter().any(again)
}

impl Fleet {
    /// Why the order was cancelled, if it was.
    fn cancelled(&self, order: &Order) -> Option<CancelReason> {
        match self.order.state(order.row) {
            Row::Cancelled { reason } => Some(*reason),
            _ => None,
        }
    }

    /// Whether every order has ended and everybody has closed their books on it: who has paid has
    /// the parcel, or the money back; nothing is reserved, waited for, on its way or untold.
    fn is_at_rest(&self, world: &World) -> bool {
        let inventory = self.inventory.state(world.inventory);
        let mut all = world.orders.iter().zip(&inventory.reservations);
        all.all(|(order, reservation)| {
            order.intents.is_empty()
                && self.is_closed(order, reservation)
                && (!self.bounds.mails || self.is_told(order))
        })
    }

    fn is_closed(&self, order: &Order, reservation: &inventory::domain::State) -> bool {
        use inventory::domain::State as Reservation;
        use payment::domain::State as Payment;
        use shipping::domain::State as Shipment;

        let (payment, shipment) =
            (self.payment.state(order.payment), self.shipping.state(order.shipping));
        let (charged, refunded, booked) = (
            order.was_done(Call::Charge),
            order.was_done(Call::Refund),
            order.was_done(Call::Book),
        );
        match self.order.state(order.row) {
            Row::Completed => {
                matches!(reservation, Reservation::Shipped { .. })
                    && matches!(payment, Payment::Charged { .. })
                    && matches!(shipment, Shipment::Created { .. })
                    && (charged, refunded, booked) == (true, false, true)
            }
            Row::Cancelled { .. } => {
                use Reservation::{Rejected, Released, Void};
                matches!(reservation, Rejected | Void | Released { .. })
                    && matches!(
                        payment,
                        Payment::Void | Payment::Failed { .. } | Payment::Refunded { .. }
                    )
                    && matches!(shipment, Shipment::Void | Shipment::Failed { .. })
                    && charged == refunded
                    && !booked
            }
            Row::Unseen | Row::Placed | Row::ShippedAhead | Row::Confirmed => false,
        }
    }

    /// Whether the customer was told how the order ended, or could not be.
    fn is_told(&self, order: &Order) -> bool {
        use notification::domain::Message;
        use notification::events::Outcome;

        let messages = &self.notification.state(order.notification).messages;
        let end = match self.order.state(order.row) {
            Row::Completed => Outcome::Completed,
            _ => Outcome::Cancelled,
        };
        let open = |it: &Message| matches!(it, Message::Waiting | Message::Sending);
        let is_told = |it: &Message| matches!(it, Message::Sent { .. } | Message::Failed { .. });
        messages.get(&end).is_some_and(is_told) && !messages.values().any(open)
    }

    /// Whether `what` is so for an order and its reservation.
    fn any(&self, world: &World, what: impl Fn(&Order, &inventory::domain::State) -> bool) -> bool {
        let reservations = &self.inventory.state(world.inventory).reservations;
        world.orders.iter().zip(reservations).any(|(order, reservation)| what(order, reservation))
    }

    fn any_cancelled(&self, world: &World, because: CancelReason) -> bool {
        self.any(world, |order, _| self.cancelled(order) == Some(because))
    }

    fn any_payment(&self, world: &World, is: fn(&payment::domain::State) -> bool) -> bool {
        self.any(world, |order, _| is(self.payment.state(order.payment)))
    }

    fn any_message(&self, world: &World, is: fn(&notification::domain::Message) -> bool) -> bool {
        self.any(world, |order, _| {
            self.notification.state(order.notification).messages.values().any(is)
        })
    }

    fn any_shipment(&self, world: &World, is: fn(&shipping::domain::State) -> bool) -> bool {
        self.any(world, |order, _| is(self.shipping.state(order.shipping)))
    }
}

/// What is named as what the log cannot tell is reached, too.
fn what_the_log_cannot_tell(bounds: Bounds) -> Vec<Property<Fleet>> {
    let mut properties = vec![
        Property::sometimes("untold: a cancelled order is reserved for", |fleet: &Fleet, world| {
            fleet.overlooked(world).any(|it| it == Some(Untold::Reservation))
        }),
        Property::sometimes("untold: a cancelled order is charged for", |fleet: &Fleet, world| {
            fleet.overlooked(world).any(|it| it == Some(Untold::Charge))
        }),
    ];
    if bounds.retries {
        properties
            .push(Property::sometimes("untold: a mail is sent again", |fleet: &Fleet, world| {
                fleet.overlooked(world).any(|it| it == Some(Untold::MailAgain))
            }));
    }
    properties
}

/// What is reached, so that the rest does not hold for want of anything happening.
fn ways_to_end() -> Vec<Property<Fleet>> {
    use inventory::domain::State as Reservation;
    use payment::domain::State as Payment;
    use shipping::domain::State as Shipment;

    vec![
        Property::sometimes("completed", |fleet, world| {
            fleet.any(world, |order, _| *fleet.order.state(order.row) == Row::Completed)
        }),
        Property::sometimes("cancelled: payment failed", |fleet, world| {
            fleet.any_cancelled(world, CancelReason::PaymentFailed)
        }),
        Property::sometimes("cancelled: shipment failed", |fleet, world| {
            fleet.any_cancelled(world, CancelReason::ShipmentFailed)
        }),
        Property::sometimes("cancelled: timed out", |fleet, world| {
            fleet.any_cancelled(world, CancelReason::TimedOut)
        }),
        Property::sometimes("cancelled: customer request", |fleet, world| {
            fleet.any_cancelled(world, CancelReason::CustomerRequest)
        }),
        Property::sometimes("reservation: void marker", |fleet, world| {
            fleet.any(world, |_, reservation| *reservation == Reservation::Void)
        }),
        Property::sometimes("payment: void marker", |fleet, world| {
            fleet.any_payment(world, |payment| *payment == Payment::Void)
        }),
        Property::sometimes("shipment: void marker", |fleet, world| {
            fleet.any_shipment(world, |shipment| *shipment == Shipment::Void)
        }),
        Property::sometimes("payment: the stock is known before the order", |fleet, world| {
            fleet.any_payment(world, |payment| *payment == Payment::AwaitingOrder)
        }),
        Property::sometimes(
            "shipment: the confirmation is known before the order",
            |fleet, world| {
                fleet.any_shipment(world, |shipment| *shipment == Shipment::AwaitingOrder)
            },
        ),
        Property::sometimes("payment: cancelled while charging", |fleet, world| {
            fleet.any_payment(world, |it| matches!(it, Payment::Charging { cancelled: true, .. }))
        }),
        Property::sometimes("payment: refunded", |fleet, world| {
            fleet.any_payment(world, |payment| matches!(payment, Payment::Refunded { .. }))
        }),
        Property::sometimes("payment: declined after the order was cancelled", |fleet, world| {
            let reason = CancelReason::CustomerRequest;
            fleet.any(world, |order, _| {
                let payment = fleet.payment.state(order.payment);
                matches!(payment, Payment::Failed { .. }) && fleet.cancelled(order) == Some(reason)
            })
        }),
    ]
}

fn ways_to_end_in_want() -> Vec<Property<Fleet>> {
    use inventory::domain::State as Reservation;

    vec![
        Property::sometimes("cancelled: out of stock", |fleet, world| {
            fleet.any_cancelled(world, CancelReason::OutOfStock)
        }),
        Property::sometimes("reservation: rejected", |fleet, world| {
            fleet.any(world, |_, reservation| *reservation == Reservation::Rejected)
        }),
        Property::sometimes("reservation: another order gets what was released", |fleet, world| {
            let is = |is: fn(&Reservation) -> bool| fleet.any(world, |_, state| is(state));
            let level = fleet.inventory.state(world.inventory).level();
            level.shipped == u64::from(fleet.bounds.pieces)
                && is(|state| matches!(state, Reservation::Released { .. }))
        }),
    ]
}

fn ways_to_tell() -> Vec<Property<Fleet>> {
    use notification::domain::{Address, Message};

    vec![
        Property::sometimes("message: waits for the recipient", |fleet, world| {
            fleet.any(world, |order, _| {
                let state = fleet.notification.state(order.notification);
                let mut messages = state.messages.values();
                state.address == Address::Unseen && messages.any(|it| *it == Message::Waiting)
            })
        }),
        Property::sometimes("message: given up although it was sent", |fleet, world| {
            fleet.any(world, |order, _| {
                let messages = &fleet.notification.state(order.notification).messages;
                let failed = messages.values().any(|it| matches!(it, Message::Failed { .. }));
                failed && Call::MAILS.iter().any(|mail| order.was_done(*mail))
            })
        }),
        Property::sometimes("message: overtaken by later news", |fleet, world| {
            fleet.any_message(world, |message| *message == Message::Overtaken)
        }),
        Property::sometimes("message: the next waits for the one under way", |fleet, world| {
            fleet.any(world, |order, _| {
                let messages = &fleet.notification.state(order.notification).messages;
                let is = |wanted: &Message| messages.values().any(|message| message == wanted);
                is(&Message::Sending) && is(&Message::Waiting)
            })
        }),
        Property::sometimes("message: the last word was said", |fleet, world| {
            fleet.any(world, |order, _| {
                fleet.notification.state(order.notification).address == Address::Forgotten
            })
        }),
    ]
}
