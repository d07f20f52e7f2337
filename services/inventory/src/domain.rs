//! The reservation of an order: – → Reserved | Rejected | Void; Reserved → Released | Shipped.
//! And the stock it is made from.
//!
//! Pure and total: any input in any state, in any order, any number of times. Stock is given: the
//! levels of all SKUs that orders ask for. Decide one input after the other, apply the movements of
//! each, and write by how much the levels have changed.

use std::collections::BTreeMap;

use kernel::{Decision, NoEffect, Quantity, Sku};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::events::{
    Event, Line, OrderId, Shortage, ShortageReason, StockReleased, StockReservationFailed,
    StockReserved, reads,
};

/// Where an order's reservation is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// Nothing is known of the order.
    #[default]
    Unseen,
    /// The shipment came before the order: what the order asks for has left already.
    ShippedAhead,
    /// All lines are set aside for the order.
    Reserved {
        /// What is reserved.
        lines: Vec<Line>,
    },
    /// Not every line could be reserved, so none is, for good.
    Rejected,
    /// Cancelled before it was seen: a void marker, so that the late order reserves nothing.
    Void,
    /// Undone after a cancellation, for good.
    Released {
        /// What was reserved.
        lines: Vec<Line>,
    },
    /// Gone to the customer, for good.
    Shipped {
        /// What was reserved.
        lines: Vec<Line>,
    },
}

/// What may happen to a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A customer has placed the order.
    OrderPlaced(reads::OrderPlaced),
    /// The carrier accepted the order's parcel.
    ShipmentCreated(reads::ShipmentCreated),
    /// The order will not be fulfilled.
    OrderCancelled(reads::OrderCancelled),
}

/// What `input` does to the reservation of `order_id` in `state`, and what it moves in `stock`.
///
/// The movements apply to `stock` without an error as long as its reserved pieces are those of
/// the reservations decided so far.
pub fn decide(
    order_id: OrderId,
    state: &State,
    stock: &Stock,
    input: &Input,
) -> (Decision<State, Event, NoEffect>, Vec<Movement>) {
    match (state, input) {
        (State::Unseen | State::ShippedAhead, Input::OrderPlaced(reads::OrderPlaced { lines })) => {
            let shortages = stock.shortages(lines);
            if shortages.is_empty() {
                reserve(order_id, lines, *state == State::ShippedAhead)
            } else {
                let failed = StockReservationFailed { order_id, shortages };
                let rejected = Decision::to(State::Rejected);
                (rejected.emit(failed), Vec::new())
            }
        }
        (State::Unseen, Input::ShipmentCreated(_)) => still(State::ShippedAhead),
        (State::Unseen, Input::OrderCancelled(_)) => still(State::Void),
        (State::Reserved { lines }, Input::ShipmentCreated(_)) => {
            let shipped = State::Shipped { lines: lines.clone() };
            (Decision::to(shipped), movements(Action::Ship, lines).collect())
        }
        (State::Reserved { lines }, Input::OrderCancelled(_)) => {
            let released = StockReleased { order_id, lines: lines.clone() };
            let state = State::Released { lines: lines.clone() };
            let decision = Decision::to(state).emit(released);
            (decision, movements(Action::Release, lines).collect())
        }
        _ => still(state.clone()),
    }
}

fn reserve(
    order_id: OrderId,
    lines: &[Line],
    shipped: bool,
) -> (Decision<State, Event, NoEffect>, Vec<Movement>) {
    let lines = lines.to_vec();
    let mut moved: Vec<_> = movements(Action::Reserve, &lines).collect();
    let reserved = Event::StockReserved(StockReserved { order_id, lines: lines.clone() });
    let state = if shipped {
        moved.extend(movements(Action::Ship, &lines));
        State::Shipped { lines }
    } else {
        State::Reserved { lines }
    };
    (Decision::to(state).emit(reserved), moved)
}

fn movements(action: Action, lines: &[Line]) -> impl Iterator<Item = Movement> {
    let movement = move |Line { sku, quantity }: &Line| Movement {
        action,
        sku: sku.clone(),
        quantity: *quantity,
    };
    lines.iter().map(movement)
}

