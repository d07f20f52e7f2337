//! The exit codes, which mean the same for every command.

use std::process::ExitCode;

/// Something is wrong, was found, or was refused.
pub(crate) const WRONG: u8 = 1;
/// Wrong usage.
pub(crate) const USAGE: u8 = 2;
/// It could not be looked, or not be told what was seen.
pub(crate) const BLIND: u8 = 3;
/// The audit: nothing is violated, but the fleet is not at rest.
pub(crate) const NOT_AT_REST: u8 = 4;

/// The code of a look that has found something `wrong`, or was `blind` for a part. What was found
/// goes first.
pub(crate) fn of(wrong: bool, blind: bool) -> ExitCode {
    match (wrong, blind) {
        (true, _) => WRONG.into(),
        (false, true) => BLIND.into(),
        (false, false) => ExitCode::SUCCESS,
    }
}
