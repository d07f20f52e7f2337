//! The dashboards: what people look at, described in a few words, and written as Grafana reads it.
//!
//! From the fleet as a whole down to one service, and from there to recovery, to money and to what was
//! promised. Each begins with a sentence, a row of single numbers that says how things are; below it is what one looks at next.
//! Nothing is red unless somebody has to do something, and a colour means the same everywhere: see
//! [`Colour`].
//!
//! A panel is a [`Panel`], a row of them a [`Row`]; where they are on the page follows from their widths.
//! [`files`] writes them all.

mod business;
mod colour;
mod fleet;
mod grafana;
mod layout;
mod objectives;
mod panel;
mod query;
mod recovery;
mod saga;
mod service;

pub use self::colour::Colour;
pub use self::layout::{PAGE_WIDTH, Place};
pub use self::panel::{Column, Dashboard, Kind, Mark, Panel, Row, Target, Unit, Variable};

use declarations::Fleet;

use self::colour::Colours;

/// Where the dashboards are, from the root of the tree.
pub const DIRECTORY: &str = "deploy/observability/grafana/dashboards";

/// All dashboards for this fleet, in the order in which one looks at them; the first is where one begins.
pub fn dashboards(fleet: &Fleet) -> Vec<Dashboard> {
    let colours = Colours::of(fleet);
    vec![
        fleet::dashboard(&colours),
        saga::dashboard(&colours),
        service::dashboard(&colours),
        recovery::dashboard(&colours),
        business::dashboard(&colours),
        objectives::dashboard(fleet),
    ]
}

/// All dashboards for this fleet as files: their paths from the root of the tree, and what is in them.
pub fn files(fleet: &Fleet) -> Vec<(String, String)> {
    let dashboards = dashboards(fleet);
    let file =
        |it: &Dashboard| (format!("{DIRECTORY}/{}.json", it.uid), grafana::text(it, &dashboards));
    dashboards.iter().map(file).collect()
}