/// No movement, no event.
fn still(state: State) -> (Decision<State, Event, NoEffect>, Vec<Movement>) {
    (Decision::to(state), Vec::new())
}

/// Pieces of a SKU that change their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// From where to where.
    pub action: Action,
    /// What moves.
    pub sku: Sku,
    /// How many pieces.
    pub quantity: Quantity,
}

/// The ways pieces move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// From available to reserved.
    Reserve,
    /// From reserved back to available.
    Release,
    /// From reserved to shipped.
    Ship,
}

/// Where the pieces of a SKU are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Level {
    /// Pieces an order can have.
    pub available: u64,
    /// Pieces set aside for orders.
    pub reserved: u64,
    /// Pieces gone to customers.
    pub shipped: u64,
}

impl Level {
    /// The level after `quantity` pieces have moved. The sum of the three stays.
    ///
    /// Fails if there are fewer pieces than that where they come from.
    pub fn after(mut self, action: Action, quantity: Quantity) -> Result<Self, Impossible> {
        let (from, to) = match action {
            Action::Reserve => (&mut self.available, &mut self.reserved),
            Action::Release => (&mut self.reserved, &mut self.available),
            Action::Ship => (&mut self.reserved, &mut self.shipped),
        };
        let pieces = u64::from(quantity.get());
        *from = from.checked_sub(pieces).ok_or(Impossible)?;
        *to = to.checked_add(pieces).ok_or(Impossible)?;
        Ok(self)
    }
}

/// A movement of pieces that are not there. [`decide`] names none: the levels on disk don't fit
/// the reservations on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the movement needs pieces that the stock level does not have")]
pub struct Impossible;

/// The levels of the SKUs at hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock(BTreeMap<Sku, Level>);

impl Stock {
    /// The level of `sku`, if it was ever put on hand.
    pub fn level(&self, sku: &Sku) -> Option<Level> {
        self.0.get(sku).copied()
    }

    /// All levels, in the order of the SKUs' names.
    pub fn levels(&self) -> impl Iterator<Item = (&Sku, Level)> {
        self.0.iter().map(|(sku, level)| (sku, *level))
    }

    /// Says where the pieces of `sku` are.
    pub fn put(&mut self, sku: Sku, level: Level) {
        self.0.insert(sku, level);
    }

    /// Moves the pieces. After an error the stock is unchanged.
    pub fn apply(&mut self, movement: &Movement) -> Result<(), Impossible> {
        let level = self.0.get_mut(&movement.sku).ok_or(Impossible)?;
        *level = level.after(movement.action, movement.quantity)?;
        Ok(())
    }

    /// What is missing to reserve all `lines`, several lines of one SKU added up.
    fn shortages(&self, lines: &[Line]) -> Vec<Shortage> {
        let mut requested = BTreeMap::<&Sku, u64>::new();
        for Line { sku, quantity } in lines {
            *requested.entry(sku).or_default() += u64::from(quantity.get());
        }
        requested.into_iter().filter_map(|(sku, pieces)| self.shortage(sku, pieces)).collect()
    }

    fn shortage(&self, sku: &Sku, requested: u64) -> Option<Shortage> {
        let (available, reason) = match self.level(sku) {
            None => (0, ShortageReason::UnknownSku),
            Some(level) if level.available < requested => (level.available, ShortageReason::Short),
            Some(_) => return None,
        };
        // An Avro int; past two thousand million pieces the exact number says no more.
        let int = |pieces: u64| i32::try_from(pieces).unwrap_or(i32::MAX);
        Some(Shortage {
            sku: sku.clone(),
            requested: int(requested),
            available: int(available),
            reason,
        })
    }
}

impl FromIterator<(Sku, Level)> for Stock {
    fn from_iter<T: IntoIterator<Item = (Sku, Level)>>(levels: T) -> Self {
        Self(levels.into_iter().collect())
    }
}
