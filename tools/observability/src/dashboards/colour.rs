//! What a colour means.

use declarations::Fleet;

/// A colour, by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// All is well, or it ended well.
    Good,
    /// It is as it is: a measure that is neither good nor bad.
    Plain,
    /// The same, fainter: beside a plain one.
    Faint,
    /// Worth a thought, and nothing to do: an order that was cancelled, a wait.
    Notable,
    /// Somebody should see to it this week.
    Ticket,
    /// Somebody should see to it now. Nothing else is red.
    Page,
    /// One of those that only tell things apart, such as services. There are as many as
    /// [`Colour::OTHERS`]; then they begin again.
    Other(usize),
}

impl Colour {
    /// What only tells things apart: far from each other, and none that warns.
    pub const OTHERS: [&str; 14] = [
        "#5794F2", "#B877D9", "#4FC4CF", "#F2A6D0", "#BFA98A", "#A9B2BD", "#2F7FB8", "#7E6BD6",
        "#A7E0E6", "#D9C7F0", "#8C6E8F", "#DDD3C3", "#5E7A99", "#3F8F8A",
    ];

    /// The colour as RGB, as in HTML.
    pub fn rgb(self) -> &'static str {
        match self {
            Self::Good => "#73BF69",
            Self::Plain => "#5794F2",
            Self::Faint => "#3D5A8A",
            Self::Notable => "#FADE2A",
            Self::Ticket => "#FF9830",
            Self::Page => "#F2495C",
            Self::Other(at) => Self::OTHERS[at % Self::OTHERS.len()],
        }
    }
}

/// The services and the events, and each one's colour.
#[derive(Debug, Clone)]
pub(super) struct Colours {
    services: Vec<String>,
    events: Vec<String>,
}

impl Colours {
    /// The colours of this fleet's.
    pub(super) fn of(fleet: &Fleet) -> Self {
        let emits = fleet.services().iter().flat_map(|it| &it.emits);
        Self {
            services: fleet.names().map(ToOwned::to_owned).collect(),
            events: emits.map(|it| it.event.clone()).collect(),
        }
    }

    /// The services, in the order in which a saga meets them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    /// Each service with its colour.
    pub(super) fn services(&self) -> impl Iterator<Item = (&str, Colour)> {
        told_apart(&self.services)
    }

    /// Each type of event with its colour.
    pub(super) fn events(&self) -> impl Iterator<Item = (&str, Colour)> {
        told_apart(&self.events)
    }
}

fn told_apart(names: &[String]) -> impl Iterator<Item = (&str, Colour)> {
    names.iter().enumerate().map(|(at, name)| (name.as_str(), Colour::Other(at)))
}

/// How orders end.
pub(super) const OUTCOMES: [(&str, Colour); 3] =
    [("placed", Colour::Plain), ("completed", Colour::Good), ("cancelled", Colour::Notable)];

/// Why orders are cancelled. That a deadline passed is nobody's wish.
pub(super) const REASONS: [(&str, Colour); 6] = [
    ("payment_failed", Colour::Other(0)),
    ("out_of_stock", Colour::Other(1)),
    ("shipment_failed", Colour::Other(2)),
    ("customer_request", Colour::Other(3)),
    ("never_placed", Colour::Other(4)),
    ("timed_out", Colour::Ticket),
];

/// Where an order is that has not ended.
pub(super) const STAGES: [(&str, Colour); 3] = [
    ("placed", Colour::Other(0)),
    ("confirmed", Colour::Other(1)),
    ("shipped_ahead", Colour::Other(2)),
];

/// The calls to the outside.
pub(super) const STEPS: [(&str, Colour); 6] = [
    ("charge", Colour::Other(0)),
    ("refund", Colour::Other(1)),
    ("book", Colour::Other(2)),
    ("mail-confirmed", Colour::Other(3)),
    ("mail-completed", Colour::Other(4)),
    ("mail-cancelled", Colour::Other(5)),
];

/// Shares of what is measured: the half, and the slow ones.
pub(super) const QUANTILES: [(&str, Colour); 3] = [
    ("half within", Colour::Other(0)),
    ("95 of 100 within", Colour::Other(1)),
    ("99 of 100 within", Colour::Other(2)),
];
