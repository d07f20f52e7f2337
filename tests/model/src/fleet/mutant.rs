use super::bounds::Bounds;
use super::properties;
use super::vocabulary::{Call, Service};

/// A guard that is not there. The decisions stay those of production: a mutant only says, where the
/// model asks for one, "decide as if you were in that other state" or "as if nobody had asked"; or
/// it does to a transaction or a call what the loop never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// Order: a cancelled order takes a payment as one that is placed does.
    CancelledIsConfirmed,
    /// Order: a completed order takes its payment again.
    CompletedIsConfirmed,
    /// Order: a second failure cancels again.
    CancelledIsCancelled,
    /// Order: the deadline cancels what is confirmed.
    ConfirmedTimesOut,
    /// Order: the customer cancels what is confirmed.
    ConfirmedIsCancelled,
    /// Order: the deadline cancels what is completed.
    CompletedTimesOut,

    /// Inventory: no void marker; the late order reserves.
    VoidReserves,
    /// Inventory: an order that comes again reserves again.
    ReservedReserves,
    /// Inventory: a cancellation that comes again releases again.
    ReleasedReleases,
    /// Inventory: a rejected order that comes again gets what others have released meanwhile.
    RejectedReserves,
    /// Inventory: pieces are reserved that are not there.
    ShortReserves,

    /// Payment: what is to be charged is charged before the stock is reserved.
    ChargesBeforeStock,
    /// Payment: a reservation that comes before its order is not remembered.
    ForgetsStock,
    /// Payment: no void marker; the late reservation charges.
    VoidChargesForStock,
    /// Payment: no void marker; the late order charges.
    VoidChargesForOrder,
    /// Payment: a reservation that comes again while charging begins anew, and what has come
    /// meanwhile is forgotten.
    ChargingCharges,
    /// Payment: a cancellation that comes while charging is not remembered.
    ForgetsCancellation,
    /// Payment: a charge that was followed to its end is kept although the order was cancelled.
    KeepsCancelledCharge,
    /// Payment: a reservation that comes again charges again.
    ChargedCharges,
    /// Payment: a cancellation that comes again while refunding refunds again.
    RefundingRefunds,
    /// Payment: a declined charge is tried again when the reservation comes again.
    FailedCharges,
    /// Payment: a cancellation that comes again refunds again.
    RefundedRefunds,

    /// Shipping: what is placed is booked before it is confirmed.
    BooksUnconfirmed,
    /// Shipping: a confirmation that comes before its order is not remembered.
    ForgetsConfirmation,
    /// Shipping: no void marker; the late order waits for its confirmation for ever.
    VoidWaits,
    /// Shipping: a confirmation that comes again while booking books again.
    BookingBooks,
    /// Shipping: a confirmation that comes again books again.
    CreatedBooks,

    /// Notification: what is to be told before it is known to whom is not remembered.
    ForgetsNews,
    /// Notification: what is known to have been told is told again.
    TellsAgain,
    /// Notification: news that comes late is told although later news is known.
    TellsOldNews,
    /// Notification: what was given up is sent again although later news is known.
    RetriesOldNews,
    /// Notification: the end is told while the message before it is still being sent.
    TellsMeanwhile,
    /// Notification: an order that comes again brings the forgotten recipient back.
    RemembersRecipient,

    /// The loop: a row is written although another instance has changed it meanwhile (and with a
    /// reservation its stock).
    Overwrites(Service),
    /// The loop: the inbox is written in a transaction of its own, and a crash comes in between.
    InboxApart,
    /// The loop: events are published outside the transaction, and a crash comes in between.
    EventsApart,
    /// The loop: calls are made without their intent on disk, and a crash comes in between.
    CallsApart,
    /// The loop: each try of a call has an idempotency key of its own.
    FreshKey(Call),
    /// Payment: a charge whose outcome is not known is taken for declined.
    GivesUpCharge,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 45] = [
        Self::CancelledIsConfirmed,
        Self::CompletedIsConfirmed,
        Self::CancelledIsCancelled,
        Self::ConfirmedTimesOut,
        Self::ConfirmedIsCancelled,
        Self::CompletedTimesOut,
        Self::VoidReserves,
        Self::ReservedReserves,
        Self::ReleasedReleases,
        Self::RejectedReserves,
        Self::ShortReserves,
        Self::ChargesBeforeStock,
        Self::ForgetsStock,
        Self::VoidChargesForStock,
        Self::VoidChargesForOrder,
        Self::ChargingCharges,
        Self::ForgetsCancellation,
        Self::KeepsCancelledCharge,
        Self::ChargedCharges,
        Self::RefundingRefunds,
        Self::FailedCharges,
        Self::RefundedRefunds,
        Self::BooksUnconfirmed,
        Self::ForgetsConfirmation,
        Self::VoidWaits,
        Self::BookingBooks,
        Self::CreatedBooks,
        Self::ForgetsNews,
        Self::TellsAgain,
        Self::TellsOldNews,
        Self::RetriesOldNews,
        Self::TellsMeanwhile,
        Self::RemembersRecipient,
        Self::Overwrites(Service::Order),
        Self::Overwrites(Service::Inventory),
        Self::Overwrites(Service::Payment),
        Self::Overwrites(Service::Shipping),
        Self::Overwrites(Service::Notification),
        Self::InboxApart,
        Self::EventsApart,
        Self::CallsApart,
        Self::FreshKey(Call::Charge),
        Self::FreshKey(Call::Refund),
        Self::FreshKey(Call::MailCancelled),
        Self::GivesUpCharge,
    ];

    /// The property that must not hold without the guard.
    pub fn breaks(self) -> &'static str {
        match self {
            Self::ReservedReserves | Self::ReleasedReleases | Self::ShortReserves => {
                properties::PIECES_ADD_UP
            }
            Self::FreshKey(Call::Charge) => properties::ONE_CHARGE,
            Self::FreshKey(Call::Refund) => properties::REFUNDS_WITHIN_CHARGES,
            Self::ConfirmedTimesOut | Self::ConfirmedIsCancelled | Self::BooksUnconfirmed => {
                properties::NO_SHIPMENT_IF_CANCELLED
            }
            Self::ChargedCharges | Self::RefundingRefunds | Self::BookingBooks => {
                properties::EACH_CALL_ONCE
            }
            Self::FreshKey(_) => properties::ONE_MESSAGE,
            Self::TellsOldNews | Self::RetriesOldNews | Self::TellsMeanwhile => {
                properties::NO_OLD_NEWS
            }
            Self::CancelledIsConfirmed
            | Self::CompletedIsConfirmed
            | Self::CancelledIsCancelled
            | Self::CompletedTimesOut
            | Self::RejectedReserves
            | Self::FailedCharges
            | Self::RefundedRefunds
            | Self::CreatedBooks
            | Self::TellsAgain
            | Self::RemembersRecipient => properties::FINAL_STAYS,
            Self::VoidReserves
            | Self::ChargesBeforeStock
            | Self::ForgetsStock
            | Self::VoidChargesForStock
            | Self::VoidChargesForOrder
            | Self::ForgetsCancellation
            | Self::KeepsCancelledCharge
            | Self::ForgetsConfirmation
            | Self::VoidWaits
            | Self::ForgetsNews
            | Self::ChargingCharges
            | Self::Overwrites(_)
            | Self::InboxApart
            | Self::EventsApart
            | Self::CallsApart
            | Self::GivesUpCharge => properties::ENDS_AT_REST,
        }
    }

    /// The smallest fleet in which the guard is missed.
    pub fn bounds(self) -> Bounds {
        match self {
            Self::RejectedReserves | Self::ShortReserves | Self::ChargesBeforeStock => {
                Bounds::TWO_ORDERS
            }
            _ => Bounds::ONE_ORDER,
        }
    }
}
