//! The architecture, as rules over the workspace and over what the services declare. Each rule is
//! a function that lists what breaks it, and is shown to bite.

mod dance;
mod files;
mod packages;

pub(crate) use dance::reads;
