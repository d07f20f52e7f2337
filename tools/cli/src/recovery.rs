//! What becomes of dead letters: read with all that was done about them, selected, and followed to their
//! outcome. The command line and the console are two faces of this.

mod archive;
mod author;
mod cause;
mod groups;
pub(crate) mod letter;
mod operations;
mod outcome;
mod redriving;
mod report;
mod selection;

pub use contracts::operations::LetterId;

pub use self::archive::{Archive, State, letters};
pub use self::author::me;
pub use self::cause::normalised;
pub use self::groups::{Condition, Group};
pub use self::letter::{Letter, Redriven, Source};
pub use self::operations::{
    Act, Began, Handled, Kind, Operation, OperationLog, Recorder, Revealed,
};
pub use self::outcome::{Observer, Outcome};
pub use self::redriving::{Manner, Phase, feasible, note, noted, redrive};
pub use self::report::Report;
pub use self::selection::{Chosen, Filter, Selection, Target, letter_id};
